//! One attempt to rotate one secret.
//!
//! A failure's text is for the audit log and the record of the secret. It says which step
//! failed and how, and repeats nothing that the function said: that may hold a value.

use super::invoke::{self, StepFailure};
use super::{Reach, said};
use crate::audit::AuditError;
use crate::broker::{Broker, RotationEvent};
use crate::vault::{Attempt, AttemptEnd, SecretFailure};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::sync::watch;

/// Whether the broker stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// It does not.
    No,
    /// No more attempts begin.
    Soon,
    /// Those that run end.
    Now,
}

const STEPS: [&str; 4] = ["createSecret", "setSecret", "testSecret", "finishSecret"];
const TEST: [&str; 1] = ["testSecret"];

/// Makes the attempt that is due for this secret, if one is.
pub(super) async fn make(broker: &Arc<Broker>, reach: &Reach, id: &str, stopping: watch::Receiver<Stop>) {
    let outcome = match report_abandoned(broker, id).await {
        Ok(()) => rotate(broker, reach, id, stopping).await,
        Err(error) => Err(error),
    };
    if let Err(error) = outcome {
        tracing::error!(%error, "a rotation cannot go on");
    }
}

/// Why an attempt could not even fail.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Vault(#[from] SecretFailure),
    #[error(transparent)]
    Audit(#[from] AuditError),
}

/// Puts on record that rotations ended because their secret changed.
async fn report_abandoned(broker: &Broker, id: &str) -> Result<(), Trouble> {
    let secrets = broker.vault().secrets();
    let Some((arn, region, tokens)) = secrets.abandoned_rotations(id).filter(|(.., t)| !t.is_empty()) else {
        return Ok(());
    };
    for token in &tokens {
        broker.metrics().rotations_abandoned.count();
        let place = (arn.as_str(), region.as_str(), token.as_str());
        broker.note_rotation(RotationEvent::Abandoned, false, place, Value::Null).await?;
    }
    Ok(tokio::task::block_in_place(|| secrets.reported_abandoned(id, &tokens))?)
}

async fn rotate(
    broker: &Arc<Broker>,
    reach: &Reach,
    id: &str,
    mut stopping: watch::Receiver<Stop>,
) -> Result<(), Trouble> {
    let secrets = broker.vault().secrets();
    let Some(attempt) = tokio::task::block_in_place(|| secrets.begin_rotation_attempt(id))? else {
        return Ok(());
    };
    let metrics = broker.metrics();
    let note = |event, detail| {
        let place = (attempt.secret.as_str(), attempt.region.as_str(), attempt.token.as_str());
        broker.note_rotation(event, attempt.test_only, place, detail)
    };
    // Without a record the function is not called; the attempt counts, and is made again.
    note(RotationEvent::Started, json!({ "attempt": attempt.number })).await?;
    metrics.rotations_started.count();
    metrics.rotations_running.add(1);
    let outcome = tokio::select! {
        outcome = run(broker, reach, id, &attempt) => outcome,
        _ = stopping.wait_for(|stop| *stop == Stop::Now) => Err("the broker stopped".to_owned()),
    };
    metrics.rotations_running.add(-1);
    let failure = outcome.as_ref().err().cloned();
    let end = tokio::task::block_in_place(|| secrets.end_rotation_attempt(id, &attempt.token, outcome))?;
    let detail = match &failure {
        Some(failure) => json!({ "attempt": attempt.number, "failure": failure }),
        None => json!({ "attempt": attempt.number }),
    };
    match end {
        AttemptEnd::Succeeded => {
            metrics.rotations_succeeded.count();
            note(RotationEvent::Succeeded, detail).await?;
        }
        AttemptEnd::Failed => {
            metrics.rotations_failed.count();
            tracing::warn!(secret = %attempt.secret, version = %attempt.token, failure = failure.unwrap_or_default(), "a rotation failed");
            note(RotationEvent::Failed, detail).await?;
        }
        AttemptEnd::Abandoned => {
            metrics.rotations_abandoned.count();
            note(RotationEvent::Abandoned, detail).await?;
        }
    }
    Ok(())
}

/// Calls the function for each step.
async fn run(broker: &Broker, reach: &Reach, id: &str, attempt: &Attempt) -> Result<(), String> {
    let secrets = broker.vault().secrets();
    let promoted = || secrets.is_current(id, &attempt.token);
    if !attempt.test_only && promoted() {
        // An earlier attempt was cut short after its last step.
        return Ok(());
    }
    let steps = if attempt.test_only { TEST.as_slice() } else { STEPS.as_slice() };
    for step in steps {
        if !secrets.is_rotating(id, &attempt.token) {
            return Err("the rotation was ended".into());
        }
        call(broker, reach, attempt, step).await.map_err(|failure| format!("{step}: {failure}"))?;
    }
    if attempt.test_only || promoted() {
        return Ok(());
    }
    Err("finishSecret: the function returned, and AWSCURRENT is not on the new version".into())
}

async fn call(broker: &Broker, reach: &Reach, attempt: &Attempt, step: &str) -> Result<(), String> {
    let Some(function) = broker.function(&attempt.function) else {
        return Err("no [[function]] of the configuration has the ARN of the rotation function".into());
    };
    let called = invoke::call(broker, reach, function, attempt, step).await;
    called.map_err(|StepFailure { failure, said }| {
        tracing::warn!(function = %function.arn, %step, %failure, "a rotation function failed");
        if let Some(file) = function.log.as_ref().filter(|_| !said.is_empty()) {
            let kept =
                tokio::task::block_in_place(|| said::keep(file, broker.now(), function.name(), step, &said));
            if let Err(error) = kept {
                tracing::warn!(file = %file.display(), %error, "what a function said cannot be kept");
            }
        }
        failure
    })
}
