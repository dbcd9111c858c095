//! [`Wanted`]: what a request asks for, of its path and query.

use super::{Refusal, Shape};
use crate::protocol::sealdock::CachedService;
use http::{StatusCode, Uri};
use percent_encoding::percent_decode_str;

/// One read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) read: Read,
    /// Whether a kept value will not do.
    pub(super) refresh: bool,
    /// How the answer is arranged.
    pub(super) shape: Shape,
}

/// What is read; by this, values are kept.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Read {
    pub(super) service: CachedService,
    /// SecretId, or Name with its selector.
    pub(super) name: String,
    pub(super) version_id: Option<String>,
    pub(super) version_stage: Option<String>,
    pub(super) with_decryption: bool,
}

impl Wanted {
    /// `shape` is that of `/secretsmanager/get`, which both of AWS's agents serve.
    pub(super) fn parse(uri: &Uri, path_prefix: &str, shape: Shape) -> Result<Self, Refusal> {
        let query = uri.query().unwrap_or_default();
        match uri.path() {
            "/secretsmanager/get" | "/secretsmanager/get/" => secret(None, query, shape),
            "/systemsmanager/parameters/get" | "/systemsmanager/parameters/get/" => parameter(query),
            path => match path.strip_prefix(path_prefix) {
                Some("") => Err(bad("missing secret ID")),
                Some(id) => {
                    let id = percent_decode_str(id).decode_utf8_lossy().into_owned();
                    secret(Some(id), query, Shape::Agent)
                }
                None => Err((StatusCode::NOT_FOUND, "Not found".to_owned())),
            },
        }
    }
}

fn secret(by_path: Option<String>, query: &str, shape: Shape) -> Result<Wanted, Refusal> {
    let named = by_path.is_some();
    let mut read = Read {
        service: CachedService::SecretsManager,
        name: by_path.unwrap_or_default(),
        version_id: None,
        version_stage: None,
        with_decryption: true,
    };
    let mut refresh = false;
    for (name, value) in pairs(query) {
        match name.as_str() {
            "secretId" if !named => read.name = value,
            "versionId" => read.version_id = Some(value),
            "versionStage" => read.version_stage = Some(value),
            "refreshNow" => refresh = truth("refreshNow", &value)?,
            other => return Err(unknown(other)),
        }
    }
    if read.name.is_empty() {
        return Err(bad("missing parameter secretId"));
    }
    Ok(Wanted { read, refresh, shape })
}

fn parameter(query: &str) -> Result<Wanted, Refusal> {
    let (mut name, mut selector, mut with_decryption, mut refresh) = (String::new(), None, false, false);
    for (key, value) in pairs(query) {
        match key.as_str() {
            "name" if !name.is_empty() => return Err(bad("name is there twice")),
            "name" => name = value,
            "version" | "label" if selector.is_some() => {
                return Err(bad("version and label exclude each other"));
            }
            "version" if !value.bytes().all(|b| b.is_ascii_digit()) => {
                return Err(bad("invalid version value"));
            }
            "version" | "label" => selector = Some(value),
            "withDecryption" => with_decryption = truth("withDecryption", &value)?,
            "refreshNow" => refresh = truth("refreshNow", &value)?,
            other => return Err(unknown(other)),
        }
    }
    if name.is_empty() {
        return Err(bad("missing parameter name"));
    }
    let name = match selector.filter(|selector| !selector.is_empty()) {
        Some(selector) => format!("{name}:{selector}"),
        None => name,
    };
    let read =
        Read { service: CachedService::Ssm, name, version_id: None, version_stage: None, with_decryption };
    Ok(Wanted { read, refresh, shape: Shape::Extension })
}

/// `application/x-www-form-urlencoded`
fn pairs(query: &str) -> impl Iterator<Item = (String, String)> {
    let decoded = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    query.split('&').filter(|pair| !pair.is_empty()).map(move |pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(name), decoded(value))
    })
}

