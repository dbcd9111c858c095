//! Between those who record and the one thread that writes: the queue, the answers, the deadline.
//!
//! ```text
//! submit -> queue --take--> in flight --commit--> answered, all at once
//!              \________________\____ older than `wait`: answered `Stalled` by the watchdog
//! ```
//!
//! The deadline does not depend on the writer thread, which may hang in a system call: a
//! watchdog thread answers what is too old, and while it has had to, new records are refused at once.
//! A record refused so may still reach the disk; it then reports a release that did not
//! happen, never the reverse.

use super::AuditError;
use super::record::{self, Hash};
use super::writer::Durable;
use futures_channel::oneshot;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

type Reply = oneshot::Sender<Result<Durable, AuditError>>;

/// How long the writer waits for one more record of a batch, and how long for all of them. On one core
/// the answers to a batch go out before anything new is read: with 64 clients that takes most of
/// a millisecond, and a writer that did not wait for it would forget them.
const LULL: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_millis(4);
/// A batch that is large enough in any case.
const BATCH: usize = 256;
/// What a record usually takes, in bytes, and what is kept for a later one at most.
const USUAL: usize = 2048;
const LARGE: usize = 8192;

/// What is shared by recorders, writer and watchdog.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    work: Condvar,
    ended: Condvar,
    capacity: usize,
    wait: Duration,
    /// Buffers of written records.
    blanks: Mutex<Vec<Vec<u8>>>,
}

#[derive(Debug)]
struct State {
    bodies: Vec<Vec<u8>>,
    waiting: Vec<Waiting>,
    in_flight: Vec<Waiting>,
    head: (u64, Hash),
    failure: Option<AuditError>,
    /// How many have submitted: one for a lone record, one for all of a [`Queue::hold`].
    parties: usize,
    /// Parties of the batch before.
    last_batch: usize,
    /// Parties that came while that batch was written.
    meanwhile: usize,
    /// Holds that are open: the writer takes nothing.
    held: usize,
    /// The writer sleeps until there are so many parties.
    awaited: Option<usize>,
    stalled: bool,
    finishing: bool,
    done: bool,
}

#[derive(Debug)]
struct Waiting {
    since: Instant,
    reply: Reply,
}

impl Queue {
    pub(super) fn new(capacity: usize, wait: Duration, head: (u64, Hash)) -> Self {
        Self {
            state: Mutex::new(State {
                bodies: Vec::new(),
                waiting: Vec::new(),
                in_flight: Vec::new(),
                head,
                failure: None,
                parties: 0,
                last_batch: 0,
                meanwhile: 0,
                held: 0,
                awaited: None,
                stalled: false,
                finishing: false,
                done: false,
            }),
            work: Condvar::new(),
            ended: Condvar::new(),
            capacity,
            wait,
            blanks: Mutex::default(),
        }
    }

    /// An empty buffer for the body of a record. Bodies are made by many threads and given up by
    /// one, which is what allocators are worst at.
    pub(super) fn blank(&self) -> Vec<u8> {
        let kept = self.blanks.lock().unwrap_or_else(PoisonError::into_inner).pop();
        kept.unwrap_or_else(|| Vec::with_capacity(USUAL))
    }

    /// For the writer: takes back the bodies that it has written.
    pub(super) fn reuse(&self, bodies: Vec<Vec<u8>>) {
        let mut blanks = self.blanks.lock().unwrap_or_else(PoisonError::into_inner);
        let room = BATCH.saturating_sub(blanks.len());
        blanks.extend(bodies.into_iter().filter(|body| body.capacity() <= LARGE).take(room).map(
            |mut body| {
                body.clear();
                body
            },
        ));
    }

    /// Hands the body of a record to the writer.
    pub(super) fn submit(&self, body: Vec<u8>) -> Pending {
        let since = Instant::now();
        let mut state = self.lock();
        if let Some(error) = state.refusal(self.capacity) {
            return Pending::refused(error);
        }
        let (reply, receiver) = oneshot::channel();
        state.bodies.push(body);
        state.waiting.push(Waiting { since, reply });
        state.parties += 1;
        let wake = state.rouses();
        drop(state);
        if wake {
            self.work.notify_one();
        }
        Pending(Inner::Waiting { receiver, deadline: since + self.wait })
    }

