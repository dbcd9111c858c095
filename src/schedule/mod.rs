//! [`Schedule`]: when a secret rotates, from the rules that `RotateSecret` takes.
//!
//! ```text
//! AutomaticallyAfterDays 30      the 30th day after the last rotation, all day
//! rate(10 days)                  the same
//! rate(4 hours)                  every four hours from midnight on, for an hour
//! cron(0 8 1 * ? *)              the first of each month, from 8:00 to the end of the day
//! + Duration 3h                  a window of three hours instead
//! ```
//!
//! A schedule is a series of windows, all of them in UTC and none beyond the end of its
//! day. The secret rotates once in each. Pure: what has happened and what time it is are
//! arguments.
//!
//! Source: Secrets Manager User Guide, "Schedule expressions in Secrets Manager rotation";
//! API Reference, `RotationRulesType`.

mod cron;
#[cfg(test)]
mod tests;

use cron::Cron;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};

/// Least hours between two rotations.
const LEAST_HOURS: i64 = 4;
/// Most days, or hours, between two rotations.
const MOST: i64 = 1000;
const DAY_HOURS: i64 = 24;

/// A time in which a secret rotates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// When it opens.
    pub opens: Timestamp,
    /// When it closes; not part of it.
    pub closes: Timestamp,
}

/// What the next window depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct History {
    /// When the schedule was set; hourly rates count from the midnight before.
    pub set: Timestamp,
    /// The last rotation, or change of the value, or of the schedule: no window that was
    /// open then is used, and days count from it.
    pub rotated: Timestamp,
    /// The last time that rotation was given up until the next window.
    pub given_up: Option<Timestamp>,
}

/// A schedule that can be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    rhythm: Rhythm,
    /// Length of the window in hours.
    hours: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Rhythm {
    Days(i64),
    Hours(i64),
    Cron(Cron),
}

/// Why rules are no schedule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// Two schedules at once, in AWS's words.
    #[error("You cannot specify both rotation frequency and schedule expression together.")]
    Both,
    /// A window without a schedule.
    #[error("You must specify AutomaticallyAfterDays or ScheduleExpression with Duration.")]
    DurationAlone,
    /// The expression is of neither form, or a part of it is wrong.
    #[error("The schedule expression {expression} is not valid: {reason}.")]
    Expression {
        /// The expression.
        expression: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The window is no number of hours, or does not fit.
    #[error("The rotation window duration {duration} is not valid: {reason}.")]
    Duration {
        /// The duration.
        duration: String,
        /// Why it does not fit.
        reason: String,
    },
}

impl Schedule {
    /// Reads the rules; no schedule if they have none.
    ///
    /// # Errors
    /// [`ScheduleError`].
    pub fn parse(
        after_days: Option<i64>,
        expression: Option<&str>,
        duration: Option<&str>,
    ) -> Result<Option<Self>, ScheduleError> {
        let rhythm = match (after_days, expression) {
            (Some(_), Some(_)) => return Err(ScheduleError::Both),
            (Some(days), None) => Rhythm::Days(days),
            (None, Some(text)) => rhythm(text)
                .map_err(|reason| ScheduleError::Expression { expression: text.to_owned(), reason })?,
            (None, None) if duration.is_some() => return Err(ScheduleError::DurationAlone),
            (None, None) => return Ok(None),
        };
        let hours = match duration {
            None => None,
            Some(text) => Some(
                window_hours(text, &rhythm)
                    .map_err(|reason| ScheduleError::Duration { duration: text.to_owned(), reason })?,
            ),
        };
        Ok(Some(Self { rhythm, hours }))
    }

    /// The window that is open at `now` and still to be used, or the next one.
    pub fn next(&self, history: &History, now: Timestamp) -> Option<Window> {
        let used = history.given_up.map_or(history.rotated, |given_up| given_up.max(history.rotated));
        let fits = |window: &Window| window.opens > used && window.closes > now;
        match &self.rhythm {
            Rhythm::Days(days) => {
                let due = day(history.rotated).checked_add(SignedDuration::from_hours(24 * days)).ok()?;
                // A day that was missed is made up for on the first one that can be had.
                let first = due.max(day(now)).max(day(used));
                [Some(first), first.tomorrow().ok()]
                    .into_iter()
                    .flatten()
                    .find_map(|date| Some(self.window(date.at(0, 0, 0, 0))?).filter(fits))
            }
            Rhythm::Hours(every) => {
                let origin = instant(day(history.set).at(0, 0, 0, 0))?;
                let step = SignedDuration::from_hours(*every);
                let passed = used.max(now).duration_since(origin).as_secs().max(0) / step.as_secs();
                // The window before may still be open.
                (passed.saturating_sub(1)..passed.saturating_add(3)).find_map(|count| {
                    let opens = origin.checked_add(step.checked_mul(i32::try_from(count).ok()?)?).ok()?;
                    Some(self.window(Offset::UTC.to_datetime(opens))?).filter(fits)
                })
            }
            Rhythm::Cron(cron) => {
                let first = day(now).max(day(used));
                cron.days_from(first).find_map(|date| {
                    cron.hours().find_map(|hour| self.window(date.at(hour, 0, 0, 0)).filter(fits))
                })
            }
        }
    }

