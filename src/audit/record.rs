//! The format of a record, and what exactly is hashed.
//!
//! A record is one line: the members of the event (`event`), then one member of ours, last:
//!
//! ```text
//! {"eventVersion":"1.11", ... ,"sealdock":{"policy":{..},"sequence":17,"previousHash":"<64 hex>"}}\n
//! ```
//!
//! * `sequence` counts from 1, without a gap, through all segments.
//! * `previousHash` is the SHA-256 of the whole previous line, **including its line feed**, in
//!   lower-case hex; of the record with sequence 1 it is 64 zeros.
//! * `policy` is there if a decision was made: `principal`, `action`, `resource` as they were
//!   decided upon, `outcome`, the `matched` statements with the place where each stands, and the
//!   `digest` of the policy set.
//! * `sequence` and `previousHash` are the line's last bytes, in this order and without blanks, so
//!   they can be read without parsing JSON.
//!
//! So the hash of record 17 is what this prints, and record 18 must name it:
//!
//! ```text
//! sed -n 17p audit-00000000000000000001.jsonl | sha256sum
//! sed -n 18p audit-00000000000000000001.jsonl | jq -r .sealdock.previousHash
//! ```

use super::{AuditError, Event};
use crate::policy::{Decision, Effect, Outcome};
use serde::{Serialize, Serializer, ser::SerializeMap};
use sha2::{Digest, Sha256};
use std::io::Write;

/// A SHA-256.
pub(super) type Hash = [u8; 32];

/// What the first record names as the hash before it.
pub(super) const GENESIS: Hash = [0; 32];

/// The longest record, in bytes. Longer lines are not read as records.
pub(super) const LONGEST: usize = 1 << 20;

/// What `close` adds at most.
const CLOSING: usize = 128;

const SEQUENCE: &[u8] = b"\"sequence\":";
const PREVIOUS: &[u8] = b",\"previousHash\":\"";
const END: &[u8] = b"\"}}\n";

/// The part of a record that does not depend on its place: everything up to `"sequence"`, in a
/// buffer that is empty.
pub(super) fn body(
    mut bytes: Vec<u8>,
    event: &Event<'_>,
    decision: Option<&Decision>,
) -> Result<Vec<u8>, AuditError> {
    // Writing to memory cannot fail, and neither can these types: their keys are texts.
    let written = serde_json::to_writer(&mut bytes, event);
    // The event's closing brace makes room for one more member.
    let brace = bytes.pop();
    bytes.extend_from_slice(b",\"sealdock\":{");
    let policy = decision.map_or(Ok(()), |decision| {
        bytes.extend_from_slice(b"\"policy\":");
        let written = serde_json::to_writer(&mut bytes, &Policy(decision));
        bytes.push(b',');
        written
    });
    if written.is_err() || policy.is_err() || brace != Some(b'}') {
        return Err(AuditError::Closed("an event could not be written as JSON".into()));
    }
    if bytes.len() + CLOSING > LONGEST {
        return Err(AuditError::TooLong(bytes.len()));
    }
    Ok(bytes)
}

/// Appends the rest of the record that begins with a body, and returns the hash of the whole line.
pub(super) fn close(line: &mut Vec<u8>, start: usize, sequence: u64, previous: &Hash) -> Hash {
    line.extend_from_slice(SEQUENCE);
    // Writing to memory cannot fail.
    let _ = write!(line, "{sequence}");
    line.extend_from_slice(PREVIOUS);
    let digits = line.len();
    line.resize(digits + 64, b'0');
    // INVARIANT: 32 bytes are 64 digits.
    let _ = hex::encode_to_slice(previous, line.get_mut(digits..).unwrap_or_default());
    line.extend_from_slice(END);
    hash(line.get(start..).unwrap_or_default())
}

/// The SHA-256 of a line with its line feed.
pub(super) fn hash(line: &[u8]) -> Hash {
    Sha256::digest(line).into()
}

/// Lower-case hex.
pub(super) fn hex(hash: &Hash) -> String {
    hex::encode(hash)
}

/// A hash from exactly 64 digits of lower-case hex.
pub(super) fn unhex(digits: &[u8]) -> Option<Hash> {
    let mut hash = GENESIS;
    let lower = digits.iter().all(|digit| !digit.is_ascii_uppercase());
    (lower && hex::decode_to_slice(digits, &mut hash).is_ok()).then_some(hash)
}

/// The place of a record in the chain, as its line states it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) sequence: u64,
    pub(super) previous: Hash,
}

