//! [`run`]: a number of tasks of one definition, kept running.
//!
//! ```text
//!            +- deployment: N new tasks with fresh secrets -> all ready -> targets switched -> old ones drained, stopped
//! redeploy --+                                            `-> one fails -> the new ones stopped, the old ones stay
//! a task ends -> out of the targets -> another in its place, after a pause that doubles with each failure
//! ```
//!
//! | module | what it knows |
//! |---|---|
//! | `publish` | which ports are the service's |
//! | `forward` | connections, and which tasks take them |
//! | `replica` | one task and its health |
//! | `roll` | deployments: what is ready, what fails, what goes |
//! | `replace` | what becomes of a task that ends or turns unhealthy |
//! | `ending` | the stop of everything |
//! | this | the loop: what happens, what is asked for |
//!
//! Tasks that a killed supervisor of the same service has left are taken over: they take
//! connections until the first deployment is ready, and go then.

mod ending;
mod forward;
mod publish;
mod replace;
mod replica;
mod roll;

pub use publish::Published;

use super::error::LaunchError;
use super::events::Event;
use super::interrupts::Interrupt;
use super::options::Options;
use super::runtime::ContainerRuntime;
use super::supervisor::{Control, Replies, Request};
use super::tasks::{self, TaskSummary};
use crate::client::Client;
use crate::diagnostic::Diagnostic;
use crate::ecs::plan::TaskPlan;
use ending::Ending;
use forward::{Forwarder, Target};
use replica::{Happening, Recipe, Replica, What};
use roll::Deployment;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::future;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// What a service is.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its name.
    pub name: String,
    /// How many tasks are kept running.
    pub count: usize,
    /// How long new tasks may take until they are ready.
    pub ready_within: Duration,
    /// How long a task that is replaced may go on with its connections.
    pub drain: Duration,
}

/// What the tasks of a service are made of.
#[derive(Clone, Debug)]
pub struct Template<R> {
    /// The definition's plan.
    pub plan: TaskPlan,
    /// How its tasks are launched.
    pub options: Options,
    /// The broker.
    pub client: Client,
    /// The engine.
    pub runtime: R,
}

/// What happens to a service, for the one who shows it.
#[derive(Clone, Debug)]
pub enum ServiceEvent {
    /// Something about one task.
    Task {
        /// Its id.
        task_id: String,
        /// What.
        event: Event,
    },
    /// Something about the service.
    Note(String),
    /// The first tasks are ready; how the service is.
    Ready(Value),
}

/// Why a service ended.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The definition has ports that cannot be moved.
    #[error("{} of the ports cannot be a service's", .0.len())]
    Ports(Vec<Diagnostic>),
    /// A port of the host is taken.
    #[error("cannot listen on port {port}: {cause}; something else has it, or only root may")]
    Port {
        /// The port.
        port: u16,
        /// Why.
        cause: std::io::Error,
    },
    /// The first tasks did not become ready.
    #[error("the service did not start: {reason}")]
    NotStarted {
        /// Why.
        reason: String,
        /// Exit code for the command.
        code: u8,
    },
    /// The engine failed.
    #[error(transparent)]
    Launch(#[from] LaunchError),
}

/// Exit code of a redeployment that was rolled back, and of a service whose first tasks do not become ready.
pub const NOT_READY: u8 = 118;

/// Runs a service until it is asked to stop.
///
/// # Errors
/// Whatever prevents its start. All of its tasks are gone by then.
pub async fn run<R: ContainerRuntime + Clone + 'static>(
    settings: Settings,
    template: Template<R>,
    events: mpsc::Sender<ServiceEvent>,
    control: &mut Control,
    interrupts: &mut mpsc::Receiver<Interrupt>,
) -> Result<(), ServiceError> {
    // All tasks and connections share a thread: they wait, mostly.
    let life = live(settings, template, events, control, interrupts);
    tokio::task::LocalSet::new().run_until(life).await
}

