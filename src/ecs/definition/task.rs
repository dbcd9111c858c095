//! The task level of a definition, and the entry to reading one.

use super::container::container;
use super::fields::{Fields, Findings};
use super::network::network_mode;
use super::storage::volume;
use super::units::{MEMORY_UNITS, with_unit};
use super::{ContainerDefinition, NetworkMode, Spanned, Volume};
use crate::arn::Arn;
use crate::diagnostic::{Diagnostic, Severity};
use crate::ecs::document::{self, Implied, Reading};
use crate::ecs::registration;
use crate::json::{Node, Value};

/// A task definition that satisfies the rules of registration.
#[derive(Clone, Debug)]
pub struct TaskDefinition {
    /// `family`.
    pub family: Spanned<String>,
    /// `executionRoleArn`: the role as which references are read.
    pub execution_role: Option<Spanned<Arn>>,
    /// `taskRoleArn`: ARN or name of the role of the containers.
    pub task_role: Option<Spanned<String>>,
    /// `networkMode`.
    pub network_mode: NetworkMode,
    /// CPU units of the whole task.
    pub cpu: Option<u32>,
    /// Memory of the whole task in MiB.
    pub memory_mib: Option<u32>,
    /// The file is of a form that keeps the memory of the task elsewhere.
    pub memory_is_elsewhere: bool,
    /// `pidMode`, when given.
    pub pid_mode: Option<PidMode>,
    /// `ipcMode`, when given.
    pub ipc_mode: Option<IpcMode>,
    /// `volumes`.
    pub volumes: Vec<Volume>,
    /// `containerDefinitions`, as written.
    pub containers: Vec<ContainerDefinition>,
    /// What was accepted but should be known.
    pub warnings: Vec<Diagnostic>,
}

/// Shared memory and semaphores of the containers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IpcMode {
    /// Those of the host.
    Host,
    /// Private and without shared memory.
    None,
    /// One set for all containers of the task.
    Task,
}

/// The processes that a container sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PidMode {
    /// Those of the host.
    Host,
    /// Those of all containers of the task.
    Task,
}

/// Reads a task definition in any of the forms that [`crate::ecs::document`] knows.
///
/// # Errors
/// Everything that is wrong with the text, with places in it, in their order.
pub fn parse(text: &str) -> Result<TaskDefinition, Vec<Diagnostic>> {
    read(text, &Reading::default())
}

/// [`parse`] for a template or a file with several definitions.
///
/// # Errors
/// Everything that is wrong with the text, with places in it, in their order.
pub fn read(text: &str, reading: &Reading) -> Result<TaskDefinition, Vec<Diagnostic>> {
    let findings = Findings::default();
    let document = document::read(text, reading, &findings);
    let loose = document.as_ref().is_some_and(|document| document.loose);
    let definition = document.and_then(|document| task(&document.root, &document.implied, &findings));
    if let Some(definition) = &definition {
        registration::check(definition, &findings);
    }
    let mut found = without_consequences(findings.into_inner());
    // YAML does not say whether `80` is meant as a text.
    found.retain(|d| !(loose && d.code == "ECS0010"));
    found.sort_by_key(|d| d.primary.as_ref().map_or(0, |label| label.span.start));
    let refused = found.iter().any(|d| d.severity == Severity::Error);
    match definition {
        Some(definition) if !refused => Ok(TaskDefinition { warnings: found, ..definition }),
        _ => Err(found),
    }
}

/// Drops what is only said because a placeholder has no value yet.
fn without_consequences(found: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let unfilled = |d: &&Diagnostic| matches!(d.code, "ECS0020" | "ECS0021");
    let places: Vec<_> =
        found.iter().filter(unfilled).filter_map(|d| Some(d.primary.as_ref()?.span.clone())).collect();
    if places.is_empty() {
        return found;
    }
    let follows = |d: &Diagnostic| {
        let at = d.primary.as_ref().map(|label| &label.span);
        let same = at.is_some_and(|at| places.iter().any(|p| p.start <= at.start && at.end <= p.end));
        d.severity == Severity::Error
            && (same || matches!(d.code, "ECS0004" | "ECS0103" | "ECS0106" | "ECS0115"))
    };
    found.into_iter().filter(|d| unfilled(&d) || !follows(d)).collect()
}

