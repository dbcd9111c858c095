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

use super::cgroup::{self, Limits};
use super::endpoint::{self, TOKEN_DIRECTORY, TOKEN_NAME, TaskEndpoint, Told};
use super::error::LaunchError;
use super::events::{Event, say};
use super::identity::{TaskIdentity, levels};
use super::inputs::{self, Inputs};
use super::logs::{self, Passed};
use super::mapping::{Delivery, Mapping};
use super::objects::Directories;
use super::outcome::{Outcome, outcome, reason};
use super::pause;
use super::redaction::Redaction;
use super::resolve::{self, Record};
use super::runtime::{ContainerRuntime, Image, NewVolume, RuntimeError};
use super::supervise::{Ending, Supervision};
use super::tar;
use crate::client::Client;
use crate::diagnostic::Diagnostic;
use crate::ecs::definition::{Firelens, VolumeScope, VolumeSource};
use crate::ecs::firelens::{self, Metadata};
use crate::ecs::injection::Injection;
use crate::ecs::plan::TaskPlan;
use crate::ecs::registry::RegistryAccount;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// How often the progress of a pull is told.
const PROGRESS: Duration = Duration::from_secs(2);

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
    /// Id of the task: 32 hexadecimal digits.
    pub task_id: String,
    /// Directory of the task's supervisor, which the labels of its containers name.
    pub supervisor: Option<PathBuf>,
    /// The service that the task belongs to.
    pub service: Option<String>,
    /// When images are fetched.
    pub pull: PullPolicy,
    /// Send logs of the driver `awslogs` to CloudWatch; otherwise Docker keeps them.
    pub awslogs: bool,
    /// Where the task endpoint is, for containers: `http://169.254.170.2`, or a loopback address
    /// and port.
    pub endpoint: String,
    /// Directories that stand for buckets of S3.
    pub objects: Directories,
    /// Directories that stand for network file systems.
    pub file_systems: Directories,
}

/// When an image is fetched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PullPolicy {
    /// Before every launch.
    Always,
    /// When Docker does not have it.
    #[default]
    Missing,
    /// Not at all.
    Never,
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
            task_id: new_task_id(),
            supervisor: None,
            service: None,
            pull: PullPolicy::Missing,
            awslogs: false,
            endpoint: format!("http://{}", endpoint::ADDRESS),
            objects: Directories::default(),
            file_systems: Directories::default(),
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
    /// `sealdock task stop`, or another request like it.
    Stop,
}

/// A new id for a task.
pub fn new_task_id() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

