//! [`Presented`]: a signature as it came with a request, to be verified.

use super::canonical::{HexHash, Request, string_to_sign};
use super::key::SigningKey;
use super::scope::{Scope, clip, compact, parse_compact};
use super::{ALGORITHM, X_AMZ_CONTENT_SHA256, X_AMZ_DATE, X_AMZ_SECURITY_TOKEN};
use crate::protocol::error::ApiError;
use crate::secret::SecretValue;
use http::{HeaderMap, HeaderName, Method, Uri, header};
use jiff::{SignedDuration, Timestamp};
use percent_encoding::percent_decode_str;
use sha2::{Digest as _, Sha256};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use subtle::ConstantTimeEq as _;

/// How far the clocks of client and server may be apart.
const WINDOW: SignedDuration = SignedDuration::from_mins(15);

/// Longest life of a presigned URL.
const MAX_EXPIRES: i64 = 7 * 24 * 3600;

/// Most headers that a signature may name.
const MAX_SIGNED_HEADERS: usize = 128;

/// Who claims to have signed the request, when, and for which scope.
pub struct Presented {
    /// The access key.
    pub access_key_id: String,
    /// Date, Region and service; see [`Scope::require`].
    pub scope: Scope,
    /// Lower case, in the signer's order, separated by semicolons.
    pub signed_headers: String,
    /// When it was signed.
    pub date: Timestamp,
    /// Of temporary credentials.
    pub session_token: Option<SecretValue>,
    /// The life of a presigned URL.
    pub expires: Option<SignedDuration>,
    time: String,
    signature: [u8; 32],
    canonical: Vec<u8>,
    claimed_body_hash: Option<String>,
}

impl fmt::Debug for Presented {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Presented")
            .field("access_key_id", &self.access_key_id)
            .field("scope", &self.scope)
            .field("signed_headers", &self.signed_headers)
            .field("date", &self.date)
            .finish_non_exhaustive()
    }
}

impl Presented {
    /// Reads the signature of a request, from its `Authorization` header or, for a
    /// presigned URL, its query. `None` if it has neither.
    ///
    /// # Errors
    /// `IncompleteSignatureException`, `InvalidSignatureException`,
    /// `UnrecognizedClientException`.
    pub fn parse(method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<Option<Self>, ApiError> {
        let query = uri.query().unwrap_or_default();
        let claim = match headers.get(header::AUTHORIZATION) {
            Some(value) => {
                if headers.get_all(header::AUTHORIZATION).iter().count() > 1 {
                    return Err(ApiError::incomplete_signature(
                        "there is more than one Authorization header",
                    ));
                }
                Claim::from_header(value.as_bytes(), headers)?
            }
            None if query.split('&').any(|pair| pair.starts_with("X-Amz-Algorithm=")) => {
                Claim::from_query(query)?
            }
            None => return Ok(None),
        };
        claim.check(method, uri, headers, query).map(Some)
    }

    /// Whether the secret behind `key` signed exactly this request with this body,
    /// at a time near `now`.
    ///
    /// # Errors
    /// `InvalidSignatureException`; which of the two it is: the time, or the signature.
    pub fn verify(&self, key: &SigningKey, body: &[u8], now: Timestamp) -> Result<(), ApiError> {
        self.check_time(now)?;
        let body_hash = HexHash::of(body);
        let claimed = self.claimed_body_hash.as_ref();
        if claimed.is_some_and(|claimed| !claimed.eq_ignore_ascii_case(body_hash.as_str())) {
            return Err(ApiError::invalid_signature(
                "The value of the x-amz-content-sha256 header does not match the computed SHA-256 hash of the \
                 request body.",
            ));
        }
        let text = string_to_sign(&self.canonical, &body_hash, &self.time, &self.scope);
        if bool::from(key.signature(&text).as_slice().ct_eq(&self.signature)) {
            Ok(())
        } else {
            Err(ApiError::signature_mismatch())
        }
    }

    fn check_time(&self, now: Timestamp) -> Result<(), ApiError> {
        let age = now.duration_since(self.date);
        let life = self.expires.unwrap_or(WINDOW);
        if age > life {
            let (limit, now, minutes) = (compact(now - life), compact(now), life.as_mins());
            return Err(ApiError::invalid_signature(format!(
                "Signature expired: {} is now earlier than {limit} ({now} - {minutes} min.)",
                self.time
            )));
        }
        if -age > WINDOW {
            let (limit, now, minutes) = (compact(now + WINDOW), compact(now), WINDOW.as_mins());
            return Err(ApiError::invalid_signature(format!(
                "Signature not yet current: {} is still later than {limit} ({now} + {minutes} min.)",
                self.time
            )));
        }
        Ok(())
    }
}

/// The parts of a signature before anything is checked.
struct Claim<'a> {
    credential: Cow<'a, str>,
    signed_headers: Cow<'a, str>,
    signature: Cow<'a, str>,
    date: Timestamp,
    session_token: Option<SecretValue>,
    expires: Option<SignedDuration>,
}

