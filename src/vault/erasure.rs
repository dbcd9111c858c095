//! Erasing what destroyed keys and secrets have left in the store: sealed material, in pages that
//! are free and not yet used again.
//!
//! ```text
//! mark -> the record goes -> the store erases -> the mark goes, unless it was set again meanwhile
//! ```
//!
//! The mark is there before anything is destroyed, so that an erasing which a crash or a full
//! disk has prevented is done later. A destroyed key is erased at the next maintenance. For
//! secrets there is an hour between two erasings: each one writes the whole file.

use super::{Vault, VaultError};
use crate::store::StoreError;
use jiff::SignedDuration;
use std::sync::PoisonError;

/// Between two erasings that only secrets ask for.
const BETWEEN: SignedDuration = SignedDuration::from_hours(1);

/// What is destroyed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Destroyed {
    /// A KMS key.
    Key,
    /// A secret with all its versions.
    Secret,
}

impl Destroyed {
    /// Store key of the mark, which holds nothing. No kind of record begins with this byte.
    pub(super) const fn mark(self) -> &'static [u8] {
        match self {
            Self::Key => b"Y",
            Self::Secret => b"Z",
        }
    }
}

impl Vault {
    /// Notes that something is about to be destroyed whose traces are to go. The mark gets a new
    /// revision each time, so that an erasing which is under way does not take it along.
    pub(super) fn mark_for_erasure(&self, what: Destroyed) -> Result<(), VaultError> {
        loop {
            let revision = self.store.get(what.mark())?.map(|record| record.revision);
            match self.store.put(what.mark(), revision, b"") {
                Ok(_) => return Ok(()),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Erases, if something was destroyed since the last time; says whether it did. The store's file
    /// is written anew, so this takes as long as copying it.
    ///
    /// # Errors
    /// [`VaultError`]; it is due again the next time.
    pub fn erase_destroyed(&self) -> Result<bool, VaultError> {
        let marks = [Destroyed::Key, Destroyed::Secret].map(|what| (what, self.store.get(what.mark())));
        let mut found = Vec::new();
        for (what, record) in marks {
            found.extend(record?.map(|record| (what, record.revision)));
        }
        let now = self.now();
        let mut last = self.erased.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that was put back is no reason to wait.
        let rests =
            last.is_some_and(|last| (SignedDuration::ZERO..BETWEEN).contains(&now.duration_since(last)));
        if !found.iter().any(|(what, _)| *what == Destroyed::Key || !rests) {
            return Ok(false);
        }
        self.store.erase()?;
        *last = Some(now);
        for (what, revision) in found {
            match self.store.delete(what.mark(), revision) {
                Ok(()) | Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::Stored;
    use super::super::*;
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_two_kinds_of_record_begin_alike() {
        let kinds = [
            <BindingRecord as Stored>::KIND,
            <anchor::AnchorRecord as Stored>::KIND,
            <ParameterRecord as Stored>::KIND,
            <AccessKeyRecord as Stored>::KIND,
            <KeyRecord as Stored>::KIND,
            <kms_record::AliasRecord as Stored>::KIND,
            <SecretRecord as Stored>::KIND,
            <RevocationRecord as Stored>::KIND,
            <TaskRoleRecord as Stored>::KIND,
            blobs::BLOB,
            HEADER[0],
            Destroyed::Key.mark()[0],
            Destroyed::Secret.mark()[0],
        ];
        assert_eq!(HashSet::from(kinds).len(), kinds.len());
    }
}
