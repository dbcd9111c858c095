//! Credentials for containers.
//!
//! | case | status | `code` |
//! |---|---|---|
//! | no id | 400 | `NoIdInRequest` |
//! | id of no task, or of one that has ended | 400 | `InvalidIdInRequest` |
//! | the broker does not answer | 503 | `CredentialsUninitialized` |
//! | the broker refuses, as when the role no longer trusts `ecs-tasks.amazonaws.com` | 500 | `InternalServerError` |
//!
//! Source: amazon-ecs-agent, `ecs-agent/tmds/handlers/v1/credentials_handler.go` and
//! `.../v2/credentials_handler.go`.

use super::watch;
use crate::client::{Client, ClientError};
use crate::clock::rfc3339;
use crate::endpoint::http::{Answer, Asked, plain, secret};
use crate::launch::Docker;
use crate::protocol::sealdock::GetTaskCredentialsResponse;
use crate::protocol::writer::{Encode, Object, Sink};
use crate::secret::SecretValue;
use http::{StatusCode, header};
use percent_encoding::percent_decode_str;
use serde_json::json;

const JSON: &str = "application/json";

/// The id of a request, and how its version names it in errors.
pub(super) struct Wanted {
    id: SecretValue,
    version: &'static str,
}

/// `/v1/credentials?id=ID`
pub(super) fn v1(asked: &Asked) -> Wanted {
    let pairs = asked.uri.query().unwrap_or_default().split('&');
    let id = pairs.filter_map(|pair| pair.strip_prefix("id=")).next().unwrap_or_default();
    Wanted { id: decoded(id), version: "V1" }
}

/// `/v2/credentials/ID`
pub(super) fn v2(asked: &Asked) -> Wanted {
    let id = asked.uri.path().trim_start_matches("/v2/credentials").trim_start_matches('/');
    Wanted { id: decoded(id), version: "V2" }
}

/// `/v2/credentials` with the id as a token.
pub(super) fn bearer(asked: &Asked) -> Wanted {
    let token = asked.headers.get(header::AUTHORIZATION).and_then(|token| token.to_str().ok());
    Wanted { id: SecretValue::from(token.unwrap_or_default().trim().to_owned()), version: "V2" }
}

fn decoded(id: &str) -> SecretValue {
    SecretValue::from(percent_decode_str(id).decode_utf8_lossy().into_owned())
}

pub(super) async fn answer(client: &Client, docker: &Docker, wanted: Wanted) -> Answer {
    let Wanted { id, version } = wanted;
    let failed = |status: StatusCode, code: &str, text: &str| {
        let message = format!("Credentials{version}Request: {text}");
        // The agent's members, in its order.
        let body = format!(
            r#"{{"code":{},"message":{},"HTTPErrorCode":{}}}"#,
            json!(code),
            json!(message),
            status.as_u16()
        );
        plain(status, JSON, body)
    };
    if id.is_empty() {
        return failed(StatusCode::BAD_REQUEST, "NoIdInRequest", "No Credential ID in the request");
    }
    let unknown = || failed(StatusCode::BAD_REQUEST, "InvalidIdInRequest", "Credentials not found");
    let internal = || {
        let body = r#"{"code":"InternalServerError","message":"Internal server error","HTTPErrorCode":500}"#;
        plain(StatusCode::INTERNAL_SERVER_ERROR, JSON, body)
    };
    let found = match client.get_task_credentials(id).await {
        Ok(found) => found,
        Err(ClientError::Api { code, .. })
            if ["ResourceNotFoundException", "ValidationException"].contains(&code.as_str()) =>
        {
            return unknown();
        }
        Err(error @ ClientError::Api { status: 400..500, .. }) => {
            tracing::error!(%error, "the broker gives a task no credentials");
            return internal();
        }
        Err(error) => {
            tracing::error!(%error, "the broker gives no credentials");
            let text = "Credentials uninitialized for ID";
            return failed(StatusCode::SERVICE_UNAVAILABLE, "CredentialsUninitialized", text);
        }
    };
    match watch::is_alive(docker, &found.task_id).await {
        Ok(true) => secret(StatusCode::OK, JSON, Credentials(&found).encode()),
        Ok(false) => unknown(),
        Err(error) => {
            tracing::error!(%error, "Docker does not say whether a task is alive");
            internal()
        }
    }
}

/// In the agent's order.
struct Credentials<'a>(&'a GetTaskCredentialsResponse);

impl Encode for Credentials<'_> {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.text("RoleArn", &self.0.role_arn);
        object.text("AccessKeyId", &self.0.access_key_id);
        object.secret_text("SecretAccessKey", &self.0.secret_access_key);
        object.secret_text("Token", &self.0.session_token);
        object.text("Expiration", &rfc3339(self.0.expiration));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn the_five_members_stand_in_the_agents_order() {
        let response = GetTaskCredentialsResponse {
            task_id: "t".into(),
            role_arn: "arn:r".into(),
            access_key_id: "ASIA".into(),
            secret_access_key: Arc::new(SecretValue::from("s".to_owned())),
            session_token: Arc::new(SecretValue::from("k".to_owned())),
            expiration: jiff::Timestamp::from_millisecond(1_732_412_345_678).unwrap(),
        };
        let text = String::from_utf8(Credentials(&response).encode().to_vec()).unwrap();
        assert_eq!(
            text,
            r#"{"RoleArn":"arn:r","AccessKeyId":"ASIA","SecretAccessKey":"s","Token":"k","Expiration":"2024-11-24T01:39:05Z"}"#
        );
    }
}