    /// Days between two rotations, as AWS derives `AutomaticallyAfterDays` from a schedule:
    /// whole days, at least one.
    pub fn after_days(&self, history: &History, now: Timestamp) -> Option<i64> {
        match self.rhythm {
            Rhythm::Days(days) => Some(days),
            Rhythm::Hours(hours) => Some((hours / DAY_HOURS).max(1)),
            Rhythm::Cron(_) => {
                let next = self.next(history, now)?.opens;
                let then = self.next(&History { rotated: next, ..*history }, next)?.opens;
                Some((then.duration_since(next).as_hours() / DAY_HOURS).max(1))
            }
        }
    }

    fn window(&self, opens: DateTime) -> Option<Window> {
        let hourly = match &self.rhythm {
            Rhythm::Days(_) => false,
            Rhythm::Hours(_) => true,
            Rhythm::Cron(cron) => cron.is_hourly(),
        };
        let closes = match self.hours {
            Some(hours) => opens.checked_add(SignedDuration::from_hours(hours)).ok()?,
            None if hourly => opens.checked_add(SignedDuration::from_hours(1)).ok()?,
            None => opens.date().tomorrow().ok()?.to_datetime(Time::midnight()),
        };
        Some(Window { opens: instant(opens)?, closes: instant(closes)? })
    }
}

fn rhythm(text: &str) -> Result<Rhythm, String> {
    let inside = |name: &str| text.strip_prefix(name)?.strip_prefix('(')?.strip_suffix(')');
    if let Some(fields) = inside("cron") {
        return Cron::parse(fields).map(Rhythm::Cron);
    }
    let Some(rate) = inside("rate") else {
        return Err("it is neither `rate(VALUE UNIT)` nor `cron(FIELDS)`".into());
    };
    let mut words = rate.split_whitespace();
    let (Some(value), Some(unit), None) = (words.next(), words.next(), words.next()) else {
        return Err("a rate is a number and a unit, such as `rate(10 days)`".into());
    };
    let value: i64 = Some(value)
        .filter(|v| v.bytes().all(|b| b.is_ascii_digit()))
        .and_then(|v| v.parse().ok())
        .filter(|v| (1..=MOST).contains(v))
        .ok_or_else(|| format!("the value of a rate is a whole number from 1 to {MOST}"))?;
    match unit {
        "day" | "days" => Ok(Rhythm::Days(value)),
        "hour" | "hours" if value < LEAST_HOURS => {
            Err(format!("a secret rotates at most every {LEAST_HOURS} hours"))
        }
        "hour" | "hours" => Ok(Rhythm::Hours(value)),
        _ => Err("the unit of a rate is `hours` or `days`".into()),
    }
}

/// Hours of a window that fits the rhythm.
fn window_hours(text: &str, rhythm: &Rhythm) -> Result<i64, String> {
    let hours: i64 = text
        .strip_suffix('h')
        .filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
        .and_then(|digits| digits.parse().ok())
        .filter(|hours| (1..=DAY_HOURS).contains(hours))
        .ok_or("a window has 1 to 24 whole hours, such as `3h`")?;
    let beyond_day = "the window must not extend into the next UTC day";
    let beyond_next = "the window must not extend into the next rotation window";
    match rhythm {
        Rhythm::Days(_) => {}
        Rhythm::Hours(every) => {
            if hours > *every {
                return Err(beyond_next.into());
            }
            // The latest hour of the day at which such a window ever opens.
            if DAY_HOURS - gcd(*every, DAY_HOURS) + hours > DAY_HOURS {
                return Err(beyond_day.into());
            }
        }
        Rhythm::Cron(cron) => {
            if cron.hours().any(|hour| i64::from(hour) + hours > DAY_HOURS) {
                return Err(beyond_day.into());
            }
            let (starts, later) = (cron.hours(), cron.hours().skip(1));
            if starts.zip(later).any(|(one, next)| i64::from(one) + hours > i64::from(next)) {
                return Err(beyond_next.into());
            }
        }
    }
    Ok(hours)
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

fn day(time: Timestamp) -> Date {
    Offset::UTC.to_datetime(time).date()
}

fn instant(time: DateTime) -> Option<Timestamp> {
    Offset::UTC.to_timestamp(time).ok()
}
