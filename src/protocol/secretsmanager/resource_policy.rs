//! `GetResourcePolicy`.

use super::SECRET_ID;
use crate::protocol::error::ApiError;
use crate::protocol::fields::Fields;
use crate::protocol::writer::{Encode, Object, Sink};

/// Asks for the policy that is attached to a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetResourcePolicyRequest {
    /// Name, ARN or partial ARN.
    pub secret_id: String,
}

impl GetResourcePolicyRequest {
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

/// A secret to which no policy is attached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetResourcePolicyResponse {
    /// The secret's ARN.
    pub arn: String,
    /// The secret's name.
    pub name: String,
}

impl Encode for GetResourcePolicyResponse {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.text("ARN", &self.arn);
        object.text("Name", &self.name);
    }
}
