//! What became of replicas and is not on record yet.
//!
//! A replica comes in sync or fails while some request is served, or unasked. The vault cannot
//! write to the audit log, so the primary's record keeps what was told of each replica
//! (`Replica::told`), and the broker asks for the rest: no outcome is lost with the process. An
//! outcome that stays as it is is told once, however often the secret changes.

use super::VaultError;
use super::replica_record::{Replica, ReplicaState};
use super::secrets::Secrets;
use super::table::Change;
use std::sync::atomic::Ordering;

/// A replica that came in sync, or failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicationOutcome {
    /// ARN of the primary.
    pub secret: String,
    /// Region of the primary.
    pub region: String,
    /// Region of the replica.
    pub replica_region: String,
    /// Why it failed, if so.
    pub failure: Option<String>,
    id: String,
}

impl Replica {
    /// Whether it came in sync (or failed), if that is not on record.
    pub(super) fn news(&self) -> Option<bool> {
        let outcome = match self.state {
            ReplicaState::InSync => true,
            ReplicaState::Failed(_) => false,
            ReplicaState::InProgress | ReplicaState::Removing => return None,
        };
        (self.told != Some(outcome)).then_some(outcome)
    }
}

impl Secrets<'_> {
    /// Whether there may be outcomes that are not on record.
    pub fn has_replication_news(&self) -> bool {
        self.0.replication_news.load(Ordering::SeqCst)
    }

    /// The outcomes that are not on record. Whoever takes them records all, or says that there are
    /// some left ([`Secrets::replication_is_news`]).
    pub fn replication_news(&self) -> Vec<ReplicationOutcome> {
        self.0.replication_news.store(false, Ordering::SeqCst);
        let mut news = Vec::new();
        for row in self.replicated() {
            let primary = &row.record;
            for replica in primary.replicas.iter().filter(|replica| replica.news().is_some()) {
                news.push(ReplicationOutcome {
                    secret: primary.arn(),
                    region: primary.scope.region.clone(),
                    replica_region: replica.region.clone(),
                    failure: match &replica.state {
                        ReplicaState::Failed(why) => Some(why.clone()),
                        _ => None,
                    },
                    id: primary.scope.id(&primary.name),
                });
            }
        }
        news
    }

    /// Notes that there are outcomes to be recorded.
    pub fn replication_is_news(&self) {
        self.0.replication_news.store(true, Ordering::SeqCst);
    }

    /// Notes that an outcome is on record.
    pub fn told_replication(&self, outcome: &ReplicationOutcome) -> Result<(), VaultError> {
        self.0.secrets.change_alone(&outcome.id, |current| {
            let Some(mut record) = current.filter(|record| record.arn() == outcome.secret).cloned() else {
                return Ok((Change::Keep, ()));
            };
            let told = record.replicas.iter_mut().find(|replica| replica.region == outcome.replica_region);
            let Some(replica) = told else { return Ok((Change::Keep, ())) };
            replica.told = Some(outcome.failure.is_none());
            Ok((Change::Write(record), ()))
        })
    }
}
