//! Placeholders that are still in a definition, and words that stand for one.
//!
//! In what names something (an image, a role, a reference) a placeholder is an
//! error. In what the task makes use of itself (a variable, an option, a label) ECS
//! passes it on as it is, so it is a warning. Commands are left alone: `$HOME` in
//! a shell command is no placeholder.

use super::template::{Placeholder, find, unfilled};
use crate::diagnostic::Diagnostic;
use crate::ecs::definition::Findings;
use crate::json::{Node, Value};

/// Members under which text is the user's own program.
const PROGRAMS: [&str; 3] = ["command", "entryPoint", "healthCheck"];
/// Members under which text is passed on.
const PASSED_ON: [&str; 7] =
    ["driverOpts", "dockerLabels", "environment", "options", "properties", "systemControls", "tags"];

pub(super) fn report(root: &Node, findings: &Findings) {
    walk(root, false, findings);
}

fn walk(node: &Node, passed_on: bool, findings: &Findings) {
    match &node.value {
        Value::Array(elements) => elements.iter().for_each(|e| walk(e, passed_on, findings)),
        Value::Object(members) => {
            for member in members.iter().filter(|m| !PROGRAMS.contains(&m.key.as_str())) {
                walk(&member.value, passed_on || PASSED_ON.contains(&member.key.as_str()), findings);
            }
        }
        Value::String(text) if passed_on => warn(text, node, findings),
        Value::String(text) => refuse(text, node, findings),
        _ => {}
    }
}

fn refuse(text: &str, node: &Node, findings: &Findings) {
    let mut from = 0;
    let mut names: Vec<String> = Vec::new();
    while let Some((span, placeholder)) = find(text, from) {
        from = span.end;
        // `%s`, `<x>` and `$x` in the middle of a name are no accident either.
        if !names.contains(&placeholder.name) {
            names.push(placeholder.name.clone());
            findings.push(resolve_help(unfilled(&placeholder, node.span.clone()), &placeholder));
        }
    }
    if names.is_empty() && text.starts_with("arn:") {
        stand_in(text, node, findings);
    }
}

fn warn(text: &str, node: &Node, findings: &Findings) {
    let Some((_, placeholder)) = find(text, 0) else { return };
    let own = ["${", "{{", "<%", "__"].iter().any(|mark| placeholder.text.starts_with(mark));
    let whole = placeholder.text == text && !text.starts_with('$') && text.len() > 2;
    // `{{.Name}}` is Docker's, in the tag of a log.
    if placeholder.text.starts_with("{{.") || !(own || whole) {
        return;
    }
    let message = format!("`{}` looks like a placeholder; it is passed on as it is", placeholder.text);
    let help = format!("if it is one: `--set '{}=VALUE'`", placeholder.name);
    let warning = Diagnostic::warning("ECS0025", message).at(node.span.clone(), "").help(help);
    findings.push(resolve_help(warning, &placeholder));
}

/// CloudFormation and ecspresso look some values up while they deploy.
fn resolve_help(finding: Diagnostic, placeholder: &Placeholder<'_>) -> Diagnostic {
    if placeholder.text.starts_with("{{resolve:") {
        let help = "a dynamic reference is resolved by CloudFormation only; for a secret use `secrets` with its ARN in `valueFrom`";
        return finding.help(help);
    }
    finding
}

/// Account and Region of an ARN as a document writes them: `XXXXXXXXXXXX`, `region`.
fn stand_in(text: &str, node: &Node, findings: &Findings) {
    let sections: Vec<&str> = text.splitn(6, ':').collect();
    let [_, _, _, region, account, _] = sections.as_slice() else { return };
    let account_is_odd = !account.is_empty() && !account.bytes().all(|b| b.is_ascii_digit());
    let lower = region.to_ascii_lowercase();
    let region_is_odd = lower.contains("region") || lower.contains("xxx");
    for (odd, word, what, like) in [
        (account_is_odd, account, "an account id has 12 digits", "111122223333"),
        (region_is_odd, region, "a Region is such as `eu-west-1`", "eu-west-1"),
    ] {
        if odd {
            let message = format!("`{word}` in this ARN stands for something else: {what}");
            let error = Diagnostic::error("ECS0020", message).at(node.span.clone(), "");
            findings.push(error.help(format!("write it here, or give it with `--set '{word}={like}'`")));
        }
    }
}
