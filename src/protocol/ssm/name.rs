//! Names of parameters: how reads spell them, and which ones may be made.
//!
//! ```text
//! name  = [ "arn:aws:ssm:" region ":" account ":parameter" ] path [ ":" selector ]
//! path  = segment | "/" segment *( "/" segment )      15 levels at most
//! segment = 1*( letter | digit | "." | "-" | "_" )
//! selector = version number | label
//! ```
//!
//! In an ARN the slash after `parameter` is also the leading slash of a path:
//! `parameter/a/b` is the name `/a/b`. With one level it is ambiguous, and
//! `parameter/a` is read as the name `a`; a parameter `/a` has the same ARN.

use super::errors;
use crate::arn::Arn;
use crate::protocol::error::ApiError;

/// The words of AWS for any name with characters that are not allowed.
const NAME_RULE: &str = "Parameter name: can't be prefixed with \"ssm\" (case-insensitive). If formed as a path, it \
                         can consist of sub-paths divided by slash symbol; each sub-path can be formed as a mix of \
                         letters, numbers and the following 3 symbols .-_";

/// Longest name, in characters, that leaves room for the rest of the ARN.
const MAX_NAME: usize = 1011;

/// Most levels of a path.
const MAX_LEVELS: usize = 15;

/// A version of a parameter, by number or by label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    /// `name:3`
    Version(i64),
    /// `name:prod`
    Label(String),
}

/// A name as given to `GetParameter` and the like, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterName {
    /// The ARN, if the name was given as one, without the selector.
    pub arn: Option<Arn>,
    /// The parameter's own name: `/a/b` or `a`.
    pub name: String,
    /// The text after the colon, with its colon, as answers repeat it.
    pub selector_text: Option<String>,
    /// The selector's meaning.
    pub selector: Option<Selector>,
}

impl ParameterName {
    /// Takes a name apart. `/aws/reference/...` keeps its colons in the name.
    ///
    /// # Errors
    /// `ValidationException` for characters that no name has.
    pub fn parse(text: &str) -> Result<Self, ApiError> {
        let (arn, rest) = match text.strip_prefix("arn:") {
            None => (None, text.to_owned()),
            Some(_) => {
                let arn: Arn = text.parse().map_err(|_| ApiError::validation(NAME_RULE))?;
                let ours = arn.partition == "aws" && arn.service == "ssm";
                let path =
                    arn.resource.strip_prefix("parameter").filter(|path| ours && path.starts_with('/'));
                let path = path.ok_or_else(|| ApiError::validation(NAME_RULE))?.to_owned();
                // One level: the slash belongs to the ARN. More: to the name.
                let one_level = path.matches('/').count() == 1;
                let name = if one_level { path.trim_start_matches('/').to_owned() } else { path };
                (Some(arn), name)
            }
        };
        if rest.starts_with("/aws/reference/") {
            return Ok(Self { arn, name: rest, selector_text: None, selector: None });
        }
        let (name, selector_text) = match rest.split_once(':') {
            None => (rest, None),
            Some((name, selector)) => (name.to_owned(), Some(format!(":{selector}"))),
        };
        let selector = match selector_text.as_deref() {
            None => None,
            Some(text) => Some(parse_selector(text.trim_start_matches(':'))?),
        };
        if !well_formed(&name) {
            return Err(ApiError::validation(NAME_RULE));
        }
        let arn = arn.map(|arn| Arn {
            resource: arn.resource.split(':').next().unwrap_or_default().to_owned(),
            ..arn
        });
        Ok(Self { arn, name, selector_text, selector })
    }
}

