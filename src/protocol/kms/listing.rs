//! Pages: what to list, and `ListKeys`.

use super::KEY_ID;
use crate::protocol::error::ApiError;
use crate::protocol::fields::Fields;
use crate::protocol::rules::{MARKER, Text};
use crate::protocol::writer::{Encode, Object, Sink};

/// Which page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageRequest {
    /// Most entries, if the request says.
    pub limit: Option<usize>,
    /// NextMarker of the page before.
    pub marker: Option<String>,
}

impl PageRequest {
    pub(super) fn take(fields: &mut Fields) -> Result<Self, ApiError> {
        let limit = fields.integer("Limit", 1, 1000)?.and_then(|limit| usize::try_from(limit).ok());
        let marker = fields.text("Marker", Text::length(1, 1024).matching(&MARKER))?;
        Ok(Self { limit, marker })
    }
}

/// Whose keys can be asked for.
const OWNERS: &[&str] = &["SELF", "OTHER_ACCOUNTS_VIA_RAM"];

/// Asks for the keys of the caller's account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListKeysRequest {
    /// Whether the keys of the account itself are asked for; those that others share are not listed.
    pub own: bool,
    /// Which page.
    pub page: PageRequest,
}

impl ListKeysRequest {
    /// Reads the request body.
    ///
    /// # Errors
    /// `SerializationException`, `ValidationException`.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse(body)?;
        let page = PageRequest::take(&mut fields)?;
        let owners = fields.texts("ResourceOwners", (1, 2), Text::one_of(OWNERS))?;
        let own = owners.is_none_or(|owners| owners.iter().any(|owner| owner == "SELF"));
        fields.finish(Self { own, page })
    }
}

/// A page of what belongs to a key: `ListKeyPolicies`, `ListResourceTags`, `ListKeyRotations`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPageRequest {
    /// Key id or ARN.
    pub key_id: String,
    /// Which page.
    pub page: PageRequest,
}

impl KeyPageRequest {
    /// Reads the request body.
    ///
    /// # Errors
    /// `SerializationException`, `ValidationException`.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse(body)?;
        let key_id = fields.required_text("KeyId", KEY_ID)?;
        let page = PageRequest::take(&mut fields)?;
        fields.finish(Self { key_id, page })
    }
}

/// The end of every list's answer.
pub(super) fn write_marker<S: Sink>(object: &mut Object<'_, S>, next: Option<&str>) {
    object.optional_text("NextMarker", next);
    object.boolean("Truncated", next.is_some());
}

/// A key in `ListKeys`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyEntry {
    /// The key id.
    pub key_id: String,
    /// The key ARN.
    pub arn: String,
}

impl Encode for KeyEntry {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.text("KeyId", &self.key_id);
        object.text("KeyArn", &self.arn);
    }
}

/// Answer to `ListKeys`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListKeysResponse {
    /// The keys.
    pub keys: Vec<KeyEntry>,
    /// Where the next page begins.
    pub next_marker: Option<String>,
}

impl Encode for ListKeysResponse {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.structures("Keys", &self.keys);
        write_marker(object, self.next_marker.as_deref());
    }
}
