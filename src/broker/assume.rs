//! [`Broker::assume_role`]: a session of a role for whoever may have one.
//!
//! ```text
//! identity policy of the caller + trust policy of the role   sts:AssumeRole
//! the same, if tags are passed                               sts:TagSession
//! the same, if a source identity is set                      sts:SetSourceIdentity
//! ```
//!
//! All of them allow, or none counts; one record says which. A session that makes another
//! one hands down its transitive tags and its source identity, and its child lives for an
//! hour at most.
//!
//! Source: STS API Reference, "AssumeRole"; IAM User Guide, "Pass session tags in AWS STS"
//! and "Monitor and control actions taken with assumed roles".

use super::tasks::RoleSession;
use super::{Ask, Broker, Caller, Context, CredentialError, Deny, Proof};
use crate::arn::Arn;
use crate::audit::AuditError;
use crate::policy::{ConditionKeys, Decision, IdentityKind, PolicyKind, ResourcePolicy};
use crate::vault::SessionClaims;
use jiff::SignedDuration;
use serde_json::json;

/// Room for session policies and tags in a token, in bytes of UTF-8. AWS keeps them
/// compressed and does not publish its limit; this one takes every policy of 2048
/// characters, and fifty tags of a common size beside it.
const ROOM: usize = 8192;

/// The session that is asked for.
#[derive(Clone, Debug, Default)]
pub struct NewSession {
    /// ARN of the role.
    pub role: String,
    /// RoleSessionName.
    pub name: String,
    /// Session policy, as JSON.
    pub policy: Option<String>,
    /// ARNs of managed policies that limit it.
    pub policy_arns: Vec<String>,
    /// How long it is to live, if not an hour.
    pub duration: Option<SignedDuration>,
    /// Session tags.
    pub tags: Vec<(String, String)>,
    /// Keys of the tags that its own sessions inherit.
    pub transitive: Vec<String>,
    /// What the role's owner asks third parties for.
    pub external_id: Option<String>,
    /// Who stands behind it.
    pub source_identity: Option<String>,
}

