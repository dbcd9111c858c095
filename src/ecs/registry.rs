//! The secret behind `repositoryCredentials`: an account at a registry.
//!
//! It is a JSON object with `username` and `password`. Names are matched in any case
//! and the last spelling counts, null counts as empty, other members are ignored: all
//! as the ECS agent decodes it. Texts are the agent's.

use super::fetched::{FetchError, Fetched};
use super::plan::SecretRead;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use std::fmt;
use zeroize::Zeroizing;

/// An account at a registry.
pub struct RegistryAccount {
    /// `username`
    pub username: Zeroizing<String>,
    /// `password`
    pub password: Zeroizing<String>,
}

impl fmt::Debug for RegistryAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RegistryAccount(..)")
    }
}

/// Why there is no account.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// The secret cannot be read.
    #[error(
        "asm fetching secret from the service for {secret}: operation error Secrets Manager: GetSecretValue, {cause}"
    )]
    Fetch {
        /// The secret.
        secret: String,
        /// Why.
        cause: FetchError,
    },
    /// The call was not made.
    #[error("asm fetching authorization data: empty response")]
    NotRead,
    /// The secret is empty or binary.
    #[error("asm fetching authorization data: empty secrets value")]
    Empty,
    /// Not a JSON object of texts.
    #[error("asm fetching authorization data: unable to unmarshal secret value, invalid schema")]
    Schema,
    /// `username` or `password` is missing.
    #[error("asm fetching {field}: AuthorizationData is malformed, empty field")]
    Field {
        /// Which.
        field: &'static str,
    },
}

/// The account in what was fetched.
///
/// # Errors
/// See [`RegistryError`].
#[expect(
    clippy::disallowed_methods,
    reason = "the account is taken out of the secret for the registry's login"
)]
pub fn account(read: &SecretRead, fetched: &Fetched) -> Result<RegistryAccount, RegistryError> {
    let found = fetched.find_secret(read).ok_or(RegistryError::NotRead)?;
    let secret = read.secret_id.clone();
    let found = found.as_ref().map_err(|cause| RegistryError::Fetch { secret, cause: cause.clone() })?;
    let text = found.text.as_ref().filter(|text| !text.is_empty()).ok_or(RegistryError::Empty)?;
    let mut json = serde_json::Deserializer::from_slice(text.expose());
    let account = json.deserialize_map(Account).map_err(|_| RegistryError::Schema)?;
    json.end().map_err(|_| RegistryError::Schema)?;
    match (account.username.is_empty(), account.password.is_empty()) {
        (true, _) => Err(RegistryError::Field { field: "username" }),
        (_, true) => Err(RegistryError::Field { field: "password" }),
        _ => Ok(account),
    }
}

struct Account;

impl<'de> Visitor<'de> for Account {
    type Value = RegistryAccount;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with username and password")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RegistryAccount, A::Error> {
        let mut account = RegistryAccount { username: Zeroizing::default(), password: Zeroizing::default() };
        while let Some(name) = map.next_key::<String>()? {
            let slot = match name.to_ascii_lowercase().as_str() {
                "username" => &mut account.username,
                "password" => &mut account.password,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            // Null leaves a field as it is.
            if let Some(text) = map.next_value::<Option<String>>()? {
                *slot = Zeroizing::new(text);
            }
        }
        Ok(account)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ecs::fetched::FetchedSecret;
    use crate::secret::SecretValue;

    fn read(text: Option<&str>) -> Result<(String, String), String> {
        let read = SecretRead::named("registry");
        let mut fetched = Fetched::new("us-east-1");
        let text = text.map(|text| SecretValue::from(text.to_owned()));
        fetched.secret(read.clone(), Ok(FetchedSecret { arn: "a".into(), version_id: "v".into(), text }));
        let account = account(&read, &fetched).map_err(|e| e.to_string())?;
        assert_eq!(format!("{account:?}"), "RegistryAccount(..)");
        Ok((account.username.to_string(), account.password.to_string()))
    }

    /// Vectors 120 to 124.
    #[test]
    fn accounts_are_read_as_the_agent_reads_them() {
        let up = Ok(("u".to_owned(), "p".to_owned()));
        assert_eq!(read(Some(r#"{"username":"u","password":"p"}"#)), up);
        assert_eq!(read(Some(r#"{"USERNAME":"u","Password":"p","x":1}"#)), up);
        assert_eq!(read(Some(r#"{"username":"x","password":"p","Username":"u","USERNAME":null}"#)), up);
        for (text, error) in [
            (
                Some(r#"{"username":"u"}"#),
                "asm fetching password: AuthorizationData is malformed, empty field",
            ),
            (
                Some(r#"{"username":null,"password":"p"}"#),
                "asm fetching username: AuthorizationData is malformed",
            ),
            (Some(r#"{"username":"u","password":5}"#), "unable to unmarshal secret value, invalid schema"),
            (Some("plain"), "unable to unmarshal secret value, invalid schema"),
            (Some(""), "asm fetching authorization data: empty secrets value"),
            (None, "asm fetching authorization data: empty secrets value"),
        ] {
            let shown = read(text).unwrap_err();
            assert!(shown.contains(error), "{shown}");
        }
    }
}
