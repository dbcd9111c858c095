//! The end of tasks: when the last container of a task has ended, so have its credentials.
//!
//! A launcher in the foreground does that by itself. A task that was left running, or whose
//! launcher was killed, is noticed here. What was not running when the endpoint started is asked
//! for once; the broker does not mind that a task has ended already. Two looks have to agree: by a
//! restart policy, a launcher starts a container again that has ended.

use crate::client::Client;
use crate::launch::{self, Docker, LaunchError, TaskSummary};
use std::collections::HashSet;
use std::time::Duration;

const INTERVAL: Duration = Duration::from_secs(3);

/// Never ends.
pub(super) async fn end_with_their_tasks(client: Client, docker: Docker) {
    let mut known = Known::default();
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        // Docker that does not answer says nothing about tasks.
        let Ok(tasks) = launch::list(&docker).await else { continue };
        let with_role = tasks.iter().filter(|task| task.has_role);
        for task in known.over(with_role.map(|task| (task.task_id.as_str(), lives(task)))) {
            if end(&client, &task).await {
                known.ended(task);
            }
        }
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
