//! Access keys: `CreateAccessKey`, `ListAccessKeys`, `UpdateAccessKey`,
//! `DeleteAccessKey`.

use super::{ARN, LABEL, empty_response};
use crate::protocol::error::ApiError;
use crate::protocol::fields::Fields;
use crate::protocol::rules::{ACCESS_KEY_ID, PRINCIPAL, Text, USER_NAME, spelled};
use crate::protocol::writer::{Encode, Object, Sink};
use crate::secret::SecretValue;
use jiff::Timestamp;

const KEY_ID: Text = Text::length(16, 128).matching(&ACCESS_KEY_ID);
const OWNER: Text = Text::length(20, 2048).matching(&PRINCIPAL);

spelled! {
    /// Whether a key may be used.
    AccessKeyStatus {
        /// It may.
        Active = "Active",
        /// It may not, until it is activated again.
        Inactive = "Inactive",
    }
}

/// Whose key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyOwner {
    /// A user by name, in the broker's account.
    UserName(String),
    /// A user, role or root by ARN.
    Principal(String),
}

/// Makes an access key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateAccessKeyRequest {
    /// Whose.
    pub owner: KeyOwner,
}

impl CreateAccessKeyRequest {
    /// Reads the request body.
    ///
    /// # Errors
    /// `SerializationException`, `ValidationException`.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse(body)?;
        let user = fields.text("UserName", Text::length(1, 128).matching(&USER_NAME))?;
        let principal = fields.text("PrincipalArn", OWNER)?;
        fields.finish(())?;
        let owner = match (user, principal) {
            (Some(name), None) => KeyOwner::UserName(name),
            (None, Some(arn)) => KeyOwner::Principal(arn),
            _ => return Err(ApiError::validation("Give either UserName or PrincipalArn.")),
        };
        Ok(Self { owner })
    }
}

impl Encode for CreateAccessKeyRequest {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        match &self.owner {
            KeyOwner::UserName(name) => object.text("UserName", name),
            KeyOwner::Principal(arn) => object.text("PrincipalArn", arn),
        }
    }
}

/// A new access key. Its secret is shown this once.
#[derive(Debug)]
pub struct AccessKey {
    /// `AKIA...`
    pub access_key_id: String,
    /// Signs.
    pub secret_access_key: SecretValue,
    /// Whose.
    pub principal_arn: String,
    /// When it was made.
    pub create_date: Timestamp,
}

impl AccessKey {
    fn take(fields: &mut Fields) -> Result<Self, ApiError> {
        Ok(Self {
            access_key_id: fields.required_text("AccessKeyId", LABEL)?,
            secret_access_key: fields.required_secret("SecretAccessKey")?,
            principal_arn: fields.required_text("PrincipalArn", ARN)?,
            create_date: fields.required_timestamp("CreateDate")?,
        })
    }
}

impl Encode for AccessKey {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.text("AccessKeyId", &self.access_key_id);
        object.secret_text("SecretAccessKey", &self.secret_access_key);
        object.text("PrincipalArn", &self.principal_arn);
        object.timestamp("CreateDate", self.create_date);
    }
}

/// The new key.
#[derive(Debug)]
pub struct CreateAccessKeyResponse {
    /// The key.
    pub access_key: AccessKey,
}

impl CreateAccessKeyResponse {
    /// Reads the answer's body.
    ///
    /// # Errors
    /// If a member is missing or of the wrong type.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse_answer(body)?;
        let access_key = fields.structure("AccessKey", AccessKey::take)?;
        let access_key = fields.demand("AccessKey", access_key)?;
        fields.finish(Self { access_key })
    }
}

impl Encode for CreateAccessKeyResponse {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.structure("AccessKey", &self.access_key);
    }
}

/// Asks for access keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListAccessKeysRequest {
    /// Of one principal; of all if absent.
    pub principal_arn: Option<String>,
}

impl ListAccessKeysRequest {
    /// Reads the request body.
    ///
    /// # Errors
    /// `SerializationException`, `ValidationException`.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse(body)?;
        let request = Self { principal_arn: fields.text("PrincipalArn", OWNER)? };
        fields.finish(request)
    }
}

impl Encode for ListAccessKeysRequest {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.optional_text("PrincipalArn", self.principal_arn.as_deref());
    }
}

/// An access key without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessKeySummary {
    /// `AKIA...`
    pub access_key_id: String,
    /// Whose.
    pub principal_arn: String,
    /// Whether it may be used.
    pub status: AccessKeyStatus,
    /// When it was made.
    pub create_date: Timestamp,
    /// Its last use, if it has been used.
    pub last_used: Option<AccessKeyLastUsed>,
}

/// The last use of an access key, as IAM's `GetAccessKeyLastUsed` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessKeyLastUsed {
    /// When, to the minute.
    pub date: Timestamp,
    /// Service that it signed for.
    pub service: String,
    /// Region that it signed for.
    pub region: String,
}

impl AccessKeyLastUsed {
    fn take(fields: &mut Fields) -> Result<Self, ApiError> {
        Ok(Self {
            date: fields.required_timestamp("LastUsedDate")?,
            service: fields.required_text("ServiceName", LABEL)?,
            region: fields.required_text("Region", LABEL)?,
        })
    }
}

impl Encode for AccessKeyLastUsed {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.timestamp("LastUsedDate", self.date);
        object.text("ServiceName", &self.service);
        object.text("Region", &self.region);
    }
}

