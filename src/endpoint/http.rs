//! A small HTTP/1.1 server for this host: one request a connection, no bodies, bounds on
//! everything.
//!
//! Answers go out with a hop limit of one, so that no router passes them on.

use super::origin;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

/// An answer, whole.
pub type Answer = Response<Full<Bytes>>;

/// Pause when the process or the machine is out of descriptors.
const EXHAUSTED: Duration = Duration::from_millis(100);

/// What one client may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections that are answered at a time.
    pub connections: usize,
    /// Further connections, which are told that there are too many.
    pub refusals: usize,
    /// Longest time from a connection to the end of its request's header.
    pub header_time: Duration,
    /// Longest time of a connection.
    pub whole_time: Duration,
    /// Largest header of a request, in bytes; at least 8 KiB.
    pub header_bytes: usize,
}

/// A request; a body is not read.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The method.
    pub method: Method,
    /// Path and query as they were sent.
    pub uri: Uri,
    /// The header.
    pub headers: HeaderMap,
    /// Who sent it.
    pub peer: SocketAddr,
    /// Whether more connections are open than may be answered.
    pub crowded: bool,
}

/// What answers the requests.
pub trait Endpoint: Send + Sync + 'static {
    /// What the server calls itself.
    const SERVER: &'static str;

    /// Answers a request.
    fn answer(&self, asked: Asked) -> impl Future<Output = Answer> + Send;
}

/// Serves until `stop` ends.
pub async fn serve<E: Endpoint>(
    listener: TcpListener,
    limits: Limits,
    endpoint: Arc<E>,
    stop: impl Future<Output = ()>,
) {
    let places = Arc::new(Semaphore::new(limits.connections));
    let refusals = Arc::new(Semaphore::new(limits.refusals));
    let accepting = async {
        loop {
            let (stream, peer) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept connections for the moment");
                    tokio::time::sleep(EXHAUSTED).await;
                    continue;
                }
            };
            if !origin::is_this_host(&stream, peer) {
                tracing::warn!(%peer, "a connection that is not from this host was closed");
                continue;
            }
            let (place, crowded) = match Arc::clone(&places).try_acquire_owned() {
                Ok(place) => (place, false),
                Err(_) => match Arc::clone(&refusals).try_acquire_owned() {
                    Ok(place) => (place, true),
                    // Nobody is left who could say so.
                    Err(_) => continue,
                },
            };
            let endpoint = Arc::clone(&endpoint);
            tokio::spawn(async move {
                connection(stream, peer, limits, endpoint, crowded).await;
                drop(place);
            });
        }
    };
    tokio::select! { () = accepting => {}, () = stop => {} }
}

async fn connection<E: Endpoint>(
    stream: TcpStream,
    peer: SocketAddr,
    limits: Limits,
    endpoint: Arc<E>,
    crowded: bool,
) {
    if stream.set_ttl(1).is_err() || stream.set_nodelay(true).is_err() {
        return;
    }
    let service = service_fn(|request: hyper::Request<Incoming>| {
        let (parts, _body) = request.into_parts();
        let asked = Asked { method: parts.method, uri: parts.uri, headers: parts.headers, peer, crowded };
        let answer = endpoint.answer(asked);
        async move {
            let mut answer = answer.await;
            answer.headers_mut().insert(header::SERVER, HeaderValue::from_static(E::SERVER));
            Ok::<_, Infallible>(answer)
        }
    });
    let served = http1::Builder::new()
        .keep_alive(false)
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_time)
        .max_buf_size(limits.header_bytes.max(8192))
        .serve_connection(TokioIo::new(stream), service);
    // A client that goes away or takes too long is no concern of the others.
    let _ = tokio::time::timeout(limits.whole_time, served).await;
}

/// An answer with a body that is wiped once it is sent.
pub fn secret(status: StatusCode, content_type: &'static str, body: Zeroizing<Vec<u8>>) -> Answer {
    answer(status, content_type, Bytes::from_owner(body))
}

/// An answer with a body that holds no secret.
pub fn plain(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Answer {
    answer(status, content_type, body.into())
}

fn answer(status: StatusCode, content_type: &'static str, body: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}
