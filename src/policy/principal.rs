//! Principals of trust policies: `"*"`, or an object of lists by kind.
//!
//! ```json
//! "Principal": {"Service": "ecs-tasks.amazonaws.com", "AWS": ["111122223333", "arn:aws:iam::111122223333:user/ann"]}
//! ```
//!
//! Source: IAM User Guide, "AWS JSON policy elements: Principal".

use super::shape;
use crate::diagnostic::Diagnostic;
use crate::json::Node;
use std::fmt;

/// Someone whom a trust policy names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TrustedPrincipal {
    /// `"*"` or `{"AWS": "*"}`: everyone, AWS services included.
    Everyone,
    /// An account, user, role or session: an ARN, an account id or a unique id.
    Aws(Box<str>),
    /// A canonical user id of Amazon S3.
    CanonicalUser(Box<str>),
    /// An identity provider.
    Federated(Box<str>),
    /// An AWS service.
    Service(Box<str>),
}

impl fmt::Display for TrustedPrincipal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everyone => f.write_str("everyone"),
            Self::Aws(name) | Self::CanonicalUser(name) | Self::Federated(name) | Self::Service(name) => {
                f.write_str(name)
            }
        }
    }
}

/// The `Principal` of a statement.
#[derive(Debug, Default)]
pub(super) struct PrincipalSet {
    principals: Vec<TrustedPrincipal>,
}

/// The fields of a principal object.
const KINDS: &[&str] = &["AWS", "CanonicalUser", "Federated", "Service"];

impl PrincipalSet {
    /// Reads the element; errors go to `out`.
    pub(super) fn parse(node: &Node, out: &mut Vec<Diagnostic>) -> Self {
        if node.string() == Some("*") {
            return Self { principals: vec![TrustedPrincipal::Everyone] };
        }
        if node.object().is_none() {
            out.push(
                Diagnostic::error("IAM0115", "malformed principal")
                    .at(node.span.clone(), format!("expected `*` or an object, found {}", node.kind()))
                    .help("write `{\"Service\": \"ecs-tasks.amazonaws.com\"}`"),
            );
            return Self::default();
        }
        shape::object(node, "a principal", KINDS, out);
        if node.object().is_some_and(<[_]>::is_empty) {
            out.push(Diagnostic::error("IAM0111", "empty `Principal`").at(node.span.clone(), "names nobody"));
        }
        let mut principals = Vec::new();
        for member in node.object().unwrap_or_default() {
            for (text, span) in shape::texts(&member.value, &member.key, out) {
                match principal(&member.key, text) {
                    Ok(found) => principals.extend(found),
                    Err(expected) => out.push(
                        Diagnostic::error("IAM0115", format!("malformed principal `{text}`"))
                            .at(span, format!("expected {expected}")),
                    ),
                }
            }
        }
        Self { principals }
    }

    pub(super) fn matches_service(&self, service: &str) -> bool {
        self.principals.iter().any(|principal| match principal {
            TrustedPrincipal::Everyone => true,
            TrustedPrincipal::Service(name) => **name == *service,
            TrustedPrincipal::Aws(_)
            | TrustedPrincipal::CanonicalUser(_)
            | TrustedPrincipal::Federated(_) => false,
        })
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &TrustedPrincipal> {
        self.principals.iter()
    }
}

/// `Ok(None)` for a field that was reported as unknown already.
fn principal(kind: &str, text: &str) -> Result<Option<TrustedPrincipal>, &'static str> {
    let found = match kind {
        "AWS" if text == "*" => TrustedPrincipal::Everyone,
        "AWS" if is_aws(text) => TrustedPrincipal::Aws(text.into()),
        "AWS" => return Err("an ARN, a 12-digit account id, a unique id or `*`"),
        "Service" if is_service(text) => TrustedPrincipal::Service(text.into()),
        "Service" => return Err("the name of a service, such as `ecs-tasks.amazonaws.com`"),
        "Federated" if !text.is_empty() => TrustedPrincipal::Federated(text.into()),
        "Federated" => return Err("an identity provider"),
        "CanonicalUser" if !text.is_empty() => TrustedPrincipal::CanonicalUser(text.into()),
        "CanonicalUser" => return Err("a canonical user id"),
        _ => return Ok(None),
    };
    Ok(Some(found))
}

/// A wildcard within a name is not a principal; a deleted one stands as its id.
fn is_aws(text: &str) -> bool {
    let account = text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit());
    let id = text.len() >= 16 && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    let arn = text.parse::<crate::arn::Arn>().is_ok() && !text.contains(['*', '?']);
    account || id || arn
}

fn is_service(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
    text.contains('.') && text.chars().all(plain)
}
