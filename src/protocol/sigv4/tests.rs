//! Signing and verification against AWS's published vectors, and what is refused.

use super::*;
use crate::protocol::ApiError;
use crate::secret::SecretValue;
use http::{HeaderValue, Request};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

fn at(text: &str) -> Timestamp {
    scope::parse_compact(text).unwrap()
}

fn published_time() -> Timestamp {
    at("20150830T123600Z")
}

pub(super) fn check(request: &Request<Vec<u8>>, secret: &str, now: Timestamp) -> Result<(), ApiError> {
    let presented = Presented::parse(request.method(), request.uri(), request.headers())?
        .ok_or_else(ApiError::missing_authentication_token)?;
    let key = SigningKey::derive(&SecretValue::from(secret.to_owned()), &presented.scope);
    presented.verify(&key, request.body(), now)
}

/// A request of the published suite: `lines` are headers, the last one the signature.
fn published(
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    signed: &str,
    signature: &str,
) -> Request<Vec<u8>> {
    let mut request = Request::builder().method(method).uri(target).header("Host", "example.amazonaws.com");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders={signed}, \
         Signature={signature}"
    );
    let request = request.header("X-Amz-Date", "20150830T123600Z").header("Authorization", authorization);
    request.body(Vec::new()).unwrap()
}

#[test]
fn accepts_the_published_vectors() {
    let vanilla = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";
    let plain = "host;x-amz-date";
    let token = "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267";
    let vectors = [
        published("GET", "/", &[], plain, vanilla),
        published("GET", "//", &[], plain, vanilla),
        published("GET", "/example1/example2/../..", &[], plain, vanilla),
        published(
            "GET",
            "/?Param-3=Value3&Param=Value2&%E1%88%B4=Value1",
            &[],
            plain,
            "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac",
        ),
        published(
            "GET",
            "/",
            &[("X-Amz-Security-Token", token)],
            "host;x-amz-date;x-amz-security-token",
            "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8",
        ),
        published(
            "GET",
            "/",
            &[("My-Header1", " value1"), ("My-Header2", " \"a   b   c\"")],
            "host;my-header1;my-header2;x-amz-date",
            "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
        ),
    ];
    for request in &vectors {
        assert_eq!(check(request, SECRET, published_time()), Ok(()), "{request:?}");
        assert_eq!(check(request, "other", published_time()), Err(ApiError::signature_mismatch()));
    }
}

#[test]
fn accepts_the_published_presigned_url() {
    let url = "/?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20150830%2Fus-east-1%2Fservice\
               %2Faws4_request&X-Amz-Date=20150830T123600Z&X-Amz-SignedHeaders=host&X-Amz-Expires=3600\
               &X-Amz-Signature=e93c787ed7f371d5c6b165c1b38ede9550f4dce4144713e844b25b7192d3865d";
    let request = Request::get(url).header("Host", "example.amazonaws.com").body(Vec::new()).unwrap();
    let after = |minutes| check(&request, SECRET, published_time() + SignedDuration::from_mins(minutes));
    assert_eq!(after(0), Ok(()));
    assert_eq!(after(60), Ok(()));
    assert_eq!(
        after(61).unwrap_err().message,
        "Signature expired: 20150830T123600Z is now earlier than 20150830T123700Z (20150830T133700Z - 60 min.)"
    );
    let with_target = {
        let (mut parts, body) = request.clone().into_parts();
        parts.headers.insert("x-amz-target", HeaderValue::from_static("secretsmanager.DeleteSecret"));
        Request::from_parts(parts, body)
    };
    assert!(check(&with_target, SECRET, published_time()).unwrap_err().message.ends_with("x-amz-target"));
}

