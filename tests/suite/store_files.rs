//! The embedded store's file: made once, opened once, and never trusted when it was changed.

use crate::audit_kit::scratch;
use sealdock::store::{EmbeddedStore, Store, StoreError};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

fn filled(dir: &Path) -> PathBuf {
    let path = dir.join("vault");
    let store = EmbeddedStore::create(&path).unwrap();
    for number in 0..20_u8 {
        store.put(&[b'k', number], None, &vec![number; 400]).unwrap();
    }
    drop(store);
    path
}

#[test]
fn is_made_complete_private_and_once() {
    let dir = scratch();
    let path = filled(dir.path());
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let again = EmbeddedStore::create(&path);
    assert!(matches!(again, Err(StoreError::Exists(_))), "{again:?}");
    assert_eq!(EmbeddedStore::open(&path).unwrap().scan(b"k", None, 100).unwrap().len(), 20);
}

#[test]
fn what_an_interrupted_attempt_left_is_no_obstacle() {
    let dir = scratch();
    fs::write(dir.path().join("vault.new"), b"half a vault").unwrap();
    let path = filled(dir.path());
    assert_eq!(EmbeddedStore::open(&path).unwrap().scan(b"", None, 100).unwrap().len(), 20);
}

#[test]
fn is_open_once() {
    let dir = scratch();
    let path = filled(dir.path());
    let first = EmbeddedStore::open(&path).unwrap();
    let second = EmbeddedStore::open(&path);
    assert!(matches!(second, Err(StoreError::InUse)), "{second:?}");
    assert!(second.unwrap_err().to_string().contains("in use by another process"));
    drop(first);
    EmbeddedStore::open(&path).unwrap();
}

#[test]
fn what_is_not_a_vault_is_damaged() {
    let dir = scratch();
    let path = dir.path().join("vault");
    assert!(matches!(EmbeddedStore::open(&path), Err(StoreError::Io { .. })), "there is no file");
    for content in [&b""[..], b"x", b"SQLite format 3\0", &[0; 8192], &[0xFF; 100_000]] {
        fs::write(&path, content).unwrap();
        let result = EmbeddedStore::open(&path);
        assert!(matches!(result, Err(StoreError::Damaged(_))), "{result:?}");
        assert_eq!(fs::read(&path).unwrap(), content, "it is left as it was");
    }
}

#[test]
fn a_cut_file_is_damaged() {
    let dir = scratch();
    let path = filled(dir.path());
    let whole = fs::read(&path).unwrap();
    for length in (0..whole.len()).step_by(whole.len() / 150) {
        fs::write(&path, &whole[..length]).unwrap();
        let result = EmbeddedStore::open(&path);
        assert!(matches!(result, Err(StoreError::Damaged(_))), "cut at {length}: {result:?}");
    }
}

/// A flipped bit is either reported, or it was in a place that holds nothing: then every record is there.
#[test]
fn a_flipped_bit_is_damage_or_does_not_matter() {
    let dir = scratch();
    let path = filled(dir.path());
    let whole = fs::read(&path).unwrap();
    let expected = EmbeddedStore::open(&path).unwrap().scan(b"", None, 100).unwrap();
    fs::write(&path, &whole).unwrap();
    let mut reported = 0;
    let header = 0..320;
    let sampled = (320..whole.len()).step_by((whole.len() / 600).max(1) | 1);
    for place in header.chain(sampled) {
        let mut flipped = whole.clone();
        flipped[place] ^= 1 << (place % 8);
        fs::write(&path, &flipped).unwrap();
        match EmbeddedStore::open(&path) {
            Ok(store) => assert_eq!(store.scan(b"", None, 100).unwrap(), expected, "flipped {place}"),
            Err(StoreError::Damaged(_)) => reported += 1,
            Err(other) => panic!("flipped {place}: {other}"),
        }
    }
    assert!(reported > 20, "{reported} flips were noticed");
}
