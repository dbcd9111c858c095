//! The text that a container gets for a secret.
//!
//! Without a JSON key it is the secret, byte for byte. With one, the ECS agent
//! decodes the secret as a JSON object and prints the member with Go's `%v`:
//!
//! ```text
//! "abc"            abc          null            <nil>
//! 5432  1.50       5432  1.5    true            true
//! 12345678         1.2345678e+07 (from one million on, and below 0.0001)
//! {"y":"b","x":1}  map[x:1 y:b] [1,"two",null]  [1 two <nil>]
//! ```
//!
//! The member is looked up literally at the top level; of several with the same
//! name the last counts. Errors are the agent's texts; the most that they show of
//! a secret is the one byte, or the short number, that could not be read. The
//! plaintext is only ever in buffers that are wiped.

use super::gojson::{Cursor, SyntaxError, Token, check, unescape};
use crate::secret::SecretValue;
use std::fmt;
use std::ops::Range;
use zeroize::Zeroizing;

/// A value for a container.
#[derive(Debug)]
pub struct Rendered {
    /// The text.
    pub value: SecretValue,
    /// Set when the JSON value was not a string.
    pub warning: Option<Shape>,
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

/// Why there is no text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// The secret is not JSON.
    #[error("{0}")]
    Syntax(#[from] SyntaxError),
    /// The secret is JSON and not an object.
    #[error("json: cannot unmarshal {found} into Go value of type map[string]interface {{}}")]
    NotAnObject {
        /// `array`, `string`, `number` or `bool`.
        found: &'static str,
    },
    /// A number anywhere in the secret is too large for a float64.
    #[error("json: cannot unmarshal number {digits} into Go value of type float64")]
    Range {
        /// The number as spelled, or its length when it is long enough to be a secret of its own.
        digits: String,
    },
    /// The object has no such member.
    #[error("retrieved secret from Secrets Manager did not contain json key {key}")]
    MissingKey {
        /// The key of the reference.
        key: String,
    },
}

/// Longer numbers are not shown in an error.
const LONGEST_NUMBER_SHOWN: usize = 6;

/// Makes the text for a container out of a `SecretString`.
///
/// # Errors
/// Only with a key: see [`RenderError`].
pub fn render(secret_string: &str, json_key: Option<&str>) -> Result<Rendered, RenderError> {
    let Some(key) = json_key else {
        let value = SecretValue::new(secret_string.as_bytes().to_vec());
        return Ok(Rendered { value, warning: None });
    };
    check(secret_string)?;
    let missing = || RenderError::MissingKey { key: key.to_owned() };
    let mut tokens = Cursor::new(secret_string);
    let mut printer = Printer::new(secret_string.len());
    let mut found = None;
    match tokens.next() {
        Some(Token::ObjectStart) => {}
        Some(Token::Null) => return Err(missing()),
        Some(Token::Text(_)) => return Err(RenderError::NotAnObject { found: "string" }),
        Some(Token::Number(_)) => return Err(RenderError::NotAnObject { found: "number" }),
        Some(Token::Bool(_)) => return Err(RenderError::NotAnObject { found: "bool" }),
        _ => return Err(RenderError::NotAnObject { found: "array" }),
    }
    while let Some(Token::Text(raw)) = tokens.next() {
        let mut name = Zeroizing::new(String::with_capacity(raw.len()));
        unescape(raw, &mut name);
        if *name == key {
            found = Some(printer.print(&mut tokens)?);
        } else {
            skip(&mut tokens)?;
        }
    }
    let warning = found.ok_or_else(missing)?;
    Ok(Rendered { value: SecretValue::new(printer.text.as_bytes().to_vec()), warning })
}

/// Walks over one value. Its numbers are read all the same, because one that is
/// too large makes the original fail whatever key is asked for.
fn skip(tokens: &mut Cursor<'_>) -> Result<(), RenderError> {
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

fn number(digits: &str) -> Result<f64, RenderError> {
    match digits.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(value),
        _ if digits.len() <= LONGEST_NUMBER_SHOWN => Err(RenderError::Range { digits: digits.to_owned() }),
        _ => Err(RenderError::Range { digits: format!("of {} characters", digits.len()) }),
    }
}

/// Prints one value as `%v` does, without recursion.
struct Printer {
    /// INVARIANT: never grows beyond its first capacity, because growing would
    /// leave copies of the plaintext behind. No value prints to more than three
    /// times its JSON (`{}` is `map[]`, `1e5` is `100000`).
    text: Zeroizing<String>,
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
    fn new(source_length: usize) -> Self {
        Self {
            text: Zeroizing::new(String::with_capacity(source_length.saturating_mul(3))),
            open: Vec::new(),
        }
    }

