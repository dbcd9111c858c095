//! The life of a rotation, by its rules.

use super::super::secret_record::AWSPREVIOUS;
use super::super::secret_record::tests::{at, put, record, version};
use super::super::secret_versions::StageMove;
use super::*;
use crate::vault::Deletion;
use proptest::prelude::*;

const FUNCTION: &str = "arn:aws:lambda:us-east-1:111122223333:function:rotate";
const MINUTE: SignedDuration = SignedDuration::from_mins(1);
const DAY: SignedDuration = SignedDuration::from_hours(24);

fn wanted(token: &str) -> RotationWanted {
    RotationWanted { token: token.into(), function: Some(FUNCTION.into()), rules: None, immediately: true }
}

fn after_days(days: i64) -> Option<RotationRules> {
    Some(RotationRules { automatically_after_days: Some(days), ..RotationRules::default() })
}

fn start() -> Timestamp {
    "2026-01-01T12:00:00Z".parse().unwrap()
}

fn secret() -> SecretRecord {
    let mut r = record();
    put(&mut r, "1", &[]);
    r
}

/// Gives the pending version its value, as createSecret does.
fn fill(r: &mut SecretRecord, token: &str, now: Timestamp) {
    r.add_version(version(token, now), vec![AWSPENDING.into()], now).unwrap();
}

/// Makes the pending version current, as finishSecret does.
fn finish(r: &mut SecretRecord, token: &str, now: Timestamp) {
    let from = at(r, AWSCURRENT).map(str::to_owned);
    r.move_stage(StageMove { stage: AWSCURRENT, to: Some(token), from: from.as_deref() }, now).unwrap();
}

fn run(r: &SecretRecord) -> &RotationRun {
    r.rotation.as_ref().unwrap().run.as_ref().unwrap()
}

#[test]
fn a_rotation_from_its_beginning_to_its_end() {
    let (mut r, now) = (secret(), start());
    assert_eq!(r.rotate(wanted("2"), now), Ok("2".into()));
    assert_eq!((at(&r, AWSCURRENT), at(&r, AWSPENDING)), (Some("1"), Some("2")));
    assert_eq!(
        r.select(None, Some(AWSPENDING)).unwrap_err(),
        SecretError::NoSuchStage(AWSPENDING.into()),
        "it has no value yet"
    );
    assert_eq!(r.select(Some("2"), None).unwrap_err(), SecretError::NoSuchVersion("2".into()));
    let attempt = r.begin_attempt("fresh", now).unwrap();
    assert_eq!((attempt.token.as_str(), attempt.number, attempt.test_only), ("2", 1, false));
    assert_eq!((attempt.secret, attempt.function), (r.arn(), FUNCTION.to_owned()));
    assert_eq!(r.begin_attempt("fresh", now), None, "one at a time");
    fill(&mut r, "2", now);
    assert_eq!(r.versions.len(), 2, "the value went into the version that was waiting for it");
    assert_eq!(r.select(Some("2"), Some(AWSPENDING)).unwrap().id, "2");
    assert!(r.is_rotating("2") && !r.is_rotating("1"));
    finish(&mut r, "2", now);
    assert_eq!(r.end_attempt("2", Ok(()), now + MINUTE), AttemptEnd::Succeeded);
    let rotation = r.rotation.as_ref().unwrap();
    assert_eq!((rotation.last_rotated, &rotation.run, rotation.enabled), (Some(now + MINUTE), &None, true));
    assert_eq!(
        (at(&r, AWSCURRENT), at(&r, AWSPREVIOUS), at(&r, AWSPENDING)),
        (Some("2"), Some("1"), Some("2"))
    );
    let next = RotationWanted { function: None, ..wanted("3") };
    assert_eq!(r.rotate(next, now), Ok("3".into()), "the function is remembered");
    assert_eq!((at(&r, AWSCURRENT), at(&r, AWSPENDING)), (Some("2"), Some("3")));
}

