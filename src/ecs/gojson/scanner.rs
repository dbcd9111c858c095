//! The syntax check of Go's `encoding/json`: a state for what may come next, and
//! a list of what is open.

use std::fmt;

/// Containers may be nested this deep; the original's limit.
const DEEPEST: usize = 10_000;

/// The first thing that is wrong with a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SyntaxError {
    /// A byte that cannot stand where it stands.
    #[error("invalid character {} {context}", Quoted(*byte))]
    Character {
        /// The byte; the original shows bytes, not characters.
        byte: u8,
        /// Where it stands, in the original's words.
        context: &'static str,
    },
    /// Too many open objects and arrays.
    #[error("exceeded max depth")]
    Depth,
    /// The text ends too early.
    #[error("unexpected end of JSON input")]
    End,
}

/// A byte as Go quotes a character of the same number.
struct Quoted(u8);

impl fmt::Display for Quoted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            b'\'' => f.write_str(r"'\''"),
            b'\\' => f.write_str(r"'\\'"),
            0x07 => f.write_str(r"'\a'"),
            0x08 => f.write_str(r"'\b'"),
            0x09 => f.write_str(r"'\t'"),
            0x0a => f.write_str(r"'\n'"),
            0x0b => f.write_str(r"'\v'"),
            0x0c => f.write_str(r"'\f'"),
            0x0d => f.write_str(r"'\r'"),
            byte @ (0x00..0x20 | 0x7f) => write!(f, r"'\x{byte:02x}'"),
            // Not printable by Go's measure: the C1 controls, no-break space, soft hyphen.
            byte @ (0x80..=0xa0 | 0xad) => write!(f, r"'\u{byte:04x}'"),
            byte => write!(f, "'{}'", char::from(byte)),
        }
    }
}

/// What the next byte is looked at as.
#[derive(Clone, Copy)]
enum State {
    Value,
    ValueOrEnd,
    Key,
    KeyOrEnd,
    AfterValue,
    Text,
    Escape,
    /// Hexadecimal digits still to come.
    Hex(u8),
    Minus,
    /// After a leading zero: no further digit of the integer part.
    Zero,
    Integer,
    Dot,
    Fraction,
    Exponent,
    ExponentSign,
    ExponentDigits,
    /// What is still to come of `true`, `false` or `null`.
    Word(&'static [(u8, &'static str)]),
}

/// What is open around the current value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    /// In an object, at a key.
    Key,
    /// In an object, at a value.
    Member,
    /// In an array.
    Element,
}

const TRUE: &[(u8, &str)] = &[
    (b'r', "in literal true (expecting 'r')"),
    (b'u', "in literal true (expecting 'u')"),
    (b'e', "in literal true (expecting 'e')"),
];
const FALSE: &[(u8, &str)] = &[
    (b'a', "in literal false (expecting 'a')"),
    (b'l', "in literal false (expecting 'l')"),
    (b's', "in literal false (expecting 's')"),
    (b'e', "in literal false (expecting 'e')"),
];
const NULL: &[(u8, &str)] = &[
    (b'u', "in literal null (expecting 'u')"),
    (b'l', "in literal null (expecting 'l')"),
    (b'l', "in literal null (expecting 'l')"),
];

/// Finds the first syntax error.
///
/// # Errors
/// In the words of the original, also where a text ends inside of a number or a
/// word and the original complains about a blank that is not there.
pub fn check(text: &str) -> Result<(), SyntaxError> {
    let mut scanner = Scanner { state: State::Value, open: Vec::new() };
    for byte in text.bytes() {
        scanner.step(byte)?;
    }
    if scanner.complete() {
        return Ok(());
    }
    // The original learns that a number has ended by feeding a blank.
    scanner.step(b' ')?;
    if scanner.complete() { Ok(()) } else { Err(SyntaxError::End) }
}

struct Scanner {
    state: State,
    open: Vec<Open>,
}

impl Scanner {
    fn complete(&self) -> bool {
        matches!(self.state, State::AfterValue) && self.open.is_empty()
    }

