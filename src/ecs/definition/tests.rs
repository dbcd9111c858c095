//! What is read, refused and remarked on; the rules about secrets are in the
//! vectors of the integration tests.

use super::*;
use crate::diagnostic::{Diagnostic, Severity, render_all};
use serde_json::{Value, json};

fn read(definition: &Value) -> Result<TaskDefinition, Vec<Diagnostic>> {
    parse(&serde_json::to_string_pretty(definition).unwrap())
}

/// A task of one container with these fields.
fn with(container: Value) -> Value {
    let mut app = json!({"name": "app", "image": "app", "memory": 64});
    app.as_object_mut().unwrap().extend(container.as_object().unwrap().clone());
    json!({"family": "f", "containerDefinitions": [app]})
}

/// A task of a container `app` and these fields.
fn task(fields: Value) -> Value {
    let mut task = with(json!({}));
    task.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    task
}

fn codes(found: &[Diagnostic], severity: Severity) -> Vec<&str> {
    found.iter().filter(|d| d.severity == severity).map(|d| d.code).collect()
}

#[track_caller]
fn refused(definition: &Value, expected: &[&str]) -> Vec<Diagnostic> {
    let found = read(definition).expect_err("is accepted");
    assert_eq!(codes(&found, Severity::Error), expected, "{found:#?}");
    found
}

#[track_caller]
fn warned(definition: &Value, expected: &[&str]) -> TaskDefinition {
    let task = read(definition).expect("is refused");
    assert_eq!(codes(&task.warnings, Severity::Warning), expected, "{:#?}", task.warnings);
    task
}

#[track_caller]
fn noted(definition: &Value, expected: &[&str]) {
    let task = read(definition).expect("is refused");
    assert_eq!(codes(&task.warnings, Severity::Note), expected, "{:#?}", task.warnings);
    assert_eq!(task.warnings.len(), expected.len());
}

#[test]
fn the_output_of_describe_task_definition_is_a_definition() {
    let text = r#"{
    "taskDefinition": {
        "taskDefinitionArn": "arn:aws:ecs:us-east-1:111122223333:task-definition/web:7",
        "family": "web", "revision": 7, "status": "ACTIVE", "registeredAt": 1.5e9,
        "registeredBy": "arn:aws:iam::111122223333:root", "compatibilities": ["EC2"],
        "requiresAttributes": [{"name": "x"}], "placementConstraints": [], "volumes": [],
        "networkMode": "bridge", "cpu": "1 vCPU", "memory": "0.5GB",
        "executionRoleArn": "arn:aws:iam::111122223333:role/path/exec",
        "containerDefinitions": [{
            "name": "web", "image": "nginx:1", "cpu": 0, "links": [], "volumesFrom": [],
            "environmentFiles": [], "mountPoints": [], "systemControls": [], "essential": true,
            "portMappings": [{"containerPort": 80, "hostPort": 0, "protocol": "tcp"}],
            "restartPolicy": {"enabled": false}, "command": [], "entryPoint": null,
            "secrets": [{"name": "K", "valueFrom": "/a/b"}],
            "ulimits": [{"name": "nofile", "softLimit": 1024, "hardLimit": 4096}],
            "linuxParameters": {
                "capabilities": {"drop": ["ALL"]}, "initProcessEnabled": true,
                "tmpfs": [{"containerPath": "/tmp", "size": 8}],
                "devices": [{"hostPath": "/dev/fuse", "permissions": ["mknod", "read"]}]
            },
            "healthCheck": {"command": ["CMD", "true"], "startPeriod": 0}
        }]
    },
    "tags": []
}"#;
    let task = parse(text).expect("is refused");
    assert!(task.warnings.is_empty(), "{:#?}", task.warnings);
    assert_eq!((task.cpu, task.memory_mib), (Some(1024), Some(512)));
    let web = &task.containers[0].settings;
    assert_eq!((web.command.clone(), web.ports[0].host_port), (None, None));
    let device = &web.linux.devices[0];
    assert_eq!((device.container_path.as_str(), device.permissions.as_str()), ("/dev/fuse", "rm"));
    let check = web.health_check.as_ref().unwrap();
    assert_eq!((check.interval_seconds, check.start_period_seconds), (30, Some(0)));
}

