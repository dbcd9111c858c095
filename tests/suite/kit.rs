//! A real broker for tests, and the one rule that holds in all of them.
//!
//! [`Kit`] is a data directory made by `sealdock init`; [`Broker`] is a `sealdock serve` on
//! it (port 0, its own Unix socket); [`Caller`] is a client with an identity. Values that a
//! test plants ([`Kit::canary`]) and the secret halves of access keys may stand in the answer
//! to a request and nowhere else: every error text is checked when it arrives, and when the
//! kit is dropped, every file of the data directory and everything that the programs printed
//! is searched for them, plain, in base64 and in hexadecimal. Planted names
//! ([`Kit::name`]) must not stand in the vault's file.

use crate::needles::Needles;
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::runtime::Runtime;

pub(crate) use crate::kit_broker::{Answer, Broker, Caller, code};

pub(crate) const ACCOUNT: &str = "111122223333";
pub(crate) const REGION: &str = "us-east-1";

/// Far beyond what anything here takes, on a machine that has other work to do.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
});

/// Runs a future to its end.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    RUNTIME.block_on(future)
}

/// Waits until `condition` holds.
pub(crate) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A command that ended: its exit code and what it printed.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ended {
    /// Asserts the exit code and that every text was printed to standard error, and that
    /// it does not look like a crash.
    #[track_caller]
    pub(crate) fn refused(&self, code: i32, texts: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:#?}");
        for text in texts {
            assert!(self.err.contains(text), "`{text}` is missing: {self:#?}");
        }
        assert!(!self.err.contains("panicked"), "{self:#?}");
    }
}

/// A data directory, and what must not be found in it.
pub(crate) struct Kit {
    scratch: TempDir,
    pub(crate) data: PathBuf,
    needles: Arc<Needles>,
    runs: AtomicUsize,
}

impl Kit {
    /// A vault with a key file, the starter policies, and listeners on a free port and a socket.
    pub(crate) fn new() -> Self {
        Self::with(&[])
    }

    /// As [`Kit::new`], with further arguments for `init`.
    pub(crate) fn with(arguments: &[&str]) -> Self {
        let kit = Self::empty();
        let ended = kit.run(&[&["init", "--data", kit.data()], arguments].concat());
        assert_eq!(ended.code, Some(0), "{ended:#?}");
        kit.edit_config(|text| text.replace("tls = \"127.0.0.1:8443\"", "http = \"127.0.0.1:0\""));
        kit
    }

    /// Only a place for a data directory.
    pub(crate) fn empty() -> Self {
        let scratch = crate::audit_kit::scratch();
        fs::create_dir(scratch.path().join("output")).unwrap();
        let data = scratch.path().join("data");
        Self { scratch, data, needles: Arc::default(), runs: AtomicUsize::new(0) }
    }

    /// The data directory, as an argument.
    pub(crate) fn data(&self) -> &str {
        self.data.to_str().unwrap()
    }

    /// A path beside the data directory.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// The store's file.
    pub(crate) fn vault(&self) -> PathBuf {
        self.data.join("vault.redb")
    }

    /// A fresh value that must be found nowhere.
    pub(crate) fn canary(&self, label: &str) -> String {
        let value = format!("canary-{label}-{}", uuid::Uuid::new_v4().simple());
        self.needles.plant(&value);
        value
    }

    /// A fresh name that must not be found in the vault's file.
    pub(crate) fn name(&self, label: &str) -> String {
        let name = format!("{label}/{}", uuid::Uuid::new_v4().simple());
        self.needles.plant_name(&name);
        name
    }

