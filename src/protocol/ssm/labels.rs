//! `LabelParameterVersion`, `UnlabelParameterVersion`.

use super::NAME;
use crate::protocol::error::ApiError;
use crate::protocol::fields::Fields;
use crate::protocol::rules::Text;
use crate::protocol::writer::{Encode, Object, Sink};

const LABEL: Text = Text::length(1, 100);

/// Labels on one request, at most.
const LABELS: (usize, usize) = (1, 10);

/// Puts labels on a version; they leave the version that had them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelParameterVersionRequest {
    /// The parameter's name.
    pub name: String,
    /// The version; the newest if there is none.
    pub parameter_version: Option<i64>,
    /// The labels.
    pub labels: Vec<String>,
}

impl LabelParameterVersionRequest {
    /// Reads the request body.
    ///
    /// # Errors
    /// `SerializationException`, `ValidationException`.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse(body)?;
        let name = fields.required_text("Name", NAME)?;
        let parameter_version = fields.integer("ParameterVersion", i64::MIN, i64::MAX)?;
        let labels = fields.texts("Labels", LABELS, LABEL)?;
        let labels = fields.required("Labels", labels).unwrap_or_default();
        fields.finish(Self { name, parameter_version, labels })
    }
}

/// Where the labels went, and which ones break the naming rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelParameterVersionResponse {
    /// Labels that no version can have.
    pub invalid_labels: Vec<String>,
    /// The version that was labelled.
    pub parameter_version: i64,
}

impl Encode for LabelParameterVersionResponse {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.texts("InvalidLabels", &self.invalid_labels);
        object.integer("ParameterVersion", self.parameter_version);
    }
}

/// Takes labels off a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnlabelParameterVersionRequest {
    /// The parameter's name.
    pub name: String,
    /// The version.
    pub parameter_version: i64,
    /// The labels.
    pub labels: Vec<String>,
}

impl UnlabelParameterVersionRequest {
    /// Reads the request body.
    ///
    /// # Errors
    /// `SerializationException`, `ValidationException`.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse(body)?;
        let name = fields.required_text("Name", NAME)?;
        let version = fields.integer("ParameterVersion", i64::MIN, i64::MAX)?;
        let parameter_version = fields.required("ParameterVersion", version).unwrap_or_default();
        let labels = fields.texts("Labels", LABELS, LABEL)?;
        let labels = fields.required("Labels", labels).unwrap_or_default();
        fields.finish(Self { name, parameter_version, labels })
    }
}

/// What was taken off, and what was not there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnlabelParameterVersionResponse {
    /// Labels that the version had.
    pub removed_labels: Vec<String>,
    /// Labels that it had not.
    pub invalid_labels: Vec<String>,
}

impl Encode for UnlabelParameterVersionResponse {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.texts("RemovedLabels", &self.removed_labels);
        object.texts("InvalidLabels", &self.invalid_labels);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_optional_only_when_labelling() {
        let request = LabelParameterVersionRequest::decode(br#"{"Name": "/a", "Labels": ["prod"]}"#).unwrap();
        assert_eq!(request.parameter_version, None);
        let error = UnlabelParameterVersionRequest::decode(br#"{"Name": "/a", "Labels": [""]}"#).unwrap_err();
        assert_eq!(
            error.message,
            "2 validation errors detected: Value null at 'parameterVersion' failed to satisfy constraint: Member must \
             not be null; Value '[]' at 'labels' failed to satisfy constraint: Member must satisfy constraint: \
             [Member must have length less than or equal to 100, Member must have length greater than or equal to 1]"
        );
    }
}
