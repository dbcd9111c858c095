//! `sealdock install docker` and `uninstall docker`: the runtime hook in Docker's own
//! configuration.
//!
//! The program that Docker is to call is written first. Then the file is replaced in
//! one step, Docker is told to read it again without a restart, and asked whether it
//! did. If it did not, both are put back, so that Docker's next start does not
//! stumble over it.

use super::Failure;
use super::broker::block_on;
use super::hook_arguments::{HookArguments, WrapperArguments};
use super::hook_program::HookProgram;
use super::output::say;
use super::replaced_file::replace;
use crate::diagnostic::render_all;
use crate::launch::{ContainerRuntime, Docker, RuntimeEntry, register, registered, unregister};
use clap::{Args, Subcommand};
use rustix::process::{Pid, Signal};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Longest wait for Docker to take the new configuration.
const PATIENCE: Duration = Duration::from_secs(15);

#[derive(Debug, Subcommand)]
pub(crate) enum InstallCommand {
    /// Register the runtime hook with Docker Engine, without a restart of it
    ///
    /// Afterwards `docker run --runtime sealdock -e DB=sealdock:REFERENCE ...` puts values into containers.
    /// Existing containers are not touched.
    Docker(InstallArguments),
    /// Write the runtime hook as a program for engines that take an OCI runtime as one path
    ///
    /// For `podman --runtime FILE`, `ctr run --runc-binary FILE`, and the `BinaryName` of a runtime in containerd's
    /// configuration.
    Wrapper(WrapperArguments),
}

#[derive(Debug, Subcommand)]
pub(crate) enum UninstallCommand {
    /// Take the runtime hook out of Docker's configuration
    Docker(UninstallArguments),
}

#[derive(Debug, Args)]
struct DockerConfig {
    /// Docker's configuration file
    #[arg(long, value_name = "FILE", default_value = "/etc/docker/daemon.json")]
    config: PathBuf,
    /// Name of the runtime
    #[arg(long, value_name = "NAME", default_value = "sealdock")]
    name: String,
    /// Docker's socket
    #[arg(long = "docker-host", env = "DOCKER_HOST", value_name = "unix://PATH")]
    docker_host: Option<String>,
    /// Only print the new configuration file
    #[arg(long)]
    dry_run: bool,
    /// Change the file only; Docker reads it at its next reload or start
    #[arg(long)]
    no_reload: bool,
}

#[derive(Debug, Args)]
pub(crate) struct InstallArguments {
    #[command(flatten)]
    docker: DockerConfig,
    #[command(flatten)]
    hook: HookArguments,
    /// Program to write, which Docker calls in place of runc [default: /usr/local/bin/NAME-runc]
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// Make it the default runtime, as Docker Swarm needs it: its services cannot name a runtime
    #[arg(long)]
    default: bool,
    /// Also if there are containers of an earlier registration that Docker cannot stop afterwards
    #[arg(long)]
    force: bool,
}

#[derive(Debug, Args)]
pub(crate) struct UninstallArguments {
    #[command(flatten)]
    docker: DockerConfig,
    /// Also if there are containers that were made for the runtime and cannot start without it
    #[arg(long)]
    force: bool,
}

pub(crate) fn install(command: &InstallCommand) -> Result<ExitCode, Failure> {
    match command {
        InstallCommand::Docker(arguments) => install_docker(arguments),
        InstallCommand::Wrapper(arguments) => arguments.install(),
    }
}

fn install_docker(arguments: &InstallArguments) -> Result<ExitCode, Failure> {
    let name = &arguments.docker.name;
    let path = arguments.program.clone().unwrap_or_else(|| format!("/usr/local/bin/{name}-runc").into());
    let program = arguments.hook.program(&path)?;
    let entry = RuntimeEntry {
        name: name.clone(),
        path: program.path().display().to_string(),
        is_default: arguments.default,
    };
    let change = |text: &str| register(text, &entry).map(Some);
    if arguments.docker.dry_run {
        apply(&arguments.docker, change, true)?;
        return Ok(ExitCode::SUCCESS);
    }
    // Docker keeps a script of its own for a runtime with arguments, and removes it with them.
    let earlier = std::fs::read_to_string(&arguments.docker.config).unwrap_or_default();
    if !arguments.force && registered(&earlier, name).is_some_and(|(_, has_arguments)| has_arguments) {
        refuse_users(&arguments.docker, "Docker could not stop them any more")?;
    }
    let is_new = program.write()?;
    let applied = apply(&arguments.docker, change, true).inspect_err(|_| program.restore())?;
    if is_new || matches!(applied, Applied::Written) {
        say(format_args!("runtime `{name}` is registered with Docker, as `{}`", entry.path));
    } else {
        say(format_args!("runtime `{name}` is registered already"));
    }
    arguments.hook.note_missing_broker();
    Ok(ExitCode::SUCCESS)
}

/// Fails if there are containers that were made for the runtime.
fn refuse_users(docker: &DockerConfig, why: &str) -> Result<(), Failure> {
    let engine = Docker::connect(docker.docker_host.as_deref()).map_err(|e| Failure::new(2, e))?;
    let users = block_on(engine.containers_of(&docker.name))?.map_err(|e| Failure::new(2, e))?;
    if users.is_empty() {
        return Ok(());
    }
    let (count, name, list) = (users.len(), &docker.name, users.join(", "));
    Err(Failure::new(
        2,
        format!(
            "{count} containers were made for the runtime `{name}`, and {why}: {list}; remove them, or use --force"
        ),
    ))
}

