//! Files that a task needs beside its images and secrets: environment files, the
//! configuration of a log router, file systems. They are looked for before anything
//! is made, and what is missing is reported together.

use super::error::LaunchError;
use super::objects::ObjectError;
use super::options::Options;
use crate::diagnostic::Diagnostic;
use crate::ecs::definition::{ConfigFile, VolumeSource};
use crate::ecs::environment_file;
use crate::ecs::plan::{ContainerPlan, TaskPlan};
use std::collections::HashMap;
use std::ops::Range;

/// What was read.
#[derive(Debug, Default)]
pub(super) struct Inputs {
    /// Variables of each file of each container.
    pub(super) variables: HashMap<String, Vec<Vec<(String, String)>>>,
    /// Configuration of the router.
    pub(super) router_config: Option<String>,
    /// Directories of the plan's volumes that are file systems, by the volume's name.
    pub(super) file_systems: HashMap<String, String>,
}

/// What a launch with these options would not find.
pub fn missing(plan: &TaskPlan, options: &Options) -> Vec<Diagnostic> {
    match read(plan, options) {
        Err(LaunchError::Inputs(missing)) => missing,
        _ => Vec::new(),
    }
}

/// What a launch with these options does otherwise than ECS.
pub fn differences(plan: &TaskPlan, options: &Options) -> Vec<Diagnostic> {
    let kept = plan.containers.iter().filter(|c| c.log.as_ref().is_some_and(|log| log.driver == "awslogs"));
    let names: Vec<String> = kept.map(|container| format!("`{}`", container.name)).collect();
    let message = match names.as_slice() {
        names if options.awslogs || names.is_empty() => return Vec::new(),
        [name] => format!("container {name}: its logs stay on this host, in Docker's `json-file`"),
        names => {
            format!("containers {}: their logs stay on this host, in Docker's `json-file`", names.join(", "))
        }
    };
    let help = "`task logs` shows them; with `--awslogs` Docker sends them to CloudWatch, with credentials of its own";
    vec![Diagnostic::note("ECS0404", message).help(help)]
}

/// Lines of environment files that were hardly meant as ECS reads them.
pub fn odd_lines(plan: &TaskPlan, options: &Options) -> Vec<Diagnostic> {
    const MOST: usize = 5;
    let mut found = Vec::new();
    for container in &plan.containers {
        for arn in &container.environment_files {
            let Ok(text) = options.objects.read(&arn.value) else { continue };
            let doubts = environment_file::doubts(&text);
            let mut lines: Vec<String> =
                doubts.iter().take(MOST).map(|(line, what)| format!("line {line} {what}")).collect();
            if doubts.len() > MOST {
                lines.push(format!("and so do {} others", doubts.len() - MOST));
            }
            if !lines.is_empty() {
                let message =
                    format!("container `{}`: `{}`: {}", container.name, arn.value, lines.join("; "));
                let warning = Diagnostic::warning("ECS0405", message).at(arn.span.clone(), "");
                found.push(
                    warning.help(
                        "ECS takes NAME=VALUE as it stands: no blanks, quotes or `export` are taken away",
                    ),
                );
            }
        }
    }
    found
}

/// Reads everything.
pub(super) fn read(plan: &TaskPlan, options: &Options) -> Result<Inputs, LaunchError> {
    let mut inputs = Inputs::default();
    let mut missing = Vec::new();
    for container in &plan.containers {
        let files = variables(container, options, &mut missing);
        inputs.variables.insert(container.name.clone(), files);
        let firelens = container.firelens.as_ref();
        if let Some((ConfigFile::S3(arn), span)) = firelens.and_then(|f| Some((f.config.as_ref()?, &f.span)))
        {
            match options.objects.read(arn) {
                Ok(text) => inputs.router_config = Some(text),
                Err(error) => missing.push(lacks(&container.name, &error, span)),
            }
        }
    }
    for volume in &plan.volumes {
        let VolumeSource::FileSystem { id, root, span } = &volume.source else { continue };
        match options.file_systems.file_system(id, root) {
            Ok(path) if path.is_dir() => {
                inputs.file_systems.insert(volume.name.value.clone(), path.display().to_string());
            }
            Ok(path) => {
                let message =
                    format!("volume `{}`: `{}` is not a directory", volume.name.value, path.display());
                missing.push(Diagnostic::error("ECS0401", message).at(span.clone(), ""));
            }
            Err(error) => {
                let message = format!("volume `{}`: {error}", volume.name.value);
                missing.push(Diagnostic::error("ECS0401", message).at(span.clone(), ""));
            }
        }
    }
    if missing.is_empty() { Ok(inputs) } else { Err(LaunchError::Inputs(missing)) }
}

fn variables(
    container: &ContainerPlan,
    options: &Options,
    missing: &mut Vec<Diagnostic>,
) -> Vec<Vec<(String, String)>> {
    let mut files = Vec::new();
    for arn in &container.environment_files {
        match options.objects.read(&arn.value) {
            Ok(text) => match environment_file::parse(&text) {
                Ok(variables) => files.push(variables),
                Err(error) => {
                    let message = format!("container `{}`: `{}`: {error}", container.name, arn.value);
                    missing.push(Diagnostic::error("ECS0401", message).at(arn.span.clone(), ""));
                }
            },
            Err(error) => missing.push(lacks(&container.name, &error, &arn.span)),
        }
    }
    files
}

fn lacks(container: &str, error: &ObjectError, span: &Range<usize>) -> Diagnostic {
    Diagnostic::error("ECS0401", format!("container `{container}`: {error}")).at(span.clone(), "")
}
