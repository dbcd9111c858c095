//! `valueFrom`: the text by which a task definition names a secret or parameter.
//!
//! ```text
//! arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME                       whole secret
//! arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME:JSON-KEY:STAGE:VERSION-ID
//! arn:aws:ssm:REGION:ACCOUNT:parameter/PATH                               parameter
//! PATH or /PATH                                                           parameter
//! ```
//!
//! In the second form all three colons must be there and each part may be empty.
//! Nothing is percent-decoded or escaped, so a colon cannot be part of a name,
//! key, stage or id. The Region is the one of the ARN; a bare name means the
//! Region of the task. Error texts are those of the ECS agent and of task
//! definition registration, so that they can be searched for.

use crate::arn::{Arn, ArnError};
use std::fmt;
use std::str::FromStr;

const LONGEST_PARAMETER_NAME: usize = 2048;

/// A parsed reference.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ValueFrom {
    /// A Secrets Manager secret, whole or one JSON key of it.
    Secret(SecretReference),
    /// A Systems Manager parameter.
    Parameter(ParameterReference),
}

/// A reference to a Secrets Manager secret.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SecretReference {
    /// The `SecretId` of the request: the ARN without key, stage and id, otherwise as written.
    pub secret_id: String,
    /// The parsed `secret_id`.
    pub arn: Arn,
    /// The key to take from the JSON object that the secret holds.
    pub json_key: Option<String>,
    /// The `VersionStage` of the request.
    pub version_stage: Option<String>,
    /// The `VersionId` of the request.
    pub version_id: Option<String>,
}

/// A reference to a Systems Manager parameter.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ParameterReference {
    /// The name of the request.
    pub name: String,
    /// The Region of the ARN; `None` for a bare name.
    pub region: Option<String>,
    /// The ARN, when the reference is one.
    pub arn: Option<Arn>,
}

/// Why a text is not a reference.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// It looks like an ARN and is none.
    #[error("trying to retrieve secret with value {reference} resulted in error: {cause}")]
    Arn {
        /// The text.
        reference: String,
        /// What the ARN parser said.
        cause: ArnError,
    },
    /// A Secrets Manager ARN with the wrong number of colons.
    #[error(
        "trying to retrieve secret with value {reference} resulted in error: an invalid ARN format for the \
         AWS Secrets Manager secret was specified. Specify a valid ARN and try again."
    )]
    SecretFormat {
        /// The text.
        reference: String,
    },
    /// A Systems Manager ARN that does not name a parameter.
    #[error("the Systems Manager parameter ARN `{reference}` is invalid")]
    ParameterArn {
        /// The text.
        reference: String,
    },
    /// A parameter name outside the permitted characters.
    #[error("the Systems Manager parameter name `{reference}` is invalid")]
    ParameterName {
        /// The text.
        reference: String,
    },
    /// An ARN of another service.
    #[error("`{reference}` is an ARN of the service `{service}`: a secret comes from secretsmanager or ssm")]
    Service {
        /// The text.
        reference: String,
        /// The service section of the ARN.
        service: String,
    },
    /// There is no text.
    #[error("the reference is empty")]
    Empty,
}

impl ValueFrom {
    /// Parses a `valueFrom`.
    ///
    /// # Errors
    /// See [`ReferenceError`]; [`ReferenceError::hint`] has the likely remedy.
    pub fn parse(text: &str) -> Result<Self, ReferenceError> {
        let reference = || text.to_owned();
        if text.is_empty() {
            return Err(ReferenceError::Empty);
        }
        if !looks_like_arn(text) {
            return parameter_name(text).map(Self::Parameter);
        }
        let arn: Arn = text.parse().map_err(|cause| ReferenceError::Arn { reference: reference(), cause })?;
        match arn.service.as_str() {
            "secretsmanager" => secret(text, arn).map(Self::Secret),
            "ssm" => parameter_arn(text, arn).map(Self::Parameter),
            service => Err(ReferenceError::Service { reference: reference(), service: service.to_owned() }),
        }
    }

