//! JSON with source positions, for files that people write by hand: policies and
//! task definitions.
//!
//! The text must be strict JSON (RFC 8259) by `serde_json`'s measure; only then
//! are positions taken from a second, lossless parse. Duplicate keys of one
//! object are kept, so that callers can refuse them ([`Node::duplicates`]).

use crate::diagnostic::{Diagnostic, line_column};
use jsonc_parser::{CollectOptions, ParseOptions, ast};
use std::ops::Range;

/// A JSON value and the bytes that it was read from.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Byte range in the source text, quotes and brackets included.
    pub span: Range<usize>,
    /// The value.
    pub value: Value,
}

/// A JSON value; numbers keep their spelling.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// The number as it is spelled, for example `1.50`.
    Number(String),
    /// The unescaped text.
    String(String),
    /// Elements in order.
    Array(Vec<Node>),
    /// Members in order, duplicates included.
    Object(Vec<Member>),
}

/// One member of an object.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// The unescaped key.
    pub key: String,
    /// Byte range of the key, quotes included.
    pub key_span: Range<usize>,
    /// The member's value.
    pub value: Node,
}

impl Node {
    /// Members, if it is an object.
    pub fn object(&self) -> Option<&[Member]> {
        match &self.value {
            Value::Object(members) => Some(members),
            _ => None,
        }
    }

    /// Elements, if it is an array.
    pub fn array(&self) -> Option<&[Node]> {
        match &self.value {
            Value::Array(elements) => Some(elements),
            _ => None,
        }
    }

    /// Text, if it is a string.
    pub fn string(&self) -> Option<&str> {
        match &self.value {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// The value of the last member named `key`, if it is an object that has one.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.object()?.iter().rev().find(|m| m.key == key).map(|m| &m.value)
    }

    /// `an object`, `a string`, ... for messages.
    pub fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::String(_) => "a string",
            Value::Array(_) => "an array",
            Value::Object(_) => "an object",
        }
    }

    /// Pairs (first, later) of members of this object with the same key.
    pub fn duplicates(&self) -> Vec<(&Member, &Member)> {
        let members = self.object().unwrap_or_default();
        let mut first = std::collections::HashMap::new();
        members
            .iter()
            .filter_map(|m| match first.entry(m.key.as_str()) {
                std::collections::hash_map::Entry::Occupied(earlier) => Some((*earlier.get(), m)),
                std::collections::hash_map::Entry::Vacant(slot) => {
                    slot.insert(m);
                    None
                }
            })
            .collect()
    }
}

/// Parses strict JSON. A leading byte order mark is not part of JSON and refused.
///
/// # Errors
/// One diagnostic (code `JSON0001`) at the first offending byte.
pub fn parse(text: &str) -> Result<Node, Diagnostic> {
    if text.starts_with('\u{feff}') {
        return Err(Diagnostic::error("JSON0001", "not valid JSON: it begins with a byte order mark")
            .at(0..'\u{feff}'.len_utf8(), "")
            .help("save the file as UTF-8 without a byte order mark"));
    }
    serde_json::from_str::<serde_json::Value>(text).map_err(|e| strict_error(text, &e))?;
    let options = ParseOptions {
        allow_comments: false,
        allow_loose_object_property_names: false,
        allow_trailing_commas: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    };
    let unreadable = |message: String| Diagnostic::error("JSON0001", message).at(0..text.len(), "");
    let parsed = jsonc_parser::parse_to_ast(text, &CollectOptions::default(), &options)
        .map_err(|e| unreadable(format!("not valid JSON: {e}")))?;
    let value = parsed.value.ok_or_else(|| unreadable("the file is empty".into()))?;
    Ok(node(&value))
}

/// JSON with comments and trailing commas made into JSON: both become blanks, so
/// that every byte keeps its place. The second part is the place of the first of them.
pub fn without_comments(text: &str) -> (String, Option<Range<usize>>) {
    let mut bytes = text.as_bytes().to_vec();
    let mut first = None;
    let mut blank = |range: Range<usize>, bytes: &mut Vec<u8>| {
        first = first.take().or(Some(range.clone()));
        for byte in bytes.get_mut(range).into_iter().flatten().filter(|b| **b != b'\n' && **b != b'\r') {
            *byte = b' ';
        }
    };
    let at = |place: usize| text.as_bytes().get(place).copied();
    let (mut place, mut comma) = (0, None);
    while let Some(byte) = at(place) {
        let end = match (byte, at(place + 1)) {
            (b'"', _) => end_of_string(text.as_bytes(), place),
            (b'/', Some(b'/')) => {
                text.get(place..).and_then(|t| t.find('\n')).map_or(text.len(), |n| place + n)
            }
            (b'/', Some(b'*')) => {
                text.get(place + 2..).and_then(|t| t.find("*/")).map_or(text.len(), |n| place + n + 4)
            }
            _ => place + 1,
        };
        match byte {
            b'/' if end > place + 1 => blank(place..end, &mut bytes),
            b',' => comma = Some(place),
            b'}' | b']' => {
                if let Some(comma) = comma.take() {
                    blank(comma..comma + 1, &mut bytes);
                }
            }
            b' ' | b'\t' | b'\r' | b'\n' => {}
            _ => comma = None,
        }
        place = end;
    }
    // Whole comments and ASCII bytes were replaced, so it is still UTF-8.
    (String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned()), first)
}

