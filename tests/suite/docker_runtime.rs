//! Delivery by the runtime hook, on a real Docker daemon and a real broker.

use crate::docker_kit::{IMAGE, ROLE, sealdock};
use crate::hook_kit::{FIRST, SECOND, Setting, TOKEN};

#[test]
fn the_value_is_in_the_process_and_nowhere_else() {
    let set = Setting::new(&[]);
    set.run("one");
    let environment = set.daemon.environment("one");
    assert!(environment.contains(&format!("DB={FIRST}")), "{environment:?}");
    assert!(
        !environment.iter().any(|e| e.contains("sealdock:") || e.starts_with("SEALDOCK_")),
        "{environment:?}"
    );
    set.assert_value_is_nowhere("one");
    // Processes of `docker exec` get what Docker knows, unless the hook is told otherwise.
    let shown = set.daemon.docker(&["exec", "one", "sh", "-c", "echo $DB"]);
    assert_eq!(shown, format!("sealdock:{}", set.reference()));
}

#[test]
fn a_restart_keeps_the_value_and_a_replacement_gets_the_new_one() {
    let set = Setting::new(&["--exec", "inject"]);
    set.run("old");
    let second = format!(r#"{{"password":"{SECOND}"}}"#);
    set.broker().rotate(&set.secret, &second);
    assert!(set.has("old", &format!("DB={FIRST}")));
    set.daemon.docker(&["restart", "-t", "0", "old"]);
    assert!(set.has("old", &format!("DB={FIRST}")), "a restart changed the value");
    assert_eq!(set.daemon.docker(&["exec", "old", "sh", "-c", "echo $DB"]), FIRST);
    set.run("new");
    assert!(set.has("new", &format!("DB={SECOND}")));
    // Twice, so that the bound version has lost every stage.
    set.broker().rotate(&set.secret, r#"{"password":"third"}"#);
    set.daemon.docker(&["restart", "-t", "0", "old"]);
    assert!(set.has("old", &format!("DB={FIRST}")), "an older version was forgotten");
    set.assert_value_is_nowhere("old");
}

#[test]
fn without_the_broker_nothing_starts() {
    let mut set = Setting::new(&[]);
    set.run("one");
    set.broker.take().unwrap().stop();
    let output = set.try_run("two");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(text.contains("cannot reach the broker at unix:"), "{text}");
    assert_eq!(set.daemon.docker(&["inspect", "-f", "{{.State.Pid}}", "two"]), "0");
    let restart = set.daemon.try_docker(&["restart", "-t", "0", "one"]);
    assert!(!restart.status.success(), "a restart without the broker");
    // What has no references needs no broker.
    let plain =
        set.daemon.docker(&["run", "--rm", "--network", "none", "--runtime", "sealdock", IMAGE, "env"]);
    assert!(plain.contains("PATH=/bin"), "{plain}");
    set.assert_value_is_nowhere("two");
}

#[test]
fn refusals_reach_the_user_of_docker_and_name_everything() {
    let set = Setting::new(&[]);
    let run = |extra: &[&str]| {
        let mut words = vec!["run", "--rm", "--network", "none", "--runtime", "sealdock"];
        words.extend(extra.iter().flat_map(|e| ["-e", e]));
        words.extend([IMAGE, "sh", "-c", "echo started"]);
        let output = set.daemon.try_docker(&words);
        assert!(!String::from_utf8_lossy(&output.stdout).contains("started"), "{extra:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let role = format!("SEALDOCK_EXECUTION_ROLE={ROLE}");
    let good = format!("GOOD=sealdock:{}", set.reference());
    let text = run(&[&good]);
    assert!(text.contains("no SEALDOCK_EXECUTION_ROLE"), "{text}");
    let text = run(&["SEALDOCK_EXECUTION_ROLE=arn:aws:iam::111122223333:role/nobody", &good]);
    assert!(
        text.contains("cannot act as the execution role `arn:aws:iam::111122223333:role/nobody`"),
        "{text}"
    );
    let no_key = format!("NO_KEY=sealdock:{}:nokey::", set.secret);
    let text = run(&[&role, &good, &no_key, "ABSENT=sealdock:/app/absent"]);
    assert!(text.contains("`NO_KEY`") && text.contains("did not contain json key nokey"), "{text}");
    assert!(text.contains("`ABSENT`") && text.contains("invalid parameters: /app/absent"), "{text}");
    assert!(!text.contains("`GOOD`"), "{text}");
    let text = run(&[&role, "BAD=sealdock:arn:aws:secretsmanager:us-east-1:1:secret:a:b"]);
    assert!(text.contains("`BAD`") && text.contains("invalid ARN format"), "{text}");
    let unlisted = run(&[&role, &good, "SEALDOCK_VARIABLES=OTHER"]);
    assert!(unlisted.contains("`GOOD` is a reference that is not part of the task"), "{unlisted}");
}

#[test]
fn a_task_under_the_hook() {
    let set = Setting::new(&[]);
    let file = set.directory.path().join("task.json");
    let container = |name: &str, image: &str| {
        serde_json::json!({
            "name": name, "image": image, "memory": 64, "essential": true, "command": ["sleep", "600"], "stopTimeout": 2,
            "secrets": [{"name": "DB", "valueFrom": set.reference()}, {"name": "TOKEN", "valueFrom": "/app/token"}],
        })
    };
    let run = |images: [&str; 2]| {
        let task = serde_json::json!({
            "family": "web", "networkMode": "none", "executionRoleArn": ROLE,
            "containerDefinitions": [container("a", images[0]), container("b", images[1])],
        });
        std::fs::write(&file, task.to_string()).unwrap();
        let socket = set.broker().socket();
        let words = ["task", "run", file.to_str().unwrap(), "--delivery", "runtime", "--detach"];
        let words = words.into_iter().chain(["--socket", socket.to_str().unwrap(), "--docker-host"]);
        let host = set.daemon.host();
        sealdock(&words.chain([&*host]).collect::<Vec<_>>())
    };
    let output = run([IMAGE, IMAGE]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let task_id = String::from_utf8(output.stdout).unwrap().trim().to_owned();
    let names = set.daemon.containers();
    assert_eq!(names.lines().count(), 2, "{names}");
    for name in names.lines() {
        assert!(set.has(name, &format!("DB={FIRST}")) && set.has(name, &format!("TOKEN={TOKEN}")), "{name}");
        set.assert_value_is_nowhere(name);
    }
    let stop = sealdock(&["task", "stop", &task_id, "--docker-host", &set.daemon.host()]);
    assert!(stop.status.success(), "{}", String::from_utf8_lossy(&stop.stderr));
    assert_eq!(set.daemon.containers(), "");

    // An image cannot get secrets that the task definition does not name.
    set.daemon.import("greedy:1", &["ENV EXTRA=sealdock:/app/token"], |_| {});
    let output = run([IMAGE, "greedy:1"]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(124), "{text}");
    assert!(text.contains("container `b`") && text.contains("`EXTRA` is a reference"), "{text}");
    assert_eq!(set.daemon.containers(), "", "something was left behind");
}

#[test]
fn a_reference_becomes_a_file_that_only_the_container_has() {
    let set = Setting::new(&["--execution-role", ROLE]);
    set.daemon.import("linked:1", &["USER 1000:1000"], |_| {});
    let sleeper = |name: &str, extra: &[&str], image: &str| {
        let mut words = vec!["run", "-d", "--name", name, "--network", "none", "--runtime", "sealdock"];
        words.extend(extra);
        words.extend([image, "sleep", "600"]);
        set.daemon.try_docker(&words)
    };
    let own = format!("DB_FILE=sealdock-file:{}", set.reference());
    let other = format!("KEY=sealdock-file(path=/app/conf/key,mode=0440,uid=7,gid=8):{}", set.secret);
    let started = sleeper(
        "one",
        &["--read-only", "-e", &own, "-e", &other, "-e", "TOKEN=sealdock:/app/token"],
        "linked:1",
    );
    assert!(started.status.success(), "{}", String::from_utf8_lossy(&started.stderr));
    let environment = set.daemon.environment("one");
    assert!(environment.contains(&"DB_FILE=/run/secrets/DB_FILE".to_owned()), "{environment:?}");
    assert!(environment.contains(&format!("TOKEN={TOKEN}")), "{environment:?}");
    assert!(!environment.iter().any(|e| e.contains(FIRST)), "{environment:?}");
    assert_eq!(set.daemon.docker(&["exec", "one", "cat", "/run/secrets/DB_FILE"]), FIRST);
    let of = |path: &str| {
        set.daemon.docker(&["exec", "-u", "0", "one", "busybox", "stat", "-c", "%a %u %g", path])
    };
    assert_eq!(of("/run/secrets/DB_FILE"), "400 1000 1000");
    assert_eq!(of("/app/conf/key"), "440 7 8");
    let denied = set.daemon.try_docker(&["exec", "one", "cat", "/app/conf/key"]);
    assert!(!denied.status.success(), "another user reads the file");
    let written =
        set.daemon.try_docker(&["exec", "-u", "0", "one", "sh", "-c", "echo x > /run/secrets/DB_FILE"]);
    assert!(!written.status.success(), "the file can be changed");
    set.assert_value_is_nowhere("one");

    // A restart makes the file again, with the version that was bound.
    set.broker().rotate(&set.secret, &format!(r#"{{"password":"{SECOND}"}}"#));
    set.daemon.docker(&["restart", "-t", "0", "one"]);
    assert_eq!(set.daemon.docker(&["exec", "one", "cat", "/run/secrets/DB_FILE"]), FIRST);

    // What cannot be is refused, and nothing starts.
    let taken = sleeper("two", &["-v", "/run/secrets/more", "-e", &own], IMAGE);
    let text = String::from_utf8_lossy(&taken.stderr).into_owned();
    assert!(!taken.status.success() && text.contains("`/run/secrets/more` is mounted there"), "{text}");
    let wrong = sleeper(
        "three",
        &["-e", "A=sealdock-file(mode=x):/app/token", "-e", "B=sealdock-file(uid=x):/app/token"],
        IMAGE,
    );
    let text = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(!wrong.status.success() && text.contains("`A`") && text.contains("`B`"), "{text}");
}

#[test]
fn the_hook_is_registered_and_taken_back_without_a_restart() {
    let set = Setting::new(&[]);
    let file = set.daemon.configuration();
    let before = std::fs::read_to_string(&file).unwrap();
    let run = |words: &[&str]| {
        let host = set.daemon.host();
        let place =
            ["docker", "--config", file.to_str().unwrap(), "--name", "second", "--docker-host", &*host];
        let words: Vec<&str> = words[..1].iter().chain(&place).chain(&words[1..]).copied().collect();
        let output = sealdock(&words);
        let text =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        (output.status.code(), text)
    };
    let socket = set.broker().socket();
    let (code, text) = run(&[
        "install",
        "--socket",
        socket.to_str().unwrap(),
        "--execution-role",
        ROLE,
        "--default",
        "--dry-run",
    ]);
    assert!(code == Some(0) && text.contains("default-runtime"), "{text}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), before);
    let program = set.directory.path().join("second-runc");
    let at = program.to_str().unwrap();
    let install = ["install", "--socket", socket.to_str().unwrap(), "--program", at, "--default"];
    assert!(!program.exists(), "a dry run has written it");
    // Docker itself wraps a runtime that has arguments, and could not stop what runs under it any more.
    let mut earlier = serde_json::from_str::<serde_json::Value>(&before).unwrap();
    earlier["runtimes"]["second"] = earlier["runtimes"]["sealdock"].clone();
    std::fs::write(&file, earlier.to_string()).unwrap();
    set.daemon.reload(|runtimes| runtimes.contains("second"));
    set.daemon.docker(&["create", "--name", "earlier", "--runtime", "second", IMAGE, "sleep", "1"]);
    let (code, text) = run(&install);
    assert!(code == Some(2) && text.contains("earlier") && !program.exists(), "{text}");
    set.daemon.docker(&["rm", "earlier"]);
    std::fs::write(&file, &before).unwrap();

    let (code, text) = run(&[&install[..], &["--execution-role", ROLE]].concat());
    assert!(code == Some(0) && text.contains(&format!("as `{at}`")), "{text}");
    let (code, text) = run(&[&install[..], &["--execution-role", ROLE]].concat());
    assert!(code == Some(0) && text.contains("registered already"), "{text}");
    let reference = format!("DB=sealdock:{}", set.reference());
    set.daemon.docker(&[
        "run",
        "-d",
        "--name",
        "one",
        "--network",
        "none",
        "-e",
        &reference,
        IMAGE,
        "sleep",
        "600",
    ]);
    assert!(set.has("one", &format!("DB={FIRST}")), "the default runtime is not the hook");
    assert_eq!(set.daemon.docker(&["exec", "one", "sh", "-c", "echo $0 works"]), "sh works");

    let (code, text) = run(&["uninstall"]);
    assert!(code == Some(2) && text.contains("1 containers") && text.contains("one"), "{text}");
    assert!(program.exists());
    set.daemon.docker(&["stop", "-t", "0", "one"]);
    set.daemon.docker(&["rm", "one"]);
    let (code, text) = run(&["uninstall"]);
    assert!(code == Some(0) && !program.exists(), "{text}");
    let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    let mut expected = value(&before);
    expected["default-runtime"] = "runc".into();
    assert_eq!(value(&std::fs::read_to_string(&file).unwrap()), expected);
    let runtimes = set.daemon.docker(&["info", "-f", "{{json .Runtimes}}"]);
    assert!(!runtimes.contains("second"), "{runtimes}");

    std::fs::write(&file, "{\"runtimes\": 5,}").unwrap();
    let (code, text) = run(&["install", "--program", at]);
    assert!(code == Some(2) && text.contains("daemon.json:1:") && !program.exists(), "{text}");
    std::fs::write(&program, "somebody else's").unwrap();
    std::fs::write(&file, &before).unwrap();
    let (code, text) = run(&["install", "--program", at]);
    assert!(code == Some(2) && text.contains("is something else"), "{text}");
}

#[test]
fn outdated_containers_are_listed() {
    let set = Setting::new(&[]);
    set.run("old");
    let bindings = |extra: &[&str]| set.bindings(extra);
    let (code, text) = bindings(&["--stale"]);
    assert!(code == Some(0) && !text.contains("old"), "{text}");
    set.broker().rotate(&set.secret, &format!(r#"{{"password":"{SECOND}"}}"#));
    set.run("new");
    let (code, text) = bindings(&["--stale", "--json"]);
    let listed: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, listed["bindings"].as_array().unwrap().len()), (Some(1), 1), "{text}");
    let one = &listed["bindings"][0];
    assert_eq!((one["dockerName"].as_str(), one["name"].as_str()), (Some("old"), Some("DB")), "{text}");
    assert_eq!((one["arn"].as_str(), one["stale"].as_bool()), (Some(&*set.secret), Some(true)), "{text}");
    assert_ne!(one["versionId"], one["currentVersionId"], "{text}");

    set.daemon.docker(&["rm", "-f", "old"]);
    let lines = |extra: &[&str]| bindings(extra).1.lines().count();
    assert_eq!((bindings(&["--stale"]).0, lines(&[]), lines(&["--all"])), (Some(0), 2, 3));
    assert_eq!(bindings(&["--prune"]), (Some(0), "1 containers forgotten\n".to_owned()));
    assert_eq!(lines(&["--all"]), 2);
}
