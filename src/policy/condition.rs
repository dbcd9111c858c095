//! [`Conditions`]: the `Condition` of a statement.
//!
//! ```json
//! "Condition": {"StringEquals": {"aws:PrincipalTag/team": ["payments", "audit"]}, "Bool": {"aws:SecureTransport": "true"}}
//! ```
//!
//! Operators and keys add up; values of one key are alternatives, and for a negated
//! operator none of them may match. What holds if the request does not have the key:
//!
//! | operator | without the key |
//! |---|---|
//! | `..IfExists`, `ForAllValues:..` | holds |
//! | `ForAnyValue:..` | does not hold |
//! | negated (`StringNotEquals`, `NotIpAddress`, ...) | holds |
//! | any other | does not hold |
//! | `Null` | is what it asks |
//!
//! Source: IAM User Guide, "IAM JSON policy elements: Condition operators" and "Set
//! operators for multivalued context keys".

use super::action::ActionSet;
use super::facts::Facts;
use super::key::{Key, Value, Values};
use super::known_keys::{self, Standing};
use super::operand::{Operand, OperandError};
use super::operator::{Operator, Quantifier, Test};
use super::shape;
use super::variable::{Language, Variable, VariableError};
use crate::diagnostic::Diagnostic;
use crate::json::{Member, Node, Value as Json};
use std::fmt;
use std::ops::Range;

/// All conditions of a statement; none holds always.
#[derive(Debug, Default)]
pub(super) struct Conditions {
    all: Vec<Condition>,
}

/// One key under one operator.
#[derive(Debug)]
pub(super) struct Condition {
    name: Box<str>,
    pub(super) operator: Operator,
    pub(super) key: Key,
    pub(super) operands: Vec<Operand>,
    /// The values as they stand in the policy.
    texts: Vec<Box<str>>,
}

impl Conditions {
    /// Whether all hold for the request.
    pub(super) fn hold(&self, facts: &Facts<'_>) -> bool {
        self.all.iter().all(|condition| condition.holds(facts))
    }

    /// Those that do not hold.
    pub(super) fn failing<'a>(&'a self, facts: &'a Facts<'_>) -> impl Iterator<Item = &'a Condition> {
        self.all.iter().filter(|condition| !condition.holds(facts))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Condition> {
        self.all.iter()
    }

    /// Reads the element of a statement with these actions; errors go to `out`.
    pub(super) fn parse(
        node: &Node,
        actions: &ActionSet,
        language: Language,
        out: &mut Vec<Diagnostic>,
    ) -> Self {
        let mut all = Vec::new();
        for operator in members(node, "`Condition`", out) {
            let parsed = Operator::parse(&operator.key).map_err(|near| {
                out.push(unknown(operator, "condition operator", "not an IAM condition operator", near));
            });
            for key in members(&operator.value, &format!("`{}`", operator.key), out) {
                let standing = known_keys::check(&key.key, actions);
                if let Err(near) = &standing {
                    out.push(unknown(key, "condition key", "no request has this key", near.clone()));
                }
                let Ok(parsed) = parsed else { continue };
                if standing == Ok(Standing::Elsewhere) {
                    out.push(elsewhere(key, parsed));
                }
                all.push(condition(&operator.key, parsed, key, actions, language, out));
            }
        }
        Self { all }
    }
}

impl Condition {
    /// The values that the request has, for people.
    pub(super) fn found(&self, facts: &Facts<'_>) -> Option<String> {
        match facts.values(&self.key) {
            Values::Absent => None,
            Values::One(value) => Some(value.text().into_owned()),
            Values::Many(values) => Some(values.join(", ")),
        }
    }

    fn holds(&self, facts: &Facts<'_>) -> bool {
        let Operator { quantifier, test, negated, if_exists } = self.operator;
        let values = facts.values(&self.key);
        if test == Test::Null {
            let absent = matches!(values, Values::Absent | Values::Many([]));
            return self.operands.iter().any(|operand| operand.matches(&Value::Bool(absent), facts));
        }
        let matches = |value: &Value<'_>| self.operands.iter().any(|operand| operand.matches(value, facts));
        let passes = |value: &Value<'_>| matches(value) != negated;
        match (&values, quantifier) {
            (Values::Absent | Values::Many([]), Quantifier::One) => if_exists || negated,
            (Values::Absent | Values::Many([]), Quantifier::Any) => if_exists,
            (Values::Absent | Values::Many([]), Quantifier::All) => true,
            (Values::One(value), _) => passes(value),
            (Values::Many(values), Quantifier::All) => values.iter().all(|v| passes(&Value::Text(v.into()))),
            (Values::Many(values), Quantifier::Any) => values.iter().any(|v| passes(&Value::Text(v.into()))),
            (Values::Many(values), Quantifier::One) => {
                values.iter().any(|v| matches(&Value::Text(v.into()))) != negated
            }
        }
    }
}

/// `StringEquals aws:PrincipalTag/team "payments" or "audit"`
impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.key.name)?;
        for (index, text) in self.texts.iter().enumerate() {
            write!(f, "{} \"{text}\"", if index == 0 { "" } else { " or" })?;
        }
        Ok(())
    }
}

