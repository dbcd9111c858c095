//! Processes of `docker exec` and health checks under the runtime hook.

use crate::docker_kit::{IMAGE, ROLE, wait_until};
use crate::hook_kit::{FIRST, SECOND, Setting, TOKEN, errors};

/// Healthy with a value, unhealthy with a reference. It prints nothing: Docker keeps what it prints.
const CHECK: &str = r#"HEALTHCHECK --interval=1s --timeout=20s --retries=1 CMD ["sh", "-c", "case $DB in sealdock:*) exit 1;; CANARY*) exit 0;; *) exit 2;; esac"]"#;

fn health(set: &Setting, name: &str) -> String {
    let health = || set.daemon.docker(&["inspect", "-f", "{{.State.Health.Status}}", name]);
    wait_until("the health is known", || health() != "starting");
    health()
}

#[test]
fn health_checks_and_exec_see_references_unless_told_otherwise() {
    let set = Setting::new(&["--execution-role", ROLE]);
    set.daemon.import("checked:1", &[CHECK], |_| {});
    let reference = format!("DB=sealdock:{}", set.reference());
    let started = set.sleeper("one", &["-e", &reference], "checked:1");
    assert!(started.status.success() && set.has("one", &format!("DB={FIRST}")), "{}", errors(&started));
    assert_eq!(health(&set, "one"), "unhealthy");
    let last = set.daemon.docker(&["inspect", "-f", "{{json .State.Health.Log}}", "one"]);
    assert!(last.contains("\"ExitCode\":1"), "{last}");
    assert_eq!(
        set.daemon.docker(&["exec", "one", "sh", "-c", "echo $DB"]),
        format!("sealdock:{}", set.reference())
    );
}

#[test]
fn health_checks_and_exec_see_the_values_that_the_container_has() {
    let set = Setting::new(&["--exec", "inject", "--execution-role", ROLE]);
    set.daemon.import("checked:1", &[CHECK], |_| {});
    let reference = format!("DB=sealdock:{}", set.reference());
    let file = format!("FILE=sealdock-file:{}", set.reference());
    let started = set.sleeper("one", &["-e", &reference, "-e", &file], "checked:1");
    assert!(started.status.success(), "{}", errors(&started));
    assert_eq!(health(&set, "one"), "healthy");
    let exec = |words: &[&str]| {
        let words: Vec<&str> = ["exec"].iter().chain(words).copied().collect();
        set.daemon.try_docker(&words)
    };
    let said = |words: &[&str]| {
        let output = exec(words);
        assert!(output.status.success(), "{}", errors(&output));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    set.rotate(SECOND);
    // As the container, not as the secret is now; also after a restart.
    assert_eq!(
        said(&["one", "sh", "-c", "echo $DB $FILE; cat $FILE"]),
        format!("{FIRST} /run/secrets/FILE\n{FIRST}")
    );
    set.daemon.docker(&["restart", "-t", "0", "one"]);
    assert_eq!(said(&["one", "sh", "-c", "echo $DB"]), FIRST);
    assert_eq!(
        said(&["-u", "12:13", "-w", "/bin", "one", "sh", "-c", "echo $DB $PWD"]),
        format!("{FIRST} /bin")
    );
    // What the user of `docker exec` adds is current, and for that process.
    assert_eq!(said(&["-e", "T=sealdock:/app/token", "one", "sh", "-c", "echo $T"]), TOKEN);
    // Docker prints why a process could not be made on standard output.
    let refusal = |words: &[&str]| {
        let output = exec(words);
        assert!(!output.status.success(), "{words:?}");
        format!("{}{}", String::from_utf8_lossy(&output.stdout), errors(&output))
    };
    let text = refusal(&["-e", "T=sealdock-file:/app/token", "one", "env"]);
    assert!(text.contains("`T`: a file is made when the container starts"), "{text}");
    let text = refusal(&["-e", "T=sealdock:/app/absent", "one", "env"]);
    assert!(text.contains("`T`") && text.contains("/app/absent"), "{text}");
    assert_eq!(health(&set, "one"), "healthy");
    set.assert_value_is_nowhere("one");
    // Its own bindings are still those of its start.
    let (_, text) = set.bindings(&["--json"]);
    let listed: serde_json::Value = serde_json::from_str(&text).unwrap();
    let bindings = listed["bindings"].as_array().unwrap().iter();
    let mut names: Vec<_> = bindings.map(|binding| binding["name"].as_str().unwrap()).collect();
    // Docker keeps the variables of its command line in any order.
    names.sort_unstable();
    assert_eq!(names, ["DB", "FILE"]);
    // A plain process needs no broker.
    let started = set.sleeper("plain", &[], IMAGE);
    assert!(started.status.success(), "{}", errors(&started));
}
