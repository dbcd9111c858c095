//! The materials of a key as KMS shows them: the one that it was made with, and one for each rotation.

use super::kms::{FoundKey, Kms};
use super::kms_record::KeyRecord;
use jiff::Timestamp;

/// A material of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyMaterial {
    /// 64 hexadecimal digits.
    pub id: String,
    /// Whether it seals; the others only open.
    pub current: bool,
    /// When it came, and whether that was asked for; `None` for the key's first.
    pub rotation: Option<(Timestamp, bool)>,
}

impl Kms<'_> {
    /// Every material of the key, oldest first.
    pub fn materials(&self, key: &KeyRecord) -> Vec<KeyMaterial> {
        let rotations = key.customer.as_ref().map(|customer| customer.rotations.as_slice());
        let rotations = rotations.unwrap_or_default();
        // A rotation keeps the material that it put aside, so that its own is in the place after it.
        let sealed: Vec<&str> = key.materials().collect();
        let came = std::iter::once(None).chain(rotations.iter().map(|r| Some((r.at, r.on_demand))));
        sealed
            .iter()
            .rev()
            .zip(came)
            .enumerate()
            .map(|(place, (sealed, rotation))| KeyMaterial {
                id: self.0.keyring.material_id(sealed),
                current: place == rotations.len(),
                rotation,
            })
            .collect()
    }

    /// Id of the material that a key seals under; a service's key that was never used has none.
    pub fn current_material(&self, key: &FoundKey) -> Option<String> {
        let id = |record: &KeyRecord| record.materials().next().map(|m| self.0.keyring.material_id(m));
        match key {
            FoundKey::Customer(row) => id(&row.record),
            FoundKey::Own(own) => {
                self.0.keyring.records.get(&own.scope.id(own.name)).and_then(|row| id(&row.record))
            }
        }
    }
}
