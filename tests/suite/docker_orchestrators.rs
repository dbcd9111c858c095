//! The runtime hook under docker-compose and Docker Swarm, as people use them.

use crate::bounds::finished;
use crate::docker_kit::{IMAGE, ROLE, wait_until};
use crate::hook_kit::{FIRST, SECOND, Setting, errors};
use std::path::Path;
use std::process::{Command, Output};

#[test]
fn a_compose_file() {
    let set = Setting::new(&[]);
    // The project's own example; only the network differs, since this daemon has none.
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("docker/hook/compose.yaml");
    let offline = set.directory.path().join("offline.yaml");
    let text = "services: {web: {network_mode: none, command: [sleep, '600'], stop_grace_period: 0s}}";
    std::fs::write(&offline, text).unwrap();
    let compose = |words: &[&str]| -> Output {
        let mut command = Command::new("docker-compose");
        command
            .arg("-f")
            .arg(&example)
            .arg("-f")
            .arg(&offline)
            .args(["-p", "shop"])
            .args(words)
            .env("DOCKER_HOST", set.daemon.host())
            .env("IMAGE", IMAGE)
            .env("EXECUTION_ROLE", ROLE)
            .env("SECRET", &set.secret);
        finished(&mut command)
    };
    let must = |words: &[&str]| {
        let output = compose(words);
        assert!(output.status.success(), "{words:?}: {}", errors(&output));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    must(&["up", "-d"]);
    let first = must(&["ps", "-q", "web"]);
    assert!(set.has(&first, &format!("DB_PASSWORD={FIRST}")));
    assert!(set.has(&first, "DB_PASSWORD_FILE=/run/secrets/DB_PASSWORD_FILE"));
    let file = ["exec", "-T", "web", "busybox", "stat", "-c", "%a %g", "/run/secrets/DB_PASSWORD_FILE"];
    assert_eq!(must(&file), "440 70");
    assert!(!must(&["config"]).contains("CANARY"));
    set.assert_value_is_nowhere(&first);
    // A restart keeps the version, `--force-recreate` is a new container with the new one.
    set.rotate(SECOND);
    must(&["restart", "-t", "0"]);
    assert!(set.has(&first, &format!("DB_PASSWORD={FIRST}")));
    let (code, text) = set.bindings(&["--stale", "--json"]);
    assert!(code == Some(1) && text.contains("shop_web_1"), "{text}");
    must(&["up", "-d", "--force-recreate"]);
    let second = must(&["ps", "-q", "web"]);
    assert!(second != first && set.has(&second, &format!("DB_PASSWORD={SECOND}")));
    assert_eq!(set.bindings(&["--stale"]).0, Some(0));
    // A refusal is shown.
    set.broker().call(
        sealdock::protocol::Operation::DeleteSecret,
        &serde_json::json!({ "SecretId": set.secret, "ForceDeleteWithoutRecovery": true }),
    );
    let text = errors(&compose(&["up", "-d", "--force-recreate"]));
    assert!(text.contains("`DB_PASSWORD`") && text.contains("ResourceNotFoundException"), "{text}");
    must(&["down"]);
}

#[test]
fn a_swarm_service() {
    // Services cannot name a runtime: the hook is the default one.
    let set =
        Setting::with(&["--execution-role", ROLE], &serde_json::json!({ "default-runtime": "sealdock" }));
    let docker = |words: &[&str]| set.daemon.docker(words);
    docker(&["swarm", "init", "--advertise-addr", "127.0.0.1", "--listen-addr", "127.0.0.1:2377"]);
    let reference = format!("DB=sealdock:{}", set.reference());
    let file = format!("DB_FILE=sealdock-file:{}", set.reference());
    docker(&[
        "service",
        "create",
        "--detach",
        "--quiet",
        "--name",
        "web",
        "--replicas",
        "2",
        "--network",
        "host",
        "--no-resolve-image",
        "--stop-grace-period",
        "0s",
        "--env",
        &reference,
        "--env",
        &file,
        IMAGE,
        "sleep",
        "600",
    ]);
    let tasks = || {
        let ids = docker(&["ps", "-q", "--filter", "label=com.docker.swarm.service.name=web"]);
        ids.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let all_have = |value: &str| {
        wait_until(&format!("both tasks run with {value}"), || {
            let tasks = tasks();
            tasks.len() == 2 && tasks.iter().all(|id| set.daemon.runs_with(id, &format!("DB={value}")))
        });
    };
    all_have(FIRST);
    let first = tasks();
    for id in &first {
        assert_eq!(docker(&["exec", id, "cat", "/run/secrets/DB_FILE"]), FIRST);
        set.assert_value_is_nowhere(id);
    }
    assert!(!docker(&["service", "inspect", "web"]).contains("CANARY"));
    // A forced update replaces the tasks, and they get what is current.
    set.rotate(SECOND);
    let (code, text) = set.bindings(&["--stale", "--json"]);
    assert!(code == Some(1) && text.contains("web."), "{text}");
    docker(&["service", "update", "--detach", "--quiet", "--force", "--update-parallelism", "2", "web"]);
    all_have(SECOND);
    // What the hook refuses is in the task's error.
    docker(&[
        "service",
        "create",
        "--detach",
        "--quiet",
        "--name",
        "wrong",
        "--network",
        "host",
        "--no-resolve-image",
        "--restart-condition",
        "none",
        "--env",
        "T=sealdock:/app/absent",
        IMAGE,
        "sleep",
        "600",
    ]);
    wait_until("the refusal is shown", || {
        docker(&["service", "ps", "--no-trunc", "--format", "{{.Error}}", "wrong"])
            .contains("invalid parameters: /app/absent")
    });
    docker(&["service", "rm", "web", "wrong"]);
    docker(&["swarm", "leave", "--force"]);
}
