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
            let mut others = container.depends_on.iter().map(|d| d.container.value.as_str());
            others.all(|other| started.contains(other) || !names.contains(other))
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