/// What has to be removed again.
#[derive(Debug, Default)]
struct Made {
    /// The pause container, if there is one.
    pause: Vec<String>,
    /// Containers in the order of the plan.
    ids: Vec<String>,
    volumes: Vec<String>,
    /// Whether the task may have credentials of a role.
    role: bool,
    /// The task whose cgroup there is.
    cgroup: Option<String>,
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

struct Prepared {
    images: HashMap<String, Image>,
    inputs: Inputs,
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
    let inputs = inputs::read(plan, options)?;
    let client = client.with_region(&options.region);
    // Only for registries: a pull may take longer than a session lasts.
    let accounts = match plan.registry_reads.is_empty() {
        true => HashMap::new(),
        false => resolve::accounts(plan, resolve::reader(plan, identity, &client).await?.as_ref()).await?,
    };
    let mut images = HashMap::new();
    for container in &plan.containers {
        let name = &container.settings.image;
        if !images.contains_key(name) {
            let account = accounts.get(&container.name);
            images.insert(name.clone(), image(name, account, options.pull, runtime, events).await?);
        }
    }
    drop(accounts);
    // After the images, whose pull may take minutes: values are held as briefly as possible.
    let reader = resolve::reader(plan, identity, &client).await?;
    let injection = resolve::resolve(plan, &options.region, reader.as_ref()).await?;
    for warning in injection.warnings() {
        say(events, Event::Warning(warning)).await;
    }
    Ok(Prepared { images, inputs, injection })
}

async fn image<R: ContainerRuntime>(
    name: &str,
    account: Option<&RegistryAccount>,
    policy: PullPolicy,
    runtime: &R,
    events: &mpsc::Sender<Event>,
) -> Result<Image, LaunchError> {
    let found = runtime.image(name).await?;
    let missing = |cause: &str| RuntimeError::Pull { image: name.to_owned(), cause: cause.to_owned() };
    match (policy, found) {
        (PullPolicy::Missing | PullPolicy::Never, Some(image)) => return Ok(image),
        (PullPolicy::Never, None) => {
            return Err(missing("Docker does not have it, and it is not to be fetched").into());
        }
        _ => {}
    }
    say(events, Event::Pulling { image: name.to_owned() }).await;
    let shown = Mutex::new(Instant::now());
    let progress = |done, total| {
        let Ok(mut last) = shown.lock() else { return };
        if last.elapsed() >= PROGRESS {
            *last = Instant::now();
            // Whoever is too slow for this is not interested.
            let _ = events.try_send(Event::Pulled { image: name.to_owned(), done, total });
        }
    };
    runtime.pull(name, account, &progress).await?;
    Ok(runtime.image(name).await?.ok_or_else(|| missing("it is not there after the pull"))?)
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
        let volumes = self.volumes(&prepared.inputs, made).await?;
        let router = self.router_volume(made).await?;
        let cgroup = self.cgroup(made).await?;
        let pause = self.pause(made, cgroup.as_deref()).await?;
        let told = self.tell(made).await?;
        let token = told.as_ref().and_then(Told::token);
        let token_volume = match &token {
            Some(_) => Some(self.token_volume(made).await?),
            None => None,
        };
        let own_volumes = made.volumes.clone();
        let mut redaction = Redaction::default();
        let mapping = Mapping {
            plan: self.plan,
            options: self.options,
            identity: self.identity,
            volumes: &volumes,
            own_volumes: &own_volumes,
            pause: pause.as_deref(),
            cgroup: cgroup.as_deref(),
            router: router.as_ref(),
            inputs: &prepared.inputs,
            told: told.as_ref(),
            token: token_volume.as_deref(),
        };
        // The pause container is below all others.
        let lowest = usize::from(pause.is_some());
        let parts = self.plan.containers.iter().zip(levels(self.plan)).zip(injections).zip(&mut records);
        for (((container, level), injection), record) in parts {
            let environment = prepared.images.get(&container.settings.image);
            let environment = environment.map(|i| i.environment.as_slice()).unwrap_or_default();
            redaction.add(&injection);
            let new = mapping.container(container, level + lowest, environment, injection);
            let docker_name = new.name.clone();
            let id = self.runtime.create(new).await.map_err(|e| redaction.apply(e.into()))?;
            made.ids.push(id.clone());
            if let (Some(token), [_]) = (&token, made.ids.as_slice()) {
                // All containers share the volume that it goes into.
                let archive = tar::archive(&[(TOKEN_NAME, 0o444, token.as_bytes())]);
                self.runtime.put(&id, TOKEN_DIRECTORY, archive).await?;
            }
            if let Some(firelens) = &container.firelens {
                self.configure(&id, firelens, prepared.inputs.router_config.as_deref()).await?;
            }
            record.container_id = Some(id);
            say(self.events, Event::Created { container: container.name.clone(), docker_name }).await;
        }
        if delivery == Delivery::Runtime {
            self.record(&records).await?;
        }
        redaction.forget_environment();
        Ok(redaction)
    }

    /// Grants the task its role, and says what the containers are told.
    async fn tell(&self, made: &mut Made) -> Result<Option<Told>, LaunchError> {
        let role = self.plan.task_role.as_deref();
        let endpoint = match TaskEndpoint::find(&self.options.endpoint, self.plan.network_mode).await {
            Ok(endpoint) => endpoint,
            Err(none) => {
                if role.is_some() {
                    say(self.events, Event::Warning(none.warning())).await;
                }
                return Ok(None);
            }
        };
        let credentials = match role {
            Some(role) => {
                // Before the answer: a grant whose answer is lost has to end as well.
                made.role = true;
                let host = self.runtime.engine_id().await?;
                Some(endpoint::grant(self.plan, self.identity, self.client, role, host).await?)
            }
            None => None,
        };
        Ok(Some(Told::new(endpoint, credentials, self.plan)))
    }

    async fn token_volume(&self, made: &mut Made) -> Result<String, LaunchError> {
        let name = self.identity.docker_name("credentials");
        self.runtime.create_volume(NewVolume { name: name.clone(), ..NewVolume::default() }).await?;
        made.volumes.push(name.clone());
        Ok(name)
    }

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

    async fn record(&self, records: &[Record]) -> Result<(), LaunchError> {
        resolve::record(records, self.plan, self.identity, self.client).await
    }