/// Why there is no session.
#[derive(Debug)]
pub enum AssumeError {
    /// Refused, and on record; or unrecorded.
    Denied(Deny),
    /// The account root has no business with roles.
    Root,
    /// A parameter contradicts another one, or what the calling session hands down.
    Parameter(String),
    /// It is to live longer than the role allows, or an hour where a session asks.
    Duration(&'static str),
    /// The calling session has another source identity.
    SourceIdentity,
    /// The session policy is not a policy, or a managed policy does not exist.
    Policy(String),
    /// Policies and tags need this many percent of the room.
    TooLarge {
        /// Percent of the room.
        percent: usize,
        /// Whether it is the tags alone.
        tags: bool,
    },
}

/// A session of a role, as `AssumeRole` answers it.
#[derive(Debug)]
pub struct Assumed {
    /// The session.
    pub session: RoleSession,
    /// How much of the room for policies and tags it takes, in percent.
    pub packed: Option<usize>,
}

impl Broker {
    /// A session of a role for the caller.
    ///
    /// # Errors
    /// [`AssumeError`].
    pub async fn assume_role(&self, context: &Context, wanted: NewSession) -> Result<Assumed, AssumeError> {
        let caller = context.caller.as_ref().ok_or(AssumeError::Root)?;
        if caller.is_root() {
            return Err(AssumeError::Root);
        }
        let parent = match &caller.proof {
            Proof::Session(claims) => Some(&**claims),
            Proof::AccessKey { .. } | Proof::Peer { .. } => None,
        };
        let wanted = inherit(wanted, parent)?;
        let packed = packed(&wanted)?;
        let set = self.policies.current();
        let role = set.identity(&wanted.role).filter(|i| i.kind == IdentityKind::Role);
        let nobody = ResourcePolicy::of_nobody(PolicyKind::Trust);
        let trust = role.and_then(|role| role.trust_policy()).unwrap_or(&nobody);
        let arn: Option<Arn> = wanted.role.parse().ok();
        let account = arn.map(|arn| arn.account).unwrap_or_default();
        let access_key_id = self.vault.session_key_id(&account);

        let keys = keys(&wanted);
        let mut refused = None;
        let mut allowed = None;
        let needed = [
            ("sts:AssumeRole", true),
            ("sts:TagSession", !wanted.tags.is_empty()),
            ("sts:SetSourceIdentity", wanted.source_identity.is_some()),
        ];
        for (action, _) in needed.into_iter().filter(|(_, needed)| *needed) {
            let ask =
                Ask { keys: keys.clone(), policy: Some(trust), ..Ask::new(action, wanted.role.as_str()) };
            let Some(decision) = self.decide(context, &ask) else { continue };
            let slot = if decision.is_allowed() { &mut allowed } else { &mut refused };
            // The first refusal counts; of permissions, that of the operation itself.
            slot.get_or_insert(decision);
        }
        let mut recorded = context.clone();
        recorded.response = Some(json!({
            "credentials": { "accessKeyId": access_key_id }, "packedPolicySize": packed,
            "sourceIdentity": wanted.source_identity,
        }));
        let decision: Option<Decision> = refused.or(allowed);
        let decision = decision.ok_or(AssumeError::Root)?;
        if !decision.is_allowed() {
            recorded.response = None;
        }
        let _permit = self.record(&recorded, decision).await.map_err(AssumeError::Denied)?;

        let role = role.ok_or_else(|| AssumeError::Parameter(format!("there is no role {}", wanted.role)))?;
        let life = life(wanted.duration, SignedDuration::from_secs(role.longest_session), caller)?;
        set.session_policies(wanted.policy.as_deref(), &wanted.policy_arns)
            .map_err(|findings| AssumeError::Policy(findings.first().to_owned()))?;
        let created = self.now();
        let claims = SessionClaims {
            access_key_id,
            principal: wanted.role,
            session_name: wanted.name,
            principal_id: role.id.to_string(),
            created,
            expires: created + life,
            task: parent.and_then(|parent| parent.task.clone()),
            assumed_by: Some(caller.arn.to_string()),
            made_with: caller.access_key_id().map(str::to_owned),
            ancestors: caller.ancestors(),
            chained: parent.is_some_and(|parent| !parent.session_name.is_empty()),
            policy: wanted.policy,
            policy_arns: wanted.policy_arns,
            tags: wanted.tags,
            transitive: wanted.transitive,
            source_identity: wanted.source_identity,
        };
        let session = self.issue(claims).map_err(gone)?;
        Ok(Assumed { session, packed })
    }
}

impl Broker {
    /// Temporary credentials of the caller's own: a user's for twelve hours, the account
    /// root's for one, unless another time is asked for. They need no permission, since
    /// they can do no more than the caller.
    ///
    /// # Errors
    /// [`Deny::Unrecorded`].
    pub async fn own_session(
        &self,
        context: &Context,
        wanted: Option<SignedDuration>,
    ) -> Result<RoleSession, Deny> {
        let closed =
            || Deny::Unrecorded(AuditError::Closed("a request without a caller has no session".into()));
        let caller = context.caller.as_ref().ok_or_else(closed)?;
        let life = match (caller.is_root(), wanted) {
            (false, wanted) => wanted.unwrap_or(12 * HOUR),
            (true, wanted) => wanted.unwrap_or(HOUR).min(HOUR),
        };
        let created = self.now();
        let claims = SessionClaims {
            access_key_id: self.vault.session_key_id(caller.account()),
            principal: caller.principal.to_string(),
            principal_id: caller.id.to_string(),
            created,
            expires: created + life,
            assumed_by: Some(caller.arn.to_string()),
            made_with: caller.access_key_id().map(str::to_owned),
            ..SessionClaims::default()
        };
        let mut recorded = context.clone();
        recorded.response = Some(json!({ "credentials": { "accessKeyId": claims.access_key_id } }));
        self.note_success(&recorded).await?;
        self.issue(claims).map_err(|_| closed())
    }
}

/// The role went between decision and session: a policy file changed.
fn gone(_: CredentialError) -> AssumeError {
    AssumeError::Parameter("the role has just been changed; try again".into())
}

/// Adds what the calling session hands down, and refuses what contradicts it or itself.
fn inherit(mut wanted: NewSession, parent: Option<&SessionClaims>) -> Result<NewSession, AssumeError> {
    let parameter = |text: &str| AssumeError::Parameter(text.to_owned());
    let same = |a: &str, b: &str| a.to_lowercase() == b.to_lowercase();
    for (place, (key, _)) in wanted.tags.iter().enumerate() {
        if wanted.tags.iter().skip(place + 1).any(|(other, _)| same(key, other)) {
            return Err(parameter(
                "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
            ));
        }
        if key.get(..4).is_some_and(|prefix| same(prefix, "aws:")) {
            return Err(parameter("Tag keys that begin with aws: are reserved."));
        }
    }
    if wanted.transitive.iter().any(|key| !wanted.tags.iter().any(|(tag, _)| same(tag, key))) {
        return Err(parameter("The specified transitive tag key must be included in the requested tags."));
    }
    let Some(parent) = parent else { return Ok(wanted) };
    for key in &parent.transitive {
        if wanted.tags.iter().any(|(tag, _)| same(tag, key)) {
            return Err(parameter(
                "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag \
                 key from the calling session.",
            ));
        }
        wanted.tags.extend(parent.tags.iter().find(|(tag, _)| same(tag, key)).cloned());
        wanted.transitive.push(key.clone());
    }
    if let Some(identity) = &parent.source_identity {
        if wanted.source_identity.as_ref().is_some_and(|other| other != identity) {
            return Err(AssumeError::SourceIdentity);
        }
        wanted.source_identity = Some(identity.clone());
    }
    Ok(wanted)
}

/// How much of the room policies and tags take, in percent; `None` if there are none.
fn packed(wanted: &NewSession) -> Result<Option<usize>, AssumeError> {
    let tags: usize = wanted.tags.iter().map(|(key, value)| key.len() + value.len() + 2).sum();
    let transitive: usize = wanted.transitive.iter().map(|key| key.len() + 1).sum();
    let arns: usize = wanted.policy_arns.iter().map(|arn| arn.len() + 1).sum();
    let policy = wanted.policy.as_ref().map_or(0, String::len);
    let bytes = tags + transitive + arns + policy;
    let percent = (bytes * 100).div_ceil(ROOM);
    if percent > 100 {
        return Err(AssumeError::TooLarge { percent, tags: policy + arns == 0 });
    }
    Ok((bytes > 0).then_some(percent))
}

/// What the trust policy and the caller's policies can ask about the session.
fn keys(wanted: &NewSession) -> ConditionKeys {
    let mut keys = ConditionKeys::new().with("sts:RoleSessionName", wanted.name.as_str());
    keys.set_some("sts:ExternalId", wanted.external_id.as_deref());
    keys.set_some("sts:SourceIdentity", wanted.source_identity.as_deref());
    for (key, value) in &wanted.tags {
        keys.set(format!("aws:RequestTag/{key}"), value.as_str());
        keys.add("aws:TagKeys", key.as_str());
    }
    for key in &wanted.transitive {
        keys.add("sts:TransitiveTagKeys", key.as_str());
    }
    keys
}

const HOUR: SignedDuration = SignedDuration::from_hours(1);

fn life(
    wanted: Option<SignedDuration>,
    most: SignedDuration,
    caller: &Caller,
) -> Result<SignedDuration, AssumeError> {
    let life = wanted.unwrap_or(HOUR);
    if matches!(caller.proof, Proof::Session(_)) && life > HOUR {
        return Err(AssumeError::Duration(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.",
        ));
    }
    if life > most {
        return Err(AssumeError::Duration(
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        ));
    }
    Ok(life)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn parent() -> SessionClaims {
        SessionClaims {
            tags: tags(&[("Team", "x"), ("stage", "prod")]),
            transitive: vec!["Team".into()],
            source_identity: Some("ann".into()),
            ..SessionClaims::default()
        }
    }

    #[test]
    fn a_session_hands_down_transitive_tags_and_its_source_identity() {
        let wanted = NewSession { tags: tags(&[("stage", "test")]), ..NewSession::default() };
        let child = inherit(wanted, Some(&parent())).unwrap();
        assert_eq!(child.tags, tags(&[("stage", "test"), ("Team", "x")]));
        assert_eq!(
            (child.transitive, child.source_identity),
            (vec!["Team".to_owned()], Some("ann".to_owned()))
        );
    }

    #[test]
    fn keys_of_tags_are_the_same_in_either_case_in_every_script() {
        for (one, other) in [("team", "TEAM"), ("équipe", "Équipe"), ("ключ", "КЛЮЧ")] {
            let twice = NewSession { tags: tags(&[(one, "x"), (other, "y")]), ..NewSession::default() };
            assert!(
                matches!(inherit(twice, None), Err(AssumeError::Parameter(text)) if text.starts_with("Duplicate"))
            );
            let parent = SessionClaims {
                tags: tags(&[(one, "x")]),
                transitive: vec![one.into()],
                ..SessionClaims::default()
            };
            let child = NewSession { tags: tags(&[(other, "y")]), ..NewSession::default() };
            assert!(inherit(child, Some(&parent)).is_err(), "{other}");
        }
    }

    #[test]
    fn what_is_handed_down_cannot_be_changed() {
        let tag = NewSession { tags: tags(&[("team", "y")]), ..NewSession::default() };
        assert!(
            matches!(inherit(tag, Some(&parent())), Err(AssumeError::Parameter(text)) if text.contains("calling session"))
        );
        let identity = NewSession { source_identity: Some("bob".into()), ..NewSession::default() };
        assert!(matches!(inherit(identity, Some(&parent())), Err(AssumeError::SourceIdentity)));
    }

    #[test]
    fn tags_must_agree_with_each_other() {
        for (tagged, transitive) in [
            (tags(&[("a", "1"), ("A", "2")]), vec![]),
            (tags(&[("a", "1")]), vec!["b".to_owned()]),
            (tags(&[("AWS:x", "1")]), vec![]),
        ] {
            let wanted = NewSession { tags: tagged, transitive, ..NewSession::default() };
            assert!(matches!(inherit(wanted, None), Err(AssumeError::Parameter(_))));
        }
    }

    #[test]
    fn the_room_is_counted_in_percent() {
        assert_eq!(packed(&NewSession::default()).unwrap(), None);
        let policy = NewSession { policy: Some("x".repeat(ROOM / 4)), ..NewSession::default() };
        assert_eq!(packed(&policy).unwrap(), Some(25));
        let many = (0..50).map(|i| (format!("{i:0>100}"), "v".repeat(100))).collect();
        let wanted = NewSession { tags: many, ..NewSession::default() };
        assert!(matches!(packed(&wanted), Err(AssumeError::TooLarge { tags: true, percent: 101.. })));
    }
}
