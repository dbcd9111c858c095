//! What the containers of a task write, line by line.
//!
//! It runs beside the supervision, so that a reader who is slow to take lines
//! delays no decision about containers. Drivers that cannot be read back give
//! nothing.
//!
//! ```text
//! running? --yes--> follow, until Docker ends it or the container has ended --> running?
//!    `-----no-----> read what is left; the log is complete
//! ```
//!
//! Docker ends a follow when the container ends, and writes its last line, if that has no end, at the same
//! time: a follow alone may lose it.

use super::events::{Event, say};
use super::log_position::Position;
use super::runtime::{ContainerRuntime, Inspection, LogRequest, OutputStream, RuntimeError};
use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use jiff::Timestamp;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

/// A line that does not end is passed on in pieces of this size.
const LONGEST_LINE: usize = 64 * 1024;
/// How long a follow of a container that has ended may give nothing: Docker may keep one open.
const QUIET: Duration = Duration::from_secs(1);
/// Between looks at an engine that does not answer, or at a container that runs without a log.
const PAUSE: Duration = Duration::from_secs(1);
/// How long the lines of ended containers may not come forward at all.
const STUCK: Duration = Duration::from_secs(10);

/// A container whose output is wanted: its name within the task, and its id.
pub(super) type Followed<'a> = (&'a str, &'a str);

/// Lines that have been passed on, as a count.
#[derive(Debug, Default)]
pub(super) struct Passed(AtomicU64);

/// Passes lines on until `started` is closed and every container has ended. A container is
/// named again when it is started again.
pub(super) async fn follow<'a, R: ContainerRuntime>(
    runtime: &'a R,
    mut started: mpsc::UnboundedReceiver<Followed<'a>>,
    events: &mpsc::Sender<Event>,
    passed: &Passed,
) {
    let mut starts: HashMap<&str, mpsc::UnboundedSender<()>> = HashMap::new();
    let mut readers = FuturesUnordered::new();
    let mut open = true;
    while open || !readers.is_empty() {
        tokio::select! {
            next = started.recv(), if open => match next {
                Some((name, id)) => {
                    let start = starts.entry(name).or_insert_with(|| {
                        let (sender, receiver) = mpsc::unbounded_channel();
                        readers.push(Reader::new(runtime, (name, id), events, passed).every_run(receiver));
                        sender
                    });
                    // The log of a reader that is gone cannot be read.
                    let _ = start.send(());
                }
                None => {
                    open = false;
                    starts.clear();
                }
            },
            Some(()) = readers.next(), if !readers.is_empty() => {}
        }
    }
}

/// Waits for the lines of ended containers, as long as they come forward.
pub(super) async fn last_lines(reading: impl Future<Output = ()>, passed: &Passed) {
    let mut reading = std::pin::pin!(reading);
    let mut before = None;
    loop {
        let now = passed.0.load(Ordering::Relaxed);
        if before.replace(now) == Some(now) || timeout(STUCK, &mut reading).await.is_ok() {
            return;
        }
    }
}

/// Passes on what containers wrote; with `follow`, until they end.
pub(super) async fn follow_all<R: ContainerRuntime>(
    runtime: &R,
    containers: &[Followed<'_>],
    follow: bool,
    events: &mpsc::Sender<Event>,
) {
    let passed = Passed::default();
    let readers = containers.iter().map(|container| {
        let mut reader = Reader::new(runtime, *container, events, &passed);
        async move { if follow { reader.run().await } else { reader.so_far().await } }
    });
    join_all(readers).await;
}

/// Reads the log of one container.
struct Reader<'a, R> {
    runtime: &'a R,
    name: &'a str,
    id: &'a str,
    events: &'a mpsc::Sender<Event>,
    passed: &'a Passed,
    position: Position,
    stdout: Lines,
    stderr: Lines,
}

/// How a pass over a log ended.
#[derive(PartialEq)]
enum Read {
    /// It gave something new.
    New,
    /// It gave nothing new.
    Nothing,
    /// It cannot be read.
    Unreadable,
}

impl<'a, R: ContainerRuntime> Reader<'a, R> {
    fn new(
        runtime: &'a R,
        (name, id): Followed<'a>,
        events: &'a mpsc::Sender<Event>,
        passed: &'a Passed,
    ) -> Self {
        let (stdout, stderr) = (Lines::default(), Lines::default());
        Self { runtime, name, id, events, passed, position: Position::default(), stdout, stderr }
    }

    async fn every_run(mut self, mut starts: mpsc::UnboundedReceiver<()>) {
        while starts.recv().await.is_some() {
            self.run().await;
        }
    }

    /// From where the last pass ended until the container has ended.
    async fn run(&mut self) {
        while let Some(state) = self.state().await {
            let read = self.pass(state.terminal, state.running).await;
            if read == Read::Unreadable || !state.running {
                break;
            }
            if read == Read::Nothing {
                let _ = timeout(PAUSE, self.runtime.wait(self.id)).await;
            }
        }
        self.end_lines().await;
    }

