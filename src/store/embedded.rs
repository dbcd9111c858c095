//! The embedded store: one redb file.
//!
//! Two tables from bytes to bytes:
//!
//! ```text
//! records   key        -> revision (8 bytes, big endian), then what was put
//! meta      "format"   -> 1 (8 bytes, big endian)
//!           "revision" -> the last revision that was given out (likewise)
//! ```
//!
//! Readers take a snapshot and never wait. Writes go to one thread (`group`) and are
//! durable, by a two-phase commit, before they are answered. A file is open once: redb
//! holds a lock on it.
//!
//! Every open checks the checksum of every page, so a file that was cut or changed is
//! reported before the first request and not in the middle of one. The price is reading
//! the file: milliseconds for 1,000 secrets, about half a second for 100,000.
//!
//! After a write failed, redb serves only what it has in memory: reads of anything else fail too.

use super::erase::{Replacement, beside, sync_names, tidy};
use super::group::{Change, Group, PATIENCE};
use super::{Record, Store, StoreError};
use redb::backends::FileBackend;
use redb::{
    CommitError, Database, DatabaseError, ReadOnlyTable, ReadableDatabase, StorageBackend, StorageError,
    TableDefinition, TableError, TransactionError,
};
use std::fmt;
use std::fs::{self, OpenOptions};
use std::io;
use std::ops::Bound;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread;
use std::time::Duration;

pub(super) const RECORDS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("records");
pub(super) const META: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("meta");
pub(super) const REVISION: &[u8] = b"revision";
const FORMAT: &[u8] = b"format";

/// The format that this program reads and writes.
const SUPPORTED: u64 = 1;
/// Memory for pages. The operating system caches the file as well, and the vault keeps an index.
const CACHE: usize = 8 << 20;
/// The longest key and the longest value. SQL back ends have limits of this order too.
const LONGEST_KEY: usize = 4 << 10;
const LONGEST_VALUE: usize = 64 << 20;

/// How often, and how far apart, the lock is tried: a process that is just ending, or a child of one
/// that has not yet become another program, holds it for moments.
const ATTEMPTS: u32 = 10;
const PAUSE: Duration = Duration::from_millis(20);

/// A [`Store`] in one file.
#[derive(Debug)]
pub struct EmbeddedStore {
    // Before `file`: the writer thread ends before the file is closed.
    group: Group,
    file: Arc<RwLock<Opened>>,
    /// Where it is, if it is in a file.
    path: Option<PathBuf>,
    /// Held while the file is written anew.
    erasing: Mutex<()>,
}

impl EmbeddedStore {
    /// Makes a new, empty store at `path`, which must not exist. The file appears there only when
    /// it is complete and durable.
    pub fn create(path: &Path) -> Result<Self, StoreError> {
        let unfinished = beside(path, ".new");
        let file = private()
            .create(true)
            .truncate(false)
            .open(&unfinished)
            .map_err(io_error("cannot make the file"))?;
        // What an earlier attempt left is nobody's if nobody holds its lock.
        file.try_lock().map_err(|_| StoreError::InUse)?;
        if path.exists() {
            return Err(StoreError::Exists(path.to_owned()));
        }
        file.set_len(0).map_err(io_error("cannot make the file"))?;
        let backend = contained(|| Ok(FileBackend::new(file)?))?;
        let store = Self { path: Some(path.to_owned()), ..Self::with_backend(backend)? };
        fs::rename(&unfinished, path).map_err(io_error("cannot name the file"))?;
        sync_names(path)?;
        Ok(store)
    }

