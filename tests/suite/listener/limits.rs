//! What one client may cost.

use super::{PATIENCE, Server, answer, closed, post, send};
use sealdock::server::Limits;
use sealdock::server::listener::{Bind, PlainLoopback};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::time::{sleep, timeout};

const SHORT: Duration = Duration::from_millis(300);
const LONG: Duration = Duration::from_secs(60);

fn tight() -> Limits {
    Limits { body_bytes: 1000, drain_time: SHORT, ..Limits::default() }
}

/// Everything is patient but `header_time`.
fn impatient() -> Limits {
    Limits { header_time: SHORT, body_time: LONG, drain_time: SHORT, ..Limits::default() }
}

#[tokio::test]
async fn a_body_at_the_limit_passes_and_one_above_does_not() {
    let server = Server::plain(tight()).await;
    let mut stream = server.connect().await;
    send(&mut stream, post("/", &"x".repeat(1000))).await;
    assert_eq!(answer(&mut stream).await.0, 200);
    send(&mut stream, post("/large", &"x".repeat(1001))).await;
    let (status, head, body) = answer(&mut stream).await;
    assert_eq!((status, body.as_str()), (413, "BodyTooLarge /large"));
    assert!(head.contains("connection: close"), "{head}");
    assert_eq!(closed(&mut stream).await, b"");
    assert_eq!(server.probe.handled.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn an_oversize_body_of_unknown_length_is_refused() {
    let server = Server::plain(tight()).await;
    let mut stream = server.connect().await;
    send(&mut stream, "POST / HTTP/1.1\r\nhost: broker\r\ntransfer-encoding: chunked\r\n\r\n").await;
    for _ in 0..4 {
        send(&mut stream, format!("190\r\n{}\r\n", "x".repeat(400))).await;
    }
    send(&mut stream, "0\r\n\r\n").await;
    assert_eq!(answer(&mut stream).await.0, 413);
    assert_eq!(closed(&mut stream).await, b"");
}

#[tokio::test]
async fn a_huge_body_is_not_read() {
    let server = Server::plain(Limits { body_time: SHORT, ..tight() }).await;
    let mut stream = server.connect().await;
    send(&mut stream, "POST / HTTP/1.1\r\nhost: broker\r\ncontent-length: 99999999999\r\n\r\n").await;
    assert_eq!(answer(&mut stream).await.0, 413);

    let mut asking = server.connect().await;
    let head = "POST / HTTP/1.1\r\nhost: broker\r\nexpect: 100-continue\r\ncontent-length: 1001\r\n\r\n";
    send(&mut asking, head).await;
    assert_eq!(answer(&mut asking).await.0, 413, "no leave to send it");
}

#[tokio::test]
async fn a_body_that_stalls_is_refused() {
    let server = Server::plain(Limits { body_time: SHORT, ..Limits::default() }).await;
    let mut stream = server.connect().await;
    send(&mut stream, "POST /slow HTTP/1.1\r\nhost: broker\r\ncontent-length: 10\r\n\r\nhalf").await;
    let (status, _, body) = answer(&mut stream).await;
    assert_eq!((status, body.as_str()), (408, "BodyTimeout /slow"));
    assert_eq!(closed(&mut stream).await, b"");
}

#[tokio::test]
async fn a_broken_body_is_refused() {
    let server = Server::plain(Limits::default()).await;
    let mut stream = server.connect().await;
    send(&mut stream, "POST / HTTP/1.1\r\nhost: broker\r\ntransfer-encoding: chunked\r\n\r\nnonsense\r\n")
        .await;
    assert_eq!(answer(&mut stream).await.0, 400);
}

#[tokio::test]
async fn clients_that_send_no_request_are_left() {
    let server = Server::plain(impatient()).await;
    let starts =
        ["", "P", "PRI * HTTP/2.0", "POST / HTTP/1.1\r\nhost: bro", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"];
    for start in starts {
        let mut stream = server.connect().await;
        let began = Instant::now();
        send(&mut stream, start).await;
        closed(&mut stream).await;
        let took = began.elapsed();
        assert!(took >= SHORT - SHORT / 10, "{start:?} was cut off after {took:?}");
    }
}

#[tokio::test]
async fn a_header_that_trickles_is_cut_off() {
    let server = Server::plain(impatient()).await;
    let (mut reader, mut writer) = server.connect().await.into_split();
    let trickle = tokio::spawn(async move {
        use tokio::io::AsyncWriteExt;
        while writer.write_all(b"G").await.is_ok() {
            sleep(SHORT / 10).await;
        }
    });
    closed(&mut reader).await;
    timeout(PATIENCE, trickle).await.unwrap().unwrap();
}

#[tokio::test]
async fn an_idle_connection_is_closed_and_a_busy_one_is_not() {
    let server = Server::plain(impatient()).await;
    let (mut idle, mut busy) = (server.connect().await, server.connect().await);
    send(&mut idle, post("/", "")).await;
    assert_eq!(answer(&mut idle).await.0, 200);
    send(&mut busy, post("/gate", "")).await;
    assert_eq!(closed(&mut idle).await, b"");
    sleep(SHORT * 2).await;
    server.probe.gate.add_permits(1);
    assert_eq!(answer(&mut busy).await.2, "passed");
    assert_eq!(closed(&mut busy).await, b"");
}

#[tokio::test]
async fn an_answer_that_nobody_reads_does_not_hold_its_connection() {
    let limits = Limits { body_bytes: 64 << 20, connections: 1, ..impatient() };
    let server = Server::plain(limits).await;
    let mut stream = server.connect().await;
    let body = "x".repeat(32 << 20);
    send(&mut stream, post("/", &body)).await;
    let mut next = server.connect().await;
    send(&mut next, post("/", "next")).await;
    assert_eq!(answer(&mut next).await.2, "next");
    assert!(closed(&mut stream).await.len() < body.len());
}

#[tokio::test]
async fn a_silent_tls_client_is_left() {
    let dir = tempfile::tempdir().unwrap();
    sealdock::server::tls::create(dir.path(), &[]).unwrap();
    let material = sealdock::server::tls::load(dir.path(), &[]).unwrap();
    let limits = Limits { handshake_time: SHORT, ..Limits::default() };
    let server = Server::start(Bind::Tls("127.0.0.1:0".parse().unwrap(), material), limits).await;
    assert_eq!(closed(&mut server.connect().await).await, b"");
}

#[tokio::test]
async fn connections_above_the_limit_wait() {
    let server = Server::plain(Limits { connections: 2, ..Limits::default() }).await;
    let (mut first, mut second) = (server.connect().await, server.connect().await);
    for stream in [&mut first, &mut second] {
        send(stream, post("/", "")).await;
        assert_eq!(answer(stream).await.0, 200);
    }
    let mut third = server.connect().await;
    send(&mut third, post("/", "third")).await;
    assert!(timeout(SHORT, third.read_u8()).await.is_err(), "served above the limit");
    drop(first);
    assert_eq!(answer(&mut third).await.2, "third");
}

#[tokio::test]
async fn a_header_above_the_limit_is_refused() {
    let server = Server::plain(Limits { header_bytes: 16 * 1024, ..Limits::default() }).await;
    let mut stream = server.connect().await;
    let line = "x".repeat(32 * 1024);
    send(&mut stream, format!("POST / HTTP/1.1\r\nhost: broker\r\nlarge: {line}\r\n\r\n")).await;
    assert_eq!(answer(&mut stream).await.0, 431);
}

#[tokio::test]
async fn an_idle_listener_keeps_no_connection_from_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("broker.sock");
    let loopback = PlainLoopback::new("127.0.0.1:0".parse().unwrap()).unwrap();
    let binds = vec![Bind::Tcp(loopback), Bind::unix(&path), Bind::unix(dir.path().join("other.sock"))];
    let server = Server::start_all(binds, Limits { connections: 1, ..Limits::default() }).await;
    for _ in 0..3 {
        let mut tcp = server.connect().await;
        send(&mut tcp, post("/", "tcp")).await;
        assert_eq!(answer(&mut tcp).await.2, "tcp");
        drop(tcp);
        let mut unix = UnixStream::connect(&path).await.unwrap();
        send(&mut unix, post("/", "unix")).await;
        assert_eq!(answer(&mut unix).await.2, "unix");
    }
}
