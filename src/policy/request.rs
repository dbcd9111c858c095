//! [`Request`]: what is asked, by whom, and under which circumstances.

use super::{ConditionKeys, ResourcePolicy, SessionPolicies};
use crate::arn::Arn;
use core::net::IpAddr;
use jiff::Timestamp;

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// A user, a role (also for its sessions), or `arn:aws:iam::ACCOUNT:root`. A service
    /// is written `arn:aws:iam::aws:service-principal/NAME`.
    pub principal: &'a Arn,
    /// What the session adds, if temporary credentials of a session signed.
    pub session: Option<&'a Session<'a>>,
    /// The IAM action, such as `secretsmanager:GetSecretValue`.
    pub action: &'a str,
    /// The resource's ARN, or `*` where the action has none.
    pub resource: &'a str,
    /// The policy of the resource, if it has one.
    pub policy: Option<&'a ResourcePolicy>,
    /// Condition keys of the service, and any that overrule what is known otherwise.
    pub keys: &'a ConditionKeys,
    /// Tags of the resource: `aws:ResourceTag/..` and the services' own keys for them.
    pub resource_tags: &'a [(String, String)],
    /// Where the global condition keys come from.
    pub circumstances: Circumstances<'a>,
}

/// A session of a role, or temporary credentials of a user.
#[derive(Clone, Copy, Debug, Default)]
pub struct Session<'a> {
    /// `arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION`; for temporary credentials of a
    /// user, the user's own ARN.
    pub arn: &'a str,
    /// RoleSessionName.
    pub name: &'a str,
    /// Tags that were given when the session was made.
    pub tags: &'a [(String, String)],
    /// SourceIdentity, which a chain of sessions keeps.
    pub source_identity: Option<&'a str>,
    /// When the credentials were made.
    pub issued: Option<Timestamp>,
    /// When a second factor was shown, if it was.
    pub mfa: Option<Timestamp>,
    /// The policies that the session was made with; they only take away.
    pub policies: Option<&'a SessionPolicies>,
}

/// How a request came, as far as it is known.
#[derive(Clone, Copy, Debug, Default)]
pub struct Circumstances<'a> {
    /// When it is decided.
    pub time: Option<Timestamp>,
    /// The address that it came from; a Unix socket has none.
    pub source_ip: Option<IpAddr>,
    /// Whether it came over TLS or did not leave the host.
    pub secure_transport: Option<bool>,
    /// The client program, as it names itself.
    pub user_agent: Option<&'a str>,
    /// The Region that it was made to.
    pub region: Option<&'a str>,
    /// The service that asks on the principal's behalf, such as `secretsmanager.amazonaws.com`.
    pub via: Option<&'a str>,
}

static NO_KEYS: ConditionKeys = ConditionKeys::new();

impl<'a> Request<'a> {
    /// A request of which nothing more is known.
    pub fn new(principal: &'a Arn, action: &'a str, resource: &'a str) -> Self {
        Self {
            principal,
            session: None,
            action,
            resource,
            policy: None,
            keys: &NO_KEYS,
            resource_tags: &[],
            circumstances: Circumstances::default(),
        }
    }
}
