//! The integration tests: one binary, so that they link once.

mod policy_matrix;
mod policy_properties;
mod policy_vectors;
