//! The broker's edge from outside: real sockets, clients that behave and clients that do not.

mod limits;
mod protocols;
mod shutdown;
mod sockets;

use bytes::Bytes;
use http::{Response, StatusCode, header};
use http_body_util::Full;
use sealdock::server::Limits;
use sealdock::server::listener::{
    Bind, Handler, Incoming, Listener, Peer, PlainLoopback, Refusal, RequestHead, serve,
};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Longest that any step of a test may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Answers by path: the body, the peer, the host, after `gate` opens, or with a panic.
struct Probe {
    gate: Semaphore,
    entered: Notify,
    handled: AtomicUsize,
}

impl Handler for Probe {
    async fn handle(&self, incoming: &Incoming) -> Response<Full<Bytes>> {
        self.handled.fetch_add(1, Ordering::SeqCst);
        let text = match incoming.head.uri.path() {
            "/peer" => match incoming.head.peer {
                Peer::Tcp { addr, tls } => format!("tcp {} tls={tls}", addr.ip()),
                Peer::Unix { uid, pid } => format!("unix uid={uid} pid={}", pid.unwrap_or(0)),
            },
            "/host" => incoming.head.headers[header::HOST].to_str().unwrap().to_owned(),
            "/panic" => panic!("as asked"),
            "/gate" => {
                self.entered.notify_one();
                self.gate.acquire().await.unwrap().forget();
                "passed".to_owned()
            }
            _ => return Response::new(Full::new(Bytes::from(incoming.body.to_vec()))),
        };
        Response::new(Full::new(text.into()))
    }

    async fn refuse(&self, refusal: Refusal, head: &RequestHead) -> Response<Full<Bytes>> {
        let status = match refusal {
            Refusal::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Refusal::BodyTimeout => StatusCode::REQUEST_TIMEOUT,
            Refusal::Broken => StatusCode::BAD_REQUEST,
            Refusal::Panicked => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let text = format!("{refusal:?} {}", head.uri.path());
        Response::builder().status(status).body(Full::new(text.into())).unwrap()
    }
}

/// A server and its first TCP address.
struct Server {
    probe: Arc<Probe>,
    addr: Option<SocketAddr>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Server {
    async fn plain(limits: Limits) -> Self {
        let loopback = PlainLoopback::new("127.0.0.1:0".parse().unwrap()).unwrap();
        Self::start(Bind::Tcp(loopback), limits).await
    }

    async fn start(bind: Bind, limits: Limits) -> Self {
        Self::start_all(vec![bind], limits).await
    }

    async fn start_all(binds: Vec<Bind>, limits: Limits) -> Self {
        let mut listeners = Vec::new();
        for bind in binds {
            listeners.push(Listener::bind(bind).await.unwrap());
        }
        let addr = listeners.iter().find_map(Listener::local_addr);
        let probe =
            Arc::new(Probe { gate: Semaphore::new(0), entered: Notify::new(), handled: AtomicUsize::new(0) });
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let stopped = async move { drop(stopped.await) };
        let task = tokio::spawn(serve(listeners, Arc::clone(&probe), limits, stopped));
        Self { probe, addr, stop: Some(stop), task }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.addr.unwrap()).await.unwrap()
    }

    fn stop(&mut self) {
        let _ = self.stop.take().unwrap().send(());
    }

    async fn ended(self) {
        timeout(PATIENCE, self.task).await.unwrap().unwrap();
    }
}

fn post(path: &str, body: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nhost: broker\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

async fn send(stream: &mut (impl AsyncWrite + Unpin), bytes: impl AsRef<[u8]>) {
    stream.write_all(bytes.as_ref()).await.unwrap();
}

/// Reads one HTTP/1.1 answer: its status, header text and body.
async fn answer(stream: &mut (impl AsyncRead + Unpin)) -> (u16, String, String) {
    let read = async {
        let mut bytes = Vec::new();
        loop {
            let text = String::from_utf8(bytes.clone()).unwrap();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let lines = head.lines().find_map(|line| line.strip_prefix("content-length: "));
                let length: usize = lines.map_or(0, |text| text.parse().unwrap());
                if body.len() >= length {
                    assert_eq!(body.len(), length, "nothing follows the answer");
                    return (head[9..12].parse().unwrap(), head.to_owned(), body.to_owned());
                }
            }
            let mut part = [0; 4096];
            let count = stream.read(&mut part).await.unwrap();
            assert!(count > 0, "closed in the middle of an answer: {text:?}");
            bytes.extend_from_slice(&part[..count]);
        }
    };
    timeout(PATIENCE, read).await.expect("an answer in time")
}

/// Waits until the server closes the connection; what it sent until then.
async fn closed(stream: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A reset is an end as well.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("closed in time");
    bytes
}
