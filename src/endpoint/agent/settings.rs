//! The agent's settings, and its token: the configuration file of AWS's agent, key by key.
//!
//! ```toml
//! http_port = 2773                  # numbers may also be texts
//! http_address = "127.0.0.1"        # no other
//! ttl_seconds = 300                 # 0 to 3600; 0 keeps nothing
//! cache_size = 1000                 # 1 to 1000
//! max_conn = 800                    # 1 to 1000
//! path_prefix = "/v1/"
//! ssrf_headers = ["X-Aws-Parameters-Secrets-Token", "X-Vault-Token"]
//! ssrf_env_variables = ["AWS_TOKEN", "AWS_SESSION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN"]
//! ```
//!
//! Keys about logging are taken and have no effect: what the operator has to know goes to standard
//! error, and every read to the audit log. So is `validate_credentials`: the broker decides each read.

use super::Shape;
use crate::secret::SecretValue;
use http::HeaderName;
use serde::Deserialize;
use std::path::Path;
use std::time::Duration;
use zeroize::Zeroizing;

/// The settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Port on loopback.
    pub port: u16,
    /// Region to ask; the broker's own unless given.
    pub region: Option<String>,
    /// How long a value is kept.
    pub ttl: Duration,
    /// How many values are kept.
    pub cache_size: usize,
    /// Connections at a time.
    pub max_conn: usize,
    /// Before a secret's id in a path.
    pub path_prefix: String,
    /// Headers that the token may be in.
    pub token_headers: Vec<HeaderName>,
    /// Variables that the token may be in, in this order.
    pub token_variables: Vec<String>,
    /// How `/secretsmanager/get` answers.
    pub shape: Shape,
}

impl Default for Settings {
    fn default() -> Self {
        let variables = ["AWS_TOKEN", "AWS_SESSION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN"];
        Self {
            port: 2773,
            region: None,
            ttl: Duration::from_secs(300),
            cache_size: 1000,
            max_conn: 800,
            path_prefix: "/v1/".into(),
            token_headers: vec![
                HeaderName::from_static("x-aws-parameters-secrets-token"),
                HeaderName::from_static("x-vault-token"),
            ],
            token_variables: variables.map(str::to_owned).to_vec(),
            shape: Shape::Extension,
        }
    }
}

/// What is wrong with the settings.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// It is not TOML, or has other keys.
    #[error("{0}")]
    Syntax(String),
    /// A number is out of its range.
    #[error("`{key}` is {value}, and has to be from {least} to {most}")]
    Range {
        /// The key.
        key: &'static str,
        /// Its value.
        value: i64,
        /// The smallest.
        least: i64,
        /// The largest.
        most: i64,
    },
    /// Something is not as it has to be.
    #[error("`{key}` {rule}")]
    Rule {
        /// The key.
        key: &'static str,
        /// The rule.
        rule: &'static str,
    },
    /// There is no token.
    #[error("there is no token: set {0}, or name a file with --token-file")]
    NoToken(String),
    /// The token's file cannot be read.
    #[error("cannot read the token from `{0}`: {1}")]
    TokenFile(String, std::io::Error),
    /// The token is too short to be one.
    #[error("the token in `{0}` is shorter than {SHORTEST} characters: make one with `openssl rand -hex 32`")]
    ShortToken(String),
}

/// Guessing has to be hopeless.
const SHORTEST: usize = 16;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    http_port: Option<Number>,
    http_address: Option<String>,
    region: Option<String>,
    ttl_seconds: Option<Number>,
    cache_size: Option<Number>,
    max_conn: Option<Number>,
    path_prefix: Option<String>,
    ssrf_headers: Option<Vec<String>>,
    ssrf_env_variables: Option<Vec<String>>,
    ignore_transient_errors: Option<bool>,
    log_level: Option<String>,
    #[serde(rename = "log_to_file")]
    _log_to_file: Option<bool>,
    #[serde(rename = "validate_credentials")]
    _validate_credentials: Option<bool>,
}

