//! Checkpoints: signed statements that the record with a sequence number has a hash.
//!
//! One line each in `checkpoints.jsonl`:
//!
//! ```text
//! {"sequence":17,"hash":"<64 hex>","time":"2026-11-24T01:02:03Z","segment":"audit-00000000000000000001.jsonl","signature":"<128 hex>"}\n
//! ```
//!
//! `signature` is Ed25519 (RFC 8032) over the UTF-8 text
//! `sealdock-checkpoint-v1 SEQUENCE HASH TIME SEGMENT` (single blanks, no line feed), and
//! verifies with the key in `checkpoint.pub` (64 hex digits and a line feed). A checkpoint
//! is written only after the record that it names is durable, so a log that ends before
//! its last checkpoint was cut. Through the chain, one checkpoint vouches for every record before it.

use super::AuditError;
use super::chain::{Place, Vouched};
use super::reader::{Backward, Forward};
use super::record::{self, Hash};
use super::verify::{Finding, FindingKind};
use crate::clock::rfc3339;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::{fmt, fs};

/// The name of the file that holds the checkpoints.
pub(super) const FILE: &str = "checkpoints.jsonl";
/// The name of the file that holds the public key.
pub(super) const KEY_FILE: &str = "checkpoint.pub";

/// One line of the checkpoint file.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Checkpoint {
    pub(super) sequence: u64,
    pub(super) hash: String,
    pub(super) time: String,
    pub(super) segment: String,
    pub(super) signature: String,
}

impl Checkpoint {
    /// Reads a line (with or without its line feed).
    pub(super) fn parse(line: &[u8]) -> Option<Self> {
        serde_json::from_slice(line).ok()
    }

    /// The hash that the record must have.
    pub(super) fn hash(&self) -> Option<Hash> {
        record::unhex(self.hash.as_bytes())
    }

    /// Whether the signature is by `key` over exactly these members.
    pub(super) fn verifies(&self, key: &PublicKey) -> bool {
        // One signature is written in one way only: the file has no byte that may change unnoticed.
        let lower = !self.signature.bytes().any(|digit| digit.is_ascii_uppercase());
        hex::decode(&self.signature).is_ok_and(|signature| {
            let key = UnparsedPublicKey::new(&ED25519, key.0);
            lower && key.verify(self.statement().as_bytes(), &signature).is_ok()
        })
    }

    fn statement(&self) -> String {
        let Self { sequence, hash, time, segment, .. } = self;
        format!("sealdock-checkpoint-v1 {sequence} {hash} {time} {segment}")
    }
}

/// Whether a crash left this line: it has no end, or holds zeros where the file system wrote nothing.
/// Somebody who makes such a line takes the checkpoints after it away, which cutting the file does too.
fn unfinished(line: &[u8]) -> bool {
    !line.ends_with(b"\n") || line.contains(&0)
}

/// Every checkpoint in the log's file whose signature verifies with `key`, and what is wrong with the others.
pub(super) fn read_all(dir: &Path, key: &PublicKey) -> Result<(Vouched, Vec<Finding>), AuditError> {
    let (mut vouched, mut findings) = (Vouched::new(), Vec::new());
    let mut lines = Forward::open(&dir.join(FILE))?;
    let mut before = 0;
    while let Some(line) = lines.next()?.filter(|line| !unfinished(line.bytes)) {
        let place = Place { file: FILE.into(), offset: line.offset, line: line.number };
        let read = Checkpoint::parse(line.bytes);
        let Some((checkpoint, hash)) = read.and_then(|read| read.hash().map(|hash| (read, hash))) else {
            findings.push(place.finding(before, FindingKind::Unreadable, "the line is not a checkpoint"));
            continue;
        };
        before = checkpoint.sequence;
        if !checkpoint.verifies(key) {
            let detail = "its signature does not verify";
            findings.push(place.finding(before, FindingKind::BadSignature, detail));
            continue;
        }
        let (stated, count) = vouched.entry(before).or_insert((hash, 0));
        *count += 1;
        if *stated != hash {
            let detail = "two signed checkpoints name different hashes of this record";
            findings.push(place.finding(before, FindingKind::CheckpointMismatch, detail));
        }
    }
    Ok((vouched, findings))
}

