//! A broker from its configuration to its end; shared by `serve` and `dev`.

use super::Failure;
use super::output::tell;
use crate::broker::{Broker, BrokerError, Settings};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::rotation::{Reach, Rotator};
use crate::server::{self, Bind, Limits, Listener};
use crate::store::{EmbeddedStore, StoreError};
use crate::vault::{Vault, VaultError};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

/// Opens everything that the configuration names.
pub(crate) fn open(config: &Config, new_audit_log: bool) -> Result<Arc<Broker>, Failure> {
    crate::memory::forbid_dumps();
    log_to_stderr();
    let unlock = config.unlock.read().map_err(|e| Failure::new(2, e))?;
    let path = config.vault_file();
    let store = EmbeddedStore::open(&path).map_err(|e| Failure::new(3, store_text(&path, &e)))?;
    let clock = Arc::new(SystemClock);
    let vault = Vault::open(Arc::new(store), &unlock, clock.clone()).map_err(|e| {
        let code = if matches!(e, VaultError::RootKey(_)) { 2 } else { 3 };
        Failure::new(code, format!("`{}`: {e}", path.display()))
    })?;
    let settings = Settings {
        account: config.account.clone(),
        region: config.region.clone(),
        peers: config.peers.iter().map(|p| (p.uid, p.principal.clone())).collect(),
        functions: config.functions.clone(),
        policies: config.policies.clone(),
        audit: config.audit.clone(),
        audit_wait: config.audit_wait,
        audit_segment_bytes: config.audit_segment_bytes,
        other_principals: config.other_principals,
        new_audit_log,
    };
    let broker = Broker::open(settings, vault, clock).map_err(|e| match e {
        BrokerError::Policy(_) => Failure::new(2, e),
        BrokerError::Audit(_) => Failure::new(3, e),
    })?;
    Ok(Arc::new(broker))
}

fn store_text(path: &std::path::Path, error: &StoreError) -> String {
    format!("`{}`: {error}", path.display())
}

/// The broker's own log: what the operator has to know goes to standard error, at the
/// level that `RUST_LOG` names (`warn` when unset). It never holds a value, and nothing of the
/// libraries: at a level for debugging they write headers, which hold session tokens.
pub(super) fn log_to_stderr() {
    use tracing_subscriber::filter::{EnvFilter, FilterExt, filter_fn};
    use tracing_subscriber::prelude::*;
    let level = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    let own = filter_fn(|metadata| metadata.target().starts_with("sealdock"));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false);
    // A subscriber that is there already, as in a test, stays.
    let _ = tracing_subscriber::registry().with(lines.with_filter(level.and(own))).try_init();
}

/// Where the broker can be reached, once it can.
#[derive(Debug)]
pub(crate) struct Ready {
    pub(crate) urls: Vec<String>,
}

/// Serves until a signal. `ready` is called once every listener answers.
pub(crate) fn serve(
    config: &Config,
    broker: &Arc<Broker>,
    binds: Vec<Bind>,
    hangup: Hangup,
    ready: impl FnOnce(&Ready) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let limits = within_descriptors(config.limits.limits(), binds.len());
    let runtime = runtime(workers())?;
    let outcome = runtime.block_on(async {
        let mut listeners = Vec::new();
        for bind in binds {
            listeners.push(Listener::bind(bind).await.map_err(|e| Failure::new(2, e))?);
        }
        let urls: Vec<String> = listeners.iter().map(Listener::url).collect();
        let reach = Reach::new(&urls, config.tls_directory().join("ca.pem"));
        let _watch = broker.watch_policies(tell);
        let stop = stop_signal(Arc::clone(broker), hangup)?;
        let maintenance = tokio::spawn(maintain(Arc::clone(broker)));
        ready(&Ready { urls })?;
        let rotator = Rotator::start(Arc::clone(broker), reach);
        // Functions that run call the API, so it goes last.
        let stop = async move {
            stop.await;
            rotator.stop().await;
        };
        let handler = server::Api::new(Arc::clone(broker));
        server::serve(listeners, Arc::new(handler), limits, stop).await;
        maintenance.abort();
        Ok(())
    });
    runtime.shutdown_timeout(Duration::from_secs(5));
    let closed = broker.close();
    outcome.and_then(|()| closed.map_err(|e| Failure::new(3, e)))
}

