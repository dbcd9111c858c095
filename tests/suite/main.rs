//! The integration tests, in one binary so that it links once.

mod ecs_vectors;
mod store_conformance;
mod store_crash;
mod store_files;
