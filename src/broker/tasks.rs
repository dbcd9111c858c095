//! What a launcher asks for: sessions of the roles of a task, and the trail of what
//! went into which container.

use super::{Ask, Broker, Caller, Context, CredentialError, Deny};
use crate::arn::Arn;
use crate::audit::{AuditError, Permit, Recording, Refused};
use crate::policy::{ConditionKeys, evaluate_trust};
use crate::secret::SecretValue;
use crate::vault::{Binding, BindingRecord, SessionClaims, VaultError};
use jiff::SignedDuration;
use serde_json::json;
use std::sync::Arc;

/// The service that an execution role trusts.
/// Source: Amazon ECS Developer Guide, "Amazon ECS task execution IAM role".
const TASKS: &str = "ecs-tasks.amazonaws.com";

/// How long a task's session lives: as long as ECS's own task credentials.
const SESSION: SignedDuration = SignedDuration::from_hours(6);

/// Temporary credentials of a role.
#[derive(Debug)]
pub struct RoleSession {
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
    /// The role does not let the service use it.
    Untrusted {
        /// The role.
        role: String,
    },
}

/// A session whose records are on their way to the disk.
#[derive(Debug)]
#[must_use = "the session is not on record until it has settled"]
pub struct PendingSession {
    passed: Option<Recording>,
    assumed: Option<Recording>,
    session: Result<RoleSession, SessionError>,
}

impl PendingSession {
    fn refused(error: SessionError) -> Self {
        Self { passed: None, assumed: None, session: Err(error) }
    }

    /// Who the session is, if the decisions allow it.
    pub fn caller(&self) -> Option<&Caller> {
        self.session.as_ref().ok().map(|session| &session.caller)
    }

    /// Waits until both decisions are on record.
    ///
    /// # Errors
    /// [`SessionError`].
    pub async fn settled(self) -> Result<RoleSession, SessionError> {
        let denied = |refused: Refused| SessionError::Denied(refused.into());
        if let Some(passed) = self.passed {
            let _permit: Permit = passed.await.map_err(denied)?;
        }
        match self.assumed {
            None => self.session,
            Some(assumed) => match assumed.await {
                Ok(_permit) => self.session,
                Err(refused @ Refused::Denied(_)) => Err(self.session.err().unwrap_or(denied(refused))),
                Err(refused) => Err(denied(refused)),
            },
        }
    }
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

/// Whom a session is for, and what it may do at most.
#[derive(Clone, Debug)]
pub struct ServiceSession<'a> {
    /// The service that gets it, such as `ecs-tasks.amazonaws.com`; the role must trust it.
    pub service: &'static str,
    /// The role.
    pub role: &'a str,
    /// RoleSessionName.
    pub name: &'a str,
    /// The task that it belongs to and ends with.
    pub task: Option<&'a str>,
    /// A session policy that it is limited to, as JSON.
    pub policy: Option<&'a str>,
    /// How long it lives.
    pub life: SignedDuration,
}

impl<'a> ServiceSession<'a> {
    /// A session for a task, as ECS hands one to its agent.
    pub fn task(role: &'a str, task: &'a str) -> Self {
        Self { service: TASKS, role, name: task, task: Some(task), policy: None, life: SESSION }
    }
}

impl Broker {
    /// A session of a role for an AWS service that acts for the caller, as ECS gets one
    /// for a task. The caller needs `iam:PassRole` on the role, and the role must trust
    /// the service; both decisions are recorded.
    ///
    /// # Errors
    /// [`SessionError`].
    pub async fn service_session(
        &self,
        context: &Context,
        wanted: &ServiceSession<'_>,
    ) -> Result<RoleSession, SessionError> {
        self.begin_session(context, wanted).settled().await
    }

    /// As [`Broker::service_session`], without waiting for the disk: for a request that reads as
    /// the role at once. What it reads must not leave before the session has settled.
    pub fn begin_session(&self, context: &Context, wanted: &ServiceSession<'_>) -> PendingSession {
        let mut pass = Ask::new("iam:PassRole", wanted.role);
        pass.keys.set("iam:PassedToService", wanted.service);
        let Some(decision) = self.decide(context, &pass) else {
            return PendingSession::refused(SessionError::Denied(super::authorize::no_caller()));
        };
        let allowed = decision.is_allowed();
        let passed = Some(self.submit(context, decision));
        if !allowed {
            let session = Err(SessionError::Untrusted { role: wanted.role.to_owned() });
            return PendingSession { passed, assumed: None, session };
        }
        PendingSession { passed, ..self.begin_for_service(context, wanted, context.caller.as_ref()) }
    }

