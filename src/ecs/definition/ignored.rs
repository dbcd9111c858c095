//! Fields that make no difference to a launch on one host: read as the API reads
//! them, so that a mistake in one does not wait for the deployment, and then noted.

use super::fields::{Fields, Findings};
use crate::json::Node;
use std::ops::Range;

const SYSTEMS: [&str; 10] = [
    "LINUX",
    "WINDOWS_SERVER_2016_FULL",
    "WINDOWS_SERVER_2019_FULL",
    "WINDOWS_SERVER_2019_CORE",
    "WINDOWS_SERVER_2004_CORE",
    "WINDOWS_SERVER_20H2_CORE",
    "WINDOWS_SERVER_2022_FULL",
    "WINDOWS_SERVER_2022_CORE",
    "WINDOWS_SERVER_2025_FULL",
    "WINDOWS_SERVER_2025_CORE",
];

/// Those of the task. Returns the place of `FARGATE` in `requiresCompatibilities`.
pub(super) fn of_task(fields: &mut Fields<'_>) -> Option<Range<usize>> {
    let findings = fields.findings;
    let mut of = |name: &'static str, read: fn(&mut Fields<'_>)| {
        if let Some(node) = fields.node(name) {
            inner(node, name, findings, read);
        }
        fields.without_effect(name);
    };
    of("ephemeralStorage", |inner| {
        inner.needs("sizeInGiB");
        inner.whole("sizeInGiB", 21..=200);
    });
    of("proxyConfiguration", |inner| {
        inner.choice("type", &[("APPMESH", ())]);
        inner.needs("containerName");
        inner.text("containerName");
        inner.pairs("properties", "value");
    });
    of("trustedExecutionConfiguration", |inner| {
        inner.needs("isolationMode");
        inner.choice("isolationMode", &words(&["SHARED", "ISOLATED_SANDBOX", "CONFIDENTIAL_SANDBOX"]));
        inner.text("attestationPolicy");
    });
    let mut each = |name: &'static str, read: fn(&mut Fields<'_>)| {
        for node in fields.list(name) {
            inner(node, name, findings, read);
        }
        fields.without_effect(name);
    };
    each("inferenceAccelerators", |inner| {
        inner.needs("deviceName");
        inner.needs("deviceType");
        inner.text("deviceName");
        inner.text("deviceType");
    });
    each("placementConstraints", |inner| {
        inner.choice("type", &[("memberOf", ())]);
        inner.text("expression");
    });
    each("tags", |inner| {
        inner.text("key");
        inner.text("value");
    });
    fields.flag("enableFaultInjection");
    fields.without_effect("enableFaultInjection");
    platform(fields);
    let types = ["EC2", "FARGATE", "EXTERNAL", "MANAGED_INSTANCES"];
    let given = fields.choices("requiresCompatibilities", &words(&types));
    fields.without_effect("requiresCompatibilities");
    given.into_iter().find(|launch| launch.value == "FARGATE").map(|launch| launch.span)
}

/// The platform decides whether the task can run here at all.
fn platform(fields: &mut Fields<'_>) {
    let mut linux = true;
    if let Some(node) = fields.node("runtimePlatform") {
        inner(node, "runtimePlatform", fields.findings, |inner| {
            inner.choice("cpuArchitecture", &words(&["X86_64", "ARM64"]));
            inner.choice("operatingSystemFamily", &words(&SYSTEMS));
        });
        let system = node.get("operatingSystemFamily").and_then(Node::string).unwrap_or_default();
        linux = !system.to_ascii_uppercase().starts_with("WINDOWS");
    }
    if linux {
        fields.without_effect("runtimePlatform");
    } else {
        fields.refuse("runtimePlatform", "only LINUX containers are launched");
    }
}

/// Those of a container.
pub(super) fn of_container(fields: &mut Fields<'_>) {
    fields.texts("credentialSpecs");
    fields.choice("versionConsistency", &words(&["enabled", "disabled"]));
    fields.all_without_effect(&["credentialSpecs", "versionConsistency"]);
}

/// Those of a port: both name it for Service Connect.
pub(super) fn of_port(fields: &mut Fields<'_>) {
    fields.text("name");
    fields.choice("appProtocol", &words(&["http", "http2", "grpc"]));
    fields.all_without_effect(&["name", "appProtocol"]);
}

/// How a file system is reached, which is the host's affair.
pub(super) fn of_file_system(fields: &mut Fields<'_>, configuration: &str) {
    match configuration {
        "efsVolumeConfiguration" => {
            fields.choice("transitEncryption", &words(&["ENABLED", "DISABLED"]));
            fields.whole("transitEncryptionPort", 0..=65_535);
        }
        "s3filesVolumeConfiguration" => {
            fields.whole("transitEncryptionPort", 0..=65_535);
            fields.text("accessPointArn");
            return;
        }
        _ => {}
    }
    let Some(node) = fields.node("authorizationConfig") else { return };
    let read: fn(&mut Fields<'_>) = match configuration {
        "efsVolumeConfiguration" => |inner| {
            inner.text("accessPointId");
            inner.choice("iam", &words(&["ENABLED", "DISABLED"]));
        },
        _ => |inner| {
            inner.text("credentialsParameter");
            inner.text("domain");
        },
    };
    inner(node, &format!("{}: authorizationConfig", fields.owner), fields.findings, read);
}

fn inner(node: &Node, owner: &str, findings: &Findings, read: fn(&mut Fields<'_>)) {
    if let Some(mut fields) = Fields::of(node, owner, findings) {
        read(&mut fields);
        fields.finish();
    }
}

fn words<const N: usize>(words: &[&'static str; N]) -> [(&'static str, &'static str); N] {
    words.map(|word| (word, word))
}
