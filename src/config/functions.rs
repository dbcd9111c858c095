//! `[[function]]` of `sealdock.toml`: what stands for a Lambda function.
//!
//! ```toml
//! [[function]]
//! arn = "arn:aws:lambda:eu-central-1:123456789012:function:rotate-api-key"
//! url = "http://127.0.0.1:9000"
//! timeout-seconds = 30
//! log = "functions.log"                    # what it says when it fails; it may print secrets
//!
//! [[function]]
//! arn = "arn:aws:lambda:eu-central-1:123456789012:function:rotate-db"
//! command = ["/usr/local/bin/rotate-db"]
//! role = "arn:aws:iam::123456789012:role/rotate-db"
//! reads = ["arn:aws:secretsmanager:eu-central-1:123456789012:secret:db/superuser-a1B2c3"]
//! ```

use crate::arn::Arn;
use crate::broker::{Function, Grant, Target};
use crate::diagnostic::Diagnostic;
use serde::Deserialize;
use std::net::IpAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::Spanned;

/// Seconds of a step, unless the file says otherwise; the rotation templates of AWS have the same.
const TIMEOUT: u64 = 30;
/// The longest that Lambda allows.
const LONGEST: u64 = 900;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct FunctionEntry {
    arn: Spanned<String>,
    role: Option<Spanned<String>>,
    url: Option<Spanned<String>>,
    ca: Option<Spanned<PathBuf>>,
    command: Option<Spanned<Vec<String>>>,
    timeout_seconds: Option<Spanned<u64>>,
    log: Option<PathBuf>,
    #[serde(default)]
    reads: Vec<Spanned<String>>,
}

/// Turns the entries into final types; problems are added to `problems`.
pub(super) fn parse(
    data: &Path,
    entries: Vec<FunctionEntry>,
    problems: &mut Vec<Diagnostic>,
) -> Vec<Function> {
    let mut functions: Vec<Function> = Vec::new();
    for entry in entries {
        let at = entry.arn.span();
        let mut wrong = |place: Range<usize>, text: String, help: &str| {
            problems.push(Diagnostic::error("CONF0101", text).at(place, "").help(help));
        };
        let arn = entry.arn.into_inner();
        if let Err(reason) = check_function_arn(&arn) {
            wrong(at.clone(), reason, "`arn:aws:lambda:REGION:ACCOUNT:function:NAME`");
        }
        if functions.iter().any(|known| known.arn == arn) {
            wrong(at.clone(), format!("`{arn}` has an entry already"), "remove one of them");
        }
        let seconds = entry.timeout_seconds.as_ref().map_or(TIMEOUT, |s| *s.get_ref());
        if let Some(timeout) = entry.timeout_seconds.filter(|_| !(1..=LONGEST).contains(&seconds)) {
            let text = format!("a step of {seconds} seconds is out of range");
            wrong(timeout.span(), text, "1 to 900 seconds");
        }
        let ca = entry.ca.map(|path| (path.span(), data.join(path.into_inner())));
        let target = match (entry.url, entry.command) {
            (Some(url), None) => {
                if let Err(reason) = check_url(url.get_ref(), ca.is_some()) {
                    let help = "`http://127.0.0.1:PORT`, or `https://HOST:PORT` with `ca`";
                    wrong(url.span(), reason, help);
                }
                let given = entry.role.iter().map(Spanned::span).chain(entry.reads.iter().map(Spanned::span));
                for place in given {
                    let text = "`role` and `reads` are for a `command`";
                    wrong(place, text.into(), "an endpoint has credentials of its own");
                }
                let pem = ca.and_then(|(place, path)| match std::fs::read(&path) {
                    Ok(pem) => Some(pem),
                    Err(e) => {
                        let text = format!("cannot read `{}`: {e}", path.display());
                        wrong(place, text, "a file of certificates, as PEM");
                        None
                    }
                });
                Target::Http { url: url.into_inner(), ca_pem: pem }
            }
            (None, Some(command)) => {
                if command.get_ref().is_empty() {
                    wrong(command.span(), "the command is empty".into(), "the program and its arguments");
                }
                if let Some((place, _)) = ca {
                    wrong(place, "`ca` is for a `url`".into(), "remove it");
                }
                let grant = grant(entry.role, entry.reads, &at, &mut wrong);
                Target::Command { command: in_directory(data, command.into_inner()), grant }
            }
            _ => {
                wrong(at, format!("`{arn}` needs either `url` or `command`"), "give one of them");
                continue;
            }
        };
        let log = entry.log.map(|path| data.join(path));
        functions.push(Function { arn, timeout: Duration::from_secs(seconds), log, target });
    }
    functions
}

/// What the credentials of a command are good for.
fn grant(
    role: Option<Spanned<String>>,
    reads: Vec<Spanned<String>>,
    function: &Range<usize>,
    wrong: &mut impl FnMut(Range<usize>, String, &str),
) -> Grant {
    let (place, role) = role.map_or((function.clone(), None), |r| (r.span(), Some(r.into_inner())));
    if !role.as_ref().is_some_and(|role| is_of(role, "iam", "role/")) {
        let text = match &role {
            Some(role) => format!("`{role}` is not the ARN of a role"),
            None => "a `command` needs `role`".to_owned(),
        };
        wrong(place, text, "`arn:aws:iam::ACCOUNT:role/NAME`, a role that trusts `lambda.amazonaws.com`");
    }
    for secret in reads.iter().filter(|arn| !is_of(arn.get_ref(), "secretsmanager", "secret:")) {
        let text = format!("`{}` is not the ARN of a secret", secret.get_ref());
        wrong(secret.span(), text, "a whole ARN, as `DescribeSecret` shows it");
    }
    let reads = reads.into_iter().map(Spanned::into_inner).collect();
    Grant { role: role.unwrap_or_default(), reads }
}

