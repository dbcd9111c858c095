//! Names of the IAM actions of the services that are served here, so that a slip
//! of the pen in a policy is noticed when it is loaded.
//!
//! `actions.txt` has one block per service: `service:` and then the names, which
//! are the operations of the service's API model and the actions that exist for
//! permissions only. A name that is missing here is a warning and nothing more, and so is a
//! service that does not exist.
//!
//! Source: Service Authorization Reference.

use super::action::ActionPattern;
use super::services;
use crate::diagnostic::nearest;

/// Why an action is unlikely to match any request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unknown<'a> {
    /// The service, as written.
    pub(super) service: &'a str,
    /// Whether it is the service that does not exist.
    pub(super) no_service: bool,
    /// The nearest action that exists.
    pub(super) nearest: Option<String>,
}

/// Whether the pattern names or covers an action that exists; of services that are not in
/// the list, the name is not judged.
pub(super) fn check<'a>(text: &'a str, pattern: &ActionPattern) -> Result<(), Unknown<'a>> {
    let Some((service, name)) = text.split_once(':') else { return Ok(()) };
    let Some(names) = names(&service.to_ascii_lowercase()) else {
        if services::is_known(service) || pattern.service.literal().is_none() {
            return Ok(());
        }
        let nearest = services::similar(service).map(|near| format!("{near}:{name}"));
        return Err(Unknown { service, no_service: true, nearest });
    };
    if names.clone().any(|known| pattern.name.matches(known)) {
        return Ok(());
    }
    let nearest = nearest(name, names).map(|known| format!("{}:{known}", service.to_ascii_lowercase()));
    Err(Unknown { service, no_service: false, nearest })
}

fn names(service: &str) -> Option<impl Iterator<Item = &'static str> + Clone + use<>> {
    let mut words = include_str!("actions.txt").split_ascii_whitespace();
    words.find(|word| word.strip_suffix(':') == Some(service))?;
    Some(words.take_while(|word| !word.ends_with(':')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(text: &str) -> Result<(), Option<String>> {
        let pattern = ActionPattern::parse(text).unwrap();
        check(text, &pattern).map_err(|unknown| unknown.nearest)
    }

    #[test]
    fn knows_names_wildcards_and_case() {
        for good in [
            "secretsmanager:getsecretvalue",
            "SSM:Get*",
            "iam:PassRole",
            "s3:Anything",
            "sealdock:ListBindings",
        ] {
            assert_eq!(checked(good), Ok(()), "{good}");
        }
        let near = Some("secretsmanager:GetSecretValue".to_owned());
        assert_eq!(checked("secretsmanager:GetSecretValues"), Err(near));
        assert_eq!(checked("ssm:Fetch*"), Err(None));
        let near = Some("secretsmanager:GetSecretValue".to_owned());
        assert_eq!(checked("secretmanager:GetSecretValue"), Err(near));
        assert_eq!(checked("my-own-thing:Act"), Err(None));
        assert_eq!(checked("secret*:Get*"), Ok(()));
    }
}
