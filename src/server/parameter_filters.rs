//! Filters of `GetParametersByPath` and `DescribeParameters`: which ones an operation
//! takes, and which parameters match.
//!
//! | key | options | looks at |
//! |---|---|---|
//! | `Name` | Equals, BeginsWith, Contains | the name; except for Contains, a leading slash does not count |
//! | `Path` | OneLevel, Recursive | what lies below a path |
//! | `Type`, `KeyId`, `Tier`, `DataType` | Equals, BeginsWith | the version |
//! | `tag:KEY` | Equals, BeginsWith | the tag's value; without values, whether there is the tag |
//! | `Label` | Equals | picks the newest version that has one of the labels |
//!
//! By path there are `Type`, `KeyId` and `Label`; to describe, all but `Label`. Values
//! of a filter are alternatives, and filters add up. Without `Label` the newest version
//! counts.
//!
//! Source: Systems Manager API Reference, `ParameterStringFilter`.

use crate::protocol::ApiError;
use crate::protocol::ssm::{
    ParameterStringFilter, ParameterTier, ParameterType, ParametersFilter, ParametersFilterKey,
    invalid_filter_key, invalid_filter_option, invalid_filter_value,
};
use crate::vault::{ParameterRecord, ParameterVersion, Property, Within, below};

/// Filters that have been checked.
#[derive(Debug, Default)]
pub(super) struct Criteria(Vec<Criterion>);

#[derive(Debug)]
struct Criterion {
    key: Field,
    option: Match,
    values: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Field {
    Name,
    Path,
    Type,
    KeyId,
    Tier,
    DataType,
    Label,
    Tag(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Match {
    Equals,
    BeginsWith,
    Contains,
    OneLevel,
    Recursive,
}

impl Criteria {
    /// The filters of `GetParametersByPath`.
    pub(super) fn by_path(filters: Vec<ParameterStringFilter>) -> Result<Self, ApiError> {
        let takes = |key: &Field| matches!(key, Field::Type | Field::KeyId | Field::Label);
        Self::checked(filters, takes, "Type, KeyId, Label")
    }

    /// The filters of `DescribeParameters`, of the older or the newer kind.
    pub(super) fn describe(
        older: Vec<ParametersFilter>,
        newer: Vec<ParameterStringFilter>,
    ) -> Result<Self, ApiError> {
        if !older.is_empty() && !newer.is_empty() {
            return Err(ApiError::validation(
                "You can use either Filters or ParameterFilters in a single request.",
            ));
        }
        if older.is_empty() {
            return Self::checked(
                newer,
                |key| *key != Field::Label,
                "Path, Name, Type, KeyId, Tier, DataType, tag:key",
            );
        }
        let criterion = |filter: ParametersFilter| match filter.key {
            ParametersFilterKey::Name => {
                Criterion { key: Field::Name, option: Match::BeginsWith, values: filter.values }
            }
            ParametersFilterKey::Type => {
                Criterion { key: Field::Type, option: Match::Equals, values: filter.values }
            }
            ParametersFilterKey::KeyId => {
                Criterion { key: Field::KeyId, option: Match::Equals, values: filter.values }
            }
        };
        Ok(Self(older.into_iter().map(criterion).collect()))
    }

    fn checked(
        filters: Vec<ParameterStringFilter>,
        takes: impl Fn(&Field) -> bool,
        valid: &str,
    ) -> Result<Self, ApiError> {
        let mut criteria: Vec<Criterion> = Vec::new();
        for filter in filters {
            let key = Field::parse(&filter.key).filter(&takes).ok_or_else(|| {
                invalid_filter_key(format!(
                    "The following filter key is not valid: {}. Valid filter keys include: [{valid}].",
                    filter.key
                ))
            })?;
            if filter.values.is_none() && !matches!(key, Field::Tag(_)) {
                return Err(invalid_filter_value(format!(
                    "The following filter values are missing : null for filter key {}.",
                    filter.key
                )));
            }
            if criteria.iter().any(|c| c.key == key) {
                return Err(invalid_filter_key(format!(
                    "The following filter is duplicated in the request: {}. A request can contain only one \
                     occurrence of a specific filter.",
                    filter.key
                )));
            }
            let option = key.option(filter.option.as_deref())?;
            let values = filter.values.unwrap_or_default();
            key.check_values(&values)?;
            criteria.push(Criterion { key, option, values });
        }
        Ok(Self(criteria))
    }

    /// Where the parameters that match can be at most: the filter decides by which the fewest are
    /// likely to be found.
    pub(super) fn within(&self) -> Within<'_> {
        let places = [
            |c: &Criterion| c.key == Field::Name && c.option == Match::Equals,
            |c: &Criterion| c.key == Field::Path && c.values.iter().all(|path| path != "/"),
            |c: &Criterion| matches!(c.key, Field::Tag(_)),
            |c: &Criterion| c.key == Field::Name && c.option == Match::BeginsWith,
            |c: &Criterion| c.key == Field::KeyId,
            |c: &Criterion| c.key == Field::DataType,
            |c: &Criterion| c.key == Field::Tier,
            |c: &Criterion| c.key == Field::Type,
        ];
        let filters = places.iter().flat_map(|place| self.0.iter().filter(move |c| place(c)));
        filters.into_iter().find_map(Criterion::within).unwrap_or(Within::Everywhere)
    }

    /// The version by which a parameter matches all filters, if it does.
    pub(super) fn select<'r>(&self, record: &'r ParameterRecord) -> Option<&'r ParameterVersion> {
        let labels = self.0.iter().find(|c| c.key == Field::Label);
        let version = match labels {
            None => record.latest(),
            Some(labels) => record.versions.iter().rev().find(|v| labels.is_one_of(&v.labels)),
        };
        version.filter(|version| self.0.iter().all(|c| c.matches(record, version)))
    }
}

