//! The AWS Query protocol: a form in, XML out. STS speaks it.
//!
//! ```text
//! Action=AssumeRole&Version=2011-06-15&Tags.member.1.Key=team&Tags.member.1.Value=x
//!   -> {"Tags": [{"Key": "team", "Value": "x"}]}      decoded as every JSON body is
//! <AssumeRoleResponse><AssumeRoleResult>..</AssumeRoleResult><ResponseMetadata>..
//! <ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code>..
//! ```
//!
//! The parameters stand in the body of a POST and in the query of a GET; those that
//! carry a presigned signature (`X-Amz-*`) are not the operation's. Errors that JSON
//! services share have other names here ([`renamed`]). Who asks for JSON gets it for
//! GetCallerIdentity ([`wants_json`]), which is what verifiers of presigned requests do.
//!
//! Source: <https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html>

use super::error::{ApiError, TextKey};
use super::operation::{Operation, Service};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// The one version of the API.
const VERSION: &str = "2011-06-15";

/// Most parameters of a form: fifty tags, fifty transitive keys and ten policies fit.
const PARAMETERS: usize = 400;

/// Deepest nesting of a parameter's name: `Tags.member.1.Key`.
const DEPTH: usize = 8;

/// Whether a request speaks the Query protocol: JSON services name their operation in a header.
pub fn is_query(method: &Method, uri: &http::Uri, headers: &HeaderMap) -> bool {
    if headers.contains_key("x-amz-target") {
        return false;
    }
    let form = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).is_some_and(|media| {
        media
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .eq_ignore_ascii_case("application/x-www-form-urlencoded")
    });
    let named = uri.query().is_some_and(|query| query.split('&').any(|pair| pair.starts_with("Action=")));
    (*method == Method::POST && form) || named
}

/// Whether a client asks for JSON in place of XML.
pub fn wants_json(headers: &HeaderMap) -> bool {
    let accepted = headers.get(header::ACCEPT).and_then(|media| media.to_str().ok()).unwrap_or_default();
    let media = accepted.split(',').map(|media| media.split(';').next().unwrap_or_default().trim());
    media.into_iter().any(|media| media.eq_ignore_ascii_case("application/json"))
}

/// A form: which operation it asks for, and its parameters.
#[derive(Debug)]
pub struct Form {
    action: Option<String>,
    version: Option<String>,
    parameters: BTreeMap<String, String>,
}

impl Form {
    /// Reads the parameters of a request.
    ///
    /// # Errors
    /// `MalformedInput` if they are not a form, or one is there twice.
    pub fn parse(query: Option<&str>, body: &[u8]) -> Result<Self, ApiError> {
        let malformed = |text: &str| ApiError::serialization(text.to_owned());
        let body = std::str::from_utf8(body).map_err(|_| malformed("the form is not UTF-8"))?;
        let pairs =
            query.unwrap_or_default().split('&').chain(body.trim_end_matches(['\r', '\n']).split('&'));
        let mut form = Self { action: None, version: None, parameters: BTreeMap::new() };
        for pair in pairs.filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decoded(name).ok_or_else(|| malformed("the form is not UTF-8"))?;
            let value = decoded(value).ok_or_else(|| malformed("the form is not UTF-8"))?;
            let earlier = match name.as_str() {
                "Action" => form.action.replace(value),
                "Version" => form.version.replace(value),
                name if name.starts_with("X-Amz-") || name.starts_with("x-amz-") => None,
                _ => form.parameters.insert(name, value),
            };
            if earlier.is_some() {
                return Err(malformed("a parameter is there twice"));
            }
        }
        if form.parameters.len() > PARAMETERS {
            return Err(malformed("the form has too many parameters"));
        }
        Ok(form)
    }

    /// The operation that the form asks for.
    ///
    /// # Errors
    /// `MissingAction` and `InvalidAction`, in AWS's words.
    pub fn operation(&self) -> Result<Operation, ApiError> {
        let Some(action) = self.action.as_deref().filter(|action| !action.is_empty()) else {
            return Err(ApiError::new(400, "MissingAction", TextKey::Upper, "Missing Action"));
        };
        let shown: String = action.chars().take(128).collect();
        let version = self.version.as_deref().unwrap_or("NO_VERSION_SPECIFIED");
        let invalid = |text: String| ApiError::new(400, "InvalidAction", TextKey::Upper, text);
        if version != VERSION {
            let version: String = version.chars().take(32).collect();
            return Err(invalid(format!("Could not find operation {shown} for version {version}")));
        }
        let known = |row: &super::operation::Coverage| row.service == Service::Sts && row.name == action;
        Operation::find(Service::Sts, action).ok_or_else(|| {
            invalid(if Operation::coverage().any(|row| known(&row)) {
                format!("Sealdock does not implement sts:{shown}")
            } else {
                format!("Could not find operation {shown} for version {VERSION}")
            })
        })
    }

    /// The parameters as the JSON body that a JSON service would get. `integers` are the
    /// top-level members that are numbers, `lists` those that are lists.
    ///
    /// # Errors
    /// `MalformedInput` for names that contradict each other.
    pub fn json(&self, integers: &[&str], lists: &[&str]) -> Result<Zeroizing<Vec<u8>>, ApiError> {
        let mut root = Map::new();
        for (name, value) in &self.parameters {
            if lists.contains(&name.as_str()) && value.is_empty() {
                // An empty list is written as an empty parameter.
                root.entry(name.clone()).or_insert_with(|| Value::Array(Vec::new()));
                continue;
            }
            let leaf = match value.parse::<i64>() {
                Ok(number) if integers.contains(&name.as_str()) => Value::from(number),
                _ => Value::String(value.clone()),
            };
            let path: Vec<&str> = name.split('.').collect();
            if path.len() > DEPTH || !insert(&mut root, &path, leaf) {
                let shown: String = name.chars().take(64).collect();
                return Err(ApiError::serialization(format!(
                    "the parameter `{shown}` contradicts another one"
                )));
            }
        }
        let root = Value::Object(root.into_iter().map(|(name, value)| (name, listed(value))).collect());
        Ok(Zeroizing::new(serde_json::to_vec(&root).unwrap_or_default()))
    }
}

