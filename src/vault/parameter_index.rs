//! [`ParameterIndex`]: which parameters have a policy that falls due, and which are shared.
//!
//! Few parameters of a vault are either, so maintenance and the list of shared parameters
//! look here and not at every record. An entry follows its record: after each change the
//! record is looked at again, and whoever looks last sees the last change.

use super::parameter_record::ParameterRecord;
use super::table::Table;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

#[derive(Debug, Default)]
pub(super) struct ParameterIndex(Mutex<Entries>);

#[derive(Debug, Default)]
struct Entries {
    /// By the time when something is due next.
    due: BTreeMap<Timestamp, BTreeSet<String>>,
    /// The same, by id.
    due_of: HashMap<String, Timestamp>,
    shared: BTreeSet<String>,
}

impl ParameterIndex {
    /// The index of a table that has just been opened.
    pub(super) fn load(table: &Table<ParameterRecord>) -> Self {
        let index = Self::default();
        for row in table.page("", None, usize::MAX) {
            index.entries().set(&row.record.identity(), Some(&row.record));
        }
        index
    }

    /// Looks at the record of `id` again.
    pub(super) fn follow(&self, id: &str, table: &Table<ParameterRecord>) {
        let mut entries = self.entries();
        // INVARIANT: the record is read under the lock, so that of two changes the later one stays.
        let row = table.get(id);
        entries.set(id, row.as_ref().map(|row| &row.record));
    }

    /// Ids of parameters of which something is due at `now`, earliest first.
    pub(super) fn due(&self, now: Timestamp) -> Vec<String> {
        let entries = self.entries();
        entries.due.range(..=now).flat_map(|(_, ids)| ids.iter().cloned()).collect()
    }

    /// When something is due next.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.entries().due.keys().next().copied()
    }

    /// Up to `limit` ids of shared parameters after `after`.
    pub(super) fn shared(&self, after: Option<&str>, limit: usize) -> Vec<String> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let entries = self.entries();
        entries.shared.range::<str, _>((from, Bound::Unbounded)).take(limit).cloned().collect()
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    fn set(&mut self, id: &str, record: Option<&ParameterRecord>) {
        if let Some(at) = self.due_of.remove(id)
            && let Some(ids) = self.due.get_mut(&at)
        {
            ids.remove(id);
            if ids.is_empty() {
                self.due.remove(&at);
            }
        }
        if let Some(at) = record.and_then(ParameterRecord::next_due) {
            self.due_of.insert(id.to_owned(), at);
            self.due.entry(at).or_default().insert(id.to_owned());
        }
        if record.is_some_and(|record| record.sharing.is_some()) {
            self.shared.insert(id.to_owned());
        } else {
            self.shared.remove(id);
        }
    }
}
