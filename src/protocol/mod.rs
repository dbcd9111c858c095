//! The AWS JSON 1.1 protocol, and the Query protocol for STS, without I/O: which operation a request names, what
//! its body must hold, how it is signed, and how answers and errors are written.
//!
//! ```text
//! POST /  X-Amz-Target: secretsmanager.GetSecretValue   -> Operation
//!         Authorization: AWS4-HMAC-SHA256 ...           -> sigv4::Presented -> verify
//!         {"SecretId": "..."}                           -> GetSecretValueRequest
//! 200     {"ARN": "...", "SecretString": "..."}         <- GetSecretValueResponse
//! 400     {"__type": "ResourceNotFoundException", ..}   <- ApiError
//! ```
//!
//! A request struct that exists satisfies every constraint of its service model.
//! What depends on stored state (does the secret exist, is the name taken) is
//! not decided here.

pub mod answer;
mod body;
pub mod error;
pub mod fields;
pub mod kms;
pub mod operation;
pub mod query;
pub mod rules;
pub mod sealdock;
pub mod secretsmanager;
pub mod sigv4;
pub mod ssm;
pub mod sts;
pub mod writer;

pub use error::ApiError;
pub use operation::{Coverage, Operation, Service};

/// The media type of every request and answer.
pub const CONTENT_TYPE: &str = "application/x-amz-json-1.1";

#[cfg(test)]
mod tests;
