//! The task endpoint: credentials and metadata for the containers of tasks, in the shapes of the
//! ECS agent.
//!
//! ```text
//! GET /v2/credentials/ID               credentials of the task's role         credentials.rs
//! GET /v1/credentials?id=ID            the same, with older texts
//! GET /v2/credentials                  the same, with the id as `Authorization`
//! GET /v4/ID ..., /v3/ID ...           the container's metadata               metadata.rs
//! ```
//!
//! Every path has a limit of 40 requests a second and a burst of 60 for each client, and any
//! method is taken, as by the agent.

mod address;
mod credentials;
mod metadata;
mod shape;
mod stats;
mod watch;

pub use address::{AddressError, HostAddress};

use super::http::{self, Answer, Asked, Endpoint, Limits, plain};
use super::rate::Rates;
use crate::client::Client;
use crate::launch::Docker;
use crate::launch::endpoint::SERVER;
use ::http::{HeaderValue, StatusCode};
use jiff::SignedDuration;
use metadata::{Subject, Version};
use percent_encoding::percent_decode_str;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;

/// As the agent's `ECS_TASK_METADATA_RPS_LIMIT` unless it is set.
const PER_SECOND: f64 = 40.0;
const BURST: f64 = 60.0;

/// The agent's are 5 seconds to read and to write; asking the broker comes between.
const LIMITS: Limits = Limits {
    connections: 512,
    refusals: 0,
    header_time: Duration::from_secs(5),
    whole_time: Duration::from_secs(20),
    header_bytes: 16 * 1024,
};

/// The task endpoint of a host.
#[derive(Debug)]
pub struct TaskEndpoint {
    client: Client,
    docker: Docker,
    rates: Rates,
}

/// Serves until `stop` ends. A task that has no containers `launch` after it was granted its role
/// is over.
pub async fn serve(
    listener: TcpListener,
    client: Client,
    docker: Docker,
    launch: SignedDuration,
    stop: impl Future<Output = ()>,
) {
    let client = client.with_attempt_time(Duration::from_secs(5));
    let watching = watch::end_with_their_tasks(client.clone(), docker.clone(), launch);
    let endpoint = TaskEndpoint { client, docker, rates: Rates::new(PER_SECOND, BURST) };
    tokio::select! {
        () = http::serve(listener, LIMITS, Arc::new(endpoint), stop) => {}
        () = watching => {}
    }
}

impl Endpoint for TaskEndpoint {
    const SERVER: &'static str = SERVER;

    async fn answer(&self, asked: Asked) -> Answer {
        let path = asked.uri.path();
        if !self.rates.take(asked.peer.ip(), &plain_path(path), Instant::now()) {
            return self.too_many(&asked);
        }
        let words: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        match words.as_slice() {
            ["v1", "credentials"] => {
                credentials::answer(&self.client, &self.docker, credentials::v1(&asked)).await
            }
            ["v2", "credentials"] if asked.headers.contains_key(::http::header::AUTHORIZATION) => {
                credentials::answer(&self.client, &self.docker, credentials::bearer(&asked)).await
            }
            ["v2", "credentials", _, ..] => {
                credentials::answer(&self.client, &self.docker, credentials::v2(&asked)).await
            }
            [version @ ("v3" | "v4"), id, rest @ ..] if let Some(subject) = Subject::parse(rest) => {
                let version = if *version == "v3" { Version::V3 } else { Version::V4 };
                metadata::answer(&self.docker, version, id, subject).await
            }
            _ => plain(StatusCode::NOT_FOUND, "text/plain; charset=utf-8", "404 page not found\n"),
        }
    }
}

/// One spelling for all that lead to the same answer, so that they share one bound.
fn plain_path(path: &str) -> String {
    let decoded = percent_decode_str(path).decode_utf8_lossy();
    let words: Vec<&str> = decoded.split('/').filter(|word| !word.is_empty()).collect();
    words.join("/")
}

impl TaskEndpoint {
    fn too_many(&self, asked: &Asked) -> Answer {
        let text = "You have reached maximum request limit.";
        let mut answer = plain(StatusCode::TOO_MANY_REQUESTS, "text/plain; charset=utf-8", text);
        let mut set = |name: &'static str, value: String| {
            if let Ok(value) = HeaderValue::from_str(&value) {
                answer.headers_mut().insert(name, value);
            }
        };
        set("x-rate-limit-limit", format!("{:.2}", self.rates.per_second));
        set("x-rate-limit-duration", "1".to_owned());
        set("x-rate-limit-request-remote-addr", asked.peer.to_string());
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::plain_path;

    #[test]
    fn spellings_of_a_path_are_one() {
        for spelled in
            ["/v2/credentials/id", "/v2/credentials////id", "/v2/%63redentials/%69d", "/v2/credentials/id/"]
        {
            assert_eq!(plain_path(spelled), "v2/credentials/id", "{spelled}");
        }
    }
}
