//! Replicas in other Regions: `ReplicateSecretToRegions`,
//! `RemoveRegionsFromReplication`, `StopReplicationToReplica`.

use super::{KMS_KEY_ID, ReplicationStatus, SECRET_ID};
use crate::protocol::error::ApiError;
use crate::protocol::fields::Fields;
use crate::protocol::rules::{REGION, Text};
use crate::protocol::writer::{Encode, Object, Sink};

const REGION_CODE: Text = Text::length(1, 128).matching(&REGION);

/// A Region to replicate to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaRegion {
    /// The Region code.
    pub region: String,
    /// The replica's key.
    pub kms_key_id: Option<String>,
}

impl ReplicaRegion {
    pub(super) fn take_list(fields: &mut Fields) -> Result<Option<Vec<Self>>, ApiError> {
        fields.structures("AddReplicaRegions", (1, usize::MAX), |replica| {
            Ok(Self {
                // AWS takes a replica without its Region for an invalid one.
                region: replica.text("Region", REGION_CODE)?.unwrap_or_default(),
                kms_key_id: replica.text("KmsKeyId", KMS_KEY_ID)?.filter(|key| !key.is_empty()),
            })
        })
    }
}

/// Adds Regions to a secret's replication, or tries again where it failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicateSecretToRegionsRequest {
    /// Name, ARN or partial ARN of the primary.
    pub secret_id: String,
    /// The Regions.
    pub add_replica_regions: Vec<ReplicaRegion>,
    /// Whether a secret of the same name in a replica Region is overwritten.
    pub force_overwrite_replica_secret: bool,
}

impl ReplicateSecretToRegionsRequest {
    /// Reads the request body.
    ///
    /// # Errors
    /// `SerializationException`, `ValidationException`.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse(body)?;
        let secret_id = fields.required_text("SecretId", SECRET_ID)?;
        let regions = ReplicaRegion::take_list(&mut fields)?;
        let add_replica_regions = fields.required("AddReplicaRegions", regions).unwrap_or_default();
        let force_overwrite_replica_secret = fields.boolean("ForceOverwriteReplicaSecret")?.unwrap_or(false);
        fields.finish(Self { secret_id, add_replica_regions, force_overwrite_replica_secret })
    }
}

/// Deletes the replicas in some Regions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoveRegionsFromReplicationRequest {
    /// Name, ARN or partial ARN of the primary.
    pub secret_id: String,
    /// The Regions.
    pub remove_replica_regions: Vec<String>,
}

impl RemoveRegionsFromReplicationRequest {
    /// Reads the request body.
    ///
    /// # Errors
    /// `SerializationException`, `ValidationException`.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse(body)?;
        let secret_id = fields.required_text("SecretId", SECRET_ID)?;
        let regions = fields.texts("RemoveReplicaRegions", (1, usize::MAX), REGION_CODE)?;
        let remove_replica_regions = fields.required("RemoveReplicaRegions", regions).unwrap_or_default();
        fields.finish(Self { secret_id, remove_replica_regions })
    }
}

/// The primary, and how its replicas stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicationResponse {
    /// ARN of the primary.
    pub arn: String,
    /// One for each Region.
    pub replication_status: Vec<ReplicationStatus>,
}

impl Encode for ReplicationResponse {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.text("ARN", &self.arn);
        object.structures("ReplicationStatus", &self.replication_status);
    }
}

/// Makes a replica a secret of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StopReplicationToReplicaRequest {
    /// Name, ARN or partial ARN of the replica.
    pub secret_id: String,
}

impl StopReplicationToReplicaRequest {
    /// Reads the request body.
    ///
    /// # Errors
    /// `SerializationException`, `ValidationException`.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse(body)?;
        let request = Self { secret_id: fields.required_text("SecretId", SECRET_ID)? };
        fields.finish(request)
    }
}

/// The secret that was a replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StopReplicationToReplicaResponse {
    /// Its ARN, as it was.
    pub arn: String,
}

impl Encode for StopReplicationToReplicaResponse {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.text("ARN", &self.arn);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_are_required_and_well_formed() {
        let add = |list: &str| {
            let body = format!(r#"{{"SecretId": "a", "AddReplicaRegions": {list}}}"#);
            ReplicateSecretToRegionsRequest::decode(body.as_bytes()).map_err(|e| e.code)
        };
        let regions = add(r#"[{"Region": "eu-west-1", "KmsKeyId": ""}, {}]"#).unwrap().add_replica_regions;
        assert_eq!((regions[0].region.as_str(), &regions[0].kms_key_id), ("eu-west-1", &None));
        assert_eq!(regions[1].region, "");
        for bad in ["[]", r#"[{"Region": "nowhere"}]"#] {
            assert_eq!(add(bad), Err("ValidationException"), "{bad}");
        }
        let remove =
            |body: &str| RemoveRegionsFromReplicationRequest::decode(body.as_bytes()).map_err(|e| e.code);
        assert_eq!(remove(r#"{"SecretId": "a"}"#), Err("ValidationException"));
        assert!(remove(r#"{"SecretId": "a", "RemoveReplicaRegions": ["eu-west-1"]}"#).is_ok());
    }
}
