//! Policies against data files: `tests/vectors/policy/*.json`.
//!
//! A vector has its input in one of these forms, as a JSON value or as an array of
//! lines of JSON where places matter:
//!
//! ```text
//! "statements"  statements of a 2012-10-17 policy of user `ann`
//! "policy"      a whole policy document of user `ann`; it begins in line 2, column 1
//! "trust"       the trust policy of role `app`; it begins in line 2, column 1
//! "file"        a whole file
//! "files"       several files, named `0.json`, `1.json`, ...
//! ```

use sealdock::arn::Arn;
use sealdock::diagnostic::{Diagnostic, line_column};
use sealdock::policy::{
    ConditionKeys, Decision, FileFindings, Outcome, PolicyKind, PolicySet, Request, ResourcePolicy, Session,
    Source, evaluate, evaluate_trust,
};
use serde_json::{Value, json};

const ANN: &str = "arn:aws:iam::111122223333:user/ann";
const APP: &str = "arn:aws:iam::111122223333:role/app";

fn vectors(text: &str) -> Vec<Value> {
    serde_json::from_str(text).unwrap()
}

fn text(input: &Value) -> String {
    match input.as_array().filter(|lines| lines.iter().all(Value::is_string)) {
        Some(lines) => lines.iter().map(|l| l.as_str().unwrap()).collect::<Vec<_>>().join("\n"),
        None => input.to_string(),
    }
}

fn sources(vector: &Value) -> Vec<Source> {
    let user = |document: &str| {
        format!(
            "{{\"UserDetailList\":[{{\"UserName\":\"ann\",\"Arn\":\"{ANN}\",\"UserPolicyList\":[{{\"PolicyName\":\"p\",\"PolicyDocument\":\n{document}\n}}]}}]}}"
        )
    };
    let texts = if let Some(statements) = vector.get("statements") {
        vec![user(&json!({"Version": "2012-10-17", "Statement": statements}).to_string())]
    } else if let Some(document) = vector.get("policy") {
        vec![user(&text(document))]
    } else if let Some(document) = vector.get("trust") {
        let document = text(document);
        vec![format!(
            "{{\"RoleDetailList\":[{{\"RoleName\":\"app\",\"Arn\":\"{APP}\",\"AssumeRolePolicyDocument\":\n{document}\n}}]}}"
        )]
    } else if let Some(file) = vector.get("file") {
        vec![text(file)]
    } else {
        vector["files"].as_array().unwrap().iter().map(text).collect()
    };
    let named = texts.into_iter().enumerate();
    named.map(|(i, text)| Source { path: format!("{i}.json"), text }).collect()
}

fn outcome(text: &str) -> Outcome {
    match text {
        "allow" => Outcome::Allow,
        "explicit deny" => Outcome::ExplicitDeny,
        "implicit deny" => Outcome::ImplicitDeny,
        other => panic!("unknown outcome {other}"),
    }
}

/// `"context"`: condition keys with a value or several.
fn keys(case: &Value) -> ConditionKeys {
    let mut keys = ConditionKeys::new();
    for (key, value) in case["context"].as_object().into_iter().flatten() {
        match value.as_array() {
            Some(values) => values.iter().for_each(|v| keys.add(key.clone(), v.as_str().unwrap())),
            None => keys.set(key.clone(), value.as_str().unwrap()),
        }
    }
    keys
}

fn check(name: &str, case: &Value, decision: &Decision) {
    assert_eq!(
        decision.outcome(),
        outcome(case["outcome"].as_str().unwrap()),
        "{name}: {case}\n{decision:?}"
    );
    let named = |m: &sealdock::policy::Matched| m.sid.as_deref().unwrap_or_default().to_owned();
    let sids: Vec<String> = decision.matched().iter().map(named).collect();
    let expected: Vec<&str> =
        case["sids"].as_array().into_iter().flatten().map(|s| s.as_str().unwrap()).collect();
    assert_eq!(sids, expected, "{name}: {case}");
    if let Some(reason) = case.get("reason") {
        assert_eq!(decision.reason(), reason.as_str().unwrap(), "{name}: {case}");
    }
    if let Some(policies) = case.get("policies") {
        let found: Vec<&str> = decision.matched().iter().map(|m| &*m.policy).collect();
        assert_eq!(json!(found), *policies, "{name}: {case}");
    }
}

#[test]
fn decisions() {
    for vector in vectors(include_str!("../vectors/policy/decisions.json")) {
        let name = vector["name"].as_str().unwrap();
        let set = PolicySet::load(&sources(&vector)).unwrap_or_else(|errors| panic!("{name}: {errors}"));
        for case in vector["cases"].as_array().unwrap() {
            let principal: Arn = case["principal"].as_str().unwrap_or(ANN).parse().unwrap();
            let action = case["action"].as_str().unwrap();
            let resource = case["resource"].as_str().unwrap_or("*");
            check(name, case, &evaluate(&set, &Request::new(&principal, action, resource)));
        }
    }
}

