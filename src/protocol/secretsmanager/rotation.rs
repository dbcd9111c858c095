//! Rotation of a secret: `RotateSecret`, `CancelRotateSecret`.

use super::{RotationRules, SECRET_ID, TOKEN};
use crate::protocol::error::ApiError;
use crate::protocol::fields::Fields;
use crate::protocol::rules::{ROTATION_DURATION, SCHEDULE_EXPRESSION, Text};
use crate::protocol::writer::{Encode, Object, Sink};

const LAMBDA_ARN: Text = Text::length(0, 2048);
const ROLE_ARN: Text = Text::length(20, 2048);
const DURATION: Text = Text::length(2, 3).matching(&ROTATION_DURATION);
const EXPRESSION: Text = Text::length(1, 256).matching(&SCHEDULE_EXPRESSION);

/// Sets rotation up, and starts it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RotateSecretRequest {
    /// Name, ARN or partial ARN.
    pub secret_id: String,
    /// Becomes the id of the new version; makes the request idempotent.
    pub client_request_token: Option<String>,
    /// The rotation function; the one that is known if absent.
    pub rotation_lambda_arn: Option<String>,
    /// When to rotate; as it is known if absent.
    pub rotation_rules: Option<RotationRules>,
    /// Whether anything was given that only a partner's secrets have.
    pub external: bool,
    /// Whether to rotate now, or only to test the function now.
    pub rotate_immediately: bool,
}

impl RotateSecretRequest {
    /// Reads the request body.
    ///
    /// # Errors
    /// `SerializationException`, `ValidationException`.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse(body)?;
        let metadata = fields.structures("ExternalSecretRotationMetadata", (0, usize::MAX), |item| {
            item.text("Key", Text::length(1, 256))?;
            item.text("Value", Text::length(1, 2048)).map(drop)
        })?;
        let role = fields.text("ExternalSecretRotationRoleArn", ROLE_ARN)?;
        let rules = fields.structure("RotationRules", |rules| {
            Ok(RotationRules {
                automatically_after_days: rules.integer("AutomaticallyAfterDays", 1, 1000)?,
                duration: rules.text("Duration", DURATION)?,
                schedule_expression: rules.text("ScheduleExpression", EXPRESSION)?,
            })
        })?;
        let request = Self {
            secret_id: fields.required_text("SecretId", SECRET_ID)?,
            client_request_token: fields.text("ClientRequestToken", TOKEN)?,
            rotation_lambda_arn: fields.text("RotationLambdaARN", LAMBDA_ARN)?.filter(|arn| !arn.is_empty()),
            rotation_rules: rules.filter(|rules| *rules != RotationRules::default()),
            external: role.is_some() || metadata.is_some_and(|items| !items.is_empty()),
            rotate_immediately: fields.boolean("RotateImmediately")?.unwrap_or(true),
        };
        fields.finish(request)
    }
}

/// Ends rotation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CancelRotateSecretRequest {
    /// Name, ARN or partial ARN.
    pub secret_id: String,
}

impl CancelRotateSecretRequest {
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

/// The answer of both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RotationResponse {
    /// The secret's ARN.
    pub arn: String,
    /// The secret's name.
    pub name: String,
    /// The version that is being made, or that was left unfinished.
    pub version_id: Option<String>,
}

impl Encode for RotationResponse {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.text("ARN", &self.arn);
        object.text("Name", &self.name);
        object.optional_text("VersionId", self.version_id.as_deref());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotates_at_once_unless_told_otherwise() {
        let decode = |body: &str| RotateSecretRequest::decode(body.as_bytes()).unwrap();
        let plain = decode(r#"{"SecretId": "a", "RotationLambdaARN": "", "RotationRules": {}}"#);
        assert!(plain.rotate_immediately && !plain.external);
        assert_eq!((plain.rotation_lambda_arn, plain.rotation_rules), (None, None));
        assert!(!decode(r#"{"SecretId": "a", "RotateImmediately": false}"#).rotate_immediately);
        let item = r#"{"SecretId": "a", "ExternalSecretRotationMetadata": [{"Key": "k", "Value": "v"}]}"#;
        assert!(decode(item).external);
    }

    #[test]
    fn rules_keep_the_models_bounds() {
        let body = r#"{"SecretId": "a", "RotationRules": {"AutomaticallyAfterDays": 1001, "Duration": "3 h",
            "ScheduleExpression": "rate(1 day);"}}"#;
        let text = RotateSecretRequest::decode(body.as_bytes()).unwrap_err().message;
        for part in
            ["3 validation errors", "'rotationRules.automaticallyAfterDays'", "'rotationRules.duration'"]
        {
            assert!(text.contains(part), "{text}");
        }
    }
}