    fn step(&mut self, byte: u8) -> Result<(), SyntaxError> {
        let fail = |context| Err(SyntaxError::Character { byte, context });
        self.state = match (self.state, byte) {
            (
                State::Value | State::ValueOrEnd | State::Key | State::KeyOrEnd | State::AfterValue,
                b' ' | b'\t' | b'\r' | b'\n',
            ) => self.state,

            (State::ValueOrEnd, b']') => return self.after_value(byte),
            (State::Value | State::ValueOrEnd, b'{') => return self.enter(Open::Key, State::KeyOrEnd),
            (State::Value | State::ValueOrEnd, b'[') => return self.enter(Open::Element, State::ValueOrEnd),
            (State::Value | State::ValueOrEnd, b'"') => State::Text,
            (State::Value | State::ValueOrEnd, b'-') => State::Minus,
            (State::Value | State::ValueOrEnd, b'0') => State::Zero,
            (State::Value | State::ValueOrEnd, b'1'..=b'9') => State::Integer,
            (State::Value | State::ValueOrEnd, b't') => State::Word(TRUE),
            (State::Value | State::ValueOrEnd, b'f') => State::Word(FALSE),
            (State::Value | State::ValueOrEnd, b'n') => State::Word(NULL),
            (State::Value | State::ValueOrEnd, _) => return fail("looking for beginning of value"),

            (State::Key | State::KeyOrEnd, b'"') => State::Text,
            (State::KeyOrEnd, b'}') => {
                self.open.pop();
                State::AfterValue
            }
            (State::Key | State::KeyOrEnd, _) => {
                return fail("looking for beginning of object key string");
            }

            (State::Text, b'"') => State::AfterValue,
            (State::Text, b'\\') => State::Escape,
            (State::Text, 0x00..0x20) => return fail("in string literal"),
            (State::Text, _) => State::Text,
            (State::Escape, b'b' | b'f' | b'n' | b'r' | b't' | b'\\' | b'/' | b'"') => State::Text,
            (State::Escape, b'u') => State::Hex(4),
            (State::Escape, _) => return fail("in string escape code"),
            (State::Hex(left), _) if byte.is_ascii_hexdigit() => match left {
                0 | 1 => State::Text,
                more => State::Hex(more - 1),
            },
            (State::Hex(_), _) => return fail(r"in \u hexadecimal character escape"),

            (State::Minus, b'0') => State::Zero,
            (State::Minus, b'1'..=b'9') => State::Integer,
            (State::Minus, _) => return fail("in numeric literal"),
            (State::Integer, b'0'..=b'9') => State::Integer,
            (State::Integer | State::Zero, b'.') => State::Dot,
            (State::Dot, b'0'..=b'9') => State::Fraction,
            (State::Dot, _) => return fail("after decimal point in numeric literal"),
            (State::Fraction, b'0'..=b'9') => State::Fraction,
            (State::Integer | State::Zero | State::Fraction, b'e' | b'E') => State::Exponent,
            (State::Exponent, b'+' | b'-') => State::ExponentSign,
            (State::Exponent | State::ExponentSign | State::ExponentDigits, b'0'..=b'9') => {
                State::ExponentDigits
            }
            (State::Exponent | State::ExponentSign, _) => return fail("in exponent of numeric literal"),

            (State::Word([(expected, context), rest @ ..]), _) => match rest {
                _ if byte != *expected => return fail(context),
                [] => State::AfterValue,
                rest => State::Word(rest),
            },

            (
                State::AfterValue
                | State::Integer
                | State::Zero
                | State::Fraction
                | State::ExponentDigits
                | State::Word([]),
                _,
            ) => return self.after_value(byte),
        };
        Ok(())
    }

    fn enter(&mut self, open: Open, then: State) -> Result<(), SyntaxError> {
        self.open.push(open);
        self.state = then;
        if self.open.len() > DEEPEST { Err(SyntaxError::Depth) } else { Ok(()) }
    }

