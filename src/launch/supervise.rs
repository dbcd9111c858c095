//! The life of a task whose containers exist: start by `dependsOn`, watch, stop.
//!
//! The task ends when an essential container ends, when all have ended, when it is
//! interrupted, or when something fails. What still runs is then stopped, from
//! the containers that depend on others down to those that others depend on.

use super::error::LaunchError;
use super::events::{Event, say};
use super::gate::{Gate, State, gate};
use super::identity::{self, TaskIdentity};
use super::interrupts::Interrupt;
use super::logs::Followed;
use super::outcome;
use super::runtime::{ContainerRuntime, Health, Inspection, RuntimeError};
use crate::ecs::definition::{Condition, RestartPolicy};
use crate::ecs::plan::{ContainerPlan, TaskPlan};
use futures_util::future::{BoxFuture, join_all};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

const HEALTH_POLL: Duration = Duration::from_millis(250);
const ENGINE_POLL: Duration = Duration::from_secs(1);
const STOP_TRIES: u32 = 5;
/// What ECS gives a container that could not start because of another one.
const EXIT_DEPENDENCY: i64 = 143;

/// Why a task ended.
#[derive(Debug)]
pub(super) enum Ending {
    /// An essential container ended.
    Essential {
        /// Its index.
        container: usize,
        /// Its exit code.
        exit_code: i64,
    },
    /// Every container ended, none of them essential.
    AllEnded,
    /// It was asked to.
    Interrupted(Interrupt),
    /// Something went wrong.
    Failed(LaunchError),
}

enum Change {
    Ended(usize, Result<i64, RuntimeError>),
    Healthy(usize),
    Started(usize, Result<(), RuntimeError>),
}

/// The supervision of one task.
pub(super) struct Supervision<'a, R> {
    pub(super) plan: &'a TaskPlan,
    pub(super) runtime: &'a R,
    /// Docker ids, in the order of the plan.
    pub(super) ids: &'a [String],
    pub(super) events: &'a mpsc::Sender<Event>,
    identity: &'a TaskIdentity,
    /// Whether it has been told that every container has started.
    running: bool,
    states: Vec<State>,
    announced: Vec<bool>,
    changes: FuturesUnordered<BoxFuture<'a, Change>>,
}

impl<'a, R: ContainerRuntime> Supervision<'a, R> {
    pub(super) fn new(
        plan: &'a TaskPlan,
        identity: &'a TaskIdentity,
        runtime: &'a R,
        ids: &'a [String],
        events: &'a mpsc::Sender<Event>,
    ) -> Self {
        let states = vec![State::Created; ids.len()];
        let announced = vec![false; ids.len()];
        Self {
            plan,
            runtime,
            ids,
            events,
            identity,
            running: false,
            states,
            announced,
            changes: FuturesUnordered::new(),
        }
    }

    /// Runs the task to its end.
    pub(super) async fn run(
        &mut self,
        started: &mpsc::UnboundedSender<Followed<'a>>,
        interrupts: &mut mpsc::Receiver<Interrupt>,
    ) -> Ending {
        loop {
            let deadline = match self.advance().await {
                Ok(deadline) => deadline,
                Err(error) => return Ending::Failed(error),
            };
            if !self.running && !self.states.iter().any(|s| matches!(s, State::Created | State::Starting)) {
                self.running = true;
                let outcome = outcome::running(self.identity, self.ids, self.plan);
                say(self.events, Event::Running(outcome)).await;
            }
            if self.states.iter().all(|s| matches!(s, State::Ended { .. })) {
                return Ending::AllEnded;
            }
            let change = tokio::select! {
                Some(change) = self.changes.next(), if !self.changes.is_empty() => change,
                () = until(deadline) => continue,
                interrupt = interrupts.recv() => match interrupt {
                    Some(interrupt) => return Ending::Interrupted(interrupt),
                    // Whoever could interrupt is gone; that is no interruption.
                    None => std::future::pending().await,
                },
            };
            if let Some(ending) = self.take(change, started).await {
                return ending;
            }
        }
    }

