//! Endpoints for processes that do not sign: plain HTTP, for this host only, in front of a broker.
//!
//! | endpoint | for | where |
//! |---|---|---|
//! | [`agent`] | a process that reads secrets and parameters | 127.0.0.1:2773, as AWS's local agents |
//! | [`task`] | containers of tasks: credentials of their role, metadata | 169.254.170.2, as on ECS |
//!
//! To the broker an endpoint is a client like any other: it has an identity of its own, each
//! request is authorised and on record there, a hand-out of a value that the agent has kept included.

pub mod agent;
pub mod http;
mod origin;
mod rate;
pub mod task;
