//! Task definitions of Amazon ECS, and what becomes of their references.

pub mod definition;
pub mod environment;
pub mod fetched;
pub mod gojson;
pub mod injection;
pub mod plan;
pub mod render;
pub mod valuefrom;
