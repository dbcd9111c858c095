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
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

const AAD: &[u8] = b"sealdock/1 session";
const CURSOR: &[u8] = b"sealdock/1 cursor";

/// Who a session is, and what limits it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionClaims {
    /// `ASIA...`
    pub access_key_id: String,
    /// ARN of the role; of the user or the account root for a session of its own.
    #[serde(rename = "role")]
    pub principal: String,
    /// RoleSessionName; empty where no role was assumed.
    pub session_name: String,
    /// Unique id of the principal: `AROA...`, `AIDA...`, or the account of the root.
    #[serde(rename = "role_id")]
    pub principal_id: String,
    /// When it began.
    pub created: Timestamp,
    /// When it ends.
    pub expires: Timestamp,
    /// The task that it belongs to and ends with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// ARN of who asked for it: a user, a session, or an AWS service such as
    /// `ecs-tasks.amazonaws.com`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assumed_by: Option<String>,
    /// The access key that asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_with: Option<String>,
    /// The access keys that this one was made with in turn, oldest first; see [`SessionClaims::ancestors`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ancestors: Vec<String>,
    /// Whether a session asked for it: role chaining.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub chained: bool,
    /// Session policy, as JSON: the session may do what both it and the role allow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// ARNs of managed policies that limit it as the session policy does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policy_arns: Vec<String>,
    /// Session tags, those that were inherited included.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<(String, String)>,
    /// Keys of the tags that sessions made from this one inherit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transitive: Vec<String>,
    /// SourceIdentity, which sessions made from this one keep.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_identity: Option<String>,
}

/// Ancestors that a token names. Of a longer chain it names the first, with which it all began, and
/// the latest.
const ANCESTORS: usize = 64;

impl SessionClaims {
    /// The ancestors of a session that is made with this one.
    pub fn ancestors(&self) -> Vec<String> {
        let mut keys = self.ancestors.clone();
        keys.extend(self.made_with.clone());
        if keys.len() > ANCESTORS {
            keys.remove(1);
        }
        keys
    }

    /// Whether anything but the principal's own policies limits it.
    pub fn has_policies(&self) -> bool {
        self.policy.is_some() || !self.policy_arns.is_empty()
    }
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

/// Claims of tokens that were opened lately, so that not each request of a session unseals and
/// parses its token. They do not go stale: what a token says never changes, and whether it has
/// ended is asked each time. Secret access keys are not among them.
#[derive(Default)]
pub(super) struct OpenedTokens(RwLock<Opened>);

#[derive(Default)]
struct Opened {
    by_access_key: HashMap<String, (Zeroizing<Vec<u8>>, Arc<SessionClaims>)>,
    /// Of the tokens; the claims take about as much again.
    bytes: usize,
}

/// Bytes of tokens kept at a time: of some twenty thousand sessions, fewer if they have policies.
const KEPT: usize = 16 << 20;

// Tokens are among them.
impl std::fmt::Debug for OpenedTokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OpenedTokens(..)")
    }
}

impl OpenedTokens {
    fn get(&self, access_key_id: &str, token: &[u8]) -> Option<Arc<SessionClaims>> {
        let opened = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let (kept, claims) = opened.by_access_key.get(access_key_id)?;
        // How long it takes to find a difference tells nothing of use: a token without the secret access
        // key signs nothing.
        (kept.as_slice() == token).then(|| Arc::clone(claims))
    }

    fn keep(&self, token: &[u8], claims: &Arc<SessionClaims>) {
        let mut opened = self.0.write().unwrap_or_else(PoisonError::into_inner);
        // When it is full, all go: opening one takes microseconds.
        if opened.bytes + token.len() > KEPT {
            *opened = Opened::default();
        }
        let entry = (Zeroizing::new(token.to_vec()), Arc::clone(claims));
        opened.bytes += token.len();
        if let Some((old, _)) = opened.by_access_key.insert(claims.access_key_id.clone(), entry) {
            opened.bytes -= old.len();
        }
    }
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

