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
use super::condition::Conditions;
use super::facts::Facts;
use super::principal::{PrincipalSet, Reach};
use super::resource::ResourceSet;
use super::resource_policy::PolicyKind;
use super::{Effect, Matched};

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
    pub(super) principals: Option<Principals>,
    pub(super) conditions: Conditions,
    /// Its effect, and where it stands.
    pub(super) matched: Matched,
}

/// `Principal`, or `NotPrincipal`.
#[derive(Debug)]
pub(super) enum Principals {
    Only(PrincipalSet),
    AllBut(PrincipalSet),
}

impl Principals {
    /// How the caller is meant, if it is.
    pub(super) fn reach(&self, facts: &Facts<'_>) -> Option<Reach> {
        match self {
            Self::Only(set) => set.reach(facts),
            Self::AllBut(set) => (!set.excepts(facts)).then_some(Reach::Limited),
        }
    }

    pub(super) fn set(&self) -> &PrincipalSet {
        match self {
            Self::Only(set) | Self::AllBut(set) => set,
        }
    }
}

impl Statement {
    /// Whether it is about the request. The resource goes first: comparing it is cheaper,
    /// and it is what most statements of one service differ in.
    pub(super) fn applies(&self, action: Action<'_>, facts: &Facts<'_>) -> bool {
        self.is_about_resource(facts) && self.actions.matches(action) && self.conditions.hold(facts)
    }

    /// What hangs on a variable without a value is decided towards refusing: then a
    /// statement denies, and does not allow.
    pub(super) fn is_about_resource(&self, facts: &Facts<'_>) -> bool {
        let unknown = self.matched.effect == Effect::Deny;
        self.resources
            .as_ref()
            .is_none_or(|set| set.matches(facts.request.resource, facts).unwrap_or(unknown))
    }
}
