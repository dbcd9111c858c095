//! The integration tests, in one binary so that it links once.

#[cfg(test)]
mod ecs_vectors;
