//! `ResolveInjections`: one request for all references of a container, decided and recorded as many.

use crate::kit::{ACCOUNT, Broker, Kit, allow, code, deny, role, role_arn, user};
use sealdock::protocol::Operation;
use serde_json::{Value, json};

const CONTAINER: &str = "c0ffee";
const TASK: &str = "0123456789abcdef";

fn started() -> (Kit, Broker) {
    let kit = Kit::new();
    let launcher = json!([allow("iam:PassRole", &role_arn("app")), allow("sealdock:*", "*")]);
    let reads = json!([
        allow("secretsmanager:GetSecretValue", "*"),
        allow("ssm:GetParameters", "*"),
        deny("secretsmanager:GetSecretValue", "arn:aws:secretsmanager:*:*:secret:closed-*"),
    ]);
    kit.account(
        &[user("ann", launcher), user("bob", json!([allow("sealdock:*", "*")]))],
        &[
            role("app", "ecs-tasks.amazonaws.com", reads),
            role("lambda", "lambda.amazonaws.com", json!([allow("ssm:GetParameters", "*")])),
        ],
    );
    let broker = kit.start();
    (kit, broker)
}

fn request(role: &str, references: &[(&str, &str)]) -> Value {
    let references: Vec<_> =
        references.iter().map(|(name, from)| json!({ "Name": name, "ValueFrom": from })).collect();
    json!({ "RoleArn": role_arn(role), "TaskId": TASK, "Family": "web", "ContainerId": CONTAINER, "References": references })
}

fn names(records: &[Value]) -> Vec<&str> {
    records.iter().map(|r| r["eventName"].as_str().unwrap()).collect()
}

#[test]
fn every_reference_is_decided_and_recorded_by_itself() {
    let (kit, broker) = started();
    let (first, second, parameter) = (kit.canary("one"), kit.canary("two"), kit.canary("p"));
    let arn = broker.root().create("db", &json!({ "user": first, "password": second }).to_string());
    let put = json!({ "Name": "/p", "Type": "SecureString", "Value": parameter });
    broker.root().call(Operation::PutParameter, &put).unwrap();
    let ann = broker.user("ann");
    let before = kit.audit(0).len();
    let wanted = [("U", format!("{arn}:user::")), ("P", format!("{arn}:password::")), ("T", "/p".to_owned())];
    let wanted: Vec<(&str, &str)> = wanted.iter().map(|(name, from)| (*name, from.as_str())).collect();
    let answer = ann.call(Operation::ResolveInjections, &request("app", &wanted)).unwrap();
    let values: Vec<&str> =
        answer["Values"].as_array().unwrap().iter().map(|v| v["Value"].as_str().unwrap()).collect();
    assert_eq!(values, [first.as_str(), second.as_str(), parameter.as_str()]);
    assert_eq!(answer["Failures"], json!([]));

    let records = kit.audit(before);
    assert_eq!(names(&records), ["ResolveInjections", "AssumeRole", "GetSecretValue", "GetParameters"]);
    let [whole, assumed, secret, parameters] = &records[..] else { panic!() };
    assert_eq!(whole["sealdock"]["policy"]["action"], "iam:PassRole");
    assert_eq!(whole["requestParameters"]["references"][1]["name"], "P");
    assert_eq!(assumed["sealdock"]["policy"]["action"], "sts:AssumeRole");
    let session = json!(format!("arn:aws:sts::{ACCOUNT}:assumed-role/app/{TASK}"));
    for read in [secret, parameters] {
        assert_eq!((&read["userIdentity"]["arn"], &read["requestID"]), (&session, &whole["requestID"]));
        assert_eq!(
            read["userIdentity"]["accessKeyId"],
            assumed["responseElements"]["credentials"]["accessKeyId"]
        );
        assert_eq!(read["readOnly"], true);
    }
    assert_eq!(
        (&secret["eventSource"], &secret["resources"][0]["ARN"]),
        (&json!("secretsmanager.amazonaws.com"), &json!(arn))
    );
    assert_eq!(parameters["requestParameters"]["names"], json!(["/p"]));
    let found = kit.run(&["audit", "search", "--data", kit.data(), "--task", TASK]);
    assert_eq!(found.out.lines().count(), 4, "{}", found.out);
    kit.audit_intact();
}