impl AccessKeySummary {
    fn take(fields: &mut Fields) -> Result<Self, ApiError> {
        Ok(Self {
            access_key_id: fields.required_text("AccessKeyId", LABEL)?,
            principal_arn: fields.required_text("PrincipalArn", ARN)?,
            status: fields.required_choice(
                "Status",
                AccessKeyStatus::SPELLINGS,
                AccessKeyStatus::from_spelling,
                AccessKeyStatus::Inactive,
            )?,
            create_date: fields.required_timestamp("CreateDate")?,
            last_used: fields.structure("AccessKeyLastUsed", AccessKeyLastUsed::take)?,
        })
    }
}

impl Encode for AccessKeySummary {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.text("AccessKeyId", &self.access_key_id);
        object.text("PrincipalArn", &self.principal_arn);
        object.text("Status", self.status.as_str());
        object.timestamp("CreateDate", self.create_date);
        if let Some(last_used) = &self.last_used {
            object.structure("AccessKeyLastUsed", last_used);
        }
    }
}

/// Access keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListAccessKeysResponse {
    /// The keys.
    pub access_keys: Vec<AccessKeySummary>,
}

impl ListAccessKeysResponse {
    /// Reads the answer's body.
    ///
    /// # Errors
    /// If a member is missing or of the wrong type.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse_answer(body)?;
        let keys = fields.structures("AccessKeys", (0, usize::MAX), AccessKeySummary::take)?;
        let access_keys = fields.required("AccessKeys", keys).unwrap_or_default();
        fields.finish(Self { access_keys })
    }
}

impl Encode for ListAccessKeysResponse {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.structures("AccessKeys", &self.access_keys);
    }
}

/// Activates or deactivates an access key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdateAccessKeyRequest {
    /// The key.
    pub access_key_id: String,
    /// Its new status.
    pub status: AccessKeyStatus,
}

impl UpdateAccessKeyRequest {
    /// Reads the request body.
    ///
    /// # Errors
    /// `SerializationException`, `ValidationException`.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse(body)?;
        let access_key_id = fields.required_text("AccessKeyId", KEY_ID)?;
        let status = fields.required_choice(
            "Status",
            AccessKeyStatus::SPELLINGS,
            AccessKeyStatus::from_spelling,
            AccessKeyStatus::Inactive,
        )?;
        fields.finish(Self { access_key_id, status })
    }
}

impl Encode for UpdateAccessKeyRequest {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.text("AccessKeyId", &self.access_key_id);
        object.text("Status", self.status.as_str());
    }
}

empty_response! {
    /// The key has its new status.
    UpdateAccessKeyResponse
}

/// Deletes an access key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteAccessKeyRequest {
    /// The key.
    pub access_key_id: String,
}

impl DeleteAccessKeyRequest {
    /// Reads the request body.
    ///
    /// # Errors
    /// `SerializationException`, `ValidationException`.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse(body)?;
        let request = Self { access_key_id: fields.required_text("AccessKeyId", KEY_ID)? };
        fields.finish(request)
    }
}

impl Encode for DeleteAccessKeyRequest {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.text("AccessKeyId", &self.access_key_id);
    }
}

empty_response! {
    /// The key is gone.
    DeleteAccessKeyResponse
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "AKIAIOSFODNN7EXAMPLE";

    #[test]
    fn requests_go_both_ways() {
        for owner in
            [KeyOwner::UserName("alice".into()), KeyOwner::Principal("arn:aws:iam::111122223333:root".into())]
        {
            let request = CreateAccessKeyRequest { owner };
            assert_eq!(CreateAccessKeyRequest::decode(&request.encode()).unwrap(), request);
        }
        let request = UpdateAccessKeyRequest { access_key_id: ID.into(), status: AccessKeyStatus::Inactive };
        assert_eq!(UpdateAccessKeyRequest::decode(&request.encode()).unwrap(), request);
        let request = DeleteAccessKeyRequest { access_key_id: ID.into() };
        assert_eq!(DeleteAccessKeyRequest::decode(&request.encode()).unwrap(), request);
        let request = ListAccessKeysRequest { principal_arn: None };
        assert_eq!(ListAccessKeysRequest::decode(&request.encode()).unwrap(), request);
    }

    #[test]
    fn answers_go_both_ways() {
        let create_date = Timestamp::from_second(1_732_412_345).unwrap();
        let created = CreateAccessKeyResponse {
            access_key: AccessKey {
                access_key_id: ID.into(),
                secret_access_key: SecretValue::from("s/+".to_owned()),
                principal_arn: "arn".into(),
                create_date,
            },
        };
        let json = created.encode();
        assert_eq!(CreateAccessKeyResponse::decode(&json).unwrap().encode(), json);
        let listed = ListAccessKeysResponse {
            access_keys: vec![AccessKeySummary {
                access_key_id: ID.into(),
                principal_arn: "arn".into(),
                status: AccessKeyStatus::Active,
                create_date,
                last_used: Some(AccessKeyLastUsed {
                    date: create_date,
                    service: "ssm".into(),
                    region: "us-east-1".into(),
                }),
            }],
        };
        assert_eq!(ListAccessKeysResponse::decode(&listed.encode()).unwrap(), listed);
    }

    #[test]
    fn a_key_has_one_owner() {
        for bad in ["{}", r#"{"UserName": "a", "PrincipalArn": "arn:aws:iam::111122223333:user/a"}"#] {
            assert_eq!(
                CreateAccessKeyRequest::decode(bad.as_bytes()).unwrap_err().code,
                "ValidationException"
            );
        }
    }
}
