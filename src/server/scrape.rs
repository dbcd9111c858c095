//! `GET /metrics`: what the broker counts, for Prometheus.
//!
//! Prometheus does not sign its requests, so this is the one answer without a signature. It
//! holds counts and no name (see [`crate::metrics`]), and it is given to the host itself only:
//! to a peer on a loopback address or on the Unix socket, that asks for the broker by an
//! address or as `localhost` (a page in a browser cannot, whatever it makes a name resolve
//! to), and not on behalf of another through a proxy. Anybody else gets the error that every
//! unknown request gets.

use super::listener::{Peer, RequestHead};
use crate::broker::Broker;
use crate::metrics::CONTENT_TYPE;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, header};
use http_body_util::Full;
use std::net::IpAddr;

/// The answer, if the request is for the metrics and may have them.
pub(super) fn answer(broker: &Broker, head: &RequestHead) -> Option<Response<Full<Bytes>>> {
    let wanted = head.method == Method::GET && head.uri.path() == "/metrics";
    if !wanted || !may_see(&head.peer, &head.headers) {
        return None;
    }
    let mut response = Response::new(Full::new(Bytes::from(broker.metrics().text())));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
    Some(response)
}

fn may_see(peer: &Peer, headers: &HeaderMap) -> bool {
    let own = match peer {
        Peer::Unix { .. } => true,
        Peer::Tcp { addr, .. } => addr.ip().to_canonical().is_loopback(),
    };
    let forwarded = ["forwarded", "x-forwarded-for", "via"].iter().any(|name| headers.contains_key(*name));
    own && !forwarded && headers.get(header::HOST).is_none_or(|host| host.to_str().is_ok_and(is_local))
}

/// Whether a `Host` header is an address or `localhost`, with or without a port.
fn is_local(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_host_itself_sees_counts() {
        let tcp = |addr: &str| Peer::Tcp { addr: addr.parse().unwrap(), tls: true };
        let headers = |pairs: &[(&'static str, &'static str)]| {
            pairs
                .iter()
                .map(|&(n, v)| (n.parse().unwrap(), HeaderValue::from_static(v)))
                .collect::<HeaderMap>()
        };
        let plain = headers(&[("host", "127.0.0.1:8080")]);
        assert!(
            may_see(&tcp("127.0.0.1:4"), &plain)
                && may_see(&tcp("[::1]:4"), &headers(&[("host", "[::1]:8")]))
        );
        assert!(may_see(&Peer::Unix { uid: 1, pid: None }, &headers(&[("host", "localhost")])));
        assert!(!may_see(&tcp("10.0.0.1:4"), &plain), "another host");
        assert!(
            !may_see(&tcp("127.0.0.1:4"), &headers(&[("host", "rebound.example:8080")])),
            "a page in a browser"
        );
        for proxy in ["forwarded", "x-forwarded-for", "via"] {
            assert!(
                !may_see(&tcp("127.0.0.1:4"), &headers(&[("host", "localhost"), (proxy, "10.0.0.1")])),
                "{proxy}"
            );
        }
    }
}
