//! The keys of one mapping of a Compose file: what is taken, what has no effect, what nobody knows.

use crate::diagnostic::{Diagnostic, nearest};
use crate::ecs::definition::Findings;
use crate::json::{Member, Node, Value};
use std::ops::Range;

/// Code of values that cannot be read.
pub(super) const UNREADABLE: &str = "ECS0025";

pub(super) struct Keys<'a> {
    owner: String,
    members: &'a [Member],
    asked: Vec<&'static str>,
    findings: &'a Findings,
}

impl<'a> Keys<'a> {
    /// The keys of a mapping; nothing at all counts as an empty one.
    pub(super) fn of(node: &'a Node, owner: impl Into<String>, findings: &'a Findings) -> Option<Self> {
        let owner = owner.into();
        let members = match &node.value {
            Value::Object(members) => members.as_slice(),
            Value::Null => &[],
            _ => {
                let message = format!("{owner} must be a mapping, not {}", node.kind());
                findings.push(Diagnostic::error("ECS0001", message).at(node.span.clone(), ""));
                return None;
            }
        };
        for (first, later) in node.duplicates() {
            let message = format!("{owner}: `{}` is there twice", later.key);
            let error = Diagnostic::error("ECS0003", message).at(later.key_span.clone(), "");
            findings.push(error.with(first.key_span.clone(), "first here"));
        }
        Some(Self { owner, members, asked: Vec::new(), findings })
    }

    /// A member, unless it is absent or says nothing.
    pub(super) fn take(&mut self, name: &'static str) -> Option<&'a Member> {
        self.asked.push(name);
        self.members.iter().rev().find(|m| m.key == name && m.value.value != Value::Null)
    }

    /// Its value under the name of the API, as it is.
    pub(super) fn pass(&mut self, name: &'static str, api: &'static str, to: &mut Vec<(&'static str, Node)>) {
        if let Some(member) = self.take(name) {
            to.push((api, member.value.clone()));
        }
    }

    /// Keys that need no word.
    pub(super) fn accept(&mut self, names: &[&'static str]) {
        self.asked.extend(names);
    }

    /// Keys that make no difference.
    pub(super) fn without_effect(&mut self, names: &[&'static str], why: &str) {
        for name in names {
            if let Some(member) = self.take(name) {
                let message = format!("{}: `{name}` has no effect: {why}", self.owner);
                self.findings.push(Diagnostic::note("ECS0006", message).at(member.key_span.clone(), ""));
            }
        }
    }

    /// Keys that have no effect, which may surprise.
    pub(super) fn warn(&mut self, names: &[&'static str], why: &str) {
        for name in names {
            if let Some(member) = self.take(name) {
                let message = format!("{}: `{name}` has no effect: {why}", self.owner);
                self.findings.push(Diagnostic::warning("ECS0006", message).at(member.key_span.clone(), ""));
            }
        }
    }

    /// Reports what cannot be read.
    pub(super) fn unreadable(&self, span: &Range<usize>, what: &str) {
        let message = format!("{}: {what}", self.owner);
        self.findings.push(Diagnostic::error(UNREADABLE, message).at(span.clone(), ""));
    }

    /// Notes something about a value.
    pub(super) fn note(&self, span: &Range<usize>, what: &str) {
        let message = format!("{}: {what}", self.owner);
        self.findings.push(Diagnostic::note("ECS0006", message).at(span.clone(), ""));
    }

    /// Reports the keys that were never asked for. Keys `x-...` are anybody's, where Compose has them.
    pub(super) fn finish(self, extensions: bool) {
        let unknown = self.members.iter().filter(|m| !self.asked.contains(&m.key.as_str()));
        for member in unknown.filter(|m| !(extensions && m.key.starts_with("x-"))) {
            let message = format!("{}: unknown key `{}`", self.owner, member.key);
            let mut error = Diagnostic::error("ECS0002", message).at(member.key_span.clone(), "");
            error.help =
                nearest(&member.key, self.asked.iter().copied()).map(|n| format!("did you mean `{n}`?"));
            self.findings.push(error);
        }
    }
}

/// A mapping of the API at a place.
pub(super) fn object(span: &Range<usize>, members: Vec<(&str, Node)>) -> Node {
    let members = members.into_iter().map(|(key, value)| super::super::member(key, value));
    Node { span: span.clone(), value: Value::Object(members.collect()) }
}
