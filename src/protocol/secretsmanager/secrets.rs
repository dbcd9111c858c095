//! Secrets themselves: `CreateSecret`, `UpdateSecret`, `DeleteSecret`,
//! `RestoreSecret`.

use super::{
    DESCRIPTION, KMS_KEY_ID, NAME, ReplicaRegion, ReplicationStatus, SECRET_ARN, SECRET_ID, SECRET_TYPE,
    SecretContent, TOKEN, Tag, VALUE, invalid_parameter,
};
use crate::protocol::error::ApiError;
use crate::protocol::fields::Fields;
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
    /// The partner that holds the secret, if one does.
    pub secret_type: Option<String>,
    /// The primary in another account that the secret is to be a replica of.
    pub cross_account_primary_arn: Option<String>,
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
            content: SecretContent::take(&mut fields, VALUE)?,
            tags: Tag::take_list(&mut fields)?,
            add_replica_regions: ReplicaRegion::take_list(&mut fields)?,
            force_overwrite_replica_secret: fields.boolean("ForceOverwriteReplicaSecret")?.unwrap_or(false),
            secret_type: fields.text("Type", SECRET_TYPE)?.filter(|partner| !partner.is_empty()),
            cross_account_primary_arn: fields.text("CrossAccountPrimaryARN", SECRET_ARN)?,
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
    /// The partner that holds the secret, if one does.
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
            content: SecretContent::take(&mut fields, VALUE)?,
            secret_type: fields.text("Type", SECRET_TYPE)?.filter(|partner| !partner.is_empty()),
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

/// Takes a scheduled deletion back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoreSecretRequest {
    /// Name, ARN or partial ARN.
    pub secret_id: String,
}

impl RestoreSecretRequest {
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

/// The secret that stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoreSecretResponse {
    /// Its ARN.
    pub arn: String,
    /// Its name.
    pub name: String,
}

impl Encode for RestoreSecretResponse {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.text("ARN", &self.arn);
        object.text("Name", &self.name);
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
}
