//! `terraform show -json`, of a state or a plan, or a configuration in JSON (`*.tf.json`):
//! the values of its `aws_ecs_task_definition` resources.
//!
//! There a block is a list of objects, `container_definitions` is JSON in a text,
//! and two names differ from the API's.

use super::{member, shape, string};
use crate::ecs::definition::Findings;
use crate::json::{Member, Node, Value};

const KIND: &str = "aws_ecs_task_definition";

/// The task definitions by address, if this is such a file.
pub(super) fn resources(root: &Node, findings: &Findings) -> Option<Vec<(String, Node)>> {
    if let Some(written) = root.get("resource").and_then(|r| r.get(KIND)).and_then(Node::object) {
        let named = written.iter().map(|m| (format!("{KIND}.{}", m.key), definition(&m.value, findings)));
        return Some(named.collect());
    }
    let mut found = Vec::new();
    match root.get("planned_values").or_else(|| root.get("values")).and_then(|v| v.get("root_module")) {
        Some(module) => collect(module, findings, &mut found),
        None => changes(root.get("resource_changes")?, findings, &mut found),
    }
    Some(found)
}

/// A plan without its values: what each change leads to.
fn changes(list: &Node, findings: &Findings, found: &mut Vec<(String, Node)>) {
    for resource in list.array().unwrap_or_default().iter().filter(|resource| is_one(resource)) {
        let after = resource.get("change").and_then(|change| change.get("after"));
        if let Some(values) = after.filter(|after| after.object().is_some()) {
            found.push((address(resource), definition(values, findings)));
        }
    }
}

fn is_one(resource: &Node) -> bool {
    match resource.get("type").and_then(Node::string) {
        Some(kind) => kind == KIND,
        None => {
            let address = address(resource);
            address.rsplit('.').nth(1) == Some(KIND)
        }
    }
}

fn address(resource: &Node) -> String {
    resource.get("address").and_then(Node::string).unwrap_or_default().to_owned()
}

fn collect(module: &Node, findings: &Findings, found: &mut Vec<(String, Node)>) {
    let list = |name: &str| module.get(name).and_then(Node::array).unwrap_or_default();
    for resource in list("resources").iter().filter(|resource| is_one(resource)) {
        if let Some(values) = resource.get("values") {
            found.push((address(resource), definition(values, findings)));
        }
    }
    list("child_modules").iter().for_each(|child| collect(child, findings, found));
}

/// What Terraform adds, or holds for itself.
const OWN: [&str; 8] =
    ["arn", "arn_without_revision", "id", "region", "revision", "skip_destroy", "tags_all", "track_latest"];

fn definition(values: &Node, findings: &Findings) -> Node {
    let mut members = Vec::new();
    for Member { key, key_span, value } in values.object().unwrap_or_default() {
        let value = match key.as_str() {
            own if OWN.contains(&own) => continue,
            "container_definitions" => {
                let text = value.string().unwrap_or("[]");
                shape::embedded(text, &value.span, findings)
            }
            "volume" => Node { span: value.span.clone(), value: Value::Array(volumes(value)) },
            "tags" => continue,
            "cpu" | "memory" => shape::text(value).unwrap_or_else(|| value.clone()),
            "placement_constraints" | "requires_compatibilities" | "inference_accelerator" => value.clone(),
            _ => block(value),
        };
        let key = match key.as_str() {
            "volume" => "volumes",
            "inference_accelerator" => "inferenceAccelerators",
            other => other,
        };
        members.push(Member { key: key.to_owned(), key_span: key_span.clone(), value });
    }
    Node { span: values.span.clone(), value: Value::Object(members) }
}

fn volumes(list: &Node) -> Vec<Node> {
    let volume = |volume: &Node| {
        let mut members = Vec::new();
        for Member { key, key_span, value } in volume.object().unwrap_or_default() {
            if key != "host_path" {
                let key = if key == "configure_at_launch" { "configuredAtLaunch" } else { key };
                members.push(Member { key: key.to_owned(), key_span: key_span.clone(), value: block(value) });
            } else if let Some(path) = value.string().filter(|path| !path.is_empty()) {
                let path = member("sourcePath", string(path, value.span.clone()));
                let host = Node { span: value.span.clone(), value: Value::Object(vec![path]) };
                members.push(member("host", host));
            }
        }
        Node { span: volume.span.clone(), value: Value::Object(members) }
    };
    list.array().unwrap_or_default().iter().map(volume).collect()
}

/// A block that may stand once is a list of at most one object; empty texts are absent.
fn block(node: &Node) -> Node {
    let value = match &node.value {
        Value::Array(elements) => match elements.as_slice() {
            [] => Value::Null,
            [only] if only.object().is_some() => return block(only),
            _ => return node.clone(),
        },
        Value::Object(members) => {
            Value::Object(members.iter().map(|m| Member { value: block(&m.value), ..m.clone() }).collect())
        }
        Value::String(text) if text.is_empty() => Value::Null,
        other => other.clone(),
    };
    Node { span: node.span.clone(), value }
}
