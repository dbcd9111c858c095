//! The end of a KMS key, with a clock that the test moves: what was sealed under it can never be read again, and
//! its material is in no file of the vault; also across restarts and a crash at any write.

use crate::store_erase::stands_in;
use crate::vault_kit::House;
use jiff::SignedDuration;
use sealdock::clock::Clock as _;
use sealdock::store::{EmbeddedStore, Record, Store, StoreError};
use sealdock::vault::{
    KeyError, KeyPermits, KeyState, KmsFailure, OWN_KEYS, SecretError, SecretFailure, Vault,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// A secret under a customer key.
fn seal(house: &House, vault: &Vault, name: &str, key: &str) {
    let chosen = vault.kms().choose(&house.scope, OWN_KEYS[0], Some(key)).unwrap();
    let mut keys = KeyPermits::none();
    keys.add("first", house.permit("kms:GenerateDataKey", key));
    house.create_under(vault, name, chosen, &keys).unwrap();
}

/// Reads with every permit that there can be.
fn read(house: &House, vault: &Vault, name: &str) -> Result<usize, SecretFailure> {
    let row = house.row(vault, name);
    let keys = house.key_permits(&row.record.versions[0]);
    let permit = house.permit("secretsmanager:GetSecretValue", &row.record.arn());
    vault.secrets().get_value(&permit, &keys, &row, None, None).map(|read| read.value.len())
}

fn schedule(house: &House, vault: &Vault, key: &str) {
    let due = vault.kms().schedule_deletion(&house.permit("kms:ScheduleKeyDeletion", key), key, 7).unwrap();
    assert_eq!(due, house.clock.now() + DAY * 7);
}

/// Takes the deletion back, and the key into use.
fn revive(house: &House, vault: &Vault, key: &str) -> Result<(), KmsFailure> {
    vault.kms().cancel_deletion(&house.permit("kms:CancelKeyDeletion", key), key)?;
    vault.kms().switch(&house.permit("kms:EnableKey", key), key, true)
}

/// What the broker's maintenance does with keys.
fn maintain(vault: &Vault) -> Result<usize, sealdock::vault::VaultError> {
    let mut destroyed = 0;
    for key in vault.kms().due() {
        destroyed += usize::from(vault.kms().destroy(&key)?);
    }
    vault.kms().drop_dangling()?;
    vault.erase_destroyed()?;
    Ok(destroyed)
}

/// The sealed records of keys that the store has now; each holds the wrapped materials of its key.
fn key_records(store: &dyn Store) -> Vec<Vec<u8>> {
    store.scan(b"K", None, usize::MAX).unwrap().into_iter().map(|(_, record)| record.bytes).collect()
}

fn is_gone<T: std::fmt::Debug>(outcome: Result<T, SecretFailure>) -> bool {
    matches!(outcome, Err(SecretFailure::Refused(SecretError::DecryptionFailure(KeyError::NoSuchKey(_)))))
}

fn is_pending<T: std::fmt::Debug>(outcome: Result<T, SecretFailure>) -> bool {
    matches!(
        outcome,
        Err(SecretFailure::Refused(SecretError::DecryptionFailure(KeyError::PendingDeletion(_))))
    )
}

#[test]
fn a_destroyed_key_opens_nothing_and_is_in_no_file() {
    let house = House::new();
    let store = house.store();
    let vault = house.open_on(Arc::clone(&store) as Arc<dyn Store>);
    let (gone, kept) = (
        house.key(&vault, "us-east-1", "alias/gone").unwrap(),
        house.key(&vault, "us-east-1", "alias/kept").unwrap(),
    );
    seal(&house, &vault, "gone", &gone);
    seal(&house, &vault, "kept", &kept);
    // Each state of the record holds the material; all of them were in the file at some time.
    let mut states = key_records(store.as_ref());
    let mut step = |run: &dyn Fn()| {
        run();
        states.extend(key_records(store.as_ref()));
    };
    step(&|| vault.kms().rotate(&house.permit("kms:RotateKeyOnDemand", &gone), &gone).unwrap());
    step(&|| vault.kms().switch(&house.permit("kms:DisableKey", &gone), &gone, false).unwrap());
    step(&|| vault.kms().switch(&house.permit("kms:EnableKey", &gone), &gone, true).unwrap());
    assert_eq!(read(&house, &vault, "gone").unwrap(), 5, "under the material of before the rotation");
    step(&|| schedule(&house, &vault, &gone));
    assert!(is_pending(read(&house, &vault, "gone")));

    house.clock.advance(DAY * 7 - SignedDuration::from_secs(1));
    assert_eq!(maintain(&vault).unwrap(), 0, "it is not due yet");
    assert!(is_pending(read(&house, &vault, "gone")));
    house.clock.advance(SignedDuration::from_secs(1));
    assert!(
        matches!(revive(&house, &vault, &gone), Err(KmsFailure::Refused(KeyError::NoSuchKey(_)))),
        "though maintenance has not come by"
    );
    assert!(
        states.iter().filter(|state| stands_in(house.path(), state)).count() > 2,
        "there is something to erase"
    );
    assert_eq!(maintain(&vault).unwrap(), 1);

    let left = key_records(store.as_ref());
    states.retain(|state| !left.contains(state));
    assert!(states.len() >= 5, "{}", states.len());
    for state in &states {
        assert!(!stands_in(house.path(), state), "a sealed state of the key is still in a file");
    }
    let check = |vault: &Vault| {
        assert!(is_gone(read(&house, vault, "gone")));
        assert_eq!(read(&house, vault, "kept").unwrap(), 5);
        for name in [gone.as_str(), "alias/gone"] {
            assert!(vault.kms().find(&house.scope, name).is_err(), "{name}");
        }
        assert!(vault.kms().due().is_empty());
        assert!(matches!(revive(&house, vault, &gone), Err(KmsFailure::Refused(KeyError::NoSuchKey(_)))));
        assert!(vault.kms().find(&house.scope, "alias/kept").is_ok());
    };
    check(&vault);
    assert!(!vault.erase_destroyed().unwrap(), "it was done");
    drop(vault);
    drop(store);
    let vault = house.open();
    check(&vault);
    // A clock that goes back brings nothing back.
    house.clock.advance(DAY * -300);
    check(&vault);
    let again = house.key(&vault, "us-east-1", "alias/gone").unwrap();
    assert_ne!(again, gone);
    assert!(is_gone(read(&house, &vault, "gone")), "the alias on another key changes nothing");
}

#[test]
fn a_waiting_period_that_ends_while_nothing_runs_is_over_at_the_next_start() {
    let house = House::new();
    let vault = house.open();
    let key = house.key(&vault, "us-east-1", "alias/gone").unwrap();
    seal(&house, &vault, "gone", &key);
    schedule(&house, &vault, &key);
    drop(vault);
    house.clock.advance(DAY * 6);
    let vault = house.open();
    assert_eq!(maintain(&vault).unwrap(), 0);
    revive(&house, &vault, &key).unwrap();
    assert_eq!(read(&house, &vault, "gone").unwrap(), 5, "taken back in time");
    schedule(&house, &vault, &key);
    let states = key_records(house_store(&house, vault).as_ref());
    house.clock.advance(DAY * 400);
    let vault = house.open();
    assert!(is_pending(read(&house, &vault, "gone")));
    assert_eq!(maintain(&vault).unwrap(), 1);
    assert!(is_gone(read(&house, &vault, "gone")));
    drop(vault);
    assert!(states.iter().all(|state| !stands_in(house.path(), state)));
    assert!(is_gone(read(&house, &house.open(), "gone")));
}

/// Closes the vault, to look at its store.
fn house_store(house: &House, vault: Vault) -> Arc<EmbeddedStore> {
    drop(vault);
    house.store()
}

#[test]
fn values_that_moved_to_another_key_outlive_the_first() {
    let house = House::new();
    let vault = house.open();
    let (old, new) = (
        house.key(&vault, "us-east-1", "alias/old").unwrap(),
        house.key(&vault, "us-east-1", "alias/new").unwrap(),
    );
    seal(&house, &vault, "db", &old);
    let row = house.row(&vault, "db");
    let chosen = vault.kms().choose(&house.scope, OWN_KEYS[0], Some(&new)).unwrap();
    let mut keys = KeyPermits::none();
    keys.add("first", house.permit("kms:Decrypt", &old));
    keys.add("first", house.permit("kms:Encrypt", &new));
    let permit = house.permit("secretsmanager:UpdateSecret", &row.record.arn());
    let edit = sealdock::vault::KeyEdit::Changed(chosen);
    vault.secrets().update(&permit, &keys, &row, None, None, edit).unwrap();
    schedule(&house, &vault, &old);
    house.clock.advance(DAY * 7);
    assert_eq!(maintain(&vault).unwrap(), 1);
    assert_eq!(read(&house, &vault, "db").unwrap(), 5);
}

/// A store whose process dies after so many writes; an erasing counts as one.
#[derive(Debug)]
struct Mortal {
    store: Arc<EmbeddedStore>,
    left: AtomicUsize,
}

impl Mortal {
    fn spend(&self) -> Result<&EmbeddedStore, StoreError> {
        let spent = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        spent.map(|_| self.store.as_ref()).map_err(|_| StoreError::Failed("the process is gone".into()))
    }
}

impl Store for Mortal {
    fn get(&self, key: &[u8]) -> Result<Option<Record>, StoreError> {
        self.store.get(key)
    }

    fn put(&self, key: &[u8], expected: Option<u64>, bytes: &[u8]) -> Result<u64, StoreError> {
        self.spend()?.put(key, expected, bytes)
    }

    fn delete(&self, key: &[u8], expected: u64) -> Result<(), StoreError> {
        self.spend()?.delete(key, expected)
    }

    fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Record)>, StoreError> {
        self.store.scan(prefix, after, limit)
    }

    fn erase(&self) -> Result<(), StoreError> {
        self.spend()?.erase()
    }
}

