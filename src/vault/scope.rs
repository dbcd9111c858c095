//! [`Scope`]: the account and Region that a record belongs to.
//!
//! Accounts and Regions are namespaces of one vault.

use serde::{Deserialize, Serialize};

/// An account and a Region.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Scope {
    /// 12-digit account id.
    pub account: String,
    /// Region code.
    pub region: String,
}

impl Scope {
    /// A scope.
    pub fn new(account: impl Into<String>, region: impl Into<String>) -> Self {
        Self { account: account.into(), region: region.into() }
    }

    /// Identity of the record called `name` in this scope. Neither account nor
    /// Region contains a slash, so that no two scopes share an identity.
    pub(crate) fn id(&self, name: &str) -> String {
        [&self.account, "/", &self.region, "/", name].concat()
    }
}
