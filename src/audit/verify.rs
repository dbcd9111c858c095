//! Verifying a log: intact, or where and how it is not.
//!
//! Reads every record of every segment, checks that it is JSON, that the numbers have no gap, and that
//! each names the hash of the one before (`chain`), and compares the chain with every
//! checkpoint whose signature verifies. It may run while the log is being written: the checkpoints
//! are read first, so what they vouch for is in the segments by the time those are read.
//!
//! An unfinished end is not damage: bytes after the last line feed of the last segment, or
//! everything from a line with zero bytes in it (blocks that the file system never
//! wrote), provided that no checkpoint vouches for anything in it. A crash leaves such an end, and
//! nobody was told that its records are durable.

use super::chain::{Chain, Place};
use super::checkpoint::{self, FILE, KEY_FILE};
use super::reader::Forward;
use super::record::{self, GENESIS, LONGEST, Link};
use super::segment::{self, Segment};
use super::{AuditError, PublicKey};
use serde::Serialize;
use std::fmt;
use std::path::Path;

/// What a verification found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    /// Every record is in its place, unaltered.
    Intact(Intact),
    /// Something is not; the findings in order of sequence number.
    Broken(Vec<Finding>),
}

/// An intact log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Intact {
    /// How many records there are.
    pub records: u64,
    /// The sequence number of the first record; 0 of an empty log.
    pub first: u64,
    /// The sequence number of the last record; 0 of an empty log.
    pub last: u64,
    /// The hash of the last record, in hex; 64 zeros of an empty log.
    pub head: String,
    /// How many checkpoints were verified.
    pub checkpoints: u64,
    /// The last record that a checkpoint covers; 0 if there is none.
    pub covered: u64,
    /// Bytes of an unfinished last record, which a crash left and nobody was promised.
    pub unfinished: u64,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// The record that it is about.
    pub sequence: u64,
    /// The name of the file.
    pub file: String,
    /// Where in the file the line begins.
    pub offset: u64,
    /// The line's number, from 1; 0 where lines were not counted.
    pub line: u64,
    /// What is wrong.
    pub kind: FindingKind,
    /// More, for people.
    pub detail: String,
}

/// What can be wrong with a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum FindingKind {
    /// The record is not what was written.
    Altered,
    /// A checkpoint's signature does not verify.
    BadSignature,
    /// A checkpoint names another hash: records were rewritten.
    CheckpointMismatch,
    /// Records are not there.
    Missing,
    /// The record stands where it was not written, or twice.
    OutOfOrder,
    /// The log ends before a record that a checkpoint vouches for.
    Truncated,
    /// The line is not a record.
    Unreadable,
}

/// Verifies the log in `dir`, with `key` or, without one, the key that lies beside it. The latter proves
/// that the log is consistent in itself; only a key kept elsewhere proves who signed it.
pub fn verify(dir: &Path, key: Option<&PublicKey>) -> Result<Verdict, AuditError> {
    let mut absent = Vec::new();
    for file in [KEY_FILE, FILE] {
        if !dir.join(file).try_exists().map_err(AuditError::io("cannot read", dir.join(file)))? {
            let place = Place { file: file.into(), ..Place::default() };
            absent.push(place.finding(0, FindingKind::Missing, "the file is not there"));
        }
    }
    let key = match key {
        Some(key) => Some(*key),
        None if absent.is_empty() => PublicKey::read(dir)?,
        None => None,
    };
    let Some(key) = key else {
        let place = Place { file: KEY_FILE.into(), ..Place::default() };
        absent.push(place.finding(0, FindingKind::Unreadable, "there is no public key in it"));
        absent.truncate(1);
        return Ok(Verdict::Broken(absent));
    };
    let (vouched, wrong) = match absent.iter().any(|finding| finding.file == FILE) {
        true => Default::default(),
        false => checkpoint::read_all(dir, &key)?,
    };
    let segments = segment::list(dir)?;
    let mut chain = Chain::after(0, GENESIS, Place::default(), vouched);
    absent.into_iter().chain(wrong).for_each(|finding| chain.report(finding));

    let (mut end, mut unfinished) = (Place::default(), 0);
    for (index, segment) in segments.iter().enumerate() {
        let walked = walk(&mut chain, segment, index + 1 == segments.len())?;
        unfinished = walked.unfinished.end - walked.unfinished.start;
        end = walked.end;
    }
    // A segment is begun only after a checkpoint of the one before is durable.
    let rotated = segments.last().map_or(0, |segment| segment.first.saturating_sub(1));
    let (records, checkpoints, covered) = (chain.records, chain.checkpoints, chain.covered);
    let (mut findings, last, head) = chain.finish(&end);
    if findings.is_empty() && covered < rotated {
        let place = Place { file: FILE.into(), ..Place::default() };
        findings.push(place.finding(rotated, FindingKind::Missing, "its checkpoint is not there"));
    }
    if !findings.is_empty() {
        return Ok(Verdict::Broken(findings));
    }
    let first = u64::from(records > 0);
    let head = record::hex(&head.unwrap_or(GENESIS));
    Ok(Verdict::Intact(Intact { records, first, last, head, checkpoints, covered, unfinished }))
}

