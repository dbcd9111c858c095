//! Parameter Store on the vault: one function an operation, in the same four steps
//! as [`super::secretsmanager`].

use super::exchange::{Answer, Exchange, Failure, blocking};
use crate::arn::Arn;
use crate::protocol::ssm::{
    self as wire, DeleteParameterRequest, DeleteParameterResponse, GetParameterRequest, GetParameterResponse,
    GetParametersRequest, GetParametersResponse, Parameter, ParameterName, ParameterTier, ParameterType,
    PutParameterRequest, PutParameterResponse, check_new_name,
};
use crate::protocol::{ApiError, Operation};
use crate::secret::SecretValue;
use crate::vault::{
    NewParameter, ParameterError, ParameterFailure, ParameterKind, ParameterRecord, ParameterValue, Row,
    Scope, Selector, Tier, WantedTier, parameter_arn,
};
use serde_json::json;
use std::sync::Arc;

/// Serves one operation.
pub(super) async fn serve(operation: Operation, exchange: &mut Exchange<'_>) -> Answer {
    match operation {
        Operation::DeleteParameter => delete(exchange).await,
        Operation::GetParameter => get(exchange).await,
        Operation::GetParameters => get_several(exchange).await,
        Operation::PutParameter => put(exchange).await,
        other => Err(ApiError::unknown_operation(other.name()).into()),
    }
}

/// A parameter that a request names.
struct Named {
    text: String,
    name: ParameterName,
    arn: String,
    found: Option<Arc<Row<ParameterRecord>>>,
}

impl Named {
    fn new(exchange: &Exchange<'_>, text: String) -> Result<Self, ApiError> {
        let name = ParameterName::parse(&text)?;
        let scope = match &name.arn {
            Some(Arn { account, region, .. }) => Scope::new(account.as_str(), region.as_str()),
            None => exchange.scope.clone(),
        };
        let here = scope.region == exchange.scope.region;
        let found = if here {
            exchange.broker.vault().parameters().find(&scope, &name.name, name.arn.is_some())
        } else {
            None
        };
        let arn = found.as_ref().map_or_else(|| parameter_arn(&scope, &name.name), |row| row.record.arn());
        Ok(Self { text, name, arn, found })
    }

    fn selector(&self) -> Selector {
        match &self.name.selector {
            None => Selector::Latest,
            Some(wire::Selector::Version(version)) => Selector::Version(*version),
            Some(wire::Selector::Label(label)) => Selector::Label(label.clone()),
        }
    }
}

async fn get(exchange: &mut Exchange<'_>) -> Answer {
    let request = GetParameterRequest::decode(exchange.body)?;
    exchange.context.parameters =
        Some(json!({ "name": request.name, "withDecryption": request.with_decryption }));
    let named = Named::new(exchange, request.name)?;
    let permit = exchange.authorize(&Operation::GetParameter.action(), &named.arn, &named.arn).await?;
    let Some(parameter) = &named.found else {
        return Err(wire::parameter_not_found(format!("Parameter {} not found.", named.text)).into());
    };
    let parameters = exchange.broker.vault().parameters();
    let value =
        parameters.get(&permit, parameter, &named.selector(), request.with_decryption).map_err(refused)?;
    exchange.answer(&GetParameterResponse { parameter: shown(value) })
}

async fn get_several(exchange: &mut Exchange<'_>) -> Answer {
    let request = GetParametersRequest::decode(exchange.body)?;
    exchange.context.parameters =
        Some(json!({ "names": request.names, "withDecryption": request.with_decryption }));
    let mut named: Vec<Named> = Vec::new();
    for name in request.names {
        let one = Named::new(exchange, name)?;
        // A name that is given twice is answered once.
        if !named.iter().any(|n| n.text == one.text) {
            named.push(one);
        }
    }
    // One record for each parameter; the log writes them together.
    let action = Operation::GetParameters.action();
    let gates = named.iter().map(|n| exchange.authorize(&action, &n.arn, &n.arn));
    let permits = futures_util::future::join_all(gates).await.into_iter().collect::<Result<Vec<_>, _>>()?;
    let parameters = exchange.broker.vault().parameters();
    let mut response = GetParametersResponse::default();
    for (one, permit) in named.into_iter().zip(permits) {
        let Some(parameter) = &one.found else {
            response.invalid_parameters.push(one.text);
            continue;
        };
        match parameters.get(&permit, parameter, &one.selector(), request.with_decryption) {
            Ok(value) => response.parameters.push(shown(value)),
            Err(ParameterFailure::Refused(_)) => response.invalid_parameters.push(one.text),
            Err(ParameterFailure::Vault(error)) => return Err(super::internal(&error).into()),
        }
    }
    exchange.answer(&response)
}

