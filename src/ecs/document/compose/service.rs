//! One service of a Compose file -> one container definition.

use super::Reading;
use super::health::health;
use super::keys::{Keys, object};
use super::linux::linux;
use super::network::network;
use super::params::Params;
use super::values::{
    flag, list, mapping, mebibytes, number, one_or_more, pairs, scalar, scalar_at, text, words,
};
use super::volumes::Volumes;
use crate::diagnostic::Diagnostic;
use crate::ecs::definition::Findings;
use crate::ecs::environment_file;
use crate::json::{Member, Node, Value};
use std::ops::Range;

/// MiB of a service that says nothing about memory.
const MEMORY: u64 = 512;

pub(super) type Members = Vec<(&'static str, Node)>;

pub(super) fn container(
    service: &Member,
    params: &Params,
    volumes: &mut Volumes<'_>,
    reading: &Reading,
    findings: &Findings,
) -> Option<Node> {
    let name = &service.key;
    let span = &service.key_span;
    let mut keys = Keys::of(&service.value, format!("service `{name}`"), findings)?;
    let mut to: Members = vec![("name", text(name.as_str(), span))];
    passed(&mut keys, &mut to);
    environment(&mut keys, &mut to, name, reading, findings);
    logging(&mut keys, &mut to);
    resources(&mut keys, &mut to);
    linux(&mut keys, &mut to, span);
    network(&mut keys, &mut to);
    mounts(&mut keys, &mut to, params, volumes, findings);
    if let Some(member) = keys.take("depends_on") {
        to.extend(depends_on(&member.value, &keys).map(|node| ("dependsOn", node)));
    }
    if let Some(member) = keys.take("healthcheck") {
        to.extend(
            health(&member.value, &format!("service `{name}`: healthcheck"), findings)
                .map(|n| ("healthCheck", n)),
        );
    }
    left_out(&mut keys);
    let has_image = to.iter().any(|(key, _)| *key == "image");
    if !has_image && let Some(build) = service.value.get("build") {
        let message = format!("service `{name}`: there is no `image`; images are not built here");
        findings.push(
            Diagnostic::error("ECS0004", message)
                .at(build.span.clone(), "")
                .help("build it first, and name it in `image`"),
        );
        to.push(("image", text("unbuilt", span)));
    }
    keys.finish(true);
    if let Some(added) = params.services.get(name) {
        for (key, node) in added {
            merge(&mut to, key, node.clone());
        }
    }
    if !to.iter().any(|(key, _)| matches!(*key, "memory" | "memoryReservation")) {
        to.push(("memory", number(MEMORY, span)));
    }
    Some(object(span, to))
}

/// What `ecs-params.yml` says goes before what Compose says; options of the log driver and of Linux are added to it.
fn merge(to: &mut Members, key: &'static str, node: Node) {
    match to.iter_mut().find(|(present, _)| *present == key) {
        Some((_, Node { value: Value::Object(members), .. }))
            if matches!(key, "logConfiguration" | "linuxParameters") =>
        {
            if let Value::Object(added) = node.value {
                members.extend(added);
            }
        }
        Some((_, present)) => *present = node,
        None => to.push((key, node)),
    }
}

fn passed(keys: &mut Keys<'_>, to: &mut Members) {
    for (name, api) in [
        ("image", "image"),
        ("hostname", "hostname"),
        ("privileged", "privileged"),
        ("read_only", "readonlyRootFilesystem"),
        ("user", "user"),
        ("working_dir", "workingDirectory"),
        ("links", "links"),
        ("security_opt", "dockerSecurityOptions"),
    ] {
        keys.pass(name, api, to);
    }
    for (name, api) in [("dns", "dnsServers"), ("dns_search", "dnsSearchDomains")] {
        if let Some(member) = keys.take(name) {
            to.push((api, one_or_more(&member.value)));
        }
    }
    for (name, api) in [("command", "command"), ("entrypoint", "entryPoint")] {
        if let Some(member) = keys.take(name) {
            match words(&member.value) {
                Some(node) => to.push((api, node)),
                None => keys.unreadable(
                    &member.value.span,
                    &format!("`{name}` is no line of words: a quote is not closed"),
                ),
            }
        }
    }
    if let Some(member) = keys.take("labels") {
        match mapping(&member.value) {
            Some(node) => to.push(("dockerLabels", node)),
            None => keys.unreadable(&member.value.span, "`labels` are a mapping or a list of NAME=VALUE"),
        }
    }
}

/// `environment` goes before `env_file`, and of several files the last.
fn environment(keys: &mut Keys<'_>, to: &mut Members, name: &str, reading: &Reading, findings: &Findings) {
    let mut variables: Vec<(String, String, Range<usize>)> = Vec::new();
    if let Some(member) = keys.take("env_file") {
        for (file, span) in env_file_names(&member.value) {
            let read = match reading.files.get(&file) {
                Some(Ok(content)) => environment_file::parse(content).map_err(|e| e.to_string()),
                Some(Err(cause)) => Err(cause.clone()),
                None => Err("it has not been read".to_owned()),
            };
            match read {
                Ok(found) => {
                    variables.extend(found.into_iter().map(|(name, value)| (name, value, span.clone())))
                }
                Err(cause) => keys.unreadable(&span, &format!("`{file}`: {cause}")),
            }
        }
    }
    if let Some(member) = keys.take("environment") {
        let Some(found) = pairs(&member.value) else {
            keys.unreadable(&member.value.span, "`environment` is a mapping or a list of NAME=VALUE");
            return;
        };
        for (variable, value, span) in found {
            // The ECS CLI takes it from its own environment.
            let value = value.or_else(|| reading.values.get(&variable).map(str::to_owned));
            match value {
                Some(value) => variables.push((variable, value, span)),
                None => findings.push(valueless(name, &variable, span)),
            }
        }
    }
    if variables.is_empty() {
        return;
    }
    let span = variables.first().map(|(_, _, span)| span.clone()).unwrap_or_default();
    let nodes = variables.into_iter().map(|(name, value, span)| {
        object(&span, vec![("name", text(name, &span)), ("value", text(value, &span))])
    });
    to.push(("environment", list(nodes.collect(), &span)));
}

fn valueless(service: &str, variable: &str, span: Range<usize>) -> Diagnostic {
    let message = format!("service `{service}`: the variable `{variable}` has no value here");
    Diagnostic::error("ECS0020", message).at(span, "").help(format!(
        "give it with `--set '{variable}=VALUE'` or in a file with `--vars`; a secret belongs under `secrets` of \
         `ecs-params.yml`"
    ))
}

/// Names of files with variables, and their places.
pub(super) fn env_file_names(node: &Node) -> Vec<(String, Range<usize>)> {
    let of = |node: &Node| {
        let name = node.get("path").or(Some(node)).and_then(scalar)?;
        Some((name, node.span.clone()))
    };
    match &node.value {
        Value::Array(elements) => elements.iter().filter_map(of).collect(),
        _ => of(node).into_iter().collect(),
    }
}

fn logging(keys: &mut Keys<'_>, to: &mut Members) {
    let (driver, options) = (keys.take("log_driver"), keys.take("log_opt"));
    let long = keys.take("logging").map(|m| &m.value);
    let driver = long.and_then(|l| l.get("driver")).or(driver.map(|m| &m.value));
    let options = long.and_then(|l| l.get("options")).or(options.map(|m| &m.value));
    let Some(driver) = driver else {
        if let Some(options) = options {
            keys.unreadable(&options.span, "options of a log driver without a driver");
        }
        return;
    };
    let mut members = vec![("logDriver", driver.clone())];
    if let Some(options) = options.filter(|o| o.value != Value::Null) {
        match mapping(options) {
            Some(node) => members.push(("options", node)),
            None => keys.unreadable(&options.span, "options of a log driver are a mapping"),
        }
    }
    to.push(("logConfiguration", object(&driver.span, members)));
}

fn resources(keys: &mut Keys<'_>, to: &mut Members) {
    keys.pass("cpu_shares", "cpu", to);
    for (name, api) in [("mem_limit", "memory"), ("mem_reservation", "memoryReservation")] {
        if let Some(member) = keys.take(name) {
            match mebibytes(&member.value) {
                Some(node) => to.push((api, node)),
                None => {
                    keys.unreadable(&member.value.span, &format!("`{name}` is no size such as 128m or 1g"))
                }
            }
        }
    }
    if let Some(member) = keys.take("ulimits") {
        let limits = member.value.object().unwrap_or_default().iter().map(|limit| {
            let (soft, hard) = match limit.value.object() {
                Some(_) => (limit.value.get("soft").cloned(), limit.value.get("hard").cloned()),
                None => (Some(limit.value.clone()), Some(limit.value.clone())),
            };
            let mut members = vec![("name", text(limit.key.as_str(), &limit.key_span))];
            members.extend(soft.map(|node| ("softLimit", node)));
            members.extend(hard.map(|node| ("hardLimit", node)));
            object(&limit.value.span, members)
        });
        to.push(("ulimits", list(limits.collect(), &member.value.span)));
    }
}

fn mounts(
    keys: &mut Keys<'_>,
    to: &mut Members,
    params: &Params,
    volumes: &mut Volumes<'_>,
    findings: &Findings,
) {
    let named: Vec<String> = params.volumes.iter().map(|(name, _)| name.clone()).collect();
    if let Some(member) = keys.take("volumes") {
        let elements = member.value.array().unwrap_or_default();
        let mounts = elements.iter().filter_map(|node| volumes.mount(node, keys, &named, findings)).collect();
        to.push(("mountPoints", list(mounts, &member.value.span)));
    }
    if let Some(member) = keys.take("volumes_from") {
        let from =
            member.value.array().unwrap_or_default().iter().filter_map(scalar_at).map(|(written, span)| {
                let rest = written.strip_prefix("container:").unwrap_or(&written);
                let (container, mode) = rest.split_once(':').unwrap_or((rest, "rw"));
                object(
                    span,
                    vec![("sourceContainer", text(container, span)), ("readOnly", flag(mode == "ro", span))],
                )
            });
        to.push(("volumesFrom", list(from.collect(), &member.value.span)));
    }
}

/// A list of services, or services with the condition that is waited for.
fn depends_on(node: &Node, keys: &Keys<'_>) -> Option<Node> {
    let entry = |name: Node, condition: &str| {
        let span = name.span.clone();
        object(&span, vec![("containerName", name), ("condition", text(condition, &span))])
    };
    let entries = match &node.value {
        Value::Array(elements) => elements.iter().map(|name| entry(name.clone(), "START")).collect(),
        Value::Object(members) => members.iter().filter_map(|member| {
            let condition = member.value.get("condition").and_then(scalar);
            let condition = match condition.as_deref() {
                None | Some("service_started") => "START",
                Some("service_healthy") => "HEALTHY",
                Some("service_completed_successfully") => "SUCCESS",
                Some(other) => {
                    let what = format!("`{other}` is no condition; there are service_started, service_healthy and service_completed_successfully");
                    keys.unreadable(&member.value.span, &what);
                    return None;
                }
            };
            Some(entry(text(member.key.as_str(), &member.key_span), condition))
        }).collect(),
        _ => {
            keys.unreadable(&node.span, "`depends_on` is a list of services");
            return None;
        }
    };
    Some(list(entries, &node.span))
}

/// What the ECS CLI leaves out with a warning.
fn left_out(keys: &mut Keys<'_>) {
    keys.warn(
        &["secrets", "configs"],
        "its files are not delivered; name secrets under `secrets` of the service in `ecs-params.yml`",
    );
    keys.warn(&["deploy"], "name limits of a service in `ecs-params.yml`, as for the ECS CLI");
    keys.warn(
        &["network_mode", "pid", "ipc"],
        "the ECS CLI leaves it out; it is said for the whole task, in `ecs-params.yml`",
    );
    keys.warn(&["init"], "the ECS CLI leaves it out; say `init_process_enabled` in `ecs-params.yml`");
    keys.without_effect(
        &[
            "annotations",
            "attach",
            "build",
            "cgroup_parent",
            "container_name",
            "cpu_count",
            "cpu_percent",
            "cpu_quota",
            "cpus",
            "cpuset",
            "credential_spec",
            "domainname",
            "expose",
            "extends",
            "external_links",
            "group_add",
            "isolation",
            "mac_address",
            "mem_swappiness",
            "memswap_limit",
            "networks",
            "oom_kill_disable",
            "oom_score_adj",
            "pids_limit",
            "platform",
            "profiles",
            "pull_policy",
            "restart",
            "runtime",
            "scale",
            "stdin_open",
            "stop_grace_period",
            "stop_signal",
            "storage_opt",
            "sysctls",
            "tty",
            "userns_mode",
            "volume_driver",
        ],
        "the ECS CLI leaves it out",
    );
}
