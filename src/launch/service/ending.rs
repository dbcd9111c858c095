//! The stop of a service: no more connections, every task stopped in order, whoever asked told.

use super::replica::Replica;
use super::{NOT_READY, Service, ServiceError};
use crate::launch::runtime::ContainerRuntime;
use crate::launch::supervisor::Replies;
use crate::launch::tasks;
use serde_json::json;

/// How a service ends.
pub(super) struct Ending {
    pub(super) result: Result<(), ServiceError>,
    pub(super) replies: Vec<Replies>,
}

impl<R: ContainerRuntime + Clone + 'static> Service<R> {
    /// Stops everything. A second signal does not wait for containers; a second request waits with the first.
    pub(super) async fn stop(&mut self, replies: Option<Replies>) {
        if self.ending.is_none() {
            self.note(format!("stopping the service {}", self.settings.name)).await;
        }
        if let Some(deployment) = self.deployment.take() {
            deployment.failed(NOT_READY, "the service is being stopped").await;
        }
        if self.ending.is_some() && replies.is_none() {
            self.replicas.iter().for_each(Replica::kill);
        }
        let ending = self.ending.get_or_insert_with(|| Ending { result: Ok(()), replies: Vec::new() });
        ending.replies.extend(replies);
        self.close();
    }

    pub(super) fn close(&mut self) {
        self.forwarder.close();
        self.due.clear();
        self.replicas.iter_mut().for_each(Replica::stop);
    }

    pub(super) fn is_over(&self) -> bool {
        self.ending.is_some() && self.replicas.is_empty()
    }

    pub(super) async fn end(mut self) -> Result<(), ServiceError> {
        let Some(ending) = self.ending.take() else { return Ok(()) };
        let mut result = ending.result;
        // Whatever could not take their place leaves them alone.
        let orphans = if result.is_ok() { std::mem::take(&mut self.orphans) } else { Vec::new() };
        for (task, _) in orphans {
            if let Err(error) = tasks::stop(&self.recipe.runtime, &task).await {
                result = Err(error.into());
            }
        }
        for mut replies in ending.replies {
            match &result {
                Ok(()) => replies.done(json!({ "service": self.settings.name })).await,
                Err(error) => replies.failed(124, &error.to_string()).await,
            }
        }
        result
    }
}
