//! The policy that is attached to a secret: `PutResourcePolicy`, `GetResourcePolicy`,
//! `DeleteResourcePolicy`, `ListResourcePolicies`, `ValidateResourcePolicy`.

use super::{SECRET_ID, invalid_next_token, invalid_parameter, resource_not_found};
use crate::protocol::error::ApiError;
use crate::protocol::fields::Fields;
use crate::protocol::rules::{POLICY_NAME, Text};
use crate::protocol::writer::{Encode, Object, Sink};

/// The name of the one policy that a secret can have.
const DEFAULT: &str = "default";
const NAME: Text = Text::length(1, 64).matching(&POLICY_NAME);
const DOCUMENT: Text = Text::length(1, 20_480);

/// Attaches a policy to a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutResourcePolicyRequest {
    /// Name, ARN or partial ARN.
    pub secret_id: String,
    /// The document.
    pub resource_policy: String,
    /// Whether a policy that gives access to everyone is refused.
    pub block_public_policy: bool,
}

impl PutResourcePolicyRequest {
    /// Reads the request body.
    ///
    /// # Errors
    /// `SerializationException`, `ValidationException`, `InvalidParameterException`.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse(body)?;
        let request = Self {
            secret_id: fields.required_text("SecretId", SECRET_ID)?,
            resource_policy: fields.required_text("ResourcePolicy", DOCUMENT)?,
            block_public_policy: fields.boolean("BlockPublicPolicy")?.unwrap_or(false),
        };
        let name = fields.text("PolicyName", NAME)?;
        let request = fields.finish(request)?;
        only_default(name.as_deref())?;
        Ok(request)
    }
}

/// Asks for the policy that is attached to a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetResourcePolicyRequest {
    /// Name, ARN or partial ARN.
    pub secret_id: String,
    policy_name: Option<String>,
}

impl GetResourcePolicyRequest {
    /// Reads the request body.
    ///
    /// # Errors
    /// `SerializationException`, `ValidationException`.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse(body)?;
        let request = Self {
            secret_id: fields.required_text("SecretId", SECRET_ID)?,
            policy_name: fields.text("PolicyName", NAME)?,
        };
        fields.finish(request)
    }

    /// Whether it asks for the policy that a secret can have.
    ///
    /// # Errors
    /// `ResourceNotFoundException`.
    pub fn require_default(&self) -> Result<(), ApiError> {
        match self.policy_name.as_deref() {
            None | Some(DEFAULT) => Ok(()),
            Some(other) => Err(resource_not_found(format!(
                "Secrets Manager can't find the resource policy {other}: a secret has the policy {DEFAULT} only."
            ))),
        }
    }
}

/// Asks which policies are attached to a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListResourcePoliciesRequest {
    /// Name, ARN or partial ARN.
    pub secret_id: String,
    /// 1 to 100.
    pub max_results: Option<i64>,
    next_token: Option<String>,
}

impl ListResourcePoliciesRequest {
    /// Reads the request body.
    ///
    /// # Errors
    /// `SerializationException`, `ValidationException`.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse(body)?;
        let request = Self {
            secret_id: fields.required_text("SecretId", SECRET_ID)?,
            max_results: fields.integer("MaxResults", 1, 100)?,
            next_token: fields.text("NextToken", Text::length(1, 4096))?,
        };
        fields.finish(request)
    }

    /// There is at most one policy, so that no page is followed by another and no token is good.
    ///
    /// # Errors
    /// `InvalidNextTokenException`.
    pub fn require_first_page(&self) -> Result<(), ApiError> {
        if self.next_token.is_some() { Err(invalid_next_token()) } else { Ok(()) }
    }
}

/// The policies that are attached to a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListResourcePoliciesResponse {
    /// Whether there is one; it is called `default`.
    pub attached: bool,
}

impl Encode for ListResourcePoliciesResponse {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        let attached = [PolicyName];
        object.structures("ResourcePolicies", if self.attached { &attached } else { &[] });
    }
}

struct PolicyName;

impl Encode for PolicyName {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.text("PolicyName", DEFAULT);
    }
}

/// Takes the policy away from a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteResourcePolicyRequest {
    /// Name, ARN or partial ARN.
    pub secret_id: String,
}

