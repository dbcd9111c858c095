//! [`Options`]: how a task is to be run.

use super::endpoint;
use super::mapping::Delivery;
use super::objects::Directories;
use std::path::PathBuf;

/// How to run a task.
#[derive(Clone, Debug)]
pub struct Options {
    /// Region of the task.
    pub region: String,
    /// Cluster name in ARN and labels.
    pub cluster: String,
    /// Revision of the task definition in names and labels.
    pub revision: u32,
    /// How values reach the containers.
    pub delivery: Delivery,
    /// The name under which Docker knows the hook.
    pub oci_runtime: String,
    /// Leave the containers in Docker when the task has ended.
    pub keep: bool,
    /// Id of the task: 32 hexadecimal digits.
    pub task_id: String,
    /// Directory of the task's supervisor, which the labels of its containers name.
    pub supervisor: Option<PathBuf>,
    /// The service that the task belongs to.
    pub service: Option<String>,
    /// When images are fetched.
    pub pull: PullPolicy,
    /// Send logs of the driver `awslogs` to CloudWatch; otherwise Docker keeps them.
    pub awslogs: bool,
    /// Where the task endpoint is, for containers: `http://169.254.170.2`, or a loopback address
    /// and port.
    pub endpoint: String,
    /// Directories that stand for buckets of S3.
    pub objects: Directories,
    /// Directories that stand for network file systems.
    pub file_systems: Directories,
}

/// When an image is fetched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PullPolicy {
    /// Before every launch.
    Always,
    /// When Docker does not have it.
    #[default]
    Missing,
    /// Not at all.
    Never,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            region: String::new(),
            cluster: "default".to_owned(),
            revision: 0,
            delivery: Delivery::Env,
            oci_runtime: "sealdock".to_owned(),
            keep: false,
            task_id: new_task_id(),
            supervisor: None,
            service: None,
            pull: PullPolicy::Missing,
            awslogs: false,
            endpoint: format!("http://{}", endpoint::ADDRESS),
            objects: Directories::default(),
            file_systems: Directories::default(),
        }
    }
}

/// A new id for a task.
pub fn new_task_id() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}
