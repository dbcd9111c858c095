//! [`Rotator`]: calls rotation functions when secrets are due.
//!
//! ```text
//! the secrets' records say what is due        vault/rotation.rs
//!   -> an attempt, which counts as begun      scheduler.rs
//!      RotationStarted is on record           attempt.rs
//!      createSecret, setSecret, testSecret, finishSecret
//!         each an invocation of the function  invoke.rs: http.rs, command.rs
//!      the record says how it ended, and so does the audit log
//! ```
//!
//! Nothing here reads a secret. The function does, through the API, with credentials that
//! are good for this one secret and this one step; so every read is authorised and recorded.

mod attempt;
mod command;
mod http;
mod invoke;
mod said;
mod scheduler;

pub use scheduler::Rotator;

use std::path::PathBuf;

/// Where functions on this host find the broker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// URL of a listener that SDKs understand.
    pub endpoint: Option<String>,
    /// Certificate of the authority, for `https`.
    pub ca: Option<PathBuf>,
    /// The Unix socket.
    pub socket: Option<PathBuf>,
}

impl Reach {
    /// Picks from the URLs that the broker listens on. Plain HTTP is on loopback and needs no
    /// certificate; a server that listens on every address is reached as `localhost`, which is
    /// in its certificate.
    pub fn new(urls: &[String], ca: PathBuf) -> Self {
        let find = |scheme: &str| urls.iter().find(|url| url.starts_with(scheme));
        let plain = find("http://").cloned();
        let tls = find("https://").map(|url| {
            ["0.0.0.0", "127.0.0.1", "[::]", "[::1]"]
                .iter()
                .fold(url.clone(), |url, address| url.replacen(&format!("//{address}:"), "//localhost:", 1))
        });
        Self {
            ca: tls.as_ref().filter(|_| plain.is_none()).map(|_| ca),
            endpoint: plain.or(tls),
            socket: find("unix:").and_then(|url| url.strip_prefix("unix:")).map(PathBuf::from),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_get_an_endpoint_that_they_can_use() {
        let reach = |urls: &[&str]| {
            Reach::new(&urls.iter().map(|&url| url.to_owned()).collect::<Vec<_>>(), "/ca.pem".into())
        };
        let both = reach(&["https://0.0.0.0:8443", "http://127.0.0.1:8080", "unix:/s.sock"]);
        assert_eq!(both.endpoint.as_deref(), Some("http://127.0.0.1:8080"));
        assert_eq!((both.ca, both.socket), (None, Some("/s.sock".into())));
        let tls = reach(&["https://0.0.0.0:8443"]);
        assert_eq!(tls.endpoint.as_deref(), Some("https://localhost:8443"));
        assert_eq!((tls.ca, tls.socket), (Some("/ca.pem".into()), None));
        assert_eq!(reach(&["https://[::]:8443"]).endpoint.as_deref(), Some("https://localhost:8443"));
        assert_eq!(reach(&["https://192.0.2.1:8443"]).endpoint.as_deref(), Some("https://192.0.2.1:8443"));
        assert_eq!(reach(&[]), Reach::default());
    }
}