#[test]
fn what_is_refused() {
    let now = start();
    let mut r = secret();
    let before = r.clone();
    let nobody = RotationWanted { function: None, ..wanted("2") };
    assert_eq!(r.rotate(nobody, now), Err(SecretError::NoRotationFunction));
    let rules =
        RotationRules { schedule_expression: Some("rate(1 hour)".into()), ..RotationRules::default() };
    let often = RotationWanted { rules: Some(rules), ..wanted("2") };
    assert!(matches!(r.rotate(often, now), Err(SecretError::Schedule(_))));
    assert_eq!(r.cancel_rotation(now), Err(SecretError::RotationNotConfigured));
    assert_eq!(r, before, "a refusal changes nothing");
    r.rotate(wanted("2"), now).unwrap();
    assert_eq!(r.rotate(wanted("2"), now), Ok("2".into()), "the same request again");
    assert_eq!(r.rotate(wanted("3"), now), Err(SecretError::RotationPending));
    r.deletion = Some(Deletion { requested: now, due: now + DAY });
    assert_eq!(r.rotate(wanted("2"), now), Err(SecretError::MarkedForDeletion));
    assert_eq!(r.cancel_rotation(now), Err(SecretError::MarkedForDeletion));
    assert_eq!(r.begin_attempt("fresh", now + DAY), None);
}

#[test]
fn a_failure_leaves_pending_and_is_tried_again_with_pauses() {
    let (mut r, mut now) = (secret(), start());
    r.rotate(RotationWanted { rules: after_days(30), ..wanted("2") }, now).unwrap();
    for number in 1..=ATTEMPTS {
        let attempt = r.begin_attempt("fresh", now).unwrap();
        assert_eq!((attempt.number, attempt.token.as_str()), (number, "2"));
        assert_eq!(r.end_attempt("2", Err("setSecret failed".into()), now), AttemptEnd::Failed);
        assert_eq!(run(&r).failure.as_deref(), Some("setSecret failed"));
        assert_eq!(at(&r, AWSPENDING), Some("2"));
        let pause = MINUTE * (1 << (number - 1));
        assert_eq!(r.begin_attempt("fresh", now + pause - SignedDuration::from_secs(1)), None);
        now += pause;
    }
    assert_eq!(run(&r).next_attempt, None, "given up");
    assert_eq!(r.begin_attempt("fresh", now), None);
    // The window of the thirtieth day tries the same version again.
    let day = "2026-01-31T00:00:00Z".parse().unwrap();
    assert_eq!(r.rotation.as_ref().unwrap().due(now), Some(day));
    let attempt = r.begin_attempt("fresh", day).unwrap();
    assert_eq!((attempt.number, attempt.token.as_str()), (1, "2"));
}

#[test]
fn a_refused_request_makes_the_rotation_in_progress_due() {
    let (mut r, now) = (secret(), start());
    r.rotate(wanted("2"), now).unwrap();
    for minute in [0, 1, 3, 7, 15] {
        r.begin_attempt("fresh", now + MINUTE * minute).unwrap();
        r.end_attempt("2", Err("no".into()), now + MINUTE * minute);
    }
    assert_eq!(r.rotation.as_ref().unwrap().due(now), None, "without a schedule nothing is due any more");
    assert_eq!(r.rotate(wanted("3"), now + DAY), Err(SecretError::RotationPending));
    assert_eq!(r.begin_attempt("fresh", now + DAY).unwrap().token, "2");
}

#[test]
fn an_attempt_that_was_cut_short_is_made_again() {
    let (mut r, now) = (secret(), start());
    r.rotate(wanted("2"), now).unwrap();
    r.begin_attempt("fresh", now).unwrap();
    // The broker is gone, and comes back.
    let text = serde_json::to_vec(&r).unwrap();
    let mut r: SecretRecord = serde_json::from_slice(&text).unwrap();
    let soon = now + SignedDuration::from_secs(1);
    assert_eq!(r.begin_attempt("fresh", soon), None);
    r.resume_attempt(soon);
    let again = r.begin_attempt("fresh", soon).unwrap();
    assert_eq!((again.token.as_str(), again.number), ("2", 2));
}

