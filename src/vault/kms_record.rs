//! The records of KMS keys and aliases, and the rules about their states. Pure.
//!
//! ```text
//! Enabled <-> Disabled          EnableKey, DisableKey
//!    any   -> PendingDeletion   ScheduleKeyDeletion
//! PendingDeletion -> Disabled   CancelKeyDeletion
//! PendingDeletion -> gone       when it is due
//! ```
//!
//! A record holds its key's sealed material, so that one removal of one record ends the
//! key and all that is sealed under it.
//!
//! Rules and texts: KMS API Reference; Developer Guide, "Key states of KMS keys".

use super::scope::Scope;
use super::table::Stored;
use crate::arn::arn;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// Most tags of a key.
pub(crate) const MAX_TAGS: usize = 50;
/// Most aliases of a key.
pub(crate) const MAX_ALIASES: usize = 50;
/// Most rotations on demand in the life of a key.
const MAX_ON_DEMAND: usize = 25;
/// Days between rotations when a request does not say.
const ROTATION_DAYS: u16 = 365;

/// A key: one that a user made, or one of the vault's own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeyRecord {
    /// Account and Region.
    pub scope: Scope,
    /// Key id, a UUID; of a key of the vault's own, its name.
    pub key_id: String,
    /// The newest material: a KEK, sealed for this record.
    pub(crate) sealed: String,
    /// What makes it a customer key. A key of the vault's own has none of this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<CustomerKey>,
}

/// What a user decides about a key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CustomerKey {
    /// Free text.
    pub description: String,
    /// When it was made.
    pub created: Timestamp,
    /// Whether it can be used.
    pub state: KeyState,
    /// The key policy, as it was put.
    pub policy: String,
    /// Key and value, in the order given.
    pub tags: Vec<(String, String)>,
    /// When the material is replaced, if it is.
    pub schedule: Option<RotationSchedule>,
    /// Rotations, oldest first. What was sealed before one still opens.
    pub rotations: Vec<KeyRotation>,
}

/// State of a customer key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyState {
    /// It can be used.
    Enabled,
    /// It cannot be used.
    Disabled,
    /// It cannot be used, and will be destroyed.
    PendingDeletion {
        /// End of the waiting period.
        due: Timestamp,
    },
}

/// A standing order to replace a key's material.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RotationSchedule {
    /// Days between rotations, 90 to 2560.
    pub days: u16,
    /// When the next one is due.
    pub next: Timestamp,
}

/// A rotation that has taken place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeyRotation {
    /// When.
    pub at: Timestamp,
    /// Whether it was asked for, and not due by time.
    pub on_demand: bool,
    /// The material that it put aside, sealed for this record.
    pub(crate) sealed: String,
}

/// A name that points to a key of its own account and Region.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AliasRecord {
    /// Account and Region.
    pub scope: Scope,
    /// `alias/NAME`.
    pub name: String,
    /// Key id.
    pub target: String,
    /// When it was made.
    pub created: Timestamp,
    /// When it last got another target.
    pub updated: Timestamp,
}

impl Stored for KeyRecord {
    const KIND: u8 = b'K';
    fn id(&self) -> String {
        self.scope.id(&self.key_id)
    }
}

impl Stored for AliasRecord {
    const KIND: u8 = b'N';
    fn id(&self) -> String {
        self.scope.id(&self.name)
    }
}

/// Why KMS refuses. The texts are AWS's where AWS's are known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// No such key.
    #[error("Key '{0}' does not exist")]
    NoSuchKey(String),
    /// No such alias.
    #[error("Alias {0} is not found.")]
    NoSuchAlias(String),
    /// Neither a key id nor the name of an alias nor an ARN of one.
    #[error("Invalid keyId '{0}'")]
    NotAKeyId(String),
    /// The ARN is of something else.
    #[error("Invalid arn {0}")]
    NotAKeyArn(String),
    /// The ARN is of another Region.
    #[error("Invalid arn {0}")]
    OtherRegion(String),
    /// The key is another service's own, or another account's service's own.
    #[error("The key {0} belongs to another service or account, and only that can use it")]
    OfAnotherService(String),
    /// The key is disabled.
    #[error("{0} is disabled.")]
    Disabled(String),
    /// The key waits for its deletion.
    #[error("{0} is pending deletion.")]
    PendingDeletion(String),
    /// The key does not wait for its deletion.
    #[error("{0} is not pending deletion.")]
    NotPendingDeletion(String),
    /// The alias name is taken.
    #[error("An alias with the name {0} already exists")]
    AliasExists(String),
    /// The key has as many aliases as it may.
    #[error("{0} has {MAX_ALIASES} aliases, and a key can have no more")]
    TooManyAliases(String),
    /// The key has as many tags as it may.
    #[error("{0} cannot have more than {MAX_TAGS} tags")]
    TooManyTags(String),
    /// The key was rotated on demand as often as it may be.
    #[error("{0} was rotated on demand {MAX_ON_DEMAND} times, and a key can be no more often")]
    TooManyRotations(String),
}

