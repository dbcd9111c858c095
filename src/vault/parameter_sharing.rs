//! The resource policy of a parameter, by which other accounts may read it.
//!
//! A parameter has one at most, and only in the advanced tier. An update and a deletion name
//! the policy by its id and by the hash of its text, so that nobody overwrites what he has
//! not seen.
//!
//! Source: Systems Manager API Reference, `PutResourcePolicy`; User Guide, "Working with shared
//! parameters".

use super::parameter_error::ParameterError;
use super::parameter_places::SHARED;
use super::parameter_record::{ParameterRecord, Tier};
use super::parameter_walk::Listed;
use super::parameters::{ParameterFailure, Parameters};
use super::secrets::permitted;
use super::table::{By, Row, Stretch};
use crate::audit::Permit;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;

/// A resource policy as it was put.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sharing {
    /// `PolicyId`
    pub id: String,
    /// The policy document.
    pub text: String,
}

impl Sharing {
    /// `PolicyHash`: tells one version of the policy from another.
    pub fn hash(&self) -> String {
        hex::encode(Sha256::digest(self.text.as_bytes()))
    }
}

impl ParameterRecord {
    /// Puts a policy: the first one, or in place of the one that `replaces` names by id and hash.
    fn share(
        &mut self,
        text: String,
        replaces: Option<(&str, &str)>,
        new_id: String,
    ) -> Result<Sharing, ParameterError> {
        if self.latest().is_none_or(|version| version.tier != Tier::Advanced) {
            return Err(ParameterError::SharingNeedsAdvanced);
        }
        let id = match (replaces, &self.sharing) {
            (None, None) => new_id,
            (None, Some(_)) => return Err(ParameterError::SharedAlready),
            (Some((id, hash)), sharing) => Self::seen(sharing.as_ref(), id, hash)?.id.clone(),
        };
        let sharing = Sharing { id, text };
        self.sharing = Some(sharing.clone());
        Ok(sharing)
    }

    fn unshare(&mut self, id: &str, hash: &str) -> Result<(), ParameterError> {
        Self::seen(self.sharing.as_ref(), id, hash)?;
        self.sharing = None;
        Ok(())
    }

    /// The policy, if it is the one that the caller has seen.
    fn seen<'s>(sharing: Option<&'s Sharing>, id: &str, hash: &str) -> Result<&'s Sharing, ParameterError> {
        let sharing = sharing.filter(|s| s.id == id).ok_or(ParameterError::NoSuchSharing)?;
        if sharing.hash() == hash { Ok(sharing) } else { Err(ParameterError::SharingChanged) }
    }
}

impl Parameters<'_> {
    /// `PutResourcePolicy`. The document has been checked by the caller.
    pub fn share(
        &self,
        permit: &Permit,
        parameter: &Row<ParameterRecord>,
        text: String,
        replaces: Option<(&str, &str)>,
    ) -> Result<Sharing, ParameterFailure> {
        permitted(permit, &["ssm:PutResourcePolicy"], &parameter.record.arn())?;
        let id = uuid::Uuid::new_v4().to_string();
        self.edit(parameter, |record| record.share(text, replaces, id))
    }

    /// `DeleteResourcePolicy`.
    pub fn unshare(
        &self,
        permit: &Permit,
        parameter: &Row<ParameterRecord>,
        (id, hash): (&str, &str),
    ) -> Result<(), ParameterFailure> {
        permitted(permit, &["ssm:DeleteResourcePolicy"], &parameter.record.arn())?;
        self.edit(parameter, |record| record.unshare(id, hash))
    }

    /// Up to `limit` parameters of every scope that have a resource policy, after the one with
    /// the identity `after`. Which of them a caller may see is for the gate to say.
    pub fn shared(
        &self,
        permit: &Permit,
        resource: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Listed<Arc<Row<ParameterRecord>>>, ParameterFailure> {
        permitted(permit, &["ssm:DescribeParameters"], resource)?;
        let now = self.0.now();
        let after = after.map(|identity| format!("{SHARED}{identity}"));
        let stretch = Stretch { by: By::Place, prefix: SHARED, after: after.as_deref(), descending: false };
        let rows = self.0.parameters.stretch(stretch, limit);
        let next = rows.last().filter(|_| rows.len() == limit).map(|(_, row)| row.record.identity());
        let rows = rows.into_iter().map(|(_, row)| row);
        Ok(Listed { entries: rows.filter(|row| !row.record.is_expired(now)).collect(), next })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::parameter_record::tests::parameter;

    #[test]
    fn one_policy_and_nobody_overwrites_what_he_has_not_seen() {
        let mut record = parameter(1);
        let new = || "id-1".to_owned();
        assert_eq!(record.share("{}".into(), None, new()), Err(ParameterError::SharingNeedsAdvanced));
        record.versions.last_mut().unwrap().tier = Tier::Advanced;
        let first = record.share("{}".into(), None, new()).unwrap();
        assert_eq!(first.id, "id-1");
        assert_eq!(record.share("[]".into(), None, new()), Err(ParameterError::SharedAlready));
        let hash = first.hash();
        assert_eq!(
            record.share("[]".into(), Some(("id-2", &hash)), new()),
            Err(ParameterError::NoSuchSharing)
        );
        let second = record.share("[]".into(), Some(("id-1", &hash)), new()).unwrap();
        assert_eq!((second.id.as_str(), second.hash() == hash), ("id-1", false));
        assert_eq!(record.unshare("id-1", &hash), Err(ParameterError::SharingChanged));
        assert_eq!(record.unshare("id-1", &second.hash()), Ok(()));
        assert_eq!(record.unshare("id-1", &second.hash()), Err(ParameterError::NoSuchSharing));
    }
}
