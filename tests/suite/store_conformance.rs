//! What every store does, as one function over `&dyn Store`, run once per back end.

use crate::bounds::RaisedAtLast;
use sealdock::store::{EmbeddedStore, Record, Store, StoreError};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

#[test]
fn embedded() {
    let dir = tempfile::tempdir().unwrap();
    conforms(&EmbeddedStore::create(&dir.path().join("vault")).unwrap());
}

/// Runs the whole contract against an empty store.
pub(crate) fn conforms(store: &dyn Store) {
    compares_before_it_swaps(store);
    never_gives_a_revision_twice(store);
    keeps_any_bytes(store);
    scans_in_order(store);
    lets_one_of_many_win(store);
    answers_each_of_a_group(store);
    is_seen_whole_while_it_changes(store);
}

fn conflict<T: std::fmt::Debug>(result: Result<T, StoreError>) -> (Option<u64>, Option<u64>) {
    match result {
        Err(StoreError::Conflict { expected, found }) => (expected, found),
        other => panic!("expected a conflict, got {other:?}"),
    }
}

fn compares_before_it_swaps(store: &dyn Store) {
    assert_eq!(store.get(b"cas").unwrap(), None);
    assert_eq!(conflict(store.put(b"cas", Some(1), b"x")), (Some(1), None));
    assert_eq!(conflict(store.delete(b"cas", 1)), (Some(1), None));

    let first = store.put(b"cas", None, b"one").unwrap();
    assert_eq!(store.get(b"cas").unwrap(), Some(Record { revision: first, bytes: b"one".to_vec() }));
    assert_eq!(conflict(store.put(b"cas", None, b"two")), (None, Some(first)));
    assert_eq!(conflict(store.put(b"cas", Some(first + 1), b"two")), (Some(first + 1), Some(first)));

    let second = store.put(b"cas", Some(first), b"two").unwrap();
    assert!(second > first);
    assert_eq!(conflict(store.put(b"cas", Some(first), b"three")), (Some(first), Some(second)));
    assert_eq!(conflict(store.delete(b"cas", first)), (Some(first), Some(second)));
    assert_eq!(store.get(b"cas").unwrap().unwrap().bytes, b"two");

    store.delete(b"cas", second).unwrap();
    assert_eq!(store.get(b"cas").unwrap(), None);
}

fn never_gives_a_revision_twice(store: &dyn Store) {
    let mut seen = BTreeSet::new();
    for _ in 0..5 {
        let revision = store.put(b"again", None, b"x").unwrap();
        assert!(seen.insert(revision), "revision {revision} was given twice");
        store.delete(b"again", revision).unwrap();
    }
}

fn keeps_any_bytes(store: &dyn Store) {
    let every_byte: Vec<u8> = (0..=255).collect();
    for (key, bytes) in [
        (&b"\0"[..], &b""[..]),
        (&every_byte[..], &every_byte[..]),
        (b"large", &vec![0xA5; 300_000]),
        ("schlüssel/🔑".as_bytes(), b"x"),
    ] {
        let revision = store.put(key, None, bytes).unwrap();
        assert_eq!(store.get(key).unwrap().unwrap().bytes, bytes);
        store.delete(key, revision).unwrap();
    }
    let result = store.put(&vec![b'k'; 1 << 20], None, b"x");
    assert!(matches!(result, Err(StoreError::TooLarge(1_048_576))), "{result:?}");
}

fn scans_in_order(store: &dyn Store) {
    let keys: [&[u8]; 7] = [b"s", b"s/", b"s/a", b"s/a\0", b"s/b", b"s/\xff", b"s0"];
    for key in keys.iter().rev() {
        store.put(key, None, key).unwrap();
    }
    let scan = |prefix: &[u8], after: Option<&[u8]>, limit| -> Vec<Vec<u8>> {
        let found = store.scan(prefix, after, limit).unwrap();
        found.iter().for_each(|(key, record)| assert_eq!(key, &record.bytes));
        found.into_iter().map(|(key, _)| key).collect()
    };
    assert_eq!(scan(b"s/", None, 100), keys[1..6]);
    assert_eq!(scan(b"s/", None, 2), keys[1..3]);
    assert_eq!(scan(b"s/", Some(b"s/a"), 100), keys[3..6]);
    assert_eq!(scan(b"s/", Some(b"s/aa"), 1), keys[4..5], "the key before need not exist");
    assert_eq!(scan(b"s/", Some(b"a"), 1), keys[1..2], "a key before the prefix does not matter");
    assert_eq!(scan(b"s/", Some(b"t"), 100), Vec::<Vec<u8>>::new());
    assert_eq!(scan(b"s/", None, 0), Vec::<Vec<u8>>::new());
    assert_eq!(scan(b"", None, 100), keys);
    assert_eq!(scan(b"none", None, 100), Vec::<Vec<u8>>::new());
    for key in keys {
        store.delete(key, store.get(key).unwrap().unwrap().revision).unwrap();
    }
}

fn lets_one_of_many_win(store: &dyn Store) {
    let start = store.put(b"race", None, b"start").unwrap();
    let wins = AtomicUsize::new(0);
    thread::scope(|scope| {
        for number in 0..16_u8 {
            let wins = &wins;
            scope.spawn(move || match store.put(b"race", Some(start), &[number]) {
                Ok(_) => {
                    wins.fetch_add(1, Ordering::Relaxed);
                    assert_eq!(store.get(b"race").unwrap().unwrap().bytes, [number]);
                }
                Err(StoreError::Conflict { expected, .. }) => assert_eq!(expected, Some(start)),
                Err(other) => panic!("{other}"),
            });
        }
    });
    assert_eq!(wins.into_inner(), 1);
    store.delete(b"race", store.get(b"race").unwrap().unwrap().revision).unwrap();
}

fn answers_each_of_a_group(store: &dyn Store) {
    let revisions: BTreeSet<u64> = thread::scope(|scope| {
        let threads: Vec<_> = (0..8_u8)
            .map(|thread| {
                scope.spawn(move || {
                    (0..20_u8)
                        .map(|item| store.put(&[b'g', thread, item], None, &[item]).unwrap())
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(revisions.len(), 160, "each put has a revision of its own");
    let found = store.scan(b"g", None, 1000).unwrap();
    assert_eq!(found.len(), 160);
    for (key, record) in found {
        assert_eq!(record.bytes, [key[2]]);
        store.delete(&key, record.revision).unwrap();
    }
}

fn is_seen_whole_while_it_changes(store: &dyn Store) {
    let over = AtomicBool::new(false);
    let seen: usize = thread::scope(|scope| {
        let look = || {
            let mut seen = 0;
            while !over.load(Ordering::SeqCst) {
                let found = store.look(b"seen", &mut |bytes| {
                    assert!(bytes.len() == 900 && bytes.iter().all(|byte| *byte == bytes[0]));
                });
                seen += usize::from(found.unwrap());
            }
            seen
        };
        let readers = [scope.spawn(look), scope.spawn(look), scope.spawn(look)];
        let end = RaisedAtLast(&over);
        let mut revision = None;
        for number in 0..200_u8 {
            revision = Some(store.put(b"seen", revision, &[number; 900]).unwrap());
        }
        drop(end);
        readers.into_iter().map(|reader| reader.join().unwrap()).sum()
    });
    assert!(seen > 200, "{seen}");
}