    /// What has been written.
    async fn so_far(&mut self) {
        if let Some(state) = self.state().await {
            self.pass(state.terminal, false).await;
        }
        self.end_lines().await;
    }

    /// The state of the container, once the engine answers; nothing if it is gone.
    async fn state(&self) -> Option<Inspection> {
        loop {
            match self.runtime.inspect(self.id).await {
                Ok(state) => return Some(state),
                Err(RuntimeError::Unavailable { .. } | RuntimeError::Timeout { .. }) => sleep(PAUSE).await,
                Err(_) => return None,
            }
        }
    }

    async fn pass(&mut self, terminal: bool, follow: bool) -> Read {
        let request = LogRequest { since: self.position.since(), follow, terminal };
        let runtime = self.runtime;
        let mut pieces = std::pin::pin!(runtime.logs(self.id, request));
        let mut end = std::pin::pin!(runtime.wait(self.id));
        let mut running = follow;
        let mut pass = self.position.pass();
        let mut read = Read::Unreadable;
        loop {
            let piece = tokio::select! {
                biased;
                piece = pieces.next() => piece,
                _ = &mut end, if running => {
                    running = false;
                    continue;
                }
                () = sleep(QUIET), if follow && !running => None,
            };
            let piece = match piece {
                Some(Ok(piece)) => piece,
                // An engine that is gone is waited for, and a log that broke off is read on.
                Some(Err(RuntimeError::Unavailable { .. })) | None if read == Read::Unreadable => {
                    return Read::Nothing;
                }
                Some(Err(_)) | None => return read,
            };
            if read == Read::Unreadable {
                read = Read::Nothing;
            }
            let (stream, at) = (piece.stream, piece.at);
            if let Some(bytes) = self.position.take(&mut pass, piece) {
                read = Read::New;
                let lines = self.lines(stream).add(at, &bytes);
                self.pass_on(stream, lines).await;
            }
        }
    }

    /// A last line without an end is a line too.
    async fn end_lines(&mut self) {
        for stream in [OutputStream::Stdout, OutputStream::Stderr] {
            let line = self.lines(stream).finish();
            self.pass_on(stream, line).await;
        }
        self.position.end_lines();
    }

    fn lines(&mut self, stream: OutputStream) -> &mut Lines {
        match stream {
            OutputStream::Stdout => &mut self.stdout,
            OutputStream::Stderr => &mut self.stderr,
        }
    }

    async fn pass_on(&self, stream: OutputStream, lines: impl IntoIterator<Item = Vec<u8>>) {
        for line in lines {
            say(self.events, Event::Log { container: self.name.to_owned(), stream, line }).await;
            self.passed.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Puts lines together from pieces.
#[derive(Debug, Default)]
struct Lines {
    line: Vec<u8>,
    /// The moment of the piece that came last.
    at: Option<Timestamp>,
}

impl Lines {
    /// The lines that end with a piece. A piece of another moment begins a line: what came before
    /// was the last line of a container that has been started again.
    fn add(&mut self, at: Option<Timestamp>, piece: &[u8]) -> Vec<Vec<u8>> {
        let mut complete = Vec::new();
        if std::mem::replace(&mut self.at, at) != at {
            complete.extend(self.finish());
        }
        for part in piece.split_inclusive(|&byte| byte == b'\n') {
            self.line.extend_from_slice(part);
            if part.ends_with(b"\n") || self.line.len() >= LONGEST_LINE {
                complete.extend(self.finish());
            }
        }
        complete
    }

    fn finish(&mut self) -> Option<Vec<u8>> {
        let mut line = std::mem::take(&mut self.line);
        if line.is_empty() {
            return None;
        }
        for end in [b'\n', b'\r'] {
            if line.last() == Some(&end) {
                line.pop();
            }
        }
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_put_together() {
        let mut lines = Lines::default();
        assert!(lines.add(None, b"one").is_empty());
        assert_eq!(lines.add(None, b"\ntwo\r\n\nthr"), [b"one".to_vec(), b"two".to_vec(), b"".to_vec()]);
        assert_eq!(lines.finish(), Some(b"thr".to_vec()));
        assert_eq!(lines.finish(), None);
    }

    #[test]
    fn an_endless_line_does_not_fill_the_memory() {
        let mut lines = Lines::default();
        let pieces: usize = (0..100).map(|_| lines.add(None, &[b'x'; 1024]).len()).sum();
        assert_eq!(pieces, 1);
    }

    #[test]
    fn a_container_that_is_started_again_begins_a_line() {
        let moment = |second| Some(Timestamp::from_second(second).unwrap());
        let mut lines = Lines::default();
        assert!(lines.add(moment(1), b"long ").is_empty());
        assert_eq!(lines.add(moment(1), b"line\n"), [b"long line".to_vec()]);
        assert!(lines.add(moment(2), b"the last words").is_empty());
        assert_eq!(lines.add(moment(3), b"new\n"), [b"the last words".to_vec(), b"new".to_vec()]);
    }
}
