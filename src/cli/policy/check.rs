//! `sealdock policy check`: a directory of policies, or files by themselves.

use super::super::Failure;
use super::super::output::{say, tell};
use crate::broker::{PolicyError, policies};
use crate::diagnostic::{Diagnostic, Severity, line_column};
use crate::policy::{FileFindings, LoneDocument, PolicySet, Source, check_document};
use clap::Args;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Args)]
#[command(after_help = "Exit code: 0 if there is no error, 1 if there is one, 2 if the files cannot be read.

A file is an account, in the shape of `aws iam get-account-authorization-details`, or one policy document: of an
identity, of a resource, or of a role's trust; also as the AWS CLI prints it (get-policy-version, get-role, ...).")]
pub(crate) struct CheckArguments {
    /// Directory of `*.json` files in the shape of `aws iam get-account-authorization-details`, or files
    #[arg(required = true, value_name = "DIRECTORY|FILE")]
    paths: Vec<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What the check of some sources found.
struct Report {
    /// For people.
    text: String,
    /// For people as well: the errors.
    errors: Vec<String>,
    findings: Vec<FileFindings>,
    identities: Vec<Value>,
}

pub(super) fn run(arguments: &CheckArguments) -> Result<ExitCode, Failure> {
    let mut reports = Vec::new();
    for path in &arguments.paths {
        if path.is_dir() {
            let sources = policies::read(path).map_err(|e: PolicyError| Failure::new(2, e))?;
            if sources.is_empty() {
                tell("the directory has no *.json file: only the account root may do anything");
            }
            reports.push(of_account(&sources));
        } else {
            let source = super::read(path)?;
            let lone = check_document(&source);
            reports.push(lone.map_or_else(|| of_account(&[source]), of_document));
        }
    }
    let failed = reports.iter().any(|report| !report.errors.is_empty());
    if arguments.json {
        say(format!("{:#}", as_json(&reports)));
    } else if failed {
        let errors: Vec<&str> =
            reports.iter().flat_map(|report| &report.errors).map(String::as_str).collect();
        return Err(Failure::new(1, errors.join("\n\n")));
    } else {
        reports.iter().for_each(|report| say(&report.text));
    }
    Ok(if failed { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

fn of_account(sources: &[Source]) -> Report {
    match PolicySet::load(sources) {
        Ok(set) => Report {
            text: set.summary(),
            errors: Vec::new(),
            findings: set.warnings().to_vec(),
            identities: set.identities().map(|identity| json!(identity.arn.to_string())).collect(),
        },
        Err(errors) => refused(errors.files().to_vec()),
    }
}

fn of_document(found: Result<LoneDocument, crate::policy::LoadErrors>) -> Report {
    match found {
        Err(errors) => refused(errors.files().to_vec()),
        Ok(LoneDocument { what, statements, warnings }) => {
            let counted =
                if statements == 1 { "1 statement".to_owned() } else { format!("{statements} statements") };
            let shown: String = warnings.iter().map(|file| format!("\n\n{file}")).collect();
            let text = format!("{what}: {counted}{shown}");
            Report { text, errors: Vec::new(), findings: warnings, identities: Vec::new() }
        }
    }
}

fn refused(findings: Vec<FileFindings>) -> Report {
    let errors = findings.iter().map(FileFindings::to_string).collect();
    Report { text: String::new(), errors, findings, identities: Vec::new() }
}

fn as_json(reports: &[Report]) -> Value {
    let files = || reports.iter().flat_map(|report| &report.findings);
    let all: Vec<Value> =
        files().flat_map(|file| file.diagnostics.iter().map(|finding| shown(file, finding))).collect();
    let of = |severity| files().flat_map(|file| &file.diagnostics).filter(|d| d.severity == severity).count();
    let identities: Vec<&Value> = reports.iter().flat_map(|report| &report.identities).collect();
    json!({
        "errors": of(Severity::Error), "warnings": of(Severity::Warning),
        "findings": all, "identities": identities,
    })
}

fn shown(file: &FileFindings, finding: &Diagnostic) -> Value {
    let label = finding.primary.as_ref();
    let place = |offset: usize| line_column(&file.text, offset);
    let (start, end) = label.map(|label| (place(label.span.start), place(label.span.end))).unzip();
    json!({
        "severity": finding.severity.as_str(), "code": finding.code, "message": finding.message,
        "label": label.map(|label| &label.text).filter(|text| !text.is_empty()), "help": finding.help,
        "file": file.path, "line": start.map(|at| at.0), "column": start.map(|at| at.1),
        "endLine": end.map(|at| at.0), "endColumn": end.map(|at| at.1),
    })
}
