//! Secrets as parameters: `/aws/reference/secretsmanager/SECRET[:SELECTOR]`.
//!
//! ```text
//! /aws/reference/secretsmanager/db                  the current value
//! /aws/reference/secretsmanager/db:AWSPREVIOUS      a version stage
//! /aws/reference/secretsmanager/db:0f3a..           a version id
//! ```
//!
//! The secret is named as in Secrets Manager, also by its ARN. Answers repeat the name
//! without the selector, and carry what Secrets Manager answered as `SourceResult`.
//!
//! Source: Systems Manager User Guide, "Referencing AWS Secrets Manager secrets from Parameter
//! Store parameters".

use crate::protocol::writer::{Encode, Object, Sink};
use crate::secret::SecretValue;
use jiff::Timestamp;

/// What the names of secrets begin with.
const PREFIX: &str = "/aws/reference/secretsmanager/";

/// A name that stands for a secret, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretReference {
    /// The name without the selector.
    pub name: String,
    /// The secret's name or ARN.
    pub secret_id: String,
    /// A version stage or a version id.
    pub selector: Option<String>,
}

impl SecretReference {
    /// Takes a name apart, if it stands for a secret.
    pub fn parse(name: &str) -> Option<Self> {
        let rest = name.trim_matches(' ').strip_prefix(PREFIX)?;
        // An ARN has six colons of its own.
        let own = if rest.starts_with("arn:") { 6 } else { 0 };
        let colon = rest.match_indices(':').map(|(at, _)| at).nth(own);
        let (secret_id, selector) = match colon.and_then(|at| rest.split_at_checked(at)) {
            None => (rest, None),
            Some((id, selector)) => (id, Some(selector.trim_start_matches(':').to_owned())),
        };
        Some(Self { name: format!("{PREFIX}{secret_id}"), secret_id: secret_id.to_owned(), selector })
    }
}

/// What Secrets Manager answered, in the spelling that `SourceResult` has.
#[derive(Debug)]
pub struct SourceResult<'a> {
    /// The secret's ARN.
    pub arn: &'a str,
    /// The secret's name.
    pub name: &'a str,
    /// The version that was read.
    pub version_id: &'a str,
    /// The value.
    pub secret_string: &'a SecretValue,
    /// The stages of the version.
    pub version_stages: &'a [String],
    /// When the version was made.
    pub created_date: Timestamp,
}

impl Encode for SourceResult<'_> {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.text("ARN", self.arn);
        object.text("name", self.name);
        object.text("versionId", self.version_id);
        object.secret_text("secretString", self.secret_string);
        object.texts("versionStages", self.version_stages);
        let date = self.created_date.strftime("%b %-d, %Y, %-I:%M:%S %p");
        object.text("createdDate", &date.to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_names_apart() {
        let parts = |name: &str| SecretReference::parse(name).map(|r| (r.name, r.secret_id, r.selector));
        let name = |id: &str| format!("{PREFIX}{id}");
        assert_eq!(parts("/aws/reference/other/x"), None);
        assert_eq!(parts(&name("a/b")), Some((name("a/b"), "a/b".into(), None)));
        assert_eq!(parts(&name("a:AWSPREVIOUS")), Some((name("a"), "a".into(), Some("AWSPREVIOUS".into()))));
        let arn = "arn:aws:secretsmanager:us-east-1:111122223333:secret:a-AbCdEf";
        assert_eq!(parts(&name(arn)), Some((name(arn), arn.into(), None)));
        assert_eq!(parts(&name(&format!("{arn}:v"))), Some((name(arn), arn.into(), Some("v".into()))));
    }

    #[test]
    fn the_result_is_spelled_as_aws_spells_it() {
        let value = SecretValue::from(r#"{"a":1}"#.to_owned());
        let result = SourceResult {
            arn: "arn",
            name: "a",
            version_id: "v",
            secret_string: &value,
            version_stages: &["AWSCURRENT".to_owned()],
            created_date: "2021-10-14T10:18:47.297Z".parse().unwrap(),
        };
        assert_eq!(
            std::str::from_utf8(&result.encode()).unwrap(),
            r#"{"ARN":"arn","name":"a","versionId":"v","secretString":"{\"a\":1}","versionStages":["AWSCURRENT"],"createdDate":"Oct 14, 2021, 10:18:47 AM"}"#
        );
    }
}
