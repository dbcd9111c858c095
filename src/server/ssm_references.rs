//! `/aws/reference/secretsmanager/...`: a secret read as if it were a parameter.
//!
//! The caller needs the action of Parameter Store on the name, and `GetSecretValue` on the
//! secret; both decisions are on record. The secret is read as Secrets Manager reads it.

use super::exchange::{Exchange, Failure};
use super::secretsmanager;
use crate::protocol::ssm::{self as wire, Parameter, ParameterType, SecretReference, SourceResult};
use crate::protocol::writer::Encode as _;
use crate::protocol::{ApiError, Operation};
use crate::secret::SecretValue;
use crate::vault::parameter_arn;

/// Reads the secret behind `reference` for `operation`.
pub(super) async fn read(
    exchange: &Exchange<'_>,
    operation: Operation,
    reference: &SecretReference,
    decrypt: bool,
) -> Result<Parameter, Failure> {
    if !decrypt {
        let rule = "WithDecryption flag must be True for retrieving a Secret Manager secret.";
        return Err(ApiError::validation(rule).into());
    }
    let arn = parameter_arn(&exchange.scope, &reference.name);
    let _permit = exchange.authorize(&operation.action(), &arn, &arn).await?;
    let (version_id, stage) = selected(exchange, reference);
    let read = secretsmanager::read_value(exchange, reference.secret_id.clone(), version_id, stage).await;
    let read = read.map_err(|failure| translated(exchange, reference, failure))?;
    if read.binary {
        return Err(ApiError::validation(introduced(
            "InvalidRequestException",
            "The secret holds a SecretBinary, which a parameter can't have as its value.",
        ))
        .into());
    }
    let record = &read.secret.record;
    let arn = record.arn();
    let mut result = SourceResult {
        arn: &arn,
        name: &record.name,
        version_id: &read.version_id,
        secret_string: &read.value,
        version_stages: &read.stages,
        created_date: read.created,
    }
    .encode();
    Ok(Parameter {
        name: reference.name.clone(),
        parameter_type: ParameterType::SecureString,
        source_result: Some(SecretValue::new(std::mem::take(&mut *result))),
        value: read.value,
        version: 0,
        selector: reference.selector.as_ref().map(|selector| format!(":{selector}")),
        last_modified_date: read.created,
        arn,
        data_type: None,
    })
}

/// The version that the selector names, as Secrets Manager takes it: an id or a stage.
fn selected<'r>(
    exchange: &Exchange<'_>,
    reference: &'r SecretReference,
) -> (Option<&'r str>, Option<&'r str>) {
    let Some(selector) = reference.selector.as_deref() else { return (None, None) };
    let secret = exchange.broker.vault().secrets().find(&exchange.scope, &reference.secret_id);
    let is_id = secret.is_some_and(|row| row.record.version(selector).is_some());
    if is_id || uuid::Uuid::try_parse(selector).is_ok() {
        (Some(selector), None)
    } else {
        (None, Some(selector))
    }
}

/// An error of Secrets Manager as Parameter Store answers it.
fn translated(exchange: &Exchange<'_>, reference: &SecretReference, failure: Failure) -> Failure {
    let of = |error: ApiError| match error.code {
        "ResourceNotFoundException" => {
            let secrets = exchange.broker.vault().secrets();
            if secrets.find(&exchange.scope, &reference.secret_id).is_some() {
                wire::parameter_reference_version_not_found(introduced(error.code, &error.message))
            } else {
                let text = format!("Secret {} not found.", reference.name);
                wire::parameter_not_found(introduced("ParameterNotFound", &text))
            }
        }
        "AccessDeniedException" => ApiError::access_denied_text(introduced(error.code, &error.message)),
        _ if error.is_fault() => error,
        code => ApiError::validation(introduced(code, &error.message)),
    };
    match failure {
        Failure::Recorded(error) => Failure::Recorded(of(error)),
        Failure::Unrecorded(error) => Failure::Unrecorded(of(error)),
    }
}

/// What Parameter Store puts before an error of Secrets Manager.
fn introduced(code: &str, text: &str) -> String {
    format!("An error occurred ({code}) when referencing Secrets Manager: {text}")
}
