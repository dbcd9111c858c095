//! The vault: secrets, parameters, access keys and bindings, sealed in a store.
//!
//! | file | what it holds |
//! |---|---|
//! | `root.rs` | root key: key file or passphrase |
//! | `seal.rs` | key hierarchy and sealing |
//! | `table.rs`, `blobs.rs` | metadata records, sealed values |
//! | `kms_record.rs`, `kms_keyring.rs`, `kms_permits.rs` | KMS keys: their rules, their material, what it takes to use one |
//! | `kms.rs`, `kms_aliases.rs`, `kms_deletion.rs`, `kms_materials.rs` | the operations on keys |
//! | `erasure.rs` | the traces of destroyed keys and secrets, and their end |
//! | `secret_record.rs`, `parameter_record.rs` | AWS's rules, pure |
//! | `parameter_labels.rs`, `parameter_tags.rs`, `parameter_sharing.rs`, `parameter_listing.rs` | what else parameters have, and lists of them |
//! | `parameter_value.rs`, `parameter_policies.rs` | AWS's rules for values and for what time does, pure |
//! | `parameter_places.rs`, `parameter_walk.rs`, `parameter_due.rs` | orders of parameters, and the way along them; doing what is due |
//! | `rotation.rs`, `secret_rotation.rs` | rotation of secrets: rules, operations |
//! | `replica_record.rs`, `secret_replication.rs`, `replication_news.rs`, `secret_table.rs` | replicas of secrets in other Regions |
//! | `access_keys.rs`, `tokens.rs`, `revocations.rs`, `task_roles.rs` | credentials: keys, sessions, their end, roles of tasks |
//! | `secrets.rs`, `parameters.rs` | the operations, each behind a [`Permit`](crate::audit::Permit) |
//!
//! The header (store key `H`) is the one record that is not sealed: format
//! version, vault id, where the root key comes from, and a sealed check that
//! tells a wrong key from a damaged vault.

mod access_keys;
mod anchor;
mod attached_policy;
mod bindings;
mod blobs;
mod erasure;
mod kms;
mod kms_aliases;
mod kms_deletion;
mod kms_keyring;
mod kms_materials;
mod kms_permits;
mod kms_record;
mod parameter_due;
mod parameter_error;
mod parameter_labels;
mod parameter_listing;
mod parameter_places;
mod parameter_policies;
mod parameter_put;
mod parameter_record;
mod parameter_sharing;
mod parameter_tags;
mod parameter_value;
mod parameter_walk;
mod parameters;
mod password;
mod replica_record;
mod replication_news;
mod revocations;
mod root;
mod rotation;
mod scope;
mod seal;
mod secret_deletion;
mod secret_edits;
mod secret_error;
mod secret_keys;
mod secret_listing;
mod secret_record;
mod secret_replication;
mod secret_rotation;
mod secret_suffix;
mod secret_table;
mod secret_versions;
mod secrets;
mod table;
mod task_roles;
mod tokens;

