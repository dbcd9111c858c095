//! A variable whose value is a reference, as people write it in a container's environment.
//!
//! ```text
//! DB_PASSWORD=sealdock:REFERENCE                                    the variable gets the value
//! DB_PASSWORD_FILE=sealdock-file:REFERENCE                          the variable gets the path of a file with the value
//! DB_PASSWORD_FILE=sealdock-file(path=/run/pg/pw,mode=0440,uid=70,gid=70):REFERENCE
//! ```
//!
//! A value without the prefix is no reference, whatever it looks like: a plain ARN
//! stays a plain ARN. Files are in `/run/secrets` under the variable's name, belong
//! to the user that the process runs as and are readable by that user alone, unless
//! the options in parentheses say otherwise.

use super::HookError;
use std::path::{Component, Path, PathBuf};

/// What the value of a variable begins with to be a reference.
pub(in crate::launch) const PREFIX: &str = "sealdock:";
const FILE_PREFIX: &str = "sealdock-file";
const FILE_DIRECTORY: &str = "/run/secrets";
const FILE_MODE: u32 = 0o400;

/// Directories that a tmpfs in their place would break the container of.
const SYSTEM: [&str; 19] = [
    "bin", "boot", "dev", "etc", "home", "lib", "lib32", "lib64", "media", "mnt", "opt", "root", "run",
    "sbin", "srv", "sys", "tmp", "usr", "var",
];
/// File systems of the kernel, in which nothing of ours can be.
const KERNEL: [&str; 3] = ["dev", "proc", "sys"];

/// A variable that holds a reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Variable {
    /// Its name.
    pub(super) name: String,
    /// The reference, without prefix and options.
    pub(super) reference: String,
    /// Where the value goes, if it is not the variable itself.
    pub(super) file: Option<FileTarget>,
}

/// A file in the container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FileTarget {
    /// Absolute, without `..`.
    pub(super) path: PathBuf,
    /// Permission bits.
    pub(super) mode: u32,
    /// Owner, as the container sees it; the process's own user unless given.
    pub(super) uid: Option<u32>,
    /// Group, likewise.
    pub(super) gid: Option<u32>,
}

impl FileTarget {
    /// The directory that becomes a tmpfs.
    pub(super) fn directory(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("/"))
    }
}

impl Variable {
    /// The reference in `NAME=VALUE`; `None` if the value is none.
    ///
    /// # Errors
    /// Options of a file that do not exist or cannot be.
    pub(super) fn parse(name: &str, value: &str) -> Result<Option<Self>, HookError> {
        let variable = |reference: &str, file| {
            Some(Self { name: name.to_owned(), reference: reference.to_owned(), file })
        };
        if let Some(reference) = value.strip_prefix(PREFIX) {
            return Ok(variable(reference, None));
        }
        let Some(rest) = value.strip_prefix(FILE_PREFIX) else { return Ok(None) };
        let (options, reference) = match rest.strip_prefix('(') {
            Some(inner) => {
                inner.split_once("):").ok_or_else(|| wrong(name, "`sealdock-file(` is not closed by `):`"))?
            }
            None => match rest.strip_prefix(':') {
                Some(reference) => ("", reference),
                None => return Ok(None),
            },
        };
        Ok(variable(reference, Some(target(name, options)?)))
    }
}

fn target(variable: &str, options: &str) -> Result<FileTarget, HookError> {
    let mut target =
        FileTarget { path: Path::new(FILE_DIRECTORY).join(variable), mode: FILE_MODE, uid: None, gid: None };
    for option in options.split(',').map(str::trim).filter(|option| !option.is_empty()) {
        let refused = |reason: &str| wrong(variable, &format!("`{option}`: {reason}"));
        let (key, value) = option.split_once('=').ok_or_else(|| refused("is not of the form `key=value`"))?;
        let number = || value.parse().map_err(|_| refused("is not a number from 0 to 4294967295"));
        match key {
            "path" => target.path = value.into(),
            "mode" => {
                target.mode = u32::from_str_radix(value, 8)
                    .ok()
                    .filter(|mode| *mode <= 0o777)
                    .ok_or_else(|| refused("is not an octal number from 0 to 0777"))?;
            }
            "uid" => target.uid = Some(number()?),
            "gid" => target.gid = Some(number()?),
            _ => return Err(refused("the options are `path`, `mode`, `uid` and `gid`")),
        }
    }
    check_path(&target.path)
        .map_err(|reason| wrong(variable, &format!("`{}`: {reason}", target.path.display())))?;
    Ok(target)
}