#[test]
fn a_crash_at_any_write_leaves_each_key_whole_or_destroyed() {
    let mut met = [0, 0];
    for crash in 0.. {
        let house = House::new();
        let store = house.store();
        let vault = house.open_on(Arc::clone(&store) as Arc<dyn Store>);
        let names = ["a", "b"];
        let keys = names.map(|name| house.key(&vault, "us-east-1", &format!("alias/{name}")).unwrap());
        for (name, key) in names.iter().zip(&keys) {
            seal(&house, &vault, name, key);
            schedule(&house, &vault, key);
        }
        let states = key_records(store.as_ref());
        drop(vault);
        house.clock.advance(DAY * 7);
        let mortal = Arc::new(Mortal { store: Arc::clone(&store), left: AtomicUsize::new(crash) });
        let vault = house.open_on(Arc::clone(&mortal) as Arc<dyn Store>);
        let finished = maintain(&vault).is_ok();
        drop(vault);

        // Seen by a clock of before the end of the waiting period, so that what is whole can be revived.
        house.clock.advance(DAY * -3);
        let vault = house.open_on(Arc::clone(&store) as Arc<dyn Store>);
        for (name, key) in names.iter().zip(&keys) {
            match vault.kms().customer(key) {
                None => {
                    met[0] += 1;
                    assert!(is_gone(read(&house, &vault, name)), "crash {crash}: {name}");
                }
                Some(row) => {
                    met[1] += 1;
                    let state = row.record.customer.as_ref().unwrap().state;
                    assert!(matches!(state, KeyState::PendingDeletion { .. }), "crash {crash}: {state:?}");
                    assert!(vault.kms().find(&house.scope, &format!("alias/{name}")).is_ok());
                    revive(&house, &vault, key).unwrap();
                    assert_eq!(read(&house, &vault, name).unwrap(), 5, "crash {crash}: {name}");
                    schedule(&house, &vault, key);
                }
            }
        }
        house.clock.advance(DAY * 10);
        maintain(&vault).unwrap();
        for name in names {
            assert!(is_gone(read(&house, &vault, name)), "crash {crash}: {name}");
            assert!(vault.kms().alias(&house.scope, &format!("alias/{name}")).is_none(), "crash {crash}");
        }
        assert!(states.iter().all(|state| !stands_in(house.path(), state)), "crash {crash}");
        if finished {
            assert!(crash > 4, "there are writes to fail at");
            break;
        }
    }
    assert!(met[0] > 2 && met[1] > 2, "{met:?}");
}

