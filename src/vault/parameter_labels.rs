//! Labels of parameter versions: names of one's own, each on one version at a time.
//!
//! ```text
//! label = letter-or-one-of-".-_" *( letter | digit | "." | "-" | "_" )     100 characters at most
//! ```
//!
//! A label does not begin with a digit, and not with `aws` or `ssm` in any case. One
//! that breaks a rule is reported, and the others are put on all the same. A label
//! that another version has moves. A version has ten labels at most.
//!
//! Source: Systems Manager API Reference, `LabelParameterVersion`.

use super::parameter_error::ParameterError;
use super::parameter_record::{ParameterRecord, ParameterVersion};
use super::parameters::{ParameterFailure, Parameters};
use super::secrets::permitted;
use super::table::{Change, Row};
use crate::audit::Permit;

/// Most labels of one version.
pub(crate) const MAX_LABELS: usize = 10;

/// Where labels went, and which ones no version can have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labelled {
    /// The version that was labelled.
    pub version: i64,
    /// Labels that break the naming rules.
    pub invalid: Vec<String>,
}

/// What was taken off a version, and what it did not have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unlabelled {
    /// Taken off.
    pub removed: Vec<String>,
    /// Not there.
    pub invalid: Vec<String>,
}

/// Whether a version can have a label of this name.
fn is_label(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    !text.is_empty()
        && text.len() <= 100
        && text.chars().all(|c| c.is_ascii_alphanumeric() || ".-_".contains(c))
        && !text.starts_with(|c: char| c.is_ascii_digit())
        && !lower.starts_with("aws")
        && !lower.starts_with("ssm")
}

impl ParameterRecord {
    /// Puts labels on a version: the newest if `version` is `None`.
    pub(crate) fn label(
        &mut self,
        version: Option<i64>,
        labels: &[String],
    ) -> Result<Labelled, ParameterError> {
        let number = match version {
            None => self.latest().map_or(0, |v| v.version),
            Some(number) => number,
        };
        let wanted = self.numbered(number)?;
        let mut invalid: Vec<String> = Vec::new();
        let mut all = wanted.labels.clone();
        for label in labels {
            let list = if is_label(label) { &mut all } else { &mut invalid };
            if !list.contains(label) {
                list.push(label.clone());
            }
        }
        if all.len() > MAX_LABELS {
            return Err(ParameterError::TooManyLabels);
        }
        for version in &mut self.versions {
            if version.version == number {
                version.labels.clone_from(&all);
            } else {
                version.labels.retain(|label| !all.contains(label));
            }
        }
        Ok(Labelled { version: number, invalid })
    }

    /// Takes labels off a version.
    pub(crate) fn unlabel(&mut self, version: i64, labels: &[String]) -> Result<Unlabelled, ParameterError> {
        let found = self.numbered(version)?;
        let mut outcome = Unlabelled::default();
        for label in labels {
            let list = if found.labels.contains(label) { &mut outcome.removed } else { &mut outcome.invalid };
            if !list.contains(label) {
                list.push(label.clone());
            }
        }
        found.labels.retain(|label| !outcome.removed.contains(label));
        Ok(outcome)
    }

    fn numbered(&mut self, number: i64) -> Result<&mut ParameterVersion, ParameterError> {
        let name = &self.name;
        self.versions
            .iter_mut()
            .find(|v| v.version == number)
            .ok_or_else(|| ParameterError::NoSuchVersion { name: name.clone(), selector: number.to_string() })
    }
}

