//! Aliases of keys. An alias may move to another key; what was sealed names the key
//! itself, so that it does not move along.

use super::VaultError;
use super::kms::{Kms, KmsFailure};
use super::kms_record::{AliasRecord, KeyError, KeyRecord, MAX_ALIASES};
use super::scope::Scope;
use super::secrets::permitted;
use super::table::{Change, Row};
use crate::arn::arn;
use crate::audit::Permit;
use std::sync::Arc;

impl Kms<'_> {
    /// ARN of the alias `name`.
    pub fn alias_arn(scope: &Scope, name: &str) -> String {
        arn("kms", &scope.region, &scope.account, &[name])
    }

    /// The alias of this name.
    pub fn alias(&self, scope: &Scope, name: &str) -> Option<Arc<Row<AliasRecord>>> {
        self.0.keyring.aliases.get(&scope.id(name))
    }

    /// Aliases of a scope, in order of name, after `after`.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn alias_page(
        &self,
        permit: &Permit,
        scope: &Scope,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Arc<Row<AliasRecord>>>, VaultError> {
        permitted(permit, &["kms:ListAliases"], "*")?;
        let after = after.map(|name| scope.id(name));
        Ok(self.0.keyring.aliases.page(&scope.id(""), after.as_deref(), limit))
    }

    /// `CreateAlias`: of the alias and of the key, each allowed by a permit of its own.
    ///
    /// # Errors
    /// [`KmsFailure`].
    pub fn create_alias(
        &self,
        permits: (&Permit, &Permit),
        name: &str,
        key: &KeyRecord,
    ) -> Result<(), KmsFailure> {
        let arn = Self::alias_arn(&key.scope, name);
        permitted(permits.0, &["kms:CreateAlias"], &arn)?;
        permitted(permits.1, &["kms:CreateAlias"], &key.arn())?;
        self.may_get_alias(key)?;
        let now = self.0.now();
        self.0.keyring.aliases.change(&key.scope.id(name), |current| match current {
            Some(_) => Err(KmsFailure::Refused(KeyError::AliasExists(arn))),
            None => {
                let alias = AliasRecord {
                    scope: key.scope.clone(),
                    name: name.to_owned(),
                    target: key.key_id.clone(),
                    created: now,
                    updated: now,
                };
                Ok((Change::Write(alias), ()))
            }
        })?;
        self.0.keyring.point(&key.scope, name, None, Some(&key.key_id));
        Ok(())
    }

    /// `UpdateAlias`: of the alias, the key that it leaves and the key that it gets.
    ///
    /// # Errors
    /// [`KmsFailure`].
    pub fn update_alias(
        &self,
        permits: (&Permit, &Permit, &Permit),
        alias: &AliasRecord,
        key: &KeyRecord,
    ) -> Result<(), KmsFailure> {
        let arn = alias.arn();
        permitted(permits.0, &["kms:UpdateAlias"], &arn)?;
        permitted(permits.1, &["kms:UpdateAlias"], &super::kms_record::key_arn(&alias.scope, &alias.target))?;
        permitted(permits.2, &["kms:UpdateAlias"], &key.arn())?;
        if key.key_id != alias.target {
            self.may_get_alias(key)?;
        }
        let now = self.0.now();
        self.0.keyring.aliases.change(&alias.scope.id(&alias.name), |current| match current {
            Some(current) if current.target == alias.target => {
                let moved = AliasRecord { target: key.key_id.clone(), updated: now, ..current.clone() };
                Ok((Change::Write(moved), ()))
            }
            _ => Err(KmsFailure::Refused(KeyError::NoSuchAlias(arn))),
        })?;
        self.0.keyring.point(&alias.scope, &alias.name, Some(&alias.target), Some(&key.key_id));
        Ok(())
    }

    /// `DeleteAlias`: of the alias and the key that it points to.
    ///
    /// # Errors
    /// [`KmsFailure`].
    pub fn delete_alias(&self, permits: (&Permit, &Permit), alias: &AliasRecord) -> Result<(), KmsFailure> {
        let target = super::kms_record::key_arn(&alias.scope, &alias.target);
        permitted(permits.0, &["kms:DeleteAlias"], &alias.arn())?;
        permitted(permits.1, &["kms:DeleteAlias"], &target)?;
        self.drop_alias(alias)?;
        Ok(())
    }

    /// Removes an alias if it still points to the same key.
    pub(super) fn drop_alias(&self, alias: &AliasRecord) -> Result<(), VaultError> {
        self.0.keyring.aliases.change(&alias.scope.id(&alias.name), |current| {
            let same = current.is_some_and(|current| current.target == alias.target);
            Ok::<_, VaultError>((if same { Change::Remove } else { Change::Keep }, ()))
        })?;
        self.0.keyring.point(&alias.scope, &alias.name, Some(&alias.target), None);
        Ok(())
    }

    fn may_get_alias(&self, key: &KeyRecord) -> Result<(), KeyError> {
        let arn = key.arn();
        if let Some(customer) = &key.customer {
            customer.changeable(&arn)?;
        }
        if self.0.keyring.names(key).len() >= MAX_ALIASES {
            return Err(KeyError::TooManyAliases(arn));
        }
        Ok(())
    }
}
