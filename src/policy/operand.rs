//! [`Operand`]: a value in a condition of a policy, compiled for its operator, and the
//! comparison with a value of a request.
//!
//! | operators | form of the value |
//! |---|---|
//! | `String..`, `Arn..` | text, with policy variables; `..Like` and `Arn..` with wildcards |
//! | `Numeric..` | a decimal number |
//! | `Date..` | ISO 8601 (UTC unless it names a zone), or seconds since 1970 |
//! | `Bool`, `Null` | `true` or `false` |
//! | `BinaryEquals` | base64 |
//! | `IpAddress`, `NotIpAddress` | an address, or a range in CIDR form |
//!
//! Source: IAM User Guide, "IAM JSON policy elements: Condition operators".

use super::facts::Facts;
use super::key::Value;
use super::operator::{Order, Test};
use super::pattern::{Pattern, Wildcards};
use super::variable::{Language, Variable, VariableError};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use core::cmp::Ordering;
use core::net::IpAddr;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// A value that the request's are compared with.
#[derive(Debug)]
pub(super) enum Operand {
    Text(Pattern),
    Number(Order, Number),
    Date(Order, Timestamp),
    Bool(bool),
    Binary(Vec<u8>),
    Range { network: IpAddr, prefix: u8 },
}

/// Why a value does not go with its operator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum OperandError {
    #[error("expected a number")]
    Number,
    #[error("expected a date as in `2026-01-31T12:00:00Z`, or seconds since 1970")]
    Date,
    #[error("expected `true` or `false`")]
    Bool,
    #[error("expected base64")]
    Binary,
    #[error("expected an IP address, or a range as in `203.0.113.0/24` or `2001:db8::/32`")]
    Address,
    #[error("expected an ARN, in which every section may have wildcards")]
    Arn,
    #[error(transparent)]
    Variable(#[from] VariableError),
}

impl Operand {
    pub(super) fn parse(text: &str, test: Test, language: Language) -> Result<Self, OperandError> {
        Ok(match test {
            Test::StringEquals => Self::Text(Pattern::parse(text, Wildcards::None, language)?),
            Test::StringEqualsIgnoreCase => {
                Self::Text(Pattern::parse(text, Wildcards::None, language)?.ignoring_case())
            }
            Test::StringLike => Self::Text(Pattern::parse(text, Wildcards::Any, language)?),
            Test::Numeric(order) => Self::Number(order, number(text).ok_or(OperandError::Number)?),
            Test::Date(order) => Self::Date(order, date(text).ok_or(OperandError::Date)?),
            Test::Bool | Test::Null => Self::Bool(boolean(text).ok_or(OperandError::Bool)?),
            Test::BinaryEquals => {
                Self::Binary(STANDARD.decode(text.trim()).map_err(|_| OperandError::Binary)?)
            }
            Test::IpAddress => range(text).ok_or(OperandError::Address)?,
            Test::Arn => Self::Text(arn(text, language)?),
        })
    }

    /// Whether a value of the request matches.
    pub(super) fn matches(&self, value: &Value<'_>, facts: &Facts<'_>) -> bool {
        match self {
            Self::Text(pattern) => {
                facts.resolved(pattern).is_some_and(|pattern| pattern.matches(&value.text()))
            }
            Self::Number(order, limit) => number(&value.text())
                .and_then(|number| number.compared(*limit))
                .is_some_and(|found| order.holds(found)),
            Self::Date(order, limit) => time(value).is_some_and(|time| order.holds(time.cmp(limit))),
            Self::Bool(wanted) => boolean(&value.text()) == Some(*wanted),
            Self::Binary(bytes) => STANDARD.decode(&*value.text()).is_ok_and(|found| found == *bytes),
            Self::Range { network, prefix } => address(value).is_some_and(|ip| within(ip, *network, *prefix)),
        }
    }

    /// The policy variables in it.
    pub(super) fn variables(&self) -> impl Iterator<Item = &Variable> {
        let pattern = if let Self::Text(pattern) = self { Some(pattern) } else { None };
        pattern.into_iter().flat_map(Pattern::variables)
    }
}

