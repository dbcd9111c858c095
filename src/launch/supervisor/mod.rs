//! [`Supervisor`]: the process that looks after a task or a service, as others see it.
//!
//! ```text
//! ROOT/tasks/TASK-ID/ and ROOT/services/NAME/
//!     lock      locked (flock) for as long as the process lives; its content is the process id
//!     control   Unix socket on which it takes requests (see `control`)
//!     stopped   once the task has ended: why
//!     log       what the process had to say, if it runs detached
//! ```
//!
//! The kernel gives the lock back however the process ends, so a killed supervisor is told
//! from a living one without a guess. Containers name the directory in a label
//! (`sealdock.supervisor`): whoever finds the container finds its supervisor.
//!
//! ROOT is `$SEALDOCK_STATE`, else `/run/sealdock` for root, `$XDG_RUNTIME_DIR/sealdock` for
//! others, `/tmp/sealdock-UID` without such a directory. It is open to its owner only.

mod control;

pub use control::{AskError, Control, Replies, Request, ask};

use rustix::fs::{FlockOperation, flock};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

const LOCK: &str = "lock";
const CONTROL: &str = "control";
const STOPPED: &str = "stopped";
const LOG: &str = "log";

/// What is looked after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One task; named by its id.
    Task,
    /// A service; named by its name.
    Service,
}

/// Why there is no supervisor's directory.
#[derive(Debug, thiserror::Error)]
pub enum SupervisorError {
    /// Another process has it.
    #[error("`{name}` has a supervisor already: process {pid}")]
    Taken {
        /// The task or service.
        name: String,
        /// The other process.
        pid: u32,
    },
    /// Others than its owner could write to it.
    #[error("`{0}` belongs to somebody else or is open to others; name another directory in SEALDOCK_STATE")]
    Open(String),
    /// The file system does not let us.
    #[error("cannot keep `{path}`: {cause}; name a directory that can be written in SEALDOCK_STATE")]
    Io {
        /// File or directory.
        path: String,
        /// The system's error.
        cause: io::Error,
    },
}

/// Whether a supervisor lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Liveness {
    /// It does.
    Alive {
        /// Its process id.
        pid: u32,
    },
    /// It ended, in order or not, or never was.
    Gone,
    /// Its directory is another user's.
    Unknown,
}

/// The directory of this process as a supervisor. The lock goes when this is dropped.
#[derive(Debug)]
pub struct Supervisor {
    directory: PathBuf,
    lock: File,
    listener: Option<UnixListener>,
}

impl Supervisor {
    /// Takes the place of the supervisor of a task or service.
    ///
    /// # Errors
    /// [`SupervisorError`]
    pub fn begin(kind: Kind, name: &str) -> Result<Self, SupervisorError> {
        let directory = directory(kind, name);
        make(&root())?;
        if let Some(parent) = directory.parent() {
            make(parent)?;
        }
        let lock = loop {
            make(&directory)?;
            if let Some(lock) = take_lock(&directory, name)? {
                break lock;
            }
        };
        let failed = |path: &Path| {
            let path = path.display().to_string();
            move |cause| SupervisorError::Io { path, cause }
        };
        for left in [CONTROL, STOPPED] {
            let path = directory.join(left);
            match std::fs::remove_file(&path) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(failed(&path)(e)),
                _ => {}
            }
        }
        let path = directory.join(CONTROL);
        let listener = UnixListener::bind(&path).map_err(failed(&path))?;
        Ok(Self { directory, lock, listener: Some(listener) })
    }

    /// Where it is.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Requests of other processes; there is one stream of them.
    ///
    /// # Errors
    /// If the socket cannot be listened on, or has been taken before.
    pub fn control(&mut self) -> io::Result<Control> {
        let taken = || io::Error::other("the control socket is in use");
        Control::new(self.listener.take().ok_or_else(taken)?)
    }

    /// A new file for what the process has to say.
    ///
    /// # Errors
    /// [`SupervisorError::Io`]
    pub fn log(&self) -> Result<File, SupervisorError> {
        let path = self.directory.join(LOG);
        let opened = OpenOptions::new().create(true).append(true).mode(0o600).open(&path);
        opened.map_err(|cause| SupervisorError::Io { path: path.display().to_string(), cause })
    }

    /// Writes down why the task ended. That it cannot be written is no reason to fail:
    /// the containers tell most of it.
    pub fn stopped(&self, reason: &str) {
        let _ = std::fs::write(self.directory.join(STOPPED), reason);
    }

    /// Removes the directory: there is nothing left to look after.
    pub fn remove(self) {
        // While the lock is held, so that nobody else's directory is removed.
        let _ = std::fs::remove_dir_all(&self.directory);
        drop(self.lock);
    }
}

/// The directory of a supervisor.
pub fn directory(kind: Kind, name: &str) -> PathBuf {
    root()
        .join(match kind {
            Kind::Task => "tasks",
            Kind::Service => "services",
        })
        .join(name)
}

/// The names for which there are directories, with or without a living supervisor.
pub fn names(kind: Kind) -> Vec<String> {
    let parent = directory(kind, "");
    let entries = std::fs::read_dir(parent).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.filter_map(|e| e.file_name().into_string().ok()).collect();
    names.sort();
    names
}

