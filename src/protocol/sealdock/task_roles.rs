//! `GrantTaskRole`, `GetTaskCredentials`, `EndTask`: the credentials that the containers of a
//! task have, from its start to its end.

use super::{LABEL, empty_response};
use crate::protocol::error::ApiError;
use crate::protocol::fields::Fields;
use crate::protocol::rules::{ROLE, SESSION_NAME, Text};
use crate::protocol::writer::{Encode, Object, Sink};
use crate::secret::SecretValue;
use jiff::Timestamp;
use std::sync::Arc;

/// A task id, which is also the name of the task's sessions.
const TASK: Text = Text::length(2, 64).matching(&SESSION_NAME);
/// An id of [`GrantTaskRoleResponse`].
const ID: Text = Text::length(1, 512).sensitive();

/// Lets the containers of a task have credentials of a role. The caller needs `iam:PassRole`,
/// the role must trust `ecs-tasks.amazonaws.com`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantTaskRoleRequest {
    /// The task.
    pub task_id: String,
    /// The role.
    pub role_arn: String,
    /// `family:revision` or the family, for the audit trail.
    pub task_definition: Option<String>,
}

impl GrantTaskRoleRequest {
    /// Reads the request body.
    ///
    /// # Errors
    /// `SerializationException`, `ValidationException`.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse(body)?;
        let request = Self {
            task_id: fields.required_text("TaskId", TASK)?,
            role_arn: fields.required_text("RoleArn", Text::length(20, 2048).matching(&ROLE))?,
            task_definition: fields.text("TaskDefinition", LABEL)?,
        };
        fields.finish(request)
    }
}

impl Encode for GrantTaskRoleRequest {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.text("TaskId", &self.task_id);
        object.text("RoleArn", &self.role_arn);
        object.optional_text("TaskDefinition", self.task_definition.as_deref());
    }
}

/// What the containers show for their credentials.
#[derive(Debug)]
pub struct GrantTaskRoleResponse {
    /// Whoever knows it gets the credentials.
    pub credentials_id: SecretValue,
}

impl GrantTaskRoleResponse {
    /// Reads the answer's body.
    ///
    /// # Errors
    /// If a member is missing or of the wrong type.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse_answer(body)?;
        let response = Self { credentials_id: fields.required_secret("CredentialsId")? };
        fields.finish(response)
    }
}

impl Encode for GrantTaskRoleResponse {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.secret_text("CredentialsId", &self.credentials_id);
    }
}

/// Asks for the credentials that an id stands for.
#[derive(Debug)]
pub struct GetTaskCredentialsRequest {
    /// The id.
    pub credentials_id: SecretValue,
}

impl GetTaskCredentialsRequest {
    /// Reads the request body.
    ///
    /// # Errors
    /// `SerializationException`, `ValidationException`.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse(body)?;
        let id = fields.secret_text("CredentialsId", ID)?;
        let id = fields.demand("CredentialsId", id)?;
        fields.finish(Self { credentials_id: id })
    }
}

impl Encode for GetTaskCredentialsRequest {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.secret_text("CredentialsId", &self.credentials_id);
    }
}

/// Credentials of a task's role.
#[derive(Debug)]
pub struct GetTaskCredentialsResponse {
    /// The task.
    pub task_id: String,
    /// The role.
    pub role_arn: String,
    /// `ASIA...`
    pub access_key_id: String,
    /// Signs.
    pub secret_access_key: Arc<SecretValue>,
    /// Goes with each request.
    pub session_token: Arc<SecretValue>,
    /// When they end. Others are to be had well before.
    pub expiration: Timestamp,
}

impl GetTaskCredentialsResponse {
    /// Reads the answer's body.
    ///
    /// # Errors
    /// If a member is missing or of the wrong type.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse_answer(body)?;
        let response = Self {
            task_id: fields.required_text("TaskId", LABEL)?,
            role_arn: fields.required_text("RoleArn", Text::any())?,
            access_key_id: fields.required_text("AccessKeyId", LABEL)?,
            secret_access_key: Arc::new(fields.required_secret("SecretAccessKey")?),
            session_token: Arc::new(fields.required_secret("SessionToken")?),
            expiration: fields.required_timestamp("Expiration")?,
        };
        fields.finish(response)
    }
}

impl Encode for GetTaskCredentialsResponse {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.text("TaskId", &self.task_id);
        object.text("RoleArn", &self.role_arn);
        object.text("AccessKeyId", &self.access_key_id);
        object.secret_text("SecretAccessKey", &self.secret_access_key);
        object.secret_text("SessionToken", &self.session_token);
        object.timestamp("Expiration", self.expiration);
    }
}

/// Takes the roles of a task away and ends its sessions, for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndTaskRequest {
    /// The task.
    pub task_id: String,
}

impl EndTaskRequest {
    /// Reads the request body.
    ///
    /// # Errors
    /// `SerializationException`, `ValidationException`.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse(body)?;
        let request = Self { task_id: fields.required_text("TaskId", TASK)? };
        fields.finish(request)
    }
}

impl Encode for EndTaskRequest {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.text("TaskId", &self.task_id);
    }
}

empty_response! {
    /// They have ended, durably.
    EndTaskResponse
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_answers_go_both_ways() {
        let request = GrantTaskRoleRequest {
            task_id: "0af3".into(),
            role_arn: "arn:aws:iam::111122223333:role/app".into(),
            task_definition: None,
        };
        assert_eq!(GrantTaskRoleRequest::decode(&request.encode()).unwrap(), request);
        let id = || SecretValue::from("id".to_owned());
        let asked = GetTaskCredentialsRequest { credentials_id: id() };
        assert_eq!(GetTaskCredentialsRequest::decode(&asked.encode()).unwrap().encode(), asked.encode());
        let granted = GrantTaskRoleResponse { credentials_id: id() };
        assert_eq!(GrantTaskRoleResponse::decode(&granted.encode()).unwrap().encode(), granted.encode());
        let response = GetTaskCredentialsResponse {
            task_id: "0af3".into(),
            role_arn: "arn".into(),
            access_key_id: "ASIAX".into(),
            secret_access_key: Arc::new(SecretValue::from("s".to_owned())),
            session_token: Arc::new(SecretValue::from("t".to_owned())),
            expiration: Timestamp::from_second(1_732_412_345).unwrap(),
        };
        assert_eq!(
            GetTaskCredentialsResponse::decode(&response.encode()).unwrap().encode(),
            response.encode()
        );
    }

    #[test]
    fn an_id_is_not_repeated_in_an_error() {
        let error = GetTaskCredentialsRequest::decode(br#"{"CredentialsId": ""}"#).unwrap_err();
        assert!(error.message.contains("credentialsId"), "{}", error.message);
        let long = format!(r#"{{"CredentialsId": "{}"}}"#, "x".repeat(600));
        let error = GetTaskCredentialsRequest::decode(long.as_bytes()).unwrap_err();
        assert!(!error.message.contains("xxx"), "{}", error.message);
        assert!(EndTaskRequest::decode(br#"{"TaskId": "a/b"}"#).is_err());
    }
}
