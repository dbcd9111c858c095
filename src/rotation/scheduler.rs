//! The scheduler: looks what is due, by the broker's clock, and makes attempts.
//!
//! One attempt for a secret at a time, and [`AT_A_TIME`] over all. At the end it begins no
//! more, gives those that run a little time, and then ends them: they fail, which is on
//! record, and are made again after the next start.

use super::Reach;
use super::attempt::{self, Stop};
use crate::broker::Broker;
use jiff::Timestamp;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};

/// Attempts at a time.
const AT_A_TIME: usize = 4;
/// How often the clock is looked at.
const TICK: Duration = Duration::from_millis(100);
/// All records are looked through at least this often, for what no signal told: a restored
/// secret, for example.
const LOOK: Duration = Duration::from_secs(20);
/// At most this part of the time is spent on looking through records.
const SHARE: u32 = 20;
/// Time for attempts that run when the broker stops.
const GRACE: Duration = Duration::from_secs(3);
/// Time for their last records after that.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// A running scheduler.
#[derive(Debug)]
pub struct Rotator {
    stop: watch::Sender<Stop>,
    task: JoinHandle<()>,
}

impl Rotator {
    /// Starts the scheduler on this runtime.
    pub fn start(broker: Arc<Broker>, reach: Reach) -> Self {
        let (stop, stopping) = watch::channel(Stop::No);
        let task = tokio::spawn(run(broker, Arc::new(reach), stopping));
        Self { stop, task }
    }

    /// Stops it in order: attempts end or fail, and that is on record. The API must still be
    /// there, since functions that run call it.
    pub async fn stop(self) {
        self.stop.send_replace(Stop::Soon);
        let mut task = self.task;
        if tokio::time::timeout(GRACE, &mut task).await.is_err() {
            self.stop.send_replace(Stop::Now);
            if tokio::time::timeout(LAST_WORDS, &mut task).await.is_err() {
                task.abort();
            }
        }
    }
}

async fn run(broker: Arc<Broker>, reach: Arc<Reach>, mut stopping: watch::Receiver<Stop>) {
    if let Err(error) = tokio::task::block_in_place(|| broker.vault().secrets().resume_rotations()) {
        tracing::error!(%error, "rotations that were cut short are made again after their pause");
    }
    let running: Arc<Mutex<HashSet<String>>> = Arc::default();
    let slots = Arc::new(Semaphore::new(AT_A_TIME));
    let mut attempts = JoinSet::new();
    let mut due = Due::default();
    loop {
        tokio::select! {
            _ = stopping.wait_for(|stop| *stop != Stop::No) => break,
            () = tokio::time::sleep(TICK) => {}
        }
        while attempts.try_join_next().is_some() {}
        due.look(&broker).await;
        let (now, mut waiting) = (broker.now(), Vec::new());
        while let Ok(slot) = Arc::clone(&slots).try_acquire_owned() {
            let Some(id) = due.take(now) else { break };
            if !lock(&running).insert(id.clone()) {
                // It has just become due again, and its last attempt is about to end.
                waiting.push(id);
                continue;
            }
            let (broker, reach, running) = (Arc::clone(&broker), Arc::clone(&reach), Arc::clone(&running));
            let stopping = stopping.clone();
            attempts.spawn(async move {
                // Given back on every way out, also if the attempt panics.
                let _held = (slot, Running { id: id.clone(), running });
                attempt::make(&broker, &reach, &id, stopping).await;
            });
        }
        due.soonest.extend(waiting.into_iter().map(|id| Reverse((now, id))));
    }
    while attempts.join_next().await.is_some() {}
}

/// The secret of an attempt that runs.
struct Running {
    id: String,
    running: Arc<Mutex<HashSet<String>>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        lock(&self.running).remove(&self.id);
    }
}

fn lock(running: &Mutex<HashSet<String>>) -> std::sync::MutexGuard<'_, HashSet<String>> {
    running.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is due, soonest first, as of the last look through the records.
#[derive(Default)]
struct Due {
    soonest: BinaryHeap<Reverse<(Timestamp, String)>>,
    signal: Option<u64>,
    looked: Option<Instant>,
    took: Duration,
}

impl Due {
    /// Looks through the records if something may have changed.
    async fn look(&mut self, broker: &Arc<Broker>) {
        let signal = broker.vault().secrets().rotation_signal();
        let since = self.looked.map(|at| at.elapsed());
        let changed = self.signal != Some(signal) && since.is_none_or(|since| since >= self.took * SHARE);
        if !changed && since.is_some_and(|since| since < LOOK) {
            return;
        }
        let begun = Instant::now();
        let broker = Arc::clone(broker);
        let found = tokio::task::spawn_blocking(move || broker.vault().secrets().rotations_due()).await;
        let Ok(found) = found else { return };
        self.soonest = found.into_iter().map(|(id, when)| Reverse((when, id))).collect();
        (self.signal, self.looked, self.took) = (Some(signal), Some(Instant::now()), begun.elapsed());
    }

    fn take(&mut self, now: Timestamp) -> Option<String> {
        if self.soonest.peek().is_none_or(|Reverse((when, _))| *when > now) {
            return None;
        }
        self.soonest.pop().map(|Reverse((_, id))| id)
    }
}
