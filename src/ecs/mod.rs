//! Task definitions of Amazon ECS, and what becomes of their references.

pub mod definition;
pub mod plan;
pub mod valuefrom;
