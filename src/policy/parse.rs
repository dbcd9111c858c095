//! One policy document, from JSON to statements.
//!
//! A document stands in an export either as an object or, as the API returns it,
//! as a string that holds JSON in percent-encoding (RFC 3986). Findings about the
//! inside of a string are shown at the string.
//!
//! What AWS would evaluate and this module does not is an error here, never
//! ignored: `Condition`, `NotPrincipal`, policy variables.
//!
//! Source: IAM User Guide, "Grammar of the IAM JSON policy language".

use super::action::{ActionPattern, ActionSet};
use super::catalogue;
use super::document::{Kind, Statement};
use super::principal::PrincipalSet;
use super::resource::{Language, ResourceError, ResourcePattern, ResourceSet, ResourceWarning};
use super::shape;
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
fn decoded(text: &str) -> Result<Cow<'_, str>, Utf8Error> {
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
        let (resources, principals) = match self.kind {
            Kind::Identity => (Some(resources(node, language, out)), None),
            Kind::TRUST => (None, Some(principals(node, "the statement of a trust policy", out))),
            Kind::Resource(_) => {
                (Some(resources(node, language, out)), Some(principals(node, "the statement", out)))
            }
        };
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
        Some(Statement { actions, resources, principals, matched })
    }

    /// Elements that are not evaluated, or have no place in this kind of document.
    fn refuse_elements(&self, node: &Node, out: &mut Vec<Diagnostic>) {
        for member in node.object().unwrap_or_default() {
            let key = member.key.as_str();
            let refused = match (key, self.kind) {
                ("Condition", _) => Diagnostic::error("IAM0120", "conditions are not evaluated yet")
                    .at(member.key_span.clone(), "this condition would be without effect")
                    .help("write the statement without `Condition` only if it may apply always; a condition is never ignored"),
                ("NotPrincipal", Kind::Resource(_)) => Diagnostic::error("IAM0123", "`NotPrincipal` is not evaluated yet")
                    .at(member.key_span.clone(), "this element would be without effect")
                    .help("name those who are meant with `Principal`"),
                ("Principal" | "NotPrincipal", Kind::Identity) => {
                    Diagnostic::error("IAM0114", format!("`{key}` in a policy of a user, group or role"))
                        .at(member.key_span.clone(), "the principal is the one that the policy is attached to")
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
        let Some((element, key, negated)) = one_of(node, "Action", "NotAction", out) else {
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
                        let warning = Diagnostic::warning("IAM0130", format!("unknown action `{text}`"))
                            .at(span, format!("`{}` has no such action", unknown.service));
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

/// The one of two elements that is there, its name, and whether it is the negated one.
fn one_of<'n>(
    node: &'n Node,
    plain: &'static str,
    negated: &'static str,
    out: &mut Vec<Diagnostic>,
) -> Option<(&'n Node, &'static str, bool)> {
    match (node.get(plain), node.get(negated)) {
        (Some(element), None) => Some((element, plain, false)),
        (None, Some(element)) => Some((element, negated, true)),
        (None, None) => {
            shape::required(node, plain, "the statement", out);
            None
        }
        (Some(first), Some(second)) => {
            out.push(
                Diagnostic::error("IAM0106", format!("both `{plain}` and `{negated}` in one statement"))
                    .at(second.span.clone(), "this excludes")
                    .with(first.span.clone(), "this includes")
                    .help("make two statements of it"),
            );
            None
        }
    }
}

fn resources(node: &Node, language: Language, out: &mut Vec<Diagnostic>) -> ResourceSet {
    let Some((element, key, negated)) = one_of(node, "Resource", "NotResource", out) else {
        return ResourceSet::new(Vec::new(), false);
    };
    let mut patterns = Vec::new();
    for (text, span) in shape::texts(element, key, out) {
        match ResourcePattern::parse(text, language) {
            Ok(resource) => {
                out.extend(resource.warning.map(|warning| resource_warning(text, &warning).at(span, "")));
                patterns.push(resource.pattern);
            }
            Err(ResourceError::Variable) => out.push(
                Diagnostic::error("IAM0121", "policy variables are not evaluated yet")
                    .at(span, "this would match no resource")
                    .help("write the value, or a wildcard; a variable is never ignored"),
            ),
            Err(error) => out.push(
                Diagnostic::error("IAM0109", format!("malformed resource `{text}`"))
                    .at(span, error.to_string())
                    .help("for example `arn:aws:secretsmanager:us-east-1:111122223333:secret:NAME-??????`"),
            ),
        }
    }
    ResourceSet::new(patterns, negated)
}

fn resource_warning(text: &str, warning: &ResourceWarning) -> Diagnostic {
    match warning {
        ResourceWarning::Completed(whole) => {
            Diagnostic::warning("IAM0131", format!("incomplete ARN `{text}`"))
                .help(format!("it means `{whole}`, as on AWS"))
        }
        ResourceWarning::NoSuffix => {
            Diagnostic::warning("IAM0132", format!("`{text}` is not the whole ARN of a secret"))
                .help("Secrets Manager adds `-` and six characters to the name: append `-??????`")
        }
    }
}

fn principals(node: &Node, what: &str, out: &mut Vec<Diagnostic>) -> PrincipalSet {
    // `NotPrincipal` was refused by name; asking for `Principal` as well would mislead.
    if node.get("NotPrincipal").is_some() {
        return PrincipalSet::default();
    }
    shape::required(node, "Principal", what, out)
        .map(|element| PrincipalSet::parse(element, "Principal", out))
        .unwrap_or_default()
}
