//! How values are written in Compose files: lists and mappings for the same thing, sizes with units,
//! durations, commands as one line.

use super::keys::object;
use crate::json::{Node, Value};
use std::ops::Range;

/// The text of a scalar.
pub(super) fn scalar(node: &Node) -> Option<String> {
    match &node.value {
        Value::String(text) => Some(text.clone()),
        Value::Number(digits) => Some(digits.clone()),
        Value::Bool(value) => Some(value.to_string()),
        _ => None,
    }
}

/// [`scalar`] and its place.
pub(super) fn scalar_at(node: &Node) -> Option<(String, &Range<usize>)> {
    Some((scalar(node)?, &node.span))
}

pub(super) fn text(text: impl Into<String>, span: &Range<usize>) -> Node {
    super::string(text, span.clone())
}

pub(super) fn number(value: u64, span: &Range<usize>) -> Node {
    Node { span: span.clone(), value: Value::Number(value.to_string()) }
}

pub(super) fn flag(value: bool, span: &Range<usize>) -> Node {
    Node { span: span.clone(), value: Value::Bool(value) }
}

pub(super) fn list(nodes: Vec<Node>, span: &Range<usize>) -> Node {
    Node { span: span.clone(), value: Value::Array(nodes) }
}

/// One text, or a list of them.
pub(super) fn one_or_more(node: &Node) -> Node {
    match &node.value {
        Value::Array(_) => node.clone(),
        _ => list(vec![node.clone()], &node.span),
    }
}

/// A name, its value if there is one, and where it stands.
pub(super) type Pair = (String, Option<String>, Range<usize>);

/// Pairs from a mapping or a list of `NAME=VALUE`; the value is absent where only a name stands.
pub(super) fn pairs(node: &Node) -> Option<Vec<Pair>> {
    match &node.value {
        Value::Object(members) => {
            let pair = |(key, value): (&String, &Node)| match &value.value {
                Value::Null => Some((key.clone(), None, value.span.clone())),
                _ => Some((key.clone(), Some(scalar(value)?), value.span.clone())),
            };
            members.iter().map(|m| (&m.key, &m.value)).map(pair).collect()
        }
        Value::Array(elements) => {
            let pair = |element: &Node| {
                let text = scalar(element)?;
                let (name, value) = text.split_once('=').map_or((text.as_str(), None), |(n, v)| (n, Some(v)));
                Some((name.to_owned(), value.map(str::to_owned), element.span.clone()))
            };
            elements.iter().map(pair).collect()
        }
        _ => None,
    }
}

/// [`pairs`] as a mapping of the API; a name alone has the empty value.
pub(super) fn mapping(node: &Node) -> Option<Node> {
    let pairs = pairs(node)?;
    let members = pairs
        .iter()
        .map(|(name, value, span)| (name.as_str(), text(value.clone().unwrap_or_default(), span)));
    Some(object(&node.span, members.collect()))
}

/// Bytes: a number, or one with `b`, `k`, `m`, `g`, `t` (times 1024) and perhaps `b` or `ib` after it.
pub(super) fn bytes(node: &Node) -> Option<u64> {
    let text = scalar(node)?.to_ascii_lowercase();
    let digits = text.trim().trim_end_matches(|c: char| c.is_ascii_alphabetic()).trim_end();
    let unit = text.trim().get(digits.len()..)?.trim();
    let unit = unit.strip_suffix("ib").or_else(|| unit.strip_suffix('b')).unwrap_or(unit);
    let shift = match unit {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => return None,
    };
    let amount: f64 = digits.parse().ok().filter(|a: &f64| a.is_finite() && *a >= 0.0)?;
    let bytes =
        amount * f64::from(1_u32 << (shift % 30)) * if shift >= 30 { f64::from(1_u32 << 30) } else { 1.0 };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "finite and not negative; what is too large saturates"
    )]
    Some(bytes as u64)
}

/// [`bytes`] in MiB, rounded down as the ECS CLI does.
pub(super) fn mebibytes(node: &Node) -> Option<Node> {
    Some(number(bytes(node)? >> 20, &node.span))
}

/// Whole seconds of a number, or of a duration such as `1m30s`.
pub(super) fn seconds(node: &Node) -> Option<Node> {
    let text = scalar(node)?;
    let mut rest = text.trim();
    if let Ok(seconds) = rest.parse::<u64>() {
        return Some(number(seconds, &node.span));
    }
    let mut total = 0.0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
        let amount: f64 = rest.get(..end)?.parse().ok()?;
        let tail = rest.get(end..)?;
        let units =
            [("ms", 0.001), ("us", 0.000_001), ("ns", 0.000_000_001), ("h", 3600.0), ("m", 60.0), ("s", 1.0)];
        let (unit, factor) = units.into_iter().find(|(unit, _)| tail.starts_with(unit))?;
        total += amount * factor;
        rest = tail.get(unit.len()..)?;
    }
    if !(0.0..=1e9).contains(&total) || text.trim().is_empty() {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and a billion")]
    Some(number(total as u64, &node.span))
}

/// A command: a list as it is, a line split into words as a shell does it.
pub(super) fn words(node: &Node) -> Option<Node> {
    if node.array().is_some() {
        return Some(node.clone());
    }
    let line = scalar(node)?;
    let mut words: Vec<String> = Vec::new();
    let (mut word, mut quote): (Option<String>, Option<char>) = (None, None);
    let mut characters = line.chars();
    while let Some(c) = characters.next() {
        match (quote, c) {
            (Some('\''), '\'') | (Some('"'), '"') => quote = None,
            (Some('"') | None, '\\') => word.get_or_insert_default().push(characters.next()?),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    if quote.is_some() {
        return None;
    }
    words.extend(word);
    Some(list(words.into_iter().map(|word| text(word, &node.span)).collect(), &node.span))
}
