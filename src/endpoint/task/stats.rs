//! Measurements of containers: Docker's own, and how many bytes go over the network in a second.
//!
//! Docker measures once a second, so an answer takes that long. A container without a network of
//! its own has that of the pause container.

use crate::launch::{Docker, LaunchError, TaskSummary};
use bollard::models::ContainerStatsResponse;
use futures_util::future::join_all;
use serde_json::{Map, Value, json};

/// `/v4/ID/stats`; null for a container that does not run.
pub(super) async fn of_container(
    docker: &Docker,
    task: &TaskSummary,
    id: &str,
) -> Result<Value, LaunchError> {
    let pause = task.containers.iter().find(|c| c.is_pause() && c.docker_id != id);
    let (own, network) = futures_util::join!(docker.measurements(id), async {
        match pause {
            Some(pause) => docker.measurements(&pause.docker_id).await.unwrap_or_default(),
            None => Vec::new(),
        }
    });
    Ok(shown(&own?, &network))
}

/// `/v4/ID/task/stats`: by Docker id, null for a container that does not run.
pub(super) async fn of_task(docker: &Docker, task: &TaskSummary) -> Result<Value, LaunchError> {
    let measured = join_all(task.containers.iter().map(|c| docker.measurements(&c.docker_id))).await;
    let measured: Vec<Vec<_>> = measured.into_iter().map(Result::unwrap_or_default).collect();
    let pause = task.containers.iter().zip(&measured).find(|(c, _)| c.is_pause());
    let network = pause.map(|(_, two)| two.as_slice()).unwrap_or_default();
    let all = task.containers.iter().zip(&measured);
    let all: Map<String, Value> =
        all.map(|(container, two)| (container.docker_id.clone(), shown(two, network))).collect();
    Ok(Value::Object(all))
}

fn shown(own: &[ContainerStatsResponse], shared: &[ContainerStatsResponse]) -> Value {
    // Of a container that does not run, Docker measures nothing, at the beginning of time.
    let measured = |last: &&ContainerStatsResponse| {
        last.read.as_ref().is_some_and(|read| !read.to_string().starts_with("0001-"))
    };
    let Some(last) = own.last().filter(measured) else { return Value::Null };
    let mut shown = json!(last);
    let networks = if last.networks.is_some() { own } else { shared };
    if let (Some(shown), Some(found)) =
        (shown.as_object_mut(), networks.last().and_then(|l| l.networks.as_ref()))
    {
        shown.insert("networks".into(), json!(found));
        if let [before, after] = networks {
            shown.insert("network_rate_stats".into(), rates(before, after));
        }
    }
    shown
}

fn rates(before: &ContainerStatsResponse, after: &ContainerStatsResponse) -> Value {
    let at =
        |stats: &ContainerStatsResponse| stats.read.as_ref()?.to_string().parse::<jiff::Timestamp>().ok();
    let seconds = at(before).zip(at(after)).map(|(before, after)| after.duration_since(before).as_secs_f64());
    let sum = |stats: &ContainerStatsResponse,
               of: fn(&bollard::models::ContainerNetworkStats) -> Option<u64>| {
        stats.networks.iter().flatten().filter_map(|(_, network)| of(network)).sum::<u64>()
    };
    #[expect(clippy::cast_precision_loss, reason = "a rate need not be exact")]
    let rate = |of| match seconds {
        Some(seconds) if seconds > 0.0 => sum(after, of).saturating_sub(sum(before, of)) as f64 / seconds,
        _ => 0.0,
    };
    json!({ "rx_bytes_per_sec": rate(|n| n.rx_bytes), "tx_bytes_per_sec": rate(|n| n.tx_bytes) })
}
