//! A broker that is killed while it destroys keys: each key is whole afterwards or destroyed, never half, and in the
//! end none of them is left in any file.
//!
//! The keys are made in the same process by a clock of 2020, so that their waiting periods have ended for the broker.

use crate::audit_kit::{self, event};
use crate::kit::{ACCOUNT, Kit, REGION, until};
use crate::store_erase::stands_in;
use jiff::SignedDuration;
use sealdock::audit::{AuditLog, Options, Permit};
use sealdock::clock::{Clock, ManualClock};
use sealdock::policy::{PolicySet, Request, evaluate};
use sealdock::secret::SecretValue;
use sealdock::store::{EmbeddedStore, Store};
use sealdock::vault::{
    KeyError, KeyPermits, NewKey, NewSecret, OWN_KEYS, Scope, SecretContent, SecretError, SecretFailure,
    Secrets, Unlock, Vault,
};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

const KEYS: usize = 150;

/// The past, and permits to do everything in it.
struct Past {
    clock: Arc<ManualClock>,
    log: AuditLog,
    scope: Scope,
    _scratch: tempfile::TempDir,
}

impl Past {
    fn new() -> Self {
        let scratch = audit_kit::scratch();
        Self {
            clock: Arc::new(ManualClock::new("2020-01-01T00:00:00Z".parse().unwrap())),
            log: AuditLog::open(Options::new(scratch.path().join("audit"), [7; 32])).unwrap(),
            scope: Scope::new(ACCOUNT, REGION),
            _scratch: scratch,
        }
    }

    fn permit(&self, action: &str, resource: &str) -> Permit {
        let principal = format!("arn:aws:iam::{ACCOUNT}:root").parse().unwrap();
        let decision = evaluate(&PolicySet::empty(), &Request::new(&principal, action, resource));
        self.log.record(event(0), decision).wait().unwrap()
    }

    fn open(&self, kit: &Kit, file: &Path) -> Vault {
        let store = Arc::new(EmbeddedStore::open(file).unwrap());
        let unlock = Unlock::KeyFile(kit.data.join("root.key"));
        Vault::open(store, &unlock, Arc::clone(&self.clock) as Arc<dyn Clock>).unwrap()
    }

    /// A key with a secret of the same name under it, scheduled for deletion; its ARN.
    fn make(&self, vault: &Vault, name: &str, value: &str) -> String {
        let new = NewKey { description: name.into(), policy: "{}".into(), tags: Vec::new() };
        let key = vault.kms().create(&self.permit("kms:CreateKey", "*"), &self.scope, new).unwrap().arn();
        let arn = Secrets::hypothetical_arn(&self.scope, name);
        let mut keys = KeyPermits::none();
        keys.add("first", self.permit("kms:GenerateDataKey", &key));
        let new = NewSecret {
            replicas: Vec::new(),
            name: name.to_owned(),
            token: "first".into(),
            description: None,
            key: vault.kms().choose(&self.scope, OWN_KEYS[0], Some(&key)).unwrap(),
            tags: Vec::new(),
            content: Some(SecretContent::String(SecretValue::from(value.to_owned()))),
        };
        let permit = self.permit("secretsmanager:CreateSecret", &arn);
        vault.secrets().create(&permit, &keys, &arn, &self.scope, new).unwrap();
        let permit = self.permit("kms:ScheduleKeyDeletion", &key);
        vault.kms().schedule_deletion(&permit, &key, 7).unwrap();
        key
    }

    /// Takes the deletion of a key back, and reads its secret.
    fn revive(&self, vault: &Vault, name: &str, key: &str) -> usize {
        vault.kms().cancel_deletion(&self.permit("kms:CancelKeyDeletion", key), key).unwrap();
        vault.kms().switch(&self.permit("kms:EnableKey", key), key, true).unwrap();
        self.read(vault, name, key).unwrap()
    }

