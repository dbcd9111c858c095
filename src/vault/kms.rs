//! KMS's operations on the vault; permits as in [`super::secrets`].
//!
//! A key is named by its id, its ARN, or an alias's name or ARN. [`Kms::find`] turns
//! all four into the key, and needs no permit: it only says what is then authorised.

use super::kms_keyring::{Key, record_id};
use super::kms_record::{CustomerKey, KeyError, KeyRecord, KeyState, key_arn};
use super::scope::Scope;
use super::secrets::permitted;
use super::table::{Change, Row};
use super::{Vault, VaultError};
use crate::arn::{Arn, arn};
use crate::audit::Permit;
use jiff::Timestamp;
use std::sync::Arc;

/// Aliases of the services' own keys, in order.
pub const OWN_KEYS: [&str; 2] = ["alias/aws/secretsmanager", "alias/aws/ssm"];

/// Why an operation on a key fails.
#[derive(Debug, thiserror::Error)]
pub enum KmsFailure {
    /// The service refuses; the client is told so.
    #[error(transparent)]
    Refused(#[from] KeyError),
    /// The vault cannot; the operator is told so.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

/// A new key, as `CreateKey` describes it.
#[derive(Debug)]
pub struct NewKey {
    /// Free text.
    pub description: String,
    /// The key policy.
    pub policy: String,
    /// Tags.
    pub tags: Vec<(String, String)>,
}

/// A key that was found.
#[derive(Clone, Debug)]
pub enum FoundKey {
    /// A service's own key.
    Own(OwnKey),
    /// A key that a user made.
    Customer(Arc<Row<KeyRecord>>),
}

/// A service's own key of an account and Region. It comes into being at its first use.
#[derive(Clone, Debug)]
pub struct OwnKey {
    /// Account and Region.
    pub scope: Scope,
    /// Its alias.
    pub name: &'static str,
    /// The key id.
    pub key_id: String,
    /// Whether it was ever used.
    pub made: bool,
}

impl FoundKey {
    /// Account and Region.
    pub fn scope(&self) -> &Scope {
        match self {
            Self::Own(key) => &key.scope,
            Self::Customer(row) => &row.record.scope,
        }
    }

    /// The key id.
    pub fn key_id(&self) -> &str {
        match self {
            Self::Own(key) => &key.key_id,
            Self::Customer(row) => &row.record.key_id,
        }
    }

    /// The key ARN.
    pub fn arn(&self) -> String {
        key_arn(self.scope(), self.key_id())
    }
}

/// The key that new versions are to be sealed under; by default the service's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChosenKey {
    /// As the caller named it; absent for the service's own key.
    pub(crate) shown: Option<String>,
    /// ARN of a customer key.
    pub(crate) customer: Option<String>,
}

impl ChosenKey {
    /// The ARN of a customer key; the service's own key needs no permit.
    pub fn customer(&self) -> Option<&str> {
        self.customer.as_deref()
    }

    /// The key as the caller named it; absent for the service's own.
    pub fn shown(&self) -> Option<&str> {
        self.shown.as_deref()
    }

    /// The key, where `own` is the service's own one.
    pub(crate) fn key<'a>(&'a self, own: &'a str) -> Key<'a> {
        self.customer.as_deref().map_or(Key::Own(own), Key::Customer)
    }
}

/// KMS's view of a vault.
#[derive(Clone, Copy, Debug)]
pub struct Kms<'v>(pub(super) &'v Vault);

