//! `secrets`, `logConfiguration` and its `secretOptions`.

use super::Spanned;
use super::fields::{Fields, Findings};
use crate::diagnostic::Diagnostic;
use crate::ecs::valuefrom::{ParameterReference, ValueFrom};
use crate::json::Node;
use std::ops::Range;

/// One entry of `secrets` or `secretOptions`.
#[derive(Clone, Debug)]
pub struct SecretBinding {
    /// The environment variable or log option.
    pub name: String,
    /// The place of the name.
    pub name_span: Range<usize>,
    /// The reference.
    pub value_from: ValueFrom,
    /// The reference as written.
    pub text: String,
    /// The place of the reference.
    pub span: Range<usize>,
}

/// `logConfiguration`.
#[derive(Clone, Debug)]
pub struct LogConfiguration {
    /// `logDriver`.
    pub driver: Spanned<String>,
    /// `options`, in order.
    pub options: Vec<(Spanned<String>, String)>,
    /// `secretOptions`, in order.
    pub secret_options: Vec<SecretBinding>,
}

/// `firelensConfiguration`: a container that routes the logs of others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Firelens {
    /// The program in it.
    pub router: Router,
    /// Whether each line gets the names of task and container.
    pub metadata: bool,
    /// More configuration.
    pub config: Option<ConfigFile>,
    /// The place of the configuration.
    pub span: Range<usize>,
}

/// A program that routes logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Router {
    /// Fluent Bit.
    Fluentbit,
    /// Fluentd.
    Fluentd,
}

impl Router {
    /// The option that names an output, and the router's name in messages.
    pub fn output_key(self) -> (&'static str, &'static str) {
        match self {
            Self::Fluentbit => ("Name", "fluentbit"),
            Self::Fluentd => ("@type", "fluentd"),
        }
    }
}

/// Configuration of a router beside what is generated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigFile {
    /// A path in the image.
    Path(String),
    /// The ARN of an object in S3.
    S3(String),
}

/// Reads `secrets` or `secretOptions`.
pub(super) fn bindings(fields: &mut Fields<'_>, name: &'static str, owner: &str) -> Vec<SecretBinding> {
    let pairs = fields.pairs(name, "valueFrom");
    pairs.into_iter().map(|(name, text)| binding(name, text, owner, fields.findings)).collect()
}

fn binding(name: Spanned<String>, text: Spanned<String>, owner: &str, findings: &Findings) -> SecretBinding {
    let value_from = ValueFrom::parse(&text.value).unwrap_or_else(|error| {
        let message = format!("{owner}: `{}`: {}", name.value, error.registration_message(&name.value));
        let mut diagnostic = Diagnostic::error("ECS0007", message).at(text.span.clone(), "not a reference");
        diagnostic.help = error.hint();
        findings.push(diagnostic);
        // Stands in, so that the rules about names still see the entry; the definition is refused.
        ValueFrom::Parameter(ParameterReference { name: text.value.clone(), region: None, arn: None })
    });
    if let Some((message, help)) = value_from.doubts() {
        let message = format!("{owner}: `{}`: {message}", name.value);
        findings.push(Diagnostic::warning("ECS0026", message).at(text.span.clone(), "").help(help));
    }
    SecretBinding { name: name.value, name_span: name.span, value_from, text: text.value, span: text.span }
}

pub(super) fn firelens(node: &Node, owner: &str, findings: &Findings) -> Option<Firelens> {
    let mut fields = Fields::of(node, format!("{owner}: firelensConfiguration"), findings)?;
    let router = fields.choice("type", &[("fluentbit", Router::Fluentbit), ("fluentd", Router::Fluentd)]);
    if node.get("type").is_none() {
        fields.error("ECS0004", node.span.clone(), "`type` is missing");
    }
    let options = fields.map("options");
    fields.finish();
    let mut firelens = Firelens { router: router?, metadata: true, config: None, span: node.span.clone() };
    let option = |wanted: &str| options.iter().find(|(name, _)| name.value == wanted);
    if let Some((name, value)) = option("enable-ecs-log-metadata") {
        firelens.metadata = go_bool(value).unwrap_or_else(|| {
            let message = format!(
                "{owner}: firelensConfiguration: `{value}` is neither true nor false, and counts as false"
            );
            findings.push(Diagnostic::warning("ECS0009", message).at(name.span.clone(), ""));
            false
        });
    }
    let error = |span: &Range<usize>, message: &str| {
        findings.push(
            Diagnostic::error("ECS0009", format!("{owner}: firelensConfiguration: {message}"))
                .at(span.clone(), ""),
        );
    };
    match (option("config-file-type"), option("config-file-value")) {
        (Some((_, kind)), Some((_, value))) if kind == "file" => {
            firelens.config = Some(ConfigFile::Path(value.clone()))
        }
        (Some((_, kind)), Some((_, value))) if kind == "s3" => {
            firelens.config = Some(ConfigFile::S3(value.clone()))
        }
        (Some((name, _)), Some(_)) => error(&name.span, "`config-file-type` must be `s3` or `file`"),
        (Some((name, _)), None) => error(&name.span, "`config-file-value` is missing"),
        (None, Some((name, _))) => error(&name.span, "`config-file-type` is missing"),
        (None, None) => {}
    }
    let known = ["enable-ecs-log-metadata", "config-file-type", "config-file-value"];
    for (name, _) in options.iter().filter(|(name, _)| !known.contains(&name.value.as_str())) {
        error(&name.span, &format!("unknown option `{}`; there are {}", name.value, known.join(", ")));
    }
    Some(firelens)
}

/// A truth value in the spellings that the ECS agent's language takes.
fn go_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

pub(super) fn log_configuration(node: &Node, owner: &str, findings: &Findings) -> Option<LogConfiguration> {
    let mut fields = Fields::of(node, format!("{owner}: logConfiguration"), findings)?;
    let driver = fields.required("logDriver", node.span.clone());
    let options = fields.map("options");
    let owner = format!("{owner}: secretOptions");
    let secret_options = bindings(&mut fields, "secretOptions", &owner);
    fields.finish();
    Some(LogConfiguration { driver: driver?, options, secret_options })
}
