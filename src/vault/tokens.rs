//! Session tokens: temporary credentials that the vault need not remember.
//!
//! A token is the session's claims and secret key, sealed under a key of the
//! vault. Whoever holds it can only show it; only the broker opens it. It outlives
//! a restart of the broker and ends at its expiry.

use super::Vault;
use super::seal::{open, random, seal};
use crate::secret::SecretValue;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

const AAD: &[u8] = b"sealdock/1 session";
const CURSOR: &[u8] = b"sealdock/1 cursor";

/// Who a session is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionClaims {
    /// `ASIA...`
    pub access_key_id: String,
    /// ARN of the role.
    pub role: String,
    /// RoleSessionName.
    pub session_name: String,
    /// Unique id of the role, `AROA...`.
    pub role_id: String,
    /// When it began.
    pub created: Timestamp,
    /// When it ends.
    pub expires: Timestamp,
}

/// The token is not one of this vault's, or has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not made by this vault, or altered.
    #[error("the security token included in the request is invalid")]
    Invalid,
    /// Its time is over.
    #[error("the security token included in the request is expired")]
    Expired,
}

#[derive(Serialize, Deserialize)]
struct Sealed {
    claims: SessionClaims,
    secret: Zeroizing<String>,
}

impl Vault {
    /// Makes a session: its secret access key and its token.
    pub fn issue_session(&self, claims: &SessionClaims) -> (SecretValue, SecretValue) {
        let secret = Zeroizing::new(STANDARD.encode(random::<30>().as_ref()));
        let sealed = Sealed { claims: claims.clone(), secret: secret.clone() };
        let text = Zeroizing::new(serde_json::to_vec(&sealed).unwrap_or_default());
        let token = STANDARD.encode(seal(&self.keys.session, AAD, &text));
        (SecretValue::from((*secret).clone()), SecretValue::from(token))
    }

    /// Opens a token: the session's claims and its secret access key.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn open_session(&self, token: &str) -> Result<(SessionClaims, SecretValue), TokenError> {
        let sealed = STANDARD.decode(token).map_err(|_| TokenError::Invalid)?;
        let text = open(&self.keys.session, AAD, &sealed).map_err(|_| TokenError::Invalid)?;
        let mut opened: Sealed = serde_json::from_slice(&text).map_err(|_| TokenError::Invalid)?;
        if opened.claims.expires <= self.now() {
            return Err(TokenError::Expired);
        }
        Ok((opened.claims, SecretValue::from(std::mem::take(&mut *opened.secret))))
    }

    /// Seals a position in a list into a page token.
    pub fn seal_cursor(&self, position: &[u8]) -> String {
        STANDARD.encode(seal(&self.keys.session, CURSOR, position))
    }

    /// Opens a page token of this vault; `None` for anything else.
    pub fn open_cursor(&self, token: &str) -> Option<Zeroizing<Vec<u8>>> {
        open(&self.keys.session, CURSOR, &STANDARD.decode(token).ok()?).ok()
    }

    /// A fresh access key id for a session.
    pub fn session_key_id(&self) -> String {
        super::access_keys::key_id("ASIA")
    }
}