/// AWS's agent takes `"300"` for 300.
#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Plain(i64),
    Text(String),
}

impl Number {
    fn read(of: Option<Self>, key: &'static str) -> Result<Option<i64>, SettingsError> {
        match of {
            None => Ok(None),
            Some(Self::Plain(number)) => Ok(Some(number)),
            Some(Self::Text(text)) => match text.parse() {
                Ok(number) => Ok(Some(number)),
                Err(_) => Err(SettingsError::Rule { key, rule: "has to be a number" }),
            },
        }
    }
}

const LOG_LEVELS: [&str; 5] = ["debug", "info", "warn", "error", "none"];

impl Settings {
    /// Reads the text of a configuration file.
    ///
    /// # Errors
    /// [`SettingsError`].
    pub fn parse(text: &str) -> Result<Self, SettingsError> {
        let file: File = toml::from_str(text).map_err(|e| SettingsError::Syntax(e.to_string()))?;
        if file.ignore_transient_errors == Some(true) {
            let rule = "is not served: without the broker's record no value is handed out, so leave it out";
            return Err(SettingsError::Rule { key: "ignore_transient_errors", rule });
        }
        if file.http_address.is_some_and(|address| address != "127.0.0.1") {
            let rule = "has to be 127.0.0.1: values leave over plain HTTP";
            return Err(SettingsError::Rule { key: "http_address", rule });
        }
        if file.log_level.is_some_and(|level| !LOG_LEVELS.contains(&level.to_lowercase().as_str())) {
            let rule = "has to be debug, info, warn, error or none";
            return Err(SettingsError::Rule { key: "log_level", rule });
        }
        let own = Self::default();
        Self {
            region: file.region,
            path_prefix: file.path_prefix.unwrap_or(own.path_prefix),
            token_headers: match file.ssrf_headers {
                None => own.token_headers,
                Some(names) => {
                    let rule = "has a name that no header can have";
                    let wrong = |_| SettingsError::Rule { key: "ssrf_headers", rule };
                    names.iter().map(|name| name.parse().map_err(wrong)).collect::<Result<_, _>>()?
                }
            },
            token_variables: file.ssrf_env_variables.unwrap_or(own.token_variables),
            ..own
        }
        .with(
            Number::read(file.http_port, "http_port")?,
            Number::read(file.ttl_seconds, "ttl_seconds")?,
            Number::read(file.cache_size, "cache_size")?,
            Number::read(file.max_conn, "max_conn")?,
        )
    }

    /// Replaces numbers.
    ///
    /// # Errors
    /// [`SettingsError::Range`] and [`SettingsError::Rule`].
    pub fn with(
        mut self,
        port: Option<i64>,
        ttl_seconds: Option<i64>,
        cache_size: Option<i64>,
        max_conn: Option<i64>,
    ) -> Result<Self, SettingsError> {
        let within = |key, value: i64, least, most| match value {
            value if (least..=most).contains(&value) => Ok(value.unsigned_abs()),
            value => Err(SettingsError::Range { key, value, least, most }),
        };
        let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        if let Some(port) = port {
            self.port = u16::try_from(within("http_port", port, 1024, 65535)?).unwrap_or(self.port);
        }
        if let Some(seconds) = ttl_seconds {
            self.ttl = Duration::from_secs(within("ttl_seconds", seconds, 0, 3600)?);
        }
        if let Some(count) = cache_size {
            self.cache_size = size(within("cache_size", count, 1, 1000)?);
        }
        if let Some(count) = max_conn {
            self.max_conn = size(within("max_conn", count, 1, 1000)?);
        }
        for (key, wrong, rule) in [
            ("path_prefix", !self.path_prefix.starts_with('/'), "has to begin with /"),
            ("ssrf_headers", self.token_headers.is_empty(), "cannot be empty"),
            ("ssrf_env_variables", self.token_variables.is_empty(), "cannot be empty"),
        ] {
            if wrong {
                return Err(SettingsError::Rule { key, rule });
            }
        }
        Ok(self)
    }
}

