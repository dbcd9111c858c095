//! [`Launch::make`]: volumes, cgroup and containers of a task, and [`Made`], by which they are removed
//! again.

use super::cgroup::{self, Limits};
use super::endpoint::{self, TOKEN_DIRECTORY, TOKEN_NAME, TaskEndpoint, Told};
use super::error::LaunchError;
use super::events::{Event, say};
use super::identity::{TaskIdentity, levels};
use super::inputs::Inputs;
use super::mapping::{Delivery, Mapping};
use super::options::Options;
use super::pause;
use super::prepare::Prepared;
use super::redaction::Redaction;
use super::resolve::{self, Record};
use super::runtime::{ContainerRuntime, NewVolume, RuntimeError};
use super::tar;
use crate::client::Client;
use crate::diagnostic::Diagnostic;
use crate::ecs::definition::{Firelens, VolumeScope, VolumeSource};
use crate::ecs::firelens::{self, Metadata};
use crate::ecs::plan::TaskPlan;
use std::path::Path;
use tokio::sync::mpsc;

/// What has to be removed again.
#[derive(Debug, Default)]
pub(super) struct Made {
    /// The pause container, if there is one.
    pause: Vec<String>,
    /// Containers in the order of the plan.
    pub(super) ids: Vec<String>,
    volumes: Vec<String>,
    /// Whether the task may have credentials of a role.
    pub(super) role: bool,
    /// The task whose cgroup there is.
    cgroup: Option<String>,
}

/// A launch that makes things.
#[derive(Clone, Copy)]
pub(super) struct Launch<'a, R> {
    pub(super) plan: &'a TaskPlan,
    pub(super) options: &'a Options,
    pub(super) identity: &'a TaskIdentity,
    pub(super) client: &'a Client,
    pub(super) runtime: &'a R,
    pub(super) events: &'a mpsc::Sender<Event>,
}

