//! What Docker says about containers beyond what a launch needs: for the metadata of tasks, and for the hook.

use super::docker::{Docker, INSPECT, found, listed};
use super::runtime::{Listed, RuntimeError};
use bollard::models::{ContainerInspectResponse, ContainerStatsResponse};
use bollard::query_parameters::{InspectContainerOptions, ListContainersOptionsBuilder, StatsOptionsBuilder};
use futures_util::StreamExt as _;
use std::time::Duration;

/// Docker measures once a second.
const TWO_MEASUREMENTS: Duration = Duration::from_secs(5);

impl Docker {
    /// Every container that the engine has, running or not.
    ///
    /// # Errors
    /// [`RuntimeError`] if the engine does not answer.
    pub async fn containers(&self) -> Result<Vec<Listed>, RuntimeError> {
        let options = ListContainersOptionsBuilder::default().all(true).build();
        let call = self.client.list_containers(Some(options));
        let containers =
            self.call("list containers", INSPECT, call, |cause| RuntimeError::Inspect { cause }).await?;
        Ok(containers.into_iter().map(listed).collect())
    }

    /// Names of the containers that were made for an OCI runtime.
    ///
    /// # Errors
    /// [`RuntimeError`] if the engine does not answer.
    pub async fn containers_of(&self, oci_runtime: &str) -> Result<Vec<String>, RuntimeError> {
        let mut names = Vec::new();
        for container in self.containers().await? {
            let call = found(self.client.inspect_container(&container.id, None::<InspectContainerOptions>));
            let inspected =
                self.call("inspect a container", INSPECT, call, |cause| RuntimeError::Inspect { cause });
            let runtime = inspected.await?.and_then(|c| c.host_config).and_then(|host| host.runtime);
            if runtime.as_deref() == Some(oci_runtime) {
                names.push(container.name);
            }
        }
        Ok(names)
    }

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
