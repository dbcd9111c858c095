//! How runc reads a rewritten file without the file being anywhere on a disk.
//!
//! ```text
//! BUNDLE/config.json              as the engine wrote it; never changed
//! BUNDLE/sealdock/config.json  -> /proc/PID/fd/N      while runc reads it
//!                              -> ../config.json      afterwards
//! ```
//!
//! The text with the values is an anonymous memory file of this process (memfd),
//! sealed against changes. It has no name in any file system and is gone with the
//! process, whichever way that ends: there is nothing to restore after a crash,
//! and a link that is left behind leads nowhere. Bundle directories are often on
//! a disk (`/run` is no tmpfs everywhere), so nothing is ever written to them but
//! the link. The directory stays after success, because runc remembers it as the
//! bundle; the engine removes it with the bundle.

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
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

/// A text that other processes can open by path as long as this value lives.
#[derive(Debug)]
pub(super) struct MemoryFile(File);

impl MemoryFile {
    /// Copies the text into memory of the kernel and seals it.
    ///
    /// # Errors
    /// No memory, or a kernel without memfd.
    pub(super) fn new(text: &[u8]) -> io::Result<Self> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let mut file = File::from(memfd_create("sealdock", flags)?);
        file.write_all(text)?;
        fcntl_add_seals(&file, SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL)?;
        Ok(Self(file))
    }

    /// A path to open it by, from any process of this user.
    pub(super) fn path(&self) -> PathBuf {
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd()).into()
    }
}

/// A second bundle directory whose `config.json` is in memory.
#[derive(Debug)]
pub(super) struct StagedBundle {
    directory: PathBuf,
    _memory: MemoryFile,
    keep: bool,
}

impl StagedBundle {
    /// Makes it inside the bundle.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub(super) fn new(bundle: &Path, text: &[u8]) -> io::Result<Self> {
        let memory = MemoryFile::new(text)?;
        let directory = bundle.join(DIRECTORY);
        match DirBuilder::new().mode(0o700).create(&directory) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            other => other?,
        }
        let staged = Self { directory, _memory: memory, keep: false };
        staged.link(&staged._memory.path())?;
        Ok(staged)
    }

    /// The directory, for runc.
    pub(super) fn path(&self) -> &Path {
        &self.directory
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

    #[test]
    fn the_text_is_readable_but_in_no_file() {
        let bundle = tempfile::tempdir().unwrap();
        fs::write(bundle.path().join("config.json"), "original").unwrap();
        let staged = StagedBundle::new(bundle.path(), b"with values").unwrap();
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
        drop(StagedBundle::new(bundle.path(), b"x").unwrap());
        assert!(!bundle.path().join(DIRECTORY).exists());
        std::mem::forget(StagedBundle::new(bundle.path(), b"x").unwrap());
        let again = StagedBundle::new(bundle.path(), b"y").unwrap();
        assert_eq!(fs::read(again.path().join("config.json")).unwrap(), b"y");
    }
}
