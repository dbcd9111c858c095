//! SecureStrings under customer keys: what opens them, and what ends them.

use crate::vault_kit::{House, blobs, secure_string};
use jiff::SignedDuration;
use sealdock::store::Store;
use sealdock::vault::{
    KeyError, KeyPermits, NewParameter, ParameterError, ParameterFailure, Selector, Tier, Vault, VaultError,
    WantedTier, parameter_arn,
};
use std::sync::Arc;

/// Reads a parameter with a permit for `of` under `key`.
fn read(
    house: &House,
    vault: &Vault,
    name: &str,
    permit: Option<(&str, &str, &str)>,
) -> Result<usize, ParameterFailure> {
    let row = vault.parameters().find(&house.scope, name).unwrap();
    let mut keys = KeyPermits::none();
    if let Some((action, key, of)) = permit {
        keys.add(of, house.permit(action, key));
    }
    let permit = house.permit("ssm:GetParameter", &row.record.arn());
    let read = vault.parameters().get(&permit, &keys, &row, &Selector::Latest, true)?;
    Ok(read.value.len())
}

fn under(key: &str, name: &str) -> NewParameter {
    NewParameter { key_id: Some(key.to_owned()), ..secure_string(name) }
}

fn not_permitted<T: std::fmt::Debug>(outcome: Result<T, ParameterFailure>) {
    assert!(matches!(outcome, Err(ParameterFailure::Vault(VaultError::NotPermitted))), "{outcome:?}");
}

