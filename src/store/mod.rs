//! Where sealed bytes are kept: opaque keys, revisions and opaque values.
//!
//! The contract is one key at a time:
//!
//! ```text
//! get(key)                      -> the record, or none
//! look(key, see)                -> whether there is one; shows its bytes where they lie
//! put(key, expected, bytes)     -> its new revision; durable when it returns
//! delete(key, expected)         -> durable when it returns
//! scan(prefix, after, limit)    -> records in ascending order of their keys
//! ```
//!
//! `put` and `delete` are compare-and-swap: they happen only if the record still
//! has the revision that the caller saw. Revisions rise through the whole store and
//! are never used twice, so a record that was deleted and made again does not match
//! a revision seen before. There is no transaction over several keys; SQL fits the
//! same shape (`UPDATE .. WHERE key = $1 AND revision = $2`).
//!
//! What was deleted or replaced may stay readable in what a store keeps, until `erase` was called.
//!
//! Encryption sits above: a store sees neither names nor values.

mod embedded;
mod erase;
mod error;
mod group;

pub use embedded::EmbeddedStore;
pub use error::StoreError;

/// One record: its bytes, and the revision that the next change has to name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Rises with each change in the store; never used twice.
    pub revision: u64,
    /// What was put.
    pub bytes: Vec<u8>,
}

/// A place for records. All calls block.
pub trait Store: Send + Sync + std::fmt::Debug {
    /// The record under `key`.
    fn get(&self, key: &[u8]) -> Result<Option<Record>, StoreError>;

    /// Shows the bytes of the record under `key`, if there is one, without a copy where the store
    /// can do that; tells whether there is one. `see` is called once at most.
    fn look(&self, key: &[u8], see: &mut dyn FnMut(&[u8])) -> Result<bool, StoreError> {
        let record = self.get(key)?;
        Ok(record.map(|record| see(&record.bytes)).is_some())
    }

    /// Writes `bytes` under `key` and returns the new revision. With `expected` of
    /// `None` the key must not exist; otherwise its revision must be the given one.
    /// Durable when it returns. After an error other than [`StoreError::Conflict`] and
    /// [`StoreError::TooLarge`] the record is either wholly the old or wholly the new one.
    fn put(&self, key: &[u8], expected: Option<u64>, bytes: &[u8]) -> Result<u64, StoreError>;

    /// Removes the record under `key` if it has the revision `expected`. Durable when it returns.
    fn delete(&self, key: &[u8], expected: u64) -> Result<(), StoreError>;

    /// Up to `limit` records whose key begins with `prefix` and is greater than `after`.
    fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Record)>, StoreError>;

    /// Makes everything that was deleted or replaced until now unrecoverable from what the store
    /// keeps. Reads and writes go on meanwhile; a write may have to wait. After an error, and
    /// after a crash, nothing is lost, and it is to be called again.
    fn erase(&self) -> Result<(), StoreError>;
}
