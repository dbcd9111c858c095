//! Finds the task definition in a file, and gives its members their API names.
//!
//! | form | what is taken |
//! |---|---|
//! | input of `RegisterTaskDefinition` | the object |
//! | output of `DescribeTaskDefinition` | `taskDefinition` |
//! | a CloudFormation template, a resource of it, or its `Properties` | the task definition in it |
//! | output of `terraform show -json`, or a configuration in JSON | the `aws_ecs_task_definition` in it |
//! | `Dockerrun.aws.json` of version 2 | the object, with the volumes that Beanstalk adds |
//! | a list of containers, or one container | becomes `containerDefinitions` |
//!
//! Keys in another case (`ContainerDefinitions`, `container_definitions`) are read as
//! the API's. What is recognised as another kind of file is refused by its name.

use super::intrinsic::{Scope, plain};
use super::{Document, Implied, Reading, beanstalk, member, names, string, terraform};
use crate::diagnostic::{Diagnostic, nearest};
use crate::ecs::definition::Findings;
use crate::json::{Member, Node, Value};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::Range;

const RESOURCE: &str = "AWS::ECS::TaskDefinition";
const FAMILY: &str = "task";

/// The definition in a file; `used` are the values that placeholders have taken.
pub(super) fn unwrap(
    root: Node,
    reading: &Reading,
    used: &BTreeSet<String>,
    findings: &Findings,
) -> Option<Document> {
    let used = RefCell::new(used.clone());
    let template = root.get("Resources").is_some().then_some(&root);
    let scope = Scope { values: &reading.values, template, findings, used: &used };
    let found = definition(&root, reading, findings)?;
    let node = scope.evaluate(&found.node)?;
    let mut renamed = None;
    let node = names::canonical(node, &mut renamed);
    if let Some((span, from, to)) = renamed.filter(|_| found.note_names) {
        let message = format!("`{from}` is read as `{to}`, and so on");
        findings.push(Diagnostic::note("ECS0023", message).at(span, "not the spelling of the API"));
    }
    let mut document = containers(node, findings)?;
    document.implied.family = found.family.or(document.implied.family);
    report_unused(reading, &used.borrow(), findings);
    Some(document)
}

struct Found {
    node: Node,
    /// Its name where the form has one outside the definition.
    family: Option<String>,
    note_names: bool,
}

fn plain_form(node: &Node) -> Found {
    Found { node: node.clone(), family: None, note_names: true }
}

fn definition(root: &Node, reading: &Reading, findings: &Findings) -> Option<Found> {
    let refuse = |span: Range<usize>, message: &str, help: &str| {
        findings.push(Diagnostic::error("ECS0022", message.to_owned()).at(span, "").help(help));
        None
    };
    if let Some(elements) = root.array() {
        let definitions = || elements.iter().filter(|e| names::get(e, "containerDefinitions").is_some());
        if definitions().next().is_some() {
            let named = definitions().map(|node| {
                let family = names::get(node, "family").and_then(Node::string).unwrap_or_default();
                (family.to_owned(), plain_form(node))
            });
            return choose(named.collect(), reading, root, findings);
        }
        if let Some(first) =
            elements.first().filter(|e| e.get("imageUri").is_some() && e.get("image").is_none())
        {
            let help =
                "`imagedefinitions.json` only names images for a deployment; use the task definition itself";
            return refuse(
                first.span.clone(),
                "this is a list of image definitions, not of containers",
                help,
            );
        }
        return Some(plain_form(root));
    }
    let Some(members) = root.object() else { return Some(plain_form(root)) };
    if let Some(found) = terraform::resources(root, findings) {
        let named =
            found.into_iter().map(|(name, node)| (name, Found { node, family: None, note_names: false }));
        return choose(named.collect(), reading, root, findings);
    }
    if let Some(resources) = root.get("Resources").and_then(Node::object) {
        let named =
            resources.iter().filter(|m| is_resource(&m.value)).map(|m| (m.key.clone(), properties(m)));
        return choose(named.collect(), reading, root, findings);
    }
    if is_resource(root) {
        let whole = member(FAMILY, root.clone());
        return Some(properties(&whole));
    }
    if let [only] = members
        && is_resource(&only.value)
    {
        return Some(properties(only));
    }
    if let Some(inner) = names::get(root, "taskDefinition") {
        let service = ["serviceName", "cluster", "launchType", "desiredCount", "networkConfiguration"];
        if inner.object().is_none() || service.iter().any(|name| names::get(root, name).is_some()) {
            let help = "it names a task definition; get that one: `aws ecs describe-task-definition --task-definition NAME`";
            return refuse(
                inner.span.clone(),
                "this is the input of RunTask or a service, not a task definition",
                help,
            );
        }
        for other in
            members.iter().filter(|m| !["taskDefinition", "tags", "failures"].contains(&m.key.as_str()))
        {
            if names::is(&other.key, "taskDefinition") || other.value.value == Value::Null {
                continue;
            }
            let message = format!("`{}` beside `taskDefinition` is left out", other.key);
            findings.push(Diagnostic::note("ECS0006", message).at(other.key_span.clone(), ""));
        }
        return Some(plain_form(inner));
    }
    if let Some(error) = other_kind(root) {
        findings.push(error);
        return None;
    }
    if names::get(root, "containerDefinitions").is_none() && names::get(root, "image").is_none() {
        let inner = members.iter().find(|m| names::get(&m.value, "containerDefinitions").is_some());
        if let Some(inner) = inner {
            let message = format!("the task definition is taken from `{}`", inner.key);
            findings.push(Diagnostic::note("ECS0023", message).at(inner.key_span.clone(), ""));
            return Some(plain_form(&inner.value));
        }
    }
    Some(plain_form(root))
}

