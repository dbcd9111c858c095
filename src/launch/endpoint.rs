//! What containers are told about the task endpoint (`sealdock task endpoint`): where their
//! credentials and their metadata are.
//!
//! | endpoint at | reached by containers with network | credentials by |
//! |---|---|---|
//! | 169.254.170.2 | `bridge`, `awsvpc`, `host` | `AWS_CONTAINER_CREDENTIALS_RELATIVE_URI`, as on ECS |
//! | a loopback address | `host` | `AWS_CONTAINER_CREDENTIALS_FULL_URI` and a token file |
//!
//! SDKs take plain HTTP from these two kinds of address only.

use super::error::LaunchError;
use super::identity::{ROLE_LABEL, TaskIdentity};
use crate::client::Client;
use crate::diagnostic::Diagnostic;
use crate::ecs::definition::NetworkMode;
use crate::ecs::plan::{ContainerPlan, TaskPlan};
use crate::protocol::sealdock::GrantTaskRoleRequest;
use crate::secret::SecretValue;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use zeroize::Zeroizing;

/// The address of the endpoint on ECS, to which SDKs add a relative URI.
pub const ADDRESS: Ipv4Addr = Ipv4Addr::new(169, 254, 170, 2);
/// Label by which the endpoint finds the container that asks for its metadata.
pub const ENDPOINT_ID_LABEL: &str = "sealdock.endpoint-id";
/// Label with the names of the log options that the task definition has in plain text.
pub const LOG_OPTIONS_LABEL: &str = "sealdock.log-options";
/// Label with the CPU units of the whole task, if they are limited; 1024 are one processor.
pub const TASK_CPU_LABEL: &str = "sealdock.task-cpu";
/// Label with the memory of the whole task in MiB, if it is limited.
pub const TASK_MEMORY_LABEL: &str = "sealdock.task-memory";
/// What the endpoint calls itself in its answers.
pub const SERVER: &str = "sealdock-task-endpoint";

/// The directory in containers where the token for the endpoint is, if there is one.
pub const TOKEN_DIRECTORY: &str = "/run/sealdock";
pub(super) const TOKEN_NAME: &str = "credentials-token";

/// An endpoint on this host does not need longer.
const PATIENCE: Duration = Duration::from_secs(2);

/// An endpoint that the containers of the task reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TaskEndpoint {
    url: String,
    link_local: bool,
}

/// Why there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NoEndpoint {
    reason: String,
    remedy: String,
}

impl TaskEndpoint {
    /// The endpoint at a URL, if it is there and containers of this network reach it.
    pub(super) async fn find(url: &str, network: NetworkMode) -> Result<Self, NoEndpoint> {
        let none = |reason: String, remedy: &str| NoEndpoint { reason, remedy: remedy.to_owned() };
        let url = url.trim_end_matches('/');
        let (address, link_local) = address(url).ok_or_else(|| {
            none(
                format!("`{url}` cannot be one"),
                "it is `http://169.254.170.2`, or `http://` and a loopback address with a port",
            )
        })?;
        match network {
            NetworkMode::None => {
                return Err(none("the containers have no network".into(), "use another `networkMode`"));
            }
            NetworkMode::Bridge | NetworkMode::Awsvpc if !link_local => {
                let reason = format!("containers with network mode `{}` do not reach {url}", network.word());
                return Err(none(
                    reason,
                    "let the endpoint listen on 169.254.170.2, as it does unless told otherwise",
                ));
            }
            NetworkMode::Bridge | NetworkMode::Awsvpc | NetworkMode::Host => {}
        }
        // A packet to an address of no interface would leave this host.
        let own = UdpSocket::bind((address.ip(), 0)).is_ok();
        if own && answers(address).await {
            return Ok(Self { url: url.to_owned(), link_local });
        }
        Err(none(format!("no task endpoint answers at {url}"), "start `sealdock task endpoint` on this host"))
    }
}

impl NoEndpoint {
    /// What it means for a task whose containers should have a role.
    pub(super) fn warning(&self) -> Diagnostic {
        let message = format!("the containers get no credentials of `taskRoleArn`: {}", self.reason);
        Diagnostic::warning("ECS0012", message).help(self.remedy.clone())
    }
}

