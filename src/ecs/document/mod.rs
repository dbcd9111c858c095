//! From a file as people have it to one JSON object in the shape of
//! `RegisterTaskDefinition`.
//!
//! ```text
//! text --template--> text --syntax, yaml--> Node --intrinsic--> Node --shape--> Node --leftover--> Node
//!      --set fills      comments, commas,         Ref, Sub, ...      unwrap,          placeholders
//!      placeholders     YAML                      of CloudFormation  rename keys      that nobody filled
//! ```
//!
//! Every step keeps the place in the file that a value came from, and every step
//! but a syntax error goes on after a complaint, so that one reading reports
//! everything. What was understood otherwise than written is a note.

mod beanstalk;
pub mod compose;
mod intrinsic;
mod leftover;
mod names;
mod shape;
mod syntax;
mod template;
mod terraform;
mod values;
mod yaml;

pub use values::{Values, ValuesError};

use super::definition::Findings;
use crate::json::{Member, Node, Value};
use std::collections::BTreeMap;
use std::ops::Range;

/// How to read a file.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// What placeholders and template parameters stand for.
    pub values: Values,
    /// Which task definition is meant, of a file with several: a logical id or a family.
    pub select: Option<String>,
    /// With a Compose file: the text of its `ecs-params.yml`.
    pub ecs_params: Option<String>,
    /// With a Compose file: the directory that it is in, where relative paths begin.
    pub directory: Option<String>,
    /// With a Compose file: the family, unless it has a name.
    pub project: Option<String>,
    /// With a Compose file: the files that it names (see [`compose::env_files`]) by that name, or
    /// why they cannot be read.
    pub files: BTreeMap<String, Result<String, String>>,
}

/// A file that was understood.
pub(super) struct Document {
    /// An object with the members of `RegisterTaskDefinition`.
    pub(super) root: Node,
    /// What the file lacks because of its form, and what stands in for it.
    pub(super) implied: Implied,
    /// The form does not tell texts from numbers.
    pub(super) loose: bool,
}

/// What a form of file does not say.
#[derive(Clone, Debug, Default)]
pub(super) struct Implied {
    /// The family, for a form that has none.
    pub(super) family: Option<String>,
    /// The account that the task is to run in, if it was told.
    pub(super) account: Option<String>,
    /// The form keeps the memory of the task elsewhere.
    pub(super) without_memory: bool,
}

/// Reads a file.
pub(super) fn read(text: &str, reading: &Reading, findings: &Findings) -> Option<Document> {
    let filled = template::fill(text, &reading.values, findings);
    let syntax::Parsed { mut root, form } = match syntax::parse(&filled.text) {
        Ok(parsed) => parsed,
        // What stands in for a placeholder need not fit where it is.
        Err(_) if findings.have_errors() => return None,
        Err(error) => {
            findings.push(filled.place(error));
            return None;
        }
    };
    form.note(findings, &filled);
    filled.place_node(&mut root);
    let loose = form.is_loose();
    let mut document = if compose::is_compose(&root) {
        let params = match &reading.ecs_params {
            Some(params) => Some(params_node(params, compose::offset(text), reading, findings)?),
            None => None,
        };
        compose::convert(&root, params.as_ref(), reading, findings)?
    } else if reading.ecs_params.is_some() {
        findings.push(compose::no_compose(&root));
        return None;
    } else {
        shape::unwrap(root, reading, &filled.used, findings)?
    };
    document.loose |= loose;
    leftover::report(&document.root, findings);
    let compact = compact_length(&document.root);
    if compact > LARGEST_DEFINITION {
        findings.push(too_large(compact));
    }
    document.implied.account = reading.values.get("AWS::AccountId").map(str::to_owned);
    document.implied.family = document.implied.family.filter(|_| document.root.get("family").is_none());
    Some(document)
}

/// The content of `ecs-params.yml`, with places behind those of the Compose file.
fn params_node(text: &str, offset: usize, reading: &Reading, findings: &Findings) -> Option<Node> {
    let own = Findings::default();
    let filled = template::fill(text, &reading.values, &own);
    let parsed = syntax::parse(&filled.text).map_err(|error| own.push(filled.place(error)));
    for found in own.into_inner() {
        findings.push(found.moved(offset));
    }
    let mut root = parsed.ok()?.root;
    filled.place_node(&mut root);
    move_places(&mut root, offset);
    Some(root)
}

fn move_places(node: &mut Node, by: usize) {
    let moved = |span: &Range<usize>| span.start + by..span.end + by;
    node.span = moved(&node.span);
    match &mut node.value {
        Value::Array(elements) => elements.iter_mut().for_each(|element| move_places(element, by)),
        Value::Object(members) => members.iter_mut().for_each(|member| {
            member.key_span = moved(&member.key_span);
            move_places(&mut member.value, by);
        }),
        _ => {}
    }
}

/// Largest definition that ECS takes, in bytes without layout.
const LARGEST_DEFINITION: usize = 64 * 1024;

fn too_large(length: usize) -> crate::diagnostic::Diagnostic {
    let message = format!("Actual length: '{length}'. Max allowed length is '{LARGEST_DEFINITION}' bytes.");
    crate::diagnostic::Diagnostic::error("ECS0112", message)
}

/// Bytes of the JSON without the layout that the API never sees.
fn compact_length(node: &Node) -> usize {
    let separated = |lengths: Vec<usize>| 2 + lengths.iter().sum::<usize>() + lengths.len().saturating_sub(1);
    match &node.value {
        Value::Null => 4,
        Value::Bool(value) => {
            if *value {
                4
            } else {
                5
            }
        }
        Value::Number(digits) => digits.len(),
        Value::String(text) => json_length(text),
        Value::Array(elements) => separated(elements.iter().map(compact_length).collect()),
        Value::Object(members) => {
            let member = |m: &Member| json_length(&m.key) + 1 + compact_length(&m.value);
            separated(members.iter().map(member).collect())
        }
    }
}

fn json_length(text: &str) -> usize {
    serde_json::to_string(text).map_or(text.len() + 2, |json| json.len())
}

/// A string at a place.
fn string(text: impl Into<String>, span: Range<usize>) -> Node {
    Node { span, value: Value::String(text.into()) }
}

/// A member whose key stands where its value does.
fn member(key: &str, value: Node) -> Member {
    Member { key: key.to_owned(), key_span: value.span.clone(), value }
}