impl Link {
    /// Reads the end of a line (with its line feed); `None` if it does not end as a record does.
    pub(super) fn of(line: &[u8]) -> Option<Self> {
        let line = line.strip_suffix(END)?;
        let (line, previous) = line.split_at_checked(line.len().checked_sub(64)?)?;
        let previous = unhex(previous)?;
        let line = line.strip_suffix(PREVIOUS)?;
        let digits = line.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
        let (line, number) = line.split_at_checked(line.len().checked_sub(digits)?)?;
        // One number is written in one way only.
        if !line.ends_with(SEQUENCE) || number.first() == Some(&b'0') {
            return None;
        }
        let sequence = std::str::from_utf8(number).ok()?.parse().ok()?;
        Some(Self { sequence, previous })
    }
}

/// What a record says about the decision.
struct Policy<'a>(&'a Decision);

impl Serialize for Policy<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(decision) = self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("principal", &Shown(decision.principal()))?;
        map.serialize_entry("action", decision.action())?;
        map.serialize_entry("resource", decision.resource())?;
        let outcome = match decision.outcome() {
            Outcome::Allow => "Allow",
            Outcome::ExplicitDeny => "ExplicitDeny",
            Outcome::ImplicitDeny => "ImplicitDeny",
        };
        map.serialize_entry("outcome", outcome)?;
        let matched: Vec<Statement<'_>> = decision.matched().iter().map(Statement::of).collect();
        map.serialize_entry("matched", &matched)?;
        map.serialize_entry("digest", decision.policy_digest())?;
        map.end()
    }
}

struct Shown<T>(T);

impl<T: std::fmt::Display> Serialize for Shown<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

#[derive(Serialize)]
struct Statement<'a> {
    policy: &'a str,
    statement: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<&'a str>,
    effect: &'static str,
    #[serde(rename = "policyType")]
    kind: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    file: &'a str,
    #[serde(skip_serializing_if = "is_zero")]
    line: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over references")]
fn is_zero(line: &usize) -> bool {
    *line == 0
}

impl<'a> Statement<'a> {
    fn of(matched: &'a crate::policy::Matched) -> Self {
        let effect = match matched.effect {
            Effect::Allow => "Allow",
            Effect::Deny => "Deny",
        };
        Self {
            policy: &matched.policy,
            statement: matched.statement,
            sid: matched.sid.as_deref(),
            effect,
            kind: matched.basis.as_str(),
            file: &matched.file,
            line: matched.line,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_link_reads_what_close_wrote(body in "[ -~]{0,40}", sequence in 1_u64.., previous: [u8; 32]) {
            let mut line = body.clone().into_bytes();
            let hash = close(&mut line, 0, sequence, &previous);
            prop_assert_eq!(hash, super::hash(&line));
            prop_assert_eq!(Link::of(&line), Some(Link { sequence, previous }));
        }

        #[test]
        fn any_bytes_are_a_link_or_not(bytes: Vec<u8>) {
            prop_assert_eq!(Link::of(&bytes), None);
        }
    }

    #[test]
    fn one_link_is_written_in_one_way() {
        let zeros = "0".repeat(64);
        for (text, link) in [
            (format!("{{\"sequence\":1,\"previousHash\":\"{zeros}\"}}}}\n"), true),
            (format!("{{\"sequence\":01,\"previousHash\":\"{zeros}\"}}}}\n"), false),
            (format!("{{\"sequence\":0,\"previousHash\":\"{zeros}\"}}}}\n"), false),
            (format!("{{\"sequence\":,\"previousHash\":\"{zeros}\"}}}}\n"), false),
            (format!("{{\"sequence\":-1,\"previousHash\":\"{zeros}\"}}}}\n"), false),
            (format!("{{\"sequence\":99999999999999999999,\"previousHash\":\"{zeros}\"}}}}\n"), false),
            (format!("{{\"sequence\":1, \"previousHash\":\"{zeros}\"}}}}\n"), false),
            (format!("{{\"sequence\":1,\"previousHash\":\"{}\"}}}}\n", "A".repeat(64)), false),
            (format!("{{\"sequence\":1,\"previousHash\":\"{zeros}\"}}}}"), false),
            (format!("{{\"sequence\":1,\"previousHash\":\"{zeros}\"}}}}\r\n"), false),
        ] {
            assert_eq!(Link::of(text.as_bytes()).is_some(), link, "{text}");
        }
    }
}
