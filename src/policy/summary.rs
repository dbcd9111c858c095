//! [`PolicySet`] as text, for the terminal:
//!
//! ```text
//! 2 identities
//! role  arn:aws:iam::111122223333:role/app  3 statements in 2 policies, trusts ecs-tasks.amazonaws.com
//! user  arn:aws:iam::111122223333:user/ann  1 statement in 1 policy
//! ```

use super::{IdentityKind, PolicySet, findings};
use std::collections::BTreeSet;

pub(super) fn text(set: &PolicySet) -> String {
    let mut lines = vec![counted(set.identities.len(), "identity", "identities")];
    let width = set.identities.iter().map(|identity| identity.arn.to_string().len()).max().unwrap_or(0);
    for identity in &set.identities {
        let kind = match identity.kind {
            IdentityKind::Role => "role",
            IdentityKind::User => "user",
        };
        let (statements, policies) = identity.counts();
        let mut line = format!(
            "{kind}  {arn:width$}  {} in {}",
            counted(statements, "statement", "statements"),
            counted(policies, "policy", "policies"),
            arn = identity.arn.to_string(),
        );
        let trusted: BTreeSet<String> = identity.trusted().map(ToString::to_string).collect();
        if !trusted.is_empty() {
            line.push_str(", trusts ");
            line.push_str(&trusted.into_iter().collect::<Vec<_>>().join(", "));
        }
        lines.push(line);
    }
    let mut text = lines.join("\n");
    if !set.warnings.is_empty() {
        text.push_str("\n\n");
        text.push_str(&findings::joined(&set.warnings));
    }
    text
}

fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
