//! One policy document, from JSON to statements.
//!
//! A document stands in an export either as an object or, as the API returns it,
//! as a string that holds JSON in percent-encoding (RFC 3986). Findings about the
//! inside of a string are shown at the string.
//!
//! Nothing that is written is without effect: an element, operator or key that is not
//! known is an error.
//!
//! Source: IAM User Guide, "Grammar of the IAM JSON policy language".

use super::action::{ActionPattern, ActionSet};
use super::catalogue;
use super::condition::Conditions;
use super::document::{Kind, Statement};
use super::elements::{self, one_of};
use super::shape;
use super::variable::Language;
use super::{Basis, Effect, Matched};
use crate::diagnostic::{Diagnostic, Label, line_column, nearest};
use crate::json::{self, Node};
use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;
use std::str::Utf8Error;
use std::sync::Arc;

/// Where a document stands, for the statements that come from it.
#[derive(Debug)]
pub(super) struct Origin<'a> {
    /// What to call the policy.
    pub(super) policy: Arc<str>,
    /// The file.
    pub(super) file: &'a File,
}

/// A file and where its lines begin.
#[derive(Debug)]
pub(super) struct File {
    pub(super) path: Arc<str>,
    line_starts: Vec<usize>,
}

impl File {
    pub(super) fn new(path: &str, text: &str) -> Self {
        let line_starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { path: path.into(), line_starts }
    }

    fn line(&self, offset: usize) -> usize {
        self.line_starts.partition_point(|&start| start <= offset)
    }
}

/// The statements of a document; errors and warnings go to `out`.
pub(super) fn document(
    node: &Node,
    kind: Kind,
    origin: &Origin<'_>,
    out: &mut Vec<Diagnostic>,
) -> Vec<Arc<Statement>> {
    let Some(text) = node.string() else {
        let parser = Parser { kind, origin, line: None };
        return parser.document(node, out);
    };
    let mut inner = Vec::new();
    let text = match decoded(text) {
        Ok(text) => text,
        Err(error) => {
            out.push(
                Diagnostic::error("IAM0116", format!("the policy document is not UTF-8: {error}"))
                    .at(node.span.clone(), "after percent-decoding"),
            );
            return Vec::new();
        }
    };
    let statements = match json::parse(&text) {
        Ok(document) => {
            let parser = Parser { kind, origin, line: Some(origin.file.line(node.span.start)) };
            parser.document(&document, &mut inner)
        }
        Err(error) => {
            inner.push(Diagnostic { code: "IAM0116", ..error });
            Vec::new()
        }
    };
    out.extend(inner.into_iter().map(|finding| relocate(finding, &text, &node.span)));
    statements
}

/// JSON begins with a brace; percent-encoded JSON cannot.
pub(super) fn decoded(text: &str) -> Result<Cow<'_, str>, Utf8Error> {
    if text.trim_start().starts_with('{') {
        return Ok(Cow::Borrowed(text));
    }
    percent_encoding::percent_decode_str(text).decode_utf8()
}

/// Moves a finding from the document in a string to the string itself.
fn relocate(finding: Diagnostic, text: &str, span: &Range<usize>) -> Diagnostic {
    let place = |label: &Label| {
        let (line, column) = line_column(text, label.span.start);
        let colon = if label.text.is_empty() { "" } else { ": " };
        format!("in the document in this string, line {line}, column {column}{colon}{}", label.text)
    };
    let text = finding.primary.as_ref().map(place).unwrap_or_default();
    Diagnostic { primary: Some(Label { span: span.clone(), text }), related: Vec::new(), ..finding }
}

struct Parser<'a> {
    kind: Kind,
    origin: &'a Origin<'a>,
    /// The line of all statements, if the document stands in a string.
    line: Option<usize>,
}

