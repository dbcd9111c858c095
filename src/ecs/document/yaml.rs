//! YAML with source positions, as the same [`Node`] that JSON gives.
//!
//! Plain scalars have the types of YAML's core schema. The short tags of
//! CloudFormation become their long forms (`!Ref X` is `{"Ref": "X"}`, `!GetAtt
//! A.B` is `{"Fn::GetAtt": ["A", "B"]}`). Anchors and merge keys are resolved.

use super::{member, string};
use crate::diagnostic::Diagnostic;
use crate::json::{Member, Node, Value};
use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, Tag};
use std::collections::HashMap;
use std::ops::Range;

/// Nodes that an alias may bring in; more is a bomb.
const LARGEST: usize = 100_000;

/// Parses the first document.
pub(super) fn parse(text: &str) -> Result<Node, Diagnostic> {
    let mut places: Vec<usize> = text.char_indices().map(|(byte, _)| byte).collect();
    places.push(text.len());
    let mut reader =
        Reader { text: text.as_bytes(), places, end: text.len(), anchors: HashMap::new(), budget: LARGEST };
    let mut events = Parser::new_from_str(text);
    loop {
        match reader.next(&mut events)? {
            (Event::StreamStart | Event::DocumentStart(_) | Event::Nothing, _) => {}
            (Event::StreamEnd | Event::DocumentEnd, _) => {
                return Err(Diagnostic::error("YAML0001", "the file is empty").at(0..0, ""));
            }
            (event, span) => return reader.node(event, span, &mut events),
        }
    }
}

struct Reader<'t> {
    text: &'t [u8],
    /// Byte offsets of characters.
    places: Vec<usize>,
    end: usize,
    anchors: HashMap<usize, Node>,
    budget: usize,
}

type Events<'t> = Parser<'t, saphyr_parser::StrInput<'t>>;

impl Reader<'_> {
    fn next<'t>(&self, events: &mut Events<'t>) -> Result<(Event<'t>, Range<usize>), Diagnostic> {
        match events.next_event() {
            Some(Ok((event, span))) => Ok((event, self.bytes(span))),
            Some(Err(error)) => Err(self.refused(&error)),
            None => Ok((Event::StreamEnd, self.end..self.end)),
        }
    }

    fn refused(&self, error: &ScanError) -> Diagnostic {
        let at = self.byte(error.marker().index());
        Diagnostic::error("YAML0001", format!("not valid YAML: {}", error.info())).at(at..at, "")
    }

    /// A block ends where the next begins, for the parser; for a reader it ends with its last line.
    fn trimmed(&self, start: usize, end: usize) -> usize {
        let text = self.text.get(start..end).unwrap_or_default();
        start + text.trim_ascii_end().len()
    }

    fn byte(&self, character: usize) -> usize {
        self.places.get(character).copied().unwrap_or(self.end)
    }

    fn bytes(&self, span: Span) -> Range<usize> {
        let start = self.byte(span.start.index());
        start..self.byte(span.end.index()).max(start)
    }

    fn node<'t>(
        &mut self,
        event: Event<'t>,
        span: Range<usize>,
        events: &mut Events<'t>,
    ) -> Result<Node, Diagnostic> {
        let (value, end, anchor, tag) = match event {
            Event::Alias(id) => return self.alias(id, span),
            Event::Scalar(text, style, anchor, tag) => {
                let text = text.into_owned();
                let plain = style == ScalarStyle::Plain && tag.is_none();
                (if plain { typed(text) } else { Value::String(text) }, span.end, anchor, tag)
            }
            Event::SequenceStart(anchor, tag) => {
                let mut elements = Vec::new();
                let end = loop {
                    match self.next(events)? {
                        (Event::SequenceEnd | Event::StreamEnd, at) => break at.end,
                        (event, span) => elements.push(self.node(event, span, events)?),
                    }
                };
                (Value::Array(elements), end, anchor, tag)
            }
            Event::MappingStart(anchor, tag) => {
                let (members, end) = self.members(events)?;
                (Value::Object(members), end, anchor, tag)
            }
            _ => (Value::Null, span.end, 0, None),
        };
        let node = tagged(
            Node { span: span.start..self.trimmed(span.start, end.max(span.start)), value },
            tag.as_deref(),
        );
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn alias(&mut self, id: usize, span: Range<usize>) -> Result<Node, Diagnostic> {
        let error = |text: &str| Diagnostic::error("YAML0001", text.to_owned()).at(span.clone(), "");
        let node = self.anchors.get(&id).cloned().ok_or_else(|| error("the alias names itself"))?;
        self.budget =
            self.budget.checked_sub(size(&node)).ok_or_else(|| error("aliases make it too large"))?;
        Ok(node)
    }

    fn members(&mut self, events: &mut Events<'_>) -> Result<(Vec<Member>, usize), Diagnostic> {
        let mut members: Vec<Member> = Vec::new();
        let mut merged = Vec::new();
        loop {
            let key = match self.next(events)? {
                (Event::MappingEnd | Event::StreamEnd, at) => {
                    // What is written here goes before what is merged in.
                    for member in merged {
                        let Member { key, .. } = &member;
                        if !members.iter().any(|m| m.key == *key) {
                            members.push(member);
                        }
                    }
                    return Ok((members, at.end));
                }
                (Event::Scalar(text, ..), span) => (text.into_owned(), span),
                (_, span) => return Err(Diagnostic::error("YAML0001", "a key must be a text").at(span, "")),
            };
            let (event, span) = self.next(events)?;
            let value = self.node(event, span, events)?;
            match (key.0.as_str(), value.value) {
                ("<<", Value::Object(inner)) => merged.extend(inner),
                (_, inner) => members.push(Member {
                    key: key.0,
                    key_span: key.1,
                    value: Node { span: value.span, value: inner },
                }),
            }
        }
    }
}

