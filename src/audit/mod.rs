//! The audit log: every request, allowed or denied, durable before it is answered.
//!
//! A log is a directory, written by one process and one thread:
//!
//! ```text
//! audit-00000000000000000001.jsonl   records, one JSON object a line, chained by SHA-256 (`record`)
//! audit-00000000000000052113.jsonl   the next segment, named by its first record
//! checkpoints.jsonl                  signed statements "record N has hash H" (`checkpoint`)
//! checkpoint.pub                     the Ed25519 public key that they verify with, in hex
//! ```
//!
//! [`AuditLog::record`] takes an event and the decision about it, and answers with a
//! [`Permit`] once the record is on disk and the decision was to allow; [`AuditLog::note`]
//! records what needs no decision. [`verify`] says whether a log is intact or where it
//! is not, [`search`] finds events, newest first.
//!
//! What the log proves, against somebody who can write to the directory but has not the
//! signing key: a record that was altered, removed, moved or added in the part that a
//! checkpoint covers is detected and named. Records after the last checkpoint (those of
//! the last second before a crash; none after an orderly close) are protected by the chain alone.
//! Whoever cuts records *and* the checkpoints that cover them leaves a log that
//! verifies; an anchor kept elsewhere ([`Options::expected_head`], [`Verdict`]'s head) detects that.

mod chain;
mod checkpoint;
mod disk;
mod error;
mod event;
mod log;
mod permit;
mod queue;
mod reader;
mod record;
mod recover;
mod search;
mod segment;
mod verify;
mod writer;

pub use checkpoint::PublicKey;
pub use disk::{Disk, RealDisk};
pub use error::AuditError;
pub use event::{
    Event, EventType, IdentityType, Resource, SessionAttributes, SessionContext, SessionIssuer, TlsDetails,
    UserIdentity,
};
pub use log::{AuditLog, Noting, Options, Recording, Refused};
pub use permit::Permit;
pub use search::{Filter, Found, Results, search};
pub use verify::{Finding, FindingKind, Intact, Verdict, verify};
