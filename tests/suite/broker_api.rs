//! Who may do what, from outside: keys, sessions, Regions, the Unix socket, and what a
//! refusal tells.

use crate::bounds::RaisedAtLast;
use crate::kit::{
    ACCOUNT, Answer, Broker, Kit, REGION, allow, block_on, code, deny, role, role_arn, until, user,
};
use sealdock::client::{Client, ClientError, Credentials, Endpoint};
use sealdock::protocol::Operation;
use sealdock::secret::SecretValue;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

/// Name and text of an error.
#[track_caller]
fn refusal(answer: Answer) -> (String, String) {
    match answer {
        Err(ClientError::Api { code, message, .. }) => (code, message),
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn an_access_key_ends_at_once_when_it_is_disabled_or_deleted() {
    let kit = Kit::new();
    let value = kit.canary("key");
    let mut broker = kit.start();
    let root = broker.root();
    root.create("db", &value);
    let key = root.key("operator");
    let id = key.access_key_id.clone();
    let operator = broker.signed(key);
    let set = |status: &str| {
        root.call(Operation::UpdateAccessKey, &json!({ "AccessKeyId": id, "Status": status })).unwrap();
    };
    for _ in 0..3 {
        assert_eq!(operator.value("db"), value);
        set("Inactive");
        assert_eq!(code(&operator.get("db")), "UnrecognizedClientException");
        set("Active");
    }
    set("Inactive");
    // It is off for good, not only in memory.
    assert!(broker.stop().success());
    broker = kit.start();
    let root = broker.root();
    let keys = root.call(Operation::ListAccessKeys, &json!({})).unwrap();
    assert_eq!(keys["AccessKeys"][0]["Status"], "Inactive", "{keys}");
    root.call(Operation::DeleteAccessKey, &json!({ "AccessKeyId": id })).unwrap();
    let again = root.call(Operation::UpdateAccessKey, &json!({ "AccessKeyId": id, "Status": "Active" }));
    assert_ne!(code(&again), "ok");

    // A deleted key of a running broker.
    let key = root.key("operator");
    let id = key.access_key_id.clone();
    let operator = broker.signed(key);
    assert_eq!(operator.value("db"), value);
    root.call(Operation::DeleteAccessKey, &json!({ "AccessKeyId": id })).unwrap();
    assert_eq!(code(&operator.get("db")), "UnrecognizedClientException");
}

#[test]
fn a_key_signs_only_with_its_own_secret() {
    let kit = Kit::new();
    let broker = kit.start();
    let root = broker.root();
    let (first, second) = (root.key("operator"), root.key("operator"));
    let third = root.call(Operation::CreateAccessKey, &json!({ "UserName": "operator" }));
    assert_eq!(refusal(third).0, "LimitExceededException");
    let nobody = root.call(Operation::CreateAccessKey, &json!({ "UserName": "nobody" }));
    assert!(refusal(nobody).1.contains("no policy file names"));

    let mixed = Credentials { access_key_id: first.access_key_id.clone(), ..second };
    assert_eq!(refusal(broker.signed(mixed).get("db")).0, "InvalidSignatureException");
    let unknown = Credentials {
        access_key_id: "AKIAIOSFODNN7EXAMPLE".into(),
        secret_access_key: SecretValue::from("secret".to_owned()),
        session_token: None,
    };
    assert_eq!(refusal(broker.signed(unknown).get("db")).0, "UnrecognizedClientException");
    let unsigned = broker.caller(Endpoint::parse(&broker.url("http:")).unwrap(), None);
    assert_eq!(refusal(unsigned.get("db")).0, "MissingAuthenticationTokenException");
    assert_eq!(refusal(broker.signed(first).get("db")).0, "ResourceNotFoundException");
}

fn with_roles() -> Kit {
    let kit = Kit::new();
    let reads = json!([
        allow("secretsmanager:GetSecretValue", "arn:aws:secretsmanager:us-east-1:111122223333:secret:app/*"),
        allow("ssm:GetParameters", "arn:aws:ssm:us-east-1:111122223333:parameter/app/*"),
    ]);
    let pass = |name: &str| allow("iam:PassRole", &role_arn(name));
    kit.account(
        &[
            user("launcher", json!([pass("app"), pass("lambda"), pass("missing")])),
            user("blocked", json!([allow("*", "*"), deny("iam:PassRole", &role_arn("app"))])),
            user("reader", json!([allow("secretsmanager:*", "*")])),
        ],
        &[
            role("app", "ecs-tasks.amazonaws.com", reads.clone()),
            role("lambda", "lambda.amazonaws.com", reads.clone()),
            role("other", "ecs-tasks.amazonaws.com", reads),
        ],
    );
    kit
}

#[test]
fn a_session_needs_the_right_to_pass_the_role_and_the_trust_of_the_role() {
    let kit = with_roles();
    let broker = kit.start();
    let launcher = broker.user("launcher");
    launcher.session("app", "task-1").unwrap();
    for (role, text) in [
        ("other", "is not authorized to perform: iam:PassRole on resource"),
        ("lambda", "ECS was unable to assume the role"),
        ("missing", "ECS was unable to assume the role"),
    ] {
        let (code, message) = refusal(launcher.session(role, "task-1").map(|_| Value::Null));
        assert_eq!(code, "AccessDeniedException");
        assert!(message.contains(text), "{role}: {message}");
    }
    for name in ["blocked", "reader"] {
        let refused = broker.user(name).session("app", "task-1");
        assert_eq!(refusal(refused.map(|_| Value::Null)).0, "AccessDeniedException", "{name}");
    }
    // Root passes any role, but trust is the role's own.
    broker.root().session("other", "task-1").unwrap();
    assert!(broker.root().session("lambda", "task-1").is_err());
}

#[test]
fn a_session_is_its_role_and_nothing_more() {
    let kit = with_roles();
    let (own, foreign) = (kit.canary("own"), kit.canary("foreign"));
    let broker = kit.start();
    let root = broker.root();
    root.create("app/db", &own);
    root.create("ops/db", &foreign);
    for (name, value) in [("/app/p", &own), ("/ops/p", &foreign)] {
        let request = json!({ "Name": name, "Value": value, "Type": "SecureString" });
        root.call(Operation::PutParameter, &request).unwrap();
    }
    let launcher = broker.user("launcher");
    let task = broker.signed(launcher.session("app", "task-1").unwrap());
    assert_eq!(task.value("app/db"), own);
    let denied = [
        task.get("ops/db"),
        task.call(
            Operation::GetParameters,
            &json!({ "Names": ["/app/p", "/ops/p"], "WithDecryption": true }),
        ),
        task.call(Operation::GetParameter, &json!({ "Name": "/app/p", "WithDecryption": true })),
        task.call(Operation::PutSecretValue, &json!({ "SecretId": "app/db", "SecretString": own })),
        task.call(Operation::ListSecrets, &json!({})),
        task.call(Operation::CreateAccessKey, &json!({ "UserName": "reader" })),
        task.session("app", "task-2").map(|_| Value::Null),
        launcher.get("app/db"),
    ];
    for (number, answer) in denied.into_iter().enumerate() {
        assert_eq!(refusal(answer).0, "AccessDeniedException", "case {number}");
    }
    let one = task.call(Operation::GetParameters, &json!({ "Names": ["/app/p"], "WithDecryption": true }));
    assert_eq!(one.unwrap()["Parameters"][0]["Value"], own);
    let who = task.call(Operation::WhoAmI, &json!({})).unwrap();
    assert_eq!(who["Arn"], format!("arn:aws:sts::{ACCOUNT}:assumed-role/app/task-1"));

    // Its three parts belong together.
    let session = || launcher.session("app", "task-1").unwrap();
    let without = Credentials { session_token: None, ..session() };
    let mixed = Credentials { session_token: session().session_token, ..session() };
    let long_term = Credentials { session_token: session().session_token, ..root.key("reader") };
    let forged = Credentials { session_token: Some(SecretValue::from("AAAA".to_owned())), ..session() };
    for wrong in [without, mixed, long_term, forged] {
        assert_eq!(refusal(broker.signed(wrong).get("app/db")).0, "UnrecognizedClientException");
    }
    // It outlives a restart of the broker, and ends with its role.
    let kept = session();
    assert!(broker.stop().success());
    let broker = kit.start();
    let task = broker.signed(kept);
    assert_eq!(task.value("app/db"), own);
    kit.account(&[], &[]);
    until("the end of the role", || task.get("app/db").is_err());
    assert_eq!(refusal(task.get("app/db")).0, "UnrecognizedClientException");
}

#[test]
fn a_refusal_does_not_tell_whether_the_thing_exists() {
    let kit = Kit::new();
    kit.account(
        &[user(
            "curious",
            json!([allow("secretsmanager:GetSecretValue", "arn:aws:secretsmanager:*:*:secret:mine/*")]),
        )],
        &[],
    );
    let broker = kit.start();
    let root = broker.root();
    let arn = root.create("theirs/there", &kit.canary("there"));
    root.call(Operation::PutParameter, &json!({ "Name": "/theirs/there", "Value": "x", "Type": "String" }))
        .unwrap();
    let curious = broker.user("curious");
    assert_eq!(code(&curious.get("mine/none")), "ResourceNotFoundException");

    let partial = arn.rsplit_once('-').unwrap().0.to_owned();
    let requests: Vec<(Operation, Value)> = vec![
        (Operation::GetSecretValue, json!({ "SecretId": "theirs/there" })),
        (Operation::GetSecretValue, json!({ "SecretId": arn })),
        (Operation::GetSecretValue, json!({ "SecretId": partial })),
        (Operation::GetSecretValue, json!({ "SecretId": "theirs/there", "VersionStage": "AWSPREVIOUS" })),
        (Operation::DescribeSecret, json!({ "SecretId": "theirs/there" })),
        (Operation::PutSecretValue, json!({ "SecretId": "theirs/there", "SecretString": "x" })),
        (Operation::UpdateSecret, json!({ "SecretId": "theirs/there", "Description": "x" })),
        (Operation::DeleteSecret, json!({ "SecretId": "theirs/there" })),
        (Operation::DeleteSecret, json!({ "SecretId": "theirs/there", "ForceDeleteWithoutRecovery": true })),
        (Operation::CreateSecret, json!({ "Name": "theirs/there", "SecretString": "x" })),
        (Operation::GetParameter, json!({ "Name": "/theirs/there" })),
        (Operation::GetParameter, json!({ "Name": "/theirs/there:7" })),
        (Operation::GetParameters, json!({ "Names": ["/theirs/there"] })),
        (Operation::PutParameter, json!({ "Name": "/theirs/there", "Value": "x", "Type": "String" })),
        (Operation::DeleteParameter, json!({ "Name": "/theirs/there" })),
    ];
    for (operation, request) in requests {
        let there = refusal(curious.call(operation, &request));
        let elsewhere: Value = serde_json::from_str(&request.to_string().replace("there", "where")).unwrap();
        let (code, message) = refusal(curious.call(operation, &elsewhere));
        // Both names have the same length and differ in the one word.
        let message = message.replace("where", "there");
        assert_eq!(there, (code, message), "{} {request}", operation.name());
        assert_eq!(there.0, "AccessDeniedException", "{} {request}", operation.name());
    }
}

#[test]
fn regions_are_separate_namespaces() {
    let kit = Kit::new();
    let here_only = json!([
        allow("secretsmanager:*", "arn:aws:secretsmanager:us-east-1:111122223333:secret:*"),
        allow("secretsmanager:ListSecrets", "*"),
    ]);
    kit.account(&[user("all", json!([allow("*", "*")])), user("here", here_only)], &[]);
    let broker = kit.start();
    let here = broker.user("all");
    let there = here.in_region("eu-west-1");
    let (first, second) = (kit.canary("east"), kit.canary("west"));
    let arn = here.create("db", &first);
    assert_eq!(code(&there.get("db")), "ResourceNotFoundException");
    let other = there.create("db", &second);
    assert!(arn.contains(":us-east-1:") && other.contains(":eu-west-1:"), "{arn} {other}");
    assert_eq!((here.value("db"), there.value("db")), (first.clone(), second.clone()));
    assert_eq!(there.value(&other), second);
    assert_eq!(code(&there.get(&arn)), "ResourceNotFoundException");
    for (caller, arn) in [(&here, &arn), (&there, &other)] {
        let listed = caller.call(Operation::ListSecrets, &json!({})).unwrap();
        assert_eq!(listed["SecretList"].as_array().unwrap().len(), 1);
        assert_eq!(listed["SecretList"][0]["ARN"], **arn);
    }
    let limited = broker.user("here");
    assert_eq!(limited.value("db"), first);
    assert_eq!(code(&limited.in_region("eu-west-1").get("db")), "AccessDeniedException");
    for (caller, value) in [(&here, "east"), (&there, "west")] {
        caller
            .call(Operation::PutParameter, &json!({ "Name": "p", "Value": value, "Type": "String" }))
            .unwrap();
    }
    here.call(Operation::DeleteParameter, &json!({ "Name": "p" })).unwrap();
    let left = there.call(Operation::GetParameter, &json!({ "Name": "p" })).unwrap();
    assert_eq!(left["Parameter"]["Value"], "west");
    here.call(Operation::DeleteSecret, &json!({ "SecretId": "db", "ForceDeleteWithoutRecovery": true }))
        .unwrap();
    assert_eq!(there.value("db"), second);
}

#[test]
fn a_read_that_meets_a_deletion_is_answered_as_one_that_came_later() {
    let kit = Kit::new();
    let value = kit.canary("race");
    let broker = kit.start();
    let root = broker.root();
    let done = AtomicBool::new(false);
    let codes = std::thread::scope(|scope| {
        let read = |operation, request: Value| {
            let (caller, done) = (broker.root(), &done);
            scope.spawn(move || {
                let mut codes = BTreeSet::new();
                while !done.load(Ordering::SeqCst) {
                    codes.insert(code(&caller.call(operation, &request)).to_owned());
                }
                codes
            })
        };
        let readers = [
            read(Operation::GetSecretValue, json!({ "SecretId": "db" })),
            read(Operation::GetSecretValue, json!({ "SecretId": "db" })),
            read(Operation::GetParameter, json!({ "Name": "p", "WithDecryption": true })),
            read(Operation::GetParameter, json!({ "Name": "p" })),
        ];
        let end = RaisedAtLast(&done);
        for _ in 0..60 {
            root.create("db", &value);
            let put = json!({ "Name": "p", "Value": value, "Type": "SecureString" });
            root.call(Operation::PutParameter, &put).unwrap();
            root.call(Operation::DeleteParameter, &json!({ "Name": "p" })).unwrap();
            let delete = json!({ "SecretId": "db", "ForceDeleteWithoutRecovery": true });
            root.call(Operation::DeleteSecret, &delete).unwrap();
        }
        drop(end);
        readers.map(|reader| reader.join().unwrap()).into_iter().flatten().collect::<BTreeSet<_>>()
    });
    let expected = ["ParameterNotFound", "ResourceNotFoundException", "ok"].map(str::to_owned);
    assert_eq!(codes, BTreeSet::from(expected));
    // A client repeats a read that failed; the log has each attempt.
    let failed = kit.audit(0).into_iter().filter(|r| r["errorCode"] == "InternalFailure").count();
    assert_eq!((failed, broker.told().as_str()), (0, ""), "nothing that an operator must look into");
}

#[test]
fn the_peer_of_the_unix_socket_is_root_or_whom_the_configuration_names() {
    let kit = Kit::new();
    let who = |broker: &Broker| broker.root().call(Operation::WhoAmI, &json!({}));
    let broker = kit.start();
    let root = who(&broker).unwrap();
    assert_eq!(root["Arn"], format!("arn:aws:iam::{ACCOUNT}:root"));
    assert_eq!((&root["Account"], &root["Region"]), (&json!(ACCOUNT), &json!(REGION)));
    // A signature counts for more than the peer.
    let key = broker.root().key("operator");
    let socket = Endpoint::Unix(kit.data.join("sealdock.sock"));
    let signed = broker.caller(socket, Some(key)).call(Operation::WhoAmI, &json!({})).unwrap();
    assert_eq!(signed["Arn"], format!("arn:aws:iam::{ACCOUNT}:user/operator"));
    assert!(broker.stop().success());

    let own = rustix::process::geteuid().as_raw();
    let peer =
        |name: &str| format!("\n[[peer]]\nuid = {own}\nprincipal = \"arn:aws:iam::{ACCOUNT}:user/{name}\"\n");
    let plain = fs::read_to_string(kit.data.join("sealdock.toml")).unwrap();
    kit.edit_config(|text| text + &peer("operator"));
    let broker = kit.start();
    assert_eq!(who(&broker).unwrap()["Arn"], format!("arn:aws:iam::{ACCOUNT}:user/operator"));
    drop(broker);
    kit.edit_config(|_| plain + &peer("nobody"));
    assert!(refusal(who(&kit.start())).1.contains("has no principal on this socket"));
}

#[test]
fn tls_is_served_with_the_certificate_that_init_made() {
    let kit = Kit::new();
    let broker = kit.serve(&["--tls", "127.0.0.1:0"]).unwrap();
    let value = kit.canary("tls");
    broker.root().create("db", &value);
    let key = || broker.root().key("operator");
    let endpoint = Endpoint::parse(&broker.url("https:")).unwrap();
    let ca = fs::read(kit.data.join("tls/ca.pem")).unwrap();
    assert_eq!(broker.caller(endpoint.clone().with_ca(ca), Some(key())).value("db"), value);

    let other = Kit::new();
    let ca = fs::read(other.data.join("tls/ca.pem")).unwrap();
    let stranger = Client::new(endpoint.with_ca(ca), Some(key()), REGION).unwrap();
    let refused = block_on(stranger.who_am_i());
    assert!(matches!(refused, Err(ClientError::Unreachable { .. } | ClientError::Tls { .. })), "{refused:?}");
}

#[test]
fn a_broker_for_development_prints_what_a_client_needs() {
    let kit = Kit::empty();
    let dev = |address: &str| {
        kit.background(&["dev", "--data", kit.data(), "--listen", address], |out| {
            out.contains("AWS_DEFAULT_REGION=")
        })
    };
    let Err(ended) = dev("0.0.0.0:0") else { panic!("it listens on every address") };
    ended.refused(2, &["loopback"]);
    let value = kit.canary("dev");
    let client = |broker: &Broker| {
        let printed = broker.printed();
        let variable = |name: &str| {
            let line = printed.lines().find_map(|l| l.strip_prefix(&format!("export {name}=")));
            line.unwrap_or_else(|| panic!("{printed}")).to_owned()
        };
        let key = Credentials {
            access_key_id: variable("AWS_ACCESS_KEY_ID"),
            secret_access_key: SecretValue::from(variable("AWS_SECRET_ACCESS_KEY")),
            session_token: None,
        };
        broker.caller(Endpoint::parse(&variable("AWS_ENDPOINT_URL")).unwrap(), Some(key))
    };
    let broker = dev("127.0.0.1:0").unwrap();
    client(&broker).create("db", &value);
    assert!(broker.stop().success());
    let broker = dev("127.0.0.1:0").unwrap();
    assert_eq!(client(&broker).value("db"), value);
    let keys = broker.root().call(Operation::ListAccessKeys, &json!({})).unwrap();
    assert_eq!(keys["AccessKeys"].as_array().unwrap().len(), 1, "the key of the earlier start is gone");
    assert!(broker.stop().success());
    kit.audit_intact();
}
