//! `RotateSecret` and `CancelRotateSecret`.
//!
//! Both answer at once. What they ask for is in the secret's record, where the scheduler
//! finds it (see `rotation/`).

use super::exchange::{Answer, Exchange, blocking};
use super::named_secret::{Named, refused};
use crate::policy::ConditionKeys;
use crate::protocol::secretsmanager::{
    self as wire, CancelRotateSecretRequest, RotateSecretRequest, RotationResponse,
};
use crate::protocol::{ApiError, Operation};
use crate::vault::{RotationRules, RotationWanted, SecretError};
use serde_json::json;

/// AWS's words for a function that it may not call.
const NOT_INVOCABLE: &str = "Secrets Manager cannot invoke the specified Lambda function. Ensure that the function policy \
                             grants access to the principal secretsmanager.amazonaws.com.";

pub(super) async fn rotate(exchange: &mut Exchange<'_>) -> Answer {
    let request = RotateSecretRequest::decode(exchange.body)?;
    let rules = request.rotation_rules.map(|rules| RotationRules {
        automatically_after_days: rules.automatically_after_days,
        duration: rules.duration,
        schedule_expression: rules.schedule_expression,
    });
    exchange.context.parameters = Some(json!({
        "secretId": request.secret_id, "clientRequestToken": request.client_request_token,
        "rotationLambdaARN": request.rotation_lambda_arn, "rotateImmediately": request.rotate_immediately,
        "rotationRules": rules.as_ref().map(|rules| json!({
            "automaticallyAfterDays": rules.automatically_after_days, "duration": rules.duration,
            "scheduleExpression": rules.schedule_expression,
        })),
    }));
    let named = Named::new(exchange, request.secret_id);
    let mut keys = ConditionKeys::new();
    keys.set_some("secretsmanager:RotationLambdaARN", request.rotation_lambda_arn.as_deref());
    keys.set("secretsmanager:RotateImmediately", request.rotate_immediately.to_string());
    keys.set("secretsmanager:ModifyRotationRules", rules.is_some().to_string());
    let permit = named.authorize_with(exchange, Operation::RotateSecret, keys).await?;
    let secret = named.existing()?;
    let token = super::secretsmanager::token(request.client_request_token, true)?;
    if request.external {
        return Err(wire::invalid_parameter(
            "You can specify ExternalSecretRotationMetadata and ExternalSecretRotationRoleArn only for a managed external \
             secret, which has a Type.",
        )
        .into());
    }
    let record = &secret.record;
    record.require_changeable().map_err(|error| refused(error.into()))?;
    let known = record.rotation.as_ref().map(|rotation| &rotation.function);
    let function = request.rotation_lambda_arn.as_ref().or(known);
    let function = function.ok_or_else(|| refused(SecretError::NoRotationFunction.into()))?;
    let _may_invoke = exchange.authorize("lambda:InvokeFunction", function, function).await?;
    if exchange.broker.function(function).is_none() {
        tracing::warn!(
            %function, secret = %record.arn(),
            "rotation refused: no [[function]] of the configuration has this ARN; add one with `arn` and `url`, or `arn`, `command` and `role`"
        );
        return Err(ApiError::access_denied_text(NOT_INVOCABLE).into());
    }
    let wanted = RotationWanted {
        token,
        function: request.rotation_lambda_arn,
        rules,
        immediately: request.rotate_immediately,
    };
    let secrets = exchange.broker.vault().secrets();
    let version = blocking(|| secrets.rotate(&permit, &secret, wanted)).map_err(refused)?;
    exchange.answer(&RotationResponse {
        arn: secret.record.arn(),
        name: secret.record.name.clone(),
        version_id: Some(version),
    })
}

pub(super) async fn cancel(exchange: &mut Exchange<'_>) -> Answer {
    let request = CancelRotateSecretRequest::decode(exchange.body)?;
    exchange.context.parameters = Some(json!({ "secretId": request.secret_id }));
    let named = Named::new(exchange, request.secret_id);
    let permit = named.authorize(exchange, Operation::CancelRotateSecret).await?;
    let secret = named.existing()?;
    let secrets = exchange.broker.vault().secrets();
    let left = blocking(|| secrets.cancel_rotation(&permit, &secret)).map_err(refused)?;
    exchange.answer(&RotationResponse {
        arn: secret.record.arn(),
        name: secret.record.name.clone(),
        version_id: left,
    })
}
