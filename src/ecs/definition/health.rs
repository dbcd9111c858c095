//! `healthCheck`.

use super::fields::{Fields, Findings};
use crate::json::Node;

/// A health check that Docker runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    /// `CMD` and arguments, `CMD-SHELL` and a command line, or `NONE`.
    pub command: Vec<String>,
    /// Seconds between checks.
    pub interval_seconds: u32,
    /// Seconds before a check counts as failed.
    pub timeout_seconds: u32,
    /// Failures in a row that make the container unhealthy.
    pub retries: u32,
    /// Seconds at the start in which failures do not count; `None` means 0.
    pub start_period_seconds: Option<u32>,
}

pub(super) fn health_check(node: &Node, owner: &str, findings: &Findings) -> Option<HealthCheck> {
    let mut fields = Fields::of(node, format!("{owner}: healthCheck"), findings)?;
    let command = fields.texts("command");
    let mut seconds = |name, limits, default| {
        fields.whole(name, limits).and_then(|n| u32::try_from(n.value).ok()).or(default)
    };
    let interval_seconds = seconds("interval", 5..=300, Some(30))?;
    let timeout_seconds = seconds("timeout", 2..=60, Some(5))?;
    let retries = seconds("retries", 1..=10, Some(3))?;
    let start_period_seconds = seconds("startPeriod", 0..=300, None);
    match command.first().map(String::as_str) {
        Some("CMD" | "CMD-SHELL") if command.len() > 1 => {}
        Some("NONE") if command.len() == 1 => {}
        _ => fields.error(
            "ECS0009",
            node.get("command").unwrap_or(node).span.clone(),
            "`command` must be `CMD` and its arguments, or `CMD-SHELL` and a command line",
        ),
    }
    fields.finish();
    Some(HealthCheck { command, interval_seconds, timeout_seconds, retries, start_period_seconds })
}
