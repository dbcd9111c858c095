//! The local certificate authority and the server certificate that it issues.
//!
//! An authority has one level below it and a name of its own; server certificates are
//! for server authentication only and carry the identifiers that strict verifiers ask for
//! (RFC 5280, sections 4.2.1.1, 4.2.1.2 and 4.2.1.9).

use super::{TlsError, read};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;
use zeroize::Zeroizing;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const CA_DAYS: u32 = 3652;
/// Some clients take no certificate that runs longer than 398 days.
const SERVER_DAYS: u32 = 397;
/// A certificate is replaced when it has less left.
const RENEW_DAYS: u32 = 30;
/// Certificates begin this long before they are made, for clients whose clock is behind.
const SKEW: Duration = Duration::from_secs(60 * 60);

/// Names that every server certificate has.
const OWN_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// Makes the authority and the server's certificate for `localhost`, the loopback
/// addresses and `server_names`. Existing files are not overwritten.
///
/// # Errors
/// [`TlsError`]: a wrong name, or a file that cannot be made.
pub fn create(dir: &Path, server_names: &[String]) -> Result<(), TlsError> {
    let names = names(server_names)?;
    let now = SystemTime::now();
    fs::create_dir_all(dir).map_err(|e| TlsError::File(dir.to_owned(), e))?;
    let (ca_key, server_key) = (KeyPair::generate()?, KeyPair::generate()?);
    let params = authority(&ca_key, now);
    let ca = params.self_signed(&ca_key)?;
    let server = issue(&names, now, &server_key, &Issuer::from_params(&params, &ca_key))?;
    write_new(&dir.join("ca.key"), 0o600, Zeroizing::new(ca_key.serialize_pem()).as_bytes())?;
    write_new(&dir.join("ca.pem"), 0o644, ca.pem().as_bytes())?;
    write_new(&dir.join("server.key"), 0o600, Zeroizing::new(server_key.serialize_pem()).as_bytes())?;
    write_new(&dir.join("server.pem"), 0o644, server.as_bytes())
}

/// Replaces the server's certificate if it is this authority's and due.
///
/// # Errors
/// [`TlsError`]: a wrong name, or a file that is missing, wrong or cannot be written.
pub(super) fn renew(dir: &Path, server_names: &[String], now: SystemTime) -> Result<(), TlsError> {
    let names = names(server_names)?;
    let paths = [dir.join("ca.pem"), dir.join("ca.key"), dir.join("server.pem"), dir.join("server.key")];
    let [ca_pem, ca_key, server_pem, server_key] = &paths;
    if !ca_key.exists() || !ca_pem.exists() {
        return Ok(());
    }
    let (ca_der, server_der) = (first_certificate(ca_pem)?, first_certificate(server_pem)?);
    let (ca, server) = (parse(ca_pem, &ca_der)?, parse(server_pem, &server_der)?);
    if server.verify_signature(Some(ca.public_key())).is_err() || !due(&server, &names, now) {
        return Ok(());
    }
    let (ca_key, server_key) = (key_pair(ca_key)?, key_pair(server_key)?);
    let fresh = issue(&names, now, &server_key, &Issuer::from_ca_cert_der(&ca_der, &ca_key)?)?;
    // The key stays, so one rename replaces the certificate as a whole.
    let draft = dir.join("server.pem.new");
    let _ = fs::remove_file(&draft);
    write_new(&draft, 0o644, fresh.as_bytes())?;
    fs::rename(&draft, server_pem).map_err(|e| TlsError::File(server_pem.clone(), e))
}

fn due(server: &X509Certificate<'_>, names: &BTreeSet<String>, now: SystemTime) -> bool {
    let left = server.validity().not_after.timestamp().saturating_sub_unsigned(unix(now).as_secs());
    left < i64::try_from((DAY * RENEW_DAYS).as_secs()).unwrap_or(i64::MAX) || &names_of(server) != names
}

