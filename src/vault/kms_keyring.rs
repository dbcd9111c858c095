//! The keyring: KEKs opened for use, the keys that they belong to, and the names of those.
//!
//! ```text
//! Key::Own(name)       a service's own key, made at its first use. Keys under other
//!                      texts are from vaults of before there were customer keys: they open
//!                      what they sealed
//! Key::Customer(arn)   needs a permit for this key, and the key enabled
//! ```
//!
//! INVARIANT: only [`Keyring::to_open`] and [`Keyring::to_seal`] give the [`Kek`] of a customer key,
//! and [`Keyring::to_copy`] for what stays in the vault.

use super::VaultError;
use super::kms_permits::KeyPermits;
use super::kms_record::{AliasRecord, KeyError, KeyRecord};
use super::scope::Scope;
use super::seal::{Key as KeyBytes, Keys, random};
use super::table::{Change, Stored, Table};
use crate::arn::Arn;
use crate::store::Store;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

/// Actions that allow to seal under a customer key.
const SEAL: &[&str] = &["kms:GenerateDataKey", "kms:Encrypt"];

/// The key of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key<'a> {
    /// One of the vault's own, by name.
    Own(&'a str),
    /// A customer key, by its ARN.
    Customer(&'a str),
}

/// Why there is no key to use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyRefusal {
    /// The key does not exist, or is not enabled.
    #[error(transparent)]
    Unusable(#[from] KeyError),
    /// The vault cannot.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

/// The opened materials of a key, wiped when dropped.
pub(crate) struct Kek {
    newest: KeyBytes,
    older: Vec<KeyBytes>,
}

impl Kek {
    /// What is sealed now is sealed under this.
    pub(crate) fn newest(&self) -> &KeyBytes {
        &self.newest
    }

    /// What may have sealed something, newest first.
    pub(crate) fn all(&self) -> impl Iterator<Item = &KeyBytes> {
        std::iter::once(&self.newest).chain(&self.older)
    }
}

/// All keys of a vault.
pub(crate) struct Keyring {
    keys: Arc<Keys>,
    pub(crate) records: Table<KeyRecord>,
    pub(crate) aliases: Table<AliasRecord>,
    /// Record ids of customer keys -> names of their aliases.
    names: RwLock<HashMap<String, BTreeSet<String>>>,
    own: Opened,
    customer: Opened,
}

/// Opened keys by record id; they are as secret as the derived keys beside them.
type Opened = RwLock<HashMap<String, Arc<Kek>>>;

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keyring(..)")
    }
}

impl Keyring {
    pub(crate) fn load(store: &Arc<dyn Store>, keys: &Arc<Keys>) -> Result<Self, VaultError> {
        let ring = Self {
            records: Table::load(Arc::clone(store), Arc::clone(keys))?,
            aliases: Table::load(Arc::clone(store), Arc::clone(keys))?,
            keys: Arc::clone(keys),
            names: RwLock::default(),
            own: Opened::default(),
            customer: Opened::default(),
        };
        for row in ring.aliases.page("", None, usize::MAX) {
            ring.point(&row.record.scope, &row.record.name, None, Some(&row.record.target));
        }
        Ok(ring)
    }

    /// The key, to open `value`, which it sealed.
    pub(crate) fn to_open(
        &self,
        scope: &Scope,
        key: Key<'_>,
        value: &str,
        permits: &KeyPermits,
    ) -> Result<Arc<Kek>, KeyRefusal> {
        match key {
            Key::Customer(arn) => self.of_customer(arn, |arn| permits.cover(&["kms:Decrypt"], arn, value)),
            Key::Own(name) => Ok(self.own(scope, name)?),
        }
    }

    /// The key, to seal `value` under.
    pub(crate) fn to_seal(
        &self,
        scope: &Scope,
        key: Key<'_>,
        value: &str,
        permits: &KeyPermits,
    ) -> Result<Arc<Kek>, KeyRefusal> {
        match key {
            Key::Customer(arn) => self.of_customer(arn, |arn| permits.cover(SEAL, arn, value)),
            Key::Own(name) => Ok(self.made(scope, name)?),
        }
    }

    /// The key, to move values to or from replicas, which keeps them in the vault and gives nothing
    /// out. The permit for a replica's key was asked when the replica got it.
    pub(crate) fn to_copy(&self, scope: &Scope, key: Key<'_>) -> Result<Arc<Kek>, KeyRefusal> {
        match key {
            Key::Customer(arn) => self.of_customer(arn, |_| true),
            Key::Own(name) => Ok(self.made(scope, name)?),
        }
    }

    fn of_customer(&self, arn: &str, permitted: impl FnOnce(&str) -> bool) -> Result<Arc<Kek>, KeyRefusal> {
        let id = record_id(arn).ok_or_else(|| KeyError::NotAKeyArn(arn.to_owned()))?;
        let row = self.records.get(&id).ok_or_else(|| KeyError::NoSuchKey(arn.to_owned()))?;
        let customer = row.record.customer.as_ref().ok_or(VaultError::NotPermitted)?;
        if !permitted(arn) {
            return Err(VaultError::NotPermitted.into());
        }
        customer.usable(arn)?;
        if let Some(kek) = cached(&self.customer, &id) {
            return Ok(kek);
        }
        let kek = Arc::new(self.open(&row.record)?);
        let mut opened = self.customer.write().unwrap_or_else(PoisonError::into_inner);
        // INVARIANT: what `forget` has removed does not come back: it removes after the record has
        // changed, and this looks at the record while `forget` waits.
        if self.records.get(&id).is_some_and(|now| Arc::ptr_eq(&now, &row)) {
            opened.insert(id, Arc::clone(&kek));
        }
        Ok(kek)
    }