/// The directory of the file is covered by a tmpfs, so it must not be one that the
/// container cannot do without.
fn check_path(path: &Path) -> Result<(), &'static str> {
    let mut parts = path.components();
    if parts.next() != Some(Component::RootDir) || path.to_string_lossy().ends_with('/') {
        return Err("a file needs an absolute path");
    }
    let mut names = Vec::new();
    for part in parts {
        match part {
            Component::Normal(name) => names.push(name.to_str().ok_or("the path is not UTF-8")?),
            _ => return Err("the path must not go up"),
        }
    }
    match names.as_slice() {
        [] | [_] => Err("a file cannot be in the root directory"),
        [top, ..] if KERNEL.contains(top) => Err("no file can be in a file system of the kernel"),
        [top, _] if SYSTEM.contains(top) => {
            Err("its directory becomes a tmpfs that hides everything else in it: use a directory of its own")
        }
        _ => Ok(()),
    }
}

fn wrong(variable: &str, reason: &str) -> HookError {
    HookError::Unresolved(format!("environment variable `{variable}`: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(value: &str) -> FileTarget {
        Variable::parse("PW_FILE", value).unwrap().unwrap().file.unwrap()
    }

    fn refused(value: &str) -> String {
        Variable::parse("PW_FILE", value).unwrap_err().to_string()
    }

    #[test]
    fn only_prefixed_values_are_references() {
        for plain in [
            "",
            "arn:aws:secretsmanager:us-east-1:1:secret:db",
            "sealdock",
            "sealdock-files:x",
            "sealdock-file",
        ] {
            assert_eq!(Variable::parse("A", plain).unwrap(), None, "{plain}");
        }
        let variable = Variable::parse("A", "sealdock:/p").unwrap().unwrap();
        assert_eq!((variable.reference.as_str(), variable.file), ("/p", None));
    }

    #[test]
    fn files_have_a_place_a_mode_and_an_owner() {
        let plain = file("sealdock-file:/p:3");
        assert_eq!(
            plain,
            FileTarget { path: "/run/secrets/PW_FILE".into(), mode: 0o400, uid: None, gid: None }
        );
        let all = file("sealdock-file(path=/app/conf/pw, mode=0440,uid=70,gid=71):arn:x");
        assert_eq!(
            all,
            FileTarget { path: "/app/conf/pw".into(), mode: 0o440, uid: Some(70), gid: Some(71) }
        );
        assert_eq!(all.directory(), Path::new("/app/conf"));
        assert_eq!(file("sealdock-file(path=/secrets/pw):/p").directory(), Path::new("/secrets"));
    }

    #[test]
    fn what_cannot_be_is_named() {
        for (options, reason) in [
            ("mode=9", "octal"),
            ("mode=1777", "octal"),
            ("uid=-1", "number"),
            ("owner=me", "the options are"),
            ("mode", "key=value"),
            ("path=pw", "absolute"),
            ("path=/run/secrets/", "absolute"),
            ("path=/pw", "root directory"),
            ("path=/etc/passwd", "hides everything"),
            ("path=/proc/x/y", "kernel"),
            ("path=/run/../etc/x", "go up"),
        ] {
            let text = refused(&format!("sealdock-file({options}):/p"));
            assert!(text.contains("`PW_FILE`") && text.contains(reason), "{options}: {text}");
        }
        assert!(refused("sealdock-file(mode=0400").contains("not closed"));
    }
}
