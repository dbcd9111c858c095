//! Lists of secrets: in which orders they are kept, and how a page is found.
//!
//! A secret has a place in the order of creation, of change and of access, beside that
//! of names, and others while maintenance has to look at it:
//!
//! ```text
//! c/account/region/TIME/name    m/..    a/..    created, changed, accessed
//! d/TIME/account/region/name                    deletion due
//! r/account/region/name                         a replica, or a primary whose replicas are due
//! t/account/region/name                         rotation is set up
//! ```
//!
//! `TIME` is nanoseconds since 1970 in 20 digits, and nothing for a secret that nobody
//! has read: those come first. A page is a walk along one order from the place where the
//! last page ended, so it costs what it looks at, and a secret that keeps its place is
//! shown once whatever happens to the others. Beginnings of names narrow the walk: to
//! their own ranges in the order of names; in the other orders, to the secrets in those
//! ranges if they are few.

use super::Listed;
use super::VaultError;
use super::replica_record::Replica;
use super::scope::Scope;
use super::secret_record::SecretRecord;
use super::secrets::{Secrets, permitted};
use super::table::{By, Row, Stored, Stretch, Table, disjoint, sortable};
use crate::audit::Permit;
use jiff::Timestamp;
use std::sync::Arc;

/// What a list of secrets is ordered by. Names decide between equals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretOrder {
    /// The name.
    Name,
    /// When it was made.
    Created,
    /// When it was last changed.
    Changed,
    /// The day of the last read; what was never read comes first.
    Accessed,
}

/// One page of a list of secrets.
#[derive(Clone, Copy, Debug)]
pub struct SecretPage<'a> {
    /// The order.
    pub order: SecretOrder,
    /// Whether it is gone through backwards.
    pub descending: bool,
    /// Beginnings of names, of which a secret must have one; none if every name will do.
    pub prefixes: &'a [String],
    /// [`Listed::next`] of the page before.
    pub after: Option<&'a str>,
    /// Most secrets on the page.
    pub limit: usize,
}

/// How a page is looked for.
#[derive(Clone, Copy, Debug)]
struct Effort {
    /// Secrets that are looked at in one go; writers wait for no more than that.
    stride: usize,
    /// Up to so many secrets are picked out by their names and sorted, in an order that is not that of names.
    few: usize,
}

const USUAL: Effort = Effort { stride: 512, few: 256 };

impl SecretOrder {
    /// The secret's place in this order.
    fn place(self, record: &SecretRecord) -> String {
        let time = match self {
            Self::Name => return record.id(),
            Self::Created => Some(record.created),
            Self::Changed => Some(record.changed),
            Self::Accessed => record.accessed,
        };
        format!("{}{}/{}", self.prefix(&record.scope), time.map(sortable).unwrap_or_default(), record.name)
    }

    /// What the places of a scope's secrets begin with.
    fn prefix(self, scope: &Scope) -> String {
        let scope = scope.id("");
        match self {
            Self::Name => scope,
            Self::Created => format!("c/{scope}"),
            Self::Changed => format!("m/{scope}"),
            Self::Accessed => format!("a/{scope}"),
        }
    }

    /// Whether a secret's place may change while it exists.
    fn moves(self) -> bool {
        matches!(self, Self::Changed | Self::Accessed)
    }

    fn by(self) -> By {
        if self == Self::Name { By::Id } else { By::Place }
    }
}

/// What the places of secrets that wait for their deletion begin with.
const DUE: &str = "d/";

/// What the places of secrets begin with that replication has to look at.
const REPLICATED: &str = "r/";

/// What the places of secrets begin with for which rotation is set up.
const ROTATED: &str = "t/";

/// All places of a secret but that of its id.
pub(super) fn places(record: &SecretRecord) -> Vec<String> {
    let orders = [SecretOrder::Created, SecretOrder::Changed, SecretOrder::Accessed];
    let due = record.deletion.as_ref().map(|d| format!("{DUE}{}/{}", sortable(d.due), record.id()));
    let to_do = |replica: &Replica| replica.is_due() || replica.news().is_some();
    let replicated = record.is_replica() || record.replicas.iter().any(to_do);
    let replicated = replicated.then(|| format!("{REPLICATED}{}", record.id()));
    let rotated = record.rotation.as_ref().map(|_| format!("{ROTATED}{}", record.id()));
    orders.iter().map(|order| order.place(record)).chain(due).chain(replicated).chain(rotated).collect()
}

