//! Docker's facts -> the members of task metadata, version 4. Members without a value are left out.
//! Version 3 has some of these members.
//!
//! Source: amazon-ecs-agent, `ecs-agent/tmds/handlers/v2/response.go` and
//! `.../v4/state/response.go`.

use crate::launch::TaskSummary;
use crate::launch::endpoint::{LOG_OPTIONS_LABEL, TASK_CPU_LABEL, TASK_MEMORY_LABEL, TOKEN_DIRECTORY};
use bollard::models::{ContainerInspectResponse, HostConfig};
use serde_json::{Map, Value, json};
use std::collections::HashMap;

const MIB: i64 = 1024 * 1024;
/// Before a container has started or ended, Docker says this.
const NEVER: &str = "0001-01-01T00:00:00Z";

/// A container as `/v4/ID` shows it. `pause` holds the network of its task, if there is one.
pub(super) fn container(
    task: &TaskSummary,
    facts: &ContainerInspectResponse,
    pause: Option<&ContainerInspectResponse>,
) -> Value {
    let id = facts.id.clone().unwrap_or_default();
    let summary = task.containers.iter().find(|c| c.docker_id == id);
    let host = facts.host_config.clone().unwrap_or_default();
    let config = facts.config.clone().unwrap_or_default();
    let labels = config.labels.unwrap_or_default();
    let (desired, known) = statuses(facts, summary.is_some_and(|c| c.is_pause()));
    let shared = host.network_mode.as_deref().is_some_and(|mode| mode.starts_with("container:"));
    let mut shown = Members::default();
    shown.set("DockerId", &id);
    shown.set("Name", summary.map(|c| c.name.as_str()));
    shown.set("DockerName", facts.name.as_deref().map(|name| name.trim_start_matches('/')));
    shown.set("Image", config.image);
    shown.set("ImageID", facts.image.clone());
    shown.set("Ports", some(ports(facts)));
    shown.set("Labels", visible(&labels));
    shown.set("DesiredStatus", desired);
    shown.set("KnownStatus", known);
    shown.set("ExitCode", (known == "STOPPED").then(|| state(facts, |s| s.exit_code)).flatten());
    shown.set("Limits", limits(&host));
    shown.set("CreatedAt", facts.created.as_deref().filter(|at| *at != NEVER));
    shown.set("StartedAt", state(facts, |s| s.started_at.clone()).filter(|at| at != NEVER));
    shown.set("FinishedAt", state(facts, |s| s.finished_at.clone()).filter(|at| at != NEVER));
    shown.set("Type", kind(summary.is_some_and(|c| c.is_pause()), &host));
    shown.set("Health", health(facts));
    shown.set("Volumes", some(volumes(facts)));
    shown.set("LogDriver", host.log_config.as_ref().and_then(|log| log.typ.clone()));
    shown.set("LogOptions", some_map(log_options(&host, &labels)));
    shown.set("ContainerARN", task.container_arn(&id));
    shown.set("Networks", some(networks(if shared { pause.unwrap_or(facts) } else { facts }, shared)));
    shown.set("RestartCount", facts.restart_count.filter(|count| *count > 0));
    Value::Object(shown.0)
}

/// A task as `/v4/ID/task` shows it.
pub(super) fn task(task: &TaskSummary, containers: &[ContainerInspectResponse]) -> Value {
    let of = |facts: &ContainerInspectResponse| {
        task.containers.iter().find(|c| Some(&c.docker_id) == facts.id.as_ref()).cloned()
    };
    let pause = containers.iter().find(|facts| of(facts).is_some_and(|c| c.is_pause()));
    let own: Vec<_> = containers.iter().filter(|facts| of(facts).is_some_and(|c| !c.is_pause())).collect();
    let known: Vec<&str> = own.iter().map(|facts| statuses(facts, false).1).collect();
    let known = match known.as_slice() {
        all if all.iter().all(|status| *status == "STOPPED") => "STOPPED",
        all if all.contains(&"CREATED") => "CREATED",
        _ => "RUNNING",
    };
    let mut shown = Members::default();
    shown.set("Cluster", &task.cluster);
    shown.set("TaskARN", &task.task_arn);
    shown.set("Family", &task.family);
    shown.set("Revision", &task.revision);
    shown.set("DesiredStatus", if known == "STOPPED" { "STOPPED" } else { "RUNNING" });
    shown.set("KnownStatus", known);
    shown.set("Limits", own.first().and_then(|facts| task_limits(facts)));
    if known == "STOPPED" {
        let ended = own.iter().filter_map(|facts| state(facts, |s| s.finished_at.clone()));
        shown.set("ExecutionStoppedAt", ended.max());
    }
    shown.set("LaunchType", "EXTERNAL");
    shown.set("Containers", containers.iter().map(|facts| container(task, facts, pause)).collect::<Vec<_>>());
    shown.set("FaultInjectionEnabled", false);
    Value::Object(shown.0)
}

