//! [`TaskPlan`]: what a launch will do, known before any network call.
//!
//! Containers stand in start order, the environment has one entry per name, and
//! every reference is read once: two keys of one version of a secret come from one
//! call and so from one version, and parameter names go out in batches of ten,
//! which is what `GetParameters` takes.

use super::definition::{
    Condition, ContainerDefinition, ContainerSettings, Firelens, IpcMode, NetworkMode, PidMode,
    SecretBinding, Spanned, TaskDefinition, Volume,
};
use super::order::{FIRELENS, start_order};
use super::valuefrom::{ParameterReference, SecretReference, ValueFrom};
use crate::arn::Arn;
use crate::diagnostic::Diagnostic;
use std::collections::HashSet;

/// A launch, before any value is known.
#[derive(Clone, Debug)]
pub struct TaskPlan {
    /// The definition's family.
    pub family: String,
    /// The role as which references are read; there whenever there are references.
    pub execution_role: Option<Arn>,
    /// ARN or name of the role of the containers.
    pub task_role: Option<String>,
    /// The network of all containers.
    pub network_mode: NetworkMode,
    /// CPU units of the whole task.
    pub cpu: Option<u32>,
    /// Memory of the whole task in MiB.
    pub memory_mib: Option<u32>,
    /// The processes that containers see, when set.
    pub pid_mode: Option<PidMode>,
    /// Shared memory and semaphores, when set.
    pub ipc_mode: Option<IpcMode>,
    /// Volumes that containers mount.
    pub volumes: Vec<Volume>,
    /// Containers in start order: each after all that it depends on.
    pub containers: Vec<ContainerPlan>,
    /// What to fetch: every reference once.
    pub reads: Reads,
    /// Secrets with accounts at registries, to be fetched before the images: each once.
    pub registry_reads: Vec<SecretRead>,
    /// What should be known about the definition.
    pub warnings: Vec<Diagnostic>,
}

/// One container of a launch.
#[derive(Clone, Debug)]
pub struct ContainerPlan {
    /// Its name within the task.
    pub name: String,
    /// Whether the task ends when it ends.
    pub essential: bool,
    /// `environment` with one entry per name.
    pub environment: Vec<(String, String)>,
    /// Environment variables that come from references, in order.
    pub secrets: Vec<SecretBinding>,
    /// Log driver and its options; `None` means Docker's default.
    pub log: Option<LogPlan>,
    /// Waits before it is created: container name and condition.
    pub depends_on: Vec<(String, Condition)>,
    /// Volumes by name (see [`TaskPlan::volumes`]) and where they appear.
    pub mounts: Vec<Mount>,
    /// Containers whose volumes appear in it, and whether only to be read.
    pub volumes_from: Vec<(String, bool)>,
    /// Containers that it reaches by a name, and the name.
    pub links: Vec<(String, String)>,
    /// ARNs of files with variables.
    pub environment_files: Vec<Spanned<String>>,
    /// Set if it routes the logs of the others.
    pub firelens: Option<Firelens>,
    /// The read behind `repositoryCredentials`.
    pub registry: Option<SecretRead>,
    /// Its position in the definition.
    pub position: usize,
    /// What goes to Docker as it is.
    pub settings: ContainerSettings,
}

/// The logging of a container.
#[derive(Clone, Debug)]
pub struct LogPlan {
    /// Docker log driver.
    pub driver: String,
    /// Plain options.
    pub options: Vec<(String, String)>,
    /// Options that come from references.
    pub secret_options: Vec<SecretBinding>,
    /// With the driver `awsfirelens`: names of options whose values are in variables of
    /// the router.
    pub routed_options: Vec<String>,
}

/// A volume in a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Index into [`TaskPlan::volumes`].
    pub volume: usize,
    /// Path in the container.
    pub container_path: String,
    /// Whether the container may only read.
    pub read_only: bool,
}

/// One call of `GetSecretValue`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SecretRead {
    /// `SecretId`
    pub secret_id: String,
    /// Region of the call; empty is the task's own.
    pub region: String,
    /// `VersionStage`; never `AWSCURRENT` alone, which is the default.
    pub version_stage: Option<String>,
    /// `VersionId`
    pub version_id: Option<String>,
}

/// One parameter to read.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ParameterRead {
    /// The name.
    pub name: String,
    /// Region of the call; `None` is the task's own.
    pub region: Option<String>,
}

/// One call of `GetParameters`, with decryption.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterBatch {
    /// Region of the call; `None` is the task's own.
    pub region: Option<String>,
    /// One to ten names.
    pub names: Vec<String>,
}

