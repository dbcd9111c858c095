//! Sealing: AES-256-GCM with keys that are each used for one thing.
//!
//! ```text
//! root key (32 bytes, key file or Argon2id)
//!  └ HKDF-SHA-256, salt = vault id, info = purpose
//!     ├ "index"    HMAC key: store keys are HMACs of names, so that a backend sees no name
//!     ├ "record"   per record: HKDF(info = store key) -> key that seals this record's metadata
//!     ├ "kek"      seals the KEKs, one random key per KMS key id
//!     │             └ KEK seals the DEKs, one random key per version
//!     │                   └ DEK seals the value of that version
//!     └ "audit", "session"   seed of the checkpoint signing key, key of the session tokens
//! sealed = nonce (12 random bytes) || ciphertext || tag (16)
//! AAD    = "sealdock/1" || purpose || store key
//! ```
//!
//! Because the AAD names the record, a sealed record that is moved under another
//! key does not open. A random nonce is safe here: record and data keys seal few
//! messages, and one KEK fewer than 2^32 (NIST SP 800-38D section 8.3).

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

const NONCE: usize = 12;

/// A 256-bit key, wiped when dropped.
pub(crate) type Key = Zeroizing<[u8; 32]>;

/// A sealed text does not open: wrong key, altered bytes, or another record's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the sealed bytes do not open: they were altered, or belong to another record or key")]
pub(crate) struct OpenError;

/// Fresh random bytes from the operating system.
///
/// # Panics
/// When the operating system has no randomness to give: nothing can be sealed then.
pub(crate) fn random<const N: usize>() -> Zeroizing<[u8; N]> {
    let mut bytes = Zeroizing::new([0u8; N]);
    #[expect(
        clippy::expect_used,
        reason = "without the system's generator no key may be made; there is no fallback"
    )]
    getrandom::fill(bytes.as_mut()).expect("the system's random number generator failed");
    bytes
}

/// Seals `plaintext` under `key`, bound to `aad`.
pub(crate) fn seal(key: &Key, aad: &[u8], plaintext: &[u8]) -> Vec<u8> {
    let nonce = random::<NONCE>();
    let cipher = Aes256Gcm::new((&**key).into());
    #[expect(
        clippy::expect_used,
        reason = "AES-GCM refuses only texts over 64 GiB; inputs are bounded at the API"
    )]
    let ciphertext = cipher
        .encrypt(&Nonce::from(*nonce), Payload { msg: plaintext, aad })
        .expect("the text is shorter than AES-GCM's limit");
    let mut sealed = Vec::with_capacity(NONCE + ciphertext.len());
    sealed.extend_from_slice(nonce.as_ref());
    sealed.extend_from_slice(&ciphertext);
    sealed
}

/// Opens what [`seal`] sealed under the same key and `aad`.
pub(crate) fn open(key: &Key, aad: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let (nonce, ciphertext) = sealed.split_at_checked(NONCE).ok_or(OpenError)?;
    let nonce: [u8; NONCE] = nonce.try_into().map_err(|_| OpenError)?;
    Aes256Gcm::new((&**key).into())
        .decrypt(&Nonce::from(nonce), Payload { msg: ciphertext, aad })
        .map(Zeroizing::new)
        .map_err(|_| OpenError)
}

/// The keys that are derived from the root key.
pub(crate) struct Keys {
    index: Key,
    record: Key,
    kek: Key,
    /// Seed of the Ed25519 key that signs audit checkpoints.
    pub(crate) audit: Key,
    /// Seals session tokens.
    pub(crate) session: Key,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys(..)")
    }
}

impl Keys {
    /// Derives all keys of the vault `vault_id` from its root key.
    pub(crate) fn derive(root: &Key, vault_id: &[u8]) -> Self {
        let hkdf = Hkdf::<Sha256>::new(Some(vault_id), root.as_ref());
        let key = |purpose: &str| expand(&hkdf, &[b"sealdock/1 ", purpose.as_bytes()].concat());
        Self {
            index: key("index"),
            record: key("record"),
            kek: key("kek"),
            audit: key("audit"),
            session: key("session"),
        }
    }

    /// The store key of the record `id` of a `kind`: the kind, then an HMAC of the
    /// id, of which a backend can read neither name nor length.
    pub(crate) fn store_key(&self, kind: u8, id: &str) -> Vec<u8> {
        let mut key = vec![kind];
        key.extend_from_slice(&self.mac(&[&[kind], id.as_bytes()]));
        key
    }

