//! Replication: `ReplicateSecretToRegions`, `RemoveRegionsFromReplication`,
//! `StopReplicationToReplica`, and the work that brings replicas in sync.
//!
//! Regions are namespaces of one vault, so a replica is a record of its own, whose values
//! are sealed anew under the keys of its Region. Two records cannot change in one commit.
//! The primary's is the truth: it is written first and says which replicas are due; then
//! the replicas are written; then the primary says that they are in sync. A crash between
//! leaves the primary saying `InProgress` or `Removing`, and the next start or round of
//! maintenance goes on from there.
//!
//! ```text
//! change of a primary     primary: due -> replica written -> primary: InSync
//! removal of a Region     primary: Removing -> replica destroyed -> primary: not listed
//! promotion of a replica  primary: not listed -> replica: no primary
//! ```
//!
//! INVARIANT: a replica that its primary does not list is one whose promotion was not
//! finished, because the primary lists a replica before it is made and until it is destroyed.

use super::VaultError;
use super::kms::{ChosenKey, Kms, OWN_KEYS};
use super::kms_keyring::KeyRefusal;
use super::replica_record::{Replica, ReplicaState, failed, name_replicated, name_taken};
use super::scope::Scope;
use super::secret_error::SecretError;
use super::secret_record::{SecretRecord, VersionRecord};
use super::secrets::{DEFAULT_KEY, SecretFailure, Secrets, key_of, permitted, same};
use super::table::{Change, Row};
use crate::audit::Permit;
use std::sync::{MutexGuard, PoisonError};

/// Why the versions of a replica cannot be made.
enum NotCopied {
    /// A key refuses, in AWS's words.
    Refused(SecretError),
    Vault(VaultError),
}

impl From<VaultError> for NotCopied {
    fn from(error: VaultError) -> Self {
        Self::Vault(error)
    }
}

/// What became of one replica.
enum Outcome {
    /// It stands like this now.
    Stands(ReplicaState),
    /// It is gone, and need not be listed.
    Gone,
    /// The primary has changed meanwhile; begin again.
    Stale,
}

