//! [`Event`], what is recorded of one request, with the names that CloudTrail uses.
//!
//! Serialised, an event is one JSON object whose members always stand in the order of
//! the fields below. `requestParameters` and `responseElements` are `null` where there
//! is nothing to say, as CloudTrail writes them; every other empty member is left out.
//! An event never holds the value of a secret: whoever builds one puts names, ARNs and
//! version ids into it, nothing else.
//!
//! An event lives only until its bytes are made, so it borrows what the request has anyway.
//!
//! Source: <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html>

use crate::clock::rfc3339;
use jiff::Timestamp;
use serde::{Serialize, Serializer};
use serde_json::Value;
use std::borrow::Cow;

/// The version of CloudTrail's record format that the names follow.
const EVENT_VERSION: &str = "1.11";

/// One request (or one act of the broker itself), as it is recorded.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Event<'a> {
    /// The version of the record format.
    pub event_version: &'static str,
    /// Who asked.
    pub user_identity: UserIdentity<'a>,
    /// When; filled in by the log if it is not set.
    #[serde(serialize_with = "seconds")]
    pub event_time: Option<Timestamp>,
    /// The service, such as `secretsmanager.amazonaws.com`.
    pub event_source: Cow<'a, str>,
    /// The operation, such as `GetSecretValue`.
    pub event_name: Cow<'a, str>,
    /// The Region that the request was made to.
    pub aws_region: Cow<'a, str>,
    /// The address that the request came from.
    #[serde(rename = "sourceIPAddress")]
    pub source_ip_address: Cow<'a, str>,
    /// The client program, as it names itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<Cow<'a, str>>,
    /// The error that the request was answered with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_code: Option<Cow<'a, str>>,
    /// The description of the error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_message: Option<Cow<'a, str>>,
    /// What was asked for, without any value of a secret.
    pub request_parameters: Option<Cow<'a, Value>>,
    /// What a change brought about, without any value of a secret.
    pub response_elements: Option<Cow<'a, Value>>,
    /// What does not fit elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub additional_event_data: Option<Value>,
    /// The id that the answer carried; one request may leave several events.
    #[serde(rename = "requestID", skip_serializing_if = "is_empty")]
    pub request_id: Cow<'a, str>,
    /// Unique to the event; filled in by the log if it is empty.
    #[serde(rename = "eventID")]
    pub event_id: Cow<'a, str>,
    /// Whether the operation changes nothing.
    pub read_only: bool,
    /// What was acted upon.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<Resource<'a>>,
    /// `AwsApiCall`, or `AwsServiceEvent` for what the broker did unasked.
    pub event_type: EventType,
    /// Always true: there are no data events here.
    pub management_event: bool,
    /// The account that owns the resource.
    #[serde(skip_serializing_if = "is_empty")]
    pub recipient_account_id: Cow<'a, str>,
    /// Always `Management`.
    pub event_category: &'static str,
    /// The TLS connection that the request came over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_details: Option<TlsDetails>,
}

impl<'a> Event<'a> {
    /// An event of the operation `name` of `source`; everything else is yet to be said.
    pub fn new(
        source: impl Into<Cow<'a, str>>,
        name: impl Into<Cow<'a, str>>,
        identity: UserIdentity<'a>,
    ) -> Self {
        Self {
            event_version: EVENT_VERSION,
            user_identity: identity,
            event_time: None,
            event_source: source.into(),
            event_name: name.into(),
            aws_region: Cow::default(),
            source_ip_address: Cow::default(),
            user_agent: None,
            error_code: None,
            error_message: None,
            request_parameters: None,
            response_elements: None,
            additional_event_data: None,
            request_id: Cow::default(),
            event_id: Cow::default(),
            read_only: false,
            resources: Vec::new(),
            event_type: EventType::AwsApiCall,
            management_event: true,
            recipient_account_id: Cow::default(),
            event_category: "Management",
            tls_details: None,
        }
    }
}

/// What an event records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum EventType {
    /// A call of the API.
    AwsApiCall,
    /// Something that the broker did unasked.
    AwsServiceEvent,
}

/// Who asked.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UserIdentity<'a> {
    /// `IAMUser`, `AssumedRole`, `Root`, `AWSService` or `Unknown`.
    #[serde(rename = "type")]
    pub kind: IdentityType,
    /// The unique id: `AIDA..`, or `AROA..:session`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal_id: Option<Cow<'a, str>>,
    /// The ARN of the user or of the session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arn: Option<Cow<'a, str>>,
    /// The account of the identity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_id: Option<Cow<'a, str>>,
    /// The access key id that signed the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_key_id: Option<Cow<'a, str>>,
    /// The user's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_name: Option<Cow<'a, str>>,
    /// The role behind a session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_context: Option<SessionContext<'a>>,
    /// The service that asked on its own behalf.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invoked_by: Option<Cow<'a, str>>,
}

/// The kind of an identity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum IdentityType {
    /// A user with its own access keys.
    #[serde(rename = "IAMUser")]
    IamUser,
    /// A session of a role.
    AssumedRole,
    /// The account itself.
    Root,
    /// A service, such as the broker itself.
    #[serde(rename = "AWSService")]
    AwsService,
    /// Not established: the request did not prove who sent it.
    #[default]
    Unknown,
}

/// The session that an identity is in.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionContext<'a> {
    /// The role that the session was made from.
    pub session_issuer: SessionIssuer<'a>,
    /// When the session began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attributes: Option<SessionAttributes>,
}

/// The role that a session was made from.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionIssuer<'a> {
    /// `Role`.
    #[serde(rename = "type")]
    pub kind: Cow<'a, str>,
    /// The role's unique id.
    pub principal_id: Cow<'a, str>,
    /// The role's ARN.
    pub arn: Cow<'a, str>,
    /// The role's account.
    pub account_id: Cow<'a, str>,
    /// The role's name.
    pub user_name: Cow<'a, str>,
}

/// When a session began.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionAttributes {
    /// When the session was made.
    #[serde(serialize_with = "seconds")]
    pub creation_date: Option<Timestamp>,
    /// `true` or `false`, as a text.
    pub mfa_authenticated: &'static str,
}

/// Something that was acted upon.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Resource<'a> {
    /// Its ARN.
    #[serde(rename = "ARN")]
    pub arn: Cow<'a, str>,
    /// The account that owns it.
    #[serde(rename = "accountId", skip_serializing_if = "Option::is_none")]
    pub account_id: Option<Cow<'a, str>>,
    /// Its type, such as `AWS::SecretsManager::Secret`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<Cow<'a, str>>,
}

/// The TLS connection of a request.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TlsDetails {
    /// Such as `TLSv1.3`.
    pub tls_version: String,
    /// Such as `TLS_AES_128_GCM_SHA256`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cipher_suite: Option<String>,
    /// The name that the client asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_provided_host_header: Option<String>,
}

#[expect(clippy::ptr_arg, reason = "what serde hands over")]
fn is_empty(text: &Cow<'_, str>) -> bool {
    text.is_empty()
}

/// `2026-11-24T01:02:03Z`: CloudTrail's times have no fraction.
fn seconds<S: Serializer>(time: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => serializer.serialize_str(&rfc3339(*time)),
        None => serializer.serialize_none(),
    }
}
