//! Recording: permits, denials, the format of a line, many recorders at once, segments.

use crate::audit_kit::*;
use sealdock::audit::{AuditError, AuditLog, Filter, Options, PublicKey, Refused, search};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use std::{fs, thread};

fn parsed(line: &[u8]) -> Value {
    serde_json::from_slice(line).unwrap()
}

#[test]
fn an_allowed_decision_on_record_is_a_permit() {
    let dir = scratch();
    let log = open(dir.path());
    let permit = log.record(event(1), allowed()).wait().unwrap();
    assert_eq!(permit.sequence(), 1);
    assert!(permit.covers(ACTION, RESOURCE) && permit.covers("secretsmanager:getsecretvalue", RESOURCE));
    assert!(!permit.covers("secretsmanager:DeleteSecret", RESOURCE) && !permit.covers(ACTION, "*"));

    let line = parsed(&lines(&first_segment(dir.path()))[0]);
    let policy = &line["sealdock"]["policy"];
    assert_eq!(policy["outcome"], "Allow");
    assert_eq!((policy["action"].as_str(), policy["resource"].as_str()), (Some(ACTION), Some(RESOURCE)));
    assert_eq!(policy["principal"], "arn:aws:iam::111122223333:root");
    assert_eq!((&line["eventVersion"], &line["requestParameters"]), (&json!("1.11"), &Value::Null));
}

#[test]
fn a_denied_decision_is_recorded_as_such_and_is_none() {
    let dir = scratch();
    let log = open(dir.path());
    let refused = log.record(event(1), denied()).wait();
    assert!(matches!(&refused, Err(Refused::Denied(decision)) if !decision.is_allowed()), "{refused:?}");
    let mut own = event(2);
    own.error_code = Some("ResourceNotFoundException".into());
    drop(log.record(own, denied()).wait());
    let lines = lines(&first_segment(dir.path()));
    let (line, own) = (parsed(&lines[0]), parsed(&lines[1]));
    assert_eq!(line["errorCode"], "AccessDenied");
    let message = line["errorMessage"].as_str().unwrap();
    assert!(message.starts_with("User: arn:aws:iam::111122223333:user/ann"), "{message}");
    assert_eq!(line["sealdock"]["policy"]["outcome"], "ImplicitDeny");
    assert_eq!(
        (&own["errorCode"], &own["errorMessage"]),
        (&json!("ResourceNotFoundException"), &Value::Null)
    );
}

#[test]
fn the_members_of_a_record_stand_in_a_fixed_order() {
    let dir = scratch();
    open(dir.path()).note(event(1)).wait().unwrap();
    let line = String::from_utf8(lines(&first_segment(dir.path())).remove(0)).unwrap();
    let names =
        ["eventVersion", "userIdentity", "eventTime", "eventSource", "requestID", "eventID", "sealdock"];
    let places: Vec<_> = names.iter().map(|name| line.find(&format!("\"{name}\":")).unwrap()).collect();
    assert!(places.is_sorted(), "{line}");
    let end = format!(",\"sealdock\":{{\"sequence\":1,\"previousHash\":\"{}\"}}}}\n", "0".repeat(64));
    assert!(line.ends_with(&end), "{line}");
}

/// The auditor's check, with nothing of ours.
#[test]
fn the_chain_verifies_with_standard_tools() {
    let dir = scratch();
    let log = open(dir.path());
    fill(&log, 1, 3);
    let lines = lines(&first_segment(dir.path()));
    for pair in lines.windows(2) {
        let hash = hex::encode(Sha256::digest(&pair[0]));
        assert_eq!(parsed(&pair[1])["sealdock"]["previousHash"], hash);
    }
    let script = format!("sed -n 2p '{}' | sha256sum", first_segment(dir.path()).display());
    let output = Command::new("sh").args(["-c", &script]).output().unwrap().stdout;
    let stated = parsed(&lines[2])["sealdock"]["previousHash"].as_str().unwrap().to_owned();
    assert!(String::from_utf8(output).unwrap().starts_with(&stated));
}