#[test]
fn every_mistake_is_reported_with_its_place() {
    let text = r#"{
  "family": "my app",
  "familly": "x",
  "containerDefinitions": [
    {"name": "a", "image": "i", "memory": "64", "essential": "yes", "cpu": 1, "cpu": 2},
    {"name": "a", "memory": 4, "portMappings": [{"containerPort": 70000}], "dependsOn": [{"containerName": "b"}]}
  ]
}"#;
    let found = parse(text).unwrap_err();
    let shown = render_all(&found, "task.json", text);
    let expected = [
        "error[ECS0112]: Family contains invalid characters.\n --> task.json:2:13",
        "error[ECS0002]: task definition: unknown field `familly`\n --> task.json:3:3",
        "help: did you mean `family`?",
        "note[ECS0010]: container `a`: `memory` is a string where the API takes a number of MiB\n --> task.json:5:43",
        "error[ECS0001]: container `a`: `essential` must be true or false, not a string",
        "error[ECS0003]: container `a`: `cpu` is given twice",
        "error[ECS0004]: container `a`: `image` is missing",
        "error[ECS0104]: Container names must be unique within a Task Definition.",
        "error[ECS0106]: Invalid 'memory' setting for container 'a'.",
        "error[ECS0008]: container `a`: a port mapping: `containerPort` must be between 1 and 65535",
        "error[ECS0004]: container `a`: dependsOn: `condition` is missing",
    ];
    for part in expected {
        assert!(shown.contains(part), "{part}\n\n{shown}");
    }
    assert_eq!(found.len(), expected.len() - 1, "{shown}");
}

#[test]
fn what_one_linux_host_cannot_be_is_refused() {
    let windows = json!({"runtimePlatform": {"operatingSystemFamily": "WINDOWS_SERVER_2022_CORE"}});
    refused(&task(windows), &["ECS0005"]);
}

#[test]
fn what_has_no_effect_is_noted() {
    for (field, value) in [
        ("placementConstraints", json!([{"type": "memberOf", "expression": "x"}])),
        ("requiresCompatibilities", json!(["EC2", "EXTERNAL", "MANAGED_INSTANCES"])),
        ("tags", json!([{"key": "a", "value": "b"}])),
        ("ephemeralStorage", json!({"sizeInGiB": 21})),
        ("runtimePlatform", json!({"operatingSystemFamily": "LINUX", "cpuArchitecture": "ARM64"})),
        ("proxyConfiguration", json!({"containerName": "envoy", "type": "APPMESH"})),
        ("inferenceAccelerators", json!([{"deviceName": "x", "deviceType": "eia2.medium"}])),
        ("enableFaultInjection", json!(true)),
        ("trustedExecutionConfiguration", json!({"isolationMode": "SHARED"})),
    ] {
        noted(&task(json!({ field: value })), &["ECS0006"]);
    }
    noted(&with(json!({"credentialSpecs": ["x"], "versionConsistency": "enabled"})), &["ECS0006", "ECS0006"]);
    noted(&task(json!({"taskRoleArn": "app"})), &[]);
}

