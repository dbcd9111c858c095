//! Amazon Resource Names: `arn:partition:service:region:account:resource`.
//!
//! An [`Arn`] has all six sections; the resource may contain further colons and
//! slashes. Sections other than the prefix may be empty, as AWS allows
//! (`arn:aws:iam::111122223333:role/app`). Nothing is decoded or normalised: an
//! `Arn` prints exactly as it was read.
//!
//! Source: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html>

use std::fmt;
use std::str::FromStr;

/// A parsed Amazon Resource Name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Arn {
    /// `aws`, `aws-cn`, `aws-us-gov`, ...
    pub partition: String,
    /// The service namespace, such as `secretsmanager`.
    pub service: String,
    /// The Region code; empty for global services.
    pub region: String,
    /// The 12-digit account id; empty where AWS leaves it out.
    pub account: String,
    /// Everything after the fifth colon.
    pub resource: String,
}

/// Why a text is not an ARN. The words are those of the AWS SDK's parser, which
/// the ECS agent passes on to users.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArnError {
    /// The text does not begin with `arn:`.
    #[error("arn: invalid prefix")]
    Prefix,
    /// Fewer than six colon-separated sections.
    #[error("arn: not enough sections")]
    Sections,
}

impl Arn {
    /// An ARN in the `aws` partition.
    pub fn new(service: &str, region: &str, account: &str, resource: impl Into<String>) -> Self {
        Self {
            partition: "aws".into(),
            service: service.into(),
            region: region.into(),
            account: account.into(),
            resource: resource.into(),
        }
    }
}

/// The text of an ARN in the `aws` partition, for where no parts of it are wanted.
pub fn arn(service: &str, region: &str, account: &str, resource: &[&str]) -> String {
    let mut text = String::with_capacity(128);
    for part in ["arn:aws:", service, ":", region, ":", account, ":"].iter().chain(resource) {
        text.push_str(part);
    }
    text
}

impl FromStr for Arn {
    type Err = ArnError;

    fn from_str(text: &str) -> Result<Self, ArnError> {
        if !text.starts_with("arn:") {
            return Err(ArnError::Prefix);
        }
        let mut sections = text.splitn(6, ':').skip(1);
        let mut next = || sections.next().map(str::to_owned).ok_or(ArnError::Sections);
        Ok(Self {
            partition: next()?,
            service: next()?,
            region: next()?,
            account: next()?,
            resource: next()?,
        })
    }
}

impl fmt::Display for Arn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { partition, service, region, account, resource } = self;
        write!(f, "arn:{partition}:{service}:{region}:{account}:{resource}")
    }
}

/// Whether a text is an account id: twelve digits.
pub fn is_account_id(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

/// Whether a text has the form of a Region code: `us-east-1`, `us-gov-west-1`, ...
pub fn is_region(text: &str) -> bool {
    let Some((words, number)) = text.rsplit_once('-') else { return false };
    let word = |w: &str| !w.is_empty() && w.bytes().all(|b| b.is_ascii_lowercase());
    !number.is_empty()
        && number.bytes().all(|b| b.is_ascii_digit())
        && words.contains('-')
        && words.split('-').all(word)
        && text.len() <= 32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn keeps_colons_and_empty_sections_in_the_resource() {
        let arn: Arn = "arn:aws:iam::111122223333:a:b:/c".parse().unwrap();
        assert_eq!((arn.region.as_str(), arn.resource.as_str()), ("", "a:b:/c"));
    }

    #[test]
    fn names_what_is_missing() {
        assert_eq!("ARN:aws:a:b:c:d".parse::<Arn>(), Err(ArnError::Prefix));
        assert_eq!(" arn:aws:a:b:c:d".parse::<Arn>(), Err(ArnError::Prefix));
        assert_eq!("arn:aws:secretsmanager:us-east-1".parse::<Arn>(), Err(ArnError::Sections));
    }

    #[test]
    fn regions_are_recognised() {
        for good in ["us-east-1", "us-gov-west-1", "cn-north-1", "ap-southeast-10"] {
            assert!(is_region(good), "{good}");
        }
        for bad in ["", "us-east", "useast1", "US-EAST-1", "us--east-1", "us-east-x", "us-1"] {
            assert!(!is_region(bad), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn prints_as_it_was_read(text in "arn:[a-z-]{0,6}:[a-z]{0,4}:[a-z0-9-]{0,6}:[0-9]{0,12}:\\PC{0,20}") {
            prop_assert_eq!(text.parse::<Arn>().unwrap().to_string(), text);
        }
    }
}
