//! Key policies. Each key has one, and its name is `default`.

use super::listing::write_marker;
use super::{KEY_ID, POLICY, POLICY_NAME_TEXT};
use crate::protocol::error::ApiError;
use crate::protocol::fields::Fields;
use crate::protocol::writer::{Encode, Object, Sink};

/// The name of every key policy.
const DEFAULT: &str = "default";

/// Asks for the policy of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetKeyPolicyRequest {
    /// Key id or ARN.
    pub key_id: String,
    /// Name of the policy.
    pub policy_name: String,
}

impl GetKeyPolicyRequest {
    /// Reads the request body.
    ///
    /// # Errors
    /// `SerializationException`, `ValidationException`.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse(body)?;
        let key_id = fields.required_text("KeyId", KEY_ID)?;
        let policy_name = fields.text("PolicyName", POLICY_NAME_TEXT)?.unwrap_or_else(|| DEFAULT.to_owned());
        fields.finish(Self { key_id, policy_name })
    }
}

/// Replaces the policy of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutKeyPolicyRequest {
    /// Key id or ARN.
    pub key_id: String,
    /// Name of the policy.
    pub policy_name: String,
    /// The document.
    pub policy: String,
    /// Whether it may lock out who puts it.
    pub bypass_lockout_check: bool,
}

impl PutKeyPolicyRequest {
    /// Reads the request body.
    ///
    /// # Errors
    /// `SerializationException`, `ValidationException`.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse(body)?;
        let key_id = fields.required_text("KeyId", KEY_ID)?;
        let policy_name = fields.text("PolicyName", POLICY_NAME_TEXT)?.unwrap_or_else(|| DEFAULT.to_owned());
        let policy = fields.required_text("Policy", POLICY)?;
        let bypass_lockout_check = fields.boolean("BypassPolicyLockoutSafetyCheck")?.unwrap_or_default();
        fields.finish(Self { key_id, policy_name, policy, bypass_lockout_check })
    }
}

/// Answer to `GetKeyPolicy`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetKeyPolicyResponse {
    /// The document, as it was put.
    pub policy: String,
}

impl Encode for GetKeyPolicyResponse {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.text("Policy", &self.policy);
        object.text("PolicyName", DEFAULT);
    }
}

/// Answer to `ListKeyPolicies`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListKeyPoliciesResponse;

impl Encode for ListKeyPoliciesResponse {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.texts("PolicyNames", &[DEFAULT]);
        write_marker(object, None);
    }
}
