//! Making, describing, switching and deleting keys.

use super::tags::Tag;
use super::{DESCRIPTION, KEY_ID, POLICY};
use crate::protocol::error::ApiError;
use crate::protocol::fields::Fields;
use crate::protocol::rules::{Text, XKS_KEY_ID, spelled};
use crate::protocol::writer::{Encode, Object, Sink};
use jiff::Timestamp;

spelled! {
    /// What can be done with a key.
    KeyUsage {
        /// Signatures.
        SignVerify = "SIGN_VERIFY",
        /// Encryption.
        EncryptDecrypt = "ENCRYPT_DECRYPT",
        /// Authentication codes.
        GenerateVerifyMac = "GENERATE_VERIFY_MAC",
        /// Shared secrets.
        KeyAgreement = "KEY_AGREEMENT",
        /// Key encapsulation.
        EncapsulateDecapsulate = "ENCAPSULATE_DECAPSULATE",
    }
}

spelled! {
    /// Where key material comes from.
    Origin {
        /// Made here.
        AwsKms = "AWS_KMS",
        /// Imported.
        External = "EXTERNAL",
        /// In a CloudHSM cluster.
        AwsCloudhsm = "AWS_CLOUDHSM",
        /// In a key store elsewhere.
        ExternalKeyStore = "EXTERNAL_KEY_STORE",
    }
}

/// Every key spec of the model; the first one is the one that there is here.
const KEY_SPECS: &[&str] = &[
    "SYMMETRIC_DEFAULT",
    "RSA_2048",
    "RSA_3072",
    "RSA_4096",
    "ECC_NIST_P256",
    "ECC_NIST_P384",
    "ECC_NIST_P521",
    "ECC_SECG_P256K1",
    "HMAC_224",
    "HMAC_256",
    "HMAC_384",
    "HMAC_512",
    "SM2",
    "ML_DSA_44",
    "ML_DSA_65",
    "ML_DSA_87",
    "ECC_NIST_EDWARDS25519",
    "ML_KEM_512",
    "ML_KEM_768",
    "ML_KEM_1024",
];

/// Makes a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateKeyRequest {
    /// The key policy; the default one if absent.
    pub policy: Option<String>,
    /// Free text.
    pub description: String,
    /// Whether a policy may lock out who puts it.
    pub bypass_lockout_check: bool,
    /// Tags.
    pub tags: Vec<Tag>,
    /// The members that ask for another kind of key than there is here, as `Member VALUE`.
    pub unsupported: Vec<String>,
}

impl CreateKeyRequest {
    /// Reads the request body.
    ///
    /// # Errors
    /// `SerializationException`, `ValidationException`.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse(body)?;
        let mut unsupported = Vec::new();
        let mut other = |member: &str, value: Option<&str>, supported: &str| {
            unsupported.extend(value.filter(|v| *v != supported).map(|v| format!("{member} {v}")));
        };
        let usage = fields.choice("KeyUsage", KeyUsage::SPELLINGS, KeyUsage::from_spelling)?;
        other("KeyUsage", usage.map(KeyUsage::as_str), KeyUsage::EncryptDecrypt.as_str());
        let spec = fields.text("KeySpec", Text::one_of(KEY_SPECS))?;
        let older =
            fields.text("CustomerMasterKeySpec", Text::one_of(KEY_SPECS.get(..13).unwrap_or(KEY_SPECS)))?;
        for (member, spec) in [("KeySpec", &spec), ("CustomerMasterKeySpec", &older)] {
            other(member, spec.as_deref(), "SYMMETRIC_DEFAULT");
        }
        let origin = fields.choice("Origin", Origin::SPELLINGS, Origin::from_spelling)?;
        other("Origin", origin.map(Origin::as_str), Origin::AwsKms.as_str());
        let store = fields.text("CustomKeyStoreId", Text::length(1, 64))?;
        other("CustomKeyStoreId", store.as_deref(), "");
        let external = fields.text("XksKeyId", Text::length(1, 128).matching(&XKS_KEY_ID))?;
        other("XksKeyId", external.as_deref(), "");
        let several = fields.boolean("MultiRegion")?.unwrap_or_default();
        other("MultiRegion", Some(if several { "true" } else { "" }), "");
        let policy = fields.text("Policy", POLICY)?;
        let description = fields.text("Description", DESCRIPTION)?.unwrap_or_default();
        let bypass_lockout_check = fields.boolean("BypassPolicyLockoutSafetyCheck")?.unwrap_or_default();
        let tags = Tag::take_list(&mut fields)?.unwrap_or_default();
        fields.finish(Self { policy, description, bypass_lockout_check, tags, unsupported })
    }
}

