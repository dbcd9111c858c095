//! `sealdock key`: access keys, made and managed through a running broker.

use super::broker::{BrokerArguments, block_on, refused};
use super::output::{say, tell};
use super::{Failure, table};
use crate::protocol::sealdock::{AccessKeyStatus, KeyOwner};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;
use std::process::ExitCode;

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Make an access key; its secret half is shown this once
    Create(CreateArguments),
    /// List access keys, with their last use
    List(ListArguments),
    /// Switch a key on
    Enable(OneKey),
    /// Switch a key off; its requests are refused from now on
    Disable(OneKey),
    /// Delete a key for good
    Delete(OneKey),
}

#[derive(Debug, Args)]
pub(crate) struct CreateArguments {
    #[command(flatten)]
    broker: BrokerArguments,
    /// Name of a user in the policy files
    #[arg(long, required_unless_present = "principal", conflicts_with = "principal")]
    user: Option<String>,
    /// ARN of a user, a role or the account root
    #[arg(long, value_name = "ARN")]
    principal: Option<String>,
    /// `env` prints shell `export` lines
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Env,
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    #[command(flatten)]
    broker: BrokerArguments,
    /// Only keys of this principal
    #[arg(long, value_name = "ARN")]
    principal: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct OneKey {
    #[command(flatten)]
    broker: BrokerArguments,
    /// Access key id
    id: String,
}

pub(crate) fn run(command: KeyCommand) -> Result<ExitCode, Failure> {
    match command {
        KeyCommand::Create(arguments) => create(arguments)?,
        KeyCommand::List(arguments) => list(&arguments)?,
        KeyCommand::Enable(key) => set(&key, AccessKeyStatus::Active)?,
        KeyCommand::Disable(key) => set(&key, AccessKeyStatus::Inactive)?,
        KeyCommand::Delete(key) => {
            let client = key.broker.client()?;
            block_on(client.delete_access_key(&key.id))?.map_err(|e| refused(&e))?;
            tell(format_args!("deleted {}", key.id));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn create(arguments: CreateArguments) -> Result<(), Failure> {
    let client = arguments.broker.client()?;
    let owner = match (arguments.user, arguments.principal) {
        (Some(user), _) => KeyOwner::UserName(user),
        (None, principal) => KeyOwner::Principal(principal.unwrap_or_default()),
    };
    let key = block_on(client.create_access_key(owner))?.map_err(|e| refused(&e))?;
    #[expect(
        clippy::disallowed_methods,
        reason = "the secret half of a new key is shown to its maker, this once"
    )]
    let secret = String::from_utf8_lossy(key.secret_access_key.expose());
    match arguments.format {
        Format::Text => {
            say(format_args!("access key id      {}", key.access_key_id));
            say(format_args!("secret access key  {secret}"));
            say(format_args!("principal          {}", key.principal_arn));
            tell("the secret access key cannot be shown again");
        }
        Format::Env => {
            say(format_args!("export AWS_ACCESS_KEY_ID={}", key.access_key_id));
            say(format_args!("export AWS_SECRET_ACCESS_KEY={secret}"));
        }
        Format::Json => say(json!({
            "AccessKeyId": key.access_key_id, "SecretAccessKey": secret, "PrincipalArn": key.principal_arn,
            "CreateDate": key.create_date.to_string(),
        })),
    }
    Ok(())
}

fn list(arguments: &ListArguments) -> Result<(), Failure> {
    let client = arguments.broker.client()?;
    let keys = block_on(client.list_access_keys(arguments.principal.as_deref()))?.map_err(|e| refused(&e))?;
    if arguments.json {
        let keys: Vec<_> = keys
            .iter()
            .map(|k| {
                json!({
                    "AccessKeyId": k.access_key_id, "PrincipalArn": k.principal_arn, "Status": k.status.as_str(),
                    "CreateDate": k.create_date.to_string(),
                    "AccessKeyLastUsed": k.last_used.as_ref().map(|last| json!({
                        "LastUsedDate": last.date.to_string(), "ServiceName": last.service, "Region": last.region,
                    })),
                })
            })
            .collect();
        say(json!(keys));
        return Ok(());
    }
    let rows = keys.iter().map(|k| {
        [
            k.access_key_id.clone(),
            k.status.as_str().to_owned(),
            k.create_date.to_string(),
            k.last_used.as_ref().map_or_else(
                || "never".to_owned(),
                |last| format!("{} ({}, {})", last.date, last.service, last.region),
            ),
            k.principal_arn.clone(),
        ]
    });
    say(table::render(["ACCESS KEY ID", "STATUS", "CREATED", "LAST USED", "PRINCIPAL"], rows));
    Ok(())
}

fn set(key: &OneKey, status: AccessKeyStatus) -> Result<(), Failure> {
    let client = key.broker.client()?;
    block_on(client.update_access_key(&key.id, status))?.map_err(|e| refused(&e))?;
    tell(format_args!("{} is now {}", key.id, status.as_str()));
    Ok(())
}
