//! `sealdock task endpoint`: credentials and metadata for containers, in the foreground.

use super::DockerHost;
use crate::cli::Failure;
use crate::cli::broker::BrokerArguments;
use crate::cli::output::say;
use crate::cli::running::{log_to_stderr, runtime, until_stopped};
use crate::endpoint::task::{self, HostAddress};
use clap::Args;
use jiff::SignedDuration;
use std::net::SocketAddr;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(crate) struct EndpointArguments {
    /// 169.254.170.2:80, or a loopback address for tasks in the host's network
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "169.254.170.2:80")]
    listen: SocketAddr,
    /// A task without containers is over so long after it was granted its role, 0 to 86400
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(i64).range(0..=86_400))]
    launch_seconds: i64,
    #[command(flatten)]
    broker: BrokerArguments,
    #[command(flatten)]
    docker: DockerHost,
}

pub(super) fn run(arguments: &EndpointArguments) -> Result<ExitCode, Failure> {
    crate::memory::forbid_dumps();
    log_to_stderr();
    let client = arguments.broker.client()?;
    let docker = arguments.docker.connect()?;
    runtime(2)?.block_on(async {
        let stop = until_stopped()?;
        let (listener, _address) =
            HostAddress::listen(arguments.listen).await.map_err(|e| Failure::new(2, e))?;
        let address = listener.local_addr().map_err(|e| Failure::new(2, e))?;
        say(format_args!("listening on http://{address}"));
        let launch = SignedDuration::from_secs(arguments.launch_seconds);
        task::serve(listener, client, docker, launch, stop).await;
        Ok(ExitCode::SUCCESS)
    })
}
