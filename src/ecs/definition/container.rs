//! One entry of `containerDefinitions`.

use super::{
    ExtraHost, HealthCheck, LinuxParameters, LogConfiguration, MountPoint, PortMapping, SecretBinding,
    Spanned, Ulimit,
};
use std::ops::Range;

/// A container of the task.
#[derive(Clone, Debug)]
pub struct ContainerDefinition {
    /// Its name within the task.
    pub name: Spanned<String>,
    /// Whether the task ends when it ends.
    pub essential: bool,
    /// `environment`, in order; a later entry of the same name wins.
    pub environment: Vec<(Spanned<String>, String)>,
    /// `secrets`, in order.
    pub secrets: Vec<SecretBinding>,
    /// `logConfiguration`.
    pub log: Option<LogConfiguration>,
    /// `dependsOn`.
    pub depends_on: Vec<Dependency>,
    /// `mountPoints`, by the name of the volume.
    pub mount_points: Vec<MountPoint>,
    /// What goes to Docker as it is.
    pub settings: ContainerSettings,
    /// The place of the whole entry.
    pub span: Range<usize>,
}

/// A wait for another container of the task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependency {
    /// The other container.
    pub container: Spanned<String>,
    /// What it must have reached.
    pub condition: Condition,
}

/// What a container waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// It has ended, with any exit code.
    Complete,
    /// Its health check passes.
    Healthy,
    /// It has started.
    Start,
    /// It has ended with exit code 0.
    Success,
}

/// The settings of a container that the plan does not interpret.
#[derive(Clone, Debug, Default)]
pub struct ContainerSettings {
    /// The image reference.
    pub image: String,
    /// `entryPoint`; `None` means the image's.
    pub entry_point: Option<Vec<String>>,
    /// `command`; `None` means the image's.
    pub command: Option<Vec<String>>,
    /// CPU units; `None` when not given. Docker gets at least 2 shares.
    pub cpu: Option<u32>,
    /// Hard limit in MiB.
    pub memory_mib: Option<u32>,
    /// Soft limit in MiB.
    pub memory_reservation_mib: Option<u32>,
    /// `portMappings`.
    pub ports: Vec<PortMapping>,
    /// `user`.
    pub user: Option<String>,
    /// `workingDirectory`.
    pub working_directory: Option<String>,
    /// `hostname`.
    pub hostname: Option<String>,
    /// `dockerLabels`.
    pub labels: Vec<(String, String)>,
    /// `extraHosts`.
    pub extra_hosts: Vec<ExtraHost>,
    /// `dnsServers`.
    pub dns_servers: Vec<String>,
    /// `dnsSearchDomains`.
    pub dns_search_domains: Vec<String>,
    /// `dockerSecurityOptions`.
    pub security_options: Vec<String>,
    /// `readonlyRootFilesystem`.
    pub readonly_root_filesystem: bool,
    /// `privileged`.
    pub privileged: bool,
    /// `interactive`: standard input stays open.
    pub interactive: bool,
    /// `pseudoTerminal`.
    pub pseudo_terminal: bool,
    /// `disableNetworking`.
    pub disable_networking: bool,
    /// `ulimits`.
    pub ulimits: Vec<Ulimit>,
    /// `systemControls`, as sysctl name and value.
    pub system_controls: Vec<(String, String)>,
    /// `linuxParameters`.
    pub linux: LinuxParameters,
    /// `healthCheck`; `None` means the image's.
    pub health_check: Option<HealthCheck>,
    /// How long others wait for this container, in seconds; `None` means without limit.
    pub start_timeout_seconds: Option<u32>,
    /// How long it may take to stop, in seconds; `None` means 30.
    pub stop_timeout_seconds: Option<u32>,
}