/// Whether the supervisor with this directory lives.
pub fn liveness(directory: &Path) -> Liveness {
    let mut file = match File::open(directory.join(LOCK)) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Liveness::Gone,
        Err(_) => return Liveness::Unknown,
    };
    match flock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Liveness::Gone,
        Err(rustix::io::Errno::WOULDBLOCK) => Liveness::Alive { pid: pid(&mut file) },
        Err(_) => Liveness::Unknown,
    }
}

/// Why the task of a directory ended, if it is known.
pub fn stopped_reason(directory: &Path) -> Option<String> {
    std::fs::read_to_string(directory.join(STOPPED)).ok()
}

/// Removes the directory of a supervisor that is gone.
pub fn forget(directory: &Path) {
    // Under its lock: somebody may just be taking its place.
    let Ok(file) = File::open(directory.join(LOCK)) else { return };
    if exclusively(&file).is_ok() {
        let _ = std::fs::remove_dir_all(directory);
    }
}

/// Removes directories of supervisors that have been gone for longer than this.
pub fn forget_older(kind: Kind, age: Duration) {
    for name in names(kind) {
        let directory = directory(kind, &name);
        let changed = std::fs::metadata(&directory).and_then(|m| m.modified());
        let old = changed.is_ok_and(|at| SystemTime::now().duration_since(at).is_ok_and(|a| a > age));
        if old && liveness(&directory) == Liveness::Gone {
            forget(&directory);
        }
    }
}

fn root() -> PathBuf {
    let variable = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let user = rustix::process::geteuid();
    let root = match variable("SEALDOCK_STATE") {
        Some(root) => root,
        None if user.is_root() => PathBuf::from("/run/sealdock"),
        None => variable("XDG_RUNTIME_DIR")
            .map_or_else(|| format!("/tmp/sealdock-{}", user.as_raw()).into(), |d| d.join("sealdock")),
    };
    // Labels name it, and their readers have other working directories.
    std::path::absolute(&root).unwrap_or(root)
}

/// Makes a directory that nobody else can enter, or finds that it is one.
fn make(path: &Path) -> Result<(), SupervisorError> {
    let failed = |cause| SupervisorError::Io { path: path.display().to_string(), cause };
    match DirBuilder::new().mode(0o700).create(path) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(failed(e)),
        _ => {}
    }
    let found = std::fs::symlink_metadata(path).map_err(failed)?;
    let own =
        found.is_dir() && found.uid() == rustix::process::geteuid().as_raw() && found.mode() & 0o022 == 0;
    if own { Ok(()) } else { Err(SupervisorError::Open(path.display().to_string())) }
}

/// The lock, or nothing if the directory was removed meanwhile.
fn take_lock(directory: &Path, name: &str) -> Result<Option<File>, SupervisorError> {
    let path = directory.join(LOCK);
    let failed = |cause| SupervisorError::Io { path: path.display().to_string(), cause };
    let opened =
        OpenOptions::new().create(true).truncate(false).read(true).write(true).mode(0o600).open(&path);
    let mut file = match opened {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(failed)?,
    };
    match exclusively(&file) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => {
            return Err(SupervisorError::Taken { name: name.to_owned(), pid: pid(&mut file) });
        }
        Err(e) => return Err(failed(e.into())),
    }
    let held = file.metadata().map_err(failed)?.ino();
    if !std::fs::metadata(&path).is_ok_and(|there| there.ino() == held) {
        return Ok(None);
    }
    file.set_len(0).and_then(|()| write!(file, "{}", std::process::id())).map_err(failed)?;
    Ok(Some(file))
}

/// Takes a lock for oneself. Others hold it for a moment when they look whether it is held.
fn exclusively(file: &File) -> rustix::io::Result<()> {
    for _ in 0..10 {
        match flock(file, FlockOperation::NonBlockingLockExclusive) {
            Err(rustix::io::Errno::WOULDBLOCK) => std::thread::sleep(Duration::from_millis(5)),
            done => return done,
        }
    }
    flock(file, FlockOperation::NonBlockingLockExclusive)
}

/// The process id in a lock; 0 if it is just being written.
fn pid(file: &mut File) -> u32 {
    let mut text = String::new();
    let _ = file.read_to_string(&mut text);
    text.trim().parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_tells_the_living_from_the_dead() {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("t");
        assert_eq!(liveness(&directory), Liveness::Gone);
        make(&directory).unwrap();
        let lock = take_lock(&directory, "t").unwrap().unwrap();
        let own = std::process::id();
        assert_eq!(liveness(&directory), Liveness::Alive { pid: own });
        let taken = take_lock(&directory, "t").unwrap_err();
        assert!(matches!(&taken, SupervisorError::Taken { pid, .. } if *pid == own), "{taken}");
        forget(&directory);
        assert!(directory.exists(), "the directory of a living supervisor was removed");
        drop(lock);
        assert_eq!(liveness(&directory), Liveness::Gone);
        forget(&directory);
        assert!(!directory.exists());
    }

    #[test]
    fn a_directory_that_others_can_write_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let root = tempfile::tempdir().unwrap();
        let open = root.path().join("open");
        std::fs::create_dir(&open).unwrap();
        std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o777)).unwrap();
        assert!(matches!(make(&open), Err(SupervisorError::Open(_))));
        std::os::unix::fs::symlink(root.path(), root.path().join("link")).unwrap();
        assert!(matches!(make(&root.path().join("link")), Err(SupervisorError::Open(_))));
    }
}
