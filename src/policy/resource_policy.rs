//! [`ResourcePolicy`]: the policy that a resource itself has, which says who may do
//! what with it.

use super::document::{Kind, Statement};
use super::parse::{self, File, Origin};
use super::principal::NamedPrincipal;
use super::{FileFindings, PolicySet, public};
use crate::arn::Arn;
use crate::diagnostic::Severity;
use crate::json;
use std::sync::Arc;

/// What a resource policy belongs to; that decides its elements and how far an account
/// may go without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PolicyKind {
    /// A secret: adds to what identity policies of its account allow.
    SecretsManager,
    /// A parameter: adds to what identity policies of its account allow.
    ParameterStore,
    /// A KMS key: nobody may use it without its policy, which names the account to leave
    /// the choice to identity policies.
    Kms,
    /// A role: says who may become it, in the same manner as that of a key.
    Trust,
}

/// One compiled resource-based policy.
#[derive(Debug)]
pub struct ResourcePolicy {
    pub(super) kind: PolicyKind,
    pub(super) statements: Vec<Arc<Statement>>,
}

impl ResourcePolicy {
    /// Compiles the policy of the resource that `name` names in messages and decisions.
    ///
    /// # Errors
    /// Every error of the document.
    pub fn parse(name: &str, json: &str, kind: PolicyKind) -> Result<Self, FileFindings> {
        let mut found = Vec::new();
        let mut statements = Vec::new();
        match json::parse(json) {
            Ok(node) => {
                let file = File::new("", json);
                let origin = Origin { policy: name.into(), file: &file };
                statements = parse::document(&node, Kind::Resource(kind), &origin, &mut found);
            }
            Err(error) => found.push(error),
        }
        found.retain(|finding| finding.severity == Severity::Error);
        if found.is_empty() {
            Ok(Self { kind, statements })
        } else {
            Err(FileFindings { path: name.to_owned(), text: json.to_owned(), diagnostics: found })
        }
    }

    pub(super) fn new(kind: PolicyKind, statements: Vec<Arc<Statement>>) -> Self {
        Self { kind, statements }
    }

    /// The policy of a resource that does not exist: it allows nobody.
    pub fn of_nobody(kind: PolicyKind) -> Self {
        Self { kind, statements: Vec::new() }
    }

    /// What it belongs to.
    pub fn kind(&self) -> PolicyKind {
        self.kind
    }

    /// Whether it lets in people whom nothing bounds, which `BlockPublicPolicy` keeps out.
    pub fn is_public(&self) -> bool {
        self.statements.iter().any(|statement| public::is_public(statement))
    }

    /// A user or role that it names and that does not exist: one of an account whose users and
    /// roles are known here. What an unknown account has cannot be told.
    pub fn missing_principal(&self, set: &PolicySet) -> Option<String> {
        let known = |arn: &Arn| set.identities().any(|identity| identity.arn.account == arn.account);
        self.named().find_map(|principal| match principal {
            NamedPrincipal::Entity(arn) if set.principal(arn).is_none() && known(arn) => {
                Some(arn.to_string())
            }
            _ => None,
        })
    }

    /// Whom it names.
    pub(super) fn named(&self) -> impl Iterator<Item = &NamedPrincipal> {
        self.statements.iter().flat_map(|statement| statement.principals.iter().flat_map(|p| p.set().iter()))
    }
}
