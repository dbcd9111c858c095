//! Signing keys: derived from a secret access key for one day, Region and service.

use super::scope::Scope;
use crate::secret::SecretValue;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use zeroize::Zeroizing;

/// A signing key; wiped when it is dropped.
pub struct SigningKey(Zeroizing<[u8; 32]>);

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(..)")
    }
}

impl SigningKey {
    /// Derives the key of `scope` from a secret access key.
    pub fn derive(secret_access_key: &SecretValue, scope: &Scope) -> Self {
        let mut start = Zeroizing::new(Vec::with_capacity(4 + secret_access_key.len()));
        start.extend_from_slice(b"AWS4");
        #[expect(
            clippy::disallowed_methods,
            reason = "the secret access key is the root of the signing key"
        )]
        start.extend_from_slice(secret_access_key.expose());
        let date = mac(&start, scope.date.as_bytes());
        let region = mac(date.as_slice(), scope.region.as_bytes());
        let service = mac(region.as_slice(), scope.service.as_bytes());
        Self(mac(service.as_slice(), b"aws4_request"))
    }

    /// The signature of a string to sign.
    pub(super) fn signature(&self, string_to_sign: &str) -> Zeroizing<[u8; 32]> {
        mac(self.0.as_slice(), string_to_sign.as_bytes())
    }
}

fn mac(key: &[u8], message: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut out = Zeroizing::new([0; 32]);
    // HMAC takes keys of any length, so there is always a result.
    if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) {
        mac.update(message);
        out.copy_from_slice(&mac.finalize().into_bytes());
    }
    out
}

/// Signing keys that were used lately, so that the secret access key need not be
/// unsealed for each request. Bounded; entries are wiped when they leave.
#[derive(Debug)]
pub struct SigningKeys {
    capacity: usize,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    /// By access key id.
    keys: HashMap<String, Vec<(Scope, Arc<SigningKey>)>>,
    count: usize,
}

impl Kept {
    fn retain(&mut self, wanted: impl Fn(&Scope) -> bool) {
        self.keys.retain(|_, keys| {
            keys.retain(|(scope, _)| wanted(scope));
            !keys.is_empty()
        });
        self.count = self.keys.values().map(Vec::len).sum();
    }
}

impl SigningKeys {
    /// At most `capacity` keys.
    pub fn new(capacity: usize) -> Self {
        Self { capacity, kept: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The key, if it is here. Whether the access key may still be used is for the
    /// caller to know.
    pub fn get(&self, access_key_id: &str, scope: &Scope) -> Option<Arc<SigningKey>> {
        let kept = self.lock();
        let (_, key) = kept.keys.get(access_key_id)?.iter().find(|(known, _)| known == scope)?;
        Some(Arc::clone(key))
    }

    /// Keeps a key whose signature was right. A wrong one must not push others out.
    pub fn keep(&self, access_key_id: &str, scope: &Scope, key: Arc<SigningKey>) {
        let mut kept = self.lock();
        if kept.count >= self.capacity {
            // Keys of past days first; if there are none, all: they are cheap to make.
            kept.retain(|known| known.date >= scope.date);
            if kept.count >= self.capacity {
                *kept = Kept::default();
            }
        }
        let keys = kept.keys.entry(access_key_id.to_owned()).or_default();
        // Another request may have brought it meanwhile.
        if keys.iter().all(|(known, _)| known != scope) {
            keys.push((scope.clone(), key));
            kept.count += 1;
        }
    }

    /// Forgets an access key that was deleted or deactivated.
    pub fn forget(&self, access_key_id: &str) {
        let mut kept = self.lock();
        let gone = kept.keys.remove(access_key_id).map_or(0, |keys| keys.len());
        kept.count -= gone;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(date: &str) -> Scope {
        Scope { date: date.into(), region: "us-east-1".into(), service: "iam".into() }
    }

    #[test]
    fn derives_the_published_key() {
        let secret = SecretValue::from("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned());
        let key = SigningKey::derive(&secret, &scope("20150830"));
        assert_eq!(
            hex::encode(key.0.as_slice()),
            "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9"
        );
    }

    #[test]
    fn the_cache_is_bounded_and_forgets() {
        let secret = SecretValue::from("s".to_owned());
        let keys = SigningKeys::new(2);
        let add = |id: &str, date: &str| {
            keys.keep(id, &scope(date), Arc::new(SigningKey::derive(&secret, &scope(date))));
        };
        add("A", "20150830");
        add("B", "20150831");
        add("C", "20150831");
        assert!(keys.get("A", &scope("20150830")).is_none());
        assert!(keys.get("B", &scope("20150831")).is_some());
        keys.forget("B");
        assert!(keys.get("B", &scope("20150831")).is_none());
        for i in 0..100 {
            add(&i.to_string(), "20150831");
        }
        assert!(keys.lock().count <= 2 && keys.lock().keys.len() <= 2);
    }
}
