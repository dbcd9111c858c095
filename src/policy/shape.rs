//! Reading objects with known fields: type errors, unknown fields, duplicate keys
//! and missing fields, each reported at its place.

use crate::diagnostic::{Diagnostic, nearest};
use crate::json::Node;
use std::ops::Range;

/// Checks that `node` is an object with no fields but `known`, none twice.
/// Returns whether it is an object.
pub(super) fn object(node: &Node, what: &str, known: &[&str], out: &mut Vec<Diagnostic>) -> bool {
    let Some(members) = node.object() else {
        wrong_type(node, what, "an object", out);
        return false;
    };
    for member in members.iter().filter(|m| !known.contains(&m.key.as_str())) {
        let unknown = Diagnostic::error("IAM0102", format!("unknown field `{}` in {what}", member.key))
            .at(member.key_span.clone(), format!("not a field of {what}"));
        out.push(match nearest(&member.key, known.iter().copied()) {
            Some(near) => unknown.help(format!("a similar field exists: `{near}`")),
            None => unknown.help(format!("the fields are `{}`", known.join("`, `"))),
        });
    }
    duplicates(node, what, out);
    true
}

/// Reports every key of an object that stands there twice.
pub(super) fn duplicates(node: &Node, what: &str, out: &mut Vec<Diagnostic>) {
    for (first, again) in node.duplicates() {
        out.push(
            Diagnostic::error("IAM0103", format!("`{}` stands twice in {what}", again.key))
                .at(again.key_span.clone(), "again here")
                .with(first.key_span.clone(), "first here")
                .help("remove one of them"),
        );
    }
}

/// The field, or an error that it is missing.
pub(super) fn required<'n>(
    node: &'n Node,
    key: &str,
    what: &str,
    out: &mut Vec<Diagnostic>,
) -> Option<&'n Node> {
    let found = node.get(key);
    if found.is_none() {
        out.push(
            Diagnostic::error("IAM0104", format!("{what} has no `{key}`"))
                .at(start(node), format!("add `{key}`")),
        );
    }
    found
}

/// The text, or an error that it is none.
pub(super) fn string<'n>(node: &'n Node, key: &str, out: &mut Vec<Diagnostic>) -> Option<&'n str> {
    let text = node.string();
    if text.is_none() {
        wrong_type(node, &format!("`{key}`"), "a string", out);
    }
    text
}

/// The elements of a list that may be left out.
pub(super) fn list<'n>(node: &'n Node, key: &str, out: &mut Vec<Diagnostic>) -> &'n [Node] {
    let Some(value) = node.get(key) else { return &[] };
    value.array().unwrap_or_else(|| {
        wrong_type(value, &format!("`{key}`"), "an array", out);
        &[]
    })
}

/// A string, or a non-empty array of strings, with their places.
pub(super) fn texts<'n>(
    node: &'n Node,
    key: &str,
    out: &mut Vec<Diagnostic>,
) -> Vec<(&'n str, Range<usize>)> {
    let one = std::slice::from_ref(node);
    let elements = node.array().unwrap_or(one);
    if elements.is_empty() {
        out.push(
            Diagnostic::error("IAM0111", format!("empty `{key}`")).at(node.span.clone(), "lists nothing"),
        );
    }
    let mut texts = Vec::with_capacity(elements.len());
    for element in elements {
        match element.string() {
            Some(text) => texts.push((text, element.span.clone())),
            None if node.array().is_some() => wrong_type(element, &format!("`{key}`"), "a string", out),
            None => wrong_type(element, &format!("`{key}`"), "a string or an array of strings", out),
        }
    }
    texts
}

/// Reports a value of the wrong type.
pub(super) fn wrong_type(node: &Node, what: &str, expected: &str, out: &mut Vec<Diagnostic>) {
    out.push(
        Diagnostic::error("IAM0101", format!("{what} must be {expected}"))
            .at(node.span.clone(), format!("this is {}", node.kind())),
    );
}

/// The opening bracket: the place of what is missing inside.
pub(super) fn start(node: &Node) -> Range<usize> {
    node.span.start..(node.span.start + 1).min(node.span.end)
}
