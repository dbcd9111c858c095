//! Access keys: made for a principal that the policies know.

use super::Broker;
use crate::secret::SecretValue;
use crate::vault::{AccessKeyRecord, VaultError};

/// Why there is no access key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// No policy file names the principal.
    #[error("no policy file names `{0}`: add the user or role to a file in the policy directory first")]
    UnknownPrincipal(String),
    /// It has as many as it may.
    #[error("Cannot exceed quota for AccessKeysPerUser: {MAX_KEYS}; delete a key of {0} first")]
    TooMany(String),
    /// The vault.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

/// As in IAM: two keys, so that one can be replaced while the other is in use.
const MAX_KEYS: usize = 2;

impl Broker {
    /// Makes an access key for a user, role or the account root. The caller has
    /// authorised and recorded it.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn create_access_key(&self, principal: &str) -> Result<(AccessKeyRecord, SecretValue), KeyError> {
        if !self.knows(principal) {
            return Err(KeyError::UnknownPrincipal(principal.to_owned()));
        }
        let made = self.vault.access_keys().create_within(MAX_KEYS, principal)?;
        made.ok_or_else(|| KeyError::TooMany(principal.to_owned()))
    }
}
