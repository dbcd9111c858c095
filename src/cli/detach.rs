//! Processes that outlive the command that started them.
//!
//! ```text
//! sealdock task run --detach FILE     starts itself again with the same words, passes on what that
//!   |                                 prints, and ends when it says that it is ready, or has ended
//!   `- the same, SEALDOCK_DETACHED=1  in a session of its own; from `ready` on it has no terminal
//! ```
//!
//! So everything is read and checked in one process only, and what goes wrong before the
//! task runs is told, with its exit code, as without `--detach`.

use super::Failure;
use super::broker::block_on;
use crate::launch::{self, Interrupt};
use std::fs::File;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitCode, ExitStatus, Stdio};
use tokio::io::{AsyncRead, AsyncReadExt};

const CHILD: &str = "SEALDOCK_DETACHED";
/// The end of what a process prints before it goes on alone.
const READY: &[u8] = b"\0ready\n";

/// Begins a command that may be left to a process of its own: answers its exit code if that is
/// another one, and nothing where it goes on.
pub(crate) fn begin(detach: bool) -> Result<Option<ExitCode>, Failure> {
    if detach && !is_child() {
        return start().map(Some);
    }
    if detach {
        leave_session();
    }
    // What it is told to act with stays in it for as long as it runs.
    crate::memory::forbid_dumps();
    Ok(None)
}

/// Whether this is the process that outlives the other.
fn is_child() -> bool {
    std::env::var_os(CHILD).is_some_and(|value| value == "1")
}

/// Starts this command again and waits until it is ready or has ended.
fn start() -> Result<ExitCode, Failure> {
    block_on(async {
        let failed = |e: std::io::Error| Failure::new(2, format!("cannot start a process of its own: {e}"));
        // The program that runs now, whatever has become of its file.
        let mut child = tokio::process::Command::new("/proc/self/exe")
            .args(std::env::args_os().skip(1))
            .env(CHILD, "1")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let mut interrupts = launch::interrupts().map_err(failed)?;
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let pid = child.id().and_then(|id| rustix::process::Pid::from_raw(i32::try_from(id).ok()?));
        let read = async { tokio::join!(everything(out), pass_on(err)).0 };
        let mut read = std::pin::pin!(read);
        let mut printed = loop {
            let interrupt = tokio::select! {
                printed = &mut read => break printed,
                Some(interrupt) = interrupts.recv() => interrupt,
            };
            let signal = match interrupt {
                Interrupt::Interrupt => rustix::process::Signal::INT,
                Interrupt::Terminate | Interrupt::Stop => rustix::process::Signal::TERM,
            };
            // It may just have ended.
            let _ = pid.map(|pid| rustix::process::kill_process(pid, signal));
        };
        let ready = printed.ends_with(READY);
        if ready {
            printed.truncate(printed.len() - READY.len());
        }
        let _ = std::io::stdout().lock().write_all(&printed);
        if ready { Ok(ExitCode::SUCCESS) } else { child.wait().await.map(exit_code).map_err(failed) }
    })?
}

/// In the other process, first of all: Ctrl-C in the terminal is not for it any more.
fn leave_session() {
    // It fails for a process that leads its group, which has no terminal to lose then.
    let _ = rustix::process::setsid();
}

/// Tells the one who waits that all is well; from now on, what this process prints goes to `log`.
pub(crate) fn ready(log: &File) -> Result<(), Failure> {
    let failed = |e: std::io::Error| Failure::new(2, format!("cannot leave the terminal: {e}"));
    {
        let mut out = std::io::stdout().lock();
        // Whoever waited may have been killed; that ends nothing.
        let _ = out.write_all(READY).and_then(|()| out.flush());
    }
    let nothing = File::open("/dev/null").map_err(failed)?;
    rustix::stdio::dup2_stdin(&nothing).map_err(|e| failed(e.into()))?;
    rustix::stdio::dup2_stdout(log).map_err(|e| failed(e.into()))?;
    rustix::stdio::dup2_stderr(log).map_err(|e| failed(e.into()))?;
    // No file system stays busy because the command was given there.
    std::env::set_current_dir("/").map_err(failed)
}

async fn everything(stream: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(mut stream) = stream {
        let _ = stream.read_to_end(&mut bytes).await;
    }
    bytes
}

async fn pass_on(stream: Option<impl AsyncRead + Unpin>) {
    let Some(mut stream) = stream else { return };
    let mut bytes = [0; 4096];
    while let Ok(read @ 1..) = stream.read(&mut bytes).await {
        let _ = std::io::stderr().lock().write_all(bytes.get(..read).unwrap_or_default());
    }
}

fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}
