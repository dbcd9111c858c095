//! One entry of `containerDefinitions`.

use super::fields::{Fields, Findings};
use super::{
    ExtraHost, Firelens, HealthCheck, LinuxParameters, LogConfiguration, MountPoint, PortMapping,
    SecretBinding, Spanned, Ulimit,
};
use super::{health, ignored, linux, logging, network, storage};
use crate::diagnostic::Diagnostic;
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
    /// `volumesFrom`.
    pub volumes_from: Vec<VolumesFrom>,
    /// `links`.
    pub links: Vec<Link>,
    /// `environmentFiles`: ARNs of objects in S3, in order.
    pub environment_files: Vec<Spanned<String>>,
    /// `firelensConfiguration`: it routes the logs of the others.
    pub firelens: Option<Firelens>,
    /// `repositoryCredentials`: the secret with the account at the registry.
    pub repository_credentials: Option<Spanned<String>>,
    /// What goes to Docker as it is.
    pub settings: ContainerSettings,
    /// The place of the image.
    pub image_span: Range<usize>,
    /// The place of the whole entry.
    pub span: Range<usize>,
}

impl ContainerDefinition {
    /// `secrets`, and `secretOptions` of the log.
    pub(in crate::ecs) fn bindings(&self) -> impl Iterator<Item = &SecretBinding> {
        self.secrets.iter().chain(self.log.iter().flat_map(|log| &log.secret_options))
    }
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

/// The volumes of another container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumesFrom {
    /// The other container.
    pub container: Spanned<String>,
    /// Whether they can only be read.
    pub read_only: bool,
}

/// A name by which another container is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The other container.
    pub container: Spanned<String>,
    /// The name.
    pub alias: String,
}

/// When a container that ended is started again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestartPolicy {
    /// Exit codes after which it is not.
    pub ignored_exit_codes: Vec<i64>,
    /// Seconds that it must have run.
    pub attempt_period_seconds: u32,
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
    /// `restartPolicy`, if it is enabled.
    pub restart: Option<RestartPolicy>,
    /// GPUs of `resourceRequirements`.
    pub gpus: u32,
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
        environment: fields.pairs("environment", "value").into_iter().map(|(n, v)| (n, v.value)).collect(),
        secrets: logging::bindings(&mut fields, "secrets", &owner),
        log: fields.node("logConfiguration").and_then(|n| logging::log_configuration(n, &owner, findings)),
        depends_on: fields.list("dependsOn").iter().filter_map(|n| dependency(n, &owner, findings)).collect(),
        mount_points: fields
            .list("mountPoints")
            .iter()
            .filter_map(|n| storage::mount_point(n, &owner, findings))
            .collect(),
        volumes_from: fields
            .list("volumesFrom")
            .iter()
            .filter_map(|n| volumes_from(n, &owner, findings))
            .collect(),
        links: fields.spanned_texts("links").into_iter().filter_map(|l| link(l, &owner, findings)).collect(),
        environment_files: fields
            .list("environmentFiles")
            .iter()
            .filter_map(|n| environment_file(n, &owner, findings))
            .collect(),
        firelens: fields.node("firelensConfiguration").and_then(|n| logging::firelens(n, &owner, findings)),
        repository_credentials: fields
            .node("repositoryCredentials")
            .and_then(|n| repository_credentials(n, &owner, findings)),
        settings: settings(&mut fields, node, &owner),
        image_span: node.get("image").unwrap_or(node).span.clone(),
        span: node.span.clone(),
    };
    ignored::of_container(&mut fields);
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
        memory_mib: fields.mebibytes("memory", 0..=i32::MAX.into()),
        memory_reservation_mib: fields.mebibytes("memoryReservation", 0..=i32::MAX.into()),
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
        restart: fields.node("restartPolicy").and_then(|n| restart_policy(n, owner, findings)),
        gpus: fields.list("resourceRequirements").iter().filter_map(|n| gpus(n, owner, findings)).sum(),
    }
}

fn volumes_from(node: &Node, owner: &str, findings: &Findings) -> Option<VolumesFrom> {
    let mut fields = Fields::of(node, format!("{owner}: volumesFrom"), findings)?;
    let container = fields.required("sourceContainer", node.span.clone());
    let read_only = fields.flag("readOnly").unwrap_or_default();
    fields.finish();
    Some(VolumesFrom { container: container?, read_only })
}