#[test]
fn the_schedule_starts_rotations() {
    let (mut r, now) = (secret(), start());
    let rules = Some(RotationRules {
        schedule_expression: Some("cron(0 10 * * ? *)".into()),
        duration: Some("2h".into()),
        ..RotationRules::default()
    });
    r.rotate(RotationWanted { rules, immediately: false, ..wanted("test") }, now).unwrap();
    assert_eq!(r.begin_attempt("fresh", now).unwrap().token, "test");
    r.end_attempt("test", Ok(()), now);
    let opens: Timestamp = "2026-01-02T10:00:00Z".parse().unwrap();
    assert_eq!(r.rotation.as_ref().unwrap().due(now), Some(opens));
    assert_eq!(r.begin_attempt("fresh", opens - MINUTE), None);
    let attempt = r.begin_attempt("fresh", opens).unwrap();
    assert_eq!(
        (attempt.token.as_str(), attempt.test_only, at(&r, AWSPENDING)),
        ("fresh", false, Some("fresh"))
    );
    assert_eq!(run(&r).until, opens + MINUTE * 120);
    // No attempt begins after the window, and the next window begins with the same version.
    assert_eq!(r.begin_attempt("other", opens + MINUTE * 120), None);
    assert_eq!(r.begin_attempt("other", opens + DAY).unwrap().token, "fresh");
}

#[test]
fn a_test_uses_a_copy_of_the_current_version_and_removes_it() {
    for outcome in [Ok(()), Err("no".to_owned())] {
        let (mut r, now) = (secret(), start());
        r.rotate(RotationWanted { immediately: false, ..wanted("2") }, now).unwrap();
        let copy = r.select(Some("2"), Some(AWSPENDING)).unwrap();
        assert_eq!(copy.blob, r.version("1").unwrap().blob);
        assert!(r.begin_attempt("fresh", now).unwrap().test_only);
        r.end_attempt("2", outcome, now);
        assert_eq!((r.versions.len(), at(&r, AWSPENDING)), (1, None));
        let rotation = r.rotation.as_ref().unwrap();
        assert_eq!((rotation.enabled, rotation.last_rotated, &rotation.run), (true, None, &None));
    }
}

#[test]
fn cancelling_leaves_the_pending_version_and_the_configuration() {
    let (mut r, now) = (secret(), start());
    r.rotate(RotationWanted { rules: after_days(1), ..wanted("2") }, now).unwrap();
    r.begin_attempt("fresh", now).unwrap();
    assert_eq!(r.cancel_rotation(now), Ok(Some("2".into())));
    assert_eq!(at(&r, AWSPENDING), Some("2"));
    assert_eq!(r.end_attempt("2", Err("no".into()), now), AttemptEnd::Abandoned);
    let rotation = r.rotation.as_ref().unwrap();
    assert_eq!((rotation.enabled, rotation.function.as_str(), rotation.due(now)), (false, FUNCTION, None));
    assert_eq!(r.begin_attempt("fresh", now + DAY * 9), None);
    assert_eq!(r.cancel_rotation(now), Ok(Some("2".into())), "again");
    assert_eq!(r.rotate(wanted("3"), now), Err(SecretError::RotationPending));
    r.move_stage(StageMove { stage: AWSPENDING, to: None, from: Some("2") }, now).unwrap();
    let again = RotationWanted { function: None, ..wanted("3") };
    assert_eq!(r.rotate(again, now), Ok("3".into()));
    assert_eq!(r.rotation.as_ref().unwrap().rules, after_days(1).unwrap(), "and is on again");
}

#[test]
fn a_new_value_from_elsewhere_abandons_the_rotation_and_counts_as_one() {
    let (mut r, now) = (secret(), start());
    r.rotate(RotationWanted { rules: after_days(30), ..wanted("2") }, now).unwrap();
    let later = now + DAY * 2;
    r.add_version(version("3", later), Vec::new(), later).unwrap();
    assert_eq!((at(&r, AWSCURRENT), at(&r, AWSPENDING)), (Some("3"), None));
    assert!(r.version("2").is_none(), "it never had a value");
    let rotation = r.rotation.as_ref().unwrap();
    assert_eq!((&rotation.run, &rotation.abandoned), (&None, &vec!["2".to_owned()]));
    assert_eq!(rotation.due(later), Some(later), "there is something to report");
    let next = rotation.next_window(later).unwrap().opens;
    assert_eq!(next, "2026-02-02T00:00:00Z".parse().unwrap());
    assert_eq!(rotation.last_rotated, None);
    assert_eq!(r.end_attempt("2", Err("late".into()), later), AttemptEnd::Abandoned);
    assert!(r.rotation.as_ref().unwrap().abandoned.is_empty(), "whoever ended it reports it");
    // A version with a value stays, without the label.
    r.rotate(wanted("4"), later).unwrap();
    fill(&mut r, "4", later);
    r.add_version(version("5", later), Vec::new(), later).unwrap();
    assert!(r.version("4").unwrap().stages.is_empty());
}