/// A decimal number. Whole ones are compared exactly, however many digits they have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Number {
    whole: Option<i128>,
    nearest: f64,
}

impl Number {
    fn compared(self, other: Self) -> Option<Ordering> {
        match (self.whole, other.whole) {
            (Some(one), Some(other)) => Some(one.cmp(&other)),
            _ => self.nearest.partial_cmp(&other.nearest),
        }
    }
}

fn number(text: &str) -> Option<Number> {
    let plain = |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.');
    let nearest = text.chars().all(plain).then(|| text.parse().ok()).flatten()?;
    Some(Number { whole: text.parse().ok(), nearest })
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        _ if text.eq_ignore_ascii_case("true") => Some(true),
        _ if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// W3C's profile of ISO 8601: a year, a month, a day, or a time with its zone; or
/// seconds since 1970, which have more digits than a year.
fn date(text: &str) -> Option<Timestamp> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    if digits && text.len() > 4 {
        return text.parse().ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    }
    let whole = match text.len() {
        4 if digits => format!("{text}-01-01T00:00:00Z"),
        7 => format!("{text}-01T00:00:00Z"),
        10 => format!("{text}T00:00:00Z"),
        _ => {
            let utc = || text.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok();
            return text.parse().ok().or_else(|| Some(utc()?.timestamp()));
        }
    };
    whole.parse().ok()
}

fn time(value: &Value<'_>) -> Option<Timestamp> {
    match value {
        Value::Time(time) | Value::Epoch(time) => Some(*time),
        other => date(&other.text()),
    }
}

fn address(value: &Value<'_>) -> Option<IpAddr> {
    match value {
        Value::Ip(address) => Some(*address),
        other => other.text().parse().ok(),
    }
    // An IPv4 client on a socket for both kinds comes as ::ffff:a.b.c.d.
    .map(|address| address.to_canonical())
}

fn range(text: &str) -> Option<Operand> {
    let (address, prefix) = match text.split_once('/') {
        None => (text, None),
        Some((_, "")) => return None,
        Some((address, prefix)) if prefix.bytes().all(|b| b.is_ascii_digit()) => {
            (address, Some(prefix.parse::<u8>().ok()?))
        }
        Some(_) => return None,
    };
    let network: IpAddr = address.parse().ok()?;
    let longest = if network.is_ipv4() { 32 } else { 128 };
    let prefix = prefix.unwrap_or(longest);
    if prefix > longest {
        return None;
    }
    // ::ffff:10.0.0.0/104 is 10.0.0.0/8: addresses of requests are IPv4 where they can be.
    Some(match (network.to_canonical(), prefix.checked_sub(96)) {
        (network @ IpAddr::V4(_), Some(prefix)) => Operand::Range { network, prefix },
        _ => Operand::Range { network, prefix },
    })
}

fn within(address: IpAddr, network: IpAddr, prefix: u8) -> bool {
    let differ = match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(n)) => u128::from(a.to_bits() ^ n.to_bits()) << 96,
        (IpAddr::V6(a), IpAddr::V6(n)) => a.to_bits() ^ n.to_bits(),
        _ => return false,
    };
    differ.leading_zeros() >= u32::from(prefix)
}

/// Sections that are missing are any, as in the `Resource` element. A text that begins
/// with a variable may have them all in its value.
fn arn(text: &str, language: Language) -> Result<Pattern, OperandError> {
    if text.starts_with("${") && language == Language::V2012 {
        return Ok(Pattern::parse(text, Wildcards::Arn, language)?);
    }
    let mut sections = text.splitn(6, ':');
    if !matches!(sections.next(), Some("arn" | "*")) {
        return Err(OperandError::Arn);
    }
    let missing = 5_usize.saturating_sub(sections.count());
    Ok(Pattern::parse(&format!("{text}{}", ":*".repeat(missing)), Wildcards::Arn, language)?)
}
