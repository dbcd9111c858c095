//! The broker: the vault, the audit log and the policies, and the one gate between
//! them.
//!
//! ```text
//! credentials or peer uid -> Caller          caller.rs
//! Caller + Ask (action, resource, condition keys, the resource's policy)
//!   -> policy::evaluate -> Decision
//!   -> audit::record    -> Permit            authorize.rs
//! Permit -> vault                            the handlers call it directly
//! ```
//!
//! Handlers cannot skip the gate: the vault wants a [`Permit`](crate::audit::Permit),
//! and only the audit log makes one.

mod assume;
mod authorize;
mod caller;
mod compiled;
mod functions;
mod key_maintenance;
mod keys;
mod parameter_policies;
pub mod policies;
mod replication;
mod rotation;
mod task_roles;
mod tasks;

pub use assume::{AssumeError, Assumed, NewSession};
pub use authorize::{Ask, Context, Deny};
pub use caller::{Caller, CredentialError, Proof};
pub use functions::{Function, Grant, Target};
pub use keys::KeyError;
pub use policies::{Policies, PolicyError, Watch};
pub use rotation::RotationEvent;
pub use task_roles::TaskCredentials;
pub use tasks::{Injected, PendingSession, RoleSession, ServiceSession, SessionError};

use crate::audit::{AuditError, AuditLog, Event, EventType, IdentityType, Options, UserIdentity};
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::policy::PolicySet;
use crate::vault::{Vault, VaultError};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Longest reason for a refused reload that is recorded, in characters.
const REASON: usize = 4096;

/// What a broker has to know beside its vault.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Account id.
    pub account: String,
    /// Region for clients that name none.
    pub region: String,
    /// Principals of Unix-socket peers, by uid.
    pub peers: Vec<(u32, String)>,
    /// Policy directory.
    pub policies: PathBuf,
    /// Audit log directory.
    pub audit: PathBuf,
    /// Functions that rotation calls.
    pub functions: Vec<Function>,
    /// Longest wait for the audit log.
    pub audit_wait: Duration,
    /// Size of a segment of the audit log, in bytes.
    pub audit_segment_bytes: u64,
    /// Whether the policies know some of the account's users and roles only, as in development,
    /// so that a resource policy may name others.
    pub other_principals: bool,
    /// Begin a new log although the vault remembers another; the first record says so.
    pub new_audit_log: bool,
}

/// Why a broker does not start.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// The policies.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The audit log.
    #[error(transparent)]
    Audit(#[from] AuditError),
}

/// A running broker, without its listeners.
#[derive(Debug)]
pub struct Broker {
    settings: Settings,
    vault: Vault,
    audit: AuditLog,
    policies: Arc<Policies>,
    compiled: compiled::Compiled,
    task_sessions: task_roles::TaskSessions,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
}

impl Broker {
    /// Loads the policies and opens the audit log; the start is its first record.
    ///
    /// # Errors
    /// [`BrokerError`].
    pub fn open(settings: Settings, vault: Vault, clock: Arc<dyn Clock>) -> Result<Self, BrokerError> {
        let policies = Arc::new(Policies::open(&settings.policies)?);
        let remembered = vault.audit_anchor();
        let audit = AuditLog::open(Options {
            expected_head: remembered.clone().filter(|_| !settings.new_audit_log),
            segment_bytes: settings.audit_segment_bytes,
            wait: settings.audit_wait,
            clock: Arc::clone(&clock),
            ..Options::new(&settings.audit, *vault.audit_seed())
        })?;
        let broker = Self {
            settings,
            vault,
            audit,
            policies,
            compiled: compiled::Compiled::default(),
            task_sessions: task_roles::TaskSessions::default(),
            clock,
            metrics: Metrics::default(),
        };
        let digest = broker.policies.current().digest().to_owned();
        let version = env!("CARGO_PKG_VERSION");
        let mut detail = json!({ "version": version, "vaultId": broker.vault.id(), "policyDigest": digest });
        if let (true, Some((sequence, hash)), Some(detail)) =
            (broker.settings.new_audit_log, remembered, detail.as_object_mut())
        {
            detail
                .insert("earlierLog".into(), json!({ "lastKnownSequence": sequence, "lastKnownHash": hash }));
        }
        broker.note_own("StartBroker", detail)?;
        Ok(broker)
    }

