//! [`ContainerPlan`] -> Docker's create call.
//!
//! The field by field mapping is the ECS agent's, with what its backend renders
//! done here as well. Units: MiB to bytes, seconds to nanoseconds. CPU shares lie
//! between 2 and 262144. Task limits are those of a cgroup around all containers;
//! where it cannot be made (see `cgroup`), they bound each container instead.
//!
//! Source: the task definition parameters and the agent's `dockerConfig` and
//! `dockerHostConfig`.

use super::endpoint::{TOKEN_DIRECTORY, Told};
use super::hook::{CONTROLS, PREFIX};
use super::identity::TaskIdentity;
use super::inputs::Inputs;
use super::network;
use super::options::Options;
use super::runtime::NewContainer;
use crate::ecs::definition::{ContainerSettings, IpcMode, NetworkMode, PidMode};
use crate::ecs::environment::{Setting, merge_environment, merge_log_options};
use crate::ecs::firelens;
use crate::ecs::injection::ContainerInjection;
use crate::ecs::plan::{ContainerPlan, TaskPlan};
use crate::secret::SecretValue;
use bollard::models::{
    ContainerCreateBody, DeviceMapping, DeviceRequest, HealthConfig, HostConfig, HostConfigLogConfig,
    ResourcesUlimits,
};
use std::collections::HashMap;
use zeroize::Zeroizing;

const MIB: i64 = 1024 * 1024;
const SMALLEST_MEMORY: i64 = 4 * MIB;
const SHARES: std::ops::RangeInclusive<i64> = 2..=262_144;
const CPU_PERIOD_MICROSECONDS: i64 = 100_000;
const CPU_UNITS: i64 = 1024;
const STOP_TIMEOUT_SECONDS: u32 = 30;

/// How values reach a container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delivery {
    /// In Docker's create call.
    #[default]
    Env,
    /// By the OCI runtime hook, when the process is made.
    Runtime,
}

impl Delivery {
    /// The word of options, labels and records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Env => "env",
            Self::Runtime => "runtime",
        }
    }
}

/// What a create call is made of, besides the values.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mapping<'a> {
    pub(super) plan: &'a TaskPlan,
    pub(super) options: &'a Options,
    pub(super) identity: &'a TaskIdentity,
    /// Docker names of the plan's volumes, or paths of the host.
    pub(super) volumes: &'a [String],
    /// Of those, the ones that go with the task.
    pub(super) own_volumes: &'a [String],
    /// Id of the pause container, if there is one.
    pub(super) pause: Option<&'a str>,
    /// The cgroup around the containers, if it could be made.
    pub(super) cgroup: Option<&'a str>,
    /// The volume of the router's socket, and where it is on the host.
    pub(super) router: Option<&'a (String, String)>,
    /// Variables from files, by container.
    pub(super) inputs: &'a Inputs,
    /// What is told about the task endpoint, if there is one.
    pub(super) told: Option<&'a Told>,
    /// The volume of the token for the endpoint, if there is one.
    pub(super) token: Option<&'a str>,
}

