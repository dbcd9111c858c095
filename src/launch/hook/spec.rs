//! The description of a process that runc is given: `config.json` of a bundle, or
//! the file of `exec --process`. Its environment is rewritten here, in memory.
//!
//! ```text
//! { "process": { "env": ["PATH=/bin", "DB=sealdock:arn:aws:secretsmanager:..."], .. }, "root": .. }
//! ```
//!
//! Everything but the entries of `env` is kept byte for byte, except that relative
//! paths, which mean the bundle directory, are made absolute (runc gets the
//! rewritten text from another directory), and that files with values add a tmpfs
//! and a hook ([`super::files`]).

use super::HookError;
use super::edits::Edits;
use super::files::Placement;
use super::reference::Variable;
use crate::json::{self, Node};
use crate::secret::SecretValue;
use std::ops::Range;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Variables that tell the hook what it needs to know. They are taken out: the
/// process sees only what was meant for it.
pub(in crate::launch) const CONTROLS: [&str; 6] = [
    "SEALDOCK_CONTAINER_NAME",
    "SEALDOCK_EXECUTION_ROLE",
    "SEALDOCK_FAMILY",
    "SEALDOCK_REGION",
    "SEALDOCK_TASK_ID",
    "SEALDOCK_VARIABLES",
];

/// A description of a process.
#[derive(Debug)]
pub(super) struct Spec {
    text: String,
    root: Node,
    list: Range<usize>,
    entries: Vec<Entry>,
    /// Whether it describes a container and not only a process in one.
    is_bundle: bool,
}

#[derive(Debug)]
struct Entry {
    span: Range<usize>,
    name: String,
    value: String,
    reference: Option<Variable>,
}

impl Spec {
    /// Reads a bundle's `config.json`.
    ///
    /// # Errors
    /// Not JSON, or a reference with wrong options. No `process` at all is no error: there is nothing to
    /// resolve then.
    pub(super) fn bundle(text: String) -> Result<Self, HookError> {
        let root = parse(&text)?;
        let (list, entries) = entries(root.get("process").and_then(|p| p.get("env")))?;
        Ok(Self { list, entries, root, text, is_bundle: true })
    }

    /// Reads a process file.
    ///
    /// # Errors
    /// Not JSON, or a reference with wrong options.
    pub(super) fn process(text: String) -> Result<Self, HookError> {
        let root = parse(&text)?;
        let (list, entries) = entries(root.get("env"))?;
        Ok(Self { list, entries, root, text, is_bundle: false })
    }

    /// The variables that hold references, in order.
    pub(super) fn variables(&self) -> Vec<Variable> {
        self.entries.iter().filter_map(|entry| entry.reference.clone()).collect()
    }

    /// The value of a plain variable; an empty one counts as absent.
    pub(super) fn control(&self, name: &str) -> Option<&str> {
        let entry = self.entries.iter().rev().find(|e| e.name == name)?;
        Some(entry.value.as_str()).filter(|v| !v.is_empty())
    }

    /// An annotation, which is where Podman and Kubernetes keep what is said about a container.
    pub(super) fn annotation(&self, name: &str) -> Option<&str> {
        self.root.get("annotations")?.get(name)?.string().filter(|v| !v.is_empty())
    }

    /// The container's host name.
    pub(super) fn hostname(&self) -> Option<&str> {
        self.root.get("hostname").and_then(Node::string)
    }

    /// The whole description.
    pub(super) fn root(&self) -> &Node {
        &self.root
    }

