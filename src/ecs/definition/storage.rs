//! `volumes` and `mountPoints`.

use super::Spanned;

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
