//! `sealdock serve`: runs the broker of a data directory.

use super::output::say;
use super::{Failure, running};
use crate::config::Config;
use crate::server::{Bind, PlainLoopback, tls};
use clap::Args;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(crate) struct ServeArguments {
    /// Data directory that `sealdock init` made
    #[arg(long, env = "SEALDOCK_DATA")]
    data: PathBuf,
    /// Serve TLS on this address instead of the configured one; port 0 picks a free port
    #[arg(long, value_name = "ADDRESS:PORT")]
    tls: Option<SocketAddr>,
    /// Serve plain HTTP on this loopback address instead of the configured one
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// Serve on this Unix socket instead of the configured one
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// Begin a new audit log although the vault remembers another, after that one was moved
    /// aside or lost; the first record of the new log names the last one that was known
    #[arg(long)]
    new_audit_log: bool,
}

pub(crate) fn run(arguments: &ServeArguments) -> Result<ExitCode, Failure> {
    let config = Config::load(&arguments.data).map_err(|e| Failure::new(2, e))?;
    let mut binds = Vec::new();
    if let Some(address) = arguments.tls.or(config.tls) {
        let material =
            tls::load(&config.tls_directory(), &config.server_names).map_err(|e| Failure::new(2, e))?;
        binds.push(Bind::Tls(address, material));
    }
    if let Some(address) = arguments.listen.or(config.http) {
        binds.push(Bind::Tcp(PlainLoopback::new(address).map_err(|e| Failure::new(2, e))?));
    }
    if let Some(path) = arguments.socket.clone().or_else(|| config.socket.clone()) {
        binds.push(Bind::Unix { path, mode: config.socket_mode });
    }
    if binds.is_empty() {
        return Err(Failure::new(
            2,
            "no listener is configured: set `tls`, `http` or `socket` under [listen]",
        ));
    }
    let broker = running::open(&config, arguments.new_audit_log)?;
    running::serve(&config, &broker, binds, running::Hangup::Reloads, |ready| {
        for url in &ready.urls {
            say(format_args!("listening on {url}"));
        }
        Ok(())
    })?;
    Ok(ExitCode::SUCCESS)
}
