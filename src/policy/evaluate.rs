//! [`evaluate`]: a request against all policies that concern it.
//!
//! ```text
//! a statement of any policy denies                       -> explicit deny
//! limited = identity policies allow, and the permissions
//!           boundary and the session policies, if any, do
//! same account:  limited, or the resource's policy allows
//!                the caller itself                        -> allow
//! other account: limited, and the resource's policy allows -> allow
//! else                                                     -> implicit deny
//! ```
//!
//! Within one account it matters whom the resource's policy names: a user or a session
//! is allowed without more; a role, or everyone, within the limits of boundary and
//! session policies; the account only as far as identity policies go. The policies of
//! KMS keys and of roles have to allow in every case.
//!
//! The account root may do everything in its own account. A principal that no file knows
//! has no policies.
//!
//! Source: IAM User Guide, "Policy evaluation for requests within a single account" and
//! "Cross-account policy evaluation logic".

use super::action::Action;
use super::decision::Basis;
use super::document::Statement;
use super::principal::Reach;
use super::requester::{Requester, Who, service_arn};
use super::{Decision, Effect, Matched, Outcome, PolicyKind, PolicySet, Request};
use crate::arn::Arn;

/// Decides one request.
pub fn evaluate(set: &PolicySet, request: &Request<'_>) -> Decision {
    let requester = Requester::new(set, request);
    let parsed = Action::parse(request.action);
    let identity = identity(&requester, parsed, request);
    let resource = resource(&requester, parsed, request);
    let (basis, outcome, matched) = combined(&requester, request, identity, resource);
    Decision {
        principal: Box::new(request.principal.clone()),
        action: request.action.into(),
        resource: request.resource.into(),
        outcome,
        basis,
        matched,
        digest: std::sync::Arc::clone(&set.digest),
    }
}

/// Decides whether the trust policy of `role` lets an AWS service, such as
/// `ecs-tasks.amazonaws.com`, have the role: `sts:AssumeRole` by that service.
pub fn evaluate_trust(set: &PolicySet, role: &Arn, service: &str) -> Decision {
    let (principal, resource) = (service_arn(service), role.to_string());
    let policy = set.principal(role).and_then(|identity| identity.trust.as_ref());
    let request = Request { policy, ..Request::new(&principal, "sts:AssumeRole", &resource) };
    let decision = evaluate(set, &request);
    // A role that no file knows trusts nobody.
    if policy.is_none() { Decision { basis: Basis::Trust, ..decision } } else { decision }
}

type Combined = (Basis, Outcome, Vec<Matched>);

fn combined(
    requester: &Requester<'_>,
    request: &Request<'_>,
    identity: Verdict,
    resource: Verdict,
) -> Combined {
    let basis = if requester.who == Who::Root { Basis::Root } else { Basis::Identity };
    let own = if request.policy.is_some_and(|policy| policy.kind == PolicyKind::Trust) {
        Basis::Trust
    } else {
        Basis::Resource
    };
    for (basis, verdict) in [(basis, &identity), (own, &resource)] {
        if verdict.outcome == Outcome::ExplicitDeny {
            return (basis, Outcome::ExplicitDeny, verdict.matched.clone());
        }
    }
    let mandatory = request.policy.is_some_and(|p| matches!(p.kind, PolicyKind::Kms | PolicyKind::Trust));
    let foreign = !same_account(request.principal, request.resource);
    let allowed = identity.outcome == Outcome::Allow;
    let direct = resource.reach >= Some(Reach::Limited);
    let independent = matches!(requester.who, Who::Service(_) | Who::Federated);
    if independent || (!foreign && direct && !allowed) {
        return (own, resource.outcome, resource.matched);
    }
    if !allowed {
        return (basis, Outcome::ImplicitDeny, Vec::new());
    }
    if (foreign || mandatory) && resource.outcome != Outcome::Allow {
        return (own, Outcome::ImplicitDeny, Vec::new());
    }
    let mut matched = identity.matched;
    matched.extend(resource.matched);
    (basis, Outcome::Allow, matched)
}

/// What the policies of one kind say.
struct Verdict {
    outcome: Outcome,
    matched: Vec<Matched>,
    /// The best reach of a statement that allows; only policies of resources have one.
    reach: Option<Reach>,
}

fn identity(requester: &Requester<'_>, action: Option<Action<'_>>, request: &Request<'_>) -> Verdict {
    if requester.who == Who::Root {
        return Verdict { outcome: Outcome::Allow, matched: vec![root()], reach: None };
    }
    let statements = requester.identity.zip(action).map(|(identity, action)| {
        let candidates = identity.statements.of_service(action.service);
        candidates.filter(move |statement| statement.applies(action, request.resource)).map(|s| (s, None))
    });
    decide(statements.into_iter().flatten())
}

fn resource(requester: &Requester<'_>, action: Option<Action<'_>>, request: &Request<'_>) -> Verdict {
    let statements = request.policy.zip(action).map(|(policy, action)| {
        let reaching = policy.statements.iter().filter_map(|statement| {
            let reach = statement.principals.as_ref()?.reach(requester)?;
            Some((statement.as_ref(), Some(reach)))
        });
        reaching.filter(move |(statement, _)| statement.applies(action, request.resource))
    });
    decide(statements.into_iter().flatten())
}

/// The outcome of the statements that apply, and those that made it so.
fn decide<'a>(applying: impl Iterator<Item = (&'a Statement, Option<Reach>)>) -> Verdict {
    let mut verdict = Verdict { outcome: Outcome::ImplicitDeny, matched: Vec::new(), reach: None };
    for (statement, reach) in applying {
        match (statement.matched.effect, verdict.outcome) {
            (Effect::Deny, Outcome::Allow | Outcome::ImplicitDeny) => {
                verdict.outcome = Outcome::ExplicitDeny;
                verdict.matched.clear();
            }
            (Effect::Allow, Outcome::ExplicitDeny) => continue,
            (Effect::Allow, _) => {
                verdict.outcome = Outcome::Allow;
                verdict.reach = verdict.reach.max(reach);
            }
            (Effect::Deny, Outcome::ExplicitDeny) => {}
        }
        verdict.matched.push(statement.matched.clone());
    }
    verdict
}

/// A resource without an account, such as `*`, belongs to the caller's account.
fn same_account(principal: &Arn, resource: &str) -> bool {
    let mut sections = resource.splitn(6, ':');
    let (partition, account) = (sections.nth(1), sections.nth(2));
    account.is_none_or(|account| account.is_empty() || account == principal.account)
        && partition.is_none_or(|partition| partition == principal.partition)
}

fn root() -> Matched {
    Matched {
        policy: "account root".into(),
        statement: 0,
        sid: None,
        file: "".into(),
        line: 0,
        effect: Effect::Allow,
        basis: Basis::Root,
    }
}
