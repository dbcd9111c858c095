//! Rotation of key material by time, with a clock that the test moves; what was sealed before still opens.

use crate::vault_kit::House;
use jiff::{SignedDuration, Timestamp};
use sealdock::clock::Clock as _;
use sealdock::vault::{FoundKey, KeyMaterial, Vault};

const DAY: SignedDuration = SignedDuration::from_hours(24);

fn materials(vault: &Vault, key: &str) -> Vec<KeyMaterial> {
    vault.kms().materials(&vault.kms().customer(key).unwrap().record)
}

/// When each material came, and whether that was asked for; the last one is the current one.
fn history(vault: &Vault, key: &str) -> Vec<Option<(Timestamp, bool)>> {
    let all = materials(vault, key);
    let current: Vec<usize> = (0..all.len()).filter(|place| all[*place].current).collect();
    assert_eq!(current, [all.len() - 1]);
    let found = FoundKey::Customer(vault.kms().customer(key).unwrap());
    assert_eq!(vault.kms().current_material(&found).as_ref(), all.last().map(|material| &material.id));
    all.iter().map(|material| material.rotation).collect()
}

/// What the broker's maintenance does; the keys that were rotated.
fn maintain(vault: &Vault) -> Vec<String> {
    let due = vault.kms().rotation_due();
    for key in &due {
        assert!(vault.kms().rotate_due(key).unwrap());
        assert!(!vault.kms().rotate_due(key).unwrap(), "once");
    }
    due
}

fn enable(house: &House, vault: &Vault, key: &str, days: u16) {
    let permit = house.permit("kms:EnableKeyRotation", key);
    vault.kms().enable_rotation(&permit, key, Some(days)).unwrap();
}

fn switch(house: &House, vault: &Vault, key: &str, on: bool) {
    let action = if on { "kms:EnableKey" } else { "kms:DisableKey" };
    vault.kms().switch(&house.permit(action, key), key, on).unwrap();
}

#[test]
fn material_is_replaced_in_time_and_the_old_one_kept() {
    let house = House::new();
    let vault = house.open();
    let key = house.key(&vault, "us-east-1", "alias/turning").unwrap();
    let other = house.key(&vault, "us-east-1", "alias/resting").unwrap();
    enable(&house, &vault, &key, 90);
    let first = materials(&vault, &key)[0].id.clone();
    house.clock.advance(DAY * 90 - SignedDuration::from_secs(1));
    assert!(maintain(&vault).is_empty(), "not due yet");
    house.clock.advance(SignedDuration::from_secs(1));
    let one = house.clock.now();
    assert_eq!(maintain(&vault), std::slice::from_ref(&key));
    drop(vault);

    // A rotation that is due while nothing runs comes at the next start; the one after it counts from then.
    house.clock.advance(DAY * 100);
    let vault = house.open();
    let two = house.clock.now();
    assert_eq!(maintain(&vault), std::slice::from_ref(&key));
    house.clock.advance(DAY * 89);
    assert!(maintain(&vault).is_empty());
    // One on demand leaves the schedule alone.
    vault.kms().rotate(&house.permit("kms:RotateKeyOnDemand", &key), &key).unwrap();
    let three = house.clock.now();
    house.clock.advance(DAY);
    assert_eq!(maintain(&vault), std::slice::from_ref(&key));
    let four = house.clock.now();
    let expected = [None, Some((one, false)), Some((two, false)), Some((three, true)), Some((four, false))];
    assert_eq!(history(&vault, &key), expected);
    assert_eq!(history(&vault, &other), [None]);
    let ids: Vec<String> = materials(&vault, &key).into_iter().map(|material| material.id).collect();
    assert_eq!(ids[0], first, "a material keeps its id");
    assert_eq!(ids.iter().collect::<std::collections::BTreeSet<_>>().len(), 5);
    vault.kms().disable_rotation(&house.permit("kms:DisableKeyRotation", &key), &key).unwrap();
    house.clock.advance(DAY * 1000);
    assert!(maintain(&vault).is_empty(), "switched off");
    drop(vault);
    let reopened: Vec<String> =
        materials(&house.open(), &key).into_iter().map(|material| material.id).collect();
    assert_eq!(reopened, ids);
}

#[test]
fn a_key_that_is_not_enabled_waits_and_is_rotated_when_it_is() {
    let house = House::new();
    let vault = house.open();
    let key = house.key(&vault, "us-east-1", "alias/waiting").unwrap();
    enable(&house, &vault, &key, 90);
    switch(&house, &vault, &key, false);
    house.clock.advance(DAY * 95);
    assert!(maintain(&vault).is_empty(), "disabled");
    switch(&house, &vault, &key, true);
    assert_eq!(maintain(&vault).len(), 1);

    let scheduled = house.permit("kms:ScheduleKeyDeletion", &key);
    house.clock.advance(DAY * 88);
    vault.kms().schedule_deletion(&scheduled, &key, 7).unwrap();
    house.clock.advance(DAY * 5);
    assert!(maintain(&vault).is_empty(), "pending deletion");
    vault.kms().cancel_deletion(&house.permit("kms:CancelKeyDeletion", &key), &key).unwrap();
    assert!(maintain(&vault).is_empty(), "disabled again");
    switch(&house, &vault, &key, true);
    assert_eq!(maintain(&vault).len(), 1);
    assert_eq!(history(&vault, &key).len(), 3);
}
