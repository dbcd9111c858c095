//! [`Caller`]: who makes a request, once that is proven.
//!
//! A caller is proven by a signature (access key or session) or, over the Unix
//! socket, by the kernel (uid of the peer). The principal is what policies speak
//! of: the user, the role or the account root.

use super::Broker;
use crate::arn::{Arn, arn};
use crate::policy::IdentityKind;
use crate::secret::SecretValue;
use crate::vault::{AccessKeyRecord, Row, SessionClaims, TokenError, VaultError};
use std::sync::Arc;

/// A proven caller.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The user, role or root that policies decide about.
    pub principal: Arc<Arn>,
    /// The ARN shown to people: of a session, the assumed-role ARN.
    pub arn: Arc<str>,
    /// Unique id: `AIDA...`, `AROA...:session`, or the account id for root.
    pub id: Arc<str>,
    /// How it was proven.
    pub proof: Proof,
}

/// How a caller was proven.
#[derive(Clone, Debug)]
pub enum Proof {
    /// A signature with a long-term access key.
    AccessKey {
        /// `AKIA...`
        id: String,
    },
    /// A signature with temporary credentials.
    Session(Arc<SessionClaims>),
    /// The kernel's word for the peer of the Unix socket.
    Peer {
        /// User id of the peer process.
        uid: u32,
    },
}

/// Who a request claims to come from, and where the secret to check that is.
#[derive(Debug)]
pub struct Claimed<'t> {
    /// The caller, if the signature is right.
    pub caller: Caller,
    secret: Secret<'t>,
}

#[derive(Debug)]
enum Secret<'t> {
    Token(&'t SecretValue),
    Key(Arc<Row<AccessKeyRecord>>),
}

/// Why a request's credentials prove nobody.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// Unknown or inactive key, a token of another vault, or a key without its token.
    #[error("the security token included in the request is invalid")]
    Unrecognized,
    /// The session has ended.
    #[error("the security token included in the request is expired")]
    Expired,
    /// The vault cannot open the key.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

impl From<TokenError> for CredentialError {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Invalid => Self::Unrecognized,
            TokenError::Expired => Self::Expired,
        }
    }
}

impl Caller {
    /// The account.
    pub fn account(&self) -> &str {
        &self.principal.account
    }

    /// The access key id, if it signed.
    pub fn access_key_id(&self) -> Option<&str> {
        match &self.proof {
            Proof::AccessKey { id } => Some(id),
            Proof::Session(claims) => Some(&claims.access_key_id),
            Proof::Peer { .. } => None,
        }
    }

    /// The access keys that the one that signed was made with.
    pub(super) fn ancestors(&self) -> Vec<String> {
        match &self.proof {
            Proof::Session(claims) => claims.ancestors(),
            Proof::AccessKey { .. } | Proof::Peer { .. } => Vec::new(),
        }
    }

    /// Whether it has temporary credentials of its own, from GetSessionToken, and not those of a role.
    pub fn is_own_session(&self) -> bool {
        matches!(&self.proof, Proof::Session(claims) if claims.session_name.is_empty())
    }

    /// Whether it is the account itself.
    pub fn is_root(&self) -> bool {
        self.principal.resource == "root"
    }
}

