//! Windows of many schedules, and what is no schedule.

use super::*;
use proptest::prelude::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn schedule(expression: &str, duration: Option<&str>) -> Schedule {
    Schedule::parse(None, Some(expression), duration).unwrap().unwrap()
}

fn since(time: &str) -> History {
    History { set: at(time), rotated: at(time), given_up: None }
}

/// The first windows of a secret that rotates as soon as each opens.
fn windows(schedule: &Schedule, from: &str, count: usize) -> Vec<String> {
    let (mut history, mut now) = (since(from), at(from));
    let mut shown = Vec::new();
    for _ in 0..count {
        let window = schedule.next(&history, now).unwrap();
        shown.push(format!("{:.0} {}h", window.opens, window.closes.duration_since(window.opens).as_hours()));
        now = window.opens + SignedDuration::from_secs(1);
        history.rotated = now;
    }
    shown
}

#[track_caller]
fn opens(expression: &str, from: &str, expected: &[&str]) {
    let found = windows(&schedule(expression, None), from, expected.len());
    assert_eq!(found, expected, "{expression}");
}

#[test]
fn the_examples_of_the_user_guide() {
    let from = "2026-01-01T12:00:00Z";
    opens("cron(0 10 * * ? *)", from, &["2026-01-02T10:00:00Z 14h", "2026-01-03T10:00:00Z 14h"]);
    opens("cron(0 18 ? * SAT *)", from, &["2026-01-03T18:00:00Z 6h", "2026-01-10T18:00:00Z 6h"]);
    opens("cron(0 8 1 * ? *)", from, &["2026-02-01T08:00:00Z 16h", "2026-03-01T08:00:00Z 16h"]);
    opens(
        "cron(0 1 * 1/3 SUN *)",
        "2026-01-20T12:00:00Z",
        &["2026-01-25T01:00:00Z 23h", "2026-04-05T01:00:00Z 23h", "2026-04-12T01:00:00Z 23h"],
    );
    opens("cron(0 17 L * ? *)", from, &["2026-01-31T17:00:00Z 7h", "2026-02-28T17:00:00Z 7h"]);
    opens(
        "cron(0 8 ? * MON-FRI *)",
        from,
        &["2026-01-02T08:00:00Z 16h", "2026-01-05T08:00:00Z 16h", "2026-01-06T08:00:00Z 16h"],
    );
    opens("cron(0 16 1,15 * ? *)", from, &["2026-01-01T16:00:00Z 8h", "2026-01-15T16:00:00Z 8h"]);
    opens("cron(0 0 ? * SUN#1 *)", from, &["2026-01-04T00:00:00Z 24h", "2026-02-01T00:00:00Z 24h"]);
    opens(
        "cron(0 8/8 * * ? *)",
        from,
        &["2026-01-01T16:00:00Z 1h", "2026-01-02T08:00:00Z 1h", "2026-01-02T16:00:00Z 1h"],
    );
    opens(
        "cron(0 2/10 * * ? *)",
        from,
        &["2026-01-01T22:00:00Z 1h", "2026-01-02T02:00:00Z 1h", "2026-01-02T12:00:00Z 1h"],
    );
}

#[test]
fn calendars_have_corners() {
    let from = "2026-01-01T12:00:00Z";
    opens("cron(0 0 29 2 ? *)", from, &["2028-02-29T00:00:00Z 24h", "2032-02-29T00:00:00Z 24h"]);
    opens("cron(0 0 29 2 ? *)", "2096-03-01T00:00:00Z", &["2104-02-29T00:00:00Z 24h"]);
    opens("cron(0 0 31 * ? *)", from, &["2026-01-31T00:00:00Z 24h", "2026-03-31T00:00:00Z 24h"]);
    opens(
        "cron(0 0 L 2 ? *)",
        "2027-01-01T00:00:00Z",
        &["2027-02-28T00:00:00Z 24h", "2028-02-29T00:00:00Z 24h"],
    );
    opens("cron(0 0 ? * FRIL *)", from, &["2026-01-30T00:00:00Z 24h", "2026-02-27T00:00:00Z 24h"]);
    opens("cron(0 0 ? * 6L *)", from, &["2026-01-30T00:00:00Z 24h"]);
    opens("cron(0 0 ? * L *)", from, &["2026-01-03T00:00:00Z 24h"]);
    opens("cron(0 0 ? * TUE#5 *)", from, &["2026-03-31T00:00:00Z 24h", "2026-06-30T00:00:00Z 24h"]);
    // 2026-02-01 and 2026-03-01 are Sundays, 2026-08-01 is a Saturday, 2026-05-31 a Sunday.
    opens("cron(0 0 1W * ? *)", from, &["2026-02-02T00:00:00Z 24h", "2026-03-02T00:00:00Z 24h"]);
    opens("cron(0 0 1W 8 ? *)", from, &["2026-08-03T00:00:00Z 24h"]);
    opens("cron(0 0 15W 8 ? *)", from, &["2026-08-14T00:00:00Z 24h"]);
    opens("cron(0 0 LW 5 ? *)", from, &["2026-05-29T00:00:00Z 24h"]);
    opens("cron(0 23 31 12 ? *)", from, &["2026-12-31T23:00:00Z 1h", "2027-12-31T23:00:00Z 1h"]);
    opens("cron(0 0 1/10 jan,DEC ? *)", from, &["2026-01-11T00:00:00Z 24h", "2026-01-21T00:00:00Z 24h"]);
}