fn names_of(certificate: &X509Certificate<'_>) -> BTreeSet<String> {
    let alternatives = certificate.subject_alternative_name().ok().flatten();
    let names = alternatives.iter().flat_map(|extension| &extension.value.general_names);
    names
        .map(|name| match name {
            GeneralName::DNSName(name) => (*name).to_owned(),
            GeneralName::IPAddress(bytes) => address(bytes).map_or_else(String::new, |ip| ip.to_string()),
            other => other.to_string(),
        })
        .collect()
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let four = || <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from);
    four().or_else(|| <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from))
}

/// The names of a server certificate, in one spelling.
fn names(server_names: &[String]) -> Result<BTreeSet<String>, TlsError> {
    let all = OWN_NAMES.into_iter().chain(server_names.iter().map(String::as_str));
    all.map(|name| {
        if let Ok(ip) = name.parse::<IpAddr>() {
            return Ok(ip.to_string());
        }
        let host = name.strip_prefix("*.").unwrap_or(name);
        ServerName::try_from(host).map_err(|_| TlsError::Name(name.to_owned()))?;
        Ok(name.to_ascii_lowercase())
    })
    .collect()
}

fn authority(key: &KeyPair, now: SystemTime) -> CertificateParams {
    let mut params = CertificateParams::default();
    // Clients that trust several authorities tell them apart by name.
    let id =
        params.key_identifier(key).iter().take(4).fold(String::new(), |id, byte| format!("{id}{byte:02x}"));
    params.distinguished_name.remove(DnType::CommonName);
    params.distinguished_name.push(DnType::CommonName, format!("Sealdock local authority {id}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    valid_for(&mut params, now, CA_DAYS);
    params
}

fn issue(
    names: &BTreeSet<String>,
    now: SystemTime,
    key: &KeyPair,
    issuer: &Issuer<'_, &KeyPair>,
) -> Result<String, TlsError> {
    let mut params = CertificateParams::new(names.iter().cloned().collect::<Vec<_>>())?;
    params.distinguished_name.remove(DnType::CommonName);
    params.distinguished_name.push(DnType::CommonName, "Sealdock broker");
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    // The default serial number follows from the key, which a renewal keeps.
    let mut serial = *uuid::Uuid::new_v4().as_bytes();
    serial[0] &= 0x7f;
    params.serial_number = Some(rcgen::SerialNumber::from_slice(&serial));
    valid_for(&mut params, now, SERVER_DAYS);
    Ok(params.signed_by(key, issuer)?.pem())
}

fn valid_for(params: &mut CertificateParams, now: SystemTime, days: u32) {
    let since_epoch = unix(now).saturating_sub(SKEW);
    params.not_before = rcgen::date_time_ymd(1970, 1, 1) + since_epoch;
    params.not_after = params.not_before + DAY * days;
}

fn unix(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn first_certificate(path: &Path) -> Result<CertificateDer<'static>, TlsError> {
    CertificateDer::from_pem_slice(&read(path)?)
        .map_err(|e| TlsError::Content(path.to_owned(), e.to_string()))
}

fn parse<'a>(path: &Path, der: &'a [u8]) -> Result<X509Certificate<'a>, TlsError> {
    let parsed =
        X509Certificate::from_der(der).map_err(|e| TlsError::Content(path.to_owned(), e.to_string()))?;
    Ok(parsed.1)
}

fn key_pair(path: &Path) -> Result<KeyPair, TlsError> {
    let bytes = read(path)?;
    let text = std::str::from_utf8(&bytes).map_err(|e| TlsError::Content(path.to_owned(), e.to_string()))?;
    KeyPair::from_pem(text).map_err(|e| TlsError::Content(path.to_owned(), e.to_string()))
}

