//! The order in which containers start: each after all that it depends on,
//! otherwise as written.

use super::definition::ContainerDefinition;
use std::collections::HashSet;

/// Indices of the containers in start order.
///
/// # Errors
/// Indices of the containers that wait for each other, or for a container that does.
/// Dependencies on unknown names are left out of account.
pub(super) fn start_order(containers: &[ContainerDefinition]) -> Result<Vec<usize>, Vec<usize>> {
    let names: HashSet<&str> = containers.iter().map(|c| c.name.value.as_str()).collect();
    let mut waiting: Vec<(usize, &ContainerDefinition)> = containers.iter().enumerate().collect();
    let mut started = HashSet::new();
    let mut order = Vec::with_capacity(containers.len());
    while !waiting.is_empty() {
        let ready = waiting.iter().position(|(_, container)| {
            needs(container, containers).all(|other| started.contains(other) || !names.contains(other))
        });
        let Some(position) = ready else {
            return Err(waiting.into_iter().map(|(index, _)| index).collect());
        };
        let (index, container) = waiting.remove(position);
        started.insert(container.name.value.as_str());
        order.push(index);
    }
    Ok(order)
}

/// The containers that have to exist before this one: those that it waits for, links
/// to or takes volumes from, and the router of its logs.
pub(super) fn needs<'a>(
    container: &'a ContainerDefinition,
    containers: &'a [ContainerDefinition],
) -> impl Iterator<Item = &'a str> {
    let waits = container.depends_on.iter().map(|d| &d.container);
    let links = container.links.iter().map(|l| &l.container);
    let volumes = container.volumes_from.iter().map(|v| &v.container);
    let routed = container.log.as_ref().is_some_and(|log| log.driver.value == FIRELENS);
    let router = containers.iter().filter(move |c| routed && c.firelens.is_some()).map(|c| &c.name);
    waits.chain(links).chain(volumes).chain(router).map(|name| name.value.as_str())
}

/// The log driver that hands a container's output to the router of the task.
pub(super) const FIRELENS: &str = "awsfirelens";
