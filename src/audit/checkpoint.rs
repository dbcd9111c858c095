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

use super::record::{self, Hash};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;

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
        hex::decode(&self.signature).is_ok_and(|signature| {
            UnparsedPublicKey::new(&ED25519, key.0).verify(self.statement().as_bytes(), &signature).is_ok()
        })
    }

    fn statement(&self) -> String {
        let Self { sequence, hash, time, segment, .. } = self;
        format!("sealdock-checkpoint-v1 {sequence} {hash} {time} {segment}")
    }
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
        let time = Timestamp::from_second(time.as_second()).unwrap_or(time).to_string();
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
