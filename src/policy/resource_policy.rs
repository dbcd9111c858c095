//! [`ResourcePolicy`]: the policy that a resource itself has, which says who may do
//! what with it.

use super::document::{Kind, Statement};
use super::parse::{self, File, Origin};
use super::principal::NamedPrincipal;
use super::{Effect, FileFindings};
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

    /// What it belongs to.
    pub fn kind(&self) -> PolicyKind {
        self.kind
    }

    /// Whether it gives access to everyone: a statement allows `*` without a condition
    /// that bounds who that is.
    pub fn is_public(&self) -> bool {
        self.statements.iter().any(|statement| {
            statement.matched.effect == Effect::Allow
                && statement.principals.as_ref().is_some_and(|p| p.set().is_everyone())
        })
    }

    /// Whom it names.
    pub(super) fn named(&self) -> impl Iterator<Item = &NamedPrincipal> {
        self.statements.iter().flat_map(|statement| statement.principals.iter().flat_map(|p| p.set().iter()))
    }
}
