//! [`Disk`], the two operations that make a record durable, as a seam: tests count
//! them, let them fail or stall; everything else is the file system's own.

use std::fs::File;
use std::io::{self, Write};

/// Appends to files and makes them durable.
pub trait Disk: Send + Sync + std::fmt::Debug {
    /// Appends all of `bytes` to `file`, which was opened for appending.
    fn append(&self, file: &File, bytes: &[u8]) -> io::Result<()>;

    /// Returns when everything appended to `file` survives a loss of power.
    fn sync(&self, file: &File) -> io::Result<()>;
}

/// The operating system's disk.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn append(&self, mut file: &File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }
}