/// What the containers of one task are told.
#[derive(Debug)]
pub(super) struct Told {
    endpoint: TaskEndpoint,
    /// Stands for the credentials of the task's role, if it has one.
    credentials: Option<SecretValue>,
    /// Stands for each container, by its name within the task.
    ids: HashMap<String, String>,
    /// CPU units and memory in MiB of the whole task.
    limits: [Option<u32>; 2],
}

impl Told {
    pub(super) fn new(endpoint: TaskEndpoint, credentials: Option<SecretValue>, plan: &TaskPlan) -> Self {
        let id = |c: &ContainerPlan| (c.name.clone(), uuid::Uuid::new_v4().to_string());
        Self {
            endpoint,
            credentials,
            ids: plan.containers.iter().map(id).collect(),
            limits: [plan.cpu, plan.memory_mib],
        }
    }

    /// The variables of a container.
    pub(super) fn variables(&self, container: &ContainerPlan) -> Vec<(String, String)> {
        if container.settings.disable_networking {
            return Vec::new();
        }
        let url = &self.endpoint.url;
        let mut variables = Vec::new();
        let mut set = |name: &str, value: String| variables.push((name.to_owned(), value));
        match &self.credentials {
            Some(id) if self.endpoint.link_local => {
                set(
                    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
                    format!("/v2/credentials/{}", text(id).as_str()),
                );
            }
            Some(_) => {
                set("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{url}/v2/credentials"));
                set("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", format!("{TOKEN_DIRECTORY}/{TOKEN_NAME}"));
            }
            None => {}
        }
        if let Some(id) = self.ids.get(&container.name) {
            set("ECS_CONTAINER_METADATA_URI_V4", format!("{url}/v4/{id}"));
            set("ECS_CONTAINER_METADATA_URI", format!("{url}/v3/{id}"));
        }
        variables
    }

    /// The labels of a container.
    pub(super) fn labels(&self, container: &ContainerPlan) -> Vec<(String, String)> {
        let id = self.ids.get(&container.name).map(|id| (ENDPOINT_ID_LABEL.to_owned(), id.clone()));
        let role = self.credentials.as_ref().map(|_| (ROLE_LABEL.to_owned(), "true".to_owned()));
        let limits = [TASK_CPU_LABEL, TASK_MEMORY_LABEL].into_iter().zip(self.limits);
        let limits = limits.filter_map(|(name, limit)| Some((name.to_owned(), limit?.to_string())));
        id.into_iter().chain(role).chain(log_options(container)).chain(limits).collect()
    }

    /// What goes into the token file, if there is one.
    pub(super) fn token(&self) -> Option<Zeroizing<String>> {
        self.credentials.as_ref().filter(|_| !self.endpoint.link_local).map(text)
    }
}

/// Lets the task have its role; the id that stands for the credentials.
pub(super) async fn grant(
    plan: &TaskPlan,
    identity: &TaskIdentity,
    client: &Client,
    role: &str,
    host: Option<String>,
) -> Result<SecretValue, LaunchError> {
    let role_arn = match (role.starts_with("arn:"), &plan.execution_role) {
        (true, _) => role.to_owned(),
        (false, Some(other)) => format!("arn:{}:iam::{}:role/{role}", other.partition, other.account),
        (false, None) => {
            let own = client.who_am_i().await.map_err(LaunchError::Broker)?;
            format!("arn:aws:iam::{}:role/{role}", own.account)
        }
    };
    let request = GrantTaskRoleRequest {
        task_id: identity.task_id.clone(),
        role_arn: role_arn.clone(),
        task_definition: Some(identity.definition()),
        host,
    };
    client.grant_task_role(&request).await.map_err(|cause| LaunchError::of_role(role_arn, cause))
}

/// Docker's own record of the options has the secret ones among them.
fn log_options(container: &ContainerPlan) -> Option<(String, String)> {
    let log = container.log.as_ref()?;
    let is_secret = |name: &str| log.secret_options.iter().any(|secret| secret.name == name);
    let names: Vec<&str> =
        log.options.iter().map(|(name, _)| name.as_str()).filter(|n| !is_secret(n)).collect();
    (!names.is_empty()).then(|| (LOG_OPTIONS_LABEL.to_owned(), names.join(",")))
}

