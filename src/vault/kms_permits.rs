//! [`KeyPermits`]: the second proof that a value under a customer key needs.
//!
//! A permit for the secret or the parameter is not enough there: the key has its own
//! policy, and its own decision stands in the audit log. The keyring gives a customer
//! key only to whoever shows a permit for that key, so that an operation which forgets to
//! ask for one fails closed.

use crate::audit::Permit;

/// Permits for the customer keys that one request uses.
#[derive(Debug, Default)]
pub struct KeyPermits(Vec<Permit>);

impl KeyPermits {
    /// None: all that a value under a service's own key needs.
    pub const fn none() -> Self {
        Self(Vec::new())
    }

    /// Adds one.
    pub fn add(&mut self, permit: Permit) {
        self.0.push(permit);
    }

    /// Whether one of them is for one of `actions` on the key `arn`.
    pub fn cover(&self, actions: &[&str], arn: &str) -> bool {
        self.0.iter().any(|permit| actions.iter().any(|action| permit.covers(action, arn)))
    }
}

impl FromIterator<Permit> for KeyPermits {
    fn from_iter<I: IntoIterator<Item = Permit>>(permits: I) -> Self {
        Self(permits.into_iter().collect())
    }
}
