//! AWS Secrets Manager on the vault: one function an operation.
//!
//! Each has the same four steps: decode, find the ARN from metadata, pass the gate,
//! act on the vault with the permit.

use super::exchange::{Answer, Exchange, Failure, blocking};
use super::named_secret::{Named, metadata, refused, shown};
use super::secret_tags::{checked_tags, tag_list};
use super::{
    list_secrets, secret_batch, secret_keys, secret_kms, secret_policy, secret_replicas, secret_rotation,
    secret_tags, secret_versions,
};
use crate::broker::Ask;
use crate::policy::ConditionKeys;
use crate::protocol::secretsmanager::{
    self as wire, CreateSecretRequest, CreateSecretResponse, DeleteSecretRequest, DeleteSecretResponse,
    Deletion, DescribeSecretRequest, DescribeSecretResponse, GetRandomPasswordRequest,
    GetRandomPasswordResponse, GetSecretValueRequest, PutSecretValueRequest, PutSecretValueResponse,
    RestoreSecretRequest, RestoreSecretResponse, UpdateSecretRequest, UpdateSecretResponse,
};
use crate::protocol::{ApiError, Operation};
use crate::vault::{
    AWSCURRENT, KeyEdit, KeyPermits, NewSecret, PasswordRules, SecretContent, SecretSuffix,
    SecretVersionValue, Secrets,
};
use serde_json::json;

/// Serves one operation.
pub(super) async fn serve(operation: Operation, exchange: &mut Exchange<'_>) -> Answer {
    match operation {
        Operation::BatchGetSecretValue => secret_batch::get_values(exchange).await,
        Operation::CancelRotateSecret => secret_rotation::cancel(exchange).await,
        Operation::CreateSecret => create(exchange).await,
        Operation::DeleteResourcePolicy => secret_policy::delete(exchange).await,
        Operation::DeleteSecret => delete(exchange).await,
        Operation::DescribeSecret => describe(exchange).await,
        Operation::GetRandomPassword => random_password(exchange).await,
        Operation::GetResourcePolicy => secret_policy::get(exchange).await,
        Operation::GetSecretValue => get_value(exchange).await,
        Operation::ListResourcePolicies => secret_policy::list(exchange).await,
        Operation::ListSecretVersionIds => secret_versions::list(exchange).await,
        Operation::ListSecrets => list_secrets::list(exchange).await,
        Operation::PutResourcePolicy => secret_policy::put(exchange).await,
        Operation::PutSecretValue => put_value(exchange).await,
        Operation::RemoveRegionsFromReplication => secret_replicas::remove_regions(exchange).await,
        Operation::ReplicateSecretToRegions => secret_replicas::replicate(exchange).await,
        Operation::RestoreSecret => restore(exchange).await,
        Operation::RotateSecret => secret_rotation::rotate(exchange).await,
        Operation::StopReplicationToReplica => secret_replicas::stop(exchange).await,
        Operation::TagResource => secret_tags::tag(exchange).await,
        Operation::UntagResource => secret_tags::untag(exchange).await,
        Operation::UpdateSecret => update(exchange).await,
        Operation::UpdateSecretVersionStage => secret_versions::move_stage(exchange).await,
        Operation::ValidateResourcePolicy => secret_policy::validate(exchange).await,
        other => Err(ApiError::unknown_operation(other.name()).into()),
    }
}

async fn get_value(exchange: &mut Exchange<'_>) -> Answer {
    let request = GetSecretValueRequest::decode(exchange.body)?;
    let mut parameters = json!({ "secretId": request.secret_id });
    insert(&mut parameters, "versionId", request.version_id.as_deref());
    insert(&mut parameters, "versionStage", request.version_stage.as_deref());
    exchange.context.parameters = Some(parameters);
    let (version_id, stage) = (request.version_id.as_deref(), request.version_stage.as_deref());
    let read = read_value(exchange, request.secret_id, version_id, stage).await?;
    exchange.answer(&shown(read))
}

/// Passes the gate for a value and reads it.
pub(super) async fn read_value(
    exchange: &Exchange<'_>,
    secret_id: String,
    version_id: Option<&str>,
    stage: Option<&str>,
) -> Result<SecretVersionValue, Failure> {
    let named = Named::new(exchange, secret_id);
    let mut keys = ConditionKeys::new();
    keys.set_some("secretsmanager:VersionId", version_id);
    let by_default = version_id.is_none().then_some(AWSCURRENT);
    keys.set_some("secretsmanager:VersionStage", stage.or(by_default));
    let permit = named.authorize_with(exchange, Operation::GetSecretValue, keys).await?;
    let secret = named.existing()?;
    secret_kms::read(exchange, &permit, &secret, version_id, stage).await
}