/// The byte after a string that begins at `start`; the end of the text if it does not end.
pub fn end_of_string(bytes: &[u8], start: usize) -> usize {
    let mut place = start + 1;
    while let Some(byte) = bytes.get(place) {
        match byte {
            b'\\' => place += 2,
            b'"' => return place + 1,
            _ => place += 1,
        }
    }
    bytes.len()
}

fn strict_error(text: &str, error: &serde_json::Error) -> Diagnostic {
    let line_start: usize =
        text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    let at = (line_start + error.column().saturating_sub(1)).min(text.len());
    let reason = error.to_string();
    let reason = reason.split(" at line ").next().unwrap_or_default();
    let (line, column) = line_column(text, at);
    Diagnostic::error("JSON0001", format!("not valid JSON: {reason} at line {line}, column {column}"))
        .at(at..(at + 1).min(text.len()), "")
}

fn node(value: &ast::Value<'_>) -> Node {
    let range = |r: jsonc_parser::common::Range| r.start..r.end;
    let (span, value) = match value {
        ast::Value::NullKeyword(n) => (range(n.range), Value::Null),
        ast::Value::BooleanLit(b) => (range(b.range), Value::Bool(b.value)),
        ast::Value::NumberLit(n) => (range(n.range), Value::Number(n.value.to_owned())),
        ast::Value::StringLit(s) => (range(s.range), Value::String(s.value.to_string())),
        ast::Value::Array(a) => (range(a.range), Value::Array(a.elements.iter().map(node).collect())),
        ast::Value::Object(o) => (range(o.range), Value::Object(o.properties.iter().map(member).collect())),
    };
    Node { span, value }
}

fn member(property: &ast::ObjectProp<'_>) -> Member {
    let range = match &property.name {
        ast::ObjectPropName::String(s) => s.range,
        ast::ObjectPropName::Word(w) => w.range,
    };
    Member {
        key: property.name.as_str().to_owned(),
        key_span: range.start..range.end,
        value: node(&property.value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_cover_keys_and_values() {
        let text = r#"{"é": [1.50, "x\n"]}"#;
        let root = parse(text).unwrap();
        let member = &root.object().unwrap()[0];
        assert_eq!(&text[member.key_span.clone()], r#""é""#);
        let items = member.value.array().unwrap();
        assert_eq!(items[0].value, Value::Number("1.50".into()));
        assert_eq!((items[1].string(), &text[items[1].span.clone()]), (Some("x\n"), r#""x\n""#));
    }

    #[test]
    fn refuses_what_json_does_not_allow() {
        for bad in
            ["", "{,}", "{'a':1}", "[1,]", "// c\n1", "1e400", "\u{feff}{}", "{\"a\":1} x", "\"\u{1}\""]
        {
            assert_eq!(parse(bad).unwrap_err().code, "JSON0001", "{bad}");
        }
        assert!(parse(&"[".repeat(100_000)).is_err());
    }

    #[test]
    fn comments_and_trailing_commas_become_blanks() {
        let text = "{ // é\n \"a//,\": [1, 2, /* , */ ],\n}";
        let (blanked, first) = without_comments(text);
        assert_eq!(blanked.len(), text.len());
        assert_eq!(first, Some(2..7));
        let root = parse(&blanked).unwrap();
        assert_eq!(root.get("a//,").unwrap().array().unwrap().len(), 2);
        assert_eq!(without_comments("[1, 2]"), ("[1, 2]".to_owned(), None));
        for broken in ["/*", "\"\\", "//", "[1,,]"] {
            assert!(parse(&without_comments(broken).0).is_err(), "{broken}");
        }
    }

    #[test]
    fn finds_duplicate_keys() {
        let root = parse(r#"{"a":1,"b":2,"a":3}"#).unwrap();
        let pairs = root.duplicates();
        assert_eq!((pairs.len(), pairs[0].1.key_span.clone()), (1, 13..16));
        assert_eq!(root.get("a").unwrap().value, Value::Number("3".into()));
    }
}