async fn put(exchange: &mut Exchange<'_>) -> Answer {
    let request = PutParameterRequest::decode(exchange.body)?;
    exchange.context.parameters = Some(json!({
        "name": request.name, "type": request.parameter_type.map(ParameterType::as_str), "keyId": request.key_id,
        "overwrite": request.overwrite, "tier": request.tier.map(ParameterTier::as_str), "dataType": request.data_type,
    }));
    let (scope, name) = own_name(exchange, &request.name)?;
    let arn = parameter_arn(&scope, &name);
    let permit = exchange.authorize(&Operation::PutParameter.action(), &arn, &arn).await?;
    if request.tags.as_ref().is_some_and(|tags| !tags.is_empty()) {
        let _tags = exchange.authorize("ssm:AddTagsToResource", &arn, &arn).await?;
    }
    check_new_name(&name)?;
    if request.policies.is_some() {
        return Err(ApiError::validation("Sealdock does not support parameter policies yet.").into());
    }
    check_pattern(request.allowed_pattern.as_deref(), &request.value)?;
    check_data_type(request.data_type.as_deref())?;
    let new = NewParameter {
        name,
        value: request.value,
        kind: request.parameter_type.map(kind),
        key_id: request.key_id,
        description: request.description,
        overwrite: request.overwrite,
        allowed_pattern: request.allowed_pattern,
        tags: checked_tags(request.tags.unwrap_or_default())?,
        tier: request.tier.map(|tier| match tier {
            ParameterTier::Standard => WantedTier::Standard,
            ParameterTier::Advanced => WantedTier::Advanced,
            ParameterTier::IntelligentTiering => WantedTier::IntelligentTiering,
        }),
        data_type: request.data_type,
        user: exchange.context.caller.as_ref().map(|c| c.arn.clone()).unwrap_or_default(),
    };
    let parameters = exchange.broker.vault().parameters();
    let (version, tier) = blocking(|| parameters.put(&permit, &arn, &scope, new)).map_err(refused)?;
    let tier = match tier {
        Tier::Standard => ParameterTier::Standard,
        Tier::Advanced => ParameterTier::Advanced,
    };
    exchange.answer(&PutParameterResponse { version, tier })
}

async fn delete(exchange: &mut Exchange<'_>) -> Answer {
    let request = DeleteParameterRequest::decode(exchange.body)?;
    exchange.context.parameters = Some(json!({ "name": request.name }));
    let named = Named::new(exchange, request.name)?;
    let permit = exchange.authorize(&Operation::DeleteParameter.action(), &named.arn, &named.arn).await?;
    let not_found = || wire::parameter_not_found(format!("Parameter {} not found.", named.text));
    if named.name.selector.is_some() {
        return Err(not_found().into());
    }
    let parameter = named.found.as_ref().ok_or_else(not_found)?;
    let parameters = exchange.broker.vault().parameters();
    blocking(|| parameters.delete(&permit, parameter)).map_err(refused)?;
    exchange.answer(&DeleteParameterResponse)
}

/// The name to write, which may be given as an ARN of the caller's own account and Region.
fn own_name(exchange: &Exchange<'_>, text: &str) -> Result<(Scope, String), ApiError> {
    if !text.starts_with("arn:") {
        return Ok((exchange.scope.clone(), text.to_owned()));
    }
    let name = ParameterName::parse(text)?;
    let own = name
        .arn
        .as_ref()
        .is_some_and(|a| a.account == exchange.scope.account && a.region == exchange.scope.region);
    if !own || name.selector.is_some() {
        return Err(ApiError::validation(
            "Parameter ARNs of another account or Region, or with a version, can't be written.",
        ));
    }
    Ok((exchange.scope.clone(), name.name))
}

