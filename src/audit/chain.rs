//! Following the chain of records through the lines of a log, and telling what broke it.
//!
//! A line is *in place* if its sequence number is the next one. Between two neighbours in
//! place there is a link: the later names the hash of the earlier. A broken link alone does not
//! say which of the two was altered; this does, in this order:
//!
//! * the link after the later is broken too: the later was altered (one change explains both);
//! * a checkpoint vouches for the earlier, or contradicts the later: the later was altered;
//! * otherwise the earlier was.
//!
//! A line with another sequence number that nevertheless names the hash before it is in place, and
//! its number was altered. Otherwise a higher number means that records are missing (or stand
//! further down), a lower one that the record stands twice or in the wrong place.
//!
//! A checkpoint that contradicts a record whose links hold means that records were rewritten
//! and the chain computed anew, somewhere after the last record that a checkpoint vouches for.

use super::record::{Hash, Link, hash};
use super::verify::{Finding, FindingKind};
use serde::de::IgnoredAny;
use std::collections::BTreeMap;

/// A finding's file, byte offset and line.
#[derive(Clone, Debug, Default)]
pub(super) struct Place {
    pub(super) file: String,
    pub(super) offset: u64,
    pub(super) line: u64,
}

impl Place {
    pub(super) fn finding(&self, sequence: u64, kind: FindingKind, detail: impl Into<String>) -> Finding {
        let Self { file, offset, line } = self.clone();
        Finding { sequence, file, offset, line, kind, detail: detail.into() }
    }
}

/// Enough to see what happened; a log that is wrong from end to end needs no list of all its records.
const MOST_FINDINGS: usize = 1000;

/// What checkpoints say: the hash of a record, and how many say so.
pub(super) type Vouched = BTreeMap<u64, (Hash, u64)>;

/// The last record in place.
#[derive(Clone, Debug)]
struct Last {
    sequence: u64,
    hash: Hash,
    place: Place,
    /// A finding was made about it, which explains a broken link after it.
    blamed: bool,
    /// A checkpoint names its hash.
    vouched: bool,
    /// A checkpoint names another hash, and nothing has explained that yet.
    contradicted: bool,
}

/// The state between two lines.
#[derive(Debug)]
pub(super) struct Chain {
    next: u64,
    last: Option<Last>,
    /// The record before the last, if the link between them is broken and nobody was blamed yet.
    suspect: Option<(u64, Place)>,
    /// Missing ranges: first -> (last, where the gap was noticed).
    missing: BTreeMap<u64, (u64, Place)>,
    vouched: Vouched,
    rewritten: bool,
    findings: Vec<Finding>,
    pub(super) records: u64,
    pub(super) checkpoints: u64,
    pub(super) covered: u64,
}

impl Chain {
    /// A chain whose first record comes after record `sequence`, which has `hash` and stands at
    /// `place`; after record 0 and [`GENESIS`](super::record::GENESIS) for a whole log.
    pub(super) fn after(sequence: u64, hash: Hash, place: Place, vouched: Vouched) -> Self {
        let stated = vouched.get(&sequence).map(|(stated, _)| *stated == hash);
        let last = Last {
            sequence,
            hash,
            place,
            blamed: false,
            vouched: sequence == 0 || stated == Some(true),
            contradicted: stated == Some(false),
        };
        Self {
            next: sequence + 1,
            last: Some(last),
            suspect: None,
            missing: BTreeMap::new(),
            vouched,
            rewritten: false,
            findings: Vec::new(),
            records: 0,
            checkpoints: 0,
            covered: 0,
        }
    }

    /// The sequence number that the next record must have.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// Whether a checkpoint vouches for the next record or one after it: it was durable once.
    pub(super) fn promised(&self) -> bool {
        self.vouched.last_key_value().is_some_and(|(sequence, _)| *sequence >= self.next)
    }

    pub(super) fn report(&mut self, finding: Finding) {
        if self.findings.len() < MOST_FINDINGS {
            self.findings.push(finding);
        }
    }

    /// Takes a line that is whole. Returns whether it is a record, wherever it belongs.
    pub(super) fn line(&mut self, bytes: &[u8], place: Place) -> bool {
        let link = Link::of(bytes);
        let readable = serde_json::from_slice::<IgnoredAny>(bytes).is_ok();
        match link {
            Some(link) if readable => self.record(link, hash(bytes), place),
            _ => self.unreadable(link, place),
        }
        link.is_some() && readable
    }

    /// Takes a line that is not a record.
    pub(super) fn unreadable(&mut self, link: Option<Link>, place: Place) {
        self.settle(None);
        let (next, stated) = (self.next, link.map(|link| link.sequence));
        // The second part of a line that was broken in two says nothing new.
        let continued = self.last.is_none() && stated.is_some_and(|stated| stated + 1 == next);
        if !continued {
            self.report(place.finding(next, FindingKind::Unreadable, "the line is not a record"));
            // A line that swallowed its successors ends as the last of them did.
            self.next = stated.filter(|stated| (next..next + 1000).contains(stated)).unwrap_or(next) + 1;
        }
        self.last = None;
    }

