//! `sealdock policy explain` and `sealdock policy simulate`, as a person uses them.

use crate::kit::{Ended, Kit};
use serde_json::{Value, json};
use std::path::Path;

const POLICIES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/policies");
const SECRET: &str = "arn:aws:secretsmanager:us-east-1:111122223333:secret:dev/db-a1B2c3";

fn write(kit: &Kit, name: &str, value: &Value) -> String {
    let path = kit.beside(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, format!("{value:#}")).unwrap();
    path.to_str().unwrap().to_owned()
}

fn explain(kit: &Kit, directory: &str, principal: &str, more: &[&str]) -> Ended {
    let question = [
        "policy",
        "explain",
        directory,
        "--principal",
        principal,
        "--action",
        "secretsmanager:GetSecretValue",
        "--resource",
        SECRET,
    ];
    kit.run(&[&question, more].concat())
}

/// User `ann` may read from one network, with her team's tag on the secret.
fn conditional(kit: &Kit) -> String {
    let statements = json!([
        { "Sid": "Own", "Effect": "Allow", "Action": "secretsmanager:Get*", "Resource": "*",
          "Condition": {
              "IpAddress": { "aws:SourceIp": "10.0.0.0/8" },
              "StringEquals": { "aws:ResourceTag/team": "${aws:PrincipalTag/team}" } } },
        { "Sid": "Lists", "Effect": "Allow", "Action": "secretsmanager:List*", "Resource": "*" },
    ]);
    let file = json!({ "UserDetailList": [{
        "UserName": "ann", "Arn": "arn:aws:iam::111122223333:user/ann", "Tags": [{ "Key": "team", "Value": "pay" }],
        "UserPolicyList": [{ "PolicyName": "p", "PolicyDocument": { "Version": "2012-10-17", "Statement": statements } }],
    }] });
    write(kit, "policies/ann.json", &file);
    kit.beside("policies").to_str().unwrap().to_owned()
}

#[test]
fn explain_names_the_statement_its_file_and_its_line() {
    let kit = Kit::empty();
    let ended = explain(&kit, POLICIES, "arn:aws:iam::111122223333:user/developer", &[]);
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    let first = "allow: because an identity-based policy allows the secretsmanager:GetSecretValue action";
    assert!(ended.out.starts_with(first), "{}", ended.out);
    let place = "Allow in statement 1 (OwnSecrets) of arn:aws:iam::111122223333:policy/develop, ";
    assert!(ended.out.contains(place) && ended.out.contains("developer.json:"), "{}", ended.out);

    let ended = explain(&kit, POLICIES, "arn:aws:iam::111122223333:user/auditor", &["--json"]);
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    let found: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(found["outcome"], "explicit deny");
    assert_eq!(
        (&found["matched"][0]["sid"], &found["policyType"]),
        (&json!("NeverReadValues"), &json!("identity"))
    );
    assert!(found["matched"][0]["file"].as_str().unwrap().ends_with("auditor.json"), "{found:#}");
    assert!(found["matched"][0]["line"].as_u64().unwrap() > 1, "{found:#}");
}

#[test]
fn explain_tells_which_condition_is_not_met() {
    let kit = Kit::empty();
    let directory = conditional(&kit);
    let ann = "arn:aws:iam::111122223333:user/ann";
    let met = ["--context", "aws:SourceIp=10.1.2.3", "--resource-tag", "team=pay"];
    assert_eq!(explain(&kit, &directory, ann, &met).code, Some(0));
    let ended = explain(&kit, &directory, ann, &["--context", "aws:SourceIp=192.0.2.1"]);
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    for part in [
        "implicit deny: because no identity-based policy allows the secretsmanager:GetSecretValue action",
        "Allow in statement 1 (Own) of arn:aws:iam::111122223333:user/ann inline policy p",
        "it has the condition IpAddress aws:SourceIp \"10.0.0.0/8\", and the request has \"192.0.2.1\"",
        "it has the condition StringEquals aws:ResourceTag/team \"${aws:PrincipalTag/team}\", and the request has no such key",
    ] {
        assert!(ended.out.contains(part), "`{part}` is missing: {}", ended.out);
    }
    // A statement about other actions is not worth a word.
    assert!(!ended.out.contains("Lists"), "{}", ended.out);
}