    /// The vault. What it gives out needs a permit.
    pub fn vault(&self) -> &Vault {
        &self.vault
    }

    /// Account and Region of the configuration, and the longest wait for the log.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The policies in force.
    pub fn policies(&self) -> Arc<PolicySet> {
        self.policies.current()
    }

    /// What is counted.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The time of day.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Reloads policies whenever their files change, records it, and tells the operator.
    pub fn watch_policies(self: &Arc<Self>, tell: impl Fn(String) + Send + 'static) -> Watch {
        let broker = Arc::clone(self);
        self.policies.watch(move |outcome| tell(broker.report_reload(outcome)))
    }

    /// Reloads the policies now; a text for the operator unless nothing changed.
    pub fn reload_policies(&self) -> Option<String> {
        match self.policies.reload() {
            Ok(policies::Reload::Unchanged) => None,
            Ok(policies::Reload::Loaded(set)) => Some(self.report_reload(Ok(set))),
            Err(error) => Some(self.report_reload(Err(error))),
        }
    }

    fn report_reload(&self, outcome: Result<Arc<PolicySet>, PolicyError>) -> String {
        let (detail, text) = match &outcome {
            Ok(set) => {
                (json!({ "policyDigest": set.digest(), "outcome": "loaded" }), "policies reloaded".to_owned())
            }
            Err(error) => (
                json!({
                    "policyDigest": self.policies().digest(), "outcome": "refused",
                    "reason": error.to_string().chars().take(REASON).collect::<String>(),
                }),
                format!("policies not reloaded, the last good set stays in force:\n{error}"),
            ),
        };
        match self.note_own("ReloadPolicies", detail) {
            Ok(()) => text,
            Err(error) => format!("{text}\n{error}"),
        }
    }

    /// Does what is due by time; call it about twice a minute.
    ///
    /// # Errors
    /// [`BrokerError::Audit`] or what the vault says, as text.
    pub fn maintain(&self) -> Result<(), MaintenanceError> {
        for arn in self.vault.maintain()? {
            self.note_own(
                "EndSecretVersionDelete",
                json!({ "secretId": arn, "reason": "the recovery window has ended" }),
            )?;
        }
        self.enforce_parameter_policies()?;
        self.vault.secrets().replicate_due()?;
        self.report_replication()?;
        self.maintain_keys()?;
        self.anchor()?;
        Ok(())
    }

    /// Tells the vault how far the log has come, so that a log whose end is cut off while
    /// the broker is down does not pass for whole at the next start.
    fn anchor(&self) -> Result<(), VaultError> {
        let (sequence, hash) = self.audit.head();
        self.vault.set_audit_anchor(sequence, &hash)
    }

    /// Records the end. Nothing is released afterwards.
    ///
    /// # Errors
    /// [`AuditError`] when the record could not be written.
    pub fn close(&self) -> Result<(), AuditError> {
        // Days of reads that could not be written are only less precise metadata.
        let _ = self.vault.flush_touched(Duration::from_secs(1));
        let _ = self.vault.flush_used_keys();
        self.note_own("StopBroker", Value::Null)?;
        // Without it the anchor is an older record of the same log, which holds as well.
        let _ = self.anchor();
        Ok(())
    }

    /// Records something that the broker does unasked.
    fn note_own(&self, name: &str, detail: Value) -> Result<(), AuditError> {
        let identity = UserIdentity {
            kind: IdentityType::AwsService,
            invoked_by: Some("sealdock".into()),
            ..UserIdentity::default()
        };
        let mut event = Event::new("sealdock", name, identity);
        event.event_type = EventType::AwsServiceEvent;
        event.aws_region = self.settings.region.as_str().into();
        event.recipient_account_id = self.settings.account.as_str().into();
        event.source_ip_address = "sealdock".into();
        event.additional_event_data = (!detail.is_null()).then_some(detail);
        self.audit.note(event).wait()
    }
}

/// Why maintenance stopped half way; it is tried again.
#[derive(Debug, thiserror::Error)]
pub enum MaintenanceError {
    /// The vault.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The audit log.
    #[error(transparent)]
    Audit(#[from] AuditError),
}
