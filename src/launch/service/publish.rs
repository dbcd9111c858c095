//! Which ports a service listens on instead of its tasks.
//!
//! A port of the host can belong to one process only. Ports that the definition gives a
//! number on the host are therefore the service's, which passes connections on; those
//! that Docker may choose (`hostPort` 0 or absent in mode `bridge`) stay the tasks' own.

use crate::diagnostic::Diagnostic;
use crate::ecs::definition::{NetworkMode, Protocol};
use crate::ecs::plan::TaskPlan;

/// A port that the service listens on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// Port of the host.
    pub host_port: u16,
    /// The container that serves it.
    pub container: String,
    /// Its port there.
    pub container_port: u16,
}

/// Takes the ports out of the plan.
///
/// # Errors
/// Ports that cannot be moved from one task to another.
pub(super) fn take(plan: &mut TaskPlan) -> Result<Vec<Published>, Vec<Diagnostic>> {
    let mode = plan.network_mode;
    let mut published = Vec::new();
    let mut refused = Vec::new();
    for container in &mut plan.containers {
        let name = &container.name;
        container.settings.ports.retain(|port| {
            let refuse = |why: &str| {
                let text = format!("container `{name}`: port {} {why}", port.ports.first);
                Diagnostic::error("ECS0402", text).at(port.span.clone(), "")
            };
            if mode == NetworkMode::Host {
                let why = "is the host's own in the network mode `host`: two tasks of a service cannot both have \
                           it; use `bridge` or `awsvpc`, where the service listens on it";
                refused.push(refuse(why));
                return false;
            }
            let Some(first) = port.host_port.filter(|_| mode != NetworkMode::None) else { return true };
            if port.protocol == Protocol::Udp {
                let why = "is UDP: a service moves TCP ports only; leave its hostPort to Docker (0)";
                refused.push(refuse(why));
            } else {
                let ports = (port.ports.first..=port.ports.last).zip(first..);
                published.extend(ports.map(|(container_port, host_port)| Published {
                    host_port,
                    container: name.clone(),
                    container_port,
                }));
            }
            false
        });
    }
    if refused.is_empty() { Ok(published) } else { Err(refused) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(mode: &str, ports: &str) -> TaskPlan {
        let text = format!(
            r#"{{"family": "f", "networkMode": "{mode}", "containerDefinitions":
                [{{"name": "a", "image": "i", "memory": 8, "portMappings": [{ports}]}}]}}"#
        );
        crate::ecs::parse(&text).unwrap().plan().unwrap()
    }

    #[test]
    fn numbered_ports_are_the_services() {
        let mut bridge = plan("bridge", r#"{"containerPort": 80, "hostPort": 8080}, {"containerPort": 81}"#);
        let found = take(&mut bridge).unwrap();
        assert_eq!(found, [Published { host_port: 8080, container: "a".into(), container_port: 80 }]);
        assert_eq!(bridge.containers[0].settings.ports.len(), 1);
        let mut awsvpc = plan("awsvpc", r#"{"containerPort": 80}"#);
        assert_eq!(take(&mut awsvpc).unwrap()[0].host_port, 80);
        assert!(awsvpc.containers[0].settings.ports.is_empty());
    }

    #[test]
    fn what_cannot_be_moved_is_refused() {
        let text = |mode, ports| take(&mut plan(mode, ports)).unwrap_err()[0].message.clone();
        assert!(text("host", r#"{"containerPort": 80}"#).contains("network mode `host`"));
        let udp = r#"{"containerPort": 53, "hostPort": 53, "protocol": "udp"}"#;
        assert!(text("bridge", udp).contains("TCP ports only"));
    }
}
