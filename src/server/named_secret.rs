//! Secrets as requests name them, and as answers and errors show them; shared by the
//! files of Secrets Manager's operations.

use super::exchange::{Exchange, Failure};
use super::{secret_keys, secret_kms};
use crate::audit::Permit;
use crate::broker::Ask;
use crate::policy::ConditionKeys;
use crate::protocol::secretsmanager::{self as wire, GetSecretValueResponse, SecretMetadata};
use crate::protocol::{ApiError, Operation};
use crate::vault::{
    KeyError, Rotation, RotationRules, Row, SecretError, SecretFailure, SecretRecord, SecretVersionValue,
    Secrets,
};
use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;

/// A secret that a request names: the record, if there is one, and the ARN to authorise.
pub(super) struct Named {
    pub(super) id: String,
    pub(super) arn: String,
    pub(super) found: Option<Arc<Row<SecretRecord>>>,
}

impl Named {
    pub(super) fn new(exchange: &Exchange<'_>, id: String) -> Self {
        let found = exchange.broker.vault().secrets().find(&exchange.scope, &id);
        let arn = match &found {
            Some(row) => row.record.arn(),
            None => Secrets::hypothetical_arn(&exchange.scope, &id),
        };
        Self { id, arn, found }
    }

    /// Passes the gate with the secret's policy and the condition keys that follow from the secret.
    pub(super) async fn authorize(
        &self,
        exchange: &Exchange<'_>,
        operation: Operation,
    ) -> Result<Permit, Failure> {
        self.authorize_with(exchange, operation, ConditionKeys::new()).await
    }

    /// As [`Named::authorize`], with the condition keys that follow from the request.
    pub(super) async fn authorize_with(
        &self,
        exchange: &Exchange<'_>,
        operation: Operation,
        mut keys: ConditionKeys,
    ) -> Result<Permit, Failure> {
        let record = self.found.as_ref().map(|row| &row.record);
        if let Some(record) = record {
            secret_keys::of_secret(&mut keys, record);
        }
        let policy = match record.and_then(|record| record.policy.as_ref()) {
            None => None,
            Some(policy) => policy
                .compiled()
                .map(Some)
                .or_else(|| mends(exchange, &self.arn, operation).then_some(None))
                .ok_or_else(unenforceable)?,
        };
        let action = operation.action();
        let resource_tags = record.map(|record| record.tags.as_slice()).unwrap_or_default();
        exchange.ask(Ask { keys, policy, resource_tags, ..Ask::new(&action, &self.arn) }, &self.id).await
    }

    pub(super) fn existing(self) -> Result<Arc<Row<SecretRecord>>, Failure> {
        self.found.ok_or_else(|| wire::secret_not_found().into())
    }
}

/// Whether this is the root of the secret's account at work on a policy that cannot be enforced.
fn mends(exchange: &Exchange<'_>, arn: &str, operation: Operation) -> bool {
    let root = exchange.context.caller.as_ref().is_some_and(|caller| {
        caller.is_root() && arn.split(':').nth(4).is_some_and(|account| account == caller.account())
    });
    let about = [Operation::GetResourcePolicy, Operation::PutResourcePolicy, Operation::DeleteResourcePolicy];
    root && about.contains(&operation)
}

/// The stored policy does not compile, so that nobody can tell whom it denies what.
fn unenforceable() -> Failure {
    ApiError::access_denied_text(
        "The resource policy of the secret cannot be enforced, so every request for the secret is refused: the root of \
         its account can replace it with PutResourcePolicy.",
    )
    .into()
}

/// A value as `GetSecretValue` and `BatchGetSecretValue` show it.
pub(super) fn shown(read: SecretVersionValue) -> GetSecretValueResponse {
    let content = if read.binary {
        wire::SecretContent::Binary(read.value)
    } else {
        wire::SecretContent::String(read.value)
    };
    GetSecretValueResponse {
        arn: read.secret.record.arn(),
        name: read.secret.record.name.clone(),
        version_id: read.version_id,
        content,
        version_stages: read.stages,
        created_date: read.created,
    }
}

