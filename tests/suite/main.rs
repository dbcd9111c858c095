//! One integration binary: it links once, and its modules share what they need.

mod audit_crash;
mod audit_kit;
mod audit_log;
mod audit_tamper;
mod store_conformance;
mod store_crash;
mod store_files;
