//! Docker's `daemon.json`, changed in one place and otherwise kept byte for byte.
//!
//! ```json
//! {"runtimes": {"sealdock": {"path": "/usr/local/bin/sealdock-runc"}}}
//! ```
//!
//! Docker keeps what a reload does not mention. Taken away, the runtime therefore
//! leaves `runtimes` behind, empty if need be, and a default goes back to `runc` by
//! name: a member that was gone would leave the old default in force, without its
//! runtime, and Docker 20.10 then fails at every `docker info`.
//!
//! Pure: texts in, texts out. The daemon's own rules about the rest of the file are
//! not repeated here; what is not JSON is refused.
//!
//! Source: Docker's reference of the daemon configuration file, `runtimes` and
//! `default-runtime`.

use crate::diagnostic::Diagnostic;
use crate::json::{self, Member, Node};
use serde_json::{Value, json};
use std::ops::Range;

/// A runtime as `daemon.json` describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuntimeEntry {
    /// The name that `--runtime` takes.
    pub name: String,
    /// The program.
    pub path: String,
    /// Whether containers that name no runtime get this one.
    pub is_default: bool,
}

/// The text with the runtime in it, in place of one of the same name.
///
/// # Errors
/// The text is not JSON, or its `runtimes` are no object.
pub fn register(text: &str, entry: &RuntimeEntry) -> Result<String, Diagnostic> {
    let runtime = json!({ "path": entry.path });
    let text = if text.trim().is_empty() { "{}\n" } else { text };
    let root = object(text)?;
    let text = match root.get("runtimes") {
        Some(runtimes) if runtimes.object().is_none() => {
            return Err(
                Diagnostic::error("JSON0002", "`runtimes` is not an object").at(runtimes.span.clone(), "")
            );
        }
        Some(runtimes) => match member(runtimes, &entry.name) {
            Some(old) => replaced(text, old.value.span.clone(), &runtime.to_string()),
            None => with_member(text, runtimes, &entry.name, &runtime),
        },
        None => with_member(text, &root, "runtimes", &json!({ (entry.name.as_str()): runtime })),
    };
    match (entry.is_default, object(&text)?) {
        (true, root) => Ok(match member(&root, "default-runtime") {
            Some(old) => replaced(&text, old.value.span.clone(), &json!(entry.name).to_string()),
            None => with_member(&text, &root, "default-runtime", &json!(entry.name)),
        }),
        // It may have been the default before, and is not to stay so.
        (false, _) => not_default(&text, &entry.name),
    }
}

/// The text without the runtime `name`; `None` if it is not there.
///
/// # Errors
/// The text is not JSON.
pub fn unregister(text: &str, name: &str) -> Result<Option<String>, Diagnostic> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    let root = object(text)?;
    let Some(runtimes) = root.get("runtimes") else { return Ok(None) };
    let Some(position) = runtimes.object().and_then(|list| list.iter().position(|m| m.key == name)) else {
        return Ok(None);
    };
    not_default(&removed(text, runtimes, position), name).map(Some)
}

/// The program of a runtime that is registered, and whether it has arguments.
pub fn registered(text: &str, name: &str) -> Option<(String, bool)> {
    let root = object(text).ok()?;
    let runtime = &member(root.get("runtimes")?, name)?.value;
    let path = runtime.get("path")?.string()?.to_owned();
    Some((path, runtime.get("runtimeArgs").is_some()))
}

fn not_default(text: &str, name: &str) -> Result<String, Diagnostic> {
    let root = object(text)?;
    let default = member(&root, "default-runtime").filter(|m| m.value.string() == Some(name));
    Ok(default.map_or_else(|| text.to_owned(), |m| replaced(text, m.value.span.clone(), "\"runc\"")))
}

fn object(text: &str) -> Result<Node, Diagnostic> {
    let root = json::parse(text)?;
    if root.object().is_none() {
        return Err(Diagnostic::error("JSON0002", "the file holds no object").at(root.span, ""));
    }
    match root.duplicates().first() {
        Some((first, again)) => Err(Diagnostic::error("JSON0003", format!("`{}` stands twice", again.key))
            .at(again.key_span.clone(), "again here")
            .with(first.key_span.clone(), "first here")),
        None => Ok(root),
    }
}

fn member<'n>(object: &'n Node, key: &str) -> Option<&'n Member> {
    object.object()?.iter().find(|m| m.key == key)
}

fn replaced(text: &str, span: Range<usize>, new: &str) -> String {
    let (before, after) =
        (text.get(..span.start).unwrap_or_default(), text.get(span.end..).unwrap_or_default());
    format!("{before}{new}{after}")
}

