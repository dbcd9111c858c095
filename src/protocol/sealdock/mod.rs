//! Wire types of Sealdock's own operations. The broker decodes requests and
//! encodes answers, the client does the reverse, so every type goes both ways.

mod cached_reads;
mod injections;
mod keys;
mod resolve;
mod revocations;
mod sessions;
mod task_roles;

pub use cached_reads::{CachedService, RecordCachedReadRequest, RecordCachedReadResponse};
pub use injections::{
    Binding, Delivery, ForgetBindingsRequest, ForgetBindingsResponse, Injection, InjectionTarget,
    ListBindingsRequest, ListBindingsResponse, RecordInjectionsRequest, RecordInjectionsResponse,
};
pub use keys::{
    AccessKey, AccessKeyLastUsed, AccessKeyStatus, AccessKeySummary, CreateAccessKeyRequest,
    CreateAccessKeyResponse, DeleteAccessKeyRequest, DeleteAccessKeyResponse, KeyOwner,
    ListAccessKeysRequest, ListAccessKeysResponse, UpdateAccessKeyRequest, UpdateAccessKeyResponse,
};
pub use resolve::{
    NamedReference, ResolveInjectionsRequest, ResolveInjectionsResponse, ResolvedInjection,
    UnresolvedInjection,
};
pub use revocations::{
    ListRevocationsRequest, ListRevocationsResponse, Revocation, RevokeSessionsRequest,
    RevokeSessionsResponse, Revoked,
};
pub use sessions::{
    CreateTaskSessionRequest, CreateTaskSessionResponse, SessionCredentials, WhoAmIRequest, WhoAmIResponse,
};
pub use task_roles::{
    EndTaskRequest, EndTaskResponse, GetTaskCredentialsRequest, GetTaskCredentialsResponse,
    GrantTaskRoleRequest, GrantTaskRoleResponse, LostTasks,
};

use super::error::{ApiError, TextKey};
use super::rules::Text;

const ARN: Text = Text::length(1, 2048);
const LABEL: Text = Text::length(1, 512);

/// The access key, role or container does not exist.
pub fn not_found(message: impl Into<String>) -> ApiError {
    ApiError::new(400, "ResourceNotFoundException", TextKey::Lower, message)
}

/// Two access keys per principal, as in IAM.
pub fn limit_exceeded(message: impl Into<String>) -> ApiError {
    ApiError::new(400, "LimitExceededException", TextKey::Lower, message)
}

/// The request cannot be done as it stands.
pub fn invalid_request(message: impl Into<String>) -> ApiError {
    ApiError::new(400, "InvalidRequestException", TextKey::Lower, message)
}

/// An answer without members.
macro_rules! empty_response {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $name;

        impl Encode for $name {
            fn members<S: Sink>(&self, _: &mut Object<'_, S>) {}
        }
    };
}
use empty_response;
