//! Tags of parameters: up to fifty, each key once.
//!
//! Source: Systems Manager API Reference, `AddTagsToResource`.

use super::parameter_error::ParameterError;
use super::parameter_record::ParameterRecord;
use super::parameters::{ParameterFailure, Parameters};
use super::secrets::permitted;
use super::table::Row;
use crate::audit::Permit;

/// Most tags of one parameter.
const MAX_TAGS: usize = 50;

impl ParameterRecord {
    /// Adds tags, and overwrites those with the same keys.
    fn add_tags(&mut self, tags: Vec<(String, String)>) -> Result<(), ParameterError> {
        for (key, value) in tags {
            match self.tags.iter_mut().find(|(k, _)| *k == key) {
                Some(tag) => tag.1 = value,
                None => self.tags.push((key, value)),
            }
        }
        if self.tags.len() > MAX_TAGS { Err(ParameterError::TooManyTags) } else { Ok(()) }
    }
}

impl Parameters<'_> {
    /// `AddTagsToResource`.
    pub fn add_tags(
        &self,
        permit: &Permit,
        parameter: &Row<ParameterRecord>,
        tags: Vec<(String, String)>,
    ) -> Result<(), ParameterFailure> {
        permitted(permit, &["ssm:AddTagsToResource"], &parameter.record.arn())?;
        self.edit(parameter, |record| record.add_tags(tags))
    }

    /// `RemoveTagsFromResource`. A key that the parameter does not have is no error.
    pub fn remove_tags(
        &self,
        permit: &Permit,
        parameter: &Row<ParameterRecord>,
        keys: &[String],
    ) -> Result<(), ParameterFailure> {
        permitted(permit, &["ssm:RemoveTagsFromResource"], &parameter.record.arn())?;
        self.edit(parameter, |record| {
            record.tags.retain(|(key, _)| !keys.contains(key));
            Ok(())
        })
    }

    /// `ListTagsForResource`.
    pub fn tags(
        &self,
        permit: &Permit,
        parameter: &Row<ParameterRecord>,
    ) -> Result<Vec<(String, String)>, ParameterFailure> {
        permitted(permit, &["ssm:ListTagsForResource"], &parameter.record.arn())?;
        Ok(parameter.record.tags.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::parameter_record::tests::parameter;

    #[test]
    fn fifty_tags_each_key_once() {
        let mut record = ParameterRecord { tags: vec![("k0".into(), "old".into())], ..parameter(1) };
        let tags = |n: usize| (0..n).map(|i| (format!("k{i}"), "new".to_owned())).collect::<Vec<_>>();
        assert_eq!(record.add_tags(tags(50)), Ok(()));
        assert_eq!((record.tags.len(), record.tags[0].1.as_str()), (50, "new"));
        assert_eq!(record.add_tags(tags(51)), Err(ParameterError::TooManyTags));
    }
}
