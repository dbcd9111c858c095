//! A text for another process, in memory that has no name in any file system and is
//! gone with this process, whichever way that ends.
//!
//! The other process may be started before the text is known. A file that is made
//! [`MemoryFile::awaited`] is under a *write lease*: the kernel holds whoever opens
//! it until the lease is given back, which is when the text is whole. If this process
//! ends before, what the other one reads is empty or breaks off, and so is no JSON.
//! The kernel takes a lease away after `lease-break-time` (45 seconds unless the host
//! says otherwise), with the same outcome.
//!
//! Source: `fcntl(2)`, "Leases".

use rustix::fs::{MemfdFlags, Mode, OFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::process::Signal;
use std::ffi::c_int;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::time::Duration;

const BREAK_TIME: &str = "/proc/sys/fs/lease-break-time";

/// A text that other processes can open by path as long as this value lives.
#[derive(Debug)]
pub(super) struct MemoryFile {
    file: File,
    leased: bool,
}

impl MemoryFile {
    /// Copies the text into memory of the kernel and seals it.
    ///
    /// # Errors
    /// No memory, or a kernel without memfd.
    pub(super) fn new(text: &[u8]) -> io::Result<Self> {
        let mut memory = Self { file: empty()?, leased: false };
        memory.fill(text)?;
        Ok(memory)
    }

    /// A file whose text is still to come, within `patience`.
    ///
    /// # Errors
    /// No memory, or a kernel without memfd.
    pub(super) fn awaited(patience: Duration) -> io::Result<Self> {
        let made = empty()?;
        // A lease is for whoever has the file open alone, and the kernel does not count what memfd_create opened.
        let path = format!("/proc/self/fd/{}", made.as_raw_fd());
        let file = File::from(rustix::fs::open(path, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?);
        drop(made);
        let kept = std::fs::read_to_string(BREAK_TIME).ok().and_then(|text| text.trim().parse().ok());
        let is_kept = kept.is_some_and(|seconds| Duration::from_secs(seconds) > patience);
        let leased = is_kept && take_lease(&file).is_ok();
        Ok(Self { file, leased })
    }

    /// Whether whoever opens it now waits for the text. Not every kernel makes them.
    pub(super) fn is_waited_for(&self) -> bool {
        self.leased
    }

    /// Writes and seals the text; whoever waits for it goes on.
    ///
    /// # Errors
    /// No memory, or the lease was taken away.
    pub(super) fn fill(&mut self, text: &[u8]) -> io::Result<()> {
        self.file.write_all(text)?;
        let all = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
        fcntl_add_seals(&self.file, all)?;
        if std::mem::take(&mut self.leased) { give_lease_back(&self.file) } else { Ok(()) }
    }

    /// A path to open it by, from any process of this user.
    pub(super) fn path(&self) -> PathBuf {
        format!("/proc/{}/fd/{}", std::process::id(), self.file.as_raw_fd()).into()
    }
}

fn empty() -> io::Result<File> {
    Ok(File::from(memfd_create("sealdock", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?))
}

const F_SETSIG: c_int = 10;
const F_SETLEASE: c_int = 1024;
const F_WRLCK: c_int = 1;
const F_UNLCK: c_int = 2;

fn take_lease(file: &File) -> io::Result<()> {
    // The holder is told by a signal that somebody waits; the usual one would end the process, this one is
    // ignored by default.
    control(file, F_SETSIG, Signal::URG.as_raw())?;
    control(file, F_SETLEASE, F_WRLCK)
}

fn give_lease_back(file: &File) -> io::Result<()> {
    control(file, F_SETLEASE, F_UNLCK)
}

#[expect(unsafe_code, reason = "rustix has no leases")]
fn control(file: &File, command: c_int, argument: c_int) -> io::Result<()> {
    unsafe extern "C" {
        fn fcntl(file: c_int, command: c_int, ...) -> c_int;
    }
    // SAFETY: the descriptor is open, and both commands take one integer and touch no memory of this process.
    match unsafe { fcntl(file.as_raw_fd(), command, argument) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};
    use std::thread::sleep;

    const PATIENCE: Duration = Duration::from_secs(5);

    fn reader(path: &std::path::Path) -> std::process::Child {
        Command::new("cat").arg(path).stdout(Stdio::piped()).spawn().unwrap()
    }

    #[test]
    fn readers_wait_for_the_whole_text() {
        let mut memory = MemoryFile::awaited(PATIENCE).unwrap();
        assert!(memory.is_waited_for(), "memory files cannot be leased here");
        let mut readers = [reader(&memory.path()), reader(&memory.path())];
        sleep(Duration::from_millis(300));
        for reader in &mut readers {
            assert!(reader.try_wait().unwrap().is_none(), "a reader did not wait");
        }
        memory.fill(b"with values").unwrap();
        for reader in readers {
            assert_eq!(reader.wait_with_output().unwrap().stdout, b"with values");
        }
        assert!(
            std::fs::OpenOptions::new().append(true).open(memory.path()).unwrap().write_all(b"x").is_err()
        );
    }

    #[test]
    fn a_holder_that_ends_leaves_no_text() {
        let memory = MemoryFile::awaited(PATIENCE).unwrap();
        let reader = reader(&memory.path());
        sleep(Duration::from_millis(300));
        drop(memory);
        assert_eq!(reader.wait_with_output().unwrap().stdout, b"");
    }

    #[test]
    fn nobody_is_left_waiting_longer_than_the_kernel_allows() {
        assert!(!MemoryFile::awaited(Duration::from_secs(u64::MAX)).unwrap().is_waited_for());
    }
}
