//! Revocations: sessions that are over before their time.
//!
//! A session is a token that the vault does not remember, so what is remembered is the
//! reverse: from when on sessions of a role, of a task, or made with an access key count
//! again. A check is a few look-ups in memory however many sessions there are, and a
//! record goes when no token that it could end is still alive.

use super::table::{Change, Row, Stored};
use super::tokens::SessionClaims;
use super::{Vault, VaultError};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The longest life of a session.
/// Source: STS API Reference, "GetSessionToken".
const LONGEST: SignedDuration = SignedDuration::from_hours(36);

/// Whose sessions end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Subject {
    /// Those of this role, user or account root.
    Principal(String),
    /// Those of this task, future ones included: a task does not come back.
    Task(String),
    /// The session with this access key id, and those that were made with it, in turn.
    AccessKey(String),
}

impl Subject {
    /// The ARN, task id or access key id.
    pub fn name(&self) -> &str {
        match self {
            Self::Principal(name) | Self::Task(name) | Self::AccessKey(name) => name,
        }
    }

    fn id(&self) -> String {
        match self {
            Self::Principal(name) => id(PRINCIPAL, name),
            Self::Task(name) => id(TASK, name),
            Self::AccessKey(name) => id(ACCESS_KEY, name),
        }
    }
}

const PRINCIPAL: &str = "principal";
const TASK: &str = "task";
const ACCESS_KEY: &str = "key";

fn id(kind: &str, name: &str) -> String {
    [kind, "/", name].concat()
}

/// One revocation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RevocationRecord {
    /// Whose sessions end.
    pub subject: Subject,
    /// Sessions that were made until then are over.
    pub until: Timestamp,
    /// When it was done.
    pub revoked: Timestamp,
    /// Who did it.
    pub by: String,
}

impl Stored for RevocationRecord {
    const KIND: u8 = b'E';
    fn id(&self) -> String {
        self.subject.id()
    }
}

/// The revocations of a vault.
#[derive(Clone, Copy, Debug)]
pub struct Revocations<'v>(pub(super) &'v Vault);

impl Revocations<'_> {
    /// Ends the sessions of `subject`. Durable when it returns.
    ///
    /// # Errors
    /// [`VaultError`] when it cannot be stored.
    pub fn revoke(&self, subject: Subject, by: &str) -> Result<(), VaultError> {
        let revoked = self.0.now();
        let until = match subject {
            Subject::Task(_) => revoked + LONGEST,
            // That session has no later one, whatever the clock says.
            Subject::AccessKey(ref id) if id.starts_with("ASIA") => revoked + LONGEST,
            Subject::Principal(_) | Subject::AccessKey(_) => revoked,
        };
        let record = RevocationRecord { subject, until, revoked, by: by.to_owned() };
        self.0.revocations.change(&record.id(), |_| Ok((Change::Write(record.clone()), ())))
    }

    /// Whether a session has been ended.
    pub fn covers(&self, claims: &SessionClaims) -> bool {
        if self.0.revocations.is_empty() {
            return false;
        }
        let ended = |kind, name: &String| {
            let row = self.0.revocations.get(&id(kind, name));
            row.is_some_and(|row| claims.created <= row.record.until)
        };
        ended(ACCESS_KEY, &claims.access_key_id)
            || claims.made_with.iter().chain(&claims.ancestors).any(|key| ended(ACCESS_KEY, key))
            || ended(PRINCIPAL, &claims.principal)
            || claims.task.as_ref().is_some_and(|task| ended(TASK, task))
    }

    /// Those that may still end a session, in order of kind and name.
    pub fn list(&self) -> Vec<Arc<Row<RevocationRecord>>> {
        self.0.revocations.page("", None, usize::MAX)
    }

    /// Forgets those that no living session can meet.
    pub(super) fn purge(&self) -> Result<(), VaultError> {
        let now = self.0.now();
        for row in self.list() {
            let spent = |record: &RevocationRecord| record.revoked + LONGEST < now;
            if spent(&row.record) {
                self.0.revocations.change(&row.record.id(), |current| {
                    let remove = current.is_some_and(spent);
                    Ok::<_, VaultError>((if remove { Change::Remove } else { Change::Keep }, ()))
                })?;
            }
        }
        Ok(())
    }
}
