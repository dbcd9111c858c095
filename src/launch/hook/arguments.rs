//! The two command lines of the hook: its own options, and runc's.
//!
//! ```text
//! [--socket PATH] [--runc PATH] [--execution-role ARN] [--region NAME] [--exec keep|inject]
//! [--image-references refuse|allow] [--timeout SECONDS] --  RUNC...
//! RUNC = [global flags] COMMAND [flags] ID      e.g.  --root R --log F --log-format json create --bundle B ID
//! ```
//!
//! Of runc's line only what the hook needs is understood; every other word is
//! passed on as it came. The command is the first word that is a command of an
//! OCI runtime, so that an unknown global flag with a value cannot hide it.

use super::HookError;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

const COMMANDS: [&str; 15] = [
    "checkpoint",
    "create",
    "delete",
    "events",
    "exec",
    "features",
    "kill",
    "list",
    "pause",
    "ps",
    "restore",
    "resume",
    "run",
    "start",
    "state",
];

/// The hook's own options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Options {
    /// The broker's Unix socket.
    pub(super) socket: PathBuf,
    /// The OCI runtime to hand over to.
    pub(super) runc: PathBuf,
    /// The role for containers that name none.
    pub(super) execution_role: Option<String>,
    /// The Region of references without one, for containers that name none.
    pub(super) region: Option<String>,
    /// Whether processes of `docker exec` and health checks get values too.
    pub(super) inject_exec: bool,
    /// Whether references and settings count that the image has set.
    pub(super) trust_images: bool,
    /// Seconds that the broker has for each of the two requests.
    pub(super) timeout: u64,
    /// Called by runc itself, to write the files that are described there.
    pub(super) place: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            socket: "/run/sealdock.sock".into(),
            runc: "runc".into(),
            execution_role: None,
            region: None,
            inject_exec: false,
            trust_images: false,
            timeout: 30,
            place: None,
        }
    }
}

/// runc's command line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct RuncLine {
    words: Vec<OsString>,
    /// Position of the command.
    command: Option<usize>,
}

/// What the hook has to do before runc runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The process of the container is made out of the bundle in this directory.
    Create {
        /// The bundle.
        bundle: PathBuf,
        /// The container's id.
        id: String,
        /// Whether the container's program runs at once, and not only when `start` comes.
        runs: bool,
    },
    /// Another process is made in a container, out of this file.
    Exec {
        /// The description of the process.
        process: PathBuf,
        /// The container's id.
        id: String,
    },
    /// Nothing.
    PassOn,
}

/// Reads both. The options fail if one does not exist or lacks its value; runc's
/// line is needed even then, to say so in its log.
pub(super) fn parse(arguments: impl IntoIterator<Item = OsString>) -> (Result<Options, HookError>, RuncLine) {
    let mut options = Options::default();
    let mut arguments = arguments.into_iter();
    let mut wrong = None;
    while let Some(word) = arguments.next() {
        if word == "--" {
            break;
        }
        let text = word.to_string_lossy().into_owned();
        let (name, inline) = match text.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(OsString::from(value))),
            None => (text, None),
        };
        let value = inline.or_else(|| arguments.next()).unwrap_or_default();
        let result = options.set(&name, value);
        wrong = wrong.or(result.err());
    }
    let line = RuncLine::new(arguments.collect());
    (wrong.map_or(Ok(options), Err), line)
}

impl Options {
    fn set(&mut self, name: &str, value: OsString) -> Result<(), HookError> {
        let text = || value.to_string_lossy().into_owned();
        if value.is_empty() {
            return Err(HookError::Usage(format!("`{name}` needs a value")));
        }
        match name {
            "--socket" => self.socket = value.into(),
            "--runc" => self.runc = value.into(),
            "--execution-role" => self.execution_role = Some(text()),
            "--region" => self.region = Some(text()),
            "--place" => self.place = Some(value.into()),
            "--exec" => self.inject_exec = choice(name, &text(), ["keep", "inject"])?,
            "--image-references" => self.trust_images = choice(name, &text(), ["refuse", "allow"])?,
            "--timeout" => {
                let seconds = text().parse().ok().filter(|seconds| (1..=3600).contains(seconds));
                self.timeout = seconds.ok_or_else(|| {
                    HookError::Usage(format!(
                        "`--timeout {}` is not a number of seconds from 1 to 3600",
                        text()
                    ))
                })?;
            }
            _ => return Err(HookError::Usage(format!("`{name}` is not an option of runtime-hook"))),
        }
        Ok(())
    }
}