    /// Whether the caller may hand the role to the service; recorded.
    pub(super) async fn pass_role(
        &self,
        context: &Context,
        wanted: &ServiceSession<'_>,
    ) -> Result<Permit, SessionError> {
        let mut pass = Ask::new("iam:PassRole", wanted.role);
        pass.keys.set("iam:PassedToService", wanted.service);
        self.authorize(context, &pass).await.map_err(SessionError::Denied)
    }

    /// A session that the broker itself needs, such as that of a rotation: nobody passes
    /// the role, but it must trust the service. Recorded like every other.
    ///
    /// # Errors
    /// [`SessionError`].
    pub async fn issue_for_service(
        &self,
        context: &Context,
        wanted: &ServiceSession<'_>,
        asked_by: Option<&Caller>,
    ) -> Result<RoleSession, SessionError> {
        self.begin_for_service(context, wanted, asked_by).settled().await
    }

    fn begin_for_service(
        &self,
        context: &Context,
        wanted: &ServiceSession<'_>,
        asked_by: Option<&Caller>,
    ) -> PendingSession {
        let ServiceSession { service, role, name, .. } = *wanted;
        let untrusted = || SessionError::Untrusted { role: role.to_owned() };
        let Ok(arn) = role.parse::<Arn>() else { return PendingSession::refused(untrusted()) };
        let set = self.policies.current();
        let access_key_id = self.vault.session_key_id(&arn.account);
        let mut recorded = context.clone();
        recorded.event_source = "sts.amazonaws.com";
        recorded.event_name = "AssumeRole";
        recorded.parameters = Some(json!({ "roleArn": role, "roleSessionName": name, "invokedBy": service }));
        recorded.response = Some(json!({ "credentials": { "accessKeyId": access_key_id } }));
        let keys = self.service_keys(context, wanted, &arn);
        let decision = evaluate_trust(&set, &arn, service, &keys);
        let allowed = decision.is_allowed();
        let assumed = Some(self.submit(&recorded, decision));
        let Some(identity) = set.identity(role).filter(|_| allowed) else {
            return PendingSession { passed: None, assumed, session: Err(untrusted()) };
        };
        let created = self.now();
        let claims = SessionClaims {
            access_key_id,
            principal: role.to_owned(),
            session_name: name.to_owned(),
            principal_id: identity.id.to_string(),
            created,
            expires: created + wanted.life,
            task: wanted.task.map(str::to_owned),
            assumed_by: Some(service.to_owned()),
            made_with: asked_by.and_then(Caller::access_key_id).map(str::to_owned),
            ancestors: asked_by.map(Caller::ancestors).unwrap_or_default(),
            policy: wanted.policy.map(str::to_owned),
            ..SessionClaims::default()
        };
        let session = self.issue(claims).map_err(|_| untrusted());
        PendingSession { passed: None, assumed, session }
    }

    /// What a trust policy can ask about a service that assumes a role: for whom it does.
    ///
    /// Source: Amazon ECS Developer Guide, "Amazon ECS task IAM role", whose trust policy
    /// compares both.
    fn service_keys(&self, context: &Context, wanted: &ServiceSession<'_>, role: &Arn) -> ConditionKeys {
        let account = context.caller.as_ref().map_or(role.account.as_str(), Caller::account);
        let mut keys = ConditionKeys::new()
            .with("sts:RoleSessionName", wanted.name)
            .with("aws:SourceAccount", account)
            .with("aws:CurrentTime", self.now().to_string());
        if let Some(task) = wanted.task {
            keys.set("aws:SourceArn", format!("arn:aws:ecs:{}:{account}:task/{task}", context.region));
        }
        keys
    }

    /// Makes the credentials of a session that has been decided and recorded.
    pub(super) fn issue(&self, claims: SessionClaims) -> Result<RoleSession, CredentialError> {
        let (secret, token) = self.vault.issue_session(&claims);
        let caller = self.session_caller(Arc::new(claims.clone()))?;
        Ok(RoleSession { caller, claims, secret, token })
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
