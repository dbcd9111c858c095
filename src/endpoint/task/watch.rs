//! The end of tasks: when the last container of a task has ended, so have its credentials.
//!
//! A launcher in the foreground does that by itself. A task that was left running, or whose
//! launcher was killed, is noticed here. What was not running when the endpoint started is asked
//! for once; the broker does not mind that a task has ended already. Two looks have to agree: by a
//! restart policy, a launcher starts a container again that has ended.
//!
//! What Docker had no trace of when the endpoint started, only the broker knows: it is told now and
//! then what is here, and ends the tasks of this engine that are not.

use crate::client::Client;
use crate::launch::{self, ContainerRuntime as _, Docker, LaunchError, TaskSummary};
use crate::protocol::sealdock::LostTasks;
use jiff::SignedDuration;
use std::collections::HashSet;
use std::time::{Duration, Instant};

const INTERVAL: Duration = Duration::from_secs(3);
/// Between two times that the broker is told which tasks are here.
const TOLD: Duration = Duration::from_mins(15);

/// Never ends. A task may be without containers for `launch` after it was granted its role.
pub(super) async fn end_with_their_tasks(client: Client, docker: Docker, launch: SignedDuration) {
    let mut known = Known::default();
    let mut told: Option<Instant> = None;
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        // Docker that does not answer says nothing about tasks.
        let Ok(tasks) = launch::list(&docker).await else { continue };
        if told.is_none_or(|at| at.elapsed() >= TOLD) {
            end_lost(&client, &docker, &tasks, launch).await;
            told = Some(Instant::now());
        }
        let with_role = tasks.iter().filter(|task| task.has_role);
        for task in known.over(with_role.map(|task| (task.task_id.as_str(), lives(task)))) {
            if end(&client, &task).await {
                known.ended(task);
            }
        }
    }
}

/// Ends what this engine has lost.
async fn end_lost(client: &Client, docker: &Docker, tasks: &[TaskSummary], after: SignedDuration) {
    // One without an id of its own cannot be told from others.
    let Ok(Some(host)) = docker.engine_id().await else { return };
    let present = tasks.iter().map(|task| task.task_id.clone()).collect();
    if let Err(error) = client.end_lost_tasks(LostTasks { host, present, after }).await {
        tracing::error!(%error, "tasks without containers could not be ended");
    }
}

/// What is known of tasks from one look to the next.
#[derive(Debug, Default)]
struct Known {
    alive: HashSet<String>,
    /// Not alive at the last look: over, unless its launcher starts a container again.
    waning: HashSet<String>,
    ended: HashSet<String>,
}

impl Known {
    /// The tasks that have ended: not alive now, nor at the last look.
    fn over<'a>(&mut self, tasks: impl Iterator<Item = (&'a str, bool)>) -> Vec<String> {
        let mut alive = HashSet::new();
        let mut present = HashSet::new();
        for (task, lives) in tasks {
            present.insert(task.to_owned());
            if lives {
                alive.insert(task.to_owned());
            }
        }
        let seen = self.alive.iter().chain(&self.waning).chain(&present);
        let waning: HashSet<String> =
            seen.filter(|t| !alive.contains(*t) && !self.ended.contains(*t)).cloned().collect();
        let over = waning.iter().filter(|t| self.waning.contains(*t)).cloned().collect();
        self.ended.retain(|task| present.contains(task));
        self.alive = alive;
        self.waning = waning;
        over
    }

    fn ended(&mut self, task: String) {
        self.waning.remove(&task);
        self.ended.insert(task);
    }
}

/// Ends the credentials of a task; whether that was done.
pub(super) async fn end(client: &Client, task_id: &str) -> bool {
    match client.end_task(task_id).await {
        Ok(()) => true,
        Err(error) => {
            tracing::error!(%error, task = task_id, "the credentials of a task could not be ended");
            false
        }
    }
}

/// Whether a container of the task has yet to end.
pub(super) async fn is_alive(docker: &Docker, task_id: &str) -> Result<bool, LaunchError> {
    Ok(launch::list(docker).await?.iter().any(|task| task.task_id == task_id && lives(task)))
}

/// The pause container waits for ever, so it does not count.
fn lives(task: &TaskSummary) -> bool {
    let over = ["exited", "dead", "removing"];
    task.containers.iter().any(|c| !c.is_pause() && !over.contains(&c.state.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_over_at_the_second_look_that_does_not_find_it_alive() {
        let mut known = Known::default();
        let mut look = |tasks: &[(&str, bool)], done: bool| {
            let over = known.over(tasks.iter().copied());
            if done {
                over.iter().for_each(|task| known.ended(task.clone()));
            }
            over
        };
        assert!(look(&[("a", true), ("b", false)], true).is_empty());
        assert!(look(&[("a", false), ("b", true)], true).is_empty(), "b was started again");
        assert_eq!(look(&[("a", false), ("b", true)], false), ["a"]);
        assert_eq!(look(&[("a", false), ("b", true)], true), ["a"], "tried again");
        assert!(look(&[("a", false), ("b", true)], true).is_empty(), "done");
        assert!(look(&[], true).is_empty());
        assert_eq!(look(&[], true), ["b"], "removed");
        assert!(look(&[], true).is_empty());
    }
}
