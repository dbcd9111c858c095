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
use super::identity::{TaskIdentity, levels};
use super::logs;
use super::mapping::{Delivery, Mapping};
use super::outcome::{Outcome, outcome, reason};
use super::redaction::Redaction;
use super::resolve::{self, Record};
use super::runtime::{ContainerRuntime, Image, NewVolume, RuntimeError};
use super::supervise::{Ending, Supervision};
use crate::client::Client;
use crate::diagnostic::Diagnostic;
use crate::ecs::definition::{VolumeScope, VolumeSource};
use crate::ecs::injection::Injection;
use crate::ecs::plan::TaskPlan;
use std::collections::HashMap;
use std::time::Duration;
use tokio::sync::mpsc;

/// How long the last lines of ended containers may take to arrive.
const LAST_LINES: Duration = Duration::from_secs(3);

/// How to run a task.
#[derive(Clone, Debug)]
pub struct Options {
    /// Region of the task.
    pub region: String,
    /// Cluster name in ARN and labels.
    pub cluster: String,
    /// Revision of the task definition in names and labels.
    pub revision: u32,
    /// How values reach the containers.
    pub delivery: Delivery,
    /// The name under which Docker knows the hook.
    pub oci_runtime: String,
    /// Leave the containers in Docker when the task has ended.
    pub keep: bool,
    /// Return as soon as every container has started, and leave the task running.
    pub detach: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            region: String::new(),
            cluster: "default".to_owned(),
            revision: 0,
            delivery: Delivery::Env,
            oci_runtime: "sealdock".to_owned(),
            keep: false,
            detach: false,
        }
    }
}

/// A request to stop. The second one stops at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interrupt {
    /// Ctrl-C.
    Interrupt,
    /// SIGTERM
    Terminate,
}

/// What has to be removed again.
#[derive(Debug, Default)]
struct Made {
    ids: Vec<String>,
    volumes: Vec<String>,
}

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
    let identity = TaskIdentity::new(plan, options.revision, &options.cluster, &options.region);
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
        Ok(outcome) => options.keep || outcome.stopped_reason.is_none(),
        Err(_) => false,
    };
    if !leave {
        made.remove(runtime).await;
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
    let identity = TaskIdentity::new(plan, options.revision, &options.cluster, &options.region);
    let injection = resolve::resolve(plan, &identity, &client.with_region(&options.region)).await?;
    Ok(injection.warnings())
}

struct Prepared {
    images: HashMap<String, Image>,
    injection: Injection,
}

/// What can be known and fetched before anything is made.
async fn prepare<R: ContainerRuntime>(
    plan: &TaskPlan,
    options: &Options,
    identity: &TaskIdentity,
    client: &Client,
    runtime: &R,
    events: &mpsc::Sender<Event>,
) -> Result<Prepared, LaunchError> {
    runtime.check().await?;
    let needs_hook =
        options.delivery == Delivery::Runtime && plan.containers.iter().any(|c| !c.secrets.is_empty());
    if needs_hook && !runtime.oci_runtimes().await?.contains(&options.oci_runtime) {
        return Err(LaunchError::RuntimeNotRegistered { runtime: options.oci_runtime.clone() });
    }
    let mut images = HashMap::new();
    for container in &plan.containers {
        let name = &container.settings.image;
        if !images.contains_key(name) {
            images.insert(name.clone(), image(name, runtime, events).await?);
        }
    }
    // After the images, whose pull may take minutes: values are held as briefly as possible.
    let client = client.with_region(&options.region);
    let injection = resolve::resolve(plan, identity, &client).await?;
    for warning in injection.warnings() {
        say(events, Event::Warning(warning)).await;
    }
    Ok(Prepared { images, injection })
}

async fn image<R: ContainerRuntime>(
    name: &str,
    runtime: &R,
    events: &mpsc::Sender<Event>,
) -> Result<Image, LaunchError> {
    if let Some(image) = runtime.image(name).await? {
        return Ok(image);
    }
    say(events, Event::Pulling { image: name.to_owned() }).await;
    runtime.pull(name).await?;
    let missing =
        || RuntimeError::Pull { image: name.to_owned(), cause: "it is not there after the pull".into() };
    Ok(runtime.image(name).await?.ok_or_else(missing)?)
}

#[derive(Clone, Copy)]
struct Launch<'a, R> {
    plan: &'a TaskPlan,
    options: &'a Options,
    identity: &'a TaskIdentity,
    client: &'a Client,
    runtime: &'a R,
    events: &'a mpsc::Sender<Event>,
}

