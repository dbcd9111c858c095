//! `ListSecretVersionIds` and `UpdateSecretVersionStage`.
//!
//! Versions are listed oldest first. A page token holds the secret and the last
//! version shown, so that versions which are made or removed in between are neither
//! shown twice nor skipped; it is sealed, and good for that secret only.

use super::exchange::{Answer, Exchange, blocking};
use super::named_secret::{Named, refused};
use crate::policy::ConditionKeys;
use crate::protocol::Operation;
use crate::protocol::secretsmanager::{
    ListSecretVersionIdsRequest, ListSecretVersionIdsResponse, UpdateSecretVersionStageRequest,
    UpdateSecretVersionStageResponse, VersionEntry, invalid_next_token,
};
use crate::vault::{StageMove, VersionRecord};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Versions on a page when the request does not say.
const PAGE: usize = 100;

/// How AWS shows the service's own key.
const DEFAULT_KEY: &str = "DefaultEncryptionKey";

/// Where a page ended.
#[derive(Serialize, Deserialize)]
struct Cursor {
    versions_of: String,
    created: Timestamp,
    id: String,
}

pub(super) async fn list(exchange: &mut Exchange<'_>) -> Answer {
    let request = ListSecretVersionIdsRequest::decode(exchange.body)?;
    exchange.context.parameters = Some(json!({
        "secretId": request.secret_id, "maxResults": request.max_results,
        "includeDeprecated": request.include_deprecated,
    }));
    let named = Named::new(exchange, request.secret_id);
    let _permit = named.authorize(exchange, Operation::ListSecretVersionIds).await?;
    let secret = named.existing()?;
    let (vault, arn) = (exchange.broker.vault(), secret.record.arn());
    let after = match &request.next_token {
        None => None,
        Some(token) => {
            let opened =
                vault.open_cursor(token).and_then(|text| serde_json::from_slice::<Cursor>(&text).ok());
            Some(opened.filter(|c| c.versions_of == arn).ok_or_else(invalid_next_token)?)
        }
    };
    let shown = |v: &VersionRecord| {
        after.as_ref().is_some_and(|last| (v.created, v.id.as_str()) <= (last.created, last.id.as_str()))
    };
    let mut versions: Vec<&VersionRecord> = secret
        .record
        .versions
        .iter()
        .filter(|v| request.include_deprecated || !v.stages.is_empty())
        .filter(|v| !shown(v))
        .collect();
    versions.sort_by(|a, b| (a.created, &a.id).cmp(&(b.created, &b.id)));
    let size = request.max_results.unwrap_or(PAGE);
    let more = versions.len() > size;
    versions.truncate(size);
    let next_token = versions.last().filter(|_| more).map(|last| {
        let cursor = Cursor { versions_of: arn.clone(), created: last.created, id: last.id.clone() };
        vault.seal_cursor(&serde_json::to_vec(&cursor).unwrap_or_default())
    });
    exchange.answer(&ListSecretVersionIdsResponse {
        versions: versions.into_iter().map(|v| entry(v, vault.version_accessed(&secret.record, v))).collect(),
        next_token,
        arn,
        name: secret.record.name.clone(),
    })
}

fn entry(version: &VersionRecord, accessed: Option<Timestamp>) -> VersionEntry {
    VersionEntry {
        version_id: version.id.clone(),
        version_stages: version.stages.clone(),
        last_accessed_date: accessed,
        created_date: version.created,
        kms_key_ids: vec![version.kms_key_id.clone().unwrap_or_else(|| DEFAULT_KEY.to_owned())],
    }
}

pub(super) async fn move_stage(exchange: &mut Exchange<'_>) -> Answer {
    let request = UpdateSecretVersionStageRequest::decode(exchange.body)?;
    exchange.context.parameters = Some(json!({
        "secretId": request.secret_id, "versionStage": request.version_stage,
        "moveToVersionId": request.move_to_version_id, "removeFromVersionId": request.remove_from_version_id,
    }));
    let named = Named::new(exchange, request.secret_id);
    let mut keys = ConditionKeys::new();
    keys.set("secretsmanager:VersionStage", request.version_stage.clone());
    let permit = named.authorize_with(exchange, Operation::UpdateSecretVersionStage, keys).await?;
    let secret = named.existing()?;
    let change = StageMove {
        stage: &request.version_stage,
        to: request.move_to_version_id.as_deref(),
        from: request.remove_from_version_id.as_deref(),
    };
    let secrets = exchange.broker.vault().secrets();
    blocking(|| secrets.move_stage(&permit, &secret, change)).map_err(refused)?;
    exchange.answer(&UpdateSecretVersionStageResponse {
        arn: secret.record.arn(),
        name: secret.record.name.clone(),
    })
}
