//! [`SecretValue`], the one type that holds plaintext.
//!
//! It is not `Clone`, `PartialEq`, `Display` or `Serialize`; its `Debug` shows
//! nothing of the content, and its memory is wiped when it is dropped. The only
//! way to the bytes is [`SecretValue::expose`], which clippy forbids
//! (`disallowed-methods`), so that every place where plaintext leaves the type
//! carries an `#[expect(.., reason = "..")]` that says why.

use std::fmt;
use zeroize::Zeroizing;

/// The plaintext of a secret or parameter: bytes, not necessarily UTF-8.
pub struct SecretValue(Zeroizing<Vec<u8>>);

impl SecretValue {
    /// Takes over the bytes; they are wiped when the value is dropped.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes. Each caller states its reason in an `#[expect]`.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<String> for SecretValue {
    fn from(text: String) -> Self {
        Self::new(text.into_bytes())
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretValue(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_neither_content_nor_length() {
        assert_eq!(format!("{:?}", SecretValue::from("hunter2".to_owned())), "SecretValue(..)");
    }
}
