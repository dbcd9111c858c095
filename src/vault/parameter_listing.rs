//! Lists of parameters: those under a path, all of a Region, the versions of one.
//!
//! Names are kept in order, so that a page costs what it shows: the walk begins where
//! the last page ended, and on one level it jumps over whatever is deeper. With
//! filters a walk looks at [`MOST`] names and then hands out a token, even if the page
//! is not full; AWS reserves the same right.
//!
//! A parameter whose name has no slash in front lies at the top, as `/name` does.

use super::parameter_record::{ParameterRecord, ParameterVersion, parameter_arn};
use super::parameters::{ParameterFailure, ParameterValue, Parameters};
use super::scope::Scope;
use super::secrets::permitted;
use super::table::{Row, Step, Table};
use super::{Selector, VaultError};
use crate::audit::Permit;
use crate::secret::SecretValue;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Most records that one page looks at.
const MOST: usize = 10_000;

/// Which page of a list.
#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    /// The name that the last page ended at.
    pub after: Option<&'a str>,
    /// Most entries.
    pub limit: usize,
}

/// Where the parameters of a list can be at most, so that nobody looks for them elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Within {
    /// Anywhere.
    Everywhere,
    /// Below a path, on one level or on all (`true`).
    Path(String, bool),
    /// Among these names, and those that differ from them by the leading slash.
    Names(Vec<String>),
}

/// Entries of a list, and where to go on.
#[derive(Debug)]
pub struct Listed<T, P = String> {
    /// The entries.
    pub entries: Vec<T>,
    /// The name or version to go on after; `None` at the end of the list.
    pub next: Option<P>,
}

/// The part of a name below `path`, if it is below. `path` has no slash at its end: the top is empty.
pub fn below<'n>(path: &str, name: &'n str) -> Option<&'n str> {
    if path.is_empty() {
        return Some(name.strip_prefix('/').unwrap_or(name));
    }
    name.strip_prefix(path)?.strip_prefix('/').filter(|rest| !rest.is_empty())
}

