//! Whether a resource's policy is public: whether it lets in people who are not bounded.
//!
//! An `Allow` for everyone is bounded by a condition that compares one of these keys with
//! fixed values, that is, without wildcards and policy variables:
//!
//! * whose request it is: `aws:PrincipalArn`, `aws:PrincipalAccount`, `aws:PrincipalOrgID`,
//!   `aws:PrincipalOrgPaths`, `aws:userid`, `kms:CallerAccount`
//! * for whom a service asks: `aws:SourceArn`, `aws:SourceAccount`, `aws:SourceOrgID`,
//!   `aws:SourceOrgPaths`
//! * where it comes from: `aws:SourceVpc`, `aws:SourceVpce`, and `aws:SourceIp` if the range
//!   is narrower than a /8 (IPv4) or a /32 (IPv6)
//!
//! A negated operator, `..IfExists` and `ForAllValues` bound nothing: a request without
//! the key passes them.
//!
//! Source: Amazon S3 User Guide, "The meaning of public", to which Secrets Manager User
//! Guide, "Managing a resource-based policy for a secret", refers.

use super::Effect;
use super::condition::Condition;
use super::document::{Principals, Statement};
use super::operand::Operand;
use super::operator::{Quantifier, Test};

/// Keys of which fixed values say who may.
const BOUNDING: [&str; 13] = [
    "aws:principalaccount",
    "aws:principalarn",
    "aws:principalorgid",
    "aws:principalorgpaths",
    "aws:sourceaccount",
    "aws:sourcearn",
    "aws:sourceip",
    "aws:sourceorgid",
    "aws:sourceorgpaths",
    "aws:sourcevpc",
    "aws:sourcevpce",
    "aws:userid",
    "kms:calleraccount",
];

pub(super) fn is_public(statement: &Statement) -> bool {
    let everyone = match &statement.principals {
        Some(Principals::Only(set)) => set.is_everyone(),
        Some(Principals::AllBut(_)) => true,
        None => false,
    };
    statement.matched.effect == Effect::Allow && everyone && !statement.conditions.iter().any(bounds)
}

fn bounds(condition: &Condition) -> bool {
    let operator = condition.operator;
    let key = condition.key.name.to_ascii_lowercase();
    if operator.negated
        || operator.if_exists
        || operator.quantifier == Quantifier::All
        || operator.test == Test::Null
        || !BOUNDING.contains(&&*key)
    {
        return false;
    }
    !condition.operands.is_empty() && condition.operands.iter().all(|operand| is_fixed(operand, &key))
}

fn is_fixed(operand: &Operand, key: &str) -> bool {
    match operand {
        Operand::Text(pattern) => {
            let text = pattern.literal_parts();
            pattern.variables().next().is_none()
                && match key {
                    // The account of an ARN and the id of a role bound who it is, whatever
                    // resource or session follows.
                    "aws:sourcearn" | "aws:principalarn" => text
                        .split(':')
                        .nth(4)
                        .is_some_and(|account| !account.is_empty() && !account.contains('*')),
                    "aws:userid" => {
                        text.split(':').next().is_some_and(|id| !id.is_empty() && !id.contains('*'))
                    }
                    // Paths begin with the organization.
                    "aws:principalorgpaths" | "aws:sourceorgpaths" => {
                        text.split('/').next().is_some_and(|org| !org.is_empty() && !org.contains('*'))
                    }
                    _ => !text.contains('*'),
                }
        }
        Operand::Range { network, prefix } => {
            let widest = if network.is_ipv4() { 8 } else { 32 };
            *prefix > widest
        }
        _ => false,
    }
}
