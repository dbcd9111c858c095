//! The client against real servers on real sockets.

use super::*;
use crate::protocol::sealdock::KeyOwner;
use crate::protocol::sigv4::{Presented, SigningKey};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, UnixListener};

pub(super) const SECRET: &str = r#"{"ARN":"arn","Name":"db","VersionId":"v","SecretString":"hunter2","VersionStages":["AWSCURRENT"],"CreatedDate":1.5}"#;
const THROTTLED: &str = r#"{"__type":"ThrottlingException","message":"Rate exceeded"}"#;

/// Answers given in order; the last one again and again. Counts requests and connections.
#[derive(Clone, Debug)]
pub(super) struct Server {
    answers: Arc<Vec<(u16, &'static str)>>,
    requests: Arc<AtomicUsize>,
    pub(super) connections: Arc<AtomicUsize>,
}

impl Server {
    pub(super) fn new(answers: &[(u16, &'static str)]) -> Self {
        Self { answers: Arc::new(answers.to_vec()), requests: Arc::default(), connections: Arc::default() }
    }

    pub(super) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    async fn serve(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        self.connections.fetch_add(1, Ordering::SeqCst);
        let service = service_fn(move |request| self.clone().answer(request));
        let _ =
            hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
    }

    async fn answer(self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        if let Some(presented) = Presented::parse(&parts.method, &parts.uri, &parts.headers).unwrap() {
            let key = SigningKey::derive(&SecretValue::from("secret".to_owned()), &presented.scope);
            presented.verify(&key, &body, SystemClock.now()).unwrap();
        }
        let number = self.requests.fetch_add(1, Ordering::SeqCst);
        let &(status, text) = self.answers.get(number).or(self.answers.last()).unwrap();
        let response = Response::builder().status(status).header("x-amzn-RequestId", "r-1");
        Ok(response.body(Full::new(Bytes::from_static(text.as_bytes()))).unwrap())
    }

    pub(super) fn unix(&self, path: &std::path::Path) {
        let (listener, server) = (UnixListener::bind(path).unwrap(), self.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(server.clone().serve(stream));
            }
        });
    }

    async fn tcp(&self) -> Endpoint {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = Endpoint::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let server = self.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(server.clone().serve(stream));
            }
        });
        endpoint
    }
}

fn credentials(token: Option<&str>) -> Credentials {
    Credentials {
        access_key_id: "AKIAIOSFODNN7EXAMPLE".into(),
        secret_access_key: SecretValue::from("secret".to_owned()),
        session_token: token.map(|t| SecretValue::from(t.to_owned())),
    }
}

fn client(endpoint: Endpoint) -> Client {
    Client::new(endpoint, Some(credentials(None)), "us-east-1").unwrap()
}

#[tokio::test]
async fn signs_and_keeps_its_connection() {
    let server = Server::new(&[(200, SECRET)]);
    let client = client(server.tcp().await);
    for _ in 0..5 {
        let answer = client.get_secret_value("db", None, Some("AWSCURRENT")).await.unwrap();
        assert_eq!((answer.name.as_str(), answer.content.value().len()), ("db", 7));
    }
    let as_task = client.with_credentials(credentials(Some("token/+="))).with_region("eu-west-1");
    as_task.get_secret_value("db", None, None).await.unwrap();
    assert_eq!((server.requests(), server.connections.load(Ordering::SeqCst)), (6, 1));
}

#[tokio::test]
async fn goes_unsigned_over_a_unix_socket() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let who = r#"{"Account":"111122223333","Arn":"arn","UserId":"AIDA","Region":"us-east-1"}"#;
    Server::new(&[(200, who)]).unix(&path);
    let client = Client::new(Endpoint::Unix(path), None, "us-east-1").unwrap();
    assert_eq!(client.who_am_i().await.unwrap().user_id, "AIDA");
}

