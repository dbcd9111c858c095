//! Deployments: new tasks beside the old ones until all are ready, then instead of them.

use super::ending::Ending;
use super::forward::Target;
use super::{NOT_READY, Service, ServiceError, ServiceEvent};
use crate::launch::runtime::ContainerRuntime;
use crate::launch::supervisor::Replies;
use crate::launch::tasks;
use std::time::Instant;

/// New tasks that are to take the place of all others.
#[derive(Debug)]
pub(super) struct Deployment {
    pub(super) number: u64,
    /// When they have to be ready.
    pub(super) deadline: Instant,
    /// Who asked for it; nobody for the first.
    replies: Option<Replies>,
}

impl Deployment {
    pub(super) async fn failed(self, code: u8, text: &str) {
        if let Some(mut replies) = self.replies {
            replies.failed(code, text).await;
        }
    }
}

impl<R: ContainerRuntime + Clone + 'static> Service<R> {
    /// Starts a deployment.
    pub(super) fn deploy(&mut self, replies: Option<Replies>) {
        self.deployments += 1;
        let number = self.deployments;
        let deadline = Instant::now() + self.settings.ready_within;
        self.deployment = Some(Deployment { number, deadline, replies });
        for _ in 0..self.settings.count {
            self.start(number);
        }
    }

    /// A task can take connections.
    pub(super) async fn is_ready(&mut self, task_id: &str, target: Target) {
        let Some(replica) = self.replicas.iter_mut().find(|r| r.task_id == task_id && !r.stopping) else {
            return;
        };
        replica.ready = Some((Instant::now(), target));
        self.note(format!("task {task_id} is ready")).await;
        if let Some(number) = self.deployment.as_ref().map(|d| d.number) {
            let ready = self.replicas.iter().filter(|r| r.deployment == number && r.ready.is_some());
            if ready.count() == self.settings.count {
                self.complete().await;
            }
        }
        self.aim();
    }

    /// All new tasks are ready: connections go to them, and the old ones may go.
    async fn complete(&mut self) {
        let Some(deployment) = self.deployment.take() else { return };
        self.current = deployment.number;
        self.failures = 0;
        self.due.clear();
        // Before any old task is touched.
        self.aim();
        let mut gone = Vec::new();
        for replica in self.replicas.iter().filter(|r| r.deployment != deployment.number) {
            let drained = self.forwarder.drained(replica.task_id.clone(), self.settings.drain);
            gone.push(replica.stop_after(drained));
        }
        for (task, _) in self.orphans.drain(..) {
            let drained = self.forwarder.drained(task.task_id.clone(), self.settings.drain);
            let runtime = self.recipe.runtime.clone();
            gone.push(tokio::task::spawn_local(async move {
                drained.await;
                // What cannot be removed stays in `task ps`.
                let _ = tasks::stop(&runtime, &task).await;
            }));
        }
        let status = self.status();
        match deployment.replies {
            None => {
                let _ = self.events.send(ServiceEvent::Ready(status)).await;
            }
            Some(mut replies) => {
                replies.say("all new tasks are ready and take the connections").await;
                self.note("all new tasks are ready; the old ones are drained and stopped").await;
                // The answer comes when the old tasks are gone; the service goes on meanwhile.
                tokio::spawn(async move {
                    for one in gone {
                        let _ = one.await;
                    }
                    replies.done(status).await;
                });
            }
        }
    }

    /// The new tasks will not be ready: they go, and the old ones stay.
    pub(super) async fn roll_back(&mut self, reason: &str, code: u8) {
        let Some(deployment) = self.deployment.take() else { return };
        for replica in self.replicas.iter_mut().filter(|r| r.deployment == deployment.number && !r.stopping) {
            replica.stop();
        }
        self.last_failure = Some(reason.to_owned());
        if deployment.replies.is_none() {
            self.note(format!("the service does not start: {reason}")).await;
            let result = Err(ServiceError::NotStarted { reason: reason.to_owned(), code });
            self.ending = Some(Ending { result, replies: Vec::new() });
            self.close();
            return;
        }
        let text = format!("rolled back, the old tasks go on: {reason}");
        self.note(text.clone()).await;
        deployment.failed(NOT_READY, &text).await;
        // Old tasks that have ended meanwhile were not replaced.
        let here = self.replicas.iter().filter(|r| r.deployment == self.current && !r.stopping).count();
        let missing = self.settings.count.saturating_sub(here + self.due.len());
        self.due.extend(std::iter::repeat_n(Instant::now(), missing));
    }
}
