//! `GetParameterHistory`.

use super::{NAME, ParameterTier, ParameterType};
use crate::protocol::error::ApiError;
use crate::protocol::fields::Fields;
use crate::protocol::rules::Text;
use crate::protocol::writer::{Encode, Object, Sink};
use crate::secret::SecretValue;
use jiff::Timestamp;

/// Asks for the versions of a parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetParameterHistoryRequest {
    /// The parameter's name.
    pub name: String,
    /// Whether SecureStrings are decrypted.
    pub with_decryption: bool,
    /// 1 to 50.
    pub max_results: Option<usize>,
    /// Where the last page ended.
    pub next_token: Option<String>,
}

impl GetParameterHistoryRequest {
    /// Reads the request body.
    ///
    /// # Errors
    /// `SerializationException`, `ValidationException`.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse(body)?;
        let request = Self {
            name: fields.required_text("Name", NAME)?,
            with_decryption: fields.boolean("WithDecryption")?.unwrap_or(false),
            max_results: fields.integer("MaxResults", 1, 50)?.and_then(|n| usize::try_from(n).ok()),
            next_token: fields.text("NextToken", Text::any())?,
        };
        fields.finish(request)
    }
}

/// A parameter policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterInlinePolicy {
    /// The policy as JSON.
    pub text: String,
    /// `Expiration`, `ExpirationNotification` or `NoChangeNotification`.
    pub kind: &'static str,
    /// `Pending` or `Finished`.
    pub status: &'static str,
}

impl Encode for ParameterInlinePolicy {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.text("PolicyText", &self.text);
        object.text("PolicyType", self.kind);
        object.text("PolicyStatus", self.status);
    }
}

/// What is known of one version besides its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionMetadata {
    /// The parameter's name.
    pub name: String,
    /// The type.
    pub parameter_type: ParameterType,
    /// The key of a SecureString.
    pub key_id: Option<String>,
    /// When the version was made.
    pub last_modified_date: Timestamp,
    /// ARN of who made it.
    pub last_modified_user: String,
    /// What it is for.
    pub description: Option<String>,
    /// A regular expression that the value matches.
    pub allowed_pattern: Option<String>,
    /// Its number.
    pub version: i64,
    /// Its tier.
    pub tier: ParameterTier,
    /// Its parameter policies.
    pub policies: Vec<ParameterInlinePolicy>,
    /// `text`, `aws:ec2:image`, ...
    pub data_type: String,
}

impl VersionMetadata {
    /// The members before `Value`; `arn` is a member of `DescribeParameters` only.
    pub(super) fn begin<S: Sink>(&self, object: &mut Object<'_, S>, arn: Option<&str>) {
        object.text("Name", &self.name);
        object.optional_text("ARN", arn);
        object.text("Type", self.parameter_type.as_str());
        object.optional_text("KeyId", self.key_id.as_deref());
        object.timestamp("LastModifiedDate", self.last_modified_date);
        object.text("LastModifiedUser", &self.last_modified_user);
        object.optional_text("Description", self.description.as_deref());
    }

    /// The members after `Value`.
    pub(super) fn end<S: Sink>(&self, object: &mut Object<'_, S>, labels: Option<&[String]>) {
        object.optional_text("AllowedPattern", self.allowed_pattern.as_deref());
        object.integer("Version", self.version);
        if let Some(labels) = labels {
            object.texts("Labels", labels);
        }
        object.text("Tier", self.tier.as_str());
        object.structures("Policies", &self.policies);
        object.text("DataType", &self.data_type);
    }
}

/// One version.
#[derive(Debug)]
pub struct ParameterHistory {
    /// All but the value.
    pub metadata: VersionMetadata,
    /// The value; for a SecureString that was not decrypted, its sealed form as text.
    pub value: SecretValue,
    /// The version's labels.
    pub labels: Vec<String>,
}

impl Encode for ParameterHistory {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        self.metadata.begin(object, None);
        object.secret_text("Value", &self.value);
        self.metadata.end(object, Some(&self.labels));
    }
}

/// One page, oldest version first.
#[derive(Debug, Default)]
pub struct GetParameterHistoryResponse {
    /// The versions.
    pub parameters: Vec<ParameterHistory>,
    /// Present if there is more.
    pub next_token: Option<String>,
}

impl Encode for GetParameterHistoryResponse {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.structures("Parameters", &self.parameters);
        object.optional_text("NextToken", self.next_token.as_deref());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_in_the_models_order() {
        let metadata = VersionMetadata {
            name: "/a".into(),
            parameter_type: ParameterType::SecureString,
            key_id: Some("alias/k".into()),
            last_modified_date: Timestamp::from_millisecond(1_732_412_345_123).unwrap(),
            last_modified_user: "u".into(),
            description: Some("d".into()),
            allowed_pattern: None,
            version: 2,
            tier: ParameterTier::Standard,
            policies: Vec::new(),
            data_type: "text".into(),
        };
        let one = ParameterHistory {
            metadata,
            value: SecretValue::from("v".to_owned()),
            labels: vec!["prod".into()],
        };
        let json = GetParameterHistoryResponse { parameters: vec![one], next_token: Some("t".into()) };
        assert_eq!(
            std::str::from_utf8(&json.encode()).unwrap(),
            r#"{"Parameters":[{"Name":"/a","Type":"SecureString","KeyId":"alias/k","LastModifiedDate":1732412345.123,"LastModifiedUser":"u","Description":"d","Value":"v","Version":2,"Labels":["prod"],"Tier":"Standard","Policies":[],"DataType":"text"}],"NextToken":"t"}"#
        );
    }
}