fn decoded(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    Some(percent_decode_str(&spaced).decode_utf8().ok()?.into_owned())
}

/// Puts a value at `a.b.c`; `false` if something else is there.
fn insert(object: &mut Map<String, Value>, path: &[&str], leaf: Value) -> bool {
    match path {
        [] => false,
        [name] => object.insert((*name).to_owned(), leaf).is_none(),
        [name, rest @ ..] => match object.entry(*name).or_insert_with(|| Value::Object(Map::new())) {
            Value::Object(inner) => insert(inner, rest, leaf),
            _ => false,
        },
    }
}

/// Turns `{"member": {"1": .., "2": ..}}` into a list, in the order of the numbers.
fn listed(value: Value) -> Value {
    let Value::Object(mut object) = value else { return value };
    if object.len() == 1
        && let Some(Value::Object(members)) = object.get("member")
        && let Some(numbers) = members.keys().map(|key| key.parse::<u32>().ok()).collect::<Option<Vec<_>>>()
    {
        let members = members.clone();
        let mut numbered: Vec<_> =
            numbers.into_iter().zip(members.into_iter().map(|(_, value)| value)).collect();
        numbered.sort_by_key(|(number, _)| *number);
        return Value::Array(numbered.into_iter().map(|(_, value)| listed(value)).collect());
    }
    for (_, value) in object.iter_mut() {
        *value = listed(value.take());
    }
    Value::Object(object)
}

/// An error of the JSON services under the name and status that Query services give it.
#[must_use]
pub fn renamed(mut error: ApiError) -> ApiError {
    (error.status, error.code) = match error.code {
        "AccessDeniedException" => (403, "AccessDenied"),
        "ValidationException" => (400, "ValidationError"),
        "SerializationException" => (400, "MalformedInput"),
        "UnrecognizedClientException" => (403, "InvalidClientTokenId"),
        "ExpiredTokenException" => (403, "ExpiredToken"),
        "InvalidSignatureException" => (403, "SignatureDoesNotMatch"),
        "IncompleteSignatureException" => (403, "IncompleteSignature"),
        "MissingAuthenticationTokenException" => (403, "MissingAuthenticationToken"),
        "UnknownOperationException" => (400, "InvalidAction"),
        "ThrottlingException" => (400, "Throttling"),
        "ServiceUnavailableException" => (503, "ServiceUnavailable"),
        _ => return error,
    };
    error
}

/// An element with text, escaped.
pub fn element(out: &mut Zeroizing<String>, name: &str, text: &str) {
    open(out, name);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' => out.push(c),
            // What XML 1.0 cannot hold at all.
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    close(out, name);
}

/// An element with elements in it.
pub fn nested(out: &mut Zeroizing<String>, name: &str, inner: impl FnOnce(&mut Zeroizing<String>)) {
    open(out, name);
    inner(out);
    close(out, name);
}

fn open(out: &mut Zeroizing<String>, name: &str) {
    out.push('<');
    out.push_str(name);
    out.push('>');
}

fn close(out: &mut Zeroizing<String>, name: &str) {
    out.push_str("</");
    out.push_str(name);
    out.push('>');
}

const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// Large enough for every answer, so that the buffer, which may hold a secret key, never moves.
const ANSWER: usize = 64 * 1024;

/// The document of a success; `result` writes the members.
pub fn document(
    operation: &str,
    request_id: &str,
    result: impl FnOnce(&mut Zeroizing<String>),
) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(String::with_capacity(ANSWER));
    out.push_str(&format!("<{operation}Response xmlns=\"{NAMESPACE}\">\n"));
    nested(&mut out, &format!("{operation}Result"), result);
    nested(&mut out, "ResponseMetadata", |out| element(out, "RequestId", request_id));
    out.push_str(&format!("</{operation}Response>\n"));
    Zeroizing::new(std::mem::take(&mut *out).into_bytes())
}

