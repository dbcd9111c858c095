//! What came back from the calls of a plan, and the words for what did not.
//!
//! The error texts are those of the ECS agent on top of the AWS SDK for Go, so
//! that a failure reads here as it would in a stopped task's reason.

use super::plan::{ParameterBatch, ParameterRead, SecretRead};
use crate::secret::SecretValue;
use std::collections::HashMap;

/// The answers to the reads of a plan.
#[derive(Debug)]
pub struct Fetched {
    region: String,
    secrets: HashMap<SecretRead, Result<FetchedSecret, FetchError>>,
    parameters: HashMap<ParameterRead, Result<FetchedParameter, FetchError>>,
}

/// One version of a secret.
#[derive(Debug)]
pub struct FetchedSecret {
    /// Full ARN, as the service answered it.
    pub arn: String,
    /// The version that was read.
    pub version_id: String,
    /// `SecretString`; `None` when the secret is binary.
    pub text: Option<SecretValue>,
}

/// One parameter.
#[derive(Debug)]
pub struct FetchedParameter {
    /// Full ARN, as the service answered it.
    pub arn: String,
    /// The version that was read.
    pub version: String,
    /// The value, decrypted.
    pub value: SecretValue,
}

/// Why a call gave nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// The service refused.
    #[error(
        "https response error StatusCode: {status}, RequestID: {request_id}, {}",
        service_text(code, message)
    )]
    Service {
        /// HTTP status.
        status: u16,
        /// The service's error code, such as `AccessDeniedException`.
        code: String,
        /// The service's message.
        message: String,
        /// The id of the request.
        request_id: String,
    },
    /// No answer, or none that could be understood.
    #[error("{0}")]
    Unanswered(String),
    /// `GetParameters` listed the name as invalid, or answered under another name.
    #[error("invalid parameters: {name}")]
    InvalidParameter {
        /// The name that was asked for.
        name: String,
    },
}

impl Fetched {
    /// No answers yet. `region` is where names without a Region are looked up.
    pub fn new(region: &str) -> Self {
        Self { region: region.to_owned(), secrets: HashMap::new(), parameters: HashMap::new() }
    }

    /// Enters the answer to one `GetSecretValue`.
    pub fn secret(&mut self, read: SecretRead, answer: Result<FetchedSecret, FetchError>) {
        self.secrets.insert(read, answer);
    }

    /// Enters the answer to one `GetParameters`: the parameters by the names under
    /// which the service answered. A name of the batch that is not among them is invalid.
    pub fn parameters(
        &mut self,
        batch: &ParameterBatch,
        answer: Result<HashMap<String, FetchedParameter>, FetchError>,
    ) {
        let mut answer = answer;
        for name in &batch.names {
            let found = match &mut answer {
                Ok(parameters) => {
                    parameters.remove(name).ok_or_else(|| FetchError::InvalidParameter { name: name.clone() })
                }
                Err(error) => Err(error.clone()),
            };
            let read = ParameterRead { name: name.clone(), region: batch.region.clone() };
            self.parameters.insert(read, found);
        }
    }

    pub(super) fn find_secret(&self, read: &SecretRead) -> Option<&Result<FetchedSecret, FetchError>> {
        self.secrets.get(read)
    }

    pub(super) fn find_parameter(
        &self,
        read: &ParameterRead,
    ) -> Option<&Result<FetchedParameter, FetchError>> {
        self.parameters.get(read)
    }

    /// The agent's text for a secret that could not be read.
    pub(super) fn secret_failure(read: &SecretRead, error: &FetchError) -> String {
        let id = &read.secret_id;
        let detail = format!("operation error Secrets Manager: GetSecretValue, {error}");
        match error {
            FetchError::Service { code, .. } if code == "ResourceNotFoundException" => format!(
                "ResourceNotFoundException: The task can't retrieve the secret with ARN '{id}' from AWS \
                 Secrets Manager. Check whether the secret exists in the specified Region: {detail}"
            ),
            // The agent really says it twice.
            _ => format!("secret {id}: {detail}: {detail}"),
        }
    }

    /// The agent's text for a parameter that could not be read.
    pub(super) fn parameter_failure(&self, read: &ParameterRead, error: &FetchError) -> String {
        let region = read.region.as_deref().unwrap_or(&self.region);
        let operation = match error {
            FetchError::InvalidParameter { .. } => "",
            _ => "operation error SSM: GetParameters, ",
        };
        format!("fetching secret data from SSM Parameter Store in {region}: {operation}{error}")
    }
}

/// The SDK names modelled exceptions directly and prefixes all others.
fn service_text(code: &str, message: &str) -> String {
    const MODELLED: [&str; 7] = [
        "DecryptionFailure",
        "InternalServiceError",
        "InternalServerError",
        "InvalidKeyId",
        "InvalidParameterException",
        "InvalidRequestException",
        "ResourceNotFoundException",
    ];
    let prefix = if MODELLED.contains(&code) { "" } else { "api error " };
    format!("{prefix}{code}: {message}")
}