pub use access_keys::{AccessKeyRecord, AccessKeys, LastUse, account_of_key};
pub use attached_policy::AttachedPolicy;
pub use bindings::{Binding, BindingRecord, Bindings};
pub use kms::{ChosenKey, FoundKey, Kms, KmsFailure, NewKey, OWN_KEYS, OwnKey};
pub use kms_materials::KeyMaterial;
pub use kms_permits::KeyPermits;
pub use kms_record::{
    AliasRecord, CustomerKey, KeyError, KeyRecord, KeyRotation, KeyState, RotationSchedule,
};
pub use parameter_due::DuePolicy;
pub use parameter_error::ParameterError;
pub use parameter_labels::{Labelled, Unlabelled};
pub use parameter_places::Property;
pub use parameter_policies::{InlinePolicy, InlineRule};
pub use parameter_put::{NewParameter, Sealing};
pub use parameter_record::{
    ParameterKind, ParameterRecord, ParameterVersion, Selector, Tier, WantedTier, parameter_arn,
};
pub use parameter_sharing::Sharing;
pub use parameter_walk::{Listed, Page, Picked, Within, below};
pub use parameters::{ParameterFailure, ParameterValue, Parameters};
pub use password::{PasswordError, PasswordRules};
pub use replica_record::{Replica, ReplicaState};
pub use replication_news::ReplicationOutcome;
pub use revocations::{RevocationRecord, Revocations, Subject};
pub use root::{KeySource, MIN_PASSPHRASE, RootKeyError, Unlock, create_key_file};
pub use rotation::{
    ATTEMPTS, AWSPENDING, Attempt, AttemptEnd, Rotation, RotationRules, RotationRun, RotationWanted,
};
pub use scope::Scope;
pub use secret_error::SecretError;
pub use secret_listing::{SecretOrder, SecretPage};
pub use secret_record::{AWSCURRENT, AWSPREVIOUS, Deletion, SecretRecord, VersionRecord};
pub use secret_suffix::SecretSuffix;
pub use secret_versions::StageMove;
pub use secrets::{KeyEdit, NewSecret, SecretContent, SecretFailure, SecretVersionValue, Secrets, Written};
pub use table::Row;
pub use task_roles::{NewTaskRole, TaskRoleRecord, TaskRoles};
pub use tokens::{SessionClaims, TokenError};

use crate::clock::Clock;
use crate::store::{Store, StoreError};
use access_keys::AccessKeyTable;
use blobs::Blobs;
use jiff::Timestamp;
use kms_keyring::Keyring;
use seal::{Keys, random};
use secret_table::SecretTable;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use table::{Change, Table};
use tokens::OpenedTokens;

/// Why the vault cannot do what it is asked.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// There is no vault in the store.
    #[error("there is no vault here: run `sealdock init` first")]
    Missing,
    /// There is a vault already.
    #[error("there is a vault here already; it was left as it is")]
    Exists,
    /// The vault was written by another format version.
    #[error("the vault has format version {found}; this program reads version {FORMAT}")]
    Format {
        /// The version found.
        found: u32,
    },
    /// The root key is not this vault's.
    #[error("the key or passphrase does not open this vault")]
    WrongKey,
    /// There is no root key.
    #[error(transparent)]
    RootKey(#[from] RootKeyError),
    /// A record does not open or does not parse.
    #[error("a record of the vault does not open: the file was altered or damaged; restore a backup of it")]
    Unreadable,
    /// A permit for another action or resource was shown.
    #[error("the permit does not cover this action on this resource")]
    NotPermitted,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const HEADER: &[u8] = b"H";
const FORMAT: u32 = 1;

/// Longest time that one round of maintenance spends on the days of reads.
const FLUSH: Duration = Duration::from_secs(20);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    format: u32,
    vault_id: String,
    root_key: KeySource,
    check: String,
}

/// An open vault. One process owns it at a time; the store sees to that.
#[derive(Debug)]
pub struct Vault {
    id: String,
    keys: Arc<Keys>,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    blobs: Blobs,
    keyring: Keyring,
    secrets: SecretTable,
    parameters: Table<ParameterRecord>,
    /// Held while a parameter with one level is written.
    one_level_names: Mutex<()>,
    access_keys: AccessKeyTable,
    bindings: Table<BindingRecord>,
    revocations: Table<RevocationRecord>,
    task_roles: Table<TaskRoleRecord>,
    tokens: OpenedTokens,
    anchor: Table<anchor::AnchorRecord>,
    /// Ids of secrets that were read on a day that is not written down yet.
    touched: Mutex<BTreeSet<String>>,
    /// Ids of access keys whose last use is not written down yet.
    used_keys: Mutex<BTreeSet<String>>,
    /// Held while an access key is made.
    new_access_keys: Mutex<()>,
    /// Grows whenever a rotation may have become due at once.
    rotations: AtomicU64,
    /// Held while replicas are brought in sync.
    replication: Mutex<()>,
    /// Whether there may be outcomes of replication that are not on record.
    replication_news: AtomicBool,
    /// When the store was erased last, by this process.
    erased: Mutex<Option<Timestamp>>,
    /// ARNs of secrets whose name was wanted before maintenance had destroyed them.
    buried: Mutex<Vec<String>>,
}

