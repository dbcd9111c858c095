//! `GetRandomPassword`: which characters, and how they are drawn.
//!
//! Every password that keeps the rules is equally likely: each character is drawn
//! from the whole pool, and a password that lacks a required type is thrown away
//! whole. Putting one character of each type in first would favour some passwords.
//!
//! Rules and texts: Secrets Manager API Reference, `GetRandomPassword`.

use super::seal::random;
use super::secrets::permitted;
use super::{Secrets, VaultError};
use crate::audit::Permit;
use crate::secret::SecretValue;
use zeroize::Zeroizing;

const LOWERCASE: &[u8] = b"abcdefghijklmnopqrstuvwxyz";
const UPPERCASE: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const NUMBERS: &[u8] = b"0123456789";
const PUNCTUATION: &[u8] = br##"!"#$%&'()*+,-./:;<=>?@[\]^_`{|}~"##;

/// What a password may and must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasswordRules {
    /// Characters of the password.
    pub length: usize,
    /// Characters that it must not hold.
    pub exclude: String,
    /// Whether it may hold lower-case letters.
    pub lowercase: bool,
    /// Whether it may hold upper-case letters.
    pub uppercase: bool,
    /// Whether it may hold digits.
    pub numbers: bool,
    /// Whether it may hold punctuation.
    pub punctuation: bool,
    /// Whether it may hold spaces; they are never required.
    pub space: bool,
    /// Whether it must hold one of each type that it may hold.
    pub require_each: bool,
}

/// The rules contradict each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Nothing is left to choose from.
    #[error("All characters have been excluded from selection.")]
    NothingLeft,
    /// A required type has no characters left.
    #[error("All characters of the desired type have been excluded.")]
    TypeExcluded,
    /// More required types than characters.
    #[error("Password length is too short based on the required types.")]
    TooShort,
}

impl Secrets<'_> {
    /// `GetRandomPassword`.
    ///
    /// # Errors
    /// [`VaultError::NotPermitted`]; the inner error when the rules allow no password.
    pub fn random_password(
        &self,
        permit: &Permit,
        rules: &PasswordRules,
    ) -> Result<Result<SecretValue, PasswordError>, VaultError> {
        permitted(permit, &["secretsmanager:GetRandomPassword"], "*")?;
        Ok(rules.draw(&mut Randomness::default()))
    }
}

impl PasswordRules {
    /// The characters of each type that may occur, and those of the space.
    fn types(&self) -> Result<Vec<Vec<u8>>, PasswordError> {
        let kept = |characters: &[u8]| -> Vec<u8> {
            characters.iter().copied().filter(|&c| !self.exclude.contains(char::from(c))).collect()
        };
        let types = [
            (self.lowercase, LOWERCASE),
            (self.uppercase, UPPERCASE),
            (self.numbers, NUMBERS),
            (self.punctuation, PUNCTUATION),
        ];
        let types: Vec<Vec<u8>> = types.into_iter().filter(|(on, _)| *on).map(|(_, c)| kept(c)).collect();
        if self.require_each && types.iter().any(Vec::is_empty) {
            return Err(PasswordError::TypeExcluded);
        }
        if self.require_each && types.len() > self.length {
            return Err(PasswordError::TooShort);
        }
        Ok(types)
    }

    fn draw(&self, randomness: &mut Randomness) -> Result<SecretValue, PasswordError> {
        let types = self.types()?;
        let mut pool = types.concat();
        if self.space && !self.exclude.contains(' ') {
            pool.push(b' ');
        }
        if pool.is_empty() {
            return Err(PasswordError::NothingLeft);
        }
        let mut password = Zeroizing::new(Vec::with_capacity(self.length));
        // The rarest case, one character each of three types and 33 others in a password
        // of four, is met once in about 2000 tries.
        loop {
            password.clear();
            while password.len() < self.length {
                password.extend(randomness.pick(&pool));
            }
            let complete = || types.iter().all(|one| password.iter().any(|c| one.contains(c)));
            if !self.require_each || complete() {
                return Ok(SecretValue::new(std::mem::take(&mut *password)));
            }
        }
    }
}

/// Bytes of the system's generator, fetched in blocks.
#[derive(Default)]
struct Randomness {
    block: Zeroizing<Vec<u8>>,
}

impl Randomness {
    /// One of the characters, each with the same probability; `None` when the byte
    /// drawn would favour some of them.
    fn pick(&mut self, characters: &[u8]) -> Option<u8> {
        let byte = self.byte();
        let even = 256 - 256 % characters.len().max(1);
        let index = usize::from(byte);
        (index < even).then(|| characters.get(index % characters.len().max(1)).copied()).flatten()
    }

