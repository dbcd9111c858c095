//! [`Api`]: from an HTTP request to its answer.
//!
//! ```text
//! POST / with X-Amz-Target -> Operation      a form with Action, for STS
//!   -> authenticate        -> Caller, Region
//!   -> the service's file: decode, gate, vault
//!   -> answer, or an error that is on record
//! ```
//!
//! A request that fails anywhere is recorded before it is answered; if it cannot be
//! recorded, the answer says that instead.

use super::authenticate::{authenticate, refuse_own_session};
use super::exchange::{Exchange, Failure, on_record};
use super::listener::{Handler, Incoming, Peer, Refusal, RequestHead};
use crate::broker::{Broker, Caller, Context};
use crate::ids;
use crate::protocol::query::{self, Form};
use crate::protocol::sigv4::SigningKeys;
use crate::protocol::{ApiError, Operation, Service, answer, sts};
use crate::vault::Scope;
use bytes::Bytes;
use http::{HeaderMap, Method, Response, header};
use http_body_util::Full;
use std::sync::Arc;
use zeroize::Zeroizing;

/// The whole API of a broker.
#[derive(Debug)]
pub struct Api {
    broker: Arc<Broker>,
    keys: SigningKeys,
}

/// Signing keys kept at a time: one for each access key, day, Region and service in use.
const SIGNING_KEYS: usize = 4096;

/// Longest user agent that is recorded, in characters.
const USER_AGENT: usize = 256;

impl Api {
    /// The API of `broker`.
    pub fn new(broker: Arc<Broker>) -> Self {
        Self { broker, keys: SigningKeys::new(SIGNING_KEYS) }
    }

    /// What is known of a request before it proves who sends it.
    fn context(&self, head: &RequestHead, asked: &Asked, request_id: &str) -> Context {
        let operation = asked.operation.as_ref().ok().copied();
        let agent = head.headers.get(header::USER_AGENT).and_then(|v| v.to_str().ok());
        Context {
            caller: None,
            event_source: operation.map_or(asked.wire.event_source(), Operation::event_source),
            event_name: operation.map_or("UnknownOperation", Operation::name),
            region: self.broker.settings().region.clone(),
            read_only: operation.is_some_and(Operation::read_only),
            request_id: request_id.to_owned(),
            source: Arc::clone(&head.source),
            secure: !matches!(head.peer, Peer::Tcp { tls: false, .. }),
            user_agent: agent.map(|text| start(text, USER_AGENT).to_owned()),
            parameters: None,
            response: None,
        }
    }

    async fn serve(
        &self,
        incoming: &Incoming,
        asked: &Asked,
        context: Context,
    ) -> Result<Zeroizing<Vec<u8>>, (Context, Failure)> {
        let (operation, caller, region) = match self.admit(incoming, asked) {
            Ok(admitted) => admitted,
            Err(error) => return Err((context, asked.wire.named(error).into())),
        };
        let scope = Scope::new(caller.account(), region.as_str());
        let allowed = refuse_own_session(&caller, operation);
        let context = Context { caller: Some(caller), region, ..context };
        if let Err(error) = allowed {
            return Err((context, asked.wire.named(error).into()));
        }
        let mut exchange = Exchange { broker: &self.broker, context, scope, body: asked.body(incoming) };
        let answer = match operation.service() {
            Service::SecretsManager => super::secretsmanager::serve(operation, &mut exchange).await,
            Service::Ssm => super::ssm::serve(operation, &mut exchange).await,
            Service::Kms => super::kms::serve(operation, &mut exchange).await,
            Service::Sts => super::sts::serve(operation, &mut exchange, asked.wants_json).await,
            Service::Sealdock => super::sealdock::serve(operation, &mut exchange, &self.keys).await,
        };
        answer.map_err(|failure| (exchange.context, failure))
    }

    fn admit(&self, incoming: &Incoming, asked: &Asked) -> Result<(Operation, Caller, String), ApiError> {
        if incoming.head.uri.path() != "/"
            || (asked.wire == Wire::Json && incoming.head.method != Method::POST)
        {
            return Err(ApiError::unknown_operation("the API takes POST requests to /"));
        }
        let operation = asked.operation.clone()?;
        let (caller, region) = authenticate(&self.broker, &self.keys, incoming, operation)?;
        Ok((operation, caller, region))
    }

    fn counted(&self, response: Response<Full<Bytes>>) -> Response<Full<Bytes>> {
        let metrics = self.broker.metrics();
        match response.status() {
            status if status.is_success() => metrics.requests_served.count(),
            status if status.is_server_error() => metrics.requests_failed.count(),
            _ => metrics.requests_refused.count(),
        }
        response
    }
}