impl Vault {
    /// Makes a vault in an empty store.
    ///
    /// # Errors
    /// [`VaultError::Exists`], or what the root key and the store say.
    pub fn create(store: &dyn Store, unlock: &Unlock) -> Result<(), VaultError> {
        if store.get(HEADER)?.is_some() {
            return Err(VaultError::Exists);
        }
        if let Unlock::Passphrase(text) = unlock
            && text.chars().count() < MIN_PASSPHRASE
        {
            return Err(RootKeyError::Weak.into());
        }
        let vault_id = hex::encode(random::<16>().as_ref());
        let root_key = KeySource::new(unlock);
        let keys = Keys::derive(&root_key.root_key(unlock)?, vault_id.as_bytes());
        let check = hex::encode(keys.seal_record(HEADER, vault_id.as_bytes()));
        let header = Header { format: FORMAT, vault_id, root_key, check };
        let text = serde_json::to_vec(&header).map_err(|_| VaultError::Unreadable)?;
        store.put(HEADER, None, &text)?;
        Ok(())
    }

    /// Opens the vault in `store`: checks the key, opens every metadata record and
    /// removes blobs that a crash left without a record.
    ///
    /// # Errors
    /// [`VaultError`]; nothing is changed then.
    pub fn open(store: Arc<dyn Store>, unlock: &Unlock, clock: Arc<dyn Clock>) -> Result<Self, VaultError> {
        let header = store.get(HEADER)?.ok_or(VaultError::Missing)?;
        let header: Header = serde_json::from_slice(&header.bytes).map_err(|_| VaultError::Unreadable)?;
        if header.format != FORMAT {
            return Err(VaultError::Format { found: header.format });
        }
        let keys = Arc::new(Keys::derive(&header.root_key.root_key(unlock)?, header.vault_id.as_bytes()));
        let check = hex::decode(&header.check).map_err(|_| VaultError::Unreadable)?;
        if keys.open_record(HEADER, &check).map_err(|_| VaultError::WrongKey)?.as_slice()
            != header.vault_id.as_bytes()
        {
            return Err(VaultError::WrongKey);
        }
        let vault = Self {
            id: header.vault_id,
            clock,
            blobs: Blobs::new(Arc::clone(&store)),
            keyring: Keyring::load(&store, &keys)?,
            secrets: SecretTable::load(Arc::clone(&store), Arc::clone(&keys))?,
            one_level_names: Mutex::default(),
            parameters: Table::load(Arc::clone(&store), Arc::clone(&keys))?,
            access_keys: Table::load(Arc::clone(&store), Arc::clone(&keys))?,
            bindings: Table::load(Arc::clone(&store), Arc::clone(&keys))?,
            revocations: Table::load(Arc::clone(&store), Arc::clone(&keys))?,
            task_roles: Table::load(Arc::clone(&store), Arc::clone(&keys))?,
            tokens: OpenedTokens::default(),
            anchor: Table::load(Arc::clone(&store), Arc::clone(&keys))?,
            keys,
            store,
            touched: Mutex::default(),
            used_keys: Mutex::default(),
            new_access_keys: Mutex::default(),
            rotations: AtomicU64::default(),
            replication: Mutex::default(),
            replication_news: AtomicBool::new(true),
            erased: Mutex::default(),
            buried: Mutex::default(),
        };
        vault.sweep()?;
        // What fails here is tried again by maintenance, which reports it.
        let _ = vault.secrets().replicate_due();
        Ok(vault)
    }

