//! `Dockerrun.aws.json` of version 2: a task definition without a family, which Elastic
//! Beanstalk completes.
//!
//! Every container may mount a volume `awseb-logs-NAME` that is not among the
//! volumes, and the account at a registry is in an object of S3.

use super::{member, string};
use crate::diagnostic::Diagnostic;
use crate::ecs::definition::Findings;
use crate::json::{Member, Node, Value};

const LOGS: &str = "awseb-logs-";

/// The definition with what Beanstalk adds.
pub(super) fn completed(mut root: Node, findings: &Findings) -> Node {
    let volumes = log_volumes(&root);
    let span = root.span.start..root.span.start;
    let Value::Object(members) = &mut root.value else { return root };
    members.retain(|member| {
        let account = member.key == "authentication";
        if account {
            let message = "`authentication` is Elastic Beanstalk's, and has no effect here";
            let note = Diagnostic::note("ECS0006", message).at(member.key_span.clone(), "");
            findings.push(note.help("an account at a registry is `repositoryCredentials` of a container"));
        }
        !account
    });
    match members.iter_mut().find(|member| member.key == "volumes") {
        Some(Member { value: Node { value: Value::Array(list), .. }, .. }) => list.extend(volumes),
        Some(_) => {}
        None if volumes.is_empty() => {}
        None => members.push(member("volumes", Node { span, value: Value::Array(volumes) })),
    }
    root
}

/// The volumes for logs that a container mounts and nobody has defined.
fn log_volumes(root: &Node) -> Vec<Node> {
    let list = |node: &Node, name: &str| node.get(name).and_then(Node::array).unwrap_or_default().to_vec();
    let defined = list(root, "volumes");
    let is_defined = |name: &str| defined.iter().any(|v| v.get("name").and_then(Node::string) == Some(name));
    let mut volumes: Vec<Node> = Vec::new();
    for mount in list(root, "containerDefinitions").iter().flat_map(|c| list(c, "mountPoints")) {
        let Some(source) = mount.get("sourceVolume") else { continue };
        let Some(name) = source.string().filter(|name| name.starts_with(LOGS) && !is_defined(name)) else {
            continue;
        };
        if !volumes.iter().any(|v| v.get("name").and_then(Node::string) == Some(name)) {
            let name = member("name", string(name, source.span.clone()));
            volumes.push(Node { span: source.span.clone(), value: Value::Object(vec![name]) });
        }
    }
    volumes
}