    /// Replaces the text by that of the next value.
    fn print(&mut self, tokens: &mut Cursor<'_>) -> Result<Option<Shape>, RenderError> {
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

    fn token(&mut self, token: Token<'_>) -> Result<Option<Shape>, RenderError> {
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
#[expect(clippy::disallowed_methods, reason = "tests look at what was rendered")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn printed(json: &str) -> String {
        let secret = format!("{{\"k\":{json}}}");
        let rendered = render(&secret, Some("k")).unwrap();
        String::from_utf8(rendered.value.expose().to_vec()).unwrap()
    }

    #[test]
    fn numbers_print_as_go_prints_them() {
        for (json, text) in [
            ("0", "0"),
            ("-0", "-0"),
            ("-0.0", "-0"),
            ("1.50", "1.5"),
            ("999999", "999999"),
            ("999999.5", "999999.5"),
            ("1000000", "1e+06"),
            ("2097152", "2.097152e+06"),
            ("0.0001", "0.0001"),
            ("0.000123", "0.000123"),
            ("0.00001", "1e-05"),
            ("1e3", "1000"),
            ("1E+2", "100"),
            ("1e20", "1e+20"),
            ("1e-400", "0"),
            ("1.7976931348623157e308", "1.7976931348623157e+308"),
            ("5e-324", "5e-324"),
            ("-12345678", "-1.2345678e+07"),
        ] {
            assert_eq!(printed(json), text);
        }
    }

    #[test]
    fn nested_values_print_as_go_prints_them() {
        for (json, text) in [
            (r#"[1,"two",null,true,{"z":1}]"#, "[1 two <nil> true map[z:1]]"),
            (r#"{"b":1,"a":"x","b":{"d":2,"c":[]}}"#, "map[a:x b:map[c:[] d:2]]"),
            (r#"{"\u00e9":1,"z":2,"":3}"#, "map[:3 z:2 é:1]"),
            (r#"{"":1,"":2}"#, "map[:2]"),
            ("[[],{},[[]]]", "[[] map[] [[]]]"),
        ] {
            assert_eq!(printed(json), text);
        }
    }

    #[test]
    fn a_repeated_key_counts_once_and_last() {
        let rendered = render(r#"{"k":{"a":1},"x":[{"k":9}],"k":"last"}"#, Some("k")).unwrap();
        assert_eq!((rendered.value.expose(), rendered.warning), (&b"last"[..], None));
    }

    #[test]
    fn a_number_that_may_be_a_secret_is_not_shown() {
        let secret = format!("{{\"k\":\"v\",\"big\":{}}}", "7".repeat(400));
        let error = render(&secret, Some("k")).unwrap_err().to_string();
        assert_eq!(error, "json: cannot unmarshal number of 400 characters into Go value of type float64");
    }

    #[test]
    fn warnings_tell_the_shape() {
        for (json, shape) in [
            ("true", Shape::Boolean),
            ("1", Shape::Number),
            ("1.0", Shape::NumberRespelled),
            ("1000000", Shape::NumberInExponentForm),
            ("null", Shape::Null),
            ("[1]", Shape::Array),
            (r#"{"a":1}"#, Shape::Object),
        ] {
            let rendered = render(&format!("{{\"k\":{json}}}"), Some("k")).unwrap();
            assert_eq!(rendered.warning, Some(shape), "{json}");
        }
    }

    #[test]
    fn depth_needs_no_stack() {
        let deep = format!("{}{}", "{\"b\":1,\"a\":".repeat(9_000), "1".to_owned() + &"}".repeat(9_000));
        let secret = format!("{{\"k\":{deep}}}");
        let run = move || render(&secret, Some("k")).unwrap().value.len();
        let small_stack = std::thread::Builder::new().stack_size(128 * 1024).spawn(run).unwrap();
        assert!(small_stack.join().unwrap() > 9_000);
    }

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

        #[test]
        fn arbitrary_text_never_panics(text in r#"\PC{0,40}|\{("k":|[\[\]{}:," k\\u0-9eE+.\-tfn]){0,30}\}?"#) {
            let _ = render(&text, Some("k"));
        }

        #[test]
        fn a_string_member_comes_back_unchanged(value in any::<String>(), key in r"\PC{1,10}") {
            let secret = serde_json::json!({ &key: &value, "other": [1, {"x": null}] }).to_string();
            let rendered = render(&secret, Some(&key)).unwrap();
            prop_assert_eq!(rendered.value.expose(), value.as_bytes());
        }

        /// Printing fits the buffer that was set aside for it.
        #[test]
        fn nothing_prints_to_more_than_three_times_its_source(
            json in r#"\[((\{\}|\[\]|1e5|null|9E5|"\\ud800"|\{"":1e5\}),){0,9}0\]"#
        ) {
            prop_assert!(printed(&json).len() <= 3 * json.len());
        }
    }
}
