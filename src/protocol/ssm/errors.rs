//! The modelled errors of Parameter Store, with AWS's texts where one text serves.
//! The model spells the key of the text differently from error to error.

use super::super::error::{ApiError, TextKey};

fn lower(code: &'static str, message: impl Into<String>) -> ApiError {
    ApiError::new(400, code, TextKey::Lower, message)
}

fn upper(code: &'static str, message: impl Into<String>) -> ApiError {
    ApiError::new(400, code, TextKey::Upper, message)
}

/// The parameter does not exist. AWS sends no text for `GetParameter`.
pub fn parameter_not_found(message: impl Into<String>) -> ApiError {
    lower("ParameterNotFound", message)
}

/// The parameter has no such version or label.
pub fn parameter_version_not_found(name: &str, selector: &str) -> ApiError {
    lower(
        "ParameterVersionNotFound",
        format!(
            "Systems Manager could not find version {selector} of {name}. Verify the version and try again."
        ),
    )
}

/// A secret behind `/aws/reference/` has no such version.
pub fn parameter_reference_version_not_found(message: impl Into<String>) -> ApiError {
    lower("ParameterVersionNotFound", message)
}

/// The name is taken and `Overwrite` is not set.
pub fn parameter_already_exists() -> ApiError {
    lower(
        "ParameterAlreadyExists",
        "The parameter already exists. To overwrite this value, set the overwrite option in the request to true.",
    )
}

/// `ParameterLimitExceeded`
pub fn parameter_limit_exceeded(message: impl Into<String>) -> ApiError {
    lower("ParameterLimitExceeded", message)
}

/// The hundredth version is reached and the oldest has a label.
pub fn parameter_max_version_limit_exceeded(name: &str, version: i64) -> ApiError {
    lower(
        "ParameterMaxVersionLimitExceeded",
        format!(
            "You attempted to create a new version of {name} by calling the PutParameter API with the overwrite \
             flag. Version {version}, the oldest version, can't be deleted because it has a label associated \
             with it. Move the label to another version of the parameter, and try again."
        ),
    )
}

/// A version would have more than ten labels.
pub fn parameter_version_label_limit_exceeded(message: impl Into<String>) -> ApiError {
    lower("ParameterVersionLabelLimitExceeded", message)
}

/// The value does not match `AllowedPattern`.
pub fn parameter_pattern_mismatch(pattern: &str) -> ApiError {
    lower(
        "ParameterPatternMismatchException",
        format!("Parameter value, cannot be validated against allowedPattern: {pattern}"),
    )
}

/// `AllowedPattern` is not a regular expression.
pub fn invalid_allowed_pattern(message: impl Into<String>) -> ApiError {
    lower("InvalidAllowedPatternException", message)
}

/// More than 15 levels.
pub fn hierarchy_level_limit_exceeded() -> ApiError {
    lower(
        "HierarchyLevelLimitExceededException",
        "A hierarchy can have a maximum of 15 levels. For more information, see Requirements and constraints for \
         parameter names in the AWS Systems Manager User Guide.",
    )
}

/// The type of an existing parameter cannot change.
pub fn hierarchy_type_mismatch(message: impl Into<String>) -> ApiError {
    lower("HierarchyTypeMismatchException", message)
}

/// `UnsupportedParameterType`
pub fn unsupported_parameter_type(message: impl Into<String>) -> ApiError {
    lower("UnsupportedParameterType", message)
}

/// The KMS key does not exist or cannot be used.
pub fn invalid_key_id(message: impl Into<String>) -> ApiError {
    lower("InvalidKeyId", message)
}

/// More than ten policies.
pub fn policies_limit_exceeded(message: impl Into<String>) -> ApiError {
    lower("PoliciesLimitExceededException", message)
}

/// `InvalidPolicyTypeException`
pub fn invalid_policy_type(message: impl Into<String>) -> ApiError {
    lower("InvalidPolicyTypeException", message)
}

/// `InvalidPolicyAttributeException`
pub fn invalid_policy_attribute(message: impl Into<String>) -> ApiError {
    lower("InvalidPolicyAttributeException", message)
}

/// `IncompatiblePolicyException`
pub fn incompatible_policy(message: impl Into<String>) -> ApiError {
    lower("IncompatiblePolicyException", message)
}

/// Two writers at once.
pub fn too_many_updates() -> ApiError {
    upper("TooManyUpdates", "There are concurrent updates for a resource that supports one update at a time.")
}

/// `InvalidFilterKey`
pub fn invalid_filter_key(message: impl Into<String>) -> ApiError {
    lower("InvalidFilterKey", message)
}

/// `InvalidFilterOption`
pub fn invalid_filter_option(message: impl Into<String>) -> ApiError {
    lower("InvalidFilterOption", message)
}

/// `InvalidFilterValue`
pub fn invalid_filter_value(message: impl Into<String>) -> ApiError {
    upper("InvalidFilterValue", message)
}

/// `InvalidNextToken`
pub fn invalid_next_token() -> ApiError {
    upper("InvalidNextToken", "The specified token isn't valid.")
}

/// There is no such resource to tag. AWS sends no text.
pub fn invalid_resource_id() -> ApiError {
    lower("InvalidResourceId", "")
}

/// Resources of this type are not here.
pub fn invalid_resource_type() -> ApiError {
    lower(
        "InvalidResourceType",
        "The resource type isn't valid. For example, if you are attempting to tag an EC2 instance, the instance must \
         be a registered managed node.",
    )
}

/// `TooManyTagsError`
pub fn too_many_tags(message: impl Into<String>) -> ApiError {
    lower("TooManyTagsError", message)
}

/// `ResourceNotFoundException`
pub fn resource_not_found(message: impl Into<String>) -> ApiError {
    upper("ResourceNotFoundException", message)
}

/// `MalformedResourcePolicyDocumentException`
pub fn malformed_resource_policy_document(message: impl Into<String>) -> ApiError {
    upper("MalformedResourcePolicyDocumentException", message)
}

/// `ResourcePolicyConflictException`
pub fn resource_policy_conflict(message: impl Into<String>) -> ApiError {
    upper("ResourcePolicyConflictException", message)
}

/// `ResourcePolicyInvalidParameterException`
pub fn resource_policy_invalid_parameter(names: &[&str], message: impl Into<String>) -> ApiError {
    upper("ResourcePolicyInvalidParameterException", message).with("ParameterNames", names.to_vec())
}

/// `ResourcePolicyLimitExceededException`
pub fn resource_policy_limit_exceeded(limit: i64, kind: &str, message: impl Into<String>) -> ApiError {
    upper("ResourcePolicyLimitExceededException", message).with("Limit", limit).with("LimitType", kind)
}

/// `ResourcePolicyNotFoundException`
pub fn resource_policy_not_found(message: impl Into<String>) -> ApiError {
    upper("ResourcePolicyNotFoundException", message)
}

/// A failure of ours.
pub fn internal_server_error() -> ApiError {
    ApiError::new(500, "InternalServerError", TextKey::Upper, "Internal server error")
}
