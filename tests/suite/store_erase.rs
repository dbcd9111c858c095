//! Erasing: what was deleted or replaced is in no file of the store any more; nothing else changes, whatever comes
//! in between.

use crate::audit_kit::scratch;
use crate::bounds::RaisedAtLast;
use sealdock::store::{EmbeddedStore, Record, Store, StoreError};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// Whether a file of the directory holds these bytes.
pub(crate) fn stands_in(directory: &Path, needle: &[u8]) -> bool {
    fs::read_dir(directory).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            stands_in(&path, needle)
        } else {
            // A file that is gone by now holds nothing, and neither does a socket.
            path.is_file() && fs::read(path).is_ok_and(|text| holds(&text, needle))
        }
    })
}

/// Whether `text` holds these bytes.
pub(crate) fn holds(text: &[u8], needle: &[u8]) -> bool {
    let Some(first) = needle.first() else { return true };
    let starts = text.iter().enumerate().filter(|(_, byte)| *byte == first);
    starts.into_iter().any(|(start, _)| text[start..].starts_with(needle))
}

fn value(label: &str) -> Vec<u8> {
    format!("{label} {} ", uuid::Uuid::new_v4().simple()).repeat(3).into_bytes()
}

fn contents(store: &dyn Store) -> BTreeMap<Vec<u8>, Record> {
    store.scan(b"", None, usize::MAX).unwrap().into_iter().collect()
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn nothing_of_what_was_deleted_or_replaced_is_left() {
    let dir = scratch();
    let path = dir.path().join("vault");
    let store = EmbeddedStore::create(&path).unwrap();
    for number in 0..200_u8 {
        store.put(&[b'k', number], None, &vec![number; 700]).unwrap();
    }
    let (deleted, replaced, kept) = (value("deleted"), value("replaced"), value("kept"));
    for number in 100..200_u8 {
        let revision = store.get(&[b'k', number]).unwrap().unwrap().revision;
        store.delete(&[b'k', number], revision).unwrap();
    }
    let a = store.put(b"a", None, &deleted).unwrap();
    store.delete(b"a", a).unwrap();
    assert!(stands_in(dir.path(), &deleted), "there is something to erase");
    store.erase().unwrap();
    assert!(!stands_in(dir.path(), &deleted), "deleted");
    let first = store.put(b"b", None, &replaced).unwrap();
    let last = store.put(b"b", Some(first), &kept).unwrap();
    assert!(stands_in(dir.path(), &replaced), "there is something to erase");
    let before = contents(&store);
    store.erase().unwrap();
    assert!(!stands_in(dir.path(), &replaced), "replaced");
    assert!(stands_in(dir.path(), &kept));
    assert_eq!(names(dir.path()), ["vault"]);
    assert_eq!(contents(&store), before);
    assert!(matches!(EmbeddedStore::open(&path), Err(StoreError::InUse)), "the new file is locked as well");
    assert!(matches!(store.put(b"b", Some(first), b""), Err(StoreError::Conflict { .. })));
    let next = store.put(b"c", None, &deleted).unwrap();
    assert!(next > last, "revisions go on where they were");
    let after = contents(&store);
    drop(store);
    assert_eq!(contents(&EmbeddedStore::open(&path).unwrap()), after);
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn reads_and_writes_go_on_meanwhile() {
    let dir = scratch();
    let path = dir.path().join("vault");
    let store = EmbeddedStore::create(&path).unwrap();
    for number in 0..2_000_u32 {
        store.put(&[b"old".as_slice(), &number.to_be_bytes()].concat(), None, &[7; 900]).unwrap();
    }
    let over = AtomicBool::new(false);
    let written: Vec<BTreeMap<Vec<u8>, Vec<u8>>> = thread::scope(|scope| {
        let writers: Vec<_> = (0..4_u8)
            .map(|writer| {
                let (store, over) = (&store, &over);
                scope.spawn(move || {
                    let mut model = BTreeMap::new();
                    for step in 0_u32.. {
                        if over.load(Ordering::SeqCst) {
                            break;
                        }
                        let key = [b"new".as_slice(), &[writer], &(step % 50).to_be_bytes()].concat();
                        let revision = store.get(&key).unwrap().map(|record| record.revision);
                        match revision {
                            Some(revision) if step % 3 == 0 => {
                                store.delete(&key, revision).unwrap();
                                model.remove(&key);
                            }
                            _ => {
                                let bytes = step.to_be_bytes().repeat(40);
                                store.put(&key, revision, &bytes).unwrap();
                                model.insert(key, bytes);
                            }
                        }
                    }
                    model
                })
            })
            .collect();
        let end = RaisedAtLast(&over);
        for _ in 0..6 {
            store.erase().unwrap();
            assert_eq!(store.scan(b"old", None, usize::MAX).unwrap().len(), 2_000);
        }
        drop(end);
        writers.into_iter().map(|writer| writer.join().unwrap()).collect()
    });
    let expected: BTreeMap<_, _> = written.into_iter().flatten().collect();
    let check = |store: &EmbeddedStore| {
        let found = store.scan(b"new", None, usize::MAX).unwrap();
        let found: BTreeMap<_, _> = found.into_iter().map(|(key, record)| (key, record.bytes)).collect();
        assert_eq!(found, expected);
    };
    check(&store);
    drop(store);
    check(&EmbeddedStore::open(&path).unwrap());
}

#[test]
fn what_an_interrupted_erasing_left_is_finished_at_the_next_open() {
    let dir = scratch();
    let (path, new, old) =
        (dir.path().join("vault"), dir.path().join("vault.new"), dir.path().join("vault.old"));
    let store = EmbeddedStore::create(&path).unwrap();
    store.put(b"k", None, b"v").unwrap();
    drop(store);
    let left = value("left");
    let zeroed = |file: &mut File| {
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        assert_eq!((bytes.len(), bytes.iter().all(|byte| *byte == 0)), (left.len(), true));
    };
    let opens = || assert_eq!(EmbeddedStore::open(&path).unwrap().get(b"k").unwrap().unwrap().bytes, b"v");

    // Half a copy; the end of the process before the new file has the name.
    fs::write(&new, &left).unwrap();
    let mut watched = File::open(&new).unwrap();
    opens();
    zeroed(&mut watched);
    // Both names of one file: before the new one got its name.
    fs::hard_link(&path, &old).unwrap();
    fs::write(&new, &left).unwrap();
    opens();
    // The old file under its second name: after that.
    fs::write(&old, &left).unwrap();
    let mut watched = File::open(&old).unwrap();
    opens();
    zeroed(&mut watched);
    assert_eq!(names(dir.path()), ["vault"]);
}

#[test]
fn an_erasing_that_fails_changes_nothing_and_can_be_repeated() {
    let dir = scratch();
    let (path, new) = (dir.path().join("vault"), dir.path().join("vault.new"));
    let store = EmbeddedStore::create(&path).unwrap();
    let gone = value("gone");
    let revision = store.put(b"a", None, &gone).unwrap();
    store.delete(b"a", revision).unwrap();
    assert!(stands_in(dir.path(), &gone), "there is something to erase");
    fs::create_dir(&new).unwrap();
    let failed = store.erase();
    assert!(matches!(failed, Err(StoreError::Io { .. })), "{failed:?}");
    store.put(b"b", None, b"still writes").unwrap();
    fs::remove_dir(&new).unwrap();
    fs::create_dir(dir.path().join("vault.old")).unwrap();
    let failed = store.erase();
    assert!(matches!(failed, Err(StoreError::Io { .. })), "{failed:?}");
    assert!(!new.exists());
    fs::remove_dir(dir.path().join("vault.old")).unwrap();
    store.erase().unwrap();
    assert!(!stands_in(dir.path(), &gone));
    assert_eq!(store.get(b"b").unwrap().unwrap().bytes, b"still writes");
}
