//! The end of a key: scheduled, taken back, carried out; and rotation that is due.
//!
//! Destroying a key removes its record, and with it the only copy of its material that
//! the vault has. Nothing that was sealed under it opens again: the data keys of those
//! values are sealed under material that is gone. The record goes first, the opened key
//! in memory with it, then the aliases, then what freed pages of the store still hold of
//! the record ([`super::erasure`]); a crash in between leaves aliases of nothing and traces,
//! which the next round removes.

use super::VaultError;
use super::erasure::Destroyed;
use super::kms::{Kms, KmsFailure};
use super::kms_keyring::record_id;
use super::kms_record::{CustomerKey, KeyRecord};
use super::table::Change;
use crate::audit::Permit;
use jiff::Timestamp;

impl Kms<'_> {
    /// `ScheduleKeyDeletion`; returns the end of the waiting period.
    ///
    /// # Errors
    /// [`KmsFailure`].
    pub fn schedule_deletion(&self, permit: &Permit, arn: &str, days: u8) -> Result<Timestamp, KmsFailure> {
        self.edit(permit, "kms:ScheduleKeyDeletion", arn, |key, now| key.schedule_deletion(days, arn, now))
    }

    /// `CancelKeyDeletion`.
    ///
    /// # Errors
    /// [`KmsFailure`].
    pub fn cancel_deletion(&self, permit: &Permit, arn: &str) -> Result<(), KmsFailure> {
        self.edit(permit, "kms:CancelKeyDeletion", arn, |key, now| key.cancel_deletion(arn, now))
    }

    /// ARNs of the keys whose waiting period is over.
    pub fn due(&self) -> Vec<String> {
        self.arns_of(CustomerKey::is_due)
    }

    /// Destroys the key `arn` if it is due; says whether it was.
    ///
    /// # Errors
    /// [`VaultError`]; what is left over is due again the next time.
    pub fn destroy(&self, arn: &str) -> Result<bool, VaultError> {
        let now = self.0.now();
        let Some(id) = record_id(arn) else { return Ok(false) };
        let due = |record: &KeyRecord| record.customer.as_ref().is_some_and(|c| c.is_due(now));
        self.0.mark_for_erasure(Destroyed::Key)?;
        let destroyed = self.0.keyring.records.change(&id, |current| {
            let due = current.is_some_and(due);
            Ok::<_, VaultError>((if due { Change::Remove } else { Change::Keep }, due))
        })?;
        self.0.keyring.forget(&id);
        self.drop_dangling()?;
        Ok(destroyed)
    }

    /// Removes aliases whose key is gone.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn drop_dangling(&self) -> Result<(), VaultError> {
        for row in self.0.keyring.aliases.page("", None, usize::MAX) {
            if self.0.keyring.records.get(&row.record.scope.id(&row.record.target)).is_none() {
                self.drop_alias(&row.record)?;
            }
        }
        Ok(())
    }

    /// ARNs of the keys whose material is to be replaced.
    pub fn rotation_due(&self) -> Vec<String> {
        self.arns_of(CustomerKey::wants_rotation)
    }

    /// Replaces the material of the key `arn` if that is due; says whether it was.
    ///
    /// # Errors
    /// [`VaultError`]; it is due again the next time.
    pub fn rotate_due(&self, arn: &str) -> Result<bool, VaultError> {
        let outcome = self.change(arn, |record, now| {
            if !record.customer.as_ref().is_some_and(|c| c.wants_rotation(now)) {
                return Ok(false);
            }
            let sealed = self.0.keyring.material(&record.scope.id(&record.key_id));
            record.rotate(sealed, false, now).map(|()| true)
        });
        match outcome {
            Ok(rotated) => Ok(rotated),
            Err(KmsFailure::Refused(_)) => Ok(false),
            Err(KmsFailure::Vault(error)) => Err(error),
        }
    }

    fn arns_of(&self, wanted: impl Fn(&CustomerKey, Timestamp) -> bool) -> Vec<String> {
        let now = self.0.now();
        let rows = self.0.keyring.records.page("", None, usize::MAX);
        let is_wanted = |record: &KeyRecord| record.customer.as_ref().is_some_and(|c| wanted(c, now));
        rows.iter().filter(|row| is_wanted(&row.record)).map(|row| row.record.arn()).collect()
    }
}
