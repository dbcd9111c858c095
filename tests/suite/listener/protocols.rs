//! HTTP/1.1 and HTTP/2 over TCP, TLS and Unix sockets.

use super::{PATIENCE, Probe, Server, answer, closed, post, send};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use sealdock::server::Limits;
use sealdock::server::listener::Bind;
use sealdock::server::tls;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub(super) type Sender = hyper::client::conn::http2::SendRequest<Full<Bytes>>;

pub(super) async fn http2(io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Sender {
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(io)).await.unwrap();
    tokio::spawn(connection);
    sender
}

pub(super) async fn ask(sender: &Sender, path: &str, body: &str) -> (StatusCode, String) {
    let request =
        Request::post(format!("http://broker:8443{path}")).body(Full::new(body.to_owned().into())).unwrap();
    let response = timeout(PATIENCE, sender.clone().send_request(request)).await.unwrap().unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

async fn tls_server(dir: &Path) -> Server {
    tls::create(dir, &[]).unwrap();
    let material = tls::load(dir, &[]).unwrap();
    Server::start(Bind::Tls("127.0.0.1:0".parse().unwrap(), material), Limits::default()).await
}

async fn tls_connect(
    server: &Server,
    dir: &Path,
    name: &str,
    alpn: &[&str],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(dir.join("ca.pem")).unwrap()).unwrap();
    let mut config =
        rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, server.connect().await).await
}

fn handled(probe: &Probe) -> usize {
    probe.handled.load(Ordering::SeqCst)
}

#[tokio::test]
async fn a_connection_carries_several_requests() {
    let server = Server::plain(Limits::default()).await;
    let mut stream = server.connect().await;
    for body in ["one", "", "three"] {
        send(&mut stream, post("/", body)).await;
        let (status, _, answered) = answer(&mut stream).await;
        assert_eq!((status, answered.as_str()), (200, body));
    }
    send(&mut stream, post("/peer", "")).await;
    assert_eq!(answer(&mut stream).await.2, "tcp 127.0.0.1 tls=false");
}

#[tokio::test]
async fn a_body_in_pieces_arrives_whole() {
    let server = Server::plain(Limits::default()).await;
    let mut stream = server.connect().await;
    send(&mut stream, "POST / HTTP/1.1\r\nhost: broker\r\ntransfer-encoding: chunked\r\n\r\n").await;
    let piece = "x".repeat(1000);
    for _ in 0..20 {
        send(&mut stream, format!("3e8\r\n{piece}\r\n")).await;
        tokio::task::yield_now().await;
    }
    send(&mut stream, "0\r\n\r\n").await;
    assert_eq!(answer(&mut stream).await.2, piece.repeat(20));
}

#[tokio::test]
async fn a_client_may_ask_before_it_sends_the_body() {
    let server = Server::plain(Limits::default()).await;
    let mut stream = server.connect().await;
    send(&mut stream, "POST / HTTP/1.1\r\nhost: broker\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n")
        .await;
    assert_eq!(answer(&mut stream).await.0, 100);
    send(&mut stream, "ok").await;
    assert_eq!(answer(&mut stream).await.2, "ok");
}

#[tokio::test]
async fn tls_serves_http2_to_clients_that_know_it() {
    let dir = tempfile::tempdir().unwrap();
    let server = tls_server(dir.path()).await;
    let stream = tls_connect(&server, dir.path(), "localhost", &["h2", "http/1.1"]).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(b"h2".as_slice()));
    let sender = http2(stream).await;
    assert_eq!(ask(&sender, "/", "hello").await, (StatusCode::OK, "hello".into()));
    assert_eq!(ask(&sender, "/peer", "").await.1, "tcp 127.0.0.1 tls=true");
    assert_eq!(ask(&sender, "/host", "").await.1, "broker:8443");
}

