//! What failing functions say, in a file of its own.
//!
//! A function knows the secret that it rotates, and may print it. So its words are in no log
//! of the broker's, and kept only where the configuration has a file for them (`log`): the
//! end of what it said, for each step that failed. The file is for its owner only, and when
//! it has grown large, the older half of what was said goes to a second one.

use jiff::Timestamp;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Bytes of one function's words that are kept.
pub(super) const SAID: usize = 4096;
/// Size at which the file is moved aside, to a name that ends in `.1`.
const FULL: u64 = 1 << 20;

/// The end of what a function said, in one line of printable characters.
pub(super) fn end_of(text: &[u8]) -> String {
    let end = text.get(text.len().saturating_sub(SAID)..).unwrap_or_default();
    let mut line = String::with_capacity(end.len());
    for c in String::from_utf8_lossy(end).trim().chars() {
        if c.is_control() { line.extend(c.escape_debug()) } else { line.push(c) }
    }
    line
}

/// Appends one line.
pub(super) fn keep(file: &Path, now: Timestamp, function: &str, step: &str, said: &str) -> io::Result<()> {
    if std::fs::metadata(file).is_ok_and(|found| found.len() >= FULL) {
        let mut older = file.as_os_str().to_owned();
        older.push(".1");
        std::fs::rename(file, older)?;
    }
    let mut log = OpenOptions::new().append(true).create(true).mode(0o600).open(file)?;
    log.write_all(format!("{now:.0} {function} {step}: {said}\n").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt as _;

    #[test]
    fn words_are_one_line_and_bounded() {
        assert_eq!(end_of(b" Traceback\n  \x1b[31mno\n"), "Traceback\\n  \\u{1b}[31mno");
        assert!(end_of(&vec![b'a'; 100_000]).len() <= SAID);
    }

    #[test]
    fn the_file_is_for_its_owner_and_does_not_grow_for_ever() {
        let scratch = tempfile::tempdir().unwrap();
        let file = scratch.path().join("said.log");
        let (now, long) = (Timestamp::UNIX_EPOCH, "x".repeat(SAID));
        for _ in 0..600 {
            keep(&file, now, "f", "setSecret", &long).unwrap();
        }
        let sizes = [&file, &scratch.path().join("said.log.1")].map(|path| {
            let found = std::fs::metadata(path).unwrap();
            assert_eq!(found.mode() & 0o777, 0o600);
            found.len()
        });
        assert!(sizes.iter().all(|size| *size < FULL + 2 * SAID as u64), "{sizes:?}");
        keep(&file, now, "f", "testSecret", "no").unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.ends_with("1970-01-01T00:00:00Z f testSecret: no\n"));
    }
}
