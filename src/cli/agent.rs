//! `sealdock agent`: reads for a process beside it, over plain HTTP on loopback, in the foreground.

use super::Failure;
use super::broker::BrokerArguments;
use super::output::say;
use super::running::{log_to_stderr, runtime, until_stopped};
use crate::endpoint::agent::{self, ContainerCredentials, Identity, Settings, Shape, Token};
use crate::secret::SecretValue;
use clap::{Args, ValueEnum};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use tokio::net::TcpListener;

#[derive(Debug, Args)]
pub(crate) struct AgentArguments {
    /// Configuration file, with the keys of AWS's Secrets Manager Agent; options go before it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Port on 127.0.0.1, 0 for a free one [default: 2773]
    #[arg(long)]
    port: Option<u16>,
    /// Seconds for which a value is kept, 0 to 3600 [default: 300]
    #[arg(long, value_name = "SECONDS")]
    ttl_seconds: Option<i64>,
    /// How many values are kept, 1 to 1000 [default: 1000]
    #[arg(long, value_name = "COUNT")]
    cache_size: Option<i64>,
    /// Connections at a time, 1 to 1000 [default: 800]
    #[arg(long, value_name = "COUNT")]
    max_conn: Option<i64>,
    /// File with the token that clients show; otherwise it is in AWS_TOKEN, AWS_SESSION_TOKEN or
    /// AWS_CONTAINER_AUTHORIZATION_TOKEN
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// As which of AWS's agents /secretsmanager/get answers: the Lambda extension, or the Secrets
    /// Manager Agent [default: extension, and agent with --config]
    #[arg(long, value_name = "AGENT")]
    answer_as: Option<AnswerAs>,
    /// Read as this role, which trusts ecs-tasks.amazonaws.com and which you may pass
    #[arg(long, value_name = "ARN")]
    role: Option<String>,
    /// Name of the role's sessions, by which its reads are found in the audit log
    #[arg(long, value_name = "NAME", default_value = "sealdock-agent")]
    session_name: String,
    #[command(flatten)]
    broker: BrokerArguments,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum AnswerAs {
    Extension,
    Agent,
}

pub(crate) fn run(arguments: &AgentArguments) -> Result<ExitCode, Failure> {
    crate::memory::forbid_dumps();
    log_to_stderr();
    let settings = settings(arguments)?;
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let token =
        Token::find(arguments.token_file.as_deref(), &settings, variable).map_err(|e| Failure::new(2, e))?;
    let identity = identity(arguments, settings.region.as_deref())?;
    runtime(2)?.block_on(async {
        let stop = until_stopped()?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, arguments.port.unwrap_or(settings.port)));
        let failed = |e| Failure::new(2, format!("cannot listen on `{address}`: {e}"));
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        say(format_args!("listening on http://{address}"));
        agent::serve(listener, settings, token, identity, stop).await;
        Ok(ExitCode::SUCCESS)
    })
}

fn settings(arguments: &AgentArguments) -> Result<Settings, Failure> {
    let from_file = match &arguments.config {
        None => Ok(Settings::default()),
        Some(path) => {
            let read = std::fs::read_to_string(path).map_err(|e| e.to_string());
            let parsed = read.and_then(|text| Settings::parse(&text).map_err(|e| e.to_string()));
            parsed.map_err(|e| Failure::new(2, format!("`{}`: {e}", path.display())))
        }
    };
    let AgentArguments { ttl_seconds, cache_size, max_conn, .. } = *arguments;
    let mut settings = from_file?;
    settings.shape = match (arguments.answer_as, &arguments.config) {
        // The file is that agent's own.
        (Some(AnswerAs::Agent), _) | (None, Some(_)) => Shape::Agent,
        (Some(AnswerAs::Extension), _) | (None, None) => Shape::Extension,
    };
    settings.with(None, ttl_seconds, cache_size, max_conn).map_err(|e| Failure::new(2, e))
}

/// The role that is named, that of the task around this process, or whoever asks the broker here.
fn identity(arguments: &AgentArguments, region: Option<&str>) -> Result<Identity, Failure> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let own_key = variable("AWS_ACCESS_KEY_ID").is_some();
    let container = ContainerCredentials::new(
        variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI").as_deref(),
        variable("AWS_CONTAINER_CREDENTIALS_FULL_URI").as_deref(),
        variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE").as_deref(),
        variable("AWS_CONTAINER_AUTHORIZATION_TOKEN").map(SecretValue::from),
    )
    .map_err(|e| Failure::new(2, e))?;
    match (container, &arguments.role) {
        (Some(at), None) if !own_key => {
            Ok(Identity::container(arguments.broker.without_credentials(region)?, at))
        }
        (_, role) => {
            let client = arguments.broker.client()?;
            let client = region.map_or_else(|| client.clone(), |region| client.with_region(region));
            Ok(match role {
                Some(role) => Identity::role(client, role.clone(), arguments.session_name.clone()),
                None => Identity::fixed(client),
            })
        }
    }
}