impl Secrets<'_> {
    /// A page of the scope's secrets for which `matches` says yes. The list's `next` is good
    /// for the same order only.
    pub fn list(
        &self,
        permit: &Permit,
        scope: &Scope,
        page: SecretPage<'_>,
        matches: impl Fn(&SecretRecord) -> bool,
    ) -> Result<Listed<Arc<Row<SecretRecord>>>, VaultError> {
        permitted(permit, &["secretsmanager:ListSecrets"], "*")?;
        let listed = |record: &SecretRecord| !self.is_over(record) && matches(record);
        Ok(list(self.0.secrets.rows(), scope, page, USUAL, listed))
    }

    /// All replicas, and the primaries whose replicas are due or have come to something that is not on
    /// record.
    pub(super) fn replicated(&self) -> Vec<Arc<Row<SecretRecord>>> {
        self.placed(REPLICATED)
    }

    /// The secrets for which rotation is set up.
    pub(super) fn rotated(&self) -> Vec<Arc<Row<SecretRecord>>> {
        self.placed(ROTATED)
    }

    fn placed(&self, prefix: &str) -> Vec<Arc<Row<SecretRecord>>> {
        let stretch = Stretch { by: By::Place, prefix, after: None, descending: false };
        let placed = self.0.secrets.rows().stretch(stretch, usize::MAX);
        placed.into_iter().map(|(_, row)| row).collect()
    }

    /// Up to `limit` secrets whose recovery window has ended by `now`, earliest first.
    pub(super) fn due_for_deletion(&self, now: Timestamp, limit: usize) -> Vec<Arc<Row<SecretRecord>>> {
        let stretch = Stretch { by: By::Place, prefix: DUE, after: None, descending: false };
        let earliest = self.0.secrets.rows().stretch(stretch, limit).into_iter().map(|(_, row)| row);
        earliest.take_while(|row| row.record.deletion.as_ref().is_some_and(|d| d.due <= now)).collect()
    }
}

fn list(
    table: &Table<SecretRecord>,
    scope: &Scope,
    page: SecretPage<'_>,
    effort: Effort,
    matches: impl Fn(&SecretRecord) -> bool,
) -> Listed<Arc<Row<SecretRecord>>> {
    let SecretPage { order, descending, after, limit, .. } = page;
    let names = ranges(scope, page.prefixes);
    let matches = |record: &SecretRecord| {
        let named = |prefix: &String| record.name.starts_with(prefix);
        (page.prefixes.is_empty() || page.prefixes.iter().any(named)) && matches(record)
    };
    let mut found = Found { entries: Vec::new(), limit, moves: order.moves() };
    match few(table, &names, order, effort.few) {
        Some(mut picked) => {
            picked.sort_by(|(a, _), (b, _)| if descending { b.cmp(a) } else { a.cmp(b) });
            let beyond = |place: &str| {
                after.is_none_or(|after| if descending { place < after } else { place > after })
            };
            picked.retain(|(place, row)| beyond(place) && matches(&row.record));
            picked.into_iter().all(|entry| found.add(entry));
        }
        None => {
            let mut walks = if order == SecretOrder::Name && !names.is_empty() {
                names
            } else {
                vec![order.prefix(scope)]
            };
            if descending {
                walks.reverse();
            }
            for prefix in &walks {
                let stretch = Stretch { by: order.by(), prefix, after, descending };
                if !walk(table, stretch, effort.stride, |entry| !matches(&entry.1.record) || found.add(entry))
                {
                    break;
                }
            }
        }
    }
    found.listed()
}

/// Ids that begin like these names do, in order, none of them inside another.
fn ranges(scope: &Scope, prefixes: &[String]) -> Vec<String> {
    disjoint(prefixes.iter().map(|prefix| scope.id(prefix)).collect())
}