#[test]
fn taking_the_label_away_ends_the_rotation() {
    let (mut r, now) = (secret(), start());
    r.rotate(wanted("2"), now).unwrap();
    r.move_stage(StageMove { stage: AWSPENDING, to: None, from: Some("2") }, now).unwrap();
    assert_eq!(r.begin_attempt("fresh", now), None);
    assert_eq!(r.rotation.as_ref().unwrap().run, None);
}

#[test]
fn a_request_right_after_the_last_step_finds_the_rotation_done() {
    let (mut r, now) = (secret(), start());
    r.rotate(RotationWanted { rules: after_days(1), ..wanted("2") }, now).unwrap();
    r.begin_attempt("fresh", now).unwrap();
    fill(&mut r, "2", now);
    finish(&mut r, "2", now);
    // The function has yet to return.
    assert_eq!(r.rotate(wanted("3"), now + MINUTE), Ok("3".into()));
    let rotation = r.rotation.as_ref().unwrap();
    assert_eq!((rotation.last_rotated, rotation.abandoned.len()), (Some(now + MINUTE), 0));
    assert_eq!((at(&r, AWSCURRENT), at(&r, AWSPENDING)), (Some("2"), Some("3")));
    assert_eq!(r.end_attempt("2", Ok(()), now + MINUTE), AttemptEnd::Succeeded);
    assert_eq!(run(&r).token, "3");
    assert_eq!(r.begin_attempt("fresh", now + MINUTE).unwrap().token, "3");
}

#[test]
fn a_request_after_the_label_was_taken_away_abandons_the_rotation() {
    let (mut r, now) = (secret(), start());
    r.rotate(wanted("2"), now).unwrap();
    r.begin_attempt("fresh", now).unwrap();
    fill(&mut r, "2", now);
    r.move_stage(StageMove { stage: AWSPENDING, to: None, from: Some("2") }, now).unwrap();
    assert_eq!(r.rotate(wanted("3"), now), Ok("3".into()));
    assert_eq!(r.rotation.as_ref().unwrap().abandoned, ["2"]);
    assert_eq!(r.end_attempt("2", Err("no".into()), now), AttemptEnd::Abandoned);
    assert_eq!((run(&r).token.as_str(), at(&r, AWSPENDING)), ("3", Some("3")));
    // The label of somebody else's version is left alone.
    r.move_stage(StageMove { stage: AWSPENDING, to: Some("1"), from: Some("3") }, now).unwrap();
    assert_eq!(r.begin_attempt("fresh", now), None);
    assert_eq!((at(&r, AWSPENDING), &r.rotation.as_ref().unwrap().run), (Some("1"), &None));
}

#[test]
fn a_clock_that_is_put_back_or_ahead_stops_nothing() {
    let (mut r, now) = (secret(), start());
    r.rotate(RotationWanted { rules: after_days(30), ..wanted("2") }, now).unwrap();
    r.begin_attempt("fresh", now).unwrap();
    r.end_attempt("2", Err("no".into()), now);
    let back = now - DAY * 40;
    assert_eq!(r.rotation.as_ref().unwrap().due(back), Some(back));
    assert_eq!(r.begin_attempt("fresh", back).unwrap().number, 2);
    fill(&mut r, "2", back);
    finish(&mut r, "2", back);
    r.end_attempt("2", Ok(()), back);
    // Days count from the rotation, by the clock as it is.
    let next = r.rotation.as_ref().unwrap().due(back).unwrap();
    assert_eq!(next, "2025-12-22T00:00:00Z".parse().unwrap());
    // A year ahead, what was missed is made up for once.
    let ahead = back + DAY * 365;
    assert_eq!(r.begin_attempt("fresh", ahead).unwrap().token, "fresh");
    fill(&mut r, "fresh", ahead);
    finish(&mut r, "fresh", ahead);
    r.end_attempt("fresh", Ok(()), ahead);
    let next = r.rotation.as_ref().unwrap().due(ahead).unwrap();
    assert!(next > ahead + DAY * 29, "{next}");
}