/// What is left of a segment after its records.
#[derive(Debug)]
pub(super) struct Walked {
    /// Where the segment ends, or its unfinished end begins.
    pub(super) end: Place,
    /// The bytes of the unfinished end.
    pub(super) unfinished: std::ops::Range<u64>,
}

/// Takes the lines of a segment into the chain. Only the last segment may have an unfinished end.
pub(super) fn walk(chain: &mut Chain, segment: &Segment, last: bool) -> Result<Walked, AuditError> {
    let mut lines = Forward::open(&segment.path)?;
    let mut end = Place { file: segment.name(), offset: 0, line: 1 };
    while let Some(line) = lines.next()? {
        let place = Place { file: segment.name(), offset: line.offset, line: line.number };
        let cut = !line.bytes.ends_with(b"\n") && line.bytes.len() < LONGEST;
        let hole = line.bytes.contains(&0) && !chain.promised();
        if last && (cut || hole) {
            let start = line.offset;
            return Ok(Walked { end: place, unfinished: start..lines.length()? });
        }
        let link = Link::of(line.bytes);
        let begins = line.number == 1 && link.is_some_and(|link| link.sequence == chain.next());
        if begins && segment.first != chain.next() {
            let detail = format!("the file's name says that it begins with record {}", segment.first);
            chain.report(place.finding(chain.next(), FindingKind::OutOfOrder, detail));
        }
        end = Place { offset: line.offset + line.bytes.len() as u64, line: line.number + 1, ..place.clone() };
        chain.line(line.bytes, place);
    }
    let unfinished = end.offset..end.offset;
    Ok(Walked { end, unfinished })
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Intact(intact) => write!(f, "intact: {intact}"),
            Self::Broken(findings) => {
                write!(f, "not intact, {} finding(s)", findings.len())?;
                findings.iter().try_for_each(|finding| write!(f, "\n{finding}"))
            }
        }
    }
}

impl fmt::Display for Intact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { records, first, last, head, checkpoints, covered, unfinished } = self;
        match records {
            0 => write!(f, "no records")?,
            _ => write!(f, "{records} records, {first} to {last}")?,
        }
        write!(f, "; {checkpoints} signed checkpoints, covering records up to {covered}; head {head}")?;
        match unfinished {
            0 => Ok(()),
            _ => write!(f, "; {unfinished} bytes of an unfinished record at the end"),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sequence, file, offset, line, kind, detail } = self;
        write!(f, "record {sequence} {kind}: {detail}")?;
        match (file.as_str(), line) {
            ("", _) => Ok(()),
            (file, 0) => write!(f, " (`{file}`, byte {offset})"),
            (file, line) => write!(f, " (`{file}`, line {line}, byte {offset})"),
        }
    }
}

impl fmt::Display for FindingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Altered => "was altered",
            Self::BadSignature => "has a checkpoint with a bad signature",
            Self::CheckpointMismatch => "does not agree with a checkpoint",
            Self::Missing => "is missing",
            Self::OutOfOrder => "is out of order",
            Self::Truncated => "was cut off",
            Self::Unreadable => "is unreadable",
        })
    }
}
