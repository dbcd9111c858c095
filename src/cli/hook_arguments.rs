//! How the runtime hook is called: its options, for Docker's configuration and for the
//! program that other engines call (`sealdock install wrapper`).

use super::Failure;
use super::hook_program::HookProgram;
use super::output::{say, tell};
use clap::{Args, ValueEnum};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const PATIENCE: u64 = 30;

#[derive(Debug, Args)]
pub(super) struct HookArguments {
    /// Broker's Unix socket
    #[arg(long, value_name = "PATH", default_value = "/run/sealdock.sock")]
    socket: PathBuf,
    /// Role for containers that name none
    #[arg(long, value_name = "ARN")]
    execution_role: Option<String>,
    /// Region of references without one, for containers that name none
    #[arg(long, value_name = "REGION")]
    region: Option<String>,
    /// What processes of `docker exec` and health checks get in place of references
    #[arg(long, value_enum, default_value_t = ExecArgument::Keep)]
    exec: ExecArgument,
    /// What becomes of references (and of the hook's settings) that an image brings along
    #[arg(long, value_enum, default_value_t = ImageArgument::Refuse)]
    image_references: ImageArgument,
    /// Seconds that the broker may take before a container is refused
    #[arg(long, value_name = "SECONDS", default_value_t = PATIENCE, value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,
    /// OCI runtime to hand over to
    #[arg(long, value_name = "PATH")]
    runc: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ExecArgument {
    /// The references, as Docker has them
    Keep,
    /// The values that the container was started with
    Inject,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ImageArgument {
    /// The container does not start, unless its label `sealdock.variables` names the variable
    Refuse,
    /// They count as if whoever starts the container had set them
    Allow,
}

impl HookArguments {
    /// The program for engines, to be written to `path`.
    pub(super) fn program(&self, path: &Path) -> Result<HookProgram, Failure> {
        let is_exec = matches!(self.exec, ExecArgument::Inject);
        let commands: &[&str] = if is_exec { &["create", "run", "exec"] } else { &["create", "run"] };
        let runc = self.runc.as_ref().map_or_else(|| "runc".into(), |runc| runc.display().to_string());
        HookProgram::new(path, &self.command_line()?, commands, &runc)
    }

    /// This program, and the words up to the dashes after which runc's come.
    fn command_line(&self) -> Result<Vec<String>, Failure> {
        let program =
            std::env::current_exe().map_err(|e| Failure::new(2, format!("cannot find this program: {e}")))?;
        let socket = self.socket()?.display().to_string();
        let mut words =
            vec![program.display().to_string(), "runtime-hook".to_owned(), "--socket".to_owned(), socket];
        let mut add = |option: &str, value: String| words.extend([option.to_owned(), value]);
        if let Some(role) = &self.execution_role {
            add("--execution-role", role.clone());
        }
        if let Some(region) = &self.region {
            add("--region", region.clone());
        }
        if let Some(runc) = &self.runc {
            add("--runc", runc.display().to_string());
        }
        if matches!(self.exec, ExecArgument::Inject) {
            add("--exec", "inject".to_owned());
        }
        if matches!(self.image_references, ImageArgument::Allow) {
            add("--image-references", "allow".to_owned());
        }
        if self.timeout != PATIENCE {
            add("--timeout", self.timeout.to_string());
        }
        words.push("--".to_owned());
        Ok(words)
    }

    pub(super) fn note_missing_broker(&self) {
        if let Ok(socket) = self.socket().map(|s| s.display().to_string())
            && !Path::new(&socket).exists()
        {
            tell(format_args!(
                "note: there is no broker at `{socket}` yet; containers with references do not start without it"
            ));
        }
    }

    fn socket(&self) -> Result<PathBuf, Failure> {
        std::path::absolute(&self.socket).map_err(|e| Failure::new(2, e))
    }
}

#[derive(Debug, Args)]
pub(crate) struct WrapperArguments {
    /// The program to write, such as /usr/local/bin/sealdock-runc
    file: PathBuf,
    #[command(flatten)]
    hook: HookArguments,
}

impl WrapperArguments {
    pub(super) fn install(&self) -> Result<ExitCode, Failure> {
        self.hook.program(&self.file)?.write()?;
        let shown = self.file.display();
        say(format_args!("`{shown}` is the runtime hook"));
        self.hook.note_missing_broker();
        Ok(ExitCode::SUCCESS)
    }
}