/// An answer of version 4 without what version 3 does not have.
pub(super) fn as_version_3(mut answer: Value) -> Value {
    let Some(members) = answer.as_object_mut() else { return answer };
    for name in NEW_IN_VERSION_4 {
        members.remove(name);
    }
    for (of, new) in [("Networks", NEW_IN_NETWORKS), ("Ports", &["HostIp"])] {
        for one in members.get_mut(of).and_then(Value::as_array_mut).into_iter().flatten() {
            new.iter().for_each(|name| drop(one.as_object_mut().and_then(|one| one.remove(*name))));
        }
    }
    for one in members.get_mut("Containers").and_then(Value::as_array_mut).into_iter().flatten() {
        *one = as_version_3(one.take());
    }
    // Measurements of a task: one object for each container.
    for one in members.values_mut().filter(|one| one.get("network_rate_stats").is_some()) {
        *one = as_version_3(one.take());
    }
    answer
}

const NEW_IN_VERSION_4: [&str; 7] = [
    "LogDriver",
    "LogOptions",
    "ContainerARN",
    "RestartCount",
    "LaunchType",
    "FaultInjectionEnabled",
    "network_rate_stats",
];
const NEW_IN_NETWORKS: &[&str] =
    &["AttachmentIndex", "MACAddress", "IPv4SubnetCIDRBlock", "SubnetGatewayIpv4Address"];

#[derive(Default)]
struct Members(Map<String, Value>);

impl Members {
    fn set(&mut self, name: &str, value: impl serde::Serialize) {
        let value = json!(value);
        if !value.is_null() {
            self.0.insert(name.to_owned(), value);
        }
    }
}

fn some(list: Vec<Value>) -> Option<Vec<Value>> {
    (!list.is_empty()).then_some(list)
}

fn some_map(map: HashMap<String, String>) -> Option<HashMap<String, String>> {
    (!map.is_empty()).then_some(map)
}

fn state<T>(
    facts: &ContainerInspectResponse,
    member: impl FnOnce(&bollard::models::ContainerState) -> Option<T>,
) -> Option<T> {
    facts.state.as_ref().and_then(member)
}

/// Desired and known.
fn statuses(facts: &ContainerInspectResponse, pause: bool) -> (&'static str, &'static str) {
    let status = state(facts, |s| s.status).map(|status| status.to_string()).unwrap_or_default();
    match status.as_str() {
        "exited" | "dead" | "removing" => ("STOPPED", "STOPPED"),
        "created" => ("RUNNING", "CREATED"),
        _ if pause => ("RESOURCES_PROVISIONED", "RESOURCES_PROVISIONED"),
        _ => ("RUNNING", "RUNNING"),
    }
}

fn kind(pause: bool, host: &HostConfig) -> &'static str {
    match (pause, host.network_mode.as_deref()) {
        (false, _) => "NORMAL",
        (true, Some("none")) => "NAMESPACE_PAUSE",
        (true, _) => "CNI_PAUSE",
    }
}

/// Our own labels are for ourselves: one of them is the id that this answer is had by.
fn visible(labels: &HashMap<String, String>) -> HashMap<&String, &String> {
    labels.iter().filter(|(name, _)| !name.starts_with("sealdock.")).collect()
}

