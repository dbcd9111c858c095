//! The command line: arguments, terminal output, exit codes.
//!
//! One file per command family. Commands that change or read the vault are API
//! clients of a running broker; only `init`, `serve`, `dev` and the offline checks
//! touch files of the data directory.
//!
//! | exit code | meaning |
//! |---|---|
//! | 0 | done; for checks: all is well |
//! | 1 | a check found something: the audit log is broken, a policy is invalid |
//! | 2 | the command line, configuration or input file is wrong |
//! | 3 | the vault cannot be opened: missing, wrong key, damaged, in use |
//! | 4 | the broker cannot be reached, or refused |
//! | 118 | a service's new tasks did not become ready |
//! | 120 to 124 | `task run` failed before the containers ran; see `launch` |

mod agent;
mod audit;
mod bindings;
mod broker;
mod coverage;
mod detach;
mod dev;
mod hook_arguments;
mod hook_program;
mod init;
mod install;
mod key;
mod output;
mod policy;
mod replaced_file;
mod running;
mod serve;
mod service;
mod session;
mod table;
mod task;

use clap::{Parser, Subcommand};
use output::fail;
use std::process::ExitCode;

/// Secrets for containers, the way Amazon ECS hands them out, from an encrypted local vault.
#[derive(Debug, Parser)]
#[command(name = "sealdock", version, propagate_version = true, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a data directory: vault, root key, certificates, configuration, starter policies
    Init(init::InitArguments),
    /// Run the broker of a data directory in the foreground
    Serve(serve::ServeArguments),
    /// Run a broker for development over plain HTTP on loopback, and print the variables to use it
    Dev(dev::DevArguments),
    /// Access keys for users and roles
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// Sessions of roles
    #[command(subcommand)]
    Session(session::SessionCommand),
    /// Run ECS task definitions on Docker
    #[command(subcommand)]
    Task(task::TaskCommand),
    /// Serve secrets and parameters to processes beside it, in the shapes of AWS's local agents
    ///
    /// On 127.0.0.1:2773 unless told otherwise. It reads as --role, as the role of the task that it is a
    /// container of, with the access key in the environment, or as the user that runs it. Values are kept
    /// for a while; each hand-out is decided and recorded by the broker, kept or not.
    Agent(Box<agent::AgentArguments>),
    /// Keep tasks running, and replace them without a refused connection
    #[command(subcommand)]
    Service(service::ServiceCommand),
    /// Make Docker, Podman or containerd use the runtime hook
    #[command(subcommand)]
    Install(install::InstallCommand),
    /// Make Docker forget the runtime hook
    #[command(subcommand)]
    Uninstall(install::UninstallCommand),
    /// List which containers hold which version of which secret, and which of these are outdated
    Bindings(bindings::BindingsArguments),
    /// Check and search the audit log
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Check policy documents
    #[command(subcommand)]
    Policy(policy::PolicyCommand),
    /// List the AWS operations and which of them this program serves
    Coverage(coverage::CoverageArguments),
}

/// A failed command: what to print and how to exit.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    text: String,
}

impl Failure {
    /// A failure with an exit code of the table in the module header.
    pub(crate) fn new(code: u8, text: impl std::fmt::Display) -> Self {
        Self { code, text: text.to_string() }
    }

    /// The same failure as `task run` counts it: a broker that does not answer has a code of its own there.
    pub(crate) fn of_launch(self) -> Self {
        Self { code: if self.code == 4 { 121 } else { self.code }, ..self }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

/// Parses the arguments, runs the command and returns its exit code.
pub fn main() -> ExitCode {
    // Called by Docker with runc's words, and for every command of every container:
    // it has rules of its own and no time to lose.
    let mut words = std::env::args_os().skip(1);
    if words.next().is_some_and(|word| word == "runtime-hook") {
        return crate::launch::hook::main(words);
    }
    let outcome = match Arguments::parse().command {
        Command::Init(arguments) => init::run(&arguments),
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Dev(arguments) => dev::run(&arguments),
        Command::Key(command) => key::run(command),
        Command::Session(command) => session::run(command),
        Command::Task(command) => task::run(command),
        Command::Agent(arguments) => agent::run(&arguments),
        Command::Service(command) => service::run(command),
        Command::Install(command) => install::install(&command),
        Command::Uninstall(command) => install::uninstall(&command),
        Command::Bindings(arguments) => bindings::run(&arguments),
        Command::Audit(command) => audit::run(&command),
        Command::Policy(command) => policy::run(&command),
        Command::Coverage(arguments) => coverage::run(&arguments),
    };
    match outcome {
        Ok(code) => code,
        Err(failure) => {
            fail(&failure.text);
            ExitCode::from(failure.code)
        }
    }
}
