//! One invocation of a function, whatever is behind its ARN.

use super::{Reach, command, http};
use crate::broker::{Broker, Function, SessionError, Target};
use crate::vault::Attempt;
use serde_json::json;

/// Why a step did not succeed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct StepFailure {
    /// What happened, without anything that the function said.
    pub(super) failure: String,
    /// The end of what the function said.
    pub(super) said: String,
}

impl StepFailure {
    pub(super) fn new(failure: impl Into<String>) -> Self {
        Self { failure: failure.into(), said: String::new() }
    }
}

/// Calls the function for one step and waits for its end, for as long as it may take.
pub(super) async fn call(
    broker: &Broker,
    reach: &Reach,
    function: &Function,
    attempt: &Attempt,
    step: &str,
) -> Result<(), StepFailure> {
    let event = json!({
        "Step": step,
        "SecretId": attempt.secret,
        "ClientRequestToken": attempt.token,
        "RotationToken": broker.vault().secrets().rotation_token(&attempt.secret, &attempt.token),
    });
    let called = async {
        match &function.target {
            Target::Http { url, ca_pem } => http::call(url, ca_pem.as_deref(), &event).await,
            Target::Command { command, grant } => {
                let session = broker.rotation_session(function, grant, attempt).await.map_err(no_session)?;
                let place = command::Place { name: function.name(), region: &attempt.region, reach };
                command::call(command, &event, &session, &place).await
            }
        }
    };
    match tokio::time::timeout(function.timeout, called).await {
        Ok(outcome) => outcome,
        Err(_) => {
            let seconds = function.timeout.as_secs();
            Err(StepFailure::new(format!("the function took longer than {seconds} seconds")))
        }
    }
}

fn no_session(error: SessionError) -> StepFailure {
    StepFailure::new(match error {
        SessionError::Untrusted { role } => format!("the role {role} does not trust lambda.amazonaws.com"),
        SessionError::Denied(_) => "the session of the role could not be recorded".to_owned(),
    })
}