#[expect(
    clippy::disallowed_methods,
    reason = "the id stands in the container's environment or token file, as on ECS"
)]
fn text(id: &SecretValue) -> Zeroizing<String> {
    Zeroizing::new(String::from_utf8_lossy(id.expose()).into_owned())
}

/// The address in a URL, and whether it is that of ECS.
fn address(url: &str) -> Option<(SocketAddr, bool)> {
    let authority = url.strip_prefix("http://")?;
    let address: SocketAddr = match authority.parse::<IpAddr>() {
        Ok(ip) => SocketAddr::new(ip, 80),
        Err(_) => authority.parse().ok()?,
    };
    // SDKs add a relative URI to the address without a port.
    let link_local = address.ip() == IpAddr::V4(ADDRESS) && address.port() == 80;
    (link_local || address.ip().is_loopback()).then_some((address, link_local))
}

/// Whether one of ours answers there, and not the agent of a real ECS.
async fn answers(address: SocketAddr) -> bool {
    let ask = async {
        let mut stream = TcpStream::connect(address).await.ok()?;
        let request = format!("GET / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = Vec::new();
        stream.take(4096).read_to_end(&mut answer).await.ok()?;
        Some(String::from_utf8_lossy(&answer).to_ascii_lowercase().contains(&format!("server: {SERVER}")))
    };
    tokio::time::timeout(PATIENCE, ask).await.ok().flatten().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> TaskPlan {
        let task = r#"{"family": "f", "networkMode": "host", "containerDefinitions": [
          {"name": "a", "image": "i", "memory": 6}, {"name": "b", "image": "i", "memory": 6, "essential": false}]}"#;
        crate::ecs::parse(task).unwrap().plan().unwrap()
    }

    fn variables(url: &str, credentials: Option<&str>) -> Vec<(String, String)> {
        let plan = plan();
        let endpoint = TaskEndpoint { url: url.into(), link_local: address(url).unwrap().1 };
        let told = Told::new(endpoint, credentials.map(|id| SecretValue::from(id.to_owned())), &plan);
        assert_ne!(told.labels(&plan.containers[0]), told.labels(&plan.containers[1]));
        assert_eq!(
            told.token().map(|t| t.to_string()).as_deref(),
            credentials.filter(|_| url.contains("127"))
        );
        told.variables(&plan.containers[0])
    }

    #[test]
    fn a_route_gives_a_relative_uri_and_loopback_a_full_one() {
        let link_local = variables("http://169.254.170.2", Some("id"));
        assert_eq!(link_local[0].1, "/v2/credentials/id");
        assert!(link_local[1].1.starts_with("http://169.254.170.2/v4/"), "{link_local:?}");
        let loopback = variables("http://127.0.0.1:51679", Some("id"));
        assert_eq!(loopback[0].1, "http://127.0.0.1:51679/v2/credentials");
        assert_eq!(loopback[1].1, "/run/sealdock/credentials-token");
        assert!(loopback.iter().all(|(_, value)| !value.contains("/id")), "{loopback:?}");
        let without = variables("http://127.0.0.1:51679", None);
        let names: Vec<_> = without.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["ECS_CONTAINER_METADATA_URI_V4", "ECS_CONTAINER_METADATA_URI"]);
    }

    #[tokio::test]
    async fn what_cannot_be_reached_is_told_with_a_remedy() {
        for (url, network, reason) in [
            ("http://10.0.0.1", NetworkMode::Host, "cannot be one"),
            ("http://169.254.170.2:81", NetworkMode::Host, "cannot be one"),
            ("https://127.0.0.1:1", NetworkMode::Host, "cannot be one"),
            ("http://169.254.170.2", NetworkMode::None, "no network"),
            ("http://127.0.0.1:9", NetworkMode::Bridge, "`bridge` do not reach"),
            ("http://127.0.0.1:9", NetworkMode::Host, "no task endpoint answers"),
        ] {
            let none = TaskEndpoint::find(url, network).await.unwrap_err();
            assert!(none.warning().message.contains(reason), "{url}: {none:?}");
            assert!(none.warning().help.is_some());
        }
    }
}
