//! Credentials for the containers of a task: granted at its launch, renewed while it lives,
//! ended with it.
//!
//! ```text
//! grant   iam:PassRole by the launcher, trust of the role   -> an id for the containers
//! get     sealdock:GetTaskCredentials by the endpoint       -> the session, or a new one if it is getting old
//! end     sealdock:EndTask                                  -> the id is unknown, every session is over
//! lost    sealdock:EndTask by the endpoint                  -> the same for tasks whose containers are gone
//! ```
//!
//! Sessions are kept in memory only: after a restart of the broker the next request makes a new
//! one. Each hand-out is on record, and each new session as `AssumeRole` as well.

use super::tasks::{RoleSession, ServiceSession, SessionError};
use super::{Broker, Context};
use crate::audit::Permit;
use crate::secret::SecretValue;
use crate::vault::{NewTaskRole, SessionClaims, Subject, TaskRoleRecord, VaultError};
use jiff::SignedDuration;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

/// What is left of a session when the next one begins. SDKs ask again a quarter of an hour
/// before the end, and must not get the same one then.
const RENEWAL: SignedDuration = SignedDuration::from_hours(1);

/// Sessions of tasks, by the digest of their id.
#[derive(Debug, Default)]
pub(super) struct TaskSessions(Mutex<HashMap<String, TaskCredentials>>);

/// Credentials of a task's role.
#[derive(Clone, Debug)]
pub struct TaskCredentials {
    /// What the token claims.
    pub claims: SessionClaims,
    /// Secret access key.
    pub secret: Arc<SecretValue>,
    /// Session token.
    pub token: Arc<SecretValue>,
}

impl From<RoleSession> for TaskCredentials {
    fn from(session: RoleSession) -> Self {
        Self { claims: session.claims, secret: Arc::new(session.secret), token: Arc::new(session.token) }
    }
}

impl Broker {
    /// Passes a role to a task: the caller may, the role trusts `ecs-tasks.amazonaws.com`, and the
    /// first session is made. All of it is on record.
    ///
    /// # Errors
    /// [`SessionError`].
    pub async fn pass_task_role(
        &self,
        context: &Context,
        role: &str,
        task_id: &str,
    ) -> Result<(Permit, TaskCredentials), SessionError> {
        let wanted = ServiceSession::task(role, task_id);
        let passed = self.pass_role(context, &wanted).await?;
        let session = self.issue_for_service(context, &wanted, context.caller.as_ref()).await?;
        Ok((passed, session.into()))
    }

    /// Grants a role that has been passed, and returns the id for the containers.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn grant_task_role(
        &self,
        (passed, session): (Permit, TaskCredentials),
        new: NewTaskRole<'_>,
    ) -> Result<SecretValue, VaultError> {
        let id = self.vault.task_roles().grant(&passed, new)?;
        if let Some(row) = self.vault.task_roles().find(&id) {
            self.keep(&row.record.digest, session);
        }
        Ok(id)
    }

    /// What an id stands for; nothing once the task has ended, or the credentials that granted it
    /// were revoked.
    pub fn task_role(&self, id: &SecretValue) -> Option<TaskRoleRecord> {
        let granted = self.vault.task_roles().find(id)?.record.clone();
        let as_session = SessionClaims {
            access_key_id: granted.made_with.clone().unwrap_or_default(),
            task: Some(granted.task_id.clone()),
            created: granted.granted,
            ..SessionClaims::default()
        };
        (!self.vault.revocations().covers(&as_session)).then_some(granted)
    }

    /// The credentials of a task's role. `permit` is that of handing them out.
    ///
    /// # Errors
    /// [`SessionError`].
    pub async fn task_credentials(
        &self,
        context: &Context,
        permit: &Permit,
        granted: &TaskRoleRecord,
    ) -> Result<TaskCredentials, SessionError> {
        if !permit.covers("sealdock:GetTaskCredentials", &granted.role) {
            return Err(SessionError::Untrusted { role: granted.role.clone() });
        }
        if let Some(kept) = self.kept(&granted.digest) {
            return Ok(kept);
        }
        let wanted = ServiceSession::task(&granted.role, &granted.task_id);
        let session = TaskCredentials::from(self.issue_for_service(context, &wanted, None).await?);
        self.keep(&granted.digest, session.clone());
        Ok(session)
    }

    /// The tasks of an engine that are not among those it has, of those granted before
    /// some time ago.
    pub fn lost_tasks(&self, host: &str, present: &[String], after: SignedDuration) -> Vec<String> {
        let before = self.now() - after;
        let rows = self.vault.task_roles().list();
        let lost = rows.iter().map(|row| &row.record).filter(|granted| {
            granted.host.as_deref() == Some(host)
                && granted.granted <= before
                && !present.contains(&granted.task_id)
        });
        let lost: BTreeSet<&str> = lost.map(|granted| granted.task_id.as_str()).collect();
        lost.into_iter().map(str::to_owned).collect()
    }

    /// Takes the roles of a task away and ends its sessions, for good.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn end_task(&self, permit: &Permit, task_id: &str, by: &str) -> Result<(), VaultError> {
        if !permit.covers("sealdock:EndTask", "*") {
            return Err(VaultError::NotPermitted);
        }
        // Sessions first: a hand-out that is under way then gives out one that is over.
        self.vault.revocations().revoke(Subject::Task(task_id.to_owned()), by)?;
        self.vault.task_roles().end(permit, task_id)?;
        self.lock().retain(|_, kept| kept.claims.task.as_deref() != Some(task_id));
        Ok(())
    }

    /// The session that is good for a while yet.
    fn kept(&self, digest: &str) -> Option<TaskCredentials> {
        let kept = self.lock().get(digest).cloned()?;
        let fresh = kept.claims.expires.duration_since(self.now()) > RENEWAL;
        // What an operator has revoked is not handed out again; a new session may be.
        (fresh && !self.vault.revocations().covers(&kept.claims)).then_some(kept)
    }

    fn keep(&self, digest: &str, session: TaskCredentials) {
        self.lock().insert(digest.to_owned(), session);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, TaskCredentials>> {
        self.task_sessions.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
