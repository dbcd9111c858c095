//! The metadata of a secret, and AWS's rules about its versions and stages.
//!
//! Pure: a rule takes a record and gives the changed record or a [`SecretError`].
//! Values are not here; a version names the blob that holds its sealed value.
//!
//! Rules and texts: Secrets Manager API Reference, actions `CreateSecret`,
//! `PutSecretValue`, `UpdateSecret`, `DeleteSecret`; User Guide, "Secret versions".

use super::attached_policy::AttachedPolicy;
use super::replica_record::Replica;
use super::rotation::Rotation;
use super::scope::Scope;
use super::secret_error::SecretError;
use super::secret_listing;
use super::table::Stored;
use crate::arn::arn;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// The stage of the version that a read without selector gets.
pub const AWSCURRENT: &str = "AWSCURRENT";
/// The stage of the version that was current before.
pub const AWSPREVIOUS: &str = "AWSPREVIOUS";
/// The stage of the version that a rotation is making.
pub(crate) const AWSPENDING: &str = "AWSPENDING";
/// Most stages that one version may have.
pub(crate) const MAX_STAGES: usize = 20;
/// Most tags of a secret.
pub(crate) const MAX_TAGS: usize = 50;
/// Versions without a stage are kept up to about this many ...
const KEPT_VERSIONS: usize = 100;
/// ... and never removed when younger than this.
const KEPT_AGE: SignedDuration = SignedDuration::from_hours(24);
/// Most versions of one secret, however young: its record is written whole at each change.
pub(crate) const MAX_VERSIONS: usize = 1000;

/// A secret without its values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SecretRecord {
    /// Account and Region.
    pub scope: Scope,
    /// Friendly name.
    pub name: String,
    /// Six random characters that end the ARN.
    pub suffix: String,
    /// Free text, absent when never given.
    pub description: Option<String>,
    /// The KMS key as the caller named it; absent for the service's default key.
    pub kms_key_id: Option<String>,
    /// Creation time.
    pub created: Timestamp,
    /// Last change of anything.
    pub changed: Timestamp,
    /// Day of the last read of a value.
    pub accessed: Option<Timestamp>,
    /// Set while the secret waits for its deletion.
    pub deletion: Option<Deletion>,
    /// Key and value, in the order given.
    pub tags: Vec<(String, String)>,
    /// Whether it ever had tags: AWS shows an empty list then, and none before.
    #[serde(default)]
    pub tagged: bool,
    /// All versions, oldest first.
    pub versions: Vec<VersionRecord>,
    /// How it rotates, once that was set up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation: Option<Rotation>,
    /// The resource policy, if one is attached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<AttachedPolicy>,
    /// Region of the primary, if this is a replica.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primary_region: Option<String>,
    /// Replicas, if this is a primary.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replicas: Vec<Replica>,
    /// Counts the changes that replicas have to take over.
    #[serde(default)]
    pub(crate) generation: u64,
}

/// A scheduled deletion.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Deletion {
    /// When it was asked for.
    pub requested: Timestamp,
    /// End of the recovery window; the secret is destroyed then.
    pub due: Timestamp,
}

/// A version without its value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VersionRecord {
    /// VersionId: the ClientRequestToken that made it.
    pub id: String,
    /// Creation time.
    pub created: Timestamp,
    /// Staging labels in order; none means deprecated.
    pub stages: Vec<String>,
    /// The KMS key that its data key is sealed under, as the caller named it; absent for the
    /// service's own key.
    pub kms_key_id: Option<String>,
    /// ARN of that key, if it is a customer key. A read needs a permit for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_key: Option<String>,
    /// Day of the last read.
    pub accessed: Option<Timestamp>,
    /// Whether the value is SecretBinary.
    pub binary: bool,
    /// Keyed digest of the content, for idempotency.
    pub(crate) digest: String,
    /// Name of the blob that holds the sealed value; empty for a version that a rotation
    /// has yet to give one.
    pub(crate) blob: String,
}

impl Stored for SecretRecord {
    const KIND: u8 = b'S';
    fn id(&self) -> String {
        self.scope.id(&self.name)
    }
    fn places(&self) -> Vec<String> {
        secret_listing::places(self)
    }
    fn keep_notes(&mut self, noted: &Self) {
        self.accessed = self.accessed.max(noted.accessed);
        for version in &mut self.versions {
            version.accessed = version.accessed.max(noted.version(&version.id).and_then(|v| v.accessed));
        }
    }
}

impl SecretRecord {
    /// The full ARN, with the random suffix.
    pub fn arn(&self) -> String {
        let Self { scope, name, suffix, .. } = self;
        arn("secretsmanager", &scope.region, &scope.account, &["secret:", name, "-", suffix])
    }

