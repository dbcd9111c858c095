//! [`Rotation`]: how a secret rotates, and how far it has come; pure rules.
//!
//! ```text
//! RotateSecret, or a window opens      AWSPENDING goes to a new version without a value
//!   -> run: attempt, attempt, ...      the function is called; pauses double
//!      -> AWSCURRENT is on the version   rotated: the next window is counted from now
//!      -> the attempts are used up       given up until the next window; AWSPENDING stays
//!      -> a new value from elsewhere,    abandoned; AWSPENDING goes (a cancelled rotation
//!         a deletion, a cancellation     leaves it, as on AWS)
//! ```
//!
//! What is due is in the record, so that it survives a restart: a run that was cut short
//! is due again at the next start, with the same version. The steps of a rotation
//! function are made to be repeated.
//!
//! Rules and texts: Secrets Manager API Reference, `RotateSecret`, `CancelRotateSecret`;
//! User Guide, "Rotation by Lambda function", "Log events with CloudTrail".

use super::secret_error::SecretError;
use super::secret_record::{AWSCURRENT, MAX_VERSIONS, SecretRecord, VersionRecord};
use crate::schedule::{History, Schedule, Window};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// The stage of the version that a rotation makes, until it is current.
pub const AWSPENDING: &str = "AWSPENDING";
/// Attempts of a run before it is given up until the next window.
pub const ATTEMPTS: u32 = 5;
/// Pause after the first attempt; it doubles with each.
const PAUSE: SignedDuration = SignedDuration::from_mins(1);
/// Longest time that a rotation which was asked for is tried.
const PATIENCE: SignedDuration = SignedDuration::from_hours(24);
/// Events about abandoned versions that wait to be recorded; more can only be a mistake.
const UNREPORTED: usize = 16;

/// How a secret rotates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rotation {
    /// Whether it rotates by its schedule.
    pub enabled: bool,
    /// ARN of the rotation function.
    pub function: String,
    /// When it rotates.
    pub rules: RotationRules,
    /// When the rules were set.
    pub set: Timestamp,
    /// The last rotation that succeeded.
    pub last_rotated: Option<Timestamp>,
    /// The last rotation, change of the value by hand, or change of the rules.
    pub counted_from: Timestamp,
    /// When the last run was given up until the next window.
    pub given_up: Option<Timestamp>,
    /// The rotation in progress.
    pub run: Option<RotationRun>,
    /// Versions whose rotation was abandoned, and that is not on record yet.
    #[serde(default)]
    pub abandoned: Vec<String>,
}

/// When a secret rotates, as `RotateSecret` takes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RotationRules {
    /// Days between rotations.
    pub automatically_after_days: Option<i64>,
    /// Length of the rotation window, such as `3h`.
    pub duration: Option<String>,
    /// A `cron()` or `rate()` expression.
    pub schedule_expression: Option<String>,
}

/// A rotation in progress.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RotationRun {
    /// ClientRequestToken: the id of the version that is made.
    pub token: String,
    /// Whether only testSecret is run, against a copy of the current version.
    pub test_only: bool,
    /// No attempt begins after this.
    pub until: Timestamp,
    /// Attempts that have begun.
    pub attempts: u32,
    /// Whether an attempt has begun, and its end is not known.
    #[serde(default)]
    pub running: bool,
    /// When the next attempt is due; `None` after the last one, until a window opens.
    pub next_attempt: Option<Timestamp>,
    /// Why the last attempt failed.
    pub failure: Option<String>,
}

/// What `RotateSecret` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RotationWanted {
    /// ClientRequestToken.
    pub token: String,
    /// The function, if it is given.
    pub function: Option<String>,
    /// The rules, if they are given.
    pub rules: Option<RotationRules>,
    /// Whether to rotate now, or only to test now.
    pub immediately: bool,
}

/// One call of the function's steps that is to be made now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// ARN of the secret.
    pub secret: String,
    /// Region of the secret.
    pub region: String,
    /// ARN of the rotation function.
    pub function: String,
    /// Id of the version that is made.
    pub token: String,
    /// Whether only testSecret is run.
    pub test_only: bool,
    /// The first, the second, and so on.
    pub number: u32,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptEnd {
    /// The version is current, or its test has passed.
    Succeeded,
    /// It is tried again later.
    Failed,
    /// The rotation was over before the attempt was.
    Abandoned,
}

