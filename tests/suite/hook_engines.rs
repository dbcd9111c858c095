//! The runtime hook under Podman, and under containerd without Docker.

use crate::bounds::{end, finished};
use crate::docker_kit::{IMAGE, ROLE, sealdock, wait_until};
use crate::hook_kit::{FIRST, SECOND, Setting, TOKEN, errors, refusal};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// `sealdock install wrapper`, and the images of the daemon as archives.
fn prepared(set: &Setting, options: &[&str]) -> (PathBuf, [PathBuf; 2]) {
    let wrapper = set.directory.path().join("sealdock-runc");
    let (socket, file) = (set.broker().socket(), wrapper.to_str().unwrap().to_owned());
    let words = ["install", "wrapper", &file, "--socket", socket.to_str().unwrap(), "--region", "us-east-1"];
    let output = sealdock(&words.iter().chain(options).copied().collect::<Vec<_>>());
    assert!(output.status.success(), "{}", errors(&output));
    set.daemon.import("greedy:1", &["ENV EXTRA=sealdock:/app/token"], |_| {});
    let archive = |image: &str, name: &str| {
        let path = set.directory.path().join(name);
        set.daemon.docker(&["save", "-o", path.to_str().unwrap(), image]);
        path
    };
    (wrapper, [archive(IMAGE, "image.tar"), archive("greedy:1", "greedy.tar")])
}

