//! [`Shape`]: the broker's answer, arranged as that of one of AWS's two local agents.
//!
//! | shape | of | dates | members without a value |
//! |---|---|---|---|
//! | extension | the Parameters and Secrets Lambda extension | RFC 3339 | `null`, and an empty `ResultMetadata` |
//! | agent | the Secrets Manager Agent | seconds, as text | left out |
//!
//! The extension answers with the output structures of AWS's SDK for Go, as that language writes
//! them. Values are copied as they stand in the broker's JSON, and never decoded.
//!
//! Source: aws-secretsmanager-agent, `aws_secretsmanager_caching/src/output.rs`; `GetParameterOutput`
//! and `GetSecretValueOutput` of aws-sdk-go-v2.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::HashMap;
use zeroize::Zeroizing;

/// How an answer is arranged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// As by the Parameters and Secrets Lambda extension.
    Extension,
    /// As by the Secrets Manager Agent.
    Agent,
}

const NULL: &str = "null";

impl Shape {
    /// The answer of `GetSecretValue`, arranged; `None` if it is not one.
    pub(super) fn secret(self, body: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let found: Members<'_> = serde_json::from_slice(body).ok()?;
        let created = found.0.get("CreatedDate")?;
        Some(match self {
            Self::Extension => object(&[
                found.or_null("ARN"),
                ("CreatedDate", &date(created)?),
                found.or_null("Name"),
                found.or_null("SecretBinary"),
                found.or_null("SecretString"),
                found.or_null("VersionId"),
                found.or_null("VersionStages"),
                ("ResultMetadata", "{}"),
            ]),
            Self::Agent => {
                let seconds: f64 = created.get().parse().ok()?;
                let created = format!("\"{seconds}\"");
                let mut members = ["ARN", "Name", "VersionId"].map(|name| found.or_null(name)).to_vec();
                let optional = ["SecretString", "SecretBinary", "VersionStages"];
                members.extend(optional.map(|name| found.or_null(name)).iter().filter(|m| m.1 != NULL));
                members.push(("CreatedDate", &created));
                object(&members)
            }
        })
    }
}

/// The answer of `GetParameter`, arranged as by the extension, which is the one that reads
/// parameters; `None` if it is not one.
pub(super) fn parameter(body: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let Answer { parameter: found } = serde_json::from_slice(body).ok()?;
    let inner = object(&[
        found.or_null("ARN"),
        found.or_null("DataType"),
        ("LastModifiedDate", &date(found.0.get("LastModifiedDate")?)?),
        found.or_null("Name"),
        found.or_null("Selector"),
        found.or_null("SourceResult"),
        found.or_null("Type"),
        found.or_null("Value"),
        found.or_null("Version"),
    ]);
    Some(object(&[("Parameter", std::str::from_utf8(&inner).ok()?), ("ResultMetadata", "{}")]))
}

/// The members of an object as they stand in the JSON.
#[derive(Deserialize)]
struct Members<'a>(#[serde(borrow)] HashMap<&'a str, &'a RawValue>);

impl<'a> Members<'a> {
    fn or_null(&self, name: &'static str) -> (&'static str, &'a str) {
        (name, self.0.get(name).map_or(NULL, |value| value.get()))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer<'a> {
    #[serde(borrow)]
    parameter: Members<'a>,
}

/// Seconds -> RFC 3339 in UTC, in quotes; no more decimals than there are.
fn date(seconds: &RawValue) -> Option<String> {
    let seconds: f64 = seconds.get().parse().ok()?;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the broker writes milliseconds; others do not fit a date"
    )]
    let at = Timestamp::from_millisecond((seconds * 1000.0).round() as i64).ok()?;
    Some(format!("\"{at}\""))
}

/// A JSON object in a buffer of its final size, so that no part is left behind.
fn object(members: &[(&str, &str)]) -> Zeroizing<Vec<u8>> {
    let size: usize = members.iter().map(|(name, value)| name.len() + value.len() + 4).sum();
    let mut out = Zeroizing::new(Vec::with_capacity(size + 2));
    for (at, (name, value)) in members.iter().enumerate() {
        out.extend_from_slice(if at == 0 { b"{\"" } else { b",\"" });
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\":");
        out.extend_from_slice(value.as_bytes());
    }
    out.push(b'}');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = br#"{"ARN":"arn:s","Name":"n","VersionId":"v","SecretString":"a\"\u00e9","VersionStages":["AWSCURRENT"],"CreatedDate":1694746530.82}"#;

    fn said(body: Option<Zeroizing<Vec<u8>>>) -> String {
        String::from_utf8(body.unwrap().to_vec()).unwrap()
    }

    #[test]
    fn a_secret_is_what_either_agent_makes_of_it() {
        assert_eq!(
            said(Shape::Extension.secret(SECRET)),
            r#"{"ARN":"arn:s","CreatedDate":"2023-09-15T02:55:30.82Z","Name":"n","SecretBinary":null,"SecretString":"a\"\u00e9","VersionId":"v","VersionStages":["AWSCURRENT"],"ResultMetadata":{}}"#
        );
        assert_eq!(
            said(Shape::Agent.secret(SECRET)),
            r#"{"ARN":"arn:s","Name":"n","VersionId":"v","SecretString":"a\"\u00e9","VersionStages":["AWSCURRENT"],"CreatedDate":"1694746530.82"}"#
        );
        let binary =
            br#"{"ARN":"arn:s","Name":"n","VersionId":"v","SecretBinary":"AQI=","CreatedDate":1694746530}"#;
        let extension = said(Shape::Extension.secret(binary));
        assert!(extension.contains(r#""SecretBinary":"AQI=","SecretString":null"#), "{extension}");
        assert!(extension.contains(r#""2023-09-15T02:55:30Z""#), "{extension}");
        let agent = said(Shape::Agent.secret(binary));
        assert!(agent.ends_with(r#""SecretBinary":"AQI=","CreatedDate":"1694746530"}"#), "{agent}");
    }

    #[test]
    fn a_parameter_is_what_the_extension_makes_of_it() {
        let body = br#"{"Parameter":{"Name":"/p","Type":"String","Value":"x","Version":3,"Selector":":3","LastModifiedDate":1668586960.362,"ARN":"arn:p","DataType":"text"}}"#;
        assert_eq!(
            said(parameter(body)),
            r#"{"Parameter":{"ARN":"arn:p","DataType":"text","LastModifiedDate":"2022-11-16T08:22:40.362Z","Name":"/p","Selector":":3","SourceResult":null,"Type":"String","Value":"x","Version":3},"ResultMetadata":{}}"#
        );
    }

    #[test]
    fn the_buffer_holds_the_whole_answer() {
        let made = object(&[("a", "1"), ("b", "2")]);
        assert_eq!(made.as_slice(), br#"{"a":1,"b":2}"#);
        assert!(made.capacity() >= made.len() && object(&[("a", "1")]).capacity() <= 10);
    }

    #[test]
    fn what_is_no_answer_is_not_handed_out() {
        for body in [&b"nonsense"[..], b"{}", br#"{"ARN":"a","CreatedDate":"soon"}"#] {
            assert!(Shape::Extension.secret(body).is_none() && Shape::Agent.secret(body).is_none());
            assert!(parameter(body).is_none());
        }
    }
}