    /// A keyed digest, for comparing contents without keeping them.
    pub(crate) fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        #[expect(clippy::expect_used, reason = "HMAC takes keys of any length (RFC 2104)")]
        let mut mac =
            <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(self.index.as_ref()).expect("any length");
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }

    /// Seals the metadata of the record at `store_key`.
    pub(crate) fn seal_record(&self, store_key: &[u8], plaintext: &[u8]) -> Vec<u8> {
        seal(&self.record_key(store_key), &aad(b"record", store_key), plaintext)
    }

    /// Opens the metadata of the record at `store_key`.
    pub(crate) fn open_record(
        &self,
        store_key: &[u8],
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        open(&self.record_key(store_key), &aad(b"record", store_key), sealed)
    }

    /// Seals a KEK for its record at `store_key`.
    pub(crate) fn seal_kek(&self, store_key: &[u8], kek: &Key) -> Vec<u8> {
        seal(&self.kek, &aad(b"kek", store_key), kek.as_ref())
    }

    /// Opens a KEK that was sealed for `store_key`.
    pub(crate) fn open_kek(&self, store_key: &[u8], sealed: &[u8]) -> Result<Key, OpenError> {
        key_from(&open(&self.kek, &aad(b"kek", store_key), sealed)?)
    }

    fn record_key(&self, store_key: &[u8]) -> Key {
        match Hkdf::<Sha256>::from_prk(self.record.as_ref()) {
            Ok(hkdf) => expand(&hkdf, store_key),
            Err(_) => unreachable_key(),
        }
    }
}

/// Seals a value under a fresh data key, and the data key under `kek`.
pub(crate) fn seal_value(kek: &Key, store_key: &[u8], plaintext: &[u8]) -> Vec<u8> {
    let dek = random::<32>();
    let mut sealed = seal(kek, &aad(b"dek", store_key), dek.as_ref());
    sealed.extend_from_slice(&seal(&dek, &aad(b"value", store_key), plaintext));
    sealed
}

/// Opens what [`seal_value`] sealed for `store_key`.
pub(crate) fn open_value(
    kek: &Key,
    store_key: &[u8],
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let (wrapped, value) = sealed.split_at_checked(NONCE + 32 + 16).ok_or(OpenError)?;
    let dek = key_from(&open(kek, &aad(b"dek", store_key), wrapped)?)?;
    open(&dek, &aad(b"value", store_key), value)
}

fn aad(purpose: &[u8], store_key: &[u8]) -> Vec<u8> {
    [b"sealdock/1 ", purpose, b" ", store_key].concat()
}

fn key_from(bytes: &[u8]) -> Result<Key, OpenError> {
    <[u8; 32]>::try_from(bytes).map(Zeroizing::new).map_err(|_| OpenError)
}

fn expand(hkdf: &Hkdf<Sha256>, info: &[u8]) -> Key {
    let mut key = Zeroizing::new([0u8; 32]);
    #[expect(clippy::expect_used, reason = "HKDF-SHA-256 gives up to 8160 bytes (RFC 5869)")]
    hkdf.expand(info, key.as_mut()).expect("32 bytes are within HKDF's limit");
    key
}

#[expect(clippy::unreachable, reason = "a 32-byte key is as long as HKDF-SHA-256 asks for")]
fn unreachable_key() -> Key {
    unreachable!("a 32-byte pseudorandom key is accepted by HKDF-SHA-256")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moved_or_altered_record_does_not_open() {
        let keys = Keys::derive(&random(), b"vault");
        let sealed = keys.seal_record(b"a", b"text");
        assert_eq!(keys.open_record(b"a", &sealed).unwrap().as_slice(), b"text");
        assert!(keys.open_record(b"b", &sealed).is_err());
        for i in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[i] ^= 1;
            assert!(keys.open_record(b"a", &altered).is_err(), "byte {i}");
        }
        for cut in 0..sealed.len() {
            assert!(keys.open_record(b"a", &sealed[..cut]).is_err(), "cut {cut}");
        }
    }

    #[test]
    fn a_value_opens_only_under_its_key_and_place() {
        let (kek, other) = (random(), random());
        let sealed = seal_value(&kek, b"v1", b"hunter2");
        assert_eq!(open_value(&kek, b"v1", &sealed).unwrap().as_slice(), b"hunter2");
        assert!(open_value(&other, b"v1", &sealed).is_err());
        assert!(open_value(&kek, b"v2", &sealed).is_err());
        assert!(!sealed.windows(7).any(|w| w == b"hunter2"));
    }

    #[test]
    fn another_root_key_or_vault_gives_other_keys() {
        let root = random();
        let a = Keys::derive(&root, b"a");
        assert_ne!(a.store_key(1, "n"), Keys::derive(&root, b"b").store_key(1, "n"));
        assert_ne!(a.store_key(1, "n"), a.store_key(2, "n"));
    }
}
