//! The audit trail of a real broker: for each request exactly the records that it should
//! leave, with their fields, and never a value.

use crate::kit::{ACCOUNT, Broker, Caller, Kit, REGION, allow, code, role, user};
use sealdock::client::{ClientError, Credentials, Endpoint};
use sealdock::protocol::Operation;
use sealdock::secret::SecretValue;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;

/// Runs a request; returns what it was answered and the records that it left.
fn trail<T>(kit: &Kit, request: impl FnOnce() -> T) -> (T, Vec<Value>) {
    let before = kit.audit(0).len();
    let answer = request();
    (answer, kit.audit(before))
}

/// The one record of a request.
#[track_caller]
fn single(records: &[Value]) -> &Value {
    let [record] = records else { panic!("not one record: {records:#?}") };
    record
}

/// Asserts members of a record by their pointers; `null` for those that must be absent.
#[track_caller]
fn has(record: &Value, members: &[(&str, Value)]) {
    for (pointer, expected) in members {
        let found = record.pointer(pointer).unwrap_or(&Value::Null);
        assert_eq!(found, expected, "{pointer} of {record:#}");
    }
}

fn request_id(answer: &Result<Value, ClientError>) -> Value {
    match answer {
        Err(ClientError::Api { request_id, .. }) => json!(request_id),
        other => panic!("not refused: {other:?}"),
    }
}

fn started() -> (Kit, Broker) {
    let kit = Kit::new();
    let statements = json!([
        { "Sid": "Own", "Effect": "Allow", "Action": "secretsmanager:*",
          "Resource": "arn:aws:secretsmanager:*:*:secret:own/*" },
        allow("ssm:*", "arn:aws:ssm:*:*:parameter/own/*"),
        allow("iam:PassRole", "*"),
        allow("sealdock:*", "*"),
    ]);
    let reads = json!([allow("secretsmanager:GetSecretValue", "*")]);
    kit.account(&[user("ann", statements)], &[role("app", "ecs-tasks.amazonaws.com", reads)]);
    let broker = kit.start();
    (kit, broker)
}

#[test]
fn an_allowed_request_leaves_one_record_with_everything_about_it() {
    let (kit, broker) = started();
    let name = kit.name("own/db");
    let arn = broker.root().create(&name, &kit.canary("allowed"));
    let key = broker.root().key("ann");
    let id = key.access_key_id.clone();
    let ann = broker.signed(key);
    let (answer, records) = trail(&kit, || ann.get(&name));
    answer.unwrap();
    let record = single(&records);
    has(
        record,
        &[
            ("/eventVersion", json!("1.11")),
            ("/eventSource", json!("secretsmanager.amazonaws.com")),
            ("/eventName", json!("GetSecretValue")),
            ("/eventType", json!("AwsApiCall")),
            ("/awsRegion", json!(REGION)),
            ("/sourceIPAddress", json!("127.0.0.1")),
            ("/userAgent", json!(concat!("sealdock/", env!("CARGO_PKG_VERSION")))),
            ("/readOnly", json!(true)),
            ("/recipientAccountId", json!(ACCOUNT)),
            ("/errorCode", Value::Null),
            ("/errorMessage", Value::Null),
            ("/requestParameters", json!({ "secretId": name })),
            ("/responseElements", Value::Null),
            (
                "/resources",
                json!([{ "ARN": arn, "accountId": ACCOUNT, "type": "AWS::SecretsManager::Secret" }]),
            ),
            ("/userIdentity/type", json!("IAMUser")),
            ("/userIdentity/arn", json!(format!("arn:aws:iam::{ACCOUNT}:user/ann"))),
            ("/userIdentity/userName", json!("ann")),
            ("/userIdentity/accountId", json!(ACCOUNT)),
            ("/userIdentity/accessKeyId", json!(id)),
            ("/sealdock/policy/action", json!("secretsmanager:GetSecretValue")),
            ("/sealdock/policy/resource", json!(arn)),
            ("/sealdock/policy/principal", json!(format!("arn:aws:iam::{ACCOUNT}:user/ann"))),
        ],
    );
    has(
        record,
        &[
            ("/sealdock/policy/outcome", json!("Allow")),
            ("/sealdock/policy/matched/0/sid", json!("Own")),
            ("/sealdock/policy/matched/0/statement", json!(1)),
            ("/sealdock/policy/matched/0/effect", json!("Allow")),
        ],
    );
    for unique in ["requestID", "eventID", "eventTime"] {
        assert!(record[unique].as_str().is_some_and(|text| text.len() >= 20), "{unique}: {record}");
    }

    let token = "0123456789-0123456789-0123456789-tok";
    let put = json!({ "SecretId": name, "SecretString": kit.canary("put"), "ClientRequestToken": token });
    let (answer, records) = trail(&kit, || ann.call(Operation::PutSecretValue, &put));
    answer.unwrap();
    has(
        single(&records),
        &[
            ("/readOnly", json!(false)),
            ("/requestParameters/secretId", json!(name)),
            ("/requestParameters/clientRequestToken", json!(token)),
            ("/requestParameters/secretString", Value::Null),
        ],
    );
    // Root over the Unix socket.
    let (_, records) = trail(&kit, || broker.root().get(&name));
    let uid = rustix::process::geteuid().as_raw();
    has(
        single(&records),
        &[
            ("/userIdentity/type", json!("Root")),
            ("/userIdentity/accessKeyId", Value::Null),
            ("/sourceIPAddress", json!(format!("unix:uid={uid}"))),
        ],
    );
    // Each parameter of a request is decided and recorded for itself.
    let names = json!({ "Names": ["/own/a", "/own/b", "/own/a"] });
    let (answer, records) = trail(&kit, || ann.call(Operation::GetParameters, &names));
    answer.unwrap();
    assert_eq!(records.len(), 2, "{records:#?}");
    assert_eq!(records[0]["requestID"], records[1]["requestID"]);
    has(
        &records[1],
        &[("/resources/0/ARN", json!(format!("arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/own/b")))],
    );
    kit.audit_intact();
}

