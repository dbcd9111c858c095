//! [`Key`]: the name of a condition key, and where its value comes from if no handler
//! sets it.
//!
//! Source: IAM User Guide, "AWS global condition context keys".

use core::net::IpAddr;
use jiff::Timestamp;
use std::borrow::Cow;

/// A condition key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    /// As it stands in the policy.
    pub(super) name: Box<str>,
    /// How its value follows from the request.
    pub(super) computed: Option<Computed>,
}

/// Keys whose values follow from the caller, the connection and the resource. Global
/// keys that are not here (`aws:PrincipalOrgID`, `aws:SourceVpce`, ...) are about things
/// that do not exist here: no request has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Computed {
    CurrentTime,
    EpochTime,
    TokenIssueTime,
    MultiFactorAuthPresent,
    MultiFactorAuthAge,
    SourceIp,
    SecureTransport,
    UserAgent,
    RequestedRegion,
    ViaAwsService,
    /// At most one service asks on behalf of a caller, so it is also the first and the last.
    CalledVia,
    PrincipalArn,
    PrincipalAccount,
    PrincipalType,
    PrincipalIsAwsService,
    PrincipalServiceName,
    UserId,
    Username,
    SourceIdentity,
    ResourceAccount,
    /// `secretsmanager:SecretId` is the ARN of the secret.
    SecretId,
    PrincipalTag(Box<str>),
    ResourceTag(Box<str>),
}

impl Key {
    pub(super) fn new(name: &str) -> Self {
        Self { name: name.into(), computed: computed(name) }
    }
}

fn computed(name: &str) -> Option<Computed> {
    if let Some((family, tag)) = name.split_once('/') {
        return match family.to_ascii_lowercase().as_str() {
            "aws:principaltag" => Some(Computed::PrincipalTag(tag.into())),
            "aws:resourcetag" | "secretsmanager:resourcetag" | "ssm:resourcetag" | "iam:resourcetag" => {
                Some(Computed::ResourceTag(tag.into()))
            }
            _ => None,
        };
    }
    Some(match name.to_ascii_lowercase().as_str() {
        "aws:currenttime" => Computed::CurrentTime,
        "aws:epochtime" => Computed::EpochTime,
        "aws:tokenissuetime" => Computed::TokenIssueTime,
        "aws:multifactorauthpresent" => Computed::MultiFactorAuthPresent,
        "aws:multifactorauthage" => Computed::MultiFactorAuthAge,
        "aws:sourceip" => Computed::SourceIp,
        "aws:securetransport" => Computed::SecureTransport,
        "aws:useragent" => Computed::UserAgent,
        "aws:requestedregion" => Computed::RequestedRegion,
        "aws:viaawsservice" => Computed::ViaAwsService,
        "aws:calledvia" | "aws:calledviafirst" | "aws:calledvialast" => Computed::CalledVia,
        "aws:principalarn" => Computed::PrincipalArn,
        "aws:principalaccount" => Computed::PrincipalAccount,
        "aws:principaltype" => Computed::PrincipalType,
        "aws:principalisawsservice" => Computed::PrincipalIsAwsService,
        "aws:principalservicename" | "aws:principalservicenameslist" => Computed::PrincipalServiceName,
        "aws:userid" => Computed::UserId,
        "aws:username" => Computed::Username,
        "aws:sourceidentity" => Computed::SourceIdentity,
        "aws:resourceaccount" => Computed::ResourceAccount,
        "secretsmanager:secretid" => Computed::SecretId,
        _ => return None,
    })
}

/// The values of a key in one request.
#[derive(Debug)]
pub(super) enum Values<'a> {
    /// The request does not have the key.
    Absent,
    One(Value<'a>),
    Many(&'a [String]),
}

/// A value, in the form in which it is known.
#[derive(Clone, Debug)]
pub(super) enum Value<'a> {
    Text(Cow<'a, str>),
    Bool(bool),
    Time(Timestamp),
    /// A time whose text is a number of seconds.
    Epoch(Timestamp),
    Ip(IpAddr),
}

impl Value<'_> {
    pub(super) fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Text(text) => Cow::Borrowed(text),
            Self::Bool(true) => "true".into(),
            Self::Bool(false) => "false".into(),
            Self::Time(time) => Timestamp::from_second(time.as_second()).unwrap_or(*time).to_string().into(),
            Self::Epoch(time) => time.as_second().to_string().into(),
            Self::Ip(address) => address.to_string().into(),
        }
    }
}