/// The calls of a launch, each thing once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reads {
    /// In order of first mention.
    pub secrets: Vec<SecretRead>,
    /// In order of first mention, by Region.
    pub parameters: Vec<ParameterBatch>,
}

impl SecretRead {
    /// The call that a reference needs. Two keys of one version need the same.
    pub fn of(reference: &SecretReference) -> Self {
        // The service's default; spelled out or not, it has to be one read.
        let stage = reference.version_stage.clone();
        let default = reference.version_id.is_none() && stage.as_deref() == Some("AWSCURRENT");
        Self {
            secret_id: reference.secret_id.clone(),
            region: reference.arn.region.clone(),
            version_stage: stage.filter(|_| !default),
            version_id: reference.version_id.clone(),
        }
    }
}

impl SecretRead {
    /// The read of a whole secret by its ARN or, in the Region of the task, by its name.
    pub fn named(secret: &str) -> Self {
        let region = secret.parse::<Arn>().map(|arn| arn.region).unwrap_or_default();
        Self { secret_id: secret.to_owned(), region, version_stage: None, version_id: None }
    }
}

impl ParameterRead {
    /// The parameter that a reference needs.
    pub fn of(reference: &ParameterReference) -> Self {
        Self { name: reference.name.clone(), region: reference.region.clone() }
    }
}

/// Names in one call of `GetParameters`.
const BATCH: usize = 10;

impl TaskDefinition {
    /// Works out the launch.
    ///
    /// # Errors
    /// Containers that wait for each other; [`super::definition::parse`] refuses
    /// them already.
    pub fn plan(&self) -> Result<TaskPlan, Vec<Diagnostic>> {
        let order = start_order(&self.containers).map_err(|stuck| {
            let stuck = stuck.iter().filter_map(|&index| self.containers.get(index));
            stuck.map(waits_in_a_circle).collect::<Vec<_>>()
        })?;
        Ok(TaskPlan {
            family: self.family.value.clone(),
            execution_role: self.execution_role.as_ref().map(|role| role.value.clone()),
            task_role: self.task_role.as_ref().map(|role| role.value.clone()),
            network_mode: self.network_mode,
            cpu: self.cpu,
            memory_mib: self.memory_mib,
            pid_mode: self.pid_mode,
            ipc_mode: self.ipc_mode,
            volumes: self.volumes.clone(),
            containers: order
                .into_iter()
                .filter_map(|index| Some(self.plan_container(index, self.containers.get(index)?)))
                .collect(),
            reads: Reads::of(self.containers.iter().flat_map(references)),
            registry_reads: registry_reads(&self.containers),
            warnings: self.warnings.clone(),
        })
    }

    fn plan_container(&self, position: usize, container: &ContainerDefinition) -> ContainerPlan {
        let mut settings = container.settings.clone();
        for port in &mut settings.ports {
            if self.network_mode == NetworkMode::Awsvpc {
                port.host_port = Some(port.ports.first);
            }
        }
        let routed = container.log.as_ref().filter(|log| log.driver.value == FIRELENS);
        let router = self.containers.iter().find(|c| routed.is_some() && c.firelens.is_some());
        let started = container.links.iter().map(|l| &l.container).chain(router.map(|c| &c.name));
        let waits = container.depends_on.iter().map(|d| (d.container.value.clone(), d.condition));
        let mut depends_on: Vec<(String, Condition)> = waits.collect();
        for name in started {
            if !depends_on.iter().any(|(other, _)| *other == name.value) {
                depends_on.push((name.value.clone(), Condition::Start));
            }
        }
        let volume = |name: &str| self.volumes.iter().position(|v| v.name.value == name);
        ContainerPlan {
            name: container.name.value.clone(),
            essential: container.essential,
            environment: one_per_name(&container.environment),
            secrets: self.router_secrets(container).chain(container.secrets.iter().cloned()).collect(),
            log: container.log.as_ref().map(|log| LogPlan {
                driver: log.driver.value.clone(),
                options: one_per_name(&log.options),
                // Those of a routed container reach its router.
                secret_options: if routed.is_some() { Vec::new() } else { log.secret_options.clone() },
                routed_options: routed
                    .map(|log| log.secret_options.iter().map(|o| o.name.clone()).collect())
                    .unwrap_or_default(),
            }),
            depends_on,
            mounts: container
                .mount_points
                .iter()
                .filter_map(|mount| {
                    Some(Mount {
                        volume: volume(&mount.volume.value)?,
                        container_path: mount.container_path.clone(),
                        read_only: mount.read_only,
                    })
                })
                .collect(),
            volumes_from: container
                .volumes_from
                .iter()
                .map(|v| (v.container.value.clone(), v.read_only))
                .collect(),
            links: container.links.iter().map(|l| (l.container.value.clone(), l.alias.clone())).collect(),
            environment_files: container.environment_files.clone(),
            firelens: container.firelens.clone(),
            registry: container.repository_credentials.as_ref().map(|name| SecretRead::named(&name.value)),
            position,
            settings,
        }
    }