/// Those that the task definition has in plain text, by the names that the launcher noted. What
/// Docker has may be secret.
fn log_options(host: &HostConfig, labels: &HashMap<String, String>) -> HashMap<String, String> {
    let plain: Vec<&str> =
        labels.get(LOG_OPTIONS_LABEL).map(|names| names.split(',').collect()).unwrap_or_default();
    let options = host.log_config.as_ref().and_then(|log| log.config.clone()).unwrap_or_default();
    options.into_iter().filter(|(name, _)| plain.contains(&name.as_str())).collect()
}

/// CPU units, of which the agent shows two at least, and MiB, zero without a limit.
fn limits(host: &HostConfig) -> Value {
    json!({ "CPU": host.cpu_shares.unwrap_or_default().max(2), "Memory": host.memory.unwrap_or_default() / MIB })
}

/// vCPUs and MiB of the whole task, if its definition limits them, as the launcher noted.
fn task_limits(facts: &ContainerInspectResponse) -> Option<Value> {
    let labels = facts.config.as_ref().and_then(|config| config.labels.as_ref())?;
    let noted = |label: &str| labels.get(label).and_then(|text| text.parse::<u32>().ok());
    let mut limits = Members::default();
    limits.set("CPU", noted(TASK_CPU_LABEL).map(|units| f64::from(units) / 1024.0));
    limits.set("Memory", noted(TASK_MEMORY_LABEL));
    (!limits.0.is_empty()).then_some(Value::Object(limits.0))
}

fn ports(facts: &ContainerInspectResponse) -> Vec<Value> {
    let published =
        facts.network_settings.as_ref().and_then(|network| network.ports.clone()).unwrap_or_default();
    let mut ports = Vec::new();
    for (key, bindings) in published {
        let (port, protocol) = key.split_once('/').unwrap_or((&key, "tcp"));
        let Ok(port) = port.parse::<u16>() else { continue };
        let bindings = bindings.unwrap_or_default();
        if bindings.is_empty() {
            ports.push(json!({ "ContainerPort": port, "Protocol": protocol }));
        }
        for binding in bindings {
            let host: Option<u16> = binding.host_port.and_then(|port| port.parse().ok());
            ports.push(json!({
                "ContainerPort": port, "Protocol": protocol, "HostPort": host, "HostIp": binding.host_ip,
            }));
        }
    }
    ports.sort_by_key(ToString::to_string);
    ports
}

fn health(facts: &ContainerInspectResponse) -> Option<Value> {
    let health = state(facts, |s| s.health.clone())?;
    let status = match health.status.map(|status| status.to_string())?.as_str() {
        "healthy" => "HEALTHY",
        "unhealthy" => "UNHEALTHY",
        "none" => return None,
        _ => "UNKNOWN",
    };
    // The output of a check may hold anything; its exit code and time do not.
    let last = health.log.unwrap_or_default().pop();
    let mut shown = Members::default();
    shown.set("status", status);
    shown.set("statusSince", last.as_ref().and_then(|check| check.end.clone()));
    shown.set("exitCode", last.as_ref().and_then(|check| check.exit_code));
    Some(Value::Object(shown.0))
}

fn volumes(facts: &ContainerInspectResponse) -> Vec<Value> {
    let mounts = facts.mounts.clone().unwrap_or_default();
    let shown = mounts.into_iter().filter(|mount| mount.destination.as_deref() != Some(TOKEN_DIRECTORY)).map(
        |mount| {
            let mut shown = Members::default();
            shown.set("DockerName", mount.name.filter(|name| !name.is_empty()));
            shown.set("Source", mount.source);
            shown.set("Destination", mount.destination);
            Value::Object(shown.0)
        },
    );
    shown.collect()
}