impl Criterion {
    /// Where the parameters can be that match this filter, if that is not everywhere.
    fn within(&self) -> Option<Within<'_>> {
        let property = match &self.key {
            Field::Name if self.option == Match::Equals => return Some(Within::Names(&self.values)),
            Field::Name if self.option == Match::BeginsWith => return Some(Within::Beginnings(&self.values)),
            Field::Path => {
                let [path] = self.values.as_slice() else { return None };
                return Some(Within::Path(path, self.option == Match::Recursive));
            }
            Field::Name | Field::Label => return None,
            Field::Tag(key) => Property::Tag(key),
            Field::KeyId => Property::KeyId,
            Field::DataType => Property::DataType,
            Field::Tier => Property::Tier,
            Field::Type => Property::Type,
        };
        if property.usual().is_some_and(|usual| self.accepts(usual)) {
            return None;
        }
        let any: &[String] = const { &[String::new()] };
        let (values, whole) = match self.values.as_slice() {
            [] => (any, false),
            values => (values, self.option == Match::Equals),
        };
        Some(Within::Having(property, values, whole))
    }

    fn matches(&self, record: &ParameterRecord, version: &ParameterVersion) -> bool {
        match &self.key {
            // It has picked the version.
            Field::Label => true,
            Field::Name if self.option == Match::Contains => self.accepts(&record.name),
            Field::Name => {
                let bare = |name: &str| name.strip_prefix('/').unwrap_or(name).to_owned();
                let name = bare(&record.name);
                self.values.iter().any(|value| compare(self.option, &name, &bare(value)))
            }
            Field::Path => self.values.iter().any(|path| {
                let rest = below(path.trim_end_matches('/'), &record.name);
                rest.is_some_and(|rest| self.option == Match::Recursive || !rest.contains('/'))
            }),
            Field::Type => self.accepts(version.kind.as_str()),
            Field::KeyId => version.key_id.as_deref().is_some_and(|key| self.accepts(key)),
            Field::Tier => self.accepts(version.tier.as_str()),
            Field::DataType => self.accepts(&version.data_type),
            Field::Tag(key) => {
                let tag = record.tags.iter().find(|(k, _)| k == key);
                tag.is_some_and(|(_, value)| self.values.is_empty() || self.accepts(value))
            }
        }
    }

    fn accepts(&self, text: &str) -> bool {
        self.values.iter().any(|value| compare(self.option, text, value))
    }

    fn is_one_of(&self, labels: &[String]) -> bool {
        self.values.iter().any(|value| labels.contains(value))
    }
}

