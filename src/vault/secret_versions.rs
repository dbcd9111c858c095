//! Which version carries which staging label: `UpdateSecretVersionStage`, pure.
//!
//! ```text
//! MoveTo  RemoveFrom   label is on   then
//! A       -            none, A       A has it
//! A       -            B             refused: B must be named
//! A       B            B             moved; AWSCURRENT leaves AWSPREVIOUS on B
//! -       B            B             removed; AWSCURRENT cannot be
//! *       C            none, B       refused
//! ```
//!
//! Rules and texts: Secrets Manager API Reference, `UpdateSecretVersionStage`.

use super::secret_error::SecretError;
use super::secret_record::{AWSCURRENT, AWSPREVIOUS, MAX_STAGES, SecretRecord};
use jiff::Timestamp;

/// A change of one staging label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StageMove<'a> {
    /// The label.
    pub stage: &'a str,
    /// The version that gets it; nobody if absent.
    pub to: Option<&'a str>,
    /// The version that has it.
    pub from: Option<&'a str>,
}

impl SecretRecord {
    /// Moves a staging label. The record is only changed when that succeeds.
    pub(crate) fn move_stage(&mut self, change: StageMove<'_>, now: Timestamp) -> Result<(), SecretError> {
        let StageMove { stage, to, from } = change;
        self.require_changeable()?;
        for id in [to, from].into_iter().flatten() {
            self.version(id).ok_or_else(|| SecretError::NoSuchVersion(id.to_owned()))?;
        }
        // What a rotation has not given a value, or uses for a test, is not there to be read.
        if let Some(id) = to
            && (self.is_test_copy(id)
                || stage == AWSCURRENT && self.version(id).is_some_and(|v| !v.has_value()))
        {
            return Err(SecretError::NoSuchVersion(id.to_owned()));
        }
        let holder = self.staged(stage).map(|v| v.id.clone());
        match (holder.as_deref(), from) {
            (Some(holder), None) if to != Some(holder) => {
                return Err(SecretError::StageHeld { stage: stage.to_owned(), version: holder.to_owned() });
            }
            (holder, Some(from)) if holder != Some(from) => {
                return Err(SecretError::StageNotThere { stage: stage.to_owned(), version: from.to_owned() });
            }
            (None, None) if to.is_none() => return Err(SecretError::NothingToMove),
            _ => {}
        }
        if to == holder.as_deref() {
            return Ok(());
        }
        if to.is_none() && stage == AWSCURRENT {
            return Err(SecretError::CurrentRemoved);
        }
        // AWSCURRENT takes the place of AWSPREVIOUS when the two swap.
        let full = to.and_then(|id| self.version(id)).is_some_and(|v| {
            let leaves = usize::from(stage == AWSCURRENT && holder.is_some() && v.has(AWSPREVIOUS));
            v.stages.len() - leaves >= MAX_STAGES
        });
        if full {
            return Err(SecretError::TooManyStages);
        }
        self.detach(stage);
        if let Some(to) = to {
            self.attach(stage, to);
        }
        if let (AWSCURRENT, Some(old)) = (stage, &holder) {
            self.detach(AWSPREVIOUS);
            self.attach(AWSPREVIOUS, old);
        }
        if let (AWSCURRENT, Some(rotation)) = (stage, &mut self.rotation) {
            rotation.counted_from = now;
        }
        self.changed = now;
        Ok(())
    }

