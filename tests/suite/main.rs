//! The integration tests, in one binary so that it links once.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod audit_crash;
mod audit_kit;
mod audit_log;
mod audit_tamper;
mod bounds;
mod broker_api;
mod broker_audit;
mod broker_files;
mod broker_injections;
mod broker_kill;
mod broker_policies;
mod broker_secret_policies;
mod broker_shredding;
mod coverage;
mod docker_exec;
mod docker_hostile;
mod docker_images;
mod docker_kit;
mod docker_orchestrators;
mod docker_refusals;
mod docker_runtime;
mod docker_storm;
mod docker_task;
mod ecs_vectors;
mod hook_engines;
mod hook_kit;
mod hostile_clients;
mod kit;
mod kit_broker;
mod listener;
mod needles;
mod policy_cli;
mod policy_conditions;
mod policy_export;
mod policy_matrix;
mod policy_properties;
mod policy_speed;
mod policy_vectors;
mod rotation_schedule;
mod store_conformance;
mod store_crash;
mod store_erase;
mod store_files;
mod task_roles;
mod vault_key_rotation;
mod vault_kit;
mod vault_parameter_keys;
mod vault_replicas;
mod vault_shredding;
mod vault_time;
