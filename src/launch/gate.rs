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
    /// The engine is starting it.
    Starting,
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
        (_, State::Created | State::Starting) => Gate::Waiting { deadline: None },
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

#[cfg(test)]
mod tests {
    use super::*;

    const TASK: &str = r#"{"family": "f", "containerDefinitions": [
        {"name": "a", "image": "i", "memory": 8, "essential": false, "startTimeout": 5,
         "healthCheck": {"command": ["CMD-SHELL", "true"]}},
        {"name": "b", "image": "i", "memory": 8,
         "dependsOn": [{"containerName": "a", "condition": "CONDITION"}]}]}"#;

    fn after(condition: &str, state: State, elapsed: u64) -> Gate {
        let plan = crate::ecs::parse(&TASK.replace("CONDITION", condition)).unwrap().plan().unwrap();
        let now = Instant::now() + Duration::from_secs(elapsed);
        gate(&plan, &plan.containers[1], &[state, State::Created], now)
    }

    #[test]
    fn conditions() {
        let running = |healthy| State::Running { since: Instant::now(), healthy };
        let ended = |exit_code| State::Ended { exit_code };
        let is_open = |condition, state| after(condition, state, 0) == Gate::Open;
        for (condition, open, not_open) in [
            ("START", vec![running(false), ended(1)], vec![State::Created, State::Starting]),
            ("COMPLETE", vec![ended(0), ended(3)], vec![State::Created, running(true)]),
            ("SUCCESS", vec![ended(0)], vec![running(true), ended(1)]),
            ("HEALTHY", vec![running(true)], vec![running(false), ended(0)]),
        ] {
            assert!(open.into_iter().all(|state| is_open(condition, state)), "{condition}");
            assert!(!not_open.into_iter().any(|state| is_open(condition, state)), "{condition}");
        }
    }

    #[test]
    fn what_can_never_be_met_says_why() {
        for (condition, state, elapsed, words) in [
            ("SUCCESS", State::Ended { exit_code: 3 }, 0, "did not exit successfully (exit code 3)"),
            ("HEALTHY", State::Ended { exit_code: 0 }, 0, "before it was healthy"),
            (
                "HEALTHY",
                State::Running { since: Instant::now(), healthy: false },
                60,
                "`a` (HEALTHY) has timed out",
            ),
        ] {
            let Gate::Closed { reason } = after(condition, state, elapsed) else { panic!("{condition}") };
            assert!(reason.contains(words), "{reason}");
        }
    }

    #[test]
    fn the_wait_ends_with_the_others_start_timeout() {
        let since = Instant::now();
        let state = State::Running { since, healthy: false };
        let deadline = Some(since + Duration::from_secs(5));
        assert_eq!(after("COMPLETE", state, 0), Gate::Waiting { deadline });
        assert_eq!(after("COMPLETE", State::Created, 60), Gate::Waiting { deadline: None });
    }
}
