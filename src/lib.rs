//! Sealdock: secrets for containers, the way Amazon ECS hands them out.

pub mod arn;
pub mod audit;
pub mod broker;
pub mod cli;
pub mod client;
pub mod clock;
pub mod config;
pub mod diagnostic;
pub mod ecs;
pub mod json;
//pub mod launch;
pub mod memory;
pub mod policy;
pub mod protocol;
pub mod secret;
pub mod server;
pub mod store;
pub mod vault;
