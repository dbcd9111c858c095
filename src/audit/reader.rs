//! Reading the lines of a log, forward and backward.
//!
//! A line is its bytes with the line feed. The last bytes of a file that have none are a
//! line too, of a record that was never finished; so is whatever is longer than a record can be,
//! up to [`LONGEST`] bytes at a time. Reading keeps one line or one block in memory, however long the log.

use super::AuditError;
use super::record::LONGEST;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// How much is read at once from the end.
const BLOCK: u64 = 256 << 10;

/// One line and where it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'a> {
    pub(super) bytes: &'a [u8],
    /// Where it begins in the file.
    pub(super) offset: u64,
    /// Its number, from 1.
    pub(super) number: u64,
}

/// Lines from the beginning of a file.
#[derive(Debug)]
pub(super) struct Forward {
    reader: BufReader<File>,
    path: PathBuf,
    offset: u64,
    number: u64,
    line: Vec<u8>,
}

impl Forward {
    pub(super) fn open(path: &Path) -> Result<Self, AuditError> {
        let file = File::open(path).map_err(AuditError::io("cannot open", path))?;
        let reader = BufReader::with_capacity(1 << 16, file);
        Ok(Self { reader, path: path.to_owned(), offset: 0, number: 0, line: Vec::new() })
    }

    /// The length of the file now.
    pub(super) fn length(&self) -> Result<u64, AuditError> {
        let metadata = self.reader.get_ref().metadata();
        Ok(metadata.map_err(AuditError::io("cannot read", &self.path))?.len())
    }

    /// The next line; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Line<'_>>, AuditError> {
        self.offset += self.line.len() as u64;
        self.number += 1;
        self.line.clear();
        (&mut self.reader)
            .take(LONGEST as u64)
            .read_until(b'\n', &mut self.line)
            .map_err(AuditError::io("cannot read", &self.path))?;
        let line = Line { bytes: &self.line, offset: self.offset, number: self.number };
        Ok((!self.line.is_empty()).then_some(line))
    }
}

/// Lines from the end of a file.
#[derive(Debug)]
pub(super) struct Backward {
    file: File,
    path: PathBuf,
    /// How much of the file, from its beginning, is not in `block` yet.
    unread: u64,
    /// What was read and not handed out, up to the line handed out last.
    block: Vec<u8>,
    length: u64,
}

impl Backward {
    pub(super) fn open(path: &Path) -> Result<Self, AuditError> {
        let file = File::open(path).map_err(AuditError::io("cannot open", path))?;
        let unread = file.metadata().map_err(AuditError::io("cannot read", path))?.len();
        Ok(Self { file, path: path.to_owned(), unread, block: Vec::new(), length: unread })
    }

    /// The length of the file when it was opened.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Where the line handed out last begins.
    pub(super) fn offset(&self) -> u64 {
        self.unread + self.block.len() as u64
    }

    /// The line before; `None` at the beginning.
    pub(super) fn next(&mut self) -> Result<Option<Vec<u8>>, AuditError> {
        loop {
            // The line feed of the line itself is its last byte and not a boundary.
            let inner = self.block.len().saturating_sub(1);
            let boundary = self.block.iter().take(inner).rposition(|byte| *byte == b'\n');
            match boundary {
                Some(boundary) => return Ok(Some(self.block.split_off(boundary + 1))),
                None if self.unread == 0 || self.block.len() > LONGEST => {
                    let line = std::mem::take(&mut self.block);
                    return Ok((!line.is_empty()).then_some(line));
                }
                None => self.read_before()?,
            }
        }
    }

    fn read_before(&mut self) -> Result<(), AuditError> {
        let length = self.unread.min(BLOCK);
        self.unread -= length;
        let mut block = vec![0; usize::try_from(length).unwrap_or_default()];
        self.file
            .read_exact_at(&mut block, self.unread)
            .map_err(AuditError::io("cannot read", &self.path))?;
        block.append(&mut self.block);
        self.block = block;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn backward_is_forward_reversed(text in "[a\n]{0,40}", long in 0_usize..700_000) {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("file");
            std::fs::write(&path, format!("{text}{}\n{text}", "x".repeat(long))).unwrap();
            let mut forward: Vec<Vec<u8>> = Vec::new();
            let mut reader = Forward::open(&path).unwrap();
            while let Some(line) = reader.next().unwrap() {
                prop_assert_eq!((line.offset, line.number), (forward.concat().len() as u64, forward.len() as u64 + 1));
                forward.push(line.bytes.to_vec());
            }
            let mut backward = Vec::new();
            let mut reader = Backward::open(&path).unwrap();
            while let Some(line) = reader.next().unwrap() {
                let whole = forward.concat();
                let offset = usize::try_from(reader.offset()).unwrap();
                prop_assert!(whole[offset..].starts_with(&line));
                backward.push(line);
            }
            backward.reverse();
            prop_assert_eq!(forward, backward);
        }
    }
}