    /// Random id of the vault, not secret.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Secrets Manager's operations.
    pub fn secrets(&self) -> Secrets<'_> {
        Secrets(self)
    }

    /// Parameter Store's operations.
    pub fn parameters(&self) -> Parameters<'_> {
        Parameters(self)
    }

    /// KMS's operations.
    pub fn kms(&self) -> Kms<'_> {
        Kms(self)
    }

    /// Access keys.
    pub fn access_keys(&self) -> AccessKeys<'_> {
        AccessKeys(self)
    }

    /// What containers were started with.
    pub fn bindings(&self) -> Bindings<'_> {
        Bindings(self)
    }

    /// Sessions that are over before their time.
    pub fn revocations(&self) -> Revocations<'_> {
        Revocations(self)
    }

    /// Which task may have credentials of which role.
    pub fn task_roles(&self) -> TaskRoles<'_> {
        TaskRoles(self)
    }

    /// Seed of the key that signs the audit log's checkpoints.
    pub fn audit_seed(&self) -> zeroize::Zeroizing<[u8; 32]> {
        self.keys.audit.clone()
    }

    /// Work that is due by time: destroys secrets whose recovery window has ended
    /// (their ARNs are returned) and writes down the days of recent reads.
    ///
    /// # Errors
    /// [`VaultError`]; what is left over is due again the next time.
    pub fn maintain(&self) -> Result<Vec<String>, VaultError> {
        self.flush_touched(FLUSH)?;
        self.access_keys().flush_used()?;
        self.revocations().purge()?;
        self.secrets().purge()
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The day of the last read of a secret.
    pub fn last_accessed(&self, secret: &SecretRecord) -> Option<Timestamp> {
        secret.accessed
    }

    /// The day of the last read of one version.
    pub fn version_accessed(&self, _secret: &SecretRecord, version: &VersionRecord) -> Option<Timestamp> {
        version.accessed
    }

    /// Notes a read of a secret. LastAccessedDate has the resolution of a day, so
    /// most reads change nothing, and none waits for the disk.
    fn touched(&self, secret: &SecretRecord, version: &str) {
        let today = Some(secrets::day(self.now()));
        let known = secret.version(version).and_then(|v| v.accessed);
        if known == today && secret.accessed == today {
            return;
        }
        let id = secret.scope.id(&secret.name);
        self.secrets.note(&id, |record| {
            if record.suffix == secret.suffix {
                record.accessed = record.accessed.max(today);
                for version in record.versions.iter_mut().filter(|v| v.id == version) {
                    version.accessed = version.accessed.max(today);
                }
            }
        });
        self.touched.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
    }

    /// Writes down the last uses of access keys.
    ///
    /// # Errors
    /// [`VaultError`]; what is left over is due again the next time.
    pub fn flush_used_keys(&self) -> Result<(), VaultError> {
        self.access_keys().flush_used()
    }

    /// Writes down the days of recent reads, for at most `patience`: each is a commit of its own, and a
    /// broker that stops must not keep its operator waiting for metadata.
    ///
    /// # Errors
    /// [`VaultError`]; what is left over is due again the next time.
    pub fn flush_touched(&self, patience: Duration) -> Result<(), VaultError> {
        let begun = Instant::now();
        let next = || self.touched.lock().unwrap_or_else(PoisonError::into_inner).pop_first();
        while begun.elapsed() < patience
            && let Some(id) = next()
        {
            let written = self.secrets.change_alone(&id, |noted| {
                Ok::<_, VaultError>((noted.cloned().map_or(Change::Keep, Change::Write), ()))
            });
            if let Err(error) = written {
                self.touched.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
                return Err(error);
            }
        }
        Ok(())
    }

    fn sweep(&self) -> Result<usize, VaultError> {
        let secrets = self.secrets.rows().page("", None, usize::MAX);
        let parameters = self.parameters.page("", None, usize::MAX);
        let keys = self.access_keys.page("", None, usize::MAX);
        let named: HashSet<&str> = secrets
            .iter()
            .flat_map(|row| row.record.versions.iter().map(|v| v.blob.as_str()))
            .chain(parameters.iter().flat_map(|row| row.record.versions.iter().map(|v| v.blob.as_str())))
            .chain(keys.iter().map(|row| row.record.blob.as_str()))
            .collect();
        self.blobs.sweep(&named)
    }
}
