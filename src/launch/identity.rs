//! [`TaskIdentity`]: the names under which a task appears in Docker.
//!
//! Labels are those of ECS, which agents and log shippers look for, and our own
//! `sealdock.*`, from which `ps` and `stop` know everything that they need, and where
//! the supervisor of the task is.

use super::options::Options;
use crate::arn::Arn;
use crate::ecs::plan::{ContainerPlan, TaskPlan};
use std::collections::HashMap;

/// Marks the containers of tasks; its value is the task id.
pub(super) const TASK_LABEL: &str = "sealdock.task-id";
pub(super) const ARN_LABEL: &str = "com.amazonaws.ecs.task-arn";
pub(super) const CLUSTER_LABEL: &str = "com.amazonaws.ecs.cluster";
pub(super) const FAMILY_LABEL: &str = "com.amazonaws.ecs.task-definition-family";
pub(super) const REVISION_LABEL: &str = "com.amazonaws.ecs.task-definition-version";
pub(super) const CONTAINER_LABEL: &str = "com.amazonaws.ecs.container-name";
pub(super) const ESSENTIAL_LABEL: &str = "sealdock.essential";
/// Containers are stopped from the highest level down.
pub(super) const LEVEL_LABEL: &str = "sealdock.level";
/// Names of volumes that go with the task.
pub(super) const VOLUMES_LABEL: &str = "sealdock.volumes";
/// On containers that were given credentials of the task's role.
pub(super) const ROLE_LABEL: &str = "sealdock.task-role";
/// Directory of the process that looks after the task.
pub(super) const SUPERVISOR_LABEL: &str = "sealdock.supervisor";
/// The service that the task belongs to.
pub(super) const SERVICE_LABEL: &str = "sealdock.service";
pub(super) const DELIVERY_LABEL: &str = "sealdock.delivery";

/// Who a task is.
#[derive(Clone, Debug)]
pub(super) struct TaskIdentity {
    /// 32 hexadecimal digits.
    pub(super) task_id: String,
    /// `arn:aws:ecs:REGION:ACCOUNT:task/CLUSTER/ID`
    pub(super) task_arn: String,
    family: String,
    revision: u32,
    pub(super) cluster: String,
    supervisor: Option<String>,
    service: Option<String>,
    /// Sets the Docker names of this task apart from those of others.
    suffix: String,
}

impl TaskIdentity {
    pub(super) fn new(plan: &TaskPlan, options: &Options) -> Self {
        let Options { region, cluster, revision, task_id, .. } = options;
        let task_role: Option<Arn> = plan.task_role.as_ref().and_then(|role| role.parse().ok());
        let role = plan.execution_role.as_ref().or(task_role.as_ref());
        let account = role.map_or("", |role| &role.account);
        let partition = role.map_or("aws", |role| &role.partition);
        Self {
            task_arn: format!("arn:{partition}:ecs:{region}:{account}:task/{cluster}/{task_id}"),
            family: plan.family.clone(),
            revision: *revision,
            cluster: cluster.clone(),
            suffix: task_id.chars().take(20).collect(),
            task_id: task_id.clone(),
            supervisor: options.supervisor.as_ref().map(|path| path.display().to_string()),
            service: options.service.clone(),
        }
    }

    /// `family:revision`
    pub(super) fn definition(&self) -> String {
        format!("{}:{}", self.family, self.revision)
    }

    /// The Docker name of one of its containers or volumes.
    pub(super) fn docker_name(&self, part: &str) -> String {
        let part: String = part.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
        // Distinct parts may become the same: `a_b` and `ab`. Docker refuses the second.
        format!("ecs-{}-{}-{part}-{}", self.family, self.revision, self.suffix)
    }

    /// The labels of a container; those of the definition never win.
    pub(super) fn labels(
        &self,
        container: &ContainerPlan,
        level: usize,
        delivery: &str,
        volumes: &[String],
    ) -> HashMap<String, String> {
        let mut labels: HashMap<_, _> = container.settings.labels.iter().cloned().collect();
        labels.extend(self.own_labels(&container.name, container.essential, level));
        labels.extend([
            (DELIVERY_LABEL.to_owned(), delivery.to_owned()),
            (VOLUMES_LABEL.to_owned(), volumes.join(",")),
        ]);
        labels
    }

    /// The labels by which a container is known as one of this task.
    pub(super) fn own_labels(&self, name: &str, essential: bool, level: usize) -> HashMap<String, String> {
        let own = [
            (ARN_LABEL, self.task_arn.clone()),
            (CLUSTER_LABEL, self.cluster.clone()),
            (CONTAINER_LABEL, name.to_owned()),
            (FAMILY_LABEL, self.family.clone()),
            (REVISION_LABEL, self.revision.to_string()),
            (TASK_LABEL, self.task_id.clone()),
            (ESSENTIAL_LABEL, essential.to_string()),
            (LEVEL_LABEL, level.to_string()),
        ];
        let named = |name: &str, value: &Option<String>| Some((name.to_owned(), value.clone()?));
        let process = [named(SUPERVISOR_LABEL, &self.supervisor), named(SERVICE_LABEL, &self.service)];
        own.map(|(name, value)| (name.to_owned(), value))
            .into_iter()
            .chain(process.into_iter().flatten())
            .collect()
    }
}

/// How many others have to start before each container, at the longest.
pub(super) fn levels(plan: &TaskPlan) -> Vec<usize> {
    let mut levels: Vec<usize> = Vec::new();
    // INVARIANT: the plan lists each container after all that it depends on.
    for container in &plan.containers {
        let waits = container.depends_on.iter().map(|(name, _)| name);
        let below = waits.chain(container.volumes_from.iter().map(|(name, _)| name)).filter_map(|name| {
            let at = plan.containers.iter().position(|c| c.name == *name)?;
            levels.get(at).map(|level| level + 1)
        });
        levels.push(below.max().unwrap_or(0));
    }
    levels
}
