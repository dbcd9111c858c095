//! [`Requester`]: the one who asks, looked up once for all statements.

use super::{Identity, PolicySet, Request, Session};
use crate::arn::Arn;

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

/// The one who asks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Requester<'a> {
    pub(super) arn: &'a Arn,
    pub(super) session: Option<&'a Session<'a>>,
    pub(super) who: Who<'a>,
    /// Its policies, if the files know it.
    pub(super) identity: Option<&'a Identity>,
}

impl<'a> Requester<'a> {
    pub(super) fn new(set: &'a PolicySet, request: &Request<'a>) -> Self {
        let arn = request.principal;
        Self { arn, session: request.session, who: who(arn), identity: set.principal(arn) }
    }
}

fn who(arn: &Arn) -> Who<'_> {
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
