//! [`Cron`]: the `cron(...)` expressions of rotation schedules.
//!
//! ```text
//! minutes  hours       day of month      month            day of week          year
//! 0        0-23        1-31              1-12, JAN-DEC    1-7, SUN-SAT         *
//!          , - * /     , - * ? / L W     , - * /          , - * ? / L #
//! ```
//!
//! Rotation windows open on the hour, so the minutes are 0. One of the two day fields says
//! which days, and the other one is `?` (or `*`, where the other says something).
//! `8/4` means from 8 on, every 4; `L` the last day, `15W` the weekday nearest to the 15th,
//! `FRIL` the last Friday, `TUE#3` the third Tuesday.

use jiff::civil::Date;

/// Far enough for every leap day: there are eight years between 2096 and 2104.
const HORIZON: usize = 8 * 366 + 1;

const MONTHS: &[&str] = &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: &[&str] = &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// An expression that names at least one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cron {
    /// One bit an hour, and so on.
    hours: u64,
    months: u64,
    days: Days,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Days {
    OfMonth {
        days: u64,
        /// `L`
        last: bool,
        /// `15W`, `LW` as 0
        nearest_weekday: Vec<i8>,
    },
    OfWeek {
        /// 1 is Sunday.
        days: u64,
        /// `FRIL`
        last: Vec<i8>,
        /// `TUE#3`
        nth: Vec<(i8, i8)>,
    },
}

impl Cron {
    /// Reads what stands in the parentheses.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minutes, hours, of_month, months, of_week, year] = fields.as_slice() else {
            return Err(format!("cron has six fields, and there are {}", fields.len()));
        };
        if *minutes != "0" {
            return Err("the minutes must be 0, since rotation windows open on the hour".into());
        }
        if *year != "*" {
            return Err("the year must be *".into());
        }
        let any = |field: &str| field == "?" || field == "*";
        let days = match (*of_month, *of_week) {
            ("?", "?") | ("*", "*") => return Err("exactly one of the two day fields must be ?".into()),
            (of_month, of_week) if any(of_week) => days_of_month(of_month)?,
            (of_month, of_week) if any(of_month) => days_of_week(of_week)?,
            _ => {
                return Err(
                    "the day of the month and the day of the week exclude each other, one must be ?".into()
                );
            }
        };
        let cron = Self {
            hours: set(hours, &[], 0, 23).ok_or("the hours are not numbers from 0 to 23")?,
            months: set(months, MONTHS, 1, 12).ok_or("the month is not 1 to 12 or JAN to DEC")?,
            days,
        };
        cron.check()?;
        Ok(cron)
    }

    /// Whether there is such a day, and the windows are far enough from each other.
    fn check(&self) -> Result<(), String> {
        // A fixed day: what is valid must not depend on when it is asked.
        let mut days = self.days_from(Date::constant(2096, 3, 1));
        let mut last = days.next().ok_or("there is no such day")?;
        let least = |gap: i8| i64::from(gap) >= super::LEAST_HOURS;
        let too_often = || format!("a secret rotates at most every {} hours", super::LEAST_HOURS);
        if !self.hours().zip(self.hours().skip(1)).all(|(one, next)| least(next - one)) {
            return Err(too_often());
        }
        if let (Some(early), Some(late)) = (self.hours().next(), self.hours().last())
            && !least(24 + early - late)
        {
            for day in days {
                if last.tomorrow().ok() == Some(day) {
                    return Err(too_often());
                }
                last = day;
            }
        }
        Ok(())
    }

    /// The hours at which windows open, in order.
    pub(super) fn hours(&self) -> impl Iterator<Item = i8> {
        (0..24).filter(|hour| self.hours & bit(*hour) != 0)
    }

    /// Whether there is more than one window in a day.
    pub(super) fn is_hourly(&self) -> bool {
        self.hours.count_ones() > 1
    }

    /// The days with windows, from `first` on.
    pub(super) fn days_from(&self, first: Date) -> impl Iterator<Item = Date> {
        let days = std::iter::successors(Some(first), |date| date.tomorrow().ok());
        days.take(HORIZON).filter(|date| self.months & bit(date.month()) != 0 && self.days.has(*date))
    }
}

