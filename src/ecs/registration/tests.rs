//! What ECS refuses to register, in its words, and what it takes.

use crate::diagnostic::{Diagnostic, Severity};
use crate::ecs::definition::{TaskDefinition, parse};
use serde_json::{Value, json};

/// A task of containers `app` and `side`, with these fields.
fn task(fields: Value, app: Value, side: Value) -> Value {
    let with = |name: &str, fields: Value| {
        let mut container = json!({"name": name, "image": "i", "memory": 64});
        container.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        container
    };
    let mut task = json!({"family": "f", "containerDefinitions": [with("app", app), with("side", side)]});
    task.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    task
}

fn read(task: &Value) -> Result<TaskDefinition, Vec<Diagnostic>> {
    parse(&serde_json::to_string_pretty(task).unwrap())
}

fn errors(task: &Value) -> Vec<String> {
    match read(task) {
        Ok(_) => Vec::new(),
        Err(found) => {
            found.into_iter().filter(|d| d.severity == Severity::Error).map(|d| d.message).collect()
        }
    }
}

const FARGATE: &str = r#"{"requiresCompatibilities": ["FARGATE"], "networkMode": "awsvpc", "cpu": "256",
    "memory": "512", "executionRoleArn": "arn:aws:iam::111122223333:role/exec"}"#;

/// A task for Fargate with these fields.
fn fargate(fields: Value, app: Value) -> Value {
    let mut all: Value = serde_json::from_str(FARGATE).unwrap();
    all.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    task(all, app, json!({}))
}

#[test]
fn it_speaks_as_ecs_does() {
    let none = || json!({});
    for (task, message) in [
        (
            task(none(), json!({"name": "side"}), none()),
            "Container names must be unique within a Task Definition.",
        ),
        (
            task(none(), json!({"essential": false}), json!({"essential": false})),
            "Task definition doesn't have any essential container.",
        ),
        (
            task(json!({"memory": "32", "cpu": "256"}), none(), json!({"memory": 16})),
            "The 'memory' setting for container 'app' is greater than for the task.",
        ),
        (
            task(json!({"cpu": "256"}), json!({"cpu": 200}), json!({"cpu": 57})),
            "The sum of all container 'cpu' values cannot be greater than the value of the task 'cpu'.",
        ),
        (
            task(json!({"memory": "99"}), json!({"memoryReservation": 50}), json!({"memoryReservation": 50})),
            "The sum of all container 'memoryReservation' values cannot be greater than the value of the task 'memory'.",
        ),
        (
            task(none(), json!({"dependsOn": [{"containerName": "side", "condition": "SUCCESS"}]}), none()),
            "A dependency container with SUCCESS or COMPLETE condition cannot be an essential container",
        ),
        (
            task(
                json!({"networkMode": "awsvpc"}),
                json!({"portMappings": [{"containerPort": 80, "hostPort": 8080}]}),
                none(),
            ),
            "When networkMode=awsvpc, the host ports and container ports in port mappings must match.",
        ),
        (
            task(
                none(),
                json!({"portMappings": [{"containerPort": 80, "hostPort": 3000}]}),
                json!({"portMappings": [{"containerPort": 81, "hostPort": 3000}]}),
            ),
            "TCP host port '3000' is mapped multiple times in task.",
        ),
        (
            task(json!({"networkMode": "awsvpc"}), json!({"hostname": "h"}), none()),
            "hostname is not supported on container when networkMode=awsvpc.",
        ),
        (
            task(
                json!({"networkMode": "awsvpc"}),
                json!({"extraHosts": [{"hostname": "h", "ipAddress": "10.0.0.1"}]}),
                none(),
            ),
            "Extra hosts are not supported on container when networkMode=awsvpc.",
        ),
        (
            task(none(), json!({"repositoryCredentials": {"credentialsParameter": "c"}}), none()),
            "Private repository authentication requires that the task definition specify a value for executionRoleArn.",
        ),
        (task(json!({"cpu": ""}), none(), none()), "Invalid 'cpu' setting for task."),
    ] {
        assert_eq!(errors(&task), [message], "{task:#}");
    }
    assert_eq!(errors(&task(json!({"networkMode": "bridge"}), json!({"hostname": "h"}), none())), [""; 0]);
    let full = task(json!({"cpu": "256", "memory": "128"}), json!({"cpu": 200}), json!({"cpu": 56}));
    assert_eq!(errors(&full), [""; 0]);
}