/// Whether it is the second of two words.
fn choice(name: &str, word: &str, [no, yes]: [&str; 2]) -> Result<bool, HookError> {
    if word == no || word == yes {
        return Ok(word == yes);
    }
    Err(HookError::Usage(format!("`{name} {word}` is not `{no}` or `{yes}`")))
}

impl RuncLine {
    fn new(words: Vec<OsString>) -> Self {
        let command = words.iter().position(|w| COMMANDS.iter().any(|c| w == c));
        Self { words, command }
    }

    /// The words, for runc.
    pub(super) fn words(&self) -> &[OsString] {
        &self.words
    }

    /// What there is to do.
    ///
    /// # Errors
    /// A `create` or `exec` without its id.
    pub(super) fn step(&self, options: &Options) -> Result<Step, HookError> {
        let command = self.command.and_then(|at| self.words.get(at)).and_then(|w| w.to_str());
        match command {
            Some(word @ ("create" | "run")) => {
                let bundle = self.flag(&["--bundle", "-b"]).map_or_else(|| PathBuf::from("."), PathBuf::from);
                Ok(Step::Create { bundle, id: self.last("create")?, runs: word == "run" })
            }
            Some("exec") if options.inject_exec => match self.flag(&["--process", "-p"]) {
                // The id comes after the flags, and with a process file nothing follows it.
                Some(process) => Ok(Step::Exec { process: process.into(), id: self.last("exec")? }),
                None => Ok(Step::PassOn),
            },
            _ => Ok(Step::PassOn),
        }
    }

    /// The global flags, and `delete --force` of a container.
    pub(super) fn delete(&self, id: &str) -> Vec<OsString> {
        let flags = self.words.iter().take(self.command.unwrap_or(0)).cloned();
        flags.chain(["delete", "--force", id].map(OsString::from)).collect()
    }

    /// Where runc keeps what it knows of its containers.
    pub(super) fn root(&self) -> PathBuf {
        self.flag(&["--root"]).map_or_else(|| "/run/runc".into(), PathBuf::from)
    }

    /// The file for runc's messages, which Docker reads after a failure.
    pub(super) fn log(&self) -> Option<PathBuf> {
        self.flag(&["--log"]).map(PathBuf::from)
    }

    /// Whether that file has JSON lines.
    pub(super) fn log_is_json(&self) -> bool {
        self.flag(&["--log-format"]).is_some_and(|f| f == "json")
    }

    /// The words with another bundle directory.
    pub(super) fn with_bundle(&self, bundle: &Path) -> Vec<OsString> {
        self.with(&["--bundle", "-b"], "--bundle", bundle)
    }

    /// The words with another process file.
    pub(super) fn with_process(&self, process: &Path) -> Vec<OsString> {
        self.with(&["--process", "-p"], "--process", process)
    }

    fn last(&self, command: &str) -> Result<String, HookError> {
        let after = self.words.iter().skip(self.command.map_or(0, |at| at + 1));
        let id = after.last().and_then(|w| w.to_str()).filter(|w| !w.starts_with('-'));
        id.map(str::to_owned).ok_or_else(|| HookError::Usage(format!("`{command}` without a container id")))
    }

    fn flag(&self, names: &[&str]) -> Option<OsString> {
        let mut words = self.words.iter();
        let mut found = None;
        while let Some(word) = words.next() {
            if names.iter().any(|n| word == n) {
                found = words.next().cloned();
            } else if let Some(value) = inline(word, names) {
                found = Some(value.into());
            }
        }
        found
    }

    fn with(&self, names: &[&str], name: &str, value: &Path) -> Vec<OsString> {
        let mut words = Vec::with_capacity(self.words.len() + 2);
        let mut rest = self.words.iter().enumerate();
        while let Some((at, word)) = rest.next() {
            if names.iter().any(|n| word == n) {
                rest.next();
            } else if inline(word, names).is_none() {
                words.push(word.clone());
            }
            if Some(at) == self.command {
                words.push(name.into());
                words.push(value.into());
            }
        }
        words
    }
}

