//! [`Statement`]: one compiled statement of a policy document.
//!
//! ```json
//! {"Version": "2012-10-17", "Statement": [
//!   {"Sid": "Read", "Effect": "Allow", "Action": "ssm:Get*", "Resource": "arn:aws:ssm:*:*:parameter/prod/*"}]}
//! ```
//!
//! A statement applies to a request if each of its elements matches; an element
//! that a kind of document does not have matches everything.

use super::Matched;
use super::action::{Action, ActionSet};
use super::principal::PrincipalSet;
use super::resource::ResourceSet;
use super::resource_policy::PolicyKind;

/// What a document is for, which decides the elements that it may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Attached to a user, group, role or session: says on which resources.
    Identity,
    /// The policy of a resource: says who may.
    Resource(PolicyKind),
}

impl Kind {
    pub(super) const TRUST: Self = Self::Resource(PolicyKind::Trust);
}

/// A compiled statement.
#[derive(Debug)]
pub(super) struct Statement {
    pub(super) actions: ActionSet,
    pub(super) resources: Option<ResourceSet>,
    pub(super) principals: Option<PrincipalSet>,
    /// Its effect, and where it stands.
    pub(super) matched: Matched,
}

impl Statement {
    /// Whether it is about this action on this resource. The resource goes first:
    /// comparing it is cheaper, and it is what most statements of one service differ in.
    pub(super) fn applies(&self, action: Action<'_>, resource: &str) -> bool {
        self.resources.as_ref().is_none_or(|set| set.matches(resource)) && self.actions.matches(action)
    }
}
