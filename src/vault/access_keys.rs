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
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::sync::{Arc, PoisonError};

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
    /// Its last use, if it has been used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used: Option<LastUse>,
    pub(crate) blob: String,
}

/// The last use of an access key.
/// Source: IAM API Reference, "AccessKeyLastUsed".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastUse {
    /// When, to the minute.
    pub date: Timestamp,
    /// Service that it signed for.
    pub service: String,
    /// Region that it signed for.
    pub region: String,
}

/// How far the date of the last use may be behind.
const MINUTE: SignedDuration = SignedDuration::from_mins(1);

impl Stored for AccessKeyRecord {
    const KIND: u8 = b'A';
    fn id(&self) -> String {
        self.id.clone()
    }
    fn keep_notes(&mut self, noted: &Self) {
        let date = |record: &Self| record.last_used.as_ref().map(|last| last.date);
        if date(noted) > date(self) {
            self.last_used.clone_from(&noted.last_used);
        }
    }
}

/// The access keys of a vault.
#[derive(Clone, Copy, Debug)]
pub struct AccessKeys<'v>(pub(super) &'v Vault);

/// Access keys belong to no Region and share one KEK.
const KEY_ID: &str = "sealdock/access-keys";

impl AccessKeys<'_> {
    /// Makes a key for `principal`, unless it has as many as `limit` already; the secret is
    /// returned this once.
    ///
    /// # Errors
    /// [`VaultError`] when it cannot be stored.
    pub fn create_within(
        &self,
        limit: usize,
        principal: &str,
    ) -> Result<Option<(AccessKeyRecord, SecretValue)>, VaultError> {
        // Held from the count to the end of the write, so that two requests cannot both find room.
        let _alone = self.0.new_access_keys.lock().unwrap_or_else(PoisonError::into_inner);
        let held = self.list().iter().filter(|row| row.record.principal == principal).count();
        if held >= limit { Ok(None) } else { self.create(principal).map(Some) }
    }

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
            last_used: None,
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

    /// Notes a use: visible at once, and on disk with the next maintenance. What was noted less than a
    /// minute ago is not noted again, so that a busy key costs nothing.
    pub fn used(&self, id: &str, service: &str, region: &str) {
        let now = self.0.now();
        let known = self.get(id);
        let known = known.as_ref().and_then(|row| row.record.last_used.as_ref());
        let same = |last: &LastUse| last.service == service && last.region == region;
        if known.is_some_and(|last| same(last) && now.duration_since(last.date) < MINUTE) {
            return;
        }
        let last = LastUse { date: now, service: service.to_owned(), region: region.to_owned() };
        self.0.access_keys.note(id, |record| record.last_used = Some(last));
        self.0.used_keys.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned());
    }

    /// Writes the last uses down.
    ///
    /// # Errors
    /// [`VaultError`]; what is left over is due again the next time.
    pub(super) fn flush_used(&self) -> Result<(), VaultError> {
        let used = || self.0.used_keys.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let Some(id) = used().pop_first() else { return Ok(()) };
            let written = self.0.access_keys.change(&id, |noted| {
                Ok::<_, VaultError>((noted.cloned().map_or(Change::Keep, Change::Write), ()))
            });
            if let Err(error) = written {
                used().insert(id);
                return Err(error);
            }
        }
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
