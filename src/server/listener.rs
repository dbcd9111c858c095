//! Listeners: TCP on loopback, TLS, and Unix sockets, all in front of one [`Handler`].
//!
//! ```text
//! bind -> accept (one slot a connection) -> TLS handshake | look at the first bytes
//!      -> HTTP/1.1 or HTTP/2 -> body, whole -> Handler::handle -> answer
//! ```
//!
//! Plain HTTP exists on loopback addresses only, and [`PlainLoopback`] is the proof.
//! A handler sees complete requests. It is dropped with its connection, and an HTTP/2 client
//! can take a request back: either can end it at any await.

use super::connection::{self, Shared};
use super::limits::Limits;
use super::tls;
use super::unix_socket::{self, SocketFile};
use bytes::Bytes;
use http::{HeaderMap, Method, Response, Uri};
use http_body_util::Full;
use rustix::io::Errno;
use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{mpsc, watch};
use tokio_rustls::TlsAcceptor;
use zeroize::Zeroizing;

/// What answers the requests.
pub trait Handler: Send + Sync + 'static {
    /// Answers a complete request.
    fn handle(&self, incoming: &Incoming) -> impl Future<Output = Response<Full<Bytes>>> + Send;

    /// Answers for a request that could not be read or whose handler panicked.
    fn refuse(
        &self,
        refusal: Refusal,
        head: &RequestHead,
    ) -> impl Future<Output = Response<Full<Bytes>>> + Send;
}

/// A complete request.
pub struct Incoming {
    /// All but the body.
    pub head: RequestHead,
    /// The body, wiped after use.
    pub body: Zeroizing<Vec<u8>>,
}

/// A request without its body.
pub struct RequestHead {
    /// The method.
    pub method: Method,
    /// Path and query as they were sent, undecoded.
    pub uri: Uri,
    /// The header, with a `host` for HTTP/2 as well.
    pub headers: HeaderMap,
    /// Who sent it.
    pub peer: Peer,
    /// The same as text, which is made once for all requests of a connection.
    pub source: Arc<str>,
}

// Bodies hold secrets, headers and queries hold signatures and session tokens.
impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Incoming({:?}, {} bytes)", self.head, self.body.len())
    }
}

impl fmt::Debug for RequestHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, uri, peer, headers: _, source: _ } = self;
        write!(f, "RequestHead({method} {} from {peer:?})", uri.path())
    }
}

/// The other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Over TCP.
    Tcp {
        /// Its address.
        addr: SocketAddr,
        /// Whether the connection is TLS.
        tls: bool,
    },
    /// Over a Unix socket; the kernel vouches for these.
    Unix {
        /// User that opened the connection.
        uid: u32,
        /// Process that opened the connection.
        pid: Option<i32>,
    },
}

/// As the audit log names it: an address without its port, or the user of a Unix socket's peer.
impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { addr, .. } => addr.ip().fmt(f),
            Self::Unix { uid, .. } => write!(f, "unix:uid={uid}"),
        }
    }
}

/// Why a request did not reach [`Handler::handle`], or did not come back from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The body is larger than the limit.
    BodyTooLarge,
    /// The body did not arrive in time.
    BodyTimeout,
    /// The body broke off or is not valid HTTP.
    Broken,
    /// The handler panicked.
    Panicked,
}

/// A loopback address: the only kind that may serve plain HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlainLoopback(SocketAddr);

impl PlainLoopback {
    /// Takes loopback addresses only.
    ///
    /// # Errors
    /// [`ListenError::NotLoopback`] for any other.
    pub fn new(addr: SocketAddr) -> Result<Self, ListenError> {
        if addr.ip().to_canonical().is_loopback() {
            Ok(Self(addr))
        } else {
            Err(ListenError::NotLoopback(addr))
        }
    }
}

/// Where to listen. Port 0 picks a free port.
#[derive(Clone, Debug)]
pub enum Bind {
    /// Plain HTTP on a loopback address.
    Tcp(PlainLoopback),
    /// TLS on any address.
    Tls(SocketAddr, tls::Material),
    /// A Unix socket whose file has this mode.
    Unix {
        /// The socket file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
}

impl Bind {
    /// A Unix socket for the broker's own user only.
    pub fn unix(path: impl Into<PathBuf>) -> Self {
        Self::Unix { path: path.into(), mode: 0o600 }
    }
}

/// Why a listener cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Plain HTTP was asked for elsewhere than on loopback.
    #[error("`{0}` is not a loopback address: plain HTTP is served on loopback only, use TLS")]
    NotLoopback(SocketAddr),
    /// The address cannot be bound.
    #[error("cannot listen on `{0}`: {1}")]
    Address(SocketAddr, #[source] io::Error),
    /// The socket file cannot be made.
    #[error("cannot listen on `{}`: {}", .0.display(), .1)]
    Path(PathBuf, #[source] io::Error),
    /// Something that is no socket has the path.
    #[error("cannot listen on `{}`: a file that is not a socket is there", .0.display())]
    NotASocket(PathBuf),
    /// Another process answers there.
    #[error("cannot listen on `{}`: another process listens there", .0.display())]
    InUse(PathBuf),
}

/// A bound listener. Dropping it closes it and removes its socket file.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
}

enum Socket {
    Tcp(TcpListener, SocketAddr),
    Tls(TcpListener, SocketAddr, tls::Material),
    Unix(UnixListener, SocketFile),
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(_, addr) => write!(f, "http://{addr}"),
            Self::Tls(_, addr, _) => write!(f, "https://{addr}"),
            Self::Unix(_, file) => write!(f, "unix:{}", file.path().display()),
        }
    }
}

