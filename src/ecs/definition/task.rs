//! The task level of a definition, and the entry to reading one.

use super::{ContainerDefinition, NetworkMode, Spanned, Volume};
use crate::arn::Arn;
use crate::diagnostic::Diagnostic;

/// A task definition that satisfies the rules of registration.
#[derive(Clone, Debug)]
pub struct TaskDefinition {
    /// `family`.
    pub family: Spanned<String>,
    /// `executionRoleArn`: the role as which references are read.
    pub execution_role: Option<Spanned<Arn>>,
    /// `taskRoleArn`: ARN or name of the role of the containers.
    pub task_role: Option<String>,
    /// `networkMode`.
    pub network_mode: NetworkMode,
    /// CPU units of the whole task.
    pub cpu: Option<u32>,
    /// Memory of the whole task in MiB.
    pub memory_mib: Option<u32>,
    /// `pidMode` is `host`.
    pub host_pid: bool,
    /// `ipcMode`, when it is `host` or `none`.
    pub ipc_mode: Option<String>,
    /// `volumes`.
    pub volumes: Vec<Volume>,
    /// `containerDefinitions`, as written.
    pub containers: Vec<ContainerDefinition>,
    /// What was accepted but should be known.
    pub warnings: Vec<Diagnostic>,
}
