//! The six characters that tell a secret's ARN from those of earlier secrets of its name.

use super::scope::Scope;
use super::seal::random;
use crate::arn::Arn;

/// The end of a new secret's ARN. It is drawn before the secret is made, because its KMS key is asked for with
/// the ARN in the encryption context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretSuffix(pub(super) String);

impl SecretSuffix {
    /// Six random letters and digits.
    pub fn draw() -> Self {
        const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        let mut suffix = String::with_capacity(6);
        while suffix.len() < 6 {
            // Bytes from 248 on would favour the first letters.
            suffix.extend(
                random::<16>()
                    .iter()
                    .filter(|&&b| b < 248)
                    .filter_map(|b| ALPHABET.get(usize::from(b % 62)))
                    .map(|&b| char::from(b))
                    .take(6 - suffix.len()),
            );
        }
        Self(suffix)
    }

    /// The ARN that the secret `name` has with it.
    pub fn arn(&self, scope: &Scope, name: &str) -> String {
        let resource = format!("secret:{name}-{}", self.0);
        Arn::new("secretsmanager", &scope.region, &scope.account, resource).to_string()
    }
}