impl Mapping<'_> {
    /// The create call of one container, with its values in it, or with references
    /// to them if the hook delivers.
    pub(super) fn container(
        &self,
        container: &ContainerPlan,
        level: usize,
        image_environment: &[String],
        injection: ContainerInjection,
    ) -> NewContainer {
        let settings = &container.settings;
        let by_hook = self.options.delivery == Delivery::Runtime && !container.secrets.is_empty();
        let environment = if by_hook {
            self.references(container, image_environment)
        } else {
            self.values(container, image_environment, injection.environment)
        };
        let ports: Vec<_> = settings.ports.iter().filter(|_| self.on_bridge()).collect();
        let exposed = network::exposed(&ports);
        let delivery = if by_hook { Delivery::Runtime } else { Delivery::Env };
        let mut labels = self.identity.labels(container, level, delivery.as_str(), self.own_volumes);
        labels.extend(self.told.map(|told| told.labels(container)).unwrap_or_default());
        let body = ContainerCreateBody {
            image: Some(settings.image.clone()),
            env: Some(environment),
            cmd: settings.command.clone(),
            entrypoint: settings.entry_point.clone(),
            user: settings.user.clone(),
            working_dir: settings.working_directory.clone(),
            // With a network in common, it is the pause container's.
            hostname: settings.hostname.clone().filter(|_| !self.in_common()),
            tty: settings.pseudo_terminal.then_some(true),
            open_stdin: settings.interactive.then_some(true),
            network_disabled: settings.disable_networking.then_some(true),
            exposed_ports: (!exposed.is_empty()).then_some(exposed),
            healthcheck: health(settings),
            stop_timeout: Some(i64::from(settings.stop_timeout_seconds.unwrap_or(STOP_TIMEOUT_SECONDS))),
            labels: Some(labels),
            host_config: Some(HostConfig {
                runtime: by_hook.then(|| self.options.oci_runtime.clone()),
                log_config: self.log(container, injection.log_options),
                ..self.host(container)
            }),
            ..ContainerCreateBody::default()
        };
        let name = self.identity.docker_name(&container.name);
        NewContainer { name, container: container.name.clone(), body }
    }

    fn references(&self, container: &ContainerPlan, image_environment: &[String]) -> Vec<String> {
        let secrets = container.secrets.iter().map(|s| (s.name.clone(), format!("{PREFIX}{}", s.text)));
        let region = Some(self.options.region.as_str());
        let launcher = self.launcher_variables(container);
        let (plain, files) = (&container.environment, self.files(container));
        let merged = merge_environment(plain, &launcher, secrets.collect(), files, image_environment, region);
        let entries = merged.into_iter().map(|(name, setting)| match setting {
            Setting::Plain(value) | Setting::Secret(value) => format!("{name}={value}"),
        });
        entries.chain(self.controls(container)).collect()
    }

    fn files(&self, container: &ContainerPlan) -> &[Vec<(String, String)>] {
        self.inputs.variables.get(&container.name).map(Vec::as_slice).unwrap_or_default()
    }

    /// Variables that the launcher sets; secrets go before them.
    fn launcher_variables(&self, container: &ContainerPlan) -> Vec<(String, String)> {
        let mut variables = self.told.map(|told| told.variables(container)).unwrap_or_default();
        variables.extend(firelens::variables(self.plan, container));
        if let Some((router, _)) = self.linked_router(container) {
            variables.push(("FLUENT_HOST".to_owned(), router.to_owned()));
            variables.push(("FLUENT_PORT".to_owned(), firelens::PORT.to_string()));
        }
        variables
    }

    /// On the bridge a routed container reaches the router by a link.
    fn linked_router(&self, container: &ContainerPlan) -> Option<(&str, String)> {
        let (router, _) = firelens::router(self.plan)?;
        let linked =
            firelens::is_routed(container) && self.on_bridge() && !container.settings.disable_networking;
        linked.then(|| (router.name.as_str(), self.identity.docker_name(&router.name)))
    }

    /// What the hook has to know; it takes these out again.
    fn controls(&self, container: &ContainerPlan) -> impl Iterator<Item = String> {
        let names: Vec<&str> = container.secrets.iter().map(|s| s.name.as_str()).collect();
        let role = self.plan.execution_role.as_ref().map(ToString::to_string).unwrap_or_default();
        let [container_name, execution_role, family, region, task_id, variables] = CONTROLS;
        let pairs = [
            (container_name, container.name.clone()),
            (execution_role, role),
            (family, self.plan.family.clone()),
            (region, self.options.region.clone()),
            (task_id, self.identity.task_id.clone()),
            (variables, names.join(",")),
        ];
        pairs.into_iter().map(|(name, value)| format!("{name}={value}"))
    }

    fn values(
        &self,
        container: &ContainerPlan,
        image_environment: &[String],
        secrets: Vec<(String, SecretValue)>,
    ) -> Vec<String> {
        let region = Some(self.options.region.as_str());
        let launcher = self.launcher_variables(container);
        let (plain, files) = (&container.environment, self.files(container));
        let merged = merge_environment(plain, &launcher, secrets, files, image_environment, region);
        let entries = merged.into_iter().map(|(name, setting)| match setting {
            Setting::Plain(value) => format!("{name}={value}"),
            Setting::Secret(value) => {
                let text = plaintext(&value);
                let mut entry = String::with_capacity(name.len() + 1 + text.len());
                entry.push_str(&name);
                entry.push('=');
                entry.push_str(&text);
                entry
            }
        });
        entries.collect()
    }

    fn log(
        &self,
        container: &ContainerPlan,
        secrets: Vec<(String, SecretValue)>,
    ) -> Option<HostConfigLogConfig> {
        let log = container.log.as_ref()?;
        if firelens::is_routed(container) {
            let (_, directory) = self.router?;
            let socket = format!("{directory}/fluent.sock");
            let options = firelens::log_options(container, &self.identity.task_id, &socket);
            return Some(HostConfigLogConfig {
                typ: Some("fluentd".into()),
                config: Some(options.into_iter().collect()),
            });
        }
        if log.driver == "awslogs" && !self.options.awslogs {
            return Some(HostConfigLogConfig { typ: Some("json-file".into()), config: None });
        }
        let merged = merge_log_options(log, secrets, &container.name, &self.identity.task_id);
        let options = merged.into_iter().map(|(name, setting)| match setting {
            Setting::Plain(value) => (name, value),
            Setting::Secret(value) => (name, plaintext(&value).to_string()),
        });
        Some(HostConfigLogConfig { typ: Some(log.driver.clone()), config: Some(options.collect()) })
    }

    fn host(&self, container: &ContainerPlan) -> HostConfig {
        let settings = &container.settings;
        let linux = &settings.linux;
        // Without a cgroup around all containers, the limits of the task bound each.
        let of_task = |limit: Option<u32>| limit.filter(|_| self.cgroup.is_none());
        let memory = settings.memory_mib.or(of_task(self.plan.memory_mib)).filter(|&mib| mib > 0);
        let memory = memory.map(|mib| (i64::from(mib) * MIB).max(SMALLEST_MEMORY));
        let devices = linux.devices.iter().map(|device| DeviceMapping {
            path_on_host: Some(device.host_path.clone()),
            path_in_container: Some(device.container_path.clone()),
            cgroup_permissions: Some(device.permissions.clone()),
        });
        let ulimits = settings.ulimits.iter().map(|limit| ResourcesUlimits {
            name: Some(limit.name.clone()),
            soft: Some(limit.soft),
            hard: Some(limit.hard),
        });
        let tmpfs = linux.tmpfs.iter().map(|mount| {
            let size = format!("size={}m", mount.size_mib);
            let options: Vec<_> = mount.mount_options.iter().cloned().chain([size]).collect();
            (mount.container_path.clone(), options.join(","))
        });
        let quota =
            of_task(self.plan.cpu).map(|units| i64::from(units) * CPU_PERIOD_MICROSECONDS / CPU_UNITS);
        HostConfig {
            cgroup_parent: self.cgroup.map(str::to_owned),
            cpu_shares: Some(i64::from(settings.cpu.unwrap_or(0)).clamp(*SHARES.start(), *SHARES.end())),
            cpu_period: quota.map(|_| CPU_PERIOD_MICROSECONDS),
            cpu_quota: quota,
            memory,
            memory_reservation: settings.memory_reservation_mib.map(|mib| i64::from(mib) * MIB),
            memory_swap: linux.max_swap_mib.and_then(|swap| Some(memory? + i64::from(swap) * MIB)),
            memory_swappiness: linux.swappiness.map(i64::from),
            binds: some(self.binds(container)),
            volumes_from: some(self.volumes_from(container)),
            links: some(self.links(container)),
            port_bindings: network::bindings(
                &settings.ports.iter().filter(|_| self.on_bridge()).collect::<Vec<_>>(),
            ),
            network_mode: Some(self.network_mode()),
            pid_mode: self.plan.pid_mode.map(|mode| match mode {
                PidMode::Host => "host".to_owned(),
                PidMode::Task => self.of_pause(),
            }),
            ipc_mode: self.plan.ipc_mode.map(|mode| match mode {
                IpcMode::Host => "host".to_owned(),
                IpcMode::None => "none".to_owned(),
                IpcMode::Task => self.of_pause(),
            }),
            device_requests: (settings.gpus > 0).then(|| {
                vec![DeviceRequest {
                    driver: Some("nvidia".to_owned()),
                    count: Some(i64::from(settings.gpus)),
                    capabilities: Some(vec![vec!["gpu".to_owned()]]),
                    ..DeviceRequest::default()
                }]
            }),
            cap_add: some(linux.add_capabilities.clone()),
            cap_drop: some(linux.drop_capabilities.clone()),
            devices: some(devices.collect()),
            init: linux.init,
            shm_size: linux.shared_memory_mib.map(|mib| i64::from(mib) * MIB),
            tmpfs: Some(tmpfs.collect::<HashMap<_, _>>()).filter(|t| !t.is_empty()),
            ulimits: some(ulimits.collect()),
            sysctls: Some(self.sysctls(settings)).filter(|s| !s.is_empty()),
            dns: some(settings.dns_servers.clone()).filter(|_| !self.in_common()),
            dns_search: some(settings.dns_search_domains.clone()).filter(|_| !self.in_common()),
            extra_hosts: some(
                settings.extra_hosts.iter().map(|h| format!("{}:{}", h.hostname, h.ip_address)).collect(),
            )
            .filter(|_| !self.in_common()),
            security_opt: some(settings.security_options.clone()),
            privileged: settings.privileged.then_some(true),
            readonly_rootfs: settings.readonly_root_filesystem.then_some(true),
            ..HostConfig::default()
        }
    }

    fn on_bridge(&self) -> bool {
        self.plan.network_mode == NetworkMode::Bridge
    }

    /// Whether the network is the pause container's.
    fn in_common(&self) -> bool {
        self.plan.network_mode == NetworkMode::Awsvpc
    }

    fn of_pause(&self) -> String {
        format!("container:{}", self.pause.unwrap_or_default())
    }

    fn network_mode(&self) -> String {
        match self.plan.network_mode {
            NetworkMode::Awsvpc => self.of_pause(),
            other => other.word().to_owned(),
        }
    }

    fn volumes_from(&self, container: &ContainerPlan) -> Vec<String> {
        let from = container.volumes_from.iter().map(|(name, read_only)| {
            format!("{}{}", self.identity.docker_name(name), if *read_only { ":ro" } else { "" })
        });
        from.collect()
    }

    fn links(&self, container: &ContainerPlan) -> Vec<String> {
        let links = container
            .links
            .iter()
            .map(|(name, alias)| format!("{}:{alias}", self.identity.docker_name(name)));
        let router = self.linked_router(container).map(|(name, docker_name)| format!("{docker_name}:{name}"));
        links.chain(router).collect()
    }

    /// Those of a shared network namespace are set where it is made.
    fn sysctls(&self, settings: &ContainerSettings) -> HashMap<String, String> {
        let own = settings
            .system_controls
            .iter()
            .filter(|(name, _)| !(self.in_common() && name.starts_with("net.")));
        own.cloned().collect()
    }

    fn binds(&self, container: &ContainerPlan) -> Vec<String> {
        let binds = container.mounts.iter().filter_map(|mount| {
            let source = self.volumes.get(mount.volume)?;
            let read_only = if mount.read_only { ":ro" } else { "" };
            Some(format!("{source}:{}{read_only}", mount.container_path))
        });
        let router = self.router.filter(|_| container.firelens.is_some());
        let socket = router.map(|(volume, _)| format!("{volume}:{}", firelens::SOCKET_DIRECTORY));
        let token = self.token.map(|volume| format!("{volume}:{TOKEN_DIRECTORY}"));
        binds.chain(socket).chain(token).collect()
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "Docker is told the values of variables and log options in its create call"
)]
fn plaintext(value: &SecretValue) -> Zeroizing<String> {
    // INVARIANT: an `Injection` holds text only, so nothing is replaced here.
    Zeroizing::new(String::from_utf8_lossy(value.expose()).into_owned())
}