/// A secret and its place.
type Entry = (String, Arc<Row<SecretRecord>>);

/// The secrets in these ranges of names with their places in `order`, if they are few and not in order already.
fn few(
    table: &Table<SecretRecord>,
    ranges: &[String],
    order: SecretOrder,
    most: usize,
) -> Option<Vec<Entry>> {
    if order == SecretOrder::Name || ranges.is_empty() {
        return None;
    }
    let mut picked = Vec::new();
    for prefix in ranges {
        let stretch = Stretch { by: By::Id, prefix, after: None, descending: false };
        let rows = table.stretch(stretch, most + 1 - picked.len());
        picked.extend(rows.into_iter().map(|(_, row)| (order.place(&row.record), row)));
        if picked.len() > most {
            return None;
        }
    }
    Some(picked)
}

/// Visits a stretch until `visit` has enough; whether it wants more.
fn walk(
    table: &Table<SecretRecord>,
    stretch: Stretch<'_>,
    stride: usize,
    mut visit: impl FnMut(Entry) -> bool,
) -> bool {
    let mut last: Option<String> = None;
    loop {
        let after = last.as_deref().or(stretch.after);
        let entries = table.stretch(Stretch { after, ..stretch }, stride);
        last = entries.last().map(|(place, _)| place.clone());
        if last.is_none() {
            return true;
        }
        for entry in entries {
            if !visit(entry) {
                return false;
            }
        }
    }
}

/// The entries of a page, and one more if there are more.
struct Found {
    entries: Vec<Entry>,
    limit: usize,
    moves: bool,
}

impl Found {
    /// Adds an entry; whether another one is wanted.
    fn add(&mut self, entry: Entry) -> bool {
        // What moved ahead of the walk is met again.
        let same = |(_, row): &Entry| row.record.name == entry.1.record.name;
        if !self.moves || !self.entries.iter().any(same) {
            self.entries.push(entry);
        }
        self.entries.len() <= self.limit
    }

    fn listed(mut self) -> Listed<Arc<Row<SecretRecord>>> {
        let more = self.entries.len() > self.limit;
        self.entries.truncate(self.limit);
        let next = self.entries.last().filter(|_| more).map(|(place, _)| place.clone());
        Listed { entries: self.entries.into_iter().map(|(_, row)| row).collect(), next }
    }
}

#[cfg(test)]
mod tests {
    use super::super::seal::{Keys, random};
    use super::super::secret_record::{Deletion, tests::record};
    use super::super::table::Change;
    use super::*;
    use crate::store::EmbeddedStore;
    use jiff::SignedDuration;
    use proptest::prelude::*;

    fn table() -> Table<SecretRecord> {
        let store = EmbeddedStore::with_backend(redb::backends::InMemoryBackend::new()).unwrap();
        Table::load(Arc::new(store), Arc::new(Keys::derive(&random(), b"vault"))).unwrap()
    }

