//! Replicas of a secret in other Regions: AWS's rules about them, pure.
//!
//! The primary's record lists its replicas and how each stands; a replica's record says
//! where its primary is. Whatever changes the primary makes every replica due
//! ([`SecretRecord::replication_due`]); `secret_replication.rs` then brings them in sync.
//!
//! ```text
//! asked for, or primary changed -> InProgress -> InSync
//!                                             -> Failed (name taken, key not usable); tried again
//!                                                with the next change
//! asked for without permission for a key      -> Failed, and left alone until it is asked for again
//! removed                       -> Removing   -> not listed
//! promoted                                    -> not listed; the replica has no primary any more
//! ```
//!
//! Source: Secrets Manager User Guide, "Replicate secrets across Regions", "Promote a
//! replica secret to a standalone secret", "Troubleshoot replication".

use super::secret_error::SecretError;
use super::secret_record::{SecretRecord, VersionRecord};
use serde::{Deserialize, Serialize};

/// A replica as its primary knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replica {
    /// The Region that it is in.
    pub region: String,
    /// Its KMS key as the caller named it; absent for the service's default key.
    pub kms_key_id: Option<String>,
    /// How it stands.
    pub state: ReplicaState,
    /// Whether it may take the place of another secret of its name.
    pub(crate) overwrite: bool,
    /// Whether whoever asked for it may not use its key or that of the primary. It is not made, nor
    /// kept in sync, until somebody asks who may: changes of the primary ask nobody for these keys.
    #[serde(default)]
    pub(crate) refused: bool,
    /// Whether it is on record that it came in sync, or that it failed.
    #[serde(default)]
    pub(crate) told: Option<bool>,
}

/// How a replica stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReplicaState {
    /// Not yet as its primary is.
    InProgress,
    /// As its primary is.
    InSync,
    /// It could not be made or brought in sync, for this reason.
    Failed(String),
    /// It is to be deleted.
    Removing,
}

impl Replica {
    /// A replica that is asked for.
    pub fn new(region: String, kms_key_id: Option<String>, overwrite: bool) -> Self {
        let state = ReplicaState::InProgress;
        Self { region, kms_key_id, state, overwrite, refused: false, told: None }
    }

    /// A replica that is asked for, and whose keys the caller may not use: it is listed as failed.
    pub fn refused(region: String, kms_key_id: Option<String>, why: &str) -> Self {
        let state = failed(why);
        Self { region, kms_key_id, state, overwrite: false, refused: true, told: None }
    }

    /// Whether something is left to do.
    pub(crate) fn is_due(&self) -> bool {
        matches!(self.state, ReplicaState::InProgress | ReplicaState::Removing)
    }
}

impl SecretRecord {
    /// Whether it is a replica of a secret in another Region.
    pub fn is_replica(&self) -> bool {
        self.primary_region.is_some()
    }

    /// Whether it is the replica of `primary`, and not another secret of its name.
    pub fn is_replica_of(&self, primary: &SecretRecord) -> bool {
        self.suffix == primary.suffix && self.primary_region.as_deref() == Some(primary.scope.region.as_str())
    }

    /// The Region of the primary, for a secret that has replicas or is one.
    pub fn shown_primary_region(&self) -> Option<&str> {
        let own = self.shown_replicas().next().map(|_| self.scope.region.as_str());
        self.primary_region.as_deref().or(own)
    }

    /// The replicas that are not on their way out.
    pub fn shown_replicas(&self) -> impl Iterator<Item = &Replica> {
        self.replicas.iter().filter(|replica| replica.state != ReplicaState::Removing)
    }

    /// Whether it may be changed: it is no replica, and not marked for deletion.
    ///
    /// # Errors
    /// [`SecretError::Replica`], [`SecretError::MarkedForDeletion`].
    pub fn require_changeable(&self) -> Result<(), SecretError> {
        if self.is_replica() {
            return Err(SecretError::Replica);
        }
        if self.deletion.is_some() {
            return Err(SecretError::MarkedForDeletion);
        }
        Ok(())
    }

    /// Whether it may be deleted, at once or later.
    pub(crate) fn require_deletable(&self) -> Result<(), SecretError> {
        if self.is_replica() {
            return Err(SecretError::Replica);
        }
        let regions: Vec<&str> = self.replicas.iter().map(|replica| replica.region.as_str()).collect();
        if !regions.is_empty() {
            return Err(SecretError::HasReplicas { arn: self.arn(), regions: regions.join(", ") });
        }
        Ok(())
    }

