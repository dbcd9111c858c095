//! Replicas across crashes: whatever write is the last one before the process dies, the next
//! start finds the replicas as their primary is, or finishes what was begun.

use crate::vault_kit::{House, blobs, text};
use sealdock::store::{EmbeddedStore, Record, Store, StoreError};
use sealdock::vault::{
    ChosenKey, KeyPermits, KmsFailure, NewSecret, Replica, ReplicaState, Row, Scope, SecretFailure,
    SecretRecord, Secrets, Vault,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const NEAR: &str = "eu-west-1";
const FAR: &str = "ap-south-1";

/// A store whose process dies after a number of writes.
#[derive(Debug)]
struct Mortal {
    store: Arc<EmbeddedStore>,
    left: AtomicUsize,
}

impl Mortal {
    fn spend(&self) -> Result<&EmbeddedStore, StoreError> {
        let spent = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        self.alive()?;
        spent.map(|_| self.store.as_ref()).map_err(|_| dead())
    }

    fn alive(&self) -> Result<&EmbeddedStore, StoreError> {
        if self.left.load(Ordering::SeqCst) == 0 { Err(dead()) } else { Ok(&self.store) }
    }
}

fn dead() -> StoreError {
    StoreError::Failed("the process is gone".into())
}

impl Store for Mortal {
    fn get(&self, key: &[u8]) -> Result<Option<Record>, StoreError> {
        self.alive()?.get(key)
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
        self.alive()?.scan(prefix, after, limit)
    }

    fn erase(&self) -> Result<(), StoreError> {
        self.alive()?.erase()
    }
}

fn scope(region: &str) -> Scope {
    Scope::new("111122223333", region)
}

fn find(vault: &Vault, region: &str) -> Option<Arc<Row<SecretRecord>>> {
    vault.secrets().find(&scope(region), "db")
}

fn create(house: &House, vault: &Vault, region: &str, regions: &[&str]) -> Result<(), SecretFailure> {
    let arn = Secrets::hypothetical_arn(&scope(region), "db");
    let new = NewSecret {
        name: "db".into(),
        token: "first".into(),
        description: None,
        key: ChosenKey::default(),
        tags: Vec::new(),
        content: Some(text("value")),
        replicas: regions.iter().map(|region| Replica::new((*region).into(), None, false)).collect(),
    };
    let permit = house.permit("secretsmanager:CreateSecret", &arn);
    vault.secrets().create(&permit, &KeyPermits::none(), &arn, &scope(region), new).map(|_| ())
}

/// Everything that a replica can live through. A step whose secret is not there is left out.
fn live(house: &House, vault: &Vault) -> Result<(), SecretFailure> {
    for (region, alias) in [(FAR, "alias/far"), (NEAR, "alias/near")] {
        house.key(vault, region, alias).map_err(|failure| match failure {
            KmsFailure::Vault(error) => SecretFailure::Vault(error),
            other => panic!("{other}"),
        })?;
    }
    create(house, vault, FAR, &[])?;
    create(house, vault, "us-east-1", &[NEAR])?;
    let secrets = vault.secrets();
    let with = |action: &str, region: &str| {
        let row = find(vault, region).unwrap();
        (house.permit(&format!("secretsmanager:{action}"), &row.record.arn()), row)
    };
    let (permit, row) = with("PutSecretValue", "us-east-1");
    secrets.put_value(
        &permit,
        &KeyPermits::none(),
        &row,
        ChosenKey::default(),
        ("second", &text("another")),
        Vec::new(),
    )?;
    let (permit, row) = with("ReplicateSecretToRegions", "us-east-1");
    secrets.replicate(&permit, &row, vec![Replica::new(FAR.into(), Some("alias/far".into()), true)])?;
    let (permit, row) = with("TagResource", "us-east-1");
    secrets.tag(&permit, &row, vec![("k".into(), "v".into())])?;
    let (permit, row) = with("UpdateSecret", NEAR);
    secrets.set_replica_key(&permit, &row, Some("alias/near".into()))?;
    let (permit, row) = with("StopReplicationToReplica", NEAR);
    secrets.stop_replication(&permit, &row)?;
    let (permit, row) = with("RemoveRegionsFromReplication", "us-east-1");
    secrets.remove_regions(&permit, &row, &[FAR.into()])?;
    Ok(())
}

/// What has to hold whenever a vault is open and nothing is under way.
fn check(house: &House, vault: &Vault, store: &dyn Store, crash: usize) {
    let records: Vec<Arc<Row<SecretRecord>>> =
        ["us-east-1", NEAR, FAR].into_iter().filter_map(|region| find(vault, region)).collect();
    let versions: usize = records.iter().map(|row| row.record.versions.len()).sum();
    assert_eq!(
        blobs(store),
        versions,
        "crash {crash}: each version has its value, and nothing else is there"
    );
    for row in &records {
        let record = &row.record;
        let arn = record.arn();
        for version in &record.versions {
            let permit = house.permit("secretsmanager:GetSecretValue", &arn);
            let keys = house.key_permits(version);
            let read = vault.secrets().get_value(&permit, &keys, row, Some(&version.id), None).unwrap();
            assert_eq!(read.value.len(), if version.id == "first" { 5 } else { 7 }, "crash {crash}");
        }
        if record.is_replica() {
            let primary = find(vault, "us-east-1").unwrap();
            assert!(record.is_replica_of(&primary.record), "crash {crash}");
            let listed = primary.record.replicas.iter().any(|r| r.region == record.scope.region);
            assert!(listed, "crash {crash}: a replica that nobody lists");
        }
        for replica in &record.replicas {
            assert_eq!(replica.state, ReplicaState::InSync, "crash {crash}");
            let made = find(vault, &replica.region).unwrap();
            assert!(made.record.is_replica_of(record), "crash {crash}");
            assert_eq!((&made.record.tags, &made.record.kms_key_id), (&record.tags, &replica.kms_key_id));
            let of = |r: &SecretRecord| {
                r.versions.iter().map(|v| (v.id.clone(), v.stages.clone())).collect::<Vec<_>>()
            };
            assert_eq!(of(&made.record), of(record), "crash {crash}");
            assert!(made.record.versions.iter().all(|v| v.kms_key_id == replica.kms_key_id), "crash {crash}");
        }
    }
}

#[test]
fn replicas_are_in_sync_after_a_crash_at_any_write() {
    for crash in 1.. {
        let house = House::new();
        let store = house.store();
        let mortal = Mortal { store: Arc::clone(&store), left: AtomicUsize::new(crash) };
        let vault = house.open_on(Arc::new(mortal));
        // Failures of replication do not fail the change itself, so that a step may find nothing to do.
        let lived = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| live(&house, &vault)));
        let finished = matches!(lived, Ok(Ok(())));
        drop(vault);
        let vault = house.open_on(Arc::clone(&store) as Arc<dyn Store>);
        vault.maintain().unwrap();
        vault.secrets().replicate_due().unwrap();
        check(&house, &vault, store.as_ref(), crash);
        if finished {
            assert!(crash > 20, "the store dies somewhere in the middle at least that often");
            assert!(!find(&vault, NEAR).unwrap().record.is_replica());
            assert!(find(&vault, FAR).is_none());
            return;
        }
    }
}

