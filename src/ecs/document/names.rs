//! The members of `RegisterTaskDefinition` and of everything in it, and other
//! spellings of them: `ContainerDefinitions` (CloudFormation), `container_definitions`
//! (Terraform), `container-definitions`.
//!
//! Maps whose keys are the user's own (labels, options) are left alone.

use crate::json::{Member, Node, Value};
use std::ops::Range;

/// Maps with keys of the user's.
const FREE: [&str; 5] = ["dockerLabels", "driverOpts", "environment", "labels", "options"];

const NAMES: [&str; 165] = [
    "accessPointArn",
    "accessPointId",
    "add",
    "appProtocol",
    "attestationPolicy",
    "authorizationConfig",
    "autoprovision",
    "capabilities",
    "command",
    "compatibilities",
    "condition",
    "configuredAtLaunch",
    "containerDefinitions",
    "containerName",
    "containerPath",
    "containerPort",
    "containerPortRange",
    "cpu",
    "cpuArchitecture",
    "credentialSpecs",
    "credentialsParameter",
    "deleteRequestedAt",
    "dependsOn",
    "deregisteredAt",
    "deviceName",
    "deviceType",
    "devices",
    "disableNetworking",
    "dnsSearchDomains",
    "dnsServers",
    "dockerLabels",
    "dockerSecurityOptions",
    "dockerVolumeConfiguration",
    "domain",
    "driver",
    "driverOpts",
    "drop",
    "efsVolumeConfiguration",
    "enableFaultInjection",
    "enabled",
    "entryPoint",
    "environment",
    "environmentFiles",
    "ephemeralStorage",
    "essential",
    "executionRoleArn",
    "expression",
    "extraHosts",
    "family",
    "fileSystemArn",
    "fileSystemId",
    "firelensConfiguration",
    "fsxWindowsFileServerVolumeConfiguration",
    "hardLimit",
    "healthCheck",
    "host",
    "hostPath",
    "hostPort",
    "hostname",
    "iam",
    "ignoredExitCodes",
    "image",
    "inferenceAccelerators",
    "initProcessEnabled",
    "interactive",
    "interval",
    "ipAddress",
    "ipcMode",
    "isolationMode",
    "key",
    "labels",
    "links",
    "linuxParameters",
    "logConfiguration",
    "logDriver",
    "maxComputePercent",
    "maxSwap",
    "memory",
    "memoryReservation",
    "mountOptions",
    "mountPoints",
    "name",
    "namespace",
    "networkMode",
    "nvidiaMps",
    "operatingSystemFamily",
    "options",
    "permissions",
    "pidMode",
    "placementConstraints",
    "portMappings",
    "privileged",
    "properties",
    "protocol",
    "proxyConfiguration",
    "pseudoTerminal",
    "readOnly",
    "readonlyRootFilesystem",
    "registeredAt",
    "registeredBy",
    "repositoryCredentials",
    "requiresAttributes",
    "requiresCompatibilities",
    "resourceRequirements",
    "restartAttemptPeriod",
    "restartPolicy",
    "retries",
    "revision",
    "rootDirectory",
    "runtimePlatform",
    "s3filesVolumeConfiguration",
    "scope",
    "secretOptions",
    "secrets",
    "sharedMemorySize",
    "sharingStrategy",
    "size",
    "sizeInGiB",
    "softLimit",
    "sourceContainer",
    "sourcePath",
    "sourceVolume",
    "startPeriod",
    "startTimeout",
    "status",
    "stopTimeout",
    "swappiness",
    "systemControls",
    "tags",
    "targetId",
    "targetType",
    "taskDefinition",
    "taskDefinitionArn",
    "taskRoleArn",
    "timeout",
    "tmpfs",
    "transitEncryption",
    "transitEncryptionPort",
    "trustedExecutionConfiguration",
    "type",
    "ulimits",
    "user",
    "value",
    "valueFrom",
    "versionConsistency",
    "volumes",
    "volumesFrom",
    "workingDirectory",
    // Not of a task definition, and looked for to tell what a file is.
    "cluster",
    "desiredCount",
    "launchType",
    "networkConfiguration",
    "serviceName",
    // Members of the API's shapes that are also spelled apart elsewhere.
    "alpha",
    "deviceIndex",
    "failures",
    "imageDigest",
    "imageUri",
    "reason",
    "services",
    "taskDefinitionArns",
    "tasks",
    "version",
    "apiVersion",
    "kind",
];

/// Letters and digits in lower case.
fn folded(name: &str) -> String {
    name.chars().filter(|c| *c != '_' && *c != '-').flat_map(char::to_lowercase).collect()
}

/// Whether a key is another spelling of a name, or the name.
pub(super) fn is(key: &str, name: &str) -> bool {
    key == name || folded(key) == folded(name)
}

/// A member by any spelling of its name; null counts as absent.
pub(super) fn get<'a>(node: &'a Node, name: &str) -> Option<&'a Node> {
    let member = node.object()?.iter().find(|m| is(&m.key, name))?;
    Some(&member.value).filter(|node| node.value != Value::Null)
}

/// The name that a key spells.
fn name_of(key: &str) -> Option<&'static str> {
    if NAMES.contains(&key) {
        return None;
    }
    let wanted = folded(key);
    NAMES.iter().find(|name| folded(name) == wanted).copied()
}

/// The node with the API's names. `renamed` gets the first key that had another
/// spelling: its place, what it was and what it is.
pub(super) fn canonical(node: Node, renamed: &mut Option<(Range<usize>, String, &'static str)>) -> Node {
    let value = match node.value {
        Value::Array(elements) => Value::Array(elements.into_iter().map(|e| canonical(e, renamed)).collect()),
        Value::Object(members) => {
            let member = |Member { key, key_span, value }: Member, renamed: &mut Option<_>| {
                let name = name_of(&key);
                if let Some(name) = name {
                    renamed.get_or_insert_with(|| (key_span.clone(), key.clone(), name));
                }
                let key = name.map_or(key, str::to_owned);
                let free = FREE.contains(&key.as_str()) && value.object().is_some();
                let value = if free { value } else { canonical(value, renamed) };
                Member { key, key_span, value }
            };
            Value::Object(members.into_iter().map(|m| member(m, renamed)).collect())
        }
        other => other,
    };
    Node { span: node.span, value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_spellings_are_read_and_free_keys_are_not() {
        let text = r#"{"ContainerDefinitions": [{"Name": "a", "docker_labels": {"Name": "x"}, "PID-MODE": 1,
                       "EFSVolumeConfiguration": {"FilesystemId": "f"}, "Nonsense": 1}]}"#;
        let mut renamed = None;
        let node = canonical(crate::json::parse(text).unwrap(), &mut renamed);
        let container = &node.get("containerDefinitions").unwrap().array().unwrap()[0];
        let keys: Vec<&str> = container.object().unwrap().iter().map(|m| m.key.as_str()).collect();
        assert_eq!(keys, ["name", "dockerLabels", "pidMode", "efsVolumeConfiguration", "Nonsense"]);
        assert!(container.get("dockerLabels").unwrap().get("Name").is_some());
        assert!(container.get("efsVolumeConfiguration").unwrap().get("fileSystemId").is_some());
        assert_eq!(renamed, Some((1..23, "ContainerDefinitions".into(), "containerDefinitions")));
    }

    #[test]
    fn every_name_is_its_own() {
        let mut folds: Vec<String> = NAMES.iter().map(|n| folded(n)).collect();
        folds.sort();
        folds.dedup();
        assert_eq!(folds.len(), NAMES.len());
    }
}
