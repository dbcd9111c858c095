//! [`KeyPermits`]: the second proof that a value under a customer key needs.
//!
//! A permit for the secret or the parameter is not enough there: the key has its own
//! policy, and its own decision stands in the audit log. The keyring gives a customer
//! key only to whoever shows a permit for that key, so that an operation which forgets to
//! ask for one fails closed.

use crate::audit::Permit;

/// Permits for the customer keys that one request uses, each for one value: a policy may tell values
/// apart by their encryption context, so that what is allowed for one is not for another under the
/// same key. A value is named by its version id, or by the ARN of its parameter.
#[derive(Debug, Default)]
pub struct KeyPermits(Vec<(String, Permit)>);

impl KeyPermits {
    /// None: all that a value under a service's own key needs.
    pub const fn none() -> Self {
        Self(Vec::new())
    }

    /// Adds one for `value`.
    pub fn add(&mut self, value: impl Into<String>, permit: Permit) {
        self.0.push((value.into(), permit));
    }

    /// Takes over those of `other`.
    pub fn join(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Whether one of them is for one of `actions` with the key `arn` on `value`.
    pub fn cover(&self, actions: &[&str], arn: &str, value: &str) -> bool {
        let covers = |permit: &Permit| actions.iter().any(|action| permit.covers(action, arn));
        self.0.iter().any(|(of, permit)| of == value && covers(permit))
    }
}
