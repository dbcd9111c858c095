//! `ListSecrets`: filters, order, pages; `BatchGetSecretValue` chooses the same way.
//!
//! A page token holds the place of the last secret shown, not a page number, so that
//! secrets which come and go in between are neither shown twice nor skipped. It is
//! sealed: clients can neither read nor make one; and it is good for the list that it
//! was given for: the same operation, scope, filters and order.

use super::exchange::{Answer, Exchange, blocking};
use super::named_secret::metadata;
use super::secret_filters;
use crate::audit::Permit;
use crate::protocol::secretsmanager::{
    Filter, ListSecretsRequest, ListSecretsResponse, SortBy, SortOrder, invalid_next_token,
};
use crate::protocol::{ApiError, Operation};
use crate::vault::{Listed, Row, SecretOrder, SecretPage, SecretRecord};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use std::sync::Arc;

/// Secrets on a page when the request does not say.
const PAGE: usize = 100;

/// Where a page ended, and of which list it was.
#[derive(Serialize, Deserialize)]
struct Cursor {
    list: String,
    after: String,
}

/// Which secrets, in which order.
pub(super) struct Choice {
    pub(super) operation: Operation,
    pub(super) filters: Vec<Filter>,
    pub(super) planned_deletion: bool,
    pub(super) order: SecretOrder,
    pub(super) descending: bool,
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
    let choice = Choice {
        operation: Operation::ListSecrets,
        filters: request.filters,
        planned_deletion: request.include_planned_deletion,
        order: match request.sort_by {
            None | Some(SortBy::CreatedDate) => SecretOrder::Created,
            Some(SortBy::LastChangedDate) => SecretOrder::Changed,
            Some(SortBy::LastAccessedDate) => SecretOrder::Accessed,
            Some(SortBy::Name) => SecretOrder::Name,
        },
        descending: request.sort_order == Some(SortOrder::Desc),
    };
    let (token, size) = (request.next_token.as_deref(), request.max_results.unwrap_or(PAGE));
    let page = select(exchange, &permit, &choice, token, size)?;
    exchange.answer(&ListSecretsResponse {
        secret_list: page.rows.iter().map(|row| metadata(exchange, &row.record)).collect(),
        next_token: page.next_token,
    })
}

/// The secrets of the caller's scope that are chosen: `size` of them after the place
/// that `token` holds.
pub(super) fn select(
    exchange: &Exchange<'_>,
    permit: &Permit,
    choice: &Choice,
    token: Option<&str>,
    size: usize,
) -> Result<Page, ApiError> {
    let vault = exchange.broker.vault();
    let list = choice.describe(exchange);
    let after = match token {
        None => None,
        Some(token) => {
            let opened =
                vault.open_cursor(token).and_then(|text| serde_json::from_slice::<Cursor>(&text).ok());
            let cursor = opened.filter(|cursor| cursor.list == list).ok_or_else(invalid_next_token)?;
            Some(cursor.after)
        }
    };
    let page = SecretPage {
        order: choice.order,
        descending: choice.descending,
        prefixes: &secret_filters::name_prefixes(&choice.filters),
        after: after.as_deref(),
        limit: size,
    };
    let wanted = |record: &SecretRecord| {
        (choice.planned_deletion || record.deletion.is_none())
            && secret_filters::matches(&choice.filters, record)
    };
    // Where few secrets match, a large vault takes its time; other connections do not wait for that.
    let Listed { entries, next } = blocking(|| vault.secrets().list(permit, &exchange.scope, page, wanted))
        .map_err(|e| super::internal(&e))?;
    let next_token =
        next.map(|after| vault.seal_cursor(&serde_json::to_vec(&Cursor { list, after }).unwrap_or_default()));
    Ok(Page { rows: entries, next_token })
}

impl Choice {
    /// What page tokens of this list have in common, and with no other list.
    fn describe(&self, exchange: &Exchange<'_>) -> String {
        let filters: Vec<_> = self.filters.iter().map(Filter::to_json).collect();
        let list = json!([
            self.operation.name(),
            exchange.scope,
            filters,
            self.planned_deletion,
            format!("{:?}/{}", self.order, self.descending),
        ]);
        hex::encode(Sha256::digest(list.to_string()))
    }
}
