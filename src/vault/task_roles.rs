//! Roles of tasks: of which role the containers of a running task may have credentials.
//!
//! The launcher is given an id of 256 random bits for each, which it puts into the containers.
//! Whoever knows the id gets the credentials, as with the endpoint of the ECS agent, so it is a
//! secret; kept is only its digest.

use super::seal::random;
use super::table::{Change, Row, Stored};
use super::{Vault, VaultError};
use crate::audit::Permit;
use crate::secret::SecretValue;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;

/// The role of one task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskRoleRecord {
    /// SHA-256 of the id, in hexadecimal.
    pub digest: String,
    /// The task, with which it ends.
    pub task_id: String,
    /// ARN of the role.
    pub role: String,
    /// `family:revision`, if the launcher said.
    pub task_definition: Option<String>,
    /// Id of the engine that has its containers, if the launcher said.
    #[serde(default)]
    pub host: Option<String>,
    /// When it was granted.
    pub granted: Timestamp,
    /// ARN of who passed the role.
    pub by: String,
    /// The access key that passed it; sessions end with it.
    pub made_with: Option<String>,
}

impl Stored for TaskRoleRecord {
    const KIND: u8 = b'T';
    fn id(&self) -> String {
        self.digest.clone()
    }
}

/// The roles of the tasks of a vault.
#[derive(Clone, Copy, Debug)]
pub struct TaskRoles<'v>(pub(super) &'v Vault);

impl TaskRoles<'_> {
    /// Grants a role to a task and returns the id, this once. `permit` is that of passing the role.
    ///
    /// # Errors
    /// [`VaultError::NotPermitted`], or when it cannot be stored.
    pub fn grant(&self, permit: &Permit, new: NewTaskRole<'_>) -> Result<SecretValue, VaultError> {
        if !permit.covers("iam:PassRole", new.role) {
            return Err(VaultError::NotPermitted);
        }
        let id = hex::encode(random::<32>().as_ref());
        let record = TaskRoleRecord {
            digest: digest(id.as_bytes()),
            task_id: new.task_id.to_owned(),
            role: new.role.to_owned(),
            task_definition: new.task_definition.map(str::to_owned),
            host: new.host.map(str::to_owned),
            granted: self.0.now(),
            by: new.by.to_owned(),
            made_with: new.made_with.map(str::to_owned),
        };
        self.0
            .task_roles
            .change(&record.id(), |_| Ok::<_, VaultError>((Change::Write(record.clone()), ())))?;
        Ok(SecretValue::from(id))
    }

    /// The role that an id stands for.
    pub fn find(&self, id: &SecretValue) -> Option<Arc<Row<TaskRoleRecord>>> {
        #[expect(clippy::disallowed_methods, reason = "of the id only the digest is looked up")]
        let digest = digest(id.expose());
        self.0.task_roles.get(&digest)
    }

    /// Takes the roles of a task away. Durable when it returns.
    ///
    /// # Errors
    /// [`VaultError`]; those before the failure are gone.
    pub fn end(&self, permit: &Permit, task_id: &str) -> Result<usize, VaultError> {
        if !permit.covers("sealdock:EndTask", "*") {
            return Err(VaultError::NotPermitted);
        }
        let all = self.list();
        let own: Vec<_> = all.iter().filter(|row| row.record.task_id == task_id).collect();
        for row in &own {
            self.0.task_roles.change(&row.record.digest, |_| Ok::<_, VaultError>((Change::Remove, ())))?;
        }
        Ok(own.len())
    }

    /// All of them, in no order that means anything.
    pub fn list(&self) -> Vec<Arc<Row<TaskRoleRecord>>> {
        self.0.task_roles.page("", None, usize::MAX)
    }
}

/// A role that is to be granted.
#[derive(Clone, Copy, Debug)]
pub struct NewTaskRole<'a> {
    /// The task.
    pub task_id: &'a str,
    /// ARN of the role.
    pub role: &'a str,
    /// `family:revision`.
    pub task_definition: Option<&'a str>,
    /// Id of the engine that has its containers.
    pub host: Option<&'a str>,
    /// ARN of who passes the role.
    pub by: &'a str,
    /// The access key that passes it.
    pub made_with: Option<&'a str>,
}

fn digest(id: &[u8]) -> String {
    hex::encode(Sha256::digest(id))
}
