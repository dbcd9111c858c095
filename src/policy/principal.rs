//! Principals of resource-based policies: `"*"`, or an object of lists by kind.
//!
//! ```json
//! "Principal": {"Service": "ecs-tasks.amazonaws.com", "AWS": ["111122223333", "arn:aws:iam::111122223333:user/ann"]}
//! ```
//!
//! How precisely a statement names the caller matters ([`Reach`]): a policy that names
//! an account leaves it to that account who of it may, and one that names a role does
//! not lift the limits that the role or its session has.
//!
//! Source: IAM User Guide, "AWS JSON policy elements: Principal" and "Policy evaluation
//! for requests within a single account".

use super::facts::{Facts, Who};
use super::shape;
use crate::arn::{Arn, is_account_id};
use crate::diagnostic::Diagnostic;
use crate::json::Node;
use std::fmt;

/// Someone whom a policy names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NamedPrincipal {
    /// `"*"` or `{"AWS": "*"}`: everyone, AWS services included.
    Everyone,
    /// A whole account: its id, or the ARN of its root.
    Account { id: Box<str>, text: Box<str> },
    /// A user, a role or another entity with an ARN.
    Entity(Box<Arn>),
    /// A session: `arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION` and its like.
    Session(Box<str>),
    /// What is left of a deleted user or role: its unique id.
    Id(Box<str>),
    /// A canonical user id of Amazon S3.
    CanonicalUser(Box<str>),
    /// An identity provider.
    Federated(Box<str>),
    /// An AWS service.
    Service(Box<str>),
}

impl fmt::Display for NamedPrincipal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everyone => f.write_str("everyone"),
            Self::Entity(arn) => arn.fmt(f),
            Self::Account { text: name, .. }
            | Self::Session(name)
            | Self::Id(name)
            | Self::CanonicalUser(name)
            | Self::Federated(name)
            | Self::Service(name) => f.write_str(name),
        }
    }
}

/// How a statement reaches the caller, from the vaguest to the most precise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reach {
    /// The caller's account is named: that account decides who of it may.
    Account,
    /// Everyone is named, or the role of which the caller is a session: what limits the
    /// role or its session stays in force.
    Limited,
    /// The user, the session, the account root, the service or the provider itself.
    Direct,
}

/// The `Principal` or `NotPrincipal` of a statement.
#[derive(Debug, Default)]
pub(super) struct PrincipalSet {
    principals: Vec<NamedPrincipal>,
}

/// The fields of a principal object.
const KINDS: &[&str] = &["AWS", "CanonicalUser", "Federated", "Service"];

