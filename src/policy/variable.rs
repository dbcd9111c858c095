//! [`Variable`]: a policy variable, `${aws:username}` or `${aws:PrincipalTag/team, 'none'}`.
//!
//! The value comes from the request and is literal text, never a pattern. A variable
//! without a value matches nothing, unless it names a default.
//!
//! Source: IAM User Guide, "IAM policy elements: Variables and tags".

use super::key::Key;

/// The version of the policy language that a document is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    /// `2008-10-17`, also where none is stated: no policy variables.
    V2008,
    /// `2012-10-17`: `${...}` is a policy variable.
    V2012,
}

/// A policy variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Variable {
    /// The condition key whose value it stands for.
    pub(super) key: Key,
    /// What it stands for if the request does not have the key.
    pub(super) default: Option<Box<str>>,
}

/// Why a text is not a policy variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum VariableError {
    #[error("`${{` begins a policy variable, and its `}}` is missing; a plain `$` is written `${{$}}`")]
    Open,
    #[error("a policy variable names a condition key, as in `${{aws:username}}`")]
    Key,
    #[error("the default of a policy variable stands in single quotes, as in `${{aws:username, 'none'}}`")]
    Default,
}

impl Variable {
    /// Reads what stands between the braces.
    pub(super) fn parse(body: &str) -> Result<Self, VariableError> {
        let (key, default) = match body.split_once(',') {
            None => (body, None),
            Some((key, default)) => {
                let quoted = default.trim().strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
                (key, Some(quoted.filter(|text| !text.contains('\'')).ok_or(VariableError::Default)?.into()))
            }
        };
        let key = key.trim();
        let named = key.split_once(':').is_some_and(|(prefix, name)| !prefix.is_empty() && !name.is_empty());
        if !named || key.contains(['$', '{', '*', '?']) {
            return Err(VariableError::Key);
        }
        Ok(Self { key: Key::new(key), default })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_a_key_and_perhaps_a_default() {
        let parsed =
            |text: &str| Variable::parse(text).map(|v| (v.key.name.to_string(), v.default.map(String::from)));
        assert_eq!(parsed("aws:username"), Ok(("aws:username".into(), None)));
        assert_eq!(
            parsed("aws:PrincipalTag/a b, 'c d'"),
            Ok(("aws:PrincipalTag/a b".into(), Some("c d".into())))
        );
        assert_eq!(parsed("aws:username,''"), Ok(("aws:username".into(), Some(String::new()))));
        for (text, error) in [
            ("", VariableError::Key),
            ("username", VariableError::Key),
            ("aws:", VariableError::Key),
            ("aws:user*", VariableError::Key),
            ("aws:username, none", VariableError::Default),
            ("aws:username, 'a'b'", VariableError::Default),
        ] {
            assert_eq!(parsed(text), Err(error), "{text}");
        }
    }
}
