//! [`Client`]: signs requests, sends them to a broker, reads the answers.
//!
//! ```text
//! typed call -> Operation + JSON -> sign -> connection (Unix socket, TCP or TLS) -> status?
//!     2xx: body into a wiped buffer -> decode
//!     else: ClientError::Api, or one more attempt (see retry.rs)
//! ```
//!
//! Over the Unix socket a client may go unsigned: the broker takes the peer's user
//! id as its identity. Whatever holds a secret, here and in what is returned, is
//! wiped when it is dropped.

mod calls;
mod endpoint;
mod error;
mod local;
mod post;
mod retry;
mod transport;

pub use endpoint::{Endpoint, EndpointError};
pub use error::ClientError;
pub use local::{LocalClient, Sent};
pub use post::{Reply, post};

use crate::clock::{Clock, SystemClock};
use crate::protocol::sigv4::{self, Signer};
use crate::protocol::{ApiError, CONTENT_TYPE, Operation, fields};
use crate::secret::SecretValue;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Uri, header};
use std::sync::Arc;
use std::time::Duration;
use transport::{Answer, Transport};
use zeroize::Zeroizing;

/// The time that one attempt may take, connecting included.
const ATTEMPT_TIME: Duration = Duration::from_secs(30);
const USER_AGENT: &str = concat!("sealdock/", env!("CARGO_PKG_VERSION"));

/// What a client signs with.
#[derive(Debug)]
pub struct Credentials {
    /// `AKIA...`, or `ASIA...` for a session.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: SecretValue,
    /// Of a session.
    pub session_token: Option<SecretValue>,
}

/// A connection to one broker as one identity. Cheap to clone; clones share
/// connections.
#[derive(Clone, Debug)]
pub struct Client {
    transport: Arc<Transport>,
    credentials: Option<Arc<Credentials>>,
    region: Arc<str>,
    clock: Arc<dyn Clock>,
    attempt_time: Duration,
}

impl Client {
    /// A client for the broker at `endpoint`. Nothing is connected yet.
    ///
    /// # Errors
    /// [`ClientError::Tls`] if the endpoint's CA certificate cannot be used.
    pub fn new(
        endpoint: Endpoint,
        credentials: Option<Credentials>,
        region: &str,
    ) -> Result<Self, ClientError> {
        Ok(Self {
            transport: Arc::new(Transport::new(endpoint)?),
            credentials: credentials.map(Arc::new),
            region: region.into(),
            clock: Arc::new(SystemClock),
            attempt_time: ATTEMPT_TIME,
        })
    }

    /// The same connections as another identity.
    #[must_use]
    pub fn with_credentials(&self, credentials: Credentials) -> Self {
        Self { credentials: Some(Arc::new(credentials)), ..self.clone() }
    }

    /// The same connections for another Region.
    #[must_use]
    pub fn with_region(&self, region: &str) -> Self {
        Self { region: region.into(), ..self.clone() }
    }

    /// Another limit for each attempt.
    #[must_use]
    pub fn with_attempt_time(&self, attempt_time: Duration) -> Self {
        Self { attempt_time, ..self.clone() }
    }

    /// Where the broker is.
    pub fn endpoint(&self) -> &Endpoint {
        self.transport.endpoint()
    }

    /// The Region that requests are signed for.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// Sends one operation with a JSON body; answers the JSON of a success.
    ///
    /// # Errors
    /// Every kind of [`ClientError`]; what is worth it was tried three times.
    pub async fn call(
        &self,
        operation: Operation,
        body: Zeroizing<Vec<u8>>,
    ) -> Result<Zeroizing<Vec<u8>>, ClientError> {
        let body = Bytes::from_owner(body);
        let mut attempt = 1;
        loop {
            let result = match tokio::time::timeout(self.attempt_time, self.attempt(operation, &body)).await {
                Ok(result) => result,
                Err(_) => Err(ClientError::Timeout {
                    endpoint: self.endpoint().to_string(),
                    seconds: self.attempt_time.as_secs(),
                }),
            };
            let error = match result {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            if attempt >= retry::ATTEMPTS || !retry::worth_it(operation, &error) {
                return Err(error);
            }
            tokio::time::sleep(retry::pause(attempt)).await;
            attempt += 1;
        }
    }

    async fn attempt(&self, operation: Operation, body: &Bytes) -> Result<Zeroizing<Vec<u8>>, ClientError> {
        let headers = self.headers(operation, body)?;
        let answer = self.transport.send(headers, body.clone()).await?;
        if (200..300).contains(&answer.status) {
            return Ok(answer.body);
        }
        Err(refusal(&answer))
    }

    fn headers(&self, operation: Operation, body: &[u8]) -> Result<HeaderMap, ClientError> {
        let unsendable =
            |e: http::Error| ClientError::Protocol(format!("the request cannot be written: {e}"));
        let text = |value: &str| HeaderValue::from_str(value).map_err(|e| unsendable(e.into()));
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, text(self.endpoint().host())?);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
        headers.insert("x-amz-target", text(&operation.target())?);
        headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
        if let Some(credentials) = &self.credentials {
            let signer = Signer {
                access_key_id: &credentials.access_key_id,
                secret_access_key: &credentials.secret_access_key,
                session_token: credentials.session_token.as_ref(),
                region: &self.region,
                service: operation.service().signing_name(),
            };
            let uri = Uri::from_static("/");
            sigv4::sign(&signer, &Method::POST, &uri, &mut headers, body, self.clock.now())
                .map_err(unsendable)?;
        }
        Ok(headers)
    }
}

/// The error in an answer that is not a success. Of the body only the error's own
/// two members are repeated.
fn refusal(answer: &Answer) -> ClientError {
    let (code, message) = fields::error_members(&answer.body).unwrap_or_default();
    let code = code.unwrap_or_else(|| format!("HTTP {}", answer.status));
    ClientError::Api {
        status: answer.status,
        // A service may write a namespace before the name.
        code: code.rsplit('#').next().unwrap_or_default().to_owned(),
        message: message.unwrap_or_default(),
        request_id: answer.request_id.clone(),
    }
}

/// The error for an answer of success that does not say what it should.
fn unexpected(operation: Operation, error: &ApiError) -> ClientError {
    let (name, reason) = (operation.name(), &error.message);
    ClientError::Protocol(format!("the answer to {name} is not as expected: {reason}"))
}

#[cfg(test)]
mod tests;
