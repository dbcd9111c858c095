//! `BatchGetSecretValue`: several values, chosen by a list of ids or by filters.

use super::list::{Filter, take_filters};
use super::{GetSecretValueResponse, SECRET_ID, invalid_next_token, invalid_parameter};
use crate::protocol::error::ApiError;
use crate::protocol::fields::Fields;
use crate::protocol::rules::Text;
use crate::protocol::writer::{Encode, Object, Sink};

/// Which secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BatchChoice {
    /// These: 1 to 20 names, ARNs or partial ARNs.
    List(Vec<String>),
    /// One page of those that match.
    Matching {
        /// 1 to 10 filters.
        filters: Vec<Filter>,
        /// 1 to 20.
        max_results: Option<usize>,
        /// Where the last page ended.
        next_token: Option<String>,
    },
}

impl BatchChoice {
    /// Reads the request body.
    ///
    /// # Errors
    /// `SerializationException`, `ValidationException`, `InvalidParameterException`,
    /// `InvalidNextTokenException`.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse(body)?;
        let list = fields.texts("SecretIdList", (1, 20), SECRET_ID)?;
        let filters = take_filters(&mut fields)?;
        let max_results = fields.integer("MaxResults", 1, 20)?.and_then(|n| usize::try_from(n).ok());
        let next_token = fields.text("NextToken", Text::length(1, 4096))?;
        fields.finish(())?;
        match (list, filters.filter(|filters| !filters.is_empty())) {
            (None, Some(filters)) => Ok(Self::Matching { filters, max_results, next_token }),
            (Some(_), None) if max_results.is_some() => Err(invalid_parameter(
                "'Filters' not specified. 'Filters' must also be specified when 'MaxResults' is provided.",
            )),
            // A list is answered whole, so that no page token can be its.
            (Some(_), None) if next_token.is_some() => Err(invalid_next_token()),
            (Some(list), None) => Ok(Self::List(list)),
            _ => Err(invalid_parameter("Either 'SecretIdList' or 'Filters' must be provided, but not both.")),
        }
    }
}

/// The values that could be read, and why others could not.
#[derive(Debug, Default)]
pub struct BatchGetSecretValueResponse {
    /// The values.
    pub secret_values: Vec<GetSecretValueResponse>,
    /// Present if there is more.
    pub next_token: Option<String>,
    /// One for each secret that could not be read.
    pub errors: Vec<BatchError>,
}

impl Encode for BatchGetSecretValueResponse {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.structures("SecretValues", &self.secret_values);
        object.optional_text("NextToken", self.next_token.as_deref());
        object.structures("Errors", &self.errors);
    }
}

/// A secret that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchError {
    /// The secret as the request names it, or the ARN of one that matches.
    pub secret_id: String,
    /// What `GetSecretValue` answers.
    pub error: ApiError,
}

impl Encode for BatchError {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.text("SecretId", &self.secret_id);
        object.text("ErrorCode", self.error.code);
        object.text("Message", &self.error.message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_or_filters() {
        let decode = |body: &str| BatchChoice::decode(body.as_bytes()).map_err(|e| (e.code, e.message));
        let code = |body: &str| decode(body).unwrap_err().0;
        assert_eq!(decode(r#"{"SecretIdList": ["a"]}"#), Ok(BatchChoice::List(vec!["a".into()])));
        let name = r#"[{"Key": "name", "Values": ["a"]}]"#;
        assert!(decode(&format!(r#"{{"Filters": {name}, "MaxResults": 20, "NextToken": "t"}}"#)).is_ok());
        assert_eq!(code("{}"), "InvalidParameterException");
        assert_eq!(code(r#"{"Filters": []}"#), "InvalidParameterException");
        assert_eq!(
            code(&format!(r#"{{"Filters": {name}, "SecretIdList": ["a"]}}"#)),
            "InvalidParameterException"
        );
        assert_eq!(code(r#"{"SecretIdList": ["a"], "MaxResults": 1}"#), "InvalidParameterException");
        assert_eq!(code(r#"{"SecretIdList": ["a"], "NextToken": "t"}"#), "InvalidNextTokenException");
        assert_eq!(code(r#"{"SecretIdList": []}"#), "ValidationException");
        assert_eq!(code(r#"{"SecretIdList": ["a"], "MaxResults": 21}"#), "ValidationException");
    }
}
