//! Go's `%v`: how a decoded JSON value prints.
//!
//! Strings print bare, `null` as `<nil>`, arrays as `[a b]`, objects as
//! `map[k:v k:v]` in the order of their keys, and numbers as the float64 that they
//! were decoded to.

use super::{Cursor, Token, unescape};
use std::fmt;
use std::ops::Range;
use zeroize::Zeroizing;

/// Longer numbers are not shown in an error.
const LONGEST_NUMBER_SHOWN: usize = 6;

/// A number that no float64 holds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("json: cannot unmarshal number {digits} into Go value of type float64")]
pub struct NumberTooLarge {
    /// The number as spelled, or its length when it is long enough to be a secret of its own.
    digits: String,
}

/// What kind of text stands for a JSON value that is not a string. It says
/// nothing of the value itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// An array.
    Array,
    /// `true` or `false`.
    Boolean,
    /// A number that reads in the container as it stands in the secret.
    Number,
    /// A number from one million on or near zero.
    NumberInExponentForm,
    /// A number that is spelled differently in the container.
    NumberRespelled,
    /// `null`.
    Null,
    /// An object.
    Object,
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Array => "a JSON array; the container gets it in Go's notation, `[a b]`",
            Self::Boolean => "a JSON boolean; the container gets the word",
            Self::Number => "a JSON number; the container gets the same digits",
            Self::NumberInExponentForm => {
                "a JSON number; the container gets it in exponent form, as in `1.2345678e+07`"
            }
            Self::NumberRespelled => {
                "a JSON number; the container gets it with other digits, as in `1.5` for 1.50"
            }
            Self::Null => "JSON null; the container gets the text `<nil>`",
            Self::Object => "a JSON object; the container gets it in Go's notation, `map[k:v]`",
        })
    }
}

/// Walks over one value. Its numbers are read all the same, because one that is
/// too large makes the original fail whatever key is asked for.
pub(in crate::ecs) fn skip(tokens: &mut Cursor<'_>) -> Result<(), NumberTooLarge> {
    let mut depth = 0_usize;
    for token in tokens {
        match token {
            Token::ObjectStart | Token::ArrayStart => depth += 1,
            Token::ObjectEnd | Token::ArrayEnd => depth = depth.saturating_sub(1),
            Token::Number(digits) => {
                number(digits)?;
            }
            Token::Text(_) | Token::Bool(_) | Token::Null => {}
        }
        if depth == 0 {
            break;
        }
    }
    Ok(())
}

/// Reads a number. Longer ones are not shown in an error: they may be secrets.
fn number(digits: &str) -> Result<f64, NumberTooLarge> {
    match digits.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(value),
        _ if digits.len() <= LONGEST_NUMBER_SHOWN => Err(NumberTooLarge { digits: digits.to_owned() }),
        _ => Err(NumberTooLarge { digits: format!("of {} characters", digits.len()) }),
    }
}

/// Prints one value as `%v` does, without recursion.
pub(in crate::ecs) struct Printer {
    /// INVARIANT: never grows beyond its first capacity, because growing would
    /// leave copies of the plaintext behind. No value prints to more than three
    /// times its JSON (`{}` is `map[]`, `1e5` is `100000`).
    pub(in crate::ecs) text: Zeroizing<String>,
    open: Vec<Open>,
}

/// An array or object that is being printed.
enum Open {
    Array {
        empty: bool,
    },
    Map {
        /// Where its first member begins.
        start: usize,
        members: Vec<Member>,
        /// Where the member begins whose value comes next, and where its key ends.
        current: Option<(usize, usize)>,
    },
}

/// Places of a printed member, `key:value`.
struct Member {
    key: Range<usize>,
    end: usize,
}

impl Printer {
    pub(in crate::ecs) fn new(source_length: usize) -> Self {
        Self {
            text: Zeroizing::new(String::with_capacity(source_length.saturating_mul(3))),
            open: Vec::new(),
        }
    }

    /// Replaces the text by that of the next value.
    pub(in crate::ecs) fn print(&mut self, tokens: &mut Cursor<'_>) -> Result<Option<Shape>, NumberTooLarge> {
        self.text.clear();
        let mut shape = None;
        for (index, token) in tokens.enumerate() {
            let of_token = self.token(token)?;
            if index == 0 {
                shape = of_token;
            }
            if self.open.is_empty() {
                break;
            }
        }
        Ok(shape)
    }

