//! The modelled errors of Secrets Manager, with AWS's texts where one text serves.

use super::super::error::{ApiError, TextKey};

fn modelled(code: &'static str, message: impl Into<String>) -> ApiError {
    ApiError::new(400, code, TextKey::Upper, message)
}

/// The secret does not exist.
pub fn secret_not_found() -> ApiError {
    resource_not_found("Secrets Manager can't find the specified secret.")
}

/// The secret has no version with that stage, or none at all.
pub fn stage_not_found(stage: &str) -> ApiError {
    resource_not_found(format!(
        "Secrets Manager can't find the specified secret value for staging label: {stage}"
    ))
}

/// The secret has no version with that id.
pub fn version_not_found(version_id: &str) -> ApiError {
    resource_not_found(format!(
        "Secrets Manager can't find the specified secret value for VersionId: {version_id}"
    ))
}

/// `ResourceNotFoundException`
pub fn resource_not_found(message: impl Into<String>) -> ApiError {
    modelled("ResourceNotFoundException", message)
}

/// The name is taken.
pub fn secret_exists(name: &str) -> ApiError {
    resource_exists(format!("The operation failed because the secret {name} already exists."))
}

/// `ResourceExistsException`
pub fn resource_exists(message: impl Into<String>) -> ApiError {
    modelled("ResourceExistsException", message)
}

/// `InvalidParameterException`
pub fn invalid_parameter(message: impl Into<String>) -> ApiError {
    modelled("InvalidParameterException", message)
}

/// The secret waits for its deletion.
pub fn marked_for_deletion() -> ApiError {
    invalid_request("You can't perform this operation on the secret because it was marked for deletion.")
}

/// A new secret wants the name of one that waits for its deletion.
pub fn name_scheduled_for_deletion() -> ApiError {
    invalid_request(
        "You can't create this secret because a secret with this name is already scheduled for deletion.",
    )
}

/// `InvalidRequestException`
pub fn invalid_request(message: impl Into<String>) -> ApiError {
    modelled("InvalidRequestException", message)
}

/// `InvalidNextTokenException`
pub fn invalid_next_token() -> ApiError {
    modelled("InvalidNextTokenException", "The NextToken value is invalid.")
}

/// `LimitExceededException`
pub fn limit_exceeded(message: impl Into<String>) -> ApiError {
    modelled("LimitExceededException", message)
}

/// The KMS key cannot encrypt.
pub fn encryption_failure(message: impl Into<String>) -> ApiError {
    modelled("EncryptionFailure", message)
}

/// The KMS key cannot decrypt.
pub fn decryption_failure(message: impl Into<String>) -> ApiError {
    modelled("DecryptionFailure", message)
}

/// `MalformedPolicyDocumentException`
pub fn malformed_policy_document(message: impl Into<String>) -> ApiError {
    modelled("MalformedPolicyDocumentException", message)
}

/// `PreconditionNotMetException`
pub fn precondition_not_met(message: impl Into<String>) -> ApiError {
    modelled("PreconditionNotMetException", message)
}

/// `PublicPolicyException`
pub fn public_policy(message: impl Into<String>) -> ApiError {
    modelled("PublicPolicyException", message)
}

/// A failure of ours.
pub fn internal_service_error() -> ApiError {
    ApiError::new(500, "InternalServiceError", TextKey::Upper, "An error occurred on the server side.")
}
