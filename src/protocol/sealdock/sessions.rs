//! `CreateTaskSession`: credentials of a role for one task; `WhoAmI`.

use super::{ARN, LABEL};
use crate::protocol::error::ApiError;
use crate::protocol::fields::Fields;
use crate::protocol::rules::{ROLE, SESSION_NAME, Text};
use crate::protocol::writer::{Encode, Object, Sink};
use crate::secret::SecretValue;
use jiff::Timestamp;

/// Asks for credentials of a role, as the ECS control plane does for a task.
/// The caller needs `iam:PassRole`, the role must trust `ecs-tasks.amazonaws.com`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateTaskSessionRequest {
    /// The role.
    pub role_arn: String,
    /// The task id; audit events can be searched by it.
    pub session_name: String,
    /// `family:revision` or the family, for the audit trail.
    pub task_definition: Option<String>,
}

impl CreateTaskSessionRequest {
    /// Reads the request body.
    ///
    /// # Errors
    /// `SerializationException`, `ValidationException`.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse(body)?;
        let request = Self {
            role_arn: fields.required_text("RoleArn", Text::length(20, 2048).matching(&ROLE))?,
            session_name: fields.required_text("SessionName", Text::length(2, 64).matching(&SESSION_NAME))?,
            task_definition: fields.text("TaskDefinition", LABEL)?,
        };
        fields.finish(request)
    }
}

impl Encode for CreateTaskSessionRequest {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.text("RoleArn", &self.role_arn);
        object.text("SessionName", &self.session_name);
        object.optional_text("TaskDefinition", self.task_definition.as_deref());
    }
}

/// Temporary credentials.
#[derive(Debug)]
pub struct SessionCredentials {
    /// `ASIA...`
    pub access_key_id: String,
    /// Signs.
    pub secret_access_key: SecretValue,
    /// Goes with each request.
    pub session_token: SecretValue,
    /// When they end.
    pub expiration: Timestamp,
}

impl Encode for SessionCredentials {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.text("AccessKeyId", &self.access_key_id);
        object.secret_text("SecretAccessKey", &self.secret_access_key);
        object.secret_text("SessionToken", &self.session_token);
        object.timestamp("Expiration", self.expiration);
    }
}

impl SessionCredentials {
    fn take(fields: &mut Fields) -> Result<Self, ApiError> {
        Ok(Self {
            access_key_id: fields.required_text("AccessKeyId", LABEL)?,
            secret_access_key: fields.required_secret("SecretAccessKey")?,
            session_token: fields.required_secret("SessionToken")?,
            expiration: fields.required_timestamp("Expiration")?,
        })
    }
}

/// Credentials and who they are.
#[derive(Debug)]
pub struct CreateTaskSessionResponse {
    /// The credentials.
    pub credentials: SessionCredentials,
    /// `arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION`
    pub assumed_role_arn: String,
    /// `AROA...:SESSION`
    pub assumed_role_id: String,
}

impl Encode for CreateTaskSessionResponse {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.structure("Credentials", &self.credentials);
        object.structure("AssumedRoleUser", &AssumedRoleUser(self));
    }
}

struct AssumedRoleUser<'a>(&'a CreateTaskSessionResponse);

impl Encode for AssumedRoleUser<'_> {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.text("Arn", &self.0.assumed_role_arn);
        object.text("AssumedRoleId", &self.0.assumed_role_id);
    }
}

impl CreateTaskSessionResponse {
    /// Reads the answer's body.
    ///
    /// # Errors
    /// If a member is missing or of the wrong type.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse_answer(body)?;
        let credentials = fields.structure("Credentials", SessionCredentials::take)?;
        let credentials = fields.demand("Credentials", credentials)?;
        let user = fields.structure("AssumedRoleUser", |user| {
            Ok((user.required_text("Arn", ARN)?, user.required_text("AssumedRoleId", LABEL)?))
        })?;
        let (assumed_role_arn, assumed_role_id) = fields.demand("AssumedRoleUser", user)?;
        fields.finish(Self { credentials, assumed_role_arn, assumed_role_id })
    }
}

/// Asks who the caller is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WhoAmIRequest;

impl WhoAmIRequest {
    /// Reads the request body.
    ///
    /// # Errors
    /// `SerializationException`, `ValidationException`.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        Fields::parse(body)?.finish(Self)
    }
}

impl Encode for WhoAmIRequest {
    fn members<S: Sink>(&self, _: &mut Object<'_, S>) {}
}

/// The caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WhoAmIResponse {
    /// The 12-digit account.
    pub account: String,
    /// User, assumed role or root.
    pub arn: String,
    /// `AIDA...`, `AROA...:session` or the account.
    pub user_id: String,
    /// The broker's Region.
    pub region: String,
}

impl WhoAmIResponse {
    /// Reads the answer's body.
    ///
    /// # Errors
    /// If a member is missing or of the wrong type.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse_answer(body)?;
        let response = Self {
            account: fields.required_text("Account", LABEL)?,
            arn: fields.required_text("Arn", ARN)?,
            user_id: fields.required_text("UserId", LABEL)?,
            region: fields.required_text("Region", LABEL)?,
        };
        fields.finish(response)
    }
}

impl Encode for WhoAmIResponse {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.text("Account", &self.account);
        object.text("Arn", &self.arn);
        object.text("UserId", &self.user_id);
        object.text("Region", &self.region);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_go_both_ways() {
        let request = CreateTaskSessionRequest {
            role_arn: "arn:aws:iam::111122223333:role/path/exec".into(),
            session_name: "0af3".into(),
            task_definition: Some("web:1".into()),
        };
        assert_eq!(CreateTaskSessionRequest::decode(&request.encode()).unwrap(), request);
        let response = CreateTaskSessionResponse {
            credentials: SessionCredentials {
                access_key_id: "ASIAX".into(),
                secret_access_key: SecretValue::from("s".to_owned()),
                session_token: SecretValue::from("t\"".to_owned()),
                expiration: Timestamp::from_millisecond(1_732_412_345_123).unwrap(),
            },
            assumed_role_arn: "arn:x".into(),
            assumed_role_id: "AROA:0af3".into(),
        };
        let json = response.encode();
        let read = CreateTaskSessionResponse::decode(&json).unwrap();
        assert_eq!(read.encode(), json);
        assert_eq!(read.credentials.expiration, response.credentials.expiration);
    }

    #[test]
    fn only_roles_have_sessions() {
        let body = br#"{"RoleArn": "arn:aws:iam::111122223333:user/someone", "SessionName": "a b"}"#;
        let text = CreateTaskSessionRequest::decode(body).unwrap_err().message;
        assert!(text.starts_with("2 validation errors detected: ") && text.contains("'roleArn'"), "{text}");
    }

    #[test]
    fn answers_may_have_more_members_but_not_fewer() {
        let body = br#"{"Account": "1", "Arn": "a", "UserId": "u", "Region": "r", "New": {"x": 1}}"#;
        assert_eq!(WhoAmIResponse::decode(body).unwrap().region, "r");
        assert!(WhoAmIResponse::decode(b"{}").is_err());
        assert!(WhoAmIRequest::decode(br#"{"New": 1}"#).is_err());
    }
}
