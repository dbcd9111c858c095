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
//! `parameter/a/b` is the name `/a/b`. `parameter/a` is read as the name `a`, which is
//! another spelling of `/a`: with one level the leading slash does not count.
//!
//! Spaces around a name do not count either.

use super::errors;
use crate::arn::Arn;
use crate::protocol::error::ApiError;

/// The words of AWS for any name with characters that are not allowed.
const NAME_RULE: &str = "Parameter name: can't be prefixed with \"ssm\" (case-insensitive). If formed as a path, it \
                         can consist of sub-paths divided by slash symbol; each sub-path can be formed as a mix of \
                         letters, numbers and the following 3 symbols .-_";

/// The words of AWS for one level that is reserved.
const PREFIX_RULE: &str = "Parameter name: can't be prefixed with \"aws\" or \"ssm\" (case-insensitive).";

/// Most characters of a parameter's ARN.
const MAX_ARN: usize = 1011;

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
    /// Takes a name apart.
    ///
    /// # Errors
    /// `ValidationException` for characters that no name has.
    pub fn parse(text: &str) -> Result<Self, ApiError> {
        let text = text.trim_matches(' ');
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
    let bare = name.trim_start_matches('/');
    let lower = bare.to_ascii_lowercase();
    if lower.starts_with("aws") || lower.starts_with("ssm") {
        if !bare.contains('/') {
            return Err(ApiError::validation(PREFIX_RULE));
        }
        if name.starts_with('/') {
            check_not_reserved(name)?;
        }
        return Err(ApiError::validation(NAME_RULE));
    }
    if !well_formed(name) {
        return Err(ApiError::validation(NAME_RULE));
    }
    if name.contains('/') && !name.starts_with('/') {
        return Err(ApiError::validation("Parameter name must be a fully qualified name."));
    }
    if name.matches('/').count() > MAX_LEVELS {
        return Err(errors::hierarchy_level_limit_exceeded());
    }
    Ok(())
}

/// Checks that the parameter of this name is not one of AWS's own, which nobody else writes or deletes.
///
/// # Errors
/// `AccessDeniedException`.
pub fn check_not_reserved(name: &str) -> Result<(), ApiError> {
    let bare = name.trim_start_matches('/');
    if bare.to_ascii_lowercase().starts_with("aws") {
        return Err(ApiError::access_denied_text(format!("No access to reserved parameter name: {bare}.")));
    }
    Ok(())
}

/// Checks the length of the name of a parameter that is to be made, by the ARN that it would have.
///
/// # Errors
/// `ValidationException`.
pub fn check_name_length(name: &str, arn: &str) -> Result<(), ApiError> {
    let length = arn.chars().count();
    if length <= MAX_ARN {
        return Ok(());
    }
    Err(ApiError::validation(format!(
        "1 validation error detected: Value '{name}' at 'name' failed to satisfy constraint: Member must have length less \
         than or equal to {}",
        MAX_ARN.saturating_sub(length.saturating_sub(name.chars().count()))
    )))
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
        assert_eq!(parse(" /a/b:3  "), (None, "/a/b".into(), Some(Selector::Version(3))));
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
        assert_eq!(code("/AWSsome/x"), Err("AccessDeniedException"));
        for bad in ["awsome", "/aws", "SSM-x", "/ssm/x", "a/b", "a b", "a:1", "/a//b"] {
            assert_eq!(code(bad), Err("ValidationException"), "{bad}");
        }
    }
    #[test]
    fn the_arn_has_a_longest_length() {
        let arn = |name: &str| format!("arn:aws:ssm:us-east-2:111122223333:parameter/{name}");
        let longest = "a".repeat(1011 - 45);
        assert_eq!(check_name_length(&longest, &arn(&longest)), Ok(()));
        let longer = format!("{longest}a");
        let error = check_name_length(&longer, &arn(&longer)).unwrap_err();
        assert!(error.message.ends_with("Member must have length less than or equal to 966"), "{error}");
    }
}
