//! Network settings: `networkMode`, `portMappings`, `extraHosts`.

use super::fields::{Fields, Findings};
use crate::diagnostic::Diagnostic;
use crate::json::Node;
use std::fmt;
use std::ops::Range;

/// The network of the task's containers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NetworkMode {
    /// `awsvpc`, which runs on Docker's bridge; a port of the container is the
    /// same port of the host.
    Awsvpc,
    /// Docker's bridge.
    #[default]
    Bridge,
    /// The host's network.
    Host,
    /// No network.
    None,
}

/// A port of the container and where the host offers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortMapping {
    /// The container's port.
    pub container_port: u16,
    /// The host's port; `None` lets Docker choose.
    pub host_port: Option<u16>,
    /// Transport protocol.
    pub protocol: Protocol,
    /// The place of the mapping.
    pub span: Range<usize>,
}

/// Transport protocol of a port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// TCP
    #[default]
    Tcp,
    /// UDP
    Udp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

/// A line of the container's hosts file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtraHost {
    /// The name.
    pub hostname: String,
    /// The address.
    pub ip_address: String,
}

pub(super) fn network_mode(fields: &mut Fields<'_>, containers: usize) -> NetworkMode {
    const MODES: [(&str, Option<NetworkMode>); 4] = [
        ("bridge", Some(NetworkMode::Bridge)),
        ("host", Some(NetworkMode::Host)),
        ("none", Some(NetworkMode::None)),
        ("awsvpc", None),
    ];
    let span = fields.node("networkMode").map(|node| node.span.clone());
    let Some(mode) = fields.choice("networkMode", &MODES) else { return NetworkMode::Bridge };
    if let Some(mode) = mode {
        return mode;
    }
    let difference = match containers {
        0 | 1 => "",
        _ => "; its containers do not reach each other at localhost as they would on ECS",
    };
    let message = format!(
        "networkMode `awsvpc` needs a network interface of a VPC: the task runs on Docker's bridge{difference}"
    );
    fields.findings.push(Diagnostic::warning("ECS0011", message).at(span.unwrap_or_default(), ""));
    NetworkMode::Awsvpc
}

pub(super) fn port_mapping(node: &Node, owner: &str, findings: &Findings) -> Option<PortMapping> {
    let mut fields = Fields::of(node, format!("{owner}: a port mapping"), findings)?;
    let port = |n: super::Spanned<i64>| u16::try_from(n.value).ok();
    let container_port = fields.whole("containerPort", 1..=65_535).and_then(port);
    // 0 asks for a free port of the host, as does leaving it out.
    let host_port = fields.whole("hostPort", 0..=65_535).and_then(port).filter(|p| *p != 0);
    let protocol = fields.choice("protocol", &[("tcp", Protocol::Tcp), ("udp", Protocol::Udp)]);
    fields.refuse("containerPortRange", "give each port of the range a mapping of its own");
    // Both name the port for Service Connect.
    fields.without_effect("name");
    fields.without_effect("appProtocol");
    if node.get("containerPort").is_none() && node.get("containerPortRange").is_none() {
        fields.error("ECS0004", node.span.clone(), "`containerPort` is missing");
    }
    fields.finish();
    Some(PortMapping {
        container_port: container_port?,
        host_port,
        protocol: protocol.unwrap_or_default(),
        span: node.span.clone(),
    })
}

pub(super) fn extra_host(node: &Node, owner: &str, findings: &Findings) -> Option<ExtraHost> {
    let mut fields = Fields::of(node, format!("{owner}: an extra host"), findings)?;
    let hostname = fields.required("hostname", node.span.clone());
    let ip_address = fields.required("ipAddress", node.span.clone());
    fields.finish();
    Some(ExtraHost { hostname: hostname?.value, ip_address: ip_address?.value })
}
