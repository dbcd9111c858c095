//! Resources: `*`, or an ARN in which every section may have wildcards.
//!
//! An ARN with fewer than six sections is completed with `*` for each missing one,
//! as IAM does for identity policies: `arn:aws:ssm` means `arn:aws:ssm:*:*:*`.
//!
//! Source: IAM User Guide, "IAM JSON policy elements: Resource" and "Identify AWS
//! resources with Amazon Resource Names (ARNs)".

use super::facts::Facts;
use super::grams::Grams;
use super::pattern::{Pattern, Wildcards};
use super::variable::{Language, VariableError};

/// One entry of `Resource` or `NotResource`.
#[derive(Debug)]
pub(super) struct ResourcePattern {
    pub(super) pattern: Pattern,
    /// What to tell the author.
    pub(super) warning: Option<ResourceWarning>,
}

/// Why a text is not a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ResourceError {
    #[error("a resource is `*` or an ARN, which begins with `arn:`")]
    NoArn,
    #[error("an ARN names at least a partition and a service, as in `arn:aws:secretsmanager:...`")]
    Sections,
    #[error("the partition of an ARN is `aws`, or begins with `aws-` as in `aws-us-gov`")]
    Partition,
    #[error("the partition and the service of an ARN consist of letters, digits, `-` and wildcards")]
    Section,
    #[error(transparent)]
    Variable(#[from] VariableError),
}

/// What is accepted but hardly meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ResourceWarning {
    /// Sections were missing; this is the completed ARN.
    Completed(String),
    /// A parameter's name with its slash behind that of the ARN: there is no such parameter.
    DoubleSlash(String),
    /// A secret's ARN without the six characters that Secrets Manager adds.
    NoSuffix,
    /// A policy variable before the fifth colon, where AWS evaluates none.
    VariableTooEarly,
}

impl ResourcePattern {
    pub(super) fn parse(text: &str, language: Language) -> Result<Self, ResourceError> {
        let compile = |text: &str| Pattern::parse(text, Wildcards::Segment, language);
        if text == "*" {
            return Ok(Self { pattern: compile(text)?, warning: None });
        }
        let sections: Vec<&str> = text.splitn(6, ':').collect();
        let [prefix, partition, service, ..] = *sections.as_slice() else {
            return Err(if text.starts_with("arn:") {
                ResourceError::Sections
            } else {
                ResourceError::NoArn
            });
        };
        if prefix != "arn" {
            return Err(ResourceError::NoArn);
        }
        if partition.is_empty() || service.is_empty() {
            return Err(ResourceError::Sections);
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '*' | '?');
        let early = sections.iter().take(5).any(|section| section.contains("${"));
        if early && language == Language::V2012 {
            return Ok(Self { pattern: compile(text)?, warning: Some(ResourceWarning::VariableTooEarly) });
        }
        if !partition.chars().chain(service.chars()).all(plain) {
            return Err(ResourceError::Section);
        }
        let wild = partition.contains(['*', '?']);
        if !wild && partition != "aws" && !partition.starts_with("aws-") {
            return Err(ResourceError::Partition);
        }
        let missing = 6_usize.saturating_sub(sections.len());
        if missing > 0 {
            let whole = format!("{text}{}", ":*".repeat(missing));
            return Ok(Self { pattern: compile(&whole)?, warning: Some(ResourceWarning::Completed(whole)) });
        }
        let pattern = compile(text)?;
        if service == "ssm" && sections.get(5).is_some_and(|name| name.starts_with("parameter//")) {
            let meant = text.replacen(":parameter//", ":parameter/", 1);
            return Ok(Self { pattern, warning: Some(ResourceWarning::DoubleSlash(meant)) });
        }
        let bare_secret = service == "secretsmanager" && pattern.literal().is_some() && !has_suffix(text);
        Ok(Self { pattern, warning: bare_secret.then_some(ResourceWarning::NoSuffix) })
    }
}

fn has_suffix(text: &str) -> bool {
    text.rsplit_once('-')
        .is_some_and(|(_, end)| end.len() == 6 && end.chars().all(|c| c.is_ascii_alphanumeric()))
}

