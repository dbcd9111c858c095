//! Why the audit log cannot be opened or does not take a record.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// Why the audit log refuses. One failure may answer many requests, hence `Clone`.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AuditError {
    /// The log on disk is not what this program wrote.
    #[error(
        "the audit log does not verify: {finding}; keep `{}` as evidence: move it aside and start with `sealdock serve --new-audit-log` to begin a new one", 
        dir.display()
    )]
    Broken {
        /// The directory of the log.
        dir: PathBuf,
        /// Where and how.
        finding: String,
    },
    /// No further record is taken: an earlier one could not be written, or the file was tampered with.
    #[error("the audit log is closed: {0}")]
    Closed(Arc<str>),
    /// Another process writes this log.
    #[error("the audit log in `{}` is in use by another process", .0.display())]
    InUse(PathBuf),
    /// The operating system refused.
    #[error("audit log: {context} `{}`: {source}", path.display())]
    Io {
        /// What was being done.
        context: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The operating system's reason.
        source: Arc<io::Error>,
    },
    /// The log belongs to another signing key.
    #[error("the audit log in `{}` was signed with another key than this vault's", .0.display())]
    Key(PathBuf),
    /// More records wait than the log takes.
    #[error("the audit log is overloaded: too many records are waiting to be written")]
    Overloaded,
    /// The disk did not answer in time.
    #[error("the audit log did not become durable in time")]
    Stalled,
    /// The event is longer than a record may be.
    #[error("the event is too long for a record ({0} bytes)")]
    TooLong(usize),
}

impl AuditError {
    pub(super) fn io(context: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { context, path, source: Arc::new(source) }
    }
}