    /// What is accepted and probably not meant: what is odd, and the remedy.
    pub fn doubts(&self) -> Option<(String, String)> {
        let Self::Secret(secret) = self else { return None };
        let is_id = |text: &str| text.len() == 36 && text.bytes().filter(|b| *b == b'-').count() == 4;
        let stage = secret.version_stage.as_deref();
        let key = secret.json_key.as_deref();
        let moved = |key: &str, stage: &str, id: &str| {
            format!("did you mean `{}:{key}:{stage}:{id}`?", secret.secret_id)
        };
        if let Some(id) = stage.filter(|stage| is_id(stage)) {
            let message = "a version id stands where the version stage belongs".to_owned();
            return Some((message, moved(key.unwrap_or_default(), "", id)));
        }
        if let Some(stage) = key.filter(|key| ["AWSCURRENT", "AWSPREVIOUS", "AWSPENDING"].contains(key)) {
            let message = format!("`{stage}` stands where the JSON key belongs");
            return Some((message, moved("", stage, "")));
        }
        if let Some(stage) = stage.filter(|s| s.to_uppercase().starts_with("AWS") && s.to_uppercase() != **s)
        {
            let message = format!("version stages are case-sensitive: `{stage}`");
            return Some((
                message,
                moved(
                    key.unwrap_or_default(),
                    &stage.to_uppercase(),
                    secret.version_id.as_deref().unwrap_or_default(),
                ),
            ));
        }
        if secret.version_id.as_deref().is_some_and(|id| id.len() < 32) {
            let message = "a version id has at least 32 characters".to_owned();
            return Some((message, "the order is ARN:json-key:version-stage:version-id".to_owned()));
        }
        None
    }

    /// The Region that the reference names, if it names one.
    pub fn region(&self) -> Option<&str> {
        match self {
            Self::Secret(secret) => Some(&secret.arn.region),
            Self::Parameter(parameter) => parameter.region.as_deref(),
        }
    }
}

impl FromStr for ValueFrom {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        Self::parse(text)
    }
}

/// The shortest spelling of the reference.
impl fmt::Display for ValueFrom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Secret(secret) => {
                f.write_str(&secret.secret_id)?;
                let parts = [&secret.json_key, &secret.version_stage, &secret.version_id];
                if parts.iter().any(|p| p.is_some()) {
                    for part in parts {
                        write!(f, ":{}", part.as_deref().unwrap_or_default())?;
                    }
                }
                Ok(())
            }
            Self::Parameter(ParameterReference { arn: Some(arn), .. }) => arn.fmt(f),
            Self::Parameter(parameter) => f.write_str(&parameter.name),
        }
    }
}

impl ReferenceError {
    /// The words of task definition registration, which name the variable.
    pub fn registration_message(&self, secret_name: &str) -> String {
        match self {
            Self::ParameterArn { reference } => format!(
                "The Systems Manager parameter ARN specified for secret {secret_name} is invalid: `{reference}`"
            ),
            Self::ParameterName { .. } => format!(
                "The Systems Manager parameter name specified for secret {secret_name} is invalid. The \
                 parameter name can be up to 2048 characters and include the following letters and symbols: \
                 a-zA-Z0-9_.- and / for hierarchies"
            ),
            other => other.to_string(),
        }
    }

    /// What was probably meant, or how the form goes.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Arn { cause: ArnError::Prefix, .. } => {
                Some("an ARN begins with `arn:` in lower case, without a blank before it".into())
            }
            Self::Arn { cause: ArnError::Sections, .. } => {
                Some("the form is `arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME`".into())
            }
            Self::SecretFormat { reference } => Some(colon_hint(reference)),
            Self::ParameterArn { reference } => Some(parameter_hint(reference)),
            Self::ParameterName { reference } => name_hint(reference),
            Self::Service { .. } | Self::Empty => {
                Some("use the ARN of a secret, the ARN of a parameter, or the name of a parameter".into())
            }
        }
    }
}

/// Whether the writer meant an ARN. `ARN:` and ` arn:` are refused as bad ARNs,
/// as the agent does, rather than as parameter names with odd characters.
fn looks_like_arn(text: &str) -> bool {
    text.trim_start().get(..4).is_some_and(|head| head.eq_ignore_ascii_case("arn:"))
}

fn secret(text: &str, arn: Arn) -> Result<SecretReference, ReferenceError> {
    let part = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let fields: Vec<&str> = arn.resource.split(':').collect();
    match fields.as_slice() {
        [_, _] => Ok(SecretReference {
            secret_id: text.to_owned(),
            arn,
            json_key: None,
            version_stage: None,
            version_id: None,
        }),
        [kind, name, key, stage, id] => {
            let (json_key, version_stage, version_id) = (part(key), part(stage), part(id));
            let arn = Arn { resource: format!("{kind}:{name}"), ..arn };
            Ok(SecretReference { secret_id: arn.to_string(), arn, json_key, version_stage, version_id })
        }
        _ => Err(ReferenceError::SecretFormat { reference: text.to_owned() }),
    }
}

