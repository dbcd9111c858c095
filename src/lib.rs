//! Sealdock: secrets for containers, the way Amazon ECS hands them out.

pub mod arn;
pub mod audit;
pub mod clock;
pub mod diagnostic;
pub mod json;
pub mod policy;
pub mod secret;
pub mod store;
