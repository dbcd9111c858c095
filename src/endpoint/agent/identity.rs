//! [`Identity`]: as whom the agent reads.
//!
//! | identity | credentials |
//! |---|---|
//! | fixed | an access key, or the user that runs the agent, over the broker's Unix socket |
//! | a role | a session of it, which the agent asks for and renews |
//! | the task's role | those of the task endpoint, when the agent runs in a container of a task |

use crate::client::{Client, ClientError, Credentials};
use crate::clock::{Clock as _, SystemClock};
use crate::protocol::sealdock::CreateTaskSessionRequest;
use crate::secret::SecretValue;
use bytes::Bytes;
use http::{Request, Uri, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_util::rt::TokioIo;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use std::path::PathBuf;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use zeroize::Zeroizing;

/// What is left of a session when the next one is asked for; SDKs do the same.
const RENEWAL: SignedDuration = SignedDuration::from_mins(10);
const PATIENCE: Duration = Duration::from_secs(10);
const LONGEST: usize = 64 * 1024;

/// As whom the agent reads.
#[derive(Debug)]
pub struct Identity {
    client: Client,
    source: Source,
    session: Mutex<Option<(Client, Timestamp)>>,
}

#[derive(Debug)]
enum Source {
    Fixed,
    Role { role: String, session_name: String },
    Container(ContainerCredentials),
}

/// Where a container's credentials are.
#[derive(Debug)]
pub struct ContainerCredentials {
    uri: Uri,
    token: Option<Shown>,
}

/// What the endpoint is shown as `Authorization`.
#[derive(Debug)]
enum Shown {
    /// Read anew each time.
    File(PathBuf),
    Text(SecretValue),
}

/// The variables do not say where the credentials are.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not where a container's credentials are: plain HTTP at 169.254.170.2, 169.254.170.23, fd00:ec2::23 or loopback"
)]
pub struct IdentityError(String);

impl ContainerCredentials {
    /// From the values of `AWS_CONTAINER_CREDENTIALS_RELATIVE_URI`, `AWS_CONTAINER_CREDENTIALS_FULL_URI`,
    /// `AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE` and `AWS_CONTAINER_AUTHORIZATION_TOKEN`; the relative one goes
    /// before the full one, and the file before the token itself.
    ///
    /// # Errors
    /// If it is not plain HTTP at an address that SDKs take.
    pub fn new(
        relative: Option<&str>,
        full: Option<&str>,
        token_file: Option<&str>,
        token: Option<SecretValue>,
    ) -> Result<Option<Self>, IdentityError> {
        let text = match (relative, full) {
            (Some(path), _) => format!("http://169.254.170.2{path}"),
            (None, Some(full)) => full.to_owned(),
            (None, None) => return Ok(None),
        };
        // The path is a secret, so an error shows the rest only.
        let shown = || IdentityError(text.splitn(4, '/').take(3).collect::<Vec<_>>().join("/"));
        let uri: Uri = text.parse().map_err(|_| shown())?;
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let address = host.parse::<std::net::IpAddr>();
        let allowed = ["169.254.170.2", "169.254.170.23", "fd00:ec2::23", "localhost"].contains(&host)
            || address.is_ok_and(|address| address.is_loopback());
        if uri.scheme_str() != Some("http") || !allowed {
            return Err(shown());
        }
        let file = token_file.map(|path| Shown::File(PathBuf::from(path)));
        Ok(Some(Self { uri, token: file.or(token.map(Shown::Text)) }))
    }
}

impl Identity {
    /// That of the client.
    pub fn fixed(client: Client) -> Self {
        Self { client, source: Source::Fixed, session: Mutex::default() }
    }

    /// A role, which trusts `ecs-tasks.amazonaws.com` and which the client may pass.
    pub fn role(client: Client, role: String, session_name: String) -> Self {
        Self { client, source: Source::Role { role, session_name }, session: Mutex::default() }
    }

    /// The role of the task that the agent is a container of.
    pub fn container(client: Client, credentials: ContainerCredentials) -> Self {
        Self { client, source: Source::Container(credentials), session: Mutex::default() }
    }

    /// A client that acts as it.
    ///
    /// # Errors
    /// [`ClientError`] if there are no credentials.
    pub async fn client(&self) -> Result<Client, ClientError> {
        if let Source::Fixed = self.source {
            return Ok(self.client.clone());
        }
        let mut session = self.session.lock().await;
        let left = session.as_ref().map(|(_, ends)| ends.duration_since(SystemClock.now()));
        if let Some((client, _)) = session.as_ref().filter(|_| left.is_some_and(|left| left > RENEWAL)) {
            return Ok(client.clone());
        }
        match self.begin().await {
            Ok((credentials, ends)) => {
                let client = self.client.with_credentials(credentials);
                *session = Some((client.clone(), ends));
                Ok(client)
            }
            // The old one is good until its end.
            Err(error) => match session.as_ref().filter(|_| left.is_some_and(|left| left.is_positive())) {
                Some((client, _)) => Ok(client.clone()),
                None => Err(error),
            },
        }
    }

