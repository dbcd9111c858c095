//! Health checks, which both files have in the same form.

use super::keys::{Keys, object};
use super::values::{list, one_or_more, seconds, text};
use crate::ecs::definition::Findings;
use crate::json::{Node, Value};

/// A health check as both files have it.
pub(super) fn health(node: &Node, owner: &str, findings: &Findings) -> Option<Node> {
    let mut keys = Keys::of(node, owner, findings)?;
    if keys.take("disable").is_some_and(|m| m.value.value == Value::Bool(true)) {
        return None;
    }
    let mut members = Vec::new();
    if let Some(member) = keys.take("test").or_else(|| keys.take("command")) {
        let span = &member.value.span;
        let command = one_or_more(&member.value);
        let mut command = command.array().unwrap_or_default().to_vec();
        if command.first().and_then(Node::string) == Some("NONE") {
            return None;
        }
        // A single text is a line for the shell.
        if command.len() == 1 {
            command.insert(0, text("CMD-SHELL", span));
        }
        members.push(("command", list(command, span)));
    }
    for (name, api) in [("interval", "interval"), ("timeout", "timeout"), ("start_period", "startPeriod")] {
        if let Some(member) = keys.take(name) {
            match seconds(&member.value) {
                Some(node) => members.push((api, node)),
                None => keys
                    .unreadable(&member.value.span, &format!("`{name}` is no duration such as 30 or 1m30s")),
            }
        }
    }
    keys.pass("retries", "retries", &mut members);
    keys.accept(&["command", "test"]);
    keys.finish(true);
    Some(object(&node.span, members))
}
