//! Intrinsic functions of CloudFormation, as far as a template and `--set` tell
//! what they give.
//!
//! | function | gives |
//! |---|---|
//! | `Ref X` | `--set X=..`, or the default of the parameter X |
//! | `Fn::GetAtt [A, B]` | `--set A.B=..` |
//! | `Fn::Sub` | its text, each `${X}` as `Ref` or `Fn::GetAtt` |
//! | `Fn::ImportValue N` | `--set N=..` |
//! | `Fn::If [C, a, b]` | a or b: the condition C is `--set C=true`, or worked out from `Conditions` |
//! | `Fn::Join`, `Fn::Select`, `Fn::Split`, `Fn::FindInMap`, `Fn::Base64` | as documented |
//!
//! What has no value is an error that names it and the remedy, and counts as absent.

use super::Values;
use super::string;
use crate::diagnostic::Diagnostic;
use crate::ecs::definition::Findings;
use crate::json::{Member, Node, Value};
use base64::Engine;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::Range;

/// What a template says beside its resources.
pub(super) struct Scope<'a> {
    pub(super) values: &'a Values,
    pub(super) template: Option<&'a Node>,
    pub(super) findings: &'a Findings,
    /// Names of values that were used.
    pub(super) used: &'a RefCell<BTreeSet<String>>,
}

const FUNCTIONS: [&str; 24] = [
    "Ref",
    "Condition",
    "Fn::And",
    "Fn::Base64",
    "Fn::Cidr",
    "Fn::Equals",
    "Fn::FindInMap",
    "Fn::ForEach",
    "Fn::GetAZs",
    "Fn::GetAtt",
    "Fn::GetStackOutput",
    "Fn::If",
    "Fn::ImportValue",
    "Fn::Join",
    "Fn::Length",
    "Fn::Not",
    "Fn::Or",
    "Fn::Select",
    "Fn::Split",
    "Fn::Sub",
    "Fn::ToJsonString",
    "Fn::Transform",
    "Fn::ValueOf",
    "Fn::RefAll",
];

/// The function that an object is.
fn function(node: &Node) -> Option<(&str, &Node)> {
    match node.object()? {
        [only] => FUNCTIONS.iter().find(|f| **f == only.key).map(|f| (*f, &only.value)),
        _ => None,
    }
}