fn write_new(path: &Path, mode: u32, bytes: &[u8]) -> Result<(), TlsError> {
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(|e| TlsError::File(path.to_owned(), e))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn served(dir: &Path) -> (Vec<u8>, BTreeSet<String>, String) {
        let der = first_certificate(&dir.join("server.pem")).unwrap();
        let parsed = parse(dir, &der).unwrap();
        (der.to_vec(), names_of(&parsed), parsed.tbs_certificate.raw_serial_as_string())
    }

    fn owned(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn after(days: u32) -> SystemTime {
        SystemTime::now() + DAY * days
    }

    #[test]
    fn certificates_say_what_strict_clients_want() {
        let dir = tempfile::tempdir().unwrap();
        create(dir.path(), &owned(&["Broker.Example", "*.broker.example", "10.0.0.7", "FD00::0001"]))
            .unwrap();
        let (ca_der, server_der) = (dir.path().join("ca.pem"), dir.path().join("server.pem"));
        let (ca_der, server_der) =
            (first_certificate(&ca_der).unwrap(), first_certificate(&server_der).unwrap());
        let (ca, server) = (parse(dir.path(), &ca_der).unwrap(), parse(dir.path(), &server_der).unwrap());
        let constraints = ca.basic_constraints().unwrap().unwrap();
        assert!(
            constraints.critical && constraints.value.ca && constraints.value.path_len_constraint == Some(0)
        );
        assert!(ca.key_usage().unwrap().unwrap().value.key_cert_sign());
        assert!(server.key_usage().unwrap().unwrap().value.digital_signature());
        assert!(server.extended_key_usage().unwrap().unwrap().value.server_auth);
        let days = (server.validity().not_after - server.validity().not_before).unwrap().whole_days();
        assert_eq!(days, i64::from(SERVER_DAYS));
        let wanted =
            ["*.broker.example", "10.0.0.7", "127.0.0.1", "::1", "broker.example", "fd00::1", "localhost"];
        assert_eq!(names_of(&server).iter().collect::<Vec<_>>(), wanted);
        server.verify_signature(Some(ca.public_key())).unwrap();
    }

    #[test]
    fn keys_are_for_the_owner_and_nothing_is_overwritten() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        create(dir.path(), &[]).unwrap();
        for name in ["ca.key", "server.key"] {
            let mode = fs::metadata(dir.path().join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
        let before = fs::read(dir.path().join("ca.key")).unwrap();
        assert!(matches!(create(dir.path(), &[]), Err(TlsError::File(..))));
        assert_eq!(fs::read(dir.path().join("ca.key")).unwrap(), before);
    }

    #[test]
    fn a_certificate_is_replaced_when_it_is_due_and_only_then() {
        let dir = tempfile::tempdir().unwrap();
        let more = owned(&["broker.example"]);
        create(dir.path(), &[]).unwrap();
        let first = served(dir.path());
        renew(dir.path(), &[], after(SERVER_DAYS - RENEW_DAYS - 1)).unwrap();
        assert_eq!(served(dir.path()).0, first.0, "not due yet");
        renew(dir.path(), &[], after(SERVER_DAYS - RENEW_DAYS)).unwrap();
        let second = served(dir.path());
        assert_ne!(second.2, first.2, "a serial number is used once");
        renew(dir.path(), &more, SystemTime::now()).unwrap();
        let third = served(dir.path());
        assert!(third.1.contains("broker.example") && third.1.len() == 4, "{:?}", third.1);
        renew(dir.path(), &more, SystemTime::now()).unwrap();
        assert_eq!(served(dir.path()).0, third.0, "nothing changed");
    }

    #[test]
    fn certificates_from_elsewhere_are_left_alone() {
        let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        create(dir.path(), &[]).unwrap();
        create(other.path(), &[]).unwrap();
        for name in ["server.pem", "server.key"] {
            fs::copy(other.path().join(name), dir.path().join(name)).unwrap();
        }
        let before = served(dir.path());
        renew(dir.path(), &owned(&["more.example"]), after(1000)).unwrap();
        assert_eq!(served(dir.path()).0, before.0);
        // So is one whose authority's key is kept elsewhere.
        fs::remove_file(other.path().join("ca.key")).unwrap();
        renew(other.path(), &owned(&["more.example"]), after(1000)).unwrap();
        assert_eq!(served(other.path()).0, before.0);
    }

    #[test]
    fn names_are_hosts_or_addresses() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["", "two words", "under/path", "a..b", "*", "*.*.example"] {
            let error = create(dir.path(), &owned(&[name])).unwrap_err();
            assert!(matches!(&error, TlsError::Name(wrong) if wrong == name), "{error}");
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
