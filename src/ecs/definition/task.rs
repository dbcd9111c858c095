//! The task level of a definition, and the entry to reading one.

use super::container::container;
use super::fields::{Fields, Findings};
use super::network::network_mode;
use super::storage::volume;
use super::{ContainerDefinition, NetworkMode, Spanned, Volume};
use crate::arn::Arn;
use crate::diagnostic::{Diagnostic, Severity};
use crate::ecs::registration;
use crate::json::{self, Node, Value};

/// Largest definition that ECS takes, in bytes without layout.
const LARGEST_DEFINITION: usize = 64 * 1024;

/// A task definition that satisfies the rules of registration.
#[derive(Clone, Debug)]
pub struct TaskDefinition {
    /// `family`.
    pub family: Spanned<String>,
    /// `executionRoleArn`: the role as which references are read.
    pub execution_role: Option<Spanned<Arn>>,
    /// `taskRoleArn`: ARN or name of the role of the containers.
    pub task_role: Option<String>,
    /// `networkMode`.
    pub network_mode: NetworkMode,
    /// CPU units of the whole task.
    pub cpu: Option<u32>,
    /// Memory of the whole task in MiB.
    pub memory_mib: Option<u32>,
    /// `pidMode` is `host`.
    pub host_pid: bool,
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
}

/// Reads a task definition: the input of `RegisterTaskDefinition`, or the output
/// of `DescribeTaskDefinition`.
///
/// # Errors
/// Everything that is wrong with the text, with places in it, in their order.
pub fn parse(text: &str) -> Result<TaskDefinition, Vec<Diagnostic>> {
    let root = json::parse(text).map_err(|error| vec![error])?;
    let findings = Findings::default();
    let definition = described(&root, &findings).and_then(|node| task(node, &findings));
    let length = compact_length(text);
    if length > LARGEST_DEFINITION {
        let message =
            format!("Actual length: '{length}'. Max allowed length is '{LARGEST_DEFINITION}' bytes.");
        findings.push(Diagnostic::error("ECS0112", message));
    }
    if let Some(definition) = &definition {
        registration::check(definition, &findings);
    }
    let mut found = findings.into_inner();
    found.sort_by_key(|d| d.primary.as_ref().map_or(0, |label| label.span.start));
    let refused = found.iter().any(|d| d.severity == Severity::Error);
    match definition {
        Some(definition) if !refused => Ok(TaskDefinition { warnings: found, ..definition }),
        _ => Err(found),
    }
}

/// Bytes of the JSON without the layout that the API never sees.
fn compact_length(text: &str) -> usize {
    let value = serde_json::from_str::<serde_json::Value>(text);
    value.map_or(text.len(), |value| value.to_string().len())
}

/// The definition within the output of `DescribeTaskDefinition`.
fn described<'a>(root: &'a Node, findings: &'a Findings) -> Option<&'a Node> {
    if root.get("taskDefinition").is_none() {
        return Some(root);
    }
    let mut fields = Fields::of(root, "the file", findings)?;
    let definition = fields.node("taskDefinition");
    fields.without_effect("tags");
    fields.accept(&["failures"]);
    fields.finish();
    definition
}

fn task(node: &Node, findings: &Findings) -> Option<TaskDefinition> {
    let mut fields = Fields::of(node, "task definition", findings)?;
    let family = fields.required("family", 0..0);
    let family = family.unwrap_or_else(|| Spanned { value: String::new(), span: 0..0 });
    let containers = fields.list("containerDefinitions");
    if containers.is_empty() && !node.get("containerDefinitions").is_some_and(|n| n.value != Value::Null) {
        fields.error("ECS0004", 0..0, "`containerDefinitions` is missing");
    }
    let network_mode = network_mode(&mut fields, containers.len());
    let definition = TaskDefinition {
        family,
        execution_role: execution_role(&mut fields),
        task_role: task_role(&mut fields),
        network_mode,
        cpu: amount(&mut fields, "cpu", &[("vcpu", 1024.0)]),
        memory_mib: amount(&mut fields, "memory", &[("gb", 1024.0), ("mb", 1.0)]),
        host_pid: mode(&mut fields, "pidMode", &[("host", Some(true)), ("task", None)]).unwrap_or_default(),
        ipc_mode: mode(
            &mut fields,
            "ipcMode",
            &[("host", Some(IpcMode::Host)), ("none", Some(IpcMode::None)), ("task", None)],
        ),
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
    fields.refuse("proxyConfiguration", "run the proxy as a container of its own network set-up");
    fields.refuse("inferenceAccelerators", "accelerators are not handed to containers");
    let platform = fields.node("runtimePlatform");
    let system = platform.and_then(|p| p.get("operatingSystemFamily")).and_then(Node::string);
    if system.is_some_and(|system| system != "LINUX") {
        fields.refuse("runtimePlatform", "only LINUX containers are launched");
    } else {
        fields.without_effect("runtimePlatform");
    }
    for name in [
        "placementConstraints",
        "requiresCompatibilities",
        "tags",
        "ephemeralStorage",
        "enableFaultInjection",
    ] {
        fields.without_effect(name);
    }
    // What DescribeTaskDefinition adds to a definition.
    fields.accept(&[
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

fn task_role(fields: &mut Fields<'_>) -> Option<String> {
    let text = fields.text("taskRoleArn").filter(|t| !t.value.is_empty())?;
    let message = "task definition: the containers get no credentials of `taskRoleArn` yet";
    fields.findings.push(Diagnostic::warning("ECS0012", message).at(text.span, ""));
    Some(text.value)
}

/// A mode of which one choice, the one without a value, is not supported.
fn mode<T: Copy>(
    fields: &mut Fields<'_>,
    name: &'static str,
    words: &[(&'static str, Option<T>)],
) -> Option<T> {
    let choice = fields.choice(name, words)?;
    if choice.is_none() {
        fields.refuse(name, "containers share no namespace with each other");
    }
    choice
}

/// Task `cpu` and `memory`: strings in the API, with or without a unit.
fn amount(fields: &mut Fields<'_>, name: &'static str, units: &[(&str, f64)]) -> Option<u32> {
    let node = fields.node(name)?;
    let amount = match &node.value {
        Value::Number(digits) => {
            let message = format!("task definition: `{name}` is a number without quotes");
            let warning = Diagnostic::warning("ECS0010", message).at(node.span.clone(), "");
            fields.findings.push(warning.help("RegisterTaskDefinition takes a string here"));
            digits.parse::<u32>().ok()
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

fn with_unit(text: &str, units: &[(&str, f64)]) -> Option<u32> {
    let text = text.trim().to_ascii_lowercase();
    if let Ok(plain) = text.parse::<u32>() {
        return Some(plain);
    }
    let (digits, factor) =
        units.iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?.trim_end(), factor)))?;
    if !digits.chars().all(|c| c.is_ascii_digit() || c == '.') {
        return None;
    }
    let amount = digits.parse::<f64>().ok()? * factor;
    // Whole units only, and few enough that the conversion is exact.
    let whole = amount.fract() == 0.0 && (0.0..=f64::from(i32::MAX)).contains(&amount);
    whole.then(|| format!("{amount}").parse().ok()).flatten()
}