/// A secret as `DescribeSecret` and `ListSecrets` show it.
pub(super) fn metadata(exchange: &Exchange<'_>, record: &SecretRecord) -> SecretMetadata {
    let now = exchange.broker.now();
    let staged = record.versions.iter().filter(|v| !v.stages.is_empty());
    let tag = |(key, value): &(String, String)| wire::Tag { key: key.clone(), value: value.clone() };
    let tags: Vec<wire::Tag> = record.tags.iter().map(tag).collect();
    let rotation = record.rotation.as_ref();
    SecretMetadata {
        rotation_enabled: rotation.map(|r| r.enabled),
        rotation_lambda_arn: rotation.map(|r| r.function.clone()),
        rotation_rules: rotation.and_then(|r| rules(r, now)),
        // Absent while rotation is turned off. Source: API Reference, `DescribeSecret`.
        last_rotated_date: rotation.filter(|r| r.enabled).and_then(|r| r.last_rotated),
        next_rotation_date: rotation
            .filter(|_| record.deletion.is_none())
            .and_then(|r| next_rotation(r, now)),
        arn: record.arn(),
        name: record.name.clone(),
        description: record.description.clone().filter(|text| !text.is_empty()),
        kms_key_id: record.kms_key_id.clone(),
        last_changed_date: Some(record.changed),
        last_accessed_date: exchange.broker.vault().last_accessed(record),
        deleted_date: record.deletion.as_ref().map(|d| d.requested),
        tags: (record.tagged || !tags.is_empty()).then_some(tags),
        versions_to_stages: staged.map(|v| (v.id.clone(), v.stages.clone())).collect(),
        created_date: Some(record.created),
        primary_region: record.shown_primary_region().map(str::to_owned),
        ..SecretMetadata::default()
    }
}

/// The rules as they were given. An expression gets the interval that follows from it, once the
/// secret has rotated.
fn rules(rotation: &Rotation, now: Timestamp) -> Option<wire::RotationRules> {
    let rules = &rotation.rules;
    let derived = || rotation.last_rotated.and_then(|_| rotation.after_days(now));
    (*rules != RotationRules::default()).then(|| wire::RotationRules {
        automatically_after_days: rules.automatically_after_days.or_else(derived),
        duration: rules.duration.clone(),
        schedule_expression: rules.schedule_expression.clone(),
    })
}

/// The last second of the next window: rotation happens on or before it.
fn next_rotation(rotation: &Rotation, now: Timestamp) -> Option<Timestamp> {
    rotation.next_window(now)?.closes.checked_sub(SignedDuration::from_secs(1)).ok()
}

/// The error that the client gets.
pub(super) fn refused(failure: SecretFailure) -> Failure {
    let error = match failure {
        SecretFailure::Refused(error) => error,
        SecretFailure::Vault(error) => return super::internal(&error).into(),
    };
    let text = error.to_string();
    Failure::Unrecorded(match error {
        SecretError::NotFound | SecretError::NoSuchStage(_) | SecretError::NoSuchVersion(_) => {
            wire::resource_not_found(text)
        }
        SecretError::Exists(_) | SecretError::TokenInUse { .. } => wire::resource_exists(text),
        SecretError::NoRotationFunction
        | SecretError::RotationPending
        | SecretError::RotationNotConfigured
        | SecretError::StageMismatch
        | SecretError::NameScheduledForDeletion
        | SecretError::ReplicaRemoving(_)
        | SecretError::MarkedForDeletion => wire::invalid_request(text),
        SecretError::TooManyStages | SecretError::TooManyVersions => wire::limit_exceeded(text),
        SecretError::StageHeld { .. }
        | SecretError::StageNotThere { .. }
        | SecretError::NothingToMove
        | SecretError::CurrentRemoved
        | SecretError::Schedule(_)
        | SecretError::Replica
        | SecretError::NotReplica
        | SecretError::HasReplicas { .. }
        | SecretError::InvalidReplicaRegion
        | SecretError::TooManyTags => wire::invalid_parameter(text),
        SecretError::EncryptionFailure(KeyError::OfAnotherService(_)) => secret_kms::no_access(),
        SecretError::EncryptionFailure(_) => wire::encryption_failure(text),
        SecretError::DecryptionFailure(_) => wire::decryption_failure(text),
    })
}
