//! The orders in which parameters are kept, beside that of names.
//!
//! ```text
//! d/TIME/account/region/name                   a parameter policy is due
//! s/account/region/name                        a resource policy shares it
//! g/account/region/KEY NUL VALUE NUL name      has this tag
//! k a i t /account/region/VALUE NUL name       key id, data type, tier, type
//! ```
//!
//! The last four hold parameters whose value is not the usual one: those are few, and
//! a page of the usual ones is found soon in the order of names. All four are of the newest
//! version.

use super::parameter_record::{ParameterKind, ParameterRecord, ParameterVersion, Tier};
use super::parameter_value::TEXT;
use super::parameters::DEFAULT_KEY;
use super::scope::Scope;
use super::table::sortable;

/// What the places of parameters begin with of which something is due.
pub(super) const DUE: &str = "d/";

/// What the places of shared parameters begin with.
pub(super) const SHARED: &str = "s/";

/// What parameters are looked for by, other than their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Property<'a> {
    /// The value of the tag with this key.
    Tag(&'a str),
    /// `KeyId`
    KeyId,
    /// `DataType`
    DataType,
    /// `Tier`
    Tier,
    /// `Type`
    Type,
}

impl Property<'_> {
    /// The value that parameters have unless somebody says otherwise, by which none is found here.
    pub fn usual(self) -> Option<&'static str> {
        match self {
            Self::Tag(_) => None,
            Self::KeyId => Some(DEFAULT_KEY),
            Self::DataType => Some(TEXT),
            Self::Tier => Some(Tier::Standard.as_str()),
            Self::Type => Some(ParameterKind::String.as_str()),
        }
    }

    /// What the places of a scope's parameters begin with.
    fn order(self, scope: &Scope) -> String {
        let scope = scope.id("");
        match self {
            Self::Tag(key) => format!("g/{scope}{key}\0"),
            Self::KeyId => format!("k/{scope}"),
            Self::DataType => format!("a/{scope}"),
            Self::Tier => format!("i/{scope}"),
            Self::Type => format!("t/{scope}"),
        }
    }

    /// What the places of parameters begin with whose value is `value`, or begins with it.
    pub(super) fn prefix(self, scope: &Scope, value: &str, whole: bool) -> String {
        format!("{}{value}{}", self.order(scope), if whole { "\0" } else { "" })
    }

    fn place(self, record: &ParameterRecord, value: &str) -> Option<String> {
        let place = || format!("{}{value}\0{}", self.order(&record.scope), record.name);
        (self.usual() != Some(value)).then(place)
    }
}

/// All places of a parameter but that of its id.
pub(super) fn places(record: &ParameterRecord) -> Vec<String> {
    let due = record.next_due().map(|at| format!("{DUE}{}/{}", sortable(at), record.identity()));
    let shared = record.sharing.as_ref().map(|_| format!("{SHARED}{}", record.identity()));
    let tags = record.tags.iter().filter_map(|(key, value)| Property::Tag(key).place(record, value));
    let of_version = |version: &ParameterVersion| {
        let values = [
            (Property::KeyId, version.key_id.as_deref()),
            (Property::DataType, Some(version.data_type.as_str())),
            (Property::Tier, Some(version.tier.as_str())),
            (Property::Type, Some(version.kind.as_str())),
        ];
        values.map(|(property, value)| value.and_then(|value| property.place(record, value)))
    };
    let version = record.latest().map(of_version).into_iter().flatten().flatten();
    due.into_iter().chain(shared).chain(tags).chain(version).collect()
}

#[cfg(test)]
mod tests {
    use super::super::parameter_policies::InlinePolicy;
    use super::super::parameter_record::tests::parameter;
    use super::super::parameter_sharing::Sharing;
    use super::*;

    #[test]
    fn what_is_usual_takes_no_place() {
        assert_eq!(places(&parameter(3)), Vec::<String>::new());
    }

    #[test]
    fn what_is_not_has_one_each() {
        let mut record = ParameterRecord {
            tags: vec![("team".into(), "shop".into())],
            sharing: Some(Sharing { id: "1".into(), text: "{}".into() }),
            ..parameter(2)
        };
        let version = record.versions.last_mut().unwrap();
        version.kind = ParameterKind::SecureString;
        version.tier = Tier::Advanced;
        version.key_id = Some("alias/mine".into());
        version.data_type = "json".into();
        version.policies = InlinePolicy::parse_list(
            r#"[{"Type":"Expiration","Version":"1.0","Attributes":{"Timestamp":"2027-01-01T00:00:00Z"}}]"#,
        )
        .unwrap();
        assert_eq!(
            places(&record),
            [
                "d/01798761600000000000/1/r//a",
                "s/1/r//a",
                "g/1/r/team\0shop\0/a",
                "k/1/r/alias/mine\0/a",
                "a/1/r/json\0/a",
                "i/1/r/Advanced\0/a",
                "t/1/r/SecureString\0/a",
            ]
        );
        let tag = Property::Tag("team");
        assert_eq!(tag.prefix(&record.scope, "shop", true), "g/1/r/team\0shop\0");
        assert_eq!(tag.prefix(&record.scope, "sh", false), "g/1/r/team\0sh");
    }
}