async fn create(exchange: &mut Exchange<'_>) -> Answer {
    let request = CreateSecretRequest::decode(exchange.body)?;
    let token = token(request.client_request_token, request.content.is_some())?;
    let tags = checked_tags(request.tags.unwrap_or_default())?;
    exchange.context.parameters = Some(json!({
        "name": request.name, "clientRequestToken": token, "description": request.description,
        "kmsKeyId": request.kms_key_id, "tags": tag_list(&tags),
        "addReplicaRegions": request.add_replica_regions.as_deref().map(secret_replicas::recorded),
        "forceOverwriteReplicaSecret": request.force_overwrite_replica_secret,
    }));
    let arn = Secrets::hypothetical_arn(&exchange.scope, &request.name);
    let mut keys = ConditionKeys::new();
    keys.set("secretsmanager:Name", request.name.clone());
    keys.set_some("secretsmanager:Description", request.description.as_deref());
    secret_keys::of_key(&mut keys, exchange, request.kms_key_id.as_deref());
    secret_keys::of_tags(&mut keys, &tags);
    let regions = request.add_replica_regions.unwrap_or_default();
    let overwrite = request.force_overwrite_replica_secret;
    secret_replicas::replica_keys(&mut keys, &regions, overwrite);
    let asked = |action| Ask { keys: keys.clone(), ..Ask::new(action, &arn) };
    let permit = exchange.ask(asked("secretsmanager:CreateSecret"), &request.name).await?;
    if !tags.is_empty() {
        let _tags = exchange.ask(asked("secretsmanager:TagResource"), &request.name).await?;
    }
    if !regions.is_empty() {
        let _replicas = exchange.ask(asked("secretsmanager:ReplicateSecretToRegions"), &request.name).await?;
    }
    no_partner(request.secret_type.as_deref())?;
    if request.cross_account_primary_arn.is_some() {
        return Err(wire::invalid_parameter(
            "Sealdock does not replicate secrets from one account to another: leave CrossAccountPrimaryARN out, and let \
              the other account read the secret by a resource policy.",
        )
        .into());
    }
    let key = secret_kms::choose(exchange, &exchange.scope, request.kms_key_id.as_deref())?;
    let suffix = SecretSuffix::draw();
    let new_arn = suffix.arn(&exchange.scope, &request.name);
    secret_kms::to_establish(exchange, &key, &new_arn).await?;
    let replicas = secret_replicas::replicas(exchange, regions, overwrite, &new_arn, None).await?;
    let asked: Vec<String> = replicas.iter().map(|replica| replica.region.clone()).collect();
    let mut key_permits = KeyPermits::none();
    if request.content.is_some() {
        secret_kms::to_write(exchange, &mut key_permits, &key, (&new_arn, &token)).await?;
    }
    let new = NewSecret {
        name: request.name,
        token,
        description: request.description,
        key,
        tags,
        content: request.content.map(content),
        replicas,
    };
    let secrets = exchange.broker.vault().secrets();
    let place = (&exchange.scope, suffix);
    let written = blocking(|| secrets.create_as(&permit, &key_permits, &arn, place, new)).map_err(refused)?;
    let vault = exchange.broker.vault();
    let made = vault.secrets().find(&exchange.scope, &written.secret.name);
    let replication_status = made
        .map(|row| secret_replicas::accepted(vault, &row.record, &asked))
        .filter(|status| !status.is_empty());
    exchange.answer(&CreateSecretResponse {
        arn: written.secret.arn(),
        name: written.secret.name,
        version_id: written.version.map(|v| v.id),
        replication_status,
    })
}

async fn put_value(exchange: &mut Exchange<'_>) -> Answer {
    let request = PutSecretValueRequest::decode(exchange.body)?;
    let token = token(request.client_request_token, true)?;
    exchange.context.parameters = Some(json!({
        "secretId": request.secret_id, "clientRequestToken": token, "versionStages": request.version_stages,
    }));
    let named = Named::new(exchange, request.secret_id);
    let permit = named.authorize(exchange, Operation::PutSecretValue).await?;
    let secret = named.existing()?;
    secret.record.require_changeable().map_err(|error| refused(error.into()))?;
    let key = secret_kms::choose(exchange, &secret.record.scope, secret.record.kms_key_id.as_deref())?;
    let mut keys = KeyPermits::none();
    secret_kms::to_write(exchange, &mut keys, &key, (&secret.record.arn(), &token)).await?;
    let secrets = exchange.broker.vault().secrets();
    if let Some(shown) = &request.rotation_token
        && !secrets.is_rotation_token(&secret.record, &token, shown)
    {
        return Err(ApiError::access_denied_text(
            "The RotationToken is not that of a rotation that makes this version.",
        )
        .into());
    }
    let (content, stages) = (content(request.content), request.version_stages.unwrap_or_default());
    let written = blocking(|| secrets.put_value(&permit, &keys, &secret, key, (&token, &content), stages))
        .map_err(refused)?;
    exchange.answer(&PutSecretValueResponse {
        arn: written.secret.arn(),
        name: written.secret.name,
        version_stages: written.version.as_ref().map(|v| v.stages.clone()).unwrap_or_default(),
        version_id: written.version.map_or(token, |v| v.id),
    })
}

