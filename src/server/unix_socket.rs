//! Socket files: made with their final mode, replaced only when nobody answers, removed at the end.
//!
//! | at the path | outcome |
//! |---|---|
//! | nothing | bound |
//! | a socket that refuses connections (its process is gone) | replaced |
//! | a socket that somebody listens on | [`ListenError::InUse`] |
//! | anything else | [`ListenError::NotASocket`], and it is left alone |
//!
//! Two brokers that start together cannot take each other for dead: the directory is
//! locked while one looks and binds.

use super::listener::ListenError;
use rustix::fs::{FlockOperation, Mode};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::UnixListener;

/// Connections that the kernel queues.
const BACKLOG: i32 = 1024;

/// Longest wait for another broker that is looking at the same directory: tries and pause.
const LOCK_TRIES: (u32, Duration) = (100, Duration::from_millis(20));

/// The file of a bound socket, removed on drop if it is still that file.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    identity: Option<(u64, u64)>,
}

impl SocketFile {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Somebody may have removed the file and another broker may have put its own there.
        if self.identity.is_some() && identity(&self.path) == self.identity {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    std::fs::symlink_metadata(path).ok().map(|found| (found.dev(), found.ino()))
}

/// Binds and listens.
pub(super) async fn bind(path: PathBuf, mode: u32) -> Result<(UnixListener, SocketFile), ListenError> {
    // A relative path would mean another file once the working directory changes.
    let path = std::path::absolute(&path).map_err(|e| ListenError::Path(path, e))?;
    let failed = |e: io::Error| ListenError::Path(path.clone(), e);
    let _lock = lock(path.parent().unwrap_or(Path::new("/"))).await.map_err(failed)?;
    remove_stale(&path)?;
    let socket = listen(&path, mode).map_err(|e| match e {
        Errno::ADDRINUSE => ListenError::InUse(path.clone()),
        other => failed(other.into()),
    })?;
    let file = SocketFile { identity: identity(&path), path: path.clone() };
    let listener = UnixListener::from_std(socket.into()).map_err(failed)?;
    Ok((listener, file))
}

fn listen(path: &Path, mode: u32) -> Result<OwnedFd, Errno> {
    let socket = socket()?;
    let mode = Mode::from_raw_mode(mode);
    // Linux gives the file the mode of the unbound socket, less the umask: at no moment can
    // others connect. What the umask took away is added afterwards.
    rustix::fs::fchmod(&socket, mode)?;
    rustix::net::bind(&socket, &SocketAddrUnix::new(path)?)?;
    rustix::fs::chmod(path, mode)?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(socket)
}

fn socket() -> Result<OwnedFd, Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
}

async fn lock(directory: &Path) -> io::Result<File> {
    let directory = File::open(directory)?;
    let (tries, pause) = LOCK_TRIES;
    for _ in 0..tries {
        match rustix::fs::flock(&directory, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(directory),
            Err(Errno::WOULDBLOCK) => tokio::time::sleep(pause).await,
            Err(other) => return Err(other.into()),
        }
    }
    Err(io::Error::new(io::ErrorKind::WouldBlock, "another process keeps the directory locked"))
}

fn remove_stale(path: &Path) -> Result<(), ListenError> {
    let failed = |e: io::Error| ListenError::Path(path.to_owned(), e);
    match std::fs::symlink_metadata(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(failed(e)),
        Ok(found) if !found.file_type().is_socket() => return Err(ListenError::NotASocket(path.to_owned())),
        Ok(_) => {}
    }
    let answer = socket().and_then(|socket| rustix::net::connect(&socket, &SocketAddrUnix::new(path)?));
    match answer {
        Err(Errno::CONNREFUSED) => std::fs::remove_file(path).map_err(failed),
        Err(Errno::NOENT) => Ok(()),
        // A full queue, or a socket of another type: alive.
        Ok(()) | Err(Errno::AGAIN | Errno::PROTOTYPE) => Err(ListenError::InUse(path.to_owned())),
        Err(other) => Err(failed(other.into())),
    }
}