    fn attach(&mut self, stage: &str, id: &str) {
        if let Some(version) = self.versions.iter_mut().find(|v| v.id == id) {
            version.label(stage);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::secret_record::tests::{at, put, record};
    use super::*;
    use proptest::prelude::*;

    fn apply(
        record: &mut SecretRecord,
        stage: &str,
        to: Option<&str>,
        from: Option<&str>,
    ) -> Result<(), SecretError> {
        record.move_stage(StageMove { stage, to, from }, Timestamp::UNIX_EPOCH)
    }

    fn three() -> SecretRecord {
        let mut r = record();
        for id in ["1", "2", "3"] {
            put(&mut r, id, &[]);
        }
        r
    }

    #[test]
    fn current_leaves_previous_behind() {
        let mut r = three();
        apply(&mut r, AWSCURRENT, Some("1"), Some("3")).unwrap();
        assert_eq!((at(&r, AWSCURRENT), at(&r, AWSPREVIOUS)), (Some("1"), Some("3")));
        assert!(r.version("2").unwrap().stages.is_empty());
        apply(&mut r, AWSCURRENT, Some("3"), Some("1")).unwrap();
        assert_eq!((at(&r, AWSCURRENT), at(&r, AWSPREVIOUS)), (Some("3"), Some("1")), "they swap");
    }

    #[test]
    fn the_holder_must_be_named() {
        let mut r = three();
        let held = |stage: &str, version: &str| SecretError::StageHeld {
            stage: stage.into(),
            version: version.into(),
        };
        assert_eq!(apply(&mut r, AWSCURRENT, Some("1"), None), Err(held(AWSCURRENT, "3")));
        assert_eq!(apply(&mut r, AWSPREVIOUS, None, None), Err(held(AWSPREVIOUS, "2")));
        let elsewhere = SecretError::StageNotThere { stage: AWSCURRENT.into(), version: "2".into() };
        assert_eq!(apply(&mut r, AWSCURRENT, Some("1"), Some("2")), Err(elsewhere));
        assert_eq!(apply(&mut r, "x", Some("9"), None), Err(SecretError::NoSuchVersion("9".into())));
        assert_eq!(apply(&mut r, AWSPREVIOUS, None, Some("9")), Err(SecretError::NoSuchVersion("9".into())));
        assert_eq!(apply(&mut r, "x", None, None), Err(SecretError::NothingToMove));
        assert_eq!(apply(&mut r, AWSCURRENT, None, Some("3")), Err(SecretError::CurrentRemoved));
        assert_eq!(r, three());
    }

    #[test]
    fn free_labels_are_added_repeated_and_removed() {
        let mut r = three();
        apply(&mut r, "mine", Some("1"), None).unwrap();
        let once = r.clone();
        apply(&mut r, "mine", Some("1"), None).unwrap();
        assert_eq!(r, once);
        apply(&mut r, "mine", Some("2"), Some("1")).unwrap();
        assert_eq!(at(&r, "mine"), Some("2"));
        apply(&mut r, "mine", None, Some("2")).unwrap();
        assert_eq!(at(&r, "mine"), None);
    }

    #[test]
    fn a_version_has_at_most_twenty_labels() {
        let mut r = three();
        for i in 0..19 {
            apply(&mut r, &i.to_string(), Some("2"), None).unwrap();
        }
        assert_eq!(apply(&mut r, "more", Some("2"), None), Err(SecretError::TooManyStages));
        apply(&mut r, AWSCURRENT, Some("2"), Some("3")).unwrap();
        assert_eq!(r.version("2").unwrap().stages.len(), MAX_STAGES);
    }

    proptest! {
        #[test]
        fn labels_stay_unique_and_current_stays(
            moves in prop::collection::vec(
                ("AWSCURRENT|AWSPREVIOUS|AWSPENDING|a", prop::option::of("[1-4]"), prop::option::of("[1-4]")),
                1..40,
            )
        ) {
            let mut r = three();
            for (stage, to, from) in &moves {
                let before = r.clone();
                let moved = apply(&mut r, stage, to.as_deref(), from.as_deref());
                if moved.is_err() {
                    prop_assert_eq!(&r, &before);
                } else {
                    prop_assert_eq!(at(&r, stage), to.as_deref());
                }
                if at(&before, AWSCURRENT) != at(&r, AWSCURRENT) {
                    prop_assert_eq!(at(&r, AWSPREVIOUS), at(&before, AWSCURRENT));
                }
                for stage in [AWSCURRENT, AWSPREVIOUS, "AWSPENDING", "a"] {
                    prop_assert!(r.versions.iter().filter(|v| v.has(stage)).count() <= 1);
                }
                prop_assert!(at(&r, AWSCURRENT).is_some());
            }
        }
    }
}