impl Kms<'_> {
    /// The key that `text` names.
    ///
    /// # Errors
    /// [`KeyError`] as `DescribeKey` answers it.
    pub fn find(&self, scope: &Scope, text: &str) -> Result<FoundKey, KeyError> {
        let (scope, name) = in_scope(scope, text)?;
        if name.starts_with("alias/") {
            return self.by_alias(scope, &name);
        }
        let own = OWN_KEYS.into_iter().find(|own| self.0.keyring.own_id(&scope, own) == name);
        if let Some(own) = own {
            return Ok(FoundKey::Own(self.own(scope, own)));
        }
        let row = self.0.keyring.records.get(&scope.id(&name));
        let row = row.filter(|row| row.record.customer.is_some());
        row.map(FoundKey::Customer).ok_or_else(|| {
            if is_key_id(&name) {
                KeyError::NoSuchKey(key_arn(&scope, &name))
            } else {
                KeyError::NotAKeyId(text.to_owned())
            }
        })
    }

    fn by_alias(&self, scope: Scope, name: &str) -> Result<FoundKey, KeyError> {
        if let Some(own) = OWN_KEYS.into_iter().find(|own| *own == name) {
            return Ok(FoundKey::Own(self.own(scope, own)));
        }
        let alias = self.0.keyring.aliases.get(&scope.id(name));
        let target = alias.and_then(|row| self.0.keyring.records.get(&scope.id(&row.record.target)));
        target
            .map(FoundKey::Customer)
            .ok_or_else(|| KeyError::NoSuchAlias(arn("kms", &scope.region, &scope.account, &[name])))
    }

    fn own(&self, scope: Scope, name: &'static str) -> OwnKey {
        let key_id = self.0.keyring.own_id(&scope, name);
        let made = self.0.keyring.records.get(&scope.id(name)).is_some();
        OwnKey { scope, name, key_id, made }
    }

    /// The ARN to authorise when no key has this name: what a policy for such a key
    /// would match.
    pub fn hypothetical_arn(scope: &Scope, text: &str) -> String {
        if text.starts_with("arn:") {
            return text.to_owned();
        }
        let kind = if text.starts_with("alias/") { "" } else { "key/" };
        arn("kms", &scope.region, &scope.account, &[kind, text])
    }

    /// The customer key with this ARN.
    pub fn customer(&self, arn: &str) -> Option<Arc<Row<KeyRecord>>> {
        let row = self.0.keyring.records.get(&record_id(arn)?)?;
        row.record.customer.is_some().then_some(row)
    }

    /// The key that a caller names for values of the service whose own key is `own`.
    /// Without a name, and for the empty one, that is the service's own.
    ///
    /// # Errors
    /// [`KeyError`]; another service's own key is one that does not exist for this service.
    pub fn choose(&self, scope: &Scope, own: &str, named: Option<&str>) -> Result<ChosenKey, KeyError> {
        let Some(named) = named.filter(|named| !named.is_empty()) else {
            return Ok(ChosenKey::default());
        };
        match self.find(scope, named)? {
            FoundKey::Own(key) if key.name == own && key.scope == *scope => Ok(ChosenKey::default()),
            FoundKey::Own(key) => Err(KeyError::OfAnotherService(key_arn(&key.scope, &key.key_id))),
            FoundKey::Customer(row) => {
                Ok(ChosenKey { shown: Some(named.to_owned()), customer: Some(row.record.arn()) })
            }
        }
    }

    /// The names of a key's aliases, in order.
    pub fn alias_names(&self, key: &KeyRecord) -> Vec<String> {
        self.0.keyring.names(key)
    }

    /// `CreateKey`.
    ///
    /// # Errors
    /// [`KmsFailure`].
    pub fn create(&self, permit: &Permit, scope: &Scope, new: NewKey) -> Result<KeyRecord, KmsFailure> {
        permitted(permit, &["kms:CreateKey"], "*")?;
        let key_id = uuid::Uuid::new_v4().to_string();
        let id = scope.id(&key_id);
        let record = KeyRecord {
            scope: scope.clone(),
            key_id,
            sealed: self.0.keyring.material(&id),
            customer: Some(CustomerKey {
                description: new.description,
                created: self.0.now(),
                state: KeyState::Enabled,
                policy: new.policy,
                tags: new.tags,
                schedule: None,
                rotations: Vec::new(),
            }),
        };
        self.0.keyring.records.change(&id, |_| Ok::<_, VaultError>((Change::Write(record.clone()), ())))?;
        Ok(record)
    }

    /// Customer keys of a scope, in order of id, after `after`, and the services' own keys
    /// that were used, before all others.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn page(
        &self,
        permit: &Permit,
        scope: &Scope,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<FoundKey>, VaultError> {
        permitted(permit, &["kms:ListKeys"], "*")?;
        let mut found = Vec::new();
        self.0.keyring.records.walk(&scope.id(""), None, |row| {
            if row.record.customer.is_some() {
                found.push(FoundKey::Customer(Arc::clone(row)));
            } else if let Some(own) = OWN_KEYS.into_iter().find(|own| *own == row.record.key_id) {
                found.push(FoundKey::Own(self.own(scope.clone(), own)));
            }
            super::table::Step::Next
        });
        found.sort_by(|a, b| a.key_id().cmp(b.key_id()));
        found.retain(|key| after.is_none_or(|after| key.key_id() > after));
        found.truncate(limit);
        Ok(found)
    }

    /// `EnableKey`, `DisableKey`.
    ///
    /// # Errors
    /// [`KmsFailure`].
    pub fn switch(&self, permit: &Permit, arn: &str, on: bool) -> Result<(), KmsFailure> {
        let action = if on { "kms:EnableKey" } else { "kms:DisableKey" };
        self.edit(permit, action, arn, |key, _| key.switch(on, arn))
    }

    /// `UpdateKeyDescription`.
    ///
    /// # Errors
    /// [`KmsFailure`].
    pub fn describe(&self, permit: &Permit, arn: &str, description: String) -> Result<(), KmsFailure> {
        self.edit(permit, "kms:UpdateKeyDescription", arn, |key, _| {
            key.changeable(arn)?;
            key.description = description;
            Ok(())
        })
    }

    /// `PutKeyPolicy`, in every state: who may cancel a deletion can still be changed.
    ///
    /// # Errors
    /// [`KmsFailure`].
    pub fn put_policy(&self, permit: &Permit, arn: &str, policy: String) -> Result<(), KmsFailure> {
        self.edit(permit, "kms:PutKeyPolicy", arn, |key, _| {
            key.policy = policy;
            Ok(())
        })
    }

    /// `TagResource`.
    ///
    /// # Errors
    /// [`KmsFailure`].
    pub fn tag(&self, permit: &Permit, arn: &str, tags: Vec<(String, String)>) -> Result<(), KmsFailure> {
        self.edit(permit, "kms:TagResource", arn, |key, _| key.add_tags(tags, arn))
    }

    /// `UntagResource`.
    ///
    /// # Errors
    /// [`KmsFailure`].
    pub fn untag(&self, permit: &Permit, arn: &str, keys: &[String]) -> Result<(), KmsFailure> {
        self.edit(permit, "kms:UntagResource", arn, |key, _| key.remove_tags(keys, arn))
    }

    /// `EnableKeyRotation`, every so many days.
    ///
    /// # Errors
    /// [`KmsFailure`].
    pub fn enable_rotation(&self, permit: &Permit, arn: &str, days: Option<u16>) -> Result<(), KmsFailure> {
        self.edit(permit, "kms:EnableKeyRotation", arn, |key, now| key.set_rotation(Some(days), arn, now))
    }

    /// `DisableKeyRotation`.
    ///
    /// # Errors
    /// [`KmsFailure`].
    pub fn disable_rotation(&self, permit: &Permit, arn: &str) -> Result<(), KmsFailure> {
        self.edit(permit, "kms:DisableKeyRotation", arn, |key, now| key.set_rotation(None, arn, now))
    }

    /// `RotateKeyOnDemand`.
    ///
    /// # Errors
    /// [`KmsFailure`].
    pub fn rotate(&self, permit: &Permit, arn: &str) -> Result<(), KmsFailure> {
        permitted(permit, &["kms:RotateKeyOnDemand"], arn)?;
        self.change(arn, |record, now| {
            let sealed = self.0.keyring.material(&record.scope.id(&record.key_id));
            record.rotate(sealed, true, now)
        })
    }

    /// Changes what a user decides about the key `arn`, once the permit is seen to be for that.
    pub(super) fn edit<T>(
        &self,
        permit: &Permit,
        action: &str,
        arn: &str,
        rule: impl FnOnce(&mut CustomerKey, Timestamp) -> Result<T, KeyError>,
    ) -> Result<T, KmsFailure> {
        permitted(permit, &[action], arn)?;
        self.change(arn, |record, now| {
            let customer = record.customer.as_mut().ok_or_else(|| KeyError::NoSuchKey(arn.to_owned()))?;
            rule(customer, now)
        })
    }

    /// Changes the record of the customer key `arn`. Nothing is written if nothing changes.
    pub(super) fn change<T>(
        &self,
        arn: &str,
        rule: impl FnOnce(&mut KeyRecord, Timestamp) -> Result<T, KeyError>,
    ) -> Result<T, KmsFailure> {
        let now = self.0.now();
        let gone = || KeyError::NoSuchKey(arn.to_owned());
        let id = record_id(arn).ok_or_else(gone)?;
        let answer = self.0.keyring.records.change(&id, |current| {
            let mut record = current.filter(|r| r.customer.is_some()).cloned().ok_or_else(gone)?;
            let answer = rule(&mut record, now)?;
            let change = if current == Some(&record) { Change::Keep } else { Change::Write(record) };
            Ok::<_, KmsFailure>((change, answer))
        })?;
        self.0.keyring.forget(&id);
        Ok(answer)
    }
}

/// Account, Region and bare name of what `text` names.
fn in_scope(scope: &Scope, text: &str) -> Result<(Scope, String), KeyError> {
    if !text.starts_with("arn:") {
        return Ok((scope.clone(), text.to_owned()));
    }
    let not_one = || KeyError::NotAKeyArn(text.to_owned());
    let arn: Arn = text.parse().map_err(|_| not_one())?;
    if arn.service != "kms" || arn.partition != "aws" {
        return Err(not_one());
    }
    if arn.region != scope.region {
        return Err(KeyError::OtherRegion(arn.region));
    }
    let name = match arn.resource.strip_prefix("key/") {
        Some(key_id) => key_id.to_owned(),
        None if arn.resource.starts_with("alias/") => arn.resource.clone(),
        None => return Err(not_one()),
    };
    Ok((Scope::new(arn.account, arn.region), name))
}

fn is_key_id(text: &str) -> bool {
    uuid::Uuid::try_parse(text).is_ok_and(|uuid| uuid.to_string() == text)
}
