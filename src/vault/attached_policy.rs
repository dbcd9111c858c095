//! [`AttachedPolicy`]: the resource policy of a secret, kept as it was written and
//! compiled once, when it is attached or its record is opened.
//!
//! A text that no longer compiles (a vault that another version wrote) is kept, so that it
//! can be shown and replaced; [`AttachedPolicy::compiled`] has nothing to give then, and
//! whoever enforces the policy must refuse.

use crate::policy::{FileFindings, PolicyKind, ResourcePolicy};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A policy document and what it means.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct AttachedPolicy {
    text: String,
    compiled: Option<Arc<ResourcePolicy>>,
}

/// How decisions and the audit log call it; the resource stands beside it there.
const NAME: &str = "resource policy";

impl AttachedPolicy {
    /// A policy for a secret.
    ///
    /// # Errors
    /// Every error of the document.
    pub fn parse(text: String) -> Result<Self, FileFindings> {
        let compiled = ResourcePolicy::parse(NAME, &text, PolicyKind::SecretsManager)?;
        Ok(Self { text, compiled: Some(Arc::new(compiled)) })
    }

    /// The document as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What it means; `None` when the stored text does not compile.
    pub fn compiled(&self) -> Option<&ResourcePolicy> {
        self.compiled.as_deref()
    }
}

impl From<String> for AttachedPolicy {
    fn from(text: String) -> Self {
        Self::parse(text.clone()).unwrap_or(Self { text, compiled: None })
    }
}

impl From<AttachedPolicy> for String {
    fn from(policy: AttachedPolicy) -> Self {
        policy.text
    }
}

impl PartialEq for AttachedPolicy {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
        "Principal": {"AWS": "111122223333"}, "Action": "secretsmanager:GetSecretValue", "Resource": "*"}]}"#;

    #[test]
    fn is_kept_as_written_and_compiled_when_opened() {
        let policy = AttachedPolicy::parse(GOOD.to_owned()).unwrap();
        assert_eq!((policy.text(), policy.compiled().is_some()), (GOOD, true));
        let stored = serde_json::to_string(&policy).unwrap();
        let opened: AttachedPolicy = serde_json::from_str(&stored).unwrap();
        assert_eq!((&opened, opened.compiled().is_some()), (&policy, true));
    }

    #[test]
    fn what_does_not_compile_is_not_attached_but_survives_in_a_record() {
        assert!(AttachedPolicy::parse("{}".to_owned()).is_err());
        let opened: AttachedPolicy = serde_json::from_str(r#""{\"Statement\": 1}""#).unwrap();
        assert_eq!((opened.text(), opened.compiled().is_none()), (r#"{"Statement": 1}"#, true));
    }
}
