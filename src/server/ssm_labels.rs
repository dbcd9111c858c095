//! Labels of parameter versions: `LabelParameterVersion`, `UnlabelParameterVersion`.

use super::exchange::{Answer, Exchange, blocking};
use super::named_parameter::{Named, refused};
use crate::protocol::Operation;
use crate::protocol::ssm::{
    LabelParameterVersionRequest, LabelParameterVersionResponse, UnlabelParameterVersionRequest,
    UnlabelParameterVersionResponse,
};
use serde_json::json;

pub(super) async fn label(exchange: &mut Exchange<'_>) -> Answer {
    let request = LabelParameterVersionRequest::decode(exchange.body)?;
    exchange.context.parameters = Some(json!({
        "name": request.name, "parameterVersion": request.parameter_version, "labels": request.labels,
    }));
    let named = Named::by_name(exchange, request.name)?;
    let permit = named.authorize(exchange, Operation::LabelParameterVersion).await?;
    let parameter = named.require()?;
    let parameters = exchange.broker.vault().parameters();
    let (version, labels) = (request.parameter_version, &request.labels);
    let labelled = blocking(|| parameters.label(&permit, parameter, version, labels)).map_err(refused)?;
    exchange.answer(&LabelParameterVersionResponse {
        invalid_labels: labelled.invalid,
        parameter_version: labelled.version,
    })
}

pub(super) async fn unlabel(exchange: &mut Exchange<'_>) -> Answer {
    let request = UnlabelParameterVersionRequest::decode(exchange.body)?;
    exchange.context.parameters = Some(json!({
        "name": request.name, "parameterVersion": request.parameter_version, "labels": request.labels,
    }));
    let named = Named::by_name(exchange, request.name)?;
    let permit = named.authorize(exchange, Operation::UnlabelParameterVersion).await?;
    let parameter = named.require()?;
    let parameters = exchange.broker.vault().parameters();
    let (version, labels) = (request.parameter_version, &request.labels);
    let unlabelled = blocking(|| parameters.unlabel(&permit, parameter, version, labels)).map_err(refused)?;
    exchange.answer(&UnlabelParameterVersionResponse {
        removed_labels: unlabelled.removed,
        invalid_labels: unlabelled.invalid,
    })
}
