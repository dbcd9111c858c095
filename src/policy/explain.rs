//! [`explain`]: a decision, and the statements about the action that had no part in it,
//! each with what kept it out.

use super::action::Action;
use super::document::Statement;
use super::doubts::doubts;
use super::facts::Facts;
use super::identity::StatementIndex;
use super::{Basis, Decision, Matched, PolicySet, Request, evaluate};

/// A decision with its surroundings.
#[derive(Debug)]
pub struct Explanation {
    /// The decision.
    pub decision: Decision,
    /// Statements about the action that do not apply to the request.
    pub near: Vec<Near>,
    /// What is probably a slip in the question.
    pub doubts: Vec<String>,
}

/// A statement that is about the action and does not apply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Near {
    /// The statement.
    pub statement: Matched,
    /// What kept it out: the ends of sentences that begin with "it".
    pub because: Vec<String>,
}

/// Decides one request as [`evaluate()`] does, and tells what else there is.
pub fn explain(set: &PolicySet, request: &Request<'_>) -> Explanation {
    let facts = Facts::new(set, request);
    let mut near = Vec::new();
    if let Some(action) = Action::parse(request.action) {
        let mut look = |basis: Basis, statement: &Statement| {
            if statement.actions.matches(action)
                && let because = misses(statement, &facts)
                && !because.is_empty()
            {
                near.push(Near { statement: Matched { basis, ..statement.matched.clone() }, because });
            }
        };
        let identity = facts.identity;
        let attached: [(Basis, Option<&StatementIndex>); 3] = [
            (Basis::Identity, identity.map(|identity| &identity.statements)),
            (Basis::Boundary, identity.and_then(|identity| identity.boundary.as_ref())),
            (Basis::Session, request.session.and_then(|s| s.policies).map(|policies| &policies.statements)),
        ];
        for (basis, index) in attached {
            let statements = index.into_iter().flat_map(|index| index.of_service(action.service));
            statements.for_each(|statement| look(basis, statement));
        }
        for statement in request.policy.iter().flat_map(|policy| &policy.statements) {
            look(statement.matched.basis, statement);
        }
    }
    Explanation { decision: evaluate(set, request), near, doubts: doubts(set, request) }
}

fn misses(statement: &Statement, facts: &Facts<'_>) -> Vec<String> {
    let mut because = Vec::new();
    if statement.principals.as_ref().is_some_and(|principals| principals.reach(facts).is_none()) {
        because.push("is about other principals".to_owned());
    }
    if !statement.is_about_resource(facts) {
        because.push("is about other resources".to_owned());
    }
    because.extend(statement.conditions.failing(facts).map(|condition| {
        let found = match condition.found(facts) {
            Some(value) => format!("the request has \"{value}\""),
            None => "the request has no such key".to_owned(),
        };
        format!("has the condition {condition}, and {found}")
    }));
    because
}
