//! Reading the members of a JSON object, with every complaint collected.
//!
//! A reader asks [`Fields`] for each member that it knows; what was never asked
//! for is unknown, so the list of known fields is the code that reads them. Wrong
//! values are reported and count as absent, so that reading goes on.

use super::placed::placed;
use super::units::{MEMORY_UNITS, with_unit};
use crate::diagnostic::{Diagnostic, Severity, nearest};
use crate::json::{Member, Node, Value};
use std::cell::RefCell;
use std::ops::{Range, RangeInclusive};

/// A value and the place that it was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Byte range in the file.
    pub span: Range<usize>,
}

/// The complaints about one file.
#[derive(Debug, Default)]
pub(in crate::ecs) struct Findings(RefCell<Vec<Diagnostic>>);

impl Findings {
    pub(in crate::ecs) fn push(&self, diagnostic: Diagnostic) {
        self.0.borrow_mut().push(diagnostic);
    }

    /// Whether anything is wrong so far.
    pub(in crate::ecs) fn have_errors(&self) -> bool {
        self.0.borrow().iter().any(|d| d.severity == Severity::Error)
    }

    pub(in crate::ecs) fn into_inner(self) -> Vec<Diagnostic> {
        self.0.into_inner()
    }
}

/// The members of one object.
pub(super) struct Fields<'a> {
    /// What the object is, for messages.
    pub(super) owner: String,
    pub(super) findings: &'a Findings,
    /// The place of the object.
    place: Range<usize>,
    members: &'a [Member],
    asked: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    /// The members of `node`, if it is an object.
    pub(super) fn of(node: &'a Node, owner: impl Into<String>, findings: &'a Findings) -> Option<Self> {
        let owner = owner.into();
        let Some(members) = node.object() else {
            let message = format!("{owner} must be an object, not {}", node.kind());
            findings.push(Diagnostic::error("ECS0001", message).at(node.span.clone(), ""));
            return None;
        };
        refuse_duplicates(node, &owner, findings);
        Some(Self { owner, findings, place: node.span.clone(), members, asked: Vec::new() })
    }

    /// The member's value, unless it is absent or null.
    pub(super) fn node(&mut self, name: &'static str) -> Option<&'a Node> {
        self.asked.push(name);
        let member = self.members.iter().rev().find(|m| m.key == name)?;
        Some(&member.value).filter(|node| node.value != Value::Null)
    }

    /// Reports an error at a place of this object.
    pub(super) fn error(&self, code: &'static str, span: Range<usize>, message: impl AsRef<str>) {
        let message = format!("{}: {}", self.owner, message.as_ref());
        self.findings.push(Diagnostic::error(code, message).at(span, ""));
    }

    fn wrong_kind(&self, name: &str, wanted: &str, node: &Node) {
        let message = format!("{}: `{name}` must be {wanted}, not {}", self.owner, node.kind());
        let mut error = Diagnostic::error("ECS0001", message).at(node.span.clone(), "");
        error.help = match (wanted, &node.value) {
            ("a list", Value::Object(_)) => Some("put it in brackets: `[{...}]`".to_owned()),
            ("a list", Value::String(text)) => {
                let words: Vec<_> = text.split_whitespace().map(|word| format!("\"{word}\"")).collect();
                Some(format!("a list of words: `[{}]`", words.join(", ")))
            }
            _ => None,
        };
        self.findings.push(error);
    }

    /// A string.
    pub(super) fn text(&mut self, name: &'static str) -> Option<Spanned<String>> {
        let node = self.node(name)?;
        self.as_text(name, node)
    }

    /// A scalar as a string; a number or a boolean is taken as it is spelled.
    fn as_text(&self, name: &str, node: &Node) -> Option<Spanned<String>> {
        let value = match &node.value {
            Value::String(text) => text.clone(),
            Value::Number(digits) => {
                self.spelled(name, "a number", "a string", node);
                digits.clone()
            }
            Value::Bool(value) => {
                self.spelled(name, "a boolean", "a string", node);
                value.to_string()
            }
            _ => {
                self.wrong_kind(name, "a string", node);
                return None;
            }
        };
        Some(Spanned { value, span: node.span.clone() })
    }

    /// Notes a value that is understood in spite of its type.
    pub(super) fn spelled(&self, name: &str, is: &str, wanted: &str, node: &Node) {
        let message = format!("{}: `{name}` is {is} where the API takes {wanted}", self.owner);
        self.findings
            .push(Diagnostic::note("ECS0010", message).at(node.span.clone(), "taken as it is meant"));
    }

    /// A string that has to be there and not empty.
    pub(super) fn required(&mut self, name: &'static str, object: Range<usize>) -> Option<Spanned<String>> {
        match self.text(name) {
            Some(text) if !text.value.is_empty() => Some(text),
            Some(empty) => {
                self.error("ECS0004", empty.span, format!("`{name}` is empty"));
                None
            }
            // A value of the wrong kind has been reported already.
            None if self.members.iter().any(|m| m.key == name && m.value.value != Value::Null) => None,
            None => {
                self.error("ECS0004", object, format!("`{name}` is missing"));
                None
            }
        }
    }

    /// Complains if the member is absent; its value is for another reader.
    pub(super) fn needs(&self, name: &str) {
        if self.members.iter().all(|m| m.key != name || m.value.value == Value::Null) {
            self.error("ECS0004", self.place.clone(), format!("`{name}` is missing"));
        }
    }

    /// A boolean.
    pub(super) fn flag(&mut self, name: &'static str) -> Option<bool> {
        let node = self.node(name)?;
        match node.value {
            Value::Bool(value) => Some(value),
            Value::String(ref text)
                if text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false") =>
            {
                self.spelled(name, "a string", "a boolean", node);
                Some(text.eq_ignore_ascii_case("true"))
            }
            _ => {
                self.wrong_kind(name, "true or false", node);
                None
            }
        }
    }

    /// A whole number within the limits. One in quotes is taken with a note.
    pub(super) fn whole(&mut self, name: &'static str, limits: RangeInclusive<i64>) -> Option<Spanned<i64>> {
        let node = self.node(name)?;
        let integer = |digits: &str| digits.strip_suffix(".0").unwrap_or(digits).parse::<i64>().ok();
        let parsed = match &node.value {
            Value::Number(digits) => integer(digits),
            Value::String(digits) => {
                let parsed = integer(digits.trim());
                if parsed.is_some() {
                    self.spelled(name, "a string", "a number", node);
                }
                parsed
            }
            _ => None,
        };
        self.within(name, node, parsed, limits)
    }

    /// An amount of memory in MiB: a whole number, or a string such as `512MB` or `0.5 GB`.
    pub(super) fn mebibytes(&mut self, name: &'static str, limits: RangeInclusive<i64>) -> Option<u32> {
        let node = self.node(name)?;
        let Some(text) = node.string() else {
            return self.whole(name, limits).and_then(|n| n.value.try_into().ok());
        };
        let parsed = with_unit(text, MEMORY_UNITS).map(i64::from);
        if parsed.is_some() {
            self.spelled(name, "a string", "a number of MiB", node);
        }
        self.within(name, node, parsed, limits).and_then(|n| n.value.try_into().ok())
    }

    fn within(
        &self,
        name: &str,
        node: &Node,
        parsed: Option<i64>,
        limits: RangeInclusive<i64>,
    ) -> Option<Spanned<i64>> {
        match parsed {
            Some(value) if limits.contains(&value) => Some(Spanned { value, span: node.span.clone() }),
            Some(_) => {
                let (low, high) = (limits.start(), limits.end());
                let message = format!("`{name}` must be between {low} and {high}");
                self.error("ECS0008", node.span.clone(), message);
                None
            }
            None => {
                self.wrong_kind(name, "a whole number", node);
                None
            }
        }
    }

    /// A whole number from 0 to what 32 bits hold.
    pub(super) fn count(&mut self, name: &'static str) -> Option<u32> {
        self.whole(name, 0..=i32::MAX.into()).and_then(|n| u32::try_from(n.value).ok())
    }

    /// One of several words.
    pub(super) fn choice<T: Copy>(&mut self, name: &'static str, words: &[(&'static str, T)]) -> Option<T> {
        let text = self.text(name)?;
        if text.value.is_empty() {
            // What tools print for a field that is not set; the API takes no empty word.
            let message = format!("{}: `{name}` is an empty text, which is read as left out", self.owner);
            self.findings.push(Diagnostic::note("ECS0010", message).at(text.span, ""));
            return None;
        }
        self.chosen(name, text, words)
    }

    /// A list of such words.
    pub(super) fn choices<T: Copy>(
        &mut self,
        name: &'static str,
        words: &[(&'static str, T)],
    ) -> Vec<Spanned<T>> {
        let given: Vec<_> = self.list(name).iter().filter_map(|node| self.as_text(name, node)).collect();
        let place = |text: Spanned<String>| {
            let span = text.span.clone();
            Some(Spanned { value: self.chosen(name, text, words)?, span })
        };
        given.into_iter().filter_map(place).collect()
    }

    fn chosen<T: Copy>(&self, name: &str, text: Spanned<String>, words: &[(&'static str, T)]) -> Option<T> {
        if let Some((_, choice)) = words.iter().find(|(word, _)| *word == text.value) {
            return Some(*choice);
        }
        if let Some((word, choice)) =
            words.iter().find(|(word, _)| word.eq_ignore_ascii_case(text.value.trim()))
        {
            let message = format!("{}: `{}` is read as `{word}`", self.owner, text.value);
            self.findings.push(Diagnostic::note("ECS0010", message).at(text.span, ""));
            return Some(*choice);
        }
        let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let message = format!("{}: `{name}` cannot be `{}`", self.owner, text.value);
        let help = match nearest(&text.value, names.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("one of {}", names.join(", ")),
        };
        self.findings.push(Diagnostic::error("ECS0009", message).at(text.span, "").help(help));
        None
    }

    /// The elements of a list.
    pub(super) fn list(&mut self, name: &'static str) -> &'a [Node] {
        match self.node(name) {
            None => &[],
            Some(node) => node.array().unwrap_or_else(|| {
                self.wrong_kind(name, "a list", node);
                &[]
            }),
        }
    }

    /// The strings of a list.
    pub(super) fn texts(&mut self, name: &'static str) -> Vec<String> {
        let nodes = self.list(name);
        let mut texts = Vec::with_capacity(nodes.len());
        for node in nodes {
            match &node.value {
                Value::Null | Value::Array(_) | Value::Object(_) => {
                    self.wrong_kind(name, "a list of strings", node);
                }
                _ => texts.extend(self.as_text(name, node).map(|text| text.value)),
            }
        }
        texts
    }

    /// The strings of a list, with their places.
    pub(super) fn spanned_texts(&mut self, name: &'static str) -> Vec<Spanned<String>> {
        self.list(name).iter().filter_map(|node| self.as_text(name, node)).collect()
    }

    /// Pairs of a list of objects with the two names; also taken as an object, and as
    /// strings `NAME=VALUE`.
    pub(super) fn pairs(
        &mut self,
        name: &'static str,
        value_name: &'static str,
    ) -> Vec<(Spanned<String>, Spanned<String>)> {
        let Some(node) = self.node(name) else { return Vec::new() };
        if node.object().is_some() {
            self.spelled(name, "an object", "a list of objects", node);
            let pair = |(key, value): (Spanned<String>, String)| {
                let span = key.span.clone();
                (key, Spanned { value, span })
            };
            return self.map(name).into_iter().map(pair).collect();
        }
        let owner = format!("{}: {name}", self.owner);
        let mut pairs = Vec::new();
        for entry in self.list(name) {
            if let Some((key, value)) = entry.string().and_then(|text| text.split_once('=')) {
                self.spelled(name, "a string `NAME=VALUE`", "an object", entry);
                let spanned = |value: &str| Spanned { value: value.to_owned(), span: entry.span.clone() };
                pairs.push((spanned(key), spanned(value)));
                continue;
            }
            let Some(mut fields) = Fields::of(entry, owner.clone(), self.findings) else { continue };
            let key = fields.required("name", entry.span.clone());
            let value = match value_name {
                // ECS takes a variable without a value as an empty one.
                "value" => {
                    fields.text("value").or(Some(Spanned { value: String::new(), span: entry.span.clone() }))
                }
                other => fields.required(other, entry.span.clone()),
            };
            fields.finish();
            pairs.extend(key.zip(value));
        }
        pairs
    }

    /// An object with string values.
    pub(super) fn map(&mut self, name: &'static str) -> Vec<(Spanned<String>, String)> {
        let Some(node) = self.node(name) else { return Vec::new() };
        let Some(members) = node.object() else {
            self.wrong_kind(name, "an object", node);
            return Vec::new();
        };
        refuse_duplicates(node, &format!("{}: `{name}`", self.owner), self.findings);
        let mut pairs = Vec::with_capacity(members.len());
        for member in members {
            match &member.value.value {
                Value::Array(_) | Value::Object(_) => {
                    let message =
                        format!("`{}` in `{name}` must be a string, not {}", member.key, member.value.kind());
                    self.error("ECS0001", member.value.span.clone(), message);
                }
                Value::Null => {}
                _ => {
                    let key = Spanned { value: member.key.clone(), span: member.key_span.clone() };
                    pairs.extend(self.as_text(&member.key, &member.value).map(|text| (key, text.value)));
                }
            }
        }
        pairs
    }

    /// [`Fields::map`] without the places.
    pub(super) fn plain_map(&mut self, name: &'static str) -> Vec<(String, String)> {
        self.map(name).into_iter().map(|(key, value)| (key.value, value)).collect()
    }

    /// A field that is known and needs no word.
    pub(super) fn accept(&mut self, names: &[&'static str]) {
        self.asked.extend(names);
    }

    /// A field that makes no difference to a launch on one host.
    pub(super) fn without_effect(&mut self, name: &'static str) {
        if let Some(node) = self.node(name).filter(|node| !says_nothing(node)) {
            let message = format!("{}: `{name}` has no effect on one host", self.owner);
            self.findings.push(Diagnostic::note("ECS0006", message).at(node.span.clone(), ""));
        }
    }

    /// Several of them.
    pub(super) fn all_without_effect(&mut self, names: &[&'static str]) {
        names.iter().for_each(|name| self.without_effect(name));
    }

    /// A field that would change what the task does, were it honoured.
    pub(super) fn refuse(&mut self, name: &'static str, help: &str) {
        if let Some(node) = self.node(name).filter(|node| !says_nothing(node)) {
            let message = format!("{}: `{name}` cannot be had on one Linux host", self.owner);
            self.findings.push(Diagnostic::error("ECS0005", message).at(node.span.clone(), "").help(help));
        }
    }

    /// Reports the members that were never asked for.
    pub(super) fn finish(self) {
        for member in self.members.iter().filter(|m| !self.asked.contains(&m.key.as_str())) {
            let message = format!("{}: unknown field `{}`", self.owner, member.key);
            let help = match nearest(&member.key, self.asked.iter().copied()) {
                _ if placed(&member.key, &self.owner).is_some() => {
                    format!("it belongs {}", placed(&member.key, &self.owner).unwrap_or_default())
                }
                Some(near) => format!("did you mean `{near}`?"),
                None if self.asked.len() <= 8 => format!("known here: {}", self.asked.join(", ")),
                None => "it is not a field of RegisterTaskDefinition at this place".to_owned(),
            };
            let error = Diagnostic::error("ECS0002", message).at(member.key_span.clone(), "").help(help);
            self.findings.push(error);
        }
    }
}

/// Whether a value asks for nothing: `DescribeTaskDefinition` prints an empty
/// list for every list that was not given.
fn says_nothing(node: &Node) -> bool {
    match &node.value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(elements) => elements.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::String(text) => text.is_empty(),
        Value::Number(_) | Value::Bool(true) => false,
    }
}

fn refuse_duplicates(node: &Node, owner: &str, findings: &Findings) {
    for (first, later) in node.duplicates() {
        let message = format!("{owner}: `{}` is given twice", later.key);
        let error = Diagnostic::error("ECS0003", message)
            .at(later.key_span.clone(), "given again")
            .with(first.key_span.clone(), "first given here");
        findings.push(error);
    }
}
