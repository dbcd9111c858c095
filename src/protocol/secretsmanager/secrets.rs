//! Secrets themselves: `CreateSecret`, `UpdateSecret`, `DescribeSecret`,
//! `DeleteSecret`.

use super::{
    DESCRIPTION, KMS_KEY_ID, NAME, SECRET_ID, SECRET_TYPE, SecretContent, TOKEN, Tag, invalid_parameter,
};
use crate::protocol::error::ApiError;
use crate::protocol::fields::Fields;
use crate::protocol::rules::{REGION, Text};
use crate::protocol::writer::{Encode, Object, Sink};
use jiff::Timestamp;

/// Makes a secret.
#[derive(Debug)]
pub struct CreateSecretRequest {
    /// The friendly name.
    pub name: String,
    /// Becomes the first version's id; makes the request idempotent.
    pub client_request_token: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Key id, key ARN or alias; the default key if absent.
    pub kms_key_id: Option<String>,
    /// The first version; none if absent.
    pub content: Option<SecretContent>,
    /// Tags.
    pub tags: Option<Vec<Tag>>,
    /// Where to replicate to.
    pub add_replica_regions: Option<Vec<ReplicaRegion>>,
    /// Whether a secret of the same name in a replica Region is overwritten.
    pub force_overwrite_replica_secret: bool,
    /// The kind of a secret that a partner manages.
    pub secret_type: Option<String>,
}

impl CreateSecretRequest {
    /// Reads the request body.
    ///
    /// # Errors
    /// `SerializationException`, `ValidationException`, `InvalidParameterException`.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse(body)?;
        let request = Self {
            name: fields.required_text("Name", NAME)?,
            client_request_token: fields.text("ClientRequestToken", TOKEN)?,
            description: fields.text("Description", DESCRIPTION)?,
            kms_key_id: fields.text("KmsKeyId", KMS_KEY_ID)?,
            content: SecretContent::take(&mut fields)?,
            tags: Tag::take_list(&mut fields)?,
            add_replica_regions: ReplicaRegion::take_list(&mut fields)?,
            force_overwrite_replica_secret: fields.boolean("ForceOverwriteReplicaSecret")?.unwrap_or(false),
            secret_type: fields.text("Type", SECRET_TYPE)?,
        };
        let request = fields.finish(request)?;
        if !request.name.chars().all(|c| c.is_ascii_alphanumeric() || "-/_+=.@!".contains(c)) {
            return Err(ApiError::validation(
                "Invalid name. Must be a valid name containing alphanumeric characters, or any of the \
                 following: -/_+=.@!",
            ));
        }
        Ok(request)
    }
}

/// A Region to replicate to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaRegion {
    /// The Region code.
    pub region: String,
    /// The replica's key.
    pub kms_key_id: Option<String>,
}

impl ReplicaRegion {
    fn take_list(fields: &mut Fields) -> Result<Option<Vec<Self>>, ApiError> {
        fields.structures("AddReplicaRegions", (1, usize::MAX), |replica| {
            Ok(Self {
                region: replica.required_text("Region", Text::length(1, 128).matching(&REGION))?,
                kms_key_id: replica.text("KmsKeyId", KMS_KEY_ID)?,
            })
        })
    }
}

/// The new secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateSecretResponse {
    /// Its ARN.
    pub arn: String,
    /// Its name.
    pub name: String,
    /// The first version's id, if there is one.
    pub version_id: Option<String>,
    /// Present if replicas were asked for.
    pub replication_status: Option<Vec<ReplicationStatus>>,
}

impl Encode for CreateSecretResponse {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.text("ARN", &self.arn);
        object.text("Name", &self.name);
        object.optional_text("VersionId", self.version_id.as_deref());
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

/// Changes a secret; with a value, makes a new version.
#[derive(Debug)]
pub struct UpdateSecretRequest {
    /// Name, ARN or partial ARN.
    pub secret_id: String,
    /// Becomes the new version's id; makes the request idempotent.
    pub client_request_token: Option<String>,
    /// The new description.
    pub description: Option<String>,
    /// The new key.
    pub kms_key_id: Option<String>,
    /// The new value.
    pub content: Option<SecretContent>,
    /// The kind of a secret that a partner manages.
    pub secret_type: Option<String>,
}

impl UpdateSecretRequest {
    /// Reads the request body.
    ///
    /// # Errors
    /// `SerializationException`, `ValidationException`, `InvalidParameterException`.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse(body)?;
        let request = Self {
            secret_id: fields.required_text("SecretId", SECRET_ID)?,
            client_request_token: fields.text("ClientRequestToken", TOKEN)?,
            description: fields.text("Description", DESCRIPTION)?,
            kms_key_id: fields.text("KmsKeyId", KMS_KEY_ID)?,
            content: SecretContent::take(&mut fields)?,
            secret_type: fields.text("Type", SECRET_TYPE)?,
        };
        fields.finish(request)
    }
}

