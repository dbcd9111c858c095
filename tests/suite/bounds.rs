//! What keeps a test that fails from becoming one that never ends.

use rustix::process::{Pid, Signal, kill_process};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Longer than any command of a test takes on a machine that has other work to do.
const LIMIT: Duration = Duration::from_secs(240);
const PAUSE: Duration = Duration::from_millis(20);

/// Raises a flag when it is dropped, by a panic as well: threads of a scope that go on until then
/// would have a failed test wait for them for ever.
pub(crate) struct RaisedAtLast<'a>(pub(crate) &'a AtomicBool);

impl Drop for RaisedAtLast<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// What a command printed and how it ended; `None` if it takes too long.
pub(crate) fn attempt(command: &mut Command) -> Option<Output> {
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    output_of(child.unwrap_or_else(|error| panic!("{command:?}: {error}")))
}

/// What a command printed and how it ended.
#[track_caller]
pub(crate) fn finished(command: &mut Command) -> Output {
    attempt(command).unwrap_or_else(|| panic!("does not end: {command:?}"))
}

/// As [`attempt`], for a command that runs already.
pub(crate) fn output_of(child: Child) -> Option<Output> {
    let (sender, receiver) = mpsc::channel();
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    std::thread::spawn(move || sender.send(child.wait_with_output()));
    let output = receiver.recv_timeout(LIMIT);
    if let (Err(_), Some(pid)) = (&output, pid) {
        // It may have ended just now.
        let _ = kill_process(pid, Signal::KILL);
    }
    output.ok().map(Result::unwrap)
}

/// Waits for a process that was told to end, and kills it if it does not.
pub(crate) fn end(child: &mut Child) {
    let begun = Instant::now();
    while let Ok(None) = child.try_wait() {
        if begun.elapsed() > LIMIT {
            let _ = child.kill();
            let _ = child.wait();
            return;
        }
        std::thread::sleep(PAUSE);
    }
}
