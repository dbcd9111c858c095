//! What a decision costs, and what it must not depend on. Figures are printed
//! (`cargo test --release policy_speed -- --nocapture`); only counts are asserted.

use sealdock::arn::Arn;
use sealdock::policy::{Circumstances, ConditionKeys, PolicySet, Request, Source, evaluate};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const ACTION: &str = "secretsmanager:GetSecretValue";

fn secret(number: usize) -> String {
    format!("arn:aws:secretsmanager:us-east-1:111122223333:secret:app/{number}-a1B2c3")
}

fn user(number: usize, statements: &[Value]) -> Value {
    json!({
        "UserName": format!("u{number}"), "Arn": format!("arn:aws:iam::111122223333:user/u{number}"),
        "UserPolicyList": [{ "PolicyName": "p", "PolicyDocument": { "Version": "2012-10-17", "Statement": statements } }],
    })
}

/// `users` users, the last with `statements` statements and the others with three; every
/// fifth statement has a condition.
fn load(users: usize, statements: usize) -> PolicySet {
    let statement = |number: usize| {
        let mut statement = json!({ "Effect": "Allow", "Action": ACTION, "Resource": secret(number) });
        if number.is_multiple_of(5) {
            statement["Condition"] = json!({ "IpAddress": { "aws:SourceIp": "10.0.0.0/8" },
                "StringEquals": { "aws:PrincipalAccount": "111122223333" } });
        }
        statement
    };
    let list: Vec<Value> = (0..statements).map(statement).collect();
    let few = &list[..3];
    let others = (0..users - 1).map(|number| user(number, few));
    let users: Vec<Value> = others.chain([user(users - 1, &list)]).collect();
    let text = json!({ "UserDetailList": users }).to_string();
    PolicySet::load(&[Source { path: "p.json".into(), text }]).unwrap()
}

/// Time of one decision, and whether it allowed.
fn time(set: &PolicySet, user: &str, resource: &str) -> (Duration, bool) {
    const ROUNDS: u32 = 2_000;
    let principal: Arn = user.parse().unwrap();
    let keys = ConditionKeys::new().with("secretsmanager:VersionStage", "AWSCURRENT");
    let circumstances = Circumstances {
        source_ip: Some("10.0.0.1".parse().unwrap()),
        secure_transport: Some(true),
        ..Circumstances::default()
    };
    let request = Request { keys: &keys, circumstances, ..Request::new(&principal, ACTION, resource) };
    let start = Instant::now();
    let allowed = (0..ROUNDS).filter(|_| evaluate(set, std::hint::black_box(&request)).is_allowed()).count();
    let each = start.elapsed() / ROUNDS;
    (each, allowed == ROUNDS as usize)
}

#[test]
fn a_decision_with_a_hundred_statements() {
    let few = load(1, 100);
    let many = load(1_000, 100);
    let mut figures = Vec::new();
    for (what, set, user, resource, expected) in [
        ("100 statements, the first applies", &few, "u0", secret(0), true),
        ("100 statements, the last applies", &few, "u0", secret(99), true),
        ("100 statements, none applies", &few, "u0", secret(100), false),
        ("the same with 1,000 users loaded", &many, "u999", secret(99), true),
        ("a user whom nobody knows", &many, "none", secret(99), false),
    ] {
        let (each, allowed) = time(set, &format!("arn:aws:iam::111122223333:user/{user}"), &resource);
        assert_eq!(allowed, expected, "{what}");
        figures.push(format!("{each:>12?}  {what}"));
    }
    println!("{}", figures.join("\n"));
}
