//! One connection, from its first byte to its end.
//!
//! The protocol is known before HTTP begins: by ALPN under TLS, by the first bytes
//! otherwise. One timer watches the connection while no request is in progress
//! ([`Limits::header_time`]); it covers silent clients, headers that trickle, idle
//! connections and answers that nobody reads, in HTTP/1.1 and HTTP/2 alike.
//!
//! ```text
//! serving --no request for header_time, or shutdown--> finishing --drain_time--> dropped
//! ```

use super::body::{self, Room};
use super::limits::Limits;
use super::listener::{Handler, Incoming, Peer, Refusal, RequestHead};
use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderValue, Request, Response, StatusCode, Version, header};
use http_body_util::Full;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::graceful::GracefulConnection;
use rustix::net::RecvFlags;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, Interest};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tokio_rustls::TlsAcceptor;

/// What all connections of a listener share.
pub(super) struct Shared<H> {
    handler: Arc<H>,
    limits: Limits,
    /// One permit a connection.
    pub(super) slots: Arc<Semaphore>,
    /// Memory for their bodies.
    room: Room,
}

impl<H> Shared<H> {
    pub(super) fn new(handler: Arc<H>, limits: Limits) -> Self {
        let slots = Arc::new(Semaphore::new(limits.connections.clamp(1, Semaphore::MAX_PERMITS)));
        let room = Room::new(&limits);
        Self { handler, limits, slots, room }
    }
}

/// Serves a connection to a plain TCP listener.
pub(super) async fn plain<H: Handler>(
    stream: TcpStream,
    addr: SocketAddr,
    shared: Arc<Shared<H>>,
    mut drain: Drain,
) {
    let _ = stream.set_nodelay(true);
    let connection = Connection::new(shared, Peer::Tcp { addr, tls: false });
    let look = stream.async_io(Interest::READABLE, || look(&stream));
    if let Some(protocol) = connection.first_bytes(look, &mut drain).await {
        connection.serve(stream, protocol, drain).await;
    }
}

/// Serves a connection to a Unix socket.
pub(super) async fn unix<H: Handler>(stream: UnixStream, shared: Arc<Shared<H>>, mut drain: Drain) {
    // INVARIANT: no credentials, no service; the uid is an identity.
    let Ok(credentials) = stream.peer_cred() else { return };
    let connection = Connection::new(shared, Peer::Unix { uid: credentials.uid(), pid: credentials.pid() });
    let look = stream.async_io(Interest::READABLE, || look(&stream));
    if let Some(protocol) = connection.first_bytes(look, &mut drain).await {
        connection.serve(stream, protocol, drain).await;
    }
}

/// Serves a connection to a TLS listener.
pub(super) async fn tls<H: Handler>(
    stream: TcpStream,
    addr: SocketAddr,
    acceptor: TlsAcceptor,
    shared: Arc<Shared<H>>,
    mut drain: Drain,
) {
    let _ = stream.set_nodelay(true);
    let handshake = timeout(shared.limits.handshake_time, acceptor.accept(stream));
    let outcome = tokio::select! {
        biased;
        outcome = handshake => outcome,
        () = stopping(&mut drain) => return,
    };
    let stream = match outcome {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!(%addr, %error, "TLS handshake failed"),
        Err(_) => return tracing::debug!(%addr, "TLS handshake took too long"),
    };
    let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let connection = Connection::new(shared, Peer::Tcp { addr, tls: true });
    connection.serve(stream, if http2 { Protocol::Http2 } else { Protocol::Http1 }, drain).await;
}

/// Becomes true when the server stops.
pub(super) type Drain = watch::Receiver<bool>;

async fn stopping(drain: &mut Drain) {
    // The sender goes only with the server.
    let _ = drain.wait_for(|stop| *stop).await;
}

#[derive(Clone, Copy, Debug)]
enum Protocol {
    Http1,
    Http2,
}

/// What an HTTP/2 client sends first (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Tells the protocol by the first bytes, which stay where they are. `None`: the client has left.
fn look(stream: impl AsFd) -> io::Result<Option<Protocol>> {
    let mut bytes = [0; PREFACE.len()];
    let (_, seen) = rustix::net::recv(stream, &mut bytes, RecvFlags::PEEK)?;
    match bytes.get(..seen) {
        None | Some([]) => Ok(None),
        Some(PREFACE) => Ok(Some(Protocol::Http2)),
        // Waits for the next byte to arrive, not for the ones that are there.
        Some(part) if PREFACE.starts_with(part) => Err(io::ErrorKind::WouldBlock.into()),
        Some(_) => Ok(Some(Protocol::Http1)),
    }
}

/// What an HTTP/2 client may send before its bodies are read: they may be waiting for room.
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 256 * 1024;

struct Connection<H> {
    shared: Arc<Shared<H>>,
    peer: Peer,
    source: Arc<str>,
    activity: Activity,
}

impl<H: Handler> Connection<H> {
    fn new(shared: Arc<Shared<H>>, peer: Peer) -> Self {
        Self { shared, peer, source: peer.to_string().into(), activity: Activity::new() }
    }

    async fn first_bytes(
        &self,
        look: impl Future<Output = io::Result<Option<Protocol>>>,
        drain: &mut Drain,
    ) -> Option<Protocol> {
        let deadline = self.activity.quiet_since() + self.shared.limits.header_time;
        tokio::select! {
            biased;
            seen = timeout_at(deadline, look) => seen.ok()?.ok()?,
            () = stopping(drain) => None,
        }
    }

