//! Versions and their staging labels: `ListSecretVersionIds`,
//! `UpdateSecretVersionStage`.

use super::{SECRET_ID, STAGE, TOKEN};
use crate::protocol::error::ApiError;
use crate::protocol::fields::Fields;
use crate::protocol::rules::Text;
use crate::protocol::writer::{Encode, Object, Sink};
use jiff::Timestamp;

/// Asks for one page of a secret's versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListSecretVersionIdsRequest {
    /// Name, ARN or partial ARN.
    pub secret_id: String,
    /// 1 to 100.
    pub max_results: Option<usize>,
    /// Where the last page ended.
    pub next_token: Option<String>,
    /// Whether versions without a staging label are listed too.
    pub include_deprecated: bool,
}

impl ListSecretVersionIdsRequest {
    /// Reads the request body.
    ///
    /// # Errors
    /// `SerializationException`, `ValidationException`.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse(body)?;
        let request = Self {
            secret_id: fields.required_text("SecretId", SECRET_ID)?,
            max_results: fields.integer("MaxResults", 1, 100)?.and_then(|n| usize::try_from(n).ok()),
            next_token: fields.text("NextToken", Text::length(1, 4096))?,
            include_deprecated: fields.boolean("IncludeDeprecated")?.unwrap_or(false),
        };
        fields.finish(request)
    }
}

/// One page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListSecretVersionIdsResponse {
    /// The versions.
    pub versions: Vec<VersionEntry>,
    /// Present if there is more.
    pub next_token: Option<String>,
    /// The secret's ARN.
    pub arn: String,
    /// The secret's name.
    pub name: String,
}

impl Encode for ListSecretVersionIdsResponse {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.structures("Versions", &self.versions);
        object.optional_text("NextToken", self.next_token.as_deref());
        object.text("ARN", &self.arn);
        object.text("Name", &self.name);
    }
}

/// A version without its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionEntry {
    /// The version's id.
    pub version_id: String,
    /// Its staging labels; the member is absent if there are none.
    pub version_stages: Vec<String>,
    /// The day of the last read.
    pub last_accessed_date: Option<Timestamp>,
    /// When it was made.
    pub created_date: Timestamp,
    /// The keys that it is encrypted under.
    pub kms_key_ids: Vec<String>,
}

impl Encode for VersionEntry {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.text("VersionId", &self.version_id);
        if !self.version_stages.is_empty() {
            object.texts("VersionStages", &self.version_stages);
        }
        object.optional_timestamp("LastAccessedDate", self.last_accessed_date);
        object.timestamp("CreatedDate", self.created_date);
        object.texts("KmsKeyIds", &self.kms_key_ids);
    }
}

/// Moves a staging label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdateSecretVersionStageRequest {
    /// Name, ARN or partial ARN.
    pub secret_id: String,
    /// The label.
    pub version_stage: String,
    /// The version that has it.
    pub remove_from_version_id: Option<String>,
    /// The version that gets it.
    pub move_to_version_id: Option<String>,
}

impl UpdateSecretVersionStageRequest {
    /// Reads the request body.
    ///
    /// # Errors
    /// `SerializationException`, `ValidationException`.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse(body)?;
        let request = Self {
            secret_id: fields.required_text("SecretId", SECRET_ID)?,
            version_stage: fields.required_text("VersionStage", STAGE)?,
            remove_from_version_id: fields.text("RemoveFromVersionId", TOKEN)?,
            move_to_version_id: fields.text("MoveToVersionId", TOKEN)?,
        };
        fields.finish(request)
    }
}

/// The secret whose label was moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdateSecretVersionStageResponse {
    /// Its ARN.
    pub arn: String,
    /// Its name.
    pub name: String,
}

impl Encode for UpdateSecretVersionStageResponse {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.text("ARN", &self.arn);
        object.text("Name", &self.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deprecated_version_has_no_stages_member() {
        let entry = VersionEntry {
            version_id: "v".into(),
            version_stages: Vec::new(),
            last_accessed_date: None,
            created_date: Timestamp::UNIX_EPOCH,
            kms_key_ids: vec!["DefaultEncryptionKey".into()],
        };
        assert_eq!(
            std::str::from_utf8(&entry.encode()).unwrap(),
            r#"{"VersionId":"v","CreatedDate":0,"KmsKeyIds":["DefaultEncryptionKey"]}"#
        );
    }

    #[test]
    fn a_label_is_needed_and_version_ids_have_their_length() {
        let text = |body: &str| UpdateSecretVersionStageRequest::decode(body.as_bytes()).unwrap_err().message;
        assert_eq!(
            text(r#"{"SecretId": "a", "MoveToVersionId": "1"}"#),
            "2 validation errors detected: Value null at 'versionStage' failed to satisfy constraint: Member must \
             not be null; Value '1' at 'moveToVersionId' failed to satisfy constraint: Member must have length \
             greater than or equal to 32"
        );
    }
}
