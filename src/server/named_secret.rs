//! Secrets as requests name them, and as answers and errors show them; shared by the
//! files of Secrets Manager's operations.

use super::exchange::{Exchange, Failure};
use crate::audit::Permit;
use crate::protocol::Operation;
use crate::protocol::secretsmanager::{self as wire, GetSecretValueResponse, SecretMetadata};
use crate::vault::{Row, SecretError, SecretFailure, SecretRecord, SecretVersionValue, Secrets};
use jiff::Timestamp;
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

    pub(super) async fn authorize(
        &self,
        exchange: &Exchange<'_>,
        operation: Operation,
    ) -> Result<Permit, Failure> {
        exchange.authorize(&operation.action(), &self.arn, &self.id).await
    }

    pub(super) fn existing(self) -> Result<Arc<Row<SecretRecord>>, Failure> {
        self.found.ok_or_else(|| wire::secret_not_found().into())
    }
}

/// A value as `GetSecretValue` and `BatchGetSecretValue` show it.
pub(super) fn shown(read: SecretVersionValue) -> GetSecretValueResponse {
    let content = if read.version.binary {
        wire::SecretContent::Binary(read.value)
    } else {
        wire::SecretContent::String(read.value)
    };
    GetSecretValueResponse {
        arn: read.secret.record.arn(),
        name: read.secret.record.name.clone(),
        version_id: read.version.id,
        content,
        version_stages: read.version.stages,
        created_date: read.version.created,
    }
}

/// A secret as `DescribeSecret` and `ListSecrets` show it.
pub(super) fn metadata(record: &SecretRecord, accessed: Option<Timestamp>) -> SecretMetadata {
    let staged = record.versions.iter().filter(|v| !v.stages.is_empty());
    let tag = |(key, value): &(String, String)| wire::Tag { key: key.clone(), value: value.clone() };
    let tags: Vec<wire::Tag> = record.tags.iter().map(tag).collect();
    SecretMetadata {
        arn: record.arn(),
        name: record.name.clone(),
        description: record.description.clone(),
        kms_key_id: record.kms_key_id.clone(),
        last_changed_date: Some(record.changed),
        last_accessed_date: accessed,
        deleted_date: record.deletion.as_ref().map(|d| d.requested),
        tags: (!tags.is_empty()).then_some(tags),
        versions_to_stages: staged.map(|v| (v.id.clone(), v.stages.clone())).collect(),
        created_date: Some(record.created),
        ..SecretMetadata::default()
    }
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
        | SecretError::MarkedForDeletion => wire::invalid_request(text),
        SecretError::TooManyStages | SecretError::TooManyVersions => wire::limit_exceeded(text),
        SecretError::StageHeld { .. }
        | SecretError::StageNotThere { .. }
        | SecretError::NothingToMove
        | SecretError::CurrentRemoved
        | SecretError::Schedule(_)
        | SecretError::TooManyTags => wire::invalid_parameter(text),
    })
}
