//! The hook fails closed, and its reason reaches the user of `docker`.

use crate::docker_kit::{Broker, IMAGE, ROLE, signal_pid, wait_until};
use crate::hook_kit::{FIRST, Setting, errors, refusal};
use sealdock::protocol::Operation;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Starts a container that would leave a mark in a directory of the host; it must not get that far.
fn refused(set: &Setting, name: &str, words: &[&str]) -> String {
    let marks = set.directory.path().join("marks");
    std::fs::create_dir_all(&marks).unwrap();
    let (volume, mark) = (format!("{}:/marks", marks.display()), format!("echo > /marks/{name}; sleep 600"));
    let begin = ["run", "-d", "--name", name, "--network", "none", "--runtime", "sealdock", "-v", &volume];
    let end = [IMAGE, "sh", "-c", &mark];
    let words: Vec<&str> = begin.into_iter().chain(words.iter().copied()).chain(end).collect();
    let text = refusal(&set.daemon.try_docker(&words));
    assert_eq!(std::fs::read_dir(&marks).unwrap().count(), 0, "it ran: {text}");
    assert_eq!(set.daemon.docker(&["inspect", "-f", "{{.State.Pid}} {{.State.Status}}", name]), "0 created");
    let stored = set.daemon.docker(&["inspect", "-f", "{{.State.Error}}", name]);
    assert!(!stored.is_empty() && text.contains(&*stored), "docker inspect keeps the reason: {stored}");
    text
}

#[test]
fn every_reason_reaches_the_user() {
    let mut set = Setting::new(&["--execution-role", ROLE, "--timeout", "3"]);
    let db = format!("DB=sealdock:{}", set.reference());

    // Refused: by the policy of the secret, for that role alone.
    let policy = serde_json::json!({
        "SecretId": set.secret,
        "ResourcePolicy": serde_json::json!({
            "Version": "2012-10-17",
            "Statement": {"Effect": "Deny", "Principal": {"AWS": ROLE}, "Action": "secretsmanager:GetSecretValue", "Resource": "*"},
        }).to_string(),
    });
    set.broker().call(Operation::PutResourcePolicy, &policy);
    let text = refused(&set, "denied", &["-e", &db, "-e", "T=sealdock:/app/token"]);
    assert!(
        text.contains("`DB`") && text.contains("AccessDeniedException") && !text.contains("`T`"),
        "{text}"
    );
    assert!(text.contains("is not authorized to perform: secretsmanager:GetSecretValue"), "{text}");
    set.broker().call(Operation::DeleteResourcePolicy, &serde_json::json!({ "SecretId": set.secret }));

    // Unknown: a secret, a version, a key of the JSON, a parameter, all named at once.
    let secret = &set.secret;
    let text = refused(
        &set,
        "unknown",
        &[
            "-e",
            &format!("NO_SECRET=sealdock:{secret}x"),
            "-e",
            &format!("NO_STAGE=sealdock:{secret}::AWSPENDING:"),
            "-e",
            &format!("NO_KEY=sealdock:{secret}:nokey::"),
            "-e",
            "NO_PARAMETER=sealdock:/app/absent",
            "-e",
            &db,
        ],
    );
    for name in ["`NO_SECRET`", "`NO_STAGE`", "`NO_KEY`", "`NO_PARAMETER`"] {
        assert!(text.contains(name), "{name}: {text}");
    }
    assert!(!text.contains("`DB`") && !text.contains("CANARY"), "{text}");

    // Sealed: it can decide, but not put on record, and so releases nothing.
    let audit = set.directory.path().join("vault/audit");
    let segment = std::fs::read_dir(&audit).unwrap().map(|e| e.unwrap().path());
    let segment =
        segment.filter(|p| p.extension().is_some_and(|e| e == "jsonl")).max().expect("a segment of the log");
    let away = set.directory.path().join("away");
    std::fs::rename(&segment, &away).unwrap();
    wait_until("the broker has noticed", || set.bindings(&["--all"]).0 != Some(0));
    let text = refused(&set, "sealed", &["-e", &db]);
    assert!(text.contains("audit log cannot be written"), "{text}");
    std::fs::rename(&away, &segment).unwrap();

    // Down, and not yet up.
    let socket = set.broker().socket();
    set.broker.take().unwrap().stop();
    let text = refused(&set, "down", &["-e", &db]);
    assert!(text.contains(&format!("cannot reach the broker at unix:{}", socket.display())), "{text}");

    // Too slow: it takes the connection and says nothing.
    let silent = UnixListener::bind(&socket).unwrap();
    let begun = Instant::now();
    let text = refused(&set, "slow", &["-e", &db]);
    assert!(text.contains("took longer than 3 seconds"), "{text}");
    assert!(begun.elapsed() < Duration::from_secs(12), "{:?}", begun.elapsed());
    assert_eq!(runc_of(&set), None, "runc still waits");
    drop(silent);

    // Something else answers there.
    std::fs::remove_file(&socket).unwrap();
    let other = UnixListener::bind(&socket).unwrap();
    std::thread::spawn(move || {
        for stream in other.incoming().flatten() {
            let mut stream = stream;
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}");
        }
    });
    let text = refused(&set, "other", &["-e", &db]);
    assert!(text.contains("not as expected") && text.contains("ResolveInjections"), "{text}");
}

