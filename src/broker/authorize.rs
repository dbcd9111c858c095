//! The gate: a decision, its durable record, and then the permit.

use super::{Broker, Caller, Proof};
use crate::audit::{
    AuditError, Event, IdentityType, Permit, Recording, Refused, Resource, SessionAttributes, SessionContext,
    SessionIssuer, UserIdentity,
};
use crate::policy::{
    Circumstances, ConditionKeys, Decision, Request, ResourcePolicy, Session, SessionPolicies, evaluate,
};
use serde_json::Value;
use std::borrow::Cow;
use std::future::Future;
use std::sync::Arc;

/// What is known of a request when it is recorded.
#[derive(Clone, Debug)]
pub struct Context {
    /// Who asks; `None` when the request proves nobody.
    pub caller: Option<Caller>,
    /// `eventSource`.
    pub event_source: &'static str,
    /// `eventName`.
    pub event_name: &'static str,
    /// Region that the request was made to.
    pub region: String,
    /// Whether the operation changes nothing.
    pub read_only: bool,
    /// The id that the answer carries.
    pub request_id: String,
    /// Where it came from: an address, or the Unix socket's peer.
    pub source: Arc<str>,
    /// Whether it came over TLS, or over a socket that does not leave the host.
    pub secure: bool,
    /// The client program, as it names itself.
    pub user_agent: Option<String>,
    /// The request's parameters, without any value of a secret.
    pub parameters: Option<Value>,
    /// What the request brings about, likewise.
    pub response: Option<Value>,
}

/// What a handler asks the gate.
#[derive(Clone, Debug)]
pub struct Ask<'a> {
    /// The IAM action, such as `secretsmanager:GetSecretValue`.
    pub action: &'a str,
    /// The resource's ARN, or `*` where the action has none.
    pub resource: &'a str,
    /// Condition keys of the service and of the resource. The global keys that follow
    /// from the caller and the connection are known without being set.
    pub keys: ConditionKeys,
    /// The tags of the resource, for `aws:ResourceTag/..` and the services' own keys.
    pub resource_tags: &'a [(String, String)],
    /// The policy of the resource, if it has one.
    pub policy: Option<&'a ResourcePolicy>,
    /// The service that asks on the caller's behalf, such as
    /// `secretsmanager.amazonaws.com` for the key of a secret.
    pub via: Option<&'a str>,
}

impl<'a> Ask<'a> {
    /// An action on a resource, with nothing more known.
    pub fn new(action: &'a str, resource: &'a str) -> Self {
        Self { action, resource, keys: ConditionKeys::new(), resource_tags: &[], policy: None, via: None }
    }
}

/// Why there is no permit.
#[derive(Debug)]
pub enum Deny {
    /// The policies refuse; it is on record.
    Refused(Box<Decision>),
    /// The record cannot be written, so nothing is released.
    Unrecorded(AuditError),
}

impl Broker {
    /// Decides, records, and returns the permit once the record is durable.
    ///
    /// # Errors
    /// [`Deny`].
    pub async fn authorize(&self, context: &Context, ask: &Ask<'_>) -> Result<Permit, Deny> {
        match self.decide(context, ask) {
            Some(decision) => self.record(context, decision).await,
            None => Err(no_caller()),
        }
    }

    /// Drives the parts of one request, each of which first passes the gate or records a failure:
    /// one sync covers these records.
    pub async fn together<F: Future>(&self, parts: Vec<F>) -> Vec<F::Output> {
        self.audit.together(parts).await
    }

    /// As [`Broker::together`], for work that makes `records` records before it first waits.
    pub async fn at_once<F: Future>(&self, records: usize, work: F) -> F::Output {
        self.audit.at_once(records, work).await
    }

    /// Whether a request would be allowed. Nothing is recorded, and nothing follows from it.
    pub fn would_allow(&self, context: &Context, ask: &Ask<'_>) -> bool {
        self.decide(context, ask).is_some_and(|decision| decision.is_allowed())
    }

    /// The decision about the caller's request; `None` if there is no caller.
    pub(super) fn decide(&self, context: &Context, ask: &Ask<'_>) -> Option<Decision> {
        let caller = context.caller.as_ref()?;
        let set = self.policies.current();
        let limits = match &caller.proof {
            Proof::Session(claims) => self.session_limits(&set, claims),
            Proof::AccessKey { .. } | Proof::Peer { .. } => None,
        };
        let session = session(caller, limits.as_deref());
        let request = Request {
            principal: &caller.principal,
            session: session.as_ref(),
            action: ask.action,
            resource: ask.resource,
            policy: ask.policy,
            keys: &ask.keys,
            resource_tags: ask.resource_tags,
            circumstances: Circumstances {
                time: Some(self.now()),
                source_ip: context.source.parse().ok(),
                secure_transport: Some(context.secure),
                user_agent: context.user_agent.as_deref(),
                region: Some(&context.region),
                via: ask.via,
            },
        };
        Some(evaluate(&set, &request))
    }