#[test]
fn trust() {
    for vector in vectors(include_str!("../vectors/policy/trust.json")) {
        let name = vector["name"].as_str().unwrap();
        let set = PolicySet::load(&sources(&vector)).unwrap_or_else(|errors| panic!("{name}: {errors}"));
        for case in vector["cases"].as_array().unwrap() {
            let role: Arn = case["role"].as_str().unwrap_or(APP).parse().unwrap();
            let service = case["service"].as_str().unwrap();
            check(name, case, &evaluate_trust(&set, &role, service, &keys(case)));
        }
    }
}

const NO_STATEMENTS: &str = r#"{"Statement": {"Effect": "Deny", "Principal": {"AWS": "999999999999"}, "Action": "none:None", "Resource": "*"}}"#;

/// `"policy"` is the policy of the resource, of the `"kind"` that the vector names; a case
/// may have a `"session"` (its ARN), which a `"sessionPolicy"` limits.
/// Whether `BlockPublicPolicy` keeps a policy out, by its conditions.
#[test]
fn public_policies() {
    let everyone = json!("*");
    for case in vectors(include_str!("../vectors/policy/public.json")) {
        let mut statement = json!({
            "Effect": "Allow", "Principal": case.get("principal").unwrap_or(&everyone),
            "Action": "secretsmanager:GetSecretValue", "Resource": "*",
        });
        if let Some(condition) = case.get("condition") {
            statement["Condition"] = condition.clone();
        }
        let text = json!({ "Version": "2012-10-17", "Statement": statement }).to_string();
        let policy = ResourcePolicy::parse("p", &text, PolicyKind::SecretsManager)
            .unwrap_or_else(|error| panic!("{case}: {error}"));
        assert_eq!(policy.is_public(), case["public"].as_bool().unwrap(), "{case}");
    }
}

#[test]
fn resource_policies() {
    for vector in vectors(include_str!("../vectors/policy/resource.json")) {
        let name = vector["name"].as_str().unwrap();
        let kind = match vector["kind"].as_str().unwrap_or("secret") {
            "secret" => PolicyKind::SecretsManager,
            "parameter" => PolicyKind::ParameterStore,
            "key" => PolicyKind::Kms,
            "role" => PolicyKind::Trust,
            other => panic!("{name}: unknown kind {other}"),
        };
        let text = vector.get("policy").map_or_else(|| NO_STATEMENTS.to_owned(), Value::to_string);
        let policy = ResourcePolicy::parse(name, &text, kind).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(policy.is_public(), vector["public"].as_bool().unwrap_or(false), "{name}");
        let file = vector.get("file").cloned().unwrap_or_else(|| json!({}));
        let set = PolicySet::load(&[Source { path: "0.json".into(), text: file.to_string() }])
            .unwrap_or_else(|errors| panic!("{name}: {errors}"));
        for case in vector["cases"].as_array().unwrap() {
            let principal: Arn = case["principal"].as_str().unwrap_or(ANN).parse().unwrap();
            let limits = case.get("sessionPolicy").map(Value::to_string);
            let limits =
                set.session_policies(limits.as_deref(), &[]).unwrap_or_else(|e| panic!("{name}: {e}"));
            let session = case["session"].as_str().map(|arn| Session {
                arn,
                name: arn.rsplit('/').next().unwrap(),
                policies: limits.as_ref(),
                ..Session::default()
            });
            let keys = keys(case);
            let action = case["action"].as_str().unwrap();
            let resource = case["resource"].as_str().or(vector["resource"].as_str()).unwrap();
            let request = Request {
                session: session.as_ref(),
                policy: vector.get("policy").map(|_| &policy),
                keys: &keys,
                ..Request::new(&principal, action, resource)
            };
            check(name, case, &evaluate(&set, &request));
        }
    }
}

/// `file:line:column code message`, as the vectors have it.
fn shown(files: &[FileFindings]) -> Vec<String> {
    let one = |file: &FileFindings, finding: &Diagnostic| {
        let start = finding.primary.as_ref().map_or(0, |label| label.span.start);
        let (line, column) = line_column(&file.text, start);
        let help = finding.help.as_ref().map(|help| format!("; {help}")).unwrap_or_default();
        format!("{}:{line}:{column} {} {}{help}", file.path, finding.code, finding.message)
    };
    files.iter().flat_map(|file| file.diagnostics.iter().map(|d| one(file, d))).collect()
}