#[test]
fn explain_takes_policies_of_resources_and_sessions() {
    let kit = Kit::empty();
    let policy = |principal: &str| {
        json!({ "Version": "2012-10-17", "Statement": {
            "Effect": "Allow", "Principal": { "AWS": principal }, "Action": "secretsmanager:GetSecretValue", "Resource": "*" } })
    };
    let session = "arn:aws:sts::111122223333:assumed-role/ecsTaskExecutionRole/one";
    let resource = write(&kit, "resource.json", &policy(session));
    let limit = json!({ "Version": "2012-10-17", "Statement": { "Effect": "Allow", "Action": "ssm:*", "Resource": "*" } });
    let limit = write(&kit, "limit.json", &limit);
    let ended = explain(&kit, POLICIES, session, &["--session-policy", &limit]);
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    let both = ["--session-policy", &limit, "--resource-policy", &resource];
    let ended = explain(&kit, POLICIES, session, &both);
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert!(ended.out.contains("because a resource-based policy allows"), "{}", ended.out);
    // What is wrong with the question is said, with the exit code for that.
    explain(&kit, POLICIES, "ann", &[]).refused(2, &["`ann` is not a principal"]);
    explain(&kit, POLICIES, "arn:aws:sts::111122223333:assumed-role/none/x", &[])
        .refused(2, &["no file defines the role `none`"]);
    let user = "arn:aws:iam::111122223333:user/developer";
    explain(&kit, POLICIES, user, &["--session-policy", &limit]).refused(2, &["belongs to a session"]);
    let bad = write(&kit, "bad.json", &json!({ "Statement": { "Efect": "Allow" } }));
    explain(&kit, POLICIES, user, &["--resource-policy", &bad]).refused(2, &["unknown field `Efect`"]);
    explain(&kit, POLICIES, user, &["--context", "novalue"]).refused(2, &["KEY=VALUE"]);
}

#[test]
fn the_shipped_cases_are_as_expected() {
    let kit = Kit::empty();
    let cases = format!("{POLICIES}/simulation/starter.json");
    let ended = kit.run(&["policy", "simulate", &cases, "--policies", POLICIES]);
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert!(ended.out.ends_with("9 of 9 cases as expected\n"), "{}", ended.out);
}

#[test]
fn simulate_fails_when_an_outcome_is_another() {
    let kit = Kit::empty();
    let case = |name: &str, expect: &str| {
        json!({ "name": name, "expect": expect, "principal": "arn:aws:iam::111122223333:user/developer",
                "action": "secretsmanager:GetSecretValue", "resource": SECRET })
    };
    let cases =
        write(&kit, "cases.json", &json!({ "cases": [case("right", "allow"), case("wrong", "deny")] }));
    let ended = kit.run(&["policy", "simulate", &cases, "--policies", POLICIES]);
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    for part in ["ok    right", "FAIL  wrong", "expected deny, found allow", "(OwnSecrets)", "1 of 2 cases"] {
        assert!(ended.out.contains(part), "`{part}` is missing: {}", ended.out);
    }
    let ended = kit.run(&["policy", "simulate", &cases, "--policies", POLICIES, "--json"]);
    let found: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!((&found["failed"], &found["total"]), (&json!(1), &json!(2)));
    assert_eq!(found["cases"][1]["found"]["outcome"], "allow");

    let slip =
        json!({ "cases": [{ "name": "slip", "expect": "allow", "principle": "x", "action": "ssm:*" }] });
    let slip = write(&kit, "slip.json", &slip);
    kit.run(&["policy", "simulate", &slip, "--policies", POLICIES]).refused(2, &["`slip`", "principle"]);
    let missing = kit.beside("none.json");
    kit.run(&["policy", "simulate", missing.to_str().unwrap(), "--policies", POLICIES])
        .refused(2, &["none.json"]);
    assert!(Path::new(POLICIES).exists());
}
