//! Many hostile clients at once, while an ordinary one goes on being served.

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use sealdock::server::listener::{Handler, Incoming, Refusal, RequestHead};
use sealdock::server::{Bind, Limits, Listener, PlainLoopback, serve};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{sleep, timeout};

struct Echo;

impl Handler for Echo {
    async fn handle(&self, incoming: &Incoming) -> Response<Full<Bytes>> {
        Response::new(Full::new(Bytes::from(incoming.body.to_vec())))
    }

    async fn refuse(&self, refusal: Refusal, _: &RequestHead) -> Response<Full<Bytes>> {
        let status = if refusal == Refusal::BodyTimeout { 408 } else { 413 };
        Response::builder().status(status).body(Full::default()).unwrap()
    }
}

async fn start(limits: Limits, socket: Option<&Path>) -> SocketAddr {
    let loopback = PlainLoopback::new("127.0.0.1:0".parse().unwrap()).unwrap();
    let tcp = Listener::bind(Bind::Tcp(loopback)).await.unwrap();
    let addr = tcp.local_addr().unwrap();
    let mut listeners = vec![tcp];
    if let Some(path) = socket {
        listeners.push(Listener::bind(Bind::unix(path)).await.unwrap());
    }
    tokio::spawn(serve(listeners, Arc::new(Echo), limits, std::future::pending()));
    addr
}

/// One ordinary request, and how long it took.
async fn ask(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> Option<Duration> {
    let begun = Instant::now();
    let asked = async {
        stream
            .write_all(b"POST / HTTP/1.1\r\nhost: b\r\ncontent-length: 4\r\nconnection: close\r\n\r\nping")
            .await
            .ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        answer.ends_with("\r\n\r\nping").then_some(())
    };
    timeout(Duration::from_secs(3), asked).await.ok()??;
    Some(begun.elapsed())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_headers_do_not_hold_up_others() {
    let limits = Limits { header_time: Duration::from_millis(1500), ..Limits::default() };
    let addr = start(limits, None).await;
    let mut attackers = tokio::task::JoinSet::new();
    for _ in 0..200 {
        attackers.spawn(async move {
            let mut stream = TcpStream::connect(addr).await.unwrap();
            let begun = Instant::now();
            stream.write_all(b"POST / HTTP/1.1\r\nx: ").await.unwrap();
            while stream.write_all(b"a").await.is_ok() {
                sleep(Duration::from_millis(50)).await;
            }
            begun.elapsed()
        });
    }
    sleep(Duration::from_millis(200)).await;
    for _ in 0..50 {
        let took = ask(TcpStream::connect(addr).await.unwrap()).await.expect("an answer");
        assert!(took < Duration::from_secs(1), "{took:?}");
    }
    let all = timeout(Duration::from_secs(10), attackers.join_all()).await.expect("every one is cut off");
    assert_eq!(all.len(), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_listener_does_not_close_another() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("s");
    let limits = Limits { connections: 20, ..Limits::default() };
    let addr = start(limits, Some(&socket)).await;
    let mut held = Vec::new();
    for _ in 0..40 {
        held.push(TcpStream::connect(addr).await.unwrap());
    }
    sleep(Duration::from_millis(200)).await;
    for _ in 0..3 {
        let took = ask(UnixStream::connect(&socket).await.unwrap()).await;
        assert!(took.is_some(), "the Unix socket answers while TCP is full");
    }
}

/// The head of a request with a body of 100 KiB.
const LARGE: &[u8] = b"POST / HTTP/1.1\r\nhost: b\r\ncontent-length: 102400\r\n\r\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unfinished_bodies_share_one_room() {
    let limits = Limits {
        body_bytes: 128 * 1024,
        body_memory: 256 * 1024,
        body_time: Duration::from_secs(60),
        ..Limits::default()
    };
    let addr = start(limits, None).await;
    let mut stalled = Vec::new();
    for _ in 0..4 {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        stream.write_all(LARGE).await.unwrap();
        stream.write_all(&[b'x'; 90 * 1024]).await.unwrap();
        stalled.push(stream);
    }
    sleep(Duration::from_millis(200)).await;
    assert!(ask(TcpStream::connect(addr).await.unwrap()).await.is_some(), "a short body needs no room");
    let mut large = TcpStream::connect(addr).await.unwrap();
    large.write_all(LARGE).await.unwrap();
    large.write_all(&[b'x'; 100 * 1024]).await.unwrap();
    let mut status = [0; 12];
    let early = timeout(Duration::from_millis(300), large.read_exact(&mut status)).await;
    assert!(early.is_err(), "a large body waits for room");
    drop(stalled);
    timeout(Duration::from_secs(5), large.read_exact(&mut status)).await.expect("room again").unwrap();
    assert_eq!(&status, b"HTTP/1.1 200");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_as_large_as_all_the_room_fits() {
    let limits = Limits { body_bytes: 102_400, body_memory: 1, ..Limits::default() };
    let addr = start(limits, None).await;
    for _ in 0..3 {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        stream.write_all(LARGE).await.unwrap();
        stream.write_all(&[b'x'; 100 * 1024]).await.unwrap();
        let mut status = [0; 12];
        timeout(Duration::from_secs(5), stream.read_exact(&mut status)).await.expect("an answer").unwrap();
        assert_eq!(&status, b"HTTP/1.1 200");
    }
}
