//! How runc reads a rewritten file without the file being anywhere on a disk.
//!
//! ```text
//! BUNDLE/config.json              as the engine wrote it; never changed
//! BUNDLE/sealdock/config.json  -> /proc/PID/fd/N      while runc reads it
//!                              -> ../config.json      afterwards
//! ```
//!
//! The text with the values is a memory file of this process ([`MemoryFile`]), sealed
//! against changes, and gone with it: there is nothing to restore after a crash, and
//! a link that is left behind leads nowhere. Bundle directories are often on
//! a disk (`/run` is no tmpfs everywhere), so nothing is ever written to them but
//! the link. The directory stays after success, because runc remembers it as the
//! bundle; the engine removes it with the bundle.

use super::memory_file::MemoryFile;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::{Path, PathBuf};

const DIRECTORY: &str = "sealdock";

/// The bundle that the engine has made, given what runc remembers as the bundle.
pub(super) fn original(bundle: &Path) -> &Path {
    match bundle.parent() {
        Some(parent) if bundle.file_name().is_some_and(|name| name == DIRECTORY) => parent,
        _ => bundle,
    }
}

/// A second bundle directory whose `config.json` is in memory.
#[derive(Debug)]
pub(super) struct StagedBundle {
    directory: PathBuf,
    memory: MemoryFile,
    keep: bool,
}

impl StagedBundle {
    /// Makes it inside the bundle.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub(super) fn new(bundle: &Path, memory: MemoryFile) -> io::Result<Self> {
        let directory = bundle.join(DIRECTORY);
        match DirBuilder::new().mode(0o700).create(&directory) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            other => other?,
        }
        let staged = Self { directory, memory, keep: false };
        staged.link(&staged.memory.path())?;
        Ok(staged)
    }

    /// The directory, for runc.
    pub(super) fn path(&self) -> &Path {
        &self.directory
    }

    /// Gives the text to whoever waits for it.
    ///
    /// # Errors
    /// It cannot be given whole.
    pub(super) fn fill(&mut self, text: &[u8]) -> io::Result<()> {
        self.memory.fill(text)
    }

    /// The container exists: the directory stays as its bundle.
    pub(super) fn keep(mut self) {
        self.keep = true;
    }

    fn link(&self, target: &Path) -> io::Result<()> {
        let path = self.directory.join("config.json");
        match fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
            _ => symlink(target, path),
        }
    }
}

impl Drop for StagedBundle {
    fn drop(&mut self) {
        // Neither can disclose anything when it fails: the link dies with this process.
        let _ = if self.keep {
            self.link(Path::new("../config.json"))
        } else {
            fs::remove_dir_all(&self.directory)
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn staged(bundle: &Path, text: &[u8]) -> io::Result<StagedBundle> {
        StagedBundle::new(bundle, MemoryFile::new(text)?)
    }

    #[test]
    fn the_text_is_readable_but_in_no_file() {
        let bundle = tempfile::tempdir().unwrap();
        fs::write(bundle.path().join("config.json"), "original").unwrap();
        let staged = staged(bundle.path(), b"with values").unwrap();
        let link = staged.path().join("config.json");
        assert_eq!(fs::read(&link).unwrap(), b"with values");
        assert!(fs::read_link(&link).unwrap().starts_with("/proc"));
        assert!(fs::OpenOptions::new().write(true).open(&link).and_then(|mut f| f.write_all(b"x")).is_err());
        staged.keep();
        assert_eq!(fs::read(&link).unwrap(), b"original");
        assert_eq!(fs::read(bundle.path().join("config.json")).unwrap(), b"original");
    }

    #[test]
    fn a_failure_leaves_nothing_and_a_crash_is_no_obstacle() {
        let bundle = tempfile::tempdir().unwrap();
        drop(staged(bundle.path(), b"x").unwrap());
        assert!(!bundle.path().join(DIRECTORY).exists());
        std::mem::forget(staged(bundle.path(), b"x").unwrap());
        let again = staged(bundle.path(), b"y").unwrap();
        assert_eq!(fs::read(again.path().join("config.json")).unwrap(), b"y");
    }
}
