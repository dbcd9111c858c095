//! What ECS refuses in a task definition that is to run on Fargate: it says so in
//! `requiresCompatibilities`.
//!
//! On one host none of this matters, but the definition would not be registered.

use super::definition::{Findings, IpcMode, NetworkMode, PidMode, Spanned, TaskDefinition, VolumeSource};
use crate::diagnostic::Diagnostic;
use std::ops::Range;

/// Log drivers of Fargate.
const LOG_DRIVERS: [&str; 3] = ["awslogs", "splunk", "awsfirelens"];

/// CPU units, and the memory in MiB that they can be had with: from, to, in steps of.
const SIZES: [(u32, u32, u32, u32); 8] = [
    (256, 512, 2_048, 512),
    (512, 1_024, 4_096, 1_024),
    (1_024, 2_048, 8_192, 1_024),
    (2_048, 4_096, 16_384, 1_024),
    (4_096, 8_192, 30_720, 1_024),
    (8_192, 16_384, 61_440, 4_096),
    (16_384, 32_768, 122_880, 8_192),
    (32_768, 61_440, 249_856, 4_096),
];

/// Checks every rule, if Fargate is asked for.
pub(super) fn check(task: &TaskDefinition, findings: &Findings) {
    let Some(asked) = &task.fargate else { return };
    let refuse = |span: &Range<usize>, message: String, help: &str| {
        let mut error = Diagnostic::error("ECS0118", message).at(span.clone(), "");
        if span != asked {
            error = error.with(asked.clone(), "because of this");
        }
        error.help = (!help.is_empty()).then(|| help.to_owned());
        findings.push(error);
    };
    if task.network_mode != NetworkMode::Awsvpc {
        let help = "set `networkMode` to awsvpc, or leave out FARGATE here";
        refuse(asked, "Fargate only supports network mode ‘awsvpc’.".into(), help);
    }
    match (task.cpu, task.memory_mib) {
        (None, _) => refuse(
            asked,
            "Fargate requires that 'cpu' be defined at the task level.".into(),
            "such as `\"cpu\": \"256\"` beside `containerDefinitions`",
        ),
        (_, None) if !task.memory_is_elsewhere => refuse(
            asked,
            "Fargate requires that 'memory' be defined at the task level.".into(),
            "such as `\"memory\": \"512\"` beside `containerDefinitions`",
        ),
        (Some(cpu), Some(memory)) if !is_size(cpu, memory) => {
            let message = format!(
                "No Fargate configuration exists for given values: {cpu} CPU, {memory} memory. See the Amazon \
                 ECS documentation for the valid values."
            );
            refuse(asked, message, &memory_for(cpu));
        }
        _ => {}
    }
    if matches!(task.ipc_mode, Some(IpcMode::Host | IpcMode::Task)) {
        refuse(asked, "Tasks using the Fargate launch type do not support ipcMode.".into(), "");
    }
    if task.pid_mode == Some(PidMode::Host) {
        let message = "Tasks using the Fargate launch type do not support pidMode 'host'. The supported value \
                       for pidMode is 'task'.";
        refuse(asked, message.into(), "");
    }
    for volume in &task.volumes {
        if matches!(volume.source, VolumeSource::Host(_)) {
            let help = "leave `host` out: the task then has a volume of its own";
            let message = "Fargate compatible task definitions do not support sourcePath";
            refuse(&volume.name.span, message.into(), help);
        }
    }
    for container in &task.containers {
        let span = &container.name.span;
        let settings = &container.settings;
        for (given, field) in [
            (settings.privileged, "privileged"),
            (!settings.linux.devices.is_empty(), "devices"),
            (settings.gpus > 0, "GPU resource requirements"),
        ] {
            if given {
                refuse(span, format!("Fargate compatible task definitions do not support {field}"), "");
            }
        }
        if let Some(log) =
            container.log.as_ref().filter(|log| !LOG_DRIVERS.contains(&log.driver.value.as_str()))
        {
            let Spanned { value, span } = &log.driver;
            let message =
                format!("Fargate compatible task definitions do not support the log driver {value}");
            refuse(span, message, &format!("one of {}", LOG_DRIVERS.join(", ")));
        }
    }
    check_role(task, &refuse);
}

/// What Fargate does as the execution role.
fn check_role(task: &TaskDefinition, refuse: &dyn Fn(&Range<usize>, String, &str)) {
    if task.execution_role.is_some() || task.execution_role_is_named {
        return;
    }
    let help = "add `executionRoleArn`: `arn:aws:iam::ACCOUNT:role/NAME`";
    let needs = |what: &str| {
        format!("Fargate requires task definition to have execution role ARN to support {what}.")
    };
    let image = task.containers.iter().find(|c| is_ecr(&c.settings.image));
    let logs = task.containers.iter().filter_map(|c| c.log.as_ref());
    let logs = logs.map(|log| &log.driver).find(|driver| driver.value == "awslogs");
    if let Some(container) = image {
        refuse(&container.image_span, needs("ECR images"), help);
    } else if let Some(driver) = logs {
        refuse(&driver.span, needs("log driver awslogs"), help);
    }
}

fn is_ecr(image: &str) -> bool {
    let registry = image.split('/').next().unwrap_or_default();
    registry.contains(".dkr.ecr") && registry.contains(".amazonaws.com")
}

fn is_size(cpu: u32, memory: u32) -> bool {
    // 0.25 vCPU goes with 0.5, 1 and 2 GB.
    let between = cpu == 256 && memory == 1_536;
    SIZES.iter().any(|(units, from, to, step)| {
        *units == cpu
            && !between
            && (*from..=*to).contains(&memory)
            && memory.saturating_sub(*from).is_multiple_of(*step)
    })
}

/// What would go with so much CPU.
fn memory_for(cpu: u32) -> String {
    match SIZES.iter().find(|(units, ..)| *units == cpu) {
        Some((units, from, to, _)) => format!("{units} CPU units go with {from} to {to} MiB of memory"),
        None => "`cpu` is one of 256, 512, 1024, 2048, 4096, 8192, 16384 and 32768".to_owned(),
    }
}
