//! Wire types of AWS Secrets Manager, service model 2017-10-17: one file for each
//! family of operations, the shapes that they share here.

mod batch;
mod errors;
mod list;
mod metadata;
mod password;
mod replication;
mod resource_policy;
mod rotation;
mod secrets;
mod tags;
mod values;
mod versions;

pub use batch::{BatchChoice, BatchError, BatchGetSecretValueResponse};
pub use errors::*;
pub use list::{Filter, FilterKey, ListSecretsRequest, ListSecretsResponse, SortBy, SortOrder};
pub use metadata::{
    DescribeSecretRequest, DescribeSecretResponse, ReplicationStatus, RotationRules, SecretMetadata,
};
pub use password::{GetRandomPasswordRequest, GetRandomPasswordResponse};
pub use replication::{
    RemoveRegionsFromReplicationRequest, ReplicaRegion, ReplicateSecretToRegionsRequest, ReplicationResponse,
    StopReplicationToReplicaRequest, StopReplicationToReplicaResponse,
};
pub use resource_policy::{
    DeleteResourcePolicyRequest, GetResourcePolicyRequest, ListResourcePoliciesRequest,
    ListResourcePoliciesResponse, PolicyObjection, PutResourcePolicyRequest, ResourcePolicyResponse,
    ValidateResourcePolicyRequest, ValidateResourcePolicyResponse,
};
pub use rotation::{CancelRotateSecretRequest, RotateSecretRequest, RotationResponse};
pub use secrets::{
    CreateSecretRequest, CreateSecretResponse, DeleteSecretRequest, DeleteSecretResponse, Deletion,
    RestoreSecretRequest, RestoreSecretResponse, UpdateSecretRequest, UpdateSecretResponse,
};
pub use tags::{TagResourceRequest, TagsChanged, UntagResourceRequest};
pub use values::{
    GetSecretValueRequest, GetSecretValueResponse, PutSecretValueRequest, PutSecretValueResponse,
};
pub use versions::{
    ListSecretVersionIdsRequest, ListSecretVersionIdsResponse, UpdateSecretVersionStageRequest,
    UpdateSecretVersionStageResponse, VersionEntry,
};

use super::error::ApiError;
use super::fields::Fields;
use super::rules::{ROTATION_TOKEN, Text};
use super::writer::{Encode, Object, Sink};
use crate::secret::SecretValue;

/// Largest secret value, in bytes.
pub const MAX_VALUE: usize = 65_536;

const SECRET_ID: Text = Text::length(1, 2048);
const SECRET_ARN: Text = Text::length(20, 2048);
const NAME: Text = Text::length(1, 512);
const TOKEN: Text = Text::length(32, 64);
const DESCRIPTION: Text = Text::length(0, 2048);
const KMS_KEY_ID: Text = Text::length(0, 2048);
const SECRET_TYPE: Text = Text::length(0, 256);
const TAG_KEY: Text = Text::length(1, 128);
const STAGE: Text = Text::length(1, 256);
const VALUE: Text = Text::length(1, MAX_VALUE).in_bytes().sensitive();
/// For `PutSecretValue`, to which an empty value is no value.
const VALUE_OR_EMPTY: Text = Text::length(0, MAX_VALUE).in_bytes().sensitive();
const ROTATION: Text = Text::length(36, 256).matching(&ROTATION_TOKEN).sensitive();

/// What a version of a secret holds.
#[derive(Debug)]
pub enum SecretContent {
    /// `SecretString`: UTF-8.
    String(SecretValue),
    /// `SecretBinary`: any bytes.
    Binary(SecretValue),
}

impl SecretContent {
    /// The plaintext, of either kind.
    pub fn value(&self) -> &SecretValue {
        match self {
            Self::String(value) | Self::Binary(value) => value,
        }
    }

    fn take(fields: &mut Fields, rule: Text) -> Result<Option<Self>, ApiError> {
        let binary = fields.secret_bytes("SecretBinary", rule)?;
        let string = fields.secret_text("SecretString", rule)?;
        match (string, binary) {
            (None, None) => Ok(None),
            (Some(value), None) => Ok(Some(Self::String(value))),
            (None, Some(value)) => Ok(Some(Self::Binary(value))),
            (Some(_), Some(_)) => Err(invalid_parameter(
                "You can't specify both a binary secret value and a string secret value in the same secret.",
            )),
        }
    }

    fn write<S: Sink>(&self, object: &mut Object<'_, S>) {
        match self {
            Self::String(value) => object.secret_text("SecretString", value),
            Self::Binary(value) => object.secret_bytes("SecretBinary", value),
        }
    }
}

/// A tag of a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    /// 1 to 128 characters.
    pub key: String,
    /// Up to 256 characters.
    pub value: String,
}

impl Tag {
    fn take_list(fields: &mut Fields) -> Result<Option<Vec<Self>>, ApiError> {
        fields.structures("Tags", (0, usize::MAX), |tag| {
            Ok(Self {
                key: tag.required_text("Key", TAG_KEY)?,
                value: tag.text("Value", Text::length(0, 256))?.unwrap_or_default(),
            })
        })
    }
}

impl Encode for Tag {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.text("Key", &self.key);
        object.text("Value", &self.value);
    }
}