    /// The version that a read with these selectors gets. One without a value is as if it
    /// were not there.
    ///
    /// # Errors
    /// [`SecretError`] as `GetSecretValue` answers it.
    pub fn select(&self, id: Option<&str>, stage: Option<&str>) -> Result<&VersionRecord, SecretError> {
        if self.deletion.is_some() {
            return Err(SecretError::MarkedForDeletion);
        }
        match (id, stage) {
            (Some(id), stage) => {
                let version = self.version(id).filter(|v| v.has_value());
                let version = version.ok_or_else(|| SecretError::NoSuchVersion(id.to_owned()))?;
                match stage {
                    Some(stage) if !version.has(stage) => Err(SecretError::StageMismatch),
                    _ => Ok(version),
                }
            }
            (None, stage) => {
                let stage = stage.unwrap_or(AWSCURRENT);
                let version = self.staged(stage).filter(|v| v.has_value());
                version.ok_or_else(|| SecretError::NoSuchStage(stage.to_owned()))
            }
        }
    }

    /// The version with this id.
    pub fn version(&self, id: &str) -> Option<&VersionRecord> {
        self.versions.iter().find(|v| v.id == id)
    }

    pub(super) fn staged(&self, stage: &str) -> Option<&VersionRecord> {
        self.versions.iter().find(|v| v.has(stage))
    }

    /// Whether a write with this token would repeat an earlier one: `true` when the
    /// content is the same, an error when it is another.
    pub(crate) fn repeats(&self, token: &str, digest: &str) -> Result<bool, SecretError> {
        match self.version(token) {
            None => Ok(false),
            Some(version) if !version.has_value() => Ok(false),
            Some(version) if version.digest == digest => Ok(true),
            Some(_) => Err(SecretError::TokenInUse { token: token.to_owned(), arn: self.arn() }),
        }
    }

    /// Adds a version and moves `stages` to it. The first version of a secret is
    /// always AWSCURRENT; the version that loses AWSCURRENT becomes AWSPREVIOUS, and is
    /// AWSPENDING no more. A version without a value that has its id gives it its place and
    /// its stages.
    pub(crate) fn add_version(
        &mut self,
        mut version: VersionRecord,
        stages: Vec<String>,
        now: Timestamp,
    ) -> Result<(), SecretError> {
        let awaited = self.version(&version.id).filter(|v| !v.has_value()).map(|v| v.stages.clone());
        if awaited.is_none() && self.versions.len() >= MAX_VERSIONS {
            return Err(SecretError::TooManyVersions);
        }
        let mut wanted: Vec<String> = Vec::new();
        let current = stages.is_empty().then(|| AWSCURRENT.to_owned());
        for stage in stages.into_iter().chain(current).chain(awaited.into_iter().flatten()) {
            if !wanted.contains(&stage) {
                wanted.push(stage);
            }
        }
        if self.staged(AWSCURRENT).is_none() && !wanted.iter().any(|s| s == AWSCURRENT) {
            wanted.push(AWSCURRENT.to_owned());
        }
        if wanted.len() > MAX_STAGES {
            return Err(SecretError::TooManyStages);
        }
        let old_current = self.staged(AWSCURRENT).map(|v| v.id.clone());
        for stage in &wanted {
            self.detach(stage);
        }
        wanted.sort();
        version.stages = wanted;
        let becomes_current = version.has(AWSCURRENT);
        let takes_previous = version.has(AWSPREVIOUS);
        let id = version.id.clone();
        self.versions.retain(|v| v.id != id);
        self.versions.push(version);
        if let (true, false, Some(old)) = (becomes_current, takes_previous, old_current) {
            self.detach(AWSPREVIOUS);
            if let Some(version) = self.versions.iter_mut().find(|v| v.id == old) {
                // Of a rotation that is over; left behind, it would look like one under way.
                version.stages.retain(|stage| stage != AWSPENDING);
                version.label(AWSPREVIOUS);
            }
        }
        if becomes_current {
            self.value_changed(&id, now);
        }
        self.changed = now;
        Ok(())
    }

    /// Drops deprecated versions beyond about a hundred, oldest first and none
    /// younger than a day; returns the names of their blobs.
    pub(crate) fn prune(&mut self, now: Timestamp) -> Vec<String> {
        let mut surplus = self.versions.len().saturating_sub(KEPT_VERSIONS);
        let mut blobs = Vec::new();
        self.versions.retain(|v| {
            let drop = surplus > 0 && v.stages.is_empty() && now.duration_since(v.created) >= KEPT_AGE;
            if drop {
                surplus -= 1;
                blobs.push(v.blob.clone());
            }
            !drop
        });
        blobs
    }

    pub(super) fn detach(&mut self, stage: &str) {
        for version in &mut self.versions {
            version.stages.retain(|s| s != stage);
        }
    }
}

impl VersionRecord {
    /// Whether the version carries this staging label.
    pub fn has(&self, stage: &str) -> bool {
        self.stages.iter().any(|s| s == stage)
    }

    /// Adds a staging label in its place: AWS shows them in order.
    pub(super) fn label(&mut self, stage: &str) {
        self.stages.push(stage.to_owned());
        self.stages.sort();
    }