fn size(node: &Node) -> usize {
    1 + match &node.value {
        Value::Array(elements) => elements.iter().map(size).sum(),
        Value::Object(members) => members.iter().map(|m| size(&m.value)).sum(),
        _ => 0,
    }
}

/// The type of a plain scalar.
fn typed(text: String) -> Value {
    match text.as_str() {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    // Leading zeros are left as text: account ids are no numbers.
    let number = serde_json::from_str::<serde_json::Number>(&text).is_ok();
    if number { Value::Number(text) } else { Value::String(text) }
}

/// CloudFormation's short forms.
fn tagged(node: Node, tag: Option<&Tag>) -> Node {
    let Some(tag) = tag.filter(|tag| tag.handle == "!") else { return node };
    let span = node.span.clone();
    let (name, argument) = match (tag.suffix.as_str(), node) {
        ("Ref", node) => ("Ref".to_owned(), node),
        ("Condition", node) => ("Condition".to_owned(), node),
        ("GetAtt", Node { span, value: Value::String(text) }) => {
            let parts = text.splitn(2, '.').map(|part| string(part, span.clone()));
            ("Fn::GetAtt".to_owned(), Node { value: Value::Array(parts.collect()), span: span.clone() })
        }
        (other, node) => (format!("Fn::{other}"), node),
    };
    Node { value: Value::Object(vec![member(&name, argument)]), span }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As JSON, to compare.
    fn shown(node: &Node) -> serde_json::Value {
        match &node.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(b) => (*b).into(),
            Value::Number(n) => serde_json::from_str(n).unwrap(),
            Value::String(s) => s.as_str().into(),
            Value::Array(a) => a.iter().map(shown).collect(),
            Value::Object(o) => o.iter().map(|m| (m.key.clone(), shown(&m.value))).collect(),
        }
    }

    #[test]
    fn scalars_tags_anchors_and_places() {
        let text = "é: &x\n  - 256\n  - '256'\n  - 012345678901\n  - true\n  - ~\nb: *x\nc: !Sub 'a-${B}'\n\
                    d: !GetAtt A.B.C\ne:\n  <<: {k: 1, l: 2}\n  k: 3\nf: !If [c, !Ref X, 1]\n";
        let root = parse(text).unwrap();
        let list = serde_json::json!([256, "256", "012345678901", true, null]);
        assert_eq!(
            shown(&root),
            serde_json::json!({
                "é": list, "b": list, "c": {"Fn::Sub": "a-${B}"}, "d": {"Fn::GetAtt": ["A", "B.C"]},
                "e": {"k": 3, "l": 2}, "f": {"Fn::If": ["c", {"Ref": "X"}, 1]},
            })
        );
        let first = &root.get("é").unwrap().array().unwrap()[1];
        assert_eq!(&text[first.span.clone()], "'256'");
    }

    #[test]
    fn what_is_not_yaml_is_one_error_with_a_place() {
        for text in ["a: [1", "a: b: c", "", "? [a]\n: b", "a: *nobody", "- a\nb: c"] {
            let error = parse(text).unwrap_err();
            assert_eq!(error.code, "YAML0001", "{text}");
            assert!(error.primary.is_some(), "{text}");
        }
        let bomb =
            (0..30).map(|n| format!("a{}: &a{} [{}]\n", n + 1, n + 1, vec![format!("*a{n}"); 9].join(", ")));
        let bomb = format!("a0: &a0 [x]\n{}", bomb.collect::<String>());
        assert!(parse(&bomb).unwrap_err().message.contains("too large"));
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(\\PC|[:\\-{}&*!|> \n\t'\"\\[\\]]){0,40}") {
            let _ = parse(&text);
        }
    }
}
