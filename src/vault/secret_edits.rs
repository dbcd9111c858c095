//! Changes to a secret that do not touch a value: staging labels, tags, the resource policy.
//!
//! Tags: a key that is there gets the new value and keeps its place, a new key goes
//! to the end, and removing a key that is not there changes nothing.

use super::attached_policy::AttachedPolicy;
use super::secret_error::SecretError;
use super::secret_record::{MAX_TAGS, SecretRecord};
use super::secret_versions::StageMove;
use super::secrets::{SecretFailure, Secrets, permitted, same};
use super::table::{Change, Row};
use crate::audit::Permit;
use jiff::Timestamp;

impl Secrets<'_> {
    /// `UpdateSecretVersionStage`.
    pub fn move_stage(
        &self,
        permit: &Permit,
        secret: &Row<SecretRecord>,
        change: StageMove<'_>,
    ) -> Result<(), SecretFailure> {
        permitted(permit, &["secretsmanager:UpdateSecretVersionStage"], &secret.record.arn())?;
        self.edit(secret, |record, now| record.move_stage(change, now))
    }

    /// `TagResource`.
    pub fn tag(
        &self,
        permit: &Permit,
        secret: &Row<SecretRecord>,
        tags: Vec<(String, String)>,
    ) -> Result<(), SecretFailure> {
        permitted(permit, &["secretsmanager:TagResource"], &secret.record.arn())?;
        self.edit(secret, |record, now| record.add_tags(tags, now))
    }

    /// `UntagResource`.
    pub fn untag(
        &self,
        permit: &Permit,
        secret: &Row<SecretRecord>,
        keys: &[String],
    ) -> Result<(), SecretFailure> {
        permitted(permit, &["secretsmanager:UntagResource"], &secret.record.arn())?;
        self.edit(secret, |record, now| record.remove_tags(keys, now))
    }

    /// `PutResourcePolicy`: attaches a policy in place of the one that is there.
    pub fn put_policy(
        &self,
        permit: &Permit,
        secret: &Row<SecretRecord>,
        policy: AttachedPolicy,
    ) -> Result<(), SecretFailure> {
        permitted(permit, &["secretsmanager:PutResourcePolicy"], &secret.record.arn())?;
        self.edit(secret, |record, now| record.set_policy(Some(policy), now))
    }

    /// `DeleteResourcePolicy`; a secret without a policy stays as it is.
    pub fn delete_policy(&self, permit: &Permit, secret: &Row<SecretRecord>) -> Result<(), SecretFailure> {
        permitted(permit, &["secretsmanager:DeleteResourcePolicy"], &secret.record.arn())?;
        self.edit(secret, |record, now| record.set_policy(None, now))
    }

    /// Applies a rule to the secret as it stands; nothing is written if nothing changes.
    fn edit(
        &self,
        secret: &Row<SecretRecord>,
        rule: impl FnOnce(&mut SecretRecord, Timestamp) -> Result<(), SecretError>,
    ) -> Result<(), SecretFailure> {
        let now = self.0.now();
        self.change(&secret.record.scope.id(&secret.record.name), |current| {
            let mut record = same(current, secret)?.clone();
            rule(&mut record, now)?;
            Ok((if current == Some(&record) { Change::Keep } else { Change::Write(record) }, ()))
        })
    }
}

impl SecretRecord {
    fn set_policy(&mut self, policy: Option<AttachedPolicy>, now: Timestamp) -> Result<(), SecretError> {
        self.require_changeable()?;
        if self.policy != policy {
            self.policy = policy;
            self.changed = now;
        }
        Ok(())
    }

    fn add_tags(&mut self, tags: Vec<(String, String)>, now: Timestamp) -> Result<(), SecretError> {
        self.require_changeable()?;
        let before = self.tags.clone();
        for (key, value) in tags {
            match self.tags.iter_mut().find(|(k, _)| *k == key) {
                Some((_, old)) => *old = value,
                None => self.tags.push((key, value)),
            }
        }
        if self.tags.len() > MAX_TAGS {
            self.tags = before;
            return Err(SecretError::TooManyTags);
        }
        if self.tags != before {
            self.changed = now;
        }
        self.tagged |= !self.tags.is_empty();
        Ok(())
    }

    fn remove_tags(&mut self, keys: &[String], now: Timestamp) -> Result<(), SecretError> {
        self.require_changeable()?;
        let before = self.tags.len();
        self.tags.retain(|(key, _)| !keys.contains(key));
        if self.tags.len() != before {
            self.changed = now;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::secret_record::tests::record;
    use super::*;
    use jiff::SignedDuration;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn tags(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|&(k, v)| (k.to_owned(), v.to_owned())).collect()
    }

    #[test]
    fn tags_are_replaced_in_place_and_limited() {
        let mut r = record();
        let later = r.created + SignedDuration::from_secs(1);
        r.add_tags(tags(&[("a", "1"), ("b", "2")]), later).unwrap();
        r.add_tags(tags(&[("a", "3"), ("c", "4")]), later).unwrap();
        assert_eq!((&r.tags, r.changed), (&tags(&[("a", "3"), ("b", "2"), ("c", "4")]), later));
        let many: Vec<_> = (0..48).map(|i| (i.to_string(), String::new())).collect();
        let before = r.clone();
        assert_eq!(r.add_tags(many.clone(), later), Err(SecretError::TooManyTags));
        assert_eq!(r, before);
        r.remove_tags(&["b".to_owned(), "nothing".to_owned()], later).unwrap();
        r.add_tags(many, later).unwrap();
        assert_eq!(r.tags.len(), MAX_TAGS);
    }

    #[test]
    fn what_changes_nothing_leaves_no_trace() {
        let mut r = record();
        r.add_tags(tags(&[("a", "1")]), r.created).unwrap();
        let (before, later) = (r.clone(), r.created + SignedDuration::from_secs(1));
        r.add_tags(tags(&[("a", "1")]), later).unwrap();
        r.remove_tags(&["b".to_owned()], later).unwrap();
        assert_eq!(r, before);
    }

    proptest! {
        #[test]
        fn tags_are_a_map(changes in prop::collection::vec(("[a-e]", prop::option::of("[0-9]")), 0..40)) {
            let (mut r, mut model) = (record(), BTreeMap::new());
            for (key, value) in changes {
                match value {
                    Some(value) => {
                        model.insert(key.clone(), value.clone());
                        r.add_tags(vec![(key, value)], r.created).unwrap();
                    }
                    None => {
                        model.remove(&key);
                        r.remove_tags(&[key], r.created).unwrap();
                    }
                }
                prop_assert_eq!(r.tags.len(), model.len());
                prop_assert_eq!(&r.tags.iter().cloned().collect::<BTreeMap<_, _>>(), &model);
            }
        }
    }
}
