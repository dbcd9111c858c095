//! `volumes` and `mountPoints`.

use super::Spanned;
use super::fields::{Fields, Findings};
use super::ignored;
use crate::json::Node;

/// A volume of the task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// Its name within the task.
    pub name: Spanned<String>,
    /// Where the data is.
    pub source: VolumeSource,
}

/// Where a volume's data is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VolumeSource {
    /// A path of the host.
    Host(String),
    /// A file system of a network; a launch has to be told where it is on this host.
    FileSystem {
        /// Its id or ARN.
        id: String,
        /// The directory in it.
        root: String,
        /// The place of the configuration.
        span: std::ops::Range<usize>,
    },
    /// A Docker volume.
    Docker {
        /// How long it lives.
        scope: VolumeScope,
        /// Whether a shared volume is created when it does not exist.
        autoprovision: bool,
        /// Volume driver; `None` means Docker's own.
        driver: Option<String>,
        /// Driver options.
        driver_options: Vec<(String, String)>,
        /// Labels.
        labels: Vec<(String, String)>,
    },
}

/// How long a Docker volume lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VolumeScope {
    /// It has its own name and outlives the task.
    Shared,
    /// It is made for the task and removed with it.
    Task,
}

/// A place in the container where a volume appears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountPoint {
    /// Name of the task's volume.
    pub volume: Spanned<String>,
    /// Path in the container.
    pub container_path: String,
    /// Whether the container may only read.
    pub read_only: bool,
}

pub(super) fn volume(node: &Node, findings: &Findings) -> Option<Volume> {
    let named = node.get("name").and_then(Node::string).map(|name| format!("volume `{name}`"));
    let mut fields = Fields::of(node, named.unwrap_or_else(|| "a volume".to_owned()), findings)?;
    let name = fields.required("name", node.span.clone());
    let host = fields.node("host");
    let docker = fields.node("dockerVolumeConfiguration");
    let remote: Vec<_> =
        FILE_SYSTEMS.iter().filter_map(|(name, id)| Some((fields.node(name)?, *name, *id))).collect();
    // The volume is made at the launch; a task-scoped one is what one host has for it.
    fields.flag("configuredAtLaunch");
    fields.without_effect("configuredAtLaunch");
    let given: Vec<&Node> =
        host.into_iter().chain(docker).chain(remote.iter().map(|(node, ..)| *node)).collect();
    if let [_, second, ..] = given.as_slice() {
        let message = "only one of `host`, `dockerVolumeConfiguration` and a file system may be given";
        fields.error("ECS0009", second.span.clone(), message);
    }
    let owner = fields.owner.clone();
    fields.finish();
    let source = match (docker, remote.first()) {
        (Some(docker), _) => docker_volume(docker, &owner, findings)?,
        (None, Some((node, name, id))) => file_system(node, name, id, &owner, findings)?,
        (None, None) => host_volume(host, &owner, findings)?,
    };
    Some(Volume { name: name?, source })
}

/// Configurations of network file systems, and the member that names one.
const FILE_SYSTEMS: [(&str, &str); 3] = [
    ("efsVolumeConfiguration", "fileSystemId"),
    ("fsxWindowsFileServerVolumeConfiguration", "fileSystemId"),
    ("s3filesVolumeConfiguration", "fileSystemArn"),
];

fn file_system(
    node: &Node,
    name: &'static str,
    id: &'static str,
    owner: &str,
    findings: &Findings,
) -> Option<VolumeSource> {
    let mut fields = Fields::of(node, format!("{owner}: {name}"), findings)?;
    let id = fields.required(id, node.span.clone());
    let root = fields.text("rootDirectory").map(|t| t.value).unwrap_or_default();
    ignored::of_file_system(&mut fields, name);
    fields.finish();
    Some(VolumeSource::FileSystem { id: id?.value, root, span: node.span.clone() })
}

/// Without a path of the host, ECS makes a Docker volume for the task.
fn host_volume(node: Option<&Node>, owner: &str, findings: &Findings) -> Option<VolumeSource> {
    let mut path = None;
    if let Some(node) = node {
        let mut fields = Fields::of(node, format!("{owner}: host"), findings)?;
        path = fields.text("sourcePath").map(|t| t.value).filter(|path| !path.is_empty());
        fields.finish();
    }
    Some(match path {
        Some(path) => VolumeSource::Host(path),
        None => VolumeSource::Docker {
            scope: VolumeScope::Task,
            autoprovision: false,
            driver: None,
            driver_options: Vec::new(),
            labels: Vec::new(),
        },
    })
}

fn docker_volume(node: &Node, owner: &str, findings: &Findings) -> Option<VolumeSource> {
    let mut fields = Fields::of(node, format!("{owner}: dockerVolumeConfiguration"), findings)?;
    let scope = fields.choice("scope", &[("task", VolumeScope::Task), ("shared", VolumeScope::Shared)]);
    let autoprovision = fields.flag("autoprovision");
    let driver = fields.text("driver").map(|t| t.value);
    let driver_options = fields.plain_map("driverOpts");
    let labels = fields.plain_map("labels");
    let scope = scope.unwrap_or(VolumeScope::Task);
    if scope == VolumeScope::Task && autoprovision == Some(true) {
        fields.error("ECS0009", node.span.clone(), "task scoped volume could not be autoprovisioned");
    }
    fields.finish();
    let autoprovision = autoprovision.unwrap_or_default();
    Some(VolumeSource::Docker { scope, autoprovision, driver, driver_options, labels })
}

pub(super) fn mount_point(node: &Node, owner: &str, findings: &Findings) -> Option<MountPoint> {
    let mut fields = Fields::of(node, format!("{owner}: a mount point"), findings)?;
    let volume = fields.required("sourceVolume", node.span.clone());
    let container_path = fields.required("containerPath", node.span.clone());
    if let Some(path) = container_path.as_ref().filter(|path| !path.value.starts_with('/')) {
        let windows = path.value.contains([':', '\\']);
        let message = match windows {
            true => "`containerPath` is a path of Windows, and only LINUX containers are launched",
            false => "`containerPath` must be an absolute path",
        };
        fields.error("ECS0009", path.span.clone(), message);
    }
    let read_only = fields.flag("readOnly").unwrap_or_default();
    fields.finish();
    Some(MountPoint { volume: volume?, container_path: container_path?.value, read_only })
}
