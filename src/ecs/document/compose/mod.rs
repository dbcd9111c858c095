//! Compose files as the ECS CLI takes them, with what `ecs-params.yml` adds.
//!
//! ```text
//! docker-compose.yml: services    -> containerDefinitions, volumes
//! ecs-params.yml: task_definition -> roles, network mode, size, and per service what Compose has no word for
//! ```
//!
//! What is mapped, and how, is the ECS CLI's, in the formats 1 to 3 of Compose: one task with all
//! services as its containers, 512 MiB for a service without a limit, `essential` unless
//! `ecs-params.yml` says otherwise, the name of the directory as the family. What the ECS CLI leaves out with a
//! warning has a note here. Only `depends_on` goes further: it becomes `dependsOn`.
//!
//! Both files are one text to everybody else: places in `ecs-params.yml` begin behind the
//! Compose file (see [`offset`]).
//!
//! Source: the ECS CLI's documentation (Using Docker compose file syntax, Using Amazon ECS parameters) and
//! its `ecs_params_reader.go`, `convert_task_definition.go` and `adapter/convert.go`.

mod health;
mod keys;
mod linux;
mod network;
mod params;
mod service;
mod values;
mod volumes;

use super::{Document, Implied, Reading, string};
use crate::diagnostic::Diagnostic;
use crate::ecs::definition::Findings;
use crate::json::{Member, Node, Value};
use keys::{Keys, object};
use params::Params;
use std::ops::Range;
use volumes::Volumes;

/// The family without a name and a directory.
const FAMILY: &str = "task";

/// Where the places of `ecs-params.yml` begin, after a Compose file of this text.
pub fn offset(text: &str) -> usize {
    text.len() + 1
}

/// Whether a file is a Compose file: it has `services`, or (format 1) consists of them.
pub(super) fn is_compose(root: &Node) -> bool {
    let Some(members) = root.object() else { return false };
    let service = |node: &Node| {
        node.object().is_some_and(|m| m.iter().any(|m| matches!(m.key.as_str(), "image" | "build")))
    };
    let first_format = || {
        members.iter().all(|m| service(&m.value) && m.value.get("containerDefinitions").is_none())
            && !members.is_empty()
    };
    match root.get("services") {
        Some(services) => services.object().is_some(),
        None => root.get("containerDefinitions").is_none() && first_format(),
    }
}

/// The task definition of a Compose file.
pub(super) fn convert(
    root: &Node,
    params: Option<&Node>,
    reading: &Reading,
    findings: &Findings,
) -> Option<Document> {
    let params = match params {
        Some(node) => params::read(node, reading, findings)?,
        None => Params::default(),
    };
    let whole = member_of(root);
    let root = &unescaped(root);
    let mut volumes = Volumes::new(reading.directory.as_deref());
    let mut family = None;
    let services = match root.get("services") {
        None => root,
        Some(services) => {
            let mut keys = Keys::of(root, "the Compose file", findings)?;
            family = keys.take("name").and_then(|m| m.value.string()).map(str::to_owned);
            keys.accept(&["version", "services"]);
            if let Some(named) = keys.take("volumes") {
                volumes.declare(&named.value, findings);
            }
            keys.without_effect(&["networks", "configs"], "every container of the task is in its network");
            keys.warn(&["secrets"], "its files are not delivered; name secrets in `ecs-params.yml`: `task_definition: services: SERVICE: secrets`");
            keys.finish(true);
            services
        }
    };
    params.refuse_unknown_services(services, findings);
    let mut containers = Vec::new();
    for member in services.object().unwrap_or_default() {
        containers.extend(service::container(member, &params, &mut volumes, reading, findings));
    }
    let mut members = params.members;
    members.push(("containerDefinitions", Node { span: whole.clone(), value: Value::Array(containers) }));
    let listed = volumes.into_nodes(params.volumes);
    if !listed.is_empty() {
        members.push(("volumes", Node { span: whole.clone(), value: Value::Array(listed) }));
    }
    let family = family.or_else(|| reading.project.clone()).unwrap_or_else(|| FAMILY.to_owned());
    let family: String =
        family.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).collect();
    members.push(("family", string(family, whole.clone())));
    let implied = Implied::default();
    Some(Document { root: object(&whole, members), implied, loose: true })
}

/// Whether a text is a Compose file.
pub fn is_compose_file(text: &str) -> bool {
    super::syntax::parse(text).is_ok_and(|parsed| is_compose(&parsed.root))
}

/// Names of the files with variables that services name, as they stand there.
pub fn env_files(text: &str) -> Vec<String> {
    let Ok(parsed) = super::syntax::parse(text) else { return Vec::new() };
    let root = &parsed.root;
    if !is_compose(root) {
        return Vec::new();
    }
    let services = root.get("services").unwrap_or(root).object().unwrap_or_default();
    let named = services.iter().filter_map(|m| m.value.get("env_file"));
    named.flat_map(service::env_file_names).map(|(name, _)| name).collect()
}

/// `$$` is how Compose writes a `$` that begins no placeholder.
fn unescaped(node: &Node) -> Node {
    let value = match &node.value {
        Value::String(text) => Value::String(text.replace("$$", "$")),
        Value::Array(elements) => Value::Array(elements.iter().map(unescaped).collect()),
        Value::Object(members) => {
            let each = members.iter().map(|m| Member { value: unescaped(&m.value), ..m.clone() });
            Value::Object(each.collect())
        }
        other => other.clone(),
    };
    Node { span: node.span.clone(), value }
}

/// `--ecs-params` for a file that is none of Compose.
pub(super) fn no_compose(root: &Node) -> Diagnostic {
    Diagnostic::error("ECS0025", "`ecs-params.yml` goes with a Compose file, and this is none")
        .at(member_of(root), "")
        .help("a task definition says itself what `ecs-params.yml` would add")
}

/// The place of the whole file: its first byte.
fn member_of(root: &Node) -> Range<usize> {
    root.span.start..(root.span.start + 1).min(root.span.end)
}

#[cfg(test)]
mod tests;
