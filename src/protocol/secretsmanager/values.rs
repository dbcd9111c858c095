//! Values of secrets: `GetSecretValue`, `PutSecretValue`.

use super::{ROTATION, SECRET_ID, STAGE, SecretContent, TOKEN, VALUE_OR_EMPTY, invalid_request};
use crate::protocol::error::ApiError;
use crate::protocol::fields::Fields;
use crate::protocol::rules::Text;
use crate::protocol::writer::{Encode, Object, Sink};
use crate::secret::SecretValue;
use jiff::Timestamp;

/// Asks for the value of one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetSecretValueRequest {
    /// Name, ARN or partial ARN.
    pub secret_id: String,
    /// The version by id.
    pub version_id: Option<String>,
    /// The version by stage; AWSCURRENT if neither is given.
    pub version_stage: Option<String>,
}

impl GetSecretValueRequest {
    /// Reads the request body.
    ///
    /// # Errors
    /// `SerializationException`, `ValidationException`.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse(body)?;
        let request = Self {
            secret_id: fields.required_text("SecretId", SECRET_ID)?,
            version_id: fields.text("VersionId", TOKEN)?,
            version_stage: fields.text("VersionStage", STAGE)?,
        };
        fields.finish(request)
    }
}

impl Encode for GetSecretValueRequest {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.text("SecretId", &self.secret_id);
        object.optional_text("VersionId", self.version_id.as_deref());
        object.optional_text("VersionStage", self.version_stage.as_deref());
    }
}

/// One version with its value.
#[derive(Debug)]
pub struct GetSecretValueResponse {
    /// The secret's ARN.
    pub arn: String,
    /// The secret's name.
    pub name: String,
    /// The version's id.
    pub version_id: String,
    /// The value.
    pub content: SecretContent,
    /// The version's stages.
    pub version_stages: Vec<String>,
    /// When the version was made.
    pub created_date: Timestamp,
}

impl GetSecretValueResponse {
    /// Reads the answer's body.
    ///
    /// # Errors
    /// If a member is missing or of the wrong type.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse_answer(body)?;
        let content = SecretContent::take(&mut fields, VALUE_OR_EMPTY)?;
        let version_stages = fields.texts("VersionStages", (0, usize::MAX), Text::any())?;
        let response = Self {
            arn: fields.required_text("ARN", Text::any())?,
            name: fields.required_text("Name", Text::any())?,
            version_id: fields.required_text("VersionId", Text::any())?,
            content: fields.demand("SecretString", content)?,
            version_stages: version_stages.unwrap_or_default(),
            created_date: fields.required_timestamp("CreatedDate")?,
        };
        fields.finish(response)
    }
}

impl Encode for GetSecretValueResponse {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.text("ARN", &self.arn);
        object.text("Name", &self.name);
        object.text("VersionId", &self.version_id);
        self.content.write(object);
        object.texts("VersionStages", &self.version_stages);
        object.timestamp("CreatedDate", self.created_date);
    }
}

/// Makes a new version.
#[derive(Debug)]
pub struct PutSecretValueRequest {
    /// Name, ARN or partial ARN.
    pub secret_id: String,
    /// Becomes the version's id; makes the request idempotent.
    pub client_request_token: Option<String>,
    /// The value.
    pub content: SecretContent,
    /// Stages of the new version; AWSCURRENT if absent.
    pub version_stages: Option<Vec<String>>,
    /// Proves that a rotation function in another account may do this.
    pub rotation_token: Option<SecretValue>,
}

impl PutSecretValueRequest {
    /// Reads the request body.
    ///
    /// # Errors
    /// `SerializationException`, `ValidationException`, `InvalidParameterException`,
    /// `InvalidRequestException`.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse(body)?;
        let secret_id = fields.required_text("SecretId", SECRET_ID)?;
        let client_request_token = fields.text("ClientRequestToken", TOKEN)?;
        let content = SecretContent::take(&mut fields, VALUE_OR_EMPTY)?;
        let version_stages = fields.texts("VersionStages", (1, 20), STAGE)?;
        let rotation_token = fields.secret_text("RotationToken", ROTATION)?;
        fields.finish(())?;
        let content = content
            .filter(|content| !content.value().is_empty())
            .ok_or_else(|| invalid_request("You must provide either SecretString or SecretBinary."))?;
        Ok(Self { secret_id, client_request_token, content, version_stages, rotation_token })
    }
}