#[test]
fn signs_as_published() {
    let mut headers = http::HeaderMap::new();
    let secret = SecretValue::from(SECRET.to_owned());
    let signer = Signer {
        access_key_id: "AKIDEXAMPLE",
        secret_access_key: &secret,
        session_token: None,
        region: "us-east-1",
        service: "service",
    };
    let uri = "http://example.amazonaws.com/".parse().unwrap();
    sign(&signer, &http::Method::GET, &uri, &mut headers, b"", published_time()).unwrap();
    assert_eq!(
        headers["authorization"],
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
         SignedHeaders=host;x-amz-date, Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
    );
    assert!(!format!("{headers:?}").contains("5fa00fa3"), "the header is marked as sensitive");
}

#[test]
fn the_window_is_fifteen_minutes() {
    let request = published(
        "GET",
        "/",
        &[],
        "host;x-amz-date",
        "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
    );
    let after = |seconds| check(&request, SECRET, published_time() + SignedDuration::from_secs(seconds));
    assert_eq!((after(900), after(-900)), (Ok(()), Ok(())));
    let expired = after(901).unwrap_err();
    assert_eq!(expired.code, "InvalidSignatureException");
    assert_eq!(
        expired.message,
        "Signature expired: 20150830T123600Z is now earlier than 20150830T123601Z (20150830T125101Z - 15 min.)"
    );
    assert_eq!(
        after(-901).unwrap_err().message,
        "Signature not yet current: 20150830T123600Z is still later than 20150830T123559Z (20150830T122059Z + 15 \
         min.)"
    );
}

/// The published request with one header replaced, or removed.
fn with(name: &'static str, value: Option<&str>) -> String {
    let mut request = published(
        "GET",
        "/",
        &[],
        "host;x-amz-date",
        "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
    );
    match value {
        Some(value) => request.headers_mut().insert(name, HeaderValue::from_str(value).unwrap()),
        None => request.headers_mut().remove(name),
    };
    check(&request, SECRET, published_time()).unwrap_err().to_string()
}

#[test]
fn says_what_is_missing_or_malformed() {
    let authorization = |text: &str| with("authorization", Some(text));
    assert_eq!(
        with("authorization", None),
        "MissingAuthenticationTokenException: Missing Authentication Token"
    );
    let missing = "IncompleteSignatureException: Authorization header requires 'Credential' parameter. \
                   Authorization header requires 'Signature' parameter. Authorization header requires \
                   'SignedHeaders' parameter.";
    assert_eq!(authorization("AWS4-HMAC-SHA256"), missing);
    assert_eq!(
        with("x-amz-date", Some("yesterday")),
        "IncompleteSignatureException: Authorization header requires existence of either a 'X-Amz-Date' or a \
         'Date' header."
    );
    for foreign in ["Bearer hunter2", "hunter2", "AWS hunter2:sig", "AWS4-ECDSA-P256-SHA256 hunter2"] {
        let text = authorization(foreign);
        assert!(text.starts_with("IncompleteSignatureException") && !text.contains("hunter2"), "{text}");
    }
    let broken = authorization("AWS4-HMAC-SHA256 hunter2");
    assert!(broken.contains("missing equal-sign") && !broken.contains("hunter2"), "{broken}");
    let scoped = |credential: &str| {
        authorization(&format!(
            "AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host;x-amz-date, Signature={}",
            "0".repeat(64)
        ))
    };
    assert!(scoped("AKID/20150830/us-east-1/aws4_request").contains("exactly 5 slash-delimited elements"));
    assert!(scoped("AKID/20150830/us-east-1/iam/aws3_request").contains("valid terminator: 'aws4_request'"));
    assert!(scoped("AKID/2015-8-3/us-east-1/iam/aws4_request").contains("YYYYMMDD"));
    assert!(scoped("AK ID/20150830/us-east-1/iam/aws4_request").starts_with("UnrecognizedClientException"));
    assert_eq!(
        scoped("AKID/20150831/us-east-1/iam/aws4_request"),
        "InvalidSignatureException: Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date \
         from HTTP: '20150831' != '20150830', from '20150830T123600Z'."
    );
}

