//! The scheduler by the broker's clock: windows open, failures are tried again and given up,
//! the next window begins anew, also after a restart.
//!
//! The function is a command that succeeds and does nothing, so every attempt fails at its
//! end: the new version is not current.

use crate::kit::{ACCOUNT, Kit, REGION, block_on, until};
use jiff::{SignedDuration, Timestamp};
use sealdock::broker::{Ask, Broker, Context, Function, Grant, Settings, Target};
use sealdock::clock::ManualClock;
use sealdock::rotation::{Reach, Rotator};
use sealdock::store::EmbeddedStore;
use sealdock::vault::{RotationRules, RotationRun, RotationWanted, Scope, Unlock, Vault};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

const FUNCTION: &str = "arn:aws:lambda:us-east-1:111122223333:function:rotate";
const MINUTE: SignedDuration = SignedDuration::from_mins(1);

fn open(kit: &Kit, clock: &Arc<ManualClock>) -> Arc<Broker> {
    let store = Arc::new(EmbeddedStore::open(&kit.vault()).unwrap());
    let unlock = Unlock::KeyFile(kit.data.join("root.key"));
    let vault = Vault::open(store, &unlock, Arc::clone(clock) as _).unwrap();
    let grant =
        Grant { role: format!("arn:aws:iam::{ACCOUNT}:role/rotationFunctionRole"), reads: Vec::new() };
    let settings = Settings {
        account: ACCOUNT.into(),
        region: REGION.into(),
        peers: Vec::new(),
        functions: vec![Function {
            arn: FUNCTION.into(),
            timeout: Duration::from_secs(60),
            log: None,
            target: Target::Command { command: vec!["/bin/true".into()], grant },
        }],
        policies: kit.data.join("policies"),
        audit: kit.data.join("audit"),
        audit_wait: Duration::from_secs(60),
        audit_segment_bytes: 1 << 20,
        other_principals: false,
        new_audit_log: false,
    };
    Arc::new(Broker::open(settings, vault, Arc::clone(clock) as _).unwrap())
}

fn rotate(broker: &Broker, name: &str, wanted: RotationWanted) {
    let secret = broker.vault().secrets().find(&Scope::new(ACCOUNT, REGION), name).unwrap();
    let context = Context {
        caller: broker.peer(rustix::process::geteuid().as_raw()),
        event_source: "secretsmanager.amazonaws.com",
        event_name: "RotateSecret",
        region: REGION.into(),
        read_only: false,
        request_id: "test".into(),
        source: "test".into(),
        secure: true,
        user_agent: None,
        parameters: None,
        response: None,
    };
    let arn = secret.record.arn();
    let permit =
        block_on(broker.authorize(&context, &Ask::new("secretsmanager:RotateSecret", &arn))).unwrap();
    broker.vault().secrets().rotate(&permit, &secret, wanted).unwrap();
}

fn run(broker: &Broker, name: &str) -> Option<RotationRun> {
    let secret = broker.vault().secrets().find(&Scope::new(ACCOUNT, REGION), name).unwrap();
    secret.record.rotation.as_ref().unwrap().run.clone()
}

/// Waits for the failure of this attempt.
fn failed(broker: &Broker, name: &str, attempt: u32) -> RotationRun {
    let ended = || run(broker, name).filter(|run| run.attempts == attempt && !run.running);
    until(&format!("attempt {attempt}"), || ended().is_some());
    ended().unwrap()
}

