//! [`SecretTable`]: the records of secrets, and the rule that nobody changes one past its
//! replicas.
//!
//! A change of a secret goes through `Secrets::change`, which takes it to the replicas. What
//! is left is what a Region has of its own: [`SecretTable::change_alone`].

use super::VaultError;
use super::seal::Keys;
use super::secret_record::SecretRecord;
use super::table::{Change, Row, Table};
use crate::store::Store;
use std::sync::Arc;

/// All secrets of the vault.
#[derive(Debug)]
pub(super) struct SecretTable(Table<SecretRecord>);

impl SecretTable {
    /// As [`Table::load`].
    pub(super) fn load(store: Arc<dyn Store>, keys: Arc<Keys>) -> Result<Self, VaultError> {
        Table::load(store, keys).map(Self)
    }

    /// As [`Table::get`].
    pub(super) fn get(&self, id: &str) -> Option<Arc<Row<SecretRecord>>> {
        self.0.get(id)
    }

    /// The records, to be read.
    pub(super) fn rows(&self) -> &Table<SecretRecord> {
        &self.0
    }

    /// As [`Table::note`]: what is noted belongs to a Region alone.
    pub(super) fn note(&self, id: &str, edit: impl FnOnce(&mut SecretRecord)) {
        self.0.note(id, edit);
    }

    /// As [`Table::change`], for what replicas do not share: days of reads, how replicas stand,
    /// the end of a secret, and the replicas themselves.
    pub(super) fn change_alone<T, E: From<VaultError>>(
        &self,
        id: &str,
        decide: impl FnOnce(Option<&SecretRecord>) -> Result<(Change<SecretRecord>, T), E>,
    ) -> Result<T, E> {
        self.0.change(id, decide)
    }
}
