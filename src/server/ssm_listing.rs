//! Lists of parameters: `GetParametersByPath`, `DescribeParameters`,
//! `GetParameterHistory`.
//!
//! A page token holds the list that it belongs to and the place where the page ended,
//! sealed, so that parameters which come and go in between are neither shown twice
//! nor skipped, and a token serves no other list. Other connections do not wait while a
//! large vault is gone through.
//!
//! As in AWS, who may read a path may read all below it: the permit is for the path,
//! spelled as the request spells it, and no parameter is decided by itself.

use super::exchange::{Answer, Exchange, Failure, blocking};
use super::named_parameter::{
    Named, refused, resource_policy, shown, shown_tier, shown_type, with_resource_tags,
};
use super::parameter_filters::{Criteria, check_path};
use super::parameter_kms;
use crate::arn::arn;
use crate::audit::Permit;
use crate::broker::Ask;
use crate::policy::ConditionKeys;
use crate::protocol::ssm::{
    DescribeParametersRequest, DescribeParametersResponse, GetParameterHistoryRequest,
    GetParameterHistoryResponse, GetParametersByPathRequest, GetParametersByPathResponse, ParameterHistory,
    ParameterInlinePolicy, ParameterMetadata, ParameterStringFilter, VersionMetadata, invalid_next_token,
};
use crate::protocol::{ApiError, Operation};
use crate::vault::{
    InlinePolicy, KeyPermits, Listed, Page, ParameterRecord, ParameterVersion, Row, Selector, parameter_arn,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;

/// Parameters on a page of values when the request does not say.
const VALUES: usize = 10;

/// Entries on other pages when the request does not say.
const ENTRIES: usize = 50;

/// Where a page ended.
#[derive(Serialize, Deserialize)]
struct Cursor {
    /// Which list.
    list: String,
    /// The last entry.
    after: String,
}

pub(super) async fn by_path(exchange: &mut Exchange<'_>) -> Answer {
    let mut request = GetParametersByPathRequest::decode(exchange.body)?;
    request.path = request.path.trim_matches(' ').to_owned();
    let filters = filters_shown(&request.parameter_filters);
    exchange.context.parameters = Some(json!({
        "path": request.path, "recursive": request.recursive, "parameterFilters": filters,
        "withDecryption": request.with_decryption, "maxResults": request.max_results,
    }));
    check_path(&request.path)?;
    let arn = parameter_arn(&exchange.scope, &request.path);
    let keys = ConditionKeys::new().with("ssm:Recursive", request.recursive.to_string());
    let ask = Ask { keys, ..Ask::new("ssm:GetParametersByPath", &arn) };
    let permit = exchange.ask(ask, &arn).await?;
    let criteria = Criteria::by_path(request.parameter_filters)?;
    let list = list_of(exchange, &json!(["path", request.path, request.recursive, filters]));
    let after = opened(exchange, &list, request.next_token.as_deref())?;
    let page = Page { after: after.as_deref(), limit: request.max_results.unwrap_or(VALUES) };
    let select = |record: &ParameterRecord| criteria.select(record).map(|version| version.version);
    let path = (request.path.as_str(), request.recursive);
    let parameters = exchange.broker.vault().parameters();
    let scope = &exchange.scope;
    let found = blocking(|| parameters.by_path(&permit, scope, path, select, page)).map_err(refused)?;
    let mut keys = KeyPermits::none();
    if request.with_decryption {
        // Records of their uses are written together.
        let uses = found.entries.iter().map(|(row, number)| {
            let version = row.record.select(&Selector::Version(*number)).ok();
            parameter_kms::to_read(exchange, &row.record, version)
        });
        for permits in futures_util::future::join_all(uses).await {
            keys.join(permits?);
        }
    }
    let (picked, decrypt) = (&found.entries, request.with_decryption);
    let read = || parameters.values_by_path(&permit, &keys, scope, &request.path, picked, decrypt);
    let values = blocking(read).map_err(refused)?;
    exchange.answer(&GetParametersByPathResponse {
        next_token: found.next.map(|after| sealed(exchange, list, after)),
        parameters: values.into_iter().map(shown).collect(),
    })
}

pub(super) async fn describe(exchange: &mut Exchange<'_>) -> Answer {
    let request = DescribeParametersRequest::decode(exchange.body)?;
    let filters = filters_shown(&request.parameter_filters);
    let older: Vec<Value> =
        request.filters.iter().map(|f| json!({ "key": f.key.as_str(), "values": f.values })).collect();
    exchange.context.parameters = Some(json!({
        "filters": older, "parameterFilters": filters, "maxResults": request.max_results, "shared": request.shared,
    }));
    let all = arn("ssm", &exchange.scope.region, &exchange.scope.account, &["*"]);
    let permit = exchange.authorize(&Operation::DescribeParameters.action(), &all, &all).await?;
    let list = list_of(exchange, &json!(["describe", older, filters, request.shared]));
    let after = opened(exchange, &list, request.next_token.as_deref())?;
    let criteria = Criteria::describe(request.filters, request.parameter_filters)?;
    let page = Page { after: after.as_deref(), limit: request.max_results.unwrap_or(ENTRIES) };
    let matches = |record: &ParameterRecord| criteria.select(record).is_some();
    let parameters = exchange.broker.vault().parameters();
    let found = if request.shared {
        shared_with(exchange, &permit, &all, matches, page)?
    } else {
        let within = criteria.within();
        let describe = || parameters.describe(&permit, &all, &exchange.scope, within, matches, page);
        blocking(describe).map_err(refused)?
    };
    let shown = found.entries.iter().filter_map(|row| {
        let version = row.record.latest()?;
        Some(ParameterMetadata { arn: row.record.arn(), metadata: metadata(&row.record.name, version) })
    });
    exchange.answer(&DescribeParametersResponse {
        parameters: shown.collect(),
        next_token: found.next.map(|after| sealed(exchange, list, after)),
    })
}

/// Parameters of other accounts that a resource policy shares with the caller, in order of
/// account and name. The permit for the list is on record; who is shown what follows from
/// the policies, and is not decided on record for each entry.
fn shared_with(
    exchange: &Exchange<'_>,
    permit: &Permit,
    all: &str,
    matches: impl Fn(&ParameterRecord) -> bool,
    page: Page<'_>,
) -> Result<Listed<Arc<Row<ParameterRecord>>>, Failure> {
    let parameters = exchange.broker.vault().parameters();
    let mut listed = Listed { entries: Vec::new(), next: None };
    let mut after = page.after.map(str::to_owned);
    loop {
        let found = parameters.shared(permit, all, after.as_deref(), ENTRIES).map_err(refused)?;
        for row in found.entries {
            let record = &row.record;
            let identity = record.identity();
            let foreign = record.scope.account != exchange.scope.account;
            let here = record.scope.region == exchange.scope.region;
            if foreign && here && matches(record) && is_shown(exchange, record)? {
                if listed.entries.len() == page.limit {
                    listed.next = after;
                    return Ok(listed);
                }
                listed.entries.push(row);
            }
            after = Some(identity);
        }
        match found.next {
            Some(next) => after = Some(next),
            None => return Ok(listed),
        }
    }
}

/// Whether the policies let the caller see that a parameter of another account is there.
fn is_shown(exchange: &Exchange<'_>, record: &ParameterRecord) -> Result<bool, Failure> {
    let policy = resource_policy(exchange, record)?;
    let keys = with_resource_tags(ConditionKeys::new(), record);
    let arn = record.arn();
    let ask = Ask { keys, policy: policy.as_deref(), ..Ask::new("ssm:DescribeParameters", &arn) };
    Ok(exchange.broker.would_allow(&exchange.context, &ask))
}

pub(super) async fn history(exchange: &mut Exchange<'_>) -> Answer {
    let request = GetParameterHistoryRequest::decode(exchange.body)?;
    exchange.context.parameters = Some(json!({
        "name": request.name, "withDecryption": request.with_decryption, "maxResults": request.max_results,
    }));
    let named = Named::new(exchange, request.name)?;
    let permit = named.authorize(exchange, Operation::GetParameterHistory).await?;
    let parameter = named.require()?;
    let name = &parameter.record.name;
    let list = list_of(exchange, &json!(["history", parameter.record.arn()]));
    let after = match opened(exchange, &list, request.next_token.as_deref())? {
        None => 0,
        Some(after) => after.parse::<i64>().map_err(|_| invalid_next_token())?,
    };
    let limit = request.max_results.unwrap_or(ENTRIES);
    let parameters = exchange.broker.vault().parameters();
    let decrypt = request.with_decryption;
    let opened = if decrypt { parameter.record.later(after, limit).0 } else { &[] };
    let keys = parameter_kms::to_read(exchange, &parameter.record, opened).await?;
    let found =
        blocking(|| parameters.history(&permit, &keys, parameter, after, limit, decrypt)).map_err(refused)?;
    let shown = found.entries.into_iter().map(|(version, value)| ParameterHistory {
        metadata: metadata(name, &version),
        value,
        labels: version.labels,
    });
    exchange.answer(&GetParameterHistoryResponse {
        parameters: shown.collect(),
        next_token: found.next.map(|after| sealed(exchange, list, after.to_string())),
    })
}

fn metadata(name: &str, version: &ParameterVersion) -> VersionMetadata {
    VersionMetadata {
        name: name.to_owned(),
        parameter_type: shown_type(version.kind),
        key_id: version.key_id.clone(),
        last_modified_date: version.modified,
        last_modified_user: version.user.clone(),
        description: version.description.clone(),
        allowed_pattern: version.allowed_pattern.clone(),
        version: version.version,
        tier: shown_tier(version.tier),
        policies: version.policies.iter().map(shown_policy).collect(),
        data_type: version.data_type.clone(),
    }
}

fn shown_policy(policy: &InlinePolicy) -> ParameterInlinePolicy {
    ParameterInlinePolicy {
        text: policy.text.clone(),
        kind: policy.rule.name(),
        status: if policy.finished { "Finished" } else { "Pending" },
    }
}

fn filters_shown(filters: &[ParameterStringFilter]) -> Vec<Value> {
    filters.iter().map(|f| json!({ "key": f.key, "option": f.option, "values": f.values })).collect()
}

/// What tells one list from another: all of a request but the page's size.
fn list_of(exchange: &Exchange<'_>, request: &Value) -> String {
    json!([exchange.scope.account, exchange.scope.region, request]).to_string()
}

fn sealed(exchange: &Exchange<'_>, list: String, after: String) -> String {
    let cursor = Cursor { list, after };
    exchange.broker.vault().seal_cursor(&serde_json::to_vec(&cursor).unwrap_or_default())
}

fn opened(exchange: &Exchange<'_>, list: &str, token: Option<&str>) -> Result<Option<String>, ApiError> {
    let Some(token) = token else { return Ok(None) };
    let opened = exchange.broker.vault().open_cursor(token);
    let cursor = opened.and_then(|text| serde_json::from_slice::<Cursor>(&text).ok());
    cursor.filter(|c| c.list == list).map(|c| Some(c.after)).ok_or_else(invalid_next_token)
}
