//! One task of a service: run beside the others on one thread, watched for its health.
//!
//! A task is *ready* when every container has started, those with a health check pass it, and
//! each published port accepts a connection. Later, a container whose health check fails
//! makes the whole task unhealthy, as with ECS.

use super::forward::Target;
use super::publish::Published;
use crate::client::Client;
use crate::ecs::plan::TaskPlan;
use crate::launch::error::LaunchError;
use crate::launch::events::Event;
use crate::launch::interrupts::Interrupt;
use crate::launch::options::{Options, new_task_id};
use crate::launch::outcome::Outcome;
use crate::launch::runtime::{ContainerRuntime, Health};
use crate::launch::task;
use crate::launch::tasks::{self, ContainerDescription, TaskSummary};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

const POLL: Duration = Duration::from_millis(500);
const CONNECT: Duration = Duration::from_secs(1);

/// What the tasks of a service are made of.
#[derive(Clone, Debug)]
pub(super) struct Recipe<R> {
    /// Without the published ports.
    pub(super) plan: Arc<TaskPlan>,
    pub(super) published: Arc<[Published]>,
    pub(super) options: Options,
    pub(super) client: Client,
    pub(super) runtime: R,
}

/// What happened to a task.
#[derive(Debug)]
pub(super) enum What {
    /// It can take connections.
    Ready(Target),
    /// A health check fails.
    Unhealthy(String),
    /// It is over and removed.
    Ended(Result<Outcome, LaunchError>),
    /// Something for the one who looks on.
    Event(Event),
}

/// A task and what happened to it.
#[derive(Debug)]
pub(super) struct Happening {
    pub(super) task_id: String,
    pub(super) what: What,
}

/// A task that has been started and has not been reported as ended.
#[derive(Debug)]
pub(super) struct Replica {
    pub(super) task_id: String,
    /// The deployment that started it.
    pub(super) deployment: u64,
    /// When it became ready.
    pub(super) ready: Option<(Instant, Target)>,
    /// Whether it is to stop.
    pub(super) stopping: bool,
    /// Why it is to stop, if it has failed.
    pub(super) failed: Option<String>,
    asked: Arc<AtomicBool>,
    interrupts: mpsc::Sender<Interrupt>,
}

impl Replica {
    /// Starts a task. What happens to it goes to `happenings`; the last is [`What::Ended`].
    pub(super) fn start<R: ContainerRuntime + Clone + 'static>(
        recipe: &Recipe<R>,
        deployment: u64,
        happenings: mpsc::Sender<Happening>,
    ) -> Self {
        let task_id = new_task_id();
        let recipe = Recipe {
            options: Options { task_id: task_id.clone(), ..recipe.options.clone() },
            ..recipe.clone()
        };
        let (interrupts, receiver) = mpsc::channel(4);
        tokio::task::spawn_local(run(recipe, receiver, happenings));
        let asked = Arc::new(AtomicBool::new(false));
        Self { task_id, deployment, ready: None, stopping: false, failed: None, asked, interrupts }
    }

    /// Asks it to stop.
    pub(super) fn stop(&mut self) {
        self.stopping = true;
        if !self.asked.swap(true, Ordering::Relaxed) {
            self.kill();
        }
    }

    /// Asks it to stop at once, if it has been asked before.
    pub(super) fn kill(&self) {
        // If it is full, it has been asked often enough.
        let _ = self.interrupts.try_send(Interrupt::Stop);
    }

    /// Asks it to stop when something has happened, and waits for its end.
    pub(super) fn stop_after(&self, happened: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
        let (asked, interrupts) = (Arc::clone(&self.asked), self.interrupts.clone());
        tokio::spawn(async move {
            happened.await;
            if !asked.swap(true, Ordering::Relaxed) {
                let _ = interrupts.try_send(Interrupt::Stop);
            }
            // The other end goes with the task.
            interrupts.closed().await;
        })
    }
}