impl Scope<'_> {
    /// The node with every function evaluated. `None` is `AWS::NoValue`.
    pub(super) fn evaluate(&self, node: &Node) -> Option<Node> {
        if let Some((name, argument)) = function(node) {
            return self.call(name, argument, &node.span);
        }
        let value = match &node.value {
            Value::Array(elements) => {
                Value::Array(elements.iter().filter_map(|e| self.evaluate(e)).collect())
            }
            Value::Object(members) => Value::Object(
                members
                    .iter()
                    .filter_map(|m| {
                        let Member { key, key_span, value } = m;
                        let value = self.evaluate(value)?;
                        Some(Member { key: key.clone(), key_span: key_span.clone(), value })
                    })
                    .collect(),
            ),
            other => other.clone(),
        };
        Some(Node { span: node.span.clone(), value })
    }

    fn call(&self, name: &str, argument: &Node, span: &Range<usize>) -> Option<Node> {
        let text = |text: String| Some(string(text, span.clone()));
        let absent = Some(Node { span: span.clone(), value: Value::Null });
        match name {
            "Ref" => match argument.string() {
                Some("AWS::NoValue") => None,
                Some(name) => self.named(name, span, "Ref").map_or(absent, text),
                None => self.refuse(name, span),
            },
            "Fn::GetAtt" => {
                let parts = self.texts(argument);
                match parts.filter(|p| !p.is_empty()) {
                    Some(parts) => self.named(&parts.join("."), span, name).map_or(absent, text),
                    None => self.refuse(name, span),
                }
            }
            "Fn::ImportValue" => match self.evaluate(argument).as_ref().and_then(Node::string) {
                Some(export) => self.named(export, span, name).map_or(absent, text),
                None => absent,
            },
            "Fn::Sub" => self.substitute(argument, span).map_or(absent, text),
            "Fn::Join" => match self.evaluate(argument)?.array() {
                Some([separator, Node { value: Value::Array(parts), .. }]) => {
                    let parts: Option<Vec<String>> = parts.iter().map(plain).collect();
                    parts.map_or(absent, |parts| text(parts.join(separator.string().unwrap_or_default())))
                }
                _ => self.refuse(name, span),
            },
            "Fn::Select" => match self.evaluate(argument)?.array() {
                Some([index, Node { value: Value::Array(list), .. }]) => {
                    plain(index).and_then(|i| list.get(i.parse::<usize>().ok()?)).cloned().or(absent)
                }
                _ => self.refuse(name, span),
            },
            "Fn::Split" => match self.evaluate(argument)?.array() {
                Some([separator, whole]) => match (separator.string(), whole.string()) {
                    (Some(separator), Some(whole)) if !separator.is_empty() => {
                        let parts = whole.split(separator).map(|part| string(part, span.clone()));
                        Some(Node { value: Value::Array(parts.collect()), span: span.clone() })
                    }
                    _ => absent,
                },
                _ => self.refuse(name, span),
            },
            "Fn::Base64" => match self.evaluate(argument).as_ref().and_then(Node::string) {
                Some(whole) => text(base64::engine::general_purpose::STANDARD.encode(whole)),
                None => absent,
            },
            "Fn::FindInMap" => self.in_map(argument, span).map_or_else(|| self.refuse(name, span), Some),
            "Fn::If" => match argument.array() {
                Some([condition, yes, no]) => match condition.string().and_then(|c| self.holds(c, span)) {
                    Some(true) => self.evaluate(yes),
                    Some(false) => self.evaluate(no),
                    None => absent,
                },
                _ => self.refuse(name, span),
            },
            _ => self.refuse(name, span),
        }
    }

    fn refuse(&self, name: &str, span: &Range<usize>) -> Option<Node> {
        let message = format!("`{name}` cannot be worked out outside CloudFormation");
        let error = Diagnostic::error("ECS0021", message).at(span.clone(), "");
        self.findings.push(
            error.help("write the value here, or take the task definition from AWS after the deployment"),
        );
        Some(Node { span: span.clone(), value: Value::Null })
    }

    /// The value of a name, from `--set` or from the template's parameters.
    fn named(&self, name: &str, span: &Range<usize>, function: &str) -> Option<String> {
        if let Some(value) = self.values.get(name) {
            self.used.borrow_mut().insert(name.to_owned());
            return Some(value.to_owned());
        }
        match name {
            "AWS::Partition" => return Some("aws".to_owned()),
            "AWS::URLSuffix" => return Some("amazonaws.com".to_owned()),
            _ => {}
        }
        let parameter = self.template.and_then(|t| t.get("Parameters")).and_then(|p| p.get(name));
        let kind = parameter.and_then(|p| p.get("Type")).and_then(Node::string).unwrap_or_default();
        let indirect = kind.starts_with("AWS::SSM::Parameter::Value");
        if let Some(default) = parameter.filter(|_| !indirect).and_then(|p| p.get("Default")).and_then(plain)
        {
            return Some(default);
        }
        let resource = self.template.and_then(|t| t.get("Resources"));
        let logical = name.split('.').next().unwrap_or(name);
        let what =
            match resource.and_then(|r| r.get(logical)).and_then(|r| r.get("Type")).and_then(Node::string) {
                Some(kind) => format!("the resource `{logical}` ({kind}) of the template"),
                None if parameter.is_some() => format!("the parameter `{name}` of the template"),
                None if name.starts_with("AWS::") => "the stack".to_owned(),
                None => "something outside this file".to_owned(),
            };
        let message = format!("`{function}` of `{name}` has no value here");
        let error = Diagnostic::error("ECS0021", message).at(span.clone(), format!("refers to {what}"));
        self.findings.push(
            error.help(format!("give the value with `--set '{name}=VALUE'` or in a file with `--vars`")),
        );
        None
    }

    /// Each unknown name is reported; the text is whole or there is none.
    fn substitute(&self, argument: &Node, span: &Range<usize>) -> Option<String> {
        let (template, locals) = match argument.array() {
            Some([template, locals]) => (template.string()?, locals.object().unwrap_or_default()),
            _ => (argument.string()?, [].as_slice()),
        };
        let (mut text, mut whole, mut rest) = (String::new(), true, template);
        while let Some((before, after)) = rest.split_once("${") {
            text.push_str(before);
            let Some((name, after)) = after.split_once('}') else {
                text.push_str("${");
                rest = after;
                continue;
            };
            rest = after;
            if let Some(literal) = name.strip_prefix('!') {
                text.push_str(&format!("${{{literal}}}"));
                continue;
            }
            let local = locals.iter().find(|m| m.key == name.trim());
            let value = match local {
                Some(local) => self.evaluate(&local.value).as_ref().and_then(plain),
                None => self.named(name.trim(), span, "Fn::Sub"),
            };
            match value {
                Some(value) => text.push_str(&value),
                None => whole = false,
            }
        }
        text.push_str(rest);
        whole.then_some(text)
    }

    fn in_map(&self, argument: &Node, span: &Range<usize>) -> Option<Node> {
        let keys = self.texts(argument)?;
        let mut found = self.template?.get("Mappings")?;
        for key in &keys {
            found = found.get(key)?;
        }
        Some(Node { span: span.clone(), ..found.clone() })
    }

    fn texts(&self, argument: &Node) -> Option<Vec<String>> {
        if let Some(text) = argument.string() {
            return Some(text.split('.').map(str::to_owned).collect());
        }
        argument.array()?.iter().map(|part| self.evaluate(part).as_ref().and_then(plain)).collect()
    }

    /// Whether a condition of the template holds.
    fn holds(&self, name: &str, span: &Range<usize>) -> Option<bool> {
        if let Some(value) = self.values.get(name) {
            self.used.borrow_mut().insert(name.to_owned());
            return Some(value.eq_ignore_ascii_case("true"));
        }
        let condition = self.template.and_then(|t| t.get("Conditions")).and_then(|c| c.get(name));
        if let Some(holds) = condition.and_then(|condition| self.decide(condition, 0)) {
            return Some(holds);
        }
        let message = format!("the condition `{name}` cannot be decided here");
        let error = Diagnostic::error("ECS0021", message).at(span.clone(), "");
        self.findings.push(error.help(format!("say `--set {name}=true` or `--set {name}=false`")));
        None
    }

    fn decide(&self, condition: &Node, depth: usize) -> Option<bool> {
        let (name, argument) = function(condition).filter(|_| depth < 32)?;
        let mut parts = argument.array().unwrap_or_default().iter();
        match name {
            "Fn::Equals" => {
                let mut side = || self.evaluate(parts.next()?).as_ref().and_then(plain);
                Some(side()? == side()?)
            }
            "Fn::Not" => Some(!self.decide(parts.next()?, depth + 1)?),
            "Fn::And" => parts.map(|p| self.decide(p, depth + 1)).try_fold(true, |all, p| Some(all && p?)),
            "Fn::Or" => parts.map(|p| self.decide(p, depth + 1)).try_fold(false, |any, p| Some(any || p?)),
            "Condition" => {
                let conditions = self.template?.get("Conditions")?;
                self.decide(conditions.get(argument.string()?)?, depth + 1)
            }
            _ => None,
        }
    }
}

