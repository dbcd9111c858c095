//! `sealdock.toml`, the broker's configuration, parsed into final types.
//!
//! It lives in the data directory that `sealdock init` makes. Paths in it are
//! relative to that directory. Unknown keys are refused, with the place.

mod functions;

pub(crate) use functions::{check_function_arn, check_url};

use crate::arn::{is_account_id, is_region};
use crate::broker::Function;
use crate::diagnostic::Diagnostic;
use serde::Deserialize;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::Spanned;
use zeroize::Zeroizing;

use crate::server::Limits;
use crate::vault::Unlock;

/// Name of the configuration file in the data directory.
pub const FILE: &str = "sealdock.toml";

/// Everything that the broker needs to know before it starts.
#[derive(Clone, Debug)]
pub struct Config {
    /// The data directory.
    pub data: PathBuf,
    /// Account id of this vault.
    pub account: String,
    /// Region for clients that name none.
    pub region: String,
    /// Directory of policy documents.
    pub policies: PathBuf,
    /// How the vault is unlocked.
    pub unlock: UnlockFrom,
    /// TLS listener.
    pub tls: Option<SocketAddr>,
    /// Plain HTTP listener; loopback only.
    pub http: Option<SocketAddr>,
    /// Unix socket.
    pub socket: Option<PathBuf>,
    /// Permission bits of the socket; 0600 unless `[[peer]]`s are to reach it.
    pub socket_mode: u32,
    /// Further names in the server's certificate.
    pub server_names: Vec<String>,
    /// Directory of the audit log.
    pub audit: PathBuf,
    /// Longest wait for the audit log before a request is refused.
    pub audit_wait: Duration,
    /// Size at which a new segment of the audit log begins, in bytes.
    pub audit_segment_bytes: u64,
    /// Limits of the listeners.
    pub limits: LimitsFile,
    /// Principals of Unix-socket peers, by uid.
    pub peers: Vec<PeerEntry>,
    /// Functions that rotation calls.
    pub functions: Vec<Function>,
    /// Whether resource policies may name users and roles of the account that the policies do not
    /// know. Not in the file: only `sealdock dev` sets it.
    pub other_principals: bool,
}

/// Where the root key or the passphrase is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnlockFrom {
    /// A key file.
    KeyFile(PathBuf),
    /// A file that holds the passphrase; `-` is standard input.
    PassphraseFile(PathBuf),
}

/// Limits of the listeners, as written in the file.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct LimitsFile {
    /// Open connections at a time.
    pub connections: usize,
    /// Seconds until a request's header must be complete; also the idle limit.
    pub header_seconds: u64,
    /// Largest request body.
    pub body_bytes: usize,
    /// Seconds until a request's body must be complete.
    pub body_seconds: u64,
}

impl Default for LimitsFile {
    fn default() -> Self {
        Self { connections: 1024, header_seconds: 30, body_bytes: 1024 * 1024, body_seconds: 15 }
    }
}

impl LimitsFile {
    /// The limits of the listeners.
    pub fn limits(&self) -> Limits {
        Limits {
            connections: self.connections.max(1),
            header_time: seconds(self.header_seconds),
            body_bytes: self.body_bytes,
            body_time: seconds(self.body_seconds),
            ..Limits::default()
        }
    }
}

/// A waiting time: at least a second, at most an hour. Longer ones are not sums that a clock can do.
fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds.clamp(1, 3600))
}