/// Checks the name of a parameter that is to be made.
///
/// # Errors
/// `ValidationException`, `AccessDeniedException` for AWS's own names,
/// `HierarchyLevelLimitExceededException`.
pub fn check_new_name(name: &str) -> Result<(), ApiError> {
    let bare = name.trim_start_matches('/').to_ascii_lowercase();
    if bare.starts_with("aws") || bare.starts_with("ssm") {
        return Err(if name.starts_with("/aws/") || name.starts_with("aws/") {
            ApiError::access_denied_text(format!("No access to reserved parameter name: {name}."))
        } else {
            ApiError::validation(NAME_RULE.replacen("\"ssm\"", "\"aws\" or \"ssm\"", 1))
        });
    }
    if !well_formed(name) {
        return Err(ApiError::validation(NAME_RULE));
    }
    if name.contains('/') && !name.starts_with('/') {
        return Err(ApiError::validation("Parameter name must be a fully qualified name."));
    }
    if name.chars().count() > MAX_NAME {
        return Err(ApiError::validation(format!(
            "1 validation error detected: Value '{name}' at 'name' failed to satisfy constraint: Member must have \
             length less than or equal to {MAX_NAME}"
        )));
    }
    if name.matches('/').count() > MAX_LEVELS {
        return Err(errors::hierarchy_level_limit_exceeded());
    }
    Ok(())
}

/// Segments of the allowed characters, none empty.
fn well_formed(name: &str) -> bool {
    let path = name.strip_prefix('/').unwrap_or(name);
    path.split('/').all(|segment| {
        !segment.is_empty() && segment.chars().all(|c| c.is_ascii_alphanumeric() || ".-_".contains(c))
    })
}

fn parse_selector(text: &str) -> Result<Selector, ApiError> {
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return text.parse().map(Selector::Version).map_err(|_| ApiError::validation(NAME_RULE));
    }
    let label = !text.is_empty()
        && text.chars().count() <= 100
        && text.chars().all(|c| c.is_ascii_alphanumeric() || ".-_".contains(c));
    if label { Ok(Selector::Label(text.to_owned())) } else { Err(ApiError::validation(NAME_RULE)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_names_apart() {
        let parse = |text: &str| {
            let name = ParameterName::parse(text).unwrap();
            (name.arn.map(|a| a.to_string()), name.name, name.selector)
        };
        assert_eq!(parse("a"), (None, "a".into(), None));
        assert_eq!(parse("/a/b:3"), (None, "/a/b".into(), Some(Selector::Version(3))));
        assert_eq!(parse("a:prod.1"), (None, "a".into(), Some(Selector::Label("prod.1".into()))));
        let arn = "arn:aws:ssm:us-east-1:111122223333:parameter/a";
        assert_eq!(parse(arn), (Some(arn.into()), "a".into(), None));
        assert_eq!(
            parse(&format!("{arn}/b:2")),
            (Some(format!("{arn}/b")), "/a/b".into(), Some(Selector::Version(2)))
        );
        let reference = "/aws/reference/secretsmanager/db:AWSCURRENT::";
        assert_eq!(parse(reference), (None, reference.into(), None));
    }

    #[test]
    fn refuses_names_that_none_has() {
        for bad in
            ["a b", "", "/", "a//b", "a/", "a:", "a:b:c", "a:-é", "a:99999999999999999999", "arn:x", "é"]
        {
            assert_eq!(ParameterName::parse(bad).unwrap_err().code, "ValidationException", "{bad}");
        }
    }

    #[test]
    fn new_names() {
        let code = |name: &str| check_new_name(name).map_err(|e| e.code);
        let deep = "/x".repeat(15);
        for good in ["a", "/a", "/a/b.c-d_e", deep.as_str()] {
            assert_eq!(code(good), Ok(()), "{good}");
        }
        assert_eq!(code(&"/x".repeat(16)), Err("HierarchyLevelLimitExceededException"));
        assert_eq!(code("/aws/service/x"), Err("AccessDeniedException"));
        for bad in ["awsome", "SSM-x", "/ssm/x", "a/b", "a b", "a:1", "/a//b", &"a".repeat(1012)] {
            assert_eq!(code(bad), Err("ValidationException"), "{bad}");
        }
    }
}
