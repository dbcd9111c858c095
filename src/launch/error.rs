//! [`LaunchError`] and its exit codes.
//!
//! A script that runs `sealdock task run` gets the exit code of the container
//! that ended the task. Sealdock's own failures use codes that programs hardly
//! use themselves, below the 125 to 127 of `docker run`:
//!
//! | code | meaning |
//! |---|---|
//! | 119 | no such task (`stop`) |
//! | 120 | files that the task needs are not on this host, or references could not be resolved or were refused; nothing was created |
//! | 121 | the broker does not answer, or could not record the launch; nothing was started |
//! | 122 | Docker does not answer |
//! | 123 | an image is missing and cannot be fetched |
//! | 124 | a container could not be created or started, or waits for one that failed |
//! | 130, 143 | stopped by Ctrl-C (SIGINT), by SIGTERM |

use super::runtime::RuntimeError;
use crate::client::ClientError;
use crate::diagnostic::Diagnostic;
use crate::ecs::registry::RegistryError;

/// Why a launch did not happen, or did not go on. Whatever it had made is gone.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The broker does not answer.
    #[error("{0}")]
    Broker(ClientError),
    /// A container waits for something that will not happen any more.
    #[error("CannotStartContainerError: container `{container}`: dependency graph: {reason}")]
    Dependency {
        /// The waiting container.
        container: String,
        /// What it waited for.
        reason: String,
    },
    /// Files and file systems that the task needs and this host does not have.
    #[error("{} of the files that the task needs are not on this host; nothing was created", .0.len())]
    Inputs(Vec<Diagnostic>),
    /// There is no such task.
    #[error("there is no task `{task_id}` on this Docker")]
    NoSuchTask {
        /// The id that was asked for.
        task_id: String,
    },
    /// The launch could not be put on record.
    #[error("the launch cannot be recorded, so nothing was started: {0}")]
    NotRecorded(ClientError),
    /// The OCI hook is not registered in Docker.
    #[error(
        "delivery `runtime` needs the OCI runtime `{runtime}`, which this Docker does not have; \
         `sealdock install docker` registers it"
    )]
    RuntimeNotRegistered {
        /// The runtime's name.
        runtime: String,
    },
    /// The account at a registry cannot be had.
    #[error("CannotPullContainerAuthError: container `{container}`: {cause}")]
    Registry {
        /// The container whose image it is for.
        container: String,
        /// Why.
        cause: RegistryError,
    },
    /// The engine failed.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// No credentials of the execution role.
    #[error("cannot act as the execution role `{role}`: {cause}")]
    Session {
        /// The role.
        role: String,
        /// The broker's answer.
        cause: ClientError,
    },
    /// The containers cannot have the role of the task.
    #[error("the task cannot have the role `{role}`: {cause}")]
    TaskRole {
        /// The role.
        role: String,
        /// The broker's answer.
        cause: ClientError,
    },
    /// References without a value: all of them, each with its place in the file.
    #[error("{} of the task's secret references could not be resolved; nothing was created", .0.len())]
    Unresolved(Vec<Diagnostic>),
}

impl LaunchError {
    /// What a failed grant of a task's role means: refused, or no broker.
    pub(super) fn of_role(role: String, cause: ClientError) -> Self {
        match cause {
            ClientError::Api { .. } => Self::TaskRole { role, cause },
            other => Self::Broker(other),
        }
    }

    /// The exit code; see the module's table.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NoSuchTask { .. } => 119,
            Self::Inputs(_)
            | Self::Registry { .. }
            | Self::Unresolved(_)
            | Self::Session { .. }
            | Self::TaskRole { .. } => 120,
            Self::Broker(_) | Self::NotRecorded(_) => 121,
            Self::Runtime(RuntimeError::Unavailable { .. } | RuntimeError::Version { .. }) => 122,
            Self::Runtime(RuntimeError::Pull { .. }) => 123,
            Self::Dependency { .. } | Self::RuntimeNotRegistered { .. } | Self::Runtime(_) => 124,
        }
    }

    /// Findings that point into the task definition.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        match self {
            Self::Inputs(diagnostics) | Self::Unresolved(diagnostics) => diagnostics,
            _ => &[],
        }
    }
}
