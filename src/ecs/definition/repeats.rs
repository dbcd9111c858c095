//! What is said about a file, once each.
//!
//! A placeholder that stands at ten places is one thing to do, and so is a field
//! without effect that every container has: the first place is shown, the others are
//! marked. What is only wrong because a placeholder has no value yet is not said at all.

use crate::diagnostic::{Diagnostic, Label, Severity};

/// Drops what is only said because a placeholder has no value yet.
pub(super) fn without_consequences(found: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let unfilled = |d: &&Diagnostic| matches!(d.code, "ECS0020" | "ECS0021");
    let places: Vec<_> =
        found.iter().filter(unfilled).filter_map(|d| Some(d.primary.as_ref()?.span.clone())).collect();
    if places.is_empty() {
        return found;
    }
    let follows = |d: &Diagnostic| {
        let at = d.primary.as_ref().map(|label| &label.span);
        let same = at.is_some_and(|at| places.iter().any(|p| p.start <= at.start && at.end <= p.end));
        d.severity == Severity::Error
            && (same
                || matches!(d.code, "ECS0004" | "ECS0103" | "ECS0106" | "ECS0115" | "ECS0117" | "ECS0118"))
    };
    found.into_iter().filter(|d| unfilled(&d) || !follows(d)).collect()
}

/// One finding for what is the same at several places; `found` is in their order.
pub(super) fn once_each(found: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let mut kept: Vec<Diagnostic> = Vec::with_capacity(found.len());
    for mut finding in found {
        let Some(topic) = topic(&finding) else {
            kept.push(finding);
            continue;
        };
        let same = |earlier: &&mut Diagnostic| {
            earlier.code == finding.code
                && earlier.help == finding.help
                && self::topic(earlier) == Some(topic)
        };
        let Some(earlier) = kept.iter_mut().find(same) else {
            kept.push(finding);
            continue;
        };
        let general = topic.to_owned();
        let primary = finding.primary.take();
        if let Some(Label { span, .. }) = primary
            && earlier.primary.as_ref().is_none_or(|first| first.span != span)
            && earlier.related.iter().all(|other| other.span != span)
        {
            earlier.related.push(Label { span, text: "and here".into() });
        }
        earlier.message = general;
    }
    kept
}

/// What a finding is about, whichever container it is in; nothing if each is a matter of its own.
fn topic(finding: &Diagnostic) -> Option<&str> {
    let message = finding.message.as_str();
    match finding.code {
        "ECS0020" | "ECS0021" | "ECS0025" => Some(message),
        "ECS0006" => match message.strip_prefix("container ") {
            Some(rest) => rest.split_once(": ").map(|(_, rest)| rest),
            None => Some(message),
        },
        _ => None,
    }
}
