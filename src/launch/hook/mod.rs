//! The OCI runtime hook: `sealdock runtime-hook`, called by Docker in place of runc.
//!
//! ```text
//! dockerd -> containerd -> sealdock runtime-hook [options] -- --root R .. create --bundle B .. ID
//!                             B/config.json has DB=sealdock:arn:..:secret:db   -> broker -> value
//!                          -> runc --root R .. create --bundle B/sealdock .. ID   (config.json in memory)
//! ```
//!
//! Every other command of runc, and a container without references, is handed
//! over at once by `exec`: no connection, nothing changed. With references, runc
//! starts while the broker is at work, and waits in opening its `config.json`
//! until there is one ([`memory_file`]). How a
//! reference is written, and how it becomes a file instead of a variable, is in
//! [`reference`] and [`files`]; what an image may not say is in [`target`].
//!
//! It fails closed. If a reference cannot be resolved, for whatever reason, runc
//! has nothing to make a container of and is ended; the reason goes to standard error and into runc's log, from
//! where Docker shows it to the user. A process never sees a reference in place
//! of a value, except one of `docker exec` or a health check: Docker starts those
//! with the variables of the container's configuration, and they get values only
//! with `--exec inject`.
//!
//! Engines call it by a script that sends it only what concerns it (`sealdock install`);
//! Docker's `daemon.json` may also name it with arguments:
//!
//! ```json
//! {"runtimes": {"sealdock": {"path": "/usr/local/bin/sealdock",
//!   "runtimeArgs": ["runtime-hook", "--socket", "/run/sealdock.sock", "--"]}}}
//! ```

mod arguments;
mod edits;
mod files;
mod inject;
mod memory_file;
mod provenance;
mod reference;
mod report;
mod runc;
mod spec;
mod staging;
mod target;

pub(super) use reference::PREFIX;
pub(super) use spec::CONTROLS;

use crate::client::ClientError;
use arguments::{Options, RuncLine, Step};
use files::Placement;
use inject::Connection;
use memory_file::MemoryFile;
use provenance::Provenance;
use runc::Runc;
use spec::Spec;
use staging::StagedBundle;
use std::ffi::OsString;
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus};
use std::time::Duration;
use target::Target;

/// What the hook fails with; runc's own failures have 1.
const FAILURE: u8 = 1;

/// Why no process was made.
#[derive(Debug, thiserror::Error)]
enum HookError {
    /// The broker failed.
    #[error(transparent)]
    Broker(#[from] ClientError),
    /// The image sets a reference.
    #[error(
        "environment variable `{0}` is a reference that the image sets, and an image must not choose secrets for itself: \
         name it in the label `sealdock.variables` of the container if it is meant to get the value, or set it to \
         something else"
    )]
    ImageReference(String),
    /// The image sets what is for whoever starts the container to say.
    #[error(
        "{0} is set by the image, and it must not say what its containers get: set it where the container is started"
    )]
    ImageSetting(String),
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
    /// A file for a process of `docker exec` alone.
    #[error(
        "environment variable `{0}`: a file is made when the container starts, and not for a process in it"
    )]
    NoNewFile(String),
    /// There is a reference without a Region and no Region is set.
    #[error("a parameter name without a Region needs SEALDOCK_REGION in the container's environment")]
    NoRegion,
    /// There are references and no role to read them as.
    #[error(
        "the container has references but no SEALDOCK_EXECUTION_ROLE to read them as (nor a label or annotation \
         `sealdock.execution-role`)"
    )]
    NoRole,
    /// A reference that the launcher did not write.
    #[error(
        "environment variable `{0}` is a reference that is not part of the task and not in its list of variables: does \
         the image set it?"
    )]
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
    /// The image may have set it.
    #[error(
        "whether the image sets {0} cannot be told ({1}): name the variables that may be references in the annotation \
         `sealdock.variables`, and other settings in annotations too, or register the hook with \
         `--image-references allow`"
    )]
    UnknownOrigin(String, String),
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
        Step::Create { bundle, id, runs } => create(options, line, &bundle, &id, runs),
        Step::Exec { process, id } => exec(options, line, &process, &id),
    }
}

