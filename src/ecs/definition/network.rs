//! Network settings: `networkMode`, `portMappings`, `extraHosts`.

use super::fields::{Fields, Findings};
use super::ignored;
use crate::json::Node;
use std::fmt;
use std::ops::Range;

/// The network of the task's containers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NetworkMode {
    /// One network namespace with one address for all containers of the task; a
    /// port of a container is the same port of the host.
    Awsvpc,
    /// Docker's bridge.
    #[default]
    Bridge,
    /// The host's network.
    Host,
    /// No network.
    None,
}

impl NetworkMode {
    /// The word of the API.
    pub fn word(self) -> &'static str {
        match self {
            Self::Awsvpc => "awsvpc",
            Self::Bridge => "bridge",
            Self::Host => "host",
            Self::None => "none",
        }
    }
}

/// A port of the container and where the host offers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortMapping {
    /// The container's ports, usually one.
    pub ports: PortRange,
    /// The host's port, or the first of them; `None` means any free ones.
    pub host_port: Option<u16>,
    /// Transport protocol.
    pub protocol: Protocol,
    /// The place of the mapping.
    pub span: Range<usize>,
}

/// Ports in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortRange {
    /// The first.
    pub first: u16,
    /// The last; the same for a single port.
    pub last: u16,
}

impl PortRange {
    /// How many there are.
    pub fn count(self) -> usize {
        usize::from(self.last - self.first) + 1
    }
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

pub(super) fn network_mode(fields: &mut Fields<'_>) -> NetworkMode {
    const MODES: [(&str, NetworkMode); 4] = [
        ("bridge", NetworkMode::Bridge),
        ("host", NetworkMode::Host),
        ("none", NetworkMode::None),
        ("awsvpc", NetworkMode::Awsvpc),
    ];
    fields.choice("networkMode", &MODES).unwrap_or_default()
}

pub(super) fn port_mapping(node: &Node, owner: &str, findings: &Findings) -> Option<PortMapping> {
    let mut fields = Fields::of(node, format!("{owner}: a port mapping"), findings)?;
    let port = |n: super::Spanned<i64>| u16::try_from(n.value).ok();
    let container_port = fields.whole("containerPort", 1..=65_535).and_then(port);
    // 0 asks for a free port of the host, as does leaving it out.
    let host_port = fields.whole("hostPort", 0..=65_535).and_then(port).filter(|p| *p != 0);
    let protocol = fields.choice("protocol", &[("tcp", Protocol::Tcp), ("udp", Protocol::Udp)]);
    let range = fields.text("containerPortRange").and_then(|text| {
        let range = port_range(&text.value);
        if range.is_none() {
            fields.error("ECS0009", text.span, "`containerPortRange` must be such as `8000-8010`");
        }
        range
    });
    ignored::of_port(&mut fields);
    match (node.get("containerPort"), node.get("containerPortRange")) {
        (None, None) => fields.error("ECS0004", node.span.clone(), "`containerPort` is missing"),
        (Some(_), Some(range)) => {
            let message = "only one of `containerPort` and `containerPortRange` may be given";
            fields.error("ECS0009", range.span.clone(), message);
        }
        _ => {}
    }
    fields.finish();
    let ports = range.or_else(|| container_port.map(|port| PortRange { first: port, last: port }))?;
    Some(PortMapping { ports, host_port, protocol: protocol.unwrap_or_default(), span: node.span.clone() })
}

fn port_range(text: &str) -> Option<PortRange> {
    let (first, last) = text.split_once('-')?;
    let (first, last) = (first.trim().parse::<u16>().ok()?, last.trim().parse::<u16>().ok()?);
    (0 < first && first <= last).then_some(PortRange { first, last })
}

pub(super) fn extra_host(node: &Node, owner: &str, findings: &Findings) -> Option<ExtraHost> {
    let mut fields = Fields::of(node, format!("{owner}: an extra host"), findings)?;
    let hostname = fields.required("hostname", node.span.clone());
    let ip_address = fields.required("ipAddress", node.span.clone());
    fields.finish();
    Some(ExtraHost { hostname: hostname?.value, ip_address: ip_address?.value })
}