    /// The text with `values`, one for each of [`Spec::variables`] and in their
    /// order, in place of the references: the value itself, or the path of its file.
    /// `directory` is what relative paths mean; `placement` says how the files come there.
    ///
    /// # Errors
    /// Fewer values than references: a process must not see a reference.
    pub(super) fn rewrite(
        &self,
        values: &[SecretValue],
        directory: &Path,
        placement: Option<&Placement>,
    ) -> Result<Zeroizing<Vec<u8>>, HookError> {
        let mut edits = Edits::default();
        if !self.list.is_empty() {
            edits.replace(self.list.clone(), self.environment(values)?);
        }
        if self.is_bundle {
            for (span, path) in relative_paths(&self.root) {
                edits.replace(span, quoted(directory.join(path).to_string_lossy().as_bytes()));
            }
        }
        if let Some(placement) = placement {
            placement.describe(&self.root, &mut edits)?;
        }
        Ok(edits.apply(&self.text))
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "runc is told the environment of the process it makes; the text is in wiped memory"
    )]
    fn environment(&self, values: &[SecretValue]) -> Result<Zeroizing<Vec<u8>>, HookError> {
        let longest: usize = values.iter().map(|v| v.len() * 6).sum();
        // INVARIANT: room for the worst case, so that growing leaves no copies behind.
        let mut list = Zeroizing::new(Vec::with_capacity(self.list.len() * 2 + longest + 2));
        let mut values = values.iter();
        list.push(b'[');
        for entry in self.entries.iter().filter(|e| !CONTROLS.contains(&e.name.as_str())) {
            if list.len() > 1 {
                list.push(b',');
            }
            let Some(variable) = &entry.reference else {
                list.extend_from_slice(self.text.as_bytes().get(entry.span.clone()).unwrap_or_default());
                continue;
            };
            let value = values.next().ok_or(HookError::Incomplete)?;
            list.push(b'"');
            escape(&mut list, entry.name.as_bytes());
            list.push(b'=');
            match &variable.file {
                None => escape(&mut list, value.expose()),
                Some(file) => escape(&mut list, file.path.to_string_lossy().as_bytes()),
            }
            list.push(b'"');
        }
        list.push(b']');
        Ok(list)
    }
}

fn parse(text: &str) -> Result<Node, HookError> {
    json::parse(text).map_err(|d| HookError::Spec(d.message))
}

fn entries(list: Option<&Node>) -> Result<(Range<usize>, Vec<Entry>), HookError> {
    let Some(list) = list else { return Ok((0..0, Vec::new())) };
    let mut entries = Vec::new();
    let mut wrong = Vec::new();
    for node in list.array().unwrap_or_default() {
        let Some((name, value)) = node.string().map(|t| t.split_once('=').unwrap_or((t, ""))) else {
            continue;
        };
        match Variable::parse(name, value) {
            Ok(reference) => {
                let (name, value) = (name.to_owned(), value.to_owned());
                entries.push(Entry { span: node.span.clone(), name, value, reference });
            }
            Err(error) => wrong.push(error.to_string()),
        }
    }
    for (at, entry) in entries.iter().enumerate().filter(|(_, entry)| entry.reference.is_some()) {
        if entries.iter().enumerate().any(|(other, twin)| other != at && twin.name == entry.name) {
            // Which of them a program finds depends on the program.
            wrong.push(format!("environment variable `{}` is a reference and is set twice", entry.name));
        }
    }
    wrong.dedup();
    if wrong.is_empty() {
        Ok((list.span.clone(), entries))
    } else {
        Err(HookError::Unresolved(wrong.join("; ")))
    }
}

/// The root file system and the sources of bind mounts, where they are relative.
fn relative_paths(root: &Node) -> Vec<(Range<usize>, PathBuf)> {
    let relative = |node: &Node| {
        let path = Path::new(node.string()?);
        path.is_relative().then(|| (node.span.clone(), path.to_owned()))
    };
    let file_system = root.get("root").and_then(|r| r.get("path")).and_then(relative);
    let mounts = root.get("mounts").and_then(Node::array).unwrap_or_default().iter();
    let is_bind = |mount: &&Node| {
        let options = mount.get("options").and_then(Node::array).unwrap_or_default();
        let by_option = options.iter().any(|o| matches!(o.string(), Some("bind" | "rbind")));
        by_option || mount.get("type").and_then(Node::string) == Some("bind")
    };
    let sources = mounts.filter(is_bind).filter_map(|m| m.get("source").and_then(relative));
    file_system.into_iter().chain(sources).collect()
}

fn quoted(text: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(Vec::with_capacity(text.len() * 6 + 2));
    out.push(b'"');
    escape(&mut out, text);
    out.push(b'"');
    out
}