#[test]
fn what_matters_must_be_signed() {
    let signing = |names: &str| {
        with(
            "authorization",
            Some(&format!(
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
                 SignedHeaders={names}, Signature={}",
                "0".repeat(64)
            )),
        )
    };
    assert!(signing("x-amz-date").contains("'Host' or ':authority' must be a 'SignedHeader'"));
    assert!(signing("host").ends_with("which were not signed: x-amz-date"));
    for odd in ["Host;x-amz-date", "x-amz-date;host", "host;host;x-amz-date", "", "host;;x-amz-date"] {
        assert!(signing(odd).contains("SignedHeaders must be"), "{odd}");
    }
    let unsigned = |name, value| with(name, Some(value));
    assert!(unsigned("x-amz-target", "a.b").ends_with("which were not signed: x-amz-target"));
    assert!(unsigned("content-type", "a/b").ends_with("which were not signed: content-type"));
    assert!(unsigned("x-amz-security-token", "t").ends_with("which were not signed: x-amz-security-token"));
    assert_eq!(signing("host;not-there;x-amz-date"), ApiError::signature_mismatch().to_string());
}

#[test]
fn scopes_are_compared_in_awss_words() {
    let scope = Scope::new(published_time(), "us-east-1", "ssm");
    assert_eq!(scope.require("us-east-1", "ssm"), Ok(()));
    assert_eq!(
        scope.require("eu-west-1", "secretsmanager").unwrap_err().message,
        "Credential should be scoped to a valid region, not 'us-east-1'. Credential should be scoped to correct \
         service: 'secretsmanager'. "
    );
}

/// A `Date` header serves where there is no `X-Amz-Date`.
#[test]
fn takes_the_date_header_in_either_format() {
    for date in ["20150830T123600Z", "Sun, 30 Aug 2015 12:36:00 GMT"] {
        let mut request = published("GET", "/", &[("Date", date)], "host", "");
        request.headers_mut().remove("x-amz-date");
        let scope = Scope::new(published_time(), "us-east-1", "service");
        let key = SigningKey::derive(&SecretValue::from(SECRET.to_owned()), &scope);
        let canonical = canonical::Request {
            method: "GET",
            path: "/",
            query: "",
            host: b"example.amazonaws.com",
            headers: request.headers(),
        };
        let canonical = canonical.canonical("host", false).unwrap();
        let empty = canonical::HexHash::of(b"");
        assert_eq!(empty.as_str(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        let text = canonical::string_to_sign(&canonical, &empty, "20150830T123600Z", &scope);
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/{scope},SignedHeaders=host,Signature={}",
            hex::encode(key.signature(&text).as_slice())
        );
        request.headers_mut().insert("authorization", HeaderValue::from_str(&authorization).unwrap());
        assert_eq!(check(&request, SECRET, published_time()), Ok(()), "{date}");
    }
}

/// The host of an HTTP/2 request stands in its `:authority`.
#[test]
fn takes_the_host_from_the_authority() {
    let mut request = published(
        "GET",
        "http://example.amazonaws.com/",
        &[],
        "host;x-amz-date",
        "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
    );
    request.headers_mut().remove("host");
    assert_eq!(check(&request, SECRET, published_time()), Ok(()));
}

proptest! {
    #[test]
    fn any_authorization_is_answered(text in "[ -~]{0,200}", query in "[!-~&&[^#<>\"\\\\^`{|}]]{0,100}") {
        let request = Request::get(format!("/?X-Amz-Algorithm=AWS4-HMAC-SHA256&{query}"))
            .header("authorization", format!("AWS4-HMAC-SHA256 {text}"))
            .body(Vec::new());
        if let Ok(mut request) = request {
            prop_assert!(check(&request, SECRET, published_time()).is_err());
            request.headers_mut().remove("authorization");
            prop_assert!(check(&request, SECRET, published_time()).is_err());
        }
    }
}
