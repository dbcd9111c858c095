//! The launch side: from a task plan to running containers that hold their secrets.
//!
//! ```text
//! TaskPlan -> images there? -> session of the execution role -> every reference read, or one error
//!          -> audit record -> containers created -> started by `dependsOn` -> logs, exits, stop order
//! ```
//!
//! It owns the Docker socket and never opens the vault: to the broker it is an
//! API client like any other. Two deliveries: with [`Delivery::Env`] the values
//! stand in Docker's create call, as with the ECS agent; with
//! [`Delivery::Runtime`] the containers are created with references, and
//! [`hook`], running in place of runc, replaces them when the process is made.

mod error;
mod runtime;

pub use error::LaunchError;
pub use runtime::{
    ContainerRuntime, Health, Image, Inspection, Listed, NewContainer, NewVolume, Output, OutputStream,
    RuntimeError,
};
