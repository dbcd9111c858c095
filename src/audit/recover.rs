//! Opening a log: what is there is checked before anything is added.
//!
//! ```text
//! lock -> key -> newest checkpoints -> last line of the segment before the last -> every line of the
//! last segment -> expected head -> cut off what a crash left unfinished -> checkpoint -> writer
//! ```
//!
//! The last segment is followed line by line; `verify` does the same with all of them. A log
//! that does not verify is refused: to go on writing would bury the evidence under new records and end with
//! a checkpoint that vouches for it. The remedy is in the message: move the directory aside.

use super::chain::{Chain, Place};
use super::checkpoint::{self, FILE, KEY_FILE, PublicKey, Signer};
use super::event::{EventType, IdentityType, UserIdentity};
use super::queue::Queue;
use super::reader::{Backward, Forward};
use super::record::{self, GENESIS, Hash, Link};
use super::segment::{self, Segment};
use super::verify::{Finding, FindingKind, walk};
use super::writer::{Own, Writer};
use super::{AuditError, Event, Options};
use serde_json::json;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// How often, and how far apart, the lock is tried: a process that is just ending, or a child of one
/// that has not yet become another program, holds it for moments.
const ATTEMPTS: u32 = 10;
const PAUSE: Duration = Duration::from_millis(20);

/// Opens or begins the log and starts its threads. The event is about what was cut off.
pub(super) fn start(options: Options) -> Result<(Arc<Queue>, Option<Event<'static>>), AuditError> {
    let dir = options.dir.clone();
    segment::make_dir(&dir)?;
    let segments = segment::list(&dir)?;
    let checkpoints = open_checkpoints(&dir, !segments.is_empty())?;
    let signer = Signer::new(&options.signing_seed).ok_or_else(|| AuditError::Key(dir.clone()))?;
    let begun = checkpoints.metadata().map_err(AuditError::io("cannot read", dir.join(FILE)))?.len() > 0;
    check_key(&dir, signer.public_key(), begun || !segments.is_empty())?;

    let found = check(&dir, &segments, &signer.public_key(), options.expected_head.as_ref())?;
    checkpoints.set_len(found.checkpoint_bytes).map_err(AuditError::io("cannot cut", dir.join(FILE)))?;
    let (segment, records) = match segments.into_iter().next_back() {
        Some(segment) => {
            let records = open_append(&segment.path)?;
            (segment, records)
        }
        None => {
            let segment = Segment::new(&dir, 1);
            let records = segment.create(&dir)?;
            (segment, records)
        }
    };
    let unfinished = found.unfinished.end - found.unfinished.start;
    if unfinished > 0 {
        let cut = records.set_len(found.unfinished.start).and_then(|()| records.sync_all());
        cut.map_err(AuditError::io("cannot cut", &segment.path))?;
    }
    let event = (unfinished > 0).then(|| recovery(&segment.name(), found.unfinished.start, unfinished));

    let queue = Arc::new(Queue::new(options.queue, options.wait, (found.sequence, found.hash)));
    let mut writer = Writer {
        queue: Arc::clone(&queue),
        records: Own::new(records, &segment.path)?,
        segment,
        checkpoints: Own::new(checkpoints, &dir.join(FILE))?,
        sequence: found.sequence,
        hash: found.hash,
        signer,
        segment_bytes: options.segment_bytes,
        checkpoint_every: options.checkpoint_every,
        clock: options.clock,
        disk: options.disk,
        covered: (found.sequence, Instant::now()),
        dir: dir.clone(),
    };
    writer.opening_checkpoint()?;
    let watched = Arc::clone(&queue);
    let spawned = thread::Builder::new()
        .name("audit-writer".into())
        .spawn(move || writer.run())
        .and_then(|_| thread::Builder::new().name("audit-watchdog".into()).spawn(move || watched.watch()));
    if let Err(error) = spawned {
        queue.finish();
        return Err(AuditError::io("cannot start a thread for", dir)(error));
    }
    Ok((queue, event))
}

/// What recovery found.
#[derive(Debug)]
struct Found {
    sequence: u64,
    hash: Hash,
    unfinished: std::ops::Range<u64>,
    checkpoint_bytes: u64,
}

fn check(
    dir: &Path,
    segments: &[Segment],
    key: &PublicKey,
    expected: Option<&(u64, String)>,
) -> Result<Found, AuditError> {
    let first = segments.last().map_or(1, |segment| segment.first);
    let (mut vouched, wrong, checkpoint_bytes) = checkpoint::read_newest(dir, key, first)?;
    if let Some(finding) = wrong {
        return Err(broken(dir, &finding));
    }
    let mut earlier = None;
    if let Some((sequence, hash)) = expected {
        let hash = record::unhex(hash.as_bytes()).unwrap_or(GENESIS);
        if sequence + 1 < first {
            earlier = Some((*sequence, hash));
        } else if *sequence > 0 {
            let stated = vouched.entry(*sequence).or_insert((hash, 1));
            if stated.0 != hash {
                let place = Place { file: FILE.into(), ..Place::default() };
                let detail = "a checkpoint names another hash than the one kept elsewhere";
                return Err(broken(dir, &place.finding(*sequence, FindingKind::CheckpointMismatch, detail)));
            }
        }
    }
    let (before, place) = before_last(dir, segments)?;
    let mut chain = Chain::after(first - 1, before, place, vouched);
    let (mut end, mut unfinished) = (Place::default(), 0..0);
    if let Some(last) = segments.last() {
        let walked = walk(&mut chain, last, true)?;
        (end, unfinished) = (walked.end, walked.unfinished);
    }
    let (findings, sequence, head) = chain.finish(&end);
    if let Some(finding) = findings.into_iter().next() {
        return Err(broken(dir, &finding));
    }
    if let Some((sequence, hash)) = earlier
        && hash_of(segments, sequence)? != Some(hash)
    {
        let detail = "its hash is not the one kept elsewhere";
        let finding = Place::default().finding(sequence, FindingKind::CheckpointMismatch, detail);
        return Err(broken(dir, &finding));
    }
    Ok(Found { sequence, hash: head.unwrap_or(GENESIS), unfinished, checkpoint_bytes })
}

