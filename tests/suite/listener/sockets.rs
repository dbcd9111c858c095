//! Addresses and socket files: what is bound, replaced, refused and removed.

use super::{Server, answer, post, send};
use sealdock::server::Limits;
use sealdock::server::listener::{Bind, ListenError, Listener, PlainLoopback};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tokio::net::UnixStream;

async fn bind(path: &Path) -> Result<Listener, ListenError> {
    Listener::bind(Bind::unix(path)).await
}

#[test]
fn plain_http_is_for_loopback() {
    for address in ["127.0.0.1:80", "127.9.9.9:80", "[::1]:80", "[::ffff:127.0.0.1]:80"] {
        assert!(PlainLoopback::new(address.parse().unwrap()).is_ok(), "{address}");
    }
    for address in ["0.0.0.0:80", "10.0.0.1:80", "[::]:80", "[::ffff:10.0.0.1]:80", "192.168.0.1:80"] {
        let error = PlainLoopback::new(address.parse().unwrap()).unwrap_err();
        assert!(error.to_string().contains("use TLS"), "{error}");
    }
}

#[tokio::test]
async fn urls_name_the_bound_port() {
    let loopback = PlainLoopback::new("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = Listener::bind(Bind::Tcp(loopback)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    assert_ne!(port, 0);
    assert_eq!(listener.url(), format!("http://127.0.0.1:{port}"));

    let taken = PlainLoopback::new(listener.local_addr().unwrap()).unwrap();
    let error = Listener::bind(Bind::Tcp(taken)).await.unwrap_err();
    assert!(error.to_string().starts_with(&format!("cannot listen on `127.0.0.1:{port}`: ")), "{error}");

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("broker.sock");
    assert_eq!(bind(&path).await.unwrap().url(), format!("unix:{}", path.display()));
}

#[tokio::test]
async fn a_socket_file_has_its_mode() {
    let dir = tempfile::tempdir().unwrap();
    for mode in [0o600, 0o660, 0o666] {
        let path = dir.path().join(format!("{mode:o}.sock"));
        let _listener = Listener::bind(Bind::Unix { path: path.clone(), mode }).await.unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777, mode);
    }
}

#[tokio::test]
async fn a_stale_socket_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("broker.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists(), "left behind");
    let _server = Server::start(Bind::unix(&path), Limits::default()).await;
    let mut stream = UnixStream::connect(&path).await.unwrap();
    send(&mut stream, post("/", "hello")).await;
    assert_eq!(answer(&mut stream).await.2, "hello");
}

#[tokio::test]
async fn a_live_socket_is_refused_and_stays() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("broker.sock");
    let _live = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let error = bind(&path).await.unwrap_err();
    assert!(matches!(error, ListenError::InUse(_)), "{error}");
    assert!(UnixStream::connect(&path).await.is_ok());

    let datagram = dir.path().join("log.sock");
    let _live = std::os::unix::net::UnixDatagram::bind(&datagram).unwrap();
    assert!(matches!(bind(&datagram).await.unwrap_err(), ListenError::InUse(_)));
}

#[tokio::test]
async fn what_is_no_socket_is_never_removed() {
    let dir = tempfile::tempdir().unwrap();
    let (file, link) = (dir.path().join("file"), dir.path().join("link"));
    std::fs::write(&file, "precious").unwrap();
    std::os::unix::fs::symlink(&file, &link).unwrap();
    for path in [&file, &link] {
        let error = bind(path).await.unwrap_err();
        assert!(matches!(error, ListenError::NotASocket(_)), "{error}");
    }
    assert!(matches!(bind(dir.path()).await.unwrap_err(), ListenError::NotASocket(_)));
    assert_eq!(std::fs::read_to_string(&link).unwrap(), "precious");
}

#[tokio::test]
async fn a_file_that_is_not_ours_any_more_stays() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("broker.sock");
    let ours = bind(&path).await.unwrap();
    std::fs::remove_file(&path).unwrap();
    let _theirs = bind(&path).await.unwrap();
    drop(ours);
    assert!(UnixStream::connect(&path).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_that_start_together_one_gets_the_socket() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("broker.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let tries = (0..20).map(|_| {
        let path = path.clone();
        tokio::spawn(async move { bind(&path).await })
    });
    let outcomes = futures_util::future::join_all(tries).await;
    let bound: Vec<_> = outcomes.into_iter().filter_map(|outcome| outcome.unwrap().ok()).collect();
    assert_eq!(bound.len(), 1);
    assert!(UnixStream::connect(&path).await.is_ok());
}

#[tokio::test]
async fn a_path_that_is_too_long_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let error = bind(&dir.path().join("x".repeat(200))).await.unwrap_err();
    assert!(matches!(error, ListenError::Path(..)), "{error}");
    let error = bind(&dir.path().join("absent/broker.sock")).await.unwrap_err();
    assert!(matches!(error, ListenError::Path(..)), "{error}");
}
