//! One entry of `containerDefinitions`.

use super::fields::{Fields, Findings};
use super::{
    ExtraHost, HealthCheck, LinuxParameters, LogConfiguration, MountPoint, PortMapping, SecretBinding,
    Spanned, Ulimit,
};
use super::{health, linux, logging, network, storage};
use crate::json::{Node, Value};
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

/// Reads one entry; `index` counts from 0 and names an entry without a name.
pub(super) fn container(node: &Node, index: usize, findings: &Findings) -> Option<ContainerDefinition> {
    let named = node.get("name").and_then(Node::string).filter(|name| !name.is_empty());
    let owner =
        named.map_or_else(|| format!("container {}", index + 1), |name| format!("container `{name}`"));
    let mut fields = Fields::of(node, owner.clone(), findings)?;
    // An entry without a name is refused, and its other mistakes are reported all the same.
    let name = fields.required("name", node.span.clone());
    let name = name.unwrap_or_else(|| Spanned { value: String::new(), span: node.span.clone() });
    let container = ContainerDefinition {
        name,
        essential: fields.flag("essential").unwrap_or(true),
        environment: fields
            .list("environment")
            .iter()
            .filter_map(|n| variable(n, &owner, findings))
            .collect(),
        secrets: fields
            .list("secrets")
            .iter()
            .filter_map(|n| logging::binding(n, &owner, findings))
            .collect(),
        log: fields.node("logConfiguration").and_then(|n| logging::log_configuration(n, &owner, findings)),
        depends_on: fields.list("dependsOn").iter().filter_map(|n| dependency(n, &owner, findings)).collect(),
        mount_points: fields
            .list("mountPoints")
            .iter()
            .filter_map(|n| storage::mount_point(n, &owner, findings))
            .collect(),
        settings: settings(&mut fields, node, &owner),
        span: node.span.clone(),
    };
    refuse_what_is_not_supported(&mut fields);
    fields.finish();
    Some(container)
}

fn settings(fields: &mut Fields<'_>, node: &Node, owner: &str) -> ContainerSettings {
    let findings = fields.findings;
    let given = |texts: Vec<String>| Some(texts).filter(|t| !t.is_empty());
    let some = |text: Option<Spanned<String>>| text.map(|t| t.value).filter(|t| !t.is_empty());
    ContainerSettings {
        image: fields.required("image", node.span.clone()).map(|t| t.value).unwrap_or_default(),
        entry_point: given(fields.texts("entryPoint")),
        command: given(fields.texts("command")),
        cpu: fields.count("cpu"),
        memory_mib: fields.count("memory"),
        memory_reservation_mib: fields.count("memoryReservation"),
        ports: fields
            .list("portMappings")
            .iter()
            .filter_map(|n| network::port_mapping(n, owner, findings))
            .collect(),
        user: some(fields.text("user")),
        working_directory: some(fields.text("workingDirectory")),
        hostname: some(fields.text("hostname")),
        labels: fields.plain_map("dockerLabels"),
        extra_hosts: fields
            .list("extraHosts")
            .iter()
            .filter_map(|n| network::extra_host(n, owner, findings))
            .collect(),
        dns_servers: fields.texts("dnsServers"),
        dns_search_domains: fields.texts("dnsSearchDomains"),
        security_options: fields.texts("dockerSecurityOptions"),
        readonly_root_filesystem: fields.flag("readonlyRootFilesystem").unwrap_or_default(),
        privileged: fields.flag("privileged").unwrap_or_default(),
        interactive: fields.flag("interactive").unwrap_or_default(),
        pseudo_terminal: fields.flag("pseudoTerminal").unwrap_or_default(),
        disable_networking: fields.flag("disableNetworking").unwrap_or_default(),
        ulimits: fields.list("ulimits").iter().filter_map(|n| linux::ulimit(n, owner, findings)).collect(),
        system_controls: fields
            .list("systemControls")
            .iter()
            .filter_map(|n| system_control(n, owner, findings))
            .collect(),
        linux: fields
            .node("linuxParameters")
            .and_then(|n| linux::linux_parameters(n, owner, findings))
            .unwrap_or_default(),
        health_check: fields.node("healthCheck").and_then(|n| health::health_check(n, owner, findings)),
        start_timeout_seconds: fields.count("startTimeout"),
        stop_timeout_seconds: fields.count("stopTimeout"),
    }
}

fn refuse_what_is_not_supported(fields: &mut Fields<'_>) {
    fields.refuse("environmentFiles", "put the variables into `environment`");
    fields.refuse("firelensConfiguration", "give each container a log driver of its own");
    fields.refuse("repositoryCredentials", "log in to the registry with `docker login` on this host");
    fields.refuse("volumesFrom", "give both containers mount points of one volume");
    fields.refuse("links", "containers on the host network reach each other at localhost");
    fields.refuse("resourceRequirements", "GPUs and accelerators are not handed to containers");
    fields.refuse("credentialSpecs", "credential specs are for Windows and domainless gMSA");
    let restarts = fields.node("restartPolicy").and_then(|policy| policy.get("enabled"));
    if restarts.is_some_and(|enabled| enabled.value != Value::Bool(false)) {
        fields.refuse("restartPolicy", "remove it, or set `enabled` to false");
    }
    fields.without_effect("versionConsistency");
}

fn variable(node: &Node, owner: &str, findings: &Findings) -> Option<(Spanned<String>, String)> {
    let mut fields = Fields::of(node, format!("{owner}: an environment variable"), findings)?;
    let name = fields.required("name", node.span.clone());
    // ECS takes an entry without a value as an empty one.
    let value = fields.text("value").map(|t| t.value).unwrap_or_default();
    fields.finish();
    Some((name?, value))
}

fn dependency(node: &Node, owner: &str, findings: &Findings) -> Option<Dependency> {
    const CONDITIONS: [(&str, Condition); 4] = [
        ("START", Condition::Start),
        ("COMPLETE", Condition::Complete),
        ("SUCCESS", Condition::Success),
        ("HEALTHY", Condition::Healthy),
    ];
    let mut fields = Fields::of(node, format!("{owner}: dependsOn"), findings)?;
    let container = fields.required("containerName", node.span.clone());
    let condition = fields.choice("condition", &CONDITIONS);
    if node.get("condition").is_none() {
        fields.error("ECS0004", node.span.clone(), "`condition` is missing");
    }
    fields.finish();
    Some(Dependency { container: container?, condition: condition? })
}

fn system_control(node: &Node, owner: &str, findings: &Findings) -> Option<(String, String)> {
    let mut fields = Fields::of(node, format!("{owner}: a system control"), findings)?;
    let name = fields.required("namespace", node.span.clone());
    let value = fields.required("value", node.span.clone());
    fields.finish();
    Some((name?.value, value?.value))
}
