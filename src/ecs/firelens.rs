//! FireLens: the configuration of a router, and the log driver of what it routes.
//!
//! ```text
//! container --Docker's fluentd driver--> socket --> router --> [OUTPUT] made of the container's options
//! ```
//!
//! Values of secret options are not in the configuration: it names variables of the
//! router (`${apikey_1}`, or `"#{ENV['apikey_1']}"` for Fluentd), which has them as
//! secrets of its own. The sections and their order are those of the ECS agent.
//!
//! Source: `agent/taskresource/firelens/firelensconfig_unix.go`.

use super::definition::{ConfigFile, Firelens, NetworkMode, Router};
use super::order::FIRELENS;
use super::plan::{ContainerPlan, TaskPlan, routed_name};
use std::fmt::Write;

/// Where the socket of the router is in its container.
pub const SOCKET_DIRECTORY: &str = "/var/run";
/// The port of the router in the network of the task.
pub const PORT: u16 = 24224;
/// An option of the driver, not of the output.
const BUFFER_LIMIT: &str = "log-driver-buffer-limit";

/// What each line is marked with.
#[derive(Clone, Copy, Debug)]
pub struct Metadata<'a> {
    /// Name of the cluster.
    pub cluster: &'a str,
    /// ARN of the task.
    pub task_arn: &'a str,
    /// `family:revision`
    pub task_definition: &'a str,
}

/// The router of a task.
pub fn router(plan: &TaskPlan) -> Option<(&ContainerPlan, &Firelens)> {
    plan.containers.iter().find_map(|c| Some((c, c.firelens.as_ref()?)))
}

/// Whether a container's output goes to the router.
pub fn is_routed(container: &ContainerPlan) -> bool {
    container.log.as_ref().is_some_and(|log| log.driver == FIRELENS)
}

/// Where a router looks for its configuration, and for what is included into it.
pub fn config_paths(router: Router) -> (&'static str, &'static str) {
    match router {
        Router::Fluentbit => ("/fluent-bit/etc/fluent-bit.conf", "/fluent-bit/etc/external.conf"),
        Router::Fluentd => ("/fluentd/etc/fluent.conf", "/fluentd/etc/external.conf"),
    }
}

/// Docker's log options of a routed container; the driver is `fluentd`.
pub fn log_options(container: &ContainerPlan, task_id: &str, socket: &str) -> Vec<(String, String)> {
    let mut options = vec![
        ("tag".to_owned(), format!("{}-firelens-{task_id}", container.name)),
        ("fluentd-address".to_owned(), format!("unix://{socket}")),
        ("fluentd-async".to_owned(), "true".to_owned()),
        ("fluentd-sub-second-precision".to_owned(), "true".to_owned()),
    ];
    let plain = container.log.iter().flat_map(|log| &log.options);
    let limit = plain.filter(|(name, _)| name == BUFFER_LIMIT).map(|(_, value)| value.clone()).next_back();
    options.extend(limit.map(|value| ("fluentd-buffer-limit".to_owned(), value)));
    options
}

/// Variables that tell a container where the router is.
pub fn variables(plan: &TaskPlan, container: &ContainerPlan) -> Vec<(String, String)> {
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    if container.firelens.as_ref().is_some_and(|f| f.router == Router::Fluentd) {
        return vec![pair("FLUENT_UID", "0")];
    }
    match plan.network_mode {
        NetworkMode::Awsvpc if is_routed(container) => {
            vec![pair("FLUENT_HOST", "127.0.0.1"), pair("FLUENT_PORT", &PORT.to_string())]
        }
        _ => Vec::new(),
    }
}

/// The configuration of the router.
pub fn config(plan: &TaskPlan, firelens: &Firelens, metadata: Metadata<'_>) -> String {
    let mut text = Config { router: firelens.router, text: String::new() };
    let Metadata { cluster, task_arn, task_definition } = metadata;
    let listen = match plan.network_mode {
        NetworkMode::Bridge => Some("0.0.0.0"),
        NetworkMode::Awsvpc => Some("127.0.0.1"),
        NetworkMode::Host | NetworkMode::None => None,
    };
    text.inputs(listen);
    if firelens.metadata {
        text.records(&[
            ("ecs_cluster", cluster),
            ("ecs_task_arn", task_arn),
            ("ecs_task_definition", task_definition),
        ]);
    }
    let mut routed: Vec<&ContainerPlan> = plan.containers.iter().filter(|c| is_routed(c)).collect();
    routed.sort_by_key(|c| c.position);
    for container in &routed {
        let patterns = container.log.iter().flat_map(|log| &log.options);
        for (name, pattern) in patterns.filter(|(name, _)| PATTERNS.contains(&name.as_str())) {
            text.grep(&container.name, name, pattern);
        }
    }
    match &firelens.config {
        None => {}
        Some(ConfigFile::Path(path)) => text.include(path),
        Some(ConfigFile::S3(_)) => text.include(config_paths(firelens.router).1),
    }
    for container in routed {
        text.output(container);
    }
    text.text
}

const PATTERNS: [&str; 2] = ["include-pattern", "exclude-pattern"];

