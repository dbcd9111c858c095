//! The broker's edge: listeners with limits, and the AWS API behind them.
//!
//! | file | what it does |
//! |---|---|
//! | `listener.rs` and its companions, `tls.rs` | sockets, TLS, HTTP, limits |
//! | `api.rs`, `authenticate.rs`, `exchange.rs` | from an HTTP request to a proven caller and an answer |
//! | `secretsmanager.rs`, `list_secrets.rs`, `secret_*.rs` | Secrets Manager, one function an operation |
//! | `named_secret.rs`, `named_parameter.rs` | what requests name, and how answers and errors show it |
//! | `ssm.rs`, `ssm_*.rs`, `parameter_filters.rs` | Parameter Store, likewise |
//! | `sts.rs` | STS |
//! | `kms.rs`, `kms_*.rs` | KMS, likewise; `kms_use.rs` is the gate that the other services pass for a key |
//! | `sealdock.rs`, `sealdock_*.rs` | our own operations |
//! | `scrape.rs` | `GET /metrics` |

mod api;
mod authenticate;
mod bindings;
mod body;
mod connection;
mod exchange;
mod injections;
mod kms;
mod kms_aliases;
mod kms_named;
mod kms_policies;
mod kms_rotation;
mod kms_use;
mod limits;
mod list_secrets;
pub mod listener;
mod named_parameter;
mod named_secret;
mod parameter_filters;
mod parameter_kms;
mod scrape;
mod sealdock;
mod sealdock_reads;
mod sealdock_sessions;
mod sealdock_tasks;
mod secret_batch;
mod secret_filters;
mod secret_keys;
mod secret_kms;
mod secret_policy;
mod secret_replicas;
mod secret_rotation;
mod secret_tags;
mod secret_versions;
mod secretsmanager;
mod ssm;
mod ssm_labels;
mod ssm_listing;
mod ssm_references;
mod ssm_sharing;
mod ssm_tags;
mod sts;
pub mod tls;
mod unix_socket;

pub use api::Api;
pub use limits::Limits;
pub use listener::{Bind, Listener, PlainLoopback, serve};

use crate::protocol::ApiError;
use crate::vault::VaultError;

/// A failure of ours: the operator's log says what, the client learns only that.
fn internal(error: &VaultError) -> ApiError {
    tracing::error!(%error, "the vault failed");
    ApiError::internal_failure()
}