#[test]
fn a_denied_request_leaves_one_record_that_says_why() {
    let (kit, broker) = started();
    let name = kit.name("other/db");
    let arn = broker.root().create(&name, &kit.canary("denied"));
    let ann = broker.user("ann");
    let (answer, records) = trail(&kit, || ann.get(&name));
    assert_eq!(code(&answer), "AccessDeniedException");
    let record = single(&records);
    has(
        record,
        &[
            ("/requestID", request_id(&answer)),
            ("/errorCode", json!("AccessDenied")),
            ("/resources/0/ARN", json!(arn)),
            ("/requestParameters/secretId", json!(name)),
            ("/userIdentity/userName", json!("ann")),
            ("/sealdock/policy/matched", json!([])),
        ],
    );
    let message = record["errorMessage"].as_str().unwrap();
    assert!(
        message.contains("no identity-based policy allows the secretsmanager:GetSecretValue action"),
        "{message}"
    );
}

#[test]
fn a_failure_after_the_permit_is_a_second_record_of_the_same_request() {
    let (kit, broker) = started();
    let ann = broker.user("ann");
    let old = json!({ "SecretId": "own/db", "VersionStage": "AWSPREVIOUS" });
    ann.create("own/db", &kit.canary("after"));
    let taken = json!({ "Name": "own/db", "SecretString": kit.canary("taken") });
    let bad = json!({ "Name": "/own/p", "Value": kit.canary("pattern"), "Type": "String", "AllowedPattern": "\\d+" });
    for (operation, request, error) in [
        (Operation::GetSecretValue, json!({ "SecretId": "own/none" }), "ResourceNotFoundException"),
        (Operation::GetSecretValue, old, "ResourceNotFoundException"),
        (Operation::CreateSecret, taken, "ResourceExistsException"),
        (Operation::GetParameter, json!({ "Name": "/own/none" }), "ParameterNotFound"),
        (Operation::PutParameter, bad, "ParameterPatternMismatchException"),
    ] {
        let (answer, records) = trail(&kit, || ann.call(operation, &request));
        assert_eq!(code(&answer), error, "{request}");
        let [permit, failure] = &records[..] else { panic!("{request}: {records:#?}") };
        has(permit, &[("/errorCode", Value::Null), ("/requestID", request_id(&answer))]);
        assert!(permit.pointer("/sealdock/policy/matched/0").is_some(), "{permit:#}");
        has(failure, &[("/errorCode", json!(error)), ("/requestID", request_id(&answer))]);
        has(failure, &[("/sealdock/policy", Value::Null), ("/eventName", json!(operation.name()))]);
    }
}

