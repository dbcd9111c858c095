//! How a page of parameters is found.
//!
//! Names are kept in order, so that a page costs what it shows: the walk begins where
//! the last page ended, and on one level it jumps over whatever is deeper. What filters ask for
//! has orders of its own ([`Property`]), and a list in one of these is in that order. Where no
//! order helps, a page looks at [`MOST`] parameters and then hands out a token, even if it is
//! not full; AWS reserves the same right.
//!
//! A parameter whose name has no slash in front lies at the top, as `/name` does.

use super::parameter_places::Property;
use super::parameter_record::ParameterRecord;
use super::scope::Scope;
use super::table::{By, Row, Step, Stretch, Table, disjoint};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Most records that one page looks at.
pub(super) const MOST: usize = 10_000;

/// Records that are looked at in one go; writers wait for no more than that.
const STRIDE: usize = 512;

/// Which page of a list.
#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    /// Where the last page ended: [`Listed::next`] of it.
    pub after: Option<&'a str>,
    /// Most entries.
    pub limit: usize,
}

/// Where the parameters of a list can be at most, so that nobody looks for them elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Within<'a> {
    /// Anywhere.
    Everywhere,
    /// Below a path, on one level or on all (`true`).
    Path(&'a str, bool),
    /// Among these names, and those that differ from them by the leading slash.
    Names(&'a [String]),
    /// Among the names that begin like one of these, whether or not with a slash in front.
    Beginnings(&'a [String]),
    /// Among those with one of these values, or with values that begin like one of these (`false`).
    Having(Property<'a>, &'a [String], bool),
}

/// A parameter, and the number of one of its versions.
pub type Picked = (Arc<Row<ParameterRecord>>, i64);

/// Entries of a list, and where to go on.
#[derive(Debug)]
pub struct Listed<T, P = String> {
    /// The entries.
    pub entries: Vec<T>,
    /// What to go on after; `None` at the end of the list.
    pub next: Option<P>,
}

/// The part of a name below `path`, if it is below. `path` has no slash at its end: the top is empty.
pub fn below<'n>(path: &str, name: &'n str) -> Option<&'n str> {
    if path.is_empty() {
        return Some(name.strip_prefix('/').unwrap_or(name));
    }
    name.strip_prefix(path)?.strip_prefix('/').filter(|rest| !rest.is_empty())
}

/// A page of a list that is looked for `within` a place, from a look at `most` parameters.
pub(super) fn list(
    table: &Table<ParameterRecord>,
    scope: &Scope,
    within: Within<'_>,
    matches: impl Fn(&ParameterRecord) -> bool,
    page: Page<'_>,
    most: usize,
) -> Listed<Arc<Row<ParameterRecord>>> {
    let (by, prefixes) = match within {
        Within::Path(path, recursive) => {
            let select = |record: &ParameterRecord| matches(record).then_some(0);
            let found = walk(table, scope, (path.trim_end_matches('/'), recursive), select, page, most);
            let entries = found.entries.into_iter().map(|(row, _)| row).collect();
            return Listed { entries, next: found.next };
        }
        Within::Names(names) => {
            let names: BTreeSet<String> = spelled(names).into_iter().collect();
            let after = |name: &&String| page.after.is_none_or(|after| name.as_str() > after);
            let rows = names.iter().filter(after).filter_map(|name| table.get(&scope.id(name)));
            let mut rest = rows.filter(|row| matches(&row.record));
            let entries: Vec<_> = rest.by_ref().take(page.limit).collect();
            let last = entries.last().map(|row| row.record.name.clone());
            return Listed { next: last.filter(|_| rest.next().is_some()), entries };
        }
        Within::Everywhere => (By::Id, vec![scope.id("")]),
        Within::Beginnings(names) => {
            let ids = spelled(names).into_iter().map(|name| scope.id(&name));
            (By::Id, disjoint(ids.collect()))
        }
        Within::Having(property, values, whole) => {
            let prefixes = values.iter().map(|value| property.prefix(scope, value, whole));
            (By::Place, disjoint(prefixes.collect()))
        }
    };
    gather(table, (by, &prefixes), matches, page, most)
}

/// Names with and without the leading slash.
fn spelled(names: &[String]) -> Vec<String> {
    let bare = names.iter().map(|name| name.strip_prefix('/').unwrap_or(name));
    bare.flat_map(|name| [format!("/{name}"), name.to_owned()]).collect()
}

/// Up to a page of parameters whose keys begin with one of `prefixes`, which are in order.
fn gather(
    table: &Table<ParameterRecord>,
    (by, prefixes): (By, &[String]),
    matches: impl Fn(&ParameterRecord) -> bool,
    page: Page<'_>,
    most: usize,
) -> Listed<Arc<Row<ParameterRecord>>> {
    let mut listed = Listed { entries: Vec::new(), next: None };
    let mut last = page.after.map(str::to_owned);
    let mut looked = 0;
    for prefix in prefixes {
        loop {
            let stretch = Stretch { by, prefix, after: last.as_deref(), descending: false };
            // Most pages are full soon.
            let stride = if looked == 0 { page.limit.saturating_add(1) } else { STRIDE };
            let rows = table.stretch(stretch, stride);
            if rows.is_empty() {
                break;
            }
            for (key, row) in rows {
                let wanted = matches(&row.record);
                if looked == most || (wanted && listed.entries.len() == page.limit) {
                    listed.next = last;
                    return listed;
                }
                looked += 1;
                if wanted {
                    listed.entries.push(row);
                }
                last = Some(key);
            }
        }
    }
    listed
}