impl RotationRules {
    /// The schedule that the rules say, if they say one.
    ///
    /// # Errors
    /// [`SecretError::Schedule`].
    pub fn schedule(&self) -> Result<Option<Schedule>, SecretError> {
        let (expression, duration) = (self.schedule_expression.as_deref(), self.duration.as_deref());
        Ok(Schedule::parse(self.automatically_after_days, expression, duration)?)
    }
}

impl Rotation {
    /// The window that is open and to be used, or the next one.
    pub fn next_window(&self, now: Timestamp) -> Option<Window> {
        let schedule = self.rules.schedule().ok().flatten().filter(|_| self.enabled)?;
        schedule.next(&self.history(), now)
    }

    /// Days between rotations: as given, or as they follow from the expression.
    pub fn after_days(&self, now: Timestamp) -> Option<i64> {
        self.rules.schedule().ok().flatten()?.after_days(&self.history(), now)
    }

    /// When something is to be done about this secret.
    pub(crate) fn due(&self, now: Timestamp) -> Option<Timestamp> {
        let attempt = self.run.as_ref().and_then(|run| run.due(now));
        let report = (!self.abandoned.is_empty()).then_some(now);
        report.or(attempt).or_else(|| self.next_window(now).map(|window| window.opens))
    }

    fn history(&self) -> History {
        History { set: self.set, rotated: self.counted_from, given_up: self.given_up }
    }

    fn succeed(&mut self, now: Timestamp) {
        (self.last_rotated, self.counted_from) = (Some(now), now);
        (self.given_up, self.run) = (None, None);
    }

    fn abandon(&mut self) -> Option<RotationRun> {
        let run = self.run.take()?;
        if self.abandoned.len() < UNREPORTED {
            self.abandoned.push(run.token.clone());
        }
        Some(run)
    }
}

impl RotationRun {
    /// When the next attempt is due: at once, if it is further off than its pause is long, because
    /// then the clock has been put back.
    fn due(&self, now: Timestamp) -> Option<Timestamp> {
        let due = self.next_attempt?;
        Some(if due > now + pause(self.attempts) { now } else { due })
    }
}

impl SecretRecord {
    /// `RotateSecret`: sets the rotation up and makes it due. Returns the version's id, or
    /// the refusal; the record may change in either case.
    pub(crate) fn rotate(&mut self, wanted: RotationWanted, now: Timestamp) -> Result<String, SecretError> {
        self.require_changeable()?;
        let known = self.rotation.as_ref();
        let function = wanted.function.or_else(|| known.map(|r| r.function.clone()));
        let function = function.ok_or(SecretError::NoRotationFunction)?;
        let rules = wanted.rules.or_else(|| known.map(|r| r.rules.clone())).unwrap_or_default();
        rules.schedule()?;
        if self.version(&wanted.token).is_some() {
            // A repeated request: the version is there, whatever has become of it.
            return Ok(wanted.token);
        }
        self.settle(now);
        if self.staged(AWSPENDING).is_some_and(|version| !version.has(AWSCURRENT)) {
            if let Some(run) = self.rotation.as_mut().and_then(|r| r.run.as_mut()) {
                *run = RotationRun {
                    until: now + PATIENCE,
                    attempts: 0,
                    next_attempt: Some(now),
                    ..run.clone()
                };
            }
            return Err(SecretError::RotationPending);
        }
        self.stage_pending(&wanted.token, !wanted.immediately, now)?;
        let rotation = self.rotation.get_or_insert_with(|| Rotation {
            enabled: true,
            function: String::new(),
            rules: RotationRules::default(),
            set: now,
            last_rotated: None,
            counted_from: now,
            given_up: None,
            run: None,
            abandoned: Vec::new(),
        });
        if !rotation.enabled || rotation.rules != rules {
            (rotation.set, rotation.counted_from, rotation.given_up) = (now, now, None);
        }
        (rotation.enabled, rotation.function, rotation.rules) = (true, function, rules);
        rotation.run = Some(RotationRun {
            token: wanted.token.clone(),
            test_only: !wanted.immediately,
            until: now + PATIENCE,
            attempts: 0,
            running: false,
            next_attempt: Some(now),
            failure: None,
        });
        self.changed = now;
        Ok(wanted.token)
    }