impl Secrets<'_> {
    /// `ReplicateSecretToRegions`: the primary as it stands afterwards.
    pub fn replicate(
        &self,
        permit: &Permit,
        secret: &Row<SecretRecord>,
        wanted: Vec<Replica>,
    ) -> Result<SecretRecord, SecretFailure> {
        permitted(permit, &["secretsmanager:ReplicateSecretToRegions"], &secret.record.arn())?;
        self.edit_primary(secret, |record| record.add_replicas(wanted))
    }

    /// `RemoveRegionsFromReplication`: deletes the replicas in `regions`; the primary as it
    /// stands afterwards.
    pub fn remove_regions(
        &self,
        permit: &Permit,
        secret: &Row<SecretRecord>,
        regions: &[String],
    ) -> Result<SecretRecord, SecretFailure> {
        permitted(permit, &["secretsmanager:RemoveRegionsFromReplication"], &secret.record.arn())?;
        self.edit_primary(secret, |record| record.remove_replicas(regions))
    }

    /// `StopReplicationToReplica`: makes the replica a secret of its own.
    pub fn stop_replication(&self, permit: &Permit, secret: &Row<SecretRecord>) -> Result<(), SecretFailure> {
        permitted(permit, &["secretsmanager:StopReplicationToReplica"], &secret.record.arn())?;
        let _serialised = self.replicating();
        let replica = &secret.record;
        let Some(primary) = primary_id(replica) else {
            replica.require_changeable()?;
            return Err(SecretError::NotReplica.into());
        };
        self.0.secrets.change_alone(&primary, |current| {
            Ok::<_, SecretFailure>(match current {
                Some(record) if replica.is_replica_of(record) => {
                    let mut record = record.clone();
                    record.replicas.retain(|known| known.region != replica.scope.region);
                    (Change::Write(record), ())
                }
                _ => (Change::Keep, ()),
            })
        })?;
        Ok(self.promote(&replica.scope.id(&replica.name))?)
    }

    /// `UpdateSecret` of a replica: only its key is its own.
    pub fn set_replica_key(
        &self,
        permit: &Permit,
        secret: &Row<SecretRecord>,
        kms_key_id: Option<String>,
    ) -> Result<(), SecretFailure> {
        permitted(permit, &["secretsmanager:UpdateSecret"], &secret.record.arn())?;
        let replica = &secret.record;
        let id = primary_id(replica).ok_or(SecretError::NotReplica)?;
        self.change(&id, |current| {
            let mut record =
                current.filter(|r| replica.is_replica_of(r)).ok_or(SecretError::NotFound)?.clone();
            record.set_replica_key(&replica.scope.region, kms_key_id)?;
            Ok((Change::Write(record), ()))
        })
    }

    /// Changes the record of a secret, as [`Table::change`](super::table::Table::change) does,
    /// and takes the change to its replicas. Every change of a secret that its replicas share
    /// goes through here.
    pub(super) fn change<T>(
        &self,
        id: &str,
        decide: impl FnOnce(Option<&SecretRecord>) -> Result<(Change<SecretRecord>, T), SecretFailure>,
    ) -> Result<T, SecretFailure> {
        let mut due = false;
        let answer = self.0.secrets.change_alone(id, |current| {
            let (change, answer) = decide(current)?;
            Ok::<_, SecretFailure>(match change {
                Change::Write(mut record) if !record.replicas.is_empty() => {
                    due = true;
                    record.replication_due();
                    (Change::Write(record), answer)
                }
                other => (other, answer),
            })
        })?;
        if due {
            // The change itself is durable. A replica that could not be reached says InProgress,
            // and maintenance reports the failure when it tries again.
            let _ = self.synchronise(id);
            self.replication_is_news();
        }
        Ok(answer)
    }

    /// Finishes what a crash or a failure has left: brings due replicas in sync, and promotes
    /// those that their primary does not list any more.
    ///
    /// # Errors
    /// [`VaultError`]; what is left over is due again the next time.
    pub fn replicate_due(&self) -> Result<(), VaultError> {
        let (mut due, mut replicas) = (Vec::new(), Vec::new());
        for row in self.replicated() {
            let record = &row.record;
            if record.replicas.iter().any(Replica::is_due) {
                due.push(record.scope.id(&record.name));
            }
            if record.is_replica() {
                replicas.push(record.scope.id(&record.name));
            }
        }
        for id in due {
            self.synchronise(&id)?;
        }
        for id in replicas {
            let _serialised = self.replicating();
            let Some(replica) = self.0.secrets.get(&id) else { continue };
            let primary = primary_id(&replica.record).and_then(|id| self.0.secrets.get(&id));
            let listed = primary.is_some_and(|primary| {
                let region = &replica.record.scope.region;
                replica.record.is_replica_of(&primary.record)
                    && primary.record.replicas.iter().any(|known| known.region == *region)
            });
            if !listed {
                self.promote(&id)?;
            }
        }
        Ok(())
    }

    fn edit_primary(
        &self,
        secret: &Row<SecretRecord>,
        rule: impl FnOnce(&mut SecretRecord) -> Result<(), SecretError>,
    ) -> Result<SecretRecord, SecretFailure> {
        let id = secret.record.scope.id(&secret.record.name);
        self.change(&id, |current| {
            let mut record = same(current, secret)?.clone();
            rule(&mut record)?;
            Ok((if current == Some(&record) { Change::Keep } else { Change::Write(record) }, ()))
        })?;
        let current = self.0.secrets.get(&id);
        Ok(same(current.as_ref().map(|row| &row.record), secret)?.clone())
    }

    /// Brings the due replicas of a primary in sync.
    fn synchronise(&self, id: &str) -> Result<(), VaultError> {
        let _serialised = self.replicating();
        loop {
            let Some(primary) = self.0.secrets.get(id) else { return Ok(()) };
            let primary = &primary.record;
            let mut outcomes = Vec::new();
            let mut failure = None;
            for replica in primary.replicas.iter().filter(|replica| replica.is_due()) {
                match self.bring(primary, replica) {
                    Ok(outcome) => outcomes.push((replica.region.as_str(), outcome)),
                    Err(error) => failure = Some(error),
                }
            }
            if outcomes.is_empty() {
                return failure.map_or(Ok(()), Err);
            }
            self.0.secrets.change_alone(id, |current| {
                let unchanged =
                    |r: &&SecretRecord| r.suffix == primary.suffix && r.generation == primary.generation;
                Ok::<_, VaultError>(match current.filter(unchanged) {
                    Some(record) => (Change::Write(stood(record, &outcomes)), ()),
                    None => (Change::Keep, ()),
                })
            })?;
            self.replication_is_news();
            if let Some(error) = failure {
                return Err(error);
            }
        }
    }

    /// Makes one replica as its primary is, or destroys it.
    fn bring(&self, primary: &SecretRecord, replica: &Replica) -> Result<Outcome, VaultError> {
        let scope = Scope::new(primary.scope.account.as_str(), replica.region.as_str());
        let id = scope.id(&primary.name);
        if replica.state == ReplicaState::Removing {
            self.destroy(&id, |record| Ok::<_, VaultError>(record.is_replica_of(primary)))?;
            return Ok(Outcome::Gone);
        }
        self.bury(&id)?;
        let mut current = self.0.secrets.get(&id);
        if let Some(other) = current.take_if(|row| !row.record.is_replica_of(primary)) {
            // Neither a replica of another secret nor one that has replicas is overwritten.
            let plain = !other.record.is_replica() && other.record.replicas.is_empty();
            let why = if replica.overwrite && !plain { name_replicated } else { name_taken };
            if !(replica.overwrite && plain) {
                return Ok(Outcome::Stands(why(&primary.name, &replica.region)));
            }
            self.destroy(&id, |record| Ok::<_, VaultError>(record.suffix == other.record.suffix))?;
        }
        let current = current.as_ref().map(|row| &row.record);
        let key = match Kms(self.0).choose(&scope, OWN_KEYS[0], replica.kms_key_id.as_deref()) {
            Ok(key) => key,
            Err(cause) => {
                return Ok(Outcome::Stands(failed(&SecretError::EncryptionFailure(cause).to_string())));
            }
        };
        let mut fresh = Vec::new();
        let versions = self.versions_for(primary, &key, &scope, current, &mut fresh);
        let outcome = match versions {
            Ok(versions) => self.write_replica(&id, primary, replica, versions),
            Err(NotCopied::Refused(cause)) => Ok(Outcome::Stands(failed(&cause.to_string()))),
            // A version that was pruned since the primary was read has no blob any more.
            Err(NotCopied::Vault(VaultError::Unreadable)) if self.has_changed(primary) => Ok(Outcome::Stale),
            Err(NotCopied::Vault(error)) => Err(error),
        };
        if !matches!(outcome, Ok(Outcome::Stands(ReplicaState::InSync))) {
            for blob in &fresh {
                self.0.blobs.delete(blob)?;
            }
        }
        outcome
    }

    /// The versions of the replica: those that it has, and the others sealed under its key. `fresh`
    /// takes the names of the blobs that are made.
    ///
    /// A labelled version whose own key does not open it fails the replica, one without labels is left
    /// out. Source: User Guide, "Troubleshoot replication", "The KMS key is disabled or not found".
    fn versions_for(
        &self,
        primary: &SecretRecord,
        key: &ChosenKey,
        scope: &Scope,
        current: Option<&SecretRecord>,
        fresh: &mut Vec<String>,
    ) -> Result<Vec<VersionRecord>, NotCopied> {
        let mut versions = Vec::with_capacity(primary.versions.len());
        for version in &primary.versions {
            let kept = current
                .and_then(|record| record.version(&version.id))
                .filter(|kept| kept.digest == version.digest && kept.is_under(key));
            let (blob, accessed) = match kept {
                _ if !version.has_value() => (String::new(), None),
                Some(kept) => (kept.blob.clone(), kept.accessed),
                None => {
                    let from = match self.0.keyring.to_copy(&primary.scope, key_of(version)) {
                        Ok(from) => from,
                        Err(KeyRefusal::Unusable(_)) if version.stages.is_empty() => continue,
                        Err(KeyRefusal::Unusable(cause)) => {
                            return Err(NotCopied::Refused(SecretError::DecryptionFailure(cause)));
                        }
                        Err(KeyRefusal::Vault(error)) => return Err(error.into()),
                    };
                    let to = match self.0.keyring.to_copy(scope, key.key(DEFAULT_KEY)) {
                        Ok(to) => to,
                        Err(KeyRefusal::Unusable(cause)) => {
                            return Err(NotCopied::Refused(SecretError::EncryptionFailure(cause)));
                        }
                        Err(KeyRefusal::Vault(error)) => return Err(error.into()),
                    };
                    let value = self.0.blobs.get(&from, &version.blob)?;
                    let blob = self.0.blobs.put(&to, &value)?;
                    fresh.push(blob.clone());
                    (blob, None)
                }
            };
            versions.push(VersionRecord {
                blob,
                accessed,
                kms_key_id: key.shown.clone(),
                customer_key: key.customer.clone(),
                ..version.clone()
            });
        }
        Ok(versions)
    }

    /// Writes the replica's record, unless another secret has taken its name meanwhile.
    fn write_replica(
        &self,
        id: &str,
        primary: &SecretRecord,
        replica: &Replica,
        versions: Vec<VersionRecord>,
    ) -> Result<Outcome, VaultError> {
        let replaced = self.0.secrets.change_alone(id, |current| {
            if current.is_some_and(|record| !record.is_replica_of(primary)) {
                return Ok::<_, VaultError>((Change::Keep, None));
            }
            let record = primary.as_replica(replica, current, versions);
            let kept = |old: &&VersionRecord| record.versions.iter().any(|v| v.blob == old.blob);
            let old = current.into_iter().flat_map(|record| &record.versions);
            let replaced: Vec<String> = old.filter(|v| !kept(v)).map(|v| v.blob.clone()).collect();
            Ok((Change::Write(record), Some(replaced)))
        })?;
        let Some(replaced) = replaced else {
            return Ok(Outcome::Stands(name_taken(&primary.name, &replica.region)));
        };
        for blob in replaced {
            self.0.blobs.delete(&blob)?;
        }
        Ok(Outcome::Stands(ReplicaState::InSync))
    }

    fn has_changed(&self, primary: &SecretRecord) -> bool {
        let current = self.0.secrets.get(&primary.scope.id(&primary.name));
        current.is_none_or(|row| {
            row.record.generation != primary.generation || row.record.suffix != primary.suffix
        })
    }

    fn promote(&self, id: &str) -> Result<(), VaultError> {
        let now = self.0.now();
        self.0.secrets.change_alone(id, |current| {
            Ok(match current {
                Some(record) if record.is_replica() => {
                    let promoted = SecretRecord { primary_region: None, changed: now, ..record.clone() };
                    (Change::Write(promoted), ())
                }
                _ => (Change::Keep, ()),
            })
        })
    }

    /// One at a time: replicas and the states that their primary shows must not run past each other.
    fn replicating(&self) -> MutexGuard<'_, ()> {
        self.0.replication.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Id of the primary of a replica.
fn primary_id(replica: &SecretRecord) -> Option<String> {
    let region = replica.primary_region.as_deref()?;
    Some(Scope::new(replica.scope.account.as_str(), region).id(&replica.name))
}

/// The primary with what became of its replicas.
fn stood(primary: &SecretRecord, outcomes: &[(&str, Outcome)]) -> SecretRecord {
    let mut record = primary.clone();
    record.replicas.retain_mut(|replica| {
        match outcomes.iter().find(|(region, _)| *region == replica.region) {
            Some((_, Outcome::Gone)) => return false,
            Some((_, Outcome::Stands(state))) => {
                replica.state = state.clone();
                replica.overwrite = false;
            }
            Some((_, Outcome::Stale)) | None => {}
        }
        true
    });
    record
}
