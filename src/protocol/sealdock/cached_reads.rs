//! `RecordCachedRead`: a value that an agent has kept goes to somebody once more.
//!
//! The broker decides and records it as the read that it is, `GetSecretValue` or `GetParameter`, and
//! answers without the value.

use super::{LABEL, empty_response};
use crate::protocol::error::ApiError;
use crate::protocol::fields::Fields;
use crate::protocol::rules::{Text, spelled};
use crate::protocol::writer::{Encode, Object, Sink};

spelled! {
    /// Whose value it is.
    CachedService {
        /// Secrets Manager.
        SecretsManager = "secretsmanager",
        /// Parameter Store.
        Ssm = "ssm",
    }
}

/// One hand-out of a value that was read before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordCachedReadRequest {
    /// Whose value it is.
    pub service: CachedService,
    /// SecretId, or Name of the parameter with its selector, as it was asked for.
    pub name: String,
    /// VersionId that was asked for.
    pub version_id: Option<String>,
    /// VersionStage that was asked for.
    pub version_stage: Option<String>,
    /// WithDecryption that was asked for.
    pub with_decryption: bool,
    /// Which version the agent has kept: VersionId of the secret, or number of the parameter's.
    pub cached_version: String,
}

impl RecordCachedReadRequest {
    /// Reads the request body.
    ///
    /// # Errors
    /// `SerializationException`, `ValidationException`.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse(body)?;
        let request = Self {
            service: fields.required_choice(
                "Service",
                CachedService::SPELLINGS,
                CachedService::from_spelling,
                CachedService::SecretsManager,
            )?,
            name: fields.required_text("Name", Text::length(1, 2048))?,
            version_id: fields.text("VersionId", LABEL)?,
            version_stage: fields.text("VersionStage", LABEL)?,
            with_decryption: fields.boolean("WithDecryption")?.unwrap_or(false),
            cached_version: fields.required_text("CachedVersion", LABEL)?,
        };
        fields.finish(request)
    }
}

impl Encode for RecordCachedReadRequest {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.text("Service", self.service.as_str());
        object.text("Name", &self.name);
        object.optional_text("VersionId", self.version_id.as_deref());
        object.optional_text("VersionStage", self.version_stage.as_deref());
        object.boolean("WithDecryption", self.with_decryption);
        object.text("CachedVersion", &self.cached_version);
    }
}

empty_response! {
    /// It is allowed and on record.
    RecordCachedReadResponse
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_both_ways() {
        let request = RecordCachedReadRequest {
            service: CachedService::Ssm,
            name: "/a:3".into(),
            version_id: None,
            version_stage: Some("S".into()),
            with_decryption: true,
            cached_version: "3".into(),
        };
        assert_eq!(RecordCachedReadRequest::decode(&request.encode()).unwrap(), request);
        assert!(RecordCachedReadRequest::decode(br#"{"Service": "kms", "Name": "a"}"#).is_err());
    }
}