    /// The claims of the session with this access key, which its token proves.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn session(
        &self,
        access_key_id: &str,
        token: &SecretValue,
    ) -> Result<Arc<SessionClaims>, TokenError> {
        #[expect(clippy::disallowed_methods, reason = "the token is opened to learn whose it is")]
        let token = token.expose();
        let known = self.tokens.get(access_key_id, token);
        let claims = match &known {
            Some(claims) => Arc::clone(claims),
            None => Arc::new(self.open_token(token)?.claims),
        };
        if !bool::from(claims.access_key_id.as_bytes().ct_eq(access_key_id.as_bytes())) {
            return Err(TokenError::Invalid);
        }
        if claims.expires <= self.now() {
            return Err(TokenError::Expired);
        }
        if known.is_none() {
            self.tokens.keep(token, &claims);
        }
        Ok(claims)
    }

    /// The secret access key of the session that a token is of.
    ///
    /// # Errors
    /// [`TokenError::Invalid`].
    pub fn session_secret(&self, token: &SecretValue) -> Result<SecretValue, TokenError> {
        #[expect(clippy::disallowed_methods, reason = "the token is opened for what it holds")]
        let mut opened = self.open_token(token.expose())?;
        Ok(SecretValue::from(std::mem::take(&mut *opened.secret)))
    }

    fn open_token(&self, token: &[u8]) -> Result<Sealed, TokenError> {
        let sealed = STANDARD.decode(token).map_err(|_| TokenError::Invalid)?;
        let text = open(&self.keys.session, AAD, &sealed).map_err(|_| TokenError::Invalid)?;
        serde_json::from_slice(&text).map_err(|_| TokenError::Invalid)
    }

    /// Seals a position in a list into a page token.
    pub fn seal_cursor(&self, position: &[u8]) -> String {
        STANDARD.encode(seal(&self.keys.session, CURSOR, position))
    }

    /// Opens a page token of this vault; `None` for anything else.
    pub fn open_cursor(&self, token: &str) -> Option<Zeroizing<Vec<u8>>> {
        open(&self.keys.session, CURSOR, &STANDARD.decode(token).ok()?).ok()
    }

    /// A fresh access key id for a session of this account.
    pub fn session_key_id(&self, account: &str) -> String {
        super::access_keys::key_id("ASIA", account)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_of_an_earlier_version_open() {
        let old = r#"{"access_key_id": "ASIAX", "role": "arn:aws:iam::111122223333:role/app", "session_name": "task",
            "role_id": "AROAX", "created": "2026-11-24T00:00:00Z", "expires": "2026-11-24T06:00:00Z"}"#;
        let claims: SessionClaims = serde_json::from_str(old).unwrap();
        assert_eq!(
            (claims.principal_id.as_str(), claims.chained, claims.has_policies()),
            ("AROAX", false, false)
        );
        let text = serde_json::to_string(&claims).unwrap();
        assert!(text.contains("role_id") && !text.contains("tags"), "{text}");
    }

    #[test]
    fn opened_tokens_are_bounded_and_known_by_all_of_their_bytes() {
        let opened = OpenedTokens::default();
        let claims =
            |id: &str| Arc::new(SessionClaims { access_key_id: id.into(), ..SessionClaims::default() });
        opened.keep(b"one", &claims("ASIA1"));
        opened.keep(b"two", &claims("ASIA1"));
        assert_eq!(opened.0.read().unwrap().bytes, 3);
        assert!(opened.get("ASIA1", b"two").is_some());
        for other in [b"one".as_slice(), b"tw", b"twoo", b""] {
            assert!(opened.get("ASIA1", other).is_none());
        }
        let large = vec![b'x'; KEPT / 4];
        for number in 0..40 {
            let id = format!("ASIA{number}");
            opened.keep(&large, &claims(&id));
            let kept = opened.0.read().unwrap();
            assert!(
                kept.bytes <= KEPT && kept.by_access_key.len() <= 5 && kept.by_access_key.contains_key(&id)
            );
        }
    }

    #[test]
    fn ancestors_are_all_of_a_chain_and_of_a_long_one_the_first_and_the_latest() {
        let mut claims = SessionClaims { made_with: Some("AKIA".into()), ..SessionClaims::default() };
        for number in 0..100 {
            claims = SessionClaims {
                ancestors: claims.ancestors(),
                made_with: Some(format!("ASIA{number}")),
                ..SessionClaims::default()
            };
            let count = claims.ancestors.len();
            assert_eq!(claims.ancestors.first().map(String::as_str), Some("AKIA"));
            assert!(
                count == 64.min(number + 1)
                    && (count < 2 || claims.ancestors[count - 1] == format!("ASIA{}", number - 1))
            );
        }
    }
}