#[test]
fn nothing_runs_that_is_not_on_record() {
    let set = Setting::new(&["--execution-role", ROLE, "--timeout", "5"]);
    let real = set.broker().socket();
    let front = set.directory.path().join("front.sock");
    // A second runtime, whose broker takes the first request and none after it.
    let script = set.directory.path().join("hook");
    let text = format!(
        "#!/bin/sh\nexec {} runtime-hook --socket {} --region us-east-1 --execution-role {ROLE} --timeout 5 -- \"$@\"\n",
        crate::docker_kit::SEALDOCK,
        front.display()
    );
    std::fs::write(&script, text).unwrap();
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let listener = UnixListener::bind(&front).unwrap();
    let (first, seen) = mpsc::channel();
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().flatten().enumerate() {
            if number == 0 {
                forward_once(stream, &real);
            }
            first.send(number).unwrap();
        }
    });
    let config: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(set.daemon.configuration()).unwrap()).unwrap();
    let mut config = config;
    config["runtimes"]["front"] = serde_json::json!({ "path": script });
    std::fs::write(set.daemon.configuration(), config.to_string()).unwrap();
    set.daemon.reload(|runtimes| runtimes.contains("front"));

    let mark = set.directory.path().join("mark");
    std::fs::create_dir(&mark).unwrap();
    let (volume, db) = (format!("{}:/mark", mark.display()), format!("DB=sealdock:{}", set.reference()));
    let words = ["run", "--name", "one", "--network", "none", "--runtime", "front", "-v", &volume, "-e", &db];
    let words: Vec<&str> = words.into_iter().chain([IMAGE, "sh", "-c", "echo > /mark/it"]).collect();
    let text = refusal(&set.daemon.try_docker(&words));
    assert!(text.contains("the injection cannot be recorded"), "{text}");
    assert!(seen.try_iter().count() > 1, "there was no second request");
    assert_eq!(std::fs::read_dir(&mark).unwrap().count(), 0, "it ran");
    assert_eq!(set.bindings(&["--all"]).1.lines().count(), 1, "it is bound");
    set.assert_value_is_nowhere("one");
}

/// Passes one request and its answer on, and closes.
fn forward_once(mut client: UnixStream, to: &Path) {
    let mut server = UnixStream::connect(to).unwrap();
    server.write_all(&message(&mut client)).unwrap();
    client.write_all(&message(&mut server)).unwrap();
}

/// One HTTP message with a length.
fn message(stream: &mut UnixStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let mut some = [0; 4096];
        let count = stream.read(&mut some).unwrap();
        assert!(count > 0, "closed in the middle of a message");
        bytes.extend_from_slice(&some[..count]);
        let text = String::from_utf8_lossy(&bytes).to_lowercase();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:")).unwrap_or("0");
        if body.len() >= length.trim().parse().unwrap() {
            return bytes;
        }
    }
}