#[tokio::test]
async fn trusts_only_the_given_authority() {
    let ca_key = rcgen::KeyPair::generate().unwrap();
    let mut ca = rcgen::CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca_pem = ca.self_signed(&ca_key).unwrap().pem();
    let issuer = rcgen::Issuer::new(ca, &ca_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let names = vec!["localhost".to_owned()];
    let certificate = rcgen::CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = rustls_pki_types::PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = Server::new(&[(200, SECRET)]);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(stream) = acceptor.accept(stream).await {
                tokio::spawn(server.clone().serve(stream));
            }
        }
    });

    let endpoint = Endpoint::parse(&format!("https://localhost:{port}")).unwrap();
    let trusting = client(endpoint.clone().with_ca(ca_pem.into_bytes()));
    trusting.get_secret_value("db", None, None).await.unwrap();

    let other = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap().cert.pem();
    let error = client(endpoint.clone().with_ca(other.into_bytes()));
    let error = error.get_secret_value("db", None, None).await.unwrap_err();
    assert!(error.to_string().contains("invalid peer certificate"), "{error}");

    for pem in
        [None, Some("nothing here"), Some("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n")]
    {
        let endpoint = match pem {
            None => endpoint.clone(),
            Some(text) => endpoint.clone().with_ca(text.into()),
        };
        assert!(matches!(Client::new(endpoint, None, "r"), Err(ClientError::Tls { .. })));
    }
}

#[tokio::test]
async fn tries_three_times_and_no_write_twice() {
    let server = Server::new(&[(503, "busy"), (400, THROTTLED), (200, SECRET)]);
    client(server.tcp().await).get_secret_value("db", None, None).await.unwrap();
    assert_eq!(server.requests(), 3);

    let server = Server::new(&[(500, "")]);
    let client_ = client(server.tcp().await);
    let error = client_.get_secret_value("db", None, None).await.unwrap_err();
    assert_eq!((server.requests(), error.to_string()), (3, "HTTP 500 (request id r-1)".to_owned()));
    let error = client_.create_access_key(KeyOwner::UserName("alice".into())).await.unwrap_err();
    assert!(matches!(error, ClientError::Api { status: 500, .. }));
    assert_eq!(server.requests(), 4);
}

#[tokio::test]
async fn repeats_the_brokers_error_and_nothing_else() {
    let body = r#"{"__type":"ns#AccessDeniedException","Message":"no","SecretString":"hunter2"}"#;
    let server = Server::new(&[(400, body)]);
    let error = client(server.tcp().await).get_secret_value("db", None, None).await.unwrap_err();
    assert_eq!(error.to_string(), "AccessDeniedException: no (request id r-1)");
    assert_eq!((error.code(), server.requests()), (Some("AccessDeniedException"), 1));

    let half = r#"{"ARN":"arn","SecretString":"hunter2"}"#;
    let error = client(Server::new(&[(200, half)]).tcp().await).get_secret_value("db", None, None).await;
    let error = format!("{:?}", error.unwrap_err());
    assert!(error.contains("the answer to GetSecretValue") && !error.contains("hunter2"), "{error}");
}

#[tokio::test]
async fn names_a_broker_that_is_not_there() {
    let error = client(Endpoint::Unix("/nonexistent/s".into())).who_am_i().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot reach the broker at unix:/nonexistent/s: No such file or directory (os error 2); is it running? \
         start it with `sealdock serve`"
    );
}

#[tokio::test]
async fn survives_a_broker_that_hangs_or_hangs_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = Endpoint::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let silent = tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            open.push(stream);
        }
    });
    let impatient = client(endpoint).with_attempt_time(Duration::from_millis(50));
    let error = impatient.who_am_i().await.unwrap_err();
    assert!(matches!(error, ClientError::Timeout { .. }), "{error}");
    silent.abort();

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = Endpoint::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let half = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"Account\"";
            let _ = stream.write_all(half).await;
        }
    });
    let error = client(endpoint).who_am_i().await.unwrap_err();
    assert!(matches!(error, ClientError::Broken { .. }), "{error}");
}

/// A broker that was restarted has closed the connections that the client kept.
#[tokio::test]
async fn connects_again_after_a_restart() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = Endpoint::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let server = Server::new(&[(200, "{}")]);
            // Each connection is closed after one answer, without saying so first.
            let one = async {
                while server.requests() == 0 {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            };
            tokio::select! { () = server.clone().serve(stream) => {}, () = one => {} }
        }
    });
    let client = client(endpoint);
    for _ in 0..5 {
        client.delete_access_key("AKIAIOSFODNN7EXAMPLE").await.unwrap();
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
}
