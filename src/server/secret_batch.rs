//! `BatchGetSecretValue`: several `GetSecretValue`s in one request.
//!
//! The batch itself needs its own permission (and `ListSecrets`, to choose by
//! filters). Then each secret passes the gate of `GetSecretValue` by itself and is on
//! record as that; one that fails stands in `Errors` and does not hold up the others.

use super::exchange::{Answer, Exchange, Failure, on_record};
use super::list_secrets::{Choice, select};
use super::named_secret::{Named, shown};
use super::secret_kms;
use crate::protocol::secretsmanager::{
    BatchChoice, BatchError, BatchGetSecretValueResponse, Filter, GetSecretValueResponse,
};
use crate::protocol::{ApiError, Operation};
use crate::vault::SecretOrder;
use serde_json::json;
use std::collections::HashSet;

/// Secrets on a page when the request does not say.
const PAGE: usize = 20;

pub(super) async fn get_values(exchange: &mut Exchange<'_>) -> Answer {
    let choice = BatchChoice::decode(exchange.body)?;
    exchange.context.parameters = Some(match &choice {
        BatchChoice::List(ids) => json!({ "secretIdList": ids }),
        BatchChoice::Matching { filters, max_results, .. } => {
            let filters: Vec<_> = filters.iter().map(Filter::to_json).collect();
            json!({ "filters": filters, "maxResults": max_results })
        }
    });
    let _batch = exchange.authorize(&Operation::BatchGetSecretValue.action(), "*", "*").await?;
    let (ids, next_token) = match choice {
        BatchChoice::List(mut ids) => {
            // A secret that is named twice is answered once.
            let mut seen = HashSet::new();
            ids.retain(|id| seen.insert(id.clone()));
            (ids, None)
        }
        BatchChoice::Matching { filters, max_results, next_token } => {
            let permit = exchange.authorize(&Operation::ListSecrets.action(), "*", "*").await?;
            let choice = Choice {
                operation: Operation::BatchGetSecretValue,
                filters,
                planned_deletion: false,
                order: SecretOrder::Created,
                descending: false,
            };
            let page =
                select(exchange, &permit, &choice, next_token.as_deref(), max_results.unwrap_or(PAGE))?;
            (page.rows.iter().map(|row| row.record.arn()).collect(), page.next_token)
        }
    };
    let mut response = BatchGetSecretValueResponse { next_token, ..Default::default() };
    let parts: Vec<Exchange<'_>> = ids.iter().map(|id| part(exchange, id)).collect();
    let reads = ids.iter().zip(&parts).map(|(id, part)| get_value(part, id)).collect();
    let reads = exchange.broker.together(reads).await;
    for (secret_id, read) in ids.into_iter().zip(reads) {
        match read {
            Ok(value) => response.secret_values.push(value),
            // What only the operator can mend fails the whole request.
            Err(error) if error.is_fault() => return Err(error.into()),
            Err(error) => response.errors.push(BatchError { secret_id, error }),
        }
    }
    exchange.answer(&response)
}

/// The request for one secret, as it goes on record.
fn part<'a>(exchange: &Exchange<'a>, id: &str) -> Exchange<'a> {
    let mut context = exchange.context.clone();
    context.event_name = Operation::GetSecretValue.name();
    context.parameters = Some(json!({ "secretId": id }));
    Exchange { broker: exchange.broker, context, scope: exchange.scope.clone(), body: &[] }
}

/// The current value of one secret, or the error for it, which is on record.
async fn get_value(part: &Exchange<'_>, id: &str) -> Result<GetSecretValueResponse, ApiError> {
    match read(part, id).await {
        Ok(value) => Ok(value),
        Err(failure) => Err(on_record(part.broker, &part.context, failure).await),
    }
}

async fn read(part: &Exchange<'_>, id: &str) -> Result<GetSecretValueResponse, Failure> {
    let named = Named::new(part, id.to_owned());
    let permit = named.authorize(part, Operation::GetSecretValue).await?;
    let secret = named.existing()?;
    Ok(shown(secret_kms::read(part, &permit, &secret, None, None).await?))
}
