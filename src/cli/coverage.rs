//! `sealdock coverage`: every operation of the AWS services, and whether it is served.
//!
//! Made from the table that requests are dispatched by, so that it cannot say
//! something else than the broker does. The README's table is this one.

use super::output::say;
use super::{Failure, table};
use crate::protocol::{Coverage, Operation, Service};
use clap::{Args, ValueEnum};
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(crate) struct CoverageArguments {
    /// One line an operation, or one row a service as the README has it
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Text,
    Markdown,
}

pub(crate) fn run(arguments: &CoverageArguments) -> Result<ExitCode, Failure> {
    let rows: Vec<Coverage> = Operation::coverage().collect();
    say(match arguments.format {
        Format::Text => text(&rows),
        Format::Markdown => markdown(&rows),
    });
    Ok(ExitCode::SUCCESS)
}

fn title(service: Service) -> &'static str {
    match service {
        Service::SecretsManager => "Secrets Manager",
        Service::Ssm => "SSM Parameter Store",
        Service::Kms => "KMS",
        Service::Sts => "STS",
        Service::Sealdock => "Sealdock",
    }
}

fn text(rows: &[Coverage]) -> String {
    let cells = rows.iter().map(|row| {
        let served = if row.implemented { "yes" } else { "no" };
        [title(row.service), row.name, served].map(str::to_owned)
    });
    table::render(["SERVICE", "OPERATION", "SERVED"], cells)
}

fn markdown(rows: &[Coverage]) -> String {
    let mut lines =
        vec!["| service | served | operations | not served |".to_owned(), "|---|---|---|---|".to_owned()];
    for of_service in rows.chunk_by(|a, b| a.service == b.service) {
        let (served, missing): (Vec<&Coverage>, Vec<&Coverage>) =
            of_service.iter().partition(|row| row.implemented);
        let names = |rows: &[&Coverage]| match rows {
            [] => "none".to_owned(),
            rows => rows.iter().map(|row| row.name).collect::<Vec<_>>().join(", "),
        };
        let service = of_service.first().map_or("", |row| title(row.service));
        let (count, all) = (served.len(), of_service.len());
        lines.push(format!("| {service} | {count} of {all} | {} | {} |", names(&served), names(&missing)));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_a_service_names_what_is_served_and_what_is_not() {
        let row = |service, name, implemented| Coverage { service, name, implemented };
        let rows = [
            row(Service::SecretsManager, "A", true),
            row(Service::SecretsManager, "B", false),
            row(Service::Ssm, "C", true),
        ];
        let lines = markdown(&rows);
        assert!(
            lines.ends_with(
                "| Secrets Manager | 1 of 2 | A | B |\n| SSM Parameter Store | 1 of 1 | C | none |"
            )
        );
        assert!(
            text(&rows).ends_with("Secrets Manager      B          no\nSSM Parameter Store  C          yes")
        );
    }
}
