//! [`ApiError`]: a refusal or failure as AWS writes it.
//!
//! ```text
//! HTTP/1.1 400 Bad Request
//! x-amzn-RequestId: 5b1c..
//! x-amzn-ErrorType: ResourceNotFoundException
//! content-type: application/x-amz-json-1.1
//!
//! {"__type":"ResourceNotFoundException","Message":"Secrets Manager can't find the specified secret."}
//! ```
//!
//! AWS is not of one mind about the key of the text: each modelled error has
//! `Message` or `message` by its model; the errors of the framework around the
//! services have one or the other by habit. Clients read both, and we write what
//! AWS writes. Here are the errors that every service shares; the modelled ones
//! stand in `secretsmanager/errors.rs` and `ssm/errors.rs`.

use super::writer::{Encode, Object, Sink};
use serde_json::{Map, Value};

/// How the JSON body names the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextKey {
    /// `Message`
    Upper,
    /// `message`
    Lower,
}

/// An error answer. Its text never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ApiError {
    /// The HTTP status.
    pub status: u16,
    /// The error's name, as clients match it.
    pub code: &'static str,
    /// The text for people; may be empty.
    pub message: String,
    /// Further members of the body.
    pub extra: Map<String, Value>,
    key: TextKey,
}

impl ApiError {
    /// An error with an explicit status and text key.
    pub fn new(status: u16, code: &'static str, key: TextKey, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), extra: Map::new(), key }
    }

    /// Adds a member to the body.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.extra.insert(name.to_owned(), value.into());
        self
    }

    /// The JSON body.
    pub fn body(&self) -> Vec<u8> {
        std::mem::take(&mut *self.encode())
    }

    /// Whether the fault is ours, not the client's.
    pub fn is_fault(&self) -> bool {
        self.status >= 500
    }

    // Who is asking?

    /// No `Authorization` header where one is needed.
    pub fn missing_authentication_token() -> Self {
        Self::new(400, "MissingAuthenticationTokenException", TextKey::Lower, "Missing Authentication Token")
    }

    /// The `Authorization` header cannot be read.
    pub fn incomplete_signature(message: impl Into<String>) -> Self {
        Self::new(400, "IncompleteSignatureException", TextKey::Lower, message)
    }

    /// The signature is wrong, or right but not for this request or time.
    pub fn invalid_signature(message: impl Into<String>) -> Self {
        Self::new(400, "InvalidSignatureException", TextKey::Lower, message)
    }

    /// The signature does not match. Says nothing about the expected one.
    pub fn signature_mismatch() -> Self {
        Self::invalid_signature(
            "The request signature we calculated does not match the signature you provided. Check your AWS \
             Secret Access Key and signing method. Consult the service documentation for details.",
        )
    }

    /// The access key id is unknown, inactive, or not that of the session token.
    pub fn unrecognized_client() -> Self {
        Self::new(
            400,
            "UnrecognizedClientException",
            TextKey::Lower,
            "The security token included in the request is invalid.",
        )
    }

    /// As [`ApiError::unrecognized_client`], in the words of the Query services.
    pub fn invalid_client_token_id() -> Self {
        Self::new(
            403,
            "InvalidClientTokenId",
            TextKey::Lower,
            "The security token included in the request is invalid.",
        )
    }

    /// The session has ended.
    pub fn expired_token() -> Self {
        Self::new(
            400,
            "ExpiredTokenException",
            TextKey::Lower,
            "The security token included in the request is expired",
        )
    }

    // May they?

    /// The policies do not allow it. `reason` is the last clause: "no identity-based policy allows the ... action".
    pub fn access_denied(principal: &str, action: &str, resource: &str, reason: &str) -> Self {
        Self::access_denied_text(format!(
            "User: {principal} is not authorized to perform: {action} on resource: {resource} because {reason}"
        ))
    }

    /// `AccessDeniedException` with a text of its own.
    pub fn access_denied_text(message: impl Into<String>) -> Self {
        Self::new(400, "AccessDeniedException", TextKey::Upper, message)
    }

    // Is the request well formed?

    /// The body is not what the operation's model describes.
    pub fn serialization(message: impl Into<String>) -> Self {
        Self::new(400, "SerializationException", TextKey::Upper, message)
    }

    /// A member breaks a constraint.
    pub fn validation(message: impl Into<String>) -> Self {
        Self::new(400, "ValidationException", TextKey::Lower, message)
    }

    /// No such operation.
    pub fn unknown_operation(message: impl Into<String>) -> Self {
        Self::new(400, "UnknownOperationException", TextKey::Lower, message)
    }

    /// The body is longer than the server takes.
    pub fn request_entity_too_large() -> Self {
        Self::new(413, "RequestEntityTooLargeException", TextKey::Lower, "Request size exceeded the limit.")
    }

    /// The client took too long to send its request.
    pub fn request_timeout() -> Self {
        Self::new(
            408,
            "RequestTimeoutException",
            TextKey::Lower,
            "Your socket connection to the server was not read from or written to within the timeout period.",
        )
    }

    // Can the service do it now?

    /// Too many requests.
    pub fn throttling() -> Self {
        Self::new(400, "ThrottlingException", TextKey::Lower, "Rate exceeded")
    }

    /// The server is stopping, or cannot write its audit log.
    pub fn service_unavailable(message: impl Into<String>) -> Self {
        Self::new(503, "ServiceUnavailableException", TextKey::Lower, message)
    }

    /// A failure of ours in a service that models none.
    pub fn internal_failure() -> Self {
        Self::new(
            500,
            "InternalFailure",
            TextKey::Lower,
            "The request processing has failed because of an unknown error, exception or failure.",
        )
    }
}

impl Encode for ApiError {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.text("__type", self.code);
        let key = match self.key {
            TextKey::Upper => "Message",
            TextKey::Lower => "message",
        };
        // AWS leaves an empty text out (`GetParameter` of an unknown name).
        if !self.message.is_empty() {
            object.text(key, &self.message);
        }
        for (name, value) in &self.extra {
            object.json(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_the_type_first_and_the_key_of_the_model() {
        let body = String::from_utf8(ApiError::access_denied_text("no").body()).unwrap();
        assert_eq!(body, r#"{"__type":"AccessDeniedException","Message":"no"}"#);
        let body = String::from_utf8(ApiError::throttling().body()).unwrap();
        assert_eq!(body, r#"{"__type":"ThrottlingException","message":"Rate exceeded"}"#);
    }

    #[test]
    fn access_denied_reads_as_awss() {
        let error = ApiError::access_denied(
            "arn:u",
            "ssm:GetParameter",
            "arn:p",
            "no identity-based policy allows the ssm:GetParameter action",
        );
        assert_eq!(
            error.message,
            "User: arn:u is not authorized to perform: ssm:GetParameter on resource: arn:p because no \
             identity-based policy allows the ssm:GetParameter action"
        );
    }
}