#[test]
fn a_malformed_request_is_on_record_without_what_it_held() {
    let (kit, broker) = started();
    let ann = broker.user("ann");
    let secret = kit.canary("malformed");
    let long = format!("{}{secret}", "n".repeat(600));
    let bodies = [
        (format!("{{\"Name\":\"own/x\",\"SecretString\":\"{secret}\""), "SerializationException"),
        (format!("\"{secret}\""), "SerializationException"),
        (format!("{{\"Name\":\"own/x\",\"SecretString\":[\"{secret}\"]}}"), "SerializationException"),
        (format!("{{\"Name\":\"own/x\",\"SecretString\":{{\"a\":\"{secret}\"}}}}"), "SerializationException"),
        (format!("{{\"Name\":\"own/x\",\"SecretBinary\":\"!{secret}\"}}"), "SerializationException"),
        (format!("{{\"Name\":\"own/x\",\"SecretStrin\":\"{secret}\"}}"), "ValidationException"),
        (format!("{{\"SecretString\":\"{secret}\"}}"), "ValidationException"),
        (format!("{{\"Name\":\"\",\"SecretString\":\"{secret}\"}}"), "ValidationException"),
        (
            format!("{{\"Name\":\"own/x\",\"SecretString\":\"{secret}\",\"SecretBinary\":\"AA==\"}}"),
            "InvalidParameterException",
        ),
    ];
    for (body, error) in &bodies {
        let (answer, records) = trail(&kit, || ann.send(Operation::CreateSecret, body.as_bytes()));
        assert_eq!(code(&answer), *error, "{body}: {answer:?}");
        let record = single(&records);
        has(
            record,
            &[
                ("/eventName", json!("CreateSecret")),
                ("/errorCode", json!(code(&answer))),
                ("/requestID", request_id(&answer)),
                ("/userIdentity/userName", json!("ann")),
            ],
        );
    }
    let parameter = json!({ "Name": "/own/p", "Value": secret, "Type": "Strin" });
    let (answer, records) = trail(&kit, || ann.call(Operation::PutParameter, &parameter));
    assert_eq!(code(&answer), "ValidationException");
    single(&records);
    let parameter = json!({ "Name": "/own/p", "Value": long + &"x".repeat(9000), "Type": "String" });
    let (answer, _) = trail(&kit, || ann.call(Operation::PutParameter, &parameter));
    assert_eq!(code(&answer), "ValidationException");
}

