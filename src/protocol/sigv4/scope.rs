//! [`Scope`]: what a signing key is good for, and the time format of signatures.

use crate::clock::in_form;
use crate::protocol::error::ApiError;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use std::fmt;
use std::ops::Range;

const TERMINATOR: &str = "aws4_request";

/// `20150830/us-east-1/secretsmanager/aws4_request`
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Scope {
    /// `YYYYMMDD`
    pub date: String,
    /// The Region code.
    pub region: String,
    /// The signing name of the service.
    pub service: String,
}

impl Scope {
    /// The scope of a request that is signed at `now`.
    pub fn new(now: Timestamp, region: &str, service: &str) -> Self {
        let date = compact(now).chars().take(8).collect();
        Self { date, region: region.to_owned(), service: service.to_owned() }
    }

    /// Takes apart `AKIA.../date/region/service/aws4_request`.
    ///
    /// # Errors
    /// `IncompleteSignatureException`, `InvalidSignatureException`.
    pub(super) fn parse_credential(credential: &str) -> Result<(String, Self), ApiError> {
        let parts: Vec<&str> = credential.split('/').collect();
        let &[key_id, date, region, service, terminator] = parts.as_slice() else {
            return Err(ApiError::incomplete_signature(
                "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term",
            ));
        };
        if key_id.is_empty()
            || key_id.len() > 128
            || !key_id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        {
            return Err(ApiError::unrecognized_client());
        }
        if date.len() != 8 || !date.bytes().all(|b| b.is_ascii_digit()) {
            return Err(ApiError::invalid_signature(
                "Date in Credential scope must have the format YYYYMMDD".to_owned(),
            ));
        }
        if terminator != TERMINATOR {
            return Err(ApiError::invalid_signature(format!(
                "Credential should be scoped with a valid terminator: '{TERMINATOR}'."
            )));
        }
        let scope = Self { date: date.to_owned(), region: region.to_owned(), service: service.to_owned() };
        Ok((key_id.to_owned(), scope))
    }

    /// Refuses a signature that was made for another Region or service.
    ///
    /// # Errors
    /// `InvalidSignatureException`, in AWS's words.
    pub fn require(&self, region: &str, service: &str) -> Result<(), ApiError> {
        let mut wrong = Vec::new();
        if self.region != region {
            wrong.push(format!(
                "Credential should be scoped to a valid region, not '{}'. ",
                clip(&self.region)
            ));
        }
        if self.service != service {
            wrong.push(format!("Credential should be scoped to correct service: '{service}'. "));
        }
        if wrong.is_empty() { Ok(()) } else { Err(ApiError::invalid_signature(wrong.concat())) }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}/{TERMINATOR}", self.date, self.region, self.service)
    }
}

/// `20150830T123600Z`
pub(super) fn compact(at: Timestamp) -> String {
    in_form("00000000T000000Z", at)
}

/// Reads `20150830T123600Z`.
pub(super) fn parse_compact(text: &str) -> Option<Timestamp> {
    let digits_in_place = text.len() == 16
        && text.bytes().enumerate().all(|(i, b)| {
            matches!((i, b), (8, b'T') | (15, b'Z')) || (i != 8 && i != 15 && b.is_ascii_digit())
        });
    if !digits_in_place {
        return None;
    }
    let number = |digits: Range<usize>| text.get(digits)?.parse::<i16>().ok();
    let small = |digits: Range<usize>| text.get(digits)?.parse::<i8>().ok();
    let civil = DateTime::new(
        number(0..4)?,
        small(4..6)?,
        small(6..8)?,
        small(9..11)?,
        small(11..13)?,
        small(13..15)?,
        0,
    );
    TimeZone::UTC.to_timestamp(civil.ok()?).ok()
}

pub(super) fn clip(text: &str) -> String {
    text.chars().take(64).collect()
}
