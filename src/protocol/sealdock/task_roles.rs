//! `GrantTaskRole`, `GetTaskCredentials`, `EndTask`: the credentials that the containers of a
//! task have, from its start to its end.

use super::{LABEL, empty_response};
use crate::protocol::error::ApiError;
use crate::protocol::fields::Fields;
use crate::protocol::rules::{ROLE, SESSION_NAME, Text};
use crate::protocol::writer::{Encode, Object, Sink};
use crate::secret::SecretValue;
use jiff::{SignedDuration, Timestamp};
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
    /// Id of the engine that has the containers; see [`EndTaskRequest::Lost`].
    pub host: Option<String>,
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
            host: fields.text("Host", LABEL)?,
        };
        fields.finish(request)
    }
}

impl Encode for GrantTaskRoleRequest {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.text("TaskId", &self.task_id);
        object.text("RoleArn", &self.role_arn);
        object.optional_text("TaskDefinition", self.task_definition.as_deref());
        object.optional_text("Host", self.host.as_deref());
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
pub enum EndTaskRequest {
    /// This task.
    Task(String),
    /// Those that an engine has lost: it has no container of theirs, neither running nor ended.
    Lost(LostTasks),
}

/// What an engine has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostTasks {
    /// Its id.
    pub host: String,
    /// The tasks that it has containers of.
    pub present: Vec<String>,
    /// For so long after the grant a task may be without containers, since it is being launched.
    pub after: SignedDuration,
}

/// A grant comes after pulls and reads, so that a container follows soon.
const LAUNCH: SignedDuration = SignedDuration::from_mins(5);

impl EndTaskRequest {
    /// Reads the request body.
    ///
    /// # Errors
    /// `SerializationException`, `ValidationException`.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse(body)?;
        let task = fields.text("TaskId", TASK)?;
        let host = fields.text("Host", LABEL)?;
        let present = fields.texts("PresentTaskIds", (0, 10_000), TASK)?.unwrap_or_default();
        let after = fields.integer("AfterSeconds", 0, 86_400)?.map_or(LAUNCH, SignedDuration::from_secs);
        let request = match (task, host) {
            (Some(_), Some(_)) => return Err(ApiError::validation("TaskId and Host exclude each other.")),
            (task, None) => Self::Task(fields.demand("TaskId", task)?),
            (None, Some(host)) => Self::Lost(LostTasks { host, present, after }),
        };
        fields.finish(request)
    }
}

impl Encode for EndTaskRequest {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        match self {
            Self::Task(task_id) => object.text("TaskId", task_id),
            Self::Lost(lost) => {
                object.text("Host", &lost.host);
                object.texts("PresentTaskIds", &lost.present);
                object.integer("AfterSeconds", lost.after.as_secs());
            }
        }
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
            host: Some("engine".into()),
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

    #[test]
    fn one_task_ends_or_those_that_an_engine_has_lost() {
        let lost = LostTasks { host: "h".into(), present: vec!["0af3".into()], after: LAUNCH };
        for request in [EndTaskRequest::Task("0af3".into()), EndTaskRequest::Lost(lost)] {
            assert_eq!(EndTaskRequest::decode(&request.encode()).unwrap(), request);
        }
        for wrong in [&br#"{}"#[..], br#"{"TaskId": "ab", "Host": "h"}"#, br#"{"PresentTaskIds": []}"#] {
            assert!(EndTaskRequest::decode(wrong).is_err());
        }
    }
}