fn health(settings: &ContainerSettings) -> Option<HealthConfig> {
    const SECOND: i64 = 1_000_000_000;
    let check = settings.health_check.as_ref()?;
    Some(HealthConfig {
        test: Some(check.command.clone()),
        interval: Some(i64::from(check.interval_seconds) * SECOND),
        timeout: Some(i64::from(check.timeout_seconds) * SECOND),
        retries: Some(i64::from(check.retries)),
        start_period: Some(i64::from(check.start_period_seconds.unwrap_or(0)) * SECOND),
        start_interval: None,
    })
}

/// Docker takes an absent list for an empty one, but not always the reverse.
fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ecs::fetched::{Fetched, FetchedParameter};
    use crate::ecs::injection::Injection;

    const TASK: &str = r#"{"family": "web", "executionRoleArn": "arn:aws:iam::111122223333:role/exec", "cpu": "512",
      "networkMode": "bridge", "volumes": [{"name": "data"}, {"name": "host", "host": {"sourcePath": "/srv"}}],
      "containerDefinitions": [{"name": "app_1", "image": "i:1", "memory": 64, "memoryReservation": 32, "cpu": 1,
        "command": ["run"], "user": "7", "stopTimeout": 9, "readonlyRootFilesystem": true,
        "environment": [{"name": "A", "value": "1"}],
        "secrets": [{"name": "DB", "valueFrom": "/db"}],
        "portMappings": [{"containerPort": 80, "hostPort": 8080}, {"containerPort": 53, "protocol": "udp"}],
        "mountPoints": [{"sourceVolume": "data", "containerPath": "/d"},
                        {"sourceVolume": "host", "containerPath": "/h", "readOnly": true}],
        "ulimits": [{"name": "nofile", "softLimit": 1, "hardLimit": 2}],
        "healthCheck": {"command": ["CMD", "true"], "interval": 10, "startPeriod": 3},
        "linuxParameters": {"initProcessEnabled": true, "sharedMemorySize": 16, "maxSwap": 64,
          "tmpfs": [{"containerPath": "/t", "size": 8, "mountOptions": ["noexec"]}],
          "capabilities": {"drop": ["ALL"]}},
        "dockerLabels": {"team": "x", "sealdock.task-id": "forged"},
        "logConfiguration": {"logDriver": "splunk", "options": {"splunk-url": "http://127.0.0.1:1"},
          "secretOptions": [{"name": "splunk-token", "valueFrom": "/token"}]}}]}"#;

    fn mapped(delivery: Delivery) -> NewContainer {
        let plan = crate::ecs::parse(TASK).unwrap().plan().unwrap();
        let options = Options { region: "eu-west-1".into(), revision: 3, delivery, ..Options::default() };
        let identity = TaskIdentity::new(&plan, &options);
        let mut fetched = Fetched::new("eu-west-1");
        for batch in &plan.reads.parameters {
            let answers = batch.names.iter().map(|name| {
                let value = SecretValue::from(format!("value of {name}"));
                (name.clone(), FetchedParameter { arn: "arn".into(), version: "1".into(), value })
            });
            fetched.parameters(batch, Ok(answers.collect()));
        }
        let injection = Injection::resolve(&plan, &fetched).unwrap().into_containers().remove(0);
        let volumes = ["vol".to_owned(), "/srv".to_owned()];
        let mapping = Mapping {
            plan: &plan,
            options: &options,
            identity: &identity,
            volumes: &volumes,
            own_volumes: &volumes[..1],
            pause: None,
            cgroup: None,
            router: None,
            inputs: &Inputs::default(),
            told: None,
            token: None,
        };
        mapping.container(&plan.containers[0], 2, &["PATH=/bin".to_owned()], injection)
    }

    #[test]
    fn every_field_arrives() {
        let new = mapped(Delivery::Env);
        let (body, host) = (&new.body, new.body.host_config.as_ref().unwrap());
        assert!(new.name.starts_with("ecs-web-3-app1-"), "{}", new.name);
        assert_eq!(
            body.env.as_ref().unwrap(),
            &["A=1", "DB=value of /db", "AWS_REGION=eu-west-1", "AWS_DEFAULT_REGION=eu-west-1"]
        );
        assert_eq!((body.stop_timeout, body.user.as_deref()), (Some(9), Some("7")));
        assert_eq!(body.exposed_ports.as_ref().unwrap(), &["80/tcp", "53/udp"]);
        assert_eq!(body.healthcheck.as_ref().unwrap().start_period, Some(3_000_000_000));
        assert_eq!((host.cpu_shares, host.cpu_quota, host.memory), (Some(2), Some(50_000), Some(64 * MIB)));
        assert_eq!((host.memory_reservation, host.memory_swap), (Some(32 * MIB), Some(128 * MIB)));
        assert_eq!(host.binds.as_ref().unwrap(), &["vol:/d", "/srv:/h:ro"]);
        assert_eq!(host.tmpfs.as_ref().unwrap()["/t"], "noexec,size=8m");
        let ports = host.port_bindings.as_ref().unwrap();
        assert_eq!(ports["80/tcp"].as_ref().unwrap()[0].host_port.as_deref(), Some("8080"));
        assert_eq!(ports["53/udp"].as_ref().unwrap()[0].host_port.as_deref(), Some(""));
        let log = host.log_config.as_ref().unwrap();
        assert_eq!(log.config.as_ref().unwrap()["splunk-token"], "value of /token");
        let labels = body.labels.as_ref().unwrap();
        assert_eq!((labels["team"].as_str(), labels["sealdock.level"].as_str()), ("x", "2"));
        assert!(
            labels["com.amazonaws.ecs.task-arn"]
                .starts_with("arn:aws:ecs:eu-west-1:111122223333:task/default/")
        );
        assert_ne!(labels["sealdock.task-id"], "forged");
        assert_eq!((host.runtime.as_ref(), labels["sealdock.delivery"].as_str()), (None, "env"));
    }

    #[test]
    fn with_the_hook_docker_gets_references_only() {
        let new = mapped(Delivery::Runtime);
        let environment = new.body.env.as_ref().unwrap();
        assert!(environment.contains(&"DB=sealdock:/db".to_owned()), "{environment:?}");
        for control in [
            "SEALDOCK_EXECUTION_ROLE=arn:aws:iam::111122223333:role/exec",
            "SEALDOCK_CONTAINER_NAME=app_1",
            "SEALDOCK_FAMILY=web",
            "SEALDOCK_REGION=eu-west-1",
            "SEALDOCK_VARIABLES=DB",
        ] {
            assert!(environment.contains(&control.to_owned()), "{control} in {environment:?}");
        }
        assert!(!environment.iter().any(|e| e.contains("value of")), "{environment:?}");
        assert_eq!(new.body.host_config.as_ref().unwrap().runtime.as_deref(), Some("sealdock"));
    }

    #[test]
    fn debug_shows_no_value() {
        assert!(!format!("{:?}", mapped(Delivery::Env)).contains("value of"));
    }
}
