//! `PutResourcePolicy`, `GetResourcePolicies`, `DeleteResourcePolicy`.

use crate::protocol::error::ApiError;
use crate::protocol::fields::Fields;
use crate::protocol::rules::{NOT_BLANK, Text};
use crate::protocol::writer::{Encode, Object, Sink};

const RESOURCE_ARN: Text = Text::length(20, 2048);

/// What deleting means for a document; parameters know one way.
const DELETION_MODE: Text = Text::one_of(&["RemoveSharing", "RollbackMigration"]);

/// Puts the policy of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutResourcePolicyRequest {
    /// The resource.
    pub resource_arn: String,
    /// The policy document.
    pub policy: String,
    /// The policy that is replaced.
    pub policy_id: Option<String>,
    /// The version of it that the caller has seen.
    pub policy_hash: Option<String>,
}

impl PutResourcePolicyRequest {
    /// Reads the request body.
    ///
    /// # Errors
    /// `SerializationException`, `ValidationException`.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse(body)?;
        let request = Self {
            resource_arn: fields.required_text("ResourceArn", RESOURCE_ARN)?,
            policy: fields.required_text("Policy", Text::any().matching(&NOT_BLANK))?,
            policy_id: fields.text("PolicyId", Text::any())?,
            policy_hash: fields.text("PolicyHash", Text::any())?,
        };
        fields.finish(request)
    }
}

/// The policy as it was put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutResourcePolicyResponse {
    /// Its id.
    pub policy_id: String,
    /// Its version.
    pub policy_hash: String,
}

impl Encode for PutResourcePolicyResponse {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.text("PolicyId", &self.policy_id);
        object.text("PolicyHash", &self.policy_hash);
    }
}

/// Asks for the policies of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetResourcePoliciesRequest {
    /// The resource.
    pub resource_arn: String,
    /// Where the last page ended.
    pub next_token: Option<String>,
    /// 1 to 50.
    pub max_results: Option<usize>,
}

impl GetResourcePoliciesRequest {
    /// Reads the request body.
    ///
    /// # Errors
    /// `SerializationException`, `ValidationException`.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse(body)?;
        let request = Self {
            resource_arn: fields.required_text("ResourceArn", RESOURCE_ARN)?,
            next_token: fields.text("NextToken", Text::any())?,
            max_results: fields.integer("MaxResults", 1, 50)?.and_then(|n| usize::try_from(n).ok()),
        };
        fields.finish(request)
    }
}

/// One policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourcePolicyEntry {
    /// Its id.
    pub policy_id: String,
    /// Its version.
    pub policy_hash: String,
    /// The document.
    pub policy: String,
}

impl Encode for ResourcePolicyEntry {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.text("PolicyId", &self.policy_id);
        object.text("PolicyHash", &self.policy_hash);
        object.text("Policy", &self.policy);
    }
}

/// The policies of a resource: a parameter has one at most, so that there is one page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GetResourcePoliciesResponse {
    /// The policies.
    pub policies: Vec<ResourcePolicyEntry>,
}

impl Encode for GetResourcePoliciesResponse {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.structures("Policies", &self.policies);
    }
}

/// Deletes a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteResourcePolicyRequest {
    /// The resource.
    pub resource_arn: String,
    /// The policy.
    pub policy_id: String,
    /// The version of it that the caller has seen.
    pub policy_hash: String,
}

impl DeleteResourcePolicyRequest {
    /// Reads the request body.
    ///
    /// # Errors
    /// `SerializationException`, `ValidationException`.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse(body)?;
        let request = Self {
            resource_arn: fields.required_text("ResourceArn", RESOURCE_ARN)?,
            policy_id: fields.required_text("PolicyId", Text::any())?,
            policy_hash: fields.required_text("PolicyHash", Text::any())?,
        };
        // For documents; other resources ignore it.
        fields.text("DeletionMode", DELETION_MODE)?;
        fields.finish(request)
    }
}

/// `{}`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeleteResourcePolicyResponse;

impl Encode for DeleteResourcePolicyResponse {
    fn members<S: Sink>(&self, _: &mut Object<'_, S>) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_and_refuses() {
        let arn = "arn:aws:ssm:us-east-1:111122223333:parameter/a";
        let body = serde_json::json!({ "ResourceArn": arn, "Policy": "{}", "PolicyId": "i" }).to_string();
        let request = PutResourcePolicyRequest::decode(body.as_bytes()).unwrap();
        assert_eq!((request.policy_id.as_deref(), request.policy_hash), (Some("i"), None));
        let error =
            PutResourcePolicyRequest::decode(br#"{"ResourceArn": "a", "Policy": " \n"}"#).unwrap_err();
        assert!(error.message.starts_with("2 validation errors detected: "), "{error}");
        let error = DeleteResourcePolicyRequest::decode(br#"{"DeletionMode": "x"}"#).unwrap_err();
        assert!(error.message.starts_with("4 validation errors detected: "), "{error}");
    }

    #[test]
    fn answers_in_the_models_order() {
        let entry =
            ResourcePolicyEntry { policy_id: "i".into(), policy_hash: "h".into(), policy: "{}".into() };
        let json = GetResourcePoliciesResponse { policies: vec![entry] }.encode();
        assert_eq!(
            std::str::from_utf8(&json).unwrap(),
            r#"{"Policies":[{"PolicyId":"i","PolicyHash":"h","Policy":"{}"}]}"#
        );
    }
}
