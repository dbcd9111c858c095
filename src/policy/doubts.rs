//! [`doubts`]: what is probably a slip in a question about a request. The decision stays what
//! it is; but a refusal of somebody who does not exist says nothing about the policies.

use super::action::{ActionPattern, ActionSet};
use super::facts::{Who, who};
use super::resource::{ResourcePattern, ResourceWarning};
use super::variable::Language;
use super::{PolicySet, Request, catalogue, known_keys};
use crate::arn::Arn;

/// Sentences for people, none if nothing is odd.
pub(super) fn doubts(set: &PolicySet, request: &Request<'_>) -> Vec<String> {
    let mut doubts = Vec::new();
    let principal = request.principal;
    if matches!(who(principal), Who::User | Who::Role) && set.principal(principal).is_none() {
        doubts.push(format!("no file defines `{principal}`: nothing is known of its policies"));
    }
    doubts.extend(of_action(request.action));
    doubts.extend(of_resource(request.resource));
    doubts.extend(of_resource_policy(set, request));
    let parsed = ActionPattern::parse(request.action).ok();
    let actions = ActionSet::new(parsed.into_iter().collect(), false);
    for key in request.keys.names() {
        if let Err(near) = known_keys::check(key, &actions) {
            let near = near.map(|near| format!("; a similar key exists: `{near}`")).unwrap_or_default();
            doubts.push(format!("no request has the condition key `{key}`{near}"));
        }
    }
    doubts
}

fn of_action(action: &str) -> Option<String> {
    if action.contains(['*', '?']) {
        return Some(format!("`{action}` is a pattern, and a request has one action"));
    }
    if action.eq_ignore_ascii_case("sts:GetCallerIdentity") {
        return Some("callers may always ask who they are, whatever policies say".to_owned());
    }
    let pattern = match ActionPattern::parse(action) {
        Ok(pattern) => pattern,
        Err(error) => return Some(format!("`{action}` is no action: {error}")),
    };
    let unknown = catalogue::check(action, &pattern).err()?;
    let near = unknown.nearest.map(|near| format!("; a similar action exists: `{near}`")).unwrap_or_default();
    Some(format!("there is no action `{action}`{near}"))
}

/// What the policy of the resource has to say and is not known here.
fn of_resource_policy(set: &PolicySet, request: &Request<'_>) -> Option<String> {
    let resource: Arn = request.resource.parse().ok()?;
    let service = request.action.split(':').next()?;
    if service.eq_ignore_ascii_case("sts")
        && who(&resource) == Who::Role
        && set.principal(&resource).is_none()
    {
        return Some(format!("no file defines `{resource}`: it trusts nobody"));
    }
    let is_key = service.eq_ignore_ascii_case("kms") && resource.resource.starts_with("key/");
    (is_key && request.policy.is_none()).then(|| {
        format!("the policy of `{resource}` is not given here, and it has to allow the action as well")
    })
}

fn of_resource(resource: &str) -> Option<String> {
    if resource == "*" {
        return None;
    }
    match ResourcePattern::parse(resource, Language::V2008) {
        Err(error) => Some(format!("`{resource}` is not the ARN of a resource: {error}")),
        Ok(ResourcePattern { warning: Some(ResourceWarning::NoSuffix), .. }) => Some(format!(
            "`{resource}` is not the whole ARN of a secret: `-` and six characters are missing at its end"
        )),
        Ok(ResourcePattern { warning: Some(ResourceWarning::Completed(_)), .. }) => {
            Some(format!("`{resource}` is not a whole ARN"))
        }
        Ok(_) if resource.contains(['*', '?']) => {
            Some(format!("`{resource}` is a pattern, and a request is about one resource"))
        }
        Ok(_) => None,
    }
}