#[test]
fn a_version_without_a_value_does_not_become_current() {
    let (mut r, now) = (secret(), start());
    r.rotate(wanted("2"), now).unwrap();
    let change = StageMove { stage: AWSCURRENT, to: Some("2"), from: Some("1") };
    assert_eq!(r.move_stage(change, now), Err(SecretError::NoSuchVersion("2".into())));
    assert!(r.select(None, None).is_ok());
}

#[test]
fn a_deletion_ends_the_rotation_and_a_restored_secret_keeps_its_schedule() {
    let (mut r, now) = (secret(), start());
    r.rotate(RotationWanted { rules: after_days(1), ..wanted("2") }, now).unwrap();
    r.deletion = Some(Deletion { requested: now, due: now + DAY * 30 });
    r.abandon_rotation();
    assert_eq!(r.begin_attempt("fresh", now + DAY), None);
    assert_eq!(at(&r, AWSPENDING), None);
    r.deletion = None;
    assert_eq!(r.begin_attempt("fresh", now + DAY).unwrap().token, "fresh");
}

#[test]
fn an_older_record_has_no_rotation() {
    let mut text = serde_json::to_value(secret()).unwrap();
    text.as_object_mut().unwrap().remove("rotation");
    assert_eq!(serde_json::from_value::<SecretRecord>(text).unwrap(), secret());
}

proptest! {
    #[test]
    fn whatever_happens_the_current_version_can_be_read(
        steps in prop::collection::vec((0u8..10, "[a-d]", 1i64..200), 1..60)
    ) {
        let (mut r, mut now) = (secret(), start());
        let mut attempt: Option<Attempt> = None;
        for (step, id, minutes) in steps {
            now += MINUTE * i32::try_from(minutes).unwrap();
            match step {
                0 => drop(r.rotate(RotationWanted { rules: after_days(1), ..wanted(&id) }, now)),
                1 => drop(r.rotate(RotationWanted { immediately: false, ..wanted(&id) }, now)),
                2 => drop(r.cancel_rotation(now)),
                3 => attempt = r.begin_attempt(&format!("f{now}"), now).or(attempt),
                4 => drop(attempt.take().map(|a| r.end_attempt(&a.token, Err("no".into()), now))),
                5 => {
                    if let Some(a) = &attempt
                        && r.version(&a.token).is_some_and(|v| !v.has_value())
                    {
                        fill(&mut r, &a.token.clone(), now);
                    }
                }
                6 => {
                    if let Some(a) = attempt.take() {
                        let from = at(&r, AWSCURRENT).map(str::to_owned);
                        let change =
                            StageMove { stage: AWSCURRENT, to: Some(&a.token), from: from.as_deref() };
                        if r.move_stage(change, now).is_ok() {
                            r.end_attempt(&a.token, Ok(()), now);
                        }
                    }
                }
                7 => {
                    if r.repeats(&id, &id) == Ok(false) {
                        drop(r.add_version(version(&id, now), Vec::new(), now));
                    }
                }
                8 => {
                    let from = at(&r, AWSCURRENT).map(str::to_owned);
                    let change = StageMove { stage: AWSCURRENT, to: Some(&id), from: from.as_deref() };
                    drop(r.move_stage(change, now));
                }
                _ => drop(r.move_stage(StageMove { stage: AWSPENDING, to: None, from: Some(&id) }, now)),
            }
            prop_assert!(r.select(None, None).is_ok(), "{r:?}");
            for stage in [AWSCURRENT, AWSPREVIOUS, AWSPENDING] {
                prop_assert!(r.versions.iter().filter(|v| v.has(stage)).count() <= 1);
            }
            let mut ids: Vec<&str> = r.versions.iter().map(|v| v.id.as_str()).collect();
            ids.sort_unstable();
            ids.dedup();
            prop_assert_eq!(ids.len(), r.versions.len());
        }
    }
}
