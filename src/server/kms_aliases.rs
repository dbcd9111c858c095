//! `CreateAlias`, `UpdateAlias`, `DeleteAlias`, `ListAliases`. A change of an alias needs
//! permission for the alias and for each key that it points to, before or after.

use super::exchange::{Answer, Exchange, Failure, blocking};
use super::kms_named::{Named, open_marker, refused, seal_marker};
use crate::audit::Permit;
use crate::protocol::kms::{
    AliasEntry, AliasTargetRequest, DeleteAliasRequest, Done, ListAliasesRequest, ListAliasesResponse,
    not_authorized, not_found,
};
use crate::protocol::{ApiError, Operation};
use crate::vault::{AliasRecord, FoundKey, KeyError, Kms, OWN_KEYS, Row};
use serde_json::json;
use std::sync::Arc;

/// Entries on a page when the request does not say.
const PAGE: usize = 50;

pub(super) async fn create(exchange: &mut Exchange<'_>) -> Answer {
    let request = AliasTargetRequest::decode(exchange.body)?;
    exchange.context.parameters =
        Some(json!({ "aliasName": request.alias_name, "targetKeyId": request.target_key_id }));
    let alias = gate(exchange, Operation::CreateAlias, &request.alias_name).await?;
    let target = Named::without_alias(exchange, &request.target_key_id);
    let permit = target.authorize(exchange, Operation::CreateAlias).await?;
    check_name(&request.alias_name)?;
    check_target(&request.target_key_id)?;
    let key = own_account(exchange, target)?;
    let kms = exchange.broker.vault().kms();
    blocking(|| kms.create_alias((&alias, &permit), &request.alias_name, &key.record)).map_err(refused)?;
    exchange.answer(&Done)
}

pub(super) async fn update(exchange: &mut Exchange<'_>) -> Answer {
    let request = AliasTargetRequest::decode(exchange.body)?;
    exchange.context.parameters =
        Some(json!({ "aliasName": request.alias_name, "targetKeyId": request.target_key_id }));
    let alias = gate(exchange, Operation::UpdateAlias, &request.alias_name).await?;
    let target = Named::without_alias(exchange, &request.target_key_id);
    let to = target.authorize(exchange, Operation::UpdateAlias).await?;
    check_name(&request.alias_name)?;
    check_target(&request.target_key_id)?;
    let found = existing(exchange, &request.alias_name)?;
    let from = Named::new(exchange, &found.record.target).authorize(exchange, Operation::UpdateAlias).await?;
    let key = own_account(exchange, target)?;
    let kms = exchange.broker.vault().kms();
    blocking(|| kms.update_alias((&alias, &from, &to), &found.record, &key.record)).map_err(refused)?;
    exchange.answer(&Done)
}

pub(super) async fn delete(exchange: &mut Exchange<'_>) -> Answer {
    let request = DeleteAliasRequest::decode(exchange.body)?;
    exchange.context.parameters = Some(json!({ "aliasName": request.alias_name }));
    let alias = gate(exchange, Operation::DeleteAlias, &request.alias_name).await?;
    check_name(&request.alias_name)?;
    let found = existing(exchange, &request.alias_name)?;
    let key = Named::new(exchange, &found.record.target).authorize(exchange, Operation::DeleteAlias).await?;
    let kms = exchange.broker.vault().kms();
    blocking(|| kms.delete_alias((&alias, &key), &found.record)).map_err(refused)?;
    exchange.answer(&Done)
}

