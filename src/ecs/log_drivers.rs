//! The log drivers of ECS on a Linux host, what each needs and what it takes.
//!
//! Options that come from `secretOptions` count as given. Docker would refuse an
//! unknown option too, but only when containers have started already.
//!
//! Source: <https://docs.docker.com/engine/logging/configure/> and the pages of
//! its drivers; `awslogs-stream-prefix` is ECS's own.

use super::definition::{Findings, LogConfiguration};
use super::order::FIRELENS;
use crate::diagnostic::{Diagnostic, nearest};

struct Driver {
    name: &'static str,
    required: &'static [&'static str],
    takes: &'static [&'static str],
    /// Whether it takes the options that add a container's metadata to each line.
    metadata: bool,
}

const DRIVERS: [Driver; 7] = [
    Driver {
        name: "awslogs",
        required: &["awslogs-region", "awslogs-group"],
        takes: &[
            "awslogs-region",
            "awslogs-group",
            "awslogs-stream-prefix",
            "awslogs-stream",
            "awslogs-create-group",
            "awslogs-create-stream",
            "awslogs-datetime-format",
            "awslogs-multiline-pattern",
            "awslogs-endpoint",
            "awslogs-credentials-endpoint",
            "awslogs-force-flush-interval-seconds",
            "awslogs-max-buffered-events",
            "awslogs-format",
            "tag",
        ],
        metadata: false,
    },
    Driver {
        name: "fluentd",
        required: &[],
        takes: &[
            "fluentd-address",
            "fluentd-async",
            "fluentd-async-connect",
            "fluentd-async-reconnect-interval",
            "fluentd-buffer-limit",
            "fluentd-max-retries",
            "fluentd-request-ack",
            "fluentd-retry-wait",
            "fluentd-sub-second-precision",
            "fluentd-write-timeout",
            "fluentd-read-timeout",
        ],
        metadata: true,
    },
    Driver {
        name: "gelf",
        required: &["gelf-address"],
        takes: &[
            "gelf-address",
            "gelf-compression-type",
            "gelf-compression-level",
            "gelf-tcp-max-reconnect",
            "gelf-tcp-reconnect-delay",
        ],
        metadata: true,
    },
    Driver { name: "journald", required: &[], takes: &[], metadata: true },
    Driver { name: "json-file", required: &[], takes: &["max-size", "max-file", "compress"], metadata: true },
    Driver {
        name: "splunk",
        required: &["splunk-token", "splunk-url"],
        takes: &[
            "splunk-token",
            "splunk-url",
            "splunk-source",
            "splunk-sourcetype",
            "splunk-index",
            "splunk-capath",
            "splunk-caname",
            "splunk-insecureskipverify",
            "splunk-format",
            "splunk-verify-connection",
            "splunk-gzip",
            "splunk-gzip-level",
            "splunk-index-acknowledgment",
        ],
        metadata: true,
    },
    Driver {
        name: "syslog",
        required: &[],
        takes: &[
            "syslog-address",
            "syslog-facility",
            "syslog-tls-ca-cert",
            "syslog-tls-cert",
            "syslog-tls-key",
            "syslog-tls-skip-verify",
            "syslog-format",
        ],
        metadata: true,
    },
];

const METADATA: [&str; 5] = ["tag", "labels", "labels-regex", "env", "env-regex"];

/// What Docker itself takes beside any driver.
const ANY_DRIVER: [&str; 6] =
    ["mode", "max-buffer-size", "cache-disabled", "cache-max-size", "cache-max-file", "cache-compress"];

/// Checks a container's logging.
pub(super) fn check(container: &str, log: &LogConfiguration, findings: &Findings) {
    let name = log.driver.value.as_str();
    let place = || log.driver.span.clone();
    // Its options are those of the router's output, and `registration` checks them.
    if name == FIRELENS {
        return;
    }
    let Some(driver) = DRIVERS.iter().find(|d| d.name == name) else {
        let message = format!("container `{container}`: `{name}` is not a log driver of ECS");
        let names: Vec<&str> = DRIVERS.iter().map(|d| d.name).collect();
        let help = match nearest(name, names.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("one of {}", names.join(", ")),
        };
        findings.push(Diagnostic::error("ECS0009", message).at(place(), "").help(help));
        return;
    };
    check_options(driver, log, findings);
    warn_about_overwritten(container, log, findings);
}

fn check_options(driver: &Driver, log: &LogConfiguration, findings: &Findings) {
    let name = driver.name;
    let plain = log.options.iter().map(|(option, _)| (option.value.as_str(), &option.span));
    let secret = log.secret_options.iter().map(|b| (b.name.as_str(), &b.name_span));
    let given: Vec<_> = plain.chain(secret).collect();
    let missing: Vec<&str> =
        driver.required.iter().filter(|r| !given.iter().any(|(option, _)| option == *r)).copied().collect();
    if !missing.is_empty() {
        let message = format!("Log driver {name} requires options: {}", missing.join(", "));
        findings.push(Diagnostic::error("ECS0115", message).at(log.driver.span.clone(), ""));
    }
    let metadata = if driver.metadata { METADATA.as_slice() } else { &[] };
    let taken = || driver.takes.iter().chain(metadata).chain(&ANY_DRIVER).copied();
    for (option, span) in given {
        if !taken().any(|t| t == option) {
            let message = format!("Log driver {name} disallows options: {option}");
            let mut error = Diagnostic::error("ECS0116", message).at(span.clone(), "");
            error.help = nearest(option, taken()).map(|near| format!("did you mean `{near}`?"));
            findings.push(error);
        }
    }
    for (option, value) in &log.options {
        if option.value == "awslogs-create-group" && value != "true" {
            let message = "Log driver awslogs option 'awslogs-create-group' should only be set to 'true', \
                           else omit option.";
            findings.push(Diagnostic::error("ECS0116", message).at(option.span.clone(), ""));
        }
    }
}

fn warn_about_overwritten(container: &str, log: &LogConfiguration, findings: &Findings) {
    for (index, secret) in log.secret_options.iter().enumerate() {
        let plain = log.options.iter().find(|(option, _)| option.value == secret.name);
        let earlier = log.secret_options.iter().take(index).find(|other| other.name == secret.name);
        let overwritten = plain.map(|(o, _)| &o.span).or(earlier.map(|b| &b.name_span));
        if let Some(span) = overwritten {
            let message = format!("container `{container}`: the log option `{}` is given twice", secret.name);
            let warning = Diagnostic::warning("ECS0110", message)
                .at(secret.name_span.clone(), "this one counts, unless it is empty")
                .with(span.clone(), "overwritten");
            findings.push(warning);
        }
    }
}
