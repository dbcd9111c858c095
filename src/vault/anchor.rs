//! The anchor: how far the audit log had come when the vault last heard of it.
//!
//! The log's own checkpoints lie beside the log, so whoever can cut its end can cut
//! them as well, or take the whole directory away. The vault remembers a record's
//! number and hash under its own keys; the next start compares.

use super::table::{Change, Stored};
use super::{Vault, VaultError};
use serde::{Deserialize, Serialize};

/// The one record of its kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct AnchorRecord {
    sequence: u64,
    hash: String,
}

impl Stored for AnchorRecord {
    const KIND: u8 = b'L';
    fn id(&self) -> String {
        ID.to_owned()
    }
}

const ID: &str = "audit-head";

impl Vault {
    /// Number and hash of a record that the audit log must hold; `None` before the first.
    pub fn audit_anchor(&self) -> Option<(u64, String)> {
        self.anchor.get(ID).map(|row| (row.record.sequence, row.record.hash.clone()))
    }

    /// Remembers the log's head.
    ///
    /// # Errors
    /// [`VaultError`] when it cannot be stored.
    pub fn set_audit_anchor(&self, sequence: u64, hash: &str) -> Result<(), VaultError> {
        let fresh = AnchorRecord { sequence, hash: hash.to_owned() };
        self.anchor.change(ID, |current| {
            Ok((if current == Some(&fresh) { Change::Keep } else { Change::Write(fresh) }, ()))
        })
    }
}
