//! JSON as people write it, or YAML; and what a text that is neither probably is.
//!
//! Comments and trailing commas are accepted with a note. Everything else that is
//! not JSON is one error at its place, with the likely slip.

use super::template::Filled;
use super::yaml;
use crate::diagnostic::Diagnostic;
use crate::ecs::definition::Findings;
use crate::json::{self, Node};
use std::ops::Range;

/// A text that was read.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) root: Node,
    pub(super) form: Form,
}

/// What it was written in.
#[derive(Debug)]
pub(super) enum Form {
    /// Strict JSON.
    Plain,
    /// YAML.
    Yaml,
    /// JSON with comments or trailing commas; the first of them.
    Relaxed(Range<usize>),
}

impl Form {
    pub(super) fn is_loose(&self) -> bool {
        matches!(self, Self::Yaml)
    }

    pub(super) fn note(&self, findings: &Findings, filled: &Filled) {
        if let Self::Relaxed(span) = self {
            let note =
                Diagnostic::note("JSON0002", "comments and trailing commas are not JSON; they are left out")
                    .at(span.clone(), "the first of them")
                    .help("`aws ecs register-task-definition` does not take them");
            findings.push(filled.place(note));
        }
    }
}

pub(super) fn parse(text: &str) -> Result<Parsed, Diagnostic> {
    if let Some(span) = terraform(text) {
        let error =
            Diagnostic::error("ECS0022", "this is Terraform's language, not a task definition").at(span, "");
        return Err(error.help(
            "take the definition from AWS (`aws ecs describe-task-definition --task-definition NAME`), or the JSON \
             that `container_definitions` holds in the output of `terraform show -json`",
        ));
    }
    if !text.trim_start().starts_with(['{', '[', '/']) {
        return yaml::parse(text).map(|root| Parsed { root, form: Form::Yaml });
    }
    let strict = match json::parse(text) {
        Ok(root) => return Ok(Parsed { root, form: Form::Plain }),
        Err(error) => error,
    };
    let (blanked, first) = json::without_comments(text);
    match (json::parse(&blanked), first) {
        (Ok(root), Some(first)) => Ok(Parsed { root, form: Form::Relaxed(first) }),
        (Err(error), Some(_)) => Err(explained(error, text)),
        (_, None) => Err(explained(strict, text)),
    }
}

/// The mark by which Terraform is known.
fn terraform(text: &str) -> Option<Range<usize>> {
    let line = |mark: &str| {
        text.match_indices(mark).find(|(at, _)| {
            let start = text.get(..*at).and_then(|t| t.rfind('\n')).map_or(0, |n| n + 1);
            text.get(start..*at).is_some_and(|before| before.trim().is_empty())
        })
    };
    let (start, mark) =
        ["resource \"", "module \"", "data \"", "locals {", "variable \""].iter().find_map(|m| line(m))?;
    Some(start..start + mark.len())
}

/// Adds what probably went wrong.
fn explained(error: Diagnostic, text: &str) -> Diagnostic {
    let at = error.primary.as_ref().map_or(0, |label| label.span.start);
    let rest = text.get(at..).unwrap_or_default();
    // The parser may stop one byte before or after the culprit.
    let near = text.get(..at).and_then(|t| t.chars().next_back());
    let here = rest.chars().next();
    let word = |c: Option<char>| c.is_some_and(|c| c.is_alphabetic() || c == '_');
    let help = if rest.trim().is_empty() || error.message.contains("EOF while parsing") {
        "a bracket, brace or quote is not closed"
    } else if [here, near].contains(&Some('\'')) {
        "JSON texts stand in double quotes"
    } else if [here, near].iter().any(|c| c.is_some_and(|c| "“”„‘’«»".contains(c))) {
        "these are typographic quotes; JSON needs the plain `\"`"
    } else if ["True", "False", "None"].iter().any(|w| rest.starts_with(w)) {
        "this is Python: JSON has true, false and null; print it with `json.dumps`"
    } else if [here, near].iter().any(|c| c.is_some_and(|c| "$<%#@".contains(c))) {
        "if this is a placeholder of a template, render the template first, or give its value with `--set NAME=VALUE`"
    } else if error.message.contains("key must be a string")
        || word(here) && error.message.contains("expected")
    {
        "names and texts stand in double quotes in JSON; is there a comma or a quote missing before it?"
    } else if error.message.contains("expected `,`") {
        "a comma is missing between two members"
    } else if error.message.contains("control character") {
        "a text cannot go over the end of a line: write `\\n`"
    } else {
        return error;
    };
    error.help(help)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_noted_and_slips_are_explained() {
        assert!(matches!(parse("{\"a\": 1, // x\n}").unwrap().form, Form::Relaxed(span) if span == (9..13)));
        assert!(matches!(parse("a: 1").unwrap().form, Form::Yaml));
        for (text, help) in [
            ("{\"a\": 'x'}", "double quotes"),
            ("{\"a\": “x”}", "typographic"),
            ("{\"a\": True}", "Python"),
            ("{name: 1}", "double quotes"),
            ("{\"a\": [1, 2", "not closed"),
            ("{\"a\": <x y>}", "--set"),
            ("{\"a\": \"x\ny\"}", "end of a line"),
            ("{\"a\": 1 \"b\": 2}", "comma"),
            ("// c\n{\"a\": 1 \"b\": 2}", "comma"),
            ("resource \"aws_ecs_task_definition\" \"a\" {", "describe-task-definition"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.help.as_ref().is_some_and(|h| h.contains(help)), "{text}: {error:?}");
            assert!(error.primary.is_some(), "{text}");
        }
    }
}