    fn record(&mut self, link: Link, hash: Hash, place: Place) {
        let linked = self.last.as_ref().map(|last| last.hash == link.previous);
        let next = self.next;
        let mut blamed = false;
        if link.sequence != next {
            if linked == Some(true) {
                self.settle(Some(true));
                let detail = format!("its sequence number is given as {}", link.sequence);
                self.report(place.finding(next, FindingKind::Altered, detail));
                blamed = true;
            } else if link.sequence > next {
                self.settle(None);
                self.missing.insert(next, (link.sequence - 1, place.clone()));
                self.last = None;
                self.next = link.sequence;
            } else {
                self.misplaced(link.sequence, &place);
                return;
            }
        } else if linked == Some(false) {
            blamed = self.broken_link(&place);
        } else {
            self.settle(Some(true));
        }
        let sequence = self.next;
        let mut last = Last { sequence, hash, place, blamed, vouched: false, contradicted: false };
        self.compare(&mut last);
        self.last = Some(last);
        self.next += 1;
        self.records += 1;
    }

    /// The record at `place` is in place and names another hash than the one before it has. Returns
    /// whether it is to blame itself.
    fn broken_link(&mut self, place: &Place) -> bool {
        let Some(last) = self.last.clone() else { return false };
        if let Some(last) = &mut self.last {
            last.contradicted = false;
        }
        if last.blamed {
            self.suspect = None;
        } else if self.suspect.take().is_some() || last.contradicted {
            let detail = "its hash is not the one that the next record names";
            self.report(last.place.finding(last.sequence, FindingKind::Altered, detail));
        } else if last.vouched {
            let detail = "it names another hash than the record before it has";
            self.report(place.finding(last.sequence + 1, FindingKind::Altered, detail));
            return true;
        } else {
            self.suspect = Some((last.sequence, last.place));
        }
        false
    }

    /// Decides what is still open about the last record. `linked`: the record after it names its hash.
    fn settle(&mut self, linked: Option<bool>) {
        if let Some((sequence, place)) = self.suspect.take() {
            let detail = "its hash is not the one that the next record names";
            self.report(place.finding(sequence, FindingKind::Altered, detail));
        }
        let covered = self.covered;
        let Some(last) = self.last.as_mut().filter(|last| last.contradicted) else { return };
        last.contradicted = false;
        let alone = linked.is_none() && covered + 1 == last.sequence;
        let (kind, detail) = if alone {
            (FindingKind::Altered, "its hash is not the one that a checkpoint names".into())
        } else {
            let detail = format!(
                "a checkpoint names another hash: records from {} on were rewritten and chained anew",
                covered + 1
            );
            (FindingKind::CheckpointMismatch, detail)
        };
        let finding = last.place.finding(last.sequence, kind, detail);
        if !std::mem::replace(&mut self.rewritten, true) {
            self.report(finding);
        }
    }

    /// Compares a record in place with the checkpoints that name it.
    fn compare(&mut self, record: &mut Last) {
        let Some((hash, count)) = self.vouched.get(&record.sequence) else { return };
        if *hash == record.hash {
            self.checkpoints += count;
            self.covered = record.sequence;
            self.rewritten = false;
            record.vouched = true;
            self.settle(Some(true));
        } else if record.blamed {
            // Explained already.
        } else if self.suspect.take().is_some() {
            record.blamed = true;
            let detail = "neither its links nor a checkpoint agree with it";
            self.report(record.place.finding(record.sequence, FindingKind::Altered, detail));
        } else {
            record.contradicted = true;
        }
    }

    /// A record with a sequence number that is past.
    fn misplaced(&mut self, sequence: u64, place: &Place) {
        let gap = self
            .missing
            .range(..=sequence)
            .next_back()
            .map(|(first, (last, at))| (*first, *last, at.clone()));
        let detail = match gap {
            Some((first, last, at)) if last >= sequence => {
                self.missing.remove(&first);
                if first < sequence {
                    self.missing.insert(first, (sequence - 1, at.clone()));
                }
                if sequence < last {
                    self.missing.insert(sequence + 1, (last, at));
                }
                self.records += 1;
                "it stands after a later record"
            }
            _ => "it stands here again",
        };
        self.report(place.finding(sequence, FindingKind::OutOfOrder, detail));
    }

    /// What was found, in order; and the last record in place, with its hash if that is known.
    pub(super) fn finish(mut self, end: &Place) -> (Vec<Finding>, u64, Option<Hash>) {
        self.settle(None);
        for (first, (last, place)) in std::mem::take(&mut self.missing) {
            let detail = if first == last {
                "it is not there".into()
            } else {
                format!("records {first} to {last} are not there")
            };
            self.report(place.finding(first, FindingKind::Missing, detail));
        }
        if self.promised() {
            let covered = self.vouched.last_key_value().map_or(0, |(sequence, _)| *sequence);
            let detail =
                format!("the log ends here, and a checkpoint says that record {covered} was written");
            self.report(end.finding(self.next, FindingKind::Truncated, detail));
        }
        self.findings.sort_by_key(|finding| finding.sequence);
        (self.findings, self.next - 1, self.last.map(|last| last.hash))
    }
}