/// `name` or `name:alias`.
fn link(text: Spanned<String>, owner: &str, findings: &Findings) -> Option<Link> {
    let mut parts = text.value.split(':').map(str::to_owned);
    let name = parts.next().unwrap_or_default();
    let alias = parts.next().unwrap_or_else(|| name.clone());
    if parts.next().is_some() || name.is_empty() || alias.is_empty() {
        let message = format!("{owner}: Invalid link format: `{}`", text.value);
        let error = Diagnostic::error("ECS0009", message).at(text.span, "");
        findings.push(error.help("the form is `container` or `container:alias`"));
        return None;
    }
    Some(Link { container: Spanned { value: name, span: text.span }, alias })
}

fn environment_file(node: &Node, owner: &str, findings: &Findings) -> Option<Spanned<String>> {
    let mut fields = Fields::of(node, format!("{owner}: an environment file"), findings)?;
    let value = fields.required("value", node.span.clone());
    fields.choice("type", &[("s3", ())]);
    fields.finish();
    let value = value?;
    if !value.value.contains(":s3:::") {
        fields_error(
            findings,
            format!("{owner}: an environment file is named by the ARN of an object in S3"),
            &value,
        );
        return None;
    }
    if !value.value.ends_with(".env") {
        fields_error(
            findings,
            format!("{owner}: the name of an environment file must end in `.env`"),
            &value,
        );
    }
    Some(value)
}

fn fields_error(findings: &Findings, message: String, place: &Spanned<String>) {
    let error = Diagnostic::error("ECS0009", message).at(place.span.clone(), "");
    findings.push(error.help("the form is `arn:aws:s3:::BUCKET/NAME.env`"));
}

fn repository_credentials(node: &Node, owner: &str, findings: &Findings) -> Option<Spanned<String>> {
    let mut fields = Fields::of(node, format!("{owner}: repositoryCredentials"), findings)?;
    let secret = fields.required("credentialsParameter", node.span.clone());
    fields.finish();
    secret
}

fn restart_policy(node: &Node, owner: &str, findings: &Findings) -> Option<RestartPolicy> {
    const PERIOD: u32 = 300;
    let mut fields = Fields::of(node, format!("{owner}: restartPolicy"), findings)?;
    let enabled = fields.flag("enabled");
    let codes = fields.list("ignoredExitCodes");
    let period = fields.whole("restartAttemptPeriod", 60..=1800);
    if node.get("enabled").is_none() {
        fields.error("ECS0004", node.span.clone(), "`enabled` is missing");
    }
    if codes.len() > 50 {
        fields.error("ECS0112", node.span.clone(), "at most 50 exit codes can be ignored");
    }
    let code = |node: &Node| match &node.value {
        Value::Number(text) | Value::String(text) => text.parse::<i64>().ok(),
        _ => None,
    };
    let ignored: Vec<i64> = codes.iter().filter_map(code).collect();
    if ignored.len() != codes.len() {
        fields.error("ECS0001", node.span.clone(), "`ignoredExitCodes` must be a list of whole numbers");
    }
    fields.finish();
    enabled?.then(|| RestartPolicy {
        ignored_exit_codes: ignored,
        attempt_period_seconds: period.and_then(|p| u32::try_from(p.value).ok()).unwrap_or(PERIOD),
    })
}

/// GPUs that are asked for; other resources have no counterpart on one host.
fn gpus(node: &Node, owner: &str, findings: &Findings) -> Option<u32> {
    let mut fields = Fields::of(node, format!("{owner}: resourceRequirements"), findings)?;
    let kind =
        fields.choice("type", &[("GPU", true), ("InferenceAccelerator", false), ("NeuronDevice", false)]);
    let gpu = kind == Some(true);
    fields.needs("type");
    fields.needs("value");
    // A text in the API, for the other types are named.
    let value = fields.text("value").filter(|_| gpu);
    let count = value.as_ref().and_then(|text| text.value.parse::<u32>().ok());
    if let Some(text) = value.filter(|_| count.is_none()) {
        fields.error("ECS0009", text.span, "`value` must be the number of GPUs, such as \"1\"");
    }
    if !gpu {
        fields.without_effect("value");
    }
    fields.without_effect("sharingStrategy");
    fields.finish();
    count
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
    if node.get("condition").and_then(Node::string).is_none_or(str::is_empty) {
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
