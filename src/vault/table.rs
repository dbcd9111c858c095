//! [`Table`]: the sealed metadata records of one kind, kept open in memory.
//!
//! One process owns a vault, so memory is the truth for reads and the store is
//! written through: a change is sealed, put by compare-and-swap, and only then
//! visible. Changes to one record are serialised by a lock stripe that is held
//! across the store's commit; changes to different records share the store's
//! group commit.
//!
//! Records are in order of their id, and in as many further orders as the kind has
//! ([`Stored::places`]), so that a page of a list costs what it shows, however many
//! records there are. All orders change in one step with the record.
//!
//! The store sees `kind || HMAC(id)`, a revision and sealed bytes.

use super::VaultError;
use super::seal::Keys;
use crate::store::{Store, StoreError};
use jiff::Timestamp;
use serde::{Serialize, de::DeserializeOwned};
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// A kind of metadata record.
pub(crate) trait Stored: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// First byte of the record's store key; one per kind, never reused.
    const KIND: u8;
    /// The record's identity; it does not change during the record's life.
    fn id(&self) -> String;
    /// Keys of the record in further orders, all of which share one map: a key begins with
    /// the order's name and ends with what tells the record from others.
    fn places(&self) -> Vec<String> {
        Vec::new()
    }
    /// Takes over what [`Table::note`] has changed in `noted` since this record was read from it.
    fn keep_notes(&mut self, _noted: &Self) {}
}

/// A record as it stands in the store.
#[derive(Debug)]
pub struct Row<R> {
    revision: u64,
    /// The opened record.
    pub record: R,
}

/// What a change does with a record.
pub(crate) enum Change<R> {
    /// Write this record.
    Write(R),
    /// Remove the record.
    Remove,
    /// Leave it as it is.
    Keep,
}

/// Where a walk goes after a record.
pub(crate) enum Step {
    /// To the one that follows.
    Next,
    /// To the first one whose id is not smaller than this, which is greater than the record's own.
    Jump(String),
    /// Nowhere.
    Stop,
}

/// The keys that a stretch goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// Ids.
    Id,
    /// [`Stored::places`].
    Place,
}

/// A part of one order: the records whose key begins with `prefix`, beyond the key `after`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stretch<'a> {
    pub(crate) by: By,
    pub(crate) prefix: &'a str,
    pub(crate) after: Option<&'a str>,
    pub(crate) descending: bool,
}

/// These prefixes in order, without those that another one covers.
pub(crate) fn disjoint(mut prefixes: Vec<String>) -> Vec<String> {
    prefixes.sort();
    prefixes.dedup_by(|longer, shorter| longer.starts_with(shorter.as_str()));
    prefixes
}

/// A time as part of a key, so that keys are in the order of their times.
pub(crate) fn sortable(time: Timestamp) -> String {
    format!("{:020}", time.as_nanosecond().max(0))
}

type Ordered<R> = BTreeMap<Arc<str>, Arc<Row<R>>>;

/// The records in all their orders.
struct Rows<R> {
    /// The records of `ids` once more: nearly every request looks for a few by their whole id.
    by_id: HashMap<Arc<str>, Arc<Row<R>>>,
    ids: Ordered<R>,
    places: Ordered<R>,
}

impl<R: Stored> Rows<R> {
    fn insert(&mut self, id: String, row: Arc<Row<R>>) {
        let (id, places) = (Arc::<str>::from(id), row.record.places());
        self.by_id.insert(Arc::clone(&id), Arc::clone(&row));
        if let Some(old) = self.ids.insert(id, Arc::clone(&row)) {
            self.leave(&old.record);
        }
        self.places.extend(places.into_iter().map(|place| (place.into(), Arc::clone(&row))));
    }

    fn remove(&mut self, id: &str) {
        self.by_id.remove(id);
        if let Some(old) = self.ids.remove(id) {
            self.leave(&old.record);
        }
    }

    fn leave(&mut self, record: &R) {
        for place in record.places() {
            self.places.remove(place.as_str());
        }
    }
}

/// All records of one kind.
pub(crate) struct Table<R> {
    store: Arc<dyn Store>,
    keys: Arc<Keys>,
    rows: RwLock<Rows<R>>,
    stripes: Vec<Mutex<()>>,
    hasher: RandomState,
}

impl<R> std::fmt::Debug for Table<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Table(..)")
    }
}

const STRIPES: usize = 256;
const PAGE: usize = 1024;

impl<R: Stored> Table<R> {
    /// Opens every record of the kind.
    pub(crate) fn load(store: Arc<dyn Store>, keys: Arc<Keys>) -> Result<Self, VaultError> {
        let mut rows = Rows { by_id: HashMap::new(), ids: BTreeMap::new(), places: BTreeMap::new() };
        let mut after: Option<Vec<u8>> = None;
        loop {
            let page = store.scan(&[R::KIND], after.as_deref(), PAGE)?;
            for (key, stored) in &page {
                let text = keys.open_record(key, &stored.bytes).map_err(|_| VaultError::Unreadable)?;
                let record: R = serde_json::from_slice(&text).map_err(|_| VaultError::Unreadable)?;
                let id = record.id();
                // INVARIANT: a record lives under the key of its own id.
                if keys.store_key(R::KIND, &id) != *key {
                    return Err(VaultError::Unreadable);
                }
                rows.insert(id, Arc::new(Row { revision: stored.revision, record }));
            }
            match page.into_iter().next_back() {
                Some((last, _)) => after = Some(last),
                None => break,
            }
        }
        Ok(Self {
            store,
            keys,
            rows: RwLock::new(rows),
            stripes: (0..STRIPES).map(|_| Mutex::new(())).collect(),
            hasher: RandomState::new(),
        })
    }

