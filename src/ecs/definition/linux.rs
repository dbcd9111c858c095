//! `linuxParameters` and `ulimits`.

use super::fields::{Fields, Findings};
use crate::diagnostic::Diagnostic;
use crate::json::Node;

/// Linux settings of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinuxParameters {
    /// `capabilities.add`.
    pub add_capabilities: Vec<String>,
    /// `capabilities.drop`.
    pub drop_capabilities: Vec<String>,
    /// `devices`.
    pub devices: Vec<Device>,
    /// `initProcessEnabled`.
    pub init: Option<bool>,
    /// `sharedMemorySize` in MiB.
    pub shared_memory_mib: Option<u32>,
    /// `tmpfs`.
    pub tmpfs: Vec<Tmpfs>,
    /// `maxSwap` in MiB.
    pub max_swap_mib: Option<u32>,
    /// `swappiness`, 0 to 100.
    pub swappiness: Option<u8>,
}

/// A host device in the container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Path on the host.
    pub host_path: String,
    /// Path in the container; the host's when not given.
    pub container_path: String,
    /// Letters out of `rwm` in Docker's order.
    pub permissions: String,
}

/// A memory file system in the container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tmpfs {
    /// Path in the container.
    pub container_path: String,
    /// Size in MiB.
    pub size_mib: u32,
    /// Mount options.
    pub mount_options: Vec<String>,
}

/// A resource limit of the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ulimit {
    /// The limit's name, such as `nofile`.
    pub name: String,
    /// The soft limit.
    pub soft: i64,
    /// The hard limit.
    pub hard: i64,
}

const ULIMITS: [&str; 15] = [
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];

pub(super) fn linux_parameters(node: &Node, owner: &str, findings: &Findings) -> Option<LinuxParameters> {
    let mut fields = Fields::of(node, format!("{owner}: linuxParameters"), findings)?;
    let mut linux = LinuxParameters::default();
    if let Some(node) = fields.node("capabilities")
        && let Some(mut capabilities) = Fields::of(node, format!("{owner}: capabilities"), findings)
    {
        linux.add_capabilities = capabilities.texts("add");
        linux.drop_capabilities = capabilities.texts("drop");
        capabilities.finish();
    }
    linux.devices = fields.list("devices").iter().filter_map(|n| device(n, owner, findings)).collect();
    linux.init = fields.flag("initProcessEnabled");
    linux.shared_memory_mib = fields.count("sharedMemorySize");
    linux.tmpfs = fields.list("tmpfs").iter().filter_map(|n| tmpfs(n, owner, findings)).collect();
    linux.max_swap_mib = fields.count("maxSwap");
    linux.swappiness = fields.whole("swappiness", 0..=100).and_then(|n| u8::try_from(n.value).ok());
    fields.finish();
    Some(linux)
}

fn device(node: &Node, owner: &str, findings: &Findings) -> Option<Device> {
    let mut fields = Fields::of(node, format!("{owner}: a device"), findings)?;
    let host_path = fields.required("hostPath", node.span.clone()).map(|t| t.value);
    let container_path = fields.text("containerPath").map(|t| t.value).filter(|path| !path.is_empty());
    let mut letters = [None; 3];
    for word in fields.texts("permissions") {
        match word.as_str() {
            "read" => letters[0] = Some('r'),
            "write" => letters[1] = Some('w'),
            "mknod" => letters[2] = Some('m'),
            other => fields.error(
                "ECS0009",
                node.span.clone(),
                format!("`permissions` cannot hold `{other}`: read, write and mknod exist"),
            ),
        }
    }
    fields.finish();
    let given: String = letters.into_iter().flatten().collect();
    let permissions = if given.is_empty() { "rwm".to_owned() } else { given };
    let host_path = host_path?;
    Some(Device {
        container_path: container_path.unwrap_or_else(|| host_path.clone()),
        host_path,
        permissions,
    })
}

fn tmpfs(node: &Node, owner: &str, findings: &Findings) -> Option<Tmpfs> {
    let mut fields = Fields::of(node, format!("{owner}: a tmpfs"), findings)?;
    let container_path = fields.required("containerPath", node.span.clone()).map(|t| t.value);
    let size = fields.whole("size", 1..=i32::MAX.into());
    if size.is_none() && node.get("size").is_none() {
        fields.error("ECS0004", node.span.clone(), "`size` is missing");
    }
    let mount_options = fields.texts("mountOptions");
    fields.finish();
    let size_mib = u32::try_from(size?.value).ok()?;
    Some(Tmpfs { container_path: container_path?, size_mib, mount_options })
}

pub(super) fn ulimit(node: &Node, owner: &str, findings: &Findings) -> Option<Ulimit> {
    let mut fields = Fields::of(node, format!("{owner}: a ulimit"), findings)?;
    let name = fields.choice("name", &ULIMITS.map(|name| (name, name)));
    let soft = fields.whole("softLimit", -1..=i64::MAX);
    let hard = fields.whole("hardLimit", -1..=i64::MAX);
    for absent in ["name", "softLimit", "hardLimit"].into_iter().filter(|name| node.get(name).is_none()) {
        fields.error("ECS0004", node.span.clone(), format!("`{absent}` is missing"));
    }
    fields.finish();
    let (name, soft, hard) = (name?, soft?, hard?);
    if hard.value != -1 && (soft.value == -1 || soft.value > hard.value) {
        let message = format!("{owner}: the soft limit of `{name}` is above the hard limit");
        findings.push(Diagnostic::error("ECS0008", message).at(soft.span, "").with(hard.span, "hard limit"));
        return None;
    }
    Some(Ulimit { name: name.to_owned(), soft: soft.value, hard: hard.value })
}