#[test]
fn a_hook_that_is_killed_leaves_nothing_behind() {
    killed("30");
}

/// Longer than runc can be made to wait for its configuration, which therefore starts later.
#[test]
fn a_patient_hook_that_is_killed_leaves_nothing_behind() {
    killed("300");
}

fn killed(timeout: &str) {
    let mut set = Setting::new(&["--execution-role", ROLE, "--timeout", timeout]);
    let socket = set.broker().socket();
    set.broker.take().unwrap().stop();
    let silent = UnixListener::bind(&socket).unwrap();
    let db = format!("DB=sealdock:{}", set.reference());
    let (output, killed) = std::thread::scope(|scope| {
        let start = scope.spawn(|| set.sleeper("one", &["-e", &db], IMAGE));
        let connection = accepted(&silent);
        let hook = hook_of(&socket);
        let waits = || runc_of(&set).is_some_and(is_opening);
        if timeout == "30" {
            wait_until("runc waits for its configuration", waits);
        } else {
            assert_eq!(runc_of(&set), None);
        }
        signal_pid(hook, "KILL");
        drop(connection);
        (start.join().unwrap(), hook)
    });
    refusal(&output);
    wait_until("the hook is gone", || !Path::new(&format!("/proc/{killed}")).exists());
    wait_until("runc is gone", || runc_of(&set).is_none());
    assert_eq!(set.daemon.docker(&["inspect", "-f", "{{.State.Pid}}", "one"]), "0");
    assert!(set.daemon.bundles().is_empty(), "{:?}", set.daemon.bundles());
    drop(silent);
    std::fs::remove_file(&socket).unwrap();
    set.broker = Some(Broker::start(&set.directory.path().join("vault")));
    let again = set.daemon.try_docker(&["start", "one"]);
    assert!(again.status.success(), "{}", errors(&again));
    assert!(set.has("one", &format!("DB={FIRST}")));
    set.assert_value_is_nowhere("one");
}

/// The next connection.
fn accepted(listener: &UnixListener) -> UnixStream {
    listener.set_nonblocking(true).unwrap();
    let mut accepted = None;
    wait_until("somebody connects", || {
        accepted = listener.accept().ok();
        accepted.is_some()
    });
    accepted.expect("it was waited for").0
}

/// The `runc create` that makes a container of this daemon.
fn runc_of(set: &Setting) -> Option<u32> {
    let root = set.daemon.configuration().parent().unwrap().display().to_string();
    processes(|words| {
        words.first().is_some_and(|program| program.ends_with("runc"))
            && words.iter().any(|word| word == "create")
            && words.iter().any(|word| word.starts_with(&root))
    })
}

/// Whether a thread of the process is held up in opening a file.
fn is_opening(process: u32) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let calls =
        threads.map(|thread| std::fs::read_to_string(thread.path().join("wchan")).unwrap_or_default());
    calls.into_iter().any(|call| call.contains("break_lease"))
}

/// The first process whose command line is of the kind.
fn processes(is_it: impl Fn(&[String]) -> bool) -> Option<u32> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    let found = processes.filter(|pid| {
        let words = std::fs::read(pid.join("cmdline")).unwrap_or_default();
        let words: Vec<String> =
            words.split(|b| *b == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect();
        is_it(&words)
    });
    found.into_iter().find_map(|pid| pid.file_name()?.to_str()?.parse().ok())
}

/// The process of the hook that asks the broker at this socket to make a container.
fn hook_of(socket: &Path) -> u32 {
    let socket = socket.display().to_string();
    let found = processes(|words| {
        words.get(1).is_some_and(|word| word == "runtime-hook")
            && words.contains(&socket)
            && words.iter().any(|word| word == "create")
    });
    found.expect("a hook at work")
}