impl<'a> Claim<'a> {
    /// `AWS4-HMAC-SHA256 Credential=.., SignedHeaders=.., Signature=..`
    fn from_header(value: &'a [u8], headers: &HeaderMap) -> Result<Self, ApiError> {
        let text = std::str::from_utf8(value)
            .map_err(|_| ApiError::incomplete_signature("the Authorization header is not ASCII"))?;
        let parameters = match text.trim().split_once([' ', '\t']) {
            Some((ALGORITHM, parameters)) => parameters,
            // Another scheme's value may be a token, so it is not repeated.
            _ if text.trim() != ALGORITHM => {
                return Err(ApiError::incomplete_signature(format!(
                    "Authorization header requires the algorithm '{ALGORITHM}'"
                )));
            }
            _ => "",
        };
        let mut found: BTreeMap<&str, &str> = BTreeMap::new();
        for parameter in parameters.split(',').map(str::trim).filter(|p| !p.is_empty()) {
            let Some((name, value)) = parameter.split_once('=') else {
                let hash = base64_sha256(parameter);
                return Err(ApiError::incomplete_signature(format!(
                    "Invalid key=value pair (missing equal-sign) in Authorization header (hashed with SHA-256 and \
                     encoded with Base64): '{hash}'."
                )));
            };
            if found.insert(name, value).is_some() {
                return Err(ApiError::incomplete_signature(format!(
                    "Authorization header has parameter '{}' twice",
                    clip(name)
                )));
            }
        }
        let date = signing_date(headers);
        let mut missing: Vec<String> = ["Credential", "Signature", "SignedHeaders"]
            .iter()
            .filter(|name| !found.contains_key(**name))
            .map(|name| format!("Authorization header requires '{name}' parameter."))
            .collect();
        if date.is_none() {
            missing.push(
                "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."
                    .to_owned(),
            );
        }
        let part = |name: &str| found.get(name).map(|value| Cow::Borrowed(*value));
        match (part("Credential"), part("SignedHeaders"), part("Signature"), date) {
            (Some(credential), Some(signed_headers), Some(signature), Some(date)) => Ok(Self {
                credential,
                signed_headers,
                signature,
                date,
                session_token: headers
                    .get(&X_AMZ_SECURITY_TOKEN)
                    .map(|v| SecretValue::new(v.as_bytes().to_vec())),
                expires: None,
            }),
            _ => Err(ApiError::incomplete_signature(missing.join(" "))),
        }
    }

