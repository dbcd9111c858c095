//! `ListSecrets`: filters, order, pages; `BatchGetSecretValue` chooses the same way.
//!
//! A page token holds the position of the last secret shown, not a page number, so
//! that secrets which come and go in between are neither shown twice nor skipped. It
//! is sealed: clients can neither read nor make one.
//!
//! Filters: Secrets Manager API Reference, `Filter`; values of one filter are
//! alternatives, filters add up, and a leading `!` excludes.

use super::exchange::{Answer, Exchange, blocking};
use super::named_secret::metadata;
use crate::audit::Permit;
use crate::protocol::secretsmanager::{
    Filter, FilterKey, ListSecretsRequest, ListSecretsResponse, SortBy, SortOrder, invalid_next_token,
};
use crate::protocol::{ApiError, Operation};
use crate::vault::{Row, SecretRecord, VaultError};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;

/// Secrets on a page when the request does not say.
const PAGE: usize = 100;

/// Where a page ended, and the order that it was in.
#[derive(Serialize, Deserialize)]
struct Cursor {
    order: String,
    key: String,
    name: String,
}

/// The order of a list. Page tokens are good for the order of this name only.
pub(super) struct Order {
    pub(super) name: String,
    pub(super) by: SortBy,
    pub(super) descending: bool,
}

impl Default for Order {
    fn default() -> Self {
        Self { name: String::new(), by: SortBy::CreatedDate, descending: false }
    }
}

/// One page of secrets, and the token of the next.
pub(super) struct Page {
    pub(super) rows: Vec<Arc<Row<SecretRecord>>>,
    pub(super) next_token: Option<String>,
}

pub(super) async fn list(exchange: &mut Exchange<'_>) -> Answer {
    let request = ListSecretsRequest::decode(exchange.body)?;
    exchange.context.parameters = Some(json!({
        "maxResults": request.max_results, "includePlannedDeletion": request.include_planned_deletion,
        "filters": request.filters.iter().map(Filter::to_json).collect::<Vec<_>>(),
    }));
    let permit = exchange.authorize(&Operation::ListSecrets.action(), "*", "*").await?;
    let by = request.sort_by.unwrap_or(SortBy::CreatedDate);
    let descending = request.sort_order == Some(SortOrder::Desc);
    let order = Order { name: format!("{}/{descending}", by.as_str()), by, descending };
    let (token, size) = (request.next_token.as_deref(), request.max_results.unwrap_or(PAGE));
    let page =
        select(exchange, &permit, &request.filters, request.include_planned_deletion, order, token, size)?;
    exchange.answer(&ListSecretsResponse {
        secret_list: page
            .rows
            .iter()
            .map(|row| metadata(&row.record, exchange.broker.vault().last_accessed(&row.record)))
            .collect(),
        next_token: page.next_token,
    })
}

/// The secrets of the caller's scope that match every filter: `size` of them after
/// the position that `token` holds.
pub(super) fn select(
    exchange: &Exchange<'_>,
    permit: &Permit,
    filters: &[Filter],
    planned_deletion: bool,
    order: Order,
    token: Option<&str>,
    size: usize,
) -> Result<Page, ApiError> {
    let vault = exchange.broker.vault();
    let after = match token {
        None => None,
        Some(token) => {
            let opened =
                vault.open_cursor(token).and_then(|text| serde_json::from_slice::<Cursor>(&text).ok());
            Some(opened.filter(|c| c.order == order.name).ok_or_else(invalid_next_token)?)
        }
    };
    // A large vault takes its time to go through; other connections do not wait for that.
    let (rows, more) = blocking(|| {
        let mut all = vault.secrets().page(permit, &exchange.scope, None, usize::MAX)?;
        all.retain(|row| planned_deletion || row.record.deletion.is_none());
        all.retain(|row| filters.iter().all(|filter| matches(filter, &row.record)));
        Ok(page_after(all, &order, after.as_ref(), size))
    })
    .map_err(|e: VaultError| super::internal(&e))?;
    let next_token = rows.last().filter(|_| more).map(|(key, row)| {
        let cursor = Cursor { order: order.name, key: key.clone(), name: row.record.name.clone() };
        vault.seal_cursor(&serde_json::to_vec(&cursor).unwrap_or_default())
    });
    Ok(Page { rows: rows.into_iter().map(|(_, row)| row).collect(), next_token })
}

/// A secret, and what it is sorted by.
type Entry = (String, Arc<Row<SecretRecord>>);

/// The page after `after`, and whether there are more.
fn page_after(
    all: Vec<Arc<Row<SecretRecord>>>,
    order: &Order,
    after: Option<&Cursor>,
    size: usize,
) -> (Vec<Entry>, bool) {
    let descending = order.descending;
    let mut rows: Vec<Entry> = all.into_iter().map(|row| (sort_key(order.by, &row.record), row)).collect();
    rows.sort_by(|(a, x), (b, y)| (a, &x.record.name).cmp(&(b, &y.record.name)));
    if descending {
        rows.reverse();
    }
    if let Some(cursor) = after {
        let shown = |key: &str, name: &str| {
            let (here, last) = ((key, name), (cursor.key.as_str(), cursor.name.as_str()));
            if descending { here >= last } else { here <= last }
        };
        rows.retain(|(key, row)| !shown(key, &row.record.name));
    }
    let more = rows.len() > size;
    rows.truncate(size);
    (rows, more)
}

fn sort_key(by: SortBy, record: &SecretRecord) -> String {
    let time = |t: Timestamp| format!("{:020}", t.as_nanosecond());
    match by {
        SortBy::Name => record.name.clone(),
        SortBy::CreatedDate => time(record.created),
        SortBy::LastChangedDate => time(record.changed),
        SortBy::LastAccessedDate => record.accessed.map(time).unwrap_or_default(),
    }
}

fn matches(filter: &Filter, record: &SecretRecord) -> bool {
    let (excluding, including): (Vec<&str>, Vec<&str>) =
        filter.values.iter().map(String::as_str).partition(|value| value.starts_with('!'));
    let excluded =
        excluding.iter().any(|value| matches_value(filter.key, value.trim_start_matches('!'), record));
    !excluded
        && (including.is_empty() || including.iter().any(|value| matches_value(filter.key, value, record)))
}

fn matches_value(key: FilterKey, value: &str, record: &SecretRecord) -> bool {
    match key {
        FilterKey::Name => record.name.starts_with(value),
        FilterKey::Description => starts_in_words(record.description.as_deref().unwrap_or(""), value),
        FilterKey::TagKey => record.tags.iter().any(|(k, _)| k.starts_with(value)),
        FilterKey::TagValue => record.tags.iter().any(|(_, v)| v.starts_with(value)),
        FilterKey::PrimaryRegion => record.shown_primary_region().is_some_and(|r| r.starts_with(value)),
        // No AWS service makes secrets here.
        FilterKey::OwningService => false,
        FilterKey::All => {
            let texts = std::iter::once(record.name.as_str())
                .chain(record.description.as_deref())
                .chain(record.tags.iter().flat_map(|(k, v)| [k.as_str(), v.as_str()]));
            let texts: Vec<&str> = texts.collect();
            words(value).all(|word| texts.iter().any(|text| starts_in_words(text, word)))
        }
    }
}

/// Whether the text, or one of its words, begins with `value`; case does not count.
fn starts_in_words(text: &str, value: &str) -> bool {
    let (text, value) = (text.to_lowercase(), value.to_lowercase());
    text.starts_with(&value) || words(&text).any(|word| word.starts_with(&value))
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c.is_whitespace() || "/_+=.@!-".contains(c)).filter(|word| !word.is_empty())
}
