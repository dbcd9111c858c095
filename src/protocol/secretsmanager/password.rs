//! `GetRandomPassword`.

use crate::protocol::error::ApiError;
use crate::protocol::fields::Fields;
use crate::protocol::rules::Text;
use crate::protocol::writer::{Encode, Object, Sink};
use crate::secret::SecretValue;

/// Asks for a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetRandomPasswordRequest {
    /// 1 to 4096 characters; 32 if absent.
    pub password_length: usize,
    /// Characters that it must not hold.
    pub exclude_characters: String,
    /// No digits.
    pub exclude_numbers: bool,
    /// No punctuation.
    pub exclude_punctuation: bool,
    /// No upper-case letters.
    pub exclude_uppercase: bool,
    /// No lower-case letters.
    pub exclude_lowercase: bool,
    /// Spaces too.
    pub include_space: bool,
    /// At least one of each type that is not excluded; so it is if absent.
    pub require_each_included_type: bool,
}

impl GetRandomPasswordRequest {
    /// Reads the request body.
    ///
    /// # Errors
    /// `SerializationException`, `ValidationException`.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse(body)?;
        let length = fields.integer("PasswordLength", 1, 4096)?.unwrap_or(32);
        let request = Self {
            password_length: usize::try_from(length).unwrap_or_default(),
            exclude_characters: fields.text("ExcludeCharacters", Text::length(0, 4096))?.unwrap_or_default(),
            exclude_numbers: fields.boolean("ExcludeNumbers")?.unwrap_or(false),
            exclude_punctuation: fields.boolean("ExcludePunctuation")?.unwrap_or(false),
            exclude_uppercase: fields.boolean("ExcludeUppercase")?.unwrap_or(false),
            exclude_lowercase: fields.boolean("ExcludeLowercase")?.unwrap_or(false),
            include_space: fields.boolean("IncludeSpace")?.unwrap_or(false),
            require_each_included_type: fields.boolean("RequireEachIncludedType")?.unwrap_or(true),
        };
        fields.finish(request)
    }
}

/// The password.
#[derive(Debug)]
pub struct GetRandomPasswordResponse {
    /// It is kept nowhere.
    pub random_password: SecretValue,
}

impl Encode for GetRandomPasswordResponse {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.secret_text("RandomPassword", &self.random_password);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_awss() {
        let request = GetRandomPasswordRequest::decode(b"").unwrap();
        assert_eq!((request.password_length, request.require_each_included_type), (32, true));
        assert!(!request.include_space && !request.exclude_punctuation);
        let text = |body: &str| GetRandomPasswordRequest::decode(body.as_bytes()).unwrap_err().message;
        assert!(text(r#"{"PasswordLength": 0}"#).contains("greater than or equal to 1"));
        assert!(text(r#"{"PasswordLength": 4097}"#).contains("less than or equal to 4096"));
    }
}
