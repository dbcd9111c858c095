//! The description of a process that runc is given: `config.json` of a bundle, or
//! the file of `exec --process`. Its environment is rewritten here, in memory.
//!
//! ```text
//! { "process": { "env": ["PATH=/bin", "DB=sealdock:arn:aws:secretsmanager:..."], .. }, "root": .. }
//! ```
//!
//! A variable is a reference when its value begins with [`PREFIX`]. Everything
//! but the entries of `env` is kept byte for byte, except that relative paths,
//! which mean the bundle directory, are made absolute: runc gets the rewritten
//! text from another directory.

use super::HookError;
use crate::json::{self, Node};
use crate::secret::SecretValue;
use std::ops::Range;
use std::path::Path;
use zeroize::Zeroizing;

/// What the value of a variable begins with to be a reference.
pub(in crate::launch) const PREFIX: &str = "sealdock:";

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
    list: Range<usize>,
    entries: Vec<Entry>,
    relative_paths: Vec<(Range<usize>, String)>,
    hostname: Option<String>,
}

#[derive(Debug)]
struct Entry {
    span: Range<usize>,
    name: String,
    value: String,
}

/// A variable that holds a reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Variable {
    /// Its name.
    pub(super) name: String,
    /// The reference, without the prefix.
    pub(super) reference: String,
}

impl Spec {
    /// Reads a bundle's `config.json`.
    ///
    /// # Errors
    /// Not JSON. No `process` at all is no error: there is nothing to resolve then.
    pub(super) fn bundle(text: String) -> Result<Self, HookError> {
        let root = parse(&text)?;
        let environment = root.get("process").and_then(|p| p.get("env"));
        let (list, entries) = entries(environment);
        let relative_paths = relative_paths(&root);
        let hostname = root.get("hostname").and_then(Node::string).map(str::to_owned);
        Ok(Self { list, entries, relative_paths, hostname, text })
    }

    /// Reads a process file.
    ///
    /// # Errors
    /// Not JSON.
    pub(super) fn process(text: String) -> Result<Self, HookError> {
        let (list, entries) = entries(parse(&text)?.get("env"));
        Ok(Self { list, entries, relative_paths: Vec::new(), hostname: None, text })
    }

    /// The variables that hold references, in order.
    pub(super) fn variables(&self) -> Vec<Variable> {
        let references = self.entries.iter().filter_map(|entry| {
            let reference = entry.value.strip_prefix(PREFIX)?;
            Some(Variable { name: entry.name.clone(), reference: reference.to_owned() })
        });
        references.collect()
    }

    /// The value of a plain variable; an empty one counts as absent.
    pub(super) fn control(&self, name: &str) -> Option<&str> {
        let entry = self.entries.iter().rev().find(|e| e.name == name)?;
        Some(entry.value.as_str()).filter(|v| !v.is_empty())
    }

    /// The container's host name.
    pub(super) fn hostname(&self) -> Option<&str> {
        self.hostname.as_deref()
    }

    /// The text with `values`, one for each of [`Spec::variables`] and in their
    /// order, in place of the references. `directory` is what relative paths mean.
    ///
    /// # Errors
    /// Fewer values than references: a process must not see a reference.
    #[expect(
        clippy::disallowed_methods,
        reason = "runc is told the environment of the process it makes; the text is in wiped memory"
    )]
    pub(super) fn rewrite(
        &self,
        values: &[SecretValue],
        directory: &Path,
    ) -> Result<Zeroizing<Vec<u8>>, HookError> {
        let longest: usize = values.iter().map(|v| v.len() * 6).sum();
        let paths: usize = self.relative_paths.len() * (directory.as_os_str().len() + 2) * 6;
        // INVARIANT: room for the worst case, so that growing leaves no copies behind.
        let mut out = Zeroizing::new(Vec::with_capacity(self.text.len() * 2 + longest + paths));
        let mut list = Zeroizing::new(Vec::with_capacity(self.list.len() * 2 + longest + 2));
        let mut values = values.iter();
        list.push(b'[');
        for entry in self.entries.iter().filter(|e| !CONTROLS.contains(&e.name.as_str())) {
            if list.len() > 1 {
                list.push(b',');
            }
            if entry.value.starts_with(PREFIX) {
                let value = values.next().ok_or(HookError::Incomplete)?;
                list.push(b'"');
                escape(&mut list, entry.name.as_bytes());
                list.push(b'=');
                escape(&mut list, value.expose());
                list.push(b'"');
            } else {
                list.extend_from_slice(self.slice(entry.span.clone()));
            }
        }
        list.push(b']');

        let mut done = 0;
        for (span, replacement) in self.replacements(directory) {
            out.extend_from_slice(self.slice(done..span.start));
            match replacement {
                None => out.extend_from_slice(&list),
                Some(path) => {
                    out.push(b'"');
                    escape(&mut out, path.as_bytes());
                    out.push(b'"');
                }
            }
            done = span.end;
        }
        out.extend_from_slice(self.slice(done..self.text.len()));
        Ok(out)
    }

    /// Places to replace, in order; `None` stands for the environment.
    fn replacements(&self, directory: &Path) -> Vec<(Range<usize>, Option<String>)> {
        let paths = self
            .relative_paths
            .iter()
            .map(|(span, path)| (span.clone(), Some(directory.join(path).to_string_lossy().into_owned())));
        let environment = (!self.list.is_empty()).then(|| (self.list.clone(), None));
        let mut all: Vec<_> = paths.chain(environment).collect();
        all.sort_by_key(|(span, _)| span.start);
        all
    }

    fn slice(&self, range: Range<usize>) -> &[u8] {
        self.text.as_bytes().get(range).unwrap_or_default()
    }
}

fn parse(text: &str) -> Result<Node, HookError> {
    json::parse(text).map_err(|d| HookError::Spec(d.message))
}

fn entries(list: Option<&Node>) -> (Range<usize>, Vec<Entry>) {
    let Some(list) = list else { return (0..0, Vec::new()) };
    let read = |node: &Node| {
        let (name, value) = node.string().map(|t| t.split_once('=').unwrap_or((t, "")))?;
        Some(Entry { span: node.span.clone(), name: name.to_owned(), value: value.to_owned() })
    };
    (list.span.clone(), list.array().unwrap_or_default().iter().filter_map(read).collect())
}

/// The root file system and the sources of bind mounts, where they are relative.
fn relative_paths(root: &Node) -> Vec<(Range<usize>, String)> {
    let relative = |node: &Node| {
        let path = node.string()?;
        Path::new(path).is_relative().then(|| (node.span.clone(), path.to_owned()))
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
        let text = spec.rewrite(&values(texts), Path::new("/run/b")).unwrap();
        serde_json::from_slice(&text).unwrap()
    }

    #[test]
    fn only_prefixed_variables_are_references() {
        let spec = Spec::bundle(CONFIG.to_owned()).unwrap();
        let reference = "arn:aws:secretsmanager:us-east-1:1:secret:db:pw::".to_owned();
        assert_eq!(spec.variables(), [Variable { name: "DB".into(), reference }]);
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
        let text = spec.rewrite(&values(&["x"]), Path::new("/run/b")).unwrap();
        assert!(String::from_utf8_lossy(&text).contains(r#""linux":{"x":1.50e3}"#), "not byte for byte");
    }

    #[test]
    fn never_leaves_a_reference_behind() {
        let spec = Spec::bundle(CONFIG.to_owned()).unwrap();
        assert!(matches!(spec.rewrite(&[], Path::new("/")), Err(HookError::Incomplete)));
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
