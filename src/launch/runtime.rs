//! [`ContainerRuntime`]: what a launch needs of a container engine.
//!
//! The trait speaks of containers by Docker id or name and of nothing else: which
//! values go in, what labels mean and in what order things happen is decided
//! above it. Its errors carry the error names of the ECS agent, which appear in
//! a task's stopped reason (`CannotPullContainerError: ...`).

use super::cgroup::Hierarchy;
use crate::ecs::registry::RegistryAccount;
use bollard::models::ContainerCreateBody;
use bytes::Bytes;
use futures_util::Stream;
use jiff::Timestamp;
use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::time::Duration;
use zeroize::Zeroize;

/// A container engine.
pub trait ContainerRuntime: Send + Sync {
    /// Checks that the engine answers and speaks a version that we know.
    fn check(&self) -> impl Future<Output = Result<(), RuntimeError>> + Send;

    /// What tells the engine from others, if it has an id; machines that are copies of each other
    /// share it, but not their names.
    fn engine_id(&self) -> impl Future<Output = Result<Option<String>, RuntimeError>> + Send;

    /// The names of the OCI runtimes that the engine can run containers with.
    fn oci_runtimes(&self) -> impl Future<Output = Result<Vec<String>, RuntimeError>> + Send;

    /// The image, if the engine has it.
    fn image(&self, image: &str) -> impl Future<Output = Result<Option<Image>, RuntimeError>> + Send;

    /// Fetches an image, with an account at its registry if there is one. `progress` is
    /// told how many bytes have come, of those that are known to come.
    fn pull(
        &self,
        image: &str,
        account: Option<&RegistryAccount>,
        progress: &(dyn Fn(u64, u64) + Send + Sync),
    ) -> impl Future<Output = Result<(), RuntimeError>> + Send;

    /// Makes an image out of a tar archive of its files.
    fn import(&self, image: &str, archive: Vec<u8>) -> impl Future<Output = Result<(), RuntimeError>> + Send;

    /// How containers are arranged in cgroups, if they can be put below one that we make.
    fn cgroups(&self) -> impl Future<Output = Result<Option<Hierarchy>, RuntimeError>> + Send;

    /// The architecture of containers, such as `amd64`.
    fn architecture(&self) -> impl Future<Output = Result<String, RuntimeError>> + Send;

    /// Makes a container and returns its id.
    fn create(&self, container: NewContainer) -> impl Future<Output = Result<String, RuntimeError>> + Send;

    /// Puts the files of a tar archive into a directory of a container.
    fn put(
        &self,
        id: &str,
        directory: &str,
        archive: Vec<u8>,
    ) -> impl Future<Output = Result<(), RuntimeError>> + Send;

    /// Starts a container.
    fn start(&self, id: &str) -> impl Future<Output = Result<(), RuntimeError>> + Send;

    /// What a container is doing.
    fn inspect(&self, id: &str) -> impl Future<Output = Result<Inspection, RuntimeError>> + Send;

    /// Waits until a started container has ended and returns its exit code.
    fn wait(&self, id: &str) -> impl Future<Output = Result<i64, RuntimeError>> + Send;

    /// What a container writes, until it ends; or has written, without `follow`. Docker may
    /// leave out the very last of it: see [`super::logs`]. Not every log driver can be read.
    fn logs(&self, id: &str, request: LogRequest) -> impl Stream<Item = Result<Output, RuntimeError>> + Send;

    /// Ends a container: asks it to, and kills it after its stop timeout.
    fn stop(&self, id: &str) -> impl Future<Output = Result<(), RuntimeError>> + Send;

    /// Removes a container, running or not, and its anonymous volumes.
    fn remove(&self, id: &str) -> impl Future<Output = Result<(), RuntimeError>> + Send;

    /// Containers with a label of that name, running or not.
    fn list(&self, label: &str) -> impl Future<Output = Result<Vec<Listed>, RuntimeError>> + Send;

    /// Makes a named volume if there is none of that name.
    fn create_volume(&self, volume: NewVolume) -> impl Future<Output = Result<(), RuntimeError>> + Send;

    /// Where a volume of that name is on the host, if there is one.
    fn volume(&self, name: &str) -> impl Future<Output = Result<Option<String>, RuntimeError>> + Send;

    /// Removes a named volume.
    fn remove_volume(&self, name: &str) -> impl Future<Output = Result<(), RuntimeError>> + Send;
}

/// An image that the engine has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    /// Content id.
    pub id: String,
    /// Its `ENV`, as `NAME=VALUE`.
    pub environment: Vec<String>,
}

/// A container to be made. Its environment and log options may hold secrets: it
/// has no `Debug` of them and wipes them when it is dropped.
pub struct NewContainer {
    /// Docker name.
    pub name: String,
    /// The container's name within the task, for messages.
    pub container: String,
    /// The create call.
    pub body: ContainerCreateBody,
}

impl fmt::Debug for NewContainer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NewContainer({}, ..)", self.name)
    }
}