    fn read(&self, vault: &Vault, name: &str, key: &str) -> Result<usize, SecretFailure> {
        let row = vault.secrets().find(&self.scope, name).unwrap();
        let mut keys = KeyPermits::none();
        keys.add("first", self.permit("kms:Decrypt", key));
        let permit = self.permit("secretsmanager:GetSecretValue", &row.record.arn());
        vault.secrets().get_value(&permit, &keys, &row, None, None).map(|read| read.value.len())
    }
}

/// How many keys of a copy of the vault are whole; the others must be destroyed.
fn whole(past: &Past, kit: &Kit, keys: &[(String, String)], length: usize) -> usize {
    let copy = kit.beside("copy.redb");
    std::fs::copy(kit.vault(), &copy).unwrap();
    let vault = past.open(kit, &copy);
    let mut whole = 0;
    for (name, key) in keys {
        if vault.kms().customer(key).is_some() {
            assert_eq!(past.revive(&vault, name, key), length, "{name}");
            whole += 1;
        } else {
            let read = past.read(&vault, name, key);
            assert!(
                matches!(
                    read,
                    Err(SecretFailure::Refused(SecretError::DecryptionFailure(KeyError::NoSuchKey(_))))
                ),
                "{name}: {read:?}"
            );
        }
    }
    drop(vault);
    std::fs::remove_file(copy).unwrap();
    whole
}

#[test]
fn a_kill_in_the_middle_of_destroying_keys_leaves_none_by_half() {
    let kit = Kit::new();
    // The audit log is there before the first kill.
    assert!(kit.start().stop().success());
    let past = Past::new();
    let value = kit.canary("shredded");
    let vault = past.open(&kit, &kit.vault());
    let keys: Vec<(String, String)> = (0..KEYS)
        .map(|number| {
            let name = format!("shredded/{number}");
            let key = past.make(&vault, &name, &value);
            (name, key)
        })
        .collect();
    drop(vault);
    let store = EmbeddedStore::open(&kit.vault()).unwrap();
    let states: Vec<_> = store.scan(b"K", None, usize::MAX).unwrap();
    assert_eq!(states.len(), KEYS);
    drop(store);
    assert_eq!(whole(&past, &kit, &keys, value.len()), KEYS);
    past.clock.advance(SignedDuration::from_hours(24));

    let mut left = Vec::new();
    // Longer and longer lives, so that on any machine some end in the middle, and one gets through.
    for delay in (0..2_000).step_by(12) {
        let broker = kit.launch();
        thread::sleep(Duration::from_millis(delay));
        broker.kill();
        kit.audit_intact();
        left.push(whole(&past, &kit, &keys, value.len()));
        if left.ends_with(&[0]) {
            break;
        }
    }
    assert!(left.is_sorted_by(|before, after| before >= after), "{left:?}");

    // In the end everything that is due is done.
    let broker = kit.start();
    let vault_is_clean =
        || !kit.data.join("vault.redb.old").exists() && !kit.data.join("vault.redb.new").exists();
    until("the keys are destroyed and erased", || {
        let some = states.iter().step_by(40);
        vault_is_clean() && some.into_iter().all(|(_, state)| !stands_in(&kit.data, &state.bytes))
    });
    assert!(broker.stop().success());
    assert!(states.iter().all(|(_, state)| !stands_in(&kit.data, &state.bytes)));
    assert_eq!(whole(&past, &kit, &keys, value.len()), 0);
    let destroyed: Vec<String> = kit
        .audit(0)
        .into_iter()
        .filter(|record| record["eventName"] == "DeleteKey")
        .map(|record| record["additionalEventData"]["keyId"].as_str().unwrap().to_owned())
        .collect();
    for (_, key) in &keys {
        assert!(destroyed.contains(key), "no record of the end of {key}");
    }
    assert!(left.iter().any(|count| (1..KEYS).contains(count)), "no kill met the destruction: {left:?}");
}
