//! When a container may start: the conditions of `dependsOn`.
//!
//! | condition | met when the other container |
//! |---|---|
//! | START | runs or has ended |
//! | COMPLETE | has ended |
//! | SUCCESS | has ended with exit code 0; any other code can never meet it |
//! | HEALTHY | passes its health check; once it has ended it can never meet it |
//!
//! The `startTimeout` of the *other* container bounds the wait for COMPLETE,
//! SUCCESS and HEALTHY, counted from its start. These are functions of states
//! and times; nothing waits here.

use crate::ecs::definition::Condition;
use crate::ecs::plan::{ContainerPlan, TaskPlan};
use std::time::{Duration, Instant};

/// Where a container of a launch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Made, not started.
    Created,
    /// Started.
    Running {
        /// When.
        since: Instant,
        /// Whether its health check passes.
        healthy: bool,
    },
    /// Over.
    Ended {
        /// Its exit code.
        exit_code: i64,
    },
}

/// Whether a container may start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Gate {
    /// Yes.
    Open,
    /// Not yet.
    Waiting {
        /// When it will be too late.
        deadline: Option<Instant>,
    },
    /// It never will.
    Closed {
        /// Why, in the agent's words.
        reason: String,
    },
}

/// The gate of a container.
pub(super) fn gate(plan: &TaskPlan, container: &ContainerPlan, states: &[State], now: Instant) -> Gate {
    let mut earliest: Option<Instant> = None;
    let mut waiting = false;
    for (name, condition) in &container.depends_on {
        let other = plan.containers.iter().zip(states).find(|(c, _)| c.name == *name);
        let Some((other, state)) = other else {
            return Gate::Closed { reason: format!("container `{name}` does not exist") };
        };
        match one(other, *state, *condition, now) {
            Gate::Open => {}
            Gate::Waiting { deadline } => {
                waiting = true;
                earliest = [earliest, deadline].into_iter().flatten().min();
            }
            closed @ Gate::Closed { .. } => return closed,
        }
    }
    if waiting { Gate::Waiting { deadline: earliest } } else { Gate::Open }
}

fn one(other: &ContainerPlan, state: State, condition: Condition, now: Instant) -> Gate {
    let name = &other.name;
    let word = word(condition);
    match (condition, state) {
        (Condition::Start, State::Running { .. } | State::Ended { .. })
        | (Condition::Complete, State::Ended { .. })
        | (Condition::Success, State::Ended { exit_code: 0 })
        | (Condition::Healthy, State::Running { healthy: true, .. }) => Gate::Open,
        (Condition::Success, State::Ended { exit_code }) => Gate::Closed {
            reason: format!("dependency `{name}` did not exit successfully (exit code {exit_code})"),
        },
        (Condition::Healthy, State::Ended { exit_code }) => Gate::Closed {
            reason: format!("dependency `{name}` ended (exit code {exit_code}) before it was healthy"),
        },
        (_, State::Created) => Gate::Waiting { deadline: None },
        (_, State::Running { since, .. }) => {
            let limit = other.settings.start_timeout_seconds.map(|s| Duration::from_secs(s.into()));
            match limit.map(|limit| since + limit) {
                Some(deadline) if deadline <= now => {
                    Gate::Closed { reason: format!("container dependency `{name}` ({word}) has timed out") }
                }
                deadline => Gate::Waiting { deadline },
            }
        }
    }
}

fn word(condition: Condition) -> &'static str {
    match condition {
        Condition::Complete => "COMPLETE",
        Condition::Healthy => "HEALTHY",
        Condition::Start => "START",
        Condition::Success => "SUCCESS",
    }
}
