//! [`Endpoint`]: where the broker listens.
//!
//! ```text
//! unix:/run/sealdock/sealdock.sock
//! http://127.0.0.1:8400
//! https://localhost:8443          with the certificate of the CA that signed the server's
//! ```

use std::fmt;
use std::path::{Path, PathBuf};

/// Where the broker listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A Unix socket.
    Unix(PathBuf),
    /// Plain HTTP.
    Http {
        /// Name or address; an IPv6 address without brackets.
        host: String,
        /// The port.
        port: u16,
        /// `host:port`, as it stands in the `Host` header.
        authority: String,
    },
    /// HTTPS.
    Tls {
        /// Name or address, as in the server's certificate.
        host: String,
        /// The port.
        port: u16,
        /// `host:port`, as it stands in the `Host` header.
        authority: String,
        /// Certificates of the authorities to trust.
        ca_pem: Option<Vec<u8>>,
    },
}

/// Why a text is not an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not an endpoint: {reason}; write `unix:/path/to/socket`, `http://host:port` or `https://host:port`"
)]
pub struct EndpointError {
    text: String,
    reason: &'static str,
}

impl Endpoint {
    /// Reads an endpoint.
    ///
    /// # Errors
    /// If it is of none of the three forms.
    pub fn parse(text: &str) -> Result<Self, EndpointError> {
        let wrong = |reason| EndpointError { text: text.to_owned(), reason };
        if let Some(path) = text.strip_prefix("unix:") {
            // `unix:///path` is a common spelling.
            let path = path.strip_prefix("//").unwrap_or(path);
            if !Path::new(path).is_absolute() {
                return Err(wrong("the path of a socket is absolute"));
            }
            return Ok(Self::Unix(path.into()));
        }
        let uri: http::Uri = text.parse().map_err(|_| wrong("it is not a URL"))?;
        let tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(wrong("it has no known scheme")),
        };
        let authority = uri.authority().ok_or_else(|| wrong("it has no host"))?;
        if authority.as_str().contains('@') {
            return Err(wrong("credentials do not belong in it"));
        }
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(wrong("it has a path"));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return Err(wrong("it has no host"));
        }
        let port = match authority.as_str().strip_prefix(authority.host()) {
            Some("") if tls => 443,
            Some("") => 80,
            _ => authority.port_u16().ok_or_else(|| wrong("the port is not a number up to 65535"))?,
        };
        let authority = authority.as_str().to_owned();
        Ok(if tls {
            Self::Tls { host, port, authority, ca_pem: None }
        } else {
            Self::Http { host, port, authority }
        })
    }

    /// Trusts these authorities, if it is HTTPS.
    #[must_use]
    pub fn with_ca(self, pem: Vec<u8>) -> Self {
        match self {
            Self::Tls { host, port, authority, .. } => Self::Tls { host, port, authority, ca_pem: Some(pem) },
            other => other,
        }
    }

    /// The `Host` header.
    pub(super) fn host(&self) -> &str {
        match self {
            Self::Unix(_) => "localhost",
            Self::Http { authority, .. } | Self::Tls { authority, .. } => authority,
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Http { authority, .. } => write!(f, "http://{authority}"),
            Self::Tls { authority, .. } => write!(f, "https://{authority}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_three_forms() {
        for text in ["unix:/run/s.sock", "http://127.0.0.1:8400", "https://localhost:8443", "https://[::1]:1"]
        {
            assert_eq!(Endpoint::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Endpoint::parse("unix:///run/s").unwrap(), Endpoint::Unix("/run/s".into()));
        let Endpoint::Tls { host, port, .. } = Endpoint::parse("https://[::1]/").unwrap() else { panic!() };
        assert_eq!((host.as_str(), port), ("::1", 443));
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, reason) in [
            ("unix:run/s", "the path of a socket is absolute"),
            ("127.0.0.1:8400", "it has no known scheme"),
            ("ftp://a", "it has no known scheme"),
            ("http://a/b", "it has a path"),
            ("http://u:hunter2@a", "credentials do not belong in it"),
            ("http://a:99999", "the port is not a number up to 65535"),
            ("", "it is not a URL"),
        ] {
            assert_eq!(Endpoint::parse(text).map_err(|e| e.reason), Err(reason), "{text}");
        }
    }
}
