//! Replicas of secrets: `ReplicateSecretToRegions`, `RemoveRegionsFromReplication`,
//! `StopReplicationToReplica`, and how answers show where a secret is replicated to.
//!
//! As on AWS, the answer to a request says `InProgress` for what it asks for, and `DescribeSecret`
//! says what came of it: the vault is done with it by then, or has noted why it is not.

use super::exchange::Failure;
use super::exchange::{Answer, Exchange, blocking};
use super::named_secret::{Named, refused};
use super::secret_kms;
use crate::policy::ConditionKeys;
use crate::protocol::Operation;
use crate::protocol::secretsmanager::{
    RemoveRegionsFromReplicationRequest, ReplicaRegion, ReplicateSecretToRegionsRequest, ReplicationResponse,
    ReplicationStatus, StopReplicationToReplicaRequest, StopReplicationToReplicaResponse,
};
use crate::vault::{OWN_KEYS, Replica, ReplicaState, Scope, SecretRecord, Vault};
use serde_json::{Value, json};

pub(super) async fn replicate(exchange: &mut Exchange<'_>) -> Answer {
    let request = ReplicateSecretToRegionsRequest::decode(exchange.body)?;
    exchange.context.parameters = Some(json!({
        "secretId": request.secret_id, "addReplicaRegions": recorded(&request.add_replica_regions),
        "forceOverwriteReplicaSecret": request.force_overwrite_replica_secret,
    }));
    let named = Named::new(exchange, request.secret_id);
    let mut keys = ConditionKeys::new();
    replica_keys(&mut keys, &request.add_replica_regions, request.force_overwrite_replica_secret);
    let permit = named.authorize_with(exchange, Operation::ReplicateSecretToRegions, keys).await?;
    let secret = named.existing()?;
    secret.record.require_changeable().map_err(|error| refused(error.into()))?;
    let overwrite = request.force_overwrite_replica_secret;
    let source = secret_kms::to_replicate(exchange, &secret.record).await;
    let source = refusal(source)?;
    let arn = secret.record.arn();
    let wanted = replicas(exchange, request.add_replica_regions, overwrite, &arn, source.as_deref()).await?;
    let asked: Vec<String> = wanted.iter().map(|replica| replica.region.clone()).collect();
    let vault = exchange.broker.vault();
    let primary = blocking(|| vault.secrets().replicate(&permit, &secret, wanted)).map_err(refused)?;
    let replication_status = accepted(vault, &primary, &asked);
    exchange.answer(&ReplicationResponse { arn: primary.arn(), replication_status })
}

pub(super) async fn remove_regions(exchange: &mut Exchange<'_>) -> Answer {
    let request = RemoveRegionsFromReplicationRequest::decode(exchange.body)?;
    exchange.context.parameters = Some(json!({
        "secretId": request.secret_id, "removeReplicaRegions": request.remove_replica_regions,
    }));
    let named = Named::new(exchange, request.secret_id);
    let permit = named.authorize(exchange, Operation::RemoveRegionsFromReplication).await?;
    let secret = named.existing()?;
    let (vault, regions) = (exchange.broker.vault(), request.remove_replica_regions);
    let primary = blocking(|| vault.secrets().remove_regions(&permit, &secret, &regions)).map_err(refused)?;
    exchange.answer(&ReplicationResponse { arn: primary.arn(), replication_status: status(vault, &primary) })
}

pub(super) async fn stop(exchange: &mut Exchange<'_>) -> Answer {
    let request = StopReplicationToReplicaRequest::decode(exchange.body)?;
    exchange.context.parameters = Some(json!({ "secretId": request.secret_id }));
    let named = Named::new(exchange, request.secret_id);
    let permit = named.authorize(exchange, Operation::StopReplicationToReplica).await?;
    let secret = named.existing()?;
    let secrets = exchange.broker.vault().secrets();
    blocking(|| secrets.stop_replication(&permit, &secret)).map_err(refused)?;
    exchange.answer(&StopReplicationToReplicaResponse { arn: secret.record.arn() })
}

