//! Time as an argument: everything that depends on the time of day asks a
//! [`Clock`], so that tests can move it. And how times are written.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use std::sync::atomic::{AtomicI64, Ordering};

/// The time of day.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// The current instant.
    fn now(&self) -> Timestamp;
}

/// The operating system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// A clock that stands still until it is moved; for tests.
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// A clock that stands at `start` (millisecond resolution).
    pub fn new(start: Timestamp) -> Self {
        Self(AtomicI64::new(start.as_millisecond()))
    }

    /// Moves the clock forward (or back, when negative).
    pub fn advance(&self, by: SignedDuration) {
        let millis = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        self.0.fetch_add(millis, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.0.load(Ordering::SeqCst)).unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

/// A time in UTC, to the second, in `form`: its zeros are the places of the digits of year (four),
/// month, day, hour, minute and second (two each). Every request has some times written, and the
/// general formatter takes a quarter of a decision's time for each.
pub(crate) fn in_form(form: &str, at: Timestamp) -> String {
    let at = TimeZone::UTC.to_datetime(at);
    let parts = [at.month(), at.day(), at.hour(), at.minute(), at.second()];
    let pair = |number: i16| [number / 10, number % 10];
    let year = [pair(at.year() / 100), pair(at.year() % 100)];
    let pairs = year.into_iter().chain(parts.map(|part| pair(part.into())));
    let mut digits = pairs.flatten().map(|digit| b'0' + u8::try_from(digit).unwrap_or(0));
    let digit = |place| if place == b'0' { digits.next().unwrap_or(b'0') } else { place };
    String::from_utf8(form.bytes().map(digit).collect()).unwrap_or_default()
}

/// RFC 3339 in UTC without a fraction, as CloudTrail, STS and the SDKs have their times.
pub(crate) fn rfc3339(at: Timestamp) -> String {
    in_form("0000-00-00T00:00:00Z", at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_time_in_a_form_is_what_the_formatter_writes(second in 0_i64..253_402_207_200) {
            let at = Timestamp::from_second(second).unwrap();
            prop_assert_eq!(rfc3339(at), at.to_string());
        }
    }
}