    /// The byte that follows a complete value or key.
    fn after_value(&mut self, byte: u8) -> Result<(), SyntaxError> {
        self.state = State::AfterValue;
        if matches!(byte, b' ' | b'\t' | b'\r' | b'\n') {
            return Ok(());
        }
        let fail = |context| Err(SyntaxError::Character { byte, context });
        match (self.open.last().copied(), byte) {
            (None, _) => return fail("after top-level value"),
            (Some(Open::Key), b':') => self.replace(Open::Member, State::Value),
            (Some(Open::Key), _) => return fail("after object key"),
            (Some(Open::Member), b',') => self.replace(Open::Key, State::Key),
            (Some(Open::Element), b',') => self.state = State::Value,
            (Some(Open::Member), b'}') | (Some(Open::Element), b']') => {
                self.open.pop();
            }
            (Some(Open::Member), _) => return fail("after object key:value pair"),
            (Some(Open::Element), _) => return fail("after array element"),
        }
        Ok(())
    }

    fn replace(&mut self, open: Open, then: State) {
        self.open.pop();
        self.open.push(open);
        self.state = then;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn verdict(text: &str) -> String {
        check(text).map_or_else(|e| e.to_string(), |()| "ok".into())
    }

    #[test]
    fn speaks_the_words_of_the_original() {
        for (text, expected) in [
            ("", "unexpected end of JSON input"),
            ("  ", "unexpected end of JSON input"),
            ("plain", "invalid character 'p' looking for beginning of value"),
            ("\u{feff}{}", "invalid character 'ï' looking for beginning of value"),
            ("-----BEGIN", "invalid character '-' in numeric literal"),
            ("{\"k\":1,}", "invalid character '}' looking for beginning of object key string"),
            ("{'k':1}", r"invalid character '\'' looking for beginning of object key string"),
            ("{\"k\" 1}", "invalid character '1' after object key"),
            ("{\"k\":1 2}", "invalid character '2' after object key:value pair"),
            ("[1 2]", "invalid character '2' after array element"),
            ("[1,]", "invalid character ']' looking for beginning of value"),
            ("01", "invalid character '1' after top-level value"),
            ("\"a\nb\"", r"invalid character '\n' in string literal"),
            ("\"\\x\"", "invalid character 'x' in string escape code"),
            ("\"\\u12g4\"", r"invalid character 'g' in \u hexadecimal character escape"),
            ("1.x", "invalid character 'x' after decimal point in numeric literal"),
            ("1ex", "invalid character 'x' in exponent of numeric literal"),
            ("nul", "invalid character ' ' in literal null (expecting 'l')"),
            ("trux", "invalid character 'x' in literal true (expecting 'e')"),
            ("\u{a0}", "invalid character 'Â' looking for beginning of value"),
            ("\u{1}", r"invalid character '\x01' looking for beginning of value"),
            ("\\", r"invalid character '\\' looking for beginning of value"),
            ("\"", "unexpected end of JSON input"),
            ("{\"a\":[1,{}", "unexpected end of JSON input"),
            ("[]]", "invalid character ']' after top-level value"),
            ("-0.5E+10", "ok"),
            (" [ {} , [ ] , \"\\ud800\" , true,false,null ] ", "ok"),
        ] {
            assert_eq!(verdict(text), expected, "{text:?}");
        }
    }

    #[test]
    fn quotes_bytes_as_go_quotes_characters() {
        assert_eq!(Quoted(0x85).to_string(), r"'\u0085'");
        assert_eq!(Quoted(0xad).to_string(), r"'\u00ad'");
        assert_eq!(Quoted(0x7f).to_string(), r"'\x7f'");
        assert_eq!(Quoted(b'"').to_string(), "'\"'");
    }

    #[test]
    fn depth_ends_at_ten_thousand() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(verdict(&nested(DEEPEST)), "ok");
        assert_eq!(verdict(&nested(DEEPEST + 1)), "exceeded max depth");
        assert_eq!(verdict(&"[".repeat(1_000_000)), "exceeded max depth");
    }

    proptest! {
        /// An independent reader agrees, except about what only Go accepts.
        #[test]
        fn agrees_with_a_strict_reader(text in r#"[\[\]{}:, "a\\u0-9eE+.\-tfn]{0,24}|\PC{0,12}"#) {
            if serde_json::from_str::<serde_json::Value>(&text).is_ok() {
                prop_assert_eq!(verdict(&text), "ok");
            } else if check(&text).is_ok() {
                prop_assert!(text.contains(['e', 'E']) || text.contains("\\u"), "{}", text);
            }
        }
    }
}