    /// Ends a run that is over while its last attempt has yet to say so: its version is current, or has
    /// lost AWSPENDING.
    fn settle(&mut self, now: Timestamp) {
        let Some(rotation) = &self.rotation else { return };
        let Some(run) = rotation.run.as_ref().filter(|run| !run.test_only) else { return };
        let version = self.version(&run.token);
        if version.is_none_or(|version| !version.has(AWSPENDING) && !version.has(AWSCURRENT)) {
            self.abandon_rotation();
        } else if version.is_some_and(|version| version.has(AWSCURRENT))
            && let Some(rotation) = &mut self.rotation
        {
            rotation.succeed(now);
        }
    }

    /// `CancelRotateSecret`: no more rotations, by the schedule or of the run in progress.
    /// Returns the id of the version that the run leaves behind.
    pub(crate) fn cancel_rotation(&mut self, now: Timestamp) -> Result<Option<String>, SecretError> {
        self.require_changeable()?;
        let rotation = self.rotation.as_mut().ok_or(SecretError::RotationNotConfigured)?;
        let run = rotation.run.take();
        rotation.enabled = false;
        self.changed = now;
        if let Some(run) = run.as_ref().filter(|run| run.test_only) {
            self.remove_version(&run.token);
        }
        let pending = self.staged(AWSPENDING).filter(|version| !version.has(AWSCURRENT));
        Ok(pending.map(|version| version.id.clone()))
    }

    /// The attempt that is due, which then counts as begun: until its end is known, the next
    /// one is due after a pause. `fresh` is the id of a new version, should it need one.
    pub(crate) fn begin_attempt(&mut self, fresh: &str, now: Timestamp) -> Option<Attempt> {
        if self.deletion.is_some() {
            return None;
        }
        let lost = |run: &RotationRun| {
            let unlabelled = self.version(&run.token).is_none_or(|v| !v.has(AWSPENDING));
            unlabelled || (run.test_only && run.until <= now)
        };
        if self.rotation.as_ref()?.run.as_ref().is_some_and(lost) {
            // Somebody took the label away, as AWS advises after a failure; or a test is out of date.
            self.abandon_rotation();
        }
        let rotation = self.rotation.as_mut()?;
        if let Some(run) = rotation.run.as_mut().filter(|run| run.until <= now) {
            run.next_attempt = None;
        }
        let due = rotation.run.as_ref().and_then(|run| run.due(now));
        if due.is_none_or(|due| due > now) {
            let window = rotation.next_window(now).filter(|w| w.opens <= now && due.is_none())?;
            let token = match rotation.run.as_ref() {
                Some(run) => run.token.clone(),
                None => self.pending_or_fresh(fresh, now)?,
            };
            self.rotation.as_mut()?.run = Some(RotationRun {
                token,
                test_only: false,
                until: window.closes,
                attempts: 0,
                running: false,
                next_attempt: Some(now),
                failure: None,
            });
        }
        let (arn, region) = (self.arn(), self.scope.region.clone());
        let rotation = self.rotation.as_mut()?;
        let run = rotation.run.as_mut()?;
        run.attempts += 1;
        run.running = true;
        run.next_attempt = Some(now + pause(run.attempts));
        Some(Attempt {
            secret: arn,
            region,
            function: rotation.function.clone(),
            token: run.token.clone(),
            test_only: run.test_only,
            number: run.attempts,
        })
    }

    /// Notes how an attempt ended, and returns how it really did.
    pub(crate) fn end_attempt(
        &mut self,
        token: &str,
        outcome: Result<(), String>,
        now: Timestamp,
    ) -> AttemptEnd {
        let Some(rotation) = &mut self.rotation else { return AttemptEnd::Abandoned };
        rotation.abandoned.retain(|abandoned| abandoned != token);
        let Some(run) = rotation.run.as_mut().filter(|run| run.token == token) else {
            // It may have been the last step before the run was over: the version is current then.
            return if outcome.is_ok() { AttemptEnd::Succeeded } else { AttemptEnd::Abandoned };
        };
        let end = if outcome.is_ok() { AttemptEnd::Succeeded } else { AttemptEnd::Failed };
        run.running = false;
        if run.test_only {
            rotation.run = None;
            self.remove_version(token);
            return end;
        }
        match outcome {
            Ok(()) => rotation.succeed(now),
            Err(failure) => {
                run.failure = Some(failure);
                let next = now + pause(run.attempts);
                run.next_attempt = (run.attempts < ATTEMPTS && next < run.until).then_some(next);
                if run.next_attempt.is_none() {
                    rotation.given_up = Some(now);
                }
            }
        }
        end
    }