async fn update(exchange: &mut Exchange<'_>) -> Answer {
    let request = UpdateSecretRequest::decode(exchange.body)?;
    let token = token(request.client_request_token, request.content.is_some())?;
    exchange.context.parameters = Some(json!({
        "secretId": request.secret_id, "clientRequestToken": token, "description": request.description,
        "kmsKeyId": request.kms_key_id,
    }));
    let named = Named::new(exchange, request.secret_id);
    let mut keys = ConditionKeys::new();
    keys.set_some("secretsmanager:Description", request.description.as_deref());
    secret_keys::of_key(&mut keys, exchange, request.kms_key_id.as_deref());
    let permit = named.authorize_with(exchange, Operation::UpdateSecret, keys).await?;
    no_partner(request.secret_type.as_deref())?;
    let secret = named.existing()?;
    let only_key = request.content.is_none() && request.description.is_none();
    if let (true, true, Some(key)) = (secret.record.is_replica(), only_key, &request.kms_key_id) {
        let chosen = secret_kms::choose(exchange, &secret.record.scope, Some(key))?;
        secret_kms::to_establish(exchange, &chosen, &secret.record.arn()).await?;
        let key = chosen.shown().map(str::to_owned);
        let secrets = exchange.broker.vault().secrets();
        blocking(|| secrets.set_replica_key(&permit, &secret, key)).map_err(refused)?;
        let (arn, name) = (secret.record.arn(), secret.record.name.clone());
        return exchange.answer(&UpdateSecretResponse { arn, name, version_id: None });
    }
    secret.record.require_changeable().map_err(|error| refused(error.into()))?;
    let content = request.content.map(content);
    let value = content.as_ref().map(|content| (token.as_str(), content));
    let (record, arn) = (&secret.record, secret.record.arn());
    let mut keys = KeyPermits::none();
    let key = match (&request.kms_key_id, value) {
        (None, None) => KeyEdit::Kept,
        (None, Some(_)) => {
            KeyEdit::Sealing(secret_kms::choose(exchange, &record.scope, record.kms_key_id.as_deref())?)
        }
        (Some(named), _) => {
            let key = secret_kms::choose(exchange, &record.scope, Some(named))?;
            secret_kms::to_establish(exchange, &key, &arn).await?;
            secret_kms::to_reseal(exchange, &mut keys, &key, record).await?;
            KeyEdit::Changed(key)
        }
    };
    if let (Some(_), KeyEdit::Sealing(key) | KeyEdit::Changed(key)) = (value, &key) {
        secret_kms::to_write(exchange, &mut keys, key, (&arn, &token)).await?;
    }
    let description = request.description;
    let secrets = exchange.broker.vault().secrets();
    let written =
        blocking(|| secrets.update(&permit, &keys, &secret, value, description, key)).map_err(refused)?;
    exchange.answer(&UpdateSecretResponse {
        arn: written.secret.arn(),
        name: written.secret.name,
        version_id: written.version.map(|v| v.id),
    })
}

async fn describe(exchange: &mut Exchange<'_>) -> Answer {
    let request = DescribeSecretRequest::decode(exchange.body)?;
    exchange.context.parameters = Some(json!({ "secretId": request.secret_id }));
    let named = Named::new(exchange, request.secret_id);
    let _permit = named.authorize(exchange, Operation::DescribeSecret).await?;
    let secret = named.existing()?;
    exchange.answer(&DescribeSecretResponse {
        metadata: metadata(exchange, &secret.record),
        replication_status: Some(secret_replicas::status(exchange.broker.vault(), &secret.record))
            .filter(|status| !status.is_empty()),
    })
}

