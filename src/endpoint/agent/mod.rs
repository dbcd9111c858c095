//! The agent: reads of secrets and parameters for a process beside it, over plain HTTP on loopback,
//! in the shapes of AWS's own local agents.
//!
//! ```text
//! GET /secretsmanager/get?secretId=..&versionId=..&versionStage=..&refreshNow=true
//! GET /v1/SECRET_ID?versionId=..                                       the same, by path
//! GET /systemsmanager/parameters/get?name=..&version=..|label=..&withDecryption=true
//! GET /ping                                                            `healthy`, without a token
//! ```
//!
//! An answer is that of `GetSecretValue` or `GetParameter`, arranged as by the agent of AWS whose
//! path it is ([`shape`]). It is kept for a while and handed out again, but never unasked: before each hand-out of a kept value the broker decides and records
//! the read anew ([`cache`]). So a permission that is taken away counts at once, each read is in the
//! audit log, and without a broker there is no value.
//!
//! | refused | status | text |
//! |---|---|---|
//! | too many connections | 429 | `Connection limit exceeded` |
//! | a request with `X-Forwarded-For` | 400 | `Forwarded` |
//! | no token, or a wrong one | 403 | `Bad Token` |
//! | another method than GET | 405 | `Not allowed` |
//! | another path | 404 | `Not found` |
//!
//! Source: aws-secretsmanager-agent (README and behaviour); Systems Manager User Guide, "Using
//! Parameter Store parameters in AWS Lambda functions".

mod cache;
mod identity;
mod query;
mod settings;
mod shape;

pub use identity::{ContainerCredentials, Identity, IdentityError};
pub use settings::{Settings, SettingsError, Token};
pub use shape::Shape;

use super::http::{self, Answer, Asked, Endpoint, Limits, plain, secret};
use crate::client::ClientError;
use crate::protocol::sealdock::CachedService;
use ::http::{Method, StatusCode};
use cache::Cache;
use query::Wanted;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use subtle::ConstantTimeEq as _;
use tokio::net::TcpListener;

/// The agent of one process, or of several that share an identity.
#[derive(Debug)]
pub struct Agent {
    settings: Settings,
    token: Token,
    cache: Cache,
}

/// Serves until `stop` ends.
pub async fn serve(
    listener: TcpListener,
    settings: Settings,
    token: Token,
    identity: Identity,
    stop: impl Future<Output = ()>,
) {
    let limits = Limits {
        connections: settings.max_conn,
        refusals: 32,
        header_time: Duration::from_secs(5),
        whole_time: Duration::from_secs(61),
        header_bytes: 64 * 1024,
    };
    let cache = Cache::new(identity, settings.ttl, settings.cache_size);
    http::serve(listener, limits, Arc::new(Agent { settings, token, cache }), stop).await;
}

/// A refusal: its status and text.
type Refusal = (StatusCode, String);

impl Endpoint for Agent {
    const SERVER: &'static str = "sealdock-agent";

    async fn answer(&self, asked: Asked) -> Answer {
        if asked.uri.path() == "/ping" {
            return match asked.method {
                Method::GET => plain(StatusCode::OK, TEXT, "healthy"),
                _ => plain(StatusCode::METHOD_NOT_ALLOWED, TEXT, NOT_ALLOWED),
            };
        }
        let Settings { path_prefix, shape, .. } = &self.settings;
        let wanted = self.check(&asked).and_then(|()| Wanted::parse(&asked.uri, path_prefix, *shape));
        let wanted = match wanted {
            Ok(wanted) => wanted,
            Err((status, text)) => return plain(status, TEXT, text),
        };
        let (service, shape) = (wanted.read.service, wanted.shape);
        let shaped = |body: &[u8]| match service {
            CachedService::SecretsManager => shape.secret(body),
            CachedService::Ssm => shape::parameter(body),
        };
        match self.cache.read(wanted).await {
            Ok(body) => match shaped(&body) {
                Some(answer) => secret(StatusCode::OK, JSON, answer),
                None => failed(&ClientError::Protocol("the answer has other members".into())),
            },
            Err(error) => failed(&error),
        }
    }
}

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
const NOT_ALLOWED: &str = "Not allowed";

impl Agent {
    /// In the order of AWS's agent.
    fn check(&self, asked: &Asked) -> Result<(), Refusal> {
        let refused = |status, text: &str| Err((status, text.to_owned()));
        if asked.crowded {
            return refused(StatusCode::TOO_MANY_REQUESTS, "Connection limit exceeded");
        }
        if asked.headers.contains_key("x-forwarded-for") {
            return refused(StatusCode::BAD_REQUEST, "Forwarded");
        }
        let shown = self.settings.token_headers.iter().filter_map(|name| asked.headers.get(name));
        if !shown.fold(false, |found, value| found | self.token.is(value.as_bytes())) {
            return refused(StatusCode::FORBIDDEN, "Bad Token");
        }
        if asked.method != Method::GET {
            return refused(StatusCode::METHOD_NOT_ALLOWED, NOT_ALLOWED);
        }
        Ok(())
    }
}

impl Token {
    fn is(&self, shown: &[u8]) -> bool {
        #[expect(clippy::disallowed_methods, reason = "the token is compared in constant time")]
        let own = self.0.expose();
        bool::from(own.ct_eq(shown))
    }
}

/// The broker's answer, or that there is none.
fn failed(error: &ClientError) -> Answer {
    let (status, code, message) = match error {
        ClientError::Api { status, code, message, .. } => (*status, code.as_str(), message.as_str()),
        ClientError::Timeout { .. } => (504, "TimeoutError", "Timeout"),
        ClientError::Unreachable { .. } | ClientError::Broken { .. } => {
            (502, "ConnectionError", "Read Error")
        }
        ClientError::Tls { .. } | ClientError::Protocol(_) => (500, "InternalFailure", ""),
    };
    if status >= 500 {
        tracing::error!(%error, "a read is not answered");
    }
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = match message {
        "" => json!({ "__type": code }),
        message => json!({ "__type": code, "message": message }),
    };
    plain(status, JSON, body.to_string())
}
