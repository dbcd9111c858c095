//! The rules by which ECS refuses to register a task definition, in its words
//! where they are known. They are checked before anything is started.

use super::definition::{
    Condition, ContainerDefinition, Findings, NetworkMode, SecretBinding, Spanned, TaskDefinition,
};
use super::firelens;
use super::order::{FIRELENS, start_order};
use super::plan::waits_in_a_circle;
use super::valuefrom::{ParameterReference, ValueFrom};
use crate::diagnostic::{Diagnostic, nearest};
use std::collections::HashMap;
use std::ops::Range;

#[cfg(test)]
mod tests;

/// Containers in a task definition.
const MOST_CONTAINERS: usize = 10;
/// Environment files of a container.
const MOST_FILES: usize = 10;
/// Characters of a name or an image.
const LONGEST_NAME: usize = 255;
/// Smallest memory limit in MiB that Docker takes.
const LEAST_MEMORY: u32 = 6;

/// Checks every rule.
pub(super) fn check(task: &TaskDefinition, findings: &Findings) {
    check_name("Family", &task.family, findings);
    let mut first: HashMap<&str, &Range<usize>> = HashMap::new();
    for container in &task.containers {
        check_name("Container.name", &container.name, findings);
        if let Some(earlier) = first.insert(&container.name.value, &container.name.span) {
            let error =
                Diagnostic::error("ECS0104", "Container names must be unique within a Task Definition.")
                    .at(container.name.span.clone(), "given again")
                    .with(earlier.clone(), "first given here");
            findings.push(error);
        }
        check_environment(container, findings);
        check_memory(task, container, findings);
        check_mounts(task, container, findings);
        check_ports(task, container, findings);
        check_others(task, container, findings);
        if let Some(log) = &container.log {
            super::log_drivers::check(&container.name.value, log, findings);
        }
    }
    check_containers(task, findings);
    check_sums(task, findings);
    super::fargate::check(task, findings);
    check_volumes(task, findings);
    check_execution_role(task, findings);
    check_dependencies(task, findings);
    check_host_ports(task, findings);
    check_routers(task, findings);
}

fn check_name(what: &str, name: &Spanned<String>, findings: &Findings) {
    // A missing name has been reported by the reader.
    let permitted = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let message = if !name.value.chars().all(permitted) {
        format!("{what} contains invalid characters.")
    } else if name.value.len() > LONGEST_NAME {
        format!("{what} is longer than {LONGEST_NAME} characters.")
    } else {
        return;
    };
    let error = Diagnostic::error("ECS0112", message).at(name.span.clone(), "");
    findings.push(error.help("up to 255 letters, digits, hyphens and underscores"));
}

fn check_containers(task: &TaskDefinition, findings: &Findings) {
    let Some(first) = task.containers.first() else { return };
    if let Some(extra) = task.containers.get(MOST_CONTAINERS) {
        let error =
            Diagnostic::error("ECS0112", "Too many containers.").at(extra.name.span.clone(), "one too many");
        findings.push(error.help(format!("a task definition has at most {MOST_CONTAINERS}")));
    }
    if !task.containers.iter().any(|c| c.essential) {
        let error = Diagnostic::error("ECS0105", "Task definition doesn't have any essential container.")
            .at(first.name.span.clone(), "")
            .help("`essential` is true when it is left out");
        findings.push(error);
    }
    for container in &task.containers {
        if container.settings.image.len() > LONGEST_NAME {
            let message = format!("container `{}`: the image name is too long", container.name.value);
            findings.push(Diagnostic::error("ECS0112", message).at(container.image_span.clone(), ""));
        }
    }
}

fn check_environment(container: &ContainerDefinition, findings: &Findings) {
    let owner = &container.name.value;
    let mut plain: HashMap<&str, &Range<usize>> = HashMap::new();
    for (name, value) in &container.environment {
        check_variable(owner, &name.value, &name.span, findings);
        if value.contains('\0') {
            let message = format!("container `{owner}`: the value of `{}` contains a NUL byte", name.value);
            findings.push(Diagnostic::error("ECS0009", message).at(name.span.clone(), ""));
        }
        if let Some(earlier) = plain.insert(&name.value, &name.span) {
            let message = format!("container `{owner}`: `{}` is set twice; the later counts", name.value);
            let warning = Diagnostic::warning("ECS0110", message)
                .at(name.span.clone(), "set again")
                .with(earlier.clone(), "first set here");
            findings.push(warning);
        }
    }
    let mut seen: HashMap<&str, &Range<usize>> = HashMap::new();
    for secret in &container.secrets {
        let name = secret.name.as_str();
        check_variable(owner, name, &secret.name_span, findings);
        if let Some(earlier) = seen.insert(name, &secret.name_span) {
            let message = format!("Duplicate secret names found: {name}. Each secret name must be unique.");
            let error = Diagnostic::error("ECS0101", message)
                .at(secret.name_span.clone(), "given again")
                .with(earlier.clone(), "first given here");
            findings.push(error);
        }
        if let Some(variable) = plain.get(name) {
            let message = format!(
                "The secret name must be unique and not shared with any new or existing environment \
                 variables set on the container, such as '{name}'."
            );
            let error = Diagnostic::error("ECS0102", message)
                .at(secret.name_span.clone(), "")
                .with((*variable).clone(), "the environment variable");
            findings.push(error);
        }
    }
}