#[test]
fn all_or_nothing_and_no_more_than_the_role_may() {
    let (kit, broker) = started();
    let value = kit.canary("value");
    broker.root().create("closed", &value);
    let open = broker.root().create("open", &value);
    let ann = broker.user("ann");
    let secret = |name: &str| format!("arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:{name}");
    let (closed, absent) = (secret("closed"), secret("absent"));
    let wanted = [("OPEN", open.as_str()), ("CLOSED", &closed), ("ABSENT", &absent), ("T", "/absent")];
    let before = kit.audit(0).len();
    let answer = ann.call(Operation::ResolveInjections, &request("app", &wanted)).unwrap();
    assert_eq!(answer["Values"], json!([]), "a value beside failures");
    let failures = answer["Failures"].as_array().unwrap();
    let reason = |name: &str| {
        let failure = failures.iter().find(|f| f["Name"] == name).unwrap_or_else(|| panic!("{failures:?}"));
        failure["Reason"].as_str().unwrap().to_owned()
    };
    assert_eq!(failures.len(), 3, "{failures:?}");
    assert!(reason("CLOSED").contains("AccessDeniedException"), "{}", reason("CLOSED"));
    assert!(reason("ABSENT").contains("ResourceNotFoundException"), "{}", reason("ABSENT"));
    assert!(reason("T").contains("invalid parameters: /absent"), "{}", reason("T"));
    let records = kit.audit(before);
    let codes: Vec<_> = records.iter().filter_map(|r| r["errorCode"].as_str()).collect();
    assert!(codes.contains(&"AccessDenied") && codes.contains(&"ResourceNotFoundException"), "{codes:?}");

    // The role is decided before anything is read.
    for (caller, role, code_of) in
        [("bob", "app", "AccessDeniedException"), ("ann", "lambda", "AccessDeniedException")]
    {
        let before = kit.audit(0).len();
        let answer = broker.user(caller).call(Operation::ResolveInjections, &request(role, &[("O", &open)]));
        assert_eq!(code(&answer), code_of, "{caller} {role}");
        let records = kit.audit(before);
        assert!(!names(&records).contains(&"GetSecretValue"), "{caller} {role}: {records:#?}");
        assert!(records.iter().any(|r| r["errorCode"] == "AccessDenied"), "{records:#?}");
    }
    for (member, wrong) in
        [("Region", json!("mars")), ("References", json!([])), ("RoleArn", json!("nobody"))]
    {
        let mut body = request("app", &[("O", &open)]);
        body[member] = wrong;
        let answer = ann.call(Operation::ResolveInjections, &body);
        assert!(
            ["ValidationException", "InvalidRequestException"].contains(&code(&answer)),
            "{member}: {answer:?}"
        );
    }
    let answer = ann.call(Operation::ResolveInjections, &request("app", &[("O", "arn:aws:s3:::x")]));
    assert_eq!(code(&answer), "InvalidRequestException");
    kit.audit_intact();
}

#[test]
fn what_is_bound_to_a_container_stays() {
    let (kit, broker) = started();
    let (old, new) = (kit.canary("old"), kit.canary("new"));
    let arn = broker.root().create("db", &old);
    let ann = broker.user("ann");
    let ask = |container: &str| {
        let mut body = request("app", &[("DB", arn.as_str())]);
        body["ContainerId"] = json!(container);
        let answer = ann.call(Operation::ResolveInjections, &body).unwrap();
        let found = &answer["Values"][0];
        (found["Value"].as_str().unwrap().to_owned(), found["VersionId"].clone())
    };
    let (value, version) = ask(CONTAINER);
    assert_eq!(value, old);
    let record = json!({
        "TaskId": TASK, "Family": "web", "ContainerName": "app", "ContainerId": CONTAINER, "Delivery": "runtime",
        "Injections": [{"Name": "DB", "Target": "ENVIRONMENT", "ValueFrom": arn, "Arn": arn, "VersionId": version}],
    });
    ann.call(Operation::RecordInjections, &record).unwrap();
    broker.root().call(Operation::PutSecretValue, &json!({ "SecretId": arn, "SecretString": new })).unwrap();
    assert_eq!(ask(CONTAINER), (old, version));
    assert_eq!(ask("another").0, new);
}