    /// The record of this id.
    pub(crate) fn get(&self, id: &str) -> Option<Arc<Row<R>>> {
        self.read().by_id.get(id).cloned()
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.read().by_id.is_empty()
    }

    /// Up to `limit` records whose id begins with `prefix`, in order of id, after `after`.
    pub(crate) fn page(&self, prefix: &str, after: Option<&str>, limit: usize) -> Vec<Arc<Row<R>>> {
        let stretch = Stretch { by: By::Id, prefix, after, descending: false };
        self.stretch(stretch, limit).into_iter().map(|(_, row)| row).collect()
    }

    /// Up to `limit` records of a stretch, each with its key.
    pub(crate) fn stretch(&self, stretch: Stretch<'_>, limit: usize) -> Vec<(String, Arc<Row<R>>)> {
        let Stretch { by, prefix, after, descending } = stretch;
        let rows = self.read();
        let order = match by {
            By::Id => &rows.ids,
            By::Place => &rows.places,
        };
        // No key goes on after its prefix with the last of all characters.
        let end = format!("{prefix}{}", char::MAX);
        let inside = |(key, _): &(&Arc<str>, &Arc<Row<R>>)| key.starts_with(prefix);
        let owned = |(key, row): (&Arc<str>, &Arc<Row<R>>)| (key.to_string(), Arc::clone(row));
        if descending {
            let to = Bound::Excluded(after.filter(|&after| after < end.as_str()).unwrap_or(&end));
            let range = order.range::<str, _>((Bound::Unbounded, to)).rev();
            range.take_while(inside).take(limit).map(owned).collect()
        } else {
            let from = match after {
                Some(after) if after >= prefix => Bound::Excluded(after),
                _ => Bound::Included(prefix),
            };
            let range = order.range::<str, _>((from, Bound::Unbounded));
            range.take_while(inside).take(limit).map(owned).collect()
        }
    }

    /// Visits the records whose id begins with `prefix`, in order of id, after `after`,
    /// as far as `visit` goes. A jump costs as much as looking up one record.
    pub(crate) fn walk(
        &self,
        prefix: &str,
        after: Option<&str>,
        mut visit: impl FnMut(&Arc<Row<R>>) -> Step,
    ) {
        let rows = self.read();
        let mut from = match after {
            Some(after) if after >= prefix => Bound::Excluded(after.to_owned()),
            _ => Bound::Included(prefix.to_owned()),
        };
        loop {
            let mut jump = None;
            for (id, row) in rows.ids.range::<str, _>((from.as_ref().map(String::as_str), Bound::Unbounded)) {
                if !id.starts_with(prefix) {
                    return;
                }
                match visit(row) {
                    Step::Next => {}
                    Step::Jump(to) => {
                        jump = Some(to);
                        break;
                    }
                    Step::Stop => return,
                }
            }
            match jump {
                Some(to) => from = Bound::Included(to),
                None => return,
            }
        }
    }

    /// Changes the record of `id`: `decide` sees the current record, if there is
    /// one, and says what to do. Returns its second value once the change is durable.
    pub(crate) fn change<T, E: From<VaultError>>(
        &self,
        id: &str,
        decide: impl FnOnce(Option<&R>) -> Result<(Change<R>, T), E>,
    ) -> Result<T, E> {
        let _serialised = self.stripe(id);
        let current = self.get(id);
        let (change, answer) = decide(current.as_ref().map(|row| &row.record))?;
        let key = self.keys.store_key(R::KIND, id);
        let stored = |e: StoreError| E::from(VaultError::from(e));
        match change {
            Change::Keep => {}
            Change::Remove => {
                if let Some(row) = current {
                    self.store.delete(&key, row.revision).map_err(stored)?;
                    self.write().remove(id);
                }
            }
            Change::Write(record) => {
                let text = serde_json::to_vec(&record).map_err(|_| VaultError::Unreadable)?;
                let sealed = self.keys.seal_record(&key, &text);
                let revision = current.as_ref().map(|row| row.revision);
                let revision = self.store.put(&key, revision, &sealed).map_err(stored)?;
                let mut rows = self.write();
                let mut record = record;
                // Nothing else than a note can have come in between.
                if let (Some(seen), Some(now)) = (&current, rows.by_id.get(id))
                    && !Arc::ptr_eq(seen, now)
                {
                    record.keep_notes(&now.record);
                }
                rows.insert(id.to_owned(), Arc::new(Row { revision, record }));
            }
        }
        Ok(answer)
    }

    /// Changes a record in memory only: visible at once, and durable with the next change of the
    /// record. For what may be lost in a crash and must not wait for the disk. The id stays.
    pub(crate) fn note(&self, id: &str, edit: impl FnOnce(&mut R))
    where
        R: Clone,
    {
        let mut rows = self.write();
        if let Some(row) = rows.by_id.get(id) {
            let (revision, mut record) = (row.revision, row.record.clone());
            edit(&mut record);
            rows.insert(id.to_owned(), Arc::new(Row { revision, record }));
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Rows<R>> {
        self.rows.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Rows<R>> {
        self.rows.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn stripe(&self, id: &str) -> MutexGuard<'_, ()> {
        let index = self.hasher.hash_one(id) as usize % STRIPES;
        #[expect(clippy::indexing_slicing, reason = "the index is taken modulo the number of stripes")]
        self.stripes[index].lock().unwrap_or_else(PoisonError::into_inner)
    }
}