    /// Changes `sealdock.toml`.
    pub(crate) fn edit_config(&self, edit: impl FnOnce(String) -> String) {
        let path = self.data.join("sealdock.toml");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, edit(text)).unwrap();
    }

    /// Writes a policy file, as an editor does: beside, then in its place.
    pub(crate) fn policy(&self, name: &str, text: &str) {
        let unfinished = self.data.join("policies").join(format!(".{name}.new"));
        fs::write(&unfinished, text).unwrap();
        fs::rename(unfinished, self.data.join("policies").join(name)).unwrap();
    }

    /// Replaces the starter policies by these users and roles.
    pub(crate) fn account(&self, users: &[Value], roles: &[Value]) {
        self.policy("account.json", &json!({ "UserDetailList": users, "RoleDetailList": roles }).to_string());
    }

    /// Runs a command of the program to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        self.run_with(arguments, b"")
    }

    /// Runs a command with this standard input.
    pub(crate) fn run_with(&self, arguments: &[&str], input: &[u8]) -> Ended {
        let (mut child, out, err) = self.spawn(arguments, Stdio::piped());
        // A command that does not read its input may be gone by now.
        let _ = child.stdin.take().unwrap().write_all(input);
        self.wait(child, &out, &err)
    }

    /// `sealdock serve`, once it answers.
    #[track_caller]
    pub(crate) fn start(&self) -> Broker {
        self.serve(&[]).unwrap_or_else(|ended| panic!("the broker does not start: {ended:#?}"))
    }

    /// `sealdock serve` with further arguments, or how it ended.
    pub(crate) fn serve(&self, arguments: &[&str]) -> Result<Broker, Ended> {
        self.background(&[&["serve", "--data", self.data()], arguments].concat(), |out| {
            out.contains("listening on unix:")
        })
    }

    /// `sealdock serve` that may not have got anywhere yet.
    pub(crate) fn launch(&self) -> Broker {
        let (child, out, err) = self.spawn(&["serve", "--data", self.data()], Stdio::null());
        self.broker(child, out, err)
    }

    /// A command that stays in the foreground, once it has printed what `ready` waits for.
    pub(crate) fn background(&self, arguments: &[&str], ready: fn(&str) -> bool) -> Result<Broker, Ended> {
        let (mut child, out, err) = self.spawn(arguments, Stdio::null());
        let start = Instant::now();
        loop {
            // In this order, so that a process that ended has printed everything.
            let ended = child.try_wait().unwrap().is_some();
            let printed = fs::read_to_string(&out).unwrap();
            if printed.ends_with('\n') && ready(&printed) {
                return Ok(self.broker(child, out, err));
            }
            if ended {
                return Err(self.wait(child, &out, &err));
            }
            assert!(start.elapsed() < PATIENCE, "neither ready nor ended: {printed}");
            std::thread::sleep(Duration::from_millis(3));
        }
    }

    fn spawn(&self, arguments: &[&str], input: Stdio) -> (Child, PathBuf, PathBuf) {
        let number = self.runs.fetch_add(1, Ordering::SeqCst);
        let place = |kind| self.scratch.path().join("output").join(format!("{number}.{kind}"));
        let (out, err) = (place("out"), place("err"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_sealdock"));
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            if name.starts_with("SEALDOCK_") || name.starts_with("AWS_") {
                command.env_remove(name);
            }
        }
        let child = command
            .args(arguments)
            .stdin(input)
            .stdout(File::create(&out).unwrap())
            .stderr(File::create(&err).unwrap())
            .spawn()
            .unwrap();
        (child, out, err)
    }

    fn wait(&self, mut child: Child, out: &Path, err: &Path) -> Ended {
        let start = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if start.elapsed() > PATIENCE {
                child.kill().unwrap();
                panic!("does not end: {}", fs::read_to_string(err).unwrap());
            }
            std::thread::sleep(Duration::from_millis(3));
        };
        let text = |path: &Path| fs::read_to_string(path).unwrap();
        Ended { code: status.code(), out: text(out), err: text(err) }
    }

    fn broker(&self, child: Child, out: PathBuf, err: PathBuf) -> Broker {
        let socket = self.data.join("sealdock.sock");
        Broker { child, out, err, socket, needles: Arc::clone(&self.needles) }
    }

    /// `sealdock audit verify`: intact, and says so. Returns the number of records.
    #[track_caller]
    pub(crate) fn audit_intact(&self) -> u64 {
        let ended = self.run(&["audit", "verify", "--data", self.data(), "--json"]);
        assert_eq!(ended.code, Some(0), "{ended:#?}");
        let verdict: Value = serde_json::from_str(&ended.out).unwrap();
        assert_eq!(verdict["verdict"], "intact", "{verdict}");
        verdict["records"].as_u64().unwrap()
    }

    /// The records after the first `skip`, in order.
    pub(crate) fn audit(&self, skip: usize) -> Vec<Value> {
        let lines = crate::audit_kit::segments(&self.data.join("audit"));
        let lines = lines.iter().flat_map(|path| crate::audit_kit::lines(path)).skip(skip);
        // A broker that was killed may have left half a line.
        lines.filter(|l| l.ends_with(b"\n")).map(|l| serde_json::from_slice(&l).unwrap()).collect()
    }
}

impl Drop for Kit {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.needles.search(&self.data);
            self.needles.search(&self.beside("output"));
            self.needles.search_names(&self.vault());
        }
    }
}

/// A user for [`Kit::account`] with one inline policy.
pub(crate) fn user(name: &str, statements: Value) -> Value {
    json!({
        "UserName": name, "Path": "/", "Arn": format!("arn:aws:iam::{ACCOUNT}:user/{name}"),
        "UserPolicyList": [{ "PolicyName": "inline", "PolicyDocument": document(statements) }],
    })
}

/// A role for [`Kit::account`] that this service may assume.
pub(crate) fn role(name: &str, service: &str, statements: Value) -> Value {
    let trust =
        json!([{ "Effect": "Allow", "Principal": { "Service": service }, "Action": "sts:AssumeRole" }]);
    json!({
        "RoleName": name, "Path": "/", "Arn": role_arn(name), "AssumeRolePolicyDocument": document(trust),
        "RolePolicyList": [{ "PolicyName": "inline", "PolicyDocument": document(statements) }],
    })
}

pub(crate) fn role_arn(name: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT}:role/{name}")
}

fn document(statements: Value) -> Value {
    json!({ "Version": "2012-10-17", "Statement": statements })
}

/// A statement.
pub(crate) fn allow(action: &str, resource: &str) -> Value {
    json!({ "Effect": "Allow", "Action": action, "Resource": resource })
}

/// A statement.
pub(crate) fn deny(action: &str, resource: &str) -> Value {
    json!({ "Effect": "Deny", "Action": action, "Resource": resource })
}