impl Drop for NewContainer {
    fn drop(&mut self) {
        self.body.env.iter_mut().flatten().for_each(Zeroize::zeroize);
        let host = self.body.host_config.as_mut();
        let log = host.and_then(|h| h.log_config.as_mut()).and_then(|l| l.config.as_mut());
        log.into_iter().flat_map(|options| options.values_mut()).for_each(Zeroize::zeroize);
    }
}

/// A named volume to be made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewVolume {
    /// Its name.
    pub name: String,
    /// Volume driver; `None` means Docker's own.
    pub driver: Option<String>,
    /// Driver options.
    pub driver_options: HashMap<String, String>,
    /// Labels.
    pub labels: HashMap<String, String>,
}

/// What a container is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inspection {
    /// Whether it runs.
    pub running: bool,
    /// Whether its output is that of a terminal.
    pub terminal: bool,
    /// Exit code, once it has ended.
    pub exit_code: Option<i64>,
    /// Whether the kernel killed it for memory.
    pub out_of_memory: bool,
    /// The state of its health check.
    pub health: Health,
    /// When it was made, in RFC 3339.
    pub created_at: String,
    /// When it started last.
    pub started_at: Option<String>,
    /// When it ended.
    pub finished_at: Option<String>,
    /// Content id of its image.
    pub image_id: String,
    /// Its address in Docker's network.
    pub address: Option<String>,
    /// Ports that the host offers.
    pub ports: Vec<PublishedPort>,
    /// What Docker says about its end.
    pub error: Option<String>,
}

/// A port that the host offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedPort {
    /// Address of the host.
    pub host_address: String,
    /// Port of the host.
    pub host_port: u16,
    /// Port of the container.
    pub container_port: u16,
    /// `tcp` or `udp`.
    pub protocol: String,
}

/// The state of a health check.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Health {
    /// Passing.
    Healthy,
    /// There is no health check.
    #[default]
    None,
    /// Not decided yet.
    Starting,
    /// Failing.
    Unhealthy,
}

/// What to read of a container's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogRequest {
    /// The second of Unix time from which on; 0 is the beginning.
    pub since: i32,
    /// Whether to go on until the container ends.
    pub follow: bool,
    /// Whether its output is that of a terminal.
    pub terminal: bool,
}

/// A piece of a container's output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Where it was written to.
    pub stream: OutputStream,
    /// When the engine took it. All pieces of a long line have the same moment; those of a
    /// terminal have none.
    pub at: Option<Timestamp>,
    /// What; lines are not kept together.
    pub bytes: Bytes,
}

/// Where output was written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputStream {
    /// Standard error.
    Stderr,
    /// Standard output; a terminal counts as this.
    Stdout,
}

/// A container in a listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// Docker id.
    pub id: String,
    /// Docker name.
    pub name: String,
    /// The image as it was named.
    pub image: String,
    /// `created`, `running`, `exited`, ...
    pub state: String,
    /// The state in words, such as `Up 2 minutes`.
    pub status: String,
    /// Labels.
    pub labels: HashMap<String, String>,
}

/// Why the engine did not do it. The texts begin with the ECS agent's names.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// The container cannot be made.
    #[error("CannotCreateContainerError: container `{container}`: {cause}")]
    Create {
        /// Its name within the task.
        container: String,
        /// Docker's text.
        cause: String,
    },
    /// The volume cannot be made.
    #[error("CannotCreateVolumeError: volume `{volume}`: {cause}")]
    CreateVolume {
        /// Its name.
        volume: String,
        /// Docker's text.
        cause: String,
    },
    /// The container's state cannot be read.
    #[error("CannotInspectContainerError: {cause}")]
    Inspect {
        /// Docker's text.
        cause: String,
    },
    /// The image is not there and cannot be fetched.
    #[error("CannotPullContainerError: image `{image}`: {cause}")]
    Pull {
        /// The image.
        image: String,
        /// Docker's text.
        cause: String,
    },
    /// The container does not start.
    #[error("CannotStartContainerError: {cause}")]
    Start {
        /// Docker's text.
        cause: String,
    },
    /// The container does not stop, or cannot be removed.
    #[error("CannotStopContainerError: {cause}")]
    Stop {
        /// Docker's text.
        cause: String,
    },
    /// The engine took too long.
    #[error("DockerTimeoutError: could not {action}; timed out after waiting {after:?}")]
    Timeout {
        /// What was asked.
        action: &'static str,
        /// How long it took.
        after: Duration,
    },
    /// The engine does not answer.
    #[error(
        "Docker does not answer at `{socket}`: {cause}; start Docker, or name its socket in DOCKER_HOST{}",
        permission_hint(cause)
    )]
    Unavailable {
        /// The socket.
        socket: String,
        /// Why.
        cause: String,
    },
    /// The engine is too old or too new.
    #[error("Docker at `{socket}` speaks API version `{version}`; 1.40 or a later 1.x is needed")]
    Version {
        /// The socket.
        socket: String,
        /// What it says.
        version: String,
    },
}

fn permission_hint(cause: &str) -> &'static str {
    if cause.contains("ermission denied") { "; your user needs to be in the group `docker`" } else { "" }
}