fn broken(dir: &Path, finding: &Finding) -> AuditError {
    AuditError::Broken { dir: dir.to_owned(), finding: finding.to_string() }
}

fn absent(dir: &Path, file: &str) -> AuditError {
    let place = Place { file: file.into(), ..Place::default() };
    broken(dir, &place.finding(0, FindingKind::Missing, "the file is not there"))
}

/// The hash of the last record of the segment before the last, which must lead up to the last.
fn before_last(dir: &Path, segments: &[Segment]) -> Result<(Hash, Place), AuditError> {
    let (before, last) = match segments {
        [] => return Ok((GENESIS, Place::default())),
        [only] if only.first == 1 => return Ok((GENESIS, Place::default())),
        [only] => {
            let place = Place { file: only.name(), offset: 0, line: 1 };
            return Err(broken(
                dir,
                &place.finding(1, FindingKind::Missing, "the log begins with this file"),
            ));
        }
        [.., before, last] => (before, last),
    };
    let mut lines = Backward::open(&before.path)?;
    let line = lines.next()?.unwrap_or_default();
    let place = Place { file: before.name(), offset: lines.offset(), line: 0 };
    match Link::of(&line) {
        Some(link) if link.sequence + 1 == last.first => Ok((record::hash(&line), place)),
        _ => {
            let detail = format!("the record before `{}` is not at the end of this file", last.name());
            Err(broken(dir, &place.finding(last.first - 1, FindingKind::Missing, detail)))
        }
    }
}

/// The hash of a record, if it is there.
fn hash_of(segments: &[Segment], sequence: u64) -> Result<Option<Hash>, AuditError> {
    let Some(segment) = segments.iter().rev().find(|segment| segment.first <= sequence) else {
        return Ok(None);
    };
    let mut lines = Forward::open(&segment.path)?;
    while let Some(line) = lines.next()? {
        if Link::of(line.bytes).is_some_and(|link| link.sequence == sequence) {
            return Ok(Some(record::hash(line.bytes)));
        }
    }
    Ok(None)
}

/// Opens the checkpoint file and locks it: it stands for the whole log.
fn open_checkpoints(dir: &Path, exists: bool) -> Result<File, AuditError> {
    let path = dir.join(FILE);
    let file = OpenOptions::new().read(true).append(true).create(!exists).mode(0o600).open(&path).map_err(
        |error| match error.kind() {
            ErrorKind::NotFound => absent(dir, FILE),
            _ => AuditError::io("cannot open", &path)(error),
        },
    )?;
    let mut attempts = 1..ATTEMPTS;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if attempts.next().is_some() => thread::sleep(PAUSE),
            Err(TryLockError::WouldBlock) => return Err(AuditError::InUse(dir.to_owned())),
            Err(TryLockError::Error(error)) => return Err(AuditError::io("cannot lock", &path)(error)),
        }
    }
}

/// The key beside the log must be ours; it is put there if the log is new, whatever a crash left of it.
fn check_key(dir: &Path, key: PublicKey, exists: bool) -> Result<(), AuditError> {
    let path = dir.join(KEY_FILE);
    match fs::read_to_string(&path) {
        Ok(text) if PublicKey::from_hex(&text) == Some(key) => Ok(()),
        Ok(_) if exists => Err(AuditError::Key(dir.to_owned())),
        Err(error) if error.kind() != ErrorKind::NotFound => Err(AuditError::io("cannot read", &path)(error)),
        Err(_) if exists => Err(absent(dir, KEY_FILE)),
        _ => {
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(true).mode(0o600);
            let written = options.open(&path).and_then(|mut file| {
                writeln!(file, "{key}")?;
                file.sync_all()
            });
            written.map_err(AuditError::io("cannot write", &path))?;
            segment::sync_dir(dir)
        }
    }
}

fn open_append(path: &Path) -> Result<File, AuditError> {
    OpenOptions::new().read(true).append(true).open(path).map_err(AuditError::io("cannot open", path))
}

/// The event that a crash left an unfinished record, which nobody was told to be durable.
fn recovery(file: &str, offset: u64, bytes: u64) -> Event<'static> {
    let identity = UserIdentity {
        kind: IdentityType::AwsService,
        invoked_by: Some("sealdock".into()),
        ..UserIdentity::default()
    };
    let mut event = Event::new("sealdock", "RecoverAuditLog", identity);
    event.event_type = EventType::AwsServiceEvent;
    event.source_ip_address = "sealdock".into();
    event.additional_event_data = Some(json!({ "file": file, "offset": offset, "unfinishedBytes": bytes }));
    event
}
