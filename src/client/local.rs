//! [`LocalClient`]: calls over the broker's Unix socket that block, without a runtime
//! and without a signature: for a process that makes one or two of them and has no
//! time to lose.
//!
//! ```text
//! send -> Sent        the request is on its way, the caller has other things to do
//! finish(Sent)        the answer; attempts after the first are made here (see retry.rs)
//! ```

use super::error::ClientError;
use super::transport::{Answer, MAX_ANSWER, append};
use super::{Endpoint, refusal, retry};
use crate::protocol::writer::Encode;
use crate::protocol::{ApiError, CONTENT_TYPE, Operation};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// Longest head of an answer.
const MAX_HEAD: usize = 16 << 10;
/// Most fields of a head.
const MAX_FIELDS: usize = 32;

/// A connection to the broker as the user that this process runs as.
#[derive(Debug)]
pub struct LocalClient {
    path: PathBuf,
    endpoint: Endpoint,
    patience: Duration,
    kept: Option<UnixStream>,
}

/// A request that is on its way.
#[derive(Debug)]
#[must_use = "nobody looks at the answer"]
pub struct Sent {
    operation: Operation,
    body: Zeroizing<Vec<u8>>,
    deadline: Instant,
    first: Result<UnixStream, ClientError>,
}

impl LocalClient {
    /// A client for the broker at this socket, which has `patience` for each call, all attempts
    /// included. Nothing is connected yet.
    pub fn new(path: PathBuf, patience: Duration) -> Self {
        Self { endpoint: Endpoint::Unix(path.clone()), path, patience, kept: None }
    }

    /// Sends a request and does not wait for the answer.
    pub fn send(&mut self, operation: Operation, request: &impl Encode) -> Sent {
        let (body, deadline) = (request.encode(), Instant::now() + self.patience);
        let first = self.submit(operation, &body, deadline);
        Sent { operation, body, deadline, first }
    }

    /// Waits for the answer.
    ///
    /// # Errors
    /// As [`Client::call`](super::Client::call); and [`ClientError::Timeout`] when the patience is over.
    pub fn finish<T>(
        &mut self,
        sent: Sent,
        decode: fn(&[u8]) -> Result<T, ApiError>,
    ) -> Result<T, ClientError> {
        let Sent { operation, body, deadline, first } = sent;
        let mut submitted = first;
        let mut attempt = 1;
        let answer = loop {
            let error = match submitted.and_then(|stream| self.read(stream, deadline)) {
                Ok(answer) if (200..300).contains(&answer.status) => break answer,
                Ok(answer) => refusal(&answer),
                Err(error) => error,
            };
            let pause = retry::pause(attempt);
            let late = Instant::now() + pause >= deadline;
            if late || attempt >= retry::ATTEMPTS || !retry::worth_it(operation, &error) {
                return Err(error);
            }
            std::thread::sleep(pause);
            submitted = self.submit(operation, &body, deadline);
            attempt += 1;
        };
        decode(&answer.body).map_err(|error| super::unexpected(operation, &error))
    }

    /// Writes the request to a connection.
    fn submit(
        &mut self,
        operation: Operation,
        body: &[u8],
        deadline: Instant,
    ) -> Result<UnixStream, ClientError> {
        let mut text = format!(
            "POST / HTTP/1.1\r\nhost: {}\r\ncontent-type: {CONTENT_TYPE}\r\nx-amz-target: {}\r\nuser-agent: {}\r\n\
             content-length: {}\r\n\r\n",
            self.endpoint.host(),
            operation.target(),
            super::USER_AGENT,
            body.len(),
        )
        .into_bytes();
        text.extend_from_slice(body);
        let mut stream = match self.kept.take() {
            Some(kept) => kept,
            None => self.open(deadline).map_err(|error| ClientError::Unreachable {
                endpoint: self.endpoint.to_string(),
                reason: error.to_string(),
            })?,
        };
        let written = left(deadline)
            .and_then(|left| stream.set_write_timeout(Some(left)))
            .and_then(|()| stream.write_all(&text));
        match written {
            // A broker that refuses before it has read all has answered by then.
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(self.failed(&error)),
            _ => Ok(stream),
        }
    }

    /// A broker that has not taken earlier connections yet is waited for.
    fn open(&self, deadline: Instant) -> io::Result<UnixStream> {
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        set_socket_timeout(&socket, Timeout::Send, Some(left(deadline)?))?;
        connect(&socket, &SocketAddrUnix::new(&self.path)?)?;
        Ok(socket.into())
    }

    fn read(&mut self, mut stream: UnixStream, deadline: Instant) -> Result<Answer, ClientError> {
        let mut received = Zeroizing::new(Vec::with_capacity(MAX_HEAD));
        let mut more = |received: &mut Zeroizing<Vec<u8>>| {
            let mut chunk = Zeroizing::new([0; 8192]);
            stream.set_read_timeout(Some(left(deadline)?))?;
            match stream.read(&mut *chunk)? {
                0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the broker closed it")),
                length => {
                    append(received, chunk.get(..length).unwrap_or_default());
                    Ok(())
                }
            }
        };
        let (head, start) = loop {
            if let Some(whole) = Head::parse(&received)? {
                break whole;
            }
            if received.len() > MAX_HEAD {
                return Err(ClientError::Protocol(format!("its head is longer than {MAX_HEAD} bytes")));
            }
            more(&mut received).map_err(|error| self.failed(&error))?;
        };
        while received.len() < start + head.length {
            more(&mut received).map_err(|error| self.failed(&error))?;
        }
        let body = Zeroizing::new(received.get(start..start + head.length).unwrap_or_default().to_vec());
        if head.keeps && received.len() == start + head.length {
            self.kept = Some(stream);
        }
        Ok(Answer { status: head.status, request_id: head.request_id, body })
    }

