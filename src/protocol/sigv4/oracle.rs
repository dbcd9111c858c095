//! The AWS SDK's signer as an oracle: what it signs is accepted, and what differs
//! from that in anything is refused.

use super::tests::check;
use super::{Signer, sign};
use crate::secret::SecretValue;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings};
use http::{HeaderValue, Request};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use std::time::{Duration, SystemTime};

/// What the AWS SDK is asked to sign.
#[derive(Clone, Debug)]
struct Sample {
    method: &'static str,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    token: Option<String>,
    secret: String,
    seconds: i64,
    presigned: bool,
}

fn sample() -> impl Strategy<Value = Sample> {
    // The SDK reads `+` in a query as a space; AWS does not. So there is none here.
    let segment = "([a-zA-Z0-9._~@:$!*'()=,;-]|%[2-7][0-9A-F]){0,6}";
    let path = proptest::collection::vec(segment, 0..4).prop_map(|s| format!("/{}", s.join("/")));
    let pair =
        "([a-zA-Z0-9._~@:/?$!*'(),;-]|%[2-7][0-9A-F]){1,6}(=([a-zA-Z0-9._~@:/?-]|%[2-7][0-9A-F]){0,6})?";
    let query = proptest::collection::vec(pair, 0..4).prop_map(|p| p.join("&"));
    let target = (path, query).prop_map(|(p, q)| if q.is_empty() { p } else { format!("{p}?{q}") });
    let header = ("(x-amz-|my-|a)[a-z]{1,6}", "[ -~]{0,20}");
    let headers = proptest::collection::vec(header, 0..5);
    (
        prop_oneof![Just("POST"), Just("GET"), Just("PUT")],
        target,
        headers,
        proptest::collection::vec(any::<u8>(), 0..80),
        proptest::option::of("[a-zA-Z0-9/+=]{16,80}"),
        "[a-zA-Z0-9/+]{40}",
        0_i64..4_000_000_000,
        proptest::bool::weighted(0.2),
    )
        .prop_map(|(method, target, headers, body, token, secret, seconds, presigned)| Sample {
            method,
            target,
            headers,
            body,
            token,
            secret,
            seconds,
            presigned,
        })
}

impl Sample {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.seconds).unwrap()
    }

    /// The request, signed by the AWS SDK.
    fn signed(&self) -> Request<Vec<u8>> {
        let mut headers = vec![
            ("host".to_owned(), "broker.example:8443".to_owned()),
            ("x-amz-target".to_owned(), "secretsmanager.GetSecretValue".to_owned()),
            ("content-type".to_owned(), "application/x-amz-json-1.1".to_owned()),
        ];
        headers.extend(self.headers.iter().cloned());
        let token = self.token.clone();
        let identity =
            aws_credential_types::Credentials::new("AKIDEXAMPLE", &self.secret, token, None, "test").into();
        let mut settings = SigningSettings::default();
        if self.presigned {
            settings.signature_location = SignatureLocation::QueryParams;
            settings.expires_in = Some(Duration::from_secs(600));
        }
        let params = aws_sigv4::sign::v4::SigningParams::builder()
            .identity(&identity)
            .region("us-east-1")
            .name("secretsmanager")
            .time(SystemTime::UNIX_EPOCH + Duration::from_secs(self.seconds.unsigned_abs()))
            .settings(settings)
            .build()
            .unwrap()
            .into();
        let url = format!("https://broker.example:8443{}", self.target);
        let signable = SignableRequest::new(
            self.method,
            &url,
            headers.iter().map(|(n, v)| (n.as_str(), v.as_str())),
            SignableBody::Bytes(&self.body),
        )
        .unwrap();
        let (instructions, _) = aws_sigv4::http_request::sign(signable, &params).unwrap().into_parts();
        let mut request = Request::builder().method(self.method).uri(&url);
        for (name, value) in &headers {
            request = request.header(name, value);
        }
        let mut request = request.body(self.body.clone()).unwrap();
        instructions.apply_to_request_http1x(&mut request);
        // As it arrives over HTTP/1.1: without the authority.
        *request.uri_mut() = request.uri().path_and_query().unwrap().as_str().parse().unwrap();
        request
    }
}