fn task(node: &Node, implied: &Implied, findings: &Findings) -> Option<TaskDefinition> {
    let mut fields = Fields::of(node, "task definition", findings)?;
    let start = node.span.start..(node.span.start + 1).min(node.span.end);
    let family = match &implied.family {
        Some(family) => {
            fields.accept(&["family"]);
            Some(Spanned { value: family.clone(), span: start.clone() })
        }
        None => fields.required("family", start.clone()),
    };
    let family = family.unwrap_or_else(|| Spanned { value: String::new(), span: start.clone() });
    let containers = fields.list("containerDefinitions");
    match node.get("containerDefinitions") {
        Some(Node { value: Value::Array(elements), span }) if elements.is_empty() => {
            fields.error("ECS0004", span.clone(), "Container list cannot be empty.");
        }
        None | Some(Node { value: Value::Null, .. }) => {
            fields.error("ECS0004", start, "`containerDefinitions` is missing");
        }
        Some(_) => {}
    }
    let network_mode = network_mode(&mut fields);
    let definition = TaskDefinition {
        family,
        execution_role: execution_role(&mut fields),
        task_role: fields.text("taskRoleArn").filter(|t| !t.value.is_empty()),
        network_mode,
        cpu: amount(&mut fields, "cpu", &[("vcpu", 1024.0)]),
        memory_mib: amount(&mut fields, "memory", MEMORY_UNITS),
        memory_is_elsewhere: implied.without_memory,
        pid_mode: fields.choice("pidMode", &[("host", PidMode::Host), ("task", PidMode::Task)]),
        ipc_mode: fields
            .choice("ipcMode", &[("host", IpcMode::Host), ("none", IpcMode::None), ("task", IpcMode::Task)]),
        volumes: fields.list("volumes").iter().filter_map(|n| volume(n, findings)).collect(),
        containers: containers
            .iter()
            .enumerate()
            .filter_map(|(index, n)| container(n, index, findings))
            .collect(),
        warnings: Vec::new(),
    };
    refuse_and_ignore(&mut fields);
    fields.finish();
    Some(definition)
}

fn refuse_and_ignore(fields: &mut Fields<'_>) {
    let platform = fields.node("runtimePlatform");
    let system = platform.and_then(|p| p.get("operatingSystemFamily")).and_then(Node::string);
    if system.is_some_and(|system| !system.eq_ignore_ascii_case("LINUX")) {
        fields.refuse("runtimePlatform", "only LINUX containers are launched");
    } else {
        fields.without_effect("runtimePlatform");
    }
    fields.all_without_effect(&[
        "enableFaultInjection",
        "ephemeralStorage",
        "inferenceAccelerators",
        "placementConstraints",
        "proxyConfiguration",
        "requiresCompatibilities",
        "tags",
        "trustedExecutionConfiguration",
    ]);
    // What DescribeTaskDefinition adds to a definition.
    fields.accept(&[
        // Elastic Beanstalk's mark.
        "AWSEBDockerrunVersion",
        "taskDefinitionArn",
        "revision",
        "status",
        "requiresAttributes",
        "compatibilities",
        "registeredAt",
        "registeredBy",
        "deregisteredAt",
        "deleteRequestedAt",
    ]);
}

fn execution_role(fields: &mut Fields<'_>) -> Option<Spanned<Arn>> {
    let text = fields.text("executionRoleArn").filter(|t| !t.value.is_empty())?;
    let role = text.value.parse::<Arn>().ok().filter(|arn| {
        let name = arn.resource.strip_prefix("role/");
        arn.service == "iam" && !arn.account.is_empty() && name.is_some_and(|name| !name.is_empty())
    });
    match role {
        Some(value) => Some(Spanned { value, span: text.span }),
        None => {
            let message = format!("task definition: `{}` is not the ARN of a role", text.value);
            let error = Diagnostic::error("ECS0009", message)
                .at(text.span, "")
                .help("the form is `arn:aws:iam::ACCOUNT:role/NAME`");
            fields.findings.push(error);
            None
        }
    }
}

/// Task `cpu` and `memory`: strings in the API, with or without a unit.
fn amount(fields: &mut Fields<'_>, name: &'static str, units: &[(&str, f64)]) -> Option<u32> {
    let node = fields.node(name)?;
    let amount = match &node.value {
        Value::Number(digits) => {
            fields.spelled(name, "a number", "a string", node);
            digits.strip_suffix(".0").unwrap_or(digits).parse::<u32>().ok()
        }
        Value::String(text) => with_unit(text, units),
        _ => None,
    };
    if amount.is_none() {
        let unit = units.first().map_or("", |(unit, _)| unit);
        let message = format!("task definition: `{name}` cannot be read as an amount");
        let error = Diagnostic::error("ECS0009", message).at(node.span.clone(), "");
        fields.findings.push(error.help(format!("such as \"512\" or \"1 {unit}\"")));
    }
    amount
}