fn inline<'a>(word: &'a OsString, names: &[&str]) -> Option<&'a str> {
    let (name, value) = word.to_str()?.split_once('=')?;
    names.contains(&name).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split_whitespace().map(OsString::from).collect()
    }

    fn line(text: &str) -> RuncLine {
        RuncLine::new(words(text))
    }

    #[test]
    fn own_options_end_at_the_dashes() {
        let (options, runc) =
            parse(words("--socket /s --runc=/r --exec inject --region eu-west-1 -- --root /x state id"));
        let options = options.unwrap();
        assert_eq!((options.socket.to_str(), options.runc.to_str()), (Some("/s"), Some("/r")));
        assert!(options.inject_exec);
        assert_eq!(runc.words(), words("--root /x state id"));
        assert_eq!(runc.step(&options).unwrap(), Step::PassOn);
    }

    #[test]
    fn a_wrong_option_still_gives_the_runc_line() {
        let (options, runc) = parse(words("--sokcet /s -- --log /l create id"));
        assert_eq!(options.unwrap_err().to_string(), "`--sokcet` is not an option of runtime-hook");
        assert_eq!(runc.log(), Some("/l".into()));
        for wrong in ["--exec perhaps", "--image-references maybe", "--timeout 0", "--timeout soon"] {
            assert!(parse(words(&format!("{wrong} -- state x"))).0.is_err(), "{wrong}");
        }
        let (options, _) = parse(words("--image-references allow --timeout 5 -- state x"));
        let options = options.unwrap();
        assert_eq!((options.trust_images, options.timeout), (true, 5));
        assert!(parse(words("--socket")).0.is_err());
    }

    #[test]
    fn docker_and_podman_lines() {
        let docker =
            line("--root /r --log /b/log.json --log-format json create --bundle /b --pid-file /b/p abc");
        let step = Step::Create { bundle: "/b".into(), id: "abc".into(), runs: false };
        assert_eq!(docker.step(&Options::default()).unwrap(), step);
        assert!(docker.log_is_json());
        assert_eq!(
            docker.with_bundle(Path::new("/n")),
            words("--root /r --log /b/log.json --log-format json create --bundle /n --pid-file /b/p abc")
        );
        let podman = line("--cgroup-manager systemd --log=/l --log-format=json create --bundle=/b abc");
        assert_eq!(podman.step(&Options::default()).unwrap(), step);
        assert_eq!((podman.log(), podman.log_is_json()), (Some("/l".into()), true));
        assert_eq!(
            podman.with_bundle(Path::new("/n")),
            words("--cgroup-manager systemd --log=/l --log-format=json create --bundle /n abc")
        );
        let bare = line("create abc");
        assert_eq!(
            bare.step(&Options::default()).unwrap(),
            Step::Create { bundle: ".".into(), id: "abc".into(), runs: false }
        );
        assert_eq!(bare.with_bundle(Path::new("/n")), words("create --bundle /n abc"));
    }

    #[test]
    fn exec_is_touched_only_when_asked_for() {
        let exec = line("--root /r exec --process /tmp/p --detach --pid-file /q abc");
        assert_eq!(exec.step(&Options::default()).unwrap(), Step::PassOn);
        let inject = Options { inject_exec: true, ..Options::default() };
        assert_eq!(exec.step(&inject).unwrap(), Step::Exec { process: "/tmp/p".into(), id: "abc".into() });
        assert_eq!(line("exec abc ls").step(&inject).unwrap(), Step::PassOn);
        assert_eq!(
            exec.with_process(Path::new("/n")),
            words("--root /r exec --process /n --detach --pid-file /q abc")
        );
    }

    #[test]
    fn what_was_made_can_be_deleted() {
        let line = line("--root /r --log /l create --bundle /b abc");
        assert_eq!(line.delete("abc"), words("--root /r --log /l delete --force abc"));
        assert_eq!((line.root(), RuncLine::default().root()), ("/r".into(), "/run/runc".into()));
    }

    #[test]
    fn create_needs_an_id() {
        assert!(line("create --no-pivot").step(&Options::default()).is_err());
    }
}
