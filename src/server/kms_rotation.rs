//! Rotation of key material: at intervals, or now. Values keep the material that they
//! were sealed under; a key's older material goes when the key does.

use super::exchange::{Answer, Exchange, blocking};
use super::kms::{any, one};
use super::kms_named::{open_marker, refused, seal_marker};
use crate::protocol::Operation;
use crate::protocol::kms::{
    Done, EnableKeyRotationRequest, GetKeyRotationStatusResponse, KeyIdResponse, KeyRequest,
    ListKeyRotationsRequest, ListKeyRotationsResponse, RotationEntry,
};
use crate::vault::{CustomerKey, FoundKey, KeyMaterial};

/// Rotations on a page when the request does not say.
const PAGE: usize = 100;

pub(super) async fn enable(exchange: &mut Exchange<'_>) -> Answer {
    let request = EnableKeyRotationRequest::decode(exchange.body)?;
    let (permit, key) = one(exchange, Operation::EnableKeyRotation, &request.key_id).await?;
    let kms = exchange.broker.vault().kms();
    blocking(|| kms.enable_rotation(&permit, &key.record.arn(), request.period_days)).map_err(refused)?;
    exchange.answer(&Done)
}

pub(super) async fn disable(exchange: &mut Exchange<'_>) -> Answer {
    let request = KeyRequest::decode(exchange.body)?;
    let (permit, key) = one(exchange, Operation::DisableKeyRotation, &request.key_id).await?;
    let kms = exchange.broker.vault().kms();
    blocking(|| kms.disable_rotation(&permit, &key.record.arn())).map_err(refused)?;
    exchange.answer(&Done)
}

/// The services' own keys are not rotated, and say so.
pub(super) async fn status(exchange: &mut Exchange<'_>) -> Answer {
    let request = KeyRequest::decode(exchange.body)?;
    let (_permit, key) = any(exchange, Operation::GetKeyRotationStatus, &request.key_id).await?;
    let schedule = match &key {
        FoundKey::Customer(row) => row.record.customer.as_ref().and_then(CustomerKey::rotation_in_force),
        FoundKey::Own(_) => None,
    };
    exchange.answer(&GetKeyRotationStatusResponse {
        key_id: key.key_id().to_owned(),
        rotation: schedule.map(|schedule| (schedule.days, schedule.next)),
    })
}

pub(super) async fn rotate(exchange: &mut Exchange<'_>) -> Answer {
    let request = KeyRequest::decode(exchange.body)?;
    let (permit, key) = one(exchange, Operation::RotateKeyOnDemand, &request.key_id).await?;
    let kms = exchange.broker.vault().kms();
    blocking(|| kms.rotate(&permit, &key.record.arn())).map_err(refused)?;
    exchange.answer(&KeyIdResponse(key.record.key_id.clone()))
}

pub(super) async fn list(exchange: &mut Exchange<'_>) -> Answer {
    let request = ListKeyRotationsRequest::decode(exchange.body)?;
    let (_permit, key) = one(exchange, Operation::ListKeyRotations, &request.key_id).await?;
    let arn = key.record.arn();
    let list = format!("rotations {} {arn}", request.first);
    let passed = match open_marker(exchange, &list, request.page.marker.as_deref())? {
        None => 0,
        Some(text) => text.parse().map_err(|_| crate::protocol::kms::invalid_marker())?,
    };
    let mut all = exchange.broker.vault().kms().materials(&key.record);
    all.retain(|material| request.first || material.rotation.is_some());
    let size = request.page.limit.unwrap_or(PAGE);
    let entry = |material: &KeyMaterial| RotationEntry {
        key_id: key.record.key_id.clone(),
        material: material.id.clone(),
        current: material.current,
        rotation: material.rotation,
    };
    let page: Vec<RotationEntry> = all.iter().skip(passed).take(size).map(entry).collect();
    let reached = passed.saturating_add(page.len());
    let next = (reached < all.len()).then(|| seal_marker(exchange, &list, &reached.to_string()));
    exchange.answer(&ListKeyRotationsResponse { rotations: page, next_marker: next })
}