/// The value must match the whole pattern. The engine takes time linear in the value.
fn check_pattern(pattern: Option<&str>, value: &SecretValue) -> Result<(), ApiError> {
    let Some(pattern) = pattern.filter(|p| !p.is_empty()) else { return Ok(()) };
    let build = |text: &str| regex::RegexBuilder::new(text).size_limit(1 << 20).build();
    // Alone first: a pattern must not be able to close the group that is put around it.
    let regex = build(pattern).and_then(|_| build(&format!("^(?:{pattern})$"))).map_err(|_| {
        wire::invalid_allowed_pattern("The request does not meet the regular expression requirement.")
    })?;
    #[expect(
        clippy::disallowed_methods,
        reason = "the pattern is checked against the value, which goes nowhere from here"
    )]
    let matched = std::str::from_utf8(value.expose()).is_ok_and(|text| regex.is_match(text));
    if matched { Ok(()) } else { Err(wire::parameter_pattern_mismatch(pattern)) }
}

fn check_data_type(data_type: Option<&str>) -> Result<(), ApiError> {
    match data_type {
        None | Some("text" | "aws:ec2:image" | "aws:ssm:integration") => Ok(()),
        Some(other) => Err(ApiError::validation(format!(
            "The following data type is not supported: {other} (Data type names are all lowercase.)"
        ))),
    }
}

const MAX_TAGS: usize = 50;

fn checked_tags(tags: Vec<wire::Tag>) -> Result<Vec<(String, String)>, ApiError> {
    if tags.len() > MAX_TAGS {
        return Err(wire::too_many_tags(format!("A parameter can have at most {MAX_TAGS} tags.")));
    }
    let mut seen = std::collections::HashSet::new();
    for tag in &tags {
        if tag.key.to_ascii_lowercase().starts_with("aws:") {
            return Err(ApiError::validation("Tag keys that begin with \"aws:\" are reserved for AWS use."));
        }
        if !seen.insert(tag.key.as_str()) {
            return Err(ApiError::validation(format!("Duplicate tag key: {}", tag.key)));
        }
    }
    Ok(tags.into_iter().map(|tag| (tag.key, tag.value)).collect())
}

fn kind(kind: ParameterType) -> ParameterKind {
    match kind {
        ParameterType::String => ParameterKind::String,
        ParameterType::StringList => ParameterKind::StringList,
        ParameterType::SecureString => ParameterKind::SecureString,
    }
}

fn shown(read: ParameterValue) -> Parameter {
    let record = &read.parameter.record;
    Parameter {
        name: record.name.clone(),
        parameter_type: match read.version.kind {
            ParameterKind::String => ParameterType::String,
            ParameterKind::StringList => ParameterType::StringList,
            ParameterKind::SecureString => ParameterType::SecureString,
        },
        value: read.value,
        version: read.version.version,
        selector: read.selector,
        source_result: None,
        last_modified_date: read.version.modified,
        arn: record.arn(),
        data_type: read.version.data_type,
    }
}

fn refused(failure: ParameterFailure) -> Failure {
    let error = match failure {
        ParameterFailure::Refused(error) => error,
        ParameterFailure::Vault(error) => return super::internal(&error).into(),
    };
    let text = error.to_string();
    Failure::Unrecorded(match error {
        ParameterError::NotFound(_) => wire::parameter_not_found(text),
        ParameterError::NoSuchVersion { name, selector } => {
            wire::parameter_version_not_found(&name, &selector)
        }
        ParameterError::Exists => wire::parameter_already_exists(),
        ParameterError::OldestIsLabelled { name, version } => {
            wire::parameter_max_version_limit_exceeded(&name, version)
        }
        ParameterError::TypeMissing
        | ParameterError::TagsWithOverwrite
        | ParameterError::KeyWithoutSecureString
        | ParameterError::TooLongForStandard
        | ParameterError::TooLongForAdvanced
        | ParameterError::Downgrade => ApiError::validation(text),
    })
}