/// ARN of the key `key_id`.
pub(crate) fn key_arn(scope: &Scope, key_id: &str) -> String {
    arn("kms", &scope.region, &scope.account, &["key/", key_id])
}

impl KeyRecord {
    /// The key ARN.
    pub fn arn(&self) -> String {
        key_arn(&self.scope, &self.key_id)
    }

    /// Whether the key can encrypt and decrypt.
    ///
    /// # Errors
    /// Which state it is in otherwise.
    pub fn usable(&self) -> Result<(), KeyError> {
        self.customer.as_ref().map_or(Ok(()), |customer| customer.usable(&self.arn()))
    }

    /// Every material of the key, newest first.
    pub(crate) fn materials(&self) -> impl Iterator<Item = &str> {
        let older = self.customer.iter().flat_map(|c| c.rotations.iter().rev());
        std::iter::once(self.sealed.as_str()).chain(older.map(|rotation| rotation.sealed.as_str()))
    }

    /// Puts the material aside for a new one.
    pub(crate) fn rotate(&mut self, sealed: String, on_demand: bool, now: Timestamp) -> Result<(), KeyError> {
        let arn = self.arn();
        let Some(customer) = &mut self.customer else { return Err(KeyError::NoSuchKey(arn)) };
        customer.usable(&arn)?;
        if on_demand && customer.rotations.iter().filter(|r| r.on_demand).count() >= MAX_ON_DEMAND {
            return Err(KeyError::TooManyRotations(arn));
        }
        let sealed = std::mem::replace(&mut self.sealed, sealed);
        customer.rotations.push(KeyRotation { at: now, on_demand, sealed });
        if let Some(schedule) = customer.schedule.as_mut().filter(|s| !on_demand && s.next <= now) {
            schedule.next = now + days(schedule.days);
        }
        Ok(())
    }
}

impl CustomerKey {
    /// Whether the key called `arn` can encrypt and decrypt.
    pub(crate) fn usable(&self, arn: &str) -> Result<(), KeyError> {
        match self.state {
            KeyState::Enabled => Ok(()),
            KeyState::Disabled => Err(KeyError::Disabled(arn.to_owned())),
            KeyState::PendingDeletion { .. } => Err(KeyError::PendingDeletion(arn.to_owned())),
        }
    }

    /// Whether the key called `arn` can be changed: it does not wait for its deletion.
    pub(crate) fn changeable(&self, arn: &str) -> Result<(), KeyError> {
        match self.state {
            KeyState::PendingDeletion { .. } => Err(KeyError::PendingDeletion(arn.to_owned())),
            KeyState::Enabled | KeyState::Disabled => Ok(()),
        }
    }

    /// `EnableKey`, `DisableKey`.
    pub(crate) fn switch(&mut self, on: bool, arn: &str) -> Result<(), KeyError> {
        self.changeable(arn)?;
        self.state = if on { KeyState::Enabled } else { KeyState::Disabled };
        Ok(())
    }

    /// `ScheduleKeyDeletion`; returns the end of the waiting period.
    pub(crate) fn schedule_deletion(
        &mut self,
        window: u8,
        arn: &str,
        now: Timestamp,
    ) -> Result<Timestamp, KeyError> {
        self.changeable(arn)?;
        let due = now + days(window.into());
        self.state = KeyState::PendingDeletion { due };
        Ok(due)
    }

    /// `CancelKeyDeletion`: the key is then disabled, as on AWS. What is due is gone already.
    pub(crate) fn cancel_deletion(&mut self, arn: &str, now: Timestamp) -> Result<(), KeyError> {
        match self.state {
            KeyState::PendingDeletion { due } if due <= now => Err(KeyError::NoSuchKey(arn.to_owned())),
            KeyState::PendingDeletion { .. } => {
                self.state = KeyState::Disabled;
                Ok(())
            }
            KeyState::Enabled | KeyState::Disabled => Err(KeyError::NotPendingDeletion(arn.to_owned())),
        }
    }

    /// Whether the waiting period is over.
    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        matches!(self.state, KeyState::PendingDeletion { due } if due <= now)
    }

    /// The rotation schedule; a key that waits for its deletion has none, until that is taken back.
    pub fn rotation_in_force(&self) -> Option<RotationSchedule> {
        match self.state {
            KeyState::PendingDeletion { .. } => None,
            KeyState::Enabled | KeyState::Disabled => self.schedule,
        }
    }

    /// Whether the material is to be replaced. A key that is not enabled waits until it is.
    pub(crate) fn wants_rotation(&self, now: Timestamp) -> bool {
        self.state == KeyState::Enabled && self.schedule.is_some_and(|s| s.next <= now)
    }

    /// `EnableKeyRotation`, `DisableKeyRotation` (`None`). Switching it on again with the period that
    /// it has keeps the date.
    pub(crate) fn set_rotation(
        &mut self,
        period: Option<Option<u16>>,
        arn: &str,
        now: Timestamp,
    ) -> Result<(), KeyError> {
        self.usable(arn)?;
        self.schedule = period.map(|wanted| {
            let days_between = wanted.or(self.schedule.map(|s| s.days)).unwrap_or(ROTATION_DAYS);
            match self.schedule {
                Some(schedule) if schedule.days == days_between => schedule,
                _ => RotationSchedule { days: days_between, next: now + days(days_between) },
            }
        });
        Ok(())
    }

    /// `TagResource`: a key that is there gets the new value and keeps its place.
    pub(crate) fn add_tags(&mut self, tags: Vec<(String, String)>, arn: &str) -> Result<(), KeyError> {
        self.changeable(arn)?;
        let mut changed = self.tags.clone();
        for (key, value) in tags {
            match changed.iter_mut().find(|(k, _)| *k == key) {
                Some((_, old)) => *old = value,
                None => changed.push((key, value)),
            }
        }
        if changed.len() > MAX_TAGS {
            return Err(KeyError::TooManyTags(arn.to_owned()));
        }
        self.tags = changed;
        Ok(())
    }

    /// `UntagResource`. A tag that is not there is no error.
    pub(crate) fn remove_tags(&mut self, keys: &[String], arn: &str) -> Result<(), KeyError> {
        self.changeable(arn)?;
        self.tags.retain(|(key, _)| !keys.contains(key));
        Ok(())
    }
}