fn refused<T: std::fmt::Debug>(outcome: Result<T, ParameterFailure>) -> ParameterError {
    match outcome {
        Err(ParameterFailure::Refused(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_value_opens_with_the_permit_for_its_key_and_its_parameter_only() {
    let house = House::new();
    let vault = house.open();
    let key = house.key(&vault, "us-east-1", "alias/mine").unwrap();
    let other = house.key(&vault, "us-east-1", "alias/other").unwrap();
    house.put_parameter(&vault, &under("alias/mine", "/a")).unwrap();
    house.put_parameter(&vault, &under(&key, "/b")).unwrap();
    let (a, b) = (parameter_arn(&house.scope, "/a"), parameter_arn(&house.scope, "/b"));
    assert_eq!(read(&house, &vault, "/a", Some(("kms:Decrypt", &key, &a))).unwrap(), 5);
    not_permitted(read(&house, &vault, "/a", None));
    not_permitted(read(&house, &vault, "/a", Some(("kms:Decrypt", &key, &b))));
    not_permitted(read(&house, &vault, "/a", Some(("kms:Decrypt", &other, &a))));
    not_permitted(read(&house, &vault, "/a", Some(("kms:Encrypt", &key, &a))));
    let row = vault.parameters().find(&house.scope, "/a").unwrap();
    assert_eq!(row.record.latest().unwrap().key_id.as_deref(), Some("alias/mine"));
    assert_eq!(row.record.latest().unwrap().customer_key.as_deref(), Some(key.as_str()));
    let permit = house.permit("ssm:GetParameter", &a);
    let sealed =
        vault.parameters().get(&permit, &KeyPermits::none(), &row, &Selector::Latest, false).unwrap();
    assert!(sealed.value.len() > 5, "its sealed form takes no key");
}

#[test]
fn nothing_is_written_without_a_permit_for_the_key() {
    let house = House::new();
    let store = house.store();
    let vault = house.open_on(Arc::clone(&store) as Arc<dyn Store>);
    let key = house.key(&vault, "us-east-1", "alias/mine").unwrap();
    let new = under("alias/mine", "/a");
    let arn = parameter_arn(&house.scope, "/a");
    let sealing = vault.parameters().sealing(&house.scope, &new).unwrap();
    assert_eq!((sealing.key.customer(), sealing.tier), (Some(key.as_str()), Tier::Standard));
    let put = |keys: &KeyPermits| {
        let permit = house.permit("ssm:PutParameter", &arn);
        vault.parameters().put(&permit, keys, &arn, &house.scope, &new, &sealing)
    };
    not_permitted(put(&KeyPermits::none()));
    let mut keys = KeyPermits::none();
    keys.add(arn.as_str(), house.permit("kms:Decrypt", &key));
    not_permitted(put(&keys));
    keys.add("another", house.permit("kms:Encrypt", &key));
    not_permitted(put(&keys));
    assert!(vault.parameters().find(&house.scope, "/a").is_none());
    assert_eq!(blobs(store.as_ref()), 0);
    keys.add(arn.as_str(), house.permit("kms:Encrypt", &key));
    assert_eq!(put(&keys).unwrap(), (1, Tier::Standard));
}

#[test]
fn a_write_that_was_overtaken_writes_nothing_under_another_key() {
    let house = House::new();
    let vault = house.open();
    let key = house.key(&vault, "us-east-1", "alias/mine").unwrap();
    house.put_parameter(&vault, &secure_string("/a")).unwrap();
    let new = secure_string("/a");
    let stale = vault.parameters().sealing(&house.scope, &new).unwrap();
    assert_eq!(stale.key.customer(), None);
    house.put_parameter(&vault, &under("alias/mine", "/a")).unwrap();
    let arn = parameter_arn(&house.scope, "/a");
    let permit = house.permit("ssm:PutParameter", &arn);
    let put = vault.parameters().put(&permit, &KeyPermits::none(), &arn, &house.scope, &new, &stale);
    assert_eq!(refused(put), ParameterError::Concurrent);
    // The key of the last version stays, until another one is named.
    assert_eq!(house.put_parameter(&vault, &new).unwrap(), 3);
    let row = vault.parameters().find(&house.scope, "/a").unwrap();
    assert_eq!(row.record.latest().unwrap().customer_key.as_deref(), Some(key.as_str()));
    assert_eq!(house.put_parameter(&vault, &under("alias/aws/ssm", "/a")).unwrap(), 4);
    assert_eq!(read(&house, &vault, "/a", None).unwrap(), 5);
}

#[test]
fn a_move_to_the_advanced_tier_is_another_sealing() {
    let house = House::new();
    let vault = house.open();
    house.key(&vault, "us-east-1", "alias/mine").unwrap();
    let mut new = under("alias/mine", "/a");
    let standard = vault.parameters().sealing(&house.scope, &new).unwrap();
    new.tier = Some(WantedTier::Advanced);
    let advanced = vault.parameters().sealing(&house.scope, &new).unwrap();
    assert_eq!((standard.tier, advanced.tier), (Tier::Standard, Tier::Advanced));
    house.put_parameter(&vault, &new).unwrap();
    new.tier = None;
    assert_eq!(vault.parameters().sealing(&house.scope, &new).unwrap(), advanced, "it stays advanced");
}

#[test]
fn a_destroyed_key_takes_the_values_with_it_and_nothing_else() {
    let house = House::new();
    let vault = house.open();
    let key = house.key(&vault, "us-east-1", "alias/mine").unwrap();
    house.put_parameter(&vault, &secure_string("/a")).unwrap();
    house.put_parameter(&vault, &under("alias/mine", "/a")).unwrap();
    let arn = parameter_arn(&house.scope, "/a");
    let permit = || Some(("kms:Decrypt", key.as_str(), arn.as_str()));
    vault.kms().switch(&house.permit("kms:DisableKey", &key), &key, false).unwrap();
    let disabled = refused(read(&house, &vault, "/a", permit()));
    assert_eq!(disabled, ParameterError::Key(KeyError::Disabled(key.clone())));
    let put = refused(house.put_parameter(&vault, &secure_string("/a")));
    assert_eq!(put, ParameterError::Key(KeyError::Disabled(key.clone())));
    let deletion = house.permit("kms:ScheduleKeyDeletion", &key);
    vault.kms().schedule_deletion(&deletion, &key, 7).unwrap();
    let pending = refused(read(&house, &vault, "/a", permit()));
    assert_eq!(pending, ParameterError::Key(KeyError::PendingDeletion(key.clone())));
    house.clock.advance(SignedDuration::from_hours(8 * 24));
    assert!(vault.kms().destroy(&key).unwrap());
    let gone = refused(read(&house, &vault, "/a", permit()));
    assert_eq!(gone, ParameterError::Key(KeyError::NoSuchKey(key.clone())));
    drop(vault);
    let vault = house.open();
    let gone = refused(read(&house, &vault, "/a", permit()));
    assert_eq!(gone, ParameterError::Key(KeyError::NoSuchKey(key.clone())));
    // The first version is under the service's own key.
    let row = vault.parameters().find(&house.scope, "/a").unwrap();
    let get = house.permit("ssm:GetParameter", &arn);
    let first = vault.parameters().get(&get, &KeyPermits::none(), &row, &Selector::Version(1), true);
    assert_eq!(first.unwrap().value.len(), 5);
    let named = refused(house.put_parameter(&vault, &secure_string("/a")));
    assert!(matches!(named, ParameterError::Key(KeyError::NoSuchAlias(_))), "{named:?}");
    assert_eq!(house.put_parameter(&vault, &under("alias/aws/ssm", "/a")).unwrap(), 3);
}

#[test]
fn keys_of_other_services_regions_and_texts_are_no_keys_of_parameters() {
    let house = House::new();
    let vault = house.open();
    let far = house.key(&vault, "eu-west-1", "alias/far").unwrap();
    let refusal = |key: &str| match refused(house.put_parameter(&vault, &under(key, "/a"))) {
        ParameterError::Key(error) => error,
        other => panic!("{other}"),
    };
    assert!(matches!(refusal("alias/aws/secretsmanager"), KeyError::OfAnotherService(_)));
    assert!(matches!(refusal("alias/far"), KeyError::NoSuchAlias(_)));
    assert!(matches!(refusal(&far), KeyError::OtherRegion(_)));
    assert!(matches!(refusal("key"), KeyError::NotAKeyId(_)));
    assert!(vault.parameters().find(&house.scope, "/a").is_none());
}
