//! The OCI runtime hook: `sealdock runtime-hook`, called by Docker in place of runc.
//!
//! ```text
//! dockerd -> containerd -> sealdock runtime-hook [options] -- --root R .. create --bundle B .. ID
//!                             B/config.json has DB=sealdock:arn:..:secret:db   -> broker -> value
//!                          -> runc --root R .. create --bundle B/sealdock .. ID   (config.json in memory)
//! ```
//!
//! Every other command of runc, and a container without references, is handed
//! over at once by `exec`: no runtime, no connection, nothing changed. How a
//! reference is written, and how it becomes a file instead of a variable, is in
//! [`reference`] and [`files`].
//!
//! It fails closed. If a reference cannot be resolved, for whatever reason, runc
//! is not called; the reason goes to standard error and into runc's log, from
//! where Docker shows it to the user. A process never sees a reference in place
//! of a value, except one of `docker exec` or a health check: Docker starts those
//! with the variables of the container's configuration, and they get values only
//! with `--exec inject`.
//!
//! Registered in Docker's `daemon.json`:
//!
//! ```json
//! {"runtimes": {"sealdock": {"path": "/usr/local/bin/sealdock",
//!   "runtimeArgs": ["runtime-hook", "--socket", "/run/sealdock.sock", "--"]}}}
//! ```

mod arguments;
mod edits;
mod files;
mod inject;
mod reference;
mod report;
mod spec;
mod staging;

pub(super) use reference::PREFIX;
pub(super) use spec::CONTROLS;

use crate::client::ClientError;
use crate::secret::SecretValue;
use arguments::{Options, RuncLine, Step};
use files::Placement;
use spec::Spec;
use staging::{MemoryFile, StagedBundle};
use std::ffi::OsString;
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus};

/// What the hook fails with; runc's own failures have 1.
const FAILURE: u8 = 1;

/// Why no process was made.
#[derive(Debug, thiserror::Error)]
enum HookError {
    /// The broker failed.
    #[error(transparent)]
    Broker(#[from] ClientError),
    /// Fewer values than references.
    #[error("a reference was left without a value")]
    Incomplete,
    /// A file could not be read or made.
    #[error("{what}: {cause}")]
    Io {
        /// What was tried.
        what: String,
        /// What the operating system said.
        cause: io::Error,
    },
    /// There is a reference without a Region and no Region is set.
    #[error("a parameter name without a Region needs SEALDOCK_REGION in the container's environment")]
    NoRegion,
    /// There are references and no role to read them as.
    #[error("the container has references but no SEALDOCK_EXECUTION_ROLE to read them as")]
    NoRole,
    /// A reference that the launcher did not write.
    #[error("environment variable `{0}` is a reference that is not part of the task: does the image set it?")]
    NotListed(String),
    /// The audit record could not be written.
    #[error("the injection cannot be recorded: {0}")]
    NotRecorded(ClientError),
    /// No credentials of the role.
    #[error("cannot act as the execution role `{0}`: {1}")]
    Session(String, ClientError),
    /// The description of the process cannot be understood.
    #[error("the container's description cannot be read: {0}")]
    Spec(String),
    /// The broker took too long.
    #[error("the broker took longer than {0} seconds")]
    TooSlow(u64),
    /// References without a value.
    #[error("{0}")]
    Unresolved(String),
    /// A wrong command line.
    #[error("{0}")]
    Usage(String),
}

/// Runs the hook with the words after `runtime-hook`. Returns only if it did not
/// turn into runc.
pub fn main(words: impl IntoIterator<Item = OsString>) -> ExitCode {
    let (options, line) = arguments::parse(words);
    match options.and_then(|options| handle(&options, &line)) {
        Ok(code) => code,
        Err(error) => {
            report::report(&format!("sealdock: {error}"), &line);
            ExitCode::from(FAILURE)
        }
    }
}

fn handle(options: &Options, line: &RuncLine) -> Result<ExitCode, HookError> {
    if let Some(source) = &options.place {
        return files::place(source).map(|()| ExitCode::SUCCESS);
    }
    match line.step(options)? {
        Step::PassOn => become_runc(options, line.words()),
        Step::Create { bundle, id } => {
            // Relative to where runc would look, and said in a way that holds elsewhere.
            let bundle = bundle.canonicalize().map_err(|e| io_error("cannot find", &bundle, e))?;
            let spec = Spec::bundle(read(&bundle.join("config.json"))?)?;
            let Some(values) = values(&spec, &id, options)? else {
                return become_runc(options, line.words());
            };
            let placement = Placement::new(&spec, &values, &bundle)?;
            let text = spec.rewrite(&values, &bundle, placement.as_ref())?;
            drop(values);
            let staged =
                StagedBundle::new(&bundle, &text).map_err(|e| io_error("cannot write into", &bundle, e))?;
            drop(text);
            let status = run(options, &line.with_bundle(staged.path()))?;
            if status.success() {
                staged.keep();
            }
            Ok(exit_code(status))
        }
        Step::Exec { process, id } => {
            let spec = Spec::process(read(&process)?)?;
            let Some(values) = values(&spec, &id, options)? else {
                return become_runc(options, line.words());
            };
            let text = spec.rewrite(&values, Path::new("/"), None)?;
            drop(values);
            let memory = MemoryFile::new(&text).map_err(|e| io_error("cannot hold", &process, e))?;
            drop(text);
            run(options, &line.with_process(&memory.path())).map(exit_code)
        }
    }
}

/// The values for the process; `None` if it has no references.
fn values(spec: &Spec, id: &str, options: &Options) -> Result<Option<Vec<SecretValue>>, HookError> {
    let variables = spec.variables();
    if variables.is_empty() {
        return Ok(None);
    }
    // A core file of this process would be a file with values in it. A limit on core
    // files would do as well, but the container would inherit it.
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
        .map_err(|e| HookError::Io { what: "cannot forbid core files".into(), cause: e.into() })?;
    inject::check_listed(spec, &variables)?;
    let target = inject::Target::new(spec, id, options)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|cause| HookError::Io { what: "cannot start".into(), cause })?;
    runtime.block_on(inject::inject(&variables, &target, options)).map(Some)
}

fn become_runc(options: &Options, words: &[OsString]) -> Result<ExitCode, HookError> {
    let cause = Command::new(&options.runc).args(words).exec();
    Err(no_runc(options, cause))
}

fn run(options: &Options, words: &[OsString]) -> Result<ExitStatus, HookError> {
    Command::new(&options.runc).args(words).status().map_err(|cause| no_runc(options, cause))
}

fn no_runc(options: &Options, cause: io::Error) -> HookError {
    HookError::Io { what: format!("cannot run `{}`", options.runc.display()), cause }
}

fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status.code().or_else(|| status.signal().map(|s| 128 + s));
    ExitCode::from(code.and_then(|c| u8::try_from(c).ok()).unwrap_or(FAILURE))
}

fn read(path: &PathBuf) -> Result<String, HookError> {
    std::fs::read_to_string(path).map_err(|e| io_error("cannot read", path, e))
}

fn io_error(what: &str, path: &Path, cause: io::Error) -> HookError {
    HookError::Io { what: format!("{what} `{}`", path.display()), cause }
}