/// A request that names a key and nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRequest {
    /// Key id or ARN.
    pub key_id: String,
}

impl KeyRequest {
    /// Reads the request body.
    ///
    /// # Errors
    /// `SerializationException`, `ValidationException`.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse(body)?;
        let key_id = fields.required_text("KeyId", KEY_ID)?;
        fields.finish(Self { key_id })
    }
}

/// Asks for the metadata of a key. It may carry grant tokens; there are no grants here, so
/// none of them says anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribeKeyRequest {
    /// Key id or ARN, or the name or ARN of an alias.
    pub key_id: String,
}

impl DescribeKeyRequest {
    /// Reads the request body.
    ///
    /// # Errors
    /// `SerializationException`, `ValidationException`.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse(body)?;
        let key_id = fields.required_text("KeyId", KEY_ID)?;
        let _grants = fields.texts("GrantTokens", (0, 10), Text::length(1, 8192))?;
        fields.finish(Self { key_id })
    }
}

/// Changes a key's description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdateKeyDescriptionRequest {
    /// Key id or ARN.
    pub key_id: String,
    /// The new text.
    pub description: String,
}

impl UpdateKeyDescriptionRequest {
    /// Reads the request body.
    ///
    /// # Errors
    /// `SerializationException`, `ValidationException`.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse(body)?;
        let key_id = fields.required_text("KeyId", KEY_ID)?;
        let description = fields.required_text("Description", DESCRIPTION)?;
        fields.finish(Self { key_id, description })
    }
}

/// Schedules the deletion of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduleKeyDeletionRequest {
    /// Key id or ARN.
    pub key_id: String,
    /// Days until it is deleted, 7 to 30.
    pub days: u8,
}

impl ScheduleKeyDeletionRequest {
    /// Reads the request body.
    ///
    /// # Errors
    /// `SerializationException`, `ValidationException`.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse(body)?;
        let key_id = fields.required_text("KeyId", KEY_ID)?;
        let days = fields.integer("PendingWindowInDays", 1, 365)?.unwrap_or(30);
        // The model's bounds are wider than the service's, which go for keys of one Region.
        let days = u8::try_from(days).ok().filter(|days| (7..=30).contains(days));
        let request = fields.finish(Self { key_id, days: days.unwrap_or_default() })?;
        match days {
            Some(_) => Ok(request),
            None => Err(ApiError::validation("PendingWindowInDays must be between 7 and 30 (inclusive).")),
        }
    }
}

spelled! {
    /// State of a key.
    KeyState {
        /// It can be used.
        Enabled = "Enabled",
        /// It cannot be used until it is enabled.
        Disabled = "Disabled",
        /// It cannot be used and will be deleted.
        PendingDeletion = "PendingDeletion",
    }
}

spelled! {
    /// Whose key it is.
    KeyManager {
        /// A service's own key.
        Aws = "AWS",
        /// A key that a user made.
        Customer = "CUSTOMER",
    }
}

