//! The canonical form of a request: the same bytes for every spelling that means
//! the same.
//!
//! - Path: dot segments and empty segments resolved (RFC 3986 section 5.2.4), then
//!   percent-encoded once more, although it is encoded already. (Amazon S3 does
//!   neither; it is not served here.)
//! - Query: decoded, strictly encoded, sorted by name, then value. A `+` is a plus.
//! - Headers: lower-case names; values trimmed, runs of spaces made one, several
//!   headers of one name joined by commas.

use super::ALGORITHM;
use super::scope::Scope;
use http::HeaderMap;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;

/// Everything but the unreserved characters of RFC 3986.
const STRICT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const STRICT_EXCEPT_SLASH: &AsciiSet = &STRICT.remove(b'/');

/// What a signature covers, apart from the body.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    /// Without the question mark.
    pub(super) query: &'a str,
    /// The `host` header, or the authority of an HTTP/2 request.
    pub(super) host: &'a [u8],
    pub(super) headers: &'a HeaderMap,
}

impl Request<'_> {
    /// The canonical request up to the hash of the body. `names` are lower case, in
    /// the signer's order, separated by semicolons. `None` if a header is not there.
    pub(super) fn canonical(&self, names: &str, presigned: bool) -> Option<Vec<u8>> {
        let mut text = Vec::with_capacity(1024);
        text.extend_from_slice(self.method.as_bytes());
        text.push(b'\n');
        // The API has one path and no query, so that nearly every request is the short way.
        match self.path {
            "/" => text.push(b'/'),
            path => text.extend_from_slice(canonical_path(path).as_bytes()),
        }
        text.push(b'\n');
        if !self.query.is_empty() {
            text.extend_from_slice(canonical_query(self.query, presigned).as_bytes());
        }
        text.push(b'\n');
        for name in names.split(';') {
            text.extend_from_slice(name.as_bytes());
            text.push(b':');
            self.header(name, &mut text)?;
            text.push(b'\n');
        }
        text.push(b'\n');
        text.extend_from_slice(names.as_bytes());
        text.push(b'\n');
        Some(text)
    }

    fn header(&self, name: &str, out: &mut Vec<u8>) -> Option<()> {
        if name == "host" {
            push_collapsed(out, self.host);
            return Some(());
        }
        let mut values = self.headers.get_all(name).iter();
        push_collapsed(out, values.next()?.as_bytes());
        for value in values {
            out.push(b',');
            push_collapsed(out, value.as_bytes());
        }
        Some(())
    }
}

/// The text that is signed. `canonical` ends before the hash of the body.
pub(super) fn string_to_sign(canonical: &[u8], body_hash: &HexHash, time: &str, scope: &Scope) -> String {
    let hash = HexHash::from(Sha256::new().chain_update(canonical).chain_update(body_hash.0));
    let mut text = String::with_capacity(256);
    // Writing to memory cannot fail.
    let _ = write!(text, "{ALGORITHM}\n{time}\n{scope}\n{}", hash.as_str());
    text
}

/// A SHA-256 in lower-case hex.
pub(super) struct HexHash([u8; 64]);

impl HexHash {
    pub(super) fn of(bytes: &[u8]) -> Self {
        Self::from(Sha256::new().chain_update(bytes))
    }

    pub(super) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl From<Sha256> for HexHash {
    fn from(hash: Sha256) -> Self {
        let mut digits = [b'0'; 64];
        // INVARIANT: 32 bytes are 64 digits.
        let _ = hex::encode_to_slice(hash.finalize(), &mut digits);
        Self(digits)
    }
}

fn push_collapsed(out: &mut Vec<u8>, value: &[u8]) {
    let words = value.trim_ascii().split(|&byte| byte == b' ').filter(|word| !word.is_empty());
    for (before, word) in words.enumerate() {
        if before > 0 {
            out.push(b' ');
        }
        out.extend_from_slice(word);
    }
}

fn canonical_path(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            other => segments.push(other),
        }
    }
    // A path that ends in a slash or a dot segment names a directory.
    let directory = matches!(path.rsplit('/').next(), Some("" | "." | "..")) && !segments.is_empty();
    let normal = format!("/{}{}", segments.join("/"), if directory { "/" } else { "" });
    percent_encode(normal.as_bytes(), STRICT_EXCEPT_SLASH).to_string()
}

fn canonical_query(query: &str, presigned: bool) -> String {
    let recode = |text: &str| {
        let raw: Vec<u8> = percent_decode_str(text).collect();
        percent_encode(&raw, STRICT).to_string()
    };
    let mut pairs: Vec<(String, String)> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (recode(name), recode(value)))
        .filter(|(name, _)| !(presigned && name == "X-Amz-Signature"))
        .collect();
    pairs.sort();
    let pairs: Vec<String> = pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        for (path, canonical) in [
            ("", "/"),
            ("/", "/"),
            ("//", "/"),
            ("/./", "/"),
            ("/example/..", "/"),
            ("/example1/example2/../..", "/"),
            ("/./example", "/example"),
            ("//example//", "/example/"),
            ("/a/./", "/a/"),
            ("/a%20b", "/a%2520b"),
            ("/-._~0Az", "/-._~0Az"),
        ] {
            assert_eq!(canonical_path(path), canonical, "{path}");
        }
    }

    #[test]
    fn queries() {
        for (query, canonical) in [
            ("", ""),
            ("Param2=value2&Param1=value1", "Param1=value1&Param2=value2"),
            ("Param1=value2&Param1=value1", "Param1=value1&Param1=value2"),
            ("a", "a="),
            ("a=b=c&&d", "a=b%3Dc&d="),
            ("%41=%7e%2f+", "A=~%2F%2B"),
        ] {
            assert_eq!(canonical_query(query, false), canonical, "{query}");
        }
        assert_eq!(canonical_query("X-Amz-Signature=0&a=1", true), "a=1");
    }

    #[test]
    fn header_values() {
        for (value, canonical) in [("  a   b  c ", "a b c"), ("\"a  b\"", "\"a b\""), ("", ""), ("  ", "")] {
            let mut out = Vec::new();
            push_collapsed(&mut out, value.as_bytes());
            assert_eq!(out, canonical.as_bytes());
        }
    }
}
