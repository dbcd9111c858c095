//! `ListSecrets`: filters, order and pages. Which secrets match is decided where
//! the secrets are.

use super::{SecretMetadata, invalid_parameter};
use crate::protocol::error::ApiError;
use crate::protocol::fields::Fields;
use crate::protocol::rules::{FILTER_VALUE, Text, spelled};
use crate::protocol::writer::{Encode, Object, Sink};

spelled! {
    /// What a filter looks at.
    FilterKey {
        /// The description.
        Description = "description",
        /// The name.
        Name = "name",
        /// The keys of tags.
        TagKey = "tag-key",
        /// The values of tags.
        TagValue = "tag-value",
        /// The Region of the primary.
        PrimaryRegion = "primary-region",
        /// The AWS service that made the secret.
        OwningService = "owning-service",
        /// All of the above.
        All = "all",
    }
}

spelled! {
    /// Direction of the order.
    SortOrder {
        /// Smallest or oldest first.
        Asc = "asc",
        /// Largest or newest first.
        Desc = "desc",
    }
}

spelled! {
    /// What the order looks at.
    SortBy {
        /// When it was made.
        CreatedDate = "created-date",
        /// When it was last read.
        LastAccessedDate = "last-accessed-date",
        /// When it was last changed.
        LastChangedDate = "last-changed-date",
        /// The name.
        Name = "name",
    }
}

/// A secret matches a filter if it matches one of its values; it is listed if it
/// matches every filter. A value that begins with `!` excludes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// What to look at.
    pub key: FilterKey,
    /// 1 to 10 values.
    pub values: Vec<String>,
}

impl Filter {
    /// As the audit log shows it.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::json!({ "key": self.key.as_str(), "values": self.values })
    }
}

/// Asks for one page of secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListSecretsRequest {
    /// Whether secrets that wait for deletion are listed too.
    pub include_planned_deletion: bool,
    /// 1 to 100.
    pub max_results: Option<usize>,
    /// Where the last page ended.
    pub next_token: Option<String>,
    /// Up to 10.
    pub filters: Vec<Filter>,
    /// The direction.
    pub sort_order: Option<SortOrder>,
    /// The order.
    pub sort_by: Option<SortBy>,
}

impl ListSecretsRequest {
    /// Reads the request body.
    ///
    /// # Errors
    /// `SerializationException`, `ValidationException`.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse(body)?;
        let request = Self {
            include_planned_deletion: fields.boolean("IncludePlannedDeletion")?.unwrap_or(false),
            max_results: fields.integer("MaxResults", 1, 100)?.and_then(|n| usize::try_from(n).ok()),
            next_token: fields.text("NextToken", Text::length(1, 4096))?,
            filters: take_filters(&mut fields)?.unwrap_or_default(),
            sort_order: fields.choice("SortOrder", SortOrder::SPELLINGS, SortOrder::from_spelling)?,
            sort_by: fields.choice("SortBy", SortBy::SPELLINGS, SortBy::from_spelling)?,
        };
        fields.finish(request)
    }
}

/// Takes the filters of `ListSecrets` and of `BatchGetSecretValue`.
pub(super) fn take_filters(fields: &mut Fields) -> Result<Option<Vec<Filter>>, ApiError> {
    fields.structures("Filters", (0, 10), take_filter)
}

/// The model lets both members be absent, the service does not.
fn take_filter(fields: &mut Fields) -> Result<Filter, ApiError> {
    let key = fields.text("Key", Text::one_of(FilterKey::SPELLINGS))?;
    let values = fields.texts("Values", (1, 10), Text::length(0, 512).matching(&FILTER_VALUE))?;
    let key = key.ok_or_else(|| invalid_parameter("Invalid filter key"))?;
    let values = values.ok_or_else(|| invalid_parameter(format!("Invalid filter values for key: {key}")))?;
    // A spelling that is none of these has been noted, and the request is refused for it.
    Ok(Filter { key: FilterKey::from_spelling(&key).unwrap_or(FilterKey::All), values })
}

/// One page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListSecretsResponse {
    /// The secrets.
    pub secret_list: Vec<SecretMetadata>,
    /// Present if there is more.
    pub next_token: Option<String>,
}

impl Encode for ListSecretsResponse {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        let entries: Vec<Entry<'_>> = self.secret_list.iter().map(Entry).collect();
        object.structures("SecretList", &entries);
        object.optional_text("NextToken", self.next_token.as_deref());
    }
}

struct Entry<'a>(&'a SecretMetadata);

impl Encode for Entry<'_> {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        self.0.write(object, "SecretVersionsToStages");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_everything() {
        let request = ListSecretsRequest::decode(
            br#"{"IncludePlannedDeletion": true, "MaxResults": 100, "NextToken": "t", "SortOrder": "asc",
                "SortBy": "name", "Filters": [{"Key": "tag-key", "Values": ["!a", "b"]}]}"#,
        )
        .unwrap();
        assert_eq!(
            request.filters,
            vec![Filter { key: FilterKey::TagKey, values: vec!["!a".into(), "b".into()] }]
        );
        assert_eq!((request.sort_by, request.max_results), (Some(SortBy::Name), Some(100)));
        assert_eq!(ListSecretsRequest::decode(b"{}").unwrap(), ListSecretsRequest::default());
    }

    #[test]
    fn refuses_what_the_model_refuses() {
        let text = |body: &str| ListSecretsRequest::decode(body.as_bytes()).unwrap_err().message;
        assert_eq!(
            text(r#"{"Filters": [{"Key": "nam", "Values": []}], "MaxResults": 0, "SortBy": "size"}"#),
            "4 validation errors detected: Value '0' at 'maxResults' failed to satisfy constraint: Member must \
             have value greater than or equal to 1; Value 'nam' at 'filters.1.member.key' failed to satisfy \
             constraint: Member must satisfy enum value set: [description, name, tag-key, tag-value, \
             primary-region, owning-service, all]; Value '[]' at 'filters.1.member.values' failed to satisfy \
             constraint: Member must have length greater than or equal to 1; Value 'size' at 'sortBy' failed to \
             satisfy constraint: Member must satisfy enum value set: [created-date, last-accessed-date, \
             last-changed-date, name]"
        );
        assert_eq!(text(r#"{"Filters": [{"Values": ["a"]}]}"#), "Invalid filter key");
        assert_eq!(text(r#"{"Filters": [{"Key": "name"}]}"#), "Invalid filter values for key: name");
        assert!(text(r#"{"Filters": [{"Key": "name", "Values": ["a*"]}]}"#).contains("regular expression"));
    }
}
