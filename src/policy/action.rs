//! Actions: `service:Name`, where both halves may have wildcards and case does not
//! matter, and `*` for all.
//!
//! Source: IAM User Guide, "IAM JSON policy elements: Action".

use super::pattern::Pattern;

/// One entry of `Action` or `NotAction`.
#[derive(Debug)]
pub(super) struct ActionPattern {
    pub(super) service: Pattern,
    pub(super) name: Pattern,
}

/// Why a text is not an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ActionError {
    #[error("an action needs a service in front, as in `secretsmanager:GetSecretValue`")]
    NoService,
    #[error("the service of an action consists of letters, digits, `-` and wildcards")]
    Service,
    #[error("the name of an action consists of letters, digits and wildcards")]
    Name,
}

impl ActionPattern {
    pub(super) fn parse(text: &str) -> Result<Self, ActionError> {
        let (service, name) = match text {
            "*" => ("*", "*"),
            _ => text.split_once(':').ok_or(ActionError::NoService)?,
        };
        let made_of = |text: &str, extra: &[char]| {
            !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || extra.contains(&c))
        };
        if !made_of(service, &['-', '*', '?']) {
            return Err(ActionError::Service);
        }
        if !made_of(name, &['-', '_', '*', '?']) {
            return Err(ActionError::Name);
        }
        Ok(Self { service: Pattern::action_part(service), name: Pattern::action_part(name) })
    }
}

/// A requested action.
#[derive(Clone, Copy, Debug)]
pub(super) struct Action<'a> {
    pub(super) service: &'a str,
    pub(super) name: &'a str,
}

impl<'a> Action<'a> {
    /// `None` if it is not `service:Name`; such an action matches nothing.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        text.split_once(':').map(|(service, name)| Self { service, name })
    }
}

/// The `Action` or `NotAction` of a statement.
#[derive(Debug)]
pub(super) struct ActionSet {
    negated: bool,
    /// Lowercase service and its name patterns; sorted by service.
    named: Vec<(Box<str>, Vec<Pattern>)>,
    /// Entries with a wildcard in the service.
    wild: Vec<ActionPattern>,
}

impl ActionSet {
    pub(super) fn new(entries: Vec<ActionPattern>, negated: bool) -> Self {
        let mut named: Vec<(Box<str>, Vec<Pattern>)> = Vec::new();
        let mut wild = Vec::new();
        for entry in entries {
            let Some(service) = entry.service.literal().map(str::to_ascii_lowercase) else {
                wild.push(entry);
                continue;
            };
            match named.binary_search_by(|(known, _)| (**known).cmp(&service)) {
                Ok(at) => named.get_mut(at).into_iter().for_each(|(_, names)| names.push(entry.name.clone())),
                Err(at) => named.insert(at, (service.into(), vec![entry.name])),
            }
        }
        Self { negated, named, wild }
    }

    pub(super) fn matches(&self, action: Action<'_>) -> bool {
        let named = self.named.iter().any(|(service, names)| {
            service.eq_ignore_ascii_case(action.service) && names.iter().any(|name| name.matches(action.name))
        });
        let listed = named
            || self.wild.iter().any(|p| p.service.matches(action.service) && p.name.matches(action.name));
        listed != self.negated
    }

    /// The services that it can match, or `None` if it may match any.
    pub(super) fn services(&self) -> Option<impl Iterator<Item = &str>> {
        let bound = !self.negated && self.wild.is_empty();
        bound.then(|| self.named.iter().map(|(service, _)| &**service))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(texts: &[&str], negated: bool) -> ActionSet {
        ActionSet::new(texts.iter().map(|t| ActionPattern::parse(t).unwrap()).collect(), negated)
    }

    fn matches(set: &ActionSet, action: &str) -> bool {
        set.matches(Action::parse(action).unwrap())
    }

    #[test]
    fn halves_match_apart_and_case_does_not_matter() {
        let actions = set(&["SecretsManager:get*", "ssm:GetParameter", "s*s:Assume*"], false);
        for (action, expected) in [
            ("secretsmanager:GetSecretValue", true),
            ("SSM:getparameter", true),
            ("ssm:GetParameters", false),
            ("sts:AssumeRole", true),
            ("sns:Publish", false),
        ] {
            assert_eq!(matches(&actions, action), expected, "{action}");
        }
        assert!(actions.services().is_none());
    }

    #[test]
    fn not_action_matches_the_rest_of_every_service() {
        let actions = set(&["iam:*"], true);
        assert!(!matches(&actions, "IAM:PassRole") && matches(&actions, "s3:GetObject"));
        assert!(actions.services().is_none());
        assert_eq!(set(&["ssm:*", "kms:*"], false).services().unwrap().collect::<Vec<_>>(), ["kms", "ssm"]);
    }

    #[test]
    fn refuses_malformed_actions() {
        for (text, error) in [
            ("GetSecretValue", ActionError::NoService),
            ("", ActionError::NoService),
            (":Get", ActionError::Service),
            ("secrets manager:Get", ActionError::Service),
            ("ssm:", ActionError::Name),
            ("ssm:Get:Parameter", ActionError::Name),
            ("ssm:${x}", ActionError::Name),
        ] {
            assert_eq!(ActionPattern::parse(text).unwrap_err(), error, "{text}");
        }
    }
}