#[test]
fn days_count_from_the_last_rotation() {
    let schedule = Schedule::parse(Some(30), None, None).unwrap().unwrap();
    assert_eq!(
        windows(&schedule, "2024-01-31T18:00:00Z", 2),
        ["2024-03-01T00:00:00Z 24h", "2024-03-31T00:00:00Z 24h"]
    );
    assert_eq!(self::schedule("rate(30 days)", None), schedule);
    let short = Schedule::parse(Some(1), None, Some("3h")).unwrap().unwrap();
    assert_eq!(windows(&short, "2026-01-01T23:59:59Z", 1), ["2026-01-02T00:00:00Z 3h"]);
}

#[test]
fn hours_count_from_midnight_of_the_day_that_the_schedule_was_set() {
    opens(
        "rate(10 hours)",
        "2026-01-01T05:00:00Z",
        &["2026-01-01T10:00:00Z 1h", "2026-01-01T20:00:00Z 1h", "2026-01-02T06:00:00Z 1h"],
    );
    opens("rate(4 hours)", "2026-01-01T23:59:00Z", &["2026-01-02T00:00:00Z 1h", "2026-01-02T04:00:00Z 1h"]);
}

#[test]
fn a_window_is_used_once_and_a_missed_one_is_made_up_for() {
    let daily = schedule("cron(0 10 * * ? *)", Some("2h"));
    let yesterday = since("2026-01-01T10:00:01Z");
    let open = daily.next(&yesterday, at("2026-01-02T11:30:00Z")).unwrap();
    assert_eq!(open.opens, at("2026-01-02T10:00:00Z"), "still open");
    let used = History { rotated: at("2026-01-02T11:30:00Z"), ..yesterday };
    assert_eq!(daily.next(&used, at("2026-01-02T11:31:00Z")).unwrap().opens, at("2026-01-03T10:00:00Z"));
    let given_up = History { given_up: Some(at("2026-01-02T10:30:00Z")), ..yesterday };
    assert_eq!(daily.next(&given_up, at("2026-01-02T10:31:00Z")).unwrap().opens, at("2026-01-03T10:00:00Z"));
    assert_eq!(
        daily.next(&yesterday, at("2026-01-02T12:00:00Z")).unwrap().opens,
        at("2026-01-03T10:00:00Z"),
        "closed"
    );
    // Thirty days after the first of January, and nobody was there until March.
    let monthly = Schedule::parse(Some(30), None, None).unwrap().unwrap();
    let late = monthly.next(&since("2026-01-01T00:00:00Z"), at("2026-03-05T15:00:00Z")).unwrap();
    assert_eq!((late.opens, late.closes), (at("2026-03-05T00:00:00Z"), at("2026-03-06T00:00:00Z")));
    let tried = History { given_up: Some(at("2026-03-05T16:00:00Z")), ..since("2026-01-01T00:00:00Z") };
    assert_eq!(monthly.next(&tried, at("2026-03-05T16:00:00Z")).unwrap().opens, at("2026-03-06T00:00:00Z"));
}

#[test]
fn rules_that_are_no_schedule() {
    let error =
        |days, expression, duration| Schedule::parse(days, expression, duration).unwrap_err().to_string();
    assert_eq!(
        error(Some(1), Some("rate(1 day)"), None),
        "You cannot specify both rotation frequency and schedule expression together."
    );
    assert_eq!(error(None, None, Some("3h")), ScheduleError::DurationAlone.to_string());
    assert_eq!(Schedule::parse(None, None, None), Ok(None));
    for (expression, reason) in [
        ("every day", "neither"),
        ("rate 1 day", "neither"),
        ("rate(1 day", "neither"),
        ("rate(day)", "a number and a unit"),
        ("rate(1 2 days)", "a number and a unit"),
        ("rate(0 days)", "from 1 to 1000"),
        ("rate(1001 days)", "from 1 to 1000"),
        ("rate(-1 days)", "from 1 to 1000"),
        ("rate(99999999999999999999 days)", "from 1 to 1000"),
        ("rate(5 minutes)", "`hours` or `days`"),
        ("rate(3 hours)", "every 4 hours"),
        ("cron(0 10 * * ?)", "six fields, and there are 5"),
        ("cron(5 10 * * ? *)", "minutes must be 0"),
        ("cron(* 10 * * ? *)", "minutes must be 0"),
        ("cron(0 10 * * ? 2027)", "year must be *"),
        ("cron(0 24 * * ? *)", "hours"),
        ("cron(0 a * * ? *)", "hours"),
        ("cron(0 10-8 * * ? *)", "hours"),
        ("cron(0 /0 * * ? *)", "hours"),
        ("cron(0 * * * ? *)", "every 4 hours"),
        ("cron(0 8,10 * * ? *)", "every 4 hours"),
        ("cron(0 0/7 * * ? *)", "every 4 hours"),
        ("cron(0 10 32 * ? *)", "day of the month"),
        ("cron(0 10 0 * ? *)", "day of the month"),
        ("cron(0 10 L-3 * ? *)", "day of the month"),
        ("cron(0 10 32W * ? *)", "day of the month"),
        ("cron(0 10 1 13 ? *)", "month"),
        ("cron(0 10 1 JUNE ? *)", "month"),
        ("cron(0 10 ? * 8 *)", "day of the week"),
        ("cron(0 10 ? * TUE#6 *)", "day of the week"),
        ("cron(0 10 ? * XL *)", "day of the week"),
        ("cron(0 10 1 * MON *)", "exclude each other"),
        ("cron(0 10 ? * ? *)", "exactly one"),
        ("cron(0 10 * * * *)", "exactly one"),
        ("cron(0 10 30 2 ? *)", "no such day"),
        ("cron(0 10 31 4,6,9,11 ? *)", "no such day"),
    ] {
        let text = error(None, Some(expression), None);
        assert!(text.contains(expression) && text.contains(reason), "{expression}: {text}");
    }
    // Every seven hours is too often only where days follow each other.
    schedule("cron(0 0/7 1 * ? *)", None);
    schedule("cron(0 0/7 ? * MON,WED *)", None);
}