/// The changed secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdateSecretResponse {
    /// Its ARN.
    pub arn: String,
    /// Its name.
    pub name: String,
    /// The new version's id, if one was made.
    pub version_id: Option<String>,
}

impl Encode for UpdateSecretResponse {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.text("ARN", &self.arn);
        object.text("Name", &self.name);
        object.optional_text("VersionId", self.version_id.as_deref());
    }
}

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

/// When a secret goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// After this many days (7 to 30); it can be restored until then.
    AfterDays(u8),
    /// At once and for good.
    Now,
}

/// Deletes a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteSecretRequest {
    /// Name, ARN or partial ARN.
    pub secret_id: String,
    /// When; after 30 days if the request does not say.
    pub deletion: Deletion,
}

impl DeleteSecretRequest {
    /// Reads the request body.
    ///
    /// # Errors
    /// `SerializationException`, `ValidationException`, `InvalidParameterException`.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse(body)?;
        let secret_id = fields.required_text("SecretId", SECRET_ID)?;
        let days = fields.integer("RecoveryWindowInDays", i64::MIN, i64::MAX)?;
        let force = fields.boolean("ForceDeleteWithoutRecovery")?.unwrap_or(false);
        fields.finish(())?;
        let deletion = match (days, force) {
            (Some(_), true) => {
                return Err(invalid_parameter(
                    "You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.",
                ));
            }
            (None, true) => Deletion::Now,
            (days, false) => {
                let days = u8::try_from(days.unwrap_or(30)).ok().filter(|days| (7..=30).contains(days));
                Deletion::AfterDays(days.ok_or_else(|| {
                    invalid_parameter(
                        "The RecoveryWindowInDays value must be between 7 and 30 days (inclusive).",
                    )
                })?)
            }
        };
        Ok(Self { secret_id, deletion })
    }
}

/// The deleted secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteSecretResponse {
    /// Its ARN.
    pub arn: String,
    /// Its name.
    pub name: String,
    /// When it goes, or went.
    pub deletion_date: Timestamp,
}

impl Encode for DeleteSecretResponse {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.text("ARN", &self.arn);
        object.text("Name", &self.name);
        object.timestamp("DeletionDate", self.deletion_date);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn create_takes_every_member() {
        let request = CreateSecretRequest::decode(
            br#"{"Name": "prod/db", "ClientRequestToken": "0123456789abcdef0123456789abcdef", "Description": "",
                "KmsKeyId": "alias/x", "SecretString": "s", "Tags": [{"Key": "a", "Value": "b"}, {"Key": "c"}],
                "AddReplicaRegions": [{"Region": "eu-west-1"}], "ForceOverwriteReplicaSecret": true, "Type": "t"}"#,
        )
        .unwrap();
        assert_eq!(request.tags.unwrap()[1], Tag { key: "c".into(), value: String::new() });
        assert_eq!(request.add_replica_regions.unwrap()[0].region, "eu-west-1");
        assert!(request.force_overwrite_replica_secret);
    }

    #[test]
    fn create_refuses_bad_names_and_unknown_members() {
        let text = |body: &str| CreateSecretRequest::decode(body.as_bytes()).unwrap_err().message;
        assert!(text(r#"{"Name": "a b"}"#).starts_with("Invalid name. "));
        assert_eq!(
            text(r#"{"Name": "a", "SecretSting": "hunter2"}"#),
            "1 validation error detected: 'SecretSting' is not a member of this operation's input"
        );
        assert!(
            text(&format!(r#"{{"Name": "{}"}}"#, "a".repeat(513))).ends_with("less than or equal to 512")
        );
    }

    #[test]
    fn deletion_windows() {
        let decode = |rest: &str| {
            let body = format!(r#"{{"SecretId": "a"{rest}}}"#);
            DeleteSecretRequest::decode(body.as_bytes()).map(|r| r.deletion).map_err(|e| e.code)
        };
        assert_eq!(decode(""), Ok(Deletion::AfterDays(30)));
        assert_eq!(decode(r#", "RecoveryWindowInDays": 7"#), Ok(Deletion::AfterDays(7)));
        assert_eq!(decode(r#", "ForceDeleteWithoutRecovery": true"#), Ok(Deletion::Now));
        for bad in [
            r#", "RecoveryWindowInDays": 6"#,
            r#", "RecoveryWindowInDays": 31"#,
            r#", "RecoveryWindowInDays": 4611686018427387911"#,
            r#", "RecoveryWindowInDays": 7, "ForceDeleteWithoutRecovery": true"#,
        ] {
            assert_eq!(decode(bad), Err("InvalidParameterException"), "{bad}");
        }
    }

    #[test]
    fn absent_members_are_absent() {
        let described = DescribeSecretResponse {
            metadata: SecretMetadata { arn: "a".into(), name: "n".into(), ..SecretMetadata::default() },
            replication_status: None,
        };
        assert_eq!(std::str::from_utf8(&described.encode()).unwrap(), r#"{"ARN":"a","Name":"n"}"#);
    }
}