    /// Opens the store at `path`, which must exist.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let mut attempts = 1..ATTEMPTS;
        loop {
            match Self::open_once(path) {
                Err(StoreError::InUse) if attempts.next().is_some() => thread::sleep(PAUSE),
                result => return result,
            }
        }
    }

    fn open_once(path: &Path) -> Result<Self, StoreError> {
        let file = OpenOptions::new().read(true).write(true).open(path).map_err(io_error("cannot open"))?;
        let opened = file.metadata().map_err(io_error("cannot open"))?;
        if opened.len() == 0 {
            return Err(StoreError::Damaged("it is empty".into()));
        }
        let database = contained(|| Ok(builder().create_with_backend(FileBackend::new(file)?)?))?;
        // Another process may have put a new file in the place of this one before the lock was ours.
        let named = fs::metadata(path).map_err(io_error("cannot open"))?;
        if (named.dev(), named.ino()) != (opened.dev(), opened.ino()) {
            return Err(StoreError::InUse);
        }
        let store = Self::new(database, Some(path.to_owned()))?;
        tidy(path)?;
        Ok(store)
    }

    /// Opens the store in `backend`; makes one if it is empty.
    pub fn with_backend(backend: impl StorageBackend) -> Result<Self, StoreError> {
        let database = contained(|| {
            let database = builder().create_with_backend(backend)?;
            initialise(&database)?;
            Ok(database)
        })?;
        Self::new(database, None)
    }

    fn new(database: Database, path: Option<PathBuf>) -> Result<Self, StoreError> {
        contained(|| check_format(&database))?;
        let file = Arc::new(RwLock::new(Opened::new(database)));
        let group = Group::start(Arc::clone(&file), PATIENCE)?;
        Ok(Self { group, file, path, erasing: Mutex::default() })
    }

    fn reading<T>(&self, read: impl FnOnce(&Opened) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let file = self.file.read().unwrap_or_else(PoisonError::into_inner);
        contained(|| read(&file))
    }
}

impl Store for EmbeddedStore {
    fn get(&self, key: &[u8]) -> Result<Option<Record>, StoreError> {
        self.reading(|file| file.records()?.get(key)?.map(|value| Record::open(value.value())).transpose())
    }

    fn look(&self, key: &[u8], see: &mut dyn FnMut(&[u8])) -> Result<bool, StoreError> {
        self.reading(|file| {
            // Longer than the value: redb may free the value's page once nobody holds its snapshot.
            let records = file.records()?;
            let Some(value) = records.get(key)? else { return Ok(false) };
            see(parts(value.value())?.1);
            Ok(true)
        })
    }

    fn put(&self, key: &[u8], expected: Option<u64>, bytes: &[u8]) -> Result<u64, StoreError> {
        if key.len() > LONGEST_KEY || bytes.len() > LONGEST_VALUE {
            return Err(StoreError::TooLarge(key.len().max(bytes.len())));
        }
        self.group.submit(key, Change::Put { expected, bytes: bytes.to_vec() })
    }

    fn delete(&self, key: &[u8], expected: u64) -> Result<(), StoreError> {
        self.group.submit(key, Change::Delete { expected }).map(drop)
    }

    fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Record)>, StoreError> {
        self.reading(|file| {
            let records = file.records()?;
            let start = match after {
                Some(after) if after >= prefix => Bound::Excluded(after),
                _ => Bound::Included(prefix),
            };
            let mut found = Vec::new();
            for entry in records.range::<&[u8]>((start, Bound::Unbounded))?.take(limit) {
                let (key, value) = entry?;
                if !key.value().starts_with(prefix) {
                    break;
                }
                found.push((key.value().to_vec(), Record::open(value.value())?));
            }
            Ok(found)
        })
    }

    fn erase(&self) -> Result<(), StoreError> {
        let Some(path) = &self.path else { return Ok(()) };
        let _one = self.erasing.lock().unwrap_or_else(PoisonError::into_inner);
        let replacement = self.reading(|file| Replacement::copy(&file.database, path))?;
        self.group.replace(replacement)?;
        tidy(path)
    }
}

type Records = ReadOnlyTable<&'static [u8], &'static [u8]>;

fn snapshot(database: &Database) -> Result<Records, StoreError> {
    Ok(database.begin_read()?.open_table(RECORDS)?)
}

/// An open file.
pub(super) struct Opened {
    // Before `database`, which it keeps open.
    latest: Mutex<Option<Arc<Records>>>,
    pub(super) database: Database,
}

impl Opened {
    pub(super) fn new(database: Database) -> Self {
        let opened = Self { latest: Mutex::default(), database };
        opened.refresh();
        opened
    }

    fn latest(&self) -> MutexGuard<'_, Option<Arc<Records>>> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn records(&self) -> Result<Arc<Records>, StoreError> {
        let latest = self.latest().clone();
        latest.map_or_else(|| snapshot(&self.database).map(Arc::new), Ok)
    }

    /// Has later reads see what was committed. A snapshot a commit and not one a read: to make
    /// one costs more than to look for one key in it.
    pub(super) fn refresh(&self) {
        let committed = contained(|| snapshot(&self.database)).ok().map(Arc::new);
        *self.latest() = committed;
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened").field("database", &self.database).finish_non_exhaustive()
    }
}

/// How a file of the store is opened: for its owner only.
pub(super) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    options
}