/// An ARN leaves out the leading slash of a hierarchical name: `parameter/a/b`
/// is `/a/b`, and `parameter/a` is `a`.
fn parameter_arn(text: &str, arn: Arn) -> Result<ParameterReference, ReferenceError> {
    let invalid = || ReferenceError::ParameterArn { reference: text.to_owned() };
    let path = arn.resource.strip_prefix("parameter/").ok_or_else(invalid)?;
    let hierarchical = path.contains('/') && !path.starts_with('/');
    let name = if hierarchical { format!("/{path}") } else { path.to_owned() };
    if !is_parameter_name(&name) {
        return Err(invalid());
    }
    Ok(ParameterReference { name, region: Some(arn.region.clone()), arn: Some(arn) })
}

fn parameter_name(text: &str) -> Result<ParameterReference, ReferenceError> {
    if !is_parameter_name(text) {
        return Err(ReferenceError::ParameterName { reference: text.to_owned() });
    }
    Ok(ParameterReference { name: text.to_owned(), region: None, arn: None })
}

fn is_parameter_name(name: &str) -> bool {
    let permitted = |c: char| c.is_ascii_alphanumeric() || "_.-/".contains(c);
    !name.is_empty() && name.len() <= LONGEST_PARAMETER_NAME && name.chars().all(permitted)
}

/// A text that is no parameter name: a secret's name, or a name with a selector.
fn name_hint(reference: &str) -> Option<String> {
    if reference.trim() != reference && is_parameter_name(reference.trim()) {
        return Some(format!("there is a blank before or after `{}`", reference.trim()));
    }
    let (name, rest) = reference.split_once(':')?;
    if name.is_empty() || rest.is_empty() {
        return None;
    }
    if name == "secretsmanager" || name == "secret" || rest.contains(':') {
        let selector = rest.split(':').next().unwrap_or_default();
        return Some(format!(
            "a secret is named by its full ARN: `arn:aws:secretsmanager:REGION:ACCOUNT:secret:{name}:{selector}::`"
        ));
    }
    Some(format!(
        "ECS takes no parameter version or label; did you mean `{name}`? A reference to Secrets Manager is a full ARN"
    ))
}

/// Puts the colons where they were probably meant.
fn colon_hint(reference: &str) -> String {
    const FORM: &str = "the form is ARN:json-key:version-stage:version-id, with all three colons";
    let Ok(arn) = reference.trim().parse::<Arn>() else { return FORM.into() };
    let mut fields: Vec<&str> = arn.resource.split(':').collect();
    while fields.len() > 2 && fields.last().is_some_and(|f| f.is_empty()) {
        fields.pop();
    }
    if fields.len() < 2 || fields.len() > 5 || fields.get(1).is_some_and(|f| f.is_empty()) {
        return FORM.into();
    }
    if fields.len() > 2 {
        fields.resize(5, "");
    }
    let meant = Arn { resource: fields.join(":"), ..arn };
    format!("did you mean `{meant}`? {FORM}")
}

