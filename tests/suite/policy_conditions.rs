//! Conditions against a data file: `tests/vectors/policy/conditions.json`.
//!
//! A case has a `Condition` and says whether it holds for a request of user `ann` (of a
//! session of role `app`, if `"session"` is given and has an ARN) to read a secret. A
//! request is described by:
//!
//! ```text
//! "context"        condition keys of the handler; a list is a key with several values
//! "tags"           of the user or role
//! "session"        arn, name, tags, sourceIdentity, issued, mfa
//! "resourceTags"   of the secret
//! "circumstances"  time, sourceIp, secure, userAgent, region, via
//! "version"        of the policy language; null for none
//! ```
//!
//! Each case is tried with `Allow`, where the condition must hold for the request to be
//! allowed, and with `Deny`, where it must not.

use sealdock::arn::Arn;
use sealdock::policy::{
    Circumstances, ConditionKeys, Outcome, PolicySet, Request, Session, Source, evaluate,
};
use serde_json::{Value, json};

const SECRET: &str = "arn:aws:secretsmanager:us-east-1:111122223333:secret:db-a1B2c3";
const ACTION: &str = "secretsmanager:GetSecretValue";

fn pairs(value: &Value) -> Vec<(String, String)> {
    let members = value.as_object().into_iter().flatten();
    members.map(|(key, value)| (key.clone(), value.as_str().unwrap().to_owned())).collect()
}

fn keys(case: &Value) -> ConditionKeys {
    let mut keys = ConditionKeys::new();
    for (key, value) in case["context"].as_object().unwrap() {
        match value.as_array() {
            Some(values) => values.iter().for_each(|v| keys.add(key.clone(), v.as_str().unwrap())),
            None => keys.set(key.clone(), value.as_str().unwrap()),
        }
    }
    keys
}

/// A user `ann` and a role `app` with the condition on a statement of this effect, and an
/// unconditional `Allow` beside a `Deny`.
fn load(case: &Value, effect: &str) -> PolicySet {
    let action = case["action"].as_str().unwrap_or(ACTION);
    let mut statements = vec![json!({
        "Effect": effect, "Action": action, "Resource": "*", "Condition": case["condition"]
    })];
    if effect == "Deny" {
        statements.push(json!({ "Effect": "Allow", "Action": "*", "Resource": "*" }));
    }
    let mut document = json!({ "Statement": statements });
    match case.get("version") {
        None => document["Version"] = json!("2012-10-17"),
        Some(Value::Null) => {}
        Some(version) => document["Version"] = version.clone(),
    }
    let tags: Vec<Value> =
        pairs(&case["tags"]).into_iter().map(|(key, value)| json!({ "Key": key, "Value": value })).collect();
    let policies = json!([{ "PolicyName": "p", "PolicyDocument": document }]);
    let trust = json!({ "Statement": { "Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole" } });
    let file = json!({
        "UserDetailList": [{
            "UserName": "ann", "Arn": "arn:aws:iam::111122223333:user/ann", "UserId": "AIDAANNEXAMPLE000",
            "UserPolicyList": policies, "Tags": tags
        }],
        "RoleDetailList": [{
            "RoleName": "app", "Arn": "arn:aws:iam::111122223333:role/app", "RoleId": "AROAAPPEXAMPLE000",
            "RolePolicyList": policies, "Tags": tags, "AssumeRolePolicyDocument": trust
        }],
    });
    PolicySet::load(&[Source { path: "0.json".into(), text: file.to_string() }])
        .unwrap_or_else(|errors| panic!("{case}: {errors}"))
}

fn outcome(case: &Value, effect: &str) -> Outcome {
    let set = load(case, effect);
    let text = |value: &'static str| case["session"][value].as_str();
    let (session_tags, resource_tags) = (pairs(&case["session"]["tags"]), pairs(&case["resourceTags"]));
    let of_role = text("arn").is_some();
    let name = if of_role { "role/app" } else { "user/ann" };
    let principal: Arn = format!("arn:aws:iam::111122223333:{name}").parse().unwrap();
    let user_arn = principal.to_string();
    let session = case.get("session").map(|_| Session {
        arn: text("arn").unwrap_or(&user_arn),
        name: text("name").unwrap_or_default(),
        tags: &session_tags,
        source_identity: text("sourceIdentity"),
        issued: text("issued").map(|time| time.parse().unwrap()),
        mfa: text("mfa").map(|time| time.parse().unwrap()),
        policies: None,
    });
    let known = &case["circumstances"];
    let circumstances = Circumstances {
        time: known["time"].as_str().map(|time| time.parse().unwrap()),
        source_ip: known["sourceIp"].as_str().map(|address| address.parse().unwrap()),
        secure_transport: known["secure"].as_bool(),
        user_agent: known["userAgent"].as_str(),
        region: known["region"].as_str(),
        via: known["via"].as_str(),
    };
    let keys = keys(case);
    let request = Request {
        session: session.as_ref(),
        keys: &keys,
        resource_tags: &resource_tags,
        circumstances,
        ..Request::new(&principal, ACTION, SECRET)
    };
    evaluate(&set, &request).outcome()
}

#[test]
fn conditions_hold_as_documented() {
    let groups: Vec<Value> = serde_json::from_str(include_str!("../vectors/policy/conditions.json")).unwrap();
    let (mut wrong, mut count) = (Vec::new(), 0);
    for group in &groups {
        for case in group["cases"].as_array().unwrap() {
            count += 1;
            let expected = if case["holds"].as_bool().unwrap() {
                (Outcome::Allow, Outcome::ExplicitDeny)
            } else {
                (Outcome::ImplicitDeny, Outcome::Allow)
            };
            let found = (outcome(case, "Allow"), outcome(case, "Deny"));
            if found != expected {
                wrong.push(format!("{}: {case}: {found:?}", group["group"]));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 250, "{count} cases");
}
