//! What becomes of a task that ends or turns unhealthy: the deployment that it belongs to fails, or
//! another task takes its place, after a pause that doubles with each failure in a row.

use super::replica::Replica;
use super::{NOT_READY, Service};
use crate::launch::error::LaunchError;
use crate::launch::runtime::ContainerRuntime;
use std::time::{Duration, Instant};

/// A task that has been ready for this long has not failed at its start.
const STABLE: Duration = Duration::from_secs(60);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

impl<R: ContainerRuntime + Clone + 'static> Service<R> {
    pub(super) async fn has_ended(&mut self, replica: &Replica, reason: String, code: u8) {
        if self.deployment.as_ref().is_some_and(|d| d.number == replica.deployment) {
            if !replica.stopping {
                self.note(format!("task {} stopped: {reason}", replica.task_id)).await;
            }
            self.roll_back(&format!("task {} stopped: {reason}", replica.task_id), code).await;
        } else if self.ending.is_none() && replica.deployment == self.current {
            self.replace(replica, reason).await;
        }
    }

    /// Another task in the place of one that has ended.
    pub(super) async fn replace(&mut self, replica: &Replica, reason: String) {
        let failed = !replica.stopping || replica.failed.is_some();
        let reason = replica.failed.clone().unwrap_or(reason);
        if failed {
            let stable = replica.ready.as_ref().is_some_and(|(since, _)| since.elapsed() >= STABLE);
            self.failures = if stable { 0 } else { self.failures.saturating_add(1) };
            self.last_failure = Some(reason.clone());
        }
        // After a deployment it is known whether this one is still wanted.
        if self.deployment.is_some() {
            return;
        }
        let pause = if failed { pause(self.failures) } else { Duration::ZERO };
        let task_id = &replica.task_id;
        self.note(format!("task {task_id} stopped: {reason}; another one starts in {} s", pause.as_secs()))
            .await;
        self.due.push(Instant::now() + pause);
    }

    pub(super) async fn is_unhealthy(&mut self, task_id: &str, reason: String) {
        let Some(replica) = self.replicas.iter_mut().find(|r| r.task_id == task_id && !r.stopping) else {
            return;
        };
        let deployment = replica.deployment;
        if self.deployment.as_ref().is_some_and(|d| d.number == deployment) {
            self.roll_back(&format!("task {task_id}: {reason}"), NOT_READY).await;
            return;
        }
        if deployment != self.current {
            return;
        }
        replica.stop();
        replica.failed = Some(reason.clone());
        self.aim();
        self.note(format!("task {task_id}: {reason}")).await;
    }
}

/// What is wrong with a launch: all of it, without places, of which the one who asks has no text.
pub(super) fn explain(error: &LaunchError) -> String {
    let found = error.diagnostics().iter().map(|d| format!("\n  {}", d.message));
    std::iter::once(error.to_string()).chain(found).collect()
}

/// How long to wait after so many failures in a row: 1, 2, 4, ... seconds; nothing after the end of a task that was stable.
fn pause(failures: u32) -> Duration {
    match failures {
        0 => Duration::ZERO,
        some => Duration::from_secs(1_u64.checked_shl(some - 1).unwrap_or(u64::MAX)).min(LONGEST_PAUSE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_five_minutes() {
        let seconds: Vec<u64> = [0, 1, 2, 3, 9, 10, 64, u32::MAX].map(|n| pause(n).as_secs()).into();
        assert_eq!(seconds, [0, 1, 2, 4, 256, 300, 300, 300]);
    }
}