fn parameter_hint(reference: &str) -> String {
    const FORM: &str = "the form is `arn:aws:ssm:REGION:ACCOUNT:parameter/PATH`";
    let Ok(arn) = reference.parse::<Arn>() else { return FORM.into() };
    let path = arn.resource.strip_prefix("parameter").and_then(|p| p.strip_prefix([':', '/']));
    let Some(path) = path else { return FORM.into() };
    // What follows a further colon is a version or label, which ECS does not take.
    let path = path.split(':').next().unwrap_or_default();
    if !is_parameter_name(path) {
        return FORM.into();
    }
    let meant = Arn { resource: format!("parameter/{path}"), ..arn.clone() };
    if meant == arn { FORM.into() } else { format!("did you mean `{meant}`? {FORM}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SSM: &str = "arn:aws:ssm:eu-west-1:111122223333:";

    fn parameter(text: &str) -> (String, Option<String>) {
        match ValueFrom::parse(text) {
            Ok(ValueFrom::Parameter(p)) => (p.name, p.region),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn an_arn_gives_the_name_and_region_of_a_parameter() {
        let region = || Some("eu-west-1".to_owned());
        assert_eq!(parameter(&format!("{SSM}parameter/a/b")), ("/a/b".into(), region()));
        assert_eq!(parameter(&format!("{SSM}parameter/a")), ("a".into(), region()));
        assert_eq!(parameter(&format!("{SSM}parameter//a/b")), ("/a/b".into(), region()));
        assert_eq!(parameter("/a/b"), ("/a/b".into(), None));
        assert_eq!(parameter("/aws/reference/secretsmanager/db").0, "/aws/reference/secretsmanager/db");
    }

    #[test]
    fn hints_at_what_was_meant() {
        let hint = |text: &str| ValueFrom::parse(text).unwrap_err().hint().unwrap_or_default();
        assert!(hint(&format!("{SSM}parameter:a")).contains("parameter/a`"));
        assert!(hint(&format!("{SSM}parameter/a/b:3")).contains("parameter/a/b`"));
        assert!(hint("db:3").contains("did you mean `db`"));
        assert!(hint("my secret").is_empty());
        assert!(hint("db:password::").contains("secret:db:password::`"));
        assert!(hint(" db").contains("blank"));
        assert!(hint("arn:aws:secretsmanager:r:1:secret:n:a:b:c:d").starts_with("the form is"));
        assert!(hint("").contains("ARN of a secret"));
        assert!(hint("Arn:aws:x").contains("lower case"));
        assert!(hint("arn:aws:s3:::bucket").contains("ARN of a parameter"));
    }

    #[test]
    fn what_stands_in_the_wrong_place_is_remarked_on() {
        const A: &str = "arn:aws:secretsmanager:r:1:secret:n";
        let doubt =
            |rest: &str| ValueFrom::parse(&format!("{A}{rest}")).unwrap().doubts().map(|(_, help)| help);
        let id = "9d4cb84b-ad69-40c0-a0ab-cead36b967e8";
        assert_eq!(doubt(&format!(":k:{id}:")), Some(format!("did you mean `{A}:k::{id}`?")));
        assert_eq!(doubt(":AWSPREVIOUS::"), Some(format!("did you mean `{A}::AWSPREVIOUS:`?")));
        assert_eq!(doubt(":k:awsprevious:"), Some(format!("did you mean `{A}:k:AWSPREVIOUS:`?")));
        assert!(doubt(":k::7").unwrap().contains("the order is"));
        assert_eq!(doubt(&format!(":k:custom:{id}")), None);
        assert_eq!(doubt(""), None);
    }

    #[test]
    fn registration_names_the_variable() {
        let message = |text: &str| ValueFrom::parse(text).unwrap_err().registration_message("DB");
        assert!(
            message(&format!("{SSM}document/x"))
                .starts_with("The Systems Manager parameter ARN specified for secret DB is invalid")
        );
        assert!(message(&"x".repeat(2049)).contains("specified for secret DB is invalid"));
    }

    proptest! {
        #[test]
        fn any_text_is_a_reference_or_an_error(text in r"\PC{0,40}|arn:(aws|:){0,3}\PC{0,40}") {
            let _ = ValueFrom::parse(&text).map_err(|e| (e.to_string(), e.hint(), e.registration_message("X")));
        }

        #[test]
        fn a_reference_reads_as_it_prints(
            text in "arn:aws[a-z-]{0,4}:secretsmanager:[a-z0-9-]{0,5}:[0-9]{0,4}:secret:[^:]{0,8}(:[^:]{0,4}:[^:]{0,4}:[^:]{0,4})?|\
                     arn:aws:ssm:[a-z]{1,4}:[0-9]{4}:parameter/[a-z/_.-]{1,9}|[a-zA-Z0-9/_.-]{1,9}"
        ) {
            let reference = ValueFrom::parse(&text).unwrap();
            prop_assert_eq!(ValueFrom::parse(&reference.to_string()), Ok(reference.clone()));
            if let ValueFrom::Secret(secret) = reference {
                prop_assert!(text.starts_with(&secret.secret_id));
                prop_assert_eq!(secret.secret_id, secret.arn.to_string());
            }
        }

        /// Only two and five fields after the account are right.
        #[test]
        fn the_number_of_colons_decides(fields in proptest::collection::vec("[a-z]{0,3}", 1..9)) {
            let text = format!("arn:aws:secretsmanager:r:1:{}", fields.join(":"));
            prop_assert_eq!(ValueFrom::parse(&text).is_ok(), fields.len() == 2 || fields.len() == 5);
        }
    }
}
