//! `GetParametersByPath` and `DescribeParameters`: filters and pages. Which filters
//! an operation takes, and which parameters match, is decided where the parameters are.

use super::history::VersionMetadata;
use super::{NAME, Parameter};
use crate::protocol::error::ApiError;
use crate::protocol::fields::Fields;
use crate::protocol::rules::{FILTER_KEY, Text, spelled};
use crate::protocol::writer::{Encode, Object, Sink};

/// A filter: values are alternatives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterStringFilter {
    /// `Name`, `Type`, `KeyId`, `Path`, `Label`, `Tier`, `DataType` or `tag:` and a key.
    pub key: String,
    /// `Equals`, `BeginsWith`, `Contains`, `OneLevel` or `Recursive`.
    pub option: Option<String>,
    /// Up to 50; `None` if the member is missing.
    pub values: Option<Vec<String>>,
}

impl ParameterStringFilter {
    fn take_list(fields: &mut Fields) -> Result<Vec<Self>, ApiError> {
        let filters = fields.structures("ParameterFilters", (0, usize::MAX), |filter| {
            Ok(Self {
                key: filter.required_text("Key", Text::length(1, 132).matching(&FILTER_KEY))?,
                option: filter.text("Option", Text::length(1, 10))?,
                values: filter.texts("Values", (1, 50), Text::length(1, 1024))?,
            })
        })?;
        Ok(filters.unwrap_or_default())
    }
}

/// Asks for one page of the parameters under a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetParametersByPathRequest {
    /// The path, with or without a slash at its end.
    pub path: String,
    /// Whether deeper levels count.
    pub recursive: bool,
    /// A parameter is listed if it matches all.
    pub parameter_filters: Vec<ParameterStringFilter>,
    /// Whether SecureStrings are decrypted.
    pub with_decryption: bool,
    /// 1 to 10.
    pub max_results: Option<usize>,
    /// Where the last page ended.
    pub next_token: Option<String>,
}

impl GetParametersByPathRequest {
    /// Reads the request body.
    ///
    /// # Errors
    /// `SerializationException`, `ValidationException`.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse(body)?;
        let request = Self {
            path: fields.required_text("Path", NAME)?,
            recursive: fields.boolean("Recursive")?.unwrap_or(false),
            parameter_filters: ParameterStringFilter::take_list(&mut fields)?,
            with_decryption: fields.boolean("WithDecryption")?.unwrap_or(false),
            max_results: fields.integer("MaxResults", 1, 10)?.and_then(|n| usize::try_from(n).ok()),
            next_token: fields.text("NextToken", Text::any())?,
        };
        fields.finish(request)
    }
}

/// One page of values.
#[derive(Debug, Default)]
pub struct GetParametersByPathResponse {
    /// The parameters.
    pub parameters: Vec<Parameter>,
    /// Present if there is more.
    pub next_token: Option<String>,
}

impl Encode for GetParametersByPathResponse {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.structures("Parameters", &self.parameters);
        object.optional_text("NextToken", self.next_token.as_deref());
    }
}

spelled! {
    /// What a filter of the older kind looks at.
    ParametersFilterKey {
        /// The beginning of the name.
        Name = "Name",
        /// The type.
        Type = "Type",
        /// The key of a SecureString.
        KeyId = "KeyId",
    }
}

/// A filter of the older kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParametersFilter {
    /// What to look at.
    pub key: ParametersFilterKey,
    /// 1 to 50 alternatives.
    pub values: Vec<String>,
}

/// Asks for one page of metadata.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DescribeParametersRequest {
    /// Filters of the older kind.
    pub filters: Vec<ParametersFilter>,
    /// Filters; a parameter is listed if it matches all.
    pub parameter_filters: Vec<ParameterStringFilter>,
    /// 1 to 50.
    pub max_results: Option<usize>,
    /// Where the last page ended.
    pub next_token: Option<String>,
    /// Whether parameters that other accounts share are listed, and no others.
    pub shared: bool,
}

impl DescribeParametersRequest {
    /// Reads the request body.
    ///
    /// # Errors
    /// `SerializationException`, `ValidationException`.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse(body)?;
        let filters = fields.structures("Filters", (0, usize::MAX), |filter| {
            let key = filter.required_choice(
                "Key",
                ParametersFilterKey::SPELLINGS,
                ParametersFilterKey::from_spelling,
                ParametersFilterKey::Name,
            )?;
            let values = filter.texts("Values", (1, 50), Text::length(1, 1024))?;
            Ok(ParametersFilter { key, values: filter.required("Values", values).unwrap_or_default() })
        })?;
        let request = Self {
            filters: filters.unwrap_or_default(),
            parameter_filters: ParameterStringFilter::take_list(&mut fields)?,
            max_results: fields.integer("MaxResults", 1, 50)?.and_then(|n| usize::try_from(n).ok()),
            next_token: fields.text("NextToken", Text::any())?,
            shared: fields.boolean("Shared")?.unwrap_or(false),
        };
        fields.finish(request)
    }
}

/// A parameter without its value, as its newest version has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterMetadata {
    /// The ARN.
    pub arn: String,
    /// The rest.
    pub metadata: VersionMetadata,
}

impl Encode for ParameterMetadata {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        self.metadata.begin(object, Some(&self.arn));
        self.metadata.end(object, None);
    }
}

/// One page of metadata.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DescribeParametersResponse {
    /// The parameters.
    pub parameters: Vec<ParameterMetadata>,
    /// Present if there is more.
    pub next_token: Option<String>,
}

impl Encode for DescribeParametersResponse {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.structures("Parameters", &self.parameters);
        object.optional_text("NextToken", self.next_token.as_deref());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_filters() {
        let request = GetParametersByPathRequest::decode(
            br#"{"Path": "/a", "ParameterFilters": [{"Key": "Type", "Values": ["String"]}, {"Key": "tag:x y"}]}"#,
        )
        .unwrap();
        let [first, second] = request.parameter_filters.as_slice() else { panic!("{request:?}") };
        assert_eq!((first.key.as_str(), first.values.clone()), ("Type", Some(vec!["String".into()])));
        assert_eq!((second.key.as_str(), second.values.clone()), ("tag:x y", None));
    }

    #[test]
    fn refuses_what_the_model_refuses() {
        let text = |body: &str| DescribeParametersRequest::decode(body.as_bytes()).unwrap_err().message;
        assert_eq!(
            text(r#"{"ParameterFilters": [{"Key": "key"}], "MaxResults": 51}"#),
            "2 validation errors detected: Value 'key' at 'parameterFilters.1.member.key' failed to satisfy \
             constraint: Member must satisfy regular expression pattern: \
             tag:.+|Name|Type|KeyId|Path|Label|Tier|DataType; Value '51' at 'maxResults' failed to satisfy \
             constraint: Member must have value less than or equal to 50"
        );
        assert!(text(r#"{"Filters": [{"Key": "Tier"}]}"#).contains("enum value set: [Name, Type, KeyId]"));
        assert!(GetParametersByPathRequest::decode(br#"{"Path": "/", "MaxResults": 11}"#).is_err());
    }
}