#[tokio::test]
async fn tls_serves_http1_to_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let server = tls_server(dir.path()).await;
    for (name, alpn) in [("127.0.0.1", vec!["http/1.1"]), ("::1", vec![])] {
        let mut stream = tls_connect(&server, dir.path(), name, &alpn).await.unwrap();
        send(&mut stream, post("/", "hello")).await;
        assert_eq!(answer(&mut stream).await.2, "hello");
    }
    let wrong = tls_connect(&server, dir.path(), "elsewhere.example", &[]).await;
    assert!(wrong.is_err(), "the certificate has no such name");
}

#[tokio::test]
async fn plain_bytes_on_the_tls_port_reach_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let server = tls_server(dir.path()).await;
    let mut stream = server.connect().await;
    send(&mut stream, post("/", "hello")).await;
    let answered = closed(&mut stream).await;
    assert!(!answered.starts_with(b"HTTP"), "{answered:?}");
    assert_eq!(handled(&server.probe), 0);
}

#[tokio::test]
async fn http2_works_without_tls_however_its_preface_arrives() {
    let server = Server::plain(Limits::default()).await;
    let sender = http2(server.connect().await).await;
    let many = futures_util::future::join_all((0..200).map(|_| ask(&sender, "/", "many"))).await;
    assert!(many.iter().all(|answer| answer == &(StatusCode::OK, "many".into())));

    // A relay that sends the first bytes one by one.
    let (near, far) = tokio::io::duplex(1 << 16);
    let stream = server.connect().await;
    stream.set_nodelay(true).unwrap();
    tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt, copy, split};
        let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
            (split(far), stream.into_split());
        tokio::spawn(async move { copy(&mut from_server, &mut to_client).await });
        for _ in 0..30 {
            let byte = from_client.read_u8().await.unwrap();
            to_server.write_u8(byte).await.unwrap();
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        copy(&mut from_client, &mut to_server).await
    });
    let sender = http2(near).await;
    assert_eq!(ask(&sender, "/", "slow start").await.1, "slow start");
}

#[tokio::test]
async fn a_unix_peer_is_known_by_its_uid() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("broker.sock");
    let _server = Server::start(Bind::unix(&path), Limits::default()).await;
    let expected = format!("unix uid={} pid={}", rustix::process::getuid().as_raw(), std::process::id());
    let mut stream = UnixStream::connect(&path).await.unwrap();
    send(&mut stream, post("/peer", "")).await;
    assert_eq!(answer(&mut stream).await.2, expected);
    let sender = http2(UnixStream::connect(&path).await.unwrap()).await;
    assert_eq!(ask(&sender, "/peer", "").await.1, expected);
}

#[tokio::test]
async fn a_panic_costs_one_request() {
    let server = Server::plain(Limits::default()).await;
    let mut stream = server.connect().await;
    send(&mut stream, post("/panic", "")).await;
    let (status, _, body) = answer(&mut stream).await;
    assert_eq!((status, body.as_str()), (500, "Panicked /panic"));
    send(&mut stream, post("/", "still here")).await;
    assert_eq!(answer(&mut stream).await.2, "still here");
    let sender = http2(server.connect().await).await;
    assert_eq!(ask(&sender, "/panic", "").await.0, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(ask(&sender, "/", "and here").await.1, "and here");
}

#[tokio::test]
async fn garbage_is_answered_with_an_error_or_nothing() {
    let server = Server::plain(Limits { header_time: PATIENCE / 20, ..Limits::default() }).await;
    let mut random = [0; 512];
    for round in 0..50 {
        getrandom::fill(&mut random).unwrap();
        let mut stream = server.connect().await;
        // Half of them begin like HTTP/1.1 or HTTP/2. The letter keeps a line feed from ending the header.
        let start: &[u8] = match round % 4 {
            0 => b"POST / HTTP/1.1\r\nA",
            1 => b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            _ => b"",
        };
        send(&mut stream, [start, &random].concat()).await;
        let answered = closed(&mut stream).await;
        assert!(!answered.starts_with(b"HTTP/1.1 2"), "{:?}", String::from_utf8_lossy(&answered));
    }
    let mut stream = server.connect().await;
    send(&mut stream, post("/", "still here")).await;
    assert_eq!(answer(&mut stream).await.2, "still here");
    assert_eq!(handled(&server.probe), 1);
}