    /// The secret options of routed containers are variables of the router, named after
    /// the option and the position of the container. Its own secrets go before them.
    fn router_secrets(&self, container: &ContainerDefinition) -> impl Iterator<Item = SecretBinding> {
        let is_router = container.firelens.is_some();
        let routed = self.containers.iter().enumerate().filter(move |_| is_router);
        routed.flat_map(|(position, c)| {
            let log = c.log.as_ref().filter(|log| log.driver.value == FIRELENS);
            log.into_iter().flat_map(|log| &log.secret_options).map(move |option| SecretBinding {
                name: routed_name(&option.name, position),
                ..option.clone()
            })
        })
    }
}

/// The variable of a router that holds an option of the container at a position.
pub fn routed_name(option: &str, position: usize) -> String {
    format!("{option}_{position}")
}

impl TaskPlan {
    /// Every binding of the plan with its container, in start order.
    pub fn bindings(&self) -> impl Iterator<Item = (&ContainerPlan, &SecretBinding)> {
        self.containers.iter().flat_map(|container| {
            let options = container.log.iter().flat_map(|log| &log.secret_options);
            container.secrets.iter().chain(options).map(move |binding| (container, binding))
        })
    }
}

impl Reads {
    /// The calls that some references need.
    pub fn of<'a>(references: impl IntoIterator<Item = &'a ValueFrom>) -> Self {
        let mut reads = Self::default();
        let (mut seen_secrets, mut seen_parameters) = (HashSet::new(), HashSet::new());
        let mut by_region: Vec<(Option<String>, Vec<String>)> = Vec::new();
        for reference in references {
            match reference {
                ValueFrom::Secret(secret) => {
                    let read = SecretRead::of(secret);
                    if seen_secrets.insert(read.clone()) {
                        reads.secrets.push(read);
                    }
                }
                ValueFrom::Parameter(parameter) => {
                    let read = ParameterRead::of(parameter);
                    if !seen_parameters.insert(read.clone()) {
                        continue;
                    }
                    match by_region.iter_mut().find(|(region, _)| *region == read.region) {
                        Some((_, names)) => names.push(read.name),
                        None => by_region.push((read.region, vec![read.name])),
                    }
                }
            }
        }
        for (region, names) in by_region {
            let batches = names.chunks(BATCH);
            let batch = |names: &[String]| ParameterBatch { region: region.clone(), names: names.to_vec() };
            reads.parameters.extend(batches.map(batch));
        }
        reads
    }
}

fn registry_reads(containers: &[ContainerDefinition]) -> Vec<SecretRead> {
    let named = containers.iter().filter_map(|c| c.repository_credentials.as_ref());
    let mut reads: Vec<SecretRead> = Vec::new();
    for read in named.map(|name| SecretRead::named(&name.value)) {
        if !reads.contains(&read) {
            reads.push(read);
        }
    }
    reads
}

/// The references of a container, environment first.
fn references(container: &ContainerDefinition) -> impl Iterator<Item = &ValueFrom> {
    let options = container.log.iter().flat_map(|log| &log.secret_options);
    container.secrets.iter().chain(options).map(|binding| &binding.value_from)
}

/// Of several entries with one name the last value counts, at the place of the first.
fn one_per_name(pairs: &[(Spanned<String>, String)]) -> Vec<(String, String)> {
    let mut merged: Vec<(String, String)> = Vec::new();
    for (name, value) in pairs {
        match merged.iter_mut().find(|(existing, _)| *existing == name.value) {
            Some((_, slot)) => slot.clone_from(value),
            None => merged.push((name.value.clone(), value.clone())),
        }
    }
    merged
}

/// The complaint about a container of a circle of dependencies.
pub(super) fn waits_in_a_circle(container: &ContainerDefinition) -> Diagnostic {
    let name = &container.name.value;
    let span = container.depends_on.first().map_or(&container.span, |d| &d.container.span);
    Diagnostic::error(
        "ECS0108",
        format!("container `{name}`: dependsOn, links or volumesFrom lead back to `{name}` or to a circle"),
    )
    .at(span.clone(), "waits for this one")
    .help("a container cannot start before one that waits for it")
}
