//! [`TaskPlan`]: what a launch will do, known before any network call.

use super::definition::{Condition, ContainerSettings, NetworkMode, SecretBinding, Volume};
use super::valuefrom::{ParameterReference, SecretReference};
use crate::arn::Arn;
use crate::diagnostic::Diagnostic;

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
    /// Whether containers see the host's processes.
    pub host_pid: bool,
    /// `host` or `none`, when set.
    pub ipc_mode: Option<String>,
    /// Volumes that containers mount.
    pub volumes: Vec<Volume>,
    /// Containers in start order: each after all that it depends on.
    pub containers: Vec<ContainerPlan>,
    /// What to fetch: every reference once.
    pub reads: Reads,
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
    /// Region of the call.
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

impl ParameterRead {
    /// The parameter that a reference needs.
    pub fn of(reference: &ParameterReference) -> Self {
        Self { name: reference.name.clone(), region: reference.region.clone() }
    }
}
