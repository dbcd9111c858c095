//! [`Facts`]: one request as conditions, policy variables and principals see it, looked
//! up once for all statements.

use super::key::{Computed, Key, Value, Values};
use super::pattern::Pattern;
use super::variable::Variable;
use super::{Identity, PolicySet, Request};
use crate::arn::Arn;
use std::borrow::Cow;

/// What the one who asks is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who<'a> {
    /// The account itself.
    Root,
    /// An IAM user.
    User,
    /// A role, which on AWS always asks through a session.
    Role,
    /// An AWS service.
    Service(&'a str),
    /// An identity provider.
    Federated,
}

/// A request, and the policies of the one who asks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts<'a> {
    pub(super) request: &'a Request<'a>,
    pub(super) who: Who<'a>,
    /// The user or role, if the files know it.
    pub(super) identity: Option<&'a Identity>,
}

impl<'a> Facts<'a> {
    pub(super) fn new(set: &'a PolicySet, request: &'a Request<'a>) -> Self {
        Self { request, who: who(request.principal), identity: set.principal(request.principal) }
    }

    /// Whether the one who asks is a federated user, whose session is not the user.
    pub(super) fn is_federated_user(&self) -> bool {
        self.request.session.is_some_and(|session| session.arn.contains(":federated-user/"))
    }

    /// The pattern with the values of its policy variables; `None` if one has no value.
    pub(super) fn resolved<'p>(&self, pattern: &'p Pattern) -> Option<Cow<'p, Pattern>> {
        pattern.resolved(|variable| self.value_of(variable))
    }

    /// A key with several values is no text, so a variable cannot stand for it.
    fn value_of(&self, variable: &Variable) -> Option<String> {
        match self.values(&variable.key) {
            Values::One(value) => Some(value.text().into_owned()),
            Values::Many([only]) => Some(only.clone()),
            Values::Absent | Values::Many(_) => variable.default.as_deref().map(str::to_owned),
        }
    }

    /// The values of a condition key. What a handler sets goes first.
    pub(super) fn values(&self, key: &Key) -> Values<'a> {
        if let Some(set) = self.request.keys.get(&key.name) {
            return match set {
                [only] => Values::One(Value::Text(only.into())),
                several => Values::Many(several),
            };
        }
        key.computed.as_ref().and_then(|computed| self.computed(computed)).map_or(Values::Absent, Values::One)
    }

    fn computed(&self, computed: &Computed) -> Option<Value<'a>> {
        let Request { principal, session, resource, ref circumstances, .. } = *self.request;
        let text = |text: &'a str| Value::Text(text.into());
        Some(match computed {
            Computed::CurrentTime => Value::Time(circumstances.time?),
            Computed::EpochTime => Value::Epoch(circumstances.time?),
            Computed::TokenIssueTime => Value::Time(session?.issued?),
            Computed::MultiFactorAuthPresent => Value::Bool(session?.mfa.is_some()),
            Computed::MultiFactorAuthAge => {
                let age = circumstances.time?.duration_since(session?.mfa?);
                Value::Text(age.as_secs().to_string().into())
            }
            Computed::SourceIp => Value::Ip(circumstances.source_ip?),
            Computed::SecureTransport => Value::Bool(circumstances.secure_transport?),
            Computed::UserAgent => text(circumstances.user_agent?),
            Computed::RequestedRegion => text(circumstances.region?),
            Computed::ViaAwsService => Value::Bool(circumstances.via.is_some()),
            Computed::CalledVia => text(circumstances.via?),
            Computed::PrincipalArn => match self.who {
                Who::Service(_) | Who::Federated => return None,
                Who::User if self.is_federated_user() => text(session?.arn),
                Who::Root | Who::User | Who::Role => Value::Text(principal.to_string().into()),
            },
            Computed::PrincipalAccount => match self.who {
                Who::Service(_) => return None,
                _ => text(&principal.account),
            },
            Computed::PrincipalType => text(match self.who {
                Who::Root => "Account",
                Who::User if self.is_federated_user() => "FederatedUser",
                Who::User => "User",
                Who::Role => "AssumedRole",
                Who::Service(_) | Who::Federated => return None,
            }),
            Computed::PrincipalIsAwsService => Value::Bool(matches!(self.who, Who::Service(_))),
            Computed::PrincipalServiceName => match self.who {
                Who::Service(name) => text(name),
                _ => return None,
            },
            Computed::UserId => self.user_id()?,
            Computed::Username => match self.who {
                Who::User if !self.is_federated_user() => text(name(principal)),
                _ => return None,
            },
            Computed::SourceIdentity => text(session?.source_identity?),
            Computed::ResourceAccount => text(account(resource)?),
            Computed::SecretId => text(Some(resource).filter(|arn| arn.contains(":secret:"))?),
            Computed::PrincipalTag(tag) => text(self.principal_tag(tag)?),
            Computed::ResourceTag(tag) => text(tagged(self.request.resource_tags, tag)?),
        })
    }

    /// `AIDA..`, `AROA..:session`, or the account id of its root.
    fn user_id(&self) -> Option<Value<'a>> {
        if self.who == Who::Root {
            return Some(Value::Text(self.request.principal.account.as_str().into()));
        }
        let id = &*self.identity?.id;
        Some(Value::Text(match (self.who, self.request.session) {
            (Who::Role, Some(session)) => format!("{id}:{}", session.name).into(),
            _ => id.into(),
        }))
    }

    /// Session tags go before those of the user or role.
    fn principal_tag(&self, tag: &str) -> Option<&'a str> {
        let session = self.request.session.and_then(|session| tagged(session.tags, tag));
        session.or_else(|| tagged(&self.identity?.tags, tag))
    }
}

/// The value of a tag. Case does not matter in the names of condition keys, of which a
/// tag's key is a part.
fn tagged<'t>(tags: &'t [(String, String)], key: &str) -> Option<&'t str> {
    tags.iter().find(|(known, _)| known.eq_ignore_ascii_case(key)).map(|(_, value)| value.as_str())
}

fn name(arn: &Arn) -> &str {
    arn.resource.rsplit('/').next().unwrap_or(&arn.resource)
}

/// The account in an ARN.
pub(super) fn account(resource: &str) -> Option<&str> {
    resource.split(':').nth(4).filter(|account| !account.is_empty())
}

pub(super) fn who(arn: &Arn) -> Who<'_> {
    let resource = arn.resource.as_str();
    if let Some(service) = resource.strip_prefix("service-principal/").filter(|_| arn.account == "aws") {
        return Who::Service(service);
    }
    match resource.split_once('/').map_or(resource, |(kind, _)| kind) {
        "root" if arn.service == "iam" && arn.region.is_empty() => Who::Root,
        "role" => Who::Role,
        "oidc-provider" | "saml-provider" => Who::Federated,
        _ => Who::User,
    }
}

/// The ARN that a decision names a service by, which has none on AWS.
pub(super) fn service_arn(service: &str) -> Arn {
    Arn::new("iam", "", "aws", format!("service-principal/{service}"))
}
