//! The policies in force: read from a directory, swapped all or nothing, reloaded
//! when the files change.
//!
//! Every `*.json` file of the directory is one source. They are read and compiled
//! together; if any of them has an error, the set that was in force stays in force
//! and the error is reported. `notify` tells of changes; because a watch can be
//! lost (a renamed directory, a full queue), the files are also compared every
//! 30 seconds.

use crate::policy::{LoadErrors, PolicySet, Source};
use arc_swap::ArcSwap;
use notify::{RecursiveMode, Watcher};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Why the policies could not be (re)loaded.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// The directory or a file cannot be read.
    #[error("cannot read policies from `{path}`: {cause}")]
    Read {
        /// The directory or file.
        path: PathBuf,
        /// The system's reason.
        cause: std::io::Error,
    },
    /// The documents have errors; the text shows each at its place.
    #[error("{0}")]
    Invalid(LoadErrors),
}

/// What a reload did.
#[derive(Debug)]
pub enum Reload {
    /// The sources are what they were.
    Unchanged,
    /// A new set is in force.
    Loaded(Arc<PolicySet>),
}

/// The policy directory and the set that is in force.
#[derive(Debug)]
pub struct Policies {
    directory: PathBuf,
    current: ArcSwap<PolicySet>,
    /// What the last look found.
    seen: Mutex<Seen>,
}

/// Paths and texts of the files, or why there are none.
type Seen = Result<Vec<(String, String)>, String>;

fn seen(sources: &Result<Vec<Source>, PolicyError>) -> Seen {
    match sources {
        Ok(sources) => Ok(sources.iter().map(|source| (source.path.clone(), source.text.clone())).collect()),
        Err(error) => Err(error.to_string()),
    }
}

impl Policies {
    /// Loads the directory for the first time.
    ///
    /// # Errors
    /// [`PolicyError`]: a broker does not start with policies that it cannot read.
    pub fn open(directory: &Path) -> Result<Self, PolicyError> {
        let sources = read(directory);
        let seen = Mutex::new(seen(&sources));
        let set = PolicySet::load(&sources?).map_err(PolicyError::Invalid)?;
        Ok(Self { directory: directory.to_owned(), current: ArcSwap::from_pointee(set), seen })
    }

    /// The set in force.
    pub fn current(&self) -> Arc<PolicySet> {
        self.current.load_full()
    }

    /// Reads the directory again and puts the set in force if all of it is valid.
    /// The same invalid or unreadable files are reported once, not at every look.
    ///
    /// # Errors
    /// [`PolicyError`]; the set in force stays.
    pub fn reload(&self) -> Result<Reload, PolicyError> {
        let sources = read(&self.directory);
        let fresh = seen(&sources);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if *seen == fresh {
            return Ok(Reload::Unchanged);
        }
        *seen = fresh;
        let set = Arc::new(PolicySet::load(&sources?).map_err(PolicyError::Invalid)?);
        self.current.store(Arc::clone(&set));
        Ok(Reload::Loaded(set))
    }

    /// Watches the directory; `report` hears of every reload that did something.
    pub fn watch(
        self: &Arc<Self>,
        report: impl Fn(Result<Arc<PolicySet>, PolicyError>) + Send + 'static,
    ) -> Watch {
        let (wake, woken) = channel();
        let signal = wake.clone();
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // To read a file is an event as well, and a look reads them all.
            if event.is_ok_and(|event| event.kind.is_access()) {
                return;
            }
            // The receiver is gone only when the watch is being stopped.
            let _ = signal.send(Wake::Changed);
        })
        .and_then(|mut watcher| {
            watcher.watch(&self.directory, RecursiveMode::NonRecursive).map(|()| watcher)
        });
        let policies = Arc::clone(self);
        let thread = std::thread::Builder::new().name("policy-watch".into()).spawn(move || {
            // Without a watcher (no inotify left) the periodic look remains.
            let _watcher = watcher;
            while wait(&woken) {
                match policies.reload() {
                    Ok(Reload::Unchanged) => {}
                    Ok(Reload::Loaded(set)) => report(Ok(set)),
                    Err(error) => report(Err(error)),
                }
            }
        });
        Watch { wake, thread: thread.ok() }
    }
}

enum Wake {
    Changed,
    Stop,
}

/// A running watch; it ends when dropped.
#[derive(Debug)]
pub struct Watch {
    wake: Sender<Wake>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.wake.send(Wake::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Editors write a file in several steps; a look follows only when it is quiet.
const QUIET: Duration = Duration::from_millis(150);
const PERIOD: Duration = Duration::from_secs(30);

/// Waits for a change or the end of the period; `false` when it is time to stop.
fn wait(woken: &Receiver<Wake>) -> bool {
    match woken.recv_timeout(PERIOD) {
        Ok(Wake::Stop) | Err(RecvTimeoutError::Disconnected) => return false,
        Err(RecvTimeoutError::Timeout) => return true,
        Ok(Wake::Changed) => {}
    }
    loop {
        match woken.recv_timeout(QUIET) {
            Ok(Wake::Changed) => {}
            Ok(Wake::Stop) | Err(RecvTimeoutError::Disconnected) => return false,
            Err(RecvTimeoutError::Timeout) => return true,
        }
    }
}

/// Every `*.json` file of the directory, in order of name.
///
/// # Errors
/// [`PolicyError::Read`].
pub fn read(directory: &Path) -> Result<Vec<Source>, PolicyError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |cause| PolicyError::Read { path, cause }
    };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(failed(directory))? {
        let path = entry.map_err(failed(directory))?.path();
        let hidden = path.file_name().is_some_and(|n| n.as_encoded_bytes().starts_with(b"."));
        if !hidden && path.extension().is_some_and(|e| e == "json") {
            paths.push(path);
        }
    }
    paths.sort();
    paths
        .into_iter()
        .map(|path| {
            let text = std::fs::read_to_string(&path).map_err(failed(&path))?;
            Ok(Source { path: path.display().to_string(), text })
        })
        .collect()
}