    /// Asks for replicas. One that is there already is tried again with the new key.
    pub(crate) fn add_replicas(&mut self, wanted: Vec<Replica>) -> Result<(), SecretError> {
        self.require_changeable()?;
        check_regions(&self.scope.region, &wanted)?;
        for replica in wanted {
            match self.replicas.iter_mut().find(|known| known.region == replica.region) {
                // What is about to be deleted is deleted before it can be made again.
                Some(known) if known.state == ReplicaState::Removing => {
                    return Err(SecretError::ReplicaRemoving(replica.region));
                }
                Some(known) => *known = replica,
                None => self.replicas.push(replica),
            }
        }
        Ok(())
    }

    /// Asks for the deletion of replicas. Regions without one do not matter.
    pub(crate) fn remove_replicas(&mut self, regions: &[String]) -> Result<(), SecretError> {
        self.require_changeable()?;
        for replica in self.replicas.iter_mut().filter(|replica| regions.contains(&replica.region)) {
            replica.state = ReplicaState::Removing;
        }
        Ok(())
    }

    /// Gives the replica in `region` another key.
    pub(crate) fn set_replica_key(&mut self, region: &str, key: Option<String>) -> Result<(), SecretError> {
        let known = self.shown_mut(region).ok_or(SecretError::NotFound)?;
        known.kms_key_id = key;
        Ok(())
    }

    fn shown_mut(&mut self, region: &str) -> Option<&mut Replica> {
        let shown = |r: &&mut Replica| r.region == region && r.state != ReplicaState::Removing;
        self.replicas.iter_mut().find(shown)
    }

    /// Makes every replica due, because the record has changed.
    pub(crate) fn replication_due(&mut self) {
        self.generation += 1;
        for replica in &mut self.replicas {
            if replica.state != ReplicaState::Removing && !replica.refused {
                replica.state = ReplicaState::InProgress;
            }
        }
    }

    /// What the replica has to be: everything of the primary but what belongs to the Region.
    /// `current` is the replica as it stands, `versions` its versions as they are to be.
    pub(crate) fn as_replica(
        &self,
        replica: &Replica,
        current: Option<&SecretRecord>,
        versions: Vec<VersionRecord>,
    ) -> SecretRecord {
        SecretRecord {
            scope: super::Scope::new(self.scope.account.as_str(), replica.region.as_str()),
            kms_key_id: replica.kms_key_id.clone(),
            accessed: current.and_then(|record| record.accessed),
            primary_region: Some(self.scope.region.clone()),
            replicas: Vec::new(),
            // The primary rotates, and its replicas get what comes of it.
            rotation: None,
            generation: 0,
            versions,
            ..self.clone()
        }
    }
}

/// Every Region has to be another one, and to be named once.
pub(crate) fn check_regions(own: &str, wanted: &[Replica]) -> Result<(), SecretError> {
    let mut seen = std::collections::HashSet::new();
    let good = |replica: &Replica| {
        !replica.region.is_empty()
            && replica.region != own
            && partition(&replica.region) == partition(own)
            && seen.insert(replica.region.clone())
    };
    if wanted.iter().all(good) { Ok(()) } else { Err(SecretError::InvalidReplicaRegion) }
}

/// The part of AWS that a Region is in: secrets are not replicated from one to another.
fn partition(region: &str) -> &str {
    ["cn-", "us-gov-", "us-iso-", "us-isob-", "eu-isoe-", "us-isof-", "eusc-"]
        .into_iter()
        .find(|prefix| region.starts_with(prefix))
        .unwrap_or("")
}

/// Why a replica cannot be made, in the form that AWS's status messages have.
pub(crate) fn failed(why: &str) -> ReplicaState {
    ReplicaState::Failed(format!("Replication failed: {why}"))
}

/// Another secret has its name. Source: recorded answers of AWS.
pub(crate) fn name_taken(name: &str, region: &str) -> ReplicaState {
    failed(&format!("Secret name {name} already exists in region {region}."))
}

/// Another secret has its name, and is not to be overwritten because it is a replica or has some.
/// Source: recorded answers of AWS.
pub(crate) fn name_replicated(name: &str, region: &str) -> ReplicaState {
    failed(&format!("Secret name {name} is currently replicated to {region} with a different arn."))
}

