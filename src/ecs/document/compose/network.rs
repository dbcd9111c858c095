//! What of a service becomes `portMappings` and `extraHosts`.

use super::keys::{Keys, object};
use super::service::Members;
use super::values::{list, number, scalar, scalar_at, text};
use crate::json::{Node, Value};
use std::ops::Range;

pub(super) fn network(keys: &mut Keys<'_>, to: &mut Members) {
    if let Some(member) = keys.take("ports") {
        let ports = member.value.array().unwrap_or_default().iter().filter_map(|node| port(node, keys));
        to.push(("portMappings", list(ports.collect(), &member.value.span)));
    }
    if let Some(member) = keys.take("extra_hosts") {
        let entries: Vec<(String, String, &Range<usize>)> = match &member.value.value {
            Value::Object(members) => members
                .iter()
                .filter_map(|m| Some((m.key.clone(), scalar(&m.value)?, &m.value.span)))
                .collect(),
            _ => {
                let entries = member.value.array().unwrap_or_default().iter().filter_map(scalar_at);
                entries
                    .filter_map(|(entry, span)| {
                        let found = entry
                            .split_once([':', '='])
                            .map(|(host, address)| (host.to_owned(), address.to_owned(), span));
                        if found.is_none() {
                            keys.unreadable(span, &format!("`{entry}` is not HOSTNAME:ADDRESS"));
                        }
                        found
                    })
                    .collect()
            }
        };
        let nodes = entries.into_iter().map(|(host, address, span)| {
            object(span, vec![("hostname", text(host, span)), ("ipAddress", text(address, span))])
        });
        to.push(("extraHosts", list(nodes.collect(), &member.value.span)));
    }
}

/// `[[ADDRESS:]HOST:]CONTAINER[/tcp|/udp]`, or the long form.
fn port(node: &Node, keys: &Keys<'_>) -> Option<Node> {
    let span = &node.span;
    let mut members = Vec::new();
    if node.object().is_some() {
        for (name, api) in [("target", "containerPort"), ("published", "hostPort"), ("protocol", "protocol")]
        {
            members.extend(node.get(name).map(|node| (api, node.clone())));
        }
        return Some(object(span, members));
    }
    let written = scalar(node)?;
    let (ports, protocol) = written.split_once('/').unwrap_or((&written, "tcp"));
    let parts: Vec<&str> = ports.rsplitn(3, ':').collect();
    let port = |text: &str| text.parse::<u16>().ok();
    let read = match parts.as_slice() {
        [container] => port(container).map(|container| (container, None)),
        [container, host] | [container, host, _] => {
            let host = if host.is_empty() { Some(None) } else { port(host).map(Some) };
            port(container).zip(host)
        }
        _ => None,
    };
    let Some((container, host)) = read else {
        keys.unreadable(
            span,
            &format!("`{written}` is not [HOST:]CONTAINER[/udp]; the ECS CLI takes no ranges of ports"),
        );
        return None;
    };
    if parts.len() == 3 {
        keys.note(
            span,
            &format!("the address in `{written}` has no effect: ECS offers ports on all addresses"),
        );
    }
    members.push(("containerPort", number(container.into(), span)));
    members.extend(host.map(|host| ("hostPort", number(host.into(), span))));
    members.push(("protocol", text(protocol, span)));
    Some(object(span, members))
}