/// Changes something; `pick` says what. `None` if the request has no such thing.
fn tamper(request: &Request<Vec<u8>>, pick: usize) -> Option<Request<Vec<u8>>> {
    let mut request = request.clone();
    let uri = request.uri().to_string();
    match pick {
        0 => request.body_mut().push(b' '),
        1 => *request.body_mut().first_mut()? ^= 1,
        2 => *request.method_mut() = http::Method::DELETE,
        3 => *request.uri_mut() = format!("/x/x/x/x/x{uri}").parse().unwrap(),
        4 => {
            let more = if uri.contains('?') { "&zz=1" } else { "?zz=1" };
            *request.uri_mut() = format!("{uri}{more}").parse().unwrap();
        }
        5 => {
            let target = HeaderValue::from_static("secretsmanager.DeleteSecret");
            request.headers_mut().insert("x-amz-target", target);
        }
        6 => {
            request.headers_mut().insert("host", HeaderValue::from_static("other.example"));
        }
        7 => {
            request.headers_mut().append("x-amz-extra", HeaderValue::from_static("1"));
        }
        8 => {
            request.headers_mut().remove("x-amz-target");
        }
        9 => {
            let token = HeaderValue::from_static("another");
            request.headers_mut().get("x-amz-security-token")?;
            request.headers_mut().insert("x-amz-security-token", token);
        }
        10..20 => {
            let from = ["Signature=", "us-east-1", "secretsmanager/", "SignedHeaders=", "aws4_request"];
            let to = ["Signature=0", "us-west-1", "ssm/", "SignedHeaders=a;", "aws5_request"];
            let (from, to) = (from.get(pick - 10)?, to.get(pick - 10)?);
            let text = request.headers().get("authorization")?.to_str().ok()?.replacen(from, to, 1);
            request.headers_mut().insert("authorization", HeaderValue::from_str(&text).unwrap());
        }
        20 => {
            let text = request.headers().get("authorization")?.to_str().ok()?.to_owned();
            let (rest, last) = text.split_at(text.len() - 1);
            let last = if last == "0" { "1" } else { "0" };
            request
                .headers_mut()
                .insert("authorization", HeaderValue::from_str(&format!("{rest}{last}")).unwrap());
        }
        21 => {
            request.headers_mut().get("x-amz-date")?;
            request.headers_mut().insert("x-amz-date", HeaderValue::from_static("20150830T123601Z"));
        }
        22 => {
            let longer = uri.replacen("X-Amz-Expires=600", "X-Amz-Expires=900", 1);
            *request.uri_mut() = (longer != uri).then_some(longer)?.parse().unwrap();
        }
        _ => {
            request.headers_mut().append("content-type", HeaderValue::from_static("text/plain"));
        }
    }
    Some(request)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn accepts_what_the_aws_sdk_signs_and_nothing_near_it(sample in sample(), skew in -899_i64..600) {
        let request = sample.signed();
        let now = sample.now() + SignedDuration::from_secs(skew);
        prop_assert_eq!(check(&request, &sample.secret, now), Ok(()));
        let far = sample.now() + SignedDuration::from_secs(901);
        prop_assert!(check(&request, &sample.secret, far).is_err());
        prop_assert!(check(&request, "another", now).is_err());
        for pick in 0..24 {
            if let Some(tampered) = tamper(&request, pick) {
                let outcome = check(&tampered, &sample.secret, now);
                prop_assert!(outcome.is_err(), "{}: {:?}", pick, tampered);
            }
        }
    }

    #[test]
    fn accepts_what_it_signs(sample in sample()) {
        let secret = SecretValue::from(sample.secret.clone());
        let token = sample.token.clone().map(SecretValue::from);
        let signer = Signer {
            access_key_id: "AKIDEXAMPLE",
            secret_access_key: &secret,
            session_token: token.as_ref(),
            region: "us-east-1",
            service: "sealdock",
        };
        let mut request = Request::builder().method(sample.method).uri(&sample.target).header("host", "localhost");
        for (name, value) in &sample.headers {
            request = request.header(name, value);
        }
        let mut request = request.body(sample.body.clone()).unwrap();
        let (method, uri) = (request.method().clone(), request.uri().clone());
        sign(&signer, &method, &uri, request.headers_mut(), &sample.body, sample.now()).unwrap();
        prop_assert_eq!(check(&request, &sample.secret, sample.now()), Ok(()));
    }
}
