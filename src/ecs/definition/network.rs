//! Network settings: `networkMode`, `portMappings`, `extraHosts`.

use std::fmt;

/// The network of the task's containers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NetworkMode {
    /// Docker's bridge.
    #[default]
    Bridge,
    /// The host's network.
    Host,
    /// No network.
    None,
}

/// A port of the container and where the host offers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortMapping {
    /// The container's port.
    pub container_port: u16,
    /// The host's port; `None` lets Docker choose.
    pub host_port: Option<u16>,
    /// Transport protocol.
    pub protocol: Protocol,
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
