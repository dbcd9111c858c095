//! `sealdock policy explain`: one request, and why it is decided as it is.

use super::super::Failure;
use super::super::output::{say, tell};
use super::question::Question;
use crate::policy::{Basis, Effect, Explanation, Matched, Outcome};
use clap::Args;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Args)]
#[command(
    after_help = "Exit code: 0 if the request is allowed, 1 if it is denied, 2 if the question or the policies are wrong.

Example:
  sealdock policy explain policies --principal arn:aws:iam::111122223333:user/ann \\
    --action secretsmanager:GetSecretValue \\
    --resource arn:aws:secretsmanager:us-east-1:111122223333:secret:dev/db-a1B2c3 \\
    --context aws:SourceIp=10.0.0.7 --resource-tag team=payments"
)]
pub(crate) struct ExplainArguments {
    /// Directory of the policies
    directory: PathBuf,
    /// ARN of a user, a role, a session (`..:assumed-role/ROLE/SESSION`) or an account root; or a service's name
    #[arg(long, value_name = "ARN")]
    principal: String,
    /// The action, such as `secretsmanager:GetSecretValue`
    #[arg(long)]
    action: String,
    /// ARN of the resource, for actions that have one
    #[arg(long, value_name = "ARN", default_value = "*")]
    resource: String,
    /// A condition key of the request; repeat the same key for one with several values
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    context: Vec<(String, String)>,
    /// A tag of the resource
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    resource_tag: Vec<(String, String)>,
    /// File with the policy of the resource; a role has its own in the directory
    #[arg(long, value_name = "FILE")]
    resource_policy: Option<PathBuf>,
    /// File with a policy that the session is limited to
    #[arg(long, value_name = "FILE")]
    session_policy: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

pub(super) fn run(arguments: &ExplainArguments) -> Result<ExitCode, Failure> {
    let set = super::load(&arguments.directory)?;
    let mut context: BTreeMap<String, Value> = BTreeMap::new();
    for (key, value) in &arguments.context {
        match context.entry(key.clone()).or_insert_with(|| json!([])) {
            Value::Array(values) => values.push(value.as_str().into()),
            other => *other = value.as_str().into(),
        }
    }
    let question = Question {
        principal: arguments.principal.clone(),
        action: arguments.action.clone(),
        resource: arguments.resource.clone(),
        context,
        resource_tags: arguments.resource_tag.iter().cloned().collect(),
        resource_policy: arguments.resource_policy.as_deref().map(super::read).transpose()?,
        session_policy: arguments.session_policy.as_deref().map(super::read).transpose()?,
    };
    let explanation = question.answer(&set).map_err(|e| Failure::new(2, e))?;
    if arguments.json {
        say(format!("{:#}", as_json(&explanation)));
    } else {
        say(as_text(&explanation));
        explanation.doubts.iter().for_each(|doubt| tell(format!("note: {doubt}")));
    }
    Ok(if explanation.decision.is_allowed() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

pub(super) fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Allow => "allow",
        Outcome::ExplicitDeny => "explicit deny",
        Outcome::ImplicitDeny => "implicit deny",
    }
}

fn as_text(explanation: &Explanation) -> String {
    let decision = &explanation.decision;
    let mut lines = vec![format!("{}: {}", outcome(decision.outcome()), decision.reason())];
    for matched in decision.matched() {
        lines.push(format!("  {}", statement(matched)));
    }
    let mut statements = explanation.near.iter().peekable();
    if statements.peek().is_some() {
        lines.push("about the action, but not applying:".to_owned());
    }
    for near in statements {
        lines.push(format!("  {}", statement(&near.statement)));
        lines.extend(near.because.iter().map(|because| format!("    it {because}")));
    }
    lines.join("\n")
}

/// `Allow in statement 2 (ReadOwn) of arn:..:policy/develop, policies/developer.json:27`
pub(super) fn statement(matched: &Matched) -> String {
    if matched.basis == Basis::Root {
        return "the account root may do everything in its account".to_owned();
    }
    let effect = effect(matched.effect);
    let sid = matched.sid.as_ref().map(|sid| format!(" ({sid})")).unwrap_or_default();
    let place = match (&*matched.file, matched.line) {
        ("", line) => format!(", line {line}"),
        (file, line) => format!(", {file}:{line}"),
    };
    let kind = match matched.basis {
        Basis::Boundary => " (as permissions boundary)",
        Basis::Identity | Basis::Resource | Basis::Session | Basis::Root | Basis::Trust => "",
    };
    format!("{effect} in statement {}{sid} of {}{kind}{place}", matched.statement, matched.policy)
}

fn effect(effect: Effect) -> &'static str {
    match effect {
        Effect::Allow => "Allow",
        Effect::Deny => "Deny",
    }
}

pub(super) fn as_json(explanation: &Explanation) -> Value {
    let decision = &explanation.decision;
    let near = explanation.near.iter().map(|near| {
        let mut shown = shown(&near.statement);
        if let Some(members) = shown.as_object_mut() {
            members.insert("because".to_owned(), json!(near.because));
        }
        shown
    });
    json!({
        "outcome": outcome(decision.outcome()),
        "principal": decision.principal().to_string(),
        "action": decision.action(),
        "resource": decision.resource(),
        "reason": decision.reason(),
        "policyType": decision.basis().as_str(),
        "matched": decision.matched().iter().map(shown).collect::<Vec<_>>(),
        "notApplying": near.collect::<Vec<_>>(),
        "notes": explanation.doubts,
        "policyDigest": decision.policy_digest(),
    })
}

fn shown(matched: &Matched) -> Value {
    json!({
        "policy": &*matched.policy, "policyType": matched.basis.as_str(), "statement": matched.statement,
        "sid": matched.sid.as_deref(), "effect": effect(matched.effect), "file": &*matched.file, "line": matched.line,
    })
}
