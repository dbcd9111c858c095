//! What time does to a vault, with a clock that the test moves: recovery windows, days of
//! access, sessions, old versions; and that nothing stays in the store that no version names.

use crate::vault_kit::{House, blobs, secure_string};
use jiff::{SignedDuration, Timestamp};
use sealdock::clock::Clock as _;
use sealdock::store::{EmbeddedStore, Record, Store, StoreError};
use sealdock::vault::{
    InlinePolicy, NewParameter, Row, SecretError, SecretFailure, SecretRecord, SessionClaims, TokenError,
    Vault, VaultError, WantedTier, parameter_arn,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const DAY: SignedDuration = SignedDuration::from_hours(24);

#[test]
fn a_deleted_secret_is_destroyed_when_its_recovery_window_has_ended() {
    let house = House::new();
    let vault = house.open();
    let arn = house.create(&vault, "gone").unwrap().arn();
    house.put(&vault, "gone", "second");
    house.create(&vault, "later").unwrap();
    house.create(&vault, "kept").unwrap();
    assert_eq!(house.delete(&vault, "gone", Some(7)), house.clock.now() + DAY * 7);
    house.delete(&vault, "later", Some(30));
    let marked = |answer| matches!(answer, Err(SecretFailure::Refused(SecretError::MarkedForDeletion)));
    assert!(marked(house.read(&vault, "gone")));
    drop(vault);

    let vault = house.open();
    assert!(marked(house.read(&vault, "gone")), "also after a restart");
    let again = house.create(&vault, "gone");
    assert!(matches!(again, Err(SecretFailure::Refused(SecretError::NameScheduledForDeletion))), "{again:?}");
    house.clock.advance(DAY * 7 - SignedDuration::from_secs(1));
    assert_eq!(vault.maintain().unwrap(), [""; 0]);
    house.clock.advance(SignedDuration::from_secs(1));
    assert_eq!(vault.maintain().unwrap(), std::slice::from_ref(&arn));
    assert_eq!(vault.maintain().unwrap(), [""; 0]);
    assert!(vault.secrets().find(&house.scope, "gone").is_none());
    assert_eq!(house.read(&vault, "kept").unwrap(), 5);
    drop(vault);

    assert_eq!(blobs(house.store().as_ref()), 2, "both versions are gone for good");
    // A window that ends while nothing runs is over at the next start.
    house.clock.advance(DAY * 30);
    let vault = house.open();
    assert_eq!(vault.maintain().unwrap().len(), 1);
    let fresh = house.create(&vault, "gone").unwrap();
    assert_ne!(fresh.arn(), arn, "a new secret of the same name is another one");
    drop(vault);
    assert_eq!(blobs(house.store().as_ref()), 2);
}

#[test]
fn a_deleted_secret_can_be_restored_until_its_recovery_window_has_ended() {
    let house = House::new();
    let vault = house.open();
    let arn = house.create(&vault, "back").unwrap().arn();
    let restore = |vault: &Vault, row: &Row<SecretRecord>| {
        let permit = house.permit("secretsmanager:RestoreSecret", &arn);
        vault.secrets().restore(&permit, row)
    };
    house.delete(&vault, "back", Some(7));
    house.clock.advance(DAY * 7 - SignedDuration::from_secs(1));
    drop(vault);
    let vault = house.open();
    let record = restore(&vault, &house.row(&vault, "back")).unwrap();
    assert_eq!((record.deletion, record.changed), (None, house.clock.now()));
    house.clock.advance(DAY * 30);
    assert_eq!(vault.maintain().unwrap(), [""; 0]);
    assert_eq!(house.read(&vault, "back").unwrap(), 5);

    house.delete(&vault, "back", Some(7));
    let row = house.row(&vault, "back");
    house.clock.advance(DAY * 7);
    assert!(vault.secrets().find(&house.scope, "back").is_none(), "though maintenance has not come by");
    let late = restore(&vault, &row);
    assert!(matches!(late, Err(SecretFailure::Refused(SecretError::NotFound))), "{late:?}");
    assert_eq!(vault.maintain().unwrap(), [arn]);
}

#[test]
fn the_day_of_the_last_read_is_kept() {
    let house = House::new();
    let vault = house.open();
    house.create(&vault, "db").unwrap();
    assert_eq!(house.row(&vault, "db").record.accessed, None);
    house.read(&vault, "db").unwrap();
    vault.maintain().unwrap();
    let day = |text: &str| Some(text.parse::<Timestamp>().unwrap());
    let accessed = |vault: &Vault| {
        let row = house.row(vault, "db");
        assert_eq!(row.record.accessed, row.record.versions[0].accessed);
        row.record.accessed
    };
    assert_eq!(accessed(&vault), day("2026-11-24T00:00:00Z"));
    let changed = house.row(&vault, "db").record.changed;
    house.clock.advance(SignedDuration::from_hours(13));
    vault.maintain().unwrap();
    assert_eq!(accessed(&vault), day("2026-11-24T00:00:00Z"), "nobody read it");
    house.clock.advance(SignedDuration::from_hours(2));
    house.read(&vault, "db").unwrap();
    vault.maintain().unwrap();
    drop(vault);
    let vault = house.open();
    assert_eq!(accessed(&vault), day("2026-11-25T00:00:00Z"));
    assert_eq!(house.row(&vault, "db").record.changed, changed, "a read is no change");
}

#[test]
fn deletion_leaves_no_value_in_the_store() {
    let house = House::new();
    let store = house.store();
    let vault = house.open_on(Arc::clone(&store) as Arc<dyn Store>);
    for name in ["a", "b"] {
        house.create(&vault, name).unwrap();
        house.put(&vault, name, "second");
        house.put(&vault, name, "second");
    }
    let arn = parameter_arn(&house.scope, "p");
    for version in 1..=3 {
        assert_eq!(house.put_parameter(&vault, &secure_string("p")).unwrap(), version);
    }
    let (key, _) = vault.access_keys().create("arn:aws:iam::111122223333:root").unwrap();
    assert_eq!(blobs(store.as_ref()), 4 + 3 + 1, "a repeated request leaves no second value");

    house.delete(&vault, "a", None);
    assert_eq!(blobs(store.as_ref()), 2 + 3 + 1);
    house.delete(&vault, "b", None);
    let row = vault.parameters().find(&house.scope, "p").unwrap();
    vault.parameters().delete(&house.permit("ssm:DeleteParameter", &arn), &row).unwrap();
    assert!(vault.access_keys().delete(&key.id).unwrap());
    assert_eq!(blobs(store.as_ref()), 0);
    assert_eq!(store.scan(b"S", None, 9).unwrap().len() + store.scan(b"P", None, 9).unwrap().len(), 0);
}

#[test]
fn old_versions_without_a_stage_go_with_their_values() {
    let house = House::new();
    let store = house.store();
    let vault = house.open_on(Arc::clone(&store) as Arc<dyn Store>);
    house.create(&vault, "db").unwrap();
    for version in 0..109 {
        house.put(&vault, "db", &format!("token {version}"));
    }
    assert_eq!(blobs(store.as_ref()), 110, "none is older than a day");
    house.clock.advance(DAY);
    house.put(&vault, "db", "the last");
    assert_eq!((house.row(&vault, "db").record.versions.len(), blobs(store.as_ref())), (100, 100));
    assert_eq!(house.read(&vault, "db").unwrap(), "the last".len());
}

#[test]
fn a_session_ends_in_time() {
    let house = House::new();
    let vault = house.open();
    let now = house.clock.now();
    let claims = SessionClaims {
        access_key_id: vault.session_key_id("111122223333"),
        principal: "arn:aws:iam::111122223333:role/app".into(),
        session_name: "task".into(),
        principal_id: "AROAEXAMPLE".into(),
        created: now,
        expires: now + SignedDuration::from_hours(6),
        tags: vec![("team".into(), "x".into())],
        ..SessionClaims::default()
    };
    let (_, token) = vault.issue_session(&claims);
    house.clock.advance(SignedDuration::from_hours(6) - SignedDuration::from_secs(1));
    let key = claims.access_key_id.as_str();
    // Opened, and then known.
    for _ in 0..2 {
        assert_eq!(*vault.session(key, &token).unwrap(), claims);
    }
    let (_, second) =
        vault.issue_session(&SessionClaims { access_key_id: "ASIAOTHER".into(), ..claims.clone() });
    for (key, token, what) in [(key, &second, "the token"), ("ASIAOTHER", &token, "the access key")] {
        assert!(matches!(vault.session(key, token), Err(TokenError::Invalid)), "{what} is another session's");
    }
    let other = House::new();
    assert!(matches!(other.open().session(key, &token), Err(TokenError::Invalid)), "of another vault");
    house.clock.advance(SignedDuration::from_secs(1));
    assert!(matches!(vault.session(key, &token), Err(TokenError::Expired)));
}

/// A store whose process dies when a secret's metadata is to be written.
#[derive(Debug)]
struct Dying {
    store: Arc<EmbeddedStore>,
    armed: AtomicBool,
    dead: AtomicBool,
}

impl Dying {
    fn alive(&self) -> Result<&EmbeddedStore, StoreError> {
        let dead = self.dead.load(Ordering::SeqCst);
        if dead { Err(StoreError::Failed("the process is gone".into())) } else { Ok(&self.store) }
    }
}

impl Store for Dying {
    fn get(&self, key: &[u8]) -> Result<Option<Record>, StoreError> {
        self.alive()?.get(key)
    }

    fn put(&self, key: &[u8], expected: Option<u64>, bytes: &[u8]) -> Result<u64, StoreError> {
        if self.armed.load(Ordering::SeqCst) && key.starts_with(b"S") {
            self.dead.store(true, Ordering::SeqCst);
        }
        self.alive()?.put(key, expected, bytes)
    }

    fn delete(&self, key: &[u8], expected: u64) -> Result<(), StoreError> {
        self.alive()?.delete(key, expected)
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

#[test]
fn a_value_that_a_crash_left_without_metadata_is_swept_at_the_next_start() {
    let house = House::new();
    let store = house.store();
    let dying = Arc::new(Dying {
        store: Arc::clone(&store),
        armed: AtomicBool::new(false),
        dead: AtomicBool::new(false),
    });
    let vault = house.open_on(Arc::clone(&dying) as Arc<dyn Store>);
    house.create(&vault, "kept").unwrap();
    dying.armed.store(true, Ordering::SeqCst);
    let failed = house.create(&vault, "lost");
    assert!(
        matches!(failed, Err(SecretFailure::Vault(VaultError::Store(StoreError::Failed(_))))),
        "{failed:?}"
    );
    drop(vault);
    assert_eq!(blobs(store.as_ref()), 2, "the value of `lost` is there, and nothing names it");

    let vault = house.open_on(Arc::clone(&store) as Arc<dyn Store>);
    assert_eq!(blobs(store.as_ref()), 1);
    assert!(vault.secrets().find(&house.scope, "lost").is_none());
    assert_eq!(house.read(&vault, "kept").unwrap(), 5);
    house.create(&vault, "lost").unwrap();
}

fn put_with_policies(house: &House, vault: &Vault, name: &str, policies: Option<&str>) {
    let policies = policies.map(|text| InlinePolicy::parse_list(text).unwrap());
    let new = NewParameter { tier: Some(WantedTier::Advanced), policies, ..secure_string(name) };
    house.put_parameter(vault, &new).unwrap();
}

/// Carries out what is due; says which parameter and which kind of policy.
fn enforced(vault: &Vault) -> Vec<(String, &'static str)> {
    let due = vault.parameters().due();
    due.iter().for_each(|due| vault.parameters().enforce(due).unwrap());
    due.into_iter().map(|due| (due.name, due.policy.rule.name())).collect()
}

#[test]
fn parameter_policies_act_when_they_are_due_and_once() {
    let house = House::new();
    let store = house.store();
    let vault = house.open_on(Arc::clone(&store) as Arc<dyn Store>);
    // The clock stands at 2026-11-24T10:00:00Z.
    let policies = r#"[
        {"Type": "Expiration", "Version": "1.0", "Attributes": {"Timestamp": "2026-11-27T10:00:00Z"}},
        {"Type": "ExpirationNotification", "Version": "1.0", "Attributes": {"Before": "1", "Unit": "Days"}},
        {"Type": "NoChangeNotification", "Version": "1.0", "Attributes": {"After": "30", "Unit": "Hours"}}]"#;
    put_with_policies(&house, &vault, "/a", Some(policies));
    put_with_policies(&house, &vault, "/b", None);
    let a = |kind: &'static str| ("/a".to_owned(), kind);
    assert!(enforced(&vault).is_empty() && !vault.parameter_policy_is_due());
    house.clock.advance(DAY);
    // A change begins the wait anew.
    put_with_policies(&house, &vault, "/a", None);
    house.clock.advance(SignedDuration::from_hours(23));
    assert!(enforced(&vault).is_empty());
    house.clock.advance(SignedDuration::from_hours(7));
    assert!(vault.parameter_policy_is_due());
    assert_eq!(enforced(&vault), [a("ExpirationNotification"), a("NoChangeNotification")]);
    assert!(enforced(&vault).is_empty(), "each once");
    // What has been announced stays announced; a change is waited for again.
    put_with_policies(&house, &vault, "/a", None);
    drop(vault);
    house.clock.advance(DAY);
    let vault = house.open_on(Arc::clone(&store) as Arc<dyn Store>);
    assert!(vault.parameters().find(&house.scope, "/a").is_none(), "gone for readers before maintenance");
    assert_eq!(enforced(&vault), [a("Expiration")]);
    assert_eq!(blobs(store.as_ref()), 1, "only the other parameter's value is left");
    assert!(vault.parameters().find(&house.scope, "/b").is_some());
}

#[test]
fn a_policy_that_changed_meanwhile_is_not_carried_out() {
    let house = House::new();
    let vault = house.open();
    let expires = |at: &str| {
        format!(r#"[{{"Type": "Expiration", "Version": "1.0", "Attributes": {{"Timestamp": "{at}"}}}}]"#)
    };
    put_with_policies(&house, &vault, "/a", Some(&expires("2026-11-24T09:00:00Z")));
    let due = vault.parameters().due();
    assert_eq!(due.len(), 1);
    put_with_policies(&house, &vault, "/a", Some(&expires("2026-12-24T09:00:00Z")));
    due.iter().for_each(|due| vault.parameters().enforce(due).unwrap());
    let row = vault.parameters().find(&house.scope, "/a").unwrap();
    assert_eq!(row.record.versions.len(), 2);
    assert!(vault.parameters().due().is_empty());
}
