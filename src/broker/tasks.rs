//! What a launcher asks for: a session of the execution role, and the trail of
//! what went into which container.

use super::{Ask, Broker, Caller, Context, Deny};
use crate::arn::Arn;
use crate::audit::{AuditError, Permit};
use crate::policy::evaluate_trust;
use crate::secret::SecretValue;
use crate::vault::{Binding, BindingRecord, SessionClaims, VaultError};
use jiff::SignedDuration;
use serde_json::json;

/// The service that an execution role trusts.
/// Source: Amazon ECS Developer Guide, "Amazon ECS task execution IAM role".
const TASKS: &str = "ecs-tasks.amazonaws.com";

/// How long a task's session lives: as long as ECS's own task credentials.
const SESSION: SignedDuration = SignedDuration::from_hours(6);

/// Temporary credentials of a role.
#[derive(Debug)]
pub struct TaskSession {
    /// Who the session is.
    pub caller: Caller,
    /// The claims that its token carries.
    pub claims: SessionClaims,
    /// Secret access key.
    pub secret: SecretValue,
    /// Session token.
    pub token: SecretValue,
}

/// Why there is no session.
#[derive(Debug)]
pub enum SessionError {
    /// Refused or unrecorded.
    Denied(Deny),
    /// The role does not let ECS tasks use it.
    Untrusted {
        /// The role.
        role: String,
    },
}

/// What a launcher reports of one container.
#[derive(Debug)]
pub struct Injected {
    /// Task id.
    pub task_id: String,
    /// Name in the task definition.
    pub container_name: String,
    /// Runtime's id of the container, when the runtime hook reports.
    pub container_id: Option<String>,
    /// One entry per variable or log option.
    pub entries: Vec<Binding>,
}

impl Broker {
    /// A session of `role` for the task `session_name`, as ECS hands one to its
    /// agent. The caller needs `iam:PassRole` on the role, and the role must trust
    /// ECS tasks; both decisions are recorded.
    ///
    /// # Errors
    /// [`SessionError`].
    pub async fn task_session(
        &self,
        context: &Context,
        role: &str,
        session_name: &str,
    ) -> Result<TaskSession, SessionError> {
        let _permit: Permit =
            self.authorize(context, &Ask::new("iam:PassRole", role)).await.map_err(SessionError::Denied)?;
        let untrusted = || SessionError::Untrusted { role: role.to_owned() };
        let arn: Arn = role.parse().map_err(|_| untrusted())?;
        let set = self.policies.current();
        let mut assumed = context.clone();
        assumed.event_source = "sts.amazonaws.com";
        assumed.event_name = "AssumeRole".into();
        assumed.parameters =
            Some(json!({ "roleArn": role, "roleSessionName": session_name, "invokedBy": TASKS }));
        match self.record(&assumed, evaluate_trust(&set, &arn, TASKS)).await {
            Ok(_permit) => {}
            Err(Deny::Refused(_)) => return Err(untrusted()),
            Err(deny) => return Err(SessionError::Denied(deny)),
        }
        let identity = set.identity(role).ok_or_else(untrusted)?;
        let created = self.now();
        let claims = SessionClaims {
            access_key_id: self.vault.session_key_id(),
            role: role.to_owned(),
            session_name: session_name.to_owned(),
            role_id: identity.id.clone(),
            created,
            expires: created + SESSION,
        };
        let (secret, token) = self.vault.issue_session(&claims);
        let caller = self.session_caller(claims.clone()).map_err(|_| untrusted())?;
        Ok(TaskSession { caller, claims, secret, token })
    }

    /// Keeps what a container was started with. The record of the request, with all
    /// of it, is already durable: that is what `permit` says.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn bind(&self, permit: &Permit, injected: Injected) -> Result<(), VaultError> {
        if !permit.covers("sealdock:RecordInjections", "*") {
            return Err(VaultError::NotPermitted);
        }
        let Some(container_id) = injected.container_id else { return Ok(()) };
        self.vault.bindings().record(BindingRecord {
            container_id,
            task_id: injected.task_id,
            container_name: injected.container_name,
            recorded: self.now(),
            entries: injected.entries,
        })
    }
}

impl From<AuditError> for Deny {
    fn from(error: AuditError) -> Self {
        Self::Unrecorded(error)
    }
}