    async fn serve<I>(self, io: I, protocol: Protocol, drain: Drain)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let connection = Arc::new(self);
        let limits = &connection.shared.limits;
        let answering = Arc::clone(&connection);
        let service = service_fn(move |request| {
            let connection = Arc::clone(&answering);
            async move { Ok::<_, Infallible>(connection.answer(request).await) }
        });
        let (io, header_bytes) = (TokioIo::new(io), limits.header_bytes);
        match protocol {
            Protocol::Http1 => {
                let http = http1::Builder::new()
                    .max_buf_size(usize::try_from(header_bytes).unwrap_or(usize::MAX).max(8192))
                    .header_read_timeout(None)
                    // A client may close its sending side and still wait for the answer. Looking for
                    // that while a request is handled would also cost a buffer for each.
                    .half_close(true)
                    .serve_connection(io, service);
                connection.supervise(http, drain).await;
            }
            Protocol::Http2 => {
                let http = http2::Builder::new(TokioExecutor::new())
                    .max_header_list_size(header_bytes)
                    .max_concurrent_streams(limits.streams)
                    .initial_stream_window_size(STREAM_WINDOW)
                    .initial_connection_window_size(CONNECTION_WINDOW)
                    .serve_connection(io, service);
                connection.supervise(http, drain).await;
            }
        }
    }

    /// Runs the connection to its end.
    async fn supervise<C>(&self, http: C, mut drain: Drain)
    where
        C: GracefulConnection,
        C::Error: std::fmt::Display,
    {
        let limits = &self.shared.limits;
        let mut http = pin!(http);
        let stopping = stopping(&mut drain);
        let quiet = self.quiet();
        tokio::select! {
            biased;
            outcome = http.as_mut() => return self.ended(outcome),
            () = stopping => {}
            () = quiet => {}
        }
        if !self.activity.used() {
            return tracing::debug!(peer = ?self.peer, "closed before its first request");
        }
        http.as_mut().graceful_shutdown();
        match timeout(limits.drain_time, http).await {
            Ok(outcome) => self.ended(outcome),
            Err(_) => tracing::debug!(peer = ?self.peer, "cut off"),
        }
    }

    fn ended(&self, outcome: Result<(), impl std::fmt::Display>) {
        if let Err(error) = outcome {
            tracing::debug!(peer = ?self.peer, %error, "connection ended");
        }
    }

    /// Ends when no request has been in progress for the time that a header may take.
    async fn quiet(&self) {
        let allowed = self.shared.limits.header_time;
        let mut timer = pin!(sleep_until(self.activity.quiet_since() + allowed));
        loop {
            timer.as_mut().await;
            let due =
                if self.activity.busy() { Instant::now() } else { self.activity.quiet_since() } + allowed;
            if due <= Instant::now() {
                return;
            }
            timer.as_mut().reset(due);
        }
    }

    async fn answer(&self, request: Request<hyper::body::Incoming>) -> Response<Full<Bytes>> {
        let _busy = self.activity.begin();
        let (parts, body) = request.into_parts();
        let (peer, source) = (self.peer, Arc::clone(&self.source));
        let mut head =
            RequestHead { method: parts.method, uri: parts.uri, headers: parts.headers, peer, source };
        if parts.version == Version::HTTP_2 {
            name_host(&mut head);
        }
        let collected = body::collect(body, &head.headers, &self.shared.limits, &self.shared.room).await;
        let (body, _share) = match collected {
            Ok(collected) => collected,
            Err(refusal) => {
                let mut response = self.refuse(refusal, &head).await;
                // The rest of the body is not read, so nothing can follow it.
                if parts.version != Version::HTTP_2 {
                    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                }
                return response;
            }
        };
        let incoming = Incoming { head, body };
        // The handler changes nothing of ours: a panic leaves no half-made state here.
        let handled = AssertUnwindSafe(self.shared.handler.handle(&incoming)).catch_unwind().await;
        match handled {
            Ok(response) => response,
            Err(_) => {
                let head = &incoming.head;
                tracing::error!(method = %head.method, path = head.uri.path(), "a request handler panicked");
                self.refuse(Refusal::Panicked, head).await
            }
        }
    }

    async fn refuse(&self, refusal: Refusal, head: &RequestHead) -> Response<Full<Bytes>> {
        let refused =
            AssertUnwindSafe(async { self.shared.handler.refuse(refusal, head).await }).catch_unwind().await;
        refused.unwrap_or_else(|_| {
            let mut response = Response::new(Full::default());
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            response
        })
    }
}

/// HTTP/2 sends the host apart from the header; signatures cover it as `host`.
fn name_host(head: &mut RequestHead) {
    if let Some(authority) = head.uri.authority()
        && !head.headers.contains_key(header::HOST)
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
    {
        head.headers.insert(header::HOST, host);
    }
}

/// Whether requests are in progress, and since when none is.
struct Activity {
    started: Instant,
    requests: AtomicU64,
    open: AtomicU32,
    /// Milliseconds after `started`.
    last_end: AtomicU64,
}

impl Activity {
    fn new() -> Self {
        let (requests, open, last_end) = Default::default();
        Self { started: Instant::now(), requests, open, last_end }
    }

    fn begin(&self) -> Busy<'_> {
        self.open.fetch_add(1, Ordering::AcqRel);
        self.requests.fetch_add(1, Ordering::AcqRel);
        Busy(self)
    }

    fn used(&self) -> bool {
        self.requests.load(Ordering::Acquire) > 0
    }

    fn busy(&self) -> bool {
        self.open.load(Ordering::Acquire) > 0
    }

    fn quiet_since(&self) -> Instant {
        self.started + Duration::from_millis(self.last_end.load(Ordering::Acquire))
    }
}

/// A request in progress; also ended when its future is dropped.
struct Busy<'a>(&'a Activity);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        let now = u64::try_from(self.0.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.0.last_end.store(now, Ordering::Release);
        self.0.open.fetch_sub(1, Ordering::AcqRel);
    }
}