#[test]
fn many_recorders_share_syncs_and_one_chain() {
    let dir = scratch();
    let disk = Arc::new(FaultyDisk::default());
    disk.slow.store(true, Ordering::SeqCst);
    let log = AuditLog::open(Options { disk: disk.clone(), ..options(dir.path()) }).unwrap();
    thread::scope(|scope| {
        for recorder in 0..16 {
            let log = &log;
            scope.spawn(move || {
                let mut before = 0;
                for number in 0..25 {
                    let permit = log.record(event(recorder * 100 + number), allowed()).wait().unwrap();
                    assert!(permit.sequence() > before, "each recorder's records stand in its order");
                    before = permit.sequence();
                }
            });
        }
    });
    assert_eq!(log.head().0, 400);
    let syncs = disk.syncs.load(Ordering::SeqCst);
    assert!(syncs < 200, "{syncs} syncs for 400 records");
    log.close();
    let intact = intact(dir.path());
    assert_eq!((intact.records, intact.covered, intact.unfinished), (400, 400, 0));
    let mut recorded = recorded(dir.path());
    recorded.sort();
    recorded.dedup();
    assert_eq!(recorded.len(), 400);
}

#[test]
fn the_records_of_one_request_share_one_sync() {
    let dir = scratch();
    let disk = Arc::new(FaultyDisk::default());
    let log = AuditLog::open(Options { disk: disk.clone(), ..options(dir.path()) }).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let before = disk.syncs.load(Ordering::SeqCst);
    for request in 0..30_usize {
        let part = |number| {
            let log = &log;
            async move { log.record(event(request * 100 + number), allowed()).await.unwrap().sequence() }
        };
        let alone = runtime.block_on(part(0));
        let together = runtime.block_on(log.together((1..=20).map(part).collect()));
        assert_eq!(together, (alone + 1..=alone + 20).collect::<Vec<_>>());
    }
    assert_eq!(disk.syncs.load(Ordering::SeqCst) - before, 60);
    assert!(runtime.block_on(log.together(Vec::<std::future::Ready<()>>::new())).is_empty());
    log.close();
    assert_eq!(intact(dir.path()).records, 630);
}