    /// Starts what may start. Answers when the next wait runs out.
    async fn advance(&mut self) -> Result<Option<Instant>, LaunchError> {
        let mut deadlines = Vec::new();
        let plan = self.plan;
        for (index, container) in plan.containers.iter().enumerate() {
            if self.states.get(index) != Some(&State::Created) {
                continue;
            }
            match gate(plan, container, &self.states, Instant::now()) {
                Gate::Open => self.start(index),
                Gate::Waiting { deadline } => {
                    self.announce_wait(index, container).await;
                    deadlines.extend(deadline);
                }
                Gate::Closed { reason } if container.essential => {
                    return Err(LaunchError::Dependency { container: container.name.clone(), reason });
                }
                Gate::Closed { reason } => {
                    self.set(index, State::Ended { exit_code: EXIT_DEPENDENCY });
                    say(self.events, Event::Skipped { container: container.name.clone(), reason }).await;
                }
            }
        }
        Ok(deadlines.into_iter().min())
    }

    fn start(&mut self, index: usize) {
        let Some(id) = self.ids.get(index) else { return };
        let runtime = self.runtime;
        self.set(index, State::Starting);
        self.changes.push(async move { Change::Started(index, runtime.start(id).await) }.boxed());
    }

    /// A container runs: watch it.
    async fn watch(&mut self, index: usize, started: &mpsc::UnboundedSender<Followed<'a>>) {
        let plan = self.plan;
        let (Some(id), Some(container)) = (self.ids.get(index), plan.containers.get(index)) else { return };
        self.set(index, State::Running { since: Instant::now(), healthy: false });
        // The receiver lives as long as this does.
        let _ = started.send((&container.name, id));
        say(self.events, Event::Started { container: container.name.clone() }).await;
        let runtime = self.runtime;
        self.changes.push(async move { Change::Ended(index, ended(runtime, id).await) }.boxed());
        let awaited = (self.plan.containers.iter().flat_map(|c| &c.depends_on))
            .any(|(name, condition)| *name == container.name && *condition == Condition::Healthy);
        if awaited {
            self.changes.push(healthy(runtime, index, id).boxed());
        }
    }

    async fn announce_wait(&mut self, index: usize, container: &ContainerPlan) {
        let Some(announced) = self.announced.get_mut(index).filter(|a| !**a) else { return };
        *announced = true;
        for (on, condition) in &container.depends_on {
            let (container, on) = (container.name.clone(), on.clone());
            say(self.events, Event::Waiting { container, on, condition: *condition }).await;
        }
    }

    async fn take(
        &mut self,
        change: Change,
        started: &mpsc::UnboundedSender<Followed<'a>>,
    ) -> Option<Ending> {
        match change {
            Change::Started(index, Ok(())) => {
                self.watch(index, started).await;
                None
            }
            Change::Started(index, Err(error)) => {
                self.set(index, State::Created);
                Some(Ending::Failed(named(error, &self.name(index)).into()))
            }
            Change::Healthy(index) => {
                if let Some(State::Running { healthy, .. }) = self.states.get_mut(index) {
                    *healthy = true;
                    let container = self.name(index);
                    say(self.events, Event::Healthy { container }).await;
                }
                None
            }
            Change::Ended(_, Err(error)) => Some(Ending::Failed(error.into())),
            Change::Ended(index, Ok(exit_code)) => {
                if self.restarts(index, exit_code) {
                    let container = self.name(index);
                    say(self.events, Event::Restarting { container, exit_code }).await;
                    self.start(index);
                    return None;
                }
                self.set(index, State::Ended { exit_code });
                say(self.events, Event::Exited { container: self.name(index), exit_code }).await;
                let essential = self.plan.containers.get(index).is_some_and(|c| c.essential);
                essential.then_some(Ending::Essential { container: index, exit_code })
            }
        }
    }

    fn restarts(&self, index: usize, exit_code: i64) -> bool {
        let policy = self.plan.containers.get(index).and_then(|c| c.settings.restart.as_ref());
        match (policy, self.states.get(index)) {
            (Some(policy), Some(State::Running { since, .. })) => {
                should_restart(policy, since.elapsed(), exit_code)
            }
            _ => false,
        }
    }

