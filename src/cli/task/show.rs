//! What happens during a launch, for the person at the terminal.

use super::condition_text;
use super::source::Source;
use crate::cli::output::tell;
use crate::launch::{Event, Outcome, OutputStream};
use serde_json::{Value, json};
use std::io::Write;

/// Container output goes where the container sent it; what Sealdock says goes to standard error.
pub(crate) fn show(event: &Event, source: &Source) {
    match event {
        Event::Log { container, stream, line } => write_line(container, *stream, line),
        Event::Created { container, docker_name } => {
            tell(format_args!("{container}: created as {docker_name}"))
        }
        Event::Started { container } => tell(format_args!("{container}: started")),
        Event::Healthy { container } => tell(format_args!("{container}: healthy")),
        Event::Exited { container, exit_code } => tell(format_args!("{container}: exited with {exit_code}")),
        Event::Skipped { container, reason } => tell(format_args!("{container}: not started: {reason}")),
        Event::Pulled { image, done, total } => {
            let megabytes = |bytes: u64| bytes / 1_000_000;
            tell(format_args!("pulling {image}: {} of {} MB", megabytes(*done), megabytes(*total)));
        }
        Event::Restarting { container, exit_code } => {
            tell(format_args!("{container}: exited with {exit_code}, starting again"));
        }
        Event::Pulling { image } => tell(format_args!("pulling {image}")),
        Event::Running(_) => {}
        Event::Stopping { reason } => tell(format_args!("stopping: {reason}")),
        Event::Waiting { container, on, condition } => {
            tell(format_args!("{container}: waits for {on} {}", condition_text(*condition)));
        }
        Event::Warning(diagnostic) => tell(source.render(std::slice::from_ref(diagnostic))),
    }
}

pub(super) fn write_line(container: &str, stream: OutputStream, line: &[u8]) {
    let mut bytes = format!("{container} | ").into_bytes();
    bytes.extend_from_slice(line);
    bytes.push(b'\n');
    // A closed pipe is no reason to stop the task.
    let _ = match stream {
        OutputStream::Stdout => std::io::stdout().lock().write_all(&bytes),
        OutputStream::Stderr => std::io::stderr().lock().write_all(&bytes),
    };
}

pub(super) fn outcome_json(outcome: &Outcome) -> Value {
    let containers = outcome.containers.iter().map(|c| {
        json!({ "name": c.name, "runtimeId": c.docker_id, "dockerName": c.docker_name, "exitCode": c.exit_code })
    });
    json!({
        "taskId": outcome.task_id, "taskArn": outcome.task_arn, "stoppedReason": outcome.stopped_reason,
        "exitCode": outcome.exit_code(), "containers": containers.collect::<Vec<_>>(),
    })
}
