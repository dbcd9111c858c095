//! Functions that are commands of this host.
//!
//! ```text
//! standard input   the event, as JSON
//! environment      PATH, HOME, the broker's address, credentials for this step; nothing else
//! exit status      0 is a success
//! standard error   its own words; see said.rs
//! ```
//!
//! The command leads a process group of its own, which is killed with it when its time is
//! over or the broker stops.

use super::Reach;
use super::invoke::StepFailure;
use super::said::{SAID, end_of};
use crate::broker::RoleSession;
use crate::secret::SecretValue;
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStderr, Command};

/// What is read of standard error after the command has ended: a process that it left behind
/// may keep the pipe open.
const LAST_WORDS: Duration = Duration::from_millis(200);

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Where a command is at work.
pub(super) struct Place<'a> {
    /// The function's name.
    pub(super) name: &'a str,
    /// Region of the secret.
    pub(super) region: &'a str,
    /// Where the broker is.
    pub(super) reach: &'a Reach,
}

pub(super) async fn call(
    command: &[String],
    event: &Value,
    session: &RoleSession,
    place: &Place<'_>,
) -> Result<(), StepFailure> {
    let Some((program, arguments)) = command.split_first() else {
        return Err(StepFailure::new("the command is empty"));
    };
    let mut prepared = Command::new(program);
    prepared
        .args(arguments)
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    set_environment(&mut prepared, session, place);
    let child = prepared
        .spawn()
        .map_err(|e| StepFailure { failure: "the command cannot be started".into(), said: e.to_string() })?;
    let mut group = Group::new(child);
    let input = group.child.stdin.take();
    let errors = group.child.stderr.take();
    let event = event.to_string();
    let feed = async move {
        if let Some(mut input) = input {
            // A command that does not read its input says by its exit status whether that is wrong.
            let _ = input.write_all(event.as_bytes()).await;
        }
    };
    let mut end = Vec::new();
    let status = {
        let listen = keep_end(errors, &mut end);
        tokio::pin!(listen);
        let ended = async { tokio::join!(group.wait(), feed).0 };
        tokio::pin!(ended);
        let mut listening = true;
        let status = loop {
            tokio::select! {
                status = &mut ended => break status,
                () = &mut listen, if listening => listening = false,
            }
        };
        if listening {
            let _ = tokio::time::timeout(LAST_WORDS, listen).await;
        }
        status
    };
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(StepFailure { failure: how(status), said: end_of(&end) }),
        Err(e) => Err(StepFailure { failure: "the command was lost".into(), said: e.to_string() }),
    }
}

fn how(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("the command ended with exit status {code}"),
        (None, Some(signal)) => format!("the command was ended by signal {signal}"),
        (None, None) => "the command failed".into(),
    }
}

/// The broker's own environment stays out: it may hold what the function must not have.
fn set_environment(command: &mut Command, session: &RoleSession, place: &Place<'_>) {
    let Place { name, region, reach } = *place;
    command.env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap_or_else(|| PATH.into()));
    if let Some(home) = std::env::var_os("HOME") {
        command.env("HOME", home);
    }
    command.env("LANG", "C.UTF-8");
    for (variable, value) in [
        ("AWS_LAMBDA_FUNCTION_NAME", name),
        ("AWS_REGION", region),
        ("AWS_DEFAULT_REGION", region),
        ("AWS_ACCESS_KEY_ID", &session.claims.access_key_id),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("AWS_CONFIG_FILE", "/dev/null"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
    ] {
        command.env(variable, value);
    }
    command.env("AWS_SECRET_ACCESS_KEY", exposed(&session.secret));
    command.env("AWS_SESSION_TOKEN", exposed(&session.token));
    if let Some(endpoint) = &reach.endpoint {
        for variable in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SECRETS_MANAGER", "SECRETS_MANAGER_ENDPOINT"] {
            command.env(variable, endpoint);
        }
    }
    if let Some(ca) = &reach.ca {
        command.env("AWS_CA_BUNDLE", ca);
    }
    if let Some(socket) = &reach.socket {
        command.env("SEALDOCK_ENDPOINT", format!("unix:{}", socket.display()));
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a function on this host gets the credentials of its step in its environment"
)]
fn exposed(value: &SecretValue) -> &OsStr {
    OsStr::from_bytes(value.expose())
}

/// Reads to the end and keeps the last of it.
async fn keep_end(errors: Option<ChildStderr>, end: &mut Vec<u8>) {
    let Some(mut errors) = errors else { return };
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = errors.read(&mut buffer).await {
        end.extend_from_slice(buffer.get(..length).unwrap_or_default());
        let surplus = end.len().saturating_sub(SAID);
        end.drain(..surplus);
    }
}

/// A command and whatever it has started. Dropped before its end, all of it is killed.
struct Group {
    child: Child,
    leader: Option<Pid>,
}

impl Group {
    fn new(child: Child) -> Self {
        let leader = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        Self { child, leader }
    }

    async fn wait(&mut self) -> std::io::Result<ExitStatus> {
        let status = self.child.wait().await;
        // Its id may belong to another from here on.
        self.leader = None;
        status
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.leader {
            // Nobody is left to be told.
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}
