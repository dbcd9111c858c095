//! Fields that stand at a wrong level, which is a common slip.

/// Where a field belongs that is known at another level.
pub(super) fn placed(name: &str, owner: &str) -> Option<&'static str> {
    const TASK: [&str; 14] = [
        "containerDefinitions",
        "ephemeralStorage",
        "executionRoleArn",
        "family",
        "inferenceAccelerators",
        "ipcMode",
        "networkMode",
        "pidMode",
        "placementConstraints",
        "proxyConfiguration",
        "requiresCompatibilities",
        "runtimePlatform",
        "taskRoleArn",
        "volumes",
    ];
    const CONTAINER: [&str; 25] = [
        "command",
        "dependsOn",
        "dockerLabels",
        "entryPoint",
        "environment",
        "environmentFiles",
        "essential",
        "firelensConfiguration",
        "healthCheck",
        "image",
        "linuxParameters",
        "links",
        "logConfiguration",
        "memoryReservation",
        "mountPoints",
        "portMappings",
        "privileged",
        "readonlyRootFilesystem",
        "repositoryCredentials",
        "restartPolicy",
        "secrets",
        "systemControls",
        "ulimits",
        "user",
        "volumesFrom",
    ];
    const LINUX: [&str; 7] = [
        "capabilities",
        "devices",
        "initProcessEnabled",
        "maxSwap",
        "sharedMemorySize",
        "swappiness",
        "tmpfs",
    ];
    const LOG: [&str; 3] = ["logDriver", "options", "secretOptions"];
    let (task, container) = (owner == "task definition", !owner.contains(": ") && owner != "task definition");
    match name {
        name if !task && TASK.contains(&name) => {
            Some("at the level of the task, beside `containerDefinitions`")
        }
        name if !container && CONTAINER.contains(&name) => Some("in an entry of `containerDefinitions`"),
        name if LINUX.contains(&name) && container => Some("in `linuxParameters` of the container"),
        name if LOG.contains(&name) && container => Some("in `logConfiguration` of the container"),
        _ => None,
    }
}