impl DeleteResourcePolicyRequest {
    /// Reads the request body.
    ///
    /// # Errors
    /// `SerializationException`, `ValidationException`, `InvalidParameterException`.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse(body)?;
        let request = Self { secret_id: fields.required_text("SecretId", SECRET_ID)? };
        let name = fields.text("PolicyName", NAME)?;
        let request = fields.finish(request)?;
        only_default(name.as_deref())?;
        Ok(request)
    }
}

fn only_default(name: Option<&str>) -> Result<(), ApiError> {
    match name {
        None | Some(DEFAULT) => Ok(()),
        Some(_) => Err(invalid_parameter(format!(
            "You can only attach the resource policy with the name {DEFAULT}."
        ))),
    }
}

/// The secret whose policy was attached, read or taken away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourcePolicyResponse {
    /// The secret's ARN.
    pub arn: String,
    /// The secret's name.
    pub name: String,
    /// The document; `GetResourcePolicy` answers it, if there is one.
    pub resource_policy: Option<String>,
    /// Whether there is, or was, a policy to name.
    pub named: bool,
}

impl Encode for ResourcePolicyResponse {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.text("ARN", &self.arn);
        object.text("Name", &self.name);
        object.optional_text("ResourcePolicy", self.resource_policy.as_deref());
        object.optional_text("PolicyName", self.named.then_some(DEFAULT));
    }
}

/// Asks whether a policy could be attached, and whether it had better not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidateResourcePolicyRequest {
    /// The secret that it is meant for: name, ARN or partial ARN.
    pub secret_id: Option<String>,
    /// The document.
    pub resource_policy: String,
}

impl ValidateResourcePolicyRequest {
    /// Reads the request body.
    ///
    /// # Errors
    /// `SerializationException`, `ValidationException`.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse(body)?;
        let request = Self {
            secret_id: fields.text("SecretId", SECRET_ID)?,
            resource_policy: fields.required_text("ResourcePolicy", DOCUMENT)?,
        };
        fields.finish(request)
    }
}

/// What speaks against a policy; nothing if it passed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ValidateResourcePolicyResponse {
    /// One for each check that failed.
    pub errors: Vec<PolicyObjection>,
}

impl Encode for ValidateResourcePolicyResponse {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.boolean("PolicyValidationPassed", self.errors.is_empty());
        object.structures("ValidationErrors", &self.errors);
    }
}

/// A check that a policy failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyObjection {
    /// The check.
    pub check: &'static str,
    /// What is wrong, and what to do.
    pub message: String,
}

impl Encode for PolicyObjection {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.text("CheckName", self.check);
        object.text("ErrorMessage", &self.message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_policy_and_it_has_one_name() {
        let named =
            |name: &str| format!(r#"{{"SecretId": "a", "ResourcePolicy": "{{}}", "PolicyName": "{name}"}}"#);
        let put = |name: &str| PutResourcePolicyRequest::decode(named(name).as_bytes()).map_err(|e| e.code);
        assert!(put("default").is_ok());
        assert_eq!(put("other"), Err("InvalidParameterException"));
        assert_eq!(put("a b"), Err("ValidationException"));
        let get = br#"{"SecretId": "a", "PolicyName": "other"}"#;
        let get = GetResourcePolicyRequest::decode(get).unwrap().require_default();
        assert_eq!(get.unwrap_err().code, "ResourceNotFoundException");
    }

    #[test]
    fn a_document_has_a_limit() {
        let put = |length: usize| {
            let body = format!(r#"{{"SecretId": "a", "ResourcePolicy": "{}"}}"#, "x".repeat(length));
            PutResourcePolicyRequest::decode(body.as_bytes()).map_err(|e| e.code)
        };
        assert!(put(20_480).is_ok());
        assert_eq!(put(20_481), Err("ValidationException"));
        assert_eq!(put(0), Err("ValidationException"));
    }

    #[test]
    fn a_policy_that_passed_has_an_empty_list() {
        let text =
            |response: ValidateResourcePolicyResponse| String::from_utf8(response.encode().to_vec()).unwrap();
        assert_eq!(text(Default::default()), r#"{"PolicyValidationPassed":true,"ValidationErrors":[]}"#);
        let failed = PolicyObjection { check: "c", message: "m".into() };
        assert_eq!(
            text(ValidateResourcePolicyResponse { errors: vec![failed] }),
            r#"{"PolicyValidationPassed":false,"ValidationErrors":[{"CheckName":"c","ErrorMessage":"m"}]}"#
        );
    }
}