async fn live<R: ContainerRuntime + Clone + 'static>(
    settings: Settings,
    template: Template<R>,
    events: mpsc::Sender<ServiceEvent>,
    control: &mut Control,
    interrupts: &mut mpsc::Receiver<Interrupt>,
) -> Result<(), ServiceError> {
    let Template { mut plan, options, client, runtime } = template;
    let published: Arc<[Published]> = publish::take(&mut plan).map_err(ServiceError::Ports)?.into();
    runtime.check().await.map_err(LaunchError::from)?;
    let orphans = left(&runtime, &settings.name).await?;
    let forwarder =
        Forwarder::bind(&published).await.map_err(|(port, cause)| ServiceError::Port { port, cause })?;
    let options = Options { service: Some(settings.name.clone()), keep: false, ..options };
    let (sender, mut happenings) = mpsc::channel(1024);
    let mut service = Service {
        settings,
        recipe: Recipe { plan: Arc::new(plan), published, options, client, runtime },
        forwarder,
        events,
        happenings: sender,
        replicas: Vec::new(),
        orphans: Vec::new(),
        current: 0,
        deployments: 0,
        deployment: None,
        due: Vec::new(),
        failures: 0,
        last_failure: None,
        waiting: HashMap::new(),
        ending: None,
    };
    service.adopt(orphans).await;
    service.deploy(None);
    loop {
        if service.is_over() {
            return service.end().await;
        }
        let alarm = service.next_alarm();
        tokio::select! {
            Some(happening) = happenings.recv() => service.take(happening).await,
            (request, replies) = control.next() => service.ask(request, replies).await,
            Some(_) = interrupts.recv() => service.stop(None).await,
            () = until(alarm) => service.alarm().await,
        }
    }
}

/// The tasks of a service that Docker knows.
///
/// # Errors
/// If Docker cannot be asked.
pub async fn left<R: ContainerRuntime>(runtime: &R, name: &str) -> Result<Vec<TaskSummary>, LaunchError> {
    let tasks = tasks::list(runtime).await?;
    Ok(tasks.into_iter().filter(|task| task.service.as_deref() == Some(name)).collect())
}

struct Service<R> {
    settings: Settings,
    recipe: Recipe<R>,
    forwarder: Forwarder,
    events: mpsc::Sender<ServiceEvent>,
    happenings: mpsc::Sender<Happening>,
    replicas: Vec<Replica>,
    /// Tasks of a supervisor that was killed, and where those take connections that run.
    orphans: Vec<(TaskSummary, Option<Target>)>,
    /// The deployment whose tasks take connections; 0 is that of the orphans.
    current: u64,
    /// How many there have been.
    deployments: u64,
    deployment: Option<Deployment>,
    /// When replacements start.
    due: Vec<Instant>,
    /// How many tasks in a row have failed at their start.
    failures: u32,
    last_failure: Option<String>,
    /// Who waits for the end of a task.
    waiting: HashMap<String, Vec<Replies>>,
    ending: Option<Ending>,
}

