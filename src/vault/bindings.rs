//! Bindings: which version each variable of a container was started with.
//!
//! Never a value. A restart of the same container asks for the versions that are
//! bound here; a replaced container has another id and gets the current ones.

use super::table::{Change, Row, Stored};
use super::{Vault, VaultError};
use crate::audit::Permit;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The bindings of one container.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BindingRecord {
    /// The container's id at the runtime.
    pub container_id: String,
    /// Task that it belongs to.
    pub task_id: String,
    /// Its name in the task definition.
    pub container_name: String,
    /// When it was first started.
    pub recorded: Timestamp,
    /// One entry per injected variable.
    pub entries: Vec<Binding>,
}

/// One injected variable.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Binding {
    /// Variable or log option.
    pub name: String,
    /// The reference as the task definition writes it.
    pub value_from: String,
    /// ARN that it resolved to.
    pub arn: String,
    /// VersionId of the secret, or version number of the parameter.
    pub version_id: String,
}

impl Stored for BindingRecord {
    const KIND: u8 = b'B';
    fn id(&self) -> String {
        self.container_id.clone()
    }
}

/// The bindings of a vault.
#[derive(Clone, Copy, Debug)]
pub struct Bindings<'v>(pub(super) &'v Vault);

impl Bindings<'_> {
    /// Records the bindings of a container; those of its first start stay.
    ///
    /// # Errors
    /// [`VaultError`] when they cannot be stored.
    pub fn record(&self, record: BindingRecord) -> Result<(), VaultError> {
        let id = record.container_id.clone();
        self.0.bindings.change(&id, |current| match current {
            Some(_) => Ok((Change::Keep, ())),
            None => Ok((Change::Write(record), ())),
        })
    }

    /// Drops the bindings of containers that are gone. A container that does come back is
    /// treated as a new one.
    ///
    /// # Errors
    /// [`VaultError`]; those before the failure are dropped.
    pub fn forget(&self, permit: &Permit, container_ids: &[String]) -> Result<(), VaultError> {
        if !permit.covers("sealdock:ForgetBindings", "*") {
            return Err(VaultError::NotPermitted);
        }
        container_ids.iter().try_for_each(|id| self.0.bindings.change(id, |_| Ok((Change::Remove, ()))))
    }

    /// The bindings of one container.
    pub fn get(&self, container_id: &str) -> Option<Arc<Row<BindingRecord>>> {
        self.0.bindings.get(container_id)
    }

    /// All bindings in order of container id.
    pub fn list(&self) -> Vec<Arc<Row<BindingRecord>>> {
        self.0.bindings.page("", None, usize::MAX)
    }
}
