//! A Docker daemon and a broker of a test's own, each in a scratch directory.
//!
//! The daemon has its own socket, data root and runtimes, so that a test can look
//! into every file of it and changes nothing about the Docker of the machine. It
//! needs root, Docker Engine and a static busybox (Debian: docker.io, busybox-static).

use crate::bounds::{attempt, end, finished};
use sealdock::client::{Client, Endpoint};
use sealdock::protocol::Operation;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use zeroize::Zeroizing;

pub(crate) const SEALDOCK: &str = env!("CARGO_BIN_EXE_sealdock");
pub(crate) const ACCOUNT: &str = "111122223333";
pub(crate) const ROLE: &str = "arn:aws:iam::111122223333:role/ecsTaskExecutionRole";
/// The image that every daemon has: busybox and nothing else.
pub(crate) const IMAGE: &str = "busybox-only:1";

/// A broker with a scratch vault; the tests are its account root.
pub(crate) struct Broker {
    data: PathBuf,
    child: Child,
}

impl Broker {
    pub(crate) fn start(data: &Path) -> Self {
        let mut child = Command::new(SEALDOCK)
            .args(["dev", "--listen", "127.0.0.1:0", "--account", ACCOUNT, "--data"])
            .arg(data)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let ready = lines.by_ref().map(Result::unwrap).any(|line| line.contains("ready"));
        assert!(ready, "the broker ended before it was ready");
        // Somebody has to read on, or the broker would wait for it.
        std::thread::spawn(move || lines.for_each(drop));
        Self { data: data.to_owned(), child }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.data.join("sealdock.sock")
    }

    /// Ends it, as an operator would.
    pub(crate) fn stop(mut self) {
        signal(&self.child, "TERM");
        end(&mut self.child);
    }

    /// Calls an operation as the account root.
    pub(crate) fn call(&self, operation: Operation, request: &serde_json::Value) -> serde_json::Value {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let client = Client::new(Endpoint::Unix(self.socket()), None, "us-east-1").unwrap();
        let body = Zeroizing::new(request.to_string().into_bytes());
        let answer = runtime.block_on(client.call(operation, body)).unwrap();
        serde_json::from_slice(&answer).unwrap()
    }

    /// Makes a secret and returns its ARN.
    pub(crate) fn secret(&self, name: &str, value: &str) -> String {
        let request = serde_json::json!({
            "Name": name, "SecretString": value, "ClientRequestToken": uuid::Uuid::new_v4().to_string(),
        });
        self.call(Operation::CreateSecret, &request)["ARN"].as_str().unwrap().to_owned()
    }

    /// Makes a new version of a secret the current one.
    pub(crate) fn rotate(&self, arn: &str, value: &str) {
        let request = serde_json::json!({
            "SecretId": arn, "SecretString": value, "ClientRequestToken": uuid::Uuid::new_v4().to_string(),
        });
        self.call(Operation::PutSecretValue, &request);
    }