fn check_variable(owner: &str, name: &str, span: &Range<usize>, findings: &Findings) {
    if name.contains(['=', '\0']) {
        let message = format!("container `{owner}`: `{}` cannot be a variable name", name.escape_default());
        let error = Diagnostic::error("ECS0009", message).at(span.clone(), "");
        findings.push(error.help("a process takes the name to end at the first `=`"));
    }
}

fn check_memory(task: &TaskDefinition, container: &ContainerDefinition, findings: &Findings) {
    let name = &container.name.value;
    let (limit, reservation) = (container.settings.memory_mib, container.settings.memory_reservation_mib);
    let error = |message: String| {
        findings.push(Diagnostic::error("ECS0106", message).at(container.name.span.clone(), ""));
    };
    if limit.is_none() && reservation.is_none() && task.memory_mib.is_none() && !task.memory_is_elsewhere {
        error(format!(
            "Invalid setting for container '{name}'. At least one of 'memory' or 'memoryReservation' must \
             be specified."
        ));
    }
    for (field, amount) in [("memory", limit), ("memoryReservation", reservation)] {
        if amount.is_some_and(|mib| mib < LEAST_MEMORY) {
            error(format!("Invalid '{field}' setting for container '{name}'."));
        }
    }
    match (limit, reservation, task.memory_mib) {
        (Some(limit), Some(reservation), _) if limit < reservation => error(format!(
            "container `{name}`: `memory` ({limit}) is below `memoryReservation` ({reservation})"
        )),
        (Some(limit), _, Some(task)) if limit > task => {
            error(format!("The 'memory' setting for container '{name}' is greater than for the task."));
        }
        _ => {}
    }
}

/// What the containers ask for together fits into the task.
fn check_sums(task: &TaskDefinition, findings: &Findings) {
    let sum = |of: fn(&ContainerDefinition) -> Option<u32>| -> u64 {
        task.containers.iter().filter_map(of).map(u64::from).sum()
    };
    let cpu = (sum(|c| c.settings.cpu), task.cpu, "cpu", "cpu");
    let memory = (sum(|c| c.settings.memory_reservation_mib), task.memory_mib, "memoryReservation", "memory");
    for (asked, had, field, of_task) in [cpu, memory] {
        if let Some(had) = had.filter(|had| asked > u64::from(*had)) {
            let message = format!(
                "The sum of all container '{field}' values cannot be greater than the value of the task \
                 '{of_task}'."
            );
            let place = task.containers.first().map(|c| c.name.span.clone()).unwrap_or_default();
            let error = Diagnostic::error("ECS0106", message).at(place, "");
            findings.push(error.help(format!("the containers ask for {asked}, the task has {had}")));
        }
    }
}

fn check_mounts(task: &TaskDefinition, container: &ContainerDefinition, findings: &Findings) {
    for mount in &container.mount_points {
        let volume = &mount.volume;
        if !task.volumes.iter().any(|v| v.name.value == volume.value) {
            let message = format!("Unknown volume '{}'.", volume.value);
            let mut error = Diagnostic::error("ECS0113", message).at(volume.span.clone(), "");
            error.help = nearest(&volume.value, task.volumes.iter().map(|v| v.name.value.as_str()))
                .map(|near| format!("did you mean `{near}`?"));
            findings.push(error);
        }
    }
}

fn check_volumes(task: &TaskDefinition, findings: &Findings) {
    let mut first: HashMap<&str, &Range<usize>> = HashMap::new();
    for volume in &task.volumes {
        check_name("Volume.name", &volume.name, findings);
        if let Some(earlier) = first.insert(&volume.name.value, &volume.name.span) {
            let error =
                Diagnostic::error("ECS0113", format!("two volumes are named `{}`", volume.name.value))
                    .at(volume.name.span.clone(), "given again")
                    .with(earlier.clone(), "first given here");
            findings.push(error);
        }
    }
}