/// The new version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutSecretValueResponse {
    /// The secret's ARN.
    pub arn: String,
    /// The secret's name.
    pub name: String,
    /// The version's id.
    pub version_id: String,
    /// The version's stages.
    pub version_stages: Vec<String>,
}

impl Encode for PutSecretValueResponse {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.text("ARN", &self.arn);
        object.text("Name", &self.name);
        object.text("VersionId", &self.version_id);
        object.texts("VersionStages", &self.version_stages);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn get_needs_a_secret_id() {
        let request = GetSecretValueRequest::decode(br#"{"SecretId": "db", "VersionStage": "AWSPREVIOUS"}"#);
        assert_eq!(request.unwrap().version_stage.as_deref(), Some("AWSPREVIOUS"));
        let error = GetSecretValueRequest::decode(b"{}").unwrap_err();
        assert_eq!(
            error.message,
            "1 validation error detected: Value null at 'secretId' failed to satisfy constraint: Member must \
             not be null"
        );
    }

    #[test]
    fn put_takes_exactly_one_kind_of_value() {
        let code = |body: &str| PutSecretValueRequest::decode(body.as_bytes()).map_err(|e| e.code);
        assert!(matches!(
            code(r#"{"SecretId": "a", "SecretString": "x"}"#).unwrap().content,
            SecretContent::String(_)
        ));
        assert!(matches!(
            code(r#"{"SecretId": "a", "SecretBinary": "eA=="}"#).unwrap().content,
            SecretContent::Binary(_)
        ));
        assert_eq!(code(r#"{"SecretId": "a"}"#).unwrap_err(), "InvalidRequestException");
        assert_eq!(code(r#"{"SecretId": "a", "SecretString": ""}"#).unwrap_err(), "InvalidRequestException");
        assert_eq!(
            code(r#"{"SecretId": "a", "SecretString": "x", "SecretBinary": "eA=="}"#).unwrap_err(),
            "InvalidParameterException"
        );
        assert_eq!(code(r#"{"SecretId": "a", "SecretBinary": "eA"}"#).unwrap_err(), "SerializationException");
    }

    #[test]
    fn the_limit_of_a_value_is_bytes() {
        let put = |length: usize, text: &str| {
            let body = format!(r#"{{"SecretId": "a", "SecretString": "{}"}}"#, text.repeat(length));
            PutSecretValueRequest::decode(body.as_bytes()).map_err(|e| e.message)
        };
        assert!(put(65_536, "x").is_ok() && put(32_768, "é").is_ok());
        assert_eq!(
            put(32_769, "é").unwrap_err(),
            "1 validation error detected: Value at 'secretString' failed to satisfy constraint: Member must \
             have length less than or equal to 65536"
        );
    }

    #[test]
    fn get_answers_in_the_models_order() {
        let response = GetSecretValueResponse {
            arn: "arn".into(),
            name: "n".into(),
            version_id: "v".into(),
            content: SecretContent::Binary(SecretValue::new(vec![1, 2])),
            version_stages: vec!["AWSCURRENT".into()],
            created_date: Timestamp::from_millisecond(1_500).unwrap(),
        };
        let json = response.encode();
        assert_eq!(GetSecretValueResponse::decode(&json).unwrap().encode(), json);
        assert_eq!(
            std::str::from_utf8(&json).unwrap(),
            r#"{"ARN":"arn","Name":"n","VersionId":"v","SecretBinary":"AQI=","VersionStages":["AWSCURRENT"],"CreatedDate":1.5}"#
        );
    }
}