    /// Whether it has a value; a version that a rotation has just begun to make has none.
    pub fn has_value(&self) -> bool {
        !self.blob.is_empty()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(in crate::vault) fn record() -> SecretRecord {
        SecretRecord {
            scope: Scope::new("111122223333", "us-east-1"),
            name: "db".into(),
            suffix: "AbCdEf".into(),
            description: None,
            kms_key_id: None,
            created: Timestamp::UNIX_EPOCH,
            changed: Timestamp::UNIX_EPOCH,
            accessed: None,
            deletion: None,
            tags: Vec::new(),
            tagged: false,
            versions: Vec::new(),
            rotation: None,
            policy: None,
            primary_region: None,
            replicas: Vec::new(),
            generation: 0,
        }
    }

    pub(in crate::vault) fn version(id: &str, created: Timestamp) -> VersionRecord {
        VersionRecord {
            id: id.into(),
            created,
            stages: Vec::new(),
            kms_key_id: None,
            customer_key: None,
            accessed: None,
            binary: false,
            digest: id.into(),
            blob: id.into(),
        }
    }

    pub(in crate::vault) fn put(record: &mut SecretRecord, id: &str, stages: &[&str]) {
        let stages = stages.iter().map(|&s| s.to_owned()).collect();
        record.add_version(version(id, record.created), stages, record.created).unwrap();
    }

    pub(in crate::vault) fn at<'a>(record: &'a SecretRecord, stage: &str) -> Option<&'a str> {
        record.staged(stage).map(|v| v.id.as_str())
    }

    #[test]
    fn current_becomes_previous() {
        let mut r = record();
        put(&mut r, "1", &["custom"]);
        assert_eq!(
            (at(&r, AWSCURRENT), at(&r, "custom")),
            (Some("1"), Some("1")),
            "the first is always current"
        );
        put(&mut r, "2", &[]);
        assert_eq!((at(&r, AWSCURRENT), at(&r, AWSPREVIOUS)), (Some("2"), Some("1")));
        put(&mut r, "3", &["AWSPENDING"]);
        assert_eq!(
            (at(&r, AWSCURRENT), at(&r, AWSPREVIOUS), at(&r, "AWSPENDING")),
            (Some("2"), Some("1"), Some("3"))
        );
        put(&mut r, "4", &[AWSCURRENT]);
        assert_eq!((at(&r, AWSCURRENT), at(&r, AWSPREVIOUS)), (Some("4"), Some("2")));
        assert_eq!(r.version("1").unwrap().stages, ["custom"]);
    }

    #[test]
    fn selectors_answer_as_get_secret_value() {
        let mut r = record();
        assert_eq!(r.select(None, None), Err(SecretError::NoSuchStage(AWSCURRENT.into())));
        put(&mut r, "1", &[]);
        put(&mut r, "2", &[]);
        assert_eq!(r.select(None, Some(AWSPREVIOUS)).unwrap().id, "1");
        assert_eq!(r.select(Some("2"), Some(AWSCURRENT)).unwrap().id, "2");
        assert_eq!(r.select(Some("2"), Some(AWSPREVIOUS)), Err(SecretError::StageMismatch));
        assert_eq!(r.select(Some("9"), None), Err(SecretError::NoSuchVersion("9".into())));
    }

    #[test]
    fn a_token_is_used_once() {
        let mut r = record();
        put(&mut r, "1", &[]);
        assert_eq!(r.repeats("1", "1"), Ok(true));
        assert!(matches!(r.repeats("1", "x"), Err(SecretError::TokenInUse { .. })));
        assert_eq!(r.repeats("2", "x"), Ok(false));
    }

    #[test]
    fn versions_have_a_limit() {
        let mut r = record();
        for i in 0..MAX_VERSIONS {
            put(&mut r, &i.to_string(), &[]);
        }
        let now = r.created;
        assert_eq!(r.add_version(version("x", now), Vec::new(), now), Err(SecretError::TooManyVersions));
    }

    #[test]
    fn prunes_only_old_deprecated_versions() {
        let mut r = record();
        let day = SignedDuration::from_hours(25);
        for i in 0..150 {
            put(&mut r, &i.to_string(), &[]);
        }
        assert!(r.prune(r.created).is_empty(), "all are younger than a day");
        let gone = r.prune(r.created + day);
        assert_eq!((gone.len(), r.versions.len(), gone[0].as_str()), (50, 100, "0"));
        assert_eq!((at(&r, AWSCURRENT), at(&r, AWSPREVIOUS)), (Some("149"), Some("148")));
    }

    proptest! {
        #[test]
        fn a_stage_is_on_one_version_and_current_always_exists(
            puts in prop::collection::vec(prop::collection::vec("AWSCURRENT|AWSPREVIOUS|AWSPENDING|a|b", 0..4), 1..30)
        ) {
            let mut r = record();
            for (i, stages) in puts.iter().enumerate() {
                let stages: Vec<&str> = stages.iter().map(String::as_str).collect();
                put(&mut r, &i.to_string(), &stages);
                for stage in [AWSCURRENT, AWSPREVIOUS, "AWSPENDING", "a", "b"] {
                    prop_assert!(r.versions.iter().filter(|v| v.has(stage)).count() <= 1);
                }
                prop_assert!(r.select(None, None).is_ok());
            }
        }
    }
}
