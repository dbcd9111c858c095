//! Sealdock: secrets for containers, the way Amazon ECS hands them out.

pub mod arn;
pub mod client;
pub mod clock;
pub mod diagnostic;
pub mod ecs;
pub mod json;
pub mod launch;
pub mod protocol;
pub mod secret;
