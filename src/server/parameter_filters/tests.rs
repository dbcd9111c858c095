//! Filters: what matches, and what is refused in which words.

use super::*;
use crate::vault::{ParameterKind, Scope, Tier};
use jiff::Timestamp;
use proptest::prelude::*;

fn version(version: i64, kind: ParameterKind, labels: &[&str]) -> ParameterVersion {
    ParameterVersion {
        kind,
        key_id: (kind == ParameterKind::SecureString).then(|| "alias/aws/ssm".to_owned()),
        labels: labels.iter().map(|&label| label.to_owned()).collect(),
        ..serde_json::from_value(serde_json::json!({
            "version": version, "kind": "String", "key_id": null, "modified": Timestamp::UNIX_EPOCH, "user": "u",
            "description": null, "allowed_pattern": null, "tier": Tier::Standard, "data_type": "text",
            "labels": [], "blob": "",
        }))
        .unwrap()
    }
}

fn record(name: &str) -> ParameterRecord {
    ParameterRecord {
        scope: Scope::new("1", "r"),
        name: name.to_owned(),
        tags: vec![("team".into(), "shop".into())],
        versions: vec![
            version(1, ParameterKind::String, &["old", "first"]),
            version(2, ParameterKind::SecureString, &["prod"]),
            version(3, ParameterKind::SecureString, &[]),
        ],
        sharing: None,
    }
}

fn filter(key: &str, option: &str, values: &[&str]) -> ParameterStringFilter {
    ParameterStringFilter {
        key: key.to_owned(),
        option: (!option.is_empty()).then(|| option.to_owned()),
        values: (!values.is_empty()).then(|| values.iter().map(|&v| v.to_owned()).collect()),
    }
}

fn described(name: &str, filters: &[(&str, &str, &[&str])]) -> bool {
    let filters = filters.iter().map(|(key, option, values)| filter(key, option, values)).collect();
    Criteria::describe(Vec::new(), filters).unwrap().select(&record(name)).is_some()
}

fn refusal(filters: &[(&str, &str, &[&str])], by_path: bool) -> (&'static str, String) {
    let filters = filters.iter().map(|(key, option, values)| filter(key, option, values)).collect();
    let checked = if by_path { Criteria::by_path(filters) } else { Criteria::describe(Vec::new(), filters) };
    let error = checked.unwrap_err();
    (error.code, error.message)
}

#[test]
fn names() {
    assert!(described("/a/b", &[("Name", "", &["x", "/a/b"])]));
    assert!(described("/a/b", &[("Name", "Equals", &["a/b"])]));
    assert!(!described("/a/b", &[("Name", "", &["/a"])]));
    assert!(described("/a/b", &[("Name", "BeginsWith", &["/a"])]));
    assert!(described("ab", &[("Name", "BeginsWith", &["/a"])]));
    assert!(described("/a/b", &[("Name", "Contains", &["/b"])]));
    assert!(!described("/a/b", &[("Name", "Contains", &["/c"])]));
}

#[test]
fn paths() {
    assert!(described("/a/b", &[("Path", "", &["/a"])]));
    assert!(described("/a/b", &[("Path", "OneLevel", &["/x", "/a/"])]));
    assert!(!described("/a/b/c", &[("Path", "OneLevel", &["/a"])]));
    assert!(described("/a/b/c", &[("Path", "Recursive", &["/a"])]));
    assert!(!described("/ab", &[("Path", "Recursive", &["/a"])]));
    assert!(described("a", &[("Path", "OneLevel", &["/"])]));
}

#[test]
fn versions_and_tags() {
    assert!(described("a", &[("Type", "", &["String", "SecureString"])]));
    assert!(!described("a", &[("Type", "", &["String"])]));
    assert!(described("a", &[("KeyId", "BeginsWith", &["alias/"]), ("Tier", "", &["Standard"])]));
    assert!(!described("a", &[("KeyId", "", &["alias/aws/ssm"]), ("Tier", "", &["Advanced"])]));
    assert!(described("a", &[("DataType", "BeginsWith", &["te"])]));
    assert!(described("a", &[("tag:team", "", &[])]));
    assert!(described("a", &[("tag:team", "BeginsWith", &["sh"])]));
    assert!(!described("a", &[("tag:team", "", &["sh"])]));
    assert!(!described("a", &[("tag:other", "", &[])]));
}

#[test]
fn a_label_picks_the_version_that_the_other_filters_see() {
    let by_path = |filters: &[(&str, &str, &[&str])]| {
        let filters = filters.iter().map(|(key, option, values)| filter(key, option, values)).collect();
        Criteria::by_path(filters).unwrap().select(&record("/a")).map(|v| v.version)
    };
    assert_eq!(by_path(&[]), Some(3));
    assert_eq!(by_path(&[("Label", "Equals", &["prod", "old"])]), Some(2));
    assert_eq!(by_path(&[("Label", "", &["first"]), ("Type", "", &["String"])]), Some(1));
    assert_eq!(by_path(&[("Label", "", &["first"]), ("Type", "", &["SecureString"])]), None);
    assert_eq!(by_path(&[("Label", "", &["none"])]), None);
}