    /// One of the vault's own keys.
    pub(crate) fn own(&self, scope: &Scope, name: &str) -> Result<Arc<Kek>, VaultError> {
        let id = scope.id(name);
        if let Some(kek) = cached(&self.own, &id) {
            return Ok(kek);
        }
        self.open_own(&self.records.get(&id).ok_or(VaultError::Unreadable)?.record)
    }

    /// Drops the opened key: its record has changed or is gone.
    pub(crate) fn forget(&self, id: &str) {
        self.customer.write().unwrap_or_else(PoisonError::into_inner).remove(id);
    }

    /// One of the vault's own keys, made at its first use.
    pub(crate) fn made(&self, scope: &Scope, name: &str) -> Result<Arc<Kek>, VaultError> {
        let id = scope.id(name);
        if let Some(kek) = cached(&self.own, &id) {
            return Ok(kek);
        }
        let record = self.records.change(&id, |current| {
            Ok::<_, VaultError>(match current {
                Some(record) => (Change::Keep, record.clone()),
                None => {
                    let record = KeyRecord {
                        scope: scope.clone(),
                        key_id: name.to_owned(),
                        sealed: self.material(&id),
                        customer: None,
                    };
                    (Change::Write(record.clone()), record)
                }
            })
        })?;
        self.open_own(&record)
    }

    fn open_own(&self, record: &KeyRecord) -> Result<Arc<Kek>, VaultError> {
        if record.customer.is_some() {
            return Err(VaultError::NotPermitted);
        }
        let kek = Arc::new(self.open(record)?);
        self.own.write().unwrap_or_else(PoisonError::into_inner).insert(record.id(), Arc::clone(&kek));
        Ok(kek)
    }

    /// Fresh key material, sealed for the record `id`.
    pub(crate) fn material(&self, id: &str) -> String {
        hex::encode(self.keys.seal_kek(&self.keys.store_key(KeyRecord::KIND, id), &random()))
    }

    /// The id that a material shows: a keyed digest of its sealed form, which stays as it is as long
    /// as the material is there.
    pub(crate) fn material_id(&self, sealed: &str) -> String {
        hex::encode(self.keys.mac(&[b"kms key material id", sealed.as_bytes()]))
    }

    fn open(&self, record: &KeyRecord) -> Result<Kek, VaultError> {
        let key = self.keys.store_key(KeyRecord::KIND, &record.id());
        let open = |sealed: &str| {
            let sealed = hex::decode(sealed).map_err(|_| VaultError::Unreadable)?;
            self.keys.open_kek(&key, &sealed).map_err(|_| VaultError::Unreadable)
        };
        let mut materials = record.materials();
        let newest = open(materials.next().ok_or(VaultError::Unreadable)?)?;
        Ok(Kek { newest, older: materials.map(open).collect::<Result<_, _>>()? })
    }

    /// The key id that a key of the vault's own shows, which has none of its own: drawn from the
    /// vault's secret, so that it stays the same.
    pub(crate) fn own_id(&self, scope: &Scope, name: &str) -> String {
        let mac = self.keys.mac(&[b"kms key id", scope.id(name).as_bytes()]);
        let mut bytes = [0; 16];
        bytes.iter_mut().zip(mac).for_each(|(byte, drawn)| *byte = drawn);
        uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
    }

    /// Notes that an alias points from one key to another; a key is named by its id.
    pub(crate) fn point(&self, scope: &Scope, alias: &str, from: Option<&str>, to: Option<&str>) {
        let mut names = self.names.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(from) = from.map(|key| scope.id(key))
            && let Some(known) = names.get_mut(&from)
        {
            known.remove(alias);
            if known.is_empty() {
                names.remove(&from);
            }
        }
        if let Some(to) = to {
            names.entry(scope.id(to)).or_default().insert(alias.to_owned());
        }
    }

    /// The names of a key's aliases, in order.
    pub(crate) fn names(&self, key: &KeyRecord) -> Vec<String> {
        let names = self.names.read().unwrap_or_else(PoisonError::into_inner);
        names.get(&key.id()).map(|names| names.iter().cloned().collect()).unwrap_or_default()
    }
}

fn cached(opened: &Opened, id: &str) -> Option<Arc<Kek>> {
    opened.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
}

/// Id of the record of the key with this ARN.
pub(crate) fn record_id(arn: &str) -> Option<String> {
    let arn: Arn = arn.parse().ok()?;
    let key_id = arn.resource.strip_prefix("key/").filter(|_| arn.service == "kms")?;
    Some(Scope::new(arn.account.as_str(), arn.region.as_str()).id(key_id))
}
