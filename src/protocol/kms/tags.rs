//! Tags of keys.

use super::KEY_ID;
use super::listing::write_marker;
use crate::protocol::error::ApiError;
use crate::protocol::fields::Fields;
use crate::protocol::rules::Text;
use crate::protocol::writer::{Encode, Object, Sink};

const TAG_KEY: Text = Text::length(1, 128);

/// A tag of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    /// 1 to 128 characters.
    pub key: String,
    /// Up to 256 characters.
    pub value: String,
}

impl Tag {
    pub(super) fn take_list(fields: &mut Fields) -> Result<Option<Vec<Self>>, ApiError> {
        fields.structures("Tags", (0, usize::MAX), |tag| {
            Ok(Self {
                key: tag.required_text("TagKey", TAG_KEY)?,
                value: tag.required_text("TagValue", Text::length(0, 256))?,
            })
        })
    }
}

impl Encode for Tag {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.text("TagKey", &self.key);
        object.text("TagValue", &self.value);
    }
}

/// Adds tags, or gives tags new values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagResourceRequest {
    /// Key id or ARN.
    pub key_id: String,
    /// The tags.
    pub tags: Vec<Tag>,
}

impl TagResourceRequest {
    /// Reads the request body.
    ///
    /// # Errors
    /// `SerializationException`, `ValidationException`.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse(body)?;
        let key_id = fields.required_text("KeyId", KEY_ID)?;
        let tags = Tag::take_list(&mut fields)?;
        let tags = fields.required("Tags", tags).unwrap_or_default();
        fields.finish(Self { key_id, tags })
    }
}

/// Removes tags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UntagResourceRequest {
    /// Key id or ARN.
    pub key_id: String,
    /// The keys of the tags.
    pub tag_keys: Vec<String>,
}

impl UntagResourceRequest {
    /// Reads the request body.
    ///
    /// # Errors
    /// `SerializationException`, `ValidationException`.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse(body)?;
        let key_id = fields.required_text("KeyId", KEY_ID)?;
        let tag_keys = fields.texts("TagKeys", (0, usize::MAX), TAG_KEY)?;
        let tag_keys = fields.required("TagKeys", tag_keys).unwrap_or_default();
        fields.finish(Self { key_id, tag_keys })
    }
}

/// Answer to `ListResourceTags`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListResourceTagsResponse {
    /// The tags.
    pub tags: Vec<Tag>,
    /// Where the next page begins.
    pub next_marker: Option<String>,
}

impl Encode for ListResourceTagsResponse {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.structures("Tags", &self.tags);
        write_marker(object, self.next_marker.as_deref());
    }
}