fn truth(name: &str, value: &str) -> Result<bool, Refusal> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(bad(&format!("invalid {name} value"))),
    }
}

fn unknown(name: &str) -> Refusal {
    let shown: String = name.chars().take(64).collect();
    bad(&format!("unknown parameter: {shown}"))
}

fn bad(text: &str) -> Refusal {
    (StatusCode::BAD_REQUEST, text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(uri: &str) -> Result<Wanted, String> {
        Wanted::parse(&uri.parse().unwrap(), "/v1/", Shape::Extension)
            .map_err(|(status, text)| format!("{status} {text}"))
    }

    fn read(service: CachedService, name: &str) -> Read {
        let with_decryption = service == CachedService::SecretsManager;
        Read { service, name: name.into(), version_id: None, version_stage: None, with_decryption }
    }

    #[test]
    fn reads_the_requests_of_both_agents() {
        let some = |text: &str| Some(text.to_owned());
        let secret = |name| read(CachedService::SecretsManager, name);
        let parameter = |name| read(CachedService::Ssm, name);
        for (uri, read, refresh) in [
            ("/secretsmanager/get?secretId=My%2FTest", secret("My/Test"), false),
            (
                "/secretsmanager/get?secretId=a&versionId=v&versionStage=S&refreshNow=TRUE",
                Read { version_id: some("v"), version_stage: some("S"), ..secret("a") },
                true,
            ),
            (
                "/v1/a/b?versionStage=S&refreshNow=0",
                Read { version_stage: some("S"), ..secret("a/b") },
                false,
            ),
            (
                "/systemsmanager/parameters/get?name=%2Fa&version=3&withDecryption=true",
                Read { with_decryption: true, ..parameter("/a:3") },
                false,
            ),
            ("/systemsmanager/parameters/get?name=a&label=prod", parameter("a:prod"), false),
            ("/systemsmanager/parameters/get/?name=a+b%2Bc&version=&refreshNow=1", parameter("a b+c"), true),
            ("/secretsmanager/get/?&secretId=a%20b&&", secret("a b"), false),
            ("/v1/a%2Fb+c", secret("a/b+c"), false),
        ] {
            let shape = if uri.starts_with("/v1/") { Shape::Agent } else { Shape::Extension };
            assert_eq!(parsed(uri), Ok(Wanted { read, refresh, shape }), "{uri}");
        }
        let as_agent =
            Wanted::parse(&"/secretsmanager/get?secretId=a".parse().unwrap(), "/v1/", Shape::Agent);
        assert_eq!(as_agent.unwrap().shape, Shape::Agent);
    }

    #[test]
    fn says_what_is_wrong() {
        for (uri, text) in [
            ("/secretsmanager/get", "missing parameter secretId"),
            ("/secretsmanager/get?secretId=a&abc=123", "unknown parameter: abc"),
            ("/secretsmanager/get?secretId=a&refreshNow=123", "invalid refreshNow value"),
            ("/secretsmanager/get?secretId=", "missing parameter secretId"),
            ("/secretsmanager/get?secretId=a&secretId=", "missing parameter secretId"),
            ("/secretsmanager/get?secretId=a&refreshNow", "invalid refreshNow value"),
            ("/v1/", "missing secret ID"),
            ("/systemsmanager/parameters/get?name=a&name=b", "name is there twice"),
            ("/v1/a?secretId=b", "unknown parameter: secretId"),
            ("/systemsmanager/parameters/get?version=1", "missing parameter name"),
            (
                "/systemsmanager/parameters/get?name=a&version=1&label=b",
                "version and label exclude each other",
            ),
            ("/systemsmanager/parameters/get?name=a&version=x", "invalid version value"),
            ("/systemsmanager/parameters/get?name=a&withDecryption=yes", "invalid withDecryption value"),
        ] {
            assert_eq!(parsed(uri), Err(format!("400 Bad Request {text}")), "{uri}");
        }
        assert_eq!(parsed("/else"), Err("404 Not Found Not found".to_owned()));
    }
}
