//! [`Docker`]: Docker Engine through its Unix socket.
//!
//! The client library sends no API version with its requests, so the daemon
//! answers with its own; [`ContainerRuntime::check`] reads `/version` and refuses
//! what we have not been written for. Each call has the time limit that the ECS
//! agent gives it.

use super::cgroup::Hierarchy;
use super::runtime::{
    ContainerRuntime, Health, Image, Inspection, Listed, LogRequest, NewContainer, NewVolume, Output,
    PublishedPort, RuntimeError,
};
use crate::ecs::registry::RegistryAccount;
use bollard::auth::DockerCredentials;
use bollard::errors::Error;
use bollard::models::{
    ContainerCreateBody, ContainerInspectResponse, ContainerSummary, HealthStatusEnum, PortBinding,
    SystemInfo, SystemInfoCgroupDriverEnum, SystemInfoCgroupVersionEnum, VolumeCreateRequest,
};
use bollard::query_parameters::{
    CreateContainerOptions, CreateImageOptionsBuilder, InspectContainerOptions, ListContainersOptionsBuilder,
    RemoveContainerOptionsBuilder, RemoveVolumeOptions, StartContainerOptions, StopContainerOptions,
    UploadToContainerOptionsBuilder, WaitContainerOptions,
};
use futures_util::{Stream, StreamExt};
use std::collections::HashMap;
use std::future::Future;
use std::time::Duration;

const DEFAULT_SOCKET: &str = "/var/run/docker.sock";
/// What the client library is told; a pull may take that long.
const LONGEST: Duration = Duration::from_secs(2 * 60 * 60);
const CREATE: Duration = Duration::from_secs(4 * 60);
const START: Duration = Duration::from_secs(3 * 60);
pub(super) const INSPECT: Duration = Duration::from_secs(30);
const REMOVE: Duration = Duration::from_secs(5 * 60);

/// Docker Engine.
#[derive(Clone, Debug)]
pub struct Docker {
    pub(super) client: bollard::Docker,
    socket: String,
}

impl Docker {
    /// The engine at a socket: `host` in the form of `DOCKER_HOST`, or Docker's own place.
    ///
    /// # Errors
    /// [`RuntimeError::Unavailable`] if there is no such socket.
    pub fn connect(host: Option<&str>) -> Result<Self, RuntimeError> {
        let host = host.filter(|h| !h.is_empty()).unwrap_or(DEFAULT_SOCKET);
        let socket = host.strip_prefix("unix://").unwrap_or(host);
        let unavailable = |cause: String| RuntimeError::Unavailable { socket: socket.to_owned(), cause };
        if socket.contains("://") {
            return Err(unavailable("only `unix://` sockets can be used".into()));
        }
        let client =
            bollard::Docker::connect_with_unix(socket, LONGEST.as_secs(), bollard::API_DEFAULT_VERSION)
                .map_err(|e| unavailable(cause(&e)))?;
        Ok(Self { client, socket: socket.to_owned() })
    }

    /// Runs a call; `wrap` says what its failure means, unless Docker is gone.
    pub(super) async fn call<T>(
        &self,
        action: &'static str,
        limit: Duration,
        call: impl Future<Output = Result<T, Error>>,
        wrap: impl FnOnce(String) -> RuntimeError,
    ) -> Result<T, RuntimeError> {
        match tokio::time::timeout(limit, call).await {
            Err(_) => Err(RuntimeError::Timeout { action, after: limit }),
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(self.failure(&error, wrap)),
        }
    }

    async fn settings(&self) -> Result<SystemInfo, RuntimeError> {
        let gone = |cause| RuntimeError::Unavailable { socket: self.socket.clone(), cause };
        self.call("read Docker's settings", INSPECT, self.client.info(), gone).await
    }

    pub(super) fn failure(&self, error: &Error, wrap: impl FnOnce(String) -> RuntimeError) -> RuntimeError {
        match error {
            Error::DockerResponseServerError { .. } | Error::DockerStreamError { .. } => wrap(cause(error)),
            Error::SocketNotFoundError(_) | Error::HyperLegacyError { .. } | Error::IOError { .. } => {
                RuntimeError::Unavailable { socket: self.socket.clone(), cause: cause(error) }
            }
            _ => wrap(cause(error)),
        }
    }
}

impl ContainerRuntime for Docker {
    async fn check(&self) -> Result<(), RuntimeError> {
        let gone = |cause| RuntimeError::Unavailable { socket: self.socket.clone(), cause };
        let answer = self.call("read Docker's version", INSPECT, self.client.version(), gone).await?;
        let version = answer.api_version.unwrap_or_default();
        let minor = version.strip_prefix("1.").and_then(|minor| minor.parse::<u32>().ok());
        match minor {
            Some(40..) => Ok(()),
            _ => Err(RuntimeError::Version { socket: self.socket.clone(), version }),
        }
    }