    /// `X-Amz-Algorithm=..&X-Amz-Credential=..&X-Amz-Date=..&X-Amz-Expires=..&...`
    fn from_query(query: &str) -> Result<Self, ApiError> {
        let mut found: BTreeMap<String, String> = BTreeMap::new();
        for pair in query.split('&').filter(|pair| pair.starts_with("X-Amz-")) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = percent_decode_str(value).decode_utf8_lossy().into_owned();
            if found.insert(name.to_owned(), value).is_some() {
                return Err(ApiError::incomplete_signature(format!(
                    "AWS query-string parameter '{}' is there twice",
                    clip(name)
                )));
            }
        }
        if found.get("X-Amz-Algorithm").is_none_or(|name| name != ALGORITHM) {
            return Err(ApiError::incomplete_signature(format!("X-Amz-Algorithm must be '{ALGORITHM}'")));
        }
        let mut take = |name: &str| {
            found.remove(name).ok_or_else(|| {
                ApiError::incomplete_signature(format!("AWS query-string parameters must include '{name}'."))
            })
        };
        let credential = take("X-Amz-Credential")?.into();
        let signed_headers = take("X-Amz-SignedHeaders")?.into();
        let signature = take("X-Amz-Signature")?.into();
        let date = parse_compact(&take("X-Amz-Date")?).ok_or_else(|| {
            ApiError::incomplete_signature("X-Amz-Date must have the format YYYYMMDDTHHMMSSZ")
        })?;
        let expires: Option<i64> = take("X-Amz-Expires")?.parse().ok();
        let expires = expires.filter(|seconds| (1..=MAX_EXPIRES).contains(seconds)).ok_or_else(|| {
            ApiError::invalid_signature(format!("X-Amz-Expires must be between 1 and {MAX_EXPIRES} seconds"))
        })?;
        Ok(Self {
            credential,
            signed_headers,
            signature,
            date,
            session_token: found.remove("X-Amz-Security-Token").map(SecretValue::from),
            expires: Some(SignedDuration::from_secs(expires)),
        })
    }

    /// Refuses what no key could make right.
    fn check(
        self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        query: &str,
    ) -> Result<Presented, ApiError> {
        let (access_key_id, scope) = Scope::parse_credential(&self.credential)?;
        let time = compact(self.date);
        if !time.starts_with(&scope.date) {
            return Err(ApiError::invalid_signature(format!(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{}' != \
                 '{}', from '{time}'.",
                scope.date,
                time.chars().take(8).collect::<String>(),
            )));
        }
        check_signed_headers(&self.signed_headers, headers, self.expires.is_some())?;
        let mut signature = [0; 32];
        hex::decode_to_slice(self.signature.as_bytes(), &mut signature)
            .map_err(|_| ApiError::signature_mismatch())?;
        let host = match (headers.get(header::HOST), uri.authority()) {
            (Some(host), _) => host.as_bytes(),
            (None, Some(authority)) => authority.as_str().as_bytes(),
            (None, None) => return Err(unsigned_host()),
        };
        let request = Request { method: method.as_str(), path: uri.path(), query, host, headers };
        let canonical = request
            .canonical(&self.signed_headers, self.expires.is_some())
            .ok_or_else(ApiError::signature_mismatch)?;
        let claimed =
            headers.get(&X_AMZ_CONTENT_SHA256).map(|v| String::from_utf8_lossy(v.as_bytes()).into_owned());
        Ok(Presented {
            access_key_id,
            scope,
            signed_headers: self.signed_headers.into_owned(),
            date: self.date,
            session_token: self.session_token,
            expires: self.expires,
            time,
            signature,
            canonical,
            claimed_body_hash: claimed,
        })
    }
}

/// `X-Amz-Date`, or `Date` in either format. More than one of a kind counts as none:
/// which of them was signed would be a guess.
fn signing_date(headers: &HeaderMap) -> Option<Timestamp> {
    let one = |name: &HeaderName| {
        let mut values = headers.get_all(name).iter();
        let value = values.next()?;
        values.next().is_none().then(|| value.to_str().ok()).flatten()
    };
    if headers.contains_key(&X_AMZ_DATE) {
        return one(&X_AMZ_DATE).and_then(|text| parse_compact(text.trim()));
    }
    let text = one(&header::DATE)?.trim();
    parse_compact(text).or_else(|| jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok())
}

/// What decides the meaning of a request must be signed: the host, everything that
/// AWS defines (`x-amz-*`), and the media type.
fn check_signed_headers(names: &str, headers: &HeaderMap, presigned: bool) -> Result<(), ApiError> {
    let names: Vec<&str> = names.split(';').collect();
    let lower_case = |name: &str| !name.is_empty() && !name.bytes().any(|b| b.is_ascii_uppercase());
    let sorted = names.is_sorted_by(|name, next| name < next);
    if names.len() > MAX_SIGNED_HEADERS || !sorted || !names.iter().all(|name| lower_case(name)) {
        return Err(ApiError::incomplete_signature(
            "SignedHeaders must be lower-case header names in ascending order, separated by semicolons",
        ));
    }
    let signed = |name: &str| names.contains(&name);
    if !signed("host") {
        return Err(unsigned_host());
    }
    let unsigned: Vec<&str> = headers
        .keys()
        .map(header::HeaderName::as_str)
        .filter(|name| name.starts_with("x-amz-") || (*name == "content-type" && !presigned))
        .filter(|name| !signed(name))
        .collect();
    if unsigned.is_empty() {
        return Ok(());
    }
    Err(ApiError::invalid_signature(format!(
        "There were headers present in the request which were not signed: {}",
        unsigned.join(", ")
    )))
}

fn unsigned_host() -> ApiError {
    ApiError::invalid_signature("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
}

fn base64_sha256(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(Sha256::digest(text))
}