    fn write(table: &Table<SecretRecord>, record: SecretRecord) {
        table.change(&record.id(), |_| Ok::<_, VaultError>((Change::Write(record.clone()), ()))).unwrap();
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds)
    }

    /// Created, changed, read, and whether it waits for its deletion.
    type Times = (i64, i64, Option<i64>, bool);

    fn secrets() -> impl Strategy<Value = Vec<SecretRecord>> {
        let times = (0_i64..4, 0_i64..4, prop::option::of(0_i64..3), any::<bool>());
        prop::collection::btree_map(("[ab/]{1,4}", "r|r2"), times, 0..40).prop_map(|secrets| {
            let make = |((name, region), times): ((String, String), Times)| {
                let (created, changed, accessed, ends) = times;
                let deletion = ends.then(|| Deletion { requested: at(0), due: at(changed) });
                let (created, changed, accessed) = (at(created), at(changed), accessed.map(at));
                SecretRecord {
                    scope: Scope::new("1", region),
                    name,
                    created,
                    changed,
                    accessed,
                    deletion,
                    ..record()
                }
            };
            secrets.into_iter().map(make).collect()
        })
    }

    fn orders() -> impl Strategy<Value = SecretOrder> {
        prop::sample::select(vec![
            SecretOrder::Name,
            SecretOrder::Created,
            SecretOrder::Changed,
            SecretOrder::Accessed,
        ])
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn pages_add_up_to_what_sorting_everything_gives(
            first in secrets(),
            second in secrets(),
            order in orders(),
            descending in any::<bool>(),
            prefixes in prop::collection::vec("[ab]{0,2}", 0..3),
            limit in 1_usize..5,
            stride in 1_usize..6,
            few in 0_usize..12,
        ) {
            let table = table();
            // Written twice, so that many records change their places.
            first.iter().chain(&second).cloned().for_each(|record| write(&table, record));
            let scope = Scope::new("1", "r");
            let wanted = |record: &SecretRecord| record.deletion.is_none();
            let mut expected: Vec<SecretRecord> = table
                .page(&scope.id(""), None, usize::MAX)
                .iter()
                .map(|row| row.record.clone())
                .filter(|r| wanted(r) && (prefixes.is_empty() || prefixes.iter().any(|p| r.name.starts_with(p))))
                .collect();
            expected.sort_by_key(|r| match order {
                SecretOrder::Name => (None, r.name.clone()),
                SecretOrder::Created => (Some(r.created), r.name.clone()),
                SecretOrder::Changed => (Some(r.changed), r.name.clone()),
                SecretOrder::Accessed => (r.accessed, r.name.clone()),
            });
            if descending {
                expected.reverse();
            }
            let mut found = Vec::new();
            let mut after: Option<String> = None;
            loop {
                let page = SecretPage { order, descending, prefixes: &prefixes, after: after.as_deref(), limit };
                let listed = list(&table, &scope, page, Effort { stride, few }, wanted);
                prop_assert!(listed.entries.len() <= limit);
                found.extend(listed.entries.iter().map(|row| row.record.clone()));
                match listed.next {
                    Some(next) => after = Some(next),
                    None => break,
                }
            }
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn secrets_that_come_and_go_leave_the_others_where_they_are() {
        let table = table();
        let named =
            |name: &str, created| SecretRecord { name: name.into(), created: at(created), ..record() };
        for (name, created) in [("a", 1), ("b", 2), ("c", 3), ("d", 4)] {
            write(&table, named(name, created));
        }
        let (scope, order) = (record().scope, SecretOrder::Created);
        let names = |after: Option<&str>| {
            let page = SecretPage { order, descending: false, prefixes: &[], after, limit: 2 };
            let listed = list(&table, &scope, page, USUAL, |_| true);
            let names: Vec<String> = listed.entries.iter().map(|row| row.record.name.clone()).collect();
            (names.concat(), listed.next)
        };
        let (first, next) = names(None);
        // The last one shown goes, an earlier one goes, one comes in front and one behind.
        for name in ["a", "b"] {
            let id = named(name, 0).id();
            table.change(&id, |_| Ok::<_, VaultError>((Change::Remove, ()))).unwrap();
        }
        write(&table, named("0", 0));
        write(&table, named("e", 3));
        assert_eq!((first.as_str(), names(next.as_deref()).0.as_str()), ("ab", "ce"));
    }

    #[test]
    fn a_note_moves_a_secret_and_survives_a_change_that_did_not_see_it() {
        let table = table();
        write(&table, record());
        let (id, day) = (record().id(), Some(at(86_400)));
        table
            .change(&id, |current| {
                let changed = SecretRecord { description: Some("d".into()), ..current.unwrap().clone() };
                table.note(&id, |record| record.accessed = day);
                Ok::<_, VaultError>((Change::Write(changed), ()))
            })
            .unwrap();
        let row = table.get(&id).unwrap();
        assert_eq!((row.record.accessed, row.record.description.as_deref()), (day, Some("d")));
        let stretch = Stretch { by: By::Place, prefix: "a/", after: None, descending: false };
        let places: Vec<String> = table.stretch(stretch, 9).into_iter().map(|(place, _)| place).collect();
        assert_eq!(places, [SecretOrder::Accessed.place(&row.record)]);
    }
}