    /// Makes a SecureString parameter.
    pub(crate) fn parameter(&self, name: &str, value: &str) {
        let request = serde_json::json!({ "Name": name, "Value": value, "Type": "SecureString" });
        self.call(Operation::PutParameter, &request);
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A Docker daemon whose runtime `sealdock` is the hook.
pub(crate) struct Daemon {
    directory: TempDir,
    child: Child,
}

impl Daemon {
    /// Starts it; the hook asks the broker at `broker_socket`. `hook_options` come first, and `extra` has
    /// more members for the daemon's configuration.
    pub(crate) fn start(broker_socket: &Path, hook_options: &[&str], extra: &serde_json::Value) -> Self {
        let directory = tempfile::Builder::new().prefix("sd").tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let mut arguments = vec!["runtime-hook"];
        arguments.extend(hook_options);
        arguments.extend(["--socket", broker_socket.to_str().unwrap(), "--region", "us-east-1", "--"]);
        let mut config = serde_json::json!({
            "data-root": at("data"), "exec-root": at("exec"), "pidfile": at("pid"),
            "hosts": [format!("unix://{}", at("docker.sock").display())],
            "bridge": "none", "iptables": false, "ip-masq": false,
            "runtimes": {"sealdock": {"path": SEALDOCK, "runtimeArgs": arguments}},
        });
        config.as_object_mut().unwrap().extend(extra.as_object().cloned().unwrap_or_default());
        std::fs::write(at("daemon.json"), config.to_string()).unwrap();
        let log = std::fs::File::create(at("daemon.log")).unwrap();
        // In a network namespace of its own: a daemon without a bridge removes `docker0`, and in
        // the host's namespace that one belongs to the machine's own Docker.
        let up = format!("{} ip link set lo up; exec dockerd --config-file \"$0\"", busybox().display());
        let child = Command::new("unshare")
            .args(["--net", "sh", "-c", &up])
            .arg(at("daemon.json"))
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|e| panic!("these tests need Docker Engine and root: unshare dockerd: {e}"));
        let daemon = Self { directory, child };
        wait_until("the Docker daemon answers", || {
            let log = std::fs::read_to_string(daemon.path("daemon.log")).unwrap();
            assert!(!log.contains("failed to start daemon"), "these tests need root: {log}");
            daemon.try_docker(&["version"]).status.success()
        });
        daemon.import(IMAGE, &[], |_| {});
        daemon
    }

    /// Its configuration file.
    pub(crate) fn configuration(&self) -> PathBuf {
        self.path("daemon.json")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// In the form of `DOCKER_HOST`.
    pub(crate) fn host(&self) -> String {
        format!("unix://{}", self.path("docker.sock").display())
    }

    /// Makes an image of busybox, with changes such as `ENV A=1` and whatever `furnish` does to its root.
    pub(crate) fn import(&self, name: &str, changes: &[&str], furnish: impl FnOnce(&Path)) {
        let root = tempfile::tempdir().unwrap();
        let image = root.path().join("image");
        std::fs::create_dir_all(image.join("bin")).unwrap();
        for tool in ["busybox", "sh", "env", "sleep", "cat"] {
            std::fs::copy(busybox(), image.join("bin").join(tool)).unwrap();
        }
        furnish(&image);
        let archive = root.path().join("image.tar");
        let tar = Command::new("tar").arg("-cf").arg(&archive).arg("-C").arg(&image).arg(".").status();
        assert!(tar.unwrap().success());
        let mut arguments = vec!["import".to_owned(), "-c".to_owned(), "ENV PATH=/bin".to_owned()];
        arguments.extend(changes.iter().flat_map(|c| ["-c".to_owned(), (*c).to_owned()]));
        arguments.extend([archive.to_str().unwrap().to_owned(), name.to_owned()]);
        self.docker(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    }

    /// Runs the `docker` command; answers its standard output.
    pub(crate) fn docker(&self, arguments: &[&str]) -> String {
        let output = self.try_docker(arguments);
        assert!(output.status.success(), "docker {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Runs the `docker` command.
    pub(crate) fn try_docker(&self, arguments: &[&str]) -> Output {
        finished(&mut self.command(arguments))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("docker");
        command.arg("-H").arg(self.host()).args(arguments);
        command
    }

    /// The variables of a container's first process, as the kernel has them.
    pub(crate) fn environment(&self, container: &str) -> Vec<String> {
        let pid = self.docker(&["inspect", "-f", "{{.State.Pid}}", container]);
        assert_ne!(pid, "0", "{container} does not run");
        let read = || std::fs::read(format!("/proc/{pid}/environ")).unwrap();
        // Docker answers a start a moment before runc becomes the container's program.
        wait_until("the container's program runs", || {
            !read().starts_with(b"_LIBCONTAINER") && !read().windows(13).any(|w| w == b"_LIBCONTAINER")
        });
        let bytes = read();
        let entries = bytes.split(|&b| b == 0).filter(|e| !e.is_empty());
        entries.map(|e| String::from_utf8_lossy(e).into_owned()).collect()
    }

    /// Whether a container's program runs with this variable by now.
    pub(crate) fn runs_with(&self, container: &str, entry: &str) -> bool {
        let output = self.try_docker(&["inspect", "-f", "{{.State.Pid}}", container]);
        let pid = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|&b| b == 0).any(|found| found == entry.as_bytes())
    }

    /// Files of the daemon, on disk and of running containers, that hold the text.
    pub(crate) fn files_with(&self, text: &str) -> Vec<PathBuf> {
        let mut found = Vec::new();
        search(self.directory.path(), text.as_bytes(), &mut found);
        found
    }

    /// How many files there are; a search through none would prove nothing.
    pub(crate) fn files(&self) -> usize {
        let mut found = Vec::new();
        search(self.directory.path(), b"", &mut found);
        found.len()
    }

    /// Has it read its configuration again, and waits until its runtimes are as they should be.
    pub(crate) fn reload(&self, done: impl Fn(&str) -> bool) {
        signal(&self.child, "HUP");
        wait_until("the daemon has its new configuration", || {
            let output = self.try_docker(&["info", "-f", "{{json .Runtimes}}"]);
            done(&String::from_utf8_lossy(&output.stdout))
        });
    }

    /// Files and directories of bundles, those of containers that run excepted.
    pub(crate) fn bundles(&self) -> Vec<PathBuf> {
        let running = self.docker(&["ps", "-q", "--no-trunc"]);
        let mut found = Vec::new();
        search(&self.path("exec"), b"", &mut found);
        found.retain(|path| {
            let text = path.to_string_lossy();
            text.contains("io.containerd.runtime.v2.task") && !running.lines().any(|id| text.contains(id))
        });
        found
    }

    /// Names of all containers.
    pub(crate) fn containers(&self) -> String {
        self.docker(&["ps", "-a", "--format", "{{.Names}}"])
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Nothing here may panic: a test that fails ends here, too.
        let containers = attempt(&mut self.command(&["ps", "-aq"])).map(|output| output.stdout);
        let containers = containers.unwrap_or_default();
        for id in String::from_utf8_lossy(&containers).split_whitespace() {
            attempt(&mut self.command(&["rm", "-f", id]));
        }
        signal(&self.child, "TERM");
        end(&mut self.child);
        // Network namespaces stay mounted there.
        let _ = Command::new("umount").args(["-R", "-q"]).arg(self.path("exec/netns/default")).status();
    }
}

fn busybox() -> PathBuf {
    let found = ["/bin/busybox", "/usr/bin/busybox"].iter().find(|p| Path::new(p).is_file());
    found.unwrap_or_else(|| panic!("these tests need a static busybox")).into()
}

/// Files below the directory that hold the text.
pub(crate) fn files_with(directory: &Path, text: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    search(directory, text.as_bytes(), &mut found);
    found
}

/// Runs `sealdock`.
pub(crate) fn sealdock(arguments: &[&str]) -> Output {
    finished(Command::new(SEALDOCK).args(arguments).env_remove("AWS_DEFAULT_REGION"))
}

/// Sends a signal to a child.
pub(crate) fn signal(child: &Child, name: &str) {
    signal_pid(child.id(), name);
}

/// Sends a signal to a process.
pub(crate) fn signal_pid(pid: u32, name: &str) {
    let status = Command::new("kill").args([format!("-{name}"), pid.to_string()]).status();
    assert!(status.unwrap().success());
}

/// Waits for something that has to happen soon.
pub(crate) fn wait_until(what: &str, mut happened: impl FnMut() -> bool) {
    let start = Instant::now();
    while !happened() {
        assert!(start.elapsed() < Duration::from_secs(60), "it did not happen: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn search(directory: &Path, text: &[u8], found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let (path, kind) = (entry.path(), entry.file_type().unwrap());
        // A container that ends takes its files along while we look.
        if kind.is_dir() {
            search(&path, text, found);
        } else if kind.is_file() {
            let bytes = std::fs::read(&path).unwrap_or_default();
            if text.is_empty() || bytes.windows(text.len()).any(|w| w == text) {
                found.push(path);
            }
        }
    }
}
