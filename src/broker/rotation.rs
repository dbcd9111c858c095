//! What a rotation needs of the broker: credentials for the function, and its records.
//!
//! The function works as its role, and a session policy leaves of that only what the
//! rotation of this one secret takes. The four events are those of CloudTrail.
//!
//! Source: Secrets Manager User Guide, "Lambda rotation function execution role permissions"
//! and "Log events with CloudTrail".

use super::{Broker, Context, Function, Grant, RoleSession, ServiceSession, SessionError};
use crate::audit::{AuditError, Event, EventType, IdentityType, Resource, UserIdentity};
use crate::vault::Attempt;
use jiff::SignedDuration;
use serde_json::{Value, json};

const SERVICE: &str = "secretsmanager.amazonaws.com";
/// The service that functions run in, which their roles trust.
const LAMBDA: &str = "lambda.amazonaws.com";
/// The session outlives the step by so much, for requests that are on their way.
const SLACK: SignedDuration = SignedDuration::from_secs(30);

/// Something that is recorded of a rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RotationEvent {
    /// The function is about to be called.
    Started,
    /// The new version is current; or the test has passed.
    Succeeded,
    /// A step failed.
    Failed,
    /// The rotation was over before it was finished.
    Abandoned,
}

impl RotationEvent {
    /// CloudTrail's name. A test of the function has names of its own.
    fn name(self, test: bool) -> &'static str {
        match (self, test) {
            (Self::Started, false) => "RotationStarted",
            (Self::Succeeded, false) => "RotationSucceeded",
            (Self::Failed, false) => "RotationFailed",
            (Self::Started, true) => "TestRotationStarted",
            (Self::Succeeded, true) => "TestRotationSucceeded",
            (Self::Failed, true) => "TestRotationFailed",
            (Self::Abandoned, _) => "RotationAbandoned",
        }
    }
}

impl Broker {
    /// Credentials for one step: the function's role, for this secret, for as long as the
    /// step may take.
    ///
    /// # Errors
    /// [`SessionError`], in particular if the role does not trust `lambda.amazonaws.com`.
    pub async fn rotation_session(
        &self,
        function: &Function,
        grant: &Grant,
        attempt: &Attempt,
    ) -> Result<RoleSession, SessionError> {
        let context = Context {
            caller: None,
            event_source: SERVICE,
            event_name: "AssumeRole",
            region: attempt.region.clone(),
            read_only: false,
            request_id: crate::ids::unique().to_string(),
            source: SERVICE.into(),
            secure: true,
            user_agent: Some(SERVICE.into()),
            parameters: None,
            response: None,
        };
        let policy = session_policy(grant, attempt).to_string();
        let life = SignedDuration::try_from(function.timeout).unwrap_or(SLACK) + SLACK;
        let wanted = ServiceSession {
            service: LAMBDA,
            role: &grant.role,
            name: function.name(),
            task: None,
            policy: Some(&policy),
            life,
        };
        self.issue_for_service(&context, &wanted, None).await
    }

    /// Records an event of a rotation: of the version `token` of the secret with this ARN.
    ///
    /// # Errors
    /// [`AuditError`].
    pub async fn note_rotation(
        &self,
        event: RotationEvent,
        test: bool,
        (secret, region, token): (&str, &str, &str),
        detail: Value,
    ) -> Result<(), AuditError> {
        let mut data = json!({ "VersionId": token });
        if let (Some(data), Value::Object(detail)) = (data.as_object_mut(), detail) {
            data.extend(detail);
        }
        self.audit.note(self.secret_event(event.name(test), (secret, region), data)).await
    }

    /// An event of Secrets Manager about a secret that nobody asked for.
    pub(super) fn secret_event<'a>(
        &self,
        name: &'a str,
        (secret, region): (&'a str, &'a str),
        detail: Value,
    ) -> Event<'a> {
        let account = secret.split(':').nth(4).unwrap_or_default();
        let identity = UserIdentity {
            kind: IdentityType::AwsService,
            account_id: Some(account.into()),
            invoked_by: Some(SERVICE.into()),
            ..UserIdentity::default()
        };
        let mut data = json!({ "SecretId": secret });
        if let (Some(data), Value::Object(detail)) = (data.as_object_mut(), detail) {
            data.extend(detail);
        }
        let mut record = Event::new(SERVICE, name, identity);
        record.event_time = Some(self.now());
        record.event_type = EventType::AwsServiceEvent;
        record.aws_region = region.into();
        record.recipient_account_id = account.into();
        record.source_ip_address = SERVICE.into();
        record.user_agent = Some(SERVICE.into());
        record.additional_event_data = Some(data);
        record.resources.push(Resource {
            arn: secret.into(),
            account_id: Some(account.into()),
            kind: Some("AWS::SecretsManager::Secret".into()),
        });
        record
    }
}

/// What the rotation of one secret takes, and nothing else. Names of secrets hold no wildcard.
fn session_policy(grant: &Grant, attempt: &Attempt) -> Value {
    let via = format!("secretsmanager.{}.amazonaws.com", attempt.region);
    let mut statements = vec![
        json!({
            "Effect": "Allow",
            "Action": [
                "secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue",
                "secretsmanager:PutSecretValue", "secretsmanager:UpdateSecretVersionStage",
            ],
            "Resource": attempt.secret,
        }),
        json!({ "Effect": "Allow", "Action": "secretsmanager:GetRandomPassword", "Resource": "*" }),
        json!({
            "Effect": "Allow",
            "Action": ["kms:Decrypt", "kms:GenerateDataKey", "kms:DescribeKey"],
            "Resource": "*",
            "Condition": { "StringEquals": { "kms:ViaService": via } },
        }),
    ];
    if !grant.reads.is_empty() {
        statements.push(json!({
            "Effect": "Allow",
            "Action": ["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"],
            "Resource": grant.reads,
        }));
    }
    json!({ "Version": "2012-10-17", "Statement": statements })
}