impl Listener {
    /// Binds. From here on clients can connect; [`serve`] answers them.
    ///
    /// # Errors
    /// [`ListenError`], which names the address or path.
    pub async fn bind(bind: Bind) -> Result<Self, ListenError> {
        let tcp = async |addr| {
            let bound = async {
                TcpListener::bind(addr).await.and_then(|tcp| tcp.local_addr().map(|local| (tcp, local)))
            };
            bound.await.map_err(|e| ListenError::Address(addr, e))
        };
        let socket = match bind {
            Bind::Tcp(PlainLoopback(addr)) => {
                let (listener, local) = tcp(addr).await?;
                Socket::Tcp(listener, local)
            }
            Bind::Tls(addr, material) => {
                let (listener, local) = tcp(addr).await?;
                Socket::Tls(listener, local, material)
            }
            Bind::Unix { path, mode } => {
                let (listener, file) = unix_socket::bind(path, mode).await?;
                Socket::Unix(listener, file)
            }
        };
        Ok(Self { socket })
    }

    /// The address as clients write it: `http://...`, `https://...` or `unix:/...`.
    pub fn url(&self) -> String {
        format!("{:?}", self.socket)
    }

    /// The bound address; none for a Unix socket.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        match &self.socket {
            Socket::Tcp(_, addr) | Socket::Tls(_, addr, _) => Some(*addr),
            Socket::Unix(..) => None,
        }
    }
}

/// Serves until `shutdown` ends and the requests in progress are answered.
///
/// At shutdown the listeners close and socket files go first, then idle connections;
/// busy ones get [`Limits::drain_time`] for the requests that they have begun.
pub async fn serve<H: Handler>(
    listeners: Vec<Listener>,
    handler: Arc<H>,
    limits: Limits,
    shutdown: impl Future<Output = ()> + Send + 'static,
) {
    let (drain, draining) = watch::channel(false);
    // Every task of this server holds a clone of `alive`; nothing is ever sent.
    let (alive, mut gone) = mpsc::channel::<Infallible>(1);
    for listener in listeners {
        let shared = Arc::new(Shared::new(Arc::clone(&handler), limits.clone()));
        tokio::spawn(accept(listener, shared, draining.clone(), alive.clone()));
    }
    drop((alive, draining));
    shutdown.await;
    drain.send_replace(true);
    let _ = gone.recv().await;
}

/// Pause when the process or the machine is out of descriptors or memory.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);

async fn accept<H: Handler>(
    listener: Listener,
    shared: Arc<Shared<H>>,
    mut drain: watch::Receiver<bool>,
    alive: mpsc::Sender<Infallible>,
) {
    let connections = drain.clone();
    let stop = async { drop(drain.wait_for(|stop| *stop).await) };
    let accepting = async {
        loop {
            // The slot comes first: what the kernel queues costs the broker nothing.
            let Ok(slot) = Arc::clone(&shared.slots).acquire_owned().await else { return };
            let client = match listener.socket.accept().await {
                Ok(client) => client,
                Err(error) if exhausted(&error) => {
                    tracing::warn!(listener = ?listener.socket, %error, "cannot accept connections for the moment");
                    tokio::time::sleep(EXHAUSTED_PAUSE).await;
                    continue;
                }
                Err(error) => {
                    tracing::debug!(listener = ?listener.socket, %error, "a connection was lost before it was accepted");
                    continue;
                }
            };
            let (shared, drain, held) = (Arc::clone(&shared), connections.clone(), (slot, alive.clone()));
            tokio::spawn(async move {
                match client {
                    Client::Tcp(stream, addr) => connection::plain(stream, addr, shared, drain).await,
                    Client::Tls(stream, addr, acceptor) => {
                        connection::tls(stream, addr, acceptor, shared, drain).await;
                    }
                    Client::Unix(stream) => connection::unix(stream, shared, drain).await,
                }
                drop(held);
            });
        }
    };
    tokio::select! { () = stop => {}, () = accepting => {}, () = listener.socket.keep_fresh() => {} }
}

/// An accepted connection.
enum Client {
    Tcp(TcpStream, SocketAddr),
    Tls(TcpStream, SocketAddr, TlsAcceptor),
    Unix(UnixStream),
}

impl Socket {
    async fn accept(&self) -> io::Result<Client> {
        match self {
            Self::Tcp(tcp, _) => tcp.accept().await.map(|(stream, addr)| Client::Tcp(stream, addr)),
            Self::Tls(tcp, _, material) => {
                tcp.accept().await.map(|(stream, addr)| Client::Tls(stream, addr, material.acceptor()))
            }
            Self::Unix(unix, _) => unix.accept().await.map(|(stream, _)| Client::Unix(stream)),
        }
    }

    /// Never ends.
    async fn keep_fresh(&self) {
        match self {
            Self::Tls(_, _, material) => material.keep_fresh().await,
            Self::Tcp(..) | Self::Unix(..) => std::future::pending().await,
        }
    }
}

fn exhausted(error: &io::Error) -> bool {
    let of = |errno: Errno| error.raw_os_error() == Some(errno.raw_os_error());
    of(Errno::MFILE) || of(Errno::NFILE) || of(Errno::NOBUFS) || of(Errno::NOMEM)
}