/// `awsvpc` is what a network in common is called.
fn networks(facts: &ContainerInspectResponse, shared: bool) -> Vec<Value> {
    let found =
        facts.network_settings.as_ref().and_then(|network| network.networks.clone()).unwrap_or_default();
    let mut names: Vec<_> = found.into_iter().collect();
    names.sort_by(|a, b| a.0.cmp(&b.0));
    let shown = names.into_iter().map(|(name, network)| {
        let address = network.ip_address.as_ref().map(ToString::to_string).filter(|a| !a.is_empty());
        let mut shown = Members::default();
        shown.set("NetworkMode", if shared { "awsvpc" } else { name.as_str() });
        shown.set("IPv4Addresses", address.as_ref().map(|address| vec![address]));
        if shared {
            let gateway = network.gateway.as_ref().map(ToString::to_string).filter(|g| !g.is_empty());
            let prefix = network.ip_prefix_len.filter(|length| *length > 0);
            shown.set("AttachmentIndex", 0);
            shown.set("MACAddress", network.mac_address);
            shown.set("IPv4SubnetCIDRBlock", address.as_deref().zip(prefix).and_then(|(a, p)| subnet(a, p)));
            shown.set("SubnetGatewayIpv4Address", gateway.zip(prefix).map(|(g, p)| format!("{g}/{p}")));
        }
        Value::Object(shown.0)
    });
    shown.collect()
}

/// The network of an address, such as `172.17.0.0/16`.
fn subnet(address: &str, prefix: i64) -> Option<String> {
    let address: std::net::Ipv4Addr = address.parse().ok()?;
    let prefix = u32::try_from(prefix).ok().filter(|prefix| (1..=32).contains(prefix))?;
    let network = u32::from(address) & (u32::MAX << (32 - prefix));
    Some(format!("{}/{prefix}", std::net::Ipv4Addr::from(network)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_log_options_and_the_labels_of_others_are_shown() {
        let options = [("splunk-url", "http://x"), ("splunk-token", "canary"), ("tag", "t")];
        let options = options.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let host = HostConfig {
            log_config: Some(bollard::models::HostConfigLogConfig {
                typ: Some("splunk".into()),
                config: Some(options.into()),
            }),
            ..HostConfig::default()
        };
        let mut labels = HashMap::from([("team".to_owned(), "x".to_owned())]);
        assert!(log_options(&host, &labels).is_empty(), "without a note none is known to be plain");
        labels.insert(LOG_OPTIONS_LABEL.into(), "splunk-url,tag".into());
        let shown = log_options(&host, &labels);
        assert_eq!(shown.len(), 2);
        assert!(!shown.contains_key("splunk-token"));
        assert_eq!(visible(&labels).len(), 1);
    }

    #[test]
    fn version_3_says_less() {
        let container = json!({
            "DockerId": "d", "LogDriver": "json-file", "LogOptions": {}, "ContainerARN": "arn:c", "RestartCount": 1,
            "Ports": [{ "ContainerPort": 80, "HostPort": 8080, "HostIp": "0.0.0.0" }],
            "Networks": [{ "NetworkMode": "awsvpc", "IPv4Addresses": ["10.0.0.2"], "AttachmentIndex": 0 }],
        });
        let less = json!({
            "DockerId": "d", "Ports": [{ "ContainerPort": 80, "HostPort": 8080 }],
            "Networks": [{ "NetworkMode": "awsvpc", "IPv4Addresses": ["10.0.0.2"] }],
        });
        let task = json!({ "TaskARN": "arn:t", "LaunchType": "EXTERNAL", "FaultInjectionEnabled": false, "Containers": [container] });
        assert_eq!(as_version_3(task), json!({ "TaskARN": "arn:t", "Containers": [less] }));
        let stats = json!({ "d": { "read": "r", "network_rate_stats": {} }, "e": null });
        assert_eq!(as_version_3(stats), json!({ "d": { "read": "r" }, "e": null }));
        assert_eq!(as_version_3(Value::Null), Value::Null);
    }

    #[test]
    fn limits_are_always_shown() {
        assert_eq!(limits(&HostConfig::default()), json!({ "CPU": 2, "Memory": 0 }));
        let host = HostConfig { cpu_shares: Some(64), memory: Some(32 * MIB), ..HostConfig::default() };
        assert_eq!(limits(&host), json!({ "CPU": 64, "Memory": 32 }));
    }

    #[test]
    fn addresses_have_a_network() {
        assert_eq!(subnet("172.17.3.4", 16).as_deref(), Some("172.17.0.0/16"));
        assert_eq!(subnet("10.0.0.9", 32).as_deref(), Some("10.0.0.9/32"));
        assert_eq!(subnet("10.0.0.9", 0), None);
    }
}