pub(super) async fn list(exchange: &mut Exchange<'_>) -> Answer {
    let request = ListAliasesRequest::decode(exchange.body)?;
    exchange.context.parameters = Some(json!({ "keyId": request.key_id, "limit": request.page.limit }));
    let permit = exchange.authorize(&Operation::ListAliases.action(), "*", "*").await?;
    let of_key = match &request.key_id {
        Some(key_id) => {
            let key = Named::new(exchange, key_id).existing()?;
            Some(key.key_id().to_owned())
        }
        None => None,
    };
    let list = format!("aliases {}", of_key.as_deref().unwrap_or_default());
    let after = open_marker(exchange, &list, request.page.marker.as_deref())?;
    let kms = exchange.broker.vault().kms();
    let rows = kms.alias_page(&permit, &exchange.scope, None, usize::MAX);
    let mut entries: Vec<AliasEntry> = own(exchange).collect();
    entries.extend(rows.map_err(|error| super::internal(&error))?.iter().map(|row| shown(&row.record)));
    entries.retain(|entry| of_key.is_none() || entry.target == of_key);
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    entries.retain(|entry| after.as_ref().is_none_or(|after| entry.name > *after));
    let size = request.page.limit.unwrap_or(PAGE);
    let more = entries.len() > size;
    entries.truncate(size);
    let next = entries.last().filter(|_| more).map(|last| seal_marker(exchange, &list, &last.name));
    exchange.answer(&ListAliasesResponse { aliases: entries, next_marker: next })
}

/// The permit for the alias itself, which has no policy of its own.
async fn gate(exchange: &Exchange<'_>, operation: Operation, name: &str) -> Result<Permit, Failure> {
    let arn = Kms::alias_arn(&exchange.scope, name);
    exchange.authorize(&operation.action(), &arn, &arn).await
}

fn existing(exchange: &Exchange<'_>, name: &str) -> Result<Arc<Row<AliasRecord>>, Failure> {
    let found = exchange.broker.vault().kms().alias(&exchange.scope, name);
    found.ok_or_else(|| refused(KeyError::NoSuchAlias(Kms::alias_arn(&exchange.scope, name)).into()))
}

/// An alias points to a key of its own account.
fn own_account(exchange: &Exchange<'_>, target: Named) -> Result<Arc<Row<crate::vault::KeyRecord>>, Failure> {
    let arn = target.arn.clone();
    let key = target.customer()?;
    if key.record.scope == exchange.scope {
        Ok(key)
    } else {
        Err(not_found(format!("Key '{arn}' does not exist")).into())
    }
}

fn check_name(name: &str) -> Result<(), Failure> {
    match name.strip_prefix("alias/") {
        Some(rest) if rest.starts_with("aws/") => Err(not_authorized(format!(
            "{name} cannot be changed: aliases that begin with alias/aws/ belong to the services"
        ))
        .into()),
        Some(rest) if !rest.is_empty() && !rest.contains(':') => Ok(()),
        Some(_) => {
            Err(ApiError::validation(format!("{name} contains invalid characters for an alias")).into())
        }
        None => Err(ApiError::validation(
            "Alias must start with the prefix \"alias/\". Please see \
              https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html",
        )
        .into()),
    }
}

fn check_target(key_id: &str) -> Result<(), ApiError> {
    let name = key_id.rsplit(':').next().unwrap_or_default();
    if name.starts_with("alias/") {
        return Err(ApiError::validation("Aliases must refer to keys. Not aliases"));
    }
    Ok(())
}

/// The services' own aliases, which there always are.
fn own(exchange: &Exchange<'_>) -> impl Iterator<Item = AliasEntry> {
    OWN_KEYS.into_iter().filter_map(|name| match exchange.broker.vault().kms().find(&exchange.scope, name) {
        Ok(FoundKey::Own(key)) => Some(AliasEntry {
            name: name.to_owned(),
            arn: Kms::alias_arn(&exchange.scope, name),
            target: key.made.then_some(key.key_id),
            created: None,
            updated: None,
        }),
        _ => None,
    })
}

fn shown(alias: &AliasRecord) -> AliasEntry {
    AliasEntry {
        name: alias.name.clone(),
        arn: alias.arn(),
        target: Some(alias.target.clone()),
        created: Some(alias.created),
        updated: Some(alias.updated),
    }
}
