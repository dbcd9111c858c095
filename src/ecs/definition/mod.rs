//! The task definition of Amazon ECS, as `RegisterTaskDefinition` takes it and
//! `DescribeTaskDefinition` prints it.
//!
//! Every field of the API is known here and meets one of three fates:
//!
//! - it is carried into the model, for Docker or for the plan;
//! - it has no effect on one host (tags, placement): accepted with a note;
//! - it asks for what one Linux host cannot be (Windows): refused.
//!
//! A value of another type than the API's is taken where only one thing can be
//! meant (`"64"` for 64), with a note. Unknown fields and duplicate keys are refused, `null` and empty lists count as
//! absent. All errors of a file are reported together, each with its place.

mod container;
mod fields;
mod health;
mod ignored;
mod linux;
mod logging;
mod network;
mod placed;
mod repeats;
mod storage;
mod task;
mod units;

pub use container::{
    Condition, ContainerDefinition, ContainerSettings, Dependency, Link, RestartPolicy, VolumesFrom,
};
pub(in crate::ecs) use fields::Findings;
pub use fields::Spanned;
pub use health::HealthCheck;
pub use linux::{Device, LinuxParameters, Tmpfs, Ulimit};
pub use logging::{ConfigFile, Firelens, LogConfiguration, Router, SecretBinding};
pub use network::{ExtraHost, NetworkMode, PortMapping, PortRange, Protocol};
pub use storage::{MountPoint, Volume, VolumeScope, VolumeSource};
pub use task::{IpcMode, PidMode, TaskDefinition, parse, read};

#[cfg(test)]
mod tests;