/// The `Resource` or `NotResource` of a statement.
#[derive(Debug)]
pub(super) struct ResourceSet {
    negated: bool,
    patterns: Vec<Pattern>,
}

impl ResourceSet {
    pub(super) fn new(patterns: Vec<Pattern>, negated: bool) -> Self {
        Self { negated, patterns }
    }

    /// What every resource has that it can be about.
    pub(super) fn grams(&self) -> Grams {
        let all = self.patterns.iter().map(Pattern::grams).reduce(Grams::and);
        all.filter(|_| !self.negated).unwrap_or_default()
    }

    /// Whether it is about this resource; `None` if that hangs on a policy variable that
    /// has no value: such an entry of `NotResource` excludes nobody knows what.
    pub(super) fn matches(&self, resource: &str, facts: &Facts<'_>) -> Option<bool> {
        let mut unresolved = false;
        let listed = self.patterns.iter().any(|pattern| match facts.resolved(pattern) {
            Some(pattern) => pattern.matches(resource),
            None => {
                unresolved = true;
                false
            }
        });
        if !listed && unresolved && self.negated { None } else { Some(listed != self.negated) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<ResourcePattern, ResourceError> {
        ResourcePattern::parse(text, Language::V2012)
    }

    #[test]
    fn completes_short_arns_as_iam_does() {
        let short = parse("arn:aws:ssm").unwrap();
        assert_eq!(short.warning, Some(ResourceWarning::Completed("arn:aws:ssm:*:*:*".into())));
        assert!(short.pattern.matches("arn:aws:ssm:us-east-1:111122223333:parameter/db"));
        let star = parse("arn:aws:ssm:*").unwrap();
        assert!(star.pattern.matches("arn:aws:ssm:us-east-1:111122223333:parameter/db"));
        assert!(!star.pattern.matches("arn:aws:secretsmanager:us-east-1:111122223333:secret:x"));
    }

    #[test]
    fn refuses_what_is_no_arn() {
        for (text, error) in [
            ("", ResourceError::NoArn),
            ("**", ResourceError::NoArn),
            ("prod/db", ResourceError::NoArn),
            ("a:b:c:d:e:f", ResourceError::NoArn),
            ("arn:aws", ResourceError::Sections),
            ("arn::ssm:::x", ResourceError::Sections),
            ("arn:aws:s s:::x", ResourceError::Section),
            ("arn:awss:ssm:us-east-1:1:parameter/a", ResourceError::Partition),
            ("arn:aws:ssm:us-east-1:1:parameter/${user}", ResourceError::Variable(VariableError::Key)),
            ("arn:aws:ssm:us-east-1:1:parameter/${", ResourceError::Variable(VariableError::Open)),
        ] {
            assert_eq!(parse(text).unwrap_err(), error, "{text}");
        }
        assert!(ResourcePattern::parse("arn:aws:ssm:::${aws:username}", Language::V2008).is_ok());
        for partition in ["aws-cn", "aws-us-gov", "aws*", "*", "???"] {
            assert!(parse(&format!("arn:{partition}:ssm:us-east-1:1:parameter/a")).is_ok(), "{partition}");
        }
        assert!(parse("arn:aws:ssm:us-east-1:1:parameter/${*}").is_ok());
        assert_eq!(parse("arn:aws:ssm:us-east-1:1:parameter/${aws:username}").unwrap().warning, None);
        assert_eq!(
            parse("arn:aws:ssm:us-east-1:${aws:PrincipalAccount}:parameter/a").unwrap().warning,
            Some(ResourceWarning::VariableTooEarly)
        );
    }

    #[test]
    fn notices_a_secret_without_its_suffix() {
        let warning =
            |end: &str| parse(&format!("arn:aws:secretsmanager:us-east-1:1:secret:{end}")).unwrap().warning;
        assert_eq!(warning("prod/db"), Some(ResourceWarning::NoSuffix));
        assert_eq!(
            (warning("prod/db-a1B2c3"), warning("prod/db-??????"), warning("prod/*")),
            (None, None, None)
        );
    }
}