fn check_ports(task: &TaskDefinition, container: &ContainerDefinition, findings: &Findings) {
    for port in &container.settings.ports {
        let own = port.host_port.is_none_or(|host| host == port.ports.first);
        let wrong = match task.network_mode {
            NetworkMode::None => "there are no ports in networkMode `none`",
            NetworkMode::Host | NetworkMode::Awsvpc if !own => {
                let message = format!(
                    "When networkMode={}, the host ports and container ports in port mappings must match.",
                    task.network_mode.word()
                );
                let error = Diagnostic::error("ECS0114", message).at(port.span.clone(), "");
                findings.push(error.help("leave `hostPort` out, or make it the `containerPort`"));
                continue;
            }
            _ if container.settings.disable_networking => "there are no ports without networking",
            _ => continue,
        };
        let message = format!("container `{}`: {wrong}", container.name.value);
        findings.push(Diagnostic::error("ECS0114", message).at(port.span.clone(), ""));
    }
}

/// Two containers cannot offer one port of the host; found before either starts.
fn check_host_ports(task: &TaskDefinition, findings: &Findings) {
    let mut first: HashMap<(u16, String), &Range<usize>> = HashMap::new();
    for port in task.containers.iter().flat_map(|c| &c.settings.ports) {
        let host = match task.network_mode {
            NetworkMode::Bridge | NetworkMode::None => port.host_port,
            NetworkMode::Host | NetworkMode::Awsvpc => Some(port.ports.first),
        };
        let Some(host) = host else { continue };
        for offset in 0..=(port.ports.last - port.ports.first) {
            let host = host.saturating_add(offset);
            if let Some(earlier) = first.insert((host, port.protocol.to_string()), &port.span) {
                let protocol = port.protocol.to_string().to_uppercase();
                let message = format!("{protocol} host port '{host}' is mapped multiple times in task.");
                let error = Diagnostic::error("ECS0114", message)
                    .at(port.span.clone(), "given again")
                    .with(earlier.clone(), "first given here");
                findings.push(error);
                break;
            }
        }
    }
}

/// Links, volumes of others, and files.
fn check_others(task: &TaskDefinition, container: &ContainerDefinition, findings: &Findings) {
    let owner = &container.name.value;
    let links = container.links.iter().map(|l| (&l.container, "Link target not available"));
    let volumes = container.volumes_from.iter().map(|v| (&v.container, "Volume target not available"));
    for (other, what) in links.chain(volumes) {
        if !task.containers.iter().any(|c| c.name.value == other.value) {
            let message = format!("container `{owner}`: {what}: {}", other.value);
            let mut error = Diagnostic::error("ECS0107", message).at(other.span.clone(), "");
            error.help = nearest(&other.value, task.containers.iter().map(|c| c.name.value.as_str()))
                .map(|near| format!("did you mean `{near}`?"));
            findings.push(error);
        }
    }
    if let Some(link) = container.links.first().filter(|_| task.network_mode != NetworkMode::Bridge) {
        let mode = task.network_mode;
        let message =
            format!("container `{owner}`: Links are not supported when networkMode={}.", mode.word());
        let error = Diagnostic::error("ECS0114", message).at(link.container.span.clone(), "");
        findings.push(error.help("containers of one network reach each other at localhost"));
    }
    let settings = &container.settings;
    let own =
        [(settings.hostname.is_some(), "hostname is"), (!settings.extra_hosts.is_empty(), "Extra hosts are")];
    for (_, what) in own.iter().filter(|(given, _)| *given && task.network_mode == NetworkMode::Awsvpc) {
        let message = format!("{what} not supported on container when networkMode=awsvpc.");
        let error = Diagnostic::error("ECS0114", message).at(container.name.span.clone(), "");
        findings.push(error.help("the containers of such a task share one network, with one name"));
    }
    if let Some(extra) = container.environment_files.get(MOST_FILES) {
        let message = format!("container `{owner}`: at most {MOST_FILES} environment files");
        findings.push(Diagnostic::error("ECS0112", message).at(extra.span.clone(), "one too many"));
    }
    if let Some(image) = container.settings.image.chars().find(|c| c.is_whitespace() || c.is_control()) {
        let message = format!("container `{owner}`: the image holds the character {image:?}");
        findings.push(Diagnostic::error("ECS0112", message).at(container.image_span.clone(), ""));
    }
}

