//! [`ConfigText`]: the sections of a router's configuration, in its syntax.
//!
//! ```text
//! [OUTPUT]               <match app-firelens**>
//!     Name http              @type http
//!     Match app-firelens*    port 80
//!     port 80            </match>
//! ```

use super::{PORT, SOCKET_DIRECTORY, is_for_output};
use crate::ecs::definition::Router;
use crate::ecs::plan::{ContainerPlan, routed_name};
use std::fmt::Write;

/// What the health check of a Fluent Bit router sends is marked with this.
const HEALTH_TAG: &str = "firelens-healthcheck";

/// A configuration that is being written.
pub(super) struct ConfigText {
    router: Router,
    text: String,
}

impl ConfigText {
    pub(super) fn new(router: Router) -> Self {
        Self { router, text: String::new() }
    }

    pub(super) fn finish(self) -> String {
        self.text
    }

    pub(super) fn inputs(&mut self, listen: Option<&str>) {
        let port = PORT.to_string();
        let socket = format!("{SOCKET_DIRECTORY}/fluent.sock");
        match self.router {
            Router::Fluentbit => {
                self.section("input", "", &[("Name", "forward"), ("unix_path", &socket)]);
                if let Some(listen) = listen {
                    self.section("input", "", &[("Name", "forward"), ("Listen", listen), ("Port", &port)]);
                    let check =
                        [("Name", "tcp"), ("Tag", HEALTH_TAG), ("Listen", "127.0.0.1"), ("Port", "8877")];
                    self.section("input", "", &check);
                }
            }
            Router::Fluentd => {
                self.section("source", "", &[("@type", "unix"), ("path", &socket)]);
                if let Some(listen) = listen {
                    self.section("source", "", &[("@type", "forward"), ("bind", listen), ("port", &port)]);
                }
            }
        }
    }

    /// The health check has a port of its own where there is a network of its own.
    pub(super) fn discard_health(&mut self, listen: Option<&str>) {
        if self.router == Router::Fluentbit && listen.is_some() {
            self.section("output", "", &[("Name", "null"), ("Match", HEALTH_TAG)]);
        }
    }

    pub(super) fn records(&mut self, records: &[(&str, &str)]) {
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

    pub(super) fn grep(&mut self, container: &str, name: &str, pattern: &str) {
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

    pub(super) fn include(&mut self, path: &str) {
        match self.router {
            Router::Fluentbit => self.line(&format!("\n@INCLUDE {path}")),
            Router::Fluentd => self.line(&format!("\n@include {path}")),
        }
    }

    pub(super) fn output(&mut self, container: &ContainerPlan) {
        let Some(log) = &container.log else { return };
        let (key, _) = self.router.output_key();
        let mut pairs: Vec<(String, String)> = Vec::new();
        for (name, value) in &log.options {
            if is_for_output(name) {
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
        pairs.sort();
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
}