    /// Stops what runs, in reverse order, and answers each container's exit code;
    /// a container that never started has none.
    pub(super) async fn stop(&mut self, interrupts: &mut mpsc::Receiver<Interrupt>) -> Vec<Option<i64>> {
        // A start that is under way cannot be called off, and Docker would not stop
        // what does not run yet.
        while self.states.contains(&State::Starting) {
            match self.changes.next().await {
                Some(Change::Started(index, Ok(()))) => {
                    self.set(index, State::Running { since: Instant::now(), healthy: false });
                }
                Some(Change::Started(index, Err(_))) => self.set(index, State::Created),
                Some(Change::Ended(index, Ok(exit_code))) => self.set(index, State::Ended { exit_code }),
                Some(Change::Ended(_, Err(_)) | Change::Healthy(_)) => {}
                None => break,
            }
        }
        let levels = identity::levels(self.plan);
        let top = levels.iter().copied().max().unwrap_or(0);
        for level in (0..=top).rev() {
            let running = (levels.iter().zip(&self.states).zip(self.ids)).filter_map(|((at, state), id)| {
                (*at == level && matches!(state, State::Running { .. })).then_some(id)
            });
            let stops = join_all(running.map(|id| stop(self.runtime, id)));
            tokio::select! {
                _ = stops => {}
                // Asked twice: what is left is killed when it is removed.
                Some(_) = interrupts.recv() => break,
            }
        }
        let runtime = self.runtime;
        let codes = self.states.iter().zip(self.ids).map(|(state, id)| async move {
            match state {
                State::Created | State::Starting => None,
                State::Ended { exit_code } => Some(*exit_code),
                State::Running { .. } => {
                    let inspection: Option<Inspection> = runtime.inspect(id).await.ok();
                    inspection.and_then(|i| i.exit_code)
                }
            }
        });
        join_all(codes).await
    }

    fn set(&mut self, index: usize, state: State) {
        if let Some(slot) = self.states.get_mut(index) {
            *slot = state;
        }
    }

    fn name(&self, index: usize) -> String {
        self.plan.containers.get(index).map(|c| c.name.clone()).unwrap_or_default()
    }
}

/// ECS's rule: whatever the exit code, unless it is to be ignored, but not before the
/// container has run for the attempt period.
fn should_restart(policy: &RestartPolicy, ran: Duration, exit_code: i64) -> bool {
    !policy.ignored_exit_codes.contains(&exit_code)
        && ran >= Duration::from_secs(policy.attempt_period_seconds.into())
}

/// Stops one container, with the tries of the ECS agent.
pub(super) async fn stop<R: ContainerRuntime>(runtime: &R, id: &str) -> Result<(), RuntimeError> {
    let mut attempt = 1;
    loop {
        match runtime.stop(id).await {
            Err(_) if attempt < STOP_TRIES => tokio::time::sleep(Duration::from_secs(attempt.into())).await,
            done => return done,
        }
        attempt += 1;
    }
}

/// The exit code of a started container, once it has ended. An engine that does not answer
/// for a while (its restart, with containers that live on) is waited for.
async fn ended<R: ContainerRuntime>(runtime: &R, id: &str) -> Result<i64, RuntimeError> {
    loop {
        match runtime.wait(id).await {
            Err(RuntimeError::Unavailable { .. }) => {}
            done => return done,
        }
        let inspection = loop {
            tokio::time::sleep(ENGINE_POLL).await;
            match runtime.inspect(id).await {
                Err(RuntimeError::Unavailable { .. } | RuntimeError::Timeout { .. }) => {}
                answer => break answer?,
            }
        };
        if let Some(exit_code) = inspection.exit_code.filter(|_| !inspection.running) {
            return Ok(exit_code);
        }
    }
}

async fn healthy<R: ContainerRuntime>(runtime: &R, index: usize, id: &str) -> Change {
    loop {
        if let Ok(Inspection { health: Health::Healthy, .. }) = runtime.inspect(id).await {
            return Change::Healthy(index);
        }
        // Ends with the supervision, which drops it.
        tokio::time::sleep(HEALTH_POLL).await;
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}

fn named(error: RuntimeError, container: &str) -> RuntimeError {
    match error {
        RuntimeError::Start { cause } => {
            RuntimeError::Start { cause: format!("container `{container}`: {cause}") }
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_that_ends_early_or_as_expected_is_not_started_again() {
        let policy = RestartPolicy { ignored_exit_codes: vec![3], attempt_period_seconds: 60 };
        let restarts = |seconds, code| should_restart(&policy, Duration::from_secs(seconds), code);
        assert!(restarts(60, 0) && restarts(600, 1));
        assert!(!restarts(59, 1) && !restarts(600, 3));
    }
}