#[test]
fn a_replica_that_cannot_be_reached_is_in_progress_until_maintenance() {
    let house = House::new();
    let store = house.store();
    let vault = house.open_on(Arc::clone(&store) as Arc<dyn Store>);
    create(&house, &vault, "us-east-1", &[NEAR]).unwrap();
    drop(vault);
    // The new version's blob, and the primary's record; then the disk is gone.
    let mortal = Arc::new(Mortal { store: Arc::clone(&store), left: AtomicUsize::new(3) });
    let vault = house.open_on(Arc::clone(&mortal) as Arc<dyn Store>);
    let row = find(&vault, "us-east-1").unwrap();
    let permit = house.permit("secretsmanager:PutSecretValue", &row.record.arn());
    vault
        .secrets()
        .put_value(
            &permit,
            &KeyPermits::none(),
            &row,
            ChosenKey::default(),
            ("second", &text("another")),
            Vec::new(),
        )
        .unwrap();
    let states = |vault: &Vault| {
        find(vault, "us-east-1").unwrap().record.replicas.iter().map(|r| r.state.clone()).collect::<Vec<_>>()
    };
    assert_eq!(states(&vault), [ReplicaState::InProgress]);
    assert_eq!(find(&vault, NEAR).unwrap().record.versions.len(), 1);
    assert!(vault.secrets().replicate_due().is_err(), "and maintenance says so");
    mortal.left.store(usize::MAX, Ordering::SeqCst);
    vault.secrets().replicate_due().unwrap();
    assert_eq!(states(&vault), [ReplicaState::InSync]);
    check(&house, &vault, store.as_ref(), 0);
}

#[test]
fn a_region_whose_secret_is_over_is_free() {
    let house = House::new();
    let vault = house.open();
    create(&house, &vault, NEAR, &[]).unwrap();
    let row = find(&vault, NEAR).unwrap();
    let permit = house.permit("secretsmanager:DeleteSecret", &row.record.arn());
    vault.secrets().delete(&permit, &row, Some(7)).unwrap();
    house.clock.advance(jiff::SignedDuration::from_hours(24 * 7));
    assert!(find(&vault, NEAR).is_none(), "nobody sees it, though maintenance has not come by");
    create(&house, &vault, "us-east-1", &[NEAR]).unwrap();
    assert!(find(&vault, NEAR).unwrap().record.is_replica());
    assert_eq!(vault.maintain().unwrap(), [row.record.arn()], "its end is still reported");
}

#[test]
fn replicas_are_in_sync_when_several_write_at_once() {
    let house = House::new();
    let store = house.store();
    let vault = house.open_on(Arc::clone(&store) as Arc<dyn Store>);
    create(&house, &vault, "us-east-1", &[NEAR, FAR]).unwrap();
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let (house, vault) = (&house, &vault);
            scope.spawn(move || {
                for n in 0..8 {
                    let row = find(vault, "us-east-1").unwrap();
                    let (arn, token) = (row.record.arn(), format!("{writer}/{n}"));
                    let permit = house.permit("secretsmanager:PutSecretValue", &arn);
                    let (none, own, value) = (KeyPermits::none(), ChosenKey::default(), text("another"));
                    let value = (token.as_str(), &value);
                    vault.secrets().put_value(&permit, &none, &row, own, value, Vec::new()).unwrap();
                    let permit = house.permit("secretsmanager:TagResource", &arn);
                    vault.secrets().tag(&permit, &row, vec![(writer.to_string(), n.to_string())]).unwrap();
                }
            });
        }
    });
    assert_eq!(find(&vault, NEAR).unwrap().record.versions.len(), 33);
    check(&house, &vault, store.as_ref(), 0);
}
