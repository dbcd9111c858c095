//! `AddTagsToResource`, `RemoveTagsFromResource`, `ListTagsForResource`. Tags of
//! other resource types than parameters belong to other parts of Systems Manager.

use super::Tag;
use crate::protocol::error::ApiError;
use crate::protocol::fields::Fields;
use crate::protocol::rules::{self, Text, spelled};
use crate::protocol::writer::{Encode, Object, Sink};

spelled! {
    /// What a tag is put on.
    ResourceType {
        /// A document.
        Document = "Document",
        /// A managed node.
        ManagedInstance = "ManagedInstance",
        /// A maintenance window.
        MaintenanceWindow = "MaintenanceWindow",
        /// A parameter.
        Parameter = "Parameter",
        /// A patch baseline.
        PatchBaseline = "PatchBaseline",
        /// An OpsItem.
        OpsItem = "OpsItem",
        /// Application metadata.
        OpsMetadata = "OpsMetadata",
        /// An automation execution.
        Automation = "Automation",
        /// A State Manager association.
        Association = "Association",
    }
}

/// The resource that a request is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tagged {
    /// Its type.
    pub resource_type: ResourceType,
    /// For a parameter, its name.
    pub resource_id: String,
}

impl Tagged {
    fn take(fields: &mut Fields) -> Result<Self, ApiError> {
        Ok(Self {
            resource_type: fields.required_choice(
                "ResourceType",
                ResourceType::SPELLINGS,
                ResourceType::from_spelling,
                ResourceType::Parameter,
            )?,
            resource_id: fields.required_text("ResourceId", Text::any())?,
        })
    }
}

/// Adds tags, and overwrites those with the same keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddTagsToResourceRequest {
    /// The resource.
    pub resource: Tagged,
    /// The tags.
    pub tags: Vec<Tag>,
}

impl AddTagsToResourceRequest {
    /// Reads the request body.
    ///
    /// # Errors
    /// `SerializationException`, `ValidationException`.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse(body)?;
        let resource = Tagged::take(&mut fields)?;
        let tags = Tag::take_list(&mut fields)?;
        let tags = fields.required("Tags", tags).unwrap_or_default();
        fields.finish(Self { resource, tags })
    }
}

/// Removes tags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoveTagsFromResourceRequest {
    /// The resource.
    pub resource: Tagged,
    /// The keys of the tags.
    pub tag_keys: Vec<String>,
}

impl RemoveTagsFromResourceRequest {
    /// Reads the request body.
    ///
    /// # Errors
    /// `SerializationException`, `ValidationException`.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse(body)?;
        let resource = Tagged::take(&mut fields)?;
        let keys = fields.texts("TagKeys", (0, usize::MAX), Text::length(1, 128).matching(&rules::TAG))?;
        let tag_keys = fields.required("TagKeys", keys).unwrap_or_default();
        fields.finish(Self { resource, tag_keys })
    }
}

/// Asks for the tags of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListTagsForResourceRequest {
    /// The resource.
    pub resource: Tagged,
}

impl ListTagsForResourceRequest {
    /// Reads the request body.
    ///
    /// # Errors
    /// `SerializationException`, `ValidationException`.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse(body)?;
        let resource = Tagged::take(&mut fields)?;
        fields.finish(Self { resource })
    }
}

/// `{}`, the answer to adding and removing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TagsChangedResponse;

impl Encode for TagsChangedResponse {
    fn members<S: Sink>(&self, _: &mut Object<'_, S>) {}
}

/// The tags.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListTagsForResourceResponse {
    /// All of them: a parameter has fifty at most.
    pub tag_list: Vec<Tag>,
}

impl Encode for ListTagsForResourceResponse {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.structures("TagList", &self.tag_list);
    }
}

impl Encode for Tag {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.text("Key", &self.key);
        object.text("Value", &self.value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_what_is_missing() {
        let error = AddTagsToResourceRequest::decode(br#"{"ResourceType": "Secret"}"#).unwrap_err();
        assert!(error.message.starts_with("3 validation errors detected: Value 'Secret' at 'resourceType'"));
        let error = RemoveTagsFromResourceRequest::decode(
            br#"{"ResourceType": "Parameter", "ResourceId": "a", "TagKeys": ["a;b"]}"#,
        )
        .unwrap_err();
        assert!(error.message.contains("Value '[a;b]' at 'tagKeys'"), "{error}");
    }

    #[test]
    fn lists_tags() {
        let tag_list = vec![Tag { key: "k".into(), value: String::new() }];
        let json = ListTagsForResourceResponse { tag_list }.encode();
        assert_eq!(std::str::from_utf8(&json).unwrap(), r#"{"TagList":[{"Key":"k","Value":""}]}"#);
    }
}