#[cfg(test)]
mod tests {
    use super::super::secret_record::tests::{put, record};
    use super::*;

    fn primary(regions: &[&str]) -> SecretRecord {
        let mut r = record();
        put(&mut r, "1", &[]);
        r.add_replicas(regions.iter().map(|region| Replica::new((*region).into(), None, false)).collect())
            .unwrap();
        r
    }

    #[test]
    fn regions_are_others_and_named_once() {
        for bad in [vec!["us-east-1"], vec![""], vec!["eu-west-1", "eu-west-1"], vec!["cn-north-1"]] {
            let mut r = record();
            let wanted = bad.iter().map(|region| Replica::new((*region).into(), None, false)).collect();
            assert_eq!(r.add_replicas(wanted), Err(SecretError::InvalidReplicaRegion), "{bad:?}");
            assert_eq!(r, record());
        }
    }

    #[test]
    fn a_change_makes_replicas_due_but_not_those_that_go() {
        let mut r = primary(&["eu-west-1", "eu-west-2", "eu-west-3"]);
        r.replicas[0].state = ReplicaState::InSync;
        r.replicas[1].state = name_taken("db", "eu-west-2");
        r.remove_replicas(&["eu-west-3".into(), "nowhere".into()]).unwrap();
        let before = r.generation;
        r.replication_due();
        let states: Vec<_> = r.replicas.iter().map(|replica| &replica.state).collect();
        assert_eq!(states, [&ReplicaState::InProgress, &ReplicaState::InProgress, &ReplicaState::Removing]);
        assert_eq!(r.generation, before + 1);
        assert_eq!(r.shown_replicas().count(), 2);
    }

    #[test]
    fn what_nobody_had_the_keys_for_waits_to_be_asked_for_again() {
        let mut r = primary(&["eu-west-1"]);
        let refused =
            Replica::refused("eu-west-1".into(), Some("alias/x".into()), "Access to KMS is not allowed");
        r.add_replicas(vec![refused]).unwrap();
        r.replication_due();
        let message = "Replication failed: Access to KMS is not allowed";
        assert_eq!(r.replicas[0].state, ReplicaState::Failed(message.into()));
        assert!(!r.replicas[0].is_due());
        r.add_replicas(vec![Replica::new("eu-west-1".into(), None, false)]).unwrap();
        assert!(r.replicas[0].is_due());
    }

    #[test]
    fn a_replica_is_its_primary_in_another_region() {
        let mut r = primary(&["eu-west-1"]);
        r.description = Some("d".into());
        let replica = Replica::new("eu-west-1".into(), Some("alias/there".into()), false);
        let made = r.as_replica(&replica, None, r.versions.clone());
        assert_eq!(made.arn(), r.arn().replace("us-east-1", "eu-west-1"));
        assert!(made.is_replica_of(&r) && !r.is_replica_of(&made));
        assert_eq!((&made.description, &made.versions), (&r.description, &r.versions));
        assert_eq!(made.kms_key_id.as_deref(), Some("alias/there"));
        assert_eq!(
            (made.shown_primary_region(), r.shown_primary_region()),
            (Some("us-east-1"), Some("us-east-1"))
        );
        assert_eq!(record().shown_primary_region(), None);
    }

    #[test]
    fn who_may_be_changed_and_deleted() {
        let r = primary(&["eu-west-1", "eu-west-2"]);
        assert_eq!(r.require_changeable(), Ok(()));
        let text = r.require_deletable().unwrap_err().to_string();
        assert_eq!(
            text,
            format!(
                "You can't delete secret {} that still has replica regions [eu-west-1, eu-west-2].",
                r.arn()
            )
        );
        let replica = r.as_replica(&r.replicas[0], None, Vec::new());
        assert_eq!(replica.require_changeable(), Err(SecretError::Replica));
        assert_eq!(replica.require_deletable(), Err(SecretError::Replica));
        let mut marked = record();
        marked.deletion = Some(super::super::Deletion { requested: marked.created, due: marked.created });
        assert_eq!(marked.require_changeable(), Err(SecretError::MarkedForDeletion));
        assert_eq!(marked.add_replicas(Vec::new()), Err(SecretError::MarkedForDeletion));
    }
}