impl Record {
    /// Takes a stored value apart.
    pub(super) fn open(value: &[u8]) -> Result<Self, StoreError> {
        let (revision, bytes) = parts(value)?;
        Ok(Self { revision, bytes: bytes.to_vec() })
    }
}

/// The revision and the bytes of a stored value.
fn parts(value: &[u8]) -> Result<(u64, &[u8]), StoreError> {
    let (revision, bytes) =
        value.split_first_chunk().ok_or_else(|| StoreError::Damaged("a record has no revision".into()))?;
    Ok((u64::from_be_bytes(*revision), bytes))
}

/// Eight bytes, big endian.
pub(super) fn number(bytes: &[u8]) -> Option<u64> {
    bytes.try_into().ok().map(u64::from_be_bytes)
}

/// Calls into redb, and reports a panic in there as damage: redb asserts what it believes of its
/// own files, and for a file that somebody else changed it may be wrong. A panic that leaves one of its locks
/// poisoned makes later calls fail, which is what a damaged file should do.
pub(super) fn contained<T>(call: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    catch_unwind(AssertUnwindSafe(call))
        .unwrap_or_else(|_| Err(StoreError::Damaged("its pages contradict each other".into())))
}

pub(super) fn builder() -> redb::Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE).set_check_integrity_on_open(true);
    builder
}

/// Writes the format of a new store. A store that a crash left without one is still empty.
pub(super) fn initialise(database: &Database) -> Result<(), StoreError> {
    let read = database.begin_read()?;
    match read.open_table(META) {
        Err(TableError::TableDoesNotExist(_)) => {}
        other => return other.map(drop).map_err(StoreError::from),
    }
    let mut transaction = database.begin_write()?;
    transaction.set_two_phase_commit(true);
    {
        transaction.open_table(RECORDS)?;
        let mut meta = transaction.open_table(META)?;
        meta.insert(FORMAT, SUPPORTED.to_be_bytes().as_slice())?;
    }
    Ok(transaction.commit()?)
}

fn check_format(database: &Database) -> Result<(), StoreError> {
    let read = database.begin_read()?;
    let format = match read.open_table(META)?.get(FORMAT)? {
        Some(value) => number(value.value()),
        None => None,
    };
    match format {
        Some(SUPPORTED) => read.open_table(RECORDS).map(drop).map_err(StoreError::from),
        Some(found) => Err(StoreError::Format { found, supported: SUPPORTED }),
        None => Err(StoreError::Damaged("it does not name its format".into())),
    }
}

pub(super) fn io_error(context: &'static str) -> impl FnOnce(io::Error) -> StoreError {
    move |source| StoreError::Io { context, source }
}

impl From<StorageError> for StoreError {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::Io(source) => match source.kind() {
                // How redb says that the file is no database, or shorter than it should be.
                io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
                    Self::Damaged(source.to_string())
                }
                _ => Self::Io { context: "cannot read or write", source },
            },
            StorageError::PreviousIo => Self::Failed("the disk refused an earlier access".into()),
            other => Self::Damaged(other.to_string()),
        }
    }
}

impl From<DatabaseError> for StoreError {
    fn from(error: DatabaseError) -> Self {
        match error {
            DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => Self::InUse,
            DatabaseError::Storage(error) => error.into(),
            other => Self::Damaged(other.to_string()),
        }
    }
}

impl From<TransactionError> for StoreError {
    fn from(error: TransactionError) -> Self {
        match error {
            TransactionError::Storage(error) => error.into(),
            other => Self::Failed(other.to_string()),
        }
    }
}

impl From<TableError> for StoreError {
    fn from(error: TableError) -> Self {
        match error {
            TableError::Storage(error) => error.into(),
            other => Self::Damaged(other.to_string()),
        }
    }
}

impl From<CommitError> for StoreError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Storage(error) => error.into(),
            other => Self::Failed(other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An erasing copies the whole file, which takes as long as it takes.
    #[test]
    fn whoever_reads_for_long_holds_up_nobody() {
        let directory = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::create(&directory.path().join("store")).unwrap();
        let reading = store.file.read().unwrap();
        let (first, read) = thread::scope(|scope| {
            let write = scope.spawn(|| store.put(b"a", None, b"1"));
            let first = write.join().unwrap();
            (first, scope.spawn(|| store.get(b"a")).join().unwrap())
        });
        drop(reading);
        let revision = first.expect("a write waits for a reader");
        assert_eq!(
            read.unwrap().map(|record| (record.revision, record.bytes)),
            Some((revision, b"1".to_vec()))
        );
    }
}
