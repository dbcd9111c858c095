//! `sealdock audit`: reads the log's files, with or without a running broker.

use super::Failure;
use super::output::{say, tell};
use crate::audit::{Filter, PublicKey, Verdict, search, verify};
use crate::config::Config;
use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Check every record, link and checkpoint of the log; exit code 1 when something is wrong
    Verify(VerifyArguments),
    /// Find events, newest first
    Search(Box<SearchArguments>),
}

#[derive(Debug, Args)]
pub(crate) struct LogArguments {
    /// Data directory of the broker
    #[arg(long, env = "SEALDOCK_DATA", required_unless_present = "log")]
    data: Option<PathBuf>,
    /// Directory of the log itself, such as a copy
    #[arg(long, value_name = "DIR", conflicts_with = "data")]
    log: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl LogArguments {
    fn directory(&self) -> Result<PathBuf, Failure> {
        match (&self.log, &self.data) {
            (Some(log), _) => Ok(log.clone()),
            (None, Some(data)) => Ok(Config::load(data).map_err(|e| Failure::new(2, e))?.audit),
            (None, None) => Err(Failure::new(2, "name the log: --data DIR or --log DIR")),
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct VerifyArguments {
    #[command(flatten)]
    log: LogArguments,
    /// Public key of the checkpoints (64 hexadecimal digits), kept apart from the log
    #[arg(long, value_name = "HEX", value_parser = public_key)]
    key: Option<PublicKey>,
}

fn public_key(text: &str) -> Result<PublicKey, String> {
    PublicKey::from_hex(text).ok_or_else(|| "a public key has 64 hexadecimal digits".into())
}

#[derive(Debug, Args)]
pub(crate) struct SearchArguments {
    #[command(flatten)]
    log: LogArguments,
    /// Operation, such as GetSecretValue
    #[arg(long)]
    event: Option<String>,
    /// Part of the ARN of the user, role or session
    #[arg(long, value_name = "ARN")]
    principal: Option<String>,
    /// Access key id
    #[arg(long, value_name = "ID")]
    access_key: Option<String>,
    /// ARN of the secret, parameter or role
    #[arg(long, value_name = "ARN")]
    resource: Option<String>,
    /// Error code, such as AccessDenied
    #[arg(long, value_name = "CODE")]
    error: Option<String>,
    /// Task id: everything that a launch did
    #[arg(long, value_name = "ID")]
    task: Option<String>,
    /// Request id, as an error message shows it
    #[arg(long, value_name = "ID")]
    request: Option<String>,
    /// Any text in the record
    #[arg(long)]
    text: Option<String>,
    /// Not before this time, such as 2026-11-24T08:00:00Z
    #[arg(long, value_name = "TIME")]
    since: Option<Timestamp>,
    /// Not after this time
    #[arg(long, value_name = "TIME")]
    until: Option<Timestamp>,
    /// Most events to show
    #[arg(long, default_value_t = 50)]
    limit: usize,
}

pub(crate) fn run(command: &AuditCommand) -> Result<ExitCode, Failure> {
    match command {
        AuditCommand::Verify(arguments) => check(arguments),
        AuditCommand::Search(arguments) => find(arguments),
    }
}

fn check(arguments: &VerifyArguments) -> Result<ExitCode, Failure> {
    let directory = arguments.log.directory()?;
    let verdict = verify(&directory, arguments.key.as_ref()).map_err(|e| Failure::new(2, e))?;
    let code = if matches!(verdict, Verdict::Intact(_)) { ExitCode::SUCCESS } else { ExitCode::from(1) };
    if arguments.log.json {
        say(verdict_json(&verdict));
        return Ok(code);
    }
    say(&verdict);
    Ok(code)
}

fn verdict_json(verdict: &Verdict) -> Value {
    match verdict {
        Verdict::Intact(i) => json!({
            "verdict": "intact", "records": i.records, "first": i.first, "last": i.last, "head": i.head,
            "checkpoints": i.checkpoints, "covered": i.covered, "unfinishedBytes": i.unfinished,
        }),
        Verdict::Broken(findings) => {
            let findings: Vec<Value> = findings
                .iter()
                .map(|f| {
                    json!({
                        "sequence": f.sequence, "kind": format!("{:?}", f.kind), "file": f.file, "line": f.line,
                        "offset": f.offset, "detail": f.detail,
                    })
                })
                .collect();
            json!({ "verdict": "broken", "findings": findings })
        }
    }
}

fn find(arguments: &SearchArguments) -> Result<ExitCode, Failure> {
    let filter = Filter {
        event_name: arguments.event.clone(),
        principal: arguments.principal.clone(),
        access_key_id: arguments.access_key.clone(),
        resource: arguments.resource.clone(),
        error_code: arguments.error.clone(),
        request_id: arguments.request.clone(),
        task: arguments.task.clone(),
        text: arguments.text.clone(),
        since: arguments.since,
        until: arguments.until,
        ..Filter::default()
    };
    let directory = arguments.log.directory()?;
    let found = search(&directory, &filter, arguments.limit).map_err(|e| Failure::new(2, e))?;
    for event in &found.events {
        if arguments.log.json { say(&event.line) } else { say(line(event.sequence, &event.event)) }
    }
    if let Some(f) = &found.broken {
        let text = format!(
            "the log is BROKEN at record {} in {}: {}; see `sealdock audit verify`",
            f.sequence, f.file, f.detail
        );
        return Err(Failure::new(1, text));
    }
    if found.events.is_empty() {
        tell("no event matches");
    }
    Ok(ExitCode::SUCCESS)
}

/// One event in one line: sequence, time, outcome, operation, who, what.
fn line(sequence: u64, event: &Value) -> String {
    let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or("-");
    let who = match event.pointer("/userIdentity/arn").and_then(Value::as_str) {
        Some(arn) => arn,
        None => text("/userIdentity/invokedBy"),
    };
    let outcome = event.get("errorCode").and_then(Value::as_str).unwrap_or("ok");
    let mut line =
        format!("{sequence:>6}  {}  {outcome:<24} {:<18} {who}", text("/eventTime"), text("/eventName"));
    let parameters = event.get("requestParameters");
    let injected = parameters.and_then(|p| p.get("injections")).and_then(Value::as_array);
    if let Some(injections) = injected {
        let container = text("/requestParameters/containerName");
        line += &format!("  task {} container {container}", text("/requestParameters/taskId"));
        for injection in injections {
            let part = |name: &str| injection.get(name).and_then(Value::as_str).unwrap_or("-");
            line +=
                &format!("\n{:>10} {} <- {} version {}", "", part("name"), part("arn"), part("versionId"));
        }
    } else if let Some(arn) = event.pointer("/resources/0/ARN").and_then(Value::as_str) {
        line += &format!("  {arn}");
    }
    line
}
