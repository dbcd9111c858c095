//! The end of a secret: scheduled, taken back, carried out.
//!
//! A secret that is marked for deletion keeps its values until its recovery window
//! ends; `maintain` destroys it then. Forced deletion destroys it at once. What the store's file
//! still holds of it is erased by one of the next maintenances.

use super::VaultError;
use super::erasure::Destroyed;
use super::secret_error::SecretError;
use super::secret_record::{Deletion, SecretRecord};
use super::secrets::{SecretFailure, Secrets, permitted, same};
use super::table::{Change, Row};
use crate::audit::Permit;
use jiff::{SignedDuration, Timestamp};
use std::sync::PoisonError;

/// Secrets that are destroyed between two looks at which are due.
const PURGED: usize = 100;

impl Secrets<'_> {
    /// `DeleteSecret`: schedules the deletion after `window` days, or destroys the
    /// secret at once when `window` is `None`. Returns the deletion date.
    pub fn delete(
        &self,
        permit: &Permit,
        secret: &Row<SecretRecord>,
        window: Option<i64>,
    ) -> Result<Timestamp, SecretFailure> {
        permitted(permit, &["secretsmanager:DeleteSecret"], &secret.record.arn())?;
        let now = self.0.now();
        let id = secret.record.scope.id(&secret.record.name);
        match window {
            Some(days) => self.change(&id, |current| {
                let mut record = same(current, secret)?.clone();
                record.require_deletable()?;
                if record.deletion.is_some() {
                    return Err(SecretError::MarkedForDeletion.into());
                }
                let due = now + SignedDuration::from_hours(24 * days);
                record.deletion = Some(Deletion { requested: now, due });
                record.abandon_rotation();
                Ok((Change::Write(record), due))
            }),
            None => {
                self.destroy(&id, |record| {
                    let same = record.suffix == secret.record.suffix;
                    if same {
                        record.require_deletable()?;
                    }
                    Ok::<_, SecretFailure>(same)
                })?;
                Ok(now)
            }
        }
    }

    /// `RestoreSecret`: takes the scheduled deletion back. A secret that is not
    /// scheduled for deletion stays as it is, and that is a success.
    pub fn restore(
        &self,
        permit: &Permit,
        secret: &Row<SecretRecord>,
    ) -> Result<SecretRecord, SecretFailure> {
        permitted(permit, &["secretsmanager:RestoreSecret"], &secret.record.arn())?;
        let now = self.0.now();
        self.change(&secret.record.scope.id(&secret.record.name), |current| {
            let mut record = same(current, secret)?.clone();
            if record.is_replica() {
                return Err(SecretError::Replica.into());
            }
            Ok(match record.deletion.take() {
                // The window has ended: what the next purge destroys is gone already.
                Some(deletion) if deletion.due <= now => return Err(SecretError::NotFound.into()),
                Some(_) => {
                    record.changed = now;
                    (Change::Write(record.clone()), record)
                }
                None => (Change::Keep, record),
            })
        })
    }

    /// Destroys the secrets whose recovery window has ended; returns their ARNs.
    pub(crate) fn purge(&self) -> Result<Vec<String>, VaultError> {
        let now = self.0.now();
        loop {
            let ended = self.due_for_deletion(now, PURGED);
            for row in &ended {
                self.bury(&row.record.scope.id(&row.record.name))?;
            }
            if ended.len() < PURGED {
                break;
            }
        }
        Ok(std::mem::take(&mut *self.0.buried.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    /// Whether the recovery window of a secret has ended: it is gone for everybody, though
    /// maintenance may not have destroyed it yet.
    pub(super) fn is_over(&self, record: &SecretRecord) -> bool {
        record.deletion.as_ref().is_some_and(|deletion| deletion.due <= self.0.now())
    }

    /// Destroys the secret if its recovery window has ended.
    pub(super) fn bury(&self, id: &str) -> Result<(), VaultError> {
        let Some(row) = self.0.secrets.get(id).filter(|row| self.is_over(&row.record)) else { return Ok(()) };
        if self.destroy(id, |record| Ok::<_, VaultError>(self.is_over(record)))? {
            self.0.buried.lock().unwrap_or_else(PoisonError::into_inner).push(row.record.arn());
        }
        Ok(())
    }

    /// Removes a secret, metadata first: a crash in between leaves unnamed blobs,
    /// which the next start sweeps.
    pub(super) fn destroy<E: From<VaultError>>(
        &self,
        id: &str,
        wanted: impl Fn(&SecretRecord) -> Result<bool, E>,
    ) -> Result<bool, E> {
        self.0.mark_for_erasure(Destroyed::Secret)?;
        let blobs = self.0.secrets.change_alone(id, |current| {
            Ok::<_, E>(match current {
                Some(record) if wanted(record)? => {
                    (Change::Remove, Some(record.versions.iter().map(|v| v.blob.clone()).collect::<Vec<_>>()))
                }
                _ => (Change::Keep, None),
            })
        })?;
        let removed = blobs.is_some();
        for blob in blobs.unwrap_or_default() {
            self.0.blobs.delete(&blob)?;
        }
        Ok(removed)
    }
}
