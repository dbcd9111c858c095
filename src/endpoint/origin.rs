//! Whether a connection comes from this host: from one of its own addresses, or from a container
//! on one of its bridges.
//!
//! A neighbour on the local network could send packets for 169.254.170.2 to this host, which Linux
//! takes on any interface. The answer to it would leave through an interface that is no bridge of
//! containers, and so it gets none.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use tokio::net::TcpStream;

pub(super) fn is_this_host(stream: &TcpStream, peer: SocketAddr) -> bool {
    let peer = peer.ip().to_canonical();
    let own = stream.local_addr().is_ok_and(|own| own.ip().to_canonical() == peer);
    if own || peer.is_loopback() {
        return true;
    }
    let IpAddr::V4(peer) = peer else { return false };
    let routes = std::fs::read_to_string("/proc/net/route").unwrap_or_default();
    match interface(&routes, peer) {
        Some(name) => std::path::Path::new("/sys/class/net").join(name).join("bridge").exists(),
        None => false,
    }
}

/// The interface of the network that an address is in, of the kernel's table; `None` if it is
/// reached through a router or not at all.
fn interface(routes: &str, address: Ipv4Addr) -> Option<&str> {
    let address = u32::from(address);
    let entry = |line: &'_ str| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        // The kernel writes numbers in the byte order of the network, read in that of the host.
        let number = |at: usize| u32::from_str_radix(fields.get(at)?, 16).ok().map(u32::from_be);
        Some((number(7)?, number(1)?, number(2)?))
    };
    let mut best: Option<(u32, u32, &str)> = None;
    for line in routes.lines().skip(1) {
        let Some((mask, destination, router)) = entry(line) else { continue };
        let longer = best.is_none_or(|(other, ..)| mask > other);
        if address & mask == destination && longer {
            best = line.split_ascii_whitespace().next().map(|name| (mask, router, name));
        }
    }
    best.filter(|(_, router, _)| *router == 0).map(|(.., name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_route_counts_and_routers_do_not() {
        let routes = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n\
            eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
            docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n\
            eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n";
        let of = |text: &str| interface(routes, text.parse().unwrap());
        assert_eq!(of("172.17.0.2"), Some("docker0"));
        assert_eq!(of("192.0.2.9"), Some("eth0"));
        assert_eq!(of("8.8.8.8"), None, "through a router");
        assert_eq!(interface("", Ipv4Addr::LOCALHOST), None);
    }
}
