//! One integration binary: it links once, and its modules share what they need.

mod store_conformance;
mod store_crash;
mod store_files;
