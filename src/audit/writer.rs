//! The one thread that writes the log.
//!
//! ```text
//! take all that is queued -> is the file still ours? -> give each body its sequence number and
//! the hash before it -> one append -> one sync -> is the file still ours? -> answer all
//! ```
//!
//! "Ours" means: the segment's name still leads to the file that was opened, and the file is as
//! long as what was written; it is asked before and after each append, and once a second
//! while nothing is recorded. A log that was removed, replaced or cut while it was
//! open takes no more records. Neither does one whose append or sync failed once: what is on disk is then
//! known only after the log was opened anew.
//!
//! Checkpoints are appended after the answer, so no request waits for one.

use super::AuditError;
use super::checkpoint::Signer;
use super::disk::Disk;
use super::queue::Queue;
use super::record::{self, Hash};
use super::segment::{self, Segment};
use crate::clock::Clock;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often the file is looked at while nothing is recorded.
const LOOK: Duration = Duration::from_secs(1);

/// Proof that the record with this sequence number is on disk. Only the writer makes one.
#[derive(Debug)]
pub(super) struct Durable(u64);

impl Durable {
    pub(super) fn sequence(&self) -> u64 {
        self.0
    }

    /// This record and those after it, which became durable with it.
    pub(super) fn onward(self) -> impl Iterator<Item = Self> {
        (self.0..).map(Self)
    }
}

/// A file that only this process should change.
#[derive(Debug)]
pub(super) struct Own {
    file: File,
    path: PathBuf,
    device: u64,
    inode: u64,
    length: u64,
}

impl Own {
    /// Takes over `file`, which was opened for appending under `path`.
    pub(super) fn new(file: File, path: &Path) -> Result<Self, AuditError> {
        let metadata = file.metadata().map_err(AuditError::io("cannot read", path))?;
        let (device, inode, length) = (metadata.dev(), metadata.ino(), metadata.len());
        Ok(Self { file, path: path.to_owned(), device, inode, length })
    }

    fn check(&self) -> Result<(), AuditError> {
        let found = fs::metadata(&self.path).map_err(AuditError::io("cannot find", &self.path))?;
        let what = if (found.dev(), found.ino()) != (self.device, self.inode) {
            "replaced"
        } else if found.len() != self.length {
            "cut or written to"
        } else {
            return Ok(());
        };
        Err(AuditError::Closed(format!("`{}` was {what} by another program", self.path.display()).into()))
    }

    fn append(&mut self, disk: &dyn Disk, bytes: &[u8]) -> Result<(), AuditError> {
        disk.append(&self.file, bytes).map_err(AuditError::io("cannot write", &self.path))?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    fn sync(&self, disk: &dyn Disk) -> Result<(), AuditError> {
        disk.sync(&self.file).map_err(AuditError::io("cannot sync", &self.path))
    }
}

/// Everything that the thread needs, as recovery found it.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) queue: Arc<Queue>,
    pub(super) dir: PathBuf,
    pub(super) segment: Segment,
    pub(super) records: Own,
    pub(super) checkpoints: Own,
    pub(super) sequence: u64,
    pub(super) hash: Hash,
    pub(super) signer: Signer,
    pub(super) segment_bytes: u64,
    pub(super) checkpoint_every: Duration,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) disk: Arc<dyn Disk>,
    /// The record that the last checkpoint names, and when it was made.
    pub(super) covered: (u64, Instant),
}

impl Writer {
    /// The thread's whole life.
    pub(super) fn run(self) {
        // Dropped in reverse order: the files are closed, and their lock free, before the end is known.
        let _end = End(Arc::clone(&self.queue));
        let mut writer = self;
        if let Err(error) = writer.serve() {
            writer.queue.fail(AuditError::Closed(error.to_string().into()));
        }
    }

    fn serve(&mut self) -> Result<(), AuditError> {
        let mut buffer = Vec::new();
        while let Some(bodies) = self.queue.take(self.patience()) {
            if bodies.is_empty() {
                self.records.check()?;
            } else {
                self.commit(&bodies, &mut buffer)?;
                self.queue.reuse(bodies);
            }
            if self.sequence > self.covered.0 && self.covered.1.elapsed() >= self.checkpoint_every {
                self.checkpoint()?;
            }
        }
        if self.queue.failure().is_none() && self.sequence > self.covered.0 {
            self.records.check()?;
            self.checkpoint()?;
            self.checkpoints.sync(&*self.disk)?;
        }
        Ok(())
    }

    /// How long to wait for records before there is something else to do.
    fn patience(&self) -> Duration {
        let due = self.checkpoint_every.saturating_sub(self.covered.1.elapsed());
        if self.sequence > self.covered.0 { due.min(LOOK) } else { LOOK }
    }

    fn commit(&mut self, bodies: &[Vec<u8>], buffer: &mut Vec<u8>) -> Result<(), AuditError> {
        self.records.check()?;
        if self.records.length >= self.segment_bytes {
            self.rotate()?;
        }
        buffer.clear();
        let first = self.sequence + 1;
        for body in bodies {
            let start = buffer.len();
            buffer.extend_from_slice(body);
            self.sequence += 1;
            self.hash = record::close(buffer, start, self.sequence, &self.hash);
        }
        self.records.append(&*self.disk, buffer)?;
        self.records.sync(&*self.disk)?;
        self.records.check()?;
        self.queue.committed(Durable(first), (self.sequence, self.hash));
        Ok(())
    }

    /// Ends the segment with a checkpoint, made durable first: a log of several segments
    /// has a checkpoint for each but the last.
    fn rotate(&mut self) -> Result<(), AuditError> {
        if self.sequence > self.covered.0 {
            self.checkpoint()?;
        }
        self.checkpoints.sync(&*self.disk)?;
        let segment = Segment::new(&self.dir, self.sequence + 1);
        self.records = Own::new(segment.create(&self.dir)?, &segment.path)?;
        self.segment = segment;
        Ok(())
    }

    pub(super) fn checkpoint(&mut self) -> Result<(), AuditError> {
        self.checkpoints.check()?;
        let line = self.signer.line(self.sequence, &self.hash, self.clock.now(), &self.segment.name());
        self.checkpoints.append(&*self.disk, &line)?;
        self.covered = (self.sequence, Instant::now());
        Ok(())
    }

    /// A durable checkpoint of what was found when the log was opened.
    pub(super) fn opening_checkpoint(&mut self) -> Result<(), AuditError> {
        if self.sequence > 0 {
            self.checkpoint()?;
        }
        self.checkpoints.sync(&*self.disk)?;
        segment::sync_dir(&self.dir)
    }
}

/// Ends the queue however the thread ends, a panic included: nobody is left waiting.
struct End(Arc<Queue>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.end();
    }
}