    async fn engine_id(&self) -> Result<Option<String>, RuntimeError> {
        let info = self.settings().await?;
        let id = info.id.filter(|id| !id.is_empty());
        Ok(id.map(|id| format!("{id}/{}", info.name.unwrap_or_default())))
    }

    async fn oci_runtimes(&self) -> Result<Vec<String>, RuntimeError> {
        let info = self.settings().await?;
        Ok(info.runtimes.unwrap_or_default().into_keys().collect())
    }

    async fn cgroups(&self) -> Result<Option<Hierarchy>, RuntimeError> {
        let info = self.settings().await?;
        if info.cgroup_driver != Some(SystemInfoCgroupDriverEnum::CGROUPFS) {
            return Ok(None);
        }
        Ok(match info.cgroup_version {
            Some(SystemInfoCgroupVersionEnum::_2) => Some(Hierarchy::Version2),
            _ => Some(Hierarchy::Version1),
        })
    }

    async fn image(&self, image: &str) -> Result<Option<Image>, RuntimeError> {
        let call = found(self.client.inspect_image(image));
        let wrap = |cause| RuntimeError::Pull { image: image.to_owned(), cause };
        let answer = self.call("inspect the image", INSPECT, call, wrap).await?;
        Ok(answer.map(|inspected| Image {
            id: inspected.id.unwrap_or_default(),
            environment: inspected.config.and_then(|c| c.env).unwrap_or_default(),
        }))
    }

    async fn pull(
        &self,
        image: &str,
        account: Option<&RegistryAccount>,
        progress: &(dyn Fn(u64, u64) + Send + Sync),
    ) -> Result<(), RuntimeError> {
        // Without a tag, Docker would fetch every tag that there is.
        let options = CreateImageOptionsBuilder::default().from_image(&with_tag(image)).build();
        // The server is the image's, as Docker works out by itself.
        let credentials = account.map(|account| DockerCredentials {
            username: Some(account.username.to_string()),
            password: Some(account.password.to_string()),
            ..DockerCredentials::default()
        });
        let call = async {
            let mut steps = std::pin::pin!(self.client.create_image(Some(options), None, credentials));
            let mut layers: HashMap<String, (u64, u64)> = HashMap::new();
            while let Some(step) = steps.next().await {
                let step = step?;
                let amount = |amount: Option<i64>| amount.and_then(|a| u64::try_from(a).ok());
                let detail = step.progress_detail.and_then(|d| Some((amount(d.current)?, amount(d.total)?)));
                if let (Some(id), Some(detail), Some("Downloading")) =
                    (step.id, detail, step.status.as_deref())
                {
                    layers.insert(id, detail);
                    let sum = |part: fn(&(u64, u64)) -> u64| layers.values().map(part).sum();
                    progress(sum(|layer| layer.0), sum(|layer| layer.1));
                }
            }
            Ok(())
        };
        let wrap = |cause| RuntimeError::Pull { image: image.to_owned(), cause };
        self.call("pull the image", LONGEST, call, wrap).await
    }

    async fn import(&self, image: &str, archive: Vec<u8>) -> Result<(), RuntimeError> {
        let (name, tag) = image.split_once(':').unwrap_or((image, "latest"));
        let options = CreateImageOptionsBuilder::default().from_src("-").repo(name).tag(tag).build();
        let body = bollard::body_full(archive.into());
        let call = async {
            let mut steps = std::pin::pin!(self.client.create_image(Some(options), Some(body), None));
            while let Some(step) = steps.next().await {
                step?;
            }
            Ok(())
        };
        let wrap = |cause| RuntimeError::Pull { image: image.to_owned(), cause };
        self.call("make the image", CREATE, call, wrap).await
    }

    async fn architecture(&self) -> Result<String, RuntimeError> {
        let gone = |cause| RuntimeError::Unavailable { socket: self.socket.clone(), cause };
        let answer = self.call("read Docker's version", INSPECT, self.client.version(), gone).await?;
        Ok(answer.arch.unwrap_or_default())
    }

    async fn put(&self, id: &str, directory: &str, archive: Vec<u8>) -> Result<(), RuntimeError> {
        let options = UploadToContainerOptionsBuilder::default().path(directory).build();
        let call = self.client.upload_to_container(id, Some(options), bollard::body_full(archive.into()));
        let wrap = |cause| RuntimeError::Create { container: id.to_owned(), cause };
        self.call("put files into the container", CREATE, call, wrap).await
    }

