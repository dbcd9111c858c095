//! What Docker says about containers beyond what a launch needs: for the metadata of tasks.

use super::docker::{Docker, INSPECT, found};
use super::runtime::RuntimeError;
use bollard::models::{ContainerInspectResponse, ContainerStatsResponse};
use bollard::query_parameters::{InspectContainerOptions, StatsOptionsBuilder};
use futures_util::StreamExt as _;
use std::time::Duration;

/// Docker measures once a second.
const TWO_MEASUREMENTS: Duration = Duration::from_secs(5);

impl Docker {
    /// Everything that Docker knows of a container, its environment included; `None` if it is gone.
    ///
    /// # Errors
    /// [`RuntimeError`] if the engine does not answer.
    pub async fn facts(&self, id: &str) -> Result<Option<ContainerInspectResponse>, RuntimeError> {
        let call = found(self.client.inspect_container(id, None::<InspectContainerOptions>));
        self.call("inspect a container", INSPECT, call, |cause| RuntimeError::Inspect { cause }).await
    }

    /// Two measurements of a running container, a second apart; fewer if it ends meanwhile.
    ///
    /// # Errors
    /// [`RuntimeError`] if the engine does not answer.
    pub async fn measurements(&self, id: &str) -> Result<Vec<ContainerStatsResponse>, RuntimeError> {
        let options = StatsOptionsBuilder::default().stream(true).build();
        let call = async {
            let mut measured = std::pin::pin!(self.client.stats(id, Some(options)));
            let mut two = Vec::new();
            while let Some(one) = measured.next().await {
                two.push(one?);
                if two.len() == 2 {
                    break;
                }
            }
            Ok(two)
        };
        self.call("measure a container", TWO_MEASUREMENTS, call, |cause| RuntimeError::Inspect { cause })
            .await
    }
}
