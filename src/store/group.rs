//! The one writer thread of the embedded store: many requests, one commit.
//!
//! ```text
//! put, delete -> bounded channel -> take all that wait (at most 64) -> one transaction:
//!     each compared with what the ones before it left -> commit, durable -> each answered
//! ```
//!
//! A request whose comparison fails changes nothing and does not disturb the others. If
//! the transaction fails, all its requests fail, and so does every later one: what redb
//! has on disk is then known only after the file was opened anew. A disk that does not
//! answer in time is such a failure: callers get an error instead of waiting for ever.

use super::embedded::{META, Opened, RECORDS, REVISION, contained, number};
use super::erase::{Replacement, sync_names};
use super::{Record, StoreError};
use redb::{Database, ReadableTable, StorageError, Table};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// The most requests in one commit.
const GROUP: usize = 64;
/// The most requests that wait; further callers block until there is room.
const QUEUE: usize = 256;

/// How long a commit may take, far beyond what a busy disk needs.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
/// How often a caller looks for room in the queue.
const LOOK: Duration = Duration::from_millis(5);

type Answer = Result<u64, StoreError>;

/// What one request wants changed.
#[derive(Debug)]
pub(super) enum Change {
    Put { expected: Option<u64>, bytes: Vec<u8> },
    Delete { expected: u64 },
}

#[derive(Debug)]
struct Request {
    key: Vec<u8>,
    change: Change,
    reply: SyncSender<Answer>,
}

/// What the writer thread is given.
#[derive(Debug)]
enum Job {
    Change(Request),
    /// Another file to write to from now on.
    Replace(Box<Replacement>, SyncSender<Answer>),
}

/// The handle of the writer thread; dropping it lets the thread finish and waits for it.
#[derive(Debug)]
pub(super) struct Group {
    requests: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
    failure: Arc<Mutex<Option<String>>>,
    patience: Duration,
}

impl Group {
    pub(super) fn start(file: Arc<RwLock<Opened>>, patience: Duration) -> Result<Self, StoreError> {
        let (requests, receiver) = sync_channel(QUEUE);
        let failure = Arc::new(Mutex::new(None));
        let writer = Writer { file, failure: Arc::clone(&failure) };
        let thread = thread::Builder::new()
            .name("vault-writer".into())
            .spawn(move || writer.run(&receiver))
            .map_err(|source| StoreError::Io { context: "cannot start the writer", source })?;
        Ok(Self { requests: Some(requests), thread: Some(thread), failure, patience })
    }

    /// Hands over a change and waits until it is durable or refused.
    pub(super) fn submit(&self, key: &[u8], change: Change) -> Answer {
        let (reply, answer) = sync_channel(1);
        self.hand_over(Job::Change(Request { key: key.to_vec(), change, reply }), &answer)
    }

    /// Has the writer go on with another file, which then has the name of this one.
    pub(super) fn replace(&self, replacement: Replacement) -> Result<(), StoreError> {
        let (reply, answer) = sync_channel(1);
        self.hand_over(Job::Replace(Box::new(replacement), reply), &answer).map(drop)
    }

    fn hand_over(&self, mut job: Job, answer: &Receiver<Answer>) -> Answer {
        let deadline = Instant::now() + self.patience;
        let Some(requests) = &self.requests else { return Err(failed(&self.failure, "the writer ended")) };
        loop {
            if self.failure.lock().unwrap_or_else(PoisonError::into_inner).is_some() {
                return Err(failed(&self.failure, "a write failed"));
            }
            match requests.try_send(job) {
                Ok(()) => break,
                Err(TrySendError::Disconnected(_)) => return Err(failed(&self.failure, "the writer ended")),
                Err(TrySendError::Full(_)) if Instant::now() >= deadline => return Err(self.stalled()),
                Err(TrySendError::Full(back)) => job = back,
            }
            thread::sleep(LOOK);
        }
        match answer.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(answer) => answer,
            Err(RecvTimeoutError::Timeout) => Err(self.stalled()),
            Err(RecvTimeoutError::Disconnected) => Err(failed(&self.failure, "the writer ended")),
        }
    }

    /// The disk does not answer. Whether the change reaches it is not known, so nothing is
    /// written any more until the file was opened anew.
    fn stalled(&self) -> StoreError {
        let reason = format!("the disk did not answer within {} seconds", self.patience.as_secs_f32());
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(reason);
        failed(&self.failure, "the disk did not answer")
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(thread) = self.thread.take() {
            // A writer that panicked has answered nobody; there is nothing left to do about it.
            let _ = thread.join();
        }
    }
}

struct Writer {
    file: Arc<RwLock<Opened>>,
    failure: Arc<Mutex<Option<String>>>,
}

impl Writer {
    fn run(&self, receiver: &Receiver<Job>) {
        while let Ok(first) = receiver.recv() {
            let (mut group, mut replacement) = (Vec::new(), None);
            for job in std::iter::once(first).chain(receiver.try_iter()) {
                match job {
                    Job::Change(request) => group.push(request),
                    Job::Replace(new, reply) => replacement = Some((new, reply)),
                }
                if group.len() == GROUP || replacement.is_some() {
                    break;
                }
            }
            self.serve(group);
            if let Some((new, reply)) = replacement {
                let _ = reply.send(self.replace(*new));
            }
        }
    }

