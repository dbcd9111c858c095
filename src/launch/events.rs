//! [`Event`]: what happens during a launch, for the one who shows it.

use super::outcome::Outcome;
use super::runtime::OutputStream;
use crate::diagnostic::Diagnostic;
use crate::ecs::definition::Condition;
use tokio::sync::mpsc;

/// Something that happened. None of it holds a secret, except that a container
/// may print its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A container was made.
    Created {
        /// Its name within the task.
        container: String,
        /// Its Docker name.
        docker_name: String,
    },
    /// A container ended.
    Exited {
        /// Its name within the task.
        container: String,
        /// Its exit code.
        exit_code: i64,
    },
    /// A container's health check passes.
    Healthy {
        /// Its name within the task.
        container: String,
    },
    /// A container wrote a line.
    Log {
        /// Its name within the task.
        container: String,
        /// Where to.
        stream: OutputStream,
        /// The line without its end.
        line: Vec<u8>,
    },
    /// An image is being fetched.
    Pulling {
        /// The image.
        image: String,
    },
    /// An image is on its way.
    Pulled {
        /// The image.
        image: String,
        /// Bytes that have come.
        done: u64,
        /// Bytes that are known to come.
        total: u64,
    },
    /// A container ended and is started again by its restart policy.
    Restarting {
        /// Its name within the task.
        container: String,
        /// The exit code it ended with.
        exit_code: i64,
    },
    /// Every container has started.
    Running(Outcome),
    /// A container that others do not need will never start.
    Skipped {
        /// Its name within the task.
        container: String,
        /// Why.
        reason: String,
    },
    /// A container started.
    Started {
        /// Its name within the task.
        container: String,
    },
    /// The task ends; its containers are being stopped.
    Stopping {
        /// Why.
        reason: String,
    },
    /// A container waits for another.
    Waiting {
        /// Its name within the task.
        container: String,
        /// The other.
        on: String,
        /// What it waits for.
        condition: Condition,
    },
    /// Something about the values that should be known.
    Warning(Diagnostic),
}

/// Says it. That nobody listens any more is no reason to fail.
pub(super) async fn say(events: &mpsc::Sender<Event>, event: Event) {
    let _ = events.send(event).await;
}
