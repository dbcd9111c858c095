//! The policy directory of a running broker: what is wrong is shown at its place, and only a
//! whole that is right comes into force.

use crate::kit::{Broker, Kit, allow, code, deny, until, user};
use serde_json::{Value, json};
use std::fs;

const BOTH_WRONG: [(&str, &str); 2] = [
    ("a.json", "{\n  \"UserDetailList\": [\n    { \"UserNmae\": \"ann\" }\n  ]\n}\n"),
    ("b.json", "{\n  \"RoleDetailList\": {\n}"),
];

#[test]
fn a_broker_does_not_start_with_policies_that_have_errors() {
    let kit = Kit::new();
    for (name, text) in BOTH_WRONG {
        kit.policy(name, text);
    }
    let Err(ended) = kit.serve(&[]) else { panic!("it started") };
    ended.refused(2, &["a.json:3:7", "unknown field `UserNmae`", "b.json:3:1"]);
    // The check without a broker says the same, as a finding.
    let checked = kit.run(&["policy", "check", kit.data.join("policies").to_str().unwrap()]);
    checked.refused(1, &["a.json:3:7", "b.json:3:1"]);

    // A condition that no request can meet is refused, never ignored.
    kit.policy("b.json", "{}");
    let conditional = json!([{
        "Effect": "Allow", "Action": "*", "Resource": "*", "Condition": { "Bool": { "aws:SecureTransports": "true" } },
    }]);
    kit.policy("a.json", &json!({ "UserDetailList": [user("ann", conditional)] }).to_string());
    let Err(ended) = kit.serve(&[]) else { panic!("it started") };
    ended.refused(2, &["a.json:1:", "unknown condition key `aws:SecureTransports`", "`aws:SecureTransport`"]);
    fs::remove_file(kit.data.join("policies/a.json")).unwrap();
    assert!(kit.start().stop().success());
}

fn reloads(kit: &Kit) -> Vec<String> {
    let records = kit.audit(0).into_iter().filter(|r| r["eventName"] == "ReloadPolicies");
    records.map(|r| r["additionalEventData"]["outcome"].as_str().unwrap().to_owned()).collect()
}

/// Waits for one more reload.
fn reload(kit: &Kit, change: impl FnOnce()) -> String {
    let before = reloads(kit).len();
    change();
    until("a reload", || reloads(kit).len() > before);
    reloads(kit).pop().unwrap()
}

fn statements(kit: &Kit, name: &str, statements: Value) -> String {
    reload(kit, || {
        kit.policy(
            &format!("{name}.json"),
            &json!({ "UserDetailList": [user(name, statements)] }).to_string(),
        );
    })
}

fn started() -> (Kit, Broker) {
    let kit = Kit::new();
    kit.policy(
        "ann.json",
        &json!({ "UserDetailList": [user("ann", json!([allow("ssm:*", "*")]))] }).to_string(),
    );
    let broker = kit.start();
    (kit, broker)
}

#[test]
fn a_change_is_in_force_without_a_restart() {
    let (kit, broker) = started();
    let value = kit.canary("hot");
    broker.root().create("db", &value);
    let ann = broker.user("ann");
    assert_eq!(code(&ann.get("db")), "AccessDeniedException");

    assert_eq!(statements(&kit, "ann", json!([allow("secretsmanager:GetSecretValue", "*")])), "loaded");
    assert_eq!(ann.value("db"), value);
    until("a word to the operator", || broker.told().contains("policies reloaded"));

    // An explicit deny wins, wherever it stands.
    let both = json!([
        deny("secretsmanager:*", "arn:aws:secretsmanager:*:*:secret:db-*"),
        allow("secretsmanager:GetSecretValue", "*"),
    ]);
    assert_eq!(statements(&kit, "ann", both), "loaded");
    let refused = ann.get("db").unwrap_err().to_string();
    assert!(refused.contains("with an explicit deny in an identity-based policy"), "{refused}");

    // A user that no file names any more is nobody.
    assert_eq!(reload(&kit, || fs::remove_file(kit.data.join("policies/ann.json")).unwrap()), "loaded");
    assert_eq!(code(&ann.get("db")), "UnrecognizedClientException");
    kit.audit_intact();
}

#[test]
fn the_last_good_set_stays_until_every_file_is_right() {
    let (kit, broker) = started();
    let value = kit.canary("stays");
    broker.root().create("db", &value);
    assert_eq!(statements(&kit, "ann", json!([allow("secretsmanager:GetSecretValue", "*")])), "loaded");
    let ann = broker.user("ann");
    assert_eq!(ann.value("db"), value);

    // One wrong file keeps the right one beside it from being loaded.
    let outcome = reload(&kit, || {
        for (name, text) in BOTH_WRONG {
            kit.policy(name, text);
        }
    });
    assert_eq!(outcome, "refused");
    for text in ["policies not reloaded, the last good set stays in force", "a.json:3:7"] {
        until(text, || broker.told().contains(text));
    }
    assert_eq!(statements(&kit, "ann", json!([deny("*", "*")])), "refused");
    assert_eq!(ann.value("db"), value, "the last good set is in force");

    fs::remove_file(kit.data.join("policies/b.json")).unwrap();
    // Mended: now all of it comes into force at once.
    let mended =
        json!({ "UserDetailList": [user("ben", json!([allow("secretsmanager:*", "*")]))] }).to_string();
    kit.policy("a.json", &mended);
    until("the mended policies", || reloads(&kit).last().is_some_and(|outcome| outcome == "loaded"));
    assert_eq!(code(&ann.get("db")), "AccessDeniedException");
    assert_eq!(broker.user("ben").value("db"), value);
}

#[test]
fn what_cannot_be_read_is_reported_once() {
    let (kit, broker) = started();
    let nothing = kit.data.join("policies/gone.json");
    assert_eq!(reload(&kit, || std::os::unix::fs::symlink("nowhere", &nothing).unwrap()), "refused");
    let record = kit.audit(0).into_iter().rfind(|record| record["eventName"] == "ReloadPolicies").unwrap();
    let reason = record["additionalEventData"]["reason"].as_str().unwrap();
    assert!(reason.contains("gone.json"), "{reason}");
    let read = || {
        let io = fs::read_to_string(format!("/proc/{}/io", broker.id())).unwrap();
        io.lines().find_map(|line| line.strip_prefix("rchar: ")).unwrap().parse::<u64>().unwrap()
    };
    // A look reads the files, which must not cause the next look.
    std::thread::sleep(std::time::Duration::from_millis(500));
    let before = read();
    std::thread::sleep(std::time::Duration::from_secs(2));
    assert!(read() - before < 10_000, "{} bytes were read", read() - before);
    assert_eq!(reloads(&kit), ["refused"]);
    assert_eq!(reload(&kit, || fs::remove_file(&nothing).unwrap()), "loaded");
}

#[test]
fn a_signal_reloads_at_once() {
    let (kit, broker) = started();
    let outcome = reload(&kit, || {
        fs::write(kit.data.join("policies/ann.json"), "{}").unwrap();
        broker.signal(rustix::process::Signal::HUP);
    });
    assert_eq!(outcome, "loaded");
    assert!(broker.stop().success());
}