/// The limit that SECURITY.md names: a copy is out of reach.
#[test]
fn an_older_copy_of_the_vault_has_the_key_still_and_destroys_it_anew() {
    let house = House::new();
    let vault = house.open();
    let key = house.key(&vault, "us-east-1", "alias/gone").unwrap();
    seal(&house, &vault, "gone", &key);
    schedule(&house, &vault, &key);
    drop(vault);
    let file = house.path().join("vault");
    let copy = std::fs::read(&file).unwrap();
    house.clock.advance(DAY * 7);
    let vault = house.open();
    assert_eq!(maintain(&vault).unwrap(), 1);
    drop(vault);

    std::fs::write(&file, copy).unwrap();
    let vault = house.open();
    assert_eq!(vault.kms().due(), std::slice::from_ref(&key));
    assert!(is_pending(read(&house, &vault, "gone")));
    assert!(matches!(revive(&house, &vault, &key), Err(KmsFailure::Refused(KeyError::NoSuchKey(_)))));
    assert_eq!(maintain(&vault).unwrap(), 1);
    assert!(is_gone(read(&house, &vault, "gone")));
}

#[test]
fn a_deleted_secret_is_in_no_file() {
    let house = House::new();
    let store = house.store();
    let vault = house.open_on(Arc::clone(&store) as Arc<dyn Store>);
    let blobs = || {
        let kept = store.scan(b"V", None, usize::MAX).unwrap();
        kept.into_iter().map(|(_, record)| record.bytes).collect::<Vec<_>>()
    };
    let is_left = |blobs: &[Vec<u8>]| blobs.iter().any(|blob| stands_in(house.path(), blob));
    house.create(&vault, "kept").unwrap();
    let kept = blobs();
    for name in ["forced", "waits"] {
        house.create(&vault, name).unwrap();
    }
    let mut gone = blobs();
    gone.retain(|blob| !kept.contains(blob));
    assert_eq!((kept.len(), gone.len()), (1, 2));
    assert!(!vault.erase_destroyed().unwrap(), "nothing was destroyed yet");

    house.delete(&vault, "forced", None);
    house.delete(&vault, "waits", Some(7));
    let forced: Vec<_> = gone.iter().filter(|blob| !blobs().contains(blob)).cloned().collect();
    assert_eq!(forced.len(), 1);
    assert!(vault.erase_destroyed().unwrap());
    assert!(!is_left(&forced));

    house.clock.advance(DAY * 7);
    assert_eq!(vault.maintain().unwrap().len(), 1, "the window of the other one has ended");
    assert!(vault.erase_destroyed().unwrap());
    assert!(!is_left(&gone));
    assert_eq!(read(&house, &vault, "kept").unwrap(), 5);

    // Each erasing writes the whole file, so that deletions in a row wait for one another.
    house.create(&vault, "later").unwrap();
    let later: Vec<_> = blobs().into_iter().filter(|blob| !kept.contains(blob)).collect();
    house.delete(&vault, "later", None);
    assert!(!vault.erase_destroyed().unwrap());
    house.clock.advance(SignedDuration::from_hours(1));
    assert!(vault.erase_destroyed().unwrap());
    assert!(!is_left(&later));
    // The mark outlives the process.
    house.create(&vault, "last").unwrap();
    house.delete(&vault, "last", None);
    drop(vault);
    drop(store);
    let vault = house.open();
    assert!(vault.erase_destroyed().unwrap());
    assert!(!vault.erase_destroyed().unwrap());
}