impl Days {
    fn has(&self, date: Date) -> bool {
        let (day, length) = (date.day(), date.days_in_month());
        match self {
            Self::OfMonth { days, last, nearest_weekday } => {
                days & bit(day) != 0
                    || (*last && day == length)
                    || nearest_weekday.iter().any(|wanted| nearest(date, *wanted) == Some(day))
            }
            Self::OfWeek { days, last, nth } => {
                let weekday = date.weekday().to_sunday_one_offset();
                days & bit(weekday) != 0
                    || (last.contains(&weekday) && day + 7 > length)
                    || nth.contains(&(weekday, (day + 6) / 7))
            }
        }
    }
}

/// The weekday of the same month that is nearest to the day `wanted`, or to its end for 0.
fn nearest(month: Date, wanted: i8) -> Option<i8> {
    let length = month.days_in_month();
    let wanted = if wanted == 0 { length } else { wanted };
    let date = Date::new(month.year(), month.month(), wanted).ok()?;
    Some(match date.weekday().to_sunday_one_offset() {
        7 if wanted == 1 => 3,
        7 => wanted - 1,
        1 if wanted == length => wanted - 2,
        1 => wanted + 1,
        _ => wanted,
    })
}

fn days_of_month(field: &str) -> Result<Days, String> {
    let wrong = || "the day of the month is not 1 to 31, L or a weekday such as 15W".to_owned();
    let (mut days, mut last, mut nearest_weekday) = (0, false, Vec::new());
    for item in field.split(',') {
        match item {
            "L" => last = true,
            "LW" => nearest_weekday.push(0),
            _ => match item.strip_suffix('W') {
                Some(day) => nearest_weekday.push(number(day, &[], 1, 31).ok_or_else(wrong)?),
                None => days |= set(item, &[], 1, 31).ok_or_else(wrong)?,
            },
        }
    }
    Ok(Days::OfMonth { days, last, nearest_weekday })
}

fn days_of_week(field: &str) -> Result<Days, String> {
    let wrong = || "the day of the week is not 1 to 7, SUN to SAT, or one such as FRIL or TUE#3".to_owned();
    let weekday = |text: &str| number(text, WEEKDAYS, 1, 7).ok_or_else(wrong);
    let (mut days, mut last, mut nth) = (0, Vec::new(), Vec::new());
    for item in field.split(',') {
        if item == "L" {
            days |= bit(7);
        } else if let Some(day) = item.strip_suffix('L') {
            last.push(weekday(day)?);
        } else if let Some((day, count)) = item.split_once('#') {
            nth.push((weekday(day)?, number(count, &[], 1, 5).ok_or_else(wrong)?));
        } else {
            days |= set(item, WEEKDAYS, 1, 7).ok_or_else(wrong)?;
        }
    }
    Ok(Days::OfWeek { days, last, nth })
}

/// A list of values, ranges and increments.
fn set(field: &str, names: &[&str], low: i8, high: i8) -> Option<u64> {
    let mut all = 0;
    for item in field.split(',') {
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, Some(number(step, &[], 1, high)?)),
            None => (item, None),
        };
        let (from, to) = match range.split_once('-') {
            Some((from, to)) => (number(from, names, low, high)?, number(to, names, low, high)?),
            None if range == "*" || (range.is_empty() && step.is_some()) => (low, high),
            None => {
                let from = number(range, names, low, high)?;
                (from, if step.is_some() { high } else { from })
            }
        };
        if from > to {
            return None;
        }
        let step = usize::try_from(step.unwrap_or(1)).ok()?;
        all |= (from..=to).step_by(step).map(bit).fold(0, |bits, bit| bits | bit);
    }
    Some(all)
}

/// One value, as a number or as a name.
fn number(text: &str, names: &[&str], low: i8, high: i8) -> Option<i8> {
    if let Some(place) = names.iter().position(|name| name.eq_ignore_ascii_case(text)) {
        return i8::try_from(place).ok()?.checked_add(low);
    }
    let digits = Some(text).filter(|t| t.bytes().all(|b| b.is_ascii_digit()))?;
    digits.parse().ok().filter(|value| (low..=high).contains(value))
}

fn bit(place: i8) -> u64 {
    1 << place
}