fn compare(option: Match, text: &str, value: &str) -> bool {
    match option {
        Match::BeginsWith => text.starts_with(value),
        Match::Contains => text.contains(value),
        Match::Equals | Match::OneLevel | Match::Recursive => text == value,
    }
}

impl Field {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "Name" => Self::Name,
            "Path" => Self::Path,
            "Type" => Self::Type,
            "KeyId" => Self::KeyId,
            "Tier" => Self::Tier,
            "DataType" => Self::DataType,
            "Label" => Self::Label,
            other => Self::Tag(other.strip_prefix("tag:")?.to_owned()),
        })
    }

    /// The option that a filter names, or the usual one.
    fn option(&self, text: Option<&str>) -> Result<Match, ApiError> {
        let (valid, list): (&[(&str, Match)], &str) = match self {
            Self::Path => {
                (&[("OneLevel", Match::OneLevel), ("Recursive", Match::Recursive)], "Recursive, OneLevel")
            }
            Self::Label => (&[("Equals", Match::Equals)], "Equals"),
            Self::Name => (
                &[
                    ("Equals", Match::Equals),
                    ("BeginsWith", Match::BeginsWith),
                    ("Contains", Match::Contains),
                ],
                "BeginsWith, Equals, Contains",
            ),
            _ => (&[("Equals", Match::Equals), ("BeginsWith", Match::BeginsWith)], "BeginsWith, Equals"),
        };
        let found = match text {
            None => valid.first(),
            Some(text) => valid.iter().find(|(name, _)| *name == text),
        };
        found.map(|(_, option)| *option).ok_or_else(|| {
            invalid_filter_option(format!(
                "The following filter option is not valid: {}. Valid options include: [{list}].",
                text.unwrap_or_default()
            ))
        })
    }

    fn check_values(&self, values: &[String]) -> Result<(), ApiError> {
        match self {
            Self::Type => one_of(values, ParameterType::SPELLINGS),
            Self::Tier => one_of(values, ParameterTier::SPELLINGS),
            Self::Path => values.iter().try_for_each(|path| {
                let lower = path.to_ascii_lowercase();
                if lower.starts_with("/aws") || lower.starts_with("/ssm") {
                    return Err(ApiError::validation(
                        "Filters for common parameters can't be prefixed with \"aws\" or \"ssm\" (case-insensitive). \
                         When using global parameters, please specify within a global namespace.",
                    ));
                }
                check_path(path)
            }),
            _ => Ok(()),
        }
    }
}

fn one_of(values: &[String], valid: &[&str]) -> Result<(), ApiError> {
    match values.iter().find(|value| !valid.contains(&value.as_str())) {
        None => Ok(()),
        Some(value) => Err(invalid_filter_option(format!(
            "The following filter value is not valid: {value}. Valid values include: [{}].",
            valid.join(", ")
        ))),
    }
}

/// Checks a path: it begins with a slash, and may end with one.
pub(super) fn check_path(path: &str) -> Result<(), ApiError> {
    let fine = path.starts_with('/')
        && !path.contains("//")
        && path.chars().all(|c| c.is_ascii_alphanumeric() || "/.-_".contains(c));
    if fine {
        return Ok(());
    }
    Err(ApiError::validation(
        "The parameter doesn't meet the parameter name requirements. The parameter name must begin with a forward \
         slash \"/\". It can't be prefixed with \"aws\" or \"ssm\" (case-insensitive). It must use only letters, \
         numbers, or the following symbols: . (period), - (hyphen), _ (underscore). Special characters are not \
         allowed. All sub-paths, if specified, must use the forward slash symbol \"/\". Valid example: \
         /get/parameters2-/by1./path0_.",
    ))
}

#[cfg(test)]
mod tests;
