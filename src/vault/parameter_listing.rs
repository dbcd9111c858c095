//! Lists of parameters: those under a path, all of a Region, the versions of one.
//!
//! How the parameters of a page are found is in [`super::parameter_walk`].

use super::kms_permits::KeyPermits;
use super::parameter_record::{ParameterRecord, ParameterVersion, parameter_arn};
use super::parameter_walk::{Listed, MOST, Page, Picked, Within, below, list, walk};
use super::parameters::{ParameterFailure, ParameterValue, Parameters};
use super::scope::Scope;
use super::secrets::permitted;
use super::table::Row;
use super::{Selector, VaultError};
use crate::audit::Permit;
use crate::secret::SecretValue;
use std::sync::Arc;

impl Parameters<'_> {
    /// `GetParametersByPath`: the parameters under `path`, as the permit's resource has it, each with
    /// the version that `select` picks; those for which it picks none are left out.
    pub fn by_path(
        &self,
        permit: &Permit,
        scope: &Scope,
        (path, recursive): (&str, bool),
        select: impl Fn(&ParameterRecord) -> Option<i64>,
        page: Page<'_>,
    ) -> Result<Listed<Picked>, ParameterFailure> {
        permitted(permit, &["ssm:GetParametersByPath"], &parameter_arn(scope, path))?;
        let now = self.0.now();
        let select = |record: &ParameterRecord| select(record).filter(|_| !record.is_expired(now));
        Ok(walk(&self.0.parameters, scope, (path.trim_end_matches('/'), recursive), select, page, MOST))
    }

    /// The values of what [`Parameters::by_path`] has picked under the same path.
    pub fn values_by_path(
        &self,
        permit: &Permit,
        keys: &KeyPermits,
        scope: &Scope,
        path: &str,
        picked: &[Picked],
        decrypt: bool,
    ) -> Result<Vec<ParameterValue>, ParameterFailure> {
        permitted(permit, &["ssm:GetParametersByPath"], &parameter_arn(scope, path))?;
        let mut values = Vec::with_capacity(picked.len());
        for (parameter, version) in picked {
            let record = &parameter.record;
            if record.scope != *scope || below(path.trim_end_matches('/'), &record.name).is_none() {
                return Err(VaultError::NotPermitted.into());
            }
            match self.read(keys, parameter, &Selector::Version(*version), decrypt) {
                Ok(value) => values.push(ParameterValue { selector: None, ..value }),
                // Deleted, or dropped as the oldest, since it was found.
                Err(ParameterFailure::Vault(VaultError::Unreadable))
                    if !self.is_current(parameter, *version) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(values)
    }

    /// `DescribeParameters`: parameters of a Region for which `matches` says yes.
    /// `resource` stands for all of them. The list's `next` is good for the same place only.
    pub fn describe(
        &self,
        permit: &Permit,
        resource: &str,
        scope: &Scope,
        within: Within<'_>,
        matches: impl Fn(&ParameterRecord) -> bool,
        page: Page<'_>,
    ) -> Result<Listed<Arc<Row<ParameterRecord>>>, ParameterFailure> {
        permitted(permit, &["ssm:DescribeParameters"], resource)?;
        let now = self.0.now();
        let matches = |record: &ParameterRecord| matches(record) && !record.is_expired(now);
        Ok(list(&self.0.parameters, scope, within, matches, page, MOST))
    }

    /// `GetParameterHistory`: the versions of [`ParameterRecord::later`].
    pub fn history(
        &self,
        permit: &Permit,
        keys: &KeyPermits,
        parameter: &Arc<Row<ParameterRecord>>,
        after: i64,
        limit: usize,
        decrypt: bool,
    ) -> Result<Listed<(ParameterVersion, SecretValue), i64>, ParameterFailure> {
        permitted(permit, &["ssm:GetParameterHistory"], &parameter.record.arn())?;
        let (versions, next) = parameter.record.later(after, limit);
        let mut entries = Vec::new();
        for version in versions {
            match self.read(keys, parameter, &Selector::Version(version.version), decrypt) {
                Ok(value) => entries.push((value.version, value.value)),
                Err(ParameterFailure::Vault(VaultError::Unreadable))
                    if !self.is_current(parameter, version.version) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Listed { entries, next })
    }

    /// Whether the version is still the one that was found.
    fn is_current(&self, parameter: &Row<ParameterRecord>, version: i64) -> bool {
        let record = &parameter.record;
        let blob =
            |r: &ParameterRecord| r.versions.iter().find(|v| v.version == version).map(|v| v.blob.clone());
        let current = self.0.parameters.get(&record.scope.id(&record.name));
        current.is_some_and(|row| blob(&row.record) == blob(record))
    }
}

impl ParameterRecord {
    /// Up to `limit` versions later than `after`, oldest first, and the last of them if there are more.
    pub fn later(&self, after: i64, limit: usize) -> (&[ParameterVersion], Option<i64>) {
        let begin = self.versions.partition_point(|v| v.version <= after);
        let later = self.versions.get(begin..).unwrap_or_default();
        match later.split_at_checked(limit) {
            Some((page, [_, ..])) => (page, page.last().map(|v| v.version)),
            _ => (later, None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::parameter_record::tests::parameter;

    #[test]
    fn versions_in_pages() {
        let record = parameter(5);
        let numbers = |after, limit| {
            let (page, next) = record.later(after, limit);
            (page.iter().map(|v| v.version).collect::<Vec<_>>(), next)
        };
        assert_eq!(numbers(0, 2), (vec![1, 2], Some(2)));
        assert_eq!(numbers(2, 3), (vec![3, 4, 5], None));
        assert_eq!(numbers(5, 3), (vec![], None));
        assert_eq!(numbers(0, 5), (vec![1, 2, 3, 4, 5], None));
    }
}
