//! `sealdock service run`: the supervisor of a service, in the foreground or detached.

use crate::cli::broker::block_on;
use crate::cli::output::{say, tell};
use crate::cli::task::{DefinitionArguments, LaunchArguments, Source, docker_failed, show};
use crate::cli::{Failure, detach};
use crate::launch::service::{self, ServiceError, ServiceEvent, Settings, Template};
use crate::launch::supervisor::{Kind, Supervisor};
use crate::launch::{self, Event, Options};
use clap::Args;
use serde_json::Value;
use std::process::ExitCode;
use std::time::Duration;
use tokio::sync::mpsc;

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    #[command(flatten)]
    definition: DefinitionArguments,
    /// How many tasks are kept running
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=100))]
    count: u16,
    /// Name of the service; the definition's family unless given
    #[arg(long)]
    name: Option<String>,
    /// Print the name once all tasks are ready, and leave the service to a process of its own
    #[arg(long)]
    detach: bool,
    /// How long new tasks may take until they are ready
    #[arg(long, default_value_t = 300, value_name = "SECONDS")]
    ready_within: u32,
    /// How long a task that is replaced may go on with its connections
    #[arg(long, default_value_t = 30, value_name = "SECONDS")]
    drain: u32,
    /// Print the state of the service as JSON once all tasks are ready
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    launch: LaunchArguments,
}

pub(super) fn run(arguments: &RunArguments) -> Result<ExitCode, Failure> {
    if let Some(code) = detach::begin(arguments.detach)? {
        return Ok(code);
    }
    let (source, plan) = arguments.definition.plan()?;
    let name = arguments.name.clone().unwrap_or_else(|| plan.family.clone());
    check_name(&name)?;
    let client = arguments.launch.client()?;
    let runtime = arguments.launch.docker()?;
    let options = arguments.launch.options(&client)?;
    let supervisor = Supervisor::begin(Kind::Service, &name).map_err(|e| Failure::new(2, e))?;
    let options = Options { supervisor: Some(supervisor.directory().to_owned()), ..options };
    let settings = Settings {
        name,
        count: arguments.count.into(),
        ready_within: Duration::from_secs(arguments.ready_within.into()),
        drain: Duration::from_secs(arguments.drain.into()),
    };
    let mut running = Running { arguments, source: &source, supervisor };
    let ended = block_on(running.run(settings, Template { plan, options, client, runtime }));
    running.supervisor.remove();
    ended?.map(|()| ExitCode::SUCCESS)
}

/// What a directory and a label can be named; ECS's rule, but shorter.
fn check_name(name: &str) -> Result<(), Failure> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !name.is_empty() && name.len() <= 64 && name.chars().all(fits) {
        return Ok(());
    }
    let text = format!(
        "`{name}` cannot name a service: 1 to 64 letters, digits, hyphens and underscores can; use --name"
    );
    Err(Failure::new(2, text))
}

struct Running<'a> {
    arguments: &'a RunArguments,
    source: &'a Source,
    supervisor: Supervisor,
}

impl Running<'_> {
    async fn run(&mut self, settings: Settings, template: Template<launch::Docker>) -> Result<(), Failure> {
        let mut control = self.supervisor.control().map_err(|e| Failure::new(2, e))?;
        let mut interrupts =
            launch::interrupts().map_err(|e| Failure::new(2, format!("cannot wait for signals: {e}")))?;
        let (sender, mut events) = mpsc::channel(1024);
        let shown = async {
            while let Some(event) = events.recv().await {
                self.show(event)?;
            }
            Ok(())
        };
        let run = service::run(settings, template, sender, &mut control, &mut interrupts);
        let (ended, shown) = tokio::join!(run, shown);
        ended.map_err(|error| self.failed(&error))?;
        shown
    }

    fn show(&self, event: ServiceEvent) -> Result<(), Failure> {
        match event {
            ServiceEvent::Note(text) => tell(text),
            ServiceEvent::Task { event: Event::Log { .. }, .. } if self.arguments.detach => {}
            ServiceEvent::Task { task_id, event } => show(&of_task(&task_id, event), self.source),
            ServiceEvent::Ready(status) => self.ready(&status)?,
        }
        Ok(())
    }

    fn ready(&self, status: &Value) -> Result<(), Failure> {
        if self.arguments.json {
            say(status);
        } else if self.arguments.detach {
            say(status.get("service").and_then(Value::as_str).unwrap_or_default());
        }
        if self.arguments.detach {
            let log = self.supervisor.log().map_err(|e| Failure::new(2, e))?;
            detach::ready(&log)?;
        }
        Ok(())
    }

    fn failed(&self, error: &ServiceError) -> Failure {
        match error {
            ServiceError::Ports(found) => Failure::new(2, self.source.render(found)),
            ServiceError::Port { .. } => Failure::new(124, error),
            ServiceError::NotStarted { code, .. } => Failure::new(*code, error),
            ServiceError::Launch(error) => docker_failed(error),
        }
    }
}

/// The same event with the beginning of the task's id before the container's name.
fn of_task(task_id: &str, event: Event) -> Event {
    let named = |container: String| format!("{}/{container}", task_id.get(..8).unwrap_or(task_id));
    match event {
        Event::Created { container, docker_name } => {
            Event::Created { container: named(container), docker_name }
        }
        Event::Exited { container, exit_code } => Event::Exited { container: named(container), exit_code },
        Event::Healthy { container } => Event::Healthy { container: named(container) },
        Event::Log { container, stream, line } => Event::Log { container: named(container), stream, line },
        Event::Restarting { container, exit_code } => {
            Event::Restarting { container: named(container), exit_code }
        }
        Event::Skipped { container, reason } => Event::Skipped { container: named(container), reason },
        Event::Started { container } => Event::Started { container: named(container) },
        Event::Waiting { container, on, condition } => {
            Event::Waiting { container: named(container), on, condition }
        }
        other => other,
    }
}