impl AliasRecord {
    /// The alias ARN.
    pub fn arn(&self) -> String {
        arn("kms", &self.scope.region, &self.scope.account, &[&self.name])
    }
}

fn days(count: u16) -> SignedDuration {
    SignedDuration::from_hours(24 * i64::from(count))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(state: KeyState) -> KeyRecord {
        KeyRecord {
            scope: Scope::new("111122223333", "us-east-1"),
            key_id: "1".into(),
            sealed: "new".into(),
            customer: Some(CustomerKey {
                description: String::new(),
                created: Timestamp::UNIX_EPOCH,
                state,
                policy: String::new(),
                tags: Vec::new(),
                schedule: None,
                rotations: Vec::new(),
            }),
        }
    }

    #[test]
    fn a_record_of_an_earlier_vault_is_no_customer_key() {
        let text = r#"{"scope":{"account":"1","region":"r"},"key_id":"my-key","sealed":"00"}"#;
        let record: KeyRecord = serde_json::from_str(text).unwrap();
        assert_eq!((record.customer.is_none(), record.materials().count()), (true, 1));
        assert_eq!(serde_json::to_string(&record).unwrap(), text);
    }

    #[test]
    fn a_due_deletion_cannot_be_taken_back() {
        let now = Timestamp::UNIX_EPOCH;
        let mut k = key(KeyState::Disabled).customer.unwrap();
        let due = k.schedule_deletion(7, "a", now).unwrap();
        assert_eq!(due, now + SignedDuration::from_hours(168));
        assert_eq!(k.schedule_deletion(7, "a", now), Err(KeyError::PendingDeletion("a".into())));
        assert_eq!(k.clone().cancel_deletion("a", due), Err(KeyError::NoSuchKey("a".into())));
        k.cancel_deletion("a", due - SignedDuration::from_secs(1)).unwrap();
        assert_eq!(k.state, KeyState::Disabled);
        assert_eq!(k.cancel_deletion("a", now), Err(KeyError::NotPendingDeletion("a".into())));
    }

    #[test]
    fn rotation_keeps_every_material() {
        let now = Timestamp::UNIX_EPOCH;
        let mut k = key(KeyState::Enabled);
        k.customer.as_mut().unwrap().set_rotation(Some(Some(90)), "a", now).unwrap();
        let due = now + SignedDuration::from_hours(90 * 24);
        assert!(!k.customer.as_ref().unwrap().wants_rotation(due - SignedDuration::from_secs(1)));
        assert!(k.customer.as_ref().unwrap().wants_rotation(due));
        k.rotate("newer".into(), false, due).unwrap();
        assert!(!k.customer.as_ref().unwrap().wants_rotation(due));
        for i in 0..MAX_ON_DEMAND {
            k.rotate(i.to_string(), true, due).unwrap();
        }
        assert_eq!(k.rotate("x".into(), true, due), Err(KeyError::TooManyRotations(k.arn())));
        let all: Vec<_> = k.materials().collect();
        assert_eq!((all.len(), all[0], all[26], all[25]), (27, "24", "new", "newer"));
    }

    proptest! {
        #[test]
        fn only_an_enabled_key_is_usable(steps in prop::collection::vec(0_u8..6, 0..30)) {
            let mut k = key(KeyState::Enabled).customer.unwrap();
            let now = Timestamp::UNIX_EPOCH;
            for step in steps {
                let before = k.clone();
                let done = match step {
                    0 => k.switch(true, "a").is_ok(),
                    1 => k.switch(false, "a").is_ok(),
                    2 => k.schedule_deletion(7, "a", now).is_ok(),
                    3 => k.cancel_deletion("a", now).is_ok(),
                    4 => k.add_tags(vec![("k".into(), "v".into())], "a").is_ok(),
                    _ => k.set_rotation(Some(None), "a", now).is_ok(),
                };
                prop_assert!(done || k == before, "what is refused changes nothing");
                prop_assert_eq!(k.usable("a").is_ok(), k.state == KeyState::Enabled);
            }
        }
    }
}
