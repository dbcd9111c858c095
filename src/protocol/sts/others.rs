//! `GetCallerIdentity`, `GetSessionToken`, `GetAccessKeyInfo`, `DecodeAuthorizationMessage`,
//! and the credentials that the first two kinds of answers hold.

use crate::clock::rfc3339;
use crate::protocol::error::ApiError;
use crate::protocol::fields::Fields;
use crate::protocol::query::{document, element, nested};
use crate::protocol::rules::{KEY_WORD, SERIAL_NUMBER, TOKEN_CODE, Text};
use crate::secret::SecretValue;
use jiff::Timestamp;
use serde_json::json;
use zeroize::Zeroizing;

/// Temporary credentials.
#[derive(Debug)]
pub struct Credentials {
    /// `ASIA...`
    pub access_key_id: String,
    /// Signs.
    pub secret_access_key: SecretValue,
    /// Goes with each request.
    pub session_token: SecretValue,
    /// When they end.
    pub expiration: Timestamp,
}

impl Credentials {
    pub(super) fn write(&self, out: &mut Zeroizing<String>) {
        nested(out, "Credentials", |out| {
            element(out, "AccessKeyId", &self.access_key_id);
            secret(out, "SecretAccessKey", &self.secret_access_key);
            secret(out, "SessionToken", &self.session_token);
            element(out, "Expiration", &rfc3339(self.expiration));
        });
    }
}

#[expect(clippy::disallowed_methods, reason = "the holder of a new session gets its credentials, this once")]
fn secret(out: &mut Zeroizing<String>, name: &str, value: &SecretValue) {
    // INVARIANT: both are Base64, so nothing is replaced here.
    element(out, name, &Zeroizing::new(String::from_utf8_lossy(value.expose()).into_owned()));
}

/// Asks who the caller is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GetCallerIdentityRequest;

impl GetCallerIdentityRequest {
    /// Reads the form, as JSON.
    ///
    /// # Errors
    /// `SerializationException`, `ValidationException`.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        Fields::parse(body)?.finish(Self)
    }
}

/// The caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetCallerIdentityResponse {
    /// User, assumed role or root.
    pub arn: String,
    /// `AIDA...`, `AROA...:session` or the account.
    pub user_id: String,
    /// The 12-digit account.
    pub account: String,
}

impl GetCallerIdentityResponse {
    /// The XML document.
    pub fn encode(&self, request_id: &str) -> Zeroizing<Vec<u8>> {
        document("GetCallerIdentity", request_id, |out| {
            element(out, "Arn", &self.arn);
            element(out, "UserId", &self.user_id);
            element(out, "Account", &self.account);
        })
    }

    /// As JSON, for who verifies a presigned request for this: Kubernetes' IAM authenticator, for one.
    pub fn encode_json(&self, request_id: &str) -> Zeroizing<Vec<u8>> {
        let Self { arn, user_id, account } = self;
        let answer = json!({ "GetCallerIdentityResponse": {
            "GetCallerIdentityResult": { "Account": account, "Arn": arn, "UserId": user_id },
            "ResponseMetadata": { "RequestId": request_id },
        }});
        Zeroizing::new(answer.to_string().into_bytes())
    }
}

/// Asks for temporary credentials of the caller's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GetSessionTokenRequest {
    /// How long they live, in seconds.
    pub duration_seconds: Option<i64>,
    /// The caller's MFA device.
    pub serial_number: Option<String>,
    /// The MFA device's code.
    pub token_code: Option<String>,
}

impl GetSessionTokenRequest {
    /// Reads the form, as JSON.
    ///
    /// # Errors
    /// `SerializationException`, `ValidationException`.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse(body)?;
        let request = Self {
            duration_seconds: fields.integer("DurationSeconds", 900, 129_600)?,
            serial_number: fields.text("SerialNumber", Text::length(9, 256).matching(&SERIAL_NUMBER))?,
            token_code: fields.text("TokenCode", Text::length(6, 6).matching(&TOKEN_CODE).sensitive())?,
        };
        fields.finish(request)
    }

    /// The XML document that answers it.
    pub fn answer(credentials: &Credentials, request_id: &str) -> Zeroizing<Vec<u8>> {
        document("GetSessionToken", request_id, |out| credentials.write(out))
    }
}

/// Asks which account an access key belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetAccessKeyInfoRequest {
    /// The key.
    pub access_key_id: String,
}

impl GetAccessKeyInfoRequest {
    /// Reads the form, as JSON.
    ///
    /// # Errors
    /// `SerializationException`, `ValidationException`.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse(body)?;
        let access_key_id = fields.required_text("AccessKeyId", Text::length(16, 128).matching(&KEY_WORD))?;
        fields.finish(Self { access_key_id })
    }
}

/// The account of an access key, as XML.
pub fn access_key_info(account: &str, request_id: &str) -> Zeroizing<Vec<u8>> {
    document("GetAccessKeyInfo", request_id, |out| element(out, "Account", account))
}

/// Asks what an encoded refusal says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeAuthorizationMessageRequest {
    /// The message.
    pub encoded_message: String,
}

impl DecodeAuthorizationMessageRequest {
    /// Reads the form, as JSON.
    ///
    /// # Errors
    /// `SerializationException`, `ValidationException`.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse(body)?;
        let encoded_message = fields.required_text("EncodedMessage", Text::length(1, 10_240))?;
        fields.finish(Self { encoded_message })
    }
}