    async fn create(&self, mut container: NewContainer) -> Result<String, RuntimeError> {
        let options = CreateContainerOptions { name: Some(container.name.clone()), ..Default::default() };
        let body: ContainerCreateBody = std::mem::take(&mut container.body);
        let call = self.client.create_container(Some(options), body);
        let wrap = |cause| RuntimeError::Create { container: container.container.clone(), cause };
        self.call("create the container", CREATE, call, wrap).await.map(|created| created.id)
    }

    async fn start(&self, id: &str) -> Result<(), RuntimeError> {
        let call = self.client.start_container(id, None::<StartContainerOptions>);
        self.call("start the container", START, call, |cause| RuntimeError::Start { cause }).await
    }

    async fn inspect(&self, id: &str) -> Result<Inspection, RuntimeError> {
        let call = self.client.inspect_container(id, None::<InspectContainerOptions>);
        let wrap = |cause| RuntimeError::Inspect { cause };
        let answer = self.call("inspect the container", INSPECT, call, wrap).await?;
        Ok(inspection(answer))
    }

    async fn wait(&self, id: &str) -> Result<i64, RuntimeError> {
        let mut answers = std::pin::pin!(self.client.wait_container(id, None::<WaitContainerOptions>));
        match answers.next().await {
            Some(Ok(answer)) => Ok(answer.status_code),
            // The client library reports every exit code but 0 this way.
            Some(Err(Error::DockerContainerWaitError { code, .. })) => Ok(code),
            Some(Err(error)) => Err(self.failure(&error, |cause| RuntimeError::Inspect { cause })),
            None => Err(RuntimeError::Inspect { cause: "Docker ended the wait without an exit code".into() }),
        }
    }

    fn logs(&self, id: &str, request: LogRequest) -> impl Stream<Item = Result<Output, RuntimeError>> + Send {
        self.read_log(id, request)
    }

    async fn stop(&self, id: &str) -> Result<(), RuntimeError> {
        let call = found(self.client.stop_container(id, None::<StopContainerOptions>));
        // The container's own stop timeout has no upper limit on one host.
        self.call("stop the container", LONGEST, call, |cause| RuntimeError::Stop { cause }).await?;
        Ok(())
    }

    async fn remove(&self, id: &str) -> Result<(), RuntimeError> {
        let options = RemoveContainerOptionsBuilder::default().v(true).force(true).build();
        let call = found(self.client.remove_container(id, Some(options)));
        self.call("remove the container", REMOVE, call, |cause| RuntimeError::Stop { cause }).await?;
        Ok(())
    }

    async fn list(&self, label: &str) -> Result<Vec<Listed>, RuntimeError> {
        let filters = HashMap::from([("label", vec![label])]);
        let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
        let call = self.client.list_containers(Some(options));
        let wrap = |cause| RuntimeError::Inspect { cause };
        let containers = self.call("list containers", INSPECT, call, wrap).await?;
        Ok(containers.into_iter().map(listed).collect())
    }

    async fn create_volume(&self, volume: NewVolume) -> Result<(), RuntimeError> {
        let name = volume.name.clone();
        let request = VolumeCreateRequest {
            name: Some(volume.name),
            driver: volume.driver,
            driver_opts: Some(volume.driver_options),
            labels: Some(volume.labels),
            ..Default::default()
        };
        let call = self.client.create_volume(request);
        let wrap = |cause| RuntimeError::CreateVolume { volume: name, cause };
        self.call("create the volume", REMOVE, call, wrap).await.map(drop)
    }

    async fn volume(&self, name: &str) -> Result<Option<String>, RuntimeError> {
        let call = found(self.client.inspect_volume(name));
        let wrap = |cause| RuntimeError::CreateVolume { volume: name.to_owned(), cause };
        Ok(self.call("inspect the volume", INSPECT, call, wrap).await?.map(|volume| volume.mountpoint))
    }

    async fn remove_volume(&self, name: &str) -> Result<(), RuntimeError> {
        let call = found(self.client.remove_volume(name, None::<RemoveVolumeOptions>));
        self.call("remove the volume", REMOVE, call, |cause| RuntimeError::Stop { cause }).await?;
        Ok(())
    }
}