/// One router at most, and every routed container has one and says where to.
fn check_routers(task: &TaskDefinition, findings: &Findings) {
    let mut routers = task.containers.iter().filter_map(|c| Some((c, c.firelens.as_ref()?)));
    let router = routers.next();
    for (extra, firelens) in routers {
        let message =
            format!("container `{}`: a task has one container with firelensConfiguration", extra.name.value);
        findings.push(Diagnostic::error("ECS0117", message).at(firelens.span.clone(), "one too many"));
    }
    for container in &task.containers {
        let Some(log) = container.log.as_ref().filter(|log| log.driver.value == FIRELENS) else { continue };
        let owner = &container.name.value;
        let error = |text: &str| {
            let message = format!("container `{owner}`: {text}");
            Diagnostic::error("ECS0117", message).at(log.driver.span.clone(), "")
        };
        let Some((_, configuration)) = router else {
            let error = error(
                "the log driver `awsfirelens` needs a container with firelensConfiguration in the task",
            );
            findings.push(error.help("add the router, or give the container a log driver of its own"));
            continue;
        };
        if container.firelens.is_some() {
            findings.push(
                error("the router cannot route its own logs")
                    .help("give it a log driver such as `json-file`"),
            );
        }
        let (key, kind) = configuration.router.output_key();
        let options = log.options.iter().map(|(name, _)| name.value.as_str());
        let secret = log.secret_options.iter().map(|binding| binding.name.as_str());
        let given = options.chain(secret).any(|name| name == key || (key == "Name" && name == "name"));
        // Without options of an output, the router's own configuration may have it.
        let for_output = log.options.iter().any(|(name, _)| firelens::is_for_output(&name.value));
        if !given && (for_output || !log.secret_options.is_empty()) {
            findings.push(error(&format!(
                "missing output key {key} which is required for firelens configuration of type {kind}"
            )));
        }
    }
}

fn check_execution_role(task: &TaskDefinition, findings: &Findings) {
    let bindings: Vec<&SecretBinding> =
        task.containers.iter().flat_map(ContainerDefinition::bindings).collect();
    match (&task.execution_role, bindings.first()) {
        // A role that is named without its account has been reported.
        (None, _) if task.execution_role_is_named => {}
        (None, Some(first)) => {
            let message = "When you are specifying container secrets, you must also specify a value for \
                           'executionRoleArn'.";
            let error =
                Diagnostic::error("ECS0103", message).at(first.name_span.clone(), "the first of them");
            findings.push(error.help("references are read as this role: `arn:aws:iam::ACCOUNT:role/NAME`"));
        }
        (None, None) if task.containers.iter().any(|c| c.repository_credentials.is_some()) => {
            let message = "Private repository authentication requires that the task definition specify a value \
                           for executionRoleArn.";
            let place = task.containers.iter().find_map(|c| c.repository_credentials.as_ref());
            let error = Diagnostic::error("ECS0103", message)
                .at(place.map(|p| p.span.clone()).unwrap_or_default(), "");
            findings.push(error.help("the secret is read as this role: `arn:aws:iam::ACCOUNT:role/NAME`"));
        }
        (Some(role), _) => {
            for binding in bindings {
                warn_about_foreign_parameter(&role.value.account, binding, findings);
            }
        }
        (None, None) => {}
    }
}

/// ECS reads a parameter by its name in the account of the role, whatever account
/// the ARN names.
fn warn_about_foreign_parameter(account: &str, binding: &SecretBinding, findings: &Findings) {
    let ValueFrom::Parameter(ParameterReference { name, arn: Some(arn), .. }) = &binding.value_from else {
        return;
    };
    if arn.account != account {
        let message = format!(
            "`{}`: the parameter `{name}` is read in the account {account} of the execution role, not in {}",
            binding.name, arn.account
        );
        let warning = Diagnostic::warning("ECS0109", message).at(binding.span.clone(), "another account");
        findings.push(warning.help("ECS passes on the name and the Region of a parameter's ARN only"));
    }
}

fn check_dependencies(task: &TaskDefinition, findings: &Findings) {
    for container in &task.containers {
        for dependency in &container.depends_on {
            let (owner, other) = (&container.name.value, &dependency.container);
            let error = |message: String| Diagnostic::error("ECS0107", message).at(other.span.clone(), "");
            let Some(target) = task.containers.iter().find(|c| c.name.value == other.value) else {
                let message =
                    format!("container `{owner}` depends on `{}`, which does not exist", other.value);
                let mut error = error(message);
                error.help = nearest(&other.value, task.containers.iter().map(|c| c.name.value.as_str()))
                    .map(|near| format!("did you mean `{near}`?"));
                findings.push(error);
                continue;
            };
            match dependency.condition {
                Condition::Complete | Condition::Success if target.essential => findings.push(
                    error(
                        "A dependency container with SUCCESS or COMPLETE condition cannot be an essential container"
                            .to_owned(),
                    )
                    .help(format!("the task ends with `{}`; set its `essential` to false", other.value)),
                ),
                Condition::Healthy if target.settings.health_check.is_none() => {
                    findings.push(error(format!(
                        "container `{owner}` waits for the health of `{}`, which has no healthCheck",
                        other.value
                    )))
                }
                _ => {}
            }
        }
    }
    if let Err(stuck) = start_order(&task.containers) {
        for container in stuck.iter().filter_map(|&index| task.containers.get(index)) {
            findings.push(waits_in_a_circle(container));
        }
    }
}