    fn serve(&self, group: Vec<Request>) {
        if self.has_failed() {
            return self.refuse(group);
        }
        if group.is_empty() {
            return;
        }
        let file = self.reading();
        match contained(|| commit(&file.database, &group)) {
            Ok(answers) => {
                // INVARIANT: whoever was answered reads what was written.
                file.refresh();
                for (request, answer) in group.into_iter().zip(answers) {
                    // Nobody waits if the caller's thread ended.
                    let _ = request.reply.send(answer);
                }
            }
            Err(error) => {
                self.fail(&error);
                self.refuse(group);
            }
        }
    }

    fn replace(&self, new: Replacement) -> Answer {
        if self.has_failed() {
            return Err(failed(&self.failure, "a write failed"));
        }
        let path = new.path().to_owned();
        let installed = {
            let file = self.reading();
            Opened::new(contained(|| new.install(&file.database))?)
        };
        // INVARIANT: only this thread writes, so nothing has come to the old file since.
        let mut file = self.file.write().unwrap_or_else(PoisonError::into_inner);
        let old = std::mem::replace(&mut *file, installed);
        drop(file);
        drop(old);
        // Until the name is durable, a loss of power could bring the old file back without what comes now.
        sync_names(&path).inspect_err(|error| self.fail(error)).map(|()| 0)
    }

    fn reading(&self) -> RwLockReadGuard<'_, Opened> {
        self.file.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_failed(&self) -> bool {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    fn fail(&self, error: &StoreError) {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string());
    }

    fn refuse(&self, group: Vec<Request>) {
        for request in group {
            let _ = request.reply.send(Err(failed(&self.failure, "a write failed")));
        }
    }
}

fn failed(failure: &Mutex<Option<String>>, otherwise: &str) -> StoreError {
    let reason = failure.lock().unwrap_or_else(PoisonError::into_inner).clone();
    StoreError::Failed(reason.unwrap_or_else(|| otherwise.to_owned()))
}

/// Applies a group in order and makes it durable.
fn commit(database: &Database, group: &[Request]) -> Result<Vec<Answer>, StoreError> {
    let mut transaction = database.begin_write()?;
    // One phase would let a checksum that is not cryptographic decide which of two roots is the newest,
    // and what is under the checksum is chosen by callers.
    transaction.set_two_phase_commit(true);
    // Costs nothing that can be measured, and what it saves lets a crashed file be opened without reading all of it.
    transaction.set_quick_repair(true);
    let mut answers = Vec::with_capacity(group.len());
    let mut changed = false;
    {
        let mut meta = transaction.open_table(META)?;
        let mut records = transaction.open_table(RECORDS)?;
        let before = meta.get(REVISION)?.and_then(|value| number(value.value())).unwrap_or(0);
        let mut revision = before;
        for request in group {
            answers.push(apply(&mut records, request, &mut revision)?);
        }
        if revision != before {
            meta.insert(REVISION, revision.to_be_bytes().as_slice())?;
            changed = true;
        }
    }
    if changed {
        transaction.commit()?
    } else {
        transaction.abort()?
    }
    Ok(answers)
}

/// The outer error ends the transaction, the inner one answers the request.
fn apply(
    records: &mut Table<'_, &'static [u8], &'static [u8]>,
    request: &Request,
    revision: &mut u64,
) -> Result<Answer, StorageError> {
    let found = match records.get(request.key.as_slice())? {
        Some(value) => match Record::open(value.value()) {
            Ok(record) => Some(record.revision),
            Err(error) => return Ok(Err(error)),
        },
        None => None,
    };
    let expected = match &request.change {
        Change::Put { expected, .. } => *expected,
        Change::Delete { expected } => Some(*expected),
    };
    if expected != found {
        return Ok(Err(StoreError::Conflict { expected, found }));
    }
    *revision += 1;
    match &request.change {
        Change::Put { bytes, .. } => {
            let mut value = Vec::with_capacity(8 + bytes.len());
            value.extend_from_slice(&revision.to_be_bytes());
            value.extend_from_slice(bytes);
            records.insert(request.key.as_slice(), value.as_slice())?;
        }
        Change::Delete { .. } => {
            records.remove(request.key.as_slice())?;
        }
    }
    Ok(Ok(*revision))
}

#[cfg(test)]
mod tests {
    use super::*;
    use redb::{StorageBackend, backends::InMemoryBackend};
    use std::io;

    /// A disk whose syncs wait for the gate.
    #[derive(Debug)]
    struct Disk(InMemoryBackend, Arc<Mutex<()>>);

    impl StorageBackend for Disk {
        fn len(&self) -> io::Result<u64> {
            self.0.len()
        }
        fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
            self.0.read(offset, out)
        }
        fn set_len(&self, len: u64) -> io::Result<()> {
            self.0.set_len(len)
        }
        fn sync_data(&self) -> io::Result<()> {
            let _open = self.1.lock().unwrap();
            self.0.sync_data()
        }
        fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
            self.0.write(offset, data)
        }
    }

    #[test]
    fn a_stalled_disk_is_an_error_and_not_a_hang() {
        let gate = Arc::new(Mutex::new(()));
        let disk = Disk(InMemoryBackend::new(), Arc::clone(&gate));
        let database = Database::builder().create_with_backend(disk).unwrap();
        let group =
            Group::start(Arc::new(RwLock::new(Opened::new(database))), Duration::from_millis(200)).unwrap();
        let put = || group.submit(b"k", Change::Put { expected: None, bytes: vec![1] });
        let closed = gate.lock().unwrap();
        assert!(matches!(put(), Err(StoreError::Failed(reason)) if reason.contains("did not answer")));
        drop(closed);
        assert!(matches!(put(), Err(StoreError::Failed(_))), "what is on disk is not known any more");
    }
}
