//! Wire types of AWS Key Management Service, service model 2014-11-01: the
//! operations that manage keys, one file for each family.
//!
//! Keys are symmetric and for encryption. What the model knows beyond that (other key
//! specs, imported material, key stores, several Regions) is read, so that it can be
//! refused by name.

mod aliases;
mod errors;
mod keys;
mod listing;
mod policies;
mod rotation;
mod tags;

pub use aliases::{
    AliasEntry, AliasTargetRequest, DeleteAliasRequest, ListAliasesRequest, ListAliasesResponse,
};
pub use errors::*;
pub use keys::{
    CreateKeyRequest, DescribeKeyRequest, KeyIdResponse, KeyManager, KeyMetadata, KeyMetadataResponse,
    KeyRequest, KeyState, KeyUsage, Origin, ScheduleKeyDeletionRequest, ScheduleKeyDeletionResponse,
    UpdateKeyDescriptionRequest,
};
pub use listing::{KeyEntry, KeyPageRequest, ListKeysRequest, ListKeysResponse, PageRequest};
pub use policies::{GetKeyPolicyRequest, GetKeyPolicyResponse, ListKeyPoliciesResponse, PutKeyPolicyRequest};
pub use rotation::{
    EnableKeyRotationRequest, GetKeyRotationStatusResponse, ListKeyRotationsRequest,
    ListKeyRotationsResponse, RotationEntry,
};
pub use tags::{ListResourceTagsResponse, Tag, TagResourceRequest, UntagResourceRequest};

use super::rules::{ALIAS_NAME, KEY_POLICY, KEY_POLICY_NAME, Text};
use super::writer::{Encode, Object, Sink};

const KEY_ID: Text = Text::length(1, 2048);
const DESCRIPTION: Text = Text::length(0, 8192);
const POLICY: Text = Text::length(1, 131_072).matching(&KEY_POLICY);
const POLICY_NAME_TEXT: Text = Text::length(1, 128).matching(&KEY_POLICY_NAME);
const ALIAS: Text = Text::length(1, 256).matching(&ALIAS_NAME);

/// An answer without a body, which operations that only change something have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Done;

impl Encode for Done {
    fn members<S: Sink>(&self, _: &mut Object<'_, S>) {}
}