impl<R: ContainerRuntime> Launch<'_, R> {
    /// Makes volumes and containers and puts the launch on record.
    pub(super) async fn make(&self, prepared: Prepared, made: &mut Made) -> Result<Redaction, LaunchError> {
        let delivery = self.options.delivery;
        let injections = prepared.injection.into_containers();
        let mut records: Vec<Record> =
            injections.iter().map(|i| Record::new(i, self.identity, delivery)).collect();
        if delivery == Delivery::Env {
            self.record(&records).await?;
        }
        let volumes = self.volumes(&prepared.inputs, made).await?;
        let router = self.router_volume(made).await?;
        let cgroup = self.cgroup(made).await?;
        let pause = self.pause(made, cgroup.as_deref()).await?;
        let told = self.tell(made).await?;
        let token = told.as_ref().and_then(Told::token);
        let token_volume = match &token {
            Some(_) => Some(self.token_volume(made).await?),
            None => None,
        };
        let own_volumes = made.volumes.clone();
        let mut redaction = Redaction::default();
        let mapping = Mapping {
            plan: self.plan,
            options: self.options,
            identity: self.identity,
            volumes: &volumes,
            own_volumes: &own_volumes,
            pause: pause.as_deref(),
            cgroup: cgroup.as_deref(),
            router: router.as_ref(),
            inputs: &prepared.inputs,
            told: told.as_ref(),
            token: token_volume.as_deref(),
        };
        // The pause container is below all others.
        let lowest = usize::from(pause.is_some());
        let parts = self.plan.containers.iter().zip(levels(self.plan)).zip(injections).zip(&mut records);
        for (((container, level), injection), record) in parts {
            let environment = prepared.images.get(&container.settings.image);
            let environment = environment.map(|i| i.environment.as_slice()).unwrap_or_default();
            redaction.add(&injection);
            let new = mapping.container(container, level + lowest, environment, injection);
            let docker_name = new.name.clone();
            let id = self.runtime.create(new).await.map_err(|e| redaction.apply(e.into()))?;
            made.ids.push(id.clone());
            if let (Some(token), [_]) = (&token, made.ids.as_slice()) {
                // All containers share the volume that it goes into.
                let archive = tar::archive(&[(TOKEN_NAME, 0o444, token.as_bytes())]);
                self.runtime.put(&id, TOKEN_DIRECTORY, archive).await?;
            }
            if let Some(firelens) = &container.firelens {
                self.configure(&id, firelens, prepared.inputs.router_config.as_deref()).await?;
            }
            record.container_id = Some(id);
            say(self.events, Event::Created { container: container.name.clone(), docker_name }).await;
        }
        if delivery == Delivery::Runtime {
            self.record(&records).await?;
        }
        redaction.forget_environment();
        Ok(redaction)
    }

    /// Grants the task its role, and says what the containers are told.
    async fn tell(&self, made: &mut Made) -> Result<Option<Told>, LaunchError> {
        let role = self.plan.task_role.as_deref();
        let endpoint = match TaskEndpoint::find(&self.options.endpoint, self.plan.network_mode).await {
            Ok(endpoint) => endpoint,
            Err(none) => {
                if role.is_some() {
                    say(self.events, Event::Warning(none.warning())).await;
                }
                return Ok(None);
            }
        };
        let credentials = match role {
            Some(role) => {
                // Before the answer: a grant whose answer is lost has to end as well.
                made.role = true;
                let host = self.runtime.engine_id().await?;
                Some(endpoint::grant(self.plan, self.identity, self.client, role, host).await?)
            }
            None => None,
        };
        Ok(Some(Told::new(endpoint, credentials, self.plan)))
    }

    async fn token_volume(&self, made: &mut Made) -> Result<String, LaunchError> {
        let name = self.identity.docker_name("credentials");
        self.runtime.create_volume(NewVolume { name: name.clone(), ..NewVolume::default() }).await?;
        made.volumes.push(name.clone());
        Ok(name)
    }

    async fn record(&self, records: &[Record]) -> Result<(), LaunchError> {
        resolve::record(records, self.plan, self.identity, self.client).await
    }

    /// Sources of the plan's volumes, as Docker takes them in a bind.
    async fn volumes(&self, inputs: &Inputs, made: &mut Made) -> Result<Vec<String>, LaunchError> {
        let mut sources = Vec::new();
        for volume in &self.plan.volumes {
            let name = &volume.name.value;
            let source = match &volume.source {
                VolumeSource::Host(path) => path.clone(),
                VolumeSource::FileSystem { .. } => inputs.file_systems.get(name).cloned().unwrap_or_default(),
                VolumeSource::Docker { scope, autoprovision, driver, driver_options, labels } => {
                    let docker_name = match scope {
                        VolumeScope::Task => self.identity.docker_name(name),
                        VolumeScope::Shared => name.clone(),
                    };
                    let own = *scope == VolumeScope::Task;
                    if own || self.runtime.volume(&docker_name).await?.is_none() {
                        if !own && !autoprovision {
                            let cause = "it does not exist and is not autoprovisioned".to_owned();
                            return Err(RuntimeError::CreateVolume { volume: name.clone(), cause }.into());
                        }
                        let new = NewVolume {
                            name: docker_name.clone(),
                            driver: driver.clone(),
                            driver_options: driver_options.iter().cloned().collect(),
                            labels: labels.iter().cloned().collect(),
                        };
                        self.runtime.create_volume(new).await?;
                    }
                    if own {
                        made.volumes.push(docker_name.clone());
                    }
                    docker_name
                }
            };
            sources.push(source);
        }
        Ok(sources)
    }

    /// A volume for the socket of the router, by which Docker reaches it: its name, and
    /// where it is on the host.
    async fn router_volume(&self, made: &mut Made) -> Result<Option<(String, String)>, LaunchError> {
        if firelens::router(self.plan).is_none() {
            return Ok(None);
        }
        let name = self.identity.docker_name("firelens-socket");
        self.runtime.create_volume(NewVolume { name: name.clone(), ..NewVolume::default() }).await?;
        made.volumes.push(name.clone());
        Ok(self.runtime.volume(&name).await?.map(|path| (name, path)))
    }

    /// The cgroup for the limits of the task; nothing if it has none, or there cannot be one.
    async fn cgroup(&self, made: &mut Made) -> Result<Option<String>, LaunchError> {
        let limits = Limits { cpu_units: self.plan.cpu, memory_mib: self.plan.memory_mib };
        if limits == (Limits { cpu_units: None, memory_mib: None }) {
            return Ok(None);
        }
        let task_id = &self.identity.task_id;
        let cause = match self.runtime.cgroups().await? {
            None => "Docker's cgroup driver is not `cgroupfs`".to_owned(),
            Some(hierarchy) => {
                made.cgroup = Some(task_id.clone());
                match cgroup::make(Path::new(cgroup::ROOT), hierarchy, task_id, limits) {
                    Ok(()) => return Ok(Some(cgroup::parent(task_id))),
                    Err((path, cause)) => format!("cannot write `{}`: {cause}", path.display()),
                }
            }
        };
        let message = format!(
            "the task's `cpu` and `memory` bound each container by itself, not all together: {cause}"
        );
        say(self.events, Event::Warning(Diagnostic::warning("ECS0403", message))).await;
        Ok(None)
    }

    async fn pause(&self, made: &mut Made, cgroup: Option<&str>) -> Result<Option<String>, LaunchError> {
        if !pause::is_needed(self.plan) {
            return Ok(None);
        }
        let name = self.identity.docker_name(pause::NAME);
        let labels = self.identity.own_labels(pause::NAME, true, 0);
        let id = pause::start(self.plan, name, labels, cgroup, self.runtime, &mut made.pause).await?;
        Ok(Some(id))
    }

    /// Puts the configuration into the router.
    async fn configure(&self, id: &str, firelens: &Firelens, more: Option<&str>) -> Result<(), LaunchError> {
        let metadata = Metadata {
            cluster: &self.identity.cluster,
            task_arn: &self.identity.task_arn,
            task_definition: &self.identity.definition(),
        };
        let config = firelens::config(self.plan, firelens, metadata);
        let (path, included) = firelens::config_paths(firelens.router);
        let mut files = vec![(path, 0o644, config.as_bytes())];
        files.extend(more.map(|text| (included, 0o644, text.as_bytes())));
        Ok(self.runtime.put(id, "/", tar::archive(&files)).await?)
    }
}

impl Made {
    /// Removes everything, whatever cannot be removed notwithstanding: the reason
    /// for the removal is what the user has to hear.
    pub(super) async fn remove<R: ContainerRuntime>(&self, runtime: &R) {
        for id in self.ids.iter().rev().chain(&self.pause) {
            let _ = runtime.remove(id).await;
        }
        for volume in &self.volumes {
            let _ = runtime.remove_volume(volume).await;
        }
        if let Some(task_id) = &self.cgroup {
            cgroup::remove(Path::new(cgroup::ROOT), task_id).await;
        }
    }
}
