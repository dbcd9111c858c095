//! [`post`]: one POST to an HTTP endpoint that is not a broker, on a connection of its own.

use super::transport::{chain, connector, spell, start, tcp};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use zeroize::Zeroizing;

/// An answer, whole.
#[derive(Debug)]
pub struct Reply {
    /// Status code.
    pub status: u16,
    /// The header.
    pub headers: HeaderMap,
    /// The body, wiped after use.
    pub body: Zeroizing<Vec<u8>>,
}

/// Sends `body` to `url` and reads the answer, of at most `limit` bytes. For `https`, exactly
/// the authorities in `ca_pem` are trusted. There is no limit of time; the caller has one.
///
/// # Errors
/// A text for the operator: what could not be reached, or why there is no whole answer.
pub async fn post(
    url: &str,
    ca_pem: Option<&[u8]>,
    mut headers: HeaderMap,
    body: Bytes,
    limit: usize,
) -> Result<Reply, String> {
    let uri: Uri = url.parse().map_err(spell)?;
    let tls = uri.scheme_str() == Some("https");
    let authority = uri.authority().ok_or("the URL has no host")?;
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    let port = authority.port_u16().unwrap_or(if tls { 443 } else { 80 });
    headers.insert(header::HOST, HeaderValue::from_str(authority.as_str()).map_err(spell)?);
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri.path_and_query().map_or("/", |path| path.as_str()).parse().map_err(spell)?;
    *request.headers_mut() = headers;
    let stream = tcp(host, port).await?;
    let mut sender = if tls {
        let (connector, name) = connector(host, ca_pem)?;
        start(connector.connect(name, stream).await.map_err(spell)?).await?
    } else {
        start(stream).await?
    };
    let response = sender.send_request(request).await.map_err(|e| chain(&e))?;
    let (head, incoming) = response.into_parts();
    let body = Limited::new(incoming, limit).collect().await.map_err(|e| chain(e.as_ref()))?;
    Ok(Reply {
        status: head.status.as_u16(),
        headers: head.headers,
        body: Zeroizing::new(body.to_bytes().to_vec()),
    })
}