/// The answer of a success.
pub fn success(document: Zeroizing<Vec<u8>>, request_id: &str) -> Response<Bytes> {
    answer(StatusCode::OK, Bytes::from_owner(document), request_id)
}

/// The answer of a success, as JSON.
pub fn success_json(document: Zeroizing<Vec<u8>>, request_id: &str) -> Response<Bytes> {
    let mut response = success(document, request_id);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// The answer of a failure.
pub fn failure(error: &ApiError, request_id: &str) -> Response<Bytes> {
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut out = Zeroizing::new(String::new());
    out.push_str(&format!("<ErrorResponse xmlns=\"{NAMESPACE}\">\n"));
    nested(&mut out, "Error", |out| {
        element(out, "Type", if error.is_fault() { "Receiver" } else { "Sender" });
        element(out, "Code", error.code);
        element(out, "Message", &error.message);
    });
    element(&mut out, "RequestId", request_id);
    out.push_str("</ErrorResponse>\n");
    answer(status, Bytes::from(std::mem::take(&mut *out)), request_id)
}

fn answer(status: StatusCode, body: Bytes, request_id: &str) -> Response<Bytes> {
    let mut response = super::answer::plain(status, body, request_id);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/xml"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(form: &str) -> Result<String, ApiError> {
        let json = Form::parse(None, form.as_bytes())?.json(&["DurationSeconds"], &["Tags"])?;
        Ok(String::from_utf8(json.to_vec()).unwrap())
    }

    #[test]
    fn forms_become_bodies() {
        let text = "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws&DurationSeconds=900&Tags.member.2.Key=b\
                    &Tags.member.1.Key=a+b&Tags.member.1.Value=&TransitiveTagKeys.member.10=j&TransitiveTagKeys.member.9=i";
        assert_eq!(
            json(text).unwrap(),
            r#"{"DurationSeconds":900,"RoleArn":"arn:aws","Tags":[{"Key":"a b","Value":""},{"Key":"b"}],"TransitiveTagKeys":["i","j"]}"#
        );
        assert_eq!(json("Tags=&DurationSeconds=x").unwrap(), r#"{"DurationSeconds":"x","Tags":[]}"#);
    }

    #[test]
    fn contradictions_are_refused() {
        for bad in ["A=1&A=2", "A=1&A.b=2", "Action=x&Action=y", "A=%ff", "a.b.c.d.e.f.g.h.i=1"] {
            assert_eq!(json(bad).unwrap_err().code, "SerializationException", "{bad}");
        }
        let many: String = (0..=PARAMETERS).map(|i| format!("p{i}=1&")).collect();
        assert!(json(&many).is_err());
    }

    #[test]
    fn operations_are_told_apart() {
        let asked = |form: &str| Form::parse(Some(form), b"").unwrap().operation();
        assert_eq!(
            asked("Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Date=1").unwrap(),
            Operation::GetCallerIdentity
        );
        assert_eq!(asked("Version=2011-06-15").unwrap_err().code, "MissingAction");
        for (form, text) in [
            ("Action=Fly&Version=2011-06-15", "Could not find operation Fly for version 2011-06-15"),
            (
                "Action=GetCallerIdentity",
                "Could not find operation GetCallerIdentity for version NO_VERSION_SPECIFIED",
            ),
            ("Action=AssumeRoot&Version=2011-06-15", "Sealdock does not implement sts:AssumeRoot"),
        ] {
            let error = asked(form).unwrap_err();
            assert_eq!((error.code, error.message.as_str()), ("InvalidAction", text));
        }
    }

    #[test]
    fn errors_are_xml_under_their_query_names() {
        let error = renamed(ApiError::access_denied_text("a < b & \"c\"\u{1}"));
        let response = failure(&error, "5b1c");
        assert_eq!(
            (response.status().as_u16(), &response.headers()["content-type"]),
            (403, &HeaderValue::from_static("text/xml"))
        );
        assert_eq!(
            std::str::from_utf8(response.body()).unwrap(),
            "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n<Error><Type>Sender</Type>\
             <Code>AccessDenied</Code><Message>a &lt; b &amp; &quot;c&quot;\u{fffd}</Message></Error>\
             <RequestId>5b1c</RequestId></ErrorResponse>\n"
        );
    }

    #[test]
    fn a_form_is_told_from_json() {
        let uri: http::Uri = "/".parse().unwrap();
        let mut headers = HeaderMap::new();
        assert!(!is_query(&Method::POST, &uri, &headers));
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/x-www-form-urlencoded; charset=utf-8"),
        );
        assert!(is_query(&Method::POST, &uri, &headers));
        headers.insert("x-amz-target", HeaderValue::from_static("secretsmanager.GetSecretValue"));
        assert!(!is_query(&Method::POST, &uri, &headers));
        assert!(is_query(&Method::GET, &"/?Action=GetCallerIdentity".parse().unwrap(), &HeaderMap::new()));
    }
}
