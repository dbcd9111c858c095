//! Erasing: the store's file is written anew, so that nothing is left in it of what was deleted or replaced.
//!
//! redb never writes over a page that is in use, and takes freed ones again when it likes: a deleted
//! record stays readable in the file until then. So the file is replaced:
//!
//! ```text
//! 1  vault.redb.new gets every record from a snapshot; writes go on meanwhile
//! 2  the writer thread brings it up to date
//! 3  the file gets a second name, vault.redb.old
//! 4  vault.redb.new becomes vault.redb; reads and writes go there
//! 5  vault.redb.old is overwritten with zeros and removed
//! ```
//!
//! A crash before 4 leaves the file that there was, one after it the new one, and the next
//! open finishes with the other names ([`tidy`]). Out of its reach is what file system and
//! disk keep of blocks that were overwritten, and every copy.

use super::StoreError;
use super::embedded::{META, RECORDS, REVISION, builder, contained, initialise, io_error, private};
use redb::backends::FileBackend;
use redb::{Database, ReadableDatabase, WriteTransaction};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Bytes that one write overwrites.
const CHUNK: usize = 1 << 20;

/// The file that is to take the place of another.
#[derive(Debug)]
pub(super) struct Replacement {
    database: Database,
    path: PathBuf,
}

impl Replacement {
    /// Copies a snapshot of the database in the file `path` into a file beside it.
    pub(super) fn copy(from: &Database, path: &Path) -> Result<Self, StoreError> {
        let unfinished = beside(path, ".new");
        remove(&unfinished)?;
        let made = contained(|| {
            let file =
                private().create_new(true).open(&unfinished).map_err(io_error("cannot make the file"))?;
            let database = builder().create_with_backend(FileBackend::new(file)?)?;
            initialise(&database)?;
            let read = from.begin_read()?.open_table(RECORDS)?;
            let write = durable(&database)?;
            {
                let mut records = write.open_table(RECORDS)?;
                for entry in read.range::<&[u8]>(..)? {
                    let (key, value) = entry?;
                    records.insert(key.value(), value.value())?;
                }
            }
            write.commit()?;
            Ok(database)
        });
        match made {
            Ok(database) => Ok(Self { database, path: path.to_owned() }),
            Err(error) => {
                // The reason for the failure says more than that of the removal; the next attempt removes it.
                let _ = remove(&unfinished);
                Err(error)
            }
        }
    }

    /// The file that it is to replace.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Brings the copy up to date with `old`, which nobody writes to meanwhile, and gives it the
    /// file's name. After an error the old file still has its name.
    pub(super) fn install(self, old: &Database) -> Result<Database, StoreError> {
        let (unfinished, former) = (beside(&self.path, ".new"), beside(&self.path, ".old"));
        let named = catch_up(old, &self.database).and_then(|()| {
            remove(&former)?;
            fs::hard_link(&self.path, &former).map_err(io_error("cannot name the old file"))?;
            fs::rename(&unfinished, &self.path).map_err(io_error("cannot name the new file"))
        });
        match named {
            Ok(()) => Ok(self.database),
            Err(error) => {
                drop(self.database);
                let _ = remove(&unfinished).and_then(|()| remove(&former));
                Err(error)
            }
        }
    }
}

/// Finishes what an erasing has left to do: nothing but the file `path` stays. Only for who holds
/// the lock of that file.
pub(super) fn tidy(path: &Path) -> Result<(), StoreError> {
    let kept = fs::metadata(path).map_err(io_error("cannot look at the file"))?;
    for other in [beside(path, ".new"), beside(path, ".old")] {
        let Ok(found) = fs::metadata(&other) else { continue };
        // A second name of the file itself is only a name.
        if (found.dev(), found.ino()) != (kept.dev(), kept.ino()) {
            overwrite(&other)?;
        }
        remove(&other)?;
    }
    Ok(())
}

/// Makes the names in the file's directory durable.
pub(super) fn sync_names(path: &Path) -> Result<(), StoreError> {
    let directory = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory).and_then(|dir| dir.sync_all()).map_err(io_error("cannot sync the directory"))
}

/// `path` with this at its end.
pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(ending);
    path.with_file_name(name)
}

fn remove(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Ok(()) => sync_names(path),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(io_error("cannot remove a file")(error)),
    }
}

fn overwrite(path: &Path) -> Result<(), StoreError> {
    let zeros = vec![0; CHUNK];
    let write = || {
        let mut file = File::options().write(true).open(path)?;
        let mut left = file.metadata()?.len();
        while left > 0 {
            let length = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
            file.write_all(zeros.get(..length).unwrap_or(&zeros))?;
            left -= length as u64;
        }
        file.sync_all()
    };
    write().map_err(io_error("cannot overwrite the old file"))
}

/// Makes `copy`, a snapshot of `old`, the same as that.
fn catch_up(old: &Database, copy: &Database) -> Result<(), StoreError> {
    let revision = |value: &[u8]| value.get(..8).map(<[u8]>::to_vec);
    let mut copied = BTreeMap::new();
    for entry in copy.begin_read()?.open_table(RECORDS)?.range::<&[u8]>(..)? {
        let (key, value) = entry?;
        copied.insert(key.value().to_vec(), revision(value.value()));
    }
    let (read, write) = (old.begin_read()?, durable(copy)?);
    {
        let mut records = write.open_table(RECORDS)?;
        for entry in read.open_table(RECORDS)?.range::<&[u8]>(..)? {
            let (key, value) = entry?;
            // A revision is never used twice, so the same one means the same content.
            if copied.remove(key.value()) != Some(revision(value.value())) {
                records.insert(key.value(), value.value())?;
            }
        }
        for key in copied.keys() {
            records.remove(key.as_slice())?;
        }
        if let Some(last) = read.open_table(META)?.get(REVISION)? {
            write.open_table(META)?.insert(REVISION, last.value())?;
        }
    }
    Ok(write.commit()?)
}

fn durable(database: &Database) -> Result<WriteTransaction, StoreError> {
    let mut transaction = database.begin_write()?;
    transaction.set_two_phase_commit(true);
    transaction.set_quick_repair(true);
    Ok(transaction)
}
