//! `ecs-params.yml`: what ECS needs to know and Compose has no word for.

use super::Reading;
use super::health::health;
use super::keys::{Keys, object};
use super::values::{list, mapping, mebibytes, scalar, text};
use crate::diagnostic::{Diagnostic, nearest};
use crate::ecs::definition::Findings;
use crate::json::{Member, Node, Value};
use std::collections::BTreeMap;

/// What the file says, under the names of the API.
#[derive(Default)]
pub(super) struct Params {
    /// Of the task definition.
    pub(super) members: Vec<(&'static str, Node)>,
    /// Of container definitions, by service.
    pub(super) services: BTreeMap<String, Vec<(&'static str, Node)>>,
    /// `docker_volumes` and `efs_volumes`, by name.
    pub(super) volumes: Vec<(String, Node)>,
    /// Where each service stands in the file.
    places: Vec<(String, std::ops::Range<usize>)>,
}

impl Params {
    pub(super) fn refuse_unknown_services(&self, services: &Node, findings: &Findings) {
        for (name, place) in self.places.iter().filter(|(name, _)| services.get(name).is_none()) {
            let known: Vec<&str> =
                services.object().unwrap_or_default().iter().map(|m| m.key.as_str()).collect();
            let message = format!(
                "`ecs-params.yml` speaks of a service `{name}`, which the Compose file does not have"
            );
            let help = match nearest(name, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("it has: {}", known.join(", ")),
            };
            findings.push(Diagnostic::error("ECS0025", message).at(place.clone(), "").help(help));
        }
    }
}

pub(super) fn read(node: &Node, reading: &Reading, findings: &Findings) -> Option<Params> {
    let mut params = Params::default();
    let mut keys = Keys::of(node, "`ecs-params.yml`", findings)?;
    keys.accept(&["version"]);
    let task = keys.take("task_definition").map(|m| &m.value);
    if let Some(run) = keys.take("run_params") {
        run_params(&run.value, findings);
    }
    keys.finish(false);
    let Some(node) = task else { return Some(params) };
    let mut keys = Keys::of(node, "task_definition", findings)?;
    for (name, api) in [("ecs_network_mode", "networkMode"), ("pid_mode", "pidMode"), ("ipc_mode", "ipcMode")]
    {
        keys.pass(name, api, &mut params.members);
    }
    for (name, api) in [("task_role_arn", "taskRoleArn"), ("task_execution_role", "executionRoleArn")] {
        if let Some(member) = keys.take(name) {
            params.members.push((api, role(&member.value, reading)));
        }
    }
    if let Some(system) = keys.take("os_family") {
        let (key, value) = ("operatingSystemFamily", system.value.clone());
        let platform =
            Value::Object(vec![Member { key: key.to_owned(), key_span: system.key_span.clone(), value }]);
        params.members.push(("runtimePlatform", Node { span: system.value.span.clone(), value: platform }));
    }
    if let Some(size) = keys.take("task_size") {
        let mut size = Keys::of(&size.value, "task_size", findings)?;
        for (name, api) in [("cpu_limit", "cpu"), ("mem_limit", "memory")] {
            size.pass(name, api, &mut params.members);
        }
        size.finish(false);
    }
    for service in keys.take("services").and_then(|m| m.value.object()).unwrap_or_default() {
        params.places.push((service.key.clone(), service.key_span.clone()));
        if let Some(members) = of_service(&service.key, &service.value, findings) {
            params.services.insert(service.key.clone(), members);
        }
    }
    for node in keys.take("docker_volumes").and_then(|m| m.value.array()).unwrap_or_default() {
        params.volumes.extend(docker_volume(node, findings));
    }
    for node in keys.take("efs_volumes").and_then(|m| m.value.array()).unwrap_or_default() {
        params.volumes.extend(efs_volume(node, findings));
    }
    keys.without_effect(&["placement_constraints"], "there is one host");
    keys.finish(false);
    Some(params)
}

/// A role by its ARN, or by its name where the account is known.
fn role(node: &Node, reading: &Reading) -> Node {
    match (node.string(), reading.values.get("AWS::AccountId")) {
        (Some(name), Some(account)) if !name.starts_with("arn:") && !name.is_empty() => {
            text(format!("arn:aws:iam::{account}:role/{name}"), &node.span)
        }
        _ => node.clone(),
    }
}

fn of_service(name: &str, node: &Node, findings: &Findings) -> Option<Vec<(&'static str, Node)>> {
    let owner = format!("services: {name}");
    let mut keys = Keys::of(node, owner.as_str(), findings)?;
    let mut to = Vec::new();
    keys.pass("essential", "essential", &mut to);
    keys.pass("cpu_shares", "cpu", &mut to);
    for (key, api) in [("mem_limit", "memory"), ("mem_reservation", "memoryReservation")] {
        if let Some(member) = keys.take(key) {
            match mebibytes(&member.value) {
                Some(node) => to.push((api, node)),
                None => {
                    keys.unreadable(&member.value.span, &format!("`{key}` is no size such as 128m or 1g"))
                }
            }
        }
    }
    if let Some(member) = keys.take("init_process_enabled") {
        let span = &member.value.span;
        to.push(("linuxParameters", object(span, vec![("initProcessEnabled", member.value.clone())])));
    }
    if let Some(member) = keys.take("repository_credentials") {
        let mut inner = Keys::of(&member.value, format!("{owner}: repository_credentials"), findings)?;
        let mut members = Vec::new();
        inner.pass("credentials_parameter", "credentialsParameter", &mut members);
        inner.finish(false);
        to.push(("repositoryCredentials", object(&member.value.span, members)));
    }
    if let Some(member) = keys.take("healthcheck") {
        to.extend(
            health(&member.value, &format!("{owner}: healthcheck"), findings).map(|n| ("healthCheck", n)),
        );
    }
    if let Some(member) = keys.take("logging") {
        let mut inner = Keys::of(&member.value, format!("{owner}: logging"), findings)?;
        if let Some(options) = inner.take("secret_options") {
            let options = secrets(&options.value, &format!("{owner}: secret_options"), findings);
            to.push(("logConfiguration", object(&member.value.span, vec![("secretOptions", options)])));
        }
        inner.finish(false);
    }
    if let Some(member) = keys.take("firelens_configuration") {
        let mut inner = Keys::of(&member.value, format!("{owner}: firelens_configuration"), findings)?;
        let mut members = Vec::new();
        inner.pass("type", "type", &mut members);
        members.extend(inner.take("options").and_then(|m| mapping(&m.value)).map(|node| ("options", node)));
        inner.finish(false);
        to.push(("firelensConfiguration", object(&member.value.span, members)));
    }
    if let Some(member) = keys.take("secrets") {
        to.push(("secrets", secrets(&member.value, &format!("{owner}: secrets"), findings)));
    }
    if let Some(member) = keys.take("gpu") {
        let span = &member.value.span;
        let gpus = text(scalar(&member.value).unwrap_or_default(), span);
        let requirement = object(span, vec![("type", text("GPU", span)), ("value", gpus)]);
        to.push(("resourceRequirements", list(vec![requirement], span)));
    }
    if let Some(member) = keys.take("depends_on") {
        // Not the ECS CLI's; entries have the names of the API, with underscores.
        let entries = member.value.array().unwrap_or_default().iter().filter_map(|node| {
            let mut inner = Keys::of(node, format!("{owner}: depends_on"), findings)?;
            let mut members = Vec::new();
            inner.pass("container_name", "containerName", &mut members);
            inner.pass("condition", "condition", &mut members);
            inner.finish(false);
            Some(object(&node.span, members))
        });
        to.push(("dependsOn", list(entries.collect(), &member.value.span)));
    }
    keys.finish(false);
    Some(to)
}

fn secrets(node: &Node, owner: &str, findings: &Findings) -> Node {
    let entries = node.array().unwrap_or_default().iter().filter_map(|node| {
        let mut keys = Keys::of(node, owner, findings)?;
        let mut members = Vec::new();
        keys.pass("name", "name", &mut members);
        keys.pass("value_from", "valueFrom", &mut members);
        keys.finish(false);
        Some(object(&node.span, members))
    });
    Node { span: node.span.clone(), value: Value::Array(entries.collect()) }
}

fn docker_volume(node: &Node, findings: &Findings) -> Option<(String, Node)> {
    let mut keys = Keys::of(node, "docker_volumes", findings)?;
    let name = keys.take("name")?;
    let mut members = Vec::new();
    for (key, api) in [("scope", "scope"), ("autoprovision", "autoprovision"), ("driver", "driver")] {
        keys.pass(key, api, &mut members);
    }
    for (key, api) in [("driver_opts", "driverOpts"), ("labels", "labels")] {
        members.extend(keys.take(key).and_then(|m| mapping(&m.value)).map(|node| (api, node)));
    }
    keys.finish(false);
    let configuration = object(&node.span, members);
    let volume = vec![("name", name.value.clone()), ("dockerVolumeConfiguration", configuration)];
    Some((scalar(&name.value)?, object(&node.span, volume)))
}

fn efs_volume(node: &Node, findings: &Findings) -> Option<(String, Node)> {
    let mut keys = Keys::of(node, "efs_volumes", findings)?;
    let name = keys.take("name")?;
    let mut members = Vec::new();
    for (key, api) in [
        ("filesystem_id", "fileSystemId"),
        ("root_directory", "rootDirectory"),
        ("transit_encryption", "transitEncryption"),
        ("transit_encryption_port", "transitEncryptionPort"),
    ] {
        keys.pass(key, api, &mut members);
    }
    let mut authorization = Vec::new();
    keys.pass("access_point", "accessPointId", &mut authorization);
    keys.pass("iam", "iam", &mut authorization);
    if !authorization.is_empty() {
        members.push(("authorizationConfig", object(&node.span, authorization)));
    }
    keys.finish(false);
    let volume = vec![("name", name.value.clone()), ("efsVolumeConfiguration", object(&node.span, members))];
    Some((scalar(&name.value)?, object(&node.span, volume)))
}

fn run_params(node: &Node, findings: &Findings) {
    let Some(mut keys) = Keys::of(node, "run_params", findings) else { return };
    keys.without_effect(
        &["network_configuration", "task_placement", "service_discovery"],
        "there is one host",
    );
    keys.finish(false);
}
