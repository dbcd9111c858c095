//! AWS Signature Version 4: one canonical form, used to sign and to verify.
//!
//! ```text
//! canonical = METHOD \n path \n query \n headers \n \n names \n hex(sha256(body))
//! to sign   = "AWS4-HMAC-SHA256" \n time \n date/region/service/aws4_request \n hex(sha256(canonical))
//! key       = HMAC(HMAC(HMAC(HMAC("AWS4" + secret, date), region), service), "aws4_request")
//! signature = hex(HMAC(key, to sign))
//! ```
//!
//! Verification has two steps, because the secret must be looked up in between:
//! [`Presented::parse`] reads who claims to have signed what, and refuses what no
//! key could make right; [`Presented::verify`] proves it. The hash of the body is
//! always computed, never taken from the request. No error tells the expected
//! signature.
//!
//! Source: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>

mod canonical;
mod key;
mod presented;
mod scope;
mod sign;

pub use key::{SigningKey, SigningKeys};
pub use presented::Presented;
pub use scope::Scope;
pub use sign::{Signer, sign};

use http::HeaderName;

/// The only algorithm.
pub const ALGORITHM: &str = "AWS4-HMAC-SHA256";

const X_AMZ_DATE: HeaderName = HeaderName::from_static("x-amz-date");
const X_AMZ_CONTENT_SHA256: HeaderName = HeaderName::from_static("x-amz-content-sha256");
const X_AMZ_SECURITY_TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");

#[cfg(test)]
mod oracle;
#[cfg(test)]
mod tests;
