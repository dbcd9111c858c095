//! `sealdock session`: ends sessions of roles before their time.

use super::broker::{BrokerArguments, block_on, refused};
use super::output::{say, tell};
use super::{Failure, table};
use crate::protocol::sealdock::Revoked;
use clap::{Args, Subcommand};
use serde_json::json;
use std::process::ExitCode;

#[derive(Debug, Subcommand)]
pub(crate) enum SessionCommand {
    /// End sessions at once: those of a role or user, of a task, or of an access key
    Revoke(RevokeArguments),
    /// List what has been revoked and may still end a session
    Revoked(RevokedArguments),
}

#[derive(Debug, Args)]
pub(crate) struct RevokeArguments {
    #[command(flatten)]
    broker: BrokerArguments,
    /// ARN of a role or user (its sessions so far), task id (all its sessions), or access key id (that
    /// session, and those that were made with it, in turn)
    #[arg(value_name = "ARN|TASK|ACCESS_KEY_ID")]
    subject: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RevokedArguments {
    #[command(flatten)]
    broker: BrokerArguments,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(command: SessionCommand) -> Result<ExitCode, Failure> {
    match command {
        SessionCommand::Revoke(arguments) => revoke(&arguments)?,
        SessionCommand::Revoked(arguments) => list(&arguments)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn revoke(arguments: &RevokeArguments) -> Result<(), Failure> {
    let revoked = subject(&arguments.subject).map_err(|text| Failure::new(2, text))?;
    let client = arguments.broker.client()?;
    block_on(client.revoke_sessions(revoked.clone()))?.map_err(|e| refused(&e))?;
    let (kind, name) = named(&revoked);
    if arguments.json {
        say(json!({ kind: name }));
    } else {
        tell(format_args!("the sessions of {name} have ended"));
    }
    Ok(())
}

/// What a text names. Access key ids are told from task ids by their form.
///
/// # Errors
/// It looks like an access key id and is none.
fn subject(text: &str) -> Result<Revoked, String> {
    let whole = text.len() == 20 && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    match text {
        arn if arn.starts_with("arn:") => Ok(Revoked::Principal(arn.to_owned())),
        id if !(id.starts_with("ASIA") || id.starts_with("AKIA")) => Ok(Revoked::Task(id.to_owned())),
        id if whole => Ok(Revoked::AccessKey(id.to_owned())),
        id => Err(format!("`{id}` is no access key id: these have 20 capital letters and digits")),
    }
}

fn named(revoked: &Revoked) -> (&'static str, &str) {
    match revoked {
        Revoked::Principal(arn) => ("PrincipalArn", arn),
        Revoked::Task(id) => ("TaskId", id),
        Revoked::AccessKey(id) => ("AccessKeyId", id),
    }
}

fn list(arguments: &RevokedArguments) -> Result<(), Failure> {
    let client = arguments.broker.client()?;
    let revocations = block_on(client.list_revocations())?.map_err(|e| refused(&e))?;
    if arguments.json {
        let rows = revocations.iter().map(|r| {
            let (kind, name) = named(&r.revoked);
            json!({ kind: name, "RevokedDate": r.revoked_date.to_string(), "RevokedBy": r.revoked_by })
        });
        say(json!(rows.collect::<Vec<_>>()));
        return Ok(());
    }
    let rows = revocations
        .iter()
        .map(|r| [named(&r.revoked).1.to_owned(), r.revoked_date.to_string(), r.revoked_by.clone()]);
    say(table::render(["SESSIONS OF", "REVOKED", "BY"], rows));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_are_told_by_their_form() {
        assert_eq!(subject("arn:aws:iam::1:role/x"), Ok(Revoked::Principal("arn:aws:iam::1:role/x".into())));
        assert_eq!(subject("ASIAY34FZKBOKMUTVV7A"), Ok(Revoked::AccessKey("ASIAY34FZKBOKMUTVV7A".into())));
        assert_eq!(subject("6b0f2e3c9d41"), Ok(Revoked::Task("6b0f2e3c9d41".into())));
        assert!(subject("AKIANOPE").is_err());
    }
}