/// Appends the inside of a JSON string.
fn escape(out: &mut Vec<u8>, text: &[u8]) {
    for &byte in text {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            0..0x20 => {
                let digit = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', digit(byte >> 4), digit(byte & 15)]);
            }
            _ => out.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CONFIG: &str = r#"{"ociVersion":"1.0.2","process":{"args":["sh"],"env":["PATH=/bin",
        "DB=sealdock:arn:aws:secretsmanager:us-east-1:1:secret:db:pw::","SEALDOCK_TASK_ID=t1", "PLAIN=arn:aws:x"],
        "cwd":"/"},"root":{"path":"rootfs"},"hostname":"h","mounts":[
        {"destination":"/a","type":"bind","source":"files/a"},{"destination":"/b","source":"/b","options":["rbind"]},
        {"destination":"/proc","type":"proc","source":"proc"}],"linux":{"x":1.50e3}}"#;

    fn values(texts: &[&str]) -> Vec<SecretValue> {
        texts.iter().map(|t| SecretValue::from((*t).to_owned())).collect()
    }

    fn rewritten(spec: &Spec, texts: &[&str]) -> serde_json::Value {
        let text = spec.rewrite(&values(texts), Path::new("/run/b"), None).unwrap();
        serde_json::from_slice(&text).unwrap()
    }

    #[test]
    fn only_prefixed_variables_are_references() {
        let spec = Spec::bundle(CONFIG.to_owned()).unwrap();
        let reference = "arn:aws:secretsmanager:us-east-1:1:secret:db:pw::".to_owned();
        assert_eq!(spec.variables(), [Variable { name: "DB".into(), reference, file: None }]);
        assert_eq!(spec.control("SEALDOCK_TASK_ID"), Some("t1"));
        assert_eq!((spec.control("SEALDOCK_REGION"), spec.hostname()), (None, Some("h")));
    }

    #[test]
    fn replaces_values_drops_controls_keeps_the_rest() {
        let spec = Spec::bundle(CONFIG.to_owned()).unwrap();
        let new = rewritten(&spec, &["a\"b\\c\n\u{7f}é"]);
        let mut expected: serde_json::Value = serde_json::from_str(CONFIG).unwrap();
        expected["process"]["env"] =
            serde_json::json!(["PATH=/bin", "DB=a\"b\\c\n\u{7f}é", "PLAIN=arn:aws:x"]);
        expected["root"]["path"] = "/run/b/rootfs".into();
        expected["mounts"][0]["source"] = "/run/b/files/a".into();
        assert_eq!(new, expected);
        let text = spec.rewrite(&values(&["x"]), Path::new("/run/b"), None).unwrap();
        assert!(String::from_utf8_lossy(&text).contains(r#""linux":{"x":1.50e3}"#), "not byte for byte");
    }

    #[test]
    fn never_leaves_a_reference_behind() {
        let spec = Spec::bundle(CONFIG.to_owned()).unwrap();
        assert!(matches!(spec.rewrite(&[], Path::new("/"), None), Err(HookError::Incomplete)));
    }

    #[test]
    fn a_reference_is_set_once() {
        for env in [r#"["A=1","A=sealdock:/p"]"#, r#"["A=sealdock:/p","B=1","A=sealdock:/p"]"#] {
            let error = Spec::process(format!(r#"{{"env":{env}}}"#)).unwrap_err().to_string();
            assert_eq!(error, "environment variable `A` is a reference and is set twice");
        }
        Spec::process(r#"{"env":["A=1","A=2","B=sealdock:/p"]}"#.to_owned()).unwrap();
    }

    #[test]
    fn process_files_have_their_environment_on_top() {
        let spec = Spec::process(r#"{"env":["A=sealdock:/p"],"args":["ls"]}"#.to_owned()).unwrap();
        assert_eq!(rewritten(&spec, &["v"]), serde_json::json!({"env": ["A=v"], "args": ["ls"]}));
    }

    #[test]
    fn copes_with_little_and_refuses_what_is_not_json() {
        for text in ["{}", r#"{"process":{}}"#, r#"{"process":{"env":[]}}"#, r#"{"process":{"env":null}}"#] {
            let spec = Spec::bundle(text.to_owned()).unwrap();
            assert!(spec.variables().is_empty(), "{text}");
        }
        assert!(matches!(Spec::bundle("{".to_owned()), Err(HookError::Spec(_))));
    }

    proptest! {
        #[test]
        fn any_text_arrives_as_it_is(value in "\\PC*", odd in "[\u{1}-\u{1f}\"\\\\]{0,5}") {
            let value = format!("{value}{odd}");
            let spec = Spec::bundle(CONFIG.to_owned()).unwrap();
            let new = rewritten(&spec, &[&value]);
            prop_assert_eq!(new["process"]["env"][1].as_str().unwrap(), format!("DB={value}"));
        }
    }
}
