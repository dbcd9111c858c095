//! The task level of a definition, and the entry to reading one.

use super::container::container;
use super::fields::{Fields, Findings};
use super::ignored;
use super::network::network_mode;
use super::repeats;
use super::storage::volume;
use super::units::{MEMORY_UNITS, with_unit};
use super::{ContainerDefinition, NetworkMode, Spanned, Volume};
use crate::arn::Arn;
use crate::diagnostic::{Diagnostic, Severity};
use crate::ecs::document::{self, Implied, Reading};
use crate::ecs::registration;
use crate::ecs::valuefrom::ValueFrom;
use crate::json::{Node, Value};
use std::ops::Range;

/// A task definition that satisfies the rules of registration.
#[derive(Clone, Debug)]
pub struct TaskDefinition {
    /// `family`.
    pub family: Spanned<String>,
    /// `executionRoleArn`: the role as which references are read.
    pub execution_role: Option<Spanned<Arn>>,
    /// A role is given, whose account is not known or that is none.
    pub execution_role_is_named: bool,
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
    /// The place of `FARGATE` in `requiresCompatibilities`.
    pub fargate: Option<Range<usize>>,
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
    let mut found = repeats::without_consequences(findings.into_inner());
    // YAML does not say whether `80` is meant as a text.
    found.retain(|d| !(loose && d.code == "ECS0010"));
    found.sort_by_key(|d| d.primary.as_ref().map_or(0, |label| label.span.start));
    let found = repeats::once_each(found);
    let refused = found.iter().any(|d| d.severity == Severity::Error);
    match definition {
        Some(definition) if !refused => Ok(TaskDefinition { warnings: found, ..definition }),
        _ => Err(found),
    }
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
    let role = execution_role(&mut fields, implied);
    let mut definition = TaskDefinition {
        family,
        execution_role: None,
        execution_role_is_named: false,
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
        fargate: None,
        warnings: Vec::new(),
    };
    let fargate = others(&mut fields);
    fields.finish();
    match role {
        Some(Role::Known(role)) => definition.execution_role = Some(role),
        Some(Role::Named(name)) => {
            definition.execution_role_is_named = true;
            find_role(&mut definition, name, findings);
        }
        Some(Role::Unknown) => definition.execution_role_is_named = true,
        None => {}
    }
    Some(TaskDefinition { fargate, ..definition })
}

/// Reads the fields that say nothing to one host. Returns the place of `FARGATE`, which decides what the
/// task may ask for.
fn others(fields: &mut Fields<'_>) -> Option<Range<usize>> {
    let fargate = ignored::of_task(fields);
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
    fargate
}

/// An ARN, or the name of a role in an account that has to be told from elsewhere.
fn execution_role(fields: &mut Fields<'_>, implied: &Implied) -> Option<Role> {
    let text = fields.text("executionRoleArn").filter(|t| !t.value.is_empty())?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || "+=,.@_-".contains(c);
    if text.value.chars().all(is_name) {
        return Some(match &implied.account {
            Some(account) => Role::Known(Spanned { value: role_of(account, &text.value), span: text.span }),
            None => Role::Named(text),
        });
    }
    let role = text.value.parse::<Arn>().ok().filter(|arn| {
        let name = arn.resource.strip_prefix("role/");
        arn.service == "iam" && !arn.account.is_empty() && name.is_some_and(|name| !name.is_empty())
    });
    match role {
        Some(value) => Some(Role::Known(Spanned { value, span: text.span })),
        None => {
            let message = format!("Role is not valid: `{}` is not the ARN of a role", text.value);
            let error = Diagnostic::error("ECS0009", message)
                .at(text.span.clone(), "")
                .help("the form is `arn:aws:iam::ACCOUNT:role/NAME`");
            fields.findings.push(error);
            Some(Role::Unknown)
        }
    }
}

enum Role {
    Known(Spanned<Arn>),
    Named(Spanned<String>),
    /// What is there is no role, and has been reported.
    Unknown,
}

fn role_of(account: &str, name: &str) -> Arn {
    Arn::new("iam", "", account, format!("role/{name}"))
}

/// ECS looks a role up by its name in the account of the caller. Here the account is
/// that of the secrets, if they are of one; a task without secrets needs none.
fn find_role(definition: &mut TaskDefinition, name: Spanned<String>, findings: &Findings) {
    let mut accounts: Vec<&str> = Vec::new();
    let mut needed = false;
    for container in &definition.containers {
        needed |= container.repository_credentials.is_some();
        for binding in container.bindings() {
            needed = true;
            let arn = match &binding.value_from {
                ValueFrom::Secret(secret) => Some(&secret.arn),
                ValueFrom::Parameter(parameter) => parameter.arn.as_ref(),
            };
            accounts
                .extend(arn.map(|arn| arn.account.as_str()).filter(|account| !accounts.contains(account)));
        }
    }
    let Spanned { value, span } = name;
    let note = |message: String| findings.push(Diagnostic::note("ECS0010", message).at(span.clone(), ""));
    match accounts.as_slice() {
        _ if !needed => note(format!("the role `{value}` is not used: the task has no secrets")),
        [account] => {
            let arn = role_of(account, &value);
            note(format!("`{value}` is read as `{arn}`, in the account of the secrets"));
            definition.execution_role = Some(Spanned { value: arn, span });
        }
        _ => {
            let message = format!("the account of the role `{value}` is not known here");
            let error = Diagnostic::error("ECS0009", message).at(span.clone(), "");
            findings.push(error.help(
                "write `arn:aws:iam::ACCOUNT:role/NAME`, or give the account with `--set AWS::AccountId=111122223333`",
            ));
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
        let message = format!("Invalid '{name}' setting for task.");
        let error = Diagnostic::error("ECS0009", message).at(node.span.clone(), "");
        fields.findings.push(error.help(format!("such as \"512\" or \"1 {unit}\"")));
    }
    amount
}
