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

mod text;

use crate::ecs::definition::{ConfigFile, Firelens, NetworkMode, Router};
use crate::ecs::order::FIRELENS;
use crate::ecs::plan::{ContainerPlan, TaskPlan};
use text::ConfigText;

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

/// Whether an option of a routed container says something about its output.
pub(in crate::ecs) fn is_for_output(name: &str) -> bool {
    name != BUFFER_LIMIT && !PATTERNS.contains(&name)
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
    let mut text = ConfigText::new(firelens.router);
    let Metadata { cluster, task_arn, task_definition } = metadata;
    let listen = match plan.network_mode {
        NetworkMode::Bridge => Some("0.0.0.0"),
        NetworkMode::Awsvpc => Some("127.0.0.1"),
        NetworkMode::Host | NetworkMode::None => None,
    };
    text.inputs(listen);
    let mut routed: Vec<&ContainerPlan> = plan.containers.iter().filter(|c| is_routed(c)).collect();
    routed.sort_by_key(|c| c.position);
    for wanted in PATTERNS {
        for container in &routed {
            let patterns = container.log.iter().flat_map(|log| &log.options);
            for (name, pattern) in patterns.filter(|(name, _)| name == wanted) {
                text.grep(&container.name, name, pattern);
            }
        }
    }
    if firelens.metadata {
        text.records(&[
            ("ecs_cluster", cluster),
            ("ecs_task_arn", task_arn),
            ("ecs_task_definition", task_definition),
        ]);
    }
    match &firelens.config {
        None => {}
        Some(ConfigFile::Path(path)) => text.include(path),
        Some(ConfigFile::S3(_)) => text.include(config_paths(firelens.router).1),
    }
    text.discard_health(listen);
    for container in routed {
        text.output(container);
    }
    text.finish()
}

/// Options that are filters, in the order of their sections.
const PATTERNS: [&str; 2] = ["include-pattern", "exclude-pattern"];

#[cfg(test)]
mod tests {
    use super::*;

    const METADATA: Metadata<'_> =
        Metadata { cluster: "c", task_arn: "arn:aws:ecs:r:1:task/c/t", task_definition: "f:1" };

    /// The whole configuration of a router of a type, with one routed container.
    fn whole(kind: &str, mode: &str, options: &str, router_options: &str) -> String {
        let text = format!(
            r#"{{"family": "f", "networkMode": "{mode}", "executionRoleArn": "arn:aws:iam::111122223333:role/e",
            "containerDefinitions": [
              {{"name": "router", "image": "r", "memory": 8, "firelensConfiguration": {{"type": "{kind}", "options": {{{router_options}}}}}}},
              {{"name": "app", "image": "a", "memory": 8, "logConfiguration": {{"logDriver": "awsfirelens",
                "options": {{{options}, "include-pattern": "fail", "exclude-pattern": "ok", "region": "us-west-2",
                  "log-driver-buffer-limit": "2097152"}},
                "secretOptions": [{{"name": "apikey", "valueFrom": "/key"}}]}}}}]}}"#
        );
        let plan = crate::ecs::parse(&text).unwrap().plan().unwrap();
        let (_, firelens) = router(&plan).unwrap();
        config(&plan, firelens, METADATA)
    }

    /// The sections and options of the ECS agent in its order (`firelensconfig_unix_test.go`).
    #[test]
    fn the_configuration_of_fluent_bit() {
        let expected = "
[INPUT]
    Name forward
    unix_path /var/run/fluent.sock

[INPUT]
    Name forward
    Listen 0.0.0.0
    Port 24224

[INPUT]
    Name tcp
    Tag firelens-healthcheck
    Listen 127.0.0.1
    Port 8877

[FILTER]
    Name grep
    Match app-firelens*
    Regex log fail

[FILTER]
    Name grep
    Match app-firelens*
    Exclude log ok

[FILTER]
    Name record_modifier
    Match *
    Record ecs_cluster c
    Record ecs_task_arn arn:aws:ecs:r:1:task/c/t
    Record ecs_task_definition f:1

@INCLUDE /extra.conf

[OUTPUT]
    Name null
    Match firelens-healthcheck

[OUTPUT]
    Name datadog
    Match app-firelens*
    apikey ${apikey_1}
    region us-west-2
";
        let file = r#""config-file-type": "file", "config-file-value": "/extra.conf""#;
        assert_eq!(whole("fluentbit", "bridge", r#""Name": "datadog""#, file), expected);
    }

    #[test]
    fn the_configuration_of_fluentd() {
        let expected = r##"
<source>
    @type unix
    path /var/run/fluent.sock
</source>

<source>
    @type forward
    bind 127.0.0.1
    port 24224
</source>

<filter app-firelens**>
    @type grep
    <regexp>
        key log
        pattern fail
    </regexp>
</filter>

<filter app-firelens**>
    @type grep
    <exclude>
        key log
        pattern ok
    </exclude>
</filter>

<match app-firelens**>
    @type kinesis_firehose
    apikey "#{ENV['apikey_1']}"
    region us-west-2
</match>
"##;
        let off = r#""enable-ecs-log-metadata": "false""#;
        assert_eq!(whole("fluentd", "awsvpc", r#""@type": "kinesis_firehose""#, off), expected);
    }

    #[test]
    fn without_a_network_of_the_task_there_is_only_the_socket() {
        for mode in ["host", "none"] {
            let text = whole("fluentbit", mode, r#""Name": "datadog""#, "");
            assert_eq!(text.matches("[INPUT]").count(), 1, "{text}");
            assert!(!text.contains("firelens-healthcheck"), "{text}");
        }
    }

    #[test]
    fn what_counts_as_false() {
        for (text, expected) in [("T", true), ("1", true), ("0", false), ("False", false), ("no", false)] {
            let option = format!(r#""enable-ecs-log-metadata": "{text}""#);
            let config = whole("fluentbit", "bridge", r#""Name": "datadog""#, &option);
            assert_eq!(config.contains("ecs_cluster"), expected, "{text}");
        }
    }

    #[test]
    fn an_output_of_the_routers_own_needs_no_options() {
        let task = |options: &str| {
            let text = format!(
                r#"{{"family": "f", "containerDefinitions": [
                  {{"name": "router", "image": "r", "memory": 8, "firelensConfiguration": {{"type": "fluentbit"}}}},
                  {{"name": "app", "image": "a", "memory": 8,
                    "logConfiguration": {{"logDriver": "awsfirelens", "options": {{{options}}}}}}}]}}"#
            );
            crate::ecs::parse(&text)
        };
        let plan =
            task(r#""exclude-pattern": "ok", "log-driver-buffer-limit": "1""#).unwrap().plan().unwrap();
        let text = config(&plan, router(&plan).unwrap().1, METADATA);
        assert!(text.contains("Exclude log ok") && text.matches("[OUTPUT]").count() == 1, "{text}");
        assert!(task(r#""region": "us-west-2""#).is_err());
    }
}
