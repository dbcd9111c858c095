//! Aliases: names that point to keys.

use super::listing::{PageRequest, write_marker};
use super::{ALIAS, KEY_ID};
use crate::protocol::error::ApiError;
use crate::protocol::fields::Fields;
use crate::protocol::writer::{Encode, Object, Sink};
use jiff::Timestamp;

/// Makes an alias (`CreateAlias`) or points it to another key (`UpdateAlias`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AliasTargetRequest {
    /// `alias/NAME`.
    pub alias_name: String,
    /// Key id or ARN.
    pub target_key_id: String,
}

impl AliasTargetRequest {
    /// Reads the request body.
    ///
    /// # Errors
    /// `SerializationException`, `ValidationException`.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse(body)?;
        let alias_name = fields.required_text("AliasName", ALIAS)?;
        let target_key_id = fields.required_text("TargetKeyId", KEY_ID)?;
        fields.finish(Self { alias_name, target_key_id })
    }
}

/// Removes an alias.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteAliasRequest {
    /// `alias/NAME`.
    pub alias_name: String,
}

impl DeleteAliasRequest {
    /// Reads the request body.
    ///
    /// # Errors
    /// `SerializationException`, `ValidationException`.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse(body)?;
        let alias_name = fields.required_text("AliasName", ALIAS)?;
        fields.finish(Self { alias_name })
    }
}

/// Lists aliases, of one key or all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListAliasesRequest {
    /// Key id or ARN.
    pub key_id: Option<String>,
    /// Which page.
    pub page: PageRequest,
}

impl ListAliasesRequest {
    /// Reads the request body.
    ///
    /// # Errors
    /// `SerializationException`, `ValidationException`.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse(body)?;
        let key_id = fields.text("KeyId", KEY_ID)?;
        let page = PageRequest::take(&mut fields)?;
        fields.finish(Self { key_id, page })
    }
}

/// An alias, as answers show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AliasEntry {
    /// `alias/NAME`.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// The key id that it points to; a service's key that was never used has none.
    pub target: Option<String>,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// When it last got another target.
    pub updated: Option<Timestamp>,
}

impl Encode for AliasEntry {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.text("AliasName", &self.name);
        object.text("AliasArn", &self.arn);
        object.optional_text("TargetKeyId", self.target.as_deref());
        object.optional_timestamp("CreationDate", self.created);
        object.optional_timestamp("LastUpdatedDate", self.updated);
    }
}

/// Answer to `ListAliases`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListAliasesResponse {
    /// The aliases.
    pub aliases: Vec<AliasEntry>,
    /// Where the next page begins.
    pub next_marker: Option<String>,
}

impl Encode for ListAliasesResponse {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.structures("Aliases", &self.aliases);
        write_marker(object, self.next_marker.as_deref());
    }
}