#[test]
fn windows_open_attempts_pause_and_the_next_window_begins_anew() {
    let kit = Kit::with(&["--account", ACCOUNT, "--region", REGION]);
    let broker = kit.start();
    let arn = broker.root().create("app/db", &kit.canary("db"));
    broker.stop();
    let start: Timestamp = Timestamp::now();
    let clock = Arc::new(ManualClock::new(start));
    let broker = open(&kit, &clock);
    let rotator = block_on(async { Rotator::start(Arc::clone(&broker), Reach::default()) });
    let rules = RotationRules { automatically_after_days: Some(10), ..RotationRules::default() };
    let token = "0".repeat(32);
    let function = Some(FUNCTION.to_owned());
    rotate(&broker, "app/db", RotationWanted { token, function, rules: Some(rules), immediately: false });
    until("the test of the function", || run(&broker, "app/db").is_none());

    clock.advance(SignedDuration::from_hours(24 * 9) - MINUTE);
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(run(&broker, "app/db"), None, "nothing happens before the window");
    clock.advance(SignedDuration::from_hours(24) + MINUTE);
    let first = failed(&broker, "app/db", 1);
    assert!(first.failure.unwrap().starts_with("finishSecret: the function returned"), "not current");
    for (attempt, pause) in [(2, 1), (3, 2), (4, 4), (5, 8)] {
        std::thread::sleep(Duration::from_millis(300));
        assert_eq!(run(&broker, "app/db").unwrap().attempts, attempt - 1, "not before its pause is over");
        clock.advance(MINUTE * pause);
        failed(&broker, "app/db", attempt);
    }
    assert_eq!(run(&broker, "app/db").unwrap().next_attempt, None, "given up");
    block_on(rotator.stop());
    broker.close().unwrap();
    drop(broker);

    // The broker is away for a day, and makes up for it with the same version.
    clock.advance(SignedDuration::from_hours(24));
    let broker = open(&kit, &clock);
    let rotator = block_on(async { Rotator::start(Arc::clone(&broker), Reach::default()) });
    assert_eq!(failed(&broker, "app/db", 1).token, first.token);
    block_on(rotator.stop());
    let metrics = broker.metrics().text();
    assert!(metrics.contains("sealdock_rotations_total{outcome=\"failed\"} 1\n"), "{metrics}");
    broker.close().unwrap();
    drop(broker);

    let events: Vec<String> = kit
        .audit(0)
        .iter()
        .filter(|event| event["additionalEventData"]["SecretId"] == json!(arn))
        .map(|event| event["eventName"].as_str().unwrap().to_owned())
        .collect();
    let mut expected = vec!["TestRotationStarted", "TestRotationSucceeded"];
    expected.extend(["RotationStarted", "RotationFailed"].repeat(6));
    assert_eq!(events, expected);
    kit.audit_intact();
}

#[test]
fn a_window_is_kept_whatever_the_clock_and_the_broker_do() {
    let kit = Kit::with(&["--account", ACCOUNT, "--region", REGION]);
    let broker = kit.start();
    broker.root().create("app/db", &kit.canary("db"));
    broker.stop();
    let hour = SignedDuration::from_hours(1);
    let start = Timestamp::from_second(Timestamp::now().as_second() / 3600 * 3600).unwrap() + hour;
    let opens = start + hour * 2;
    let clock = Arc::new(ManualClock::new(start));
    let at = |time: Timestamp| clock.advance(time.duration_since(sealdock::clock::Clock::now(&*clock)));
    let still = |broker: &Broker, attempts: Option<u32>| {
        std::thread::sleep(Duration::from_millis(500));
        assert_eq!(run(broker, "app/db").map(|run| run.attempts), attempts);
    };
    let broker = open(&kit, &clock);
    let rotator = block_on(async { Rotator::start(Arc::clone(&broker), Reach::default()) });
    let rules = RotationRules {
        schedule_expression: Some(format!(
            "cron(0 {} * * ? *)",
            opens.to_zoned(jiff::tz::TimeZone::UTC).hour()
        )),
        duration: Some("1h".into()),
        ..RotationRules::default()
    };
    let (token, function) = ("0".repeat(32), Some(FUNCTION.to_owned()));
    rotate(&broker, "app/db", RotationWanted { token, function, rules: Some(rules), immediately: false });
    until("the test of the function", || run(&broker, "app/db").is_none());
    at(opens - MINUTE);
    still(&broker, None);
    block_on(rotator.stop());
    broker.close().unwrap();
    drop(broker);

    // The window opens while the broker is away, and is open when it is back.
    at(opens + MINUTE * 30);
    let broker = open(&kit, &clock);
    let rotator = block_on(async { Rotator::start(Arc::clone(&broker), Reach::default()) });
    let first = failed(&broker, "app/db", 1);
    assert_eq!(first.until, opens + hour);
    // The clock is put back, to before the window: the pause of a minute does not last for hours.
    at(opens - hour);
    failed(&broker, "app/db", 2);
    // And far ahead, to where no window is open: nothing until the next one, which tries the same version.
    at(opens + hour * 34);
    until("the end of the run", || run(&broker, "app/db").is_some_and(|run| run.next_attempt.is_none()));
    still(&broker, Some(2));
    at(opens + hour * 48);
    let again = failed(&broker, "app/db", 1);
    assert_eq!((again.token, again.until), (first.token, opens + hour * 49));
    block_on(rotator.stop());
    broker.close().unwrap();
    kit.audit_intact();
}