fn inspection(answer: ContainerInspectResponse) -> Inspection {
    let state = answer.state.unwrap_or_default();
    let running = state.running.unwrap_or(false);
    let moment = |text: Option<String>| text.filter(|at| !at.is_empty() && !at.starts_with("0001-"));
    let finished_at = moment(state.finished_at).filter(|_| !running);
    let health = match state.health.and_then(|h| h.status) {
        Some(HealthStatusEnum::HEALTHY) => Health::Healthy,
        Some(HealthStatusEnum::STARTING) => Health::Starting,
        Some(HealthStatusEnum::UNHEALTHY) => Health::Unhealthy,
        _ => Health::None,
    };
    let network = answer.network_settings.unwrap_or_default();
    let addresses = network.networks.into_iter().flatten().filter_map(|(_, endpoint)| endpoint.ip_address);
    let mut ports: Vec<PublishedPort> = network.ports.into_iter().flatten().flat_map(published).collect();
    ports.sort_by(|a, b| (a.container_port, &a.host_address).cmp(&(b.container_port, &b.host_address)));
    Inspection {
        running,
        terminal: answer.config.and_then(|config| config.tty).unwrap_or(false),
        exit_code: state.exit_code.filter(|_| finished_at.is_some()),
        out_of_memory: state.oom_killed.unwrap_or(false),
        health,
        created_at: answer.created.map(|at| at.to_string()).unwrap_or_default(),
        started_at: moment(state.started_at),
        finished_at,
        image_id: answer.image.unwrap_or_default(),
        address: addresses.into_iter().find(|address| !address.is_empty()),
        ports,
        error: state.error.filter(|error| !error.is_empty()),
    }
}

fn published((port, bindings): (String, Option<Vec<PortBinding>>)) -> Vec<PublishedPort> {
    let Some((container_port, protocol)) = port.split_once('/') else { return Vec::new() };
    let published = bindings.unwrap_or_default().into_iter().filter_map(|binding| {
        Some(PublishedPort {
            host_address: binding.host_ip.unwrap_or_default(),
            host_port: binding.host_port?.parse().ok()?,
            container_port: container_port.parse().ok()?,
            protocol: protocol.to_owned(),
        })
    });
    published.collect()
}

/// What does not exist is an answer, and what already is so (304) is no error.
pub(super) async fn found<T>(call: impl Future<Output = Result<T, Error>>) -> Result<Option<T>, Error> {
    match call.await {
        Ok(value) => Ok(Some(value)),
        Err(Error::DockerResponseServerError { status_code: 304 | 404, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) fn listed(summary: ContainerSummary) -> Listed {
    let name = summary.names.unwrap_or_default().into_iter().next().unwrap_or_default();
    Listed {
        id: summary.id.unwrap_or_default(),
        name: name.trim_start_matches('/').to_owned(),
        image: summary.image.unwrap_or_default(),
        state: summary.state.map(|s| s.to_string()).unwrap_or_default(),
        status: summary.status.unwrap_or_default(),
        labels: summary.labels.unwrap_or_default(),
    }
}

fn with_tag(image: &str) -> String {
    let last = image.rsplit('/').next().unwrap_or(image);
    if last.contains(':') || last.contains('@') { image.to_owned() } else { format!("{image}:latest") }
}

/// Docker's own text, or every layer of what went wrong on the way to it.
fn cause(error: &Error) -> String {
    match error {
        Error::DockerResponseServerError { message, .. } => message.trim().to_owned(),
        Error::DockerStreamError { error } => error.trim().to_owned(),
        Error::SocketNotFoundError(_) => "there is no such socket".to_owned(),
        Error::HyperLegacyError { err } => {
            let mut deepest: &dyn std::error::Error = err;
            while let Some(source) = deepest.source() {
                deepest = source;
            }
            deepest.to_string()
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_without_a_tag_mean_latest() {
        assert_eq!(with_tag("busybox"), "busybox:latest");
        assert_eq!(with_tag("localhost:5000/a/b"), "localhost:5000/a/b:latest");
        assert_eq!(with_tag("a/b:1"), "a/b:1");
        assert_eq!(with_tag("a@sha256:00"), "a@sha256:00");
    }

    #[tokio::test]
    async fn a_docker_that_is_not_there_is_named_with_a_remedy() {
        let text = Docker::connect(Some("unix:///nowhere/docker.sock")).unwrap_err().to_string();
        assert!(text.contains("`/nowhere/docker.sock`") && text.contains("DOCKER_HOST"), "{text}");
        let text = Docker::connect(Some("tcp://127.0.0.1:2375")).unwrap_err().to_string();
        assert!(text.contains("only `unix://`"), "{text}");
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("docker.sock");
        drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
        let docker = Docker::connect(socket.to_str()).unwrap();
        let error = docker.check().await.unwrap_err();
        assert!(
            matches!(&error, RuntimeError::Unavailable { cause, .. } if cause.contains("refused")),
            "{error}"
        );
    }
}
