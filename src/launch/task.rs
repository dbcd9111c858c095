//! [`run`]: one task, from its plan to its end.
//!
//! ```text
//! images -> values (all or none) -> record -> volumes, containers -> start, watch, stop -> remove
//!           `----- nothing made yet -----'   `-- a failure here removes what was made --'
//! ```
//!
//! With delivery `env` the record comes before the first container. With delivery
//! `runtime` it comes between making and starting, because it binds each version
//! to the container's id: the hook then reads exactly these versions, so that all
//! containers of one launch hold one consistent set.

use super::error::LaunchError;
use super::events::{Event, say};
use super::identity::TaskIdentity;
use super::interrupts::Interrupt;
use super::logs::{self, Passed};
use super::make::{Launch, Made};
use super::options::Options;
use super::outcome::{Outcome, outcome, reason};
use super::prepare::prepare;
use super::redaction::Redaction;
use super::resolve;
use super::runtime::ContainerRuntime;
use super::supervise::{Ending, Supervision};
use crate::client::Client;
use crate::diagnostic::Diagnostic;
use crate::ecs::plan::TaskPlan;
use tokio::sync::mpsc;

/// Runs a task. Events are told as they happen; interrupts stop it in order.
///
/// # Errors
/// Whatever prevents the launch or breaks it off. Everything that had been made
/// is removed by then.
pub async fn run<R: ContainerRuntime>(
    plan: &TaskPlan,
    options: &Options,
    client: &Client,
    runtime: &R,
    events: &mpsc::Sender<Event>,
    interrupts: &mut mpsc::Receiver<Interrupt>,
) -> Result<Outcome, LaunchError> {
    let identity = TaskIdentity::new(plan, options);
    let prepared = tokio::select! {
        prepared = prepare(plan, options, &identity, client, runtime, events) => prepared?,
        Some(interrupt) = interrupts.recv() => {
            return Ok(outcome(&identity, &[], Ending::Interrupted(interrupt), Vec::new(), plan));
        }
    };
    let mut made = Made::default();
    let launch = Launch { plan, options, identity: &identity, client, runtime, events };
    let result = match launch.make(prepared, &mut made).await {
        Ok(redaction) => launch.supervise(&made.ids, &redaction, interrupts).await,
        Err(error) => Err(error),
    };
    let leave = match &result {
        Ok(_) => options.keep,
        Err(_) => false,
    };
    if !leave {
        made.remove(runtime).await;
    }
    if made.role {
        launch.end().await;
    }
    result
}

/// Resolves every reference of a task as [`run`] would, and lets the values go again.
/// Returns warnings about their shapes. Nothing is made; the reads are on record.
///
/// # Errors
/// The same as those of [`run`] before it makes anything, without Docker's.
pub async fn check(
    plan: &TaskPlan,
    options: &Options,
    client: &Client,
) -> Result<Vec<Diagnostic>, LaunchError> {
    let identity = TaskIdentity::new(plan, options);
    let client = client.with_region(&options.region);
    let reader = resolve::reader(plan, &identity, &client).await?;
    resolve::accounts(plan, reader.as_ref()).await?;
    let injection = resolve::resolve(plan, &options.region, reader.as_ref()).await?;
    Ok(injection.warnings())
}

impl<R: ContainerRuntime> Launch<'_, R> {
    /// Ends the credentials of the task with it.
    async fn end(&self) {
        if let Err(error) = self.client.end_task(&self.identity.task_id).await {
            let id = &self.identity.task_id;
            let message = format!("the credentials of task `{id}` could not be ended: {error}");
            let warning = Diagnostic::warning("ECS0013", message).help(format!(
                "`sealdock session revoke {id}` ends them; a running task endpoint does it by itself"
            ));
            say(self.events, Event::Warning(warning)).await;
        }
    }

    async fn supervise(
        &self,
        ids: &[String],
        redaction: &Redaction,
        interrupts: &mut mpsc::Receiver<Interrupt>,
    ) -> Result<Outcome, LaunchError> {
        let (started, receiver) = mpsc::unbounded_channel();
        let mut supervision = Supervision::new(self.plan, self.identity, self.runtime, ids, self.events);
        let life = async {
            let ending = match supervision.run(&started, interrupts).await {
                Ending::Failed(error) => Ending::Failed(redaction.apply(error)),
                ending => ending,
            };
            say(self.events, Event::Stopping { reason: reason(&ending, self.plan) }).await;
            let codes = supervision.stop(interrupts).await;
            drop(started);
            (ending, codes)
        };
        let passed = Passed::default();
        let mut logs = std::pin::pin!(logs::follow(self.runtime, receiver, self.events, &passed));
        let mut life = std::pin::pin!(life);
        let mut reading = true;
        let (ending, codes) = loop {
            tokio::select! {
                done = &mut life => break done,
                () = &mut logs, if reading => reading = false,
            }
        };
        if reading {
            logs::last_lines(logs, &passed).await;
        }
        match ending {
            Ending::Failed(error) => Err(error),
            ending => Ok(outcome(self.identity, ids, ending, codes, self.plan)),
        }
    }
}
