//! Reading and deleting: `GetParameter`, `GetParameters`, `DeleteParameter`,
//! `DeleteParameters`.

use super::{NAME, ParameterType};
use crate::protocol::error::ApiError;
use crate::protocol::fields::Fields;
use crate::protocol::rules::Text;
use crate::protocol::writer::{Encode, Object, Sink};
use crate::secret::SecretValue;
use jiff::Timestamp;

/// Asks for one parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetParameterRequest {
    /// Name or ARN, with or without a selector; see [`super::ParameterName`].
    pub name: String,
    /// Whether a SecureString is decrypted.
    pub with_decryption: bool,
}

impl GetParameterRequest {
    /// Reads the request body.
    ///
    /// # Errors
    /// `SerializationException`, `ValidationException`.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse(body)?;
        let request = Self {
            name: fields.required_text("Name", NAME)?,
            with_decryption: fields.boolean("WithDecryption")?.unwrap_or(false),
        };
        fields.finish(request)
    }
}

impl Encode for GetParameterRequest {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.text("Name", &self.name);
        object.boolean("WithDecryption", self.with_decryption);
    }
}

/// A parameter with its value.
#[derive(Debug)]
pub struct Parameter {
    /// The name.
    pub name: String,
    /// The type.
    pub parameter_type: ParameterType,
    /// The value; for a SecureString that was not decrypted, its sealed form as text.
    pub value: SecretValue,
    /// The version's number.
    pub version: i64,
    /// `:3` or `:prod`, if the request had one.
    pub selector: Option<String>,
    /// What the service behind `/aws/reference/` answered, as a JSON text.
    pub source_result: Option<SecretValue>,
    /// When the version was made.
    pub last_modified_date: Timestamp,
    /// The ARN.
    pub arn: String,
    /// `text`, `aws:ec2:image`, ...; a secret behind `/aws/reference/` has none.
    pub data_type: Option<String>,
}

impl Parameter {
    fn take(fields: &mut Fields) -> Result<Self, ApiError> {
        let version = fields.integer("Version", 0, i64::MAX)?;
        Ok(Self {
            name: fields.required_text("Name", Text::any())?,
            parameter_type: fields.required_choice(
                "Type",
                ParameterType::SPELLINGS,
                ParameterType::from_spelling,
                ParameterType::String,
            )?,
            value: fields.required_secret("Value")?,
            version: fields.demand("Version", version)?,
            selector: fields.text("Selector", Text::any())?,
            source_result: fields.secret_text("SourceResult", Text::any().sensitive())?,
            last_modified_date: fields.required_timestamp("LastModifiedDate")?,
            arn: fields.required_text("ARN", Text::any())?,
            data_type: fields.text("DataType", Text::any())?,
        })
    }
}

impl Encode for Parameter {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.text("Name", &self.name);
        object.text("Type", self.parameter_type.as_str());
        object.secret_text("Value", &self.value);
        object.integer("Version", self.version);
        object.optional_text("Selector", self.selector.as_deref());
        if let Some(result) = &self.source_result {
            object.secret_text("SourceResult", result);
        }
        object.timestamp("LastModifiedDate", self.last_modified_date);
        object.text("ARN", &self.arn);
        object.optional_text("DataType", self.data_type.as_deref());
    }
}

/// One parameter.
#[derive(Debug)]
pub struct GetParameterResponse {
    /// The parameter.
    pub parameter: Parameter,
}

impl GetParameterResponse {
    /// Reads the answer's body.
    ///
    /// # Errors
    /// If a member is missing or of the wrong type.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse_answer(body)?;
        let parameter = fields.structure("Parameter", Parameter::take)?;
        let parameter = fields.demand("Parameter", parameter)?;
        fields.finish(Self { parameter })
    }
}

impl Encode for GetParameterResponse {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.structure("Parameter", &self.parameter);
    }
}

/// Asks for up to ten parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetParametersRequest {
    /// Names or ARNs, each with or without a selector.
    pub names: Vec<String>,
    /// Whether SecureStrings are decrypted.
    pub with_decryption: bool,
}

