//! Crashes of the embedded store at every sync of a workload.
//!
//! [`CrashDisk`] keeps the bytes that the program sees and the bytes that would survive a
//! loss of power. Its sync number N fails and nothing is durable from then on. What the
//! disk then holds is what was durable before, plus any subset, by sectors of 512 bytes,
//! of what was written since. For every N and several subsets, the store must open and hold
//! every acknowledged change; the change in doubt is wholly there or not at all.

use redb::StorageBackend;
use sealdock::store::{EmbeddedStore, Store, StoreError};
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};
use std::thread;

const SECTOR: usize = 512;

#[derive(Clone)]
enum Operation {
    Length(usize),
    Write(usize, Vec<u8>),
}

#[derive(Default)]
struct Bytes {
    live: Vec<u8>,
    durable: Vec<u8>,
    since: Vec<Operation>,
    syncs: usize,
    freeze_at: Option<usize>,
}

#[derive(Clone, Default)]
struct CrashDisk(Arc<Mutex<Bytes>>);

impl std::fmt::Debug for CrashDisk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CrashDisk")
    }
}

impl StorageBackend for CrashDisk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().unwrap().live.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let bytes = self.0.lock().unwrap();
        let start = usize::try_from(offset).unwrap();
        let from = bytes.live.get(start..start + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(from);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut bytes = self.0.lock().unwrap();
        let operation = Operation::Length(usize::try_from(len).unwrap());
        apply(&mut bytes.live, &operation, &mut || true);
        bytes.since.push(operation);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut bytes = self.0.lock().unwrap();
        bytes.syncs += 1;
        if bytes.freeze_at.is_some_and(|number| bytes.syncs >= number) {
            return Err(io::Error::other("the power failed"));
        }
        bytes.durable = bytes.live.clone();
        bytes.since.clear();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut bytes = self.0.lock().unwrap();
        let operation = Operation::Write(usize::try_from(offset).unwrap(), data.to_vec());
        apply(&mut bytes.live, &operation, &mut || true);
        bytes.since.push(operation);
        Ok(())
    }
}

/// Applies the parts of an operation that `kept` says survive.
fn apply(image: &mut Vec<u8>, operation: &Operation, kept: &mut dyn FnMut() -> bool) {
    match operation {
        Operation::Length(length) => {
            if kept() {
                image.resize(*length, 0);
            }
        }
        Operation::Write(offset, data) => {
            let (mut offset, mut data) = (*offset, data.as_slice());
            while !data.is_empty() {
                let length = data.len().min(SECTOR - offset % SECTOR);
                if kept() {
                    let end = offset + length;
                    if image.len() < end {
                        image.resize(end, 0);
                    }
                    image[offset..end].copy_from_slice(&data[..length]);
                }
                offset += length;
                data = &data[length..];
            }
        }
    }
}

impl CrashDisk {
    /// What is on the disk after the crash, if `kept` decides what of the unsynced writes is.
    fn image(&self, mut kept: impl FnMut() -> bool) -> Self {
        let bytes = self.0.lock().unwrap();
        let mut image = bytes.durable.clone();
        for operation in &bytes.since {
            apply(&mut image, operation, &mut kept);
        }
        let bytes = Bytes { live: image.clone(), durable: image, ..Bytes::default() };
        Self(Arc::new(Mutex::new(bytes)))
    }

    fn syncs(&self) -> usize {
        self.0.lock().unwrap().syncs
    }

    fn freeze_at(&self, sync: usize) {
        self.0.lock().unwrap().freeze_at = Some(sync);
    }
}

/// xorshift64*: the same numbers in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }
}

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

/// What was acknowledged, and the change that was not answered: its key and value after it.
#[derive(Default)]
struct Run {
    acknowledged: Model,
    doubt: Option<(Vec<u8>, Option<Vec<u8>>)>,
}

/// Puts, overwrites, conflicts and deletes over 12 keys, with values from 0 to 60,000 bytes,
/// until the store fails or `operations` are done.
fn work(store: &dyn Store, operations: usize) -> Run {
    let mut random = Random(0x5EA1_D0CC);
    let mut run = Run::default();
    for _ in 0..operations {
        let key = format!("key {}", random.next() % 12).into_bytes();
        let size = [0, 10, 700, 9_000, 60_000][usize::try_from(random.next() % 5).unwrap()];
        let value = vec![u8::try_from(random.next() % 256).unwrap(); size];
        let revision = store.get(&key).ok().flatten().map(|record| record.revision);
        let (result, after) = match (random.next() % 10, revision) {
            (0 | 1, Some(revision)) => (store.delete(&key, revision), None),
            (2, _) => {
                let result = store.put(&key, Some(u64::MAX), b"never").map(drop);
                assert!(
                    matches!(result, Err(StoreError::Conflict { .. } | StoreError::Failed(_))),
                    "{result:?}"
                );
                continue;
            }
            _ => (store.put(&key, revision, &value).map(drop), Some(value)),
        };
        match (result, after) {
            (Ok(()), Some(value)) => drop(run.acknowledged.insert(key, value)),
            (Ok(()), None) => drop(run.acknowledged.remove(&key)),
            (Err(StoreError::Failed(_)), after) => {
                run.doubt = Some((key, after));
                break;
            }
            (Err(other), _) => panic!("{other}"),
        }
    }
    run
}

