//! `sealdock policy simulate`: a table of requests with the outcomes that they should
//! have, as a test of policies.

use super::super::Failure;
use super::super::output::say;
use super::explain::{as_json, outcome};
use super::question::Question;
use crate::policy::Explanation;
use clap::Args;
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

#[derive(Debug, Args)]
#[command(
    after_help = "Exit code: 0 if every case has the outcome that it expects, 1 if one has not, 2 if the file or the policies are wrong.

The file is JSON:
  {\"cases\": [
    {\"name\": \"developers read their own secrets\", \"expect\": \"allow\",
     \"principal\": \"arn:aws:iam::111122223333:user/developer\",
     \"action\": \"secretsmanager:GetSecretValue\",
     \"resource\": \"arn:aws:secretsmanager:us-east-1:111122223333:secret:dev/db-a1B2c3\"}
  ]}
`expect` is `allow`, `deny`, `explicit deny` or `implicit deny`. A case may also have `context` (condition
keys and their values), `resourceTags`, `resourcePolicy` and `sessionPolicy`."
)]
pub(crate) struct SimulateArguments {
    /// File of cases
    file: PathBuf,
    /// Directory of the policies
    #[arg(long, value_name = "DIR", default_value = "policies")]
    policies: PathBuf,
    /// Decide each case so many times, and tell how long a decision takes
    #[arg(long, value_name = "TIMES", value_parser = clap::value_parser!(u32).range(1..))]
    repeat: Option<u32>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A case that was tried.
struct Tried {
    name: String,
    expected: Expected,
    found: Explanation,
    /// Of one decision, if that was asked for.
    time: Option<Duration>,
}

impl Tried {
    fn passed(&self) -> bool {
        self.expected.met(&self.found)
    }

    fn microseconds(&self) -> Option<f64> {
        self.time.map(|time| time.as_secs_f64() * 1e6)
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    cases: Vec<Case>,
}

/// The rest is kept as it is, so that a slip in it is found with the name of the case.
#[derive(Debug, Deserialize)]
struct Case {
    #[serde(default)]
    name: Option<String>,
    expect: Expected,
    #[serde(flatten)]
    question: Value,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
enum Expected {
    #[serde(rename = "allow")]
    Allow,
    #[serde(rename = "deny")]
    Deny,
    #[serde(rename = "explicit deny")]
    ExplicitDeny,
    #[serde(rename = "implicit deny")]
    ImplicitDeny,
}

impl Expected {
    fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::ExplicitDeny => "explicit deny",
            Self::ImplicitDeny => "implicit deny",
        }
    }

    fn met(self, explanation: &Explanation) -> bool {
        match self {
            Self::Deny => !explanation.decision.is_allowed(),
            other => other.as_str() == outcome(explanation.decision.outcome()),
        }
    }
}

pub(super) fn run(arguments: &SimulateArguments) -> Result<ExitCode, Failure> {
    let shown = arguments.file.display();
    let wrong = |what: String| Failure::new(2, format!("`{shown}`: {what}"));
    let text = std::fs::read_to_string(&arguments.file).map_err(|error| wrong(error.to_string()))?;
    let table: Table = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    if table.cases.is_empty() {
        return Err(wrong("there are no cases in it, so nothing would be tested".to_owned()));
    }
    let set = super::load(&arguments.policies)?;
    let (mut errors, mut results) = (Vec::new(), Vec::new());
    for (number, case) in (1..).zip(table.cases) {
        let name = case.name.unwrap_or_else(|| format!("case {number}"));
        let tried = serde_json::from_value(case.question).map_err(|error| error.to_string()).and_then(
            |question: Question| {
                let time = arguments.repeat.map(|rounds| question.time(&set, rounds)).transpose()?;
                Ok((question.answer(&set)?, time))
            },
        );
        match tried {
            Ok((found, time)) => results.push(Tried { name, expected: case.expect, found, time }),
            Err(error) => errors.push(format!("case {number} (`{name}`): {error}")),
        }
    }
    if !errors.is_empty() {
        return Err(wrong(errors.join("\n")));
    }
    let failed = results.iter().filter(|tried| !tried.passed()).count();
    if arguments.json {
        let cases: Vec<Value> = results.iter().map(as_case).collect();
        say(format!("{:#}", json!({ "cases": cases, "total": results.len(), "failed": failed })));
    } else {
        results.iter().for_each(|tried| say(line(tried)));
        say(format!("{} of {} cases as expected", results.len() - failed, results.len()));
    }
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn as_case(tried: &Tried) -> Value {
    let mut shown = json!({
        "name": tried.name, "passed": tried.passed(), "expect": tried.expected.as_str(), "found": as_json(&tried.found)
    });
    if let (Some(time), Some(members)) = (tried.microseconds(), shown.as_object_mut()) {
        members.insert("microseconds".to_owned(), json!(time));
    }
    shown
}

fn line(tried: &Tried) -> String {
    let Tried { name, expected, found, .. } = tried;
    let notes: String = found.doubts.iter().map(|doubt| format!("\n      note: {doubt}")).collect();
    let time = tried.microseconds().map(|time| format!("  ({time:.2} us)")).unwrap_or_default();
    if tried.passed() {
        return format!("ok    {name}{time}{notes}");
    }
    let decision = &found.decision;
    let mut text = format!(
        "FAIL  {name}{time}\n      expected {}, found {}: {}",
        expected.as_str(),
        outcome(decision.outcome()),
        decision.reason()
    );
    for matched in decision.matched() {
        text.push_str(&format!("\n      {}", super::explain::statement(matched)));
    }
    text + &notes
}