    /// Sources of the plan's volumes, as Docker takes them in a bind.
    async fn volumes(&self, inputs: &Inputs, made: &mut Made) -> Result<Vec<String>, LaunchError> {
        let mut sources = Vec::new();
        for volume in &self.plan.volumes {
            let name = &volume.name.value;
            let source = match &volume.source {
                VolumeSource::Host(path) => path.clone(),
                VolumeSource::FileSystem { .. } => inputs.file_systems.get(name).cloned().unwrap_or_default(),
                VolumeSource::Docker { scope, autoprovision, driver, driver_options, labels } => {
                    let docker_name = match scope {
                        VolumeScope::Task => self.identity.docker_name(name),
                        VolumeScope::Shared => name.clone(),
                    };
                    let own = *scope == VolumeScope::Task;
                    if own || self.runtime.volume(&docker_name).await?.is_none() {
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

    /// A volume for the socket of the router, by which Docker reaches it: its name, and
    /// where it is on the host.
    async fn router_volume(&self, made: &mut Made) -> Result<Option<(String, String)>, LaunchError> {
        if firelens::router(self.plan).is_none() {
            return Ok(None);
        }
        let name = self.identity.docker_name("firelens-socket");
        self.runtime.create_volume(NewVolume { name: name.clone(), ..NewVolume::default() }).await?;
        made.volumes.push(name.clone());
        Ok(self.runtime.volume(&name).await?.map(|path| (name, path)))
    }

    /// The cgroup for the limits of the task; nothing if it has none, or there cannot be one.
    async fn cgroup(&self, made: &mut Made) -> Result<Option<String>, LaunchError> {
        let limits = Limits { cpu_units: self.plan.cpu, memory_mib: self.plan.memory_mib };
        if limits == (Limits { cpu_units: None, memory_mib: None }) {
            return Ok(None);
        }
        let task_id = &self.identity.task_id;
        let cause = match self.runtime.cgroups().await? {
            None => "Docker's cgroup driver is not `cgroupfs`".to_owned(),
            Some(hierarchy) => {
                made.cgroup = Some(task_id.clone());
                match cgroup::make(Path::new(cgroup::ROOT), hierarchy, task_id, limits) {
                    Ok(()) => return Ok(Some(cgroup::parent(task_id))),
                    Err((path, cause)) => format!("cannot write `{}`: {cause}", path.display()),
                }
            }
        };
        let message = format!(
            "the task's `cpu` and `memory` bound each container by itself, not all together: {cause}"
        );
        say(self.events, Event::Warning(Diagnostic::warning("ECS0403", message))).await;
        Ok(None)
    }

    async fn pause(&self, made: &mut Made, cgroup: Option<&str>) -> Result<Option<String>, LaunchError> {
        if !pause::is_needed(self.plan) {
            return Ok(None);
        }
        let name = self.identity.docker_name(pause::NAME);
        let labels = self.identity.own_labels(pause::NAME, true, 0);
        let id = pause::start(self.plan, name, labels, cgroup, self.runtime, &mut made.pause).await?;
        Ok(Some(id))
    }

    /// Puts the configuration into the router.
    async fn configure(&self, id: &str, firelens: &Firelens, more: Option<&str>) -> Result<(), LaunchError> {
        let metadata = Metadata {
            cluster: &self.identity.cluster,
            task_arn: &self.identity.task_arn,
            task_definition: &self.identity.definition(),
        };
        let config = firelens::config(self.plan, firelens, metadata);
        let (path, included) = firelens::config_paths(firelens.router);
        let mut files = vec![(path, 0o644, config.as_bytes())];
        files.extend(more.map(|text| (included, 0o644, text.as_bytes())));
        Ok(self.runtime.put(id, "/", tar::archive(&files)).await?)
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

impl Made {
    /// Removes everything, whatever cannot be removed notwithstanding: the reason
    /// for the removal is what the user has to hear.
    async fn remove<R: ContainerRuntime>(&self, runtime: &R) {
        for id in self.ids.iter().rev().chain(&self.pause) {
            let _ = runtime.remove(id).await;
        }
        for volume in &self.volumes {
            let _ = runtime.remove_volume(volume).await;
        }
        if let Some(task_id) = &self.cgroup {
            cgroup::remove(Path::new(cgroup::ROOT), task_id).await;
        }
    }
}