#[test]
fn other_types_and_spellings_are_understood() {
    let odd = json!({
        "memory": "0.5GB", "cpu": "10", "essential": "true", "command": [1, true], "dockerLabels": {"n": 1},
        "environment": {"A": 1, "B": "x"}, "secrets": {"S": "/s"}, "healthCheck": {"command": ["cmd", "true"], "interval": "30"},
        "logConfiguration": {"logDriver": "JSON-FILE", "options": {"max-file": 3}},
        "portMappings": [{"containerPort": "80", "protocol": "TCP"}],
    });
    let mut odd = with(odd);
    odd["executionRoleArn"] = json!("arn:aws:iam::111122223333:role/exec");
    odd["containerDefinitions"][0]["healthCheck"]["command"][0] = json!("CMD");
    odd["containerDefinitions"][0]["logConfiguration"]["logDriver"] = json!("json-file");
    let task = read(&odd).unwrap();
    let app = &task.containers[0];
    assert_eq!((app.settings.memory_mib, app.settings.cpu), (Some(512), Some(10)));
    assert_eq!(app.settings.command.as_ref().unwrap(), &["1", "true"]);
    assert_eq!(
        app.environment.iter().map(|(n, v)| (n.value.as_str(), v.as_str())).collect::<Vec<_>>(),
        [("A", "1"), ("B", "x")]
    );
    assert_eq!((app.secrets[0].name.as_str(), app.secrets[0].text.as_str()), ("S", "/s"));
    assert!(
        task.warnings.iter().all(|d| d.severity == Severity::Note && d.code == "ECS0010"),
        "{:#?}",
        task.warnings
    );
    assert!(task.warnings.len() > 8);
    let lines = with(json!({"environment": ["A=1=2", {"name": "B", "value": 5}, {"name": "C"}]}));
    let pairs: Vec<_> = read(&lines).unwrap().containers[0]
        .environment
        .iter()
        .map(|(n, v)| format!("{}={v}", n.value))
        .collect();
    assert_eq!(pairs, ["A=1=2", "B=5", "C="]);
    for (field, value, help) in [
        ("command", json!("npm start"), r#"`["npm", "start"]`"#),
        ("portMappings", json!({"containerPort": 1}), "[{...}]"),
    ] {
        let found = refused(&with(json!({ field: value })), &["ECS0001"]);
        assert!(found[0].help.as_ref().unwrap().contains(help), "{found:?}");
    }
}

#[test]
fn a_field_at_another_level_is_told_where_it_belongs() {
    for (definition, help) in [
        (with(json!({"networkMode": "awsvpc"})), "beside `containerDefinitions`"),
        (task(json!({"portMappings": []})), "in an entry of `containerDefinitions`"),
        (with(json!({"tmpfs": []})), "in `linuxParameters`"),
        (with(json!({"logDriver": "awslogs"})), "in `logConfiguration`"),
        (with(json!({"linuxParameters": {"environment": []}})), "in an entry of `containerDefinitions`"),
    ] {
        let found = refused(&definition, &["ECS0002"]);
        assert!(found[0].help.as_ref().unwrap().contains(help), "{found:?}");
    }
}

#[test]
fn containers_refer_to_each_other() {
    let pair = |fields: Value, mode: &str| {
        let mut app = json!({"name": "app", "image": "i", "memory": 64});
        app.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        json!({"family": "f", "networkMode": mode, "containerDefinitions": [app, {"name": "db", "image": "i", "memory": 64}]})
    };
    let plan = read(&pair(
        json!({"links": ["db:database"], "volumesFrom": [{"sourceContainer": "db", "readOnly": true}]}),
        "bridge",
    ));
    let plan = plan.unwrap().plan().unwrap();
    assert_eq!((plan.containers[0].name.as_str(), plan.containers[1].position), ("db", 0));
    assert_eq!(plan.containers[1].links, [("db".to_owned(), "database".to_owned())]);
    assert_eq!(plan.containers[1].volumes_from, [("db".to_owned(), true)]);
    assert_eq!(plan.containers[1].depends_on, [("db".to_owned(), Condition::Start)]);
    let found = refused(&pair(json!({"links": ["bd"]}), "bridge"), &["ECS0107"]);
    assert_eq!(found[0].message, "container `app`: Link target not available: bd");
    refused(&pair(json!({"volumesFrom": [{"sourceContainer": "x"}]}), "bridge"), &["ECS0107"]);
    refused(&pair(json!({"links": ["a:b:c"]}), "bridge"), &["ECS0009"]);
    refused(&pair(json!({"links": ["db"]}), "awsvpc"), &["ECS0114"]);
    let circle = json!({"links": ["db"], "dependsOn": []});
    let mut circle = pair(circle, "bridge");
    circle["containerDefinitions"][1]["volumesFrom"] = json!([{"sourceContainer": "app"}]);
    refused(&circle, &["ECS0108", "ECS0108"]);
}

#[test]
fn restarts_files_ranges_and_accelerators() {
    let policy = |policy: Value| with(json!({"restartPolicy": policy}));
    let read_policy = |p: Value| read(&policy(p)).unwrap().containers[0].settings.restart.clone();
    assert_eq!(
        read_policy(json!({"enabled": true, "ignoredExitCodes": [0, 3]})),
        Some(RestartPolicy { ignored_exit_codes: vec![0, 3], attempt_period_seconds: 300 })
    );
    assert_eq!(read_policy(json!({"enabled": false, "restartAttemptPeriod": 60})), None);
    refused(&policy(json!({"enabled": true, "restartAttemptPeriod": 59})), &["ECS0008"]);
    refused(&policy(json!({})), &["ECS0004"]);
    refused(&policy(json!({"enabled": true, "ignoredExitCodes": vec![1; 51]})), &["ECS0112"]);

    let files = |arn: &str| with(json!({"environmentFiles": [{"value": arn, "type": "s3"}]}));
    assert_eq!(
        read(&files("arn:aws:s3:::b/a.env")).unwrap().containers[0].environment_files[0].value,
        "arn:aws:s3:::b/a.env"
    );
    refused(&files("arn:aws:s3:::b/a.txt"), &["ECS0009"]);
    refused(&files("s3://b/a.env"), &["ECS0009"]);

    let range = |text: &str| with(json!({"portMappings": [{"containerPortRange": text}]}));
    assert_eq!(
        read(&range("80-82")).unwrap().containers[0].settings.ports[0].ports,
        PortRange { first: 80, last: 82 }
    );
    refused(&range("82-80"), &["ECS0009"]);
    let gpu = with(json!({"resourceRequirements": [{"type": "GPU", "value": "2"}]}));
    assert_eq!(read(&gpu).unwrap().containers[0].settings.gpus, 2);
    let files = json!([{"name": "v", "efsVolumeConfiguration": {"fileSystemId": "fs-1", "rootDirectory": "/a",
        "transitEncryption": "ENABLED", "authorizationConfig": {"accessPointId": "fsap-1", "iam": "ENABLED"}}}]);
    let task = read(&task(json!({"volumes": files}))).unwrap();
    assert!(
        matches!(&task.volumes[0].source, VolumeSource::FileSystem { id, root, .. } if id == "fs-1" && root == "/a")
    );
}

#[test]
fn amounts_are_whole_units() {
    for (cpu, units) in [(".25 vCPU", 256), ("256", 256), ("2vcpu", 2048), ("0.5 VCPU", 512)] {
        assert_eq!(read(&task(json!({"cpu": cpu}))).unwrap().cpu, Some(units), "{cpu}");
    }
    for cpu in ["", "vCPU", "-1 vCPU", "inf vCPU", "1e3 vCPU", "0.0001 vCPU", "99999999999", "1 GB"] {
        refused(&task(json!({"cpu": cpu})), &["ECS0009"]);
    }
}

#[test]
fn memory_must_be_bounded_somewhere() {
    let without = json!({"memory": null});
    let found = refused(&with(without.clone()), &["ECS0106"]);
    assert_eq!(
        found[0].message,
        "Invalid setting for container 'app'. At least one of 'memory' or 'memoryReservation' must be specified."
    );
    let mut bounded = with(without);
    bounded["memory"] = json!("512");
    read(&bounded).unwrap();
    read(&with(json!({"memory": null, "memoryReservation": 6}))).unwrap();
    refused(&with(json!({"memory": 8, "memoryReservation": 9})), &["ECS0106"]);
    bounded["containerDefinitions"][0]["memory"] = json!(513);
    refused(&bounded, &["ECS0106"]);
}

#[test]
fn dependencies_lead_somewhere() {
    let tasks = |essential: bool, condition: &str, name: &str, back: bool| {
        let wait = |other: &str| json!([{"containerName": other, "condition": "START"}]);
        json!({"family": "f", "containerDefinitions": [
            {"name": "app", "image": "i", "memory": 64,
             "dependsOn": [{"containerName": name, "condition": condition}]},
            {"name": "setup", "image": "i", "memory": 64, "essential": essential,
             "dependsOn": if back { wait("app") } else { json!([]) }},
        ]})
    };
    read(&tasks(false, "SUCCESS", "setup", false)).unwrap();
    read(&tasks(true, "START", "setup", false)).unwrap();
    refused(&tasks(true, "COMPLETE", "setup", false), &["ECS0107"]);
    refused(&tasks(true, "HEALTHY", "setup", false), &["ECS0107"]);
    let found = refused(&tasks(true, "START", "setups", false), &["ECS0107"]);
    assert_eq!(found[0].help.as_deref(), Some("did you mean `setup`?"));
    refused(&tasks(true, "START", "setup", true), &["ECS0108", "ECS0108"]);
    read(&tasks(true, "start", "setup", false)).unwrap();
    refused(&tasks(true, "STRAT", "setup", false), &["ECS0009"]);
    refused(&with(json!({"dependsOn": [{"containerName": "app", "condition": "START"}]})), &["ECS0108"]);
    refused(&with(json!({"essential": false})), &["ECS0105"]);
}

#[test]
fn log_drivers_have_their_options() {
    let log = |driver: &str, options: Value| {
        with(json!({"logConfiguration": {"logDriver": driver, "options": options}}))
    };
    let messages = |definition: &Value, codes: &[&str]| -> Vec<String> {
        refused(definition, codes)
            .into_iter()
            .filter(|d| d.severity == Severity::Error)
            .map(|d| d.message)
            .collect()
    };
    assert_eq!(
        messages(&log("splunk", json!({"splunk-url": "u"})), &["ECS0115"]),
        ["Log driver splunk requires options: splunk-token"]
    );
    assert_eq!(
        messages(&log("json-file", json!({"max-sise": "1m", "log_key": "x"})), &["ECS0116", "ECS0116"]),
        [
            "Log driver json-file disallows options: log_key",
            "Log driver json-file disallows options: max-sise"
        ]
    );
    let group = json!({"awslogs-group": "g", "awslogs-region": "r", "awslogs-create-group": "false"});
    assert!(messages(&log("awslogs", group), &["ECS0116"])[0].contains("should only be set to 'true'"));
    refused(&log("jsonfile", json!({})), &["ECS0009"]);
    warned(&log("json-file", json!({"max-size": "1m", "mode": "non-blocking", "tag": "t"})), &[]);
}

#[test]
fn ports_and_volumes_fit_the_task() {
    let port = |host: u16| json!({"portMappings": [{"containerPort": 80, "hostPort": host}]});
    let mut host = with(port(8080));
    host["networkMode"] = json!("host");
    refused(&host, &["ECS0114"]);
    host["networkMode"] = json!("none");
    refused(&host, &["ECS0114"]);
    let twice =
        json!({"portMappings": [{"containerPort": 80, "hostPort": 1}, {"containerPort": 81, "hostPort": 1}]});
    refused(&with(twice), &["ECS0114"]);

    let mut mounted = with(json!({"mountPoints": [{"sourceVolume": "dta", "containerPath": "/d"}]}));
    mounted["volumes"] =
        json!([{"name": "data", "host": {"sourcePath": "/srv"}}, {"name": "tmp", "host": {}}]);
    let found = refused(&mounted, &["ECS0113"]);
    assert_eq!(found[0].message, "Unknown volume 'dta'.");
    mounted["containerDefinitions"][0]["mountPoints"][0]["sourceVolume"] = json!("data");
    let task = read(&mounted).unwrap();
    assert_eq!(task.volumes[0].source, VolumeSource::Host("/srv".into()));
    assert!(matches!(task.volumes[1].source, VolumeSource::Docker { scope: VolumeScope::Task, .. }));
    assert_eq!(task.plan().unwrap().containers[0].mounts[0].volume, 0);
}

#[test]
fn limits_hold() {
    let containers: Vec<Value> =
        (0..11).map(|n| json!({"name": format!("c{n}"), "image": "i", "memory": 64})).collect();
    refused(&json!({"family": "f", "containerDefinitions": containers}), &["ECS0112"]);
    refused(&with(json!({"image": "i".repeat(256)})), &["ECS0112"]);
    refused(&with(json!({"name": "a b"})), &["ECS0112"]);
    refused(&with(json!({"command": ["x".repeat(70_000)]})), &["ECS0112"]);
    refused(&json!({"family": "f"}), &["ECS0004"]);
    refused(&json!([1]), &["ECS0001"]);
    refused(&with(json!({"environment": [{"name": "A=B", "value": "x"}]})), &["ECS0009"]);
    refused(&task(json!({"executionRoleArn": "arn:aws:iam::1:user/x"})), &["ECS0009"]);
    refused(&with(json!({"ulimits": [{"name": "nofile", "softLimit": 9, "hardLimit": 1}]})), &["ECS0008"]);
    refused(&with(json!({"healthCheck": {"command": ["true"]}})), &["ECS0009"]);
    assert_eq!(parse("{").unwrap_err()[0].code, "JSON0001");
}

proptest::proptest! {
    #[test]
    fn no_text_makes_it_panic(
        field in r"[a-zA-Z]{1,20}|secrets|logConfiguration|dependsOn|cpu|image|name|portMappings|ulimits",
        value in r#"null|true|-?[0-9]{1,25}(\.[0-9])?|"\PC{0,9}"|\[(\{\}|1|"x"|\[\]|null),\{"name":1\}\]|\{"a":1,"a":\[\]\}"#,
    ) {
        let app = r#""name":"app","image":"app","memory":64"#;
        let _ = parse(&format!(r#"{{"{field}":{value}}}"#));
        let _ = parse(&format!(r#"{{"family":"f","containerDefinitions":[{{{app},"{field}":{value}}}]}}"#));
        let _ = parse(&format!(r#"{{"family":"f","{field}":{value},"containerDefinitions":[{{{app}}}]}}"#));
    }
}
