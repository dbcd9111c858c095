//! What became of replicas, on record: the events of CloudTrail.
//!
//! Source: Secrets Manager User Guide, "AWS CloudTrail entries for Secrets Manager", "Log entries
//! for replication".

use super::{Broker, MaintenanceError};
use crate::vault::ReplicationOutcome;
use serde_json::json;

impl Broker {
    /// Whether replicas have come in sync or failed, and that may not be on record.
    pub fn replication_is_unreported(&self) -> bool {
        self.vault.secrets().has_replication_news()
    }

    /// Records which replicas have come in sync, and which have failed and why.
    ///
    /// # Errors
    /// What the log or the vault says; what is left over is recorded the next time.
    pub fn report_replication(&self) -> Result<(), MaintenanceError> {
        let secrets = self.vault.secrets();
        let told = secrets.replication_news().iter().try_for_each(|outcome| self.report(outcome));
        if told.is_err() {
            secrets.replication_is_news();
        }
        told
    }

    fn report(&self, outcome: &ReplicationOutcome) -> Result<(), MaintenanceError> {
        let region = &outcome.replica_region;
        let (name, detail) = match &outcome.failure {
            Some(why) => ("ReplicationFailed", json!({ "ReplicaRegion": region, "failure": why })),
            None => ("ReplicationSucceeded", json!({ "ReplicaRegion": region })),
        };
        let event = self.secret_event(name, (&outcome.secret, &outcome.region), detail);
        self.audit.note(event).wait()?;
        self.vault.secrets().told_replication(outcome)?;
        match &outcome.failure {
            Some(failure) => {
                tracing::warn!(secret = %outcome.secret, region = %outcome.replica_region, %failure, "a replica failed");
                self.metrics.replications_failed.count();
            }
            None => self.metrics.replications_succeeded.count(),
        }
        Ok(())
    }
}
