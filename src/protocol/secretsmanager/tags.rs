//! Tags of a secret that exists: `TagResource`, `UntagResource`. Both answer with an
//! empty object.

use super::{SECRET_ID, TAG_KEY, Tag};
use crate::protocol::error::ApiError;
use crate::protocol::fields::Fields;
use crate::protocol::writer::{Encode, Object, Sink};

/// Adds tags, or gives tags new values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagResourceRequest {
    /// Name, ARN or partial ARN.
    pub secret_id: String,
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
        let secret_id = fields.required_text("SecretId", SECRET_ID)?;
        let tags = Tag::take_list(&mut fields)?;
        let tags = fields.required("Tags", tags).unwrap_or_default();
        fields.finish(Self { secret_id, tags })
    }
}

/// Removes tags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UntagResourceRequest {
    /// Name, ARN or partial ARN.
    pub secret_id: String,
    /// Their keys.
    pub tag_keys: Vec<String>,
}

impl UntagResourceRequest {
    /// Reads the request body.
    ///
    /// # Errors
    /// `SerializationException`, `ValidationException`.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse(body)?;
        let secret_id = fields.required_text("SecretId", SECRET_ID)?;
        let tag_keys = fields.texts("TagKeys", (0, usize::MAX), TAG_KEY)?;
        let tag_keys = fields.required("TagKeys", tag_keys).unwrap_or_default();
        fields.finish(Self { secret_id, tag_keys })
    }
}

/// The tags are as asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TagsChanged;

impl Encode for TagsChanged {
    fn members<S: Sink>(&self, _: &mut Object<'_, S>) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_need_their_list() {
        let tag = |body: &str| TagResourceRequest::decode(body.as_bytes()).map_err(|e| e.message);
        let untag = |body: &str| UntagResourceRequest::decode(body.as_bytes()).map_err(|e| e.message);
        assert!(tag(r#"{"SecretId": "a", "Tags": []}"#).is_ok());
        assert!(tag(r#"{"SecretId": "a"}"#).unwrap_err().contains("Value null at 'tags'"));
        assert!(untag(r#"{"SecretId": "a"}"#).unwrap_err().contains("Value null at 'tagKeys'"));
        assert!(
            untag(r#"{"SecretId": "a", "TagKeys": [""]}"#).unwrap_err().contains("Value '[]' at 'tagKeys'")
        );
    }
}
