//! `linuxParameters` and `ulimits`.

/// Linux settings of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinuxParameters {
    /// `capabilities.add`, without the `CAP_` prefix.
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