/// One core is left to the audit log's writer, which every request waits for.
fn workers() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| (cores.get() - 1).max(1))
}

/// Descriptors that connections must leave: vault, audit log with its next segment, policy files,
/// listeners, the runtime's own.
const RESERVED_DESCRIPTORS: usize = 64;

/// Raises the limit on open files as far as it goes, and allows no more connections than that leaves
/// room for: clients must not be able to take the descriptor that the audit log needs next.
fn within_descriptors(mut limits: Limits, listeners: usize) -> Limits {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let now = getrlimit(Resource::Nofile);
    // A refusal leaves the limit as it was, which is then what counts.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: now.maximum, maximum: now.maximum });
    let Some(files) = getrlimit(Resource::Nofile).current else { return limits };
    let files = usize::try_from(files).unwrap_or(usize::MAX);
    let room = (files.saturating_sub(RESERVED_DESCRIPTORS) / listeners.max(1)).max(1);
    if limits.connections > room {
        tell(format_args!(
            "only {room} connections at a time for each listener instead of {}: the limit on open files is {files}",
            limits.connections
        ));
        limits.connections = room;
    }
    limits
}

/// What SIGHUP does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hangup {
    /// Reloads the policies at once: a service.
    Reloads,
    /// Stops: a program that belongs to its terminal.
    Stops,
}

/// Ends with SIGINT or SIGTERM; a second one ends the process at once.
fn stop_signal(
    broker: Arc<Broker>,
    on_hangup: Hangup,
) -> Result<impl Future<Output = ()> + Send + 'static, Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let on = |kind| signal(kind).map_err(|e| Failure::new(2, format!("cannot wait for signals: {e}")));
    let (mut interrupt, mut terminate) = (on(SignalKind::interrupt())?, on(SignalKind::terminate())?);
    let mut hangup = on(SignalKind::hangup())?;
    Ok(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => break,
                _ = terminate.recv() => break,
                _ = hangup.recv() => {
                    if on_hangup == Hangup::Stops {
                        break;
                    }
                    let broker = Arc::clone(&broker);
                    let reloaded = tokio::task::spawn_blocking(move || broker.reload_policies()).await;
                    if let Ok(Some(text)) = reloaded {
                        tell(text);
                    }
                }
            }
        }
        tokio::spawn(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            // Whatever is acknowledged is durable, so there is nothing to lose.
            std::process::exit(130);
        });
    })
}

/// The runtime of a server with so many worker threads.
pub(super) fn runtime(workers: usize) -> Result<Runtime, Failure> {
    Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_all()
        .build()
        .map_err(|e| Failure::new(2, format!("cannot start the runtime: {e}")))
}

/// Ends with SIGINT or SIGTERM: for servers that hold nothing worth finishing.
pub(super) fn until_stopped() -> Result<impl Future<Output = ()>, Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let on = |kind| signal(kind).map_err(|e| Failure::new(2, format!("cannot wait for signals: {e}")));
    let (mut interrupt, mut terminate) = (on(SignalKind::interrupt())?, on(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Does the vault's timed work twice a minute; parameter policies in the second that they are due, and
/// records of replication in the second after it.
async fn maintain(broker: Arc<Broker>) {
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    seconds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut failed = false;
    for second in 0_u64.. {
        seconds.tick().await;
        let whole = second % 30 == 0;
        let due = || broker.vault().parameter_policy_is_due() || broker.replication_is_unreported();
        if !whole && (failed || !due()) {
            continue;
        }
        let broker = Arc::clone(&broker);
        let work = move || match whole {
            true => broker.maintain(),
            false => broker.enforce_parameter_policies().and_then(|()| broker.report_replication()),
        };
        let outcome = tokio::task::spawn_blocking(work).await;
        failed = matches!(outcome, Ok(Err(_)));
        if let Ok(Err(error)) = outcome {
            tell(format_args!("maintenance: {error}"));
        }
    }
}