/// Makes the container's process. It waits for `start`, so that what it gets can be put on record
/// while runc is at work.
fn create(
    options: &Options,
    line: &RuncLine,
    bundle: &Path,
    id: &str,
    runs: bool,
) -> Result<ExitCode, HookError> {
    // Relative to where runc would look, and said in a way that holds elsewhere.
    let bundle = bundle.canonicalize().map_err(|e| io_error("cannot find", bundle, e))?;
    let spec = Spec::bundle(read(&bundle.join("config.json"))?)?;
    let variables = spec.variables();
    if variables.is_empty() {
        return become_runc(options, line.words());
    }
    let provenance = Provenance::find(&spec, &bundle, id, options.trust_images);
    let target = Target::new(&spec, &provenance, id, options)?;
    target.check(&spec, &provenance, &variables)?;
    keep_out_of_core_files()?;
    let mut broker = Connection::new(options);
    let asked = broker.ask(&variables, &target)?;
    let cannot_write = |e| io_error("cannot write into", &bundle, e);
    let memory = MemoryFile::awaited(Duration::from_secs(options.timeout)).map_err(cannot_write)?;
    let starts_early = memory.is_waited_for();
    let mut staged = StagedBundle::new(&bundle, memory).map_err(cannot_write)?;
    let mut runc = Runc::new(options, line.with_bundle(staged.path()));
    if starts_early {
        // It waits for its `config.json`; until then it only gets going.
        runc.start()?;
    }
    let (values, unrecorded) = broker.values(asked, &variables, &target)?;
    let placement = Placement::new(&spec, &values, &bundle)?;
    let text = spec.rewrite(&values, &bundle, placement.as_ref())?;
    drop(values);
    let mut unrecorded = Some(unrecorded);
    if runs && let Some(unrecorded) = unrecorded.take() {
        broker.record(unrecorded)?;
    }
    staged.fill(&text).map_err(cannot_write)?;
    drop(text);
    let runc = runc.go()?;
    let recorded = unrecorded.map_or(Ok(()), |unrecorded| broker.record(unrecorded));
    let status = runc.end()?;
    if let Err(error) = recorded {
        // Nothing of the container's own has run.
        Runc::new(options, line.delete(id)).go()?.end()?;
        return Err(error);
    }
    if status.success() {
        staged.keep();
    }
    Ok(exit_code(status))
}

/// Makes another process in a container, for `docker exec` or a health check.
fn exec(options: &Options, line: &RuncLine, process: &Path, id: &str) -> Result<ExitCode, HookError> {
    let spec = Spec::process(read(process)?)?;
    let variables = spec.variables();
    if variables.is_empty() {
        return become_runc(options, line.words());
    }
    let bundle = made_from(&line.root(), id)?;
    let container = Spec::bundle(read(&bundle.join("config.json"))?)?;
    let known = container.variables();
    if let Some(new) = variables.iter().find(|v| v.file.is_some() && !known.contains(v)) {
        return Err(HookError::NoNewFile(new.name.clone()));
    }
    let provenance = Provenance::find(&container, &bundle, id, options.trust_images);
    let target = Target::new(&spec, &provenance, id, options)?;
    target.check(&spec, &provenance, &variables)?;
    keep_out_of_core_files()?;
    let mut broker = Connection::new(options);
    let asked = broker.ask(&variables, &target)?;
    let (values, unrecorded) = broker.values(asked, &variables, &target)?;
    broker.record(unrecorded)?;
    let text = spec.rewrite(&values, Path::new("/"), None)?;
    drop(values);
    let memory = MemoryFile::new(&text).map_err(|e| io_error("cannot hold", process, e))?;
    drop(text);
    Runc::new(options, line.with_process(&memory.path())).go()?.end().map(exit_code)
}

/// The bundle that runc has made a container from.
fn made_from(root: &Path, id: &str) -> Result<PathBuf, HookError> {
    #[derive(serde::Deserialize)]
    struct State {
        config: Config,
    }
    #[derive(serde::Deserialize)]
    struct Config {
        labels: Vec<String>,
    }
    let path = root.join(id).join("state.json");
    let state: State = serde_json::from_str(&read(&path)?)
        .map_err(|e| HookError::Spec(format!("`{}`: {e}", path.display())))?;
    let bundle = state.config.labels.iter().find_map(|label| label.strip_prefix("bundle="));
    let bundle = bundle.ok_or_else(|| HookError::Spec(format!("`{}` names no bundle", path.display())))?;
    Ok(staging::original(Path::new(bundle)).to_owned())
}

/// A core file of this process would be a file with values in it. A limit on core files would do as
/// well, but the container would inherit it.
fn keep_out_of_core_files() -> Result<(), HookError> {
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
        .map_err(|e| HookError::Io { what: "cannot forbid core files".into(), cause: e.into() })
}

fn become_runc(options: &Options, words: &[OsString]) -> Result<ExitCode, HookError> {
    let cause = Command::new(&options.runc).args(words).exec();
    Err(no_runc(options, cause))
}

fn no_runc(options: &Options, cause: io::Error) -> HookError {
    HookError::Io { what: format!("cannot run `{}`", options.runc.display()), cause }
}

fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status.code().or_else(|| status.signal().map(|s| 128 + s));
    ExitCode::from(code.and_then(|c| u8::try_from(c).ok()).unwrap_or(FAILURE))
}

fn read(path: &Path) -> Result<String, HookError> {
    std::fs::read_to_string(path).map_err(|e| io_error("cannot read", path, e))
}

fn io_error(what: &str, path: &Path, cause: io::Error) -> HookError {
    HookError::Io { what: format!("{what} `{}`", path.display()), cause }
}
