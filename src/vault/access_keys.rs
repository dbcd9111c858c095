//! Access keys of the vault: long-term credentials of users and roles.
//!
//! The secret half is sealed like any value. [`AccessKeys::secret`] is the one
//! read of plaintext without a permit, because it comes before one can exist: it
//! is what a request's signature is verified with.

use super::scope::Scope;
use super::seal::random;
use super::table::{Change, Row, Stored, Table};
use super::{Vault, VaultError};
use crate::secret::SecretValue;
use base64::Engine;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// An access key without its secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AccessKeyRecord {
    /// `AKIA` and 16 letters or digits.
    pub id: String,
    /// ARN of the user, role or account root that it authenticates.
    pub principal: String,
    /// When it was made.
    pub created: Timestamp,
    /// Whether it may be used.
    pub active: bool,
    pub(crate) blob: String,
}

impl Stored for AccessKeyRecord {
    const KIND: u8 = b'A';
    fn id(&self) -> String {
        self.id.clone()
    }
}

/// The access keys of a vault.
#[derive(Clone, Copy, Debug)]
pub struct AccessKeys<'v>(pub(super) &'v Vault);

/// Access keys belong to no Region and share one KEK.
const KEY_ID: &str = "sealdock/access-keys";

impl AccessKeys<'_> {
    /// Makes a key for `principal`; the secret is returned this once.
    ///
    /// # Errors
    /// [`VaultError`] when it cannot be stored.
    pub fn create(&self, principal: &str) -> Result<(AccessKeyRecord, SecretValue), VaultError> {
        let account = principal.split(':').nth(4).unwrap_or_default();
        let id = key_id("AKIA", account);
        let secret =
            SecretValue::from(base64::engine::general_purpose::STANDARD.encode(random::<30>().as_ref()));
        let blob = self.0.blobs.put(&*self.0.keyring.made(&scope(), KEY_ID)?, &secret)?;
        let record = AccessKeyRecord {
            id: id.clone(),
            principal: principal.to_owned(),
            created: self.0.now(),
            active: true,
            blob,
        };
        self.0.access_keys.change(&id, |_| Ok::<_, VaultError>((Change::Write(record.clone()), ())))?;
        Ok((record, secret))
    }

    /// The key of this id.
    pub fn get(&self, id: &str) -> Option<Arc<Row<AccessKeyRecord>>> {
        self.0.access_keys.get(id)
    }

    /// The secret half, to verify a signature with.
    ///
    /// # Errors
    /// [`VaultError`] when it does not open.
    pub fn secret(&self, key: &AccessKeyRecord) -> Result<SecretValue, VaultError> {
        self.0.blobs.get(&*self.0.keyring.own(&scope(), KEY_ID)?, &key.blob)
    }

    /// All keys in order of id.
    pub fn list(&self) -> Vec<Arc<Row<AccessKeyRecord>>> {
        self.0.access_keys.page("", None, usize::MAX)
    }

    /// Switches a key on or off; `false` when there is none of this id.
    ///
    /// # Errors
    /// [`VaultError`] when the change cannot be stored.
    pub fn set_active(&self, id: &str, active: bool) -> Result<bool, VaultError> {
        self.0.access_keys.change(id, |current| {
            Ok(match current {
                Some(record) => (Change::Write(AccessKeyRecord { active, ..record.clone() }), true),
                None => (Change::Keep, false),
            })
        })
    }

    /// Destroys a key; `false` when there is none of this id.
    ///
    /// # Errors
    /// [`VaultError`] when the change cannot be stored.
    pub fn delete(&self, id: &str) -> Result<bool, VaultError> {
        let blob = self.0.access_keys.change(id, |current| {
            Ok::<_, VaultError>(match current {
                Some(record) => (Change::Remove, Some(record.blob.clone())),
                None => (Change::Keep, None),
            })
        })?;
        if let Some(blob) = &blob {
            self.0.blobs.delete(blob)?;
        }
        Ok(blob.is_some())
    }
}

pub(super) type AccessKeyTable = Table<AccessKeyRecord>;

fn scope() -> Scope {
    Scope::new("", "")
}

/// An access key id: the prefix, and 80 bits in Base32: a one, the account in 40 bits,
/// and 39 bits of chance. AWS's own ids are made like that, so whoever finds one can tell
/// its account without asking.
pub(super) fn key_id(prefix: &str, account: &str) -> String {
    let account: u128 = account.parse().unwrap_or(0);
    let chance = u128::from(u64::from_le_bytes(*random::<8>())) & ((1 << 39) - 1);
    let bits = (1 << 79) | ((account & ((1 << 40) - 1)) << 39) | chance;
    let letter = |place: u32| ALPHABET.get((bits >> (75 - 5 * place)) as usize & 31);
    prefix.chars().chain((0..16).filter_map(letter).map(|&b| char::from(b))).collect()
}

/// The account in an access key id that [`key_id`] or AWS made since 2019; `None` for
/// any other text.
pub fn account_of_key(id: &str) -> Option<String> {
    let letters = id.get(4..).filter(|letters| letters.len() == 16)?;
    let mut bits = 0_u128;
    for letter in letters.bytes() {
        bits = bits << 5 | ALPHABET.iter().position(|&b| b == letter)? as u128;
    }
    (bits >> 79 == 1).then(|| format!("{:012}", (bits >> 39) & ((1 << 40) - 1)))
}

const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_id_names_its_account() {
        for account in ["111122223333", "000000000001", "999999999999"] {
            let id = key_id("AKIA", account);
            assert_eq!(id.len(), 20);
            assert_eq!(account_of_key(&id).as_deref(), Some(account));
        }
        assert_ne!(key_id("AKIA", "1"), key_id("AKIA", "1"));
        // Published as an example of the scheme.
        assert_eq!(account_of_key("ASIAY34FZKBOKMUTVV7A").as_deref(), Some("609629065308"));
        for other in ["", "AKIA", "AKIA0OSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLE"] {
            assert_eq!(account_of_key(other), None, "{other}");
        }
    }
}