#[test]
fn windows_end_with_the_day_and_before_the_next_one() {
    for (expression, duration, reason) in [
        ("cron(0 20 * * ? *)", "5h", "next UTC day"),
        ("cron(0 0/6 * * ? *)", "7h", "next UTC day"),
        ("cron(0 0,6 * * ? *)", "7h", "next rotation window"),
        ("rate(4 hours)", "5h", "next rotation window"),
        ("rate(10 hours)", "3h", "next UTC day"),
        ("rate(1 day)", "0h", "1 to 24"),
        ("rate(1 day)", "25h", "1 to 24"),
        ("rate(1 day)", "3", "1 to 24"),
        ("rate(1 day)", "h", "1 to 24"),
    ] {
        let text = Schedule::parse(None, Some(expression), Some(duration)).unwrap_err().to_string();
        assert!(text.contains(duration) && text.contains(reason), "{expression} {duration}: {text}");
    }
    for (expression, duration) in [
        ("cron(0 20 * * ? *)", "4h"),
        ("cron(0 0/6 * * ? *)", "6h"),
        ("rate(10 hours)", "2h"),
        ("rate(1 day)", "24h"),
    ] {
        schedule(expression, Some(duration));
    }
}

#[test]
fn the_interval_is_derived_from_the_schedule() {
    let days = |expression: &str| {
        let (history, now) = (since("2026-01-01T12:00:00Z"), at("2026-01-01T12:00:00Z"));
        schedule(expression, None).after_days(&history, now)
    };
    assert_eq!(days("rate(10 days)"), Some(10));
    assert_eq!(days("rate(4 hours)"), Some(1));
    assert_eq!(days("cron(0 10 ? * SAT *)"), Some(7));
    assert_eq!(days("cron(0 10 1 * ? *)"), Some(28));
}

proptest! {
    #[test]
    fn windows_follow_each_other(
        choice in prop_oneof![
            (1i64..100).prop_map(|n| format!("rate({n} days)")),
            (4i64..60).prop_map(|n| format!("rate({n} hours)")),
            (0i64..24, 1i64..29).prop_map(|(h, d)| format!("cron(0 {h} {d} * ? *)")),
            (0i64..24, 1i64..8, 1i64..6).prop_map(|(h, d, n)| format!("cron(0 {h} ? * {d}#{n} *)")),
            (0i64..24).prop_map(|h| format!("cron(0 {h} LW * ? *)")),
        ],
        from in 0i64..4_000_000_000,
    ) {
        let schedule = schedule(&choice, None);
        let from = Timestamp::from_second(from).unwrap();
        let mut history = History { set: from, rotated: from, given_up: None };
        let mut now = from;
        for _ in 0..20 {
            let window = schedule.next(&history, now).unwrap();
            prop_assert!(window.opens > now && window.opens < window.closes, "{choice} {now} {window:?}");
            prop_assert_eq!(day(window.opens), day(window.closes - SignedDuration::from_secs(1)));
            // As long as it is open and unused, it stays the next one.
            let late = window.closes - SignedDuration::from_secs(1);
            prop_assert_eq!(schedule.next(&history, late), Some(window));
            now = window.opens;
            history.rotated = now;
        }
    }

    #[test]
    fn any_text_is_answered(text in "[0-9A-Za-z()#?*/, -]{0,40}") {
        let _ = Schedule::parse(None, Some(&text), Some("3h"));
        let _ = Schedule::parse(None, Some(&format!("cron({text})")), None);
    }
}
