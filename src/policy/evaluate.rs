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
use super::document::Statement;
use super::facts::{Facts, Who, account, service_arn};
use super::identity::StatementIndex;
use super::principal::Reach;
use super::{Basis, ConditionKeys, Decision, Effect, Matched, Outcome, PolicyKind, PolicySet, Request};
use crate::arn::Arn;
use std::sync::Arc;

/// Decides one request.
pub fn evaluate(set: &PolicySet, request: &Request<'_>) -> Decision {
    let facts = Facts::new(set, request);
    let (basis, outcome, matched) = Verdicts::new(&facts).combined(&facts);
    Decision {
        principal: match facts.identity {
            Some(identity) => Arc::clone(&identity.arn),
            None => Arc::new(request.principal.clone()),
        },
        action: request.action.into(),
        resource: request.resource.into(),
        outcome,
        basis,
        matched,
        digest: Arc::clone(&set.digest),
    }
}

/// Decides whether the trust policy of `role` lets an AWS service, such as
/// `ecs-tasks.amazonaws.com`, have the role: `sts:AssumeRole` by that service.
pub fn evaluate_trust(set: &PolicySet, role: &Arn, service: &str, keys: &ConditionKeys) -> Decision {
    let (principal, resource) = (service_arn(service), role.to_string());
    let policy = set.principal(role).and_then(|identity| identity.trust.as_ref());
    let request = Request { policy, keys, ..Request::new(&principal, "sts:AssumeRole", &resource) };
    let decision = evaluate(set, &request);
    // A role that no file knows trusts nobody.
    if policy.is_none() { Decision { basis: Basis::Trust, ..decision } } else { decision }
}

/// What the policies of each kind say.
struct Verdicts {
    identity: Verdict,
    /// The permissions boundary and the session policies, if there are any: each takes
    /// away what it does not allow.
    limits: [Option<Verdict>; 2],
    resource: Option<Verdict>,
}

/// What the policies of one kind say.
struct Verdict {
    basis: Basis,
    outcome: Outcome,
    matched: Vec<Matched>,
    /// The best reach of a statement that allows; only policies of resources have one.
    reach: Option<Reach>,
}

impl Verdicts {
    fn new(facts: &Facts<'_>) -> Self {
        let request = facts.request;
        let Some(action) = Action::parse(request.action) else {
            let nothing = Verdict::of(Basis::Identity, std::iter::empty());
            return Self { identity: nothing, limits: [None, None], resource: None };
        };
        let attached = |basis, index: &StatementIndex| {
            let statements = index.about(action.service, request.resource);
            let applying = statements.filter(|s| s.applies(action, facts));
            Verdict::of(basis, applying.map(|statement| (statement, None)))
        };
        let identity = match (facts.who, facts.identity) {
            (Who::Root, _) => Verdict::root(),
            (_, Some(identity)) => attached(Basis::Identity, &identity.statements),
            (_, None) => Verdict::of(Basis::Identity, std::iter::empty()),
        };
        let boundary = facts.identity.and_then(|identity| identity.boundary.as_ref());
        let session = request.session.and_then(|session| session.policies);
        let resource = request.policy.map(|policy| {
            let basis = if policy.kind == PolicyKind::Trust { Basis::Trust } else { Basis::Resource };
            let reaching = policy.statements.iter().filter_map(|statement| {
                let reach = statement.principals.as_ref()?.reach(facts)?;
                statement.applies(action, facts).then_some((statement.as_ref(), Some(reach)))
            });
            Verdict::of(basis, reaching)
        });
        Self {
            identity,
            limits: [
                boundary.map(|index| attached(Basis::Boundary, index)),
                session.map(|policies| attached(Basis::Session, &policies.statements)),
            ],
            resource,
        }
    }

    fn combined(self, facts: &Facts<'_>) -> (Basis, Outcome, Vec<Matched>) {
        let Self { identity, limits, resource } = self;
        let all = std::iter::once(&identity).chain(limits.iter().flatten()).chain(&resource);
        if let Some(deny) = all.clone().find(|verdict| verdict.outcome == Outcome::ExplicitDeny) {
            return (deny.basis, Outcome::ExplicitDeny, deny.matched.clone());
        }
        let allowing = || all.clone().flat_map(|verdict| verdict.matched.iter().cloned()).collect();
        let implicit = |basis| (basis, Outcome::ImplicitDeny, Vec::new());
        let own = resource.as_ref().map_or(Basis::Resource, |verdict| verdict.basis);
        let granted = resource.as_ref().is_some_and(Verdict::allows);
        // Services and providers have no policies of their own.
        if matches!(facts.who, Who::Service(_) | Who::Federated) {
            return if granted { (own, Outcome::Allow, allowing()) } else { implicit(own) };
        }
        let foreign = !same_account(facts.request.principal, facts.request.resource);
        let reach = resource.as_ref().and_then(|verdict| verdict.reach).filter(|_| !foreign);
        let limit = limits.iter().flatten().find(|verdict| !verdict.allows()).map(|verdict| verdict.basis);
        if reach == Some(Reach::Direct) && (!identity.allows() || limit.is_some()) {
            return (own, Outcome::Allow, resource.map(|verdict| verdict.matched).unwrap_or_default());
        }
        if !identity.allows() && reach != Some(Reach::Limited) {
            return implicit(identity.basis);
        }
        if let Some(basis) = limit {
            return implicit(basis);
        }
        let kind = facts.request.policy.map(|policy| policy.kind);
        let mandatory = matches!(kind, Some(PolicyKind::Kms | PolicyKind::Trust));
        if (foreign || mandatory) && !granted {
            return implicit(own);
        }
        let basis = if identity.allows() { identity.basis } else { own };
        (basis, Outcome::Allow, allowing())
    }
}

impl Verdict {
    /// The outcome of the statements that apply, and those that made it so.
    fn of<'a>(basis: Basis, applying: impl Iterator<Item = (&'a Statement, Option<Reach>)>) -> Self {
        let mut verdict = Self { basis, outcome: Outcome::ImplicitDeny, matched: Vec::new(), reach: None };
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
            verdict.matched.push(Matched { basis, ..statement.matched.clone() });
        }
        verdict
    }

    fn root() -> Self {
        let matched = Matched {
            policy: "account root".into(),
            statement: 0,
            sid: None,
            file: "".into(),
            line: 0,
            effect: Effect::Allow,
            basis: Basis::Root,
        };
        Self { basis: Basis::Root, outcome: Outcome::Allow, matched: vec![matched], reach: None }
    }

    fn allows(&self) -> bool {
        self.outcome == Outcome::Allow
    }
}

/// A resource without an account, such as `*`, belongs to the caller's account.
fn same_account(principal: &Arn, resource: &str) -> bool {
    let partition = resource.split(':').nth(1);
    account(resource).is_none_or(|account| account == principal.account)
        && partition.is_none_or(|partition| partition == principal.partition)
}
