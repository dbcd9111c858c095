//! HTTP answers: status, headers and body, as AWS sends them.

use super::CONTENT_TYPE;
use super::error::ApiError;
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use zeroize::Zeroizing;

/// A success. The body is wiped when the last reference to it is dropped.
pub fn success(json: Zeroizing<Vec<u8>>, request_id: &str) -> Response<Bytes> {
    answer(StatusCode::OK, Bytes::from_owner(json), request_id)
}

/// An error.
pub fn failure(error: &ApiError, request_id: &str) -> Response<Bytes> {
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = answer(status, Bytes::from(error.body()), request_id);
    response.headers_mut().insert("x-amzn-errortype", HeaderValue::from_static(error.code));
    response
}

fn answer(status: StatusCode, body: Bytes, request_id: &str) -> Response<Bytes> {
    let mut response = plain(status, body, request_id);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
    response
}

/// An answer without a media type.
pub(super) fn plain(status: StatusCode, body: Bytes, request_id: &str) -> Response<Bytes> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert("x-amzn-requestid", id);
    }
    // Answers hold secrets.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{secretsmanager, ssm};

    #[test]
    fn errors_look_as_awss() {
        let response = failure(&secretsmanager::secret_not_found(), "5b1c");
        assert_eq!(response.status(), 400);
        assert_eq!(response.headers()["x-amzn-requestid"], "5b1c");
        assert_eq!(response.headers()["x-amzn-errortype"], "ResourceNotFoundException");
        assert_eq!(response.headers()["content-type"], "application/x-amz-json-1.1");
        let body = r#"{"__type":"ResourceNotFoundException","Message":"Secrets Manager can't find the specified secret."}"#;
        assert_eq!(response.body(), body);
        assert_eq!(failure(&ssm::parameter_not_found(""), "").body(), r#"{"__type":"ParameterNotFound"}"#);
        let limit = ssm::resource_policy_limit_exceeded(1, "count", "no");
        assert_eq!(
            failure(&limit, "").body(),
            r#"{"__type":"ResourcePolicyLimitExceededException","Message":"no","Limit":1,"LimitType":"count"}"#
        );
    }
}
