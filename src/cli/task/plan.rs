//! `sealdock task plan`: what a launch would do.

use super::condition_text;
use super::source::{DefinitionArguments, HostArguments, Source};
use crate::cli::Failure;
use crate::cli::broker::{BrokerArguments, block_on};
use crate::cli::output::{say, tell};
use crate::diagnostic::{Diagnostic, Severity};
use crate::ecs::definition::SecretBinding;
use crate::ecs::plan::{ContainerPlan, TaskPlan};
use crate::launch::{self, Options};
use clap::Args;
use serde_json::{Value, json};
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(crate) struct PlanArguments {
    #[command(flatten)]
    definition: DefinitionArguments,
    #[command(flatten)]
    host: HostArguments,
    /// Also ask the broker whether every reference resolves, as the execution role; no value is shown
    #[arg(long)]
    resolve: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    broker: BrokerArguments,
}

pub(super) fn plan(arguments: &PlanArguments) -> Result<ExitCode, Failure> {
    let source = arguments.definition.read()?;
    let plan = source.plan()?;
    let mut warnings = plan.warnings.clone();
    let host = arguments.host.options()?;
    // A launch would be refused for these; a plan only says so.
    let missing = launch::missing(&plan, &host).into_iter();
    warnings.extend(missing.map(|d| Diagnostic { severity: Severity::Warning, ..d }));
    warnings.extend(launch::differences(&plan, &host));
    warnings.extend(launch::odd_lines(&plan, &host));
    if arguments.resolve {
        let client = arguments.broker.client().map_err(Failure::of_launch)?;
        let options = Options { region: client.region().to_owned(), ..host };
        let checked = block_on(launch::check(&plan, &options, &client))?;
        warnings.extend(checked.map_err(|e| source.failed(&e))?);
    }
    if arguments.json {
        say(plan_json(&plan, &warnings, &source, arguments.resolve));
    } else {
        show_plan(&plan, arguments.resolve);
        if !warnings.is_empty() {
            tell(source.render(&warnings));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn show_plan(plan: &TaskPlan, resolved: bool) {
    let role = plan.execution_role.as_ref().map_or_else(|| "none".to_owned(), ToString::to_string);
    say(format_args!("task {}, execution role {role}", plan.family));
    for container in &plan.containers {
        let essential = if container.essential { "essential" } else { "not essential" };
        say(format_args!("  container {} ({essential}), image {}", container.name, container.settings.image));
        for (name, condition) in &container.depends_on {
            say(format_args!("    waits for {name} {}", condition_text(*condition)));
        }
        for arn in &container.environment_files {
            say(format_args!("    variables from {}", arn.value));
        }
        if let Some(read) = &container.registry {
            say(format_args!("    registry account <- {}", read.secret_id));
        }
        for (kind, binding) in references(container) {
            say(format_args!("    {kind} {} <- {}", binding.name, binding.text));
        }
    }
    let calls = plan.reads.secrets.len() + plan.reads.parameters.len() + plan.registry_reads.len();
    say(format_args!("{} references, {calls} reads from the broker", plan.bindings().count()));
    if resolved {
        say("every reference resolves");
    }
}

fn references(container: &ContainerPlan) -> impl Iterator<Item = (&'static str, &SecretBinding)> {
    let options = container.log.iter().flat_map(|log| &log.secret_options);
    container.secrets.iter().map(|b| ("variable", b)).chain(options.map(|b| ("log option", b)))
}

fn plan_json(plan: &TaskPlan, warnings: &[Diagnostic], source: &Source, resolved: bool) -> Value {
    let containers = plan.containers.iter().map(|container| {
        let references = references(container).map(|(kind, binding)| {
            json!({ "kind": kind, "name": binding.name, "valueFrom": binding.text })
        });
        json!({
            "name": container.name, "image": container.settings.image, "essential": container.essential,
            "dependsOn": container.depends_on.iter()
                .map(|(name, c)| json!({ "containerName": name, "condition": condition_text(*c) })).collect::<Vec<_>>(),
            "references": references.collect::<Vec<_>>(),
        })
    });
    let warnings = warnings.iter().map(|w| {
        let place = source.place(w);
        json!({
            "severity": w.severity.as_str(), "code": w.code, "message": w.message, "line": place.map(|p| p.0), "column": place.map(|p| p.1),
            "help": w.help,
        })
    });
    json!({
        "family": plan.family, "executionRoleArn": plan.execution_role.as_ref().map(ToString::to_string),
        "containers": containers.collect::<Vec<_>>(), "reads": plan.reads.secrets.len() + plan.reads.parameters.len(),
        "resolved": resolved, "warnings": warnings.collect::<Vec<_>>(),
    })
}