#[test]
fn answers_can_be_awaited_without_any_runtime() {
    use std::future::Future;
    use std::task::{Context, Poll, Waker};
    let dir = scratch();
    let log = open(dir.path());
    let mut recording = Box::pin(log.record(event(1), allowed()));
    let mut noting = Box::pin(log.note(event(2)));
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut context = Context::from_waker(Waker::noop());
    let permit = loop {
        if let Poll::Ready(answer) = recording.as_mut().poll(&mut context) {
            break answer.unwrap();
        }
        assert!(Instant::now() < deadline);
        thread::sleep(Duration::from_millis(1));
    };
    assert_eq!(permit.sequence(), 1);
    let again = recording.as_mut().poll(&mut context);
    assert!(!matches!(again, Poll::Ready(Ok(_))), "one record gives one permit");
    while noting.as_mut().poll(&mut context).is_pending() {
        assert!(Instant::now() < deadline);
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn segments_are_named_by_their_first_record_and_private() {
    let dir = scratch();
    let log = AuditLog::open(Options { segment_bytes: 2000, ..options(&dir.path().join("audit")) }).unwrap();
    let dir = dir.path().join("audit");
    fill(&log, 1, 20);
    log.close();
    let found = segments(&dir);
    assert!(found.len() > 4, "{found:?}");
    for path in &found {
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
        let first = parsed(&lines(path)[0])["sealdock"]["sequence"].as_u64().unwrap();
        assert_eq!(path.file_name().unwrap().to_str().unwrap(), format!("audit-{first:020}.jsonl"));
    }
    assert_eq!(fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);
    let before = intact(&dir);
    assert_eq!((before.records, before.covered), (20, 20));
    assert!(before.checkpoints >= found.len() as u64);

    let log = AuditLog::open(Options { segment_bytes: 2000, ..options(&dir) }).unwrap();
    assert_eq!(log.head(), (20, before.head));
    fill(&log, 21, 5);
    log.close();
    assert_eq!(intact(&dir).records, 25);
}

#[test]
fn a_log_has_one_writer_and_one_key() {
    let dir = scratch();
    let log = open(dir.path());
    fill(&log, 1, 1);
    let second = AuditLog::open(options(dir.path()));
    assert!(matches!(second, Err(AuditError::InUse(_))), "{second:?}");
    log.close();
    let other = AuditLog::open(Options::new(dir.path(), [8; 32]));
    assert!(matches!(other, Err(AuditError::Key(_))), "{other:?}");
    open(dir.path());
}

#[test]
fn an_event_that_is_too_long_is_refused() {
    let dir = scratch();
    let log = open(dir.path());
    let mut long = event(1);
    long.user_agent = Some("x".repeat(1 << 20).into());
    let refused = log.record(long, allowed()).wait();
    assert!(matches!(refused, Err(Refused::Unavailable(AuditError::TooLong(_)))), "{refused:?}");
    fill(&log, 2, 1);
}

#[test]
fn checkpoints_follow_while_records_come() {
    let dir = scratch();
    let every = Duration::from_millis(20);
    let log = AuditLog::open(Options { checkpoint_every: every, ..options(dir.path()) }).unwrap();
    fill(&log, 1, 3);
    let deadline = Instant::now() + Duration::from_secs(30);
    while intact(dir.path()).covered < 3 {
        assert!(Instant::now() < deadline);
        thread::sleep(every);
    }
    let count = lines(&dir.path().join("checkpoints.jsonl")).len();
    thread::sleep(every * 5);
    assert_eq!(lines(&dir.path().join("checkpoints.jsonl")).len(), count, "none without new records");
    let crashed = copy(dir.path());
    open(crashed.path()).close();
}

#[test]
fn the_key_beside_the_log_is_the_seed_s() {
    let dir = scratch();
    open(dir.path()).close();
    let text = fs::read_to_string(dir.path().join("checkpoint.pub")).unwrap();
    assert_eq!(PublicKey::from_hex(&text), PublicKey::of_seed(&SEED));
    assert_eq!(text, format!("{}\n", PublicKey::of_seed(&SEED).unwrap()));
}

#[test]
fn search_finds_the_newest_first_across_segments() {
    let dir = scratch();
    let log = AuditLog::open(Options { segment_bytes: 3000, ..options(dir.path()) }).unwrap();
    fill(&log, 1, 10);
    drop(log.record(event(11), denied()).wait());
    let mut session = event(12);
    session.user_identity.arn = Some("arn:aws:sts::111122223333:assumed-role/app/task-17".into());
    session.read_only = false;
    log.note(session).wait().unwrap();

    let find = |filter: Filter, limit| -> Vec<u64> {
        let results = search(dir.path(), &filter, limit).unwrap();
        assert_eq!(results.broken, None);
        results.events.iter().map(|found| found.sequence).collect()
    };
    let all = Filter::default;
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(find(all(), 100), (1..=12).rev().collect::<Vec<_>>());
    assert_eq!(find(all(), 3), [12, 11, 10]);
    assert_eq!(find(Filter { request_id: some("request-4"), ..all() }, 9), [4]);
    assert_eq!(find(Filter { error_code: some("AccessDenied"), ..all() }, 9), [11]);
    assert_eq!(find(Filter { task: some("task-17"), ..all() }, 9), [12]);
    assert_eq!(find(Filter { principal: some("assumed-role/app"), ..all() }, 9), [12]);
    assert_eq!(find(Filter { principal: some("user/ann"), ..all() }, 2), [11, 10]);
    assert_eq!(find(Filter { resource: some(RESOURCE), ..all() }, 1), [11]);
    assert_eq!(find(Filter { read_only: Some(false), ..all() }, 9), [12]);
    assert_eq!(find(Filter { access_key_id: some("AKIAIOSFODNN7EXAMPLE"), ..all() }, 1), [12]);
    assert_eq!(find(Filter { text: some("request-7"), ..all() }, 9), [7]);
    assert_eq!(find(Filter { event_name: some("PutSecretValue"), ..all() }, 9), [0_u64; 0]);
    let past = Some("2001-01-01T00:00:00Z".parse().unwrap());
    assert_eq!(find(Filter { until: past, ..all() }, 9), [0_u64; 0]);
    assert_eq!(find(Filter { since: past, ..all() }, 2), [12, 11]);

    let path = segments(dir.path()).remove(1);
    let altered = fs::read_to_string(&path).unwrap().replacen("AKIA", "AKIB", 1);
    fs::write(&path, altered).unwrap();
    let results = search(dir.path(), &all(), 100).unwrap();
    let broken = results.broken.unwrap();
    let first = results.events.last().unwrap().sequence;
    assert_eq!(broken.sequence, first - 1, "the search says where it stopped");
}