/// Where the news of one task go.
struct Teller {
    task_id: String,
    happenings: mpsc::Sender<Happening>,
}

impl Teller {
    async fn tell(&self, what: What) {
        // The service lives as long as its tasks.
        let _ = self.happenings.send(Happening { task_id: self.task_id.clone(), what }).await;
    }
}

async fn run<R: ContainerRuntime>(
    recipe: Recipe<R>,
    mut interrupts: mpsc::Receiver<Interrupt>,
    happenings: mpsc::Sender<Happening>,
) {
    let teller = Teller { task_id: recipe.options.task_id.clone(), happenings };
    let (sender, mut events) = mpsc::channel(256);
    let life = async {
        let Recipe { plan, options, client, runtime, .. } = &recipe;
        let ended = task::run(plan, options, client, runtime, &sender, &mut interrupts).await;
        drop(sender);
        ended
    };
    let watched = async {
        loop {
            match events.recv().await {
                Some(Event::Running(_)) => break,
                Some(event) => teller.tell(What::Event(event)).await,
                None => return,
            }
        }
        let mut health = std::pin::pin!(watch(&recipe, &teller));
        loop {
            tokio::select! {
                event = events.recv() => match event {
                    Some(event) => teller.tell(What::Event(event)).await,
                    None => return,
                },
                () = &mut health => {}
            }
        }
    };
    let (ended, ()) = tokio::join!(life, watched);
    teller.tell(What::Ended(ended)).await;
}

/// Tells when a running task is ready, when its addresses change, and when it is unhealthy. Does
/// not end.
async fn watch<R: ContainerRuntime>(recipe: &Recipe<R>, teller: &Teller) {
    let restarts = recipe.plan.containers.iter().any(|c| c.settings.restart.is_some());
    let checks = recipe.plan.containers.iter().any(|c| c.settings.health_check.is_some());
    let mut task: Option<TaskSummary> = None;
    let mut known: Option<Target> = None;
    loop {
        // Docker may be busy, or the task just ending; its end is told by others.
        if task.is_none() {
            task = tasks::find(&recipe.runtime, &teller.task_id).await.ok();
        }
        let described = match &task {
            Some(task) => tasks::describe(&recipe.runtime, task).await.ok(),
            None => None,
        };
        if let Some(containers) = described {
            if let Some(reason) = unhealthy(&containers) {
                teller.tell(What::Unhealthy(reason)).await;
            } else if let Some(target) = target(&teller.task_id, &containers, &recipe.published).await
                && known.as_ref() != Some(&target)
            {
                known = Some(target.clone());
                teller.tell(What::Ready(target)).await;
            }
        }
        // An image may have a health check of its own, which is not looked at: ECS does not either.
        if known.is_some() && !restarts && !checks {
            return std::future::pending().await;
        }
        tokio::time::sleep(POLL).await;
    }
}

fn unhealthy(containers: &[ContainerDescription]) -> Option<String> {
    let failing =
        containers.iter().find(|c| c.summary.essential && c.inspection.health == Health::Unhealthy)?;
    Some(format!("Task failed container health checks: container `{}` is unhealthy", failing.summary.name))
}

/// Where a task takes connections, once it does.
pub(super) async fn target(
    task_id: &str,
    containers: &[ContainerDescription],
    published: &[Published],
) -> Option<Target> {
    if containers.iter().any(|c| c.inspection.health == Health::Starting && c.inspection.running) {
        return None;
    }
    let mut addresses = Vec::new();
    for port in published {
        let container = containers.iter().find(|c| c.summary.name == port.container)?;
        let address: IpAddr = container.inspection.address.as_ref()?.parse().ok()?;
        let address = SocketAddr::new(address, port.container_port);
        tokio::time::timeout(CONNECT, TcpStream::connect(address)).await.ok()?.ok()?;
        addresses.push(address);
    }
    Some(Target { task_id: task_id.to_owned(), addresses })
}
