//! Evaluation against random policies: an independent evaluator, written as the
//! documentation reads and without any index, must agree, and a further `Deny`
//! must never permit anything.

use proptest::prelude::*;
use sealdock::arn::Arn;
use sealdock::policy::{ConditionKeys, Outcome, PolicySet, Request, Source, evaluate};
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

const KEYS: [&str; 3] = ["ssm:Overwrite", "aws:TagKeys", "aws:RequestTag/a"];

/// One operator with one key; `Null` has neither prefix nor suffix.
fn condition() -> impl Strategy<Value = Value> {
    let name = prop_oneof![
        3 => "(|ForAllValues:|ForAnyValue:)String(Equals|NotEquals|Like|NotLike|EqualsIgnoreCase|NotEqualsIgnoreCase)(|IfExists)",
        1 => "(|ForAllValues:|ForAnyValue:)Numeric(Equals|NotEquals|LessThan|GreaterThanEquals)(|IfExists)",
        1 => Just("Null".to_owned()),
    ];
    let key = prop::sample::select(KEYS.to_vec());
    (
        name,
        key,
        proptest::collection::vec("[aA1*?]{0,2}", 1..3),
        proptest::collection::vec(0_u8..3, 1..3),
        any::<bool>(),
    )
        .prop_map(|(name, key, texts, numbers, null)| {
            let values = match name.as_str() {
                "Null" => json!(null.to_string()),
                numeric if numeric.contains("Numeric") => {
                    json!(numbers.iter().map(u8::to_string).collect::<Vec<_>>())
                }
                _ => json!(texts),
            };
            json!({ name: { key: values } })
        })
}

/// The values of each key; none of a key that is absent.
fn context() -> impl Strategy<Value = Vec<(String, Vec<String>)>> {
    let values = proptest::collection::vec("[aA1*]{0,2}", 1..3);
    let key = prop::sample::select(KEYS.to_vec()).prop_map(str::to_owned);
    proptest::collection::btree_map(key, values, 0..4).prop_map(|keys| keys.into_iter().collect())
}

fn keys(context: &[(String, Vec<String>)]) -> ConditionKeys {
    let mut keys = ConditionKeys::new();
    for (key, values) in context {
        values.iter().for_each(|value| keys.add(key.clone(), value.clone()));
    }
    keys
}

/// What one condition says, by the words of the documentation.
fn naive_condition(name: &str, values: &Value, found: Option<&Vec<String>>) -> bool {
    if name == "Null" {
        return (values == "true") == found.is_none();
    }
    let (quantifier, name) = name.split_once(':').unwrap_or(("", name));
    let (name, if_exists) = name.strip_suffix("IfExists").map_or((name, false), |name| (name, true));
    let negated = name.contains("Not");
    let Some(found) = found else {
        return if_exists || quantifier == "ForAllValues" || (quantifier.is_empty() && negated);
    };
    let matches = |value: &String| {
        values.as_array().unwrap().iter().map(|v| v.as_str().unwrap()).any(|wanted| {
            match name.replace("Not", "").as_str() {
                "StringEquals" => wanted == value,
                "StringEqualsIgnoreCase" => wanted.to_lowercase() == value.to_lowercase(),
                "StringLike" => anything(wanted, value),
                numeric => value.parse::<i64>().is_ok_and(|value| {
                    let wanted: i64 = wanted.parse().unwrap();
                    match numeric {
                        "NumericEquals" => value == wanted,
                        "NumericLessThan" => value < wanted,
                        "NumericGreaterThanEquals" => value >= wanted,
                        other => panic!("{other}"),
                    }
                }),
            }
        })
    };
    match (quantifier, negated) {
        ("ForAllValues", false) => found.iter().all(matches),
        ("ForAllValues", true) => found.iter().all(|value| !matches(value)),
        ("ForAnyValue", false) => found.iter().any(matches),
        ("ForAnyValue", true) => found.iter().any(|value| !matches(value)),
        (_, false) => found.iter().any(matches),
        (_, true) => !found.iter().any(matches),
    }
}

/// Wildcards that stop at nothing.
fn anything(pattern: &str, text: &str) -> bool {
    match pattern.chars().next() {
        None => text.is_empty(),
        Some('*') => (0..=text.len()).any(|at| anything(&pattern[1..], &text[at..])),
        Some('?') => !text.is_empty() && anything(&pattern[1..], &text[1..]),
        Some(c) => text.starts_with(c) && anything(&pattern[1..], &text[1..]),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn conditions_agree_with_a_naive_evaluator(
        conditions in proptest::collection::vec(condition(), 1..3),
        allow in any::<bool>(),
        contexts in proptest::collection::vec(context(), 1..6),
    ) {
        // The same operator twice would be one JSON key twice: one statement for each.
        let mut statements: Vec<Value> = conditions
            .iter()
            .map(|condition| json!({
                "Effect": if allow { "Allow" } else { "Deny" }, "Action": "*", "Resource": "*", "Condition": condition
            }))
            .collect();
        if !allow {
            statements.push(json!({ "Effect": "Allow", "Action": "*", "Resource": "*" }));
        }
        let set = load(&statements);
        let principal: Arn = ANN.parse().unwrap();
        for context in &contexts {
            let keys = keys(context);
            let request = Request { keys: &keys, ..Request::new(&principal, "ssm:Put", "*") };
            let applies = conditions.iter().any(|condition| {
                let (name, test) = condition.as_object().unwrap().iter().next().unwrap();
                let (key, values) = test.as_object().unwrap().iter().next().unwrap();
                let found = context.iter().find(|(known, _)| known == key).map(|(_, values)| values);
                naive_condition(name, values, found)
            });
            let expected = match (allow, applies) {
                (true, true) | (false, false) => Outcome::Allow,
                (true, false) => Outcome::ImplicitDeny,
                (false, true) => Outcome::ExplicitDeny,
            };
            prop_assert_eq!(evaluate(&set, &request).outcome(), expected, "{:?} {:?}", context, statements);
        }
    }
}

fn statement() -> impl Strategy<Value = Value> {
    let actions = proptest::collection::vec(action(), 1..4);
    let resources = proptest::collection::vec(resource(), 1..3);
    let conditions = proptest::option::weighted(0.3, condition());
    (any::<bool>(), any::<bool>(), actions, any::<bool>(), resources, conditions).prop_map(
        |(allow, not_a, actions, not_r, resources, condition)| {
            let mut statement = json!({ "Effect": if allow { "Allow" } else { "Deny" } });
            statement[if not_a { "NotAction" } else { "Action" }] = json!(actions);
            statement[if not_r { "NotResource" } else { "Resource" }] = json!(resources);
            if let Some(condition) = condition {
                statement["Condition"] = condition;
            }
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
    // These requests have no keys.
    let holds = |statement: &Value| {
        statement["Condition"].as_object().into_iter().flatten().all(|(name, test)| {
            test.as_object().unwrap().values().all(|values| naive_condition(name, values, None))
        })
    };
    let applies = |statement: &&Value| {
        holds(statement)
            && listed(statement, "Action", &|p| action_matches(p, action))
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
        statements in proptest::collection::vec(statement(), 1..14),
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
        statements in proptest::collection::vec(statement(), 0..14),
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