/// What clients have to show.
#[derive(Debug)]
pub struct Token(pub(super) SecretValue);

impl Token {
    /// From a file, or from the first variable that is set; its value is the token, or
    /// `file://` and the path of a file with it.
    ///
    /// # Errors
    /// [`SettingsError`] if there is none.
    pub fn find(
        file: Option<&Path>,
        settings: &Settings,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, SettingsError> {
        if let Some(path) = file {
            return Self::read(path);
        }
        let set = settings.token_variables.iter().find_map(|name| Some((name, variable(name)?)));
        let Some((name, value)) = set else {
            return Err(SettingsError::NoToken(settings.token_variables.join(" or ")));
        };
        match value.strip_prefix("file://") {
            Some(path) => Self::read(Path::new(path)),
            None => Self::checked(name, Zeroizing::new(value)),
        }
    }

    fn read(path: &Path) -> Result<Self, SettingsError> {
        let shown = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => Self::checked(&shown, Zeroizing::new(text)),
            Err(error) => Err(SettingsError::TokenFile(shown, error)),
        }
    }

    fn checked(place: &str, text: Zeroizing<String>) -> Result<Self, SettingsError> {
        let token = text.trim();
        if token.len() < SHORTEST {
            return Err(SettingsError::ShortToken(place.to_owned()));
        }
        Ok(Self(SecretValue::from(token.to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_awss_agent_is_taken() {
        let text = r#"
            log_level = "debug"
            log_to_file = false
            http_port = 65535
            http_address = "127.0.0.1"
            validate_credentials = true
            region = "us-west-2"
            ttl_seconds = "0"
            cache_size = "999"
            ssrf_headers = ["X-Mine"]
            ssrf_env_variables = ["MINE"]
            path_prefix = "/other/"
            max_conn = 10
            ignore_transient_errors = false
        "#;
        let settings = Settings::parse(text).unwrap();
        assert_eq!(
            (settings.port, settings.ttl, settings.cache_size, settings.max_conn),
            (65535, Duration::ZERO, 999, 10)
        );
        assert_eq!(
            (settings.path_prefix.as_str(), settings.token_headers[0].as_str()),
            ("/other/", "x-mine")
        );
        assert_eq!(Settings::parse("").unwrap(), Settings::default());
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, expected) in [
            ("ttl_seconds = 3601", "`ttl_seconds` is 3601, and has to be from 0 to 3600"),
            ("cache_size = 0", "`cache_size`"),
            ("max_conn = 1001", "from 1 to 1000"),
            ("http_port = 80", "from 1024 to 65535"),
            ("path_prefix = \"v1\"", "has to begin with /"),
            ("ssrf_headers = []", "cannot be empty"),
            ("ignore_transient_errors = true", "without the broker's record"),
            ("colour = 1", "colour"),
            ("max_conn = \"many\"", "`max_conn` has to be a number"),
            ("http_address = \"0.0.0.0\"", "`http_address` has to be 127.0.0.1"),
            ("log_level = \"loud\"", "`log_level`"),
        ] {
            let error = Settings::parse(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn a_token_comes_from_a_variable_or_a_file() {
        let settings = Settings::default();
        let none = Token::find(None, &settings, |_| None).unwrap_err().to_string();
        assert!(none.contains("AWS_TOKEN or AWS_SESSION_TOKEN"), "{none}");
        let short = Token::find(None, &settings, |_| Some("short".into())).unwrap_err().to_string();
        assert!(short.contains("`AWS_TOKEN`") && !short.contains("short`"), "{short}");
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "0123456789abcdef\n").unwrap();
        let named = format!("file://{}", file.path().display());
        let of = |name: &str| (name == "AWS_SESSION_TOKEN").then(|| named.clone());
        assert_eq!(Token::find(None, &settings, of).unwrap().0.len(), 16);
        assert_eq!(Token::find(Some(file.path()), &settings, |_| None).unwrap().0.len(), 16);
        assert!(Token::find(Some(Path::new("/nowhere/token")), &settings, |_| None).is_err());
    }
}
