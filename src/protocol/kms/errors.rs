//! The modelled errors of KMS, in AWS's words.

use super::super::error::{ApiError, TextKey};

fn modelled(code: &'static str, message: impl Into<String>) -> ApiError {
    ApiError::new(400, code, TextKey::Lower, message)
}

/// No such key or alias.
pub fn not_found(message: impl Into<String>) -> ApiError {
    modelled("NotFoundException", message)
}

/// The key is disabled.
pub fn disabled(message: impl Into<String>) -> ApiError {
    modelled("DisabledException", message)
}

/// The state of the key does not allow it.
pub fn invalid_state(message: impl Into<String>) -> ApiError {
    modelled("KMSInvalidStateException", message)
}

/// The alias name is taken.
pub fn already_exists(message: impl Into<String>) -> ApiError {
    modelled("AlreadyExistsException", message)
}

/// The alias name belongs to AWS. The model does not list it; this is what KMS answers.
pub fn not_authorized(message: impl Into<String>) -> ApiError {
    modelled("NotAuthorizedException", message)
}

/// The ARN is not one of a key or alias here.
pub fn invalid_arn(message: impl Into<String>) -> ApiError {
    modelled("InvalidArnException", message)
}

/// The key policy cannot be used.
pub fn malformed_policy_document(message: impl Into<String>) -> ApiError {
    modelled("MalformedPolicyDocumentException", message)
}

/// More than a quota allows.
pub fn limit_exceeded(message: impl Into<String>) -> ApiError {
    modelled("LimitExceededException", message)
}

/// The tags break a rule.
pub fn tag(message: impl Into<String>) -> ApiError {
    modelled("TagException", message)
}

/// The Marker is not one of ours.
pub fn invalid_marker() -> ApiError {
    modelled("InvalidMarkerException", "The marker is not valid.")
}

/// What KMS has and this service does not, or the key is not one for it.
pub fn unsupported_operation(message: impl Into<String>) -> ApiError {
    modelled("UnsupportedOperationException", message)
}
