//! `sealdock policy check`, `explain` and `simulate`, as a person uses them.

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
    let empty = write(&kit, "empty.json", &json!({ "cases": [] }));
    kit.run(&["policy", "simulate", &empty, "--policies", POLICIES]).refused(2, &["there are no cases"]);
    let missing = kit.beside("none.json");
    kit.run(&["policy", "simulate", missing.to_str().unwrap(), "--policies", POLICIES])
        .refused(2, &["none.json"]);
    assert!(Path::new(POLICIES).exists());
}

#[test]
fn a_question_with_a_slip_is_answered_with_a_note() {
    let kit = Kit::empty();
    let ended = explain(&kit, POLICIES, "arn:aws:iam::111122223333:user/develper", &[]);
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    assert!(
        ended.err.contains("note: no file defines `arn:aws:iam::111122223333:user/develper`"),
        "{ended:#?}"
    );
    let ended = explain(
        &kit,
        POLICIES,
        "arn:aws:iam::111122223333:user/developer",
        &["--context", "aws:SourceIP4=10.0.0.1", "--json"],
    );
    let found: Value = serde_json::from_str(&ended.out).unwrap();
    let note = "no request has the condition key `aws:SourceIP4`; a similar key exists: `aws:SourceIp`";
    assert_eq!(found["notes"], json!([note]));
    let case = |action: &str, resource: &str| {
        json!({ "expect": "deny", "principal": "arn:aws:iam::111122223333:user/auditor",
                "action": action, "resource": resource })
    };
    let cases = [
        case("secretsmanager:GetSecretValues", SECRET),
        case("secretsmanager:Get*", SECRET),
        case("GetSecretValue", SECRET),
        case("secretsmanager:GetSecretValue", "dev/db"),
        case("secretsmanager:GetSecretValue", SECRET.strip_suffix("-a1B2c3").unwrap()),
        case("secretsmanager:GetSecretValue", SECRET),
        // Whatever identity policies say.
        json!({ "expect": "deny", "principal": "arn:aws:iam::111122223333:root", "action": "sts:AssumeRole",
                "resource": "arn:aws:iam::111122223333:role/none" }),
        case("kms:Decrypt", "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"),
    ];
    let cases = write(&kit, "cases.json", &json!({ "cases": cases }));
    let ended = kit.run(&["policy", "simulate", &cases, "--policies", POLICIES]);
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    for part in [
        "ok    case 1\n      note: there is no action `secretsmanager:GetSecretValues`; a similar action exists: `secretsmanager:GetSecretValue`",
        "ok    case 2\n      note: `secretsmanager:Get*` is a pattern",
        "ok    case 3\n      note: `GetSecretValue` is no action",
        "ok    case 4\n      note: `dev/db` is not the ARN of a resource",
        "`-` and six characters are missing at its end",
        "ok    case 6\nok    case 7\n      note: no file defines `arn:aws:iam::111122223333:role/none`: it trusts nobody",
        "it has to allow the action as well\n8 of 8 cases as expected",
    ] {
        assert!(ended.out.contains(part), "`{part}` is missing: {}", ended.out);
    }
}

#[test]
fn errors_of_a_policy_file_are_shown_at_their_place_in_it() {
    let kit = Kit::empty();
    let path = kit.beside("secret-policy.json");
    std::fs::write(&path, "{\"Statement\": {\n  \"Effect\": \"Deny\", \"Effect\": \"Allow\",\n  \"Principal\": \"*\",\n  \"Action\": \"secretsmanager:*\", \"Resource\": \"*\"}}").unwrap();
    let user = "arn:aws:iam::111122223333:user/developer";
    let ended = explain(&kit, POLICIES, user, &["--resource-policy", path.to_str().unwrap()]);
    assert_eq!(ended.code, Some(2), "{ended:#?}");
    for part in ["error[IAM0103]: `Effect` stands twice", "secret-policy.json:2:21"] {
        assert!(ended.err.contains(part), "`{part}` is missing: {}", ended.err);
    }
}

