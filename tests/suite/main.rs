//! One integration binary: it links once, and its modules share what they need.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod audit_crash;
mod audit_kit;
mod audit_log;
mod audit_tamper;
mod store_conformance;
mod store_crash;
mod store_files;
