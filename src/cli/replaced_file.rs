//! A file that is replaced in one step: another program may be about to read or to run the old one.

use std::fs::{File, OpenOptions};
use std::io::{Result, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Replaces or makes the file, and the directories above it. The new one is made with `mode`, and
/// is given to `access` while it is still empty.
pub(super) fn replace(
    path: &Path,
    text: &str,
    mode: u32,
    access: impl FnOnce(&File) -> Result<()>,
) -> Result<()> {
    let directory = path.parent().unwrap_or(Path::new("/"));
    std::fs::create_dir_all(directory)?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".sealdock-new");
    let temporary = directory.join(name);
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&temporary)?;
    access(&file)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    // A file that is open for writing cannot be run.
    drop(file);
    std::fs::rename(&temporary, path)?;
    File::open(directory)?.sync_all()
}