/// A key, as answers show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyMetadata {
    /// 12 digits.
    pub account: String,
    /// The key id, a UUID.
    pub key_id: String,
    /// The key ARN.
    pub arn: String,
    /// When it was made, if that is known.
    pub created: Option<Timestamp>,
    /// Free text.
    pub description: String,
    /// Its state.
    pub state: KeyState,
    /// When it will be deleted.
    pub deletion: Option<Timestamp>,
    /// Whose key it is.
    pub manager: KeyManager,
    /// Id of the material that it seals under.
    pub material: Option<String>,
}

impl Encode for KeyMetadata {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.text("AWSAccountId", &self.account);
        object.text("KeyId", &self.key_id);
        object.text("Arn", &self.arn);
        object.optional_timestamp("CreationDate", self.created);
        object.boolean("Enabled", self.state == KeyState::Enabled);
        object.text("Description", &self.description);
        object.text("KeyUsage", KeyUsage::EncryptDecrypt.as_str());
        object.text("KeyState", self.state.as_str());
        object.optional_timestamp("DeletionDate", self.deletion);
        object.text("Origin", Origin::AwsKms.as_str());
        object.text("KeyManager", self.manager.as_str());
        object.text("CustomerMasterKeySpec", "SYMMETRIC_DEFAULT");
        object.text("KeySpec", "SYMMETRIC_DEFAULT");
        object.texts("EncryptionAlgorithms", &["SYMMETRIC_DEFAULT"]);
        object.boolean("MultiRegion", false);
        object.optional_text("CurrentKeyMaterialId", self.material.as_deref());
    }
}

/// Answer to `CreateKey` and `DescribeKey`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyMetadataResponse(pub KeyMetadata);

impl Encode for KeyMetadataResponse {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.structure("KeyMetadata", &self.0);
    }
}

/// Answer to `ScheduleKeyDeletion`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduleKeyDeletionResponse {
    /// The key ARN.
    pub arn: String,
    /// When the key will be deleted.
    pub deletion: Timestamp,
    /// The window that was asked for.
    pub days: u8,
}

impl Encode for ScheduleKeyDeletionResponse {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.text("KeyId", &self.arn);
        object.timestamp("DeletionDate", self.deletion);
        object.text("KeyState", KeyState::PendingDeletion.as_str());
        object.integer("PendingWindowInDays", self.days.into());
    }
}

/// Answer to `CancelKeyDeletion`, which names the key by its ARN, and to
/// `RotateKeyOnDemand`, which names it by its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyIdResponse(pub String);

impl Encode for KeyIdResponse {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.text("KeyId", &self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_kinds_of_keys_are_named_together() {
        let body = br#"{"KeySpec": "RSA_2048", "KeyUsage": "SIGN_VERIFY", "Origin": "AWS_KMS", "MultiRegion": true}"#;
        let request = CreateKeyRequest::decode(body).unwrap();
        assert_eq!(request.unsupported, ["KeyUsage SIGN_VERIFY", "KeySpec RSA_2048", "MultiRegion true"]);
        let plain = br#"{"KeySpec": "SYMMETRIC_DEFAULT", "CustomerMasterKeySpec": "SYMMETRIC_DEFAULT"}"#;
        assert!(CreateKeyRequest::decode(plain).unwrap().unsupported.is_empty());
        let error = CreateKeyRequest::decode(br#"{"CustomerMasterKeySpec": "ML_DSA_44"}"#).unwrap_err();
        assert_eq!(error.code, "ValidationException", "the older member has the older values");
    }

    #[test]
    fn the_waiting_period_is_seven_to_thirty_days() {
        let days = |text: &str| {
            let body = format!(r#"{{"KeyId": "k"{text}}}"#);
            ScheduleKeyDeletionRequest::decode(body.as_bytes()).map(|r| r.days).map_err(|e| e.code)
        };
        assert_eq!(days(""), Ok(30));
        assert_eq!(days(r#", "PendingWindowInDays": 7"#), Ok(7));
        for wrong in ["0", "6", "31", "366"] {
            assert_eq!(days(&format!(r#", "PendingWindowInDays": {wrong}"#)), Err("ValidationException"));
        }
    }
}
