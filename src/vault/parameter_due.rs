//! Parameter policies when their time comes.
//!
//! An action is announced first ([`Parameters::due`]), then recorded by the caller, and only
//! then carried out ([`Parameters::enforce`]): a crash in between repeats the record, and
//! leaves no deletion without one. What changed in the meantime is not touched.

use super::VaultError;
use super::parameter_places::DUE;
use super::parameter_policies::{InlinePolicy, InlineRule};
use super::parameter_record::{ParameterKind, ParameterRecord, ParameterVersion};
use super::parameters::Parameters;
use super::table::{By, Change, Row, Stretch};
use super::{Scope, Vault};
use jiff::Timestamp;
use std::sync::Arc;

/// Parameters that are looked at in one go.
const STRIDE: usize = 256;

/// Something that a parameter policy asks for now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DuePolicy {
    /// Whose parameter.
    pub scope: Scope,
    /// The parameter's name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// Its type.
    pub kind: ParameterKind,
    /// The policy.
    pub policy: InlinePolicy,
    version: i64,
}

impl ParameterRecord {
    /// Pending policies of the newest version, with the time when each is due.
    fn pending(&self) -> impl Iterator<Item = (&ParameterVersion, &InlinePolicy, Timestamp)> {
        self.latest().into_iter().flat_map(|version| {
            let pending = version.policies.iter().filter(|policy| !policy.finished);
            pending.map(move |policy| (version, policy, version.due(policy)))
        })
    }

    /// When a policy is due next.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.pending().map(|(_, _, at)| at).min()
    }

    /// Whether a policy is due.
    fn is_due(&self, now: Timestamp) -> bool {
        self.next_due().is_some_and(|at| at <= now)
    }

    /// Whether the parameter has expired. It is gone for every reader then, although
    /// maintenance may not have removed it yet.
    pub(super) fn is_expired(&self, now: Timestamp) -> bool {
        self.latest().and_then(ParameterVersion::expires).is_some_and(|at| at <= now)
    }
}

impl Vault {
    /// Whether a parameter policy is due.
    pub fn parameter_policy_is_due(&self) -> bool {
        let stretch = Stretch { by: By::Place, prefix: DUE, after: None, descending: false };
        let first = self.parameters.stretch(stretch, 1).into_iter().next();
        first.is_some_and(|(_, row)| row.record.is_due(self.now()))
    }
}

impl Parameters<'_> {
    /// What is due now; the deletion of a parameter comes last.
    pub fn due(&self) -> Vec<DuePolicy> {
        let now = self.0.now();
        let mut due = Vec::new();
        for row in self.rows_due(now) {
            let record = &row.record;
            let mut now_due: Vec<_> = record.pending().filter(|(_, _, at)| *at <= now).collect();
            now_due.sort_by_key(|(_, policy, _)| matches!(policy.rule, InlineRule::Expiration { .. }));
            due.extend(now_due.into_iter().map(|(version, policy, _)| DuePolicy {
                scope: record.scope.clone(),
                name: record.name.clone(),
                arn: record.arn(),
                kind: version.kind,
                policy: policy.clone(),
                version: version.version,
            }));
        }
        due
    }

    /// The parameters of which something is due, earliest first.
    fn rows_due(&self, now: Timestamp) -> Vec<Arc<Row<ParameterRecord>>> {
        let mut due: Vec<Arc<Row<ParameterRecord>>> = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let stretch = Stretch { by: By::Place, prefix: DUE, after: after.as_deref(), descending: false };
            let rows = self.0.parameters.stretch(stretch, STRIDE);
            after = rows.last().map(|(place, _)| place.clone());
            let looked_at = rows.len();
            let before = due.len();
            due.extend(rows.into_iter().map(|(_, row)| row).take_while(|row| row.record.is_due(now)));
            if due.len() - before < looked_at || looked_at == 0 {
                return due;
            }
        }
    }

    /// Carries one out: deletes the parameter, or notes that it was notified.
    ///
    /// # Errors
    /// [`VaultError`]; it stays due then.
    pub fn enforce(&self, due: &DuePolicy) -> Result<(), VaultError> {
        let blobs = self.0.parameters.change(&due.scope.id(&due.name), |current| {
            let keep = Ok::<_, VaultError>((Change::Keep, Vec::new()));
            let Some(mut record) = current.cloned() else { return keep };
            let Some(version) = record.versions.last_mut().filter(|v| v.version == due.version) else {
                return keep;
            };
            let Some(policy) = version.policies.iter_mut().find(|policy| **policy == due.policy) else {
                return keep;
            };
            if matches!(policy.rule, InlineRule::Expiration { .. }) {
                return Ok((Change::Remove, record.blobs()));
            }
            policy.finished = true;
            Ok((Change::Write(record), Vec::new()))
        })?;
        blobs.iter().try_for_each(|blob| self.0.blobs.delete(blob))
    }
}
