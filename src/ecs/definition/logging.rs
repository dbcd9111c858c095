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

/// Reads an entry of `secrets` or `secretOptions`.
pub(super) fn binding(node: &Node, owner: &str, findings: &Findings) -> Option<SecretBinding> {
    let mut fields = Fields::of(node, format!("{owner}: a secret"), findings)?;
    let name = fields.required("name", node.span.clone());
    let text = fields.required("valueFrom", node.span.clone());
    fields.finish();
    let (name, text) = (name?, text?);
    let value_from = ValueFrom::parse(&text.value).unwrap_or_else(|error| {
        let message = format!("{owner}: `{}`: {}", name.value, error.registration_message(&name.value));
        let mut diagnostic = Diagnostic::error("ECS0007", message).at(text.span.clone(), "not a reference");
        diagnostic.help = error.hint();
        findings.push(diagnostic);
        // Stands in, so that the rules about names still see the entry; the definition is refused.
        ValueFrom::Parameter(ParameterReference { name: text.value.clone(), region: None, arn: None })
    });
    Some(SecretBinding {
        name: name.value,
        name_span: name.span,
        value_from,
        text: text.value,
        span: text.span,
    })
}

pub(super) fn log_configuration(node: &Node, owner: &str, findings: &Findings) -> Option<LogConfiguration> {
    let mut fields = Fields::of(node, format!("{owner}: logConfiguration"), findings)?;
    let driver = fields.required("logDriver", node.span.clone());
    let options = fields.map("options");
    let owner = format!("{owner}: secretOptions");
    let secret_options =
        fields.list("secretOptions").iter().filter_map(|n| binding(n, &owner, findings)).collect();
    fields.finish();
    Some(LogConfiguration { driver: driver?, options, secret_options })
}
