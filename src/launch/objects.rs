//! What stands in for services of AWS on one host: directories for buckets of S3
//! and for network file systems.
//!
//! ```text
//! --s3 arn:aws:s3:::bucket/prefix/=DIR    arn:aws:s3:::bucket/prefix/a/b.env is DIR/a/b.env
//! --efs fs-0123=DIR                       the root of the file system is DIR
//! ```

use std::io::Read;
use std::path::{Component, Path, PathBuf};

/// Largest object that is read.
const LARGEST: u64 = 8 * 1024 * 1024;

/// Names and the directories that stand for them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directories(Vec<(String, PathBuf)>);

/// Why there is no object.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// No directory stands for it.
    #[error("no directory stands for `{name}`; name one with `{option} {example}=DIR`")]
    Unmapped {
        /// What was asked for.
        name: String,
        /// The option that maps it.
        option: &'static str,
        /// What the option could name.
        example: String,
    },
    /// Its name leads out of the directory.
    #[error("`{0}` leads out of its directory")]
    Outside(String),
    /// It cannot be read.
    #[error("cannot read `{path}`, which stands for `{name}`: {cause}")]
    Unreadable {
        /// What was asked for.
        name: String,
        /// Where it should be.
        path: String,
        /// Why.
        cause: std::io::Error,
    },
}

impl Directories {
    /// Adds `NAME=DIR`. A relative directory is one of the working directory.
    ///
    /// # Errors
    /// The text, if it is not of that form.
    pub fn add(&mut self, pair: &str) -> Result<(), String> {
        match pair.split_once('=') {
            Some((name, directory)) if !name.is_empty() && !directory.is_empty() => {
                let path = std::path::absolute(directory).map_err(|e| format!("`{directory}`: {e}"))?;
                self.0.push((name.to_owned(), path));
                Ok(())
            }
            _ => Err(format!("`{pair}` is not NAME=DIR")),
        }
    }

    /// The directory of a file system, and a directory within it.
    ///
    /// # Errors
    /// [`ObjectError::Unmapped`] and [`ObjectError::Outside`].
    pub fn file_system(&self, id: &str, root: &str) -> Result<PathBuf, ObjectError> {
        let found = self.0.iter().rev().find(|(name, _)| name == id);
        let (_, directory) = found.ok_or_else(|| ObjectError::Unmapped {
            name: id.to_owned(),
            option: "--efs",
            example: id.to_owned(),
        })?;
        within(directory, root).ok_or_else(|| ObjectError::Outside(root.to_owned()))
    }

    /// The path of an object of S3. The longest name that fits counts.
    ///
    /// # Errors
    /// [`ObjectError::Unmapped`] and [`ObjectError::Outside`].
    pub fn object(&self, arn: &str) -> Result<PathBuf, ObjectError> {
        let key = arn.split_once(":s3:::").map_or(arn, |(_, key)| key);
        let fits = |(name, directory): &(String, PathBuf)| {
            let name = name.split_once(":s3:::").map_or(name.as_str(), |(_, key)| key);
            let rest = key.strip_prefix(name)?;
            let whole = name.ends_with('/') || rest.starts_with('/');
            whole.then(|| (name.len(), directory.clone(), rest.trim_start_matches('/').to_owned()))
        };
        let found = self.0.iter().filter_map(fits).max_by_key(|(length, ..)| *length);
        let (_, directory, rest) = found.ok_or_else(|| {
            let bucket = key.split('/').next().unwrap_or(key);
            let example = format!("arn:aws:s3:::{bucket}/");
            ObjectError::Unmapped { name: arn.to_owned(), option: "--s3", example }
        })?;
        within(&directory, &rest).ok_or_else(|| ObjectError::Outside(arn.to_owned()))
    }

    /// The text of an object of S3.
    ///
    /// # Errors
    /// See [`ObjectError`].
    pub fn read(&self, arn: &str) -> Result<String, ObjectError> {
        let path = self.object(arn)?;
        let mut text = String::new();
        let read = std::fs::File::open(&path).and_then(|file| {
            // One byte more than is permitted: half a file would be a wrong one.
            let length = file.take(LARGEST + 1).read_to_string(&mut text)?;
            let fits = u64::try_from(length).is_ok_and(|length| length <= LARGEST);
            fits.then_some(()).ok_or_else(|| std::io::Error::other("it has more than 8 MiB"))
        });
        match read {
            Ok(()) => Ok(text),
            Err(cause) => {
                Err(ObjectError::Unreadable { name: arn.to_owned(), path: path.display().to_string(), cause })
            }
        }
    }
}

/// A path below a directory that cannot lead out of it.
fn within(directory: &Path, path: &str) -> Option<PathBuf> {
    let mut joined = directory.to_owned();
    for component in Path::new(path).components() {
        match component {
            Component::Normal(part) => joined.push(part),
            Component::RootDir | Component::CurDir => {}
            Component::ParentDir | Component::Prefix(_) => return None,
        }
    }
    Some(joined)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_paths_below_their_directory() {
        let mut directories = Directories::default();
        for pair in ["arn:aws:s3:::b/=/srv/b", "b/deep=/srv/deep", "fs-1=/efs"] {
            directories.add(pair).unwrap();
        }
        let path =
            |arn: &str| directories.object(arn).map(|p| p.display().to_string()).map_err(|e| e.to_string());
        assert_eq!(path("arn:aws:s3:::b/x/y.env"), Ok("/srv/b/x/y.env".into()));
        assert_eq!(path("arn:aws-cn:s3:::b/deep/y.env"), Ok("/srv/deep/y.env".into()));
        assert_eq!(path("arn:aws:s3:::b/deeper/y.env"), Ok("/srv/b/deeper/y.env".into()));
        assert!(path("arn:aws:s3:::b/../x").unwrap_err().contains("leads out"));
        assert!(path("arn:aws:s3:::c/x").unwrap_err().contains("--s3 arn:aws:s3:::c/=DIR"));
        assert_eq!(directories.file_system("fs-1", "/a").unwrap(), Path::new("/efs/a"));
        assert!(directories.file_system("fs-2", "/").unwrap_err().to_string().contains("--efs fs-2=DIR"));
        assert!(directories.add("x").is_err() && directories.add("=x").is_err());
        assert!(directories.read("arn:aws:s3:::b/none").unwrap_err().to_string().contains("/srv/b/none"));
    }
}