/// A user of the host and the principal that it acts as over the Unix socket.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeerEntry {
    /// User id of the peer process.
    pub uid: u32,
    /// ARN of a user or role.
    pub principal: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    account: Spanned<String>,
    region: Spanned<String>,
    #[serde(default = "default_policies")]
    policies: PathBuf,
    #[serde(default)]
    unlock: UnlockFile,
    #[serde(default)]
    listen: ListenFile,
    #[serde(default)]
    audit: AuditFile,
    #[serde(default)]
    limits: LimitsFile,
    #[serde(default)]
    peer: Vec<PeerEntry>,
    #[serde(default)]
    function: Vec<functions::FunctionEntry>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct UnlockFile {
    key_file: Option<PathBuf>,
    passphrase_file: Option<Spanned<PathBuf>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct ListenFile {
    tls: Option<SocketAddr>,
    http: Option<Spanned<SocketAddr>>,
    socket: Option<PathBuf>,
    socket_mode: Option<Spanned<String>>,
    #[serde(default)]
    server_names: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct AuditFile {
    directory: PathBuf,
    wait_seconds: u64,
    segment_bytes: u64,
}

impl Default for AuditFile {
    fn default() -> Self {
        Self { directory: "audit".into(), wait_seconds: 5, segment_bytes: 16 * 1024 * 1024 }
    }
}

fn default_policies() -> PathBuf {
    "policies".into()
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file is not there or cannot be read.
    #[error("cannot read `{path}`: {cause}; run `sealdock init --data {data}` first", data = path.parent().unwrap_or(Path::new(".")).display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        cause: std::io::Error,
    },
    /// The file has errors; the text shows them at their places.
    #[error("{0}")]
    Invalid(String),
    /// The passphrase cannot be read.
    #[error("cannot read the passphrase from `{path}`: {cause}")]
    Passphrase {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        cause: std::io::Error,
    },
    /// Others could read the passphrase.
    #[error("passphrase file `{path}` has mode {mode:04o}: other users may read it; run `chmod 600 {path}`")]
    PassphrasePermissions {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
}

impl Config {
    /// Reads `sealdock.toml` of a data directory.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn load(data: &Path) -> Result<Self, ConfigError> {
        let path = data.join(FILE);
        let text = std::fs::read_to_string(&path)
            .map_err(|cause| ConfigError::Read { path: path.clone(), cause })?;
        Self::parse(data, &path.display().to_string(), &text)
    }

    /// Parses the text of a configuration file.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] with every problem that can be told at once.
    pub fn parse(data: &Path, path: &str, text: &str) -> Result<Self, ConfigError> {
        let invalid = |d: Diagnostic| ConfigError::Invalid(d.render(path, text));
        let file: File = toml::from_str(text).map_err(|e| {
            let diagnostic =
                Diagnostic::error("CONF0001", e.message().lines().collect::<Vec<_>>().join(", "));
            invalid(match e.span() {
                Some(span) => diagnostic.at(span, ""),
                None => diagnostic,
            })
        })?;
        let mut problems = Vec::new();
        if !is_account_id(file.account.get_ref()) {
            let text = format!("`{}` is not a 12-digit account id", file.account.get_ref());
            problems.push(Diagnostic::error("CONF0002", text).at(file.account.span(), ""));
        }
        if !is_region(file.region.get_ref()) {
            let text = format!("`{}` is not a Region code", file.region.get_ref());
            problems.push(Diagnostic::error("CONF0003", text).at(file.region.span(), ""));
        }
        if let Some(address) = file.listen.http.as_ref().filter(|a| !a.get_ref().ip().is_loopback()) {
            let text = format!("plain HTTP on `{}` would put secrets on a network", address.get_ref());
            problems.push(
                Diagnostic::error("CONF0004", text)
                    .at(address.span(), "not a loopback address")
                    .help("use a loopback address for `http`, or `tls`"),
            );
        }
        let mode = file.listen.socket_mode.as_ref();
        let bits = mode.map(|m| {
            u32::from_str_radix(m.get_ref(), 8).ok().filter(|bits| bits & 0o600 == 0o600 && *bits <= 0o666)
        });
        if let (Some(mode), Some(None)) = (mode, bits) {
            problems.push(
                Diagnostic::error("CONF0006", format!("`{}` is not a mode for a socket", mode.get_ref()))
                    .at(mode.span(), "")
                    .help("`\"0600\"` is for the broker's own user, `\"0660\"` for its group too, `\"0666\"` for everybody"),
            );
        }
        let unlock = match (file.unlock.key_file, file.unlock.passphrase_file) {
            (Some(_), Some(passphrase)) => {
                problems.push(
                    Diagnostic::error("CONF0005", "`key-file` and `passphrase-file` exclude each other")
                        .at(passphrase.span(), "remove one of them"),
                );
                UnlockFrom::KeyFile(PathBuf::new())
            }
            (None, Some(path)) if path.get_ref().as_os_str() == "-" => {
                UnlockFrom::PassphraseFile(path.into_inner())
            }
            (None, Some(path)) => UnlockFrom::PassphraseFile(data.join(path.into_inner())),
            (key, None) => UnlockFrom::KeyFile(data.join(key.unwrap_or_else(|| "root.key".into()))),
        };
        let functions = functions::parse(data, file.function, &mut problems);
        if !problems.is_empty() {
            return Err(ConfigError::Invalid(crate::diagnostic::render_all(&problems, path, text)));
        }
        Ok(Self {
            account: file.account.into_inner(),
            region: file.region.into_inner(),
            policies: data.join(file.policies),
            unlock,
            tls: file.listen.tls,
            http: file.listen.http.map(Spanned::into_inner),
            socket: file.listen.socket.map(|p| data.join(p)),
            socket_mode: bits.flatten().unwrap_or(0o600),
            server_names: file.listen.server_names,
            audit: data.join(file.audit.directory),
            audit_wait: seconds(file.audit.wait_seconds),
            audit_segment_bytes: file.audit.segment_bytes.max(4096),
            limits: file.limits,
            peers: file.peer,
            functions,
            other_principals: false,
            data: data.to_owned(),
        })
    }

    /// The store's file.
    pub fn vault_file(&self) -> PathBuf {
        self.data.join("vault.redb")
    }

    /// Directory of the certificates.
    pub fn tls_directory(&self) -> PathBuf {
        self.data.join("tls")
    }
}

impl UnlockFrom {
    /// Reads the passphrase, if it is one.
    ///
    /// # Errors
    /// [`ConfigError::Passphrase`].
    pub fn read(&self) -> Result<Unlock, ConfigError> {
        match self {
            Self::KeyFile(path) => Ok(Unlock::KeyFile(path.clone())),
            Self::PassphraseFile(path) => {
                let failed = |cause| ConfigError::Passphrase { path: path.clone(), cause };
                let read = if path.as_os_str() == "-" {
                    std::io::read_to_string(std::io::stdin())
                } else {
                    let file = std::fs::File::open(path).map_err(failed)?;
                    let meta = file.metadata().map_err(failed)?;
                    // A pipe is between two processes; a file is as good as the key that it makes.
                    if meta.is_file() && meta.mode() & 0o077 != 0 {
                        let mode = meta.mode() & 0o7777;
                        return Err(ConfigError::PassphrasePermissions { path: path.clone(), mode });
                    }
                    std::io::read_to_string(file)
                };
                let text = Zeroizing::new(read.map_err(failed)?);
                Ok(Unlock::Passphrase(Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned())))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "account = \"111122223333\"\nregion = \"us-east-1\"\n";

    fn parse(text: &str) -> Result<Config, ConfigError> {
        Config::parse(Path::new("/d"), "sealdock.toml", text)
    }

    #[test]
    fn paths_are_relative_to_the_data_directory() {
        let config = parse(&format!("{GOOD}[listen]\nsocket = \"s.sock\"\n")).unwrap();
        assert_eq!(config.socket.as_deref(), Some(Path::new("/d/s.sock")));
        assert_eq!(config.unlock, UnlockFrom::KeyFile("/d/root.key".into()));
        assert_eq!(config.policies, Path::new("/d/policies"));
    }

    #[test]
    fn errors_name_the_place() {
        let text = parse(&format!("{GOOD}[listen]\nhtpp = \"127.0.0.1:1\"\n")).unwrap_err().to_string();
        assert!(text.contains("sealdock.toml:4:1") && text.contains("htpp"), "{text}");
        let text = parse("account = \"1\"\nregion = \"x\"\n[listen]\nhttp = \"0.0.0.0:80\"\n")
            .unwrap_err()
            .to_string();
        for code in ["CONF0002", "CONF0003", "CONF0004"] {
            assert!(text.contains(code), "{text}");
        }
    }
}
