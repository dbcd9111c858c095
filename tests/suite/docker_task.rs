//! `sealdock task run` on a real Docker daemon and a real broker.

use crate::bounds::output_of;
use crate::docker_kit::{Broker, Daemon, IMAGE, ROLE, SEALDOCK, sealdock, signal, wait_until};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const CANARY: &str = "CANARY-task-77ab";

struct Setting {
    broker: Broker,
    daemon: Daemon,
    directory: tempfile::TempDir,
    secret: String,
}

impl Setting {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let broker = Broker::start(&directory.path().join("vault"));
        let daemon = Daemon::start(&broker.socket(), &[], &serde_json::json!({}));
        let secret = broker.secret("app/db", &format!(r#"{{"password":"{CANARY}","port":12345678}}"#));
        Self { broker, daemon, directory, secret }
    }

    fn file(&self, containers: &[Value]) -> PathBuf {
        let path = self.directory.path().join("task.json");
        let task = json!({
            "family": "web", "networkMode": "none", "executionRoleArn": ROLE, "containerDefinitions": containers,
        });
        std::fs::write(&path, serde_json::to_string_pretty(&task).unwrap()).unwrap();
        path
    }

    fn words(&self, file: &Path) -> Vec<String> {
        let socket = self.broker.socket();
        ["task", "run", file.to_str().unwrap(), "--socket", socket.to_str().unwrap(), "--docker-host"]
            .into_iter()
            .map(str::to_owned)
            .chain([self.daemon.host()])
            .collect()
    }

    fn run(&self, containers: &[Value], more: &[&str]) -> Output {
        let words = self.words(&self.file(containers));
        let words = words.iter().map(String::as_str).chain(more.iter().copied());
        sealdock(&words.collect::<Vec<_>>())
    }
}

fn shell(name: &str, script: &str) -> Value {
    json!({"name": name, "image": IMAGE, "memory": 64, "essential": true, "command": ["sh", "-c", script]})
}

fn with(mut container: Value, more: &Value) -> Value {
    container.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    container
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn values_order_output_and_exit_code() {
    let set = Setting::new();
    let secrets = json!({"secrets": [
        {"name": "PW", "valueFrom": format!("{}:password::", set.secret)},
        {"name": "PORT", "valueFrom": format!("{}:port::", set.secret)},
    ]});
    let first = with(shell("first", "echo one; exit 0"), &json!({"essential": false}));
    let helper = with(
        shell("helper", "trap 'echo helper stopped; exit 0' TERM; while :; do sleep 0.1; done"),
        &json!({"essential": false, "stopTimeout": 20}),
    );
    let depends = json!({"dependsOn": [
        {"containerName": "first", "condition": "SUCCESS"}, {"containerName": "helper", "condition": "START"},
    ]});
    let script = r#"echo "two $PW $PORT $AWS_REGION"; echo problem >&2; exit 7"#;
    let main = with(with(shell("main", script), &secrets), &depends);
    let output = set.run(&[main, first, helper], &["--json"]);
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(7), "{err}");
    let line = format!("main | two {CANARY} 1.2345678e+07 us-east-1");
    let place = |wanted: &str| {
        out.lines().position(|l| l == wanted).unwrap_or_else(|| panic!("{wanted}: {out}\n{err}"))
    };
    assert!(place("first | one") < place(&line), "{out}");
    place("helper | helper stopped");
    assert!(err.lines().any(|l| l == "main | problem"), "{err}");
    assert!(err.contains("`PORT` is"), "no warning about the number: {err}");
    let outcome: Value = serde_json::from_str(out.lines().last().unwrap())
        .unwrap_or_else(|_| serde_json::from_str(&out[out.find("{\n").unwrap()..]).unwrap());
    let codes: Vec<_> =
        outcome["containers"].as_array().unwrap().iter().map(|c| c["exitCode"].as_i64()).collect();
    assert!(codes.contains(&Some(7)) && codes.contains(&Some(0)), "{outcome}");
    assert_eq!(set.daemon.containers(), "", "containers were left behind");
}

#[test]
fn all_bad_references_are_reported_and_nothing_is_made() {
    let set = Setting::new();
    let secrets = json!({"secrets": [
        {"name": "OK", "valueFrom": format!("{}:password::", set.secret)},
        {"name": "NO_KEY", "valueFrom": format!("{}:nothing::", set.secret)},
        {"name": "ABSENT", "valueFrom": "/app/absent"},
    ]});
    let output = set.run(&[with(shell("a", "echo started"), &secrets), shell("b", "echo started")], &[]);
    let err = text(&output.stderr);
    assert_eq!(output.status.code(), Some(120), "{err}");
    for words in [
        "`NO_KEY`",
        "did not contain json key nothing",
        "`ABSENT`",
        "invalid parameters: /app/absent",
        "task.json:",
    ] {
        assert!(err.contains(words), "{words}: {err}");
    }
    assert!(
        !err.contains("`OK`") && !err.contains(CANARY) && !text(&output.stdout).contains("started"),
        "{err}"
    );
    assert_eq!(set.daemon.containers(), "");
}

#[test]
fn failures_have_their_own_exit_codes() {
    let set = Setting::new();
    let secret = json!({"secrets": [{"name": "PW", "valueFrom": format!("{}:password::", set.secret)}]});
    let container = with(shell("a", "exit 0"), &secret);
    let missing = set.run(&[with(container.clone(), &json!({"image": "no-such-image-here:1"}))], &[]);
    assert_eq!(missing.status.code(), Some(123), "{}", text(&missing.stderr));
    assert!(text(&missing.stderr).contains("CannotPullContainerError: image `no-such-image-here:1`"));
    let broken = set.run(&[with(container.clone(), &json!({"command": ["/no/such/program"]}))], &[]);
    assert_eq!(broken.status.code(), Some(124), "{}", text(&broken.stderr));
    assert!(text(&broken.stderr).contains("CannotStartContainerError: container `a`"));
    let bad_option = json!({"logConfiguration": {"logDriver": "json-file",
        "secretOptions": [{"name": "max-size", "valueFrom": format!("{}:password::", set.secret)}]}});
    let refused = set.run(&[with(container.clone(), &bad_option)], &[]);
    assert_eq!(refused.status.code(), Some(124), "{}", text(&refused.stderr));
    assert!(text(&refused.stderr).contains("container `a`") && !text(&refused.stderr).contains(CANARY));
    let failed = with(shell("first", "exit 3"), &json!({"essential": false}));
    let waits = json!({"dependsOn": [{"containerName": "first", "condition": "SUCCESS"}]});
    let dependant = set.run(&[failed, with(container.clone(), &waits)], &[]);
    assert_eq!(dependant.status.code(), Some(124), "{}", text(&dependant.stderr));
    assert!(text(&dependant.stderr).contains("`first` did not exit successfully (exit code 3)"));
    let file = set.file(&[container]);
    let mut words = set.words(&file);
    *words.last_mut().unwrap() = "unix:///nowhere/docker.sock".to_owned();
    let no_docker = sealdock(&words.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(no_docker.status.code(), Some(122), "{}", text(&no_docker.stderr));
    assert!(text(&no_docker.stderr).contains("`/nowhere/docker.sock`"));
    let mut words = set.words(&file);
    words[4] = "/nowhere/sealdock.sock".to_owned();
    let no_broker = sealdock(&words.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(no_broker.status.code(), Some(121), "{}", text(&no_broker.stderr));
    assert_eq!(set.daemon.containers(), "", "something was left behind");
}

#[test]
fn an_interrupt_stops_the_task_in_order() {
    let set = Setting::new();
    let wait = "trap 'echo stopped; exit 0' TERM; echo up; while :; do sleep 0.1; done";
    let base = shell("base", wait);
    let top =
        with(shell("top", wait), &json!({"dependsOn": [{"containerName": "base", "condition": "START"}]}));
    for (name, code) in [("INT", 130), ("TERM", 143)] {
        let file = set.file(&[base.clone(), top.clone()]);
        let mut command = Command::new(SEALDOCK);
        command.args(set.words(&file)).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        wait_until("both run", || set.daemon.docker(&["ps", "-q"]).lines().count() == 2);
        std::thread::sleep(std::time::Duration::from_millis(500));
        signal(&child, name);
        let output = output_of(child).expect("it ends");
        let out = text(&output.stdout);
        assert_eq!(output.status.code(), Some(code), "{}", text(&output.stderr));
        let place =
            |line: &str| out.lines().position(|l| l == line).unwrap_or_else(|| panic!("{line}: {out}"));
        assert!(place("top | stopped") < place("base | stopped"), "{out}");
        assert_eq!(set.daemon.containers(), "");
    }
}

#[test]
fn a_detached_task_is_listed_and_stopped() {
    let set = Setting::new();
    let output = set.run(&[with(shell("a", "sleep 600"), &json!({"stopTimeout": 2}))], &["--detach"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let id = text(&output.stdout).trim().to_owned();
    assert_eq!(id.len(), 32, "{id}");
    let host = set.daemon.host();
    let listed = text(&sealdock(&["task", "ps", "--docker-host", &host]).stdout);
    assert!(listed.contains(&id) && listed.contains("web"), "{listed}");
    assert_eq!(sealdock(&["task", "stop", "ffff", "--docker-host", &host]).status.code(), Some(119));
    let stop = sealdock(&["task", "stop", &id[..8], "--docker-host", &host]);
    assert!(stop.status.success(), "{}", text(&stop.stderr));
    assert_eq!(set.daemon.containers(), "");
}
