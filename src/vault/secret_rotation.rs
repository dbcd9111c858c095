//! `RotateSecret` and `CancelRotateSecret`, and what the scheduler asks of the vault.
//!
//! The scheduler acts for the broker and not for a caller, and gets no value: it needs no
//! permit. The function that it calls is a caller like any other.

use super::rotation::{Attempt, AttemptEnd, RotationWanted};
use super::secret_record::{AWSCURRENT, SecretRecord};
use super::secrets::{SecretFailure, Secrets, permitted, same};
use super::table::{Change, Row, Step};
use crate::audit::Permit;
use crate::secret::SecretValue;
use jiff::Timestamp;
use std::sync::atomic::Ordering;
use subtle::ConstantTimeEq;
use uuid::Uuid;

impl Secrets<'_> {
    /// `RotateSecret`: returns the id of the version that is being made. A refusal because
    /// another rotation is in progress makes that one due at once.
    pub fn rotate(
        &self,
        permit: &Permit,
        secret: &Row<SecretRecord>,
        wanted: RotationWanted,
    ) -> Result<String, SecretFailure> {
        permitted(permit, &["secretsmanager:RotateSecret"], &secret.record.arn())?;
        let now = self.0.now();
        let (answer, pruned) = self.change(&id_of(secret), |current| {
            let mut record = same(current, secret)?.clone();
            let pruned = record.prune(now);
            let answer = record.rotate(wanted, now);
            let change = if current == Some(&record) { Change::Keep } else { Change::Write(record) };
            Ok((change, (answer, pruned)))
        })?;
        self.rotation_may_be_due();
        for blob in pruned {
            self.0.blobs.delete(&blob)?;
        }
        answer.map_err(SecretFailure::Refused)
    }

    /// `CancelRotateSecret`: returns the version that an unfinished rotation leaves behind.
    pub fn cancel_rotation(
        &self,
        permit: &Permit,
        secret: &Row<SecretRecord>,
    ) -> Result<Option<String>, SecretFailure> {
        permitted(permit, &["secretsmanager:CancelRotateSecret"], &secret.record.arn())?;
        let now = self.0.now();
        self.change(&id_of(secret), |current| {
            let mut record = same(current, secret)?.clone();
            let left = record.cancel_rotation(now)?;
            Ok((Change::Write(record), left))
        })
    }

    /// Changes whenever a rotation may have become due before its time.
    pub fn rotation_signal(&self) -> u64 {
        self.0.rotations.load(Ordering::SeqCst)
    }

    /// Secrets with something to do, now or later: identity and when.
    pub fn rotations_due(&self) -> Vec<(String, Timestamp)> {
        let now = self.0.now();
        let mut due = Vec::new();
        for row in self.rotated() {
            let record = &row.record;
            let rotation = record.rotation.as_ref().filter(|_| record.deletion.is_none());
            if let Some(when) = rotation.and_then(|rotation| rotation.due(now)) {
                due.push((record.scope.id(&record.name), when));
            }
        }
        due
    }

    /// Makes the attempts due that an earlier broker had begun and not ended; once, at the start.
    pub fn resume_rotations(&self) -> Result<(), SecretFailure> {
        let now = self.0.now();
        let running = |row: &Row<SecretRecord>| {
            let run = row.record.rotation.as_ref().and_then(|rotation| rotation.run.as_ref());
            run.is_some_and(|run| run.running)
        };
        let rotated = self.rotated();
        for row in rotated.iter().filter(|row| running(row)) {
            let id = id_of(row);
            self.change(&id, |current| {
                let Some(mut record) = current.cloned() else { return Ok((Change::Keep, ())) };
                record.resume_attempt(now);
                Ok((Change::Write(record), ()))
            })?;
        }
        Ok(())
    }

    /// The attempt that is due for this secret, if one is. It counts as begun.
    pub fn begin_rotation_attempt(&self, id: &str) -> Result<Option<Attempt>, SecretFailure> {
        let now = self.0.now();
        let fresh = Uuid::new_v4().to_string();
        self.change(id, |current| {
            let Some(mut record) = current.cloned() else { return Ok((Change::Keep, None)) };
            let attempt = record.begin_attempt(&fresh, now);
            Ok((if current == Some(&record) { Change::Keep } else { Change::Write(record) }, attempt))
        })
    }

    /// Whether the rotation that makes this version is still wanted.
    pub fn is_rotating(&self, id: &str, token: &str) -> bool {
        self.0.secrets.get(id).is_some_and(|row| row.record.is_rotating(token))
    }

    /// Whether this version is current.
    pub fn is_current(&self, id: &str, token: &str) -> bool {
        let row = self.0.secrets.get(id);
        row.is_some_and(|row| row.record.version(token).is_some_and(|version| version.has(AWSCURRENT)))
    }

    /// Notes how an attempt ended, and returns how it really did.
    pub fn end_rotation_attempt(
        &self,
        id: &str,
        token: &str,
        outcome: Result<(), String>,
    ) -> Result<AttemptEnd, SecretFailure> {
        let now = self.0.now();
        let end = self.change(id, |current| {
            let Some(mut record) = current.cloned() else {
                return Ok((Change::Keep, AttemptEnd::Abandoned));
            };
            let end = record.end_attempt(token, outcome, now);
            Ok((if current == Some(&record) { Change::Keep } else { Change::Write(record) }, end))
        });
        self.rotation_may_be_due();
        end
    }

    /// The secret's ARN and Region, and versions whose rotation was abandoned and is not on record.
    pub fn abandoned_rotations(&self, id: &str) -> Option<(String, String, Vec<String>)> {
        let row = self.0.secrets.get(id)?;
        let abandoned = row.record.rotation.as_ref()?.abandoned.clone();
        Some((row.record.arn(), row.record.scope.region.clone(), abandoned))
    }

    /// Notes that abandoned rotations are on record.
    pub fn reported_abandoned(&self, id: &str, reported: &[String]) -> Result<(), SecretFailure> {
        self.change(id, |current| {
            let Some(mut record) = current.cloned() else { return Ok((Change::Keep, ())) };
            if let Some(rotation) = &mut record.rotation {
                rotation.abandoned.retain(|token| !reported.contains(token));
            }
            Ok((if current == Some(&record) { Change::Keep } else { Change::Write(record) }, ()))
        })
    }

    pub(super) fn rotation_may_be_due(&self) {
        self.0.rotations.fetch_add(1, Ordering::SeqCst);
    }

    /// The RotationToken that the function gets with the id of the version that it is to make.
    pub fn rotation_token(&self, secret: &str, version: &str) -> String {
        let mac = self.0.keys.mac(&[b"rotation", secret.as_bytes(), version.as_bytes()]);
        let mut id = [0; 16];
        id.iter_mut().zip(mac.as_ref()).for_each(|(to, from)| *to = *from);
        Uuid::from_bytes(id).to_string()
    }

    /// Whether this RotationToken belongs to the rotation in progress, that makes this version.
    pub fn is_rotation_token(&self, secret: &SecretRecord, version: &str, shown: &SecretValue) -> bool {
        let token = self.rotation_token(&secret.arn(), version);
        #[expect(clippy::disallowed_methods, reason = "the token is compared, in constant time")]
        let same = bool::from(token.as_bytes().ct_eq(shown.expose()));
        same && secret.is_rotating(version)
    }
}

fn id_of(secret: &Row<SecretRecord>) -> String {
    secret.record.scope.id(&secret.record.name)
}
