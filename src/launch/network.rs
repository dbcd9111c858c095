//! Ports: what a container exposes, and where the host offers it.

use crate::ecs::definition::{PortMapping, Protocol};
use bollard::models::PortBinding;
use std::collections::HashMap;
use std::net::{TcpListener, UdpSocket};

/// First port of the dynamic range; the fallback of the ECS agent.
const DYNAMIC: std::ops::RangeInclusive<u16> = 49_153..=65_535;

/// `80/tcp`, ...
pub(super) fn exposed(ports: &[&PortMapping]) -> Vec<String> {
    let each =
        ports.iter().flat_map(|p| (p.ports.first..=p.ports.last).map(move |n| format!("{n}/{}", p.protocol)));
    each.collect()
}

/// Bindings for Docker. Without a port of the host Docker chooses one; a range gets
/// as many free ones in a row.
pub(super) fn bindings(ports: &[&PortMapping]) -> Option<HashMap<String, Option<Vec<PortBinding>>>> {
    let mut bindings: HashMap<String, Option<Vec<PortBinding>>> = HashMap::new();
    let mut from = *DYNAMIC.start();
    for port in ports {
        let first = match port.host_port {
            None if port.ports.count() > 1 => {
                let found = free_row(from, port.ports.count(), port.protocol);
                from =
                    found.map_or(from, |first| first.saturating_add(port.ports.last - port.ports.first + 1));
                found
            }
            given => given,
        };
        for (offset, container_port) in (port.ports.first..=port.ports.last).enumerate() {
            let host_port = first.and_then(|first| first.checked_add(u16::try_from(offset).ok()?));
            let host_port = host_port.map(|p| p.to_string()).unwrap_or_default();
            let binding = PortBinding { host_ip: None, host_port: Some(host_port) };
            let key = format!("{container_port}/{}", port.protocol);
            bindings.entry(key).or_default().get_or_insert_default().push(binding);
        }
    }
    (!bindings.is_empty()).then_some(bindings)
}

/// The first of `count` ports in a row that are free now.
fn free_row(from: u16, count: usize, protocol: Protocol) -> Option<u16> {
    let is_free = |port: u16| match protocol {
        Protocol::Tcp => TcpListener::bind(("0.0.0.0", port)).is_ok(),
        Protocol::Udp => UdpSocket::bind(("0.0.0.0", port)).is_ok(),
    };
    let mut run = 0;
    for port in from..=*DYNAMIC.end() {
        run = if is_free(port) { run + 1 } else { 0 };
        if run == count {
            return port.checked_sub(u16::try_from(count - 1).ok()?);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ecs::definition::PortRange;

    #[test]
    fn a_range_gets_ports_in_a_row_that_are_free() {
        let taken = TcpListener::bind(("0.0.0.0", 50_002)).unwrap();
        assert_eq!(free_row(50_000, 4, Protocol::Tcp), Some(50_003));
        drop(taken);
        let port = |first, last, host_port| PortMapping {
            ports: PortRange { first, last },
            host_port,
            protocol: Protocol::Tcp,
            span: 0..0,
        };
        let (range, fixed) = (port(80, 82, None), port(443, 443, Some(8443)));
        let found = bindings(&[&range, &fixed]).unwrap();
        let host = |key: &str| -> String { found[key].as_ref().unwrap()[0].host_port.clone().unwrap() };
        let first: u16 = host("80/tcp").parse().unwrap();
        assert_eq!((host("82/tcp"), host("443/tcp")), ((first + 2).to_string(), "8443".to_owned()));
        assert_eq!(exposed(&[&range]), ["80/tcp", "81/tcp", "82/tcp"]);
        assert!(bindings(&[]).is_none());
    }
}
