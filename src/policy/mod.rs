//! IAM policies: who may do what, decided from JSON documents and nothing else.
//!
//! ```text
//! files (shape of `aws iam get-account-authorization-details`)
//!   -> account   one file into users, roles, groups, managed policies
//!   -> parse     one policy document into statements
//!   -> link      all files together: attachments, groups -> PolicySet
//! Request -> evaluate -> Decision
//! ```
//!
//! Everything is compiled when it is loaded, and all errors of all files are
//! reported together: a policy that is in force means what AWS says that it means, or
//! it is not in force.
//!
//! The module reads no file, no clock and no network. [`evaluate`] and
//! [`evaluate_trust`] are the only makers of a [`Decision`].
//!
//! Source: IAM User Guide, "Policy evaluation logic" and "IAM JSON policy
//! element reference".

mod account;
mod action;
mod catalogue;
mod condition;
mod decision;
mod document;
mod doubts;
mod elements;
mod evaluate;
mod explain;
mod facts;
mod findings;
mod grams;
mod identity;
mod key;
mod keys;
mod known_keys;
mod link;
mod lone;
mod managed;
mod operand;
mod operator;
mod parse;
mod pattern;
mod principal;
mod public;
mod request;
mod resource;
mod resource_policy;
mod services;
mod session_policies;
mod shape;
mod summary;
mod variable;

pub use decision::{Basis, Decision, Matched, Outcome};
pub use evaluate::{evaluate, evaluate_trust};
pub use explain::{Explanation, Near, explain};
pub use findings::{FileFindings, LoadErrors};
pub use identity::{Identity, IdentityKind};
pub use keys::ConditionKeys;
pub use lone::{LoneDocument, check_document};
pub use request::{Circumstances, Request, Session};
pub use resource_policy::{PolicyKind, ResourcePolicy};
pub use session_policies::SessionPolicies;

use crate::arn::Arn;
use std::collections::HashMap;
use std::sync::Arc;

/// One policy file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Where it came from, for messages.
    pub path: String,
    /// Its whole text.
    pub text: String,
}

/// `Allow` or `Deny`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The statement permits.
    Allow,
    /// The statement forbids, whatever others permit.
    Deny,
}

/// All users and roles of all files with their policies, compiled; immutable.
#[derive(Debug)]
pub struct PolicySet {
    /// In order of ARN.
    identities: Vec<Identity>,
    by_arn: HashMap<Arc<Arn>, usize>,
    by_text: HashMap<Arc<str>, usize>,
    /// Managed policies of the files by ARN.
    managed: HashMap<String, link::Statements>,
    digest: Arc<str>,
    warnings: Vec<FileFindings>,
}

impl PolicySet {
    /// Compiles the files together.
    ///
    /// # Errors
    /// Every error of every file.
    pub fn load(sources: &[Source]) -> Result<Self, LoadErrors> {
        link::load(sources)
    }

    /// A set without identities: only account roots may do anything.
    pub fn empty() -> Self {
        Self::new(Vec::new(), HashMap::new(), link::digest(&[]), Vec::new())
    }

    fn new(
        mut identities: Vec<Identity>,
        managed: HashMap<String, link::Statements>,
        digest: String,
        warnings: Vec<FileFindings>,
    ) -> Self {
        identities.sort_by_cached_key(|identity| identity.arn.to_string());
        let by_arn = identities.iter().enumerate().map(|(i, x)| (Arc::clone(&x.arn), i)).collect();
        let by_text = identities.iter().enumerate().map(|(i, x)| (Arc::clone(&x.arn_text), i)).collect();
        Self { identities, by_arn, by_text, managed, digest: digest.into(), warnings }
    }

    /// Hex SHA-256 over the texts of the files in order of path.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The user or role with this ARN, path included.
    pub fn identity(&self, arn: &str) -> Option<&Identity> {
        self.by_text.get(arn).and_then(|&i| self.identities.get(i))
    }

    /// Users and roles in order of ARN.
    pub fn identities(&self) -> impl Iterator<Item = &Identity> {
        self.identities.iter()
    }

    /// What was accepted but is worth a look, file by file.
    pub fn warnings(&self) -> &[FileFindings] {
        &self.warnings
    }

    /// Users and roles with the number of their statements, and then the warnings,
    /// as text for a terminal.
    pub fn summary(&self) -> String {
        summary::text(self)
    }

    fn principal(&self, arn: &Arn) -> Option<&Identity> {
        self.by_arn.get(arn).and_then(|&i| self.identities.get(i))
    }
}
