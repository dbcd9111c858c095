//! Sealdock: secrets for containers, the way Amazon ECS hands them out.
//!
//! One binary, two sides that share no privilege:
//!
//! * the **broker** owns an encrypted vault and serves the APIs of AWS Secrets Manager
//!   and SSM Parameter Store from it ([`server`], [`broker`], [`vault`], [`audit`]);
//! * the **launch side** owns the Docker socket, resolves the `valueFrom` references of
//!   ECS task definitions and puts the values into containers when they start
//!   ([`launch`], [`ecs`], [`client`]). To the broker it is an API client like any other.
//!
//! # The rule that everything follows
//!
//! A plaintext needs a [`Permit`](audit::Permit). Only the audit log makes one, from an
//! allow [`Decision`](policy::Decision) that it has already written to disk:
//!
//! ```text
//! policy::evaluate(..)                 -> Decision       pure
//! AuditLog::record(event, decision)    -> Permit         durable, or an error
//! vault.secrets().get_value(&permit)   -> SecretValue    checks action and resource
//! ```
//!
//! # Where to start reading
//!
//! | flow | begin at |
//! |---|---|
//! | a `GetSecretValue` request | `server/api.rs`, then `server/secretsmanager.rs` |
//! | a task launch | `cli/task/run.rs`, then `launch/task.rs` |
//! | a service and its redeployments | `launch/service/mod.rs` |
//! | a container that starts under the runtime hook | `launch/hook/mod.rs` |
//! | a container that asks for credentials or metadata | `endpoint/task/mod.rs` |
//! | the rotation of a secret | `rotation/mod.rs`, then `vault/rotation.rs` |
//! | audit review | `cli/audit.rs`, then `audit/verify.rs` |
//!
//! # Layers
//!
//! Imports go downward only; `tests/layering.rs` holds every file against this table.
//!
//! ```text
//! edges    cli config | endpoint | server (tokio, hyper) | client | rotation | launch (tokio, Docker)
//! broker   broker: state, callers, the gate, policy reload
//! records  vault -> audit -> store                  blocking I/O, no runtime
//! rules    policy, ecs, protocol, schedule          pure: no I/O, no clock
//! words    arn secret clock ids diagnostic json memory metrics
//! ```

pub mod arn;
pub mod audit;
pub mod broker;
pub mod cli;
pub mod client;
pub mod clock;
pub mod config;
pub mod diagnostic;
pub mod ecs;
pub mod endpoint;
pub mod ids;
pub mod json;
pub mod launch;
pub mod memory;
pub mod metrics;
pub mod policy;
pub mod protocol;
pub mod rotation;
pub mod schedule;
pub mod secret;
pub mod server;
pub mod store;
pub mod vault;