#[test]
fn podman() {
    if Command::new("podman").arg("--version").output().is_err() {
        eprintln!("skipped: Podman is not installed (apt-get install podman)");
        return;
    }
    let set = Setting::new(&[]);
    let (wrapper, archives) = prepared(&set, &["--exec", "inject"]);
    let at = |name: &str| set.directory.path().join(name).to_str().unwrap().to_owned();
    let podman = |words: &[&str]| -> Output {
        let mut command = Command::new("podman");
        command
            .args(["--root", &at("podman"), "--runroot", &at("podman-run"), "--cgroup-manager", "cgroupfs"])
            .arg("--runtime")
            .arg(&wrapper)
            .args(words);
        finished(&mut command)
    };
    let must = |words: &[&str]| {
        let output = podman(words);
        assert!(output.status.success(), "podman {words:?}: {}", errors(&output));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    for archive in &archives {
        must(&["load", "-q", "-i", archive.to_str().unwrap()]);
    }
    // Podman raises these limits by itself, which needs more rights than every machine gives.
    let run = ["run", "--network", "none", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"];
    let run = |words: &[&str]| podman(&run.iter().chain(words).copied().collect::<Vec<_>>());
    let said = |output: &Output| {
        assert!(output.status.success(), "{}", errors(output));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    let (role, db) = (format!("SEALDOCK_EXECUTION_ROLE={ROLE}"), format!("DB=sealdock:{}", set.reference()));
    let annotated = format!("sealdock.execution-role={ROLE}");
    said(&run(&["-d", "--name", "one", "-e", &db, "-e", &role, IMAGE, "sleep", "600"]));
    let environment = || {
        let pid = must(&["inspect", "-f", "{{.State.Pid}}", "one"]);
        String::from_utf8_lossy(&std::fs::read(format!("/proc/{pid}/environ")).unwrap()).into_owned()
    };
    assert!(environment().contains(&format!("DB={FIRST}")) && !environment().contains("SEALDOCK"));
    assert!(!must(&["inspect", "one"]).contains("CANARY"));
    set.rotate(SECOND);
    must(&["restart", "-t", "0", "one"]);
    assert!(environment().contains(&format!("DB={FIRST}")), "a restart changed the value");
    assert_eq!(must(&["exec", "one", "sh", "-c", "echo $DB"]), FIRST);
    let replaced = run(&["--rm", "-e", &db, "--annotation", &annotated, IMAGE, "sh", "-c", "echo $DB"]);
    assert_eq!(said(&replaced), SECOND);
    for directory in ["podman", "podman-run"] {
        let files = crate::docker_kit::files_with(Path::new(&at(directory)), FIRST);
        assert!(files.is_empty(), "{files:?}");
    }

    // A user namespace in which the host's root has no place, a user of its own, a read-only root.
    let file = format!("DB_FILE=sealdock-file(mode=0440):{}", set.reference());
    let namespaced = run(&[
        "--rm",
        "--uidmap",
        "0:200000:65536",
        "--gidmap",
        "0:300000:65536",
        "--user",
        "7:8",
        "--read-only",
        "--read-only-tmpfs=false",
        "-e",
        &file,
        "-e",
        &role,
        IMAGE,
        "sh",
        "-c",
        "busybox stat -c '%a %u %g' $DB_FILE; cat $DB_FILE",
    ]);
    assert_eq!(said(&namespaced), format!("440 7 8\n{SECOND}"));

    let text = refusal(&run(&["--rm", "-e", &role, "greedy:1", "env"]));
    assert!(text.contains("`EXTRA` is a reference that the image sets"), "{text}");
    let agreed = run(&[
        "--rm",
        "-e",
        &role,
        "--annotation",
        "sealdock.variables=EXTRA",
        "greedy:1",
        "sh",
        "-c",
        "echo $EXTRA",
    ]);
    assert_eq!(said(&agreed), TOKEN);
    must(&["rm", "-f", "-t", "0", "-a"]);
}

/// containerd with directories of its own.
struct Containerd {
    child: Child,
    directory: PathBuf,
}

impl Containerd {
    fn start(directory: PathBuf) -> Self {
        std::fs::create_dir(&directory).unwrap();
        let at = |name: &str| directory.join(name).display().to_string();
        let config = format!(
            "version = 2\nroot = {:?}\nstate = {:?}\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n[grpc]\naddress = {:?}\n",
            at("root"),
            at("state"),
            at("socket")
        );
        std::fs::write(at("config.toml"), config).unwrap();
        let log = std::fs::File::create(at("log")).unwrap();
        let child = Command::new("containerd")
            .args(["--config", &at("config.toml")])
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("these tests need containerd");
        let containerd = Self { child, directory };
        wait_until("containerd answers", || containerd.ctr(&["version"]).status.success());
        containerd
    }

    fn ctr(&self, words: &[&str]) -> Output {
        finished(Command::new("ctr").arg("-a").arg(self.directory.join("socket")).args(words))
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        crate::docker_kit::signal(&self.child, "TERM");
        end(&mut self.child);
    }
}

#[test]
fn containerd() {
    let set = Setting::new(&[]);
    let (wrapper, archives) = prepared(&set, &[]);
    let containerd = Containerd::start(set.directory.path().join("containerd"));
    for archive in &archives {
        let output =
            containerd.ctr(&["image", "import", "--snapshotter", "native", archive.to_str().unwrap()]);
        assert!(output.status.success(), "{}", errors(&output));
    }
    let run = |words: &[&str], image: &str, id: &str| {
        let image = format!("docker.io/library/{image}");
        let begin = ["run", "--rm", "--snapshotter", "native", "--runc-binary", wrapper.to_str().unwrap()];
        let end = [&*image, id, "env"];
        containerd.ctr(&begin.into_iter().chain(words.iter().copied()).chain(end).collect::<Vec<_>>())
    };
    let (role, db) = (format!("sealdock.execution-role={ROLE}"), format!("DB=sealdock:{}", set.reference()));
    let listed = ["--annotation", &role, "--annotation", "sealdock.variables=DB", "--env", &db];
    let output = run(&listed, IMAGE, "one");
    assert!(output.status.success(), "{}", errors(&output));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains(&format!("DB={FIRST}")) && !text.contains("sealdock"), "{text}");
    // Nothing says what the image sets, so only what is listed counts.
    let text = refusal(&run(&["--annotation", &role, "--env", &db], IMAGE, "two"));
    assert!(text.contains("`DB` cannot be told") && text.contains("sealdock.variables"), "{text}");
    let text = refusal(&run(&listed, "greedy:1", "three"));
    assert!(text.contains("`EXTRA`") && text.contains("not in its list"), "{text}");
    let files = crate::docker_kit::files_with(&containerd.directory, FIRST);
    assert!(files.is_empty(), "{files:?}");
    assert!(containerd.ctr(&["container", "ls", "-q"]).stdout.is_empty(), "a container was left");
}
