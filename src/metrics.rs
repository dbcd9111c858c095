//! [`Metrics`]: what the broker counts, and its text for Prometheus.
//!
//! Names and labels are fixed here, at compile time: nothing that a client sends and nothing
//! that the vault holds can become one, so that the text says how much happens and never to
//! what. A new count is one line in the table below.
//!
//! Source: Prometheus, "Exposition formats", text format 0.0.4.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// `Content-Type` of [`Metrics::text`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Something that only ever grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Counts one.
    pub fn count(&self) {
        self.add(1);
    }

    /// Counts `more`.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// How many there have been since the start.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    const KIND: &str = "counter";
}

/// Something that grows and shrinks.
#[derive(Debug, Default)]
pub struct Gauge(AtomicI64);

impl Gauge {
    /// Changes it by so much.
    pub fn add(&self, change: i64) {
        self.0.fetch_add(change, Ordering::Relaxed);
    }

    /// How many there are.
    pub fn get(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }

    const KIND: &str = "gauge";
}

macro_rules! metrics {
    ($(#[doc = $help:literal] $kind:ident $family:literal { $($(#[doc = $doc:literal])* $field:ident $labels:literal;)* })*) => {
        /// Everything that is counted.
        #[derive(Debug, Default)]
        pub struct Metrics {
            $($($(#[doc = $doc])* pub $field: $kind,)*)*
        }

        impl Metrics {
            /// All of it, as Prometheus reads it.
            pub fn text(&self) -> String {
                let mut text = String::with_capacity(2048);
                $(
                    let help = $help.trim();
                    // Writing to a String does not fail.
                    let _ = writeln!(text, "# HELP {} {help}\n# TYPE {0} {}", $family, $kind::KIND);
                    $(let _ = writeln!(text, "{}{} {}", $family, $labels, self.$field.get());)*
                )*
                text
            }
        }
    };
}

metrics! {
    /// Requests to the API that were answered, by outcome.
    Counter "sealdock_requests_total" {
        /// Answered with a success.
        requests_served r#"{outcome="served"}"#;
        /// Answered with an error of the client's (4xx), denials among them.
        requests_refused r#"{outcome="refused"}"#;
        /// Answered with an error of the broker's (5xx).
        requests_failed r#"{outcome="failed"}"#;
    }
    /// Parameter policies that were carried out, by type.
    Counter "sealdock_parameter_policy_actions_total" {
        /// Parameters that expired and were deleted.
        parameters_expired r#"{policy="Expiration"}"#;
        /// Announcements that a parameter expires.
        parameter_expirations_announced r#"{policy="ExpirationNotification"}"#;
        /// Notes that a parameter was not changed.
        parameters_unchanged r#"{policy="NoChangeNotification"}"#;
    }
    /// Secret rotations that began, each attempt of a repeated one included.
    Counter "sealdock_rotations_started_total" {
        /// Attempts to rotate a secret.
        rotations_started "";
    }
    /// Secret rotations that ended, by outcome.
    Counter "sealdock_rotations_total" {
        /// The new version is current.
        rotations_succeeded r#"{outcome="succeeded"}"#;
        /// A step failed; it is tried again as long as its window is open.
        rotations_failed r#"{outcome="failed"}"#;
        /// Somebody wrote a new value, or cancelled the rotation, before it ended.
        rotations_abandoned r#"{outcome="abandoned"}"#;
    }
    /// Replicas of secrets that came in sync, or ceased to be, by outcome.
    Counter "sealdock_replications_total" {
        /// The replica is as its primary is, for the first time or after it had failed.
        replications_succeeded r#"{outcome="succeeded"}"#;
        /// The replica cannot be made or follow; `DescribeSecret` says why.
        replications_failed r#"{outcome="failed"}"#;
    }
    /// Secret rotations that are running now.
    Gauge "sealdock_rotations_running" {
        /// Rotations whose function is being called.
        rotations_running "";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_what_prometheus_reads() {
        let metrics = Metrics::default();
        metrics.requests_served.add(2);
        metrics.rotations_running.add(1);
        let text = metrics.text();
        let begin = "# HELP sealdock_requests_total Requests to the API that were answered, by outcome.\n\
                     # TYPE sealdock_requests_total counter\n\
                     sealdock_requests_total{outcome=\"served\"} 2\n\
                     sealdock_requests_total{outcome=\"refused\"} 0\n";
        assert!(text.starts_with(begin), "{text}");
        assert!(
            text.ends_with("# TYPE sealdock_rotations_running gauge\nsealdock_rotations_running 1\n"),
            "{text}"
        );
    }

    #[test]
    fn every_line_is_a_comment_or_a_sample() {
        for line in Metrics::default().text().lines() {
            let sample = line.rsplit_once(' ').is_some_and(|(_, value)| value.parse::<f64>().is_ok());
            assert!(line.starts_with("# ") || sample, "{line}");
        }
    }
}
