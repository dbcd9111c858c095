//! Parameter Store on the vault: one function an operation, in the same four steps
//! as [`super::secretsmanager`]. Lists are in [`super::ssm_listing`], labels and tags in
//! [`super::ssm_labels`] and [`super::ssm_tags`], resource policies in [`super::ssm_sharing`],
//! and secrets that are read as parameters in [`super::ssm_references`].

use super::exchange::{Answer, Exchange, Failure, blocking};
use super::named_parameter::{Named, answered, refused, request_tags, shown_tier, with_resource_tags};
use super::ssm_tags::checked_tags;
use super::{parameter_kms, ssm_labels, ssm_listing, ssm_references, ssm_sharing, ssm_tags};
use crate::audit::Permit;
use crate::broker::Ask;
use crate::protocol::ssm::{
    DeleteParameterRequest, DeleteParameterResponse, DeleteParametersRequest, DeleteParametersResponse,
    GetParameterRequest, GetParameterResponse, GetParametersRequest, GetParametersResponse, Parameter,
    ParameterTier, ParameterType, PutParameterRequest, PutParameterResponse, SecretReference,
    check_name_length, check_new_name, check_not_reserved,
};
use crate::protocol::{ApiError, Operation};
use crate::vault::{InlinePolicy, NewParameter, ParameterFailure, ParameterKind, WantedTier, parameter_arn};
use serde_json::json;

/// Serves one operation.
pub(super) async fn serve(operation: Operation, exchange: &mut Exchange<'_>) -> Answer {
    match operation {
        Operation::AddTagsToResource => ssm_tags::add(exchange).await,
        Operation::DeleteParameter => delete(exchange).await,
        Operation::DeleteParameters => delete_several(exchange).await,
        Operation::DeleteParameterResourcePolicy => ssm_sharing::delete(exchange).await,
        Operation::DescribeParameters => ssm_listing::describe(exchange).await,
        Operation::GetParameter => get(exchange).await,
        Operation::GetParameterHistory => ssm_listing::history(exchange).await,
        Operation::GetParameters => get_several(exchange).await,
        Operation::GetParametersByPath => ssm_listing::by_path(exchange).await,
        Operation::GetResourcePolicies => ssm_sharing::get(exchange).await,
        Operation::LabelParameterVersion => ssm_labels::label(exchange).await,
        Operation::ListTagsForResource => ssm_tags::list(exchange).await,
        Operation::PutParameter => put(exchange).await,
        Operation::PutParameterResourcePolicy => ssm_sharing::put(exchange).await,
        Operation::RemoveTagsFromResource => ssm_tags::remove(exchange).await,
        Operation::UnlabelParameterVersion => ssm_labels::unlabel(exchange).await,
        other => Err(ApiError::unknown_operation(other.name()).into()),
    }
}

async fn get(exchange: &mut Exchange<'_>) -> Answer {
    let request = GetParameterRequest::decode(exchange.body)?;
    exchange.context.parameters =
        Some(json!({ "name": request.name, "withDecryption": request.with_decryption }));
    let parameter = read(exchange, request.name, request.with_decryption).await?;
    exchange.answer(&GetParameterResponse { parameter })
}

/// Passes the gate for a parameter, or a secret behind one, and reads it.
pub(super) async fn read(exchange: &Exchange<'_>, name: String, decrypt: bool) -> Result<Parameter, Failure> {
    let operation = Operation::GetParameter;
    if let Some(reference) = SecretReference::parse(&name) {
        return ssm_references::read(exchange, operation, &reference, decrypt).await;
    }
    let named = Named::new(exchange, name)?;
    let permit = named.authorize(exchange, operation).await?;
    named.read(exchange, &permit, decrypt).await
}

/// Answers in order of name; a name that is given twice counts once.
async fn get_several(exchange: &mut Exchange<'_>) -> Answer {
    let request = GetParametersRequest::decode(exchange.body)?;
    exchange.context.parameters =
        Some(json!({ "names": request.names, "withDecryption": request.with_decryption }));
    let mut response = read_several(exchange, request.names, request.with_decryption).await?;
    response.parameters.sort_by(|a, b| (&a.name, &a.selector).cmp(&(&b.name, &b.selector)));
    exchange.answer(&response)
}

/// Passes the gate for each of several names and reads what there is.
pub(super) async fn read_several(
    exchange: &Exchange<'_>,
    names: Vec<String>,
    decrypt: bool,
) -> Result<GetParametersResponse, Failure> {
    let operation = Operation::GetParameters;
    let (secrets, names): (Vec<String>, Vec<String>) =
        distinct(names).into_iter().partition(|name| SecretReference::parse(name).is_some());
    let mut read: Vec<(String, Result<Parameter, Failure>)> = Vec::new();
    for (one, permit) in authorize_each(exchange, operation, names).await? {
        let parameter = one.read(exchange, &permit, decrypt).await;
        read.push((one.text, parameter));
    }
    for name in secrets {
        let Some(reference) = SecretReference::parse(&name) else { continue };
        read.push((name, ssm_references::read(exchange, operation, &reference, decrypt).await));
    }
    let mut response = GetParametersResponse::default();
    for (name, parameter) in read {
        match parameter {
            Ok(parameter) => response.parameters.push(parameter),
            Err(Failure::Unrecorded(error)) if is_missing(&error) => response.invalid_parameters.push(name),
            Err(failure) => return Err(failure),
        }
    }
    Ok(response)
}