pub(crate) fn uninstall(command: &UninstallCommand) -> Result<ExitCode, Failure> {
    let UninstallCommand::Docker(arguments) = command;
    let name = &arguments.docker.name;
    if !arguments.force && !arguments.docker.dry_run {
        refuse_users(&arguments.docker, "they would not start again")?;
    }
    let earlier = std::fs::read_to_string(&arguments.docker.config).unwrap_or_default();
    match apply(&arguments.docker, |text| unregister(text, name), false)? {
        Applied::Printed => {}
        Applied::Unchanged => say(format_args!("runtime `{name}` is not registered")),
        Applied::Written => {
            say(format_args!("runtime `{name}` is not registered with Docker any more"));
            // Containers that run under it are stopped by it, and without a reload Docker still calls it.
            let is_used = arguments.force || arguments.docker.no_reload;
            if let Some((program, _)) = registered(&earlier, name).filter(|_| !is_used) {
                HookProgram::remove(program.as_ref())
                    .map_err(|e| Failure::new(2, format!("cannot remove `{program}`: {e}")))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

enum Applied {
    Printed,
    Unchanged,
    Written,
}

fn apply(
    docker: &DockerConfig,
    change: impl FnOnce(&str) -> Result<Option<String>, crate::diagnostic::Diagnostic>,
    wanted: bool,
) -> Result<Applied, Failure> {
    // A link stays one: what it leads to is changed.
    let path = docker.config.canonicalize().unwrap_or_else(|_| docker.config.clone());
    let shown = path.display().to_string();
    let old = match std::fs::read_to_string(&path) {
        Ok(text) => Some(text),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => None,
        Err(e) => return Err(Failure::new(2, format!("cannot read `{shown}`: {e}"))),
    };
    let text = old.clone().unwrap_or_default();
    let new = change(&text).map_err(|found| Failure::new(2, render_all(&[found], &shown, &text)))?;
    let new = new.unwrap_or_else(|| text.clone());
    if docker.dry_run {
        say(new.trim_end());
        return Ok(Applied::Printed);
    }
    let changed = old.as_ref() != Some(&new) && new != text;
    if changed {
        write(&path, &new).map_err(|e| Failure::new(2, format!("cannot write `{shown}`: {e}")))?;
    }
    if !docker.no_reload && !reload_and_check(docker, &new, wanted)? {
        let restored = match &old {
            Some(old) => write(&path, old),
            None => std::fs::remove_file(&path),
        };
        let _ = signal(&new);
        let outcome = restored.map_or_else(
            |e| format!("and the old one could not be put back: {e}"),
            |()| "and the old one is back".into(),
        );
        return Err(Failure::new(
            2,
            format!("Docker did not take the new `{shown}`, {outcome}; its own log says why"),
        ));
    }
    Ok(if changed { Applied::Written } else { Applied::Unchanged })
}

/// Replaces the file in one step; owner and mode stay.
fn write(path: &Path, text: &str) -> std::io::Result<()> {
    // The file may hold credentials of a proxy: nobody may read the new one before it has the old one's mode.
    replace(path, text, 0o600, |file| {
        let mode = match std::fs::metadata(path) {
            Ok(old) => {
                std::os::unix::fs::fchown(file, Some(old.uid()), Some(old.gid()))?;
                old.permissions()
            }
            Err(_) => std::fs::Permissions::from_mode(0o644),
        };
        file.set_permissions(mode)
    })
}

/// Tells Docker to read its configuration, and waits until its runtimes are as `wanted`.
fn reload_and_check(docker: &DockerConfig, config: &str, wanted: bool) -> Result<bool, Failure> {
    let engine = Docker::connect(docker.docker_host.as_deref()).map_err(|e| Failure::new(2, e))?;
    signal(config).map_err(|reason| {
        Failure::new(
            2,
            format!(
                "{reason}; the file is changed: reload Docker (`systemctl reload docker`), or use --no-reload"
            ),
        )
    })?;
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        // While it reads its configuration, Docker may close a connection.
        if block_on(engine.oci_runtimes())?.is_ok_and(|runtimes| runtimes.contains(&docker.name) == wanted) {
            return Ok(true);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(false)
}

/// SIGHUP to the daemon, which makes it read its configuration.
fn signal(config: &str) -> Result<(), String> {
    let config: serde_json::Value = serde_json::from_str(config).unwrap_or_default();
    let file = config.get("pidfile").and_then(serde_json::Value::as_str).unwrap_or("/var/run/docker.pid");
    let text = std::fs::read_to_string(file)
        .map_err(|e| format!("cannot read Docker's process id in `{file}`: {e}"))?;
    let pid = text
        .trim()
        .parse()
        .ok()
        .and_then(Pid::from_raw)
        .ok_or_else(|| format!("`{file}` holds no process id"))?;
    let name = std::fs::read_to_string(format!("/proc/{}/comm", pid.as_raw_nonzero())).unwrap_or_default();
    if name.trim() != "dockerd" {
        return Err(format!("process {} of `{file}` is not dockerd", pid.as_raw_nonzero()));
    }
    rustix::process::kill_process(pid, Signal::HUP).map_err(|e| format!("cannot signal dockerd: {e}"))
}
