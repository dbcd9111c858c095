//! `healthCheck` and the start and stop timeouts.

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
