//! Policies of resources and sessions in compiled form, kept from one request to the next.
//!
//! The vault and the tokens keep a policy as the text that was put; reading a secret must
//! not pay for compiling it each time. What is kept depends on the texts alone, those of
//! the policy set included, so it never goes stale.

use super::Broker;
use crate::policy::{FileFindings, PolicyKind, PolicySet, ResourcePolicy, SessionPolicies};
use crate::vault::SessionClaims;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// Policies kept at a time. When it is full, all are dropped: compiling one takes
/// microseconds, and only a vault with more policies than this in use notices.
const KEPT: usize = 4096;

/// Compiled policies by kind, name and text.
#[derive(Debug, Default)]
pub(super) struct Compiled {
    policies: RwLock<HashMap<PolicyKind, ByText>>,
    sessions: RwLock<HashMap<SessionKey, Arc<SessionPolicies>>>,
}

/// Digest of the policy set, inline policy, ARNs of managed policies.
type SessionKey = (String, Option<String>, Vec<String>);

type ByText = HashMap<String, Arc<ResourcePolicy>>;

impl Broker {
    /// The compiled policy of the resource called `name`.
    ///
    /// # Errors
    /// Every error of the document: a policy that cannot be read allows nothing, so the
    /// request that needs it fails.
    pub fn resource_policy(
        &self,
        name: &str,
        json: &str,
        kind: PolicyKind,
    ) -> Result<Arc<ResourcePolicy>, FileFindings> {
        // No name holds a line feed, so two pairs of name and text never share a key.
        let key = format!("{name}\n{json}");
        let known = self.compiled.policies.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(policy) = known.get(&kind).and_then(|by_text| by_text.get(&key)) {
            return Ok(Arc::clone(policy));
        }
        drop(known);
        let policy = Arc::new(ResourcePolicy::parse(name, json, kind)?);
        let mut known = self.compiled.policies.write().unwrap_or_else(PoisonError::into_inner);
        let by_text = known.entry(kind).or_default();
        if by_text.len() >= KEPT {
            by_text.clear();
        }
        by_text.insert(key, Arc::clone(&policy));
        Ok(policy)
    }

    /// What limits a session; `None` if nothing does. Policies that cannot be compiled any
    /// more, because a managed policy is gone, allow nothing.
    pub(super) fn session_limits(
        &self,
        set: &PolicySet,
        claims: &SessionClaims,
    ) -> Option<Arc<SessionPolicies>> {
        if !claims.has_policies() {
            return None;
        }
        let key = (set.digest().to_owned(), claims.policy.clone(), claims.policy_arns.clone());
        let known = self.compiled.sessions.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(policies) = known.get(&key) {
            return Some(Arc::clone(policies));
        }
        drop(known);
        let compiled = set.session_policies(claims.policy.as_deref(), &claims.policy_arns);
        let policies = compiled.unwrap_or_else(|error| {
            tracing::warn!(principal = %claims.principal, session = %claims.session_name, %error,
                "a session may do nothing: its policies cannot be read");
            None
        });
        let policies = Arc::new(policies.unwrap_or_default());
        let mut known = self.compiled.sessions.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KEPT {
            known.clear();
        }
        known.insert(key, Arc::clone(&policies));
        Some(policies)
    }
}