impl PrincipalSet {
    /// Reads the element; errors go to `out`.
    pub(super) fn parse(node: &Node, key: &str, out: &mut Vec<Diagnostic>) -> Self {
        if node.string() == Some("*") {
            return Self { principals: vec![NamedPrincipal::Everyone] };
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
            out.push(
                Diagnostic::error("IAM0111", format!("empty `{key}`")).at(node.span.clone(), "names nobody"),
            );
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

    /// How the caller is named, if it is.
    pub(super) fn reach(&self, facts: &Facts<'_>) -> Option<Reach> {
        self.principals.iter().filter_map(|principal| reach(principal, facts)).max()
    }

    /// Whether a `NotPrincipal` with this list excepts the caller. AWS validates the
    /// account first, then the user or the role, and then the session; each must be
    /// listed. A principal with a permissions boundary is never excepted.
    ///
    /// Source: IAM User Guide, "AWS JSON policy elements: NotPrincipal".
    pub(super) fn excepts(&self, facts: &Facts<'_>) -> bool {
        let listed = |wanted: &dyn Fn(&NamedPrincipal) -> bool| self.principals.iter().any(wanted);
        if self.is_everyone() {
            return true;
        }
        let Facts { request, who, identity } = *facts;
        let account = listed(
            &|p| matches!(p, NamedPrincipal::Account { id, .. } if **id == *request.principal.account),
        );
        let itself = listed(&|p| match p {
            NamedPrincipal::Entity(arn) => **arn == *request.principal,
            NamedPrincipal::Id(id) => identity.is_some_and(|identity| *identity.id == **id),
            _ => false,
        });
        let session = match request.session {
            Some(session) if who == Who::Role || facts.is_federated_user() => {
                listed(&|p| matches!(p, NamedPrincipal::Session(arn) if **arn == *session.arn))
            }
            _ => true,
        };
        let bounded = identity.is_some_and(|identity| identity.boundary.is_some());
        match who {
            Who::Root => account,
            Who::User | Who::Role => account && itself && session && !bounded,
            Who::Service(_) | Who::Federated => self.reach(facts).is_some(),
        }
    }

    /// Whether everyone is named.
    pub(super) fn is_everyone(&self) -> bool {
        self.principals.contains(&NamedPrincipal::Everyone)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &NamedPrincipal> {
        self.principals.iter()
    }
}

fn reach(principal: &NamedPrincipal, facts: &Facts<'_>) -> Option<Reach> {
    let (arn, session, who) = (facts.request.principal, facts.request.session, facts.who);
    let person = matches!(who, Who::User | Who::Role);
    // The role behind a session, or the user behind a federated one.
    let behind = who == Who::Role || facts.is_federated_user();
    let entity = if behind { Reach::Limited } else { Reach::Direct };
    match (principal, who) {
        (NamedPrincipal::Everyone, _) if person => Some(Reach::Limited),
        (NamedPrincipal::Everyone, _) => Some(Reach::Direct),
        (NamedPrincipal::Account { id, .. }, Who::Root) => (**id == *arn.account).then_some(Reach::Direct),
        (NamedPrincipal::Account { id, .. }, _) if person => (**id == *arn.account).then_some(Reach::Account),
        (NamedPrincipal::Entity(named), _) if person => (**named == *arn).then_some(entity),
        (NamedPrincipal::Id(id), _) if person => {
            facts.identity.is_some_and(|identity| *identity.id == **id).then_some(entity)
        }
        (NamedPrincipal::Session(named), _) if person => {
            session.is_some_and(|session| session.arn == &**named).then_some(Reach::Direct)
        }
        (NamedPrincipal::Service(name), Who::Service(service)) => {
            (**name == *service).then_some(Reach::Direct)
        }
        (NamedPrincipal::Federated(provider), Who::Federated) => {
            (**provider == *arn.to_string()).then_some(Reach::Direct)
        }
        _ => None,
    }
}

/// `Ok(None)` for a field that was reported as unknown already.
fn principal(kind: &str, text: &str) -> Result<Option<NamedPrincipal>, &'static str> {
    let found = match kind {
        "AWS" => aws(text).ok_or("an ARN, a 12-digit account id, a unique id or `*`")?,
        "Service" if is_service(text) => NamedPrincipal::Service(text.into()),
        "Service" => return Err("the name of a service, such as `ecs-tasks.amazonaws.com`"),
        "Federated" if !text.is_empty() => NamedPrincipal::Federated(text.into()),
        "Federated" => return Err("an identity provider"),
        "CanonicalUser" if !text.is_empty() => NamedPrincipal::CanonicalUser(text.into()),
        "CanonicalUser" => return Err("a canonical user id"),
        _ => return Ok(None),
    };
    Ok(Some(found))
}

/// A wildcard within a name is not a principal; a deleted one stands as its id.
fn aws(text: &str) -> Option<NamedPrincipal> {
    if text == "*" {
        return Some(NamedPrincipal::Everyone);
    }
    if is_account_id(text) {
        return Some(NamedPrincipal::Account { id: text.into(), text: text.into() });
    }
    if text.len() >= 16 && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()) {
        return Some(NamedPrincipal::Id(text.into()));
    }
    let arn: Arn = text.parse().ok().filter(|_| !text.contains(['*', '?']))?;
    Some(match (arn.service.as_str(), arn.resource.as_str()) {
        ("iam", "root") => NamedPrincipal::Account { id: arn.account.into(), text: text.into() },
        ("sts", _) => NamedPrincipal::Session(text.into()),
        _ => NamedPrincipal::Entity(Box::new(arn)),
    })
}

fn is_service(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
    text.contains('.') && text.chars().all(plain)
}
