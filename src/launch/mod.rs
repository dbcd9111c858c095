//! The launch side: from a task plan to running containers that hold their secrets.
//!
//! ```text
//! TaskPlan -> files and images there? -> session of the execution role -> every reference read, or one error
//!          -> audit record -> containers created -> started by `dependsOn` -> logs, exits, stop order
//! ```
//!
//! It owns the Docker socket and never opens the vault: to the broker it is an
//! API client like any other. Two deliveries: with [`Delivery::Env`] the values
//! stand in Docker's create call, as with the ECS agent; with
//! [`Delivery::Runtime`] the containers are created with references, and
//! [`hook`], running in place of runc, replaces them when the process is made.

mod cgroup;
mod daemon_config;
mod docker;
mod docker_facts;
mod docker_logs;
pub mod endpoint;
mod error;
mod events;
mod fetch;
mod gate;
pub mod hook;
mod identity;
mod inputs;
mod interrupts;
mod log_position;
mod logs;
mod make;
mod mapping;
mod network;
mod objects;
mod options;
mod outcome;
mod pause;
mod prepare;
mod redaction;
mod resolve;
mod runtime;
pub mod service;
mod supervise;
pub mod supervisor;
mod tar;
mod task;
mod tasks;

pub use cgroup::Hierarchy;
pub use daemon_config::{RuntimeEntry, register, registered, unregister};
pub use docker::Docker;
pub use error::LaunchError;
pub use events::Event;
pub use inputs::{differences, missing, odd_lines};
pub use interrupts::{Interrupt, interrupts};
pub use mapping::Delivery;
pub use objects::{Directories, ObjectError};
pub use options::{Options, PullPolicy, new_task_id};
pub use outcome::{ContainerOutcome, Outcome};
pub use runtime::{
    ContainerRuntime, Health, Image, Inspection, Listed, LogRequest, NewContainer, NewVolume, Output,
    OutputStream, PublishedPort, RuntimeError,
};
pub use task::{check, run};
pub use tasks::{
    ContainerDescription, ContainerSummary, TaskSummary, describe, find, forget, list, logs, stop,
};