/// The replicas that a request asks for. Where the caller may not use the key of the replica, or there
/// is none such, the request succeeds and the replica fails, as on AWS. `source` is why the
/// caller may not read the primary, if so.
///
/// Source: User Guide, "Troubleshoot replication".
pub(super) async fn replicas(
    exchange: &Exchange<'_>,
    wanted: Vec<ReplicaRegion>,
    overwrite: bool,
    arn: &str,
    source: Option<&str>,
) -> Result<Vec<Replica>, Failure> {
    let mut replicas = Vec::with_capacity(wanted.len());
    for ReplicaRegion { region, kms_key_id } in wanted {
        let why = match source {
            Some(why) => Some(why.to_owned()),
            None => refusal(usable(exchange, &region, kms_key_id.as_deref(), arn).await)?,
        };
        replicas.push(match why {
            Some(why) => Replica::refused(region, kms_key_id, &why),
            None => Replica::new(region, kms_key_id, overwrite),
        });
    }
    Ok(replicas)
}

/// The caller may use this key for a replica in `region`.
async fn usable(exchange: &Exchange<'_>, region: &str, key: Option<&str>, arn: &str) -> Result<(), Failure> {
    let scope = Scope::new(exchange.scope.account.as_str(), region);
    let key = secret_kms::choose(exchange, &scope, key)?;
    secret_kms::to_establish(exchange, &key, arn).await
}

/// What is wrong with the caller's side, to be told in a replica's status; a failure of ours stays one.
fn refusal(asked: Result<(), Failure>) -> Result<Option<String>, Failure> {
    match asked {
        Ok(()) => Ok(None),
        Err(Failure::Unrecorded(error)) if error.status < 500 => Ok(Some(error.message)),
        Err(failure) => Err(failure),
    }
}

/// The condition keys that follow from the replicas that a request asks for.
pub(super) fn replica_keys(keys: &mut ConditionKeys, wanted: &[ReplicaRegion], overwrite: bool) {
    for replica in wanted {
        keys.add("secretsmanager:AddReplicaRegions", replica.region.clone());
    }
    keys.set("secretsmanager:ForceOverwriteReplicaSecret", overwrite.to_string());
}

/// Regions and keys of replicas, as the audit log shows them.
pub(super) fn recorded(wanted: &[ReplicaRegion]) -> Vec<Value> {
    wanted.iter().map(|replica| json!({ "region": replica.region, "kmsKeyId": replica.kms_key_id })).collect()
}

/// How the replicas of a secret stand, as its primary's record says; in the Region of a
/// replica that is told as well.
pub(super) fn status(vault: &Vault, secret: &SecretRecord) -> Vec<ReplicationStatus> {
    let primary = secret.primary_region.as_deref().and_then(|region| in_region(vault, secret, region));
    let primary = primary.as_ref().unwrap_or(secret);
    let shown = |replica: &Replica| {
        let made = in_region(vault, primary, &replica.region).filter(|made| made.is_replica_of(primary));
        let (status, message) = match &replica.state {
            ReplicaState::InSync => ("InSync", Some("Replication succeeded".to_owned())),
            ReplicaState::Failed(why) => ("Failed", Some(why.clone())),
            ReplicaState::InProgress | ReplicaState::Removing => ("InProgress", None),
        };
        ReplicationStatus {
            region: replica.region.clone(),
            kms_key_id: Some(replica.kms_key_id.clone().unwrap_or_else(|| OWN_KEYS[0].to_owned())),
            status: status.to_owned(),
            status_message: message,
            last_accessed_date: made.and_then(|made| vault.last_accessed(&made)),
        }
    };
    primary.shown_replicas().map(shown).collect()
}

/// As [`status`], in the answer to a request for replicas in the Regions `asked`: these are in progress.
pub(super) fn accepted(vault: &Vault, secret: &SecretRecord, asked: &[String]) -> Vec<ReplicationStatus> {
    let mut all = status(vault, secret);
    for replica in all.iter_mut().filter(|replica| asked.contains(&replica.region)) {
        (replica.status, replica.status_message) = ("InProgress".to_owned(), None);
    }
    all
}

/// The secret of the same name in another Region of its account.
fn in_region(vault: &Vault, secret: &SecretRecord, region: &str) -> Option<SecretRecord> {
    let scope = Scope::new(secret.scope.account.as_str(), region);
    vault.secrets().find(&scope, &secret.name).map(|row| row.record.clone())
}
