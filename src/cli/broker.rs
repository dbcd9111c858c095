//! How commands reach a running broker.

use super::Failure;
use crate::client::{Client, ClientError, Credentials, Endpoint};
use crate::secret::SecretValue;
use clap::Args;
use std::path::PathBuf;

/// Where the broker is and who is calling.
#[derive(Debug, Args)]
pub(crate) struct BrokerArguments {
    /// Broker: `unix:PATH`, `https://HOST:PORT` or `http://127.0.0.1:PORT`
    #[arg(long, env = "SEALDOCK_ENDPOINT", value_name = "URL")]
    endpoint: Option<String>,
    /// Broker's Unix socket; goes before --endpoint and SEALDOCK_ENDPOINT
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// Certificate of the broker's authority, for https
    #[arg(long, env = "SEALDOCK_CA", value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Region to ask; the broker's own unless given
    #[arg(long, env = "AWS_DEFAULT_REGION")]
    region: Option<String>,
}

impl BrokerArguments {
    /// A client for the broker. It signs with AWS_ACCESS_KEY_ID and
    /// AWS_SECRET_ACCESS_KEY; over a Unix socket it may go unsigned, as the user
    /// that runs the command.
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        match &self.region {
            Some(region) => self.client_for(region),
            None => {
                // Any Region will do to ask for the right one.
                let asked = self.client_for("us-east-1")?;
                let own = block_on(async { asked.who_am_i().await })?.map_err(|e| refused(&e))?;
                self.client_for(&own.region)
            }
        }
    }

    /// A client whose credentials come later: those of a container of a task.
    pub(crate) fn without_credentials(&self, region: Option<&str>) -> Result<Client, Failure> {
        let region = region.or(self.region.as_deref()).ok_or_else(|| {
            Failure::new(2, "no Region is named: use --region or the variable AWS_DEFAULT_REGION")
        })?;
        Client::new(self.place()?, None, region).map_err(|e| refused(&e))
    }

    fn client_for(&self, region: &str) -> Result<Client, Failure> {
        let endpoint = self.place()?;
        let credentials = match endpoint {
            Endpoint::Unix(_) => None,
            _ => Some(from_environment()?),
        };
        Client::new(endpoint, credentials, region).map_err(|e| refused(&e))
    }

    fn place(&self) -> Result<Endpoint, Failure> {
        let text = match (&self.socket, &self.endpoint) {
            (Some(path), _) => {
                let path = std::path::absolute(path)
                    .map_err(|e| Failure::new(2, format!("`{}`: {e}", path.display())))?;
                format!("unix:{}", path.display())
            }
            (None, Some(url)) => url.clone(),
            (None, None) => {
                let text =
                    "no broker is named: use --socket PATH, --endpoint URL or the variable SEALDOCK_ENDPOINT";
                return Err(Failure::new(2, text));
            }
        };
        let mut endpoint = Endpoint::parse(&text).map_err(|e| Failure::new(2, e))?;
        if let Some(path) = &self.ca {
            let pem = std::fs::read(path)
                .map_err(|e| Failure::new(2, format!("cannot read `{}`: {e}", path.display())))?;
            endpoint = endpoint.with_ca(pem);
        }
        Ok(endpoint)
    }
}

fn from_environment() -> Result<Credentials, Failure> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    match (variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY")) {
        (Some(access_key_id), Some(secret)) => Ok(Credentials {
            access_key_id,
            secret_access_key: SecretValue::from(secret),
            session_token: variable("AWS_SESSION_TOKEN").map(SecretValue::from),
        }),
        _ => Err(Failure::new(
            2,
            "requests over TCP are signed: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or use --socket",
        )),
    }
}

/// A call that did not succeed.
pub(crate) fn refused(error: &ClientError) -> Failure {
    Failure::new(4, error)
}

/// Runs a future to its end on this thread.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    Ok(runtime.map_err(|e| Failure::new(2, format!("cannot start the runtime: {e}")))?.block_on(future))
}
