//! [`Statement`]: one compiled statement of a policy document.
//!
//! ```json
//! {"Version": "2012-10-17", "Statement": [
//!   {"Sid": "Read", "Effect": "Allow", "Action": "ssm:Get*", "Resource": "arn:aws:ssm:*:*:parameter/prod/*"}]}
//! ```
//!
//! A statement applies to a request if each of its elements matches; an element
//! that a kind of document does not have matches everything.

use super::action::{Action, ActionSet};
use super::decision::Matched;
use super::principal::PrincipalSet;
use super::resource::ResourceSet;

/// What a document is for, which decides the elements that it may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Attached to a user, group or role: says on which resources.
    Identity,
    /// `AssumeRolePolicyDocument` of a role: says who may become it.
    Trust,
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

    /// Whether it is about this action by this service.
    pub(super) fn applies_to_service(&self, action: Action<'_>, service: &str) -> bool {
        self.actions.matches(action)
            && self.principals.as_ref().is_none_or(|set| set.matches_service(service))
    }
}
