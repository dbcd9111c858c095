//! Resource policies in compiled form, kept from one request to the next.
//!
//! The vault keeps a resource's policy as the text that was put; reading a secret must
//! not pay for compiling it each time. What is kept depends on the text alone, so it
//! never goes stale.

use super::Broker;
use crate::policy::{FileFindings, PolicyKind, ResourcePolicy};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// Policies kept at a time. When it is full, all are dropped: compiling one takes
/// microseconds, and only a vault with more policies than this in use notices.
const KEPT: usize = 4096;

/// Compiled policies by kind, name and text.
#[derive(Debug, Default)]
pub(super) struct Compiled {
    policies: RwLock<HashMap<PolicyKind, ByText>>,
}

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
}