impl Broker {
    /// The caller that an access key id (with a session token, for temporary
    /// credentials) claims to be. Nothing is proven until the request's signature has
    /// been verified with [`Broker::secret_of`] it.
    ///
    /// # Errors
    /// [`CredentialError`].
    pub fn claimed<'t>(
        &self,
        access_key_id: &str,
        token: Option<&'t SecretValue>,
    ) -> Result<Claimed<'t>, CredentialError> {
        match token {
            Some(token) => {
                let claims = self.vault.session(access_key_id, token)?;
                // Clients take an expired token for a reason to ask for a new one.
                if self.vault.revocations().covers(&claims) {
                    return Err(CredentialError::Expired);
                }
                Ok(Claimed { caller: self.session_caller(claims)?, secret: Secret::Token(token) })
            }
            None => {
                let key = self.vault.access_keys().get(access_key_id).filter(|k| k.record.active);
                let key = key.ok_or(CredentialError::Unrecognized)?;
                let proof = Proof::AccessKey { id: key.record.id.clone() };
                let caller = self.principal_caller(&key.record.principal, proof);
                Ok(Claimed { caller: caller.ok_or(CredentialError::Unrecognized)?, secret: Secret::Key(key) })
            }
        }
    }

    /// The secret access key that the claimed caller's signature must match.
    ///
    /// # Errors
    /// [`CredentialError::Vault`].
    pub fn secret_of(&self, claimed: Claimed<'_>) -> Result<(Caller, SecretValue), CredentialError> {
        let secret = match claimed.secret {
            Secret::Token(token) => self.vault.session_secret(token)?,
            Secret::Key(key) => match self.vault.access_keys().secret(&key.record) {
                // Deleted since it was found.
                Err(VaultError::Unreadable) if self.vault.access_keys().get(&key.record.id).is_none() => {
                    return Err(CredentialError::Unrecognized);
                }
                other => other?,
            },
        };
        Ok((claimed.caller, secret))
    }

    /// The caller at the other end of the Unix socket: the user that runs the
    /// broker and the superuser are the account root, since both can read the
    /// vault's key anyway; others only as the configuration says.
    pub fn peer(&self, uid: u32) -> Option<Caller> {
        let proof = Proof::Peer { uid };
        if let Some(entry) = self.settings.peers.iter().find(|(peer, _)| *peer == uid) {
            return self.principal_caller(&entry.1, proof);
        }
        let own = rustix::process::geteuid().as_raw();
        (uid == own || uid == 0).then(|| self.principal_caller(&self.root_arn(), proof)).flatten()
    }

    /// ARN of the root of the configuration's account.
    pub fn root_arn(&self) -> String {
        root(&self.settings.account)
    }

    /// Whether policies know this principal, or it is the root of an account of the vault.
    pub fn knows(&self, principal: &str) -> bool {
        self.account_root(principal).is_some() || self.policies.current().identity(principal).is_some()
    }

    /// Whether the caller runs the broker and asks at its socket. The vault's key is its own, so
    /// that it is the root of each account of the vault, not only of the configuration's.
    pub fn runs_broker(&self, caller: &Caller) -> bool {
        matches!(caller.proof, Proof::Peer { uid } if caller.is_root()
            && self.settings.peers.iter().all(|(peer, _)| *peer != uid))
    }

    /// The same caller as root of another account of the vault, if it runs the broker.
    pub fn root_in(&self, caller: &Caller, account: &str) -> Option<Caller> {
        self.runs_broker(caller)
            .then(|| self.principal_caller(&root(account), caller.proof.clone()))
            .flatten()
    }

    /// The root of an account of the vault: the configuration's, or one whose users or roles the
    /// policies know.
    fn account_root(&self, principal: &str) -> Option<Arn> {
        let arn: Arn = principal.ends_with(":root").then(|| principal.parse().ok()).flatten()?;
        let set = self.policies.current();
        let ours = arn.account == self.settings.account
            || set.identities().any(|identity| identity.arn.account == arn.account);
        (ours && principal == root(&arn.account)).then_some(arn)
    }

    fn principal_caller(&self, principal: &str, proof: Proof) -> Option<Caller> {
        if let Some(arn) = self.account_root(principal) {
            return Some(Caller {
                id: arn.account.as_str().into(),
                principal: Arc::new(arn),
                arn: principal.into(),
                proof,
            });
        }
        // A key of a user that no policy file names any more proves nobody.
        let set = self.policies.current();
        let identity = set.identity(principal)?;
        Some(Caller {
            principal: Arc::clone(&identity.arn),
            arn: Arc::clone(&identity.arn_text),
            id: Arc::clone(&identity.id),
            proof,
        })
    }

    pub(super) fn session_caller(&self, claims: Arc<SessionClaims>) -> Result<Caller, CredentialError> {
        if claims.session_name.is_empty() {
            let (principal, id) = (claims.principal.clone(), claims.principal_id.clone());
            let caller = self.principal_caller(&principal, Proof::Session(claims));
            return caller.filter(|caller| *caller.id == *id).ok_or(CredentialError::Unrecognized);
        }
        let set = self.policies.current();
        let role = set
            .identity(&claims.principal)
            // A role that was deleted and made again has another `RoleId`; its old sessions are over.
            .filter(|i| i.kind == IdentityKind::Role && *i.id == *claims.principal_id)
            .ok_or(CredentialError::Unrecognized)?;
        Ok(Caller {
            principal: Arc::clone(&role.arn),
            arn: arn("sts", "", &role.arn.account, &["assumed-role/", &role.name, "/", &claims.session_name])
                .into(),
            id: [&*role.id, ":", &claims.session_name].concat().into(),
            proof: Proof::Session(claims),
        })
    }
}

/// The ARN of an account's root.
fn root(account: &str) -> String {
    arn("iam", "", account, &["root"])
}