async fn delete(exchange: &mut Exchange<'_>) -> Answer {
    let request = DeleteSecretRequest::decode(exchange.body)?;
    let window = match request.deletion {
        Deletion::AfterDays(days) => Some(i64::from(days)),
        Deletion::Now => None,
    };
    exchange.context.parameters = Some(json!({
        "secretId": request.secret_id, "recoveryWindowInDays": window, "forceDeleteWithoutRecovery": window.is_none(),
    }));
    let named = Named::new(exchange, request.secret_id);
    let mut keys = ConditionKeys::new();
    keys.set("secretsmanager:ForceDeleteWithoutRecovery", window.is_none().to_string());
    keys.set_some("secretsmanager:RecoveryWindowInDays", window.map(|days| days.to_string()));
    let permit = named.authorize_with(exchange, Operation::DeleteSecret, keys).await?;
    if let (None, None) = (&named.found, window) {
        // Forcing the deletion of what is not there succeeds, so that it can be repeated.
        let name = named.id.clone();
        return exchange.answer(&DeleteSecretResponse {
            arn: named.arn,
            name,
            deletion_date: exchange.broker.now(),
        });
    }
    let secret = named.existing()?;
    let secrets = exchange.broker.vault().secrets();
    let date = blocking(|| secrets.delete(&permit, &secret, window)).map_err(refused)?;
    let record = &secret.record;
    exchange.answer(&DeleteSecretResponse {
        arn: record.arn(),
        name: record.name.clone(),
        deletion_date: date,
    })
}

async fn restore(exchange: &mut Exchange<'_>) -> Answer {
    let request = RestoreSecretRequest::decode(exchange.body)?;
    exchange.context.parameters = Some(json!({ "secretId": request.secret_id }));
    let named = Named::new(exchange, request.secret_id);
    let permit = named.authorize(exchange, Operation::RestoreSecret).await?;
    let secret = named.existing()?;
    let secrets = exchange.broker.vault().secrets();
    let record = blocking(|| secrets.restore(&permit, &secret)).map_err(refused)?;
    exchange.answer(&RestoreSecretResponse { arn: record.arn(), name: record.name })
}

async fn random_password(exchange: &mut Exchange<'_>) -> Answer {
    let request = GetRandomPasswordRequest::decode(exchange.body)?;
    exchange.context.parameters = Some(json!({
        "passwordLength": request.password_length, "excludeCharacters": request.exclude_characters,
        "excludeNumbers": request.exclude_numbers, "excludePunctuation": request.exclude_punctuation,
        "excludeUppercase": request.exclude_uppercase, "excludeLowercase": request.exclude_lowercase,
        "includeSpace": request.include_space, "requireEachIncludedType": request.require_each_included_type,
    }));
    let permit = exchange.authorize(&Operation::GetRandomPassword.action(), "*", "*").await?;
    let rules = PasswordRules {
        length: request.password_length,
        exclude: request.exclude_characters,
        lowercase: !request.exclude_lowercase,
        uppercase: !request.exclude_uppercase,
        numbers: !request.exclude_numbers,
        punctuation: !request.exclude_punctuation,
        space: request.include_space,
        require_each: request.require_each_included_type,
    };
    let drawn = exchange.broker.vault().secrets().random_password(&permit, &rules);
    let password = drawn.map_err(|e| super::internal(&e))?;
    let random_password = password.map_err(|e| wire::invalid_parameter(e.to_string()))?;
    exchange.answer(&GetRandomPasswordResponse { random_password })
}

fn content(content: wire::SecretContent) -> SecretContent {
    match content {
        wire::SecretContent::String(value) => SecretContent::String(value),
        wire::SecretContent::Binary(value) => SecretContent::Binary(value),
    }
}

/// The request's token. The CLI and the SDKs always make one; a request that is made by
/// hand needs it as soon as it has a value.
pub(super) fn token(given: Option<String>, has_value: bool) -> Result<String, ApiError> {
    match given {
        Some(token) => Ok(token),
        None if has_value => Err(wire::invalid_request(
            "You must provide a ClientRequestToken value. We recommend a UUID-type value.",
        )),
        None => Ok(String::new()),
    }
}

/// A managed external secret is held by a partner of AWS; none is at hand here.
fn no_partner(partner: Option<&str>) -> Result<(), ApiError> {
    match partner {
        None => Ok(()),
        Some(partner) => Err(wire::invalid_parameter(format!(
            "The type {partner} names a partner that manages external secrets, and Sealdock works with none: leave Type out."
        ))),
    }
}

/// Enters a request's parameter for the audit trail, if the request has it.
pub(super) fn insert(parameters: &mut serde_json::Value, name: &str, value: Option<&str>) {
    if let (Some(value), Some(map)) = (value, parameters.as_object_mut()) {
        map.insert(name.to_owned(), value.into());
    }
}
