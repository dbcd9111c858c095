//! Parameter Store on the vault: one function an operation, in the same four steps
//! as [`super::secretsmanager`]. Lists are in [`super::ssm_listing`], labels and tags in
//! [`super::ssm_labels`] and [`super::ssm_tags`].

use super::exchange::{Answer, Exchange, Failure, blocking};
use super::named_parameter::{Named, refused, shown, shown_tier};
use super::ssm_tags::checked_tags;
use super::{ssm_labels, ssm_listing, ssm_tags};
use crate::audit::Permit;
use crate::protocol::ssm::{
    self as wire, DeleteParameterRequest, DeleteParameterResponse, DeleteParametersRequest,
    DeleteParametersResponse, GetParameterRequest, GetParameterResponse, GetParametersRequest,
    GetParametersResponse, ParameterName, ParameterTier, ParameterType, PutParameterRequest,
    PutParameterResponse, check_new_name,
};
use crate::protocol::{ApiError, Operation};
use crate::secret::SecretValue;
use crate::vault::{NewParameter, ParameterFailure, ParameterKind, Scope, WantedTier, parameter_arn};
use serde_json::json;

/// Serves one operation.
pub(super) async fn serve(operation: Operation, exchange: &mut Exchange<'_>) -> Answer {
    match operation {
        Operation::AddTagsToResource => ssm_tags::add(exchange).await,
        Operation::DeleteParameter => delete(exchange).await,
        Operation::DeleteParameters => delete_several(exchange).await,
        Operation::DescribeParameters => ssm_listing::describe(exchange).await,
        Operation::GetParameter => get(exchange).await,
        Operation::GetParameterHistory => ssm_listing::history(exchange).await,
        Operation::GetParameters => get_several(exchange).await,
        Operation::GetParametersByPath => ssm_listing::by_path(exchange).await,
        Operation::LabelParameterVersion => ssm_labels::label(exchange).await,
        Operation::ListTagsForResource => ssm_tags::list(exchange).await,
        Operation::PutParameter => put(exchange).await,
        Operation::RemoveTagsFromResource => ssm_tags::remove(exchange).await,
        Operation::UnlabelParameterVersion => ssm_labels::unlabel(exchange).await,
        other => Err(ApiError::unknown_operation(other.name()).into()),
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
    let permitted = authorize_each(exchange, Operation::GetParameters, request.names).await?;
    let parameters = exchange.broker.vault().parameters();
    let mut response = GetParametersResponse::default();
    for (one, permit) in permitted {
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

/// Permits for each of several names. A name that is given twice counts once.
async fn authorize_each(
    exchange: &Exchange<'_>,
    operation: Operation,
    names: Vec<String>,
) -> Result<Vec<(Named, Permit)>, Failure> {
    let mut named: Vec<Named> = Vec::new();
    for name in names {
        let one = Named::new(exchange, name)?;
        if !named.iter().any(|n| n.text == one.text) {
            named.push(one);
        }
    }
    // One record for each parameter; the log writes them together.
    let action = operation.action();
    let gates = named.iter().map(|n| exchange.authorize(&action, &n.arn, &n.arn));
    let permits = futures_util::future::join_all(gates).await.into_iter().collect::<Result<Vec<_>, _>>()?;
    Ok(named.into_iter().zip(permits).collect())
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
    exchange.answer(&PutParameterResponse { version, tier: shown_tier(tier) })
}

async fn delete(exchange: &mut Exchange<'_>) -> Answer {
    let request = DeleteParameterRequest::decode(exchange.body)?;
    exchange.context.parameters = Some(json!({ "name": request.name }));
    let named = Named::new(exchange, request.name)?;
    let permit = exchange.authorize(&Operation::DeleteParameter.action(), &named.arn, &named.arn).await?;
    let parameter = named.require()?;
    let parameters = exchange.broker.vault().parameters();
    blocking(|| parameters.delete(&permit, parameter)).map_err(refused)?;
    exchange.answer(&DeleteParameterResponse)
}

async fn delete_several(exchange: &mut Exchange<'_>) -> Answer {
    let request = DeleteParametersRequest::decode(exchange.body)?;
    exchange.context.parameters = Some(json!({ "names": request.names }));
    let permitted = authorize_each(exchange, Operation::DeleteParameters, request.names).await?;
    let parameters = exchange.broker.vault().parameters();
    let mut response = DeleteParametersResponse::default();
    for (one, permit) in permitted {
        let deleted = one.whole().map(|parameter| blocking(|| parameters.delete(&permit, parameter)));
        match deleted {
            Some(Ok(())) => response.deleted_parameters.push(one.text),
            None | Some(Err(ParameterFailure::Refused(_))) => response.invalid_parameters.push(one.text),
            Some(Err(ParameterFailure::Vault(error))) => return Err(super::internal(&error).into()),
        }
    }
    exchange.answer(&response)
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

fn kind(kind: ParameterType) -> ParameterKind {
    match kind {
        ParameterType::String => ParameterKind::String,
        ParameterType::StringList => ParameterKind::StringList,
        ParameterType::SecureString => ParameterKind::SecureString,
    }
}
