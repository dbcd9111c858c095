//! The embedded store: one redb file.

use super::{Record, Store, StoreError};
use redb::{Database, StorageBackend};
use std::path::Path;

/// A [`Store`] in one file.
#[derive(Debug)]
pub struct EmbeddedStore;

impl EmbeddedStore {
    /// Makes a new, empty store at `path`, which must not exist.
    pub fn create(_path: &Path) -> Result<Self, StoreError> {
        Err(StoreError::InUse)
    }

    /// Opens the store at `path`, which must exist.
    pub fn open(_path: &Path) -> Result<Self, StoreError> {
        Err(StoreError::InUse)
    }

    /// Opens a store in `backend`; makes one if it is empty.
    pub fn with_backend(_backend: impl StorageBackend) -> Result<Self, StoreError> {
        let _ = Database::builder();
        Err(StoreError::InUse)
    }
}

impl Store for EmbeddedStore {
    fn get(&self, _key: &[u8]) -> Result<Option<Record>, StoreError> {
        Err(StoreError::InUse)
    }
    fn put(&self, _key: &[u8], _expected: Option<u64>, _bytes: &[u8]) -> Result<u64, StoreError> {
        Err(StoreError::InUse)
    }
    fn delete(&self, _key: &[u8], _expected: u64) -> Result<(), StoreError> {
        Err(StoreError::InUse)
    }
    fn scan(
        &self,
        _prefix: &[u8],
        _after: Option<&[u8]>,
        _limit: usize,
    ) -> Result<Vec<(Vec<u8>, Record)>, StoreError> {
        Err(StoreError::InUse)
    }
}
