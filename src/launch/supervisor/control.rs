//! Requests to a supervisor, over the Unix socket in its directory.
//!
//! One connection is one request: a line of JSON. Answers are lines of JSON as well: any
//! number of `{"said": ..}` and at last `{"done": ..}` or `{"failed": ..}`. A connection that
//! ends before that means that the supervisor is gone.
//!
//! Only its owner can reach the socket (see the module above), so requests carry no
//! credentials.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::io;
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};

/// Longest request, in bytes.
const LONGEST: u64 = 64 * 1024;
/// How long a connection may take to say what it wants.
const PATIENCE: Duration = Duration::from_secs(2);

/// What can be asked of a supervisor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Request {
    /// Stop everything in order, remove it, and end.
    Stop,
    /// Of a service: stop one task; another takes its place.
    StopTask {
        /// Its id.
        task_id: String,
    },
    /// Of a service: replace all tasks by new ones.
    Redeploy,
    /// Of a service: how it is.
    Status,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Reply {
    Said(String),
    Done(Value),
    Failed { code: u8, text: String },
}

/// Why a request was not fulfilled.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nobody answers, or the answer broke off.
    #[error("the supervisor does not answer: {0}")]
    Gone(io::Error),
    /// It could not, or would not.
    #[error("{text}")]
    Failed {
        /// Exit code for the command that asked.
        code: u8,
        /// Why.
        text: String,
    },
}

/// The requests that arrive at a supervisor.
#[derive(Debug)]
pub struct Control(UnixListener);

/// Where the answers to one request go.
#[derive(Debug)]
pub struct Replies(UnixStream);

impl Control {
    pub(super) fn new(listener: std::os::unix::net::UnixListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Self(UnixListener::from_std(listener)?))
    }

    /// The next request that can be understood. May be dropped while it waits.
    pub async fn next(&mut self) -> (Request, Replies) {
        loop {
            let Ok((mut stream, _)) = self.0.accept().await else {
                // Out of file descriptors, most likely; others may give some back.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let mut line = String::new();
            let mut reader = BufReader::new((&mut stream).take(LONGEST));
            let read = tokio::time::timeout(PATIENCE, reader.read_line(&mut line)).await;
            if !matches!(read, Ok(Ok(_))) {
                continue;
            }
            let mut replies = Replies(stream);
            match serde_json::from_str(&line) {
                Ok(request) => return (request, replies),
                Err(e) => replies.failed(2, &format!("not a request of this version of Sealdock: {e}")).await,
            }
        }
    }
}

impl Replies {
    /// Tells what is going on.
    pub async fn say(&mut self, text: &str) {
        self.send(&Reply::Said(text.to_owned())).await;
    }

    /// The request is fulfilled.
    pub async fn done(&mut self, answer: Value) {
        self.send(&Reply::Done(answer)).await;
    }

    /// It is not; with the exit code for the command that asked.
    pub async fn failed(&mut self, code: u8, text: &str) {
        self.send(&Reply::Failed { code, text: text.to_owned() }).await;
    }

    async fn send(&mut self, reply: &Reply) {
        let Ok(mut line) = serde_json::to_vec(reply) else { return };
        line.push(b'\n');
        // Whoever asked may not care any more.
        let _ = tokio::time::timeout(PATIENCE, self.0.write_all(&line)).await;
    }
}

/// Asks the supervisor with this directory and waits until it has done it.
///
/// # Errors
/// [`AskError`]
pub async fn ask(directory: &Path, request: &Request, mut said: impl FnMut(&str)) -> Result<Value, AskError> {
    let mut stream = UnixStream::connect(directory.join(super::CONTROL)).await.map_err(AskError::Gone)?;
    let mut line = serde_json::to_vec(request).map_err(|e| AskError::Gone(e.into()))?;
    line.push(b'\n');
    stream.write_all(&line).await.map_err(AskError::Gone)?;
    let mut lines = BufReader::new(stream).lines();
    while let Some(line) = lines.next_line().await.map_err(AskError::Gone)? {
        match serde_json::from_str(&line).map_err(|e| AskError::Gone(e.into()))? {
            Reply::Said(text) => said(&text),
            Reply::Done(answer) => return Ok(answer),
            Reply::Failed { code, text } => return Err(AskError::Failed { code, text }),
        }
    }
    Err(AskError::Gone(io::ErrorKind::UnexpectedEof.into()))
}
