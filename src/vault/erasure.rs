//! Erasing what destroyed keys have left in the store: their sealed material, in pages that are
//! free and not yet used again.
//!
//! ```text
//! mark T -> the key's record goes -> the store erases -> T goes
//! ```
//!
//! The mark is there before anything is destroyed, so that an erasing which a crash or a full
//! disk has prevented is done later.

use super::{Vault, VaultError};

/// Store key of the mark, which holds nothing. No kind of record begins with this byte.
const MARK: &[u8] = b"T";

impl Vault {
    /// Notes that something is about to be destroyed whose traces are to go.
    pub(super) fn mark_for_erasure(&self) -> Result<(), VaultError> {
        if self.store.get(MARK)?.is_none() {
            self.store.put(MARK, None, b"")?;
        }
        Ok(())
    }

    /// Erases, if something was destroyed since the last time; says whether it was. The store's file
    /// is written anew, so this takes as long as copying it.
    ///
    /// # Errors
    /// [`VaultError`]; it is due again the next time.
    pub fn erase_destroyed(&self) -> Result<bool, VaultError> {
        let Some(mark) = self.store.get(MARK)? else { return Ok(false) };
        self.store.erase()?;
        self.store.delete(MARK, mark.revision)?;
        Ok(true)
    }
}