fn contents(store: &dyn Store) -> Model {
    store.scan(b"", None, usize::MAX).unwrap().into_iter().map(|(key, record)| (key, record.bytes)).collect()
}

fn assert_recovered(disk: &CrashDisk, run: &Run, name: &str) {
    let store = EmbeddedStore::with_backend(disk.clone()).unwrap_or_else(|error| panic!("{name}: {error}"));
    let found = contents(&store);
    let mut other = run.acknowledged.clone();
    match &run.doubt {
        Some((key, Some(value))) => drop(other.insert(key.clone(), value.clone())),
        Some((key, None)) => drop(other.remove(key)),
        None => {}
    }
    assert!(
        found == run.acknowledged || found == other,
        "{name}: what was acknowledged is not what is there"
    );
    let revision = store.put(b"after the crash", None, b"works").unwrap();
    store.delete(b"after the crash", revision).unwrap();
}

#[test]
fn every_acknowledged_change_survives_a_crash_at_every_sync() {
    const OPERATIONS: usize = 36;
    let disk = CrashDisk::default();
    let store = EmbeddedStore::with_backend(disk.clone()).unwrap();
    let made = disk.syncs();
    assert!(work(&store, OPERATIONS).doubt.is_none());
    let syncs = disk.syncs();
    drop(store);
    assert!(syncs > made + OPERATIONS, "the workload syncs at least once per change");

    let mut random = Random(7);
    for sync in made + 1..=syncs {
        let disk = CrashDisk::default();
        let store = EmbeddedStore::with_backend(disk.clone()).unwrap();
        disk.freeze_at(sync);
        let run = work(&store, OPERATIONS);
        assert!(run.doubt.is_some(), "sync {sync} did not fail a change");
        let refused = store.put(b"later", None, b"x");
        assert!(matches!(refused, Err(StoreError::Failed(_))), "{refused:?}");
        for number in 0..12 {
            let key = format!("key {number}").into_bytes();
            match store.get(&key) {
                Ok(record) => {
                    assert_eq!(record.map(|record| record.bytes).as_ref(), run.acknowledged.get(&key))
                }
                Err(StoreError::Failed(_)) => {}
                Err(other) => panic!("sync {sync}: {other}"),
            }
        }
        drop(store);
        assert_recovered(&disk.image(|| false), &run, &format!("sync {sync}, nothing unsynced"));
        assert_recovered(&disk.image(|| true), &run, &format!("sync {sync}, everything unsynced"));
        for seed in 0..3 {
            let image = disk.image(|| random.next() % 4 < 1 + seed);
            assert_recovered(&image, &run, &format!("sync {sync}, part {seed} of the unsynced"));
        }
    }
}

#[test]
fn every_member_of_a_group_that_was_acknowledged_survives() {
    let mut random = Random(11);
    for sync in (5..60).step_by(3) {
        let disk = CrashDisk::default();
        let store = EmbeddedStore::with_backend(disk.clone()).unwrap();
        disk.freeze_at(disk.syncs() + sync);
        let runs: Vec<(Model, Vec<u8>)> = thread::scope(|scope| {
            let threads: Vec<_> = (0..8_u8)
                .map(|thread| {
                    let store = &store;
                    scope.spawn(move || {
                        let mut acknowledged = Model::new();
                        for item in 0.. {
                            let (key, value) = (vec![thread, item], vec![item; 50 * usize::from(item)]);
                            match store.put(&key, None, &value) {
                                Ok(_) => drop(acknowledged.insert(key, value)),
                                Err(StoreError::Failed(_)) => return (acknowledged, key),
                                Err(other) => panic!("{other}"),
                            }
                        }
                        unreachable!()
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        drop(store);
        for seed in 0..4 {
            let image = disk.image(|| random.next() % 3 < seed);
            let found = contents(&EmbeddedStore::with_backend(image).unwrap());
            for (acknowledged, doubt) in &runs {
                for (key, value) in acknowledged {
                    assert_eq!(found.get(key), Some(value), "sync {sync}: {key:?} was acknowledged");
                }
                if let Some(value) = found.get(doubt) {
                    assert_eq!(
                        *value,
                        vec![doubt[1]; 50 * usize::from(doubt[1])],
                        "sync {sync}: half of {doubt:?}"
                    );
                }
            }
            let known: usize = runs.iter().map(|(acknowledged, _)| acknowledged.len()).sum();
            assert!(found.len() <= known + runs.len(), "sync {sync}: there is more than was put");
        }
    }
}
