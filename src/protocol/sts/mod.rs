//! Wire types of STS, model 2011-06-15. Requests come as forms and are decoded as JSON
//! bodies are; answers are XML.

mod assume_role;
mod errors;
mod others;

pub use assume_role::{AssumeRoleRequest, AssumeRoleResponse};
pub use errors::{
    access_denied, invalid_authorization_message, invalid_parameter_value, malformed_policy_document,
    packed_policy_too_large, validation,
};
pub use others::{
    Credentials, DecodeAuthorizationMessageRequest, GetAccessKeyInfoRequest, GetCallerIdentityRequest,
    GetCallerIdentityResponse, GetSessionTokenRequest, access_key_info,
};

/// Members that are numbers.
pub const INTEGERS: &[&str] = &["DurationSeconds", "MinimumSessionTokenSize"];

/// Members that are lists.
pub const LISTS: &[&str] = &["PolicyArns", "Tags", "TransitiveTagKeys", "ProvidedContexts"];