impl GetParametersRequest {
    /// Reads the request body.
    ///
    /// # Errors
    /// `SerializationException`, `ValidationException`.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse(body)?;
        let names = fields.texts("Names", (1, 10), NAME)?;
        let names = fields.required("Names", names).unwrap_or_default();
        let request = Self { names, with_decryption: fields.boolean("WithDecryption")?.unwrap_or(false) };
        fields.finish(request)
    }
}

impl Encode for GetParametersRequest {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.texts("Names", &self.names);
        object.boolean("WithDecryption", self.with_decryption);
    }
}

/// The parameters that exist, and the names that do not.
#[derive(Debug, Default)]
pub struct GetParametersResponse {
    /// Found.
    pub parameters: Vec<Parameter>,
    /// Not found.
    pub invalid_parameters: Vec<String>,
}

impl GetParametersResponse {
    /// Reads the answer's body.
    ///
    /// # Errors
    /// If a member is of the wrong type.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse_answer(body)?;
        let response = Self {
            parameters: fields
                .structures("Parameters", (0, usize::MAX), Parameter::take)?
                .unwrap_or_default(),
            invalid_parameters: fields
                .texts("InvalidParameters", (0, usize::MAX), Text::any())?
                .unwrap_or_default(),
        };
        fields.finish(response)
    }
}

impl Encode for GetParametersResponse {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.structures("Parameters", &self.parameters);
        object.texts("InvalidParameters", &self.invalid_parameters);
    }
}

/// Deletes a parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteParameterRequest {
    /// The name.
    pub name: String,
}

impl DeleteParameterRequest {
    /// Reads the request body.
    ///
    /// # Errors
    /// `SerializationException`, `ValidationException`.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse(body)?;
        let request = Self { name: fields.required_text("Name", NAME)? };
        fields.finish(request)
    }
}

/// `{}`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeleteParameterResponse;

impl Encode for DeleteParameterResponse {
    fn members<S: Sink>(&self, _: &mut Object<'_, S>) {}
}

/// Deletes up to ten parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteParametersRequest {
    /// The names.
    pub names: Vec<String>,
}

impl DeleteParametersRequest {
    /// Reads the request body.
    ///
    /// # Errors
    /// `SerializationException`, `ValidationException`.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse(body)?;
        let names = fields.texts("Names", (1, 10), NAME)?;
        let names = fields.required("Names", names).unwrap_or_default();
        fields.finish(Self { names })
    }
}

/// The names that were deleted, and those that name nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeleteParametersResponse {
    /// Deleted.
    pub deleted_parameters: Vec<String>,
    /// Not found.
    pub invalid_parameters: Vec<String>,
}

impl Encode for DeleteParametersResponse {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.texts("DeletedParameters", &self.deleted_parameters);
        object.texts("InvalidParameters", &self.invalid_parameters);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_most_ten_names() {
        let names = |n: usize| {
            let body = serde_json::json!({ "Names": vec!["a"; n] }).to_string();
            GetParametersRequest::decode(body.as_bytes()).map_err(|e| e.message)
        };
        assert_eq!(names(10).unwrap().names.len(), 10);
        assert_eq!(
            names(11).unwrap_err(),
            "1 validation error detected: Value '[a, a, a, a, a, a, a, a, a, a, a]' at 'names' failed to satisfy \
             constraint: Member must have length less than or equal to 10"
        );
        assert!(names(0).is_err());
    }

    #[test]
    fn answers_in_the_models_order() {
        let parameter = Parameter {
            name: "/a".into(),
            parameter_type: ParameterType::String,
            value: SecretValue::from("v\"".to_owned()),
            version: 3,
            selector: Some(":3".into()),
            source_result: None,
            last_modified_date: Timestamp::from_millisecond(1_732_412_345_123).unwrap(),
            arn: "arn".into(),
            data_type: Some("text".into()),
        };
        let json = GetParameterResponse { parameter }.encode();
        assert_eq!(
            std::str::from_utf8(&json).unwrap(),
            r#"{"Parameter":{"Name":"/a","Type":"String","Value":"v\"","Version":3,"Selector":":3","LastModifiedDate":1732412345.123,"ARN":"arn","DataType":"text"}}"#
        );
        assert_eq!(GetParameterResponse::decode(&json).unwrap().encode(), json);
        assert_eq!(DeleteParameterResponse.encode().as_slice(), b"{}");
    }
}
