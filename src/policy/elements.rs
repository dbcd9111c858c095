//! The elements of a statement that say which resources and who: `Resource`,
//! `NotResource`, `Principal`, `NotPrincipal`.

use super::action::ActionSet;
use super::condition::{check_variables, note_plain_variable};
use super::document::{Kind, Principals};
use super::known_keys;
use super::principal::PrincipalSet;
use super::resource::{ResourceError, ResourcePattern, ResourceSet, ResourceWarning};
use super::shape;
use super::variable::Language;
use super::{Effect, PolicyKind};
use crate::diagnostic::Diagnostic;
use crate::json::Node;
use std::ops::Range;

/// The one of two elements that is there, its name, and whether it is the negated one.
pub(super) fn one_of<'n>(
    node: &'n Node,
    plain: &'static str,
    negated: &'static str,
    what: &str,
    out: &mut Vec<Diagnostic>,
) -> Option<(&'n Node, &'static str, bool)> {
    match (node.get(plain), node.get(negated)) {
        (Some(element), None) => Some((element, plain, false)),
        (None, Some(element)) => Some((element, negated, true)),
        (None, None) => {
            shape::required(node, plain, what, out);
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

/// The resources of a statement with these actions.
pub(super) fn resources(
    node: &Node,
    actions: &ActionSet,
    language: Language,
    out: &mut Vec<Diagnostic>,
) -> ResourceSet {
    let Some((element, key, negated)) = one_of(node, "Resource", "NotResource", "the statement", out) else {
        return ResourceSet::new(Vec::new(), false);
    };
    let mut patterns = Vec::new();
    for (text, span) in shape::texts(element, key, out) {
        match ResourcePattern::parse(text, language) {
            Ok(resource) => {
                let warning = resource.warning.and_then(|warning| noted(text, &warning, actions));
                out.extend(warning.map(|warning| warning.at(span.clone(), "")));
                check_variables(resource.pattern.variables(), actions, &span, out);
                note_plain_variable(text, language, &span, out);
                patterns.push(resource.pattern);
            }
            Err(error) => out.push(malformed(text, &error, span)),
        }
    }
    ResourceSet::new(patterns, negated)
}

fn malformed(text: &str, error: &ResourceError, span: Range<usize>) -> Diagnostic {
    if let ResourceError::Variable(cause) = error {
        return Diagnostic::error("IAM0121", format!("malformed policy variable in `{text}`"))
            .at(span, cause.to_string());
    }
    Diagnostic::error("IAM0109", format!("malformed resource `{text}`"))
        .at(span, error.to_string())
        .help("for example `arn:aws:secretsmanager:us-east-1:111122223333:secret:NAME-??????`")
}

fn noted(text: &str, warning: &ResourceWarning, actions: &ActionSet) -> Option<Diagnostic> {
    Some(match warning {
        ResourceWarning::Completed(whole) => {
            Diagnostic::warning("IAM0131", format!("incomplete ARN `{text}`"))
                .help(format!("it means `{whole}`, as on AWS"))
        }
        ResourceWarning::DoubleSlash(meant) => {
            Diagnostic::warning("IAM0136", format!("`{text}` is no parameter's ARN"))
                .help(format!("the slash of the ARN is that of the name: write `{meant}`"))
        }
        ResourceWarning::NoSuffix => {
            Diagnostic::warning("IAM0132", format!("`{text}` is not the whole ARN of a secret"))
                .help("Secrets Manager adds `-` and six characters to the name: append `-??????`")
        }
        ResourceWarning::VariableTooEarly => {
            if !known_keys::concerns_served(actions) {
                return None;
            }
            Diagnostic::warning("IAM0124", format!("policy variable before the fifth colon of `{text}`"))
                .help("AWS promises values in the last section of an ARN only: better write `*` here and compare the rest in `Condition`")
        }
    })
}

/// Who a statement of a resource's policy is about.
pub(super) fn principals(
    node: &Node,
    kind: Kind,
    effect: Option<Effect>,
    out: &mut Vec<Diagnostic>,
) -> Principals {
    let trust = kind == Kind::Resource(PolicyKind::Trust);
    let what = if trust { "the statement of a trust policy" } else { "the statement" };
    // A trust policy has no `NotPrincipal`, which is reported by name; asking for
    // `Principal` as well would mislead.
    if trust && node.get("NotPrincipal").is_some() {
        return Principals::Only(PrincipalSet::default());
    }
    let Some((element, key, negated)) = one_of(node, "Principal", "NotPrincipal", what, out) else {
        return Principals::Only(PrincipalSet::default());
    };
    let set = PrincipalSet::parse(element, key, out);
    if !negated {
        return Principals::Only(set);
    }
    if effect == Some(Effect::Allow) {
        out.push(
            Diagnostic::error("IAM0123", "`NotPrincipal` with `Allow`")
                .at(element.span.clone(), "this would allow everyone else")
                .help("name those who may with `Principal`; `NotPrincipal` goes with `Deny` only"),
        );
    }
    Principals::AllBut(set)
}
