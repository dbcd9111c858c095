//! The refusals of Secrets Manager that its rules about secrets lead to, in AWS's words.

use super::kms_record::KeyError;
use super::secret_record::{MAX_STAGES, MAX_TAGS, MAX_VERSIONS};
use crate::schedule::ScheduleError;

/// Why Secrets Manager refuses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// No such secret.
    #[error("Secrets Manager can't find the specified secret.")]
    NotFound,
    /// No version with that stage.
    #[error("Secrets Manager can't find the specified secret value for staging label: {0}")]
    NoSuchStage(String),
    /// No version with that id.
    #[error("Secrets Manager can't find the specified secret value for VersionId: {0}")]
    NoSuchVersion(String),
    /// Version id and stage do not name the same version.
    #[error("You provided a VersionStage that is not associated to the provided VersionId.")]
    StageMismatch,
    /// The name is taken.
    #[error("The operation failed because the secret {0} already exists.")]
    Exists(String),
    /// The name belongs to a secret that waits for its deletion.
    #[error(
        "You can't create this secret because a secret with this name is already scheduled for deletion."
    )]
    NameScheduledForDeletion,
    /// The token made another content.
    #[error(
        "You can't use ClientRequestToken {token} because that value is already in use for a version of secret {arn}."
    )]
    TokenInUse {
        /// The ClientRequestToken.
        token: String,
        /// The secret.
        arn: String,
    },
    /// The secret waits for its deletion.
    #[error("You can't perform this operation on the secret because it was marked for deletion.")]
    MarkedForDeletion,
    /// A replica changes with its primary only.
    #[error("Operation not permitted on a replica secret. Call must be made in primary secret's region.")]
    Replica,
    /// Only a replica can be promoted.
    #[error("Operation not permitted on a primary secret. Call must be made in replica secret's region.")]
    NotReplica,
    /// A primary outlives its replicas.
    #[error("You can't delete secret {arn} that still has replica regions [{regions}].")]
    HasReplicas {
        /// The secret.
        arn: String,
        /// Where its replicas are.
        regions: String,
    },
    /// Not a Region that a replica can be in.
    #[error("Invalid replica region.")]
    InvalidReplicaRegion,
    /// The replica in this Region has yet to be deleted.
    #[error("The replica in region {0} is being deleted. Try again when it is gone.")]
    ReplicaRemoving(String),
    /// More versions than are kept within a day.
    #[error(
        "You've exceeded the quota of {MAX_VERSIONS} versions for a secret. Versions without a staging label are removed \
         when they are more than 24 hours old."
    )]
    TooManyVersions,
    /// Too many staging labels.
    #[error("You can't have more than {MAX_STAGES} staging labels attached to a version.")]
    TooManyStages,
    /// A label is to be taken from a version that is not named.
    #[error(
        "The parameter RemoveFromVersionId can't be empty. Staging label {stage} is currently attached to version {version}, so you must explicitly reference that version in RemoveFromVersionId."
    )]
    StageHeld {
        /// The staging label.
        stage: String,
        /// The version that has it.
        version: String,
    },
    /// A label is to be taken from a version that does not have it.
    #[error("Staging label {stage} is not currently attached to version {version}.")]
    StageNotThere {
        /// The staging label.
        stage: String,
        /// The version that was named.
        version: String,
    },
    /// Neither a version to give the label to nor one to take it from.
    #[error("You must provide either MoveToVersionId or RemoveFromVersionId.")]
    NothingToMove,
    /// AWSCURRENT is always on a version.
    #[error(
        "You can only move staging label AWSCURRENT to a different secret version. It can't be completely removed."
    )]
    CurrentRemoved,
    /// The key does not decrypt.
    #[error("Secrets Manager can't decrypt the protected secret text using the provided KMS key. {0}")]
    DecryptionFailure(KeyError),
    /// The key does not encrypt.
    #[error(
        "Secrets Manager can't encrypt the protected secret text using the provided KMS key. Check that the KMS key is available, enabled, and not in an invalid state. {0}"
    )]
    EncryptionFailure(KeyError),
    /// Rotation was asked for, and no function was ever named.
    #[error("No Lambda rotation function ARN is associated with this secret.")]
    NoRotationFunction,
    /// AWSPENDING is on another version than AWSCURRENT.
    #[error("A previous rotation isn't complete. That rotation will be reattempted.")]
    RotationPending,
    /// Rotation is to be cancelled, and was never set up. The words are those of the API Reference.
    #[error(
        "You tried to enable rotation on a secret that doesn't already have a Lambda function ARN configured and you didn't include such an ARN as a parameter in this call."
    )]
    RotationNotConfigured,
    /// The rotation rules are no schedule.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    /// Too many tags.
    #[error("You can't have more than {MAX_TAGS} tags on a secret.")]
    TooManyTags,
}