#[test]
fn fargate_takes_less() {
    let none = || json!({});
    let ecr = "111122223333.dkr.ecr.eu-west-1.amazonaws.com/app:1";
    let awslogs = json!({"logDriver": "awslogs", "options": {"awslogs-group": "g", "awslogs-region": "r"}});
    for (task, message) in [
        (fargate(json!({"networkMode": "bridge"}), none()), "Fargate only supports network mode ‘awsvpc’."),
        (fargate(json!({"cpu": null}), none()), "Fargate requires that 'cpu' be defined at the task level."),
        (
            fargate(json!({"memory": null}), none()),
            "Fargate requires that 'memory' be defined at the task level.",
        ),
        (
            fargate(json!({"cpu": "512", "memory": "512"}), none()),
            "No Fargate configuration exists for given values: 512 CPU, 512 memory. See the Amazon ECS documentation for the valid values.",
        ),
        (
            fargate(json!({"ipcMode": "task"}), none()),
            "Tasks using the Fargate launch type do not support ipcMode.",
        ),
        (
            fargate(json!({"pidMode": "host"}), none()),
            "Tasks using the Fargate launch type do not support pidMode 'host'. The supported value for pidMode is 'task'.",
        ),
        (
            fargate(json!({"volumes": [{"name": "v", "host": {"sourcePath": "/srv"}}]}), none()),
            "Fargate compatible task definitions do not support sourcePath",
        ),
        (
            fargate(json!({"executionRoleArn": null}), json!({"image": ecr})),
            "Fargate requires task definition to have execution role ARN to support ECR images.",
        ),
        (
            fargate(json!({"executionRoleArn": null}), json!({"logConfiguration": awslogs})),
            "Fargate requires task definition to have execution role ARN to support log driver awslogs.",
        ),
        (
            fargate(none(), json!({"privileged": true})),
            "Fargate compatible task definitions do not support privileged",
        ),
        (
            fargate(none(), json!({"logConfiguration": {"logDriver": "json-file"}})),
            "Fargate compatible task definitions do not support the log driver json-file",
        ),
    ] {
        assert_eq!(errors(&task), [message], "{task:#}");
        let mut elsewhere = task.clone();
        elsewhere["requiresCompatibilities"] = json!(["EC2"]);
        assert_eq!(errors(&elsewhere), [""; 0], "{elsewhere:#}");
    }
    for (cpu, memory) in [
        ("256", "2 GB"),
        (".25 vcpu", "1024"),
        ("1 vCPU", "8GB"),
        ("4096", "30720"),
        ("8192", "20480"),
        ("16 vCPU", "120 GB"),
    ] {
        assert_eq!(
            errors(&fargate(json!({"cpu": cpu, "memory": memory}), none())),
            [""; 0],
            "{cpu} {memory}"
        );
    }
    for (cpu, memory) in [("256", "1536"), ("300", "512"), ("512", "5120"), ("8192", "17408")] {
        assert_eq!(
            errors(&fargate(json!({"cpu": cpu, "memory": memory}), none())).len(),
            1,
            "{cpu} {memory}"
        );
    }
}

#[test]
fn a_field_without_effect_is_read_all_the_same() {
    for (field, value) in [
        ("requiresCompatibilities", json!(["FARGAT"])),
        ("ephemeralStorage", json!({"sizeInGiB": 20})),
        ("ephemeralStorage", json!({})),
        ("runtimePlatform", json!({"cpuArchitecture": "ARM"})),
        ("runtimePlatform", json!({"cpu": "X86_64"})),
        ("proxyConfiguration", json!({"type": "APPMESH"})),
        ("placementConstraints", json!([{"type": "memberof!"}])),
        ("tags", json!([{"name": "a", "value": "b"}])),
        ("inferenceAccelerators", json!([{"deviceName": "a"}])),
        ("enableFaultInjection", json!("maybe")),
        ("trustedExecutionConfiguration", json!({"isolationMode": "NONE"})),
    ] {
        assert_eq!(errors(&task(json!({ field: value }), json!({}), json!({}))).len(), 1, "{field}");
    }
    for (field, value) in [
        ("versionConsistency", json!("always")),
        ("credentialSpecs", json!([{}])),
        ("portMappings", json!([{"containerPort": 80, "appProtocol": "https"}])),
        ("resourceRequirements", json!([{"type": "GPU", "value": "two"}])),
        ("resourceRequirements", json!([{"type": "GPU"}])),
    ] {
        assert_eq!(errors(&task(json!({}), json!({ field: value }), json!({}))).len(), 1, "{field}");
    }
    let volume = |more: Value| {
        let mut efs = json!({"fileSystemId": "fs-1"});
        efs.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let volumes = json!([{"name": "v", "efsVolumeConfiguration": efs}]);
        errors(&task(json!({ "volumes": volumes }), json!({}), json!({}))).len()
    };
    assert_eq!(volume(json!({"transitEncryption": "ENABLED", "authorizationConfig": {"iam": "ENABLED"}})), 0);
    assert_eq!(volume(json!({"transitEncryption": "YES"})), 1);
    assert_eq!(volume(json!({"authorizationConfig": {"iamRole": "x"}})), 1);
}

#[test]
fn what_is_the_same_everywhere_is_said_once() {
    let ports =
        json!({"portMappings": [{"containerPort": 80, "name": "a"}, {"containerPort": 81, "name": "b"}]});
    let found = read(&task(
        json!({}),
        ports,
        json!({"versionConsistency": "", "portMappings": [{"containerPort": 82, "name": "c"}]}),
    ));
    let notes = found.unwrap().warnings;
    let texts: Vec<&str> = notes.iter().map(|n| n.message.as_str()).collect();
    assert_eq!(
        texts,
        [
            "a port mapping: `name` has no effect on one host",
            "container `side`: `versionConsistency` is an empty text, which is read as left out"
        ]
    );
    assert_eq!(notes[0].related.len(), 2);
    let unfilled = task(
        json!({"taskRoleArn": "arn:aws:iam::${A}:role/x"}),
        json!({"image": "${A}/x"}),
        json!({"image": "${B}"}),
    );
    assert_eq!(errors(&unfilled).len(), 2);
}

#[test]
fn a_role_may_be_named_where_its_account_is_known() {
    let secret = |arn: &str| json!({"secrets": [{"name": "S", "valueFrom": arn}]});
    let role = |app: Value| read(&task(json!({"executionRoleArn": "exec"}), app, json!({})));
    assert_eq!(role(json!({})).unwrap().execution_role, None);
    let found = role(secret("arn:aws:secretsmanager:eu-west-1:111122223333:secret:n")).unwrap();
    assert_eq!(found.execution_role.unwrap().value.to_string(), "arn:aws:iam::111122223333:role/exec");
    let unknown = role(secret("/p")).unwrap_err();
    assert!(unknown[0].help.as_ref().unwrap().contains("--set AWS::AccountId="), "{unknown:?}");
}
