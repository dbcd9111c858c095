//! `PutParameter`.

use super::{NAME, ParameterTier, ParameterType, Tag};
use crate::protocol::error::ApiError;
use crate::protocol::fields::Fields;
use crate::protocol::rules::{KEY_ID, Text};
use crate::protocol::writer::{Encode, Object, Sink};
use crate::secret::SecretValue;

/// Makes a parameter, or a new version of one.
#[derive(Debug)]
pub struct PutParameterRequest {
    /// The name; see [`super::check_new_name`].
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// The value. Its size is checked with the tier.
    pub value: SecretValue,
    /// Needed for a new parameter.
    pub parameter_type: Option<ParameterType>,
    /// The key of a SecureString.
    pub key_id: Option<String>,
    /// Whether an existing parameter gets a new version.
    pub overwrite: bool,
    /// A regular expression that the value must match.
    pub allowed_pattern: Option<String>,
    /// Tags of a new parameter.
    pub tags: Option<Vec<Tag>>,
    /// The tier.
    pub tier: Option<ParameterTier>,
    /// Parameter policies, as a JSON text.
    pub policies: Option<String>,
    /// `text`, `aws:ec2:image`, ...
    pub data_type: Option<String>,
}

impl PutParameterRequest {
    /// Reads the request body.
    ///
    /// # Errors
    /// `SerializationException`, `ValidationException`.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse(body)?;
        let name = fields.required_text("Name", NAME)?;
        let description = fields.text("Description", Text::length(0, 1024))?;
        // The model has no minimum, the service has.
        let value = fields.secret_text("Value", Text::length(1, usize::MAX).sensitive())?;
        let value = fields.required("Value", value);
        let request = Self {
            name,
            description,
            value: value.unwrap_or_else(|| SecretValue::new(Vec::new())),
            parameter_type: fields.choice("Type", ParameterType::SPELLINGS, ParameterType::from_spelling)?,
            key_id: fields.text("KeyId", Text::length(1, 256).matching(&KEY_ID))?,
            overwrite: fields.boolean("Overwrite")?.unwrap_or(false),
            allowed_pattern: fields.text("AllowedPattern", Text::length(0, 1024))?,
            tags: Tag::take_list(&mut fields)?,
            tier: fields.choice("Tier", ParameterTier::SPELLINGS, ParameterTier::from_spelling)?,
            policies: fields.text("Policies", Text::length(1, 4096))?,
            data_type: fields.text("DataType", Text::length(0, 128))?,
        };
        fields.finish(request)
    }
}

/// The new version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PutParameterResponse {
    /// Its number.
    pub version: i64,
    /// The tier that it ended in.
    pub tier: ParameterTier,
}

impl Encode for PutParameterResponse {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.integer("Version", self.version);
        object.text("Tier", self.tier.as_str());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_every_member() {
        let request = PutParameterRequest::decode(
            br#"{"Name": "/a", "Description": "", "Value": "v", "Type": "SecureString", "KeyId": "alias/k",
                "Overwrite": true, "AllowedPattern": "v+", "Tags": [{"Key": "k", "Value": ""}],
                "Tier": "Intelligent-Tiering", "Policies": "[]", "DataType": "text"}"#,
        )
        .unwrap();
        assert_eq!(request.parameter_type, Some(ParameterType::SecureString));
        assert_eq!((request.tier, request.overwrite), (Some(ParameterTier::IntelligentTiering), true));
    }

    #[test]
    fn reports_everything_and_no_value() {
        let error = PutParameterRequest::decode(
            br#"{"Name": "", "Value": "", "Type": "Secret", "KeyId": "a b", "Tags": [{"Key": "a"}]}"#,
        )
        .unwrap_err();
        assert_eq!(
            error.message,
            "5 validation errors detected: Value '' at 'name' failed to satisfy constraint: Member must have length \
             greater than or equal to 1; Value at 'value' failed to satisfy constraint: Member must have length \
             greater than or equal to 1; Value 'Secret' at 'type' failed to satisfy constraint: Member must satisfy \
             enum value set: [String, StringList, SecureString]; Value 'a b' at 'keyId' failed to satisfy \
             constraint: Member must satisfy regular expression pattern: ^([a-zA-Z0-9:/_-]+)$; Value null at \
             'tags.1.member.value' failed to satisfy constraint: Member must not be null"
        );
    }
}
