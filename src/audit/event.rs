//! [`Event`], what is recorded of one request, with the names that CloudTrail uses.
//!
//! Serialised, an event is one JSON object whose members always stand in the order of
//! the fields below. `requestParameters` and `responseElements` are `null` where there
//! is nothing to say, as CloudTrail writes them; every other empty member is left out.
//! An event never holds the value of a secret: whoever builds one puts names, ARNs and
//! version ids into it, nothing else.
//!
//! Source: <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html>

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use serde_json::Value;

/// The version of CloudTrail's record format that the names follow.
const EVENT_VERSION: &str = "1.11";

/// One request (or one act of the broker itself), as it is recorded.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// The version of the record format.
    pub event_version: &'static str,
    /// Who asked.
    pub user_identity: UserIdentity,
    /// When; filled in by the log if it is not set.
    #[serde(serialize_with = "seconds")]
    pub event_time: Option<Timestamp>,
    /// The service, such as `secretsmanager.amazonaws.com`.
    pub event_source: String,
    /// The operation, such as `GetSecretValue`.
    pub event_name: String,
    /// The Region that the request was made to.
    pub aws_region: String,
    /// The address that the request came from.
    #[serde(rename = "sourceIPAddress")]
    pub source_ip_address: String,
    /// The client program, as it names itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// The error that the request was answered with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_code: Option<String>,
    /// The description of the error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
    /// What was asked for, without any value of a secret.
    pub request_parameters: Option<Value>,
    /// What a change brought about, without any value of a secret.
    pub response_elements: Option<Value>,
    /// What does not fit elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub additional_event_data: Option<Value>,
    /// The id that the answer carried; one request may leave several events.
    #[serde(rename = "requestID", skip_serializing_if = "String::is_empty")]
    pub request_id: String,
    /// Unique to the event; filled in by the log if it is empty.
    #[serde(rename = "eventID")]
    pub event_id: String,
    /// Whether the operation changes nothing.
    pub read_only: bool,
    /// What was acted upon.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<Resource>,
    /// `AwsApiCall`, or `AwsServiceEvent` for what the broker did unasked.
    pub event_type: EventType,
    /// Always true: there are no data events here.
    pub management_event: bool,
    /// The account that owns the resource.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub recipient_account_id: String,
    /// Always `Management`.
    pub event_category: &'static str,
    /// The TLS connection that the request came over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_details: Option<TlsDetails>,
}

impl Event {
    /// An event of the operation `name` of `source`; everything else is yet to be said.
    pub fn new(source: impl Into<String>, name: impl Into<String>, identity: UserIdentity) -> Self {
        Self {
            event_version: EVENT_VERSION,
            user_identity: identity,
            event_time: None,
            event_source: source.into(),
            event_name: name.into(),
            aws_region: String::new(),
            source_ip_address: String::new(),
            user_agent: None,
            error_code: None,
            error_message: None,
            request_parameters: None,
            response_elements: None,
            additional_event_data: None,
            request_id: String::new(),
            event_id: String::new(),
            read_only: false,
            resources: Vec::new(),
            event_type: EventType::AwsApiCall,
            management_event: true,
            recipient_account_id: String::new(),
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
pub struct UserIdentity {
    /// `IAMUser`, `AssumedRole`, `Root`, `AWSService` or `Unknown`.
    #[serde(rename = "type")]
    pub kind: IdentityType,
    /// The unique id: `AIDA..`, or `AROA..:session`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal_id: Option<String>,
    /// The ARN of the user or of the session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arn: Option<String>,
    /// The account of the identity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_id: Option<String>,
    /// The access key id that signed the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_key_id: Option<String>,
    /// The user's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_name: Option<String>,
    /// The role behind a session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_context: Option<SessionContext>,
    /// The service that asked on its own behalf.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invoked_by: Option<String>,
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
pub struct SessionContext {
    /// The role that the session was made from.
    pub session_issuer: SessionIssuer,
    /// When the session began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attributes: Option<SessionAttributes>,
}

/// The role that a session was made from.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionIssuer {
    /// `Role`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The role's unique id.
    pub principal_id: String,
    /// The role's ARN.
    pub arn: String,
    /// The role's account.
    pub account_id: String,
    /// The role's name.
    pub user_name: String,
}

/// When a session began.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionAttributes {
    /// When the session was made.
    #[serde(serialize_with = "seconds")]
    pub creation_date: Option<Timestamp>,
    /// `true` or `false`, as a text.
    pub mfa_authenticated: String,
}

/// Something that was acted upon.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Resource {
    /// Its ARN.
    #[serde(rename = "ARN")]
    pub arn: String,
    /// The account that owns it.
    #[serde(rename = "accountId", skip_serializing_if = "Option::is_none")]
    pub account_id: Option<String>,
    /// Its type, such as `AWS::SecretsManager::Secret`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
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

/// `2026-11-24T01:02:03Z`: CloudTrail's times have no fraction.
fn seconds<S: Serializer>(time: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => {
            let whole = Timestamp::from_second(time.as_second()).unwrap_or(*time);
            serializer.collect_str(&whole)
        }
        None => serializer.serialize_none(),
    }
}
