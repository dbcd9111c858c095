//! Wire types of Parameter Store, the part of AWS Systems Manager (service model
//! 2014-11-06) that keeps parameters.

mod errors;
mod history;
mod labels;
mod listing;
mod name;
mod parameters;
mod put;
mod reference;
mod resource_policies;
mod tags;

pub use errors::*;
pub use history::{
    GetParameterHistoryRequest, GetParameterHistoryResponse, ParameterHistory, ParameterInlinePolicy,
    VersionMetadata,
};
pub use labels::{
    LabelParameterVersionRequest, LabelParameterVersionResponse, UnlabelParameterVersionRequest,
    UnlabelParameterVersionResponse,
};
pub use listing::{
    DescribeParametersRequest, DescribeParametersResponse, GetParametersByPathRequest,
    GetParametersByPathResponse, ParameterMetadata, ParameterStringFilter, ParametersFilter,
    ParametersFilterKey,
};
pub use name::{ParameterName, Selector, check_name_length, check_new_name, check_not_reserved};
pub use parameters::{
    DeleteParameterRequest, DeleteParameterResponse, DeleteParametersRequest, DeleteParametersResponse,
    GetParameterRequest, GetParameterResponse, GetParametersRequest, GetParametersResponse, Parameter,
};
pub use put::{PutParameterRequest, PutParameterResponse};
pub use reference::{SecretReference, SourceResult};
pub use resource_policies::{
    DeleteResourcePolicyRequest, DeleteResourcePolicyResponse, GetResourcePoliciesRequest,
    GetResourcePoliciesResponse, PutResourcePolicyRequest, PutResourcePolicyResponse, ResourcePolicyEntry,
};
pub use tags::{
    AddTagsToResourceRequest, ListTagsForResourceRequest, ListTagsForResourceResponse,
    RemoveTagsFromResourceRequest, ResourceType, Tagged, TagsChangedResponse,
};

use super::error::ApiError;
use super::fields::Fields;
use super::rules::{self, Text, spelled};

const NAME: Text = Text::length(1, 2048);

spelled! {
    /// What a parameter holds.
    ParameterType {
        /// A text.
        String = "String",
        /// Texts separated by commas.
        StringList = "StringList",
        /// An encrypted text.
        SecureString = "SecureString",
    }
}

spelled! {
    /// Limits and features of a parameter.
    ParameterTier {
        /// Up to 4 KiB.
        Standard = "Standard",
        /// Up to 8 KiB, with policies.
        Advanced = "Advanced",
        /// Standard while that is enough.
        IntelligentTiering = "Intelligent-Tiering",
    }
}

/// A tag of a parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    /// 1 to 128 characters.
    pub key: String,
    /// Up to 256 characters.
    pub value: String,
}

impl Tag {
    fn take_list(fields: &mut Fields) -> Result<Option<Vec<Self>>, ApiError> {
        fields.structures("Tags", (0, 1000), |tag| {
            Ok(Self {
                key: tag.required_text("Key", Text::length(1, 128).matching(&rules::TAG))?,
                value: tag.required_text("Value", Text::length(0, 256).matching(&rules::TAG))?,
            })
        })
    }
}