#[test]
fn check_takes_documents_by_themselves() {
    let kit = Kit::empty();
    let read = json!({ "Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": "*" });
    let document = json!({ "Version": "2012-10-17", "Statement": [read, read] });
    let trust = json!({ "Statement": { "Effect": "Allow", "Principal": { "Service": "ecs-tasks.amazonaws.com" }, "Action": "sts:AssumeRole" } });
    let mut open = read.clone();
    open["Principal"] = json!("*");
    let of_key = json!({ "Version": "2012-10-17", "Statement": open });
    for (name, file, expected) in [
        ("own.json", document.clone(), "a policy of a user, group or role: 2 statements"),
        (
            "version.json",
            json!({ "PolicyVersion": { "Document": document } }),
            "a policy of a user, group or role: 2 statements",
        ),
        (
            "role.json",
            json!({ "Role": { "RoleName": "r", "AssumeRolePolicyDocument": trust } }),
            "a trust policy of a role: 1 statement",
        ),
        (
            "key.json",
            json!({ "Policy": of_key.to_string(), "PolicyName": "default" }),
            "a policy of a resource: 1 statement",
        ),
    ] {
        let path = write(&kit, name, &file);
        let ended = kit.run(&["policy", "check", &path]);
        assert_eq!((ended.code, ended.out.trim_end()), (Some(0), expected), "{ended:#?}");
    }
    // What is refused in a directory, where it would belong to nobody.
    let lone = write(&kit, "lone/own.json", &document);
    let directory = Path::new(&lone).parent().unwrap().to_str().unwrap().to_owned();
    kit.run(&["policy", "check", &directory]).refused(1, &["IAM0207", "own.json:1:1", "belongs to nobody"]);
    kit.run(&["policy", "check", "/nowhere/at/all.json"]).refused(2, &["/nowhere/at/all.json"]);
    // An account is taken as a file as well.
    let developer = format!("{POLICIES}/developer.json");
    let ended = kit.run(&["policy", "check", &developer]);
    assert!(ended.code == Some(0) && ended.out.contains("user/developer"), "{ended:#?}");
}

#[test]
fn check_prints_json() {
    let kit = Kit::empty();
    let path = kit.beside("p.json");
    let text = "{\"Version\": \"2012-10-17\", \"Statement\": {\"Effect\": \"Allow\",\n \"Action\": \"secretmanager:GetSecretValue\", \"Resource\": \"*\",\n \"Condition\": {\"StringEqual\": {\"aws:username\": \"ann\"}}}}";
    std::fs::write(&path, text).unwrap();
    let ended = kit.run(&["policy", "check", path.to_str().unwrap(), "--json"]);
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    let found: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(found["errors"], 1);
    let finding = &found["findings"][0];
    assert_eq!(
        (&finding["code"], &finding["severity"], &finding["line"], &finding["column"], &finding["endColumn"]),
        (&json!("IAM0107"), &json!("error"), &json!(3), &json!(16), &json!(29))
    );
    assert_eq!(finding["help"], "a similar operator exists: `StringEquals`");
    assert!(finding["file"].as_str().unwrap().ends_with("p.json"), "{found:#}");

    std::fs::write(&path, text.replace("StringEqual", "StringEquals")).unwrap();
    let ended = kit.run(&["policy", "check", path.to_str().unwrap(), POLICIES, "--json"]);
    let found: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!((ended.code, &found["errors"], &found["warnings"]), (Some(0), &json!(0), &json!(1)));
    assert!(found["identities"].as_array().unwrap().len() > 3, "{found:#}");
}

#[test]
fn simulate_tells_how_long_a_decision_takes() {
    let kit = Kit::empty();
    let cases = format!("{POLICIES}/simulation/starter.json");
    let ended = kit.run(&["policy", "simulate", &cases, "--policies", POLICIES, "--repeat", "10", "--json"]);
    let found: Value = serde_json::from_str(&ended.out).unwrap();
    assert!(
        found["cases"].as_array().unwrap().iter().all(|case| case["microseconds"].as_f64().unwrap() > 0.0),
        "{found:#}"
    );
    kit.run(&["policy", "simulate", &cases, "--policies", POLICIES, "--repeat", "0"])
        .refused(2, &["--repeat"]);
}
