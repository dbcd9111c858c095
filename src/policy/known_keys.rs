//! Names of the condition keys that requests here can have, or have on AWS, so that a
//! slip of the pen is an error and not a condition that never holds.
//!
//! `condition_keys.txt` has one block per prefix: `prefix:` and then the names. A name
//! that ends in `*` stands for a family, such as `aws:PrincipalTag/team`. The lists of
//! the services that are served here are whole. Keys of other services that exist are taken as they
//! are: a real account's policies have them, and no request that is decided here does.
//!
//! Source: Service Authorization Reference, and IAM User Guide, "AWS global condition
//! context keys".

use super::action::ActionSet;
use super::services::{self, SERVED};
use crate::diagnostic::nearest;

/// What is known of a key that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Requests that the statement is about may have it.
    Known,
    /// It belongs to another service than those that the statement is about: no request that
    /// the statement is about has it.
    Elsewhere,
}

/// Whether a statement with these actions can be about a request that is decided here.
pub(super) fn concerns_served(actions: &ActionSet) -> bool {
    actions.services().is_none_or(|mut named| named.any(|service| SERVED.contains(&service)))
}

/// Checks the name of a key in a statement with these actions.
///
/// # Errors
/// The nearest name that exists, if one is near.
pub(super) fn check(key: &str, actions: &ActionSet) -> Result<Standing, Option<String>> {
    let Some((prefix, name)) = key.split_once(':') else { return Err(similar(key)) };
    let lower = prefix.to_ascii_lowercase();
    if names(&lower).is_some_and(|mut names| names.any(|known| is(known, name))) {
        return Ok(Standing::Known);
    }
    // The lists of these are whole.
    if lower == "aws" || SERVED.contains(&lower.as_str()) || name.is_empty() {
        return Err(similar(key));
    }
    // Claims of identity providers: `token.actions.githubusercontent.com:sub`, `saml:aud`.
    if prefix.contains(['.', '/']) || lower == "saml" {
        return Ok(Standing::Known);
    }
    // A service that is newer than the list has both its actions and its keys in a statement.
    if actions.services().is_some_and(|mut named| named.any(|service| service == lower)) {
        return Ok(Standing::Known);
    }
    let open = actions.services().is_none_or(|mut named| named.any(|service| !SERVED.contains(&service)));
    match (services::is_known(&lower), open) {
        (true, true) => Ok(Standing::Known),
        (true, false) => Ok(Standing::Elsewhere),
        (false, _) => Err(similar(key)),
    }
}

fn is(known: &str, name: &str) -> bool {
    match known.strip_suffix('*') {
        Some(family) => {
            name.len() > family.len()
                && name.get(..family.len()).is_some_and(|start| start.eq_ignore_ascii_case(family))
        }
        None => known.eq_ignore_ascii_case(name),
    }
}

/// The nearest key, with what stands behind the family's slash kept.
fn similar(key: &str) -> Option<String> {
    let (head, tag) = key.split_once('/').map_or((key, None), |(head, tag)| (head, Some(tag)));
    let all: Vec<String> = prefixes()
        .flat_map(|prefix| names(prefix).into_iter().flatten().map(move |name| format!("{prefix}:{name}")))
        .collect();
    if let Some(tag) = tag {
        let families = all.iter().filter_map(|known| known.strip_suffix("/*"));
        if let Some(family) = nearest(head, families) {
            return Some(format!("{family}/{tag}"));
        }
    }
    if let Some(near) = nearest(key, all.iter().map(String::as_str)) {
        return Some(near.to_owned());
    }
    let (prefix, name) = key.split_once(':').filter(|(_, name)| !name.is_empty())?;
    let near = (prefix != "aws" && !services::is_known(prefix)).then(|| services::similar(prefix))?;
    near.map(|near| format!("{near}:{name}"))
}

fn names(prefix: &str) -> Option<impl Iterator<Item = &'static str> + use<>> {
    let mut words = include_str!("condition_keys.txt").split_ascii_whitespace();
    words.find(|word| word.strip_suffix(':') == Some(prefix))?;
    Some(words.take_while(|word| !word.ends_with(':')))
}

fn prefixes() -> impl Iterator<Item = &'static str> {
    include_str!("condition_keys.txt").split_ascii_whitespace().filter_map(|word| word.strip_suffix(':'))
}

#[cfg(test)]
mod tests {
    use super::super::action::ActionPattern;
    use super::*;

    fn checked(key: &str, actions: &[&str]) -> Result<Standing, Option<String>> {
        let parsed = actions.iter().map(|text| ActionPattern::parse(text).unwrap()).collect();
        check(key, &ActionSet::new(parsed, false))
    }

    #[test]
    fn knows_keys_families_and_case() {
        for key in [
            "aws:SourceIp",
            "AWS:sourceip",
            "aws:PrincipalTag/team",
            "aws:ResourceTag/aws:cloudformation:stack-name",
            "kms:EncryptionContext:SecretARN",
            "secretsmanager:resource/AllowRotationLambdaArn",
            "ec2:SourceInstanceARN",
            "token.actions.githubusercontent.com:sub",
            "SAML:aud",
        ] {
            assert_eq!(checked(key, &["secretsmanager:GetSecretValue"]), Ok(Standing::Known), "{key}");
        }
    }

    #[test]
    fn a_slip_is_unknown() {
        for (key, near) in [
            ("aws:SourceIP4", Some("aws:SourceIp")),
            ("aws:PrincipleTag/team", Some("aws:PrincipalTag/team")),
            ("secretsmanager:VersionStages", Some("secretsmanager:VersionStage")),
            ("secretmanager:VersionStage", Some("secretsmanager:VersionStage")),
            ("aws:PrincipalTag/", Some("aws:PrincipalTag/")),
            ("SourceIp", Some("aws:SourceIp")),
            ("s33:prefix", Some("s3:prefix")),
            ("nothing-like-it:x", None),
            ("s3:", None),
        ] {
            assert_eq!(checked(key, &["secretsmanager:*"]), Err(near.map(str::to_owned)), "{key}");
        }
    }

    #[test]
    fn keys_of_other_services_are_theirs() {
        assert_eq!(checked("s3:prefix", &["s3:ListBucket", "ssm:GetParameter"]), Ok(Standing::Known));
        assert_eq!(checked("s3:prefix", &["*"]), Ok(Standing::Known));
        assert_eq!(checked("s3:prefix", &["ssm:GetParameter"]), Ok(Standing::Elsewhere));
        assert_eq!(checked("datazone:projectId", &["iam:PassRole"]), Ok(Standing::Elsewhere));
        assert_eq!(checked("newservice:Key", &["newservice:Act"]), Ok(Standing::Known));
        assert!(checked("secretmanager:VersionStage", &["*"]).is_err());
        assert!(checked("kms:Viaservic", &["s3:*"]).is_err());
        for actions in
            [["*"].as_slice(), &["secretsmanager:*", "s3:*"], &["ssm:GetParameter", "newservice:Act"]]
        {
            for (key, near) in [
                ("awss:SecureTransport", Some("aws:SecureTransport")),
                ("aw:SourceIp", Some("aws:SourceIp")),
                ("ksm:ViaService", Some("kms:ViaService")),
                ("smm:Overwrite", Some("ssm:Overwrite")),
                ("madeup:key", None),
            ] {
                assert_eq!(checked(key, actions), Err(near.map(str::to_owned)), "{key} {actions:?}");
            }
        }
    }
}
