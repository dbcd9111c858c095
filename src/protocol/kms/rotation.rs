//! Rotation of key material: the setting, and what has been rotated.

use super::KEY_ID;
use super::listing::{PageRequest, write_marker};
use crate::protocol::error::ApiError;
use crate::protocol::fields::Fields;
use crate::protocol::rules::Text;
use crate::protocol::writer::{Encode, Object, Sink};
use jiff::Timestamp;

/// Switches rotation on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnableKeyRotationRequest {
    /// Key id or ARN.
    pub key_id: String,
    /// Days between rotations.
    pub period_days: Option<u16>,
}

impl EnableKeyRotationRequest {
    /// Reads the request body.
    ///
    /// # Errors
    /// `SerializationException`, `ValidationException`.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse(body)?;
        let key_id = fields.required_text("KeyId", KEY_ID)?;
        let days = fields.integer("RotationPeriodInDays", 90, 2560)?;
        fields.finish(Self { key_id, period_days: days.and_then(|days| u16::try_from(days).ok()) })
    }
}

/// Answer to `GetKeyRotationStatus`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetKeyRotationStatusResponse {
    /// The key id.
    pub key_id: String,
    /// Days between rotations and the date of the next one, while rotation is on.
    pub rotation: Option<(u16, Timestamp)>,
}

impl Encode for GetKeyRotationStatusResponse {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.boolean("KeyRotationEnabled", self.rotation.is_some());
        object.text("KeyId", &self.key_id);
        if let Some((days, next)) = self.rotation {
            object.integer("RotationPeriodInDays", days.into());
            object.timestamp("NextRotationDate", next);
        }
    }
}

/// Asks for the rotations of a key that have taken place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListKeyRotationsRequest {
    /// Key id or ARN.
    pub key_id: String,
    /// Whether the key's first material is listed too, which no rotation made.
    pub first: bool,
    /// Which page.
    pub page: PageRequest,
}

impl ListKeyRotationsRequest {
    /// Reads the request body.
    ///
    /// # Errors
    /// `SerializationException`, `ValidationException`.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse(body)?;
        let key_id = fields.required_text("KeyId", KEY_ID)?;
        let material =
            fields.text("IncludeKeyMaterial", Text::one_of(&["ALL_KEY_MATERIAL", "ROTATIONS_ONLY"]))?;
        let page = PageRequest::take(&mut fields)?;
        let first = material.as_deref() == Some("ALL_KEY_MATERIAL");
        fields.finish(Self { key_id, first, page })
    }
}

/// A rotation that has taken place, as the material that it made; or the key's first material.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RotationEntry {
    /// The key id.
    pub key_id: String,
    /// Id of the material.
    pub material: String,
    /// Whether it still seals.
    pub current: bool,
    /// When, and whether it was asked for and not due by time.
    pub rotation: Option<(Timestamp, bool)>,
}

impl Encode for RotationEntry {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.text("KeyId", &self.key_id);
        object.text("KeyMaterialId", &self.material);
        object.text("KeyMaterialState", if self.current { "CURRENT" } else { "NON_CURRENT" });
        if let Some((at, on_demand)) = self.rotation {
            object.timestamp("RotationDate", at);
            object.text("RotationType", if on_demand { "ON_DEMAND" } else { "AUTOMATIC" });
        }
    }
}

/// Answer to `ListKeyRotations`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListKeyRotationsResponse {
    /// The rotations, oldest first.
    pub rotations: Vec<RotationEntry>,
    /// Where the next page begins.
    pub next_marker: Option<String>,
}

impl Encode for ListKeyRotationsResponse {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.structures("Rotations", &self.rotations);
        write_marker(object, self.next_marker.as_deref());
    }
}
