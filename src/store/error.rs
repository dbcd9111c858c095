//! Why the store refused.

use std::io;
use std::path::PathBuf;

/// Why a store could not be opened or did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file to be created is there already.
    #[error("`{}` exists already", .0.display())]
    Exists(PathBuf),
    /// The record is not as the caller last saw it.
    #[error("the record was changed by another request (expected revision {expected:?}, found {found:?})")]
    Conflict {
        /// The revision that the caller named; `None`: it must not exist.
        expected: Option<u64>,
        /// The revision that is there.
        found: Option<u64>,
    },
    /// Another process, or this one, has the file open.
    #[error("the vault is in use by another process; stop the other broker first")]
    InUse,
    /// The file is not a vault, or no longer what was written.
    #[error("the vault file is damaged or not a vault: {0}")]
    Damaged(String),
    /// The file was written by another version.
    #[error("the vault file has format {found}, this program reads format {supported}")]
    Format {
        /// The format that the file names.
        found: u64,
        /// The format that this program reads and writes.
        supported: u64,
    },
    /// Key or value beyond the limits of a record.
    #[error("the record is too large ({0} bytes)")]
    TooLarge(usize),
    /// The operating system refused.
    #[error("vault file: {context}: {source}")]
    Io {
        /// What was being done.
        context: &'static str,
        /// The operating system's reason.
        source: io::Error,
    },
    /// A write failed earlier; nothing is written until the store is opened anew.
    #[error("the vault takes no more writes after a failure: {0}; restart the broker")]
    Failed(String),
}
