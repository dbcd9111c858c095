//! [`prepare`]: what can be known and fetched before a launch makes anything.

use super::error::LaunchError;
use super::events::{Event, say};
use super::identity::TaskIdentity;
use super::inputs::{self, Inputs};
use super::mapping::Delivery;
use super::options::{Options, PullPolicy};
use super::resolve;
use super::runtime::{ContainerRuntime, Image, RuntimeError};
use crate::client::Client;
use crate::ecs::injection::Injection;
use crate::ecs::plan::TaskPlan;
use crate::ecs::registry::RegistryAccount;
use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// How often the progress of a pull is told.
const PROGRESS: Duration = Duration::from_secs(2);

/// What a launch needs before anything is made.
pub(super) struct Prepared {
    /// By name.
    pub(super) images: HashMap<String, Image>,
    pub(super) inputs: Inputs,
    pub(super) injection: Injection,
}

/// What can be known and fetched before anything is made.
pub(super) async fn prepare<R: ContainerRuntime>(
    plan: &TaskPlan,
    options: &Options,
    identity: &TaskIdentity,
    client: &Client,
    runtime: &R,
    events: &mpsc::Sender<Event>,
) -> Result<Prepared, LaunchError> {
    runtime.check().await?;
    let needs_hook =
        options.delivery == Delivery::Runtime && plan.containers.iter().any(|c| !c.secrets.is_empty());
    if needs_hook && !runtime.oci_runtimes().await?.contains(&options.oci_runtime) {
        return Err(LaunchError::RuntimeNotRegistered { runtime: options.oci_runtime.clone() });
    }
    let inputs = inputs::read(plan, options)?;
    let client = client.with_region(&options.region);
    // Only for registries: a pull may take longer than a session lasts.
    let accounts = match plan.registry_reads.is_empty() {
        true => HashMap::new(),
        false => resolve::accounts(plan, resolve::reader(plan, identity, &client).await?.as_ref()).await?,
    };
    let mut images = HashMap::new();
    for container in &plan.containers {
        let name = &container.settings.image;
        if !images.contains_key(name) {
            let account = accounts.get(&container.name);
            images.insert(name.clone(), image(name, account, options.pull, runtime, events).await?);
        }
    }
    drop(accounts);
    // After the images, whose pull may take minutes: values are held as briefly as possible.
    let reader = resolve::reader(plan, identity, &client).await?;
    let injection = resolve::resolve(plan, &options.region, reader.as_ref()).await?;
    for warning in injection.warnings() {
        say(events, Event::Warning(warning)).await;
    }
    Ok(Prepared { images, inputs, injection })
}

async fn image<R: ContainerRuntime>(
    name: &str,
    account: Option<&RegistryAccount>,
    policy: PullPolicy,
    runtime: &R,
    events: &mpsc::Sender<Event>,
) -> Result<Image, LaunchError> {
    let found = runtime.image(name).await?;
    let missing = |cause: &str| RuntimeError::Pull { image: name.to_owned(), cause: cause.to_owned() };
    match (policy, found) {
        (PullPolicy::Missing | PullPolicy::Never, Some(image)) => return Ok(image),
        (PullPolicy::Never, None) => {
            return Err(missing("Docker does not have it, and it is not to be fetched").into());
        }
        _ => {}
    }
    say(events, Event::Pulling { image: name.to_owned() }).await;
    let shown = Mutex::new(Instant::now());
    let progress = |done, total| {
        let Ok(mut last) = shown.lock() else { return };
        if last.elapsed() >= PROGRESS {
            *last = Instant::now();
            // Whoever is too slow for this is not interested.
            let _ = events.try_send(Event::Pulled { image: name.to_owned(), done, total });
        }
    };
    runtime.pull(name, account, &progress).await?;
    Ok(runtime.image(name).await?.ok_or_else(|| missing("it is not there after the pull"))?)
}
