//! [`Decision`]: the answer to one request, with the statements that gave it.
//!
//! A decision has no public maker and is not `Clone`: whoever holds one got it
//! from [`evaluate`](super::evaluate()) or [`evaluate_trust`](super::evaluate_trust()).
//! Refusals are worded as AWS has worded them since 2021:
//!
//! ```text
//! User: arn:aws:iam::123456789012:user/John is not authorized to perform: ssm:GetParameter
//!   on resource: arn:aws:ssm:us-east-1:123456789012:parameter/db
//!   because no identity-based policy allows the ssm:GetParameter action
//! ```
//!
//! Source: IAM User Guide, "Troubleshoot access denied error messages".

use super::Effect;
use crate::arn::Arn;
use std::sync::Arc;

/// How a request was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A statement allows it and none denies it.
    Allow,
    /// A statement denies it.
    ExplicitDeny,
    /// No statement allows it.
    ImplicitDeny,
}

/// A statement that decided. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matched {
    /// ARN of a managed policy, or owner and name of an inline one.
    pub policy: Arc<str>,
    /// Its place in the document, counted from 1; 0 for the account root.
    pub statement: usize,
    /// The statement's own name, if it has one.
    pub sid: Option<Arc<str>>,
    /// The file that it was read from.
    pub file: Arc<str>,
    /// The line where the statement begins; for a document that stands in a
    /// string, the line of that string.
    pub line: usize,
    /// What it says.
    pub effect: Effect,
    /// The kind of policy that it stands in.
    pub basis: Basis,
}

/// Which kind of policy decided, or was missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// Policies of the user, its groups, or the role.
    Identity,
    /// The policy of the resource.
    Resource,
    /// The permissions boundary of the user or the role.
    Boundary,
    /// The policies that the session was made with.
    Session,
    /// The account root's power over its own account.
    Root,
    /// The role's trust policy.
    Trust,
}

impl Basis {
    /// Its name in records and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Resource => "resource",
            Self::Boundary => "boundary",
            Self::Session => "session",
            Self::Root => "root",
            Self::Trust => "trust",
        }
    }

    /// As AWS calls it, with its article.
    fn named(self) -> &'static str {
        match self {
            Self::Identity => "an identity-based policy",
            Self::Resource | Self::Root => "a resource-based policy",
            Self::Boundary => "a permissions boundary",
            Self::Session => "a session policy",
            Self::Trust => "the role trust policy",
        }
    }
}

/// The answer to one request.
#[derive(Debug)]
#[must_use]
pub struct Decision {
    pub(super) principal: Arc<Arn>,
    pub(super) action: Box<str>,
    pub(super) resource: Box<str>,
    pub(super) outcome: Outcome,
    pub(super) basis: Basis,
    pub(super) matched: Vec<Matched>,
    pub(super) digest: Arc<str>,
}

impl Decision {
    /// How it was decided.
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// Whether the request may go on.
    pub fn is_allowed(&self) -> bool {
        self.outcome == Outcome::Allow
    }

    /// Who asked. A service, which has no ARN on AWS, is written
    /// `arn:aws:iam::aws:service-principal/NAME`.
    pub fn principal(&self) -> &Arn {
        &self.principal
    }

    /// The IAM action, such as `secretsmanager:GetSecretValue`.
    pub fn action(&self) -> &str {
        &self.action
    }

    /// The ARN of the resource, or `*` where an action has none.
    pub fn resource(&self) -> &str {
        &self.resource
    }

    /// The statements that decided: those that deny, or else those that allow.
    pub fn matched(&self) -> &[Matched] {
        &self.matched
    }

    /// Digest of the policies that were in force.
    pub fn policy_digest(&self) -> &str {
        &self.digest
    }

    /// Why, in AWS's words: the end of a sentence.
    pub fn reason(&self) -> String {
        let (action, policy) = (&self.action, self.basis.named());
        match (self.outcome, self.basis) {
            (Outcome::Allow, Basis::Root) => {
                "because the account root may do everything in its account".into()
            }
            (Outcome::Allow, _) => format!("because {policy} allows the {action} action"),
            (Outcome::ExplicitDeny, _) => format!("with an explicit deny in {policy}"),
            (Outcome::ImplicitDeny, _) => {
                let kind = policy.split_once(' ').map_or(policy, |(_, kind)| kind);
                format!("because no {kind} allows the {action} action")
            }
        }
    }

    /// Which kind of policy decided, or was missing.
    pub fn basis(&self) -> Basis {
        self.basis
    }

    /// The whole message of a refusal, with the deciding principal as the user.
    pub fn denial_message(&self) -> String {
        self.denial_message_as(&self.principal.to_string())
    }

    /// The whole message of a refusal. AWS names the caller as it signed: for a
    /// session of a role that is `arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION`.
    pub fn denial_message_as(&self, caller: &str) -> String {
        let on = match &*self.resource {
            "*" => String::new(),
            resource => format!(" on resource: {resource}"),
        };
        format!("User: {caller} is not authorized to perform: {}{on} {}", self.action, self.reason())
    }
}