fn condition(
    name: &str,
    operator: Operator,
    member: &Member,
    actions: &ActionSet,
    language: Language,
    out: &mut Vec<Diagnostic>,
) -> Condition {
    let mut operands = Vec::new();
    let mut texts: Vec<Box<str>> = Vec::new();
    let one = std::slice::from_ref(&member.value);
    let elements = member.value.array().unwrap_or(one);
    if elements.is_empty() {
        out.push(
            Diagnostic::warning("IAM0133", format!("no value for `{}`", member.key))
                .at(member.value.span.clone(), "lists nothing")
                .help(if operator.negated {
                    "the condition holds always"
                } else {
                    "the condition never holds"
                }),
        );
    }
    for element in elements {
        let text = match &element.value {
            Json::String(text) | Json::Number(text) => text.clone(),
            Json::Bool(value) => value.to_string(),
            Json::Null | Json::Array(_) | Json::Object(_) => {
                shape::wrong_type(
                    element,
                    &format!("`{}`", member.key),
                    "a string, or an array of strings",
                    out,
                );
                continue;
            }
        };
        match Operand::parse(&text, operator.test, language) {
            Ok(operand) => {
                check_variables(operand.variables(), actions, &element.span, out);
                note_plain_variable(&text, language, &element.span, out);
                operands.push(operand);
                texts.push(text.into());
            }
            Err(error) => {
                out.push(malformed(name, &text, &error).at(element.span.clone(), error.to_string()))
            }
        }
    }
    Condition { name: name.into(), operator, key: Key::new(&member.key), operands, texts }
}

fn malformed(name: &str, text: &str, error: &OperandError) -> Diagnostic {
    if let OperandError::Variable(_) = error {
        return Diagnostic::error("IAM0121", format!("malformed policy variable in `{text}`"));
    }
    let wrong = Diagnostic::error("IAM0126", format!("`{text}` is not a value for `{name}`"));
    if text.contains("${") {
        return wrong.help("policy variables stand in `String` and `Arn` conditions only");
    }
    wrong
}

/// Policy variables of a statement with these actions whose keys its requests do not have.
pub(super) fn check_variables<'v>(
    variables: impl Iterator<Item = &'v Variable>,
    actions: &ActionSet,
    span: &Range<usize>,
    out: &mut Vec<Diagnostic>,
) {
    for Variable { key, default } in variables {
        let key = &key.name;
        let found = match known_keys::check(key, actions) {
            Ok(Standing::Known) => continue,
            Ok(Standing::Elsewhere) => {
                let warning = Diagnostic::warning(
                    "IAM0135",
                    format!("policy variable `${{{key}}}` of another service"),
                );
                warning.help(match default {
                    None => "no request of the services in `Action` has this key: the text matches nothing",
                    Some(_) => {
                        "no request of the services in `Action` has this key: it is always the default"
                    }
                })
            }
            Err(near) => {
                let error = Diagnostic::error("IAM0121", format!("unknown policy variable `${{{key}}}`"));
                error.help(match near {
                    Some(near) => format!("a similar key exists: `{near}`"),
                    None => VariableError::Key.to_string(),
                })
            }
        };
        out.push(found.at(span.clone(), ""));
    }
}

/// What looks like a policy variable and is none, as the document's version has none.
pub(super) fn note_plain_variable(
    text: &str,
    language: Language,
    span: &Range<usize>,
    out: &mut Vec<Diagnostic>,
) {
    let looks = text.split_once("${").is_some_and(|(_, rest)| rest.contains(':') && rest.contains('}'));
    if language == Language::V2008 && looks {
        out.push(
            Diagnostic::warning("IAM0137", format!("`{text}` is plain text"))
                .at(span.clone(), "not a policy variable in this version of the policy language")
                .help("give the document `\"Version\": \"2012-10-17\"`"),
        );
    }
}

/// A key that requests of the statement's services do not have.
fn elsewhere(member: &Member, operator: Operator) -> Diagnostic {
    let asks_for_absence = operator.test == Test::Null;
    let holds = operator.if_exists
        || operator.quantifier == Quantifier::All
        || (operator.negated && operator.quantifier == Quantifier::One);
    Diagnostic::warning("IAM0135", format!("condition key `{}` of another service", member.key))
        .at(member.key_span.clone(), "no request of the services in `Action` has this key")
        .help(match (asks_for_absence, holds) {
            (true, _) => "the key is always absent",
            (false, true) => "the condition holds always",
            (false, false) => "the condition never holds",
        })
}

fn unknown(member: &Member, what: &str, label: &str, near: Option<String>) -> Diagnostic {
    let code = if what == "condition key" { "IAM0125" } else { "IAM0107" };
    let error = Diagnostic::error(code, format!("unknown {what} `{}`", member.key))
        .at(member.key_span.clone(), label);
    match near {
        Some(near) => {
            error.help(format!("a similar {} exists: `{near}`", what.trim_start_matches("condition ")))
        }
        None => error,
    }
}

/// The members of an object, none twice.
fn members<'n>(node: &'n Node, what: &str, out: &mut Vec<Diagnostic>) -> &'n [Member] {
    let Some(members) = node.object() else {
        shape::wrong_type(node, what, "an object", out);
        return &[];
    };
    shape::duplicates(node, what, out);
    members
}