/// Up to a page of parameters below `path`, in order of name, with what `select` says of
/// each, from a look at `most` names.
pub(super) fn walk(
    table: &Table<ParameterRecord>,
    scope: &Scope,
    (path, recursive): (&str, bool),
    select: impl Fn(&ParameterRecord) -> Option<i64>,
    page: Page<'_>,
    most: usize,
) -> Listed<Picked> {
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
    use super::super::VaultError;
    use super::super::parameter_record::{ParameterKind, Tier, tests::parameter};
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

    /// A parameter of whatever properties these numbers stand for.
    fn various(name: &str, (kind, tier, tag): (u8, bool, Option<u8>)) -> ParameterRecord {
        let mut record = ParameterRecord { name: name.to_owned(), ..parameter(1) };
        let version = record.versions.last_mut().unwrap();
        version.kind = [ParameterKind::String, ParameterKind::StringList, ParameterKind::SecureString]
            [usize::from(kind % 3)];
        version.tier = if tier { Tier::Advanced } else { Tier::Standard };
        record.tags = tag.map(|tag| ("k".to_owned(), format!("v{tag}"))).into_iter().collect();
        record
    }

    fn all_pages(
        table: &Table<ParameterRecord>,
        within: Within<'_>,
        matches: impl Fn(&ParameterRecord) -> bool,
        (limit, most): (usize, usize),
    ) -> Vec<String> {
        let (mut names, mut after) = (Vec::new(), None::<String>);
        loop {
            let page = Page { after: after.as_deref(), limit };
            let listed = list(table, &Scope::new("1", "r"), within.clone(), &matches, page, most);
            assert!(listed.entries.len() <= limit);
            names.extend(listed.entries.iter().map(|row| row.record.name.clone()));
            match listed.next {
                Some(next) => after = Some(next),
                None => return names,
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn every_order_finds_what_a_look_at_everything_finds(
            parameters in prop::collection::btree_map(
                "(/[ab]{1,2}){1,2}|[ab]{1,2}", (any::<u8>(), any::<bool>(), prop::option::of(0_u8..12)), 0..30,
            ),
            again in prop::collection::vec((any::<u8>(), any::<bool>(), prop::option::of(0_u8..12)), 0..10),
            beginnings in prop::collection::vec("/?[ab]{0,2}", 1..3),
            tags in prop::collection::vec("v[0-9]{0,2}", 1..3),
            limits in (1_usize..5, 1_usize..9),
        ) {
            let table = table(&[]);
            let write = |record: ParameterRecord| {
                table.change(&record.id(), |_| Ok::<_, VaultError>((Change::Write(record.clone()), ()))).unwrap();
            };
            parameters.iter().for_each(|(name, of)| write(various(name, *of)));
            // Some change, so that they leave their places.
            parameters.keys().zip(again).for_each(|(name, of)| write(various(name, of)));
            let rows = table.page("1/r/", None, usize::MAX);
            let named = |matches: &dyn Fn(&ParameterRecord) -> bool| -> Vec<String> {
                rows.iter().filter(|row| matches(&row.record)).map(|row| row.record.name.clone()).collect()
            };
            let sorted = |mut names: Vec<String>| { names.sort(); names };
            let tag = |record: &ParameterRecord| record.tags.first().map(|(_, value)| value.clone());
            let kind = |record: &ParameterRecord| record.latest().unwrap().kind;
            let secure = |record: &ParameterRecord| kind(record) == ParameterKind::SecureString;
            prop_assert_eq!(
                all_pages(&table, Within::Everywhere, secure, limits),
                named(&secure)
            );
            let bare = |name: &str| name.strip_prefix('/').unwrap_or(name).to_owned();
            let begins = |r: &ParameterRecord| beginnings.iter().any(|b| bare(&r.name).starts_with(&bare(b)));
            prop_assert_eq!(all_pages(&table, Within::Beginnings(&beginnings), begins, limits), named(&begins));
            let whole = |r: &ParameterRecord| tag(r).is_some_and(|value| tags.contains(&value));
            let having = Within::Having(Property::Tag("k"), &tags, true);
            prop_assert_eq!(sorted(all_pages(&table, having, |_| true, limits)), named(&whole));
            let part = |r: &ParameterRecord| tag(r).is_some_and(|v| tags.iter().any(|t| v.starts_with(t)));
            let having = Within::Having(Property::Tag("k"), &tags, false);
            prop_assert_eq!(sorted(all_pages(&table, having, |_| true, limits)), named(&part));
            let advanced = |r: &ParameterRecord| r.latest().unwrap().tier == Tier::Advanced;
            let values = ["Advanced".to_owned()];
            let having = Within::Having(Property::Tier, &values, true);
            prop_assert_eq!(all_pages(&table, having, |_| true, limits), named(&advanced));
            let lists = |r: &ParameterRecord| kind(r) == ParameterKind::StringList;
            let values = ["StringList".to_owned()];
            let having = Within::Having(Property::Type, &values, true);
            prop_assert_eq!(all_pages(&table, having, |_| true, limits), named(&lists));
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
