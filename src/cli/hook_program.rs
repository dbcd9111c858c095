//! The program that engines call in place of runc: a script of a few lines.
//!
//! ```sh
//! #!/bin/sh
//! for word; do
//!   case $word in create | run) exec '/usr/local/bin/sealdock' 'runtime-hook' .. '--' "$@" ;; esac
//! done
//! exec 'runc' "$@"
//! ```
//!
//! Engines call their runtime four times and more for each container, and only one of
//! these calls concerns the hook. A shell starts in a fraction of the time that a
//! program of this size takes. A word is looked for wherever it stands, so that a
//! call too many may come to the hook, which passes it on, and never one too few.
//!
//! Docker is told the path alone: for a runtime with arguments it writes a script of
//! its own around it, which costs another process at each call.

use super::Failure;
use super::replaced_file::replace;
use std::path::{Path, PathBuf};

/// What the script says about itself, and what [`HookProgram::remove`] knows it by.
const MARK: &str = "# The runtime hook in front of runc, as `sealdock install` wrote it.";

/// The script, and where it is to be.
#[derive(Debug)]
pub(super) struct HookProgram {
    path: PathBuf,
    text: String,
    /// What was there before.
    old: Option<String>,
}

impl HookProgram {
    /// Nothing is written yet. `hook` are the words that call the hook, up to the dashes.
    ///
    /// # Errors
    /// The path leads nowhere, or to something else.
    pub(super) fn new(path: &Path, hook: &[String], commands: &[&str], runc: &str) -> Result<Self, Failure> {
        let path = std::path::absolute(path).map_err(|e| Failure::new(2, e))?;
        let shown = path.display();
        let old = match std::fs::read_to_string(&path) {
            Ok(text) if text.contains(MARK) => Some(text),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => None,
            Ok(_) => {
                return Err(Failure::new(2, format!("`{shown}` is something else: choose another name")));
            }
            Err(e) => return Err(Failure::new(2, format!("cannot read `{shown}`: {e}"))),
        };
        Ok(Self { text: text(hook, commands, runc), path, old })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes it; whether that changed anything.
    pub(super) fn write(&self) -> Result<bool, Failure> {
        let changes = self.old.as_ref() != Some(&self.text);
        if changes {
            let shown = self.path.display();
            write(&self.path, &self.text)
                .map_err(|e| Failure::new(2, format!("cannot write `{shown}`: {e}")))?;
        }
        Ok(changes)
    }

    /// Puts back what was there.
    pub(super) fn restore(&self) {
        let _ = match &self.old {
            Some(old) => write(&self.path, old),
            None => std::fs::remove_file(&self.path),
        };
    }

    /// Removes what an earlier [`HookProgram`] wrote there, and nothing else.
    pub(super) fn remove(path: &Path) -> std::io::Result<()> {
        match std::fs::read_to_string(path) {
            Ok(text) if text.contains(MARK) => std::fs::remove_file(path),
            _ => Ok(()),
        }
    }
}

fn text(hook: &[String], commands: &[&str], runc: &str) -> String {
    let hook: Vec<String> = hook.iter().map(|word| quoted(word)).collect();
    format!(
        "#!/bin/sh\n{MARK}\nfor word; do\n  case $word in {}) exec {} \"$@\" ;; esac\ndone\nexec {} \"$@\"\n",
        commands.join(" | "),
        hook.join(" "),
        quoted(runc),
    )
}

/// A word for the shell.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    replace(path, text, 0o755, |_| Ok(()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn words_stay_words_for_the_shell() {
        assert_eq!(quoted("/run/a b.sock"), "'/run/a b.sock'");
        assert_eq!(quoted("it's $HOME"), r"'it'\''s $HOME'");
    }

    #[test]
    fn only_what_concerns_the_hook_comes_to_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a/sealdock-runc");
        let hook = ["/bin/echo", "hook", "it's $HOME", "--"].map(str::to_owned);
        let program = HookProgram::new(&path, &hook, &["create", "run"], "/bin/echo").unwrap();
        assert!(program.write().unwrap());
        let says = |words: &[&str]| {
            let output = Command::new(&path).args(words).output().unwrap();
            String::from_utf8(output.stdout).unwrap()
        };
        let create = ["--root", "/r x", "--log", "", "create", "--bundle", "/b", "id"];
        assert_eq!(says(&create), "hook it's $HOME -- --root /r x --log  create --bundle /b id\n");
        assert_eq!(says(&["run", "id"]), "hook it's $HOME -- run id\n");
        for command in ["start", "state", "kill", "delete", "exec", "features", "created"] {
            assert_eq!(says(&["--root", "a  b", command, "id"]), format!("--root a  b {command} id\n"));
        }
        // A container of that name: the hook passes it on.
        assert_eq!(says(&["delete", "create"]), "hook it's $HOME -- delete create\n");
        assert_eq!(says(&[]), "\n");
    }

    #[test]
    fn nothing_else_is_overwritten_or_removed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("p");
        std::fs::write(&path, "#!/bin/sh\n").unwrap();
        let new = |word: &str| HookProgram::new(&path, &[word.to_owned()], &["create"], "runc");
        assert!(new("a").is_err());
        HookProgram::remove(&path).unwrap();
        assert!(path.exists());
        std::fs::remove_file(&path).unwrap();
        new("a").unwrap().write().unwrap();
        assert!(!new("a").unwrap().write().unwrap(), "a second time changes something");
        let other = new("b").unwrap();
        other.write().unwrap();
        other.restore();
        assert!(std::fs::read_to_string(&path).unwrap().contains("exec 'a'"));
        HookProgram::remove(&path).unwrap();
        assert!(!path.exists());
    }
}