    /// Records a decision that was made elsewhere, such as one about a trust policy.
    ///
    /// # Errors
    /// [`Deny`].
    pub(super) async fn record(&self, context: &Context, decision: Decision) -> Result<Permit, Deny> {
        self.submit(context, decision).await.map_err(Deny::from)
    }

    /// Hands a decision to the log.
    pub(super) fn submit(&self, context: &Context, decision: Decision) -> Recording {
        let arn = decision.resource().to_owned();
        let mut event = self.event(context);
        if arn != "*" {
            event.resources.push(resource(&arn));
        }
        self.audit.record(event, decision)
    }

    /// Records a request that failed: malformed, unproven, or refused after its
    /// permit. A permit's record without such a second record means that it was served.
    ///
    /// # Errors
    /// [`AuditError`].
    pub async fn note_failure(&self, context: &Context, code: &str, message: &str) -> Result<(), AuditError> {
        let mut event = self.event(context);
        event.error_code = Some(code.into());
        event.error_message = Some(message.into());
        self.audit.note(event).await
    }

    /// Records a request that needs no permission and was served.
    ///
    /// # Errors
    /// [`AuditError`].
    pub async fn note_success(&self, context: &Context) -> Result<(), AuditError> {
        self.audit.note(self.event(context)).await
    }

    fn event<'a>(&'a self, context: &'a Context) -> Event<'a> {
        let mut event =
            Event::new(context.event_source, context.event_name, identity(context.caller.as_ref()));
        event.event_time = Some(self.now());
        event.aws_region = context.region.as_str().into();
        event.read_only = context.read_only;
        event.request_id = context.request_id.as_str().into();
        event.source_ip_address = (&*context.source).into();
        event.user_agent = context.user_agent.as_deref().map(Cow::Borrowed);
        event.request_parameters = context.parameters.as_ref().map(Cow::Borrowed);
        event.response_elements = context.response.as_ref().map(Cow::Borrowed);
        let account = context.caller.as_ref().map_or(self.settings.account.as_str(), Caller::account);
        event.recipient_account_id = account.into();
        event
    }
}

impl From<Refused> for Deny {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Denied(decision) => Self::Refused(decision),
            Refused::Unavailable(error) => Self::Unrecorded(error),
        }
    }
}

/// Why a request that proves nobody gets nothing.
pub(super) fn no_caller() -> Deny {
    Deny::Unrecorded(AuditError::Closed("a request without a caller cannot be decided".into()))
}

/// What the caller's session adds to its role, and what it takes away.
fn session<'a>(caller: &'a Caller, policies: Option<&'a SessionPolicies>) -> Option<Session<'a>> {
    let Proof::Session(claims) = &caller.proof else { return None };
    Some(Session {
        arn: &caller.arn,
        name: &claims.session_name,
        tags: &claims.tags,
        source_identity: claims.source_identity.as_deref(),
        issued: Some(claims.created),
        // No session is made with a second factor yet.
        mfa: None,
        policies,
    })
}

fn identity(caller: Option<&Caller>) -> UserIdentity<'_> {
    let Some(caller) = caller else { return UserIdentity::default() };
    let name = caller.principal.resource.rsplit('/').next().map(Cow::Borrowed);
    let mut identity = UserIdentity {
        principal_id: Some((*caller.id).into()),
        arn: Some((*caller.arn).into()),
        account_id: Some(caller.account().into()),
        access_key_id: caller.access_key_id().map(Cow::Borrowed),
        ..UserIdentity::default()
    };
    match &caller.proof {
        Proof::Session(claims) if !claims.session_name.is_empty() => {
            identity.kind = IdentityType::AssumedRole;
            identity.session_context = Some(SessionContext {
                session_issuer: SessionIssuer {
                    kind: "Role".into(),
                    principal_id: claims.principal_id.as_str().into(),
                    arn: claims.principal.as_str().into(),
                    account_id: caller.account().into(),
                    user_name: name.unwrap_or_default(),
                },
                attributes: Some(SessionAttributes {
                    creation_date: Some(claims.created),
                    mfa_authenticated: "false",
                }),
            });
        }
        _ if caller.is_root() => identity.kind = IdentityType::Root,
        _ => {
            identity.kind = IdentityType::IamUser;
            identity.user_name = name;
        }
    }
    identity
}

fn resource(arn: &str) -> Resource<'_> {
    let mut sections = arn.splitn(6, ':').skip(2);
    let kind = match sections.next() {
        Some("secretsmanager") => Some("AWS::SecretsManager::Secret"),
        Some("ssm") => Some("AWS::SSM::Parameter"),
        Some("kms") => Some("AWS::KMS::Key"),
        Some("iam") => Some("AWS::IAM::Role"),
        _ => None,
    };
    let account = sections.nth(1).filter(|a| !a.is_empty()).map(Cow::Borrowed);
    Resource { arn: arn.into(), account_id: account, kind: kind.map(Cow::Borrowed) }
}