impl Parameters<'_> {
    /// `LabelParameterVersion`.
    pub fn label(
        &self,
        permit: &Permit,
        parameter: &Row<ParameterRecord>,
        version: Option<i64>,
        labels: &[String],
    ) -> Result<Labelled, ParameterFailure> {
        permitted(permit, &["ssm:LabelParameterVersion"], &parameter.record.arn())?;
        self.edit(parameter, |record| record.label(version, labels))
    }

    /// `UnlabelParameterVersion`.
    pub fn unlabel(
        &self,
        permit: &Permit,
        parameter: &Row<ParameterRecord>,
        version: i64,
        labels: &[String],
    ) -> Result<Unlabelled, ParameterFailure> {
        permitted(permit, &["ssm:UnlabelParameterVersion"], &parameter.record.arn())?;
        self.edit(parameter, |record| record.unlabel(version, labels))
    }

    /// Changes what is not a value of a parameter that may have changed since it was found.
    pub(super) fn edit<T>(
        &self,
        parameter: &Row<ParameterRecord>,
        edit: impl FnOnce(&mut ParameterRecord) -> Result<T, ParameterError>,
    ) -> Result<T, ParameterFailure> {
        let found = &parameter.record;
        self.0.parameters.change(&found.scope.id(&found.name), |current| {
            let current = current.ok_or_else(|| ParameterError::NotFound(found.name.clone()))?;
            let mut record = current.clone();
            let answer = edit(&mut record)?;
            let change = if record == *current { Change::Keep } else { Change::Write(record) };
            Ok((change, answer))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::parameter_record::tests::parameter;
    use proptest::prelude::*;

    fn texts(labels: &[&str]) -> Vec<String> {
        labels.iter().map(|&label| label.to_owned()).collect()
    }

    #[test]
    fn labels_have_rules() {
        for good in ["prod", "a1", "_x", "-", ".5", "Aaws", &"l".repeat(100)] {
            assert!(is_label(good), "{good}");
        }
        for bad in ["", "1a", "aws", "AWS-x", "Ssm", "a b", "a/b", "a:b", "é", &"l".repeat(101)] {
            assert!(!is_label(bad), "{bad}");
        }
    }

    #[test]
    fn a_label_moves_and_a_bad_one_is_reported() {
        let mut record = parameter(2);
        let first = record.label(Some(1), &texts(&["prod", "1x", "prod"])).unwrap();
        assert_eq!(first, Labelled { version: 1, invalid: texts(&["1x"]) });
        assert_eq!(record.versions[0].labels, texts(&["prod"]));
        assert_eq!(record.label(None, &texts(&["prod"])).unwrap().version, 2);
        assert_eq!((record.versions[0].labels.len(), record.versions[1].labels.len()), (0, 1));
        let off = record.unlabel(2, &texts(&["prod", "test"])).unwrap();
        assert_eq!(off, Unlabelled { removed: texts(&["prod"]), invalid: texts(&["test"]) });
        assert!(record.versions.iter().all(|v| v.labels.is_empty()));
    }

    #[test]
    fn ten_labels_and_no_more() {
        let mut record = parameter(1);
        let ten: Vec<String> = (0..10).map(|n| format!("l{n}")).collect();
        record.label(None, &ten).unwrap();
        assert_eq!(record.label(None, &texts(&["l3"])).unwrap().version, 1);
        let before = record.clone();
        assert_eq!(record.label(None, &texts(&["more"])), Err(ParameterError::TooManyLabels));
        assert_eq!(record, before);
        let missing = record.label(Some(7), &texts(&["a"])).unwrap_err().to_string();
        assert_eq!(
            missing,
            "Systems Manager could not find version 7 of /a. Verify the version and try again."
        );
    }

    proptest! {
        #[test]
        fn a_label_is_on_one_version_at_most(
            steps in prop::collection::vec((1_i64..5, prop::collection::vec("[a-d1]{1,2}", 1..4), any::<bool>()), 0..40)
        ) {
            let mut record = parameter(4);
            for (version, labels, on) in steps {
                if on {
                    let _ = record.label(Some(version), &labels);
                } else {
                    let _ = record.unlabel(version, &labels);
                }
                let mut all: Vec<&String> = record.versions.iter().flat_map(|v| &v.labels).collect();
                prop_assert!(record.versions.iter().all(|v| v.labels.len() <= MAX_LABELS));
                prop_assert!(all.iter().all(|label| is_label(label)));
                let count = all.len();
                all.sort();
                all.dedup();
                prop_assert_eq!(all.len(), count);
            }
        }
    }
}
