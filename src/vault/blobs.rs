//! Blobs: the sealed values of versions, each written once under a random name.
//!
//! A version's value is put first, under a name that nobody else uses; then one
//! compare-and-swap of the metadata makes it visible. A crash between the two
//! leaves a blob that no record names; [`Blobs::sweep`] removes those.
//!
//! The KMS key's own record holds the KEK that seals the data keys of the blobs.

use super::VaultError;
use super::scope::Scope;
use super::seal::{Key, Keys, open_value, random, seal_value};
use super::table::{Change, Stored, Table};
use crate::secret::SecretValue;
use crate::store::Store;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};

const BLOB: u8 = b'V';

/// A KMS key id and its sealed key material.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct KeyRecord {
    scope: Scope,
    key_id: String,
    sealed: String,
}

impl Stored for KeyRecord {
    const KIND: u8 = b'K';
    fn id(&self) -> String {
        self.scope.id(&self.key_id)
    }
}

/// Values and the keys that seal them.
pub(crate) struct Blobs {
    store: Arc<dyn Store>,
    keys: Arc<Keys>,
    keks: Table<KeyRecord>,
    /// Opened KEKs, wiped when dropped. They are as secret as the derived keys beside them.
    opened: RwLock<HashMap<String, Arc<Key>>>,
}

impl std::fmt::Debug for Blobs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Blobs(..)")
    }
}

impl Blobs {
    pub(crate) fn load(store: Arc<dyn Store>, keys: Arc<Keys>) -> Result<Self, VaultError> {
        let keks = Table::load(Arc::clone(&store), Arc::clone(&keys))?;
        Ok(Self { keks, store, keys, opened: RwLock::default() })
    }

    /// Seals and stores a value under the KMS key `key_id`; returns the blob's name.
    pub(crate) fn put(&self, scope: &Scope, key_id: &str, value: &SecretValue) -> Result<String, VaultError> {
        let kek = self.kek(scope, key_id)?;
        let name = hex::encode(random::<16>().as_ref());
        let key = blob_key(&name);
        #[expect(clippy::disallowed_methods, reason = "the plaintext goes into the seal and nowhere else")]
        let sealed = seal_value(&kek, &key, value.expose());
        self.store.put(&key, None, &sealed)?;
        Ok(name)
    }

    /// Opens the value in the blob `name`.
    pub(crate) fn get(&self, scope: &Scope, key_id: &str, name: &str) -> Result<SecretValue, VaultError> {
        let key = blob_key(name);
        let id = scope.id(key_id);
        let kek = match self.opened(&id) {
            Some(kek) => kek,
            None => self.open_kek(&self.keks.get(&id).ok_or(VaultError::Unreadable)?.record)?,
        };
        let stored = self.store.get(&key)?.ok_or(VaultError::Unreadable)?;
        let mut value = open_value(&kek, &key, &stored.bytes).map_err(|_| VaultError::Unreadable)?;
        Ok(SecretValue::new(std::mem::take(&mut *value)))
    }

    /// The sealed bytes of the blob `name`, as the store has them.
    pub(crate) fn sealed(&self, name: &str) -> Result<Vec<u8>, VaultError> {
        Ok(self.store.get(&blob_key(name))?.ok_or(VaultError::Unreadable)?.bytes)
    }

    /// Removes a blob and with it the only copy of its data key.
    pub(crate) fn delete(&self, name: &str) -> Result<(), VaultError> {
        let key = blob_key(name);
        if let Some(stored) = self.store.get(&key)? {
            self.store.delete(&key, stored.revision)?;
        }
        Ok(())
    }

    /// Removes every blob that is not in `named`; returns how many. Only safe
    /// while nothing else writes: before the vault serves.
    pub(crate) fn sweep(&self, named: &HashSet<&str>) -> Result<usize, VaultError> {
        let named: HashSet<Vec<u8>> = named.iter().map(|name| blob_key(name)).collect();
        let mut removed = 0;
        let mut after: Option<Vec<u8>> = None;
        loop {
            let page = self.store.scan(&[BLOB], after.as_deref(), 256)?;
            let Some((last, _)) = page.last() else { return Ok(removed) };
            after = Some(last.clone());
            for (key, stored) in page.iter().filter(|(key, _)| !named.contains(key)) {
                self.store.delete(key, stored.revision)?;
                removed += 1;
            }
        }
    }

    /// The KEK of a KMS key id, made at its first use.
    fn kek(&self, scope: &Scope, key_id: &str) -> Result<Arc<Key>, VaultError> {
        let id = scope.id(key_id);
        if let Some(kek) = self.opened(&id) {
            return Ok(kek);
        }
        if let Some(row) = self.keks.get(&id) {
            return self.open_kek(&row.record);
        }
        let record = self.keks.change(&id, |current| {
            Ok::<_, VaultError>(match current {
                Some(record) => (Change::Keep, record.clone()),
                None => {
                    let sealed = self.keys.seal_kek(&self.keys.store_key(KeyRecord::KIND, &id), &random());
                    let record = KeyRecord {
                        scope: scope.clone(),
                        key_id: key_id.to_owned(),
                        sealed: hex::encode(sealed),
                    };
                    (Change::Write(record.clone()), record)
                }
            })
        })?;
        self.open_kek(&record)
    }

    fn opened(&self, id: &str) -> Option<Arc<Key>> {
        self.opened.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    fn open_kek(&self, record: &KeyRecord) -> Result<Arc<Key>, VaultError> {
        let sealed = hex::decode(&record.sealed).map_err(|_| VaultError::Unreadable)?;
        let id = record.id();
        let key = self.keys.store_key(KeyRecord::KIND, &id);
        let kek = Arc::new(self.keys.open_kek(&key, &sealed).map_err(|_| VaultError::Unreadable)?);
        self.opened.write().unwrap_or_else(PoisonError::into_inner).insert(id, Arc::clone(&kek));
        Ok(kek)
    }
}

fn blob_key(name: &str) -> Vec<u8> {
    let mut key = vec![BLOB];
    key.extend_from_slice(name.as_bytes());
    key
}