impl Parser<'_> {
    fn document(&self, node: &Node, out: &mut Vec<Diagnostic>) -> Vec<Arc<Statement>> {
        if !shape::object(node, "a policy document", &["Version", "Id", "Statement"], out) {
            return Vec::new();
        }
        if let Some(id) = node.get("Id") {
            shape::string(id, "Id", out);
        }
        let language = language(node, out);
        let Some(statements) = shape::required(node, "Statement", "the policy document", out) else {
            return Vec::new();
        };
        let elements = statements.array().unwrap_or(std::slice::from_ref(statements));
        if elements.is_empty() {
            out.push(
                Diagnostic::error("IAM0111", "empty `Statement`")
                    .at(statements.span.clone(), "lists nothing"),
            );
        }
        let mut sids = HashMap::new();
        let numbered = elements.iter().zip(1..);
        let mut read = |(element, number)| self.statement(element, number, language, &mut sids, out);
        numbered.filter_map(&mut read).map(Arc::new).collect()
    }

    fn statement(
        &self,
        node: &Node,
        number: usize,
        language: Language,
        sids: &mut HashMap<String, Range<usize>>,
        out: &mut Vec<Diagnostic>,
    ) -> Option<Statement> {
        const FIELDS: &[&str] = &[
            "Sid",
            "Effect",
            "Principal",
            "NotPrincipal",
            "Action",
            "NotAction",
            "Resource",
            "NotResource",
            "Condition",
        ];
        if !shape::object(node, "a statement", FIELDS, out) {
            return None;
        }
        self.refuse_elements(node, out);
        let sid = node.get("Sid").and_then(|sid| self.sid(sid, sids, out));
        let effect = effect(node, out);
        let actions = self.actions(node, out);
        let resources =
            (self.kind != Kind::TRUST).then(|| elements::resources(node, &actions, language, out));
        let principals =
            (self.kind != Kind::Identity).then(|| elements::principals(node, self.kind, effect, out));
        let conditions = node.get("Condition");
        let conditions =
            conditions.map(|c| Conditions::parse(c, &actions, language, out)).unwrap_or_default();
        let matched = Matched {
            policy: Arc::clone(&self.origin.policy),
            statement: number,
            sid,
            file: Arc::clone(&self.origin.file.path),
            line: self.line.unwrap_or_else(|| self.origin.file.line(node.span.start)),
            effect: effect?,
            basis: match self.kind {
                Kind::Identity => Basis::Identity,
                Kind::TRUST => Basis::Trust,
                Kind::Resource(_) => Basis::Resource,
            },
        };
        Some(Statement { actions, resources, principals, conditions, matched })
    }

    /// Elements that have no place in this kind of document.
    fn refuse_elements(&self, node: &Node, out: &mut Vec<Diagnostic>) {
        for member in node.object().unwrap_or_default() {
            let key = member.key.as_str();
            let refused = match (key, self.kind) {
                ("NotPrincipal", Kind::TRUST) => {
                    Diagnostic::error("IAM0114", "`NotPrincipal` in a trust policy")
                        .at(member.key_span.clone(), "a trust policy names those who are trusted")
                        .help("name them with `Principal`")
                }
                ("Principal" | "NotPrincipal", Kind::Identity) => {
                    Diagnostic::error("IAM0114", format!("`{key}` in a policy of a user, group or role"))
                        .at(
                            member.key_span.clone(),
                            "the principal is the one that the policy is attached to",
                        )
                        .help(format!("remove `{key}`"))
                }
                ("Resource" | "NotResource", Kind::TRUST) => {
                    Diagnostic::error("IAM0114", format!("`{key}` in a trust policy"))
                        .at(member.key_span.clone(), "the resource is the role itself")
                        .help(format!("remove `{key}`"))
                }
                _ => continue,
            };
            out.push(refused);
        }
    }

    fn sid(
        &self,
        node: &Node,
        sids: &mut HashMap<String, Range<usize>>,
        out: &mut Vec<Diagnostic>,
    ) -> Option<Arc<str>> {
        let sid = shape::string(node, "Sid", out).filter(|sid| !sid.is_empty())?;
        // IAM is strict about the names in identity policies only.
        if self.kind == Kind::Identity && !sid.chars().all(|c| c.is_ascii_alphanumeric()) {
            out.push(
                Diagnostic::error("IAM0113", format!("malformed `Sid` `{sid}`"))
                    .at(node.span.clone(), "only letters A-Z, a-z and digits"),
            );
        }
        if let Some(first) = sids.insert(sid.to_owned(), node.span.clone()) {
            out.push(
                Diagnostic::error("IAM0110", format!("two statements have the `Sid` `{sid}`"))
                    .at(node.span.clone(), "again here")
                    .with(first, "first here")
                    .help("a `Sid` is unique within its document"),
            );
        }
        Some(sid.into())
    }

    fn actions(&self, node: &Node, out: &mut Vec<Diagnostic>) -> ActionSet {
        let Some((element, key, negated)) = one_of(node, "Action", "NotAction", "the statement", out) else {
            return ActionSet::new(Vec::new(), false);
        };
        let mut entries = Vec::new();
        for (text, span) in shape::texts(element, key, out) {
            match ActionPattern::parse(text) {
                Err(error) => out.push(
                    Diagnostic::error("IAM0108", format!("malformed action `{text}`"))
                        .at(span, error.to_string()),
                ),
                Ok(_) if self.kind == Kind::TRUST && !text.to_ascii_lowercase().starts_with("sts:") => out
                    .push(
                        Diagnostic::error("IAM0108", format!("action `{text}` in a trust policy"))
                            .at(span, "a trust policy is about `sts:` actions only")
                            .help("write `sts:AssumeRole`"),
                    ),
                Ok(entry) => {
                    if let Err(unknown) = catalogue::check(text, &entry) {
                        let label = match unknown.no_service {
                            true => format!("no service has the prefix `{}`", unknown.service),
                            false => format!("`{}` has no such action", unknown.service),
                        };
                        let warning = Diagnostic::warning("IAM0130", format!("unknown action `{text}`"))
                            .at(span, label);
                        out.push(match unknown.nearest {
                            Some(near) => warning.help(format!("a similar action exists: `{near}`")),
                            None => warning,
                        });
                    }
                    entries.push(entry);
                }
            }
        }
        ActionSet::new(entries, negated)
    }
}

fn language(node: &Node, out: &mut Vec<Diagnostic>) -> Language {
    let Some(version) = node.get("Version") else { return Language::V2008 };
    match shape::string(version, "Version", out) {
        Some("2012-10-17") => Language::V2012,
        None | Some("2008-10-17") => Language::V2008,
        Some(other) => {
            out.push(
                Diagnostic::error("IAM0112", format!("unknown policy version `{other}`"))
                    .at(version.span.clone(), "not a version of the policy language")
                    .help("write `2012-10-17`"),
            );
            Language::V2012
        }
    }
}

fn effect(node: &Node, out: &mut Vec<Diagnostic>) -> Option<Effect> {
    let element = shape::required(node, "Effect", "the statement", out)?;
    match shape::string(element, "Effect", out)? {
        "Allow" => Some(Effect::Allow),
        "Deny" => Some(Effect::Deny),
        other => {
            let near = nearest(other, ["Allow", "Deny"])
                .map_or("`Allow` or `Deny`".into(), |near| format!("`{near}`"));
            out.push(
                Diagnostic::error("IAM0105", format!("unknown effect `{other}`"))
                    .at(element.span.clone(), "not an effect; capital letters matter")
                    .help(format!("write {near}")),
            );
            None
        }
    }
}