    fn byte(&mut self) -> u8 {
        loop {
            if let Some(byte) = self.block.pop() {
                return byte;
            }
            self.block.extend_from_slice(random::<256>().as_ref());
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the tests look at what was drawn")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rules() -> PasswordRules {
        PasswordRules {
            length: 32,
            exclude: String::new(),
            lowercase: true,
            uppercase: true,
            numbers: true,
            punctuation: true,
            space: false,
            require_each: true,
        }
    }

    fn draw(rules: &PasswordRules) -> Result<Vec<u8>, PasswordError> {
        rules.draw(&mut Randomness::default()).map(|password| password.expose().to_vec())
    }

    #[test]
    fn contradictions_are_refused() {
        let refused = |rules: PasswordRules| draw(&rules).unwrap_err();
        assert_eq!(refused(PasswordRules { length: 3, ..rules() }), PasswordError::TooShort);
        let none = PasswordRules {
            lowercase: false,
            uppercase: false,
            numbers: false,
            punctuation: false,
            ..rules()
        };
        assert_eq!(refused(none.clone()), PasswordError::NothingLeft);
        assert_eq!(draw(&PasswordRules { space: true, length: 3, ..none.clone() }).unwrap(), b"   ");
        let excluded = PasswordRules { space: true, exclude: " ".into(), ..none };
        assert_eq!(refused(excluded), PasswordError::NothingLeft);
        let no_digits = PasswordRules { exclude: "0123456789".into(), ..rules() };
        assert_eq!(refused(no_digits.clone()), PasswordError::TypeExcluded);
        let optional = draw(&PasswordRules { require_each: false, ..no_digits }).unwrap();
        assert!(!optional.iter().any(u8::is_ascii_digit));
    }

    #[test]
    fn punctuation_is_that_of_ascii() {
        let all: Vec<u8> = (33..127_u8).filter(u8::is_ascii_punctuation).collect();
        assert_eq!(PUNCTUATION, all);
    }

    /// Chi-squared over 94 characters: 93 degrees of freedom exceed 190 less than once in 10^8 runs.
    #[test]
    fn characters_are_equally_likely() {
        let rules = PasswordRules { length: 4096, require_each: false, ..rules() };
        let mut counts = [0_u32; 128];
        for _ in 0..50 {
            for byte in draw(&rules).unwrap() {
                counts[usize::from(byte)] += 1;
            }
        }
        let expected = 50.0 * 4096.0 / 94.0;
        let chi: f64 = counts[33..127].iter().map(|&n| (f64::from(n) - expected).powi(2) / expected).sum();
        assert!(chi < 190.0, "{chi}");
    }

    /// Of one digit and one letter `a` in two places there are two passwords, and they are equally likely.
    #[test]
    fn passwords_are_equally_likely() {
        let exclude = "bcdefghijklmnopqrstuvwxyz123456789".to_owned();
        let rules = PasswordRules { length: 2, exclude, uppercase: false, punctuation: false, ..rules() };
        let first = (0..4000).filter(|_| draw(&rules).unwrap() == b"a0").count();
        // Six standard deviations.
        assert!((1810..2190).contains(&first), "{first}");
    }

    #[test]
    fn the_rarest_case_ends() {
        let exclude = "bcdefghijklmnopqrstuvwxyzBCDEFGHIJKLMNOPQRSTUVWXYZ123456789".to_owned();
        let rules = PasswordRules { length: 4, exclude, space: true, ..rules() };
        let password = draw(&rules).unwrap();
        assert!(b"aA0".iter().all(|c| password.contains(c)), "{password:?}");
    }

    proptest! {
        #[test]
        fn passwords_keep_their_rules(
            length in 1_usize..200, exclude in "[ -~]{0,40}", types: [bool; 4], space: bool, require_each: bool,
        ) {
            let [lowercase, uppercase, numbers, punctuation] = types;
            let rules = PasswordRules {
                length, exclude, lowercase, uppercase, numbers, punctuation, space, require_each,
            };
            let Ok(password) = draw(&rules) else { return Ok(()) };
            prop_assert_eq!(password.len(), length);
            let has = |of: fn(&u8) -> bool| password.iter().any(of);
            let found = [
                has(u8::is_ascii_lowercase), has(u8::is_ascii_uppercase), has(u8::is_ascii_digit),
                has(u8::is_ascii_punctuation),
            ];
            for (found, allowed) in found.into_iter().zip(types) {
                prop_assert!(allowed || !found);
                prop_assert!(found || !(allowed && require_each));
            }
            prop_assert!(space || !password.contains(&b' '));
            prop_assert!(password.iter().all(|&c| !rules.exclude.contains(char::from(c))));
        }
    }
}