fn is_resource(node: &Node) -> bool {
    node.get("Type").and_then(Node::string) == Some(RESOURCE)
}

/// CloudFormation makes a family out of the logical id.
fn properties(resource: &Member) -> Found {
    let empty = || Node { span: resource.value.span.clone(), value: Value::Object(Vec::new()) };
    Found {
        node: resource.value.get("Properties").cloned().unwrap_or_else(empty),
        family: Some(resource.key.clone()),
        note_names: false,
    }
}

fn choose(
    mut found: Vec<(String, Found)>,
    reading: &Reading,
    root: &Node,
    findings: &Findings,
) -> Option<Found> {
    let names: Vec<String> = found.iter().map(|(name, _)| name.clone()).collect();
    let refuse = |message: String, help: String| {
        let at = root.span.start..(root.span.start + 1).min(root.span.end);
        findings.push(Diagnostic::error("ECS0022", message).at(at, "").help(help));
        None
    };
    if let Some(wanted) = &reading.select {
        let position = names.iter().position(|name| name == wanted);
        return match position {
            Some(position) => Some(found.swap_remove(position).1),
            None => {
                let near = nearest(wanted, names.iter().map(String::as_str));
                let help = near.map_or_else(
                    || format!("there are: {}", names.join(", ")),
                    |n| format!("did you mean `{n}`?"),
                );
                refuse(format!("the file has no task definition `{wanted}`"), help)
            }
        };
    }
    match found.len() {
        0 => refuse(
            format!("the file has no resource of type {RESOURCE}"),
            "a template without one has nothing to run".to_owned(),
        ),
        1 => found.pop().map(|(_, found)| found),
        count => refuse(
            format!("the file has {count} task definitions"),
            format!("choose one with `--select NAME`: {}", names.join(", ")),
        ),
    }
}

/// Files that are something else, by their marks.
fn other_kind(root: &Node) -> Option<Diagnostic> {
    let kinds: [(&[&str], &str, &str); 7] = [
        (
            &["apiVersion", "kind"],
            "this is a Kubernetes object, not a task definition",
            "only ECS task definitions can be run",
        ),
        (
            &["name", "type", "image"],
            "this is a Copilot manifest, not a task definition",
            "`copilot svc package` prints the CloudFormation template, which can be run",
        ),
        (
            &["AWSEBDockerrunVersion", "Image"],
            "this is a Dockerrun file of version 1, which describes one container for Elastic Beanstalk",
            "only version 2 holds `containerDefinitions`",
        ),
        (&["serviceName"], "this is the definition of a service", "use the task definition that it names"),
        (
            &["version", "Resources"],
            "this is a CodeDeploy AppSpec file",
            "use the task definition that it names",
        ),
        (
            &["tasks"],
            "this is the output of DescribeTasks",
            "use the task definition that `taskDefinitionArn` names",
        ),
        (
            &["taskDefinitionArns"],
            "this is the output of ListTaskDefinitions",
            "get one: `aws ecs describe-task-definition --task-definition ARN`",
        ),
    ];
    if names::get(root, "containerDefinitions").is_some() {
        return None;
    }
    let (marks, message, help) =
        kinds.iter().find(|(marks, ..)| marks.iter().all(|mark| root.get(mark).is_some()))?;
    let copilot = marks.len() == 3;
    if copilot && root.get("image").is_some_and(|image| image.object().is_none()) {
        return None;
    }
    let mark = root.object()?.iter().find(|m| marks.contains(&m.key.as_str()))?;
    Some(Diagnostic::error("ECS0022", (*message).to_owned()).at(mark.key_span.clone(), "").help(*help))
}

