//! Evaluation against random policies: an independent evaluator, written as the
//! documentation reads and without any index, must agree, and a further `Deny`
//! must never permit anything.

use proptest::prelude::*;
use sealdock::arn::Arn;
use sealdock::policy::{Outcome, PolicySet, Request, Source, evaluate};
use serde_json::{Value, json};

const ANN: &str = "arn:aws:iam::111122223333:user/ann";

fn action() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("*".to_owned()),
        "(ssm|SSM|s3|s\\*|s\\?\\?|\\*):(Get|get|Put|G\\*|\\*|G\\?t|\\*t|Get\\*)",
    ]
}

fn resource() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("*".to_owned()),
        "arn:(aws|\\*):(ssm|s3|\\*):(r|\\*|r\\*1|\\?):(111122223333|\\*):(p/a|p/\\*|p/\\?|\\*/b|p\\*:b|\\*)",
        "arn:aws:(ssm|s3|\\*)(:\\*)?",
    ]
}

fn statement() -> impl Strategy<Value = Value> {
    let actions = proptest::collection::vec(action(), 1..4);
    let resources = proptest::collection::vec(resource(), 1..3);
    (any::<bool>(), any::<bool>(), actions, any::<bool>(), resources).prop_map(
        |(allow, not_a, actions, not_r, resources)| {
            let mut statement = json!({ "Effect": if allow { "Allow" } else { "Deny" } });
            statement[if not_a { "NotAction" } else { "Action" }] = json!(actions);
            statement[if not_r { "NotResource" } else { "Resource" }] = json!(resources);
            statement
        },
    )
}

fn request() -> impl Strategy<Value = (String, String)> {
    let resource = prop_oneof![
        Just("*".to_owned()),
        "arn:aws:(ssm|s3):(r|r1|rx1|):(111122223333|444455556666|):(p/a|p/b|p/a/b|px:b|q)",
    ];
    ("(ssm|s3|kms):(Get|Put|Got|GetX)", resource)
}

fn load(statements: &[Value]) -> PolicySet {
    let document = json!({ "Version": "2012-10-17", "Statement": statements });
    let policies = json!([{ "PolicyName": "p", "PolicyDocument": document }]);
    let file = json!({ "UserDetailList": [{ "UserName": "ann", "Arn": ANN, "UserPolicyList": policies }] });
    PolicySet::load(&[Source { path: "p.json".into(), text: file.to_string() }])
        .unwrap_or_else(|e| panic!("{e}"))
}

fn outcome(statements: &[Value], (action, resource): &(String, String)) -> Outcome {
    if statements.is_empty() {
        return Outcome::ImplicitDeny;
    }
    let principal: Arn = ANN.parse().unwrap();
    evaluate(&load(statements), &Request::new(&principal, action, resource)).outcome()
}

/// Glob matching by trying everything.
fn glob(pattern: &str, text: &str, segments: bool) -> bool {
    let Some(first) = pattern.chars().next() else { return text.is_empty() };
    let rest = &pattern[first.len_utf8()..];
    let head = text.chars().next();
    let tail = head.map(|c| &text[c.len_utf8()..]);
    match first {
        '*' => {
            let over_colons = !segments || rest.is_empty() || rest.starts_with(':');
            glob(rest, text, segments)
                || head.is_some_and(|c| over_colons || c != ':') && glob(pattern, tail.unwrap(), segments)
        }
        '?' => head.is_some_and(|c| c != ':') && glob(rest, tail.unwrap(), segments),
        c => head == Some(c) && glob(rest, tail.unwrap(), segments),
    }
}

fn action_matches(pattern: &str, action: &str) -> bool {
    if pattern == "*" {
        return true;
    }
    let (pattern, action) = (pattern.to_lowercase(), action.to_lowercase());
    let ((ps, pn), (s, n)) = (pattern.split_once(':').unwrap(), action.split_once(':').unwrap());
    glob(ps, s, false) && glob(pn, n, false)
}

fn resource_matches(pattern: &str, resource: &str) -> bool {
    let mut pattern = pattern.to_owned();
    while pattern != "*" && pattern.matches(':').count() < 5 {
        pattern.push_str(":*");
    }
    glob(&pattern, resource, true)
}

fn naive(statements: &[Value], (action, resource): &(String, String)) -> Outcome {
    let listed = |statement: &Value, key: &str, matches: &dyn Fn(&str) -> bool| {
        let any =
            |list: &Value| list.as_array().unwrap().iter().any(|entry| matches(entry.as_str().unwrap()));
        match (statement.get(key), statement.get(format!("Not{key}"))) {
            (Some(list), None) => any(list),
            (None, Some(list)) => !any(list),
            _ => panic!("{statement}"),
        }
    };
    let applies = |statement: &&Value| {
        listed(statement, "Action", &|p| action_matches(p, action))
            && listed(statement, "Resource", &|p| resource_matches(p, resource))
    };
    let effects: Vec<&str> =
        statements.iter().filter(applies).map(|s| s["Effect"].as_str().unwrap()).collect();
    let account = resource.split(':').nth(4).unwrap_or_default();
    if effects.contains(&"Deny") {
        Outcome::ExplicitDeny
    } else if effects.contains(&"Allow") && (account.is_empty() || account == "111122223333") {
        Outcome::Allow
    } else {
        Outcome::ImplicitDeny
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn agrees_with_a_naive_evaluator(
        statements in proptest::collection::vec(statement(), 1..6),
        requests in proptest::collection::vec(request(), 1..8),
    ) {
        let set = load(&statements);
        let principal: Arn = ANN.parse().unwrap();
        for request in &requests {
            let (action, resource) = request;
            let decision = evaluate(&set, &Request::new(&principal, action, resource));
            prop_assert_eq!(decision.outcome(), naive(&statements, request), "{:?} {:?}", request, statements);
            prop_assert_eq!(decision.matched().is_empty(), decision.outcome() == Outcome::ImplicitDeny);
        }
    }

    #[test]
    fn a_further_deny_never_permits(
        statements in proptest::collection::vec(statement(), 0..5),
        mut deny in statement(),
        at in any::<proptest::sample::Index>(),
        request in request(),
    ) {
        deny["Effect"] = json!("Deny");
        let before = outcome(&statements, &request);
        let mut more = statements.clone();
        more.insert(at.index(statements.len() + 1), deny);
        let after = outcome(&more, &request);
        prop_assert!(before == Outcome::Allow || after != Outcome::Allow, "{:?} {:?}", request, more);
    }

    #[test]
    fn an_unknown_principal_may_do_nothing(
        statements in proptest::collection::vec(statement(), 1..4),
        request in request(),
        stranger in "arn:aws:iam::(111122223333|444455556666):(user/bob|role/ann|group/ann|user/x/ann)",
    ) {
        let (action, resource) = &request;
        let principal: Arn = stranger.parse().unwrap();
        let decision = evaluate(&load(&statements), &Request::new(&principal, action, resource));
        prop_assert_eq!(decision.outcome(), Outcome::ImplicitDeny);
    }
}
