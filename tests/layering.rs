//! Imports go downward only. This reads every `use crate::` path (and every other
//! mention of `crate::module`) of `src/` and holds it against one table, which is
//! also the table of the crate's documentation.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const WORDS: &[&str] = &["arn", "secret", "clock", "ids", "diagnostic", "json", "memory", "metrics"];

/// Module -> what it may import.
fn allowed() -> BTreeMap<&'static str, Vec<&'static str>> {
    let rules: &[(&str, &[&str])] = &[
        ("arn", &[]),
        ("secret", &[]),
        ("clock", &[]),
        ("ids", &[]),
        ("diagnostic", &[]),
        ("memory", &[]),
        ("metrics", &[]),
        ("json", &["diagnostic"]),
        ("policy", &["arn", "diagnostic", "json"]),
        ("ecs", &["arn", "secret", "diagnostic", "json"]),
        ("protocol", &["arn", "secret", "clock"]),
        ("store", &[]),
        ("schedule", &[]),
        ("audit", &["arn", "clock", "ids", "policy"]),
        ("vault", &["arn", "secret", "clock", "schedule", "policy", "audit", "store"]),
        ("broker", &["arn", "secret", "clock", "ids", "metrics", "policy", "audit", "vault", "store"]),
        (
            "server",
            &[
                "arn", "secret", "clock", "ids", "metrics", "policy", "audit", "vault", "store", "broker",
                "protocol", "ecs",
            ],
        ),
        (
            "rotation",
            &[
                "arn", "secret", "clock", "metrics", "schedule", "policy", "audit", "vault", "store",
                "broker", "client",
            ],
        ),
        ("client", &["arn", "secret", "clock", "protocol"]),
        ("endpoint", &["arn", "secret", "clock", "client", "protocol", "launch"]),
        ("launch", &["arn", "secret", "clock", "diagnostic", "json", "ecs", "client", "protocol"]),
    ];
    rules.iter().map(|(module, imports)| (*module, imports.to_vec())).collect()
}

/// The edges may import everything.
const EDGES: &[&str] = &["cli", "config", "main", "lib"];

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

fn module_of(path: &Path) -> String {
    let relative = path.strip_prefix(root()).unwrap();
    let first = relative.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_owned()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every module that a line names after `crate::`, also in `use crate::{a, b::c}`.
fn mentioned(text: &str) -> Vec<String> {
    let code: String =
        text.lines().map(|line| line.split("//").next().unwrap_or("")).collect::<Vec<_>>().join("\n");
    let mut modules = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        if let Some(list) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut word = String::new();
            for c in list.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => modules.push(std::mem::take(&mut word)),
                    c if depth == 0 => word.push(c),
                    _ => {}
                }
            }
            modules.push(word);
        } else {
            modules.push(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
        }
    }
    modules
        .iter()
        .map(|m| m.trim().split("::").next().unwrap_or("").to_owned())
        .filter(|m| m.starts_with(|c: char| c.is_ascii_lowercase()))
        .collect()
}

#[test]
fn imports_go_downward_only() {
    let allowed = allowed();
    let mut files = Vec::new();
    sources(&root(), &mut files);
    assert!(files.len() > 20, "the sources were not found");
    let mut wrong = Vec::new();
    for path in &files {
        let module = module_of(path);
        if EDGES.contains(&module.as_str()) {
            continue;
        }
        let Some(imports) = allowed.get(module.as_str()) else {
            wrong.push(format!("{}: module `{module}` is not in the table", path.display()));
            continue;
        };
        for import in mentioned(&std::fs::read_to_string(path).unwrap()) {
            if import != module && !imports.contains(&import.as_str()) {
                wrong.push(format!("{}: `{module}` may not import `{import}`", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn lower_layers_know_no_runtime() {
    let mut files = Vec::new();
    sources(&root(), &mut files);
    let edges = ["server", "rotation", "client", "endpoint", "launch", "cli"];
    for path in &files {
        let module = module_of(path);
        let text = std::fs::read_to_string(path).unwrap();
        let code: Vec<&str> = text.lines().map(|l| l.split("//").next().unwrap_or("")).collect();
        if !edges.contains(&module.as_str()) {
            assert!(!code.iter().any(|l| l.contains("tokio::")), "{} uses tokio", path.display());
        }
        let pure = ["policy", "ecs", "protocol", "schedule"].contains(&module.as_str())
            || WORDS.contains(&module.as_str());
        let tests = text.find("#[cfg(test)]").unwrap_or(text.len());
        let code =
            text[..tests].lines().map(|l| l.split("//").next().unwrap_or("")).collect::<Vec<_>>().join("\n");
        if pure && !path.ends_with("tests.rs") {
            for effect in ["std::fs", "std::net", "SystemTime::now", "std::process::Command"] {
                assert!(!code.contains(effect), "{} uses {effect}", path.display());
            }
        }
    }
}

#[test]
fn the_reader_of_imports_sees_every_form() {
    let text = "use crate::{arn::Arn, store::{Store, A}, vault};\nuse crate::secret::X; // crate::server\nlet x = crate::cli::y();";
    assert_eq!(mentioned(text), ["arn", "store", "vault", "secret", "cli"]);
}
