//! HTTP/1.1 over a Unix socket, TCP or TLS, with connections kept for the next
//! request.
//!
//! A kept connection may have been closed by the broker meanwhile. When a request
//! could not be sent on one, a new connection is made; that is not an attempt.

use super::endpoint::Endpoint;
use super::error::ClientError;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use zeroize::Zeroizing;

/// Longest answer: far above the largest page.
pub(super) const MAX_ANSWER: usize = 64 << 20;
const MAX_IDLE: usize = 16;
const CONNECT_TIME: Duration = Duration::from_secs(5);

type Sender = SendRequest<Full<Bytes>>;

/// An answer, whole.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) request_id: Option<String>,
    pub(super) body: Zeroizing<Vec<u8>>,
}

/// Connections to one endpoint.
pub(super) struct Transport {
    endpoint: Endpoint,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    idle: Mutex<Vec<Sender>>,
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").field("endpoint", &self.endpoint.to_string()).finish_non_exhaustive()
    }
}

impl Transport {
    pub(super) fn new(endpoint: Endpoint) -> Result<Self, ClientError> {
        let tls = match &endpoint {
            Endpoint::Tls { host, ca_pem, .. } => Some(
                connector(host, ca_pem.as_deref())
                    .map_err(|reason| ClientError::Tls { endpoint: endpoint.to_string(), reason })?,
            ),
            Endpoint::Unix(_) | Endpoint::Http { .. } => None,
        };
        Ok(Self { endpoint, tls, idle: Mutex::new(Vec::new()) })
    }

    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Sends `POST /` and reads the answer to its end.
    pub(super) async fn send(&self, headers: HeaderMap, body: Bytes) -> Result<Answer, ClientError> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.headers_mut() = headers;
        while let Some(mut kept) = self.take_idle() {
            if kept.ready().await.is_err() {
                continue;
            }
            match kept.try_send_request(request).await {
                Ok(response) => return self.read(response, kept).await,
                Err(mut failed) => match failed.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(self.broken(&failed.into_error())),
                },
            }
        }
        let mut sender = self.connect().await?;
        match sender.send_request(request).await {
            Ok(response) => self.read(response, sender).await,
            Err(error) => Err(self.broken(&error)),
        }
    }

    async fn read(&self, response: Response<Incoming>, sender: Sender) -> Result<Answer, ClientError> {
        let status = response.status().as_u16();
        let request_id = response.headers().get("x-amzn-requestid");
        let request_id = request_id.and_then(|value| value.to_str().ok()).map(str::to_owned);
        let mut incoming = response.into_body();
        let announced = usize::try_from(incoming.size_hint().lower()).unwrap_or(MAX_ANSWER).min(MAX_ANSWER);
        let mut body = Zeroizing::new(Vec::with_capacity(announced));
        while let Some(frame) = incoming.frame().await {
            let frame = frame.map_err(|error| self.broken(&error))?;
            if let Some(data) = frame.data_ref() {
                append(&mut body, data);
            }
            if body.len() > MAX_ANSWER {
                return Err(ClientError::Protocol(format!("longer than {MAX_ANSWER} bytes")));
            }
        }
        self.keep(sender);
        Ok(Answer { status, request_id, body })
    }

    async fn connect(&self) -> Result<Sender, ClientError> {
        match tokio::time::timeout(CONNECT_TIME, self.open()).await {
            Ok(result) => result.map_err(|reason| self.unreachable(reason)),
            Err(_) => Err(self.unreachable("connecting took too long".to_owned())),
        }
    }

    async fn open(&self) -> Result<Sender, String> {
        match &self.endpoint {
            Endpoint::Unix(path) => start(UnixStream::connect(path).await.map_err(spell)?).await,
            Endpoint::Http { host, port, .. } => start(tcp(host, *port).await?).await,
            Endpoint::Tls { host, port, .. } => {
                let (connector, name) = self.tls.as_ref().ok_or("TLS is not set up")?;
                let stream = tcp(host, *port).await?;
                start(connector.connect(name.clone(), stream).await.map_err(spell)?).await
            }
        }
    }

    fn take_idle(&self) -> Option<Sender> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|sender| !sender.is_closed());
        idle.pop()
    }

    fn keep(&self, sender: Sender) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MAX_IDLE {
            idle.push(sender);
        }
    }

    fn broken(&self, error: &hyper::Error) -> ClientError {
        ClientError::Broken { endpoint: self.endpoint.to_string(), reason: chain(error) }
    }

    fn unreachable(&self, reason: String) -> ClientError {
        ClientError::Unreachable { endpoint: self.endpoint.to_string(), reason }
    }
}

pub(super) async fn tcp(host: &str, port: u16) -> Result<TcpStream, String> {
    let stream = TcpStream::connect((host, port)).await.map_err(spell)?;
    // Requests are small and wait for their answers.
    stream.set_nodelay(true).map_err(spell)?;
    Ok(stream)
}

pub(super) async fn start(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> Result<Sender, String> {
    let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|e| chain(&e))?;
    tokio::spawn(async move {
        // Whoever waits for an answer is told by its own end of the connection.
        let _ended = connection.await;
    });
    Ok(sender)
}

/// Trusts exactly the given authorities.
pub(super) fn connector(
    host: &str,
    ca_pem: Option<&[u8]>,
) -> Result<(TlsConnector, ServerName<'static>), String> {
    let pem = ca_pem.ok_or("no CA certificate is given; `sealdock init` wrote one as `ca.pem`")?;
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|e| format!("the CA certificate is not PEM: {e}"))?;
        roots.add(certificate).map_err(|e| format!("the CA certificate cannot be used: {e}"))?;
    }
    if roots.is_empty() {
        return Err("there is no certificate in the CA file".to_owned());
    }
    // Named, so that a second provider in the process cannot change it.
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(spell)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let name =
        ServerName::try_from(host.to_owned()).map_err(|e| format!("`{host}` is not a server name: {e}"))?;
    Ok((TlsConnector::from(Arc::new(config)), name))
}

/// Appends without leaving a copy behind when the buffer has to move.
pub(super) fn append(body: &mut Zeroizing<Vec<u8>>, data: &[u8]) {
    let needed = body.len() + data.len();
    if needed > body.capacity() {
        let mut larger = Zeroizing::new(Vec::with_capacity(needed.max(body.capacity() * 2)));
        larger.extend_from_slice(body);
        *body = larger;
    }
    body.extend_from_slice(data);
}

pub(super) fn spell(error: impl fmt::Display) -> String {
    error.to_string()
}

/// An error with its causes.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}
