//! [`Outcome`]: what became of a task, and with which exit code that is told.

use super::identity::TaskIdentity;
use super::interrupts::Interrupt;
use super::supervise::Ending;
use crate::ecs::plan::TaskPlan;

/// What became of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Its id.
    pub task_id: String,
    /// In ECS's form.
    pub task_arn: String,
    /// The exit code of the run: see [`Outcome::exit_code`].
    exit_code: u8,
    /// Why it stopped; `None` if it is still running.
    pub stopped_reason: Option<String>,
    /// Its containers, in start order.
    pub containers: Vec<ContainerOutcome>,
}

/// What became of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerOutcome {
    /// Its name within the task.
    pub name: String,
    /// Docker id.
    pub docker_id: String,
    /// Docker name.
    pub docker_name: String,
    /// Its exit code; `None` if it never started or still runs.
    pub exit_code: Option<i64>,
}

impl Outcome {
    /// For the process that ran the task: the exit code of the essential
    /// container that ended it; 130 or 143 after an interrupt; 0 if it still runs
    /// or no container was essential.
    pub fn exit_code(&self) -> u8 {
        self.exit_code
    }
}

/// Why it ended, in ECS's words where ECS has some.
pub(super) fn reason(ending: &Ending, plan: &TaskPlan) -> String {
    match ending {
        Ending::Essential { container, exit_code } => {
            let name = plan.containers.get(*container).map_or("", |c| c.name.as_str());
            format!("Essential container in task exited: `{name}` with exit code {exit_code}")
        }
        Ending::AllEnded => "All containers in task exited".to_owned(),
        Ending::Interrupted(Interrupt::Interrupt) => "Task stopped by user: SIGINT".to_owned(),
        Ending::Interrupted(Interrupt::Terminate) => "Task stopped by user: SIGTERM".to_owned(),
        Ending::Interrupted(Interrupt::Stop) => "Task stopped by user".to_owned(),
        Ending::Failed(error) => error.to_string(),
    }
}

pub(super) fn outcome(
    identity: &TaskIdentity,
    ids: &[String],
    ending: Ending,
    codes: Vec<Option<i64>>,
    plan: &TaskPlan,
) -> Outcome {
    let exit_code = match ending {
        // Windows codes do not fit; anything that does not is a failure.
        Ending::Essential { exit_code, .. } => u8::try_from(exit_code).unwrap_or(1),
        Ending::AllEnded => 0,
        Ending::Interrupted(Interrupt::Interrupt) => 130,
        Ending::Interrupted(Interrupt::Terminate | Interrupt::Stop) => 143,
        Ending::Failed(ref error) => error.exit_code(),
    };
    let stopped_reason = Some(reason(&ending, plan));
    Outcome { exit_code, stopped_reason, ..with_containers(identity, ids, codes, plan) }
}

/// The outcome of a task that still runs.
pub(super) fn running(identity: &TaskIdentity, ids: &[String], plan: &TaskPlan) -> Outcome {
    with_containers(identity, ids, vec![None; ids.len()], plan)
}

fn with_containers(
    identity: &TaskIdentity,
    ids: &[String],
    codes: Vec<Option<i64>>,
    plan: &TaskPlan,
) -> Outcome {
    let containers =
        plan.containers.iter().zip(ids).zip(codes).map(|((container, id), exit_code)| ContainerOutcome {
            name: container.name.clone(),
            docker_id: id.clone(),
            docker_name: identity.docker_name(&container.name),
            exit_code,
        });
    Outcome {
        task_id: identity.task_id.clone(),
        task_arn: identity.task_arn.clone(),
        exit_code: 0,
        stopped_reason: None,
        containers: containers.collect(),
    }
}