    fn token(&mut self, token: Token<'_>) -> Result<Option<Shape>, NumberTooLarge> {
        let text = &mut self.text;
        let ends = matches!(token, Token::ObjectEnd | Token::ArrayEnd);
        match self.open.last_mut() {
            Some(Open::Array { empty }) if !ends => {
                if !*empty {
                    text.push(' ');
                }
                *empty = false;
            }
            Some(Open::Map { members, current: current @ None, .. }) if !ends => {
                if !members.is_empty() {
                    text.push(' ');
                }
                let start = text.len();
                if let Token::Text(raw) = token {
                    unescape(raw, text);
                }
                *current = Some((start, text.len()));
                text.push(':');
                return Ok(None);
            }
            _ => {}
        }
        let shape = match token {
            Token::ObjectStart => {
                text.push_str("map[");
                self.open.push(Open::Map { start: text.len(), members: Vec::new(), current: None });
                return Ok(Some(Shape::Object));
            }
            Token::ArrayStart => {
                text.push('[');
                self.open.push(Open::Array { empty: true });
                return Ok(Some(Shape::Array));
            }
            Token::ObjectEnd | Token::ArrayEnd => {
                if let Some(Open::Map { start, members, .. }) = self.open.pop() {
                    sort_members(text, start, members);
                }
                text.push(']');
                None
            }
            Token::Text(raw) => {
                unescape(raw, text);
                None
            }
            Token::Number(digits) => {
                let start = text.len();
                print_number(number(digits)?, text);
                Some(match text.get(start..) {
                    Some(printed) if printed == digits => Shape::Number,
                    Some(printed) if printed.contains('e') => Shape::NumberInExponentForm,
                    _ => Shape::NumberRespelled,
                })
            }
            Token::Bool(value) => {
                text.push_str(if value { "true" } else { "false" });
                Some(Shape::Boolean)
            }
            Token::Null => {
                text.push_str("<nil>");
                Some(Shape::Null)
            }
        };
        if let Some(Open::Map { members, current, .. }) = self.open.last_mut()
            && let Some((key_start, key_end)) = current.take()
        {
            members.push(Member { key: key_start..key_end, end: self.text.len() });
        }
        Ok(shape)
    }
}

/// Puts printed members in the order of their keys; of equal keys the last stays.
fn sort_members(text: &mut String, start: usize, mut members: Vec<Member>) {
    let key = |m: &Member| text.get(m.key.clone()).unwrap_or_default();
    if members.is_sorted_by(|a, b| key(a) < key(b)) {
        return;
    }
    // The sort keeps the order of equal keys, so the last of them is the last in the source.
    members.sort_by(|a, b| key(a).cmp(key(b)));
    let mut sorted = Zeroizing::new(String::with_capacity(text.len() - start));
    for (index, member) in members.iter().enumerate() {
        if members.get(index + 1).is_some_and(|next| key(next) == key(member)) {
            continue;
        }
        if !sorted.is_empty() {
            sorted.push(' ');
        }
        sorted.push_str(text.get(member.key.start..member.end).unwrap_or_default());
    }
    text.truncate(start);
    text.push_str(&sorted);
}

/// `%v` of a float64: the fewest digits that read back as the same number, in
/// exponent form when the decimal exponent is below -4 or above 5.
fn print_number(value: f64, into: &mut String) {
    let scientific = Zeroizing::new(format!("{value:e}"));
    let Some((digits, exponent)) = scientific.split_once('e') else { return };
    match exponent.parse::<i32>() {
        Ok(exponent) if !(-4..6).contains(&exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            into.push_str(digits);
            into.push_str(&format!("e{sign}{:02}", exponent.unsigned_abs()));
        }
        _ => into.push_str(&Zeroizing::new(value.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `%v` from the digits alone, placing the decimal point by hand.
    fn by_digits(value: f64) -> String {
        let scientific = format!("{:e}", value.abs());
        let (mantissa, exponent) = scientific.split_once('e').unwrap();
        let exponent: i32 = exponent.parse().unwrap();
        let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
        let sign = if value.is_sign_negative() { "-" } else { "" };
        let count = i32::try_from(digits.len()).unwrap();
        let point = usize::try_from(exponent + 1).unwrap_or(0);
        let body = match exponent {
            -4..0 => format!("0.{}{digits}", "0".repeat(usize::try_from(-exponent - 1).unwrap())),
            0..6 if count <= exponent + 1 => format!("{digits}{}", "0".repeat(point - digits.len())),
            0..6 => format!("{}.{}", &digits[..point], &digits[point..]),
            _ => {
                let fraction = if count > 1 { format!(".{}", &digits[1..]) } else { String::new() };
                let sign = if exponent < 0 { '-' } else { '+' };
                format!("{}{fraction}e{sign}{:02}", &digits[..1], exponent.abs())
            }
        };
        format!("{sign}{body}")
    }

    proptest! {
        #[test]
        fn numbers_follow_the_rule(value in prop_oneof![
            any::<f64>().prop_filter("JSON has none", |v| v.is_finite()),
            (-1e8..1e8f64),
            (-10_000_000i64..10_000_000).prop_map(|i| i as f64),
            (1u32..9999, -9i32..9).prop_map(|(m, e)| f64::from(m) * 10f64.powi(e)),
        ]) {
            let mut text = String::new();
            print_number(value, &mut text);
            prop_assert_eq!(&text, &by_digits(value));
            prop_assert_eq!(text.parse::<f64>().unwrap().to_bits(), value.to_bits());
        }
    }
}
