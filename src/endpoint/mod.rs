//! Endpoints for processes that do not sign: plain HTTP, for this host only, in front of a broker.
//!
//! | endpoint | for | where |
//! |---|---|---|
//! | [`task`] | containers of tasks: credentials of their role, metadata | 169.254.170.2, as on ECS |
//!
//! To the broker an endpoint is a client like any other: it has an identity of its own, each
//! request is authorised and on record there, and nothing is kept here that outlives a request.

pub mod http;
mod origin;
mod rate;
pub mod task;
