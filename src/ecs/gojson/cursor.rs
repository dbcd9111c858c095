//! Walking a text that has passed the syntax check.

use std::fmt;

/// One token of a text that [`check`](super::check) has passed. Commas and colons are not
/// tokens: in a correct text they add nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Token<'a> {
    /// `{`
    ObjectStart,
    /// `}`
    ObjectEnd,
    /// `[`
    ArrayStart,
    /// `]`
    ArrayEnd,
    /// What stands between the quotes of a string or key.
    Text(&'a str),
    /// A number as it is spelled.
    Number(&'a str),
    /// `true` or `false`
    Bool(bool),
    /// `null`
    Null,
}

/// Walks the tokens of a text that [`check`](super::check) has passed.
pub struct Cursor<'a> {
    rest: &'a str,
}

impl fmt::Debug for Cursor<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cursor(..)")
    }
}

impl<'a> Cursor<'a> {
    /// A cursor at the beginning.
    pub fn new(text: &'a str) -> Self {
        Self { rest: text }
    }

    fn take(&mut self, length: usize) -> &'a str {
        let (head, tail) = self.rest.split_at_checked(length).unwrap_or((self.rest, ""));
        self.rest = tail;
        head
    }
}

impl<'a> Iterator for Cursor<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\r', '\n', ',', ':']);
        Some(match self.rest.bytes().next()? {
            b'{' => (Token::ObjectStart, self.take(1)).0,
            b'}' => (Token::ObjectEnd, self.take(1)).0,
            b'[' => (Token::ArrayStart, self.take(1)).0,
            b']' => (Token::ArrayEnd, self.take(1)).0,
            b't' => (Token::Bool(true), self.take(4)).0,
            b'f' => (Token::Bool(false), self.take(5)).0,
            b'n' => (Token::Null, self.take(4)).0,
            b'"' => {
                self.take(1);
                let text = self.take(text_length(self.rest));
                self.take(1);
                Token::Text(text)
            }
            _ => {
                let ends = |c: char| !matches!(c, '0'..='9' | '-' | '+' | '.' | 'e' | 'E');
                let length = self.rest.find(ends).unwrap_or(self.rest.len());
                // A byte that is no part of a number cannot occur; were it to, the walk ends.
                if length == 0 {
                    return None;
                }
                Token::Number(self.take(length))
            }
        })
    }
}

/// Bytes up to the closing quote.
fn text_length(text: &str) -> usize {
    let mut escaped = false;
    let end = text.bytes().position(|byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    });
    end.unwrap_or(text.len())
}

/// Appends the text that a string token stands for. A lone surrogate becomes
/// U+FFFD, as in the original.
pub fn unescape(raw: &str, into: &mut String) {
    let mut rest = raw;
    while let Some((plain, escape)) = rest.split_once('\\') {
        into.push_str(plain);
        let mut chars = escape.chars();
        let (character, tail) = match chars.next() {
            Some('u') => unicode_escape(chars.as_str()),
            Some('b') => ('\u{8}', chars.as_str()),
            Some('f') => ('\u{c}', chars.as_str()),
            Some('n') => ('\n', chars.as_str()),
            Some('r') => ('\r', chars.as_str()),
            Some('t') => ('\t', chars.as_str()),
            Some(same) => (same, chars.as_str()),
            None => return,
        };
        into.push(character);
        rest = tail;
    }
    into.push_str(rest);
}

/// The character of the hexadecimal digits at the start of `digits`, taking a
/// second escape when both form a surrogate pair, and what follows.
fn unicode_escape(digits: &str) -> (char, &str) {
    let unit = |text: &str| text.get(..4).and_then(|hex| u16::from_str_radix(hex, 16).ok());
    let after = digits.get(4..).unwrap_or_default();
    let Some(first) = unit(digits) else { return (char::REPLACEMENT_CHARACTER, after) };
    if let Some(character) = char::from_u32(first.into()) {
        return (character, after);
    }
    let second = after.strip_prefix("\\u");
    let pair = second.and_then(unit).map(|low| char::decode_utf16([first, low]).next());
    match pair {
        Some(Some(Ok(character))) => (character, second.and_then(|s| s.get(4..)).unwrap_or_default()),
        _ => (char::REPLACEMENT_CHARACTER, after),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn surrogates_pair_up_or_are_replaced() {
        for (raw, expected) in [
            (r"\ud83d\ude00", "😀"),
            (r"\ud83d\u0041", "\u{fffd}A"),
            (r"\ude00\ud83d", "\u{fffd}\u{fffd}"),
            (r"\ud83d", "\u{fffd}"),
            (r"a\/\\\u0000\n", "a/\\\0\n"),
        ] {
            let mut text = String::new();
            unescape(raw, &mut text);
            assert_eq!(text, expected, "{raw}");
        }
    }

    proptest! {
        #[test]
        fn unescapes_as_a_strict_reader(text in r"\PC{0,20}") {
            let json = serde_json::to_string(&text).unwrap();
            let mut cursor = Cursor::new(&json);
            let Some(Token::Text(raw)) = cursor.next() else { panic!("{json}") };
            let mut out = String::new();
            unescape(raw, &mut out);
            prop_assert_eq!(out, text);
            prop_assert_eq!(cursor.next(), None);
        }
    }
}
