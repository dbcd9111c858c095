//! The end of a server.

use super::protocols::{ask, http2};
use super::{PATIENCE, Server, answer, closed, post, send};
use sealdock::server::Limits;
use sealdock::server::listener::Bind;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::time::timeout;

#[tokio::test]
async fn requests_in_progress_are_answered() {
    let mut server = Server::plain(Limits::default()).await;
    let mut busy = server.connect().await;
    send(&mut busy, post("/gate", "")).await;
    timeout(PATIENCE, server.probe.entered.notified()).await.unwrap();
    let mut idle = server.connect().await;
    send(&mut idle, post("/", "")).await;
    assert_eq!(answer(&mut idle).await.0, 200);
    let mut unused = server.connect().await;
    let mut half = server.connect().await;
    send(&mut half, "POST / HTTP/1.1\r\nho").await;

    server.stop();
    for stream in [&mut idle, &mut unused, &mut half] {
        assert_eq!(closed(stream).await, b"");
    }
    let refused = TcpStream::connect(server.addr.unwrap()).await;
    assert!(refused.is_err(), "nothing listens any more");
    assert!(!server.task.is_finished());

    server.probe.gate.add_permits(1);
    let (status, head, body) = answer(&mut busy).await;
    assert_eq!((status, body.as_str()), (200, "passed"));
    assert!(head.contains("connection: close"), "{head}");
    server.ended().await;
}

#[tokio::test]
async fn http2_requests_in_progress_are_answered() {
    let mut server = Server::plain(Limits::default()).await;
    let (busy, idle) = (http2(server.connect().await).await, http2(server.connect().await).await);
    assert_eq!(ask(&idle, "/", "first").await.1, "first");
    let waiting = {
        let busy = busy.clone();
        tokio::spawn(async move { ask(&busy, "/gate", "").await })
    };
    timeout(PATIENCE, server.probe.entered.notified()).await.unwrap();
    server.stop();
    let closed = async {
        while !idle.is_closed() {
            tokio::task::yield_now().await
        }
    };
    timeout(PATIENCE, closed).await.expect("idle connections close");
    assert!(!server.task.is_finished());
    server.probe.gate.add_permits(1);
    assert_eq!(waiting.await.unwrap().1, "passed");
    server.ended().await;
}

#[tokio::test]
async fn requests_that_take_too_long_are_cut_off() {
    let drain_time = Duration::from_millis(300);
    let mut server = Server::plain(Limits { drain_time, ..Limits::default() }).await;
    let mut stuck = server.connect().await;
    send(&mut stuck, post("/gate", "")).await;
    timeout(PATIENCE, server.probe.entered.notified()).await.unwrap();
    let began = Instant::now();
    server.stop();
    assert_eq!(closed(&mut stuck).await, b"");
    server.ended().await;
    assert!(began.elapsed() >= drain_time);
}

#[tokio::test]
async fn the_socket_file_goes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("broker.sock");
    let mut server = Server::start(Bind::unix(&path), Limits::default()).await;
    assert!(path.exists());
    server.stop();
    server.ended().await;
    assert!(!path.exists());
}
