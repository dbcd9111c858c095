//! Blobs: the sealed values of versions, each written once under a random name.
//!
//! A version's value is put first, under a name that nobody else uses; then one
//! compare-and-swap of the metadata makes it visible. A crash between the two
//! leaves a blob that no record names; [`Blobs::sweep`] removes those.
//!
//! What seals the data keys of the blobs is a [`Kek`], which only the keyring gives.

use super::VaultError;
use super::kms_keyring::Kek;
use super::seal::{open_value, random, seal_value};
use crate::secret::SecretValue;
use crate::store::Store;
use std::collections::HashSet;
use std::sync::Arc;

pub(super) const BLOB: u8 = b'V';

/// Sealed values.
pub(crate) struct Blobs {
    store: Arc<dyn Store>,
}

impl std::fmt::Debug for Blobs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Blobs(..)")
    }
}

impl Blobs {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// Seals and stores a value; returns the blob's name.
    pub(crate) fn put(&self, kek: &Kek, value: &SecretValue) -> Result<String, VaultError> {
        let name = hex::encode(random::<16>().as_ref());
        let key = blob_key(&name);
        #[expect(clippy::disallowed_methods, reason = "the plaintext goes into the seal and nowhere else")]
        let sealed = seal_value(kek.newest(), &key, value.expose());
        self.store.put(&key, None, &sealed)?;
        Ok(name)
    }

    /// Opens the value in the blob `name`.
    pub(crate) fn get(&self, kek: &Kek, name: &str) -> Result<SecretValue, VaultError> {
        let key = blob_key(name);
        let mut opened = None;
        self.store.look(&key, &mut |sealed| {
            opened = kek.all().find_map(|kek| open_value(kek, &key, sealed).ok());
        })?;
        let mut value = opened.ok_or(VaultError::Unreadable)?;
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
}

fn blob_key(name: &str) -> Vec<u8> {
    [&[BLOB], name.as_bytes()].concat()
}