impl Handler for Api {
    async fn handle(&self, incoming: &Incoming) -> Response<Full<Bytes>> {
        if let Some(metrics) = super::scrape::answer(&self.broker, &incoming.head) {
            return metrics;
        }
        let request_id = ids::unique().to_string();
        let asked = Asked::new(incoming);
        let context = self.context(&incoming.head, &asked, &request_id);
        let response = match self.serve(incoming, &asked, context).await {
            Ok(body) if asked.wants_json => query::success_json(body, &request_id),
            Ok(body) => asked.wire.success(body, &request_id),
            Err((context, failure)) => {
                asked.wire.failure(on_record(&self.broker, &context, failure).await, &request_id)
            }
        };
        self.counted(response.map(Full::new))
    }

    async fn refuse(&self, refusal: Refusal, head: &RequestHead) -> Response<Full<Bytes>> {
        let request_id = ids::unique().to_string();
        let asked = Asked::of_head(head);
        let context = self.context(head, &asked, &request_id);
        let error = match refusal {
            Refusal::BodyTooLarge => ApiError::request_entity_too_large(),
            Refusal::BodyTimeout => ApiError::request_timeout(),
            Refusal::Broken => ApiError::serialization("the request body could not be read"),
            Refusal::Panicked => ApiError::internal_failure(),
        };
        let error = asked.wire.named(error);
        let error = on_record(&self.broker, &context, error.into()).await;
        self.counted(asked.wire.failure(error, &request_id).map(Full::new))
    }
}

/// What a request asks for, and in which protocol.
struct Asked {
    wire: Wire,
    operation: Result<Operation, ApiError>,
    /// A form, as the JSON body that it stands for.
    body: Option<Zeroizing<Vec<u8>>>,
    /// Whether an answer that is XML otherwise is to be JSON.
    wants_json: bool,
}

impl Asked {
    fn new(incoming: &Incoming) -> Self {
        let head = &incoming.head;
        if !query::is_query(&head.method, &head.uri, &head.headers) {
            return Self::json(&head.headers);
        }
        let form = Form::parse(head.uri.query(), &incoming.body);
        let operation = form.as_ref().map_err(Clone::clone).and_then(Form::operation);
        let body = form.and_then(|form| form.json(sts::INTEGERS, sts::LISTS));
        let (operation, body) = match (operation, body) {
            (Ok(operation), Ok(body)) => (Ok(operation), Some(body)),
            (Err(error), _) | (_, Err(error)) => (Err(error), None),
        };
        let known = matches!(operation, Ok(Operation::GetCallerIdentity));
        Self { wire: Wire::Query, operation, body, wants_json: known && query::wants_json(&head.headers) }
    }

    fn of_head(head: &RequestHead) -> Self {
        if query::is_query(&head.method, &head.uri, &head.headers) {
            let operation = Form::parse(head.uri.query(), b"").and_then(|form| form.operation());
            return Self { wire: Wire::Query, operation, body: None, wants_json: false };
        }
        Self::json(&head.headers)
    }

    fn json(headers: &HeaderMap) -> Self {
        let target = headers.get("x-amz-target").and_then(|v| v.to_str().ok());
        Self { wire: Wire::Json, operation: Operation::require(target), body: None, wants_json: false }
    }

    fn body<'a>(&'a self, incoming: &'a Incoming) -> &'a [u8] {
        self.body.as_ref().map_or(&incoming.body, |body| body.as_slice())
    }
}

/// How a request and its answer are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wire {
    /// AWS JSON 1.1.
    Json,
    /// AWS Query.
    Query,
}

impl Wire {
    fn event_source(self) -> &'static str {
        match self {
            Self::Json => "sealdock",
            Self::Query => Service::Sts.event_source(),
        }
    }

    fn named(self, error: ApiError) -> ApiError {
        match self {
            Self::Json => error,
            Self::Query => query::renamed(error),
        }
    }

    fn success(self, body: Zeroizing<Vec<u8>>, request_id: &str) -> Response<Bytes> {
        match self {
            Self::Json => answer::success(body, request_id),
            Self::Query => query::success(body, request_id),
        }
    }

    fn failure(self, error: ApiError, request_id: &str) -> Response<Bytes> {
        match self {
            Self::Json => answer::failure(&error, request_id),
            Self::Query => query::failure(&query::renamed(error), request_id),
        }
    }
}

/// The first `length` characters.
fn start(text: &str, length: usize) -> &str {
    text.char_indices().nth(length).and_then(|(end, _)| text.get(..end)).unwrap_or(text)
}
