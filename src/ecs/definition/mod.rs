//! The task definition of Amazon ECS, as `RegisterTaskDefinition` takes it and
//! `DescribeTaskDefinition` prints it.
//!
//! Every field of the API is known here and meets one of three fates:
//!
//! - it is carried into the model, for Docker or for the plan;
//! - it has no effect on one host (tags, placement): accepted with a warning;
//! - it would change what the task does and is not supported: refused.
//!
//! Unknown fields and duplicate keys are refused, `null` and empty lists count as
//! absent. All errors of a file are reported together, each with its place.

mod container;
mod fields;
mod health;
mod linux;
mod logging;
mod network;
mod storage;
mod task;

pub use container::{Condition, ContainerDefinition, ContainerSettings, Dependency};
pub(in crate::ecs) use fields::Findings;
pub use fields::Spanned;
pub use health::HealthCheck;
pub use linux::{Device, LinuxParameters, Tmpfs, Ulimit};
pub use logging::{LogConfiguration, SecretBinding};
pub use network::{ExtraHost, NetworkMode, PortMapping, Protocol};
pub use storage::{MountPoint, Volume, VolumeScope, VolumeSource};
pub use task::{IpcMode, TaskDefinition, parse};

#[cfg(test)]
mod tests;