/// Whether this is the ARN of a Lambda function.
pub(crate) fn check_function_arn(text: &str) -> Result<(), String> {
    if is_of(text, "lambda", "function:") {
        return Ok(());
    }
    Err(format!("`{text}` is not the ARN of a Lambda function"))
}

/// Whether a function may be called there: over TLS, or without leaving the host. What the
/// endpoint answers decides whether a rotation goes on.
pub(crate) fn check_url(text: &str, has_ca: bool) -> Result<(), String> {
    let url: http::Uri = text.parse().map_err(|_| format!("`{text}` is not a URL"))?;
    let host = url.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let loopback = host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback());
    match url.scheme_str() {
        _ if host.is_empty() => Err(format!("`{text}` has no host")),
        _ if url.authority().is_some_and(|a| a.as_str().contains('@')) => {
            Err("credentials do not belong in a URL".into())
        }
        Some("https") if has_ca => Ok(()),
        Some("https") => Err(format!("`{text}` needs `ca`, the certificates to trust")),
        Some("http") if loopback => Ok(()),
        Some("http") => Err(format!("`{text}` is plain HTTP and not on a loopback address")),
        _ => Err(format!("`{text}` is neither `http` nor `https`")),
    }
}

/// A program that is named by a path is looked for in the data directory.
fn in_directory(data: &Path, mut command: Vec<String>) -> Vec<String> {
    if let Some(program) = command.first_mut().filter(|program| program.contains('/')) {
        *program = data.join(program.as_str()).display().to_string();
    }
    command
}

fn is_of(text: &str, service: &str, resource: &str) -> bool {
    text.parse::<Arn>().is_ok_and(|arn| {
        arn.service == service && arn.resource.len() > resource.len() && arn.resource.starts_with(resource)
    })
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    const ARN: &str = "arn:aws:lambda:us-east-1:111122223333:function:rotate";
    const ROLE: &str = "arn:aws:iam::111122223333:role/rotate";

    fn parse(entry: &str) -> Result<Vec<Function>, String> {
        let text = format!("account = \"111122223333\"\nregion = \"us-east-1\"\n[[function]]\n{entry}");
        Config::parse(Path::new("/d"), "sealdock.toml", &text)
            .map(|config| config.functions)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_function_is_an_endpoint_or_a_command() {
        let url = parse(&format!("arn = \"{ARN}\"\nurl = \"http://127.0.0.1:9000\"")).unwrap();
        assert_eq!(url[0].target, Target::Http { url: "http://127.0.0.1:9000".into(), ca_pem: None });
        assert_eq!((url[0].timeout, url[0].name()), (Duration::from_secs(30), "rotate"));
        let command = parse(&format!(
            "arn = \"{ARN}:live\"\nrole = \"{ROLE}\"\ncommand = [\"./rotate\", \"-v\"]\ntimeout-seconds = 5"
        ));
        let function = &command.unwrap()[0];
        let command = vec!["/d/./rotate".into(), "-v".into()];
        let grant = Grant { role: ROLE.into(), reads: Vec::new() };
        assert_eq!(function.target, Target::Command { command, grant });
        assert_eq!((function.timeout, function.name()), (Duration::from_secs(5), "rotate"));
    }

    #[test]
    fn everything_that_is_wrong_is_named() {
        let text = parse(
            "arn = \"arn:aws:s3:::b\"\nrole = \"me\"\ncommand = [\"x\"]\nca = \"ca.pem\"\ntimeout-seconds = 0\nreads = [\"db\"]",
        )
        .unwrap_err();
        for part in ["a Lambda function", "a role", "`ca` is for a `url`", "0 seconds", "ARN of a secret"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let text =
            parse(&format!("arn = \"{ARN}\"\nrole = \"{ROLE}\"\nurl = \"http://10.0.0.1\"")).unwrap_err();
        for part in ["are for a `command`", "not on a loopback address"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let neither = parse(&format!("arn = \"{ARN}\"")).unwrap_err();
        assert!(neither.contains("either `url` or `command`"), "{neither}");
        let roleless = parse(&format!("arn = \"{ARN}\"\ncommand = [\"x\"]")).unwrap_err();
        assert!(roleless.contains("needs `role`"), "{roleless}");
    }

    #[test]
    fn plain_http_stays_on_the_host() {
        for good in
            ["http://127.0.0.1:1", "http://localhost:1/2015-03-31/functions/f/invocations", "http://[::1]:1"]
        {
            check_url(good, false).unwrap();
        }
        for bad in [
            "http://10.0.0.1",
            "http://localhost.example",
            "https://a",
            "ftp://localhost",
            "x",
            "http://u@localhost",
        ] {
            check_url(bad, false).unwrap_err();
        }
        check_url("https://functions.example:8443", true).unwrap();
    }
}