impl<R: ContainerRuntime> Launch<'_, R> {
    /// Makes volumes and containers and puts the launch on record.
    async fn make(&self, prepared: Prepared, made: &mut Made) -> Result<Redaction, LaunchError> {
        let delivery = self.options.delivery;
        let injections = prepared.injection.into_containers();
        let mut records: Vec<Record> =
            injections.iter().map(|i| Record::new(i, self.identity, delivery)).collect();
        if delivery == Delivery::Env {
            self.record(&records).await?;
        }
        let volumes = self.volumes(made).await?;
        let own_volumes = made.volumes.clone();
        let mut redaction = Redaction::default();
        let mapping = Mapping {
            plan: self.plan,
            options: self.options,
            identity: self.identity,
            volumes: &volumes,
            own_volumes: &own_volumes,
        };
        let parts = self.plan.containers.iter().zip(levels(self.plan)).zip(injections).zip(&mut records);
        for (((container, level), injection), record) in parts {
            let environment = prepared.images.get(&container.settings.image);
            let environment = environment.map(|i| i.environment.as_slice()).unwrap_or_default();
            redaction.add(&injection);
            let new = mapping.container(container, level, environment, injection);
            let docker_name = new.name.clone();
            let id = self.runtime.create(new).await.map_err(|e| redaction.apply(e.into()))?;
            made.ids.push(id.clone());
            record.container_id = Some(id);
            say(self.events, Event::Created { container: container.name.clone(), docker_name }).await;
        }
        if delivery == Delivery::Runtime {
            self.record(&records).await?;
        }
        redaction.forget_environment();
        Ok(redaction)
    }

    async fn record(&self, records: &[Record]) -> Result<(), LaunchError> {
        resolve::record(records, self.plan, self.identity, self.client).await
    }

    /// Sources of the plan's volumes, as Docker takes them in a bind.
    async fn volumes(&self, made: &mut Made) -> Result<Vec<String>, LaunchError> {
        let mut sources = Vec::new();
        for volume in &self.plan.volumes {
            let name = &volume.name.value;
            let source = match &volume.source {
                VolumeSource::Host(path) => path.clone(),
                VolumeSource::Docker { scope, autoprovision, driver, driver_options, labels } => {
                    let docker_name = match scope {
                        VolumeScope::Task => self.identity.docker_name(name),
                        VolumeScope::Shared => name.clone(),
                    };
                    let own = *scope == VolumeScope::Task;
                    if own || !self.runtime.volume_exists(&docker_name).await? {
                        if !own && !autoprovision {
                            let cause = "it does not exist and is not autoprovisioned".to_owned();
                            return Err(RuntimeError::CreateVolume { volume: name.clone(), cause }.into());
                        }
                        let new = NewVolume {
                            name: docker_name.clone(),
                            driver: driver.clone(),
                            driver_options: driver_options.iter().cloned().collect(),
                            labels: labels.iter().cloned().collect(),
                        };
                        self.runtime.create_volume(new).await?;
                    }
                    if own {
                        made.volumes.push(docker_name.clone());
                    }
                    docker_name
                }
            };
            sources.push(source);
        }
        Ok(sources)
    }

    async fn supervise(
        &self,
        ids: &[String],
        redaction: &Redaction,
        interrupts: &mut mpsc::Receiver<Interrupt>,
    ) -> Result<Outcome, LaunchError> {
        let (started, receiver) = mpsc::unbounded_channel();
        let mut supervision =
            Supervision::new(self.plan, self.runtime, ids, self.events, self.options.detach);
        let life = async {
            let ending = match supervision.run(&started, interrupts).await {
                Ending::Failed(error) => Ending::Failed(redaction.apply(error)),
                ending => ending,
            };
            if let Ending::Detached = ending {
                drop(started);
                return (ending, vec![None; ids.len()]);
            }
            say(self.events, Event::Stopping { reason: reason(&ending, self.plan) }).await;
            let codes = supervision.stop(interrupts).await;
            drop(started);
            (ending, codes)
        };
        let mut logs = std::pin::pin!(logs::follow(self.runtime, receiver, self.events));
        let mut life = std::pin::pin!(life);
        let mut reading = true;
        let (ending, codes) = loop {
            tokio::select! {
                done = &mut life => break done,
                () = &mut logs, if reading => reading = false,
            }
        };
        if reading && !matches!(ending, Ending::Detached) {
            // Docker may keep a log open that nobody writes to any more.
            let _ = tokio::time::timeout(LAST_LINES, logs).await;
        }
        match ending {
            Ending::Failed(error) => Err(error),
            ending => Ok(outcome(self.identity, ids, ending, codes, self.plan)),
        }
    }
}

impl Made {
    /// Removes everything, whatever cannot be removed notwithstanding: the reason
    /// for the removal is what the user has to hear.
    async fn remove<R: ContainerRuntime>(&self, runtime: &R) {
        for id in self.ids.iter().rev() {
            let _ = runtime.remove(id).await;
        }
        for volume in &self.volumes {
            let _ = runtime.remove_volume(volume).await;
        }
    }
}
