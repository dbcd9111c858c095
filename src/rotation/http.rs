//! Functions behind HTTP: the Lambda invoke protocol, as a runtime interface emulator serves it.
//!
//! ```text
//! POST /2015-03-31/functions/function/invocations    the event
//! 200                                                 what the function returned, or
//! 200, X-Amz-Function-Error: Unhandled                {"errorType": .., "errorMessage": ..}
//! ```
//!
//! Emulators leave the header out, so a body with `errorMessage` is a failure as well.
//!
//! Source: Lambda API Reference, `Invoke`.

use super::invoke::StepFailure;
use super::said;
use crate::client::post;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Uri, header};
use serde_json::Value;

/// Where an emulator takes invocations, if the URL does not say.
const INVOCATIONS: &str = "/2015-03-31/functions/function/invocations";
/// Largest answer that Lambda allows.
const ANSWER: usize = 6 << 20;

pub(super) async fn call(url: &str, ca_pem: Option<&[u8]>, event: &Value) -> Result<(), StepFailure> {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert("x-amz-invocation-type", HeaderValue::from_static("RequestResponse"));
    let body = Bytes::from(event.to_string());
    let reply = post(&with_path(url), ca_pem, headers, body, ANSWER).await;
    let reply = reply.map_err(|reason| StepFailure {
        failure: "the function's endpoint gave no answer".into(),
        said: reason,
    })?;
    let failed = |failure: String| Err(StepFailure { failure, said: said::end_of(&reply.body) });
    if !(200..300).contains(&reply.status) {
        return failed(format!("the function's endpoint answered with status {}", reply.status));
    }
    let returned: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    if reply.headers.contains_key("x-amz-function-error") || returned.get("errorMessage").is_some() {
        return failed("the function raised an error".into());
    }
    Ok(())
}

fn with_path(url: &str) -> String {
    match url.parse::<Uri>() {
        Ok(uri) if matches!(uri.path(), "" | "/") => format!("{}{INVOCATIONS}", url.trim_end_matches('/')),
        _ => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_is_the_emulators_unless_the_url_has_one() {
        let emulator = "http://127.0.0.1:9000/2015-03-31/functions/function/invocations";
        assert_eq!(with_path("http://127.0.0.1:9000"), emulator);
        assert_eq!(with_path("http://127.0.0.1:9000/"), emulator);
        assert_eq!(with_path("http://localhost:1/rotate"), "http://localhost:1/rotate");
    }
}