/// Whether an error says that there is no such parameter or version.
fn is_missing(error: &ApiError) -> bool {
    ["ParameterNotFound", "ParameterVersionNotFound"].contains(&error.code)
}

fn distinct(names: Vec<String>) -> Vec<String> {
    let mut seen = std::collections::HashSet::new();
    names.into_iter().filter(|name| seen.insert(name.clone())).collect()
}

/// Permits for each of several names.
async fn authorize_each(
    exchange: &Exchange<'_>,
    operation: Operation,
    names: Vec<String>,
) -> Result<Vec<(Named, Permit)>, Failure> {
    let one = |name| match operation {
        Operation::DeleteParameters => Named::by_name(exchange, name),
        _ => Named::new(exchange, name),
    };
    let named = names.into_iter().map(one).collect::<Result<Vec<Named>, _>>()?;
    let gates = named.iter().map(|n| n.authorize(exchange, operation)).collect();
    let permits = exchange.broker.together(gates).await.into_iter().collect::<Result<Vec<_>, _>>()?;
    Ok(named.into_iter().zip(permits).collect())
}

async fn put(exchange: &mut Exchange<'_>) -> Answer {
    let request = PutParameterRequest::decode(exchange.body)?;
    let name = request.name.trim_matches(' ').to_owned();
    exchange.context.parameters = Some(json!({
        "name": name, "type": request.parameter_type.map(ParameterType::as_str), "keyId": request.key_id,
        "overwrite": request.overwrite, "tier": request.tier.map(ParameterTier::as_str), "dataType": request.data_type,
        "policies": request.policies,
    }));
    let tags = request.tags.unwrap_or_default();
    let mut keys = request_tags(tags.iter().map(|tag| (tag.key.as_str(), Some(tag.value.as_str()))));
    let tagging = keys.clone();
    keys.set("ssm:Overwrite", request.overwrite.to_string());
    keys.set("ssm:Policies", request.policies.is_some().to_string());
    let scope = exchange.scope.clone();
    let arn = parameter_arn(&scope, &name);
    if let Some(row) = exchange.broker.vault().parameters().find(&scope, &name) {
        keys = with_resource_tags(keys, &row.record);
    }
    let ask = Ask { keys, ..Ask::new("ssm:PutParameter", &arn) };
    let permit = exchange.ask(ask, &arn).await?;
    if !tags.is_empty() {
        let ask = Ask { keys: tagging, ..Ask::new("ssm:AddTagsToResource", &arn) };
        let _tags = exchange.ask(ask, &arn).await?;
    }
    check_new_name(&name)?;
    check_name_length(&name, &arn)?;
    let policies = request.policies.as_deref().map(InlinePolicy::parse_list).transpose();
    let new = NewParameter {
        name,
        value: request.value,
        kind: request.parameter_type.map(kind),
        key_id: request.key_id,
        description: request.description,
        overwrite: request.overwrite,
        allowed_pattern: request.allowed_pattern,
        tags: checked_tags(tags)?,
        tier: request.tier.map(|tier| match tier {
            ParameterTier::Standard => WantedTier::Standard,
            ParameterTier::Advanced => WantedTier::Advanced,
            ParameterTier::IntelligentTiering => WantedTier::IntelligentTiering,
        }),
        policies: policies.map_err(answered)?,
        data_type: request.data_type.filter(|data_type| !data_type.is_empty()),
        user: exchange.context.caller.as_ref().map(|c| c.arn.to_string()).unwrap_or_default(),
    };
    let (version, tier) = parameter_kms::put(exchange, &permit, &new).await?;
    exchange.answer(&PutParameterResponse { version, tier: shown_tier(tier) })
}

async fn delete(exchange: &mut Exchange<'_>) -> Answer {
    let request = DeleteParameterRequest::decode(exchange.body)?;
    exchange.context.parameters = Some(json!({ "name": request.name }));
    let named = Named::by_name(exchange, request.name)?;
    let permit = named.authorize(exchange, Operation::DeleteParameter).await?;
    check_not_reserved(&named.name.name)?;
    let parameter = named.require()?;
    let parameters = exchange.broker.vault().parameters();
    blocking(|| parameters.delete(&permit, parameter)).map_err(refused)?;
    exchange.answer(&DeleteParameterResponse)
}

async fn delete_several(exchange: &mut Exchange<'_>) -> Answer {
    let request = DeleteParametersRequest::decode(exchange.body)?;
    exchange.context.parameters = Some(json!({ "names": request.names }));
    let permitted = authorize_each(exchange, Operation::DeleteParameters, distinct(request.names)).await?;
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

fn kind(kind: ParameterType) -> ParameterKind {
    match kind {
        ParameterType::String => ParameterKind::String,
        ParameterType::StringList => ParameterKind::StringList,
        ParameterType::SecureString => ParameterKind::SecureString,
    }
}
