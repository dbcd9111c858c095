//! A vault on disk with a clock that the test moves, and permits for its operations.

use jiff::Timestamp;
use sealdock::audit::{AuditLog, Options, Permit};
use sealdock::clock::{Clock, ManualClock};
use sealdock::policy::{PolicySet, Request, evaluate};
use sealdock::secret::SecretValue;
use sealdock::store::{EmbeddedStore, Store};
use sealdock::vault::{
    ChosenKey, KeyPermits, Kms, KmsFailure, NewKey, NewParameter, NewSecret, ParameterFailure, ParameterKind,
    Row, Scope, SecretContent, SecretFailure, SecretRecord, Secrets, Unlock, Vault, VersionRecord,
    create_key_file, parameter_arn,
};
use std::sync::Arc;
use tempfile::TempDir;

/// The vault and what belongs to it.
pub(crate) struct House {
    directory: TempDir,
    pub(crate) clock: Arc<ManualClock>,
    log: AuditLog,
    pub(crate) scope: Scope,
}

impl House {
    pub(crate) fn new() -> Self {
        let directory = crate::audit_kit::scratch();
        let clock = Arc::new(ManualClock::new("2026-11-24T10:00:00Z".parse().unwrap()));
        let log = AuditLog::open(Options::new(directory.path().join("audit"), [7; 32])).unwrap();
        create_key_file(&directory.path().join("root.key")).unwrap();
        let house = Self { directory, clock, log, scope: Scope::new("111122223333", "us-east-1") };
        let store = EmbeddedStore::create(&house.directory.path().join("vault")).unwrap();
        Vault::create(&store, &house.unlock()).unwrap();
        house
    }

    /// Where the vault's file is, with what else belongs to it.
    pub(crate) fn path(&self) -> &std::path::Path {
        self.directory.path()
    }

    pub(crate) fn unlock(&self) -> Unlock {
        Unlock::KeyFile(self.directory.path().join("root.key"))
    }

    pub(crate) fn store(&self) -> Arc<EmbeddedStore> {
        Arc::new(EmbeddedStore::open(&self.directory.path().join("vault")).unwrap())
    }

    pub(crate) fn open(&self) -> Vault {
        self.open_on(self.store())
    }

    pub(crate) fn open_on(&self, store: Arc<dyn Store>) -> Vault {
        Vault::open(store, &self.unlock(), Arc::clone(&self.clock) as Arc<dyn Clock>).unwrap()
    }

    /// The account root's permit.
    pub(crate) fn permit(&self, action: &str, resource: &str) -> Permit {
        let principal = "arn:aws:iam::111122223333:root".parse().unwrap();
        let decision = evaluate(&PolicySet::empty(), &Request::new(&principal, action, resource));
        self.log.record(crate::audit_kit::event(0), decision).wait().unwrap()
    }

    /// A secret under the service's own key.
    pub(crate) fn create(&self, vault: &Vault, name: &str) -> Result<SecretRecord, SecretFailure> {
        self.create_under(vault, name, ChosenKey::default(), &KeyPermits::none())
    }

    pub(crate) fn create_under(
        &self,
        vault: &Vault,
        name: &str,
        key: ChosenKey,
        keys: &KeyPermits,
    ) -> Result<SecretRecord, SecretFailure> {
        let arn = Secrets::hypothetical_arn(&self.scope, name);
        let permit = self.permit("secretsmanager:CreateSecret", &arn);
        let new = NewSecret {
            replicas: Vec::new(),
            name: name.to_owned(),
            token: "first".into(),
            description: None,
            key,
            tags: Vec::new(),
            content: Some(text("value")),
        };
        vault.secrets().create(&permit, keys, &arn, &self.scope, new).map(|written| written.secret)
    }

    /// A customer key of a Region with an alias; its ARN.
    pub(crate) fn key(&self, vault: &Vault, region: &str, alias: &str) -> Result<String, KmsFailure> {
        let scope = Scope::new(self.scope.account.as_str(), region);
        let new = NewKey { description: String::new(), policy: "{}".into(), tags: Vec::new() };
        let key = vault.kms().create(&self.permit("kms:CreateKey", "*"), &scope, new)?;
        let permit = |arn: &str| self.permit("kms:CreateAlias", arn);
        let permits = (&permit(&Kms::alias_arn(&scope, alias)), &permit(&key.arn()));
        vault.kms().create_alias(permits, alias, &key)?;
        Ok(key.arn())
    }

    /// Permits for every action on the key of a version.
    pub(crate) fn key_permits(&self, version: &VersionRecord) -> KeyPermits {
        let mut permits = KeyPermits::none();
        if let Some(arn) = &version.customer_key {
            permits.add(version.id.as_str(), self.permit("kms:Decrypt", arn));
        }
        permits
    }

    pub(crate) fn row(&self, vault: &Vault, name: &str) -> Arc<Row<SecretRecord>> {
        vault.secrets().find(&self.scope, name).unwrap()
    }

    pub(crate) fn put(&self, vault: &Vault, name: &str, token: &str) {
        let row = self.row(vault, name);
        let permit = self.permit("secretsmanager:PutSecretValue", &row.record.arn());
        vault
            .secrets()
            .put_value(
                &permit,
                &KeyPermits::none(),
                &row,
                ChosenKey::default(),
                (token, &text(token)),
                Vec::new(),
            )
            .unwrap();
    }

    /// Puts a parameter, with permits for its own key and no other; its version.
    pub(crate) fn put_parameter(&self, vault: &Vault, new: &NewParameter) -> Result<i64, ParameterFailure> {
        let arn = parameter_arn(&self.scope, &new.name);
        let sealing = vault.parameters().sealing(&self.scope, new)?;
        let mut keys = KeyPermits::none();
        if let Some(key) = sealing.key.customer() {
            keys.add(arn.as_str(), self.permit("kms:Encrypt", key));
        }
        let permit = self.permit("ssm:PutParameter", &arn);
        let put = vault.parameters().put(&permit, &keys, &arn, &self.scope, new, &sealing)?;
        Ok(put.0)
    }

    pub(crate) fn read(&self, vault: &Vault, name: &str) -> Result<usize, SecretFailure> {
        let row = self.row(vault, name);
        let permit = self.permit("secretsmanager:GetSecretValue", &row.record.arn());
        vault.secrets().get_value(&permit, &KeyPermits::none(), &row, None, None).map(|read| read.value.len())
    }

    pub(crate) fn delete(&self, vault: &Vault, name: &str, window: Option<i64>) -> Timestamp {
        let row = self.row(vault, name);
        let permit = self.permit("secretsmanager:DeleteSecret", &row.record.arn());
        vault.secrets().delete(&permit, &row, window).unwrap()
    }
}

pub(crate) fn text(value: &str) -> SecretContent {
    SecretContent::String(SecretValue::from(value.to_owned()))
}

/// A SecureString under the service's own key, to be made or written again.
pub(crate) fn secure_string(name: &str) -> NewParameter {
    NewParameter {
        name: name.into(),
        value: SecretValue::from("value".to_owned()),
        kind: Some(ParameterKind::SecureString),
        key_id: None,
        description: None,
        overwrite: true,
        allowed_pattern: None,
        tags: Vec::new(),
        tier: None,
        policies: None,
        data_type: None,
        user: String::new(),
    }
}

/// How many sealed values the store holds.
pub(crate) fn blobs(store: &dyn Store) -> usize {
    store.scan(b"V", None, usize::MAX).unwrap().len()
}
