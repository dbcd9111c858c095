//! The errors of STS's model, and those that its callers meet beside them.

use crate::protocol::error::{ApiError, TextKey};

fn error(status: u16, code: &'static str, message: impl Into<String>) -> ApiError {
    ApiError::new(status, code, TextKey::Upper, message)
}

/// Refused, with a text of its own.
pub fn access_denied(message: impl Into<String>) -> ApiError {
    error(403, "AccessDenied", message)
}

/// A parameter breaks a rule.
pub fn validation(message: impl Into<String>) -> ApiError {
    error(400, "ValidationError", message)
}

/// A session policy is not a policy.
pub fn malformed_policy_document(message: impl Into<String>) -> ApiError {
    error(400, "MalformedPolicyDocument", message)
}

/// Session policies and tags together are too large for a token.
pub fn packed_policy_too_large(message: impl Into<String>) -> ApiError {
    error(400, "PackedPolicyTooLarge", message)
}

/// A parameter contradicts another one or the calling session.
pub fn invalid_parameter_value(message: impl Into<String>) -> ApiError {
    error(400, "InvalidParameterValue", message)
}

/// The encoded message is not one of this service.
pub fn invalid_authorization_message() -> ApiError {
    error(400, "InvalidAuthorizationMessageException", "Message is not valid")
}