impl<R: ContainerRuntime + Clone + 'static> Service<R> {
    async fn note(&self, text: impl Into<String>) {
        // That nobody looks on is no reason to fail.
        let _ = self.events.send(ServiceEvent::Note(text.into())).await;
    }

    async fn adopt(&mut self, orphans: Vec<TaskSummary>) {
        for task in orphans {
            self.note(format!(
                "task {} is left of a supervisor that was killed; it is taken over",
                task.task_id
            ))
            .await;
            let target = match tasks::describe(&self.recipe.runtime, &task).await {
                Ok(containers) => replica::target(&task.task_id, &containers, &self.recipe.published).await,
                Err(_) => None,
            };
            self.orphans.push((task, target));
        }
        self.aim();
    }

    fn start(&mut self, deployment: u64) {
        self.replicas.push(Replica::start(&self.recipe, deployment, self.happenings.clone()));
    }

    /// Lets connections go to the tasks that are ready.
    fn aim(&self) {
        let ready = self.replicas.iter().filter(|r| r.deployment == self.current && !r.stopping);
        let ready = ready.filter_map(|r| r.ready.as_ref()).map(|(_, target)| target.clone());
        let orphans =
            self.orphans.iter().filter(|_| self.current == 0).filter_map(|(_, target)| target.clone());
        self.forwarder.set_targets(ready.chain(orphans).collect());
    }

    async fn take(&mut self, Happening { task_id, what }: Happening) {
        match what {
            What::Event(event) => {
                let _ = self.events.send(ServiceEvent::Task { task_id, event }).await;
            }
            What::Ready(target) => self.is_ready(&task_id, target).await,
            What::Unhealthy(reason) => self.is_unhealthy(&task_id, reason).await,
            What::Ended(ended) => {
                let Some(at) = self.replicas.iter().position(|r| r.task_id == task_id) else { return };
                let replica = self.replicas.remove(at);
                self.aim();
                let (reason, code) = match &ended {
                    Ok(outcome) => (outcome.stopped_reason.clone().unwrap_or_default(), NOT_READY),
                    Err(error) => (replace::explain(error), error.exit_code()),
                };
                for mut replies in self.waiting.remove(&task_id).unwrap_or_default() {
                    replies.done(json!({ "stoppedReason": reason })).await;
                }
                self.has_ended(&replica, reason, code).await;
            }
        }
    }

    async fn ask(&mut self, request: Request, mut replies: Replies) {
        match request {
            Request::Status => replies.done(self.status()).await,
            Request::Stop => self.stop(Some(replies)).await,
            Request::Redeploy if self.ending.is_some() => {
                replies.failed(NOT_READY, "the service is being stopped").await
            }
            Request::Redeploy if self.deployment.is_some() => {
                replies
                    .failed(NOT_READY, "a deployment of this service is under way; ask again when it is over")
                    .await;
            }
            Request::Redeploy => {
                replies.say(&format!("starting {} new tasks", self.settings.count)).await;
                self.deploy(Some(replies));
            }
            Request::StopTask { task_id } => self.stop_task(&task_id, replies).await,
        }
    }

    async fn stop_task(&mut self, task_id: &str, mut replies: Replies) {
        match self.replicas.iter_mut().find(|r| r.task_id == task_id) {
            Some(replica) => {
                replica.stop();
                self.aim();
                self.waiting.entry(task_id.to_owned()).or_default().push(replies);
            }
            None => replies.failed(119, &format!("the service has no task `{task_id}`")).await,
        }
    }

    fn next_alarm(&self) -> Option<Instant> {
        let deadline = self.deployment.as_ref().map(|d| d.deadline);
        self.due.iter().copied().chain(deadline).min()
    }

    async fn alarm(&mut self) {
        let now = Instant::now();
        if self.deployment.as_ref().is_some_and(|d| d.deadline <= now) {
            let seconds = self.settings.ready_within.as_secs();
            self.roll_back(&format!("not all new tasks were ready within {seconds} seconds"), NOT_READY)
                .await;
        }
        let due = self.due.iter().filter(|at| **at <= now).count();
        self.due.retain(|at| *at > now);
        for _ in 0..due {
            self.start(self.current);
        }
    }

    fn status(&self) -> Value {
        let tasks = self.replicas.iter().map(|replica| {
            let status = match (&replica.ready, replica.stopping) {
                (_, true) => "STOPPING",
                (Some(_), _) => "READY",
                (None, _) => "STARTING",
            };
            json!({ "taskId": replica.task_id, "deployment": replica.deployment, "status": status })
        });
        let ports = self.recipe.published.iter().map(|port| {
            json!({ "hostPort": port.host_port, "container": port.container, "containerPort": port.container_port })
        });
        let ready =
            self.replicas.iter().filter(|r| r.deployment == self.current && !r.stopping && r.ready.is_some());
        json!({
            "service": self.settings.name, "family": self.recipe.plan.family, "desiredCount": self.settings.count,
            "readyCount": ready.count(), "deploying": self.deployment.is_some(), "lastFailure": self.last_failure,
            "ports": ports.collect::<Vec<_>>(), "tasks": tasks.collect::<Vec<_>>(),
        })
    }
}

async fn until(alarm: Option<Instant>) {
    match alarm {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => future::pending().await,
    }
}