/// The checkpoints that concern records from `first` on, and the one before those; only the newest one's
/// signature is verified, because through the chain it vouches for all the others. Also the length of
/// the file without what a crash left unfinished at its end.
pub(super) fn read_newest(
    dir: &Path,
    key: &PublicKey,
    first: u64,
) -> Result<(Vouched, Option<Finding>, u64), AuditError> {
    let path = dir.join(FILE);
    let mut lines = Backward::open(&path)?;
    let mut length = lines.length();
    let mut vouched = Vouched::new();
    while let Some(line) = lines.next()? {
        let place = Place { file: FILE.into(), offset: lines.offset(), line: 0 };
        if vouched.is_empty() && unfinished(&line) {
            length = place.offset;
            continue;
        }
        let read = Checkpoint::parse(&line);
        let Some((checkpoint, hash)) = read.and_then(|read| read.hash().map(|hash| (read, hash))) else {
            let finding = place.finding(0, FindingKind::Unreadable, "the line is not a checkpoint");
            return Ok((vouched, Some(finding), length));
        };
        if vouched.is_empty() && !checkpoint.verifies(key) {
            let detail = "its signature does not verify";
            let finding = place.finding(checkpoint.sequence, FindingKind::BadSignature, detail);
            return Ok((vouched, Some(finding), length));
        }
        vouched.entry(checkpoint.sequence).or_insert((hash, 1));
        if checkpoint.sequence < first {
            break;
        }
    }
    Ok((vouched, None, length))
}

/// Makes checkpoints.
pub(super) struct Signer(Ed25519KeyPair);

impl Signer {
    /// `None` if the seed is refused.
    pub(super) fn new(seed: &[u8; 32]) -> Option<Self> {
        Ed25519KeyPair::from_seed_unchecked(seed).ok().map(Self)
    }

    pub(super) fn public_key(&self) -> PublicKey {
        let mut key = [0; 32];
        key.iter_mut().zip(self.0.public_key().as_ref()).for_each(|(to, from)| *to = *from);
        PublicKey(key)
    }

    /// The line, with its line feed, that states that record `sequence` in `segment` has `hash`.
    pub(super) fn line(&self, sequence: u64, hash: &Hash, time: Timestamp, segment: &str) -> Vec<u8> {
        let time = rfc3339(time);
        let signature = String::new();
        let mut checkpoint =
            Checkpoint { sequence, hash: record::hex(hash), time, segment: segment.into(), signature };
        checkpoint.signature = hex::encode(self.0.sign(checkpoint.statement().as_bytes()));
        // Texts and a number: this does not fail, and an empty line would be noticed.
        let mut line = serde_json::to_vec(&checkpoint).unwrap_or_default();
        line.push(b'\n');
        line
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer(..)")
    }
}

/// The Ed25519 public key that a log's checkpoints verify with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// The key whose seed signs the log.
    pub fn of_seed(seed: &[u8; 32]) -> Option<Self> {
        Signer::new(seed).map(|signer| signer.public_key())
    }

    /// The key that lies beside the log in `dir`.
    pub(super) fn read(dir: &Path) -> Result<Option<Self>, AuditError> {
        let path = dir.join(KEY_FILE);
        let text = fs::read_to_string(&path).map_err(AuditError::io("cannot read", &path))?;
        Ok(Self::from_hex(&text))
    }

    /// Reads 64 digits of hex; blanks around them do not matter.
    pub fn from_hex(text: &str) -> Option<Self> {
        record::unhex(text.trim().as_bytes()).map(Self)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&record::hex(&self.0))
    }
}
