//! Task definitions of Amazon ECS, and what becomes of their references.
//!
//! ```text
//! text --parse--> TaskDefinition --plan--> TaskPlan { containers, reads }
//!                 all errors of the         |  what to fetch, each thing once
//!                 file, with places         v
//!                                        Fetched   the answers, entered by the caller
//!                                           |
//!                       Injection::resolve(plan, fetched)   every value, or every reason
//!                                           v
//!                                       Injection --merge_environment, merge_log_options--> Docker
//! ```
//!
//! Everything here is a function of its arguments: no network, no files, no clock.
//! A launch makes the calls of [`plan::Reads`] and creates the containers. Texts
//! and values are exactly those of ECS; where Sealdock differs, it refuses.

pub mod definition;
pub mod document;
pub mod environment;
pub mod environment_file;
mod fargate;
pub mod fetched;
pub mod firelens;
pub mod gojson;
pub mod injection;
mod log_drivers;
mod order;
pub mod plan;
mod registration;
pub mod registry;
pub mod render;
pub mod valuefrom;

pub use definition::{TaskDefinition, parse, read};
pub use document::{Reading, Values, compose};
pub use injection::Injection;
pub use plan::TaskPlan;
pub use valuefrom::ValueFrom;
