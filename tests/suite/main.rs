//! The integration tests, in one binary so that it links once.

mod audit_crash;
mod audit_kit;
mod audit_log;
mod audit_tamper;
mod ecs_vectors;
mod policy_matrix;
mod policy_properties;
mod policy_vectors;
mod store_conformance;
mod store_crash;
mod store_files;
