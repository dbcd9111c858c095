//! What becomes of KMS keys by time: destruction after the waiting period, and rotation.
//!
//! The record of a destruction is on disk before the key goes. A crash in between leaves a
//! record too many and never one too few; the next round destroys the key, and erases what
//! the store's file still holds of it.

use super::{Broker, MaintenanceError};
use serde_json::json;

impl Broker {
    /// Destroys keys whose waiting period is over, and replaces material that is due.
    pub(super) fn maintain_keys(&self) -> Result<(), MaintenanceError> {
        let kms = self.vault.kms();
        for arn in kms.due() {
            self.note_own("DeleteKey", json!({ "keyId": arn, "reason": "the waiting period has ended" }))?;
            kms.destroy(&arn)?;
        }
        kms.drop_dangling()?;
        self.vault.erase_destroyed()?;
        for arn in kms.rotation_due() {
            self.note_own("RotateKey", json!({ "keyId": arn, "rotationType": "AUTOMATIC" }))?;
            kms.rotate_due(&arn)?;
        }
        Ok(())
    }
}
