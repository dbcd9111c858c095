//! What is known about a secret apart from its value: `DescribeSecret`, and the
//! shapes that `ListSecrets` shares with it.

use super::{SECRET_ID, Tag};
use crate::protocol::error::ApiError;
use crate::protocol::fields::Fields;
use crate::protocol::writer::{Encode, Object, Sink};
use jiff::Timestamp;

/// Asks for the metadata of one secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribeSecretRequest {
    /// Name, ARN or partial ARN.
    pub secret_id: String,
}

impl DescribeSecretRequest {
    /// Reads the request body.
    ///
    /// # Errors
    /// `SerializationException`, `ValidationException`.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse(body)?;
        let request = Self { secret_id: fields.required_text("SecretId", SECRET_ID)? };
        fields.finish(request)
    }
}

/// Everything about a secret but its value; shared by `DescribeSecret` and
/// `ListSecrets`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecretMetadata {
    /// The ARN.
    pub arn: String,
    /// The friendly name.
    pub name: String,
    /// The kind of a secret that a partner manages.
    pub secret_type: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Absent for the default key.
    pub kms_key_id: Option<String>,
    /// Absent if rotation was never set up.
    pub rotation_enabled: Option<bool>,
    /// The rotation function.
    pub rotation_lambda_arn: Option<String>,
    /// When it rotates.
    pub rotation_rules: Option<RotationRules>,
    /// The last rotation.
    pub last_rotated_date: Option<Timestamp>,
    /// The last change of any kind.
    pub last_changed_date: Option<Timestamp>,
    /// The day of the last read.
    pub last_accessed_date: Option<Timestamp>,
    /// Present while it waits for deletion.
    pub deleted_date: Option<Timestamp>,
    /// The next rotation.
    pub next_rotation_date: Option<Timestamp>,
    /// Absent if it never had tags.
    pub tags: Option<Vec<Tag>>,
    /// Version id to stages; absent if there is no version.
    pub versions_to_stages: Vec<(String, Vec<String>)>,
    /// The AWS service that made it.
    pub owning_service: Option<String>,
    /// When it was made.
    pub created_date: Option<Timestamp>,
    /// The Region of the primary, for replicated secrets.
    pub primary_region: Option<String>,
}

impl SecretMetadata {
    /// `versions` is what the operation calls its version map.
    pub(super) fn write<S: Sink>(&self, object: &mut Object<'_, S>, versions: &str) {
        object.text("ARN", &self.arn);
        object.text("Name", &self.name);
        object.optional_text("Type", self.secret_type.as_deref());
        object.optional_text("Description", self.description.as_deref());
        object.optional_text("KmsKeyId", self.kms_key_id.as_deref());
        if let Some(enabled) = self.rotation_enabled {
            object.boolean("RotationEnabled", enabled);
        }
        object.optional_text("RotationLambdaARN", self.rotation_lambda_arn.as_deref());
        if let Some(rules) = &self.rotation_rules {
            object.structure("RotationRules", rules);
        }
        object.optional_timestamp("LastRotatedDate", self.last_rotated_date);
        object.optional_timestamp("LastChangedDate", self.last_changed_date);
        object.optional_timestamp("LastAccessedDate", self.last_accessed_date);
        object.optional_timestamp("DeletedDate", self.deleted_date);
        object.optional_timestamp("NextRotationDate", self.next_rotation_date);
        if let Some(tags) = &self.tags {
            object.structures("Tags", tags);
        }
        if !self.versions_to_stages.is_empty() {
            object.text_lists(versions, &self.versions_to_stages);
        }
        object.optional_text("OwningService", self.owning_service.as_deref());
        object.optional_timestamp("CreatedDate", self.created_date);
        object.optional_text("PrimaryRegion", self.primary_region.as_deref());
    }
}

/// When a secret rotates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RotationRules {
    /// Days between rotations.
    pub automatically_after_days: Option<i64>,
    /// Length of the rotation window, such as `3h`.
    pub duration: Option<String>,
    /// A `cron()` or `rate()` expression.
    pub schedule_expression: Option<String>,
}

impl Encode for RotationRules {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        if let Some(days) = self.automatically_after_days {
            object.integer("AutomaticallyAfterDays", days);
        }
        object.optional_text("Duration", self.duration.as_deref());
        object.optional_text("ScheduleExpression", self.schedule_expression.as_deref());
    }
}

/// The metadata of one secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DescribeSecretResponse {
    /// What `ListSecrets` gives as well.
    pub metadata: SecretMetadata,
    /// Present for replicated secrets.
    pub replication_status: Option<Vec<ReplicationStatus>>,
}

impl Encode for DescribeSecretResponse {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        self.metadata.write(object, "VersionIdsToStages");
        if let Some(replicas) = &self.replication_status {
            object.structures("ReplicationStatus", replicas);
        }
    }
}

/// How a replica is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicationStatus {
    /// The Region code.
    pub region: String,
    /// The replica's key.
    pub kms_key_id: Option<String>,
    /// `InSync`, `Failed` or `InProgress`.
    pub status: String,
    /// Why.
    pub status_message: Option<String>,
    /// The day of the last read.
    pub last_accessed_date: Option<Timestamp>,
}

impl Encode for ReplicationStatus {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.text("Region", &self.region);
        object.optional_text("KmsKeyId", self.kms_key_id.as_deref());
        object.text("Status", &self.status);
        object.optional_text("StatusMessage", self.status_message.as_deref());
        object.optional_timestamp("LastAccessedDate", self.last_accessed_date);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_members_are_absent() {
        let described = DescribeSecretResponse {
            metadata: SecretMetadata { arn: "a".into(), name: "n".into(), ..SecretMetadata::default() },
            replication_status: None,
        };
        assert_eq!(std::str::from_utf8(&described.encode()).unwrap(), r#"{"ARN":"a","Name":"n"}"#);
    }
}
