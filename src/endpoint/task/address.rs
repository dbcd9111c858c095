//! [`HostAddress`]: 169.254.170.2 on this host, for as long as the endpoint runs.
//!
//! It is put on the loopback interface. Containers on a bridge send what they do not know to the
//! host, which finds the address its own; containers in the host's network have it anyway.

use std::net::{IpAddr, SocketAddr};
use std::process::{Command, Stdio};
use tokio::net::TcpListener;

/// Why the endpoint has no address.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    /// It is not an address that may be listened on.
    #[error(
        "`{0}` is an address that other hosts may reach: the task endpoint listens on 169.254.170.2:80 or on loopback"
    )]
    Reachable(SocketAddr),
    /// The address cannot be added.
    #[error(
        "this host has no address {0}, and it cannot be added: {1}; run as root, or add it with \
         `ip address add {0}/32 dev lo`, or listen on a loopback address for tasks in the host's network"
    )]
    NotAdded(IpAddr, String),
    /// The address cannot be listened on.
    #[error("cannot listen on `{0}`: {1}{hint}", hint = hint(.1))]
    Listen(SocketAddr, std::io::Error),
}

fn hint(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::PermissionDenied => "; ports below 1024 need root or CAP_NET_BIND_SERVICE",
        std::io::ErrorKind::AddrInUse => "; another task endpoint, or the agent of ECS, is there",
        _ => "",
    }
}

/// An address that this process has added; dropped, it is taken away again.
#[derive(Debug)]
pub struct HostAddress {
    added: Option<IpAddr>,
}

impl HostAddress {
    /// Listens on an address: loopback, or that of ECS, which is added if the host does not have it.
    ///
    /// # Errors
    /// [`AddressError`].
    pub async fn listen(address: SocketAddr) -> Result<(TcpListener, Self), AddressError> {
        let link_local = address.ip() == IpAddr::V4(crate::launch::endpoint::ADDRESS);
        if !link_local && !address.ip().is_loopback() {
            return Err(AddressError::Reachable(address));
        }
        let failed = |e| AddressError::Listen(address, e);
        match TcpListener::bind(address).await {
            Ok(listener) => Ok((listener, Self { added: None })),
            Err(e) if link_local && e.kind() == std::io::ErrorKind::AddrNotAvailable => {
                change("add", address.ip()).map_err(|cause| AddressError::NotAdded(address.ip(), cause))?;
                let added = Self { added: Some(address.ip()) };
                Ok((TcpListener::bind(address).await.map_err(failed)?, added))
            }
            Err(e) => Err(failed(e)),
        }
    }
}

impl Drop for HostAddress {
    fn drop(&mut self) {
        if let Some(address) = self.added {
            // Left behind, it does no harm: nobody listens there.
            let _ = change("del", address);
        }
    }
}

fn change(what: &str, address: IpAddr) -> Result<(), String> {
    let mut command = Command::new("ip");
    command.args(["address", what, &format!("{address}/32"), "dev", "lo", "scope", "host"]);
    let output = command.stdin(Stdio::null()).output().map_err(|e| format!("cannot run `ip`: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_this_host_is_served() {
        for address in ["0.0.0.0:80", "10.0.0.1:80", "169.254.169.254:80"] {
            let error = HostAddress::listen(address.parse().unwrap()).await.unwrap_err();
            assert!(matches!(error, AddressError::Reachable(_)), "{error}");
        }
        let (listener, address) = HostAddress::listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
        assert!(address.added.is_none());
        let again = HostAddress::listen(listener.local_addr().unwrap()).await.unwrap_err().to_string();
        assert!(again.contains("another task endpoint"), "{again}");
    }
}