#[test]
fn the_older_filters() {
    let matches = |key, value: &str| {
        let filters = vec![ParametersFilter { key, values: vec![value.to_owned()] }];
        Criteria::describe(filters, Vec::new()).unwrap().select(&record("/a/b")).is_some()
    };
    assert!(matches(ParametersFilterKey::Name, "/a") && !matches(ParametersFilterKey::Name, "/b"));
    assert!(matches(ParametersFilterKey::Type, "SecureString"));
    assert!(!matches(ParametersFilterKey::KeyId, "alias/aws"));
    let both = Criteria::describe(
        vec![ParametersFilter { key: ParametersFilterKey::Name, values: vec!["a".into()] }],
        vec![filter("Name", "", &["a"])],
    );
    assert_eq!(
        both.unwrap_err().message,
        "You can use either Filters or ParameterFilters in a single request."
    );
}

#[test]
fn refusals() {
    assert_eq!(
        refusal(&[("Name", "", &["a"])], true),
        (
            "InvalidFilterKey",
            "The following filter key is not valid: Name. Valid filter keys include: [Type, KeyId, Label]."
                .into()
        )
    );
    assert_eq!(refusal(&[("tag:x", "", &["a"])], true).0, "InvalidFilterKey");
    assert_eq!(refusal(&[("Label", "", &["a"])], false).0, "InvalidFilterKey");
    assert_eq!(
        refusal(&[("Name", "", &[])], false),
        ("InvalidFilterValue", "The following filter values are missing : null for filter key Name.".into())
    );
    assert_eq!(
        refusal(&[("Name", "", &["a"]), ("Name", "Contains", &["b"])], false),
        (
            "InvalidFilterKey",
            "The following filter is duplicated in the request: Name. A request can contain only one occurrence of a \
             specific filter."
                .into()
        )
    );
    assert_eq!(
        refusal(&[("Path", "Equals", &["/a"])], false),
        (
            "InvalidFilterOption",
            "The following filter option is not valid: Equals. Valid options include: [Recursive, OneLevel]."
                .into()
        )
    );
    assert_eq!(refusal(&[("Label", "BeginsWith", &["a"])], true).0, "InvalidFilterOption");
    assert_eq!(refusal(&[("Type", "Contains", &["String"])], false).0, "InvalidFilterOption");
    assert_eq!(
        refusal(&[("Type", "", &["Strings"])], false),
        (
            "InvalidFilterOption",
            "The following filter value is not valid: Strings. Valid values include: [String, StringList, \
             SecureString]."
                .into()
        )
    );
    assert_eq!(refusal(&[("Path", "", &["/AWS/x"])], false).0, "ValidationException");
    for path in ["a", "//", "/a b", "/a//b", ""] {
        assert_eq!(check_path(path).unwrap_err().code, "ValidationException", "{path}");
    }
    assert_eq!(check_path("/get/parameters2-/by1./path0_"), Ok(()));
}

proptest! {
    #[test]
    fn equal_is_stricter_than_begins_which_is_stricter_than_contains(name in "(/[ab]{1,2}){1,3}", value in "/?[ab]{1,2}(/[ab])?") {
        let holds = |option| described(&name, &[("Name", option, &[&value])]);
        prop_assert!(!holds("Equals") || holds("BeginsWith"));
        let bare = value.strip_prefix('/').unwrap_or(&value);
        prop_assert!(!holds("BeginsWith") || described(&name, &[("Name", "Contains", &[bare])]));
        prop_assert!(!described(&name, &[("Path", "OneLevel", &["/a"])]) || described(&name, &[("Path", "Recursive", &["/a"])]));
    }
}

#[test]
fn a_list_is_looked_for_where_it_is_shortest() {
    type Filters<'a> = &'a [(&'a str, &'a str, &'a [&'a str])];
    let within = |filters: Filters<'_>| {
        let filters = filters.iter().map(|(key, option, values)| filter(key, option, values)).collect();
        format!("{:?}", Criteria::describe(Vec::new(), filters).unwrap().within())
    };
    assert_eq!(within(&[]), "Everywhere");
    assert_eq!(within(&[("Name", "", &["/a"]), ("tag:k", "", &["v"])]), r#"Names(["/a"])"#);
    assert_eq!(within(&[("Type", "", &["SecureString"]), ("Path", "", &["/a"])]), r#"Path("/a", false)"#);
    assert_eq!(
        within(&[("Path", "Recursive", &["/"]), ("tag:k", "BeginsWith", &["v"])]),
        r#"Having(Tag("k"), ["v"], false)"#
    );
    assert_eq!(within(&[("tag:k", "", &[])]), r#"Having(Tag("k"), [""], false)"#);
    assert_eq!(within(&[("Name", "BeginsWith", &["/a", "b"])]), r#"Beginnings(["/a", "b"])"#);
    assert_eq!(within(&[("Name", "Contains", &["a"])]), "Everywhere");
    assert_eq!(within(&[("Tier", "", &["Advanced"])]), r#"Having(Tier, ["Advanced"], true)"#);
    assert_eq!(within(&[("KeyId", "", &["alias/k"])]), r#"Having(KeyId, ["alias/k"], true)"#);
    // Most parameters are like that.
    for usual in [
        ("Tier", "", &["Advanced", "Standard"] as &[&str]),
        ("KeyId", "BeginsWith", &["alias/"]),
        ("DataType", "", &["text"]),
        ("Type", "", &["String"]),
    ] {
        assert_eq!(within(&[usual]), "Everywhere", "{usual:?}");
    }
}
