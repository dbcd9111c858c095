//! Where the root key comes from: a key file, or a passphrase through Argon2id.
//!
//! A key file holds 64 hexadecimal digits and a newline, belongs to the user that
//! runs the broker (or root), and no other user may read it. A passphrase is
//! stretched with Argon2id (RFC 9106); its salt and costs stand in the vault's
//! header, so that later vaults can raise them.

use super::seal::{Key, random};
use argon2::{Algorithm, Argon2, Params, Version};
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// How the root key of a vault is made; stands in the vault's header, not secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum KeySource {
    /// The key stands in a file outside the vault.
    KeyFile,
    /// The key is derived from a passphrase.
    Argon2id {
        /// Random salt, hexadecimal.
        salt: String,
        /// Memory in KiB.
        memory_kib: u32,
        /// Passes over the memory.
        passes: u32,
    },
}

/// What the operator hands over to unlock the vault.
pub enum Unlock {
    /// Path of a key file.
    KeyFile(PathBuf),
    /// A passphrase.
    Passphrase(Zeroizing<String>),
}

impl std::fmt::Debug for Unlock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::KeyFile(path) => f.debug_tuple("KeyFile").field(path).finish(),
            Self::Passphrase(_) => f.write_str("Passphrase(..)"),
        }
    }
}

/// Why there is no root key.
#[derive(Debug, thiserror::Error)]
pub enum RootKeyError {
    /// The key file cannot be read or written.
    #[error("key file `{path}`: {cause}")]
    File {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        cause: std::io::Error,
    },
    /// Others could read the key file.
    #[error("key file `{path}` has mode {mode:04o}: other users may read it; run `chmod 600 {path}`")]
    Permissions {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The key file belongs to somebody else.
    #[error("key file `{path}` belongs to uid {owner}, not to the user that runs the broker (uid {user})")]
    Owner {
        /// The file.
        path: PathBuf,
        /// Owner of the file.
        owner: u32,
        /// Effective user of this process.
        user: u32,
    },
    /// The key file does not hold a key.
    #[error("key file `{0}` does not hold a key: 64 hexadecimal digits are expected")]
    Format(PathBuf),
    /// A passphrase too short to be one.
    #[error("the passphrase is too short: at least {MIN_PASSPHRASE} characters are needed")]
    Weak,
    /// The vault wants the other kind of unlocking.
    #[error("this vault is unlocked by {wanted}, but {given} was given")]
    WrongKind {
        /// What the vault's header says.
        wanted: &'static str,
        /// What the operator gave.
        given: &'static str,
    },
    /// Argon2id refused the parameters in the header.
    #[error("the vault header holds impossible Argon2id parameters")]
    Parameters,
}

/// Shortest passphrase that `init` takes, in characters.
pub const MIN_PASSPHRASE: usize = 12;

impl KeySource {
    /// A source for a new vault that is unlocked as `unlock` says. Argon2id costs:
    /// 64 MiB and 3 passes, the second recommendation of RFC 9106 section 4.
    pub(crate) fn new(unlock: &Unlock) -> Self {
        match unlock {
            Unlock::KeyFile(_) => Self::KeyFile,
            Unlock::Passphrase(_) => Self::Argon2id {
                salt: hex::encode(random::<16>().as_ref()),
                memory_kib: 64 * 1024,
                passes: 3,
            },
        }
    }

    /// The root key.
    pub(crate) fn root_key(&self, unlock: &Unlock) -> Result<Key, RootKeyError> {
        match (self, unlock) {
            (Self::KeyFile, Unlock::KeyFile(path)) => read_key_file(path),
            (Self::Argon2id { salt, memory_kib, passes }, Unlock::Passphrase(passphrase)) => {
                let salt = hex::decode(salt).map_err(|_| RootKeyError::Parameters)?;
                let params =
                    Params::new(*memory_kib, *passes, 1, Some(32)).map_err(|_| RootKeyError::Parameters)?;
                let mut key = Zeroizing::new([0u8; 32]);
                Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
                    .hash_password_into(passphrase.as_bytes(), &salt, key.as_mut())
                    .map_err(|_| RootKeyError::Parameters)?;
                Ok(key)
            }
            (Self::KeyFile, Unlock::Passphrase(_)) => {
                Err(RootKeyError::WrongKind { wanted: "a key file", given: "a passphrase" })
            }
            (Self::Argon2id { .. }, Unlock::KeyFile(_)) => {
                Err(RootKeyError::WrongKind { wanted: "a passphrase", given: "a key file" })
            }
        }
    }
}

/// Makes a key file with a fresh key; never overwrites one.
///
/// # Errors
/// [`RootKeyError::File`] when it exists or cannot be written.
pub fn create_key_file(path: &Path) -> Result<(), RootKeyError> {
    let text = Zeroizing::new(format!("{}\n", hex::encode(random::<32>().as_ref())));
    let write = || -> std::io::Result<()> {
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    write().map_err(|cause| RootKeyError::File { path: path.to_owned(), cause })
}

fn read_key_file(path: &Path) -> Result<Key, RootKeyError> {
    let failed = |cause| RootKeyError::File { path: path.to_owned(), cause };
    let file = std::fs::File::open(path).map_err(failed)?;
    let meta = file.metadata().map_err(failed)?;
    let user = rustix::process::geteuid().as_raw();
    if meta.uid() != user && meta.uid() != 0 {
        return Err(RootKeyError::Owner { path: path.to_owned(), owner: meta.uid(), user });
    }
    if meta.mode() & 0o077 != 0 {
        return Err(RootKeyError::Permissions { path: path.to_owned(), mode: meta.mode() & 0o7777 });
    }
    let mut text = Zeroizing::new(String::with_capacity(256));
    std::io::Read::read_to_string(&mut std::io::Read::take(&file, 128), &mut text).map_err(failed)?;
    let mut key = Zeroizing::new([0u8; 32]);
    hex::decode_to_slice(text.trim(), key.as_mut()).map_err(|_| RootKeyError::Format(path.to_owned()))?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn key_file_is_private_and_checked() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("root.key");
        create_key_file(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert!(matches!(create_key_file(&path), Err(RootKeyError::File { .. })));
        assert!(read_key_file(&path).is_ok());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(read_key_file(&path), Err(RootKeyError::Permissions { mode: 0o644, .. })));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(&path, "beef").unwrap();
        assert!(matches!(read_key_file(&path), Err(RootKeyError::Format(_))));
    }
}