struct Config {
    router: Router,
    text: String,
}

impl Config {
    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn section(&mut self, kind: &str, argument: &str, pairs: &[(&str, &str)]) {
        // A value with a line end would be more configuration.
        let one_line = |value: &str| value.replace(['\n', '\r'], " ");
        match self.router {
            Router::Fluentbit => {
                let _ = writeln!(self.text, "\n[{}]", kind.to_uppercase());
                for (name, value) in pairs {
                    let _ = writeln!(self.text, "    {name} {}", one_line(value));
                }
            }
            Router::Fluentd => {
                let _ = writeln!(self.text, "\n<{}>", format!("{kind} {argument}").trim_end());
                for (name, value) in pairs {
                    let _ = writeln!(self.text, "    {name} {}", one_line(value));
                }
                let _ = writeln!(self.text, "</{kind}>");
            }
        }
    }

    fn inputs(&mut self, listen: Option<&str>) {
        let port = PORT.to_string();
        let socket = format!("{SOCKET_DIRECTORY}/fluent.sock");
        match self.router {
            Router::Fluentbit => {
                self.section("input", "", &[("Name", "forward"), ("unix_path", &socket)]);
                if let Some(listen) = listen {
                    self.section("input", "", &[("Name", "forward"), ("Listen", listen), ("Port", &port)]);
                }
                let check = [
                    ("Name", "tcp"),
                    ("Tag", "firelens-healthcheck"),
                    ("Listen", "127.0.0.1"),
                    ("Port", "8877"),
                ];
                self.section("input", "", &check);
                self.section("output", "", &[("Name", "null"), ("Match", "firelens-healthcheck")]);
            }
            Router::Fluentd => {
                self.section("source", "", &[("@type", "unix"), ("path", &socket)]);
                if let Some(listen) = listen {
                    self.section("source", "", &[("@type", "forward"), ("bind", listen), ("port", &port)]);
                }
            }
        }
    }

    fn records(&mut self, records: &[(&str, &str)]) {
        match self.router {
            Router::Fluentbit => {
                let records: Vec<String> =
                    records.iter().map(|(name, value)| format!("{name} {value}")).collect();
                let mut pairs = vec![("Name", "record_modifier"), ("Match", "*")];
                pairs.extend(records.iter().map(|record| ("Record", record.as_str())));
                self.section("filter", "", &pairs);
            }
            Router::Fluentd => {
                self.line("\n<filter **>\n    @type record_transformer\n    <record>");
                for (name, value) in records {
                    self.line(&format!("        {name} {value}"));
                }
                self.line("    </record>\n</filter>");
            }
        }
    }

    fn grep(&mut self, container: &str, name: &str, pattern: &str) {
        let include = name == "include-pattern";
        match self.router {
            Router::Fluentbit => {
                let (matching, pattern) = (format!("{container}-firelens*"), format!("log {pattern}"));
                let word = if include { "Regex" } else { "Exclude" };
                self.section("filter", "", &[("Name", "grep"), ("Match", &matching), (word, &pattern)]);
            }
            Router::Fluentd => {
                let word = if include { "regexp" } else { "exclude" };
                self.line(&format!("\n<filter {container}-firelens**>\n    @type grep\n    <{word}>"));
                self.line(&format!("        key log\n        pattern {}", pattern.replace('\n', " ")));
                self.line(&format!("    </{word}>\n</filter>"));
            }
        }
    }

    fn include(&mut self, path: &str) {
        match self.router {
            Router::Fluentbit => self.line(&format!("\n@INCLUDE {path}")),
            Router::Fluentd => self.line(&format!("\n@include {path}")),
        }
    }

    fn output(&mut self, container: &ContainerPlan) {
        let Some(log) = &container.log else { return };
        let (key, _) = self.router.output_key();
        let mut pairs: Vec<(String, String)> = Vec::new();
        for (name, value) in &log.options {
            if name != BUFFER_LIMIT && !PATTERNS.contains(&name.as_str()) {
                pairs.push((name.clone(), value.clone()));
            }
        }
        // A placeholder replaces a plain option of its name.
        for name in &log.routed_options {
            let variable = routed_name(name, container.position);
            let placeholder = match self.router {
                Router::Fluentbit => format!("${{{variable}}}"),
                Router::Fluentd => format!("\"#{{ENV['{variable}']}}\""),
            };
            pairs.retain(|(existing, _)| existing != name);
            pairs.push((name.clone(), placeholder));
        }
        let Some(position) = pairs.iter().position(|(name, _)| name.eq_ignore_ascii_case(key)) else {
            return;
        };
        let (_, kind) = pairs.remove(position);
        let matching = match self.router {
            Router::Fluentbit => format!("{}-firelens*", container.name),
            Router::Fluentd => format!("{}-firelens**", container.name),
        };
        let mut all = vec![(key, kind.as_str())];
        if self.router == Router::Fluentbit {
            all.push(("Match", &matching));
        }
        all.extend(pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        self.section(if self.router == Router::Fluentbit { "output" } else { "match" }, &matching, &all);
    }
}