/// A scalar as text.
pub(super) fn plain(node: &Node) -> Option<String> {
    match &node.value {
        Value::String(text) | Value::Number(text) => Some(text.clone()),
        Value::Bool(value) => Some(value.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATE: &str = r#"{
      "Parameters": {"Tag": {"Type": "String", "Default": "1.2"}, "Count": {"Type": "Number", "Default": 3},
                     "Image": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/image"}},
      "Mappings": {"Size": {"small": {"cpu": 256}}},
      "Conditions": {"Prod": {"Fn::Equals": [{"Ref": "Tag"}, "1.2"]}, "Not": {"Fn::Not": [{"Condition": "Prod"}]},
                     "Unknown": {"Fn::Equals": [{"Ref": "Nobody"}, "x"]}},
      "Resources": {"Db": {"Type": "AWS::SecretsManager::Secret"}}}"#;

    fn evaluated(node: &str, pairs: &[&str]) -> (Option<Value>, Vec<String>) {
        let template = crate::json::parse(TEMPLATE).unwrap();
        let mut values = Values::default();
        pairs.iter().for_each(|p| values.set(p).unwrap());
        let (findings, used) = (Findings::default(), RefCell::default());
        let scope = Scope { values: &values, template: Some(&template), findings: &findings, used: &used };
        let value = scope.evaluate(&crate::json::parse(node).unwrap()).map(|n| n.value);
        let found = findings.into_inner().into_iter().map(|d| format!("{} {}", d.message, d.help.unwrap()));
        (value, found.collect())
    }

    #[test]
    fn functions_give_their_values() {
        for (node, text) in [
            (r#"{"Ref": "Tag"}"#, "1.2"),
            (r#"{"Ref": "Db"}"#, "arn:db"),
            (r#"{"Fn::GetAtt": ["Db", "Id"]}"#, "42"),
            (r#"{"Fn::GetAtt": "Db.Id"}"#, "42"),
            (r#"{"Fn::Sub": "${Db}:${!x}:${Count}:${AWS::Partition}"}"#, "arn:db:${x}:3:aws"),
            (r#"{"Fn::Sub": ["${a}${Tag}", {"a": {"Ref": "Db"}}]}"#, "arn:db1.2"),
            (
                r#"{"Fn::Join": [":", ["a", {"Ref": "Count"}, {"Fn::ImportValue": {"Fn::Sub": "n-${Tag}"}}]]}"#,
                "a:3:imp",
            ),
            (r#"{"Fn::Select": [1, {"Fn::Split": [":", "a:b"]}]}"#, "b"),
            (r#"{"Fn::If": ["Prod", "yes", "no"]}"#, "yes"),
            (r#"{"Fn::If": ["Not", "yes", {"Fn::Base64": "no"}]}"#, "bm8="),
            (r#"{"Fn::If": ["Set", "yes", "no"]}"#, "yes"),
        ] {
            let (value, found) = evaluated(node, &["Db=arn:db", "Db.Id=42", "n-1.2=imp", "Set=true"]);
            assert_eq!((value, found), (Some(Value::String(text.into())), vec![]), "{node}");
        }
        let (value, _) = evaluated(r#"{"Fn::FindInMap": ["Size", "small", "cpu"]}"#, &[]);
        assert_eq!(value, Some(Value::Number("256".into())));
        let (value, _) = evaluated(r#"[1, {"Ref": "AWS::NoValue"}, {"a": {"Ref": "AWS::NoValue"}}]"#, &[]);
        let Some(Value::Array(list)) = value else { panic!() };
        assert_eq!((list.len(), list[1].object().unwrap().len()), (2, 0));
    }

    #[test]
    fn what_has_no_value_says_how_to_give_one() {
        for (node, words) in [
            (r#"{"Ref": "Image"}"#, "--set 'Image=VALUE'"),
            (r#"{"Ref": "Db"}"#, "--set 'Db=VALUE'"),
            (r#"{"Fn::GetAtt": ["Db", "Id"]}"#, "--set 'Db.Id=VALUE'"),
            (r#"{"Fn::If": ["Unknown", 1, 2]}"#, "--set Unknown=true"),
            (r#"{"Fn::GetAZs": ""}"#, "outside CloudFormation"),
            (r#"{"Ref": ["x"]}"#, "outside CloudFormation"),
        ] {
            let (value, found) = evaluated(node, &[]);
            assert_eq!(value, Some(Value::Null), "{node}");
            assert!(found.iter().any(|f| f.contains(words)), "{node}: {found:?}");
        }
        assert_eq!(evaluated(r#"{"Fn::Sub": "${A}${B.C}"}"#, &[]).1.len(), 2);
    }
}
