//! Signing of requests that we send.

use super::canonical::{HexHash, Request, string_to_sign};
use super::key::SigningKey;
use super::scope::{Scope, compact};
use super::{ALGORITHM, X_AMZ_DATE, X_AMZ_SECURITY_TOKEN};
use crate::secret::SecretValue;
use http::{HeaderMap, HeaderValue, Method, Uri, header};
use jiff::Timestamp;

/// Who signs, and for where.
#[derive(Clone, Copy, Debug)]
pub struct Signer<'a> {
    /// The access key.
    pub access_key_id: &'a str,
    /// Its secret.
    pub secret_access_key: &'a SecretValue,
    /// Of temporary credentials.
    pub session_token: Option<&'a SecretValue>,
    /// The Region code.
    pub region: &'a str,
    /// The signing name of the service.
    pub service: &'a str,
}

/// Adds `x-amz-date`, `x-amz-security-token` and `authorization` to the headers of a
/// request. Signs the host (from its header, or the URI), `content-type` and every
/// `x-amz-*` header.
///
/// # Errors
/// If the session token cannot stand in a header, or there is no host.
pub fn sign(
    signer: &Signer<'_>,
    method: &Method,
    uri: &Uri,
    headers: &mut HeaderMap,
    body: &[u8],
    now: Timestamp,
) -> Result<(), http::Error> {
    let time = compact(now);
    let scope = Scope::new(now, signer.region, signer.service);
    headers.insert(X_AMZ_DATE, HeaderValue::from_str(&time)?);
    if let Some(token) = signer.session_token {
        #[expect(
            clippy::disallowed_methods,
            reason = "the session token goes with each request of the session"
        )]
        let mut value = HeaderValue::from_bytes(token.expose())?;
        value.set_sensitive(true);
        headers.insert(X_AMZ_SECURITY_TOKEN, value);
    }
    if !headers.contains_key(header::HOST) {
        let host = uri.authority().map(http::uri::Authority::as_str).unwrap_or_default();
        headers.insert(header::HOST, HeaderValue::from_str(host)?);
    }
    let mut names: Vec<&str> = headers
        .keys()
        .map(header::HeaderName::as_str)
        .filter(|name| matches!(*name, "host" | "content-type") || name.starts_with("x-amz-"))
        .collect();
    names.sort_unstable();
    let names = names.join(";");
    let host = headers.get(header::HOST).map(HeaderValue::as_bytes).unwrap_or_default();
    let query = uri.query().unwrap_or_default();
    let request = Request { method: method.as_str(), path: uri.path(), query, host, headers };
    // INVARIANT: every name was taken from the headers, so nothing is missing.
    let canonical = request.canonical(&names, false).unwrap_or_default();
    let text = string_to_sign(&canonical, &HexHash::of(body), &time, &scope);
    let key = SigningKey::derive(signer.secret_access_key, &scope);
    let signature = hex::encode(key.signature(&text).as_slice());
    let mut authorization = HeaderValue::from_str(&format!(
        "{ALGORITHM} Credential={}/{scope}, SignedHeaders={}, Signature={signature}",
        signer.access_key_id, names,
    ))?;
    authorization.set_sensitive(true);
    headers.insert(header::AUTHORIZATION, authorization);
    Ok(())
}
