//! [`evaluate`]: a request against the policies of its principal.
//!
//! ```text
//! a statement denies                     -> explicit deny
//! else a statement allows                -> allow, within the principal's own account
//! else                                   -> implicit deny
//! ```
//!
//! The account root may do everything in its own account. A resource of another
//! account needs a policy of that resource as well, and there is none here, so it
//! is an implicit deny. A principal that no file knows has no policies.
//!
//! Source: IAM User Guide, "Determining whether a request is allowed or denied
//! within an account" and "Cross-account policy evaluation logic".

use super::action::Action;
use super::decision::Basis;
use super::document::Statement;
use super::{Decision, Effect, Matched, Outcome, PolicySet};
use crate::arn::Arn;

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// A user, a role (also for its sessions), or `arn:aws:iam::ACCOUNT:root`.
    pub principal: &'a Arn,
    /// The IAM action, such as `secretsmanager:GetSecretValue`.
    pub action: &'a str,
    /// The resource's ARN, or `*` where the action has none.
    pub resource: &'a str,
}

/// Decides one request.
pub fn evaluate(set: &PolicySet, request: &Request<'_>) -> Decision {
    let Request { principal, action, resource } = *request;
    let (mut basis, mut outcome, mut matched) = if is_root(principal) {
        (Basis::Root, Outcome::Allow, vec![root()])
    } else {
        let parsed = Action::parse(action);
        let statements = set.principal(principal).zip(parsed).map(|(identity, action)| {
            let candidates = identity.statements.of_service(action.service);
            candidates.filter(move |statement| statement.applies(action, resource))
        });
        let (outcome, matched) = decide(statements.into_iter().flatten());
        (Basis::Identity, outcome, matched)
    };
    if outcome == Outcome::Allow && !same_account(principal, resource) {
        (basis, outcome, matched) = (Basis::Resource, Outcome::ImplicitDeny, Vec::new());
    }
    decision(set, principal.clone(), action, resource, basis, (outcome, matched))
}

/// Decides whether the trust policy of `role` lets an AWS service, such as
/// `ecs-tasks.amazonaws.com`, have the role: `sts:AssumeRole` by that service.
pub fn evaluate_trust(set: &PolicySet, role: &Arn, service: &str) -> Decision {
    const ACTION: Action<'_> = Action { service: "sts", name: "AssumeRole" };
    let trust = set.principal(role).map(|identity| identity.trust.as_slice()).unwrap_or_default();
    let applying =
        trust.iter().map(AsRef::as_ref).filter(|s: &&Statement| s.applies_to_service(ACTION, service));
    let principal = Arn::new("iam", "", "aws", format!("service-principal/{service}"));
    decision(set, principal, "sts:AssumeRole", &role.to_string(), Basis::Trust, decide(applying))
}

fn decision(
    set: &PolicySet,
    principal: Arn,
    action: &str,
    resource: &str,
    basis: Basis,
    (outcome, matched): (Outcome, Vec<Matched>),
) -> Decision {
    let (principal, action, resource) = (Box::new(principal), action.into(), resource.into());
    Decision {
        principal,
        action,
        resource,
        outcome,
        basis,
        matched,
        digest: std::sync::Arc::clone(&set.digest),
    }
}

/// The outcome of the statements that apply, and those that made it so.
fn decide<'a>(applying: impl Iterator<Item = &'a Statement>) -> (Outcome, Vec<Matched>) {
    let mut outcome = Outcome::ImplicitDeny;
    let mut matched = Vec::new();
    for statement in applying {
        match (statement.matched.effect, outcome) {
            (Effect::Deny, Outcome::Allow | Outcome::ImplicitDeny) => {
                outcome = Outcome::ExplicitDeny;
                matched.clear();
            }
            (Effect::Allow, Outcome::ExplicitDeny) => continue,
            (Effect::Allow, _) => outcome = Outcome::Allow,
            (Effect::Deny, Outcome::ExplicitDeny) => {}
        }
        matched.push(statement.matched.clone());
    }
    (outcome, matched)
}

fn is_root(principal: &Arn) -> bool {
    principal.service == "iam" && principal.region.is_empty() && principal.resource == "root"
}

/// A resource without an account, such as `*`, belongs to the caller's account.
fn same_account(principal: &Arn, resource: &str) -> bool {
    let mut sections = resource.splitn(6, ':');
    let (partition, account) = (sections.nth(1), sections.nth(2));
    account.is_none_or(|account| account.is_empty() || account == principal.account)
        && partition.is_none_or(|partition| partition == principal.partition)
}

fn root() -> Matched {
    let policy = "account root".into();
    Matched { policy, statement: 0, sid: None, file: "".into(), line: 0, effect: Effect::Allow }
}