/// Adds a member after the last one, laid out as the first one is.
fn with_member(text: &str, object: &Node, key: &str, value: &Value) -> String {
    let members = object.object().unwrap_or_default();
    let new = format!("{}: {value}", json!(key));
    let (Some(first), Some(last)) = (members.first(), members.last()) else {
        return replaced(text, object.span.clone(), &format!("{{\n  {new}\n}}"));
    };
    let layout = text.get(object.span.start + 1..first.key_span.start).unwrap_or_default();
    let end = last.value.span.end;
    replaced(text, end..end, &format!(",{}{new}", if layout.is_empty() { " " } else { layout }))
}

/// Takes a member out with the comma that parted it from its neighbour.
fn removed(text: &str, object: &Node, position: usize) -> String {
    let members = object.object().unwrap_or_default();
    let Some(gone) = members.get(position) else { return text.to_owned() };
    let previous = position.checked_sub(1).and_then(|at| members.get(at));
    let span = match (previous, members.get(position + 1)) {
        (Some(previous), _) => previous.value.span.end..gone.value.span.end,
        (None, Some(next)) => gone.key_span.start..next.key_span.start,
        (None, None) => object.span.start + 1..object.span.end.saturating_sub(1),
    };
    replaced(text, span, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(is_default: bool) -> RuntimeEntry {
        RuntimeEntry { name: "sealdock".into(), path: "/bin/sealdock".into(), is_default }
    }

    fn value(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    const FILES: [&str; 8] = [
        "",
        " \n",
        "{}",
        r#"{"debug": true}"#,
        "{\n    \"log-driver\": \"json-file\",\n    \"runtimes\": {\n        \"kata\": {\"path\": \"/k\"}\n    }\n}\n",
        r#"{"runtimes":{}}"#,
        r#"{"runtimes":{"kata":{"path":"/k"}},"default-runtime":"kata","mtu":1400}"#,
        r#"{"a":1.50e3,"b":"\u00e9"}"#,
    ];

    #[test]
    fn a_runtime_is_added_and_everything_else_stays() {
        for text in FILES {
            for is_default in [false, true] {
                let new = register(text, &entry(is_default)).unwrap();
                let mut expected = if text.trim().is_empty() { json!({}) } else { value(text) };
                expected["runtimes"]["sealdock"] = json!({"path": "/bin/sealdock"});
                if is_default {
                    expected["default-runtime"] = json!("sealdock");
                }
                assert_eq!(value(&new), expected, "{text}");
                assert_eq!(
                    register(&new, &entry(is_default)).unwrap(),
                    new,
                    "a second time changes something"
                );
            }
        }
    }

    #[test]
    fn what_was_added_can_be_taken_away() {
        for text in FILES {
            let new = register(text, &entry(false)).unwrap();
            let back = unregister(&new, "sealdock").unwrap().unwrap();
            let mut expected = if text.trim().is_empty() { json!({}) } else { value(text) };
            if expected["runtimes"].is_null() {
                expected["runtimes"] = json!({});
            }
            assert_eq!(value(&back), expected, "{text}");
            assert_eq!(unregister(&back, "sealdock").unwrap(), None);
        }
        let default = register("{}", &entry(true)).unwrap();
        let gone = unregister(&default, "sealdock").unwrap().unwrap();
        assert_eq!(value(&gone), json!({"runtimes": {}, "default-runtime": "runc"}));
        assert_eq!(value(&register(&default, &entry(false)).unwrap())["default-runtime"], "runc");
    }

    #[test]
    fn a_registered_runtime_is_found() {
        let text = register("{}", &entry(true)).unwrap();
        assert_eq!(registered(&text, "sealdock"), Some(("/bin/sealdock".into(), false)));
        let old = r#"{"runtimes":{"sealdock":{"path":"/p","runtimeArgs":["runtime-hook"]}}}"#;
        assert_eq!(registered(old, "sealdock"), Some(("/p".into(), true)));
        assert_eq!(
            (registered(old, "kata"), registered("", "kata"), registered("{", "kata")),
            (None, None, None)
        );
    }

    #[test]
    fn numbers_and_layout_are_kept() {
        let new = register(FILES[7], &entry(false)).unwrap();
        assert!(new.starts_with(r#"{"a":1.50e3,"b":"\u00e9""#), "{new}");
        let new = register(FILES[4], &entry(false)).unwrap();
        assert!(new.contains(",\n        \"sealdock\": {"), "{new}");
    }

    #[test]
    fn what_is_no_configuration_is_refused() {
        for text in ["{", "[]", r#"{"runtimes": []}"#, r#"{"a": 1, "a": 2}"#] {
            assert!(register(text, &entry(false)).is_err(), "{text}");
        }
    }
}