    /// Learns from a failed call that the session has been ended before its time.
    pub async fn heard(&self, error: &ClientError) {
        if error.code().is_some_and(|code| code.starts_with("ExpiredToken")) {
            *self.session.lock().await = None;
        }
    }

    async fn begin(&self) -> Result<(Credentials, Timestamp), ClientError> {
        match &self.source {
            Source::Fixed => Err(ClientError::Protocol("a fixed identity has no sessions".into())),
            Source::Role { role, session_name } => {
                let request = CreateTaskSessionRequest {
                    role_arn: role.clone(),
                    session_name: session_name.clone(),
                    task_definition: None,
                };
                let answer = self.client.create_task_session(&request).await?;
                let ends = answer.credentials.expiration;
                Ok((answer.credentials.into(), ends))
            }
            Source::Container(at) => match tokio::time::timeout(PATIENCE, at.get()).await {
                Ok(got) => got.map_err(|reason| at.failed(reason)),
                Err(_) => Err(at.failed("it does not answer".into())),
            },
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    access_key_id: String,
    secret_access_key: Zeroizing<String>,
    token: Zeroizing<String>,
    expiration: Timestamp,
}

impl ContainerCredentials {
    fn failed(&self, reason: String) -> ClientError {
        let host = self.uri.authority().map(ToString::to_string).unwrap_or_default();
        ClientError::Unreachable { endpoint: format!("the task endpoint at {host}"), reason }
    }

    async fn get(&self) -> Result<(Credentials, Timestamp), String> {
        let host = self.uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let port = self.uri.port_u16().unwrap_or(80);
        let stream = TcpStream::connect((host, port)).await.map_err(|e| e.to_string())?;
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.map_err(|e| e.to_string())?;
        tokio::spawn(async move {
            // Whoever waits for the answer is told by its own end of the connection.
            let _ended = connection.await;
        });
        let path = self.uri.path_and_query().map_or("/", |path| path.as_str());
        let authority = self.uri.authority().map_or("", |authority| authority.as_str());
        let mut request = Request::get(path).header(header::HOST, authority);
        match &self.token {
            None => {}
            Some(Shown::File(file)) => {
                let token = tokio::fs::read_to_string(file).await.map(Zeroizing::new);
                let token = token.map_err(|e| format!("the token file `{}`: {e}", file.display()))?;
                request = request.header(header::AUTHORIZATION, token.trim());
            }
            Some(Shown::Text(token)) => {
                #[expect(clippy::disallowed_methods, reason = "the token is shown to the endpoint it is for")]
                let token = token.expose();
                request = request.header(header::AUTHORIZATION, token);
            }
        }
        let request = request.body(Empty::<Bytes>::new()).map_err(|e| e.to_string())?;
        let response = sender.send_request(request).await.map_err(|e| e.to_string())?;
        let status = response.status();
        let body = Limited::new(response.into_body(), LONGEST).collect().await.map_err(|e| e.to_string())?;
        let body = Zeroizing::new(body.to_bytes().to_vec());
        if !status.is_success() {
            return Err(format!("it answers with status {}", status.as_u16()));
        }
        let answer: Answer =
            serde_json::from_slice(&body).map_err(|_| "its answer holds no credentials".to_owned())?;
        let secret = |text: &Zeroizing<String>| SecretValue::from(text.to_string());
        let credentials = Credentials {
            access_key_id: answer.access_key_id,
            secret_access_key: secret(&answer.secret_access_key),
            session_token: Some(secret(&answer.token)),
        };
        Ok((credentials, answer.expiration))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_that_sdks_take_are_asked() {
        let of = |relative, full| ContainerCredentials::new(relative, full, None, None);
        assert!(of(None, None).unwrap().is_none());
        assert!(
            of(Some("/v2/credentials/x"), Some("http://evil/")).unwrap().unwrap().uri.host()
                == Some("169.254.170.2")
        );
        assert!(of(None, Some("http://127.0.0.1:9/c")).unwrap().is_some());
        assert!(of(None, Some("http://[::1]:9/c")).unwrap().is_some());
        assert!(of(None, Some("http://[fd00:ec2::23]/v1/credentials")).unwrap().is_some());
        for other in [
            "http://10.0.0.1/canary",
            "http://[fd00:ec2::24]/canary",
            "http://169.254.170.2.evil/canary",
            "https://127.0.0.1/canary",
            "ftp://127.0.0.1/canary",
            "http://",
        ] {
            let text = of(None, Some(other)).unwrap_err().to_string();
            assert!(!text.contains("canary"), "{text}");
        }
        assert!(of(Some("@evil/x"), None).is_err());
    }

    #[test]
    fn a_token_file_goes_before_a_token_and_neither_is_shown() {
        let of = |file| {
            let token = Some(SecretValue::from("canary".to_owned()));
            ContainerCredentials::new(None, Some("http://127.0.0.1:9/c"), file, token).unwrap().unwrap()
        };
        assert!(matches!(of(Some("/run/token")).token, Some(Shown::File(_))));
        let text = of(None);
        assert!(matches!(text.token, Some(Shown::Text(_))) && !format!("{text:?}").contains("canary"));
    }
}