    /// Makes an attempt due again whose end nobody will tell, because the broker that made it
    /// is gone.
    pub(crate) fn resume_attempt(&mut self, now: Timestamp) {
        let run = self.rotation.as_mut().and_then(|rotation| rotation.run.as_mut());
        if let Some(run) = run.filter(|run| run.running) {
            (run.running, run.next_attempt) = (false, Some(now));
        }
    }

    /// Ends the rotation in progress because the secret has changed under it.
    pub(super) fn abandon_rotation(&mut self) {
        let Some(run) = self.rotation.as_mut().and_then(Rotation::abandon) else { return };
        if self.version(&run.token).is_some_and(|version| version.has(AWSPENDING)) {
            self.detach(AWSPENDING);
        }
        if self.version(&run.token).is_some_and(|version| run.test_only || !version.has_value()) {
            self.remove_version(&run.token);
        }
    }

    /// Whether this version is the copy that a test of the rotation uses.
    pub(super) fn is_test_copy(&self, id: &str) -> bool {
        let run = self.rotation.as_ref().and_then(|rotation| rotation.run.as_ref());
        run.is_some_and(|run| run.test_only && run.token == id)
    }

    /// Whether this version is what the rotation in progress makes.
    pub(crate) fn is_rotating(&self, token: &str) -> bool {
        let run = self.rotation.as_ref().and_then(|rotation| rotation.run.as_ref());
        run.is_some_and(|run| run.token == token) && self.deletion.is_none()
    }

    /// A version by whoever made it is current now: the days until the next rotation count
    /// from here, and a rotation in progress that was to make another one is over.
    pub(super) fn value_changed(&mut self, version: &str, now: Timestamp) {
        let Some(rotation) = &mut self.rotation else { return };
        rotation.counted_from = now;
        if rotation.run.as_ref().is_some_and(|run| run.token != version) {
            self.abandon_rotation();
        }
    }

    /// The version that an earlier rotation left behind, or a new one.
    fn pending_or_fresh(&mut self, fresh: &str, now: Timestamp) -> Option<String> {
        if let Some(left) = self.staged(AWSPENDING).filter(|version| !version.has(AWSCURRENT)) {
            return Some(left.id.clone());
        }
        self.stage_pending(fresh, false, now).ok()?;
        Some(fresh.to_owned())
    }

    /// Gives AWSPENDING to a new version: one without a value, or a copy of the current one.
    fn stage_pending(&mut self, token: &str, copy: bool, now: Timestamp) -> Result<(), SecretError> {
        if self.versions.len() >= MAX_VERSIONS {
            return Err(SecretError::TooManyVersions);
        }
        self.detach(AWSPENDING);
        let empty = VersionRecord {
            id: token.to_owned(),
            created: now,
            stages: vec![AWSPENDING.to_owned()],
            kms_key_id: self.kms_key_id.clone(),
            customer_key: None,
            accessed: None,
            binary: false,
            digest: String::new(),
            blob: String::new(),
        };
        let version = match self.staged(AWSCURRENT).filter(|_| copy).cloned() {
            // INVARIANT: the copy shares the sealed value. It gets no other label (`move_stage`), and
            // is gone before the original can be.
            Some(current) => VersionRecord { id: empty.id, created: now, stages: empty.stages, ..current },
            None => empty,
        };
        self.versions.push(version);
        Ok(())
    }

    fn remove_version(&mut self, id: &str) {
        self.versions.retain(|version| version.id != id);
    }
}

fn pause(attempts: u32) -> SignedDuration {
    PAUSE.saturating_mul(1 << attempts.saturating_sub(1).min(6))
}

#[cfg(test)]
mod tests;