/// A list of containers, or one container, becomes a definition.
fn containers(node: Node, findings: &Findings) -> Option<Document> {
    let span = node.span.clone();
    let list = match &node.value {
        Value::Array(_) => node,
        Value::Object(_) if node.get("containerDefinitions").is_none() && node.get("image").is_some() => {
            Node { span: span.clone(), value: Value::Array(vec![node]) }
        }
        Value::Object(_) => {
            let beanstalk = node.get("AWSEBDockerrunVersion").is_some();
            let implied = Implied { family: beanstalk.then(|| FAMILY.to_owned()), ..Implied::default() };
            let root = inner_json(node, findings);
            let root = if beanstalk { beanstalk::completed(root, findings) } else { root };
            return Some(Document { root, implied, loose: false });
        }
        _ => {
            let message = format!("a task definition must be an object, not {}", node.kind());
            findings.push(Diagnostic::error("ECS0001", message).at(span, ""));
            return None;
        }
    };
    let note = Diagnostic::note("ECS0023", "containers without a task definition: the family is `task`, and the task has no roles, volumes or limits of its own")
        .at(span.start..(span.start + 1).min(span.end), "");
    findings.push(note.help("what Terraform keeps beside `container_definitions` belongs around this list"));
    let root = Node {
        span: span.clone(),
        value: Value::Object(vec![Member {
            key: "containerDefinitions".into(),
            key_span: span.start..span.start,
            value: list,
        }]),
    };
    Some(Document {
        root,
        implied: Implied { family: Some(FAMILY.to_owned()), without_memory: true, account: None },
        loose: false,
    })
}

/// `containerDefinitions` as a text that holds JSON.
fn inner_json(mut node: Node, findings: &Findings) -> Node {
    let Value::Object(members) = &mut node.value else { return node };
    for member in members.iter_mut().filter(|m| m.key == "containerDefinitions") {
        if let Some(text) = member.value.string() {
            member.value = embedded(text, &member.value.span, findings);
        }
    }
    node
}

/// JSON within a text: everything in it is at the place of the text.
pub(super) fn embedded(text: &str, span: &Range<usize>, findings: &Findings) -> Node {
    match crate::json::parse(text) {
        Ok(mut inner) => {
            at(&mut inner, span);
            names::canonical(inner, &mut None)
        }
        Err(error) => {
            let message = format!("the text of `containerDefinitions` is {}", error.message);
            findings.push(Diagnostic::error("JSON0001", message).at(span.clone(), ""));
            Node { span: span.clone(), value: Value::Array(Vec::new()) }
        }
    }
}

fn at(node: &mut Node, span: &Range<usize>) {
    node.span = span.clone();
    match &mut node.value {
        Value::Array(elements) => elements.iter_mut().for_each(|e| at(e, span)),
        Value::Object(members) => members.iter_mut().for_each(|m| {
            m.key_span = span.clone();
            at(&mut m.value, span);
        }),
        _ => {}
    }
}

/// A value that nothing asked for is a slip in its name. Values from the launcher
/// (`AWS::Region`) and for a condition of another form need not be used.
fn report_unused(reading: &Reading, used: &BTreeSet<String>, findings: &Findings) {
    for name in reading.values.names().into_iter().filter(|n| !n.starts_with("AWS::") && !used.contains(*n)) {
        let message = format!("nothing in the file is a placeholder of the name `{name}`");
        findings.push(Diagnostic::warning("ECS0024", message));
    }
}

/// A scalar of a node as a string node.
pub(super) fn text(node: &Node) -> Option<Node> {
    plain(node).map(|text| string(text, node.span.clone()))
}
