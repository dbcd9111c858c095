//! [`AuditLog`], the one way to a [`Permit`].
//!
//! `record` and `note` build the record's bytes, hand them to the writer thread and
//! return at once; the answer comes when the record is durable (await it, or block in
//! `wait`), or with a refusal: at the latest [`Options::wait`] after the call, at once
//! when the log is closed, overloaded or stalled. Dropping the answer does not take the
//! record back.

use super::disk::{Disk, RealDisk};
use super::queue::{Pending, Queue};
use super::{AuditError, Event, Permit, record, recover};
use crate::clock::{Clock, SystemClock};
use crate::policy::Decision;
use futures_util::future::join_all;
use std::fmt;
use std::future::{Future, poll_fn};
use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use zeroize::Zeroizing;

/// How a log is kept.
pub struct Options {
    /// The directory of the log; made if it is missing.
    pub dir: PathBuf,
    /// The Ed25519 seed that checkpoints are signed with.
    pub signing_seed: Zeroizing<[u8; 32]>,
    /// A segment that has this size is followed by a new one.
    pub segment_bytes: u64,
    /// How long a record may take to become durable before its request is refused.
    pub wait: Duration,
    /// How long records may stand without a checkpoint while the log is written.
    pub checkpoint_every: Duration,
    /// How many records may wait to be written.
    pub queue: usize,
    /// A sequence number and its record's hash, known from elsewhere, that the log must hold.
    pub expected_head: Option<(u64, String)>,
    /// Where event and checkpoint times come from.
    pub clock: Arc<dyn Clock>,
    /// How bytes get to the disk.
    pub disk: Arc<dyn Disk>,
}

impl Options {
    /// A log in `dir`, signed with `signing_seed`; everything else as usual: segments of 64 MiB, five
    /// seconds' wait, a checkpoint every second, 4,096 records in the queue.
    pub fn new(dir: impl Into<PathBuf>, signing_seed: [u8; 32]) -> Self {
        Self {
            dir: dir.into(),
            signing_seed: Zeroizing::new(signing_seed),
            segment_bytes: 64 << 20,
            wait: Duration::from_secs(5),
            checkpoint_every: Duration::from_secs(1),
            queue: 4096,
            expected_head: None,
            clock: Arc::new(SystemClock),
            disk: Arc::new(RealDisk),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("dir", &self.dir)
            .field("segment_bytes", &self.segment_bytes)
            .field("wait", &self.wait)
            .finish_non_exhaustive()
    }
}

/// An open audit log. Dropping it writes the final checkpoint.
#[derive(Debug)]
pub struct AuditLog {
    queue: Arc<Queue>,
    clock: Arc<dyn Clock>,
}

impl AuditLog {
    /// Opens the log in `options.dir`, or begins one. What a crash left unfinished is cut off, and a
    /// note recorded about it; a log that does not verify is refused.
    pub fn open(options: Options) -> Result<Self, AuditError> {
        let clock = Arc::clone(&options.clock);
        let (queue, unfinished) = recover::start(options)?;
        let log = Self { queue, clock };
        if let Some(event) = unfinished {
            log.note(event).wait()?;
        }
        Ok(log)
    }

    /// Records a request and the decision about it. An allowed one yields a [`Permit`]; a denied one
    /// is recorded with an error code and message (unless the event has them) and yields
    /// [`Refused::Denied`].
    pub fn record(&self, mut event: Event<'_>, decision: Decision) -> Recording {
        if !decision.is_allowed() && event.error_code.is_none() {
            event.error_code = Some("AccessDenied".into());
            // The caller as it signed, which for a session is not the principal that was decided upon.
            let caller = event.user_identity.arn.as_deref();
            let message =
                caller.map_or_else(|| decision.denial_message(), |arn| decision.denial_message_as(arn));
            event.error_message.get_or_insert(message.into());
        }
        let pending = self.submit(&mut event, Some(&decision));
        Recording { pending, decision: Some(Box::new(decision)) }
    }

    /// Records what was not decided upon: a request that failed or proved no identity, a start, a stop.
    pub fn note(&self, mut event: Event<'_>) -> Noting {
        Noting { pending: self.submit(&mut event, None) }
    }

    /// Drives the parts of one request that each record something as soon as they are polled: one sync
    /// covers these first records of all of them.
    pub async fn together<F: Future>(&self, parts: Vec<F>) -> Vec<F::Output> {
        self.at_once(parts.len(), join_all(parts)).await
    }

    /// As [`AuditLog::together`], for work that makes `records` records before it first waits.
    pub async fn at_once<F: Future>(&self, records: usize, work: F) -> F::Output {
        let mut work = pin!(work);
        let first = poll_fn(|context| {
            let _held = self.queue.hold(records);
            Poll::Ready(work.as_mut().poll(context))
        });
        match first.await {
            Poll::Ready(answer) => answer,
            Poll::Pending => work.await,
        }
    }

    /// The sequence number and hash of the last durable record; 0 and 64 zeros of an empty log.
    pub fn head(&self) -> (u64, String) {
        self.queue.head()
    }

    /// Why the log takes no more records, if it does not.
    pub fn failure(&self) -> Option<AuditError> {
        self.queue.failure()
    }

    /// Writes what is queued and the final checkpoint, and ends.
    pub fn close(self) {
        drop(self);
    }

    fn submit(&self, event: &mut Event<'_>, decision: Option<&Decision>) -> Pending {
        event.event_time.get_or_insert_with(|| self.clock.now());
        if event.event_id.is_empty() {
            event.event_id = crate::ids::unique().to_string().into();
        }
        match record::body(self.queue.blank(), event, decision) {
            Ok(body) => self.queue.submit(body),
            Err(error) => Pending::refused(error),
        }
    }
}

impl Drop for AuditLog {
    fn drop(&mut self) {
        self.queue.finish();
    }
}

/// Why there is no permit.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The policies deny it, and the denial is on record.
    #[error("{}", .0.denial_message())]
    Denied(Box<Decision>),
    /// There is no durable record, whatever the policies say.
    #[error(transparent)]
    Unavailable(#[from] AuditError),
}

/// The answer of [`AuditLog::record`].
#[derive(Debug)]
#[must_use = "nothing is permitted until the record is durable"]
pub struct Recording {
    pending: Pending,
    decision: Option<Box<Decision>>,
}

impl Recording {
    /// Blocks until the record is durable or refused.
    pub fn wait(self) -> Result<Permit, Refused> {
        let Self { pending, decision } = self;
        let durable = pending.wait()?;
        let decision = decision.ok_or(AuditError::Stalled)?;
        Permit::grant(decision, durable).map_err(Refused::Denied)
    }
}

impl Future for Recording {
    type Output = Result<Permit, Refused>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = std::task::ready!(Pin::new(&mut self.pending).poll(context));
        // A future polled after its end has no decision left and yields no permit.
        Poll::Ready(answer.map_err(Refused::from).and_then(|durable| {
            let decision = self.decision.take().ok_or(AuditError::Stalled)?;
            Permit::grant(decision, durable).map_err(Refused::Denied)
        }))
    }
}

/// The answer of [`AuditLog::note`].
#[derive(Debug)]
#[must_use = "the event is not on record until this is awaited"]
pub struct Noting {
    pending: Pending,
}

impl Noting {
    /// Blocks until the record is durable or refused.
    pub fn wait(self) -> Result<(), AuditError> {
        self.pending.wait().map(drop)
    }
}

impl Future for Noting {
    type Output = Result<(), AuditError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.pending).poll(context).map_ok(drop)
    }
}