    fn failed(&self, error: &io::Error) -> ClientError {
        let endpoint = self.endpoint.to_string();
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                ClientError::Timeout { endpoint, seconds: self.patience.as_secs() }
            }
            _ => ClientError::Broken { endpoint, reason: error.to_string() },
        }
    }
}

/// What there is until the deadline.
fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

/// What counts of an answer's head.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    status: u16,
    length: usize,
    request_id: Option<String>,
    /// Whether another request may follow on the connection.
    keeps: bool,
}

impl Head {
    /// The head at the beginning of `bytes`, and its length; `None` if it is not whole yet.
    fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, ClientError> {
        let wrong = |what: &str| ClientError::Protocol(format!("its head {what}"));
        let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
        let mut response = httparse::Response::new(&mut fields);
        let parsed = response.parse(bytes).map_err(|error| wrong(&format!("is none: {error}")))?;
        let httparse::Status::Complete(end) = parsed else { return Ok(None) };
        let mut head =
            Self { status: response.code.unwrap_or_default(), length: 0, request_id: None, keeps: true };
        let mut length = None;
        for field in response.headers.iter() {
            let Ok(value) = std::str::from_utf8(field.value) else { continue };
            match field.name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.parse().ok().filter(|length| *length <= MAX_ANSWER),
                "x-amzn-requestid" => head.request_id = Some(value.to_owned()),
                "connection" => head.keeps &= !value.eq_ignore_ascii_case("close"),
                _ => {}
            }
        }
        head.length = length.ok_or_else(|| wrong("does not say how long the answer is"))?;
        Ok(Some((head, end)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{SECRET, Server};
    use super::*;
    use crate::protocol::sealdock::DeleteAccessKeyRequest;
    use crate::protocol::secretsmanager::{GetSecretValueRequest, GetSecretValueResponse};
    use std::os::unix::net::UnixListener;
    use std::sync::atomic::Ordering;
    use std::thread;

    const PATIENCE: Duration = Duration::from_secs(20);
    const HELD: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";

    fn get(client: &mut LocalClient) -> Result<GetSecretValueResponse, ClientError> {
        let request = GetSecretValueRequest { secret_id: "db".into(), version_id: None, version_stage: None };
        let sent = client.send(Operation::GetSecretValue, &request);
        client.finish(sent, GetSecretValueResponse::decode)
    }

    fn delete(client: &mut LocalClient) -> Result<(), ClientError> {
        let request = DeleteAccessKeyRequest { access_key_id: "AKIAIOSFODNN7EXAMPLE".into() };
        let sent = client.send(Operation::DeleteAccessKey, &request);
        client.finish(sent, |_| Ok(()))
    }

    /// A server that answers each connection with one of these texts and closes it.
    fn scripted(answers: Vec<&'static str>) -> (LocalClient, tempfile::TempDir) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s");
        let listener = UnixListener::bind(&path).unwrap();
        thread::spawn(move || {
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let _ = stream.read(&mut [0; 4096]);
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        (LocalClient::new(path, PATIENCE), directory)
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn keeps_its_connection_and_tries_three_times() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s");
        let long: &str = Box::leak(SECRET.replace("hunter2", &"x".repeat(65_536)).into_boxed_str());
        let busy = (503, "busy");
        let server = Server::new(&[(200, SECRET), (200, long), busy, busy, (200, SECRET), busy]);
        server.unix(&path);
        let mut client = LocalClient::new(path, PATIENCE);
        tokio::task::spawn_blocking(move || {
            for length in [7, 65_536, 7] {
                assert_eq!(get(&mut client).unwrap().content.value().len(), length);
            }
            let error = get(&mut client).unwrap_err().to_string();
            assert_eq!(error, "HTTP 503 (request id r-1)");
            assert!(delete(&mut client).is_err());
        })
        .await
        .unwrap();
        // A write is not repeated.
        assert_eq!((server.requests(), server.connections.load(Ordering::SeqCst)), (9, 1));
    }

    #[test]
    fn a_connection_that_was_closed_is_made_again_for_a_read() {
        let answer = Box::leak(
            format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{SECRET}", SECRET.len()).into_boxed_str(),
        );
        let (mut client, _directory) = scripted(vec![answer, answer, answer]);
        for _ in 0..3 {
            get(&mut client).unwrap();
        }
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        for (answer, reason) in [
            ("", "broke: the broker closed it"),
            ("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{}", "broke: the broker closed it"),
            ("HTTP/1.1 200 OK\r\n\r\n{}", "does not say how long"),
            ("HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n", "does not say how long"),
            ("SSH-2.0-x\r\n\r\n", "is none"),
        ] {
            let error = delete(&mut scripted(vec![answer]).0).unwrap_err().to_string();
            assert!(error.contains(reason), "{answer:?}: {error}");
        }
        delete(&mut scripted(vec![HELD]).0).unwrap();
    }

    #[test]
    fn its_patience_ends() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s");
        let _silent = UnixListener::bind(&path).unwrap();
        let error = get(&mut LocalClient::new(path, Duration::from_millis(50))).unwrap_err();
        assert!(matches!(error, ClientError::Timeout { .. }), "{error}");
        let error = get(&mut LocalClient::new("/nonexistent/s".into(), PATIENCE)).unwrap_err().to_string();
        assert!(error.starts_with("cannot reach the broker at unix:/nonexistent/s: No such file"), "{error}");
    }
}
