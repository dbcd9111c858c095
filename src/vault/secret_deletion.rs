//! The end of a secret: scheduled, taken back, carried out.
//!
//! A secret that is marked for deletion keeps its values until its recovery window
//! ends; `maintain` destroys it then. Forced deletion destroys it at once.

use super::VaultError;
use super::secret_error::SecretError;
use super::secret_record::{Deletion, SecretRecord};
use super::secrets::{SecretFailure, Secrets, permitted, same};
use super::table::{Change, Row};
use crate::audit::Permit;
use jiff::{SignedDuration, Timestamp};

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
            Some(days) => self.0.secrets.change(&id, |current| {
                let mut record = same(current, secret)?.clone();
                if record.deletion.is_some() {
                    return Err(SecretError::MarkedForDeletion.into());
                }
                let due = now + SignedDuration::from_hours(24 * days);
                record.deletion = Some(Deletion { requested: now, due });
                record.abandon_rotation();
                Ok((Change::Write(record), due))
            }),
            None => {
                self.destroy(&id, |record| record.suffix == secret.record.suffix)?;
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
        self.0.secrets.change(&secret.record.scope.id(&secret.record.name), |current| {
            let mut record = same(current, secret)?.clone();
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
        let due = |r: &SecretRecord| r.deletion.as_ref().is_some_and(|d| d.due <= now);
        let mut purged = Vec::new();
        for row in self.0.secrets.page("", None, usize::MAX).iter().filter(|row| due(&row.record)) {
            if self.destroy(&row.record.scope.id(&row.record.name), due)? {
                purged.push(row.record.arn());
            }
        }
        Ok(purged)
    }

    /// Removes a secret, metadata first: a crash in between leaves unnamed blobs,
    /// which the next start sweeps.
    fn destroy(&self, id: &str, wanted: impl Fn(&SecretRecord) -> bool) -> Result<bool, VaultError> {
        let blobs = self.0.secrets.change(id, |current| {
            Ok::<_, VaultError>(match current {
                Some(record) if wanted(record) => {
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
