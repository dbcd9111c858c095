//! TLS: what the TLS listener serves, and the local certificate authority behind it.
//!
//! | file | what | mode |
//! |---|---|---|
//! | `ca.pem` | the authority's certificate, which clients trust; 10 years | |
//! | `ca.key` | its key | 0600 |
//! | `server.pem` | the server's certificate; 397 days | |
//! | `server.key` | its key | 0600 |
//!
//! A server certificate of this authority that nears its end or lacks a name is replaced,
//! at the start and while the broker runs; the keys stay. A certificate that came from
//! elsewhere is served as it is, and `ca.key` may be kept away from the broker: then
//! nothing is replaced.

mod authority;

pub use authority::create;

use arc_swap::ArcSwap;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio_rustls::TlsAcceptor;
use zeroize::Zeroizing;

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read or written.
    #[error("`{}`: {}", .0.display(), .1)]
    File(PathBuf, #[source] io::Error),
    /// A file does not hold what its name says.
    #[error("`{}` is not usable: {}", .0.display(), .1)]
    Content(PathBuf, String),
    /// A name is neither a DNS name nor an address.
    #[error("`{0}` is neither a host name nor an address")]
    Name(String),
    /// A certificate could not be made.
    #[error("cannot make a certificate: {0}")]
    Issue(#[from] rcgen::Error),
}

/// A server certificate with its key, ready to serve and kept fresh while it is served.
#[derive(Clone)]
pub struct Material {
    files: Arc<Files>,
    config: Arc<ArcSwap<rustls::ServerConfig>>,
}

struct Files {
    dir: PathBuf,
    server_names: Vec<String>,
}

impl fmt::Debug for Material {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Material({})", self.files.dir.display())
    }
}

/// How often the certificate on disk is looked at.
const REFRESH: Duration = Duration::from_secs(6 * 60 * 60);

impl Material {
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.config.load_full())
    }

    /// Never ends: keeps the certificate fresh, for new connections.
    pub(super) async fn keep_fresh(&self) {
        loop {
            tokio::time::sleep(REFRESH).await;
            let this = self.clone();
            let refreshed = tokio::task::spawn_blocking(move || this.refresh(SystemTime::now())).await;
            if let Ok(Err(error)) = refreshed {
                tracing::error!(%error, "the server certificate was not looked at; the old one stays in use");
            }
        }
    }

    fn refresh(&self, now: SystemTime) -> Result<(), TlsError> {
        self.config.store(Arc::new(read_config(&self.files, now)?));
        Ok(())
    }
}

/// Loads what the TLS listener serves, with a fresh server certificate if one is due.
///
/// # Errors
/// [`TlsError`]: a wrong name, a file that is missing or wrong, or a certificate that is due and cannot be made.
pub fn load(dir: &Path, server_names: &[String]) -> Result<Material, TlsError> {
    load_at(dir, server_names, SystemTime::now())
}

fn load_at(dir: &Path, server_names: &[String], now: SystemTime) -> Result<Material, TlsError> {
    let files = Files { dir: dir.to_owned(), server_names: server_names.to_owned() };
    let config = read_config(&files, now)?;
    Ok(Material { files: Arc::new(files), config: Arc::new(ArcSwap::from_pointee(config)) })
}

fn read_config(files: &Files, now: SystemTime) -> Result<rustls::ServerConfig, TlsError> {
    authority::renew(&files.dir, &files.server_names, now)?;
    let (server_pem, server_key) = (files.dir.join("server.pem"), files.dir.join("server.key"));
    let chain = CertificateDer::pem_slice_iter(&read(&server_pem)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|e| TlsError::Content(server_pem.clone(), e.to_string()))?;
    let key = PrivateKeyDer::from_pem_slice(&read(&server_key)?)
        .map_err(|e| TlsError::Content(server_key.clone(), e.to_string()))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map(|builder| builder.with_no_client_auth())
        .and_then(|builder| builder.with_single_cert(chain, key))
        .map_err(|e| TlsError::Content(server_pem, e.to_string()))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// The bytes of a file, wiped after use.
fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, TlsError> {
    fs::read(path).map(Zeroizing::new).map_err(|e| TlsError::File(path.to_owned(), e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_served_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let absent = load(dir.path(), &[]).unwrap_err().to_string();
        assert!(absent.contains("server.pem"), "{absent}");
        create(dir.path(), &[]).unwrap();
        let other = tempfile::tempdir().unwrap();
        create(other.path(), &[]).unwrap();
        fs::copy(other.path().join("server.key"), dir.path().join("server.key")).unwrap();
        let mismatch = load(dir.path(), &[]).unwrap_err();
        assert!(matches!(mismatch, TlsError::Content(..)), "{mismatch}");
        fs::write(dir.path().join("server.key"), "-----BEGIN PRIVATE KEY-----\nsecret\n").unwrap();
        let broken = load(dir.path(), &[]).unwrap_err().to_string();
        assert!(broken.contains("server.key") && !broken.contains("secret"), "{broken}");
    }

    #[test]
    fn a_refresh_serves_the_new_certificate_and_survives_a_bad_one() {
        let dir = tempfile::tempdir().unwrap();
        create(dir.path(), &[]).unwrap();
        let material = load(dir.path(), &[]).unwrap();
        let (first, before) = (material.config.load_full(), fs::read(dir.path().join("server.pem")).unwrap());
        material.refresh(SystemTime::now() + Duration::from_secs(380 * 24 * 60 * 60)).unwrap();
        let second = material.config.load_full();
        assert!(!Arc::ptr_eq(&first, &second));
        assert_ne!(fs::read(dir.path().join("server.pem")).unwrap(), before);
        fs::write(dir.path().join("server.pem"), "torn").unwrap();
        material.refresh(SystemTime::now()).unwrap_err();
        assert!(Arc::ptr_eq(&second, &material.config.load_full()));
    }
}