/// Sends bytes over TCP; returns the status and the answer.
fn raw(broker: &Broker, head: &str, body: &str) -> (u16, String) {
    let address = broker.url("http://").trim_start_matches("http://").to_owned();
    let mut stream = TcpStream::connect(&address).unwrap();
    let length = body.len();
    let text = format!(
        "{head} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(text.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    (answer.split(' ').nth(1).unwrap().parse().unwrap(), answer)
}

#[test]
fn a_request_that_proves_nobody_is_on_record() {
    let (kit, broker) = started();
    let body = json!({ "SecretId": kit.canary("unproven") });
    let key = broker.root().key("ann");
    let wrong = Credentials {
        access_key_id: key.access_key_id,
        secret_access_key: SecretValue::from("wrong".to_owned()),
        session_token: None,
    };
    let unsigned: Caller = broker.caller(Endpoint::parse(&broker.url("http:")).unwrap(), None);
    for (caller, error) in [
        (broker.signed(wrong), "InvalidSignatureException"),
        (unsigned, "MissingAuthenticationTokenException"),
    ] {
        let (answer, records) = trail(&kit, || caller.call(Operation::GetSecretValue, &body));
        assert_eq!(code(&answer), error);
        has(
            single(&records),
            &[
                ("/eventName", json!("GetSecretValue")),
                ("/errorCode", json!(error)),
                ("/requestID", request_id(&answer)),
                ("/userIdentity", json!({ "type": "Unknown" })),
                ("/requestParameters", Value::Null),
            ],
        );
    }
    for (head, text) in [
        ("GET /", "UnknownOperationException"),
        ("POST /other", "UnknownOperationException"),
        ("POST /", "UnknownOperationException"),
    ] {
        let ((status, answer), records) = trail(&kit, || raw(&broker, head, &body.to_string()));
        assert_eq!(status, 400, "{answer}");
        assert!(answer.contains(text), "{answer}");
        has(single(&records), &[("/errorCode", json!(text)), ("/eventName", json!("UnknownOperation"))]);
    }
    let large = format!("{}{}", body["SecretId"].as_str().unwrap(), "x".repeat(2 << 20));
    let ((status, answer), records) = trail(&kit, || raw(&broker, "POST /", &large));
    assert_eq!(status, 413, "{answer}");
    has(single(&records), &[("/errorCode", json!("RequestEntityTooLargeException"))]);
    kit.audit_intact();
}

#[test]
fn a_launch_can_be_traced_by_its_task() {
    let (kit, broker) = started();
    let value = kit.canary("launch");
    let arn = broker.root().create("own/db", &value);
    let ann = broker.user("ann");
    let task = "0123456789abcdef0123456789abcdef";
    let (session, records) = trail(&kit, || ann.session("app", task).unwrap());
    let [pass, assume] = &records[..] else { panic!("{records:#?}") };
    let role = format!("arn:aws:iam::{ACCOUNT}:role/app");
    has(
        pass,
        &[
            ("/eventName", json!("CreateTaskSession")),
            ("/sealdock/policy/action", json!("iam:PassRole")),
            ("/resources/0/ARN", json!(role)),
        ],
    );
    has(
        assume,
        &[
            ("/eventSource", json!("sts.amazonaws.com")),
            ("/eventName", json!("AssumeRole")),
            ("/requestID", pass["requestID"].clone()),
            ("/sealdock/policy/action", json!("sts:AssumeRole")),
        ],
    );
    let session_id = session.access_key_id.clone();
    let task_caller = broker.signed(session);
    let (read, records) = trail(&kit, || task_caller.get("own/db"));
    let version = read.unwrap()["VersionId"].as_str().unwrap().to_owned();
    has(
        single(&records),
        &[
            ("/userIdentity/type", json!("AssumedRole")),
            ("/userIdentity/arn", json!(format!("arn:aws:sts::{ACCOUNT}:assumed-role/app/{task}"))),
            ("/userIdentity/accessKeyId", json!(session_id)),
            ("/userIdentity/sessionContext/sessionIssuer/arn", json!(role)),
            ("/userIdentity/sessionContext/sessionIssuer/userName", json!("app")),
        ],
    );
    let injections = json!({
        "TaskId": task, "Family": "shop", "ContainerName": "web", "ContainerId": "c".repeat(64), "Delivery": "runtime",
        "Injections": [{
            "Name": "DB", "Target": "ENVIRONMENT", "ValueFrom": arn, "Arn": arn, "VersionId": version,
        }],
    });
    let (answer, records) = trail(&kit, || ann.call(Operation::RecordInjections, &injections));
    answer.unwrap();
    has(
        single(&records),
        &[
            ("/requestParameters/taskId", json!(task)),
            ("/requestParameters/containerName", json!("web")),
            ("/requestParameters/injections/0/name", json!("DB")),
            ("/requestParameters/injections/0/arn", json!(arn)),
            ("/requestParameters/injections/0/versionId", json!(version)),
        ],
    );
    let bindings = ann.call(Operation::ListBindings, &json!({ "ContainerId": "c".repeat(64) })).unwrap();
    assert_eq!(bindings["Bindings"][0]["VersionId"], version, "{bindings}");

    let found = kit.run(&["audit", "search", "--data", kit.data(), "--task", task, "--json"]);
    let names: Vec<String> = found
        .out
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["eventName"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        names,
        ["RecordInjections", "GetSecretValue", "AssumeRole", "CreateTaskSession"],
        "newest first"
    );
    let other = kit.run(&["audit", "search", "--data", kit.data(), "--task", "another"]);
    assert_eq!((other.code, other.out.as_str()), (Some(0), ""));
    let denied =
        kit.run(&["audit", "search", "--data", kit.data(), "--event", "GetSecretValue", "--resource", &arn]);
    assert_eq!(denied.out.lines().count(), 1, "{denied:#?}");
}

#[test]
fn the_log_begins_and_ends_with_the_broker() {
    let (kit, broker) = started();
    assert!(broker.stop().success());
    let records = kit.audit(0);
    let names: Vec<_> = records.iter().map(|r| r["eventName"].as_str().unwrap()).collect();
    assert_eq!(names, ["StartBroker", "StopBroker"]);
    has(
        &records[0],
        &[("/eventType", json!("AwsServiceEvent")), ("/userIdentity/invokedBy", json!("sealdock"))],
    );
    assert_eq!(kit.audit_intact(), 2);
}
