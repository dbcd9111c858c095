//! [`Broker`], a running process, and [`Caller`], a client of it with an identity.

use crate::kit::{PATIENCE, REGION, block_on, role_arn};
use crate::needles::Needles;
use sealdock::client::{Client, ClientError, Credentials, Endpoint};
use sealdock::protocol::{Operation, Service};
use sealdock::secret::SecretValue;
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;
use std::process::{Child, ExitStatus};
use std::sync::Arc;
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// A running broker; killed when dropped.
pub(crate) struct Broker {
    pub(crate) child: Child,
    pub(crate) out: PathBuf,
    pub(crate) err: PathBuf,
    pub(crate) socket: PathBuf,
    pub(crate) needles: Arc<Needles>,
}

impl Broker {
    /// What it printed to standard output.
    pub(crate) fn printed(&self) -> String {
        fs::read_to_string(&self.out).unwrap()
    }

    /// What it printed to standard error.
    pub(crate) fn told(&self) -> String {
        fs::read_to_string(&self.err).unwrap()
    }

    /// The URL that begins with this, of those that it listens on.
    pub(crate) fn url(&self, scheme: &str) -> String {
        let printed = self.printed();
        let urls = printed.lines().filter_map(|line| line.strip_prefix("listening on "));
        let found = urls.into_iter().find(|url| url.starts_with(scheme));
        found.unwrap_or_else(|| panic!("no {scheme} in {printed}")).to_owned()
    }

    /// The account root, over the Unix socket.
    pub(crate) fn root(&self) -> Caller {
        self.caller(Endpoint::Unix(self.socket.clone()), None)
    }

    /// The owner of a key, over HTTP.
    pub(crate) fn signed(&self, key: Credentials) -> Caller {
        self.caller(Endpoint::parse(&self.url("http:")).unwrap(), Some(key))
    }

    /// A user with a fresh key, over HTTP.
    pub(crate) fn user(&self, name: &str) -> Caller {
        self.signed(self.root().key(name))
    }

    pub(crate) fn caller(&self, endpoint: Endpoint, credentials: Option<Credentials>) -> Caller {
        let client = Client::new(endpoint, credentials, REGION).unwrap();
        Caller { client, needles: Arc::clone(&self.needles) }
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it still runs.
    pub(crate) fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Ends it as an operator does.
    pub(crate) fn stop(mut self) -> ExitStatus {
        self.signal(rustix::process::Signal::TERM);
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(start.elapsed() < PATIENCE, "does not end: {}", self.told());
            std::thread::sleep(Duration::from_millis(3));
        }
    }

    /// Ends it as a crash does.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let id = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw).unwrap();
        rustix::process::kill_process(id, signal).unwrap();
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a call gives.
pub(crate) type Answer = Result<Value, ClientError>;

/// The error's name, or `ok`.
#[track_caller]
pub(crate) fn code(answer: &Answer) -> &str {
    match answer {
        Ok(_) => "ok",
        Err(error) => error.code().unwrap_or_else(|| panic!("no answer: {error}")),
    }
}

/// A client with an identity.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) client: Client,
    needles: Arc<Needles>,
}

impl Caller {
    /// Sends a request; a new value gets a ClientRequestToken, as the SDKs make one.
    pub(crate) fn call(&self, operation: Operation, body: &Value) -> Answer {
        let mut body = body.clone();
        if operation.service() == Service::SecretsManager
            && let Some(members) = body.as_object_mut()
            && ["SecretString", "SecretBinary"].iter().any(|value| members.contains_key(*value))
        {
            members.entry("ClientRequestToken").or_insert_with(|| uuid::Uuid::new_v4().to_string().into());
        }
        self.send(operation, body.to_string().as_bytes())
    }

    /// Sends any bytes as a request.
    pub(crate) fn send(&self, operation: Operation, body: &[u8]) -> Answer {
        let answer = block_on(self.client.call(operation, Zeroizing::new(body.to_vec())));
        if let Err(error) = &answer {
            self.needles.check(&error.to_string(), "an error");
            self.needles.check(&format!("{error:?}"), "an error's Debug");
        }
        Ok(serde_json::from_slice(&answer?).unwrap())
    }

    /// The same identity in another Region.
    pub(crate) fn in_region(&self, region: &str) -> Self {
        Self { client: self.client.with_region(region), needles: Arc::clone(&self.needles) }
    }

    /// Makes a secret; returns its ARN.
    #[track_caller]
    pub(crate) fn create(&self, name: &str, value: &str) -> String {
        let made = self.call(Operation::CreateSecret, &json!({ "Name": name, "SecretString": value }));
        made.unwrap()["ARN"].as_str().unwrap().to_owned()
    }

    /// Reads the current value of a secret.
    pub(crate) fn get(&self, id: &str) -> Answer {
        self.call(Operation::GetSecretValue, &json!({ "SecretId": id }))
    }

    /// The current value of a secret.
    #[track_caller]
    pub(crate) fn value(&self, id: &str) -> String {
        self.get(id).unwrap()["SecretString"].as_str().unwrap().to_owned()
    }

    /// A fresh access key of a user. Its secret is a canary from now on.
    #[track_caller]
    pub(crate) fn key(&self, user: &str) -> Credentials {
        let made = self.call(Operation::CreateAccessKey, &json!({ "UserName": user })).unwrap();
        self.credentials(&made["AccessKey"])
    }

    /// A session of a role for a task.
    pub(crate) fn session(&self, role: &str, task: &str) -> Result<Credentials, ClientError> {
        let request = json!({ "RoleArn": role_arn(role), "SessionName": task });
        let made = self.call(Operation::CreateTaskSession, &request)?;
        Ok(self.credentials(&made["Credentials"]))
    }

    fn credentials(&self, made: &Value) -> Credentials {
        let text = |name: &str| made[name].as_str().map(str::to_owned);
        let secret = text("SecretAccessKey").unwrap();
        self.needles.plant(&secret);
        Credentials {
            access_key_id: text("AccessKeyId").unwrap(),
            secret_access_key: SecretValue::from(secret),
            session_token: text("SessionToken").map(SecretValue::from),
        }
    }
}