impl Parameters<'_> {
    /// `GetParametersByPath`: values of the parameters under `path`, as the permit's
    /// resource has it. `select` picks the version, or none.
    pub fn by_path(
        &self,
        permit: &Permit,
        scope: &Scope,
        (path, recursive): (&str, bool),
        select: impl Fn(&ParameterRecord) -> Option<i64>,
        page: Page<'_>,
        decrypt: bool,
    ) -> Result<Listed<ParameterValue>, ParameterFailure> {
        permitted(permit, &["ssm:GetParametersByPath"], &parameter_arn(scope, path))?;
        let now = self.0.now();
        let select = |record: &ParameterRecord| select(record).filter(|_| !record.is_expired(now));
        let found =
            walk(&self.0.parameters, scope, (path.trim_end_matches('/'), recursive), select, page, MOST);
        let mut entries = Vec::with_capacity(found.entries.len());
        for (parameter, version) in found.entries {
            let selector = Selector::Version(version);
            match self.read(&parameter, &selector, decrypt) {
                Ok(value) => entries.push(ParameterValue { selector: None, ..value }),
                // Deleted, or dropped as the oldest, since it was found.
                Err(ParameterFailure::Vault(VaultError::Unreadable))
                    if !self.is_current(&parameter, version) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Listed { entries, next: found.next })
    }

    /// `DescribeParameters`: parameters of a Region for which `matches` says yes.
    /// `resource` stands for all of them.
    pub fn describe(
        &self,
        permit: &Permit,
        resource: &str,
        scope: &Scope,
        within: &Within,
        matches: impl Fn(&ParameterRecord) -> bool,
        page: Page<'_>,
    ) -> Result<Listed<Arc<Row<ParameterRecord>>>, ParameterFailure> {
        permitted(permit, &["ssm:DescribeParameters"], resource)?;
        let now = self.0.now();
        let matches = |record: &ParameterRecord| (matches(record) && !record.is_expired(now)).then_some(0);
        let path = match within {
            Within::Everywhere => ("", true),
            Within::Path(path, recursive) => (path.trim_end_matches('/'), *recursive),
            Within::Names(names) => return Ok(self.among(scope, names, matches, page)),
        };
        let found = walk(&self.0.parameters, scope, path, matches, page, MOST);
        let entries = found.entries.into_iter().map(|(row, _)| row).collect();
        Ok(Listed { entries, next: found.next })
    }

    /// A page of the parameters of these names, in order of name.
    fn among(
        &self,
        scope: &Scope,
        names: &[String],
        matches: impl Fn(&ParameterRecord) -> Option<i64>,
        page: Page<'_>,
    ) -> Listed<Arc<Row<ParameterRecord>>> {
        let bare = names.iter().map(|name| name.strip_prefix('/').unwrap_or(name));
        let spelled: BTreeSet<String> = bare.flat_map(|name| [format!("/{name}"), name.to_owned()]).collect();
        let mut rest = spelled
            .iter()
            .filter(|name| page.after.is_none_or(|after| name.as_str() > after))
            .filter_map(|name| self.0.parameters.get(&scope.id(name)))
            .filter(|row| matches(&row.record).is_some());
        let entries: Vec<_> = rest.by_ref().take(page.limit).collect();
        let last = entries.last().map(|row| row.record.name.clone());
        Listed { next: last.filter(|_| rest.next().is_some()), entries }
    }

    /// `GetParameterHistory`: versions later than `after`, oldest first.
    pub fn history(
        &self,
        permit: &Permit,
        parameter: &Arc<Row<ParameterRecord>>,
        after: i64,
        limit: usize,
        decrypt: bool,
    ) -> Result<Listed<(ParameterVersion, SecretValue), i64>, ParameterFailure> {
        permitted(permit, &["ssm:GetParameterHistory"], &parameter.record.arn())?;
        let mut versions = parameter.record.versions.iter().filter(|v| v.version > after);
        let mut entries = Vec::new();
        let mut last = after;
        for version in versions.by_ref().take(limit) {
            last = version.version;
            match self.read(parameter, &Selector::Version(version.version), decrypt) {
                Ok(value) => entries.push((value.version, value.value)),
                Err(ParameterFailure::Vault(VaultError::Unreadable))
                    if !self.is_current(parameter, version.version) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Listed { entries, next: versions.next().map(|_| last) })
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

/// Up to a page of parameters below `path`, in order of name, with what `select` says of
/// each, from a look at `most` names.
fn walk(
    table: &Table<ParameterRecord>,
    scope: &Scope,
    (path, recursive): (&str, bool),
    select: impl Fn(&ParameterRecord) -> Option<i64>,
    page: Page<'_>,
    most: usize,
) -> Listed<(Arc<Row<ParameterRecord>>, i64)> {
    let mut listed = Listed { entries: Vec::new(), next: None };
    let mut last: Option<String> = page.after.map(str::to_owned);
    let mut looked = 0;
    // At the top there are names without a slash too.
    let prefix = if path.is_empty() { scope.id("") } else { scope.id(&format!("{path}/")) };
    let after = page.after.map(|name| scope.id(name));
    table.walk(&prefix, after.as_deref(), |row| {
        let name = row.record.name.as_str();
        let Some(rest) = below(path, name) else { return Step::Next };
        if looked == most {
            listed.next.clone_from(&last);
            return Step::Stop;
        }
        looked += 1;
        let seen = Some(name.to_owned());
        if !recursive && let Some((level, _)) = rest.split_once('/') {
            // All names below this level begin with it and a slash, which "0" follows.
            let passed = name.len() - rest.len() + level.len();
            last = seen;
            return Step::Jump(scope.id(&format!("{}0", name.get(..passed).unwrap_or(name))));
        }
        if let Some(version) = select(&row.record) {
            if listed.entries.len() == page.limit {
                listed.next.clone_from(&last);
                return Step::Stop;
            }
            listed.entries.push((Arc::clone(row), version));
        }
        last = seen;
        Step::Next
    });
    listed
}

#[cfg(test)]
mod tests {
    use super::super::parameter_record::tests::parameter;
    use super::super::seal::{Keys, random};
    use super::super::table::{Change, Stored};
    use super::*;
    use crate::store::EmbeddedStore;
    use proptest::prelude::*;

    fn table(names: &[String]) -> Table<ParameterRecord> {
        let store = EmbeddedStore::with_backend(redb::backends::InMemoryBackend::new()).unwrap();
        let keys = Keys::derive(&random(), b"vault");
        let table = Table::load(Arc::new(store), Arc::new(keys)).unwrap();
        for (name, region) in names.iter().flat_map(|name| [(name, "r"), (name, "r2")]) {
            let scope = Scope::new("1", region);
            let record = ParameterRecord { scope, name: name.clone(), ..parameter(0) };
            table.change(&record.id(), |_| Ok::<_, VaultError>((Change::Write(record.clone()), ()))).unwrap();
        }
        table
    }

    fn pages(
        table: &Table<ParameterRecord>,
        path: (&str, bool),
        (limit, most): (usize, usize),
    ) -> Vec<String> {
        let wanted = |record: &ParameterRecord| (!record.name.ends_with('c')).then_some(1);
        let mut names = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let page = Page { after: after.as_deref(), limit };
            let listed = walk(table, &Scope::new("1", "r"), path, wanted, page, most);
            assert!(listed.entries.len() <= limit);
            names.extend(listed.entries.iter().map(|(row, _)| row.record.name.clone()));
            match listed.next {
                Some(next) => after = Some(next),
                None => return names,
            }
        }
    }

    #[test]
    fn what_lies_below_a_path() {
        assert_eq!(below("/a", "/a/b/c"), Some("b/c"));
        assert_eq!(below("/a", "/ab"), None);
        assert_eq!(below("/a", "/a"), None);
        assert_eq!(below("", "/a/b"), Some("a/b"));
        assert_eq!(below("", "a"), Some("a"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn pages_add_up_to_what_a_look_at_every_name_finds(
            names in prop::collection::btree_set("(/[abc0.-]{1,2}){1,4}|[abc]{1,2}", 0..30),
            path in "(/[ab]){0,2}",
            recursive in any::<bool>(),
            limit in 1_usize..5,
            most in 1_usize..9,
        ) {
            let names: Vec<String> = names.into_iter().collect();
            let expected: Vec<String> = names
                .iter()
                .filter(|name| {
                    let rest = below(&path, name);
                    rest.is_some_and(|rest| recursive || !rest.contains('/')) && !name.ends_with('c')
                })
                .cloned()
                .collect();
            prop_assert_eq!(pages(&table(&names), (&path, recursive), (limit, most)), expected);
        }
    }
}