#[test]
fn load_errors() {
    let mut wrong = Vec::new();
    for vector in vectors(include_str!("../vectors/policy/load_errors.json")) {
        let name = vector["name"].as_str().unwrap();
        match PolicySet::load(&sources(&vector)) {
            Ok(_) => wrong.push(format!("{name}: loaded")),
            Err(errors) if json!(shown(errors.files())) != vector["errors"] => {
                wrong.push(format!("{name}: {:#}\n{errors}", json!(shown(errors.files()))));
            }
            Err(_) => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn warnings() {
    let mut wrong = Vec::new();
    for vector in vectors(include_str!("../vectors/policy/warnings.json")) {
        let name = vector["name"].as_str().unwrap();
        let set = PolicySet::load(&sources(&vector)).unwrap_or_else(|errors| panic!("{name}: {errors}"));
        if json!(shown(set.warnings())) != vector["warnings"] {
            wrong.push(format!("{name}: {:#}", json!(shown(set.warnings()))));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn errors_are_shown_as_a_compiler_shows_them() {
    let vector = json!({"policy": [
        "{\"Version\": \"2012-10-17\", \"Statement\": [",
        "  {\"Efect\": \"Allow\", \"Action\": \"ssm:GetParameter\", \"Resource\": \"*\"}]}"
    ]});
    let errors = PolicySet::load(&sources(&vector)).unwrap_err();
    let text = errors.to_string();
    for part in [
        "error[IAM0102]: unknown field `Efect` in a statement",
        "0.json:3:4",
        "help: a similar field exists: `Effect`",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert_eq!(errors.count(), 2, "{text}");
}

#[test]
fn denials_are_worded_as_by_aws() {
    let set = PolicySet::empty();
    let principal: Arn = "arn:aws:iam::123456789012:user/John".parse().unwrap();
    let resource = "arn:aws:ssm:us-east-1:123456789012:parameter/db";
    let decision = evaluate(&set, &Request::new(&principal, "ssm:GetParameter", resource));
    assert_eq!(
        decision.denial_message(),
        "User: arn:aws:iam::123456789012:user/John is not authorized to perform: ssm:GetParameter on resource: \
         arn:aws:ssm:us-east-1:123456789012:parameter/db because no identity-based policy allows the \
         ssm:GetParameter action"
    );
    let list = Request::new(&principal, "secretsmanager:ListSecrets", "*");
    let session = "arn:aws:sts::123456789012:assumed-role/app/0a1b";
    assert_eq!(
        evaluate(&set, &list).denial_message_as(session),
        "User: arn:aws:sts::123456789012:assumed-role/app/0a1b is not authorized to perform: \
         secretsmanager:ListSecrets because no identity-based policy allows the secretsmanager:ListSecrets action"
    );
}

#[test]
fn a_decision_names_file_and_line() {
    let text = "{\"UserDetailList\": [{\"UserName\": \"ann\", \"Arn\": \"arn:aws:iam::111122223333:user/ann\",\n\
                \"UserPolicyList\": [{\"PolicyName\": \"p\", \"PolicyDocument\": {\"Statement\": [\n\
                {\"Effect\": \"Deny\", \"Action\": \"kms:*\", \"Resource\": \"*\"},\n\
                {\"Sid\": \"B\", \"Effect\": \"Allow\", \"Action\": \"ssm:*\", \"Resource\": \"*\"}]}}]}]}";
    let source = Source { path: "dir/a.json".into(), text: text.into() };
    let set = PolicySet::load(std::slice::from_ref(&source)).unwrap();
    let principal = ANN.parse().unwrap();
    let request = Request::new(&principal, "ssm:GetParameter", "*");
    let decision = evaluate(&set, &request);
    let matched = &decision.matched()[0];
    assert_eq!((&*matched.file, matched.line, matched.statement), ("dir/a.json", 4, 2));
    assert_eq!(&*matched.policy, "arn:aws:iam::111122223333:user/ann inline policy p");
    assert_eq!(decision.policy_digest(), set.digest());
}

#[test]
fn the_digest_follows_the_texts_and_not_the_order() {
    let source = |path: &str, text: &str| Source { path: path.into(), text: text.into() };
    let digest = |sources: &[Source]| PolicySet::load(sources).unwrap().digest().to_owned();
    let forwards = digest(&[source("a", "{}"), source("b", "{ }")]);
    assert_eq!(forwards, digest(&[source("b", "{ }"), source("a", "{}")]));
    assert_ne!(forwards, digest(&[source("a", "{ }"), source("b", "{}")]));
    assert_ne!(digest(&[]), digest(&[source("a", "{}")]));
    assert_eq!(digest(&[]), PolicySet::empty().digest());
}