    /// Keeps the writer from what is queued until the answer is dropped, so that one sync covers the
    /// `records` of one request that are submitted meanwhile. Nothing may be waited for until then.
    pub(super) fn hold(&self, records: usize) -> Held<'_> {
        self.lock().held += 1;
        Held { queue: self, records }
    }

    /// For the writer: the bodies of all that is queued, in order; empty after `patience` without
    /// any; `None` when there will be no more.
    pub(super) fn take(&self, patience: Duration) -> Option<Vec<Vec<u8>>> {
        let deadline = Instant::now() + patience;
        let mut state = self.lock();
        // The writer is here: whatever held it up is over.
        state.stalled = false;
        state.meanwhile = state.parties;
        loop {
            if !state.bodies.is_empty() && state.held == 0 {
                state = self.gather(state);
                let state = &mut *state;
                state.last_batch = mem::take(&mut state.parties);
                mem::swap(&mut state.waiting, &mut state.in_flight);
                return Some(mem::take(&mut state.bodies));
            }
            if state.held == 0 && (state.finishing || state.failure.is_some()) {
                return None;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Some(Vec::new());
            }
            state = self.sleep(state, 1, left);
        }
    }

    /// Waits for the clients of the last batch to come back, as long as they do: on few cores
    /// the writer would otherwise run ahead of those who record, and pay one sync for two records.
    /// One may be missing: not all have to wait for the slowest.
    /// A lone recorder never waits here; that clients stay away costs one bounded wait.
    fn gather<'q>(&'q self, mut state: MutexGuard<'q, State>) -> MutexGuard<'q, State> {
        let known = state.last_batch + state.meanwhile;
        let wanted = known.saturating_sub(1);
        let deadline = Instant::now() + LONGEST;
        while state.parties < wanted
            && state.bodies.len() < BATCH
            && !state.finishing
            && state.failure.is_none()
        {
            let before = state.parties;
            let left = deadline.saturating_duration_since(Instant::now());
            state = self.sleep(state, wanted, left.min(LULL));
            if state.parties == before || left.is_zero() {
                break;
            }
        }
        state
    }

    /// The writer sleeps for at most `longest`, or until there are so many parties.
    fn sleep<'q>(
        &'q self,
        mut state: MutexGuard<'q, State>,
        parties: usize,
        longest: Duration,
    ) -> MutexGuard<'q, State> {
        state.awaited = Some(parties);
        state = self.work.wait_timeout(state, longest).unwrap_or_else(PoisonError::into_inner).0;
        state.awaited = None;
        state
    }

    /// For the writer: what it took last is durable; `first` is the sequence number of its first record.
    pub(super) fn committed(&self, first: Durable, head: (u64, Hash)) {
        let mut state = self.lock();
        state.head = head;
        let answered = mem::take(&mut state.in_flight);
        drop(state);
        for (waiting, durable) in answered.into_iter().zip(first.onward()) {
            // Whoever stopped waiting has been refused already.
            let _ = waiting.reply.send(Ok(durable));
        }
    }

    /// Ends the log: nothing that waits, and nothing to come, is recorded.
    pub(super) fn fail(&self, error: AuditError) {
        let mut state = self.lock();
        let error = state.failure.get_or_insert(error).clone();
        let mut refused = mem::take(&mut state.in_flight);
        refused.append(&mut state.waiting);
        state.bodies.clear();
        state.parties = 0;
        drop(state);
        for waiting in refused {
            let _ = waiting.reply.send(Err(error.clone()));
        }
    }

    /// For the writer: it has written its last.
    pub(super) fn end(&self) {
        self.fail(AuditError::Closed("it was shut down".into()));
        self.lock().done = true;
        self.ended.notify_all();
    }

    /// Lets the writer finish what is queued, and waits for it, but not longer than for a record.
    pub(super) fn finish(&self) {
        let mut state = self.lock();
        state.finishing = true;
        self.work.notify_one();
        let deadline = Instant::now() + self.wait;
        while !state.done {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            state = self.ended.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    pub(super) fn head(&self) -> (u64, String) {
        let (sequence, hash) = self.lock().head;
        (sequence, record::hex(&hash))
    }

    pub(super) fn failure(&self) -> Option<AuditError> {
        self.lock().failure.clone()
    }

    /// The watchdog's whole life: refuses what has waited too long, until the writer ends.
    pub(super) fn watch(&self) {
        let tick = (self.wait / 8).clamp(Duration::from_millis(5), Duration::from_millis(250));
        let mut state = self.lock();
        while !state.done {
            let late = state.late(self.wait);
            if !late.is_empty() {
                drop(state);
                for waiting in late {
                    let _ = waiting.reply.send(Err(AuditError::Stalled));
                }
                state = self.lock();
            }
            state = self.ended.wait_timeout(state, tick).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The answer of [`Queue::hold`].
#[derive(Debug)]
#[must_use = "the hold ends when this is dropped"]
pub(super) struct Held<'q> {
    queue: &'q Queue,
    records: usize,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let mut state = self.queue.lock();
        state.held -= 1;
        state.parties = state.parties.saturating_sub(self.records.saturating_sub(1));
        let wake = !state.bodies.is_empty() && state.rouses();
        drop(state);
        if wake {
            self.queue.work.notify_one();
        }
    }
}

impl State {
    /// Whether somebody has to wake the writer now; says so once.
    fn rouses(&mut self) -> bool {
        let enough = self.held == 0 && self.awaited.is_some_and(|awaited| self.parties >= awaited);
        enough && self.awaited.take().is_some()
    }

    fn refusal(&self, capacity: usize) -> Option<AuditError> {
        if let Some(failure) = &self.failure {
            return Some(failure.clone());
        }
        if self.finishing {
            return Some(AuditError::Closed("it is shutting down".into()));
        }
        if self.stalled {
            return Some(AuditError::Stalled);
        }
        (self.waiting.len() >= capacity).then_some(AuditError::Overloaded)
    }

    /// Takes out what has waited longer than `wait`. INVARIANT: `bodies` and `waiting` run in step.
    fn late(&mut self, wait: Duration) -> Vec<Waiting> {
        let is_late = |waiting: &Waiting| waiting.since.elapsed() >= wait;
        let mut late = Vec::new();
        if self.in_flight.first().is_some_and(is_late) {
            late.append(&mut self.in_flight);
        }
        let queued = self.waiting.iter().take_while(|waiting| is_late(waiting)).count();
        late.extend(self.waiting.drain(..queued));
        self.bodies.drain(..queued.min(self.bodies.len()));
        self.stalled |= !late.is_empty();
        late
    }
}

/// A record on its way to the disk.
#[derive(Debug)]
pub(super) struct Pending(Inner);

#[derive(Debug)]
enum Inner {
    Waiting { receiver: oneshot::Receiver<Result<Durable, AuditError>>, deadline: Instant },
    Refused(AuditError),
}

impl Pending {
    pub(super) fn refused(error: AuditError) -> Self {
        Self(Inner::Refused(error))
    }

    /// Blocks until there is an answer; the deadline holds even if the watchdog is not there.
    pub(super) fn wait(mut self) -> Result<Durable, AuditError> {
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut context = Context::from_waker(&waker);
        loop {
            if let Poll::Ready(answer) = Pin::new(&mut self).poll(&mut context) {
                return answer;
            }
            if let Inner::Waiting { deadline, .. } = &self.0 {
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Err(AuditError::Stalled);
                }
                thread::park_timeout(left);
            }
        }
    }
}

impl Future for Pending {
    type Output = Result<Durable, AuditError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Inner::Refused(error) => Poll::Ready(Err(error.clone())),
            Inner::Waiting { receiver, .. } => Pin::new(receiver)
                .poll(context)
                .map(|answer| answer.unwrap_or_else(|_| Err(AuditError::Closed("its writer ended".into())))),
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
