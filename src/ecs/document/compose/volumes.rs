//! Volumes of a Compose file: named ones, paths of the host, and those without a source.

use super::keys::{Keys, UNREADABLE, object};
use super::values::{flag, scalar, text};
use crate::diagnostic::Diagnostic;
use crate::ecs::definition::Findings;
use crate::json::{Node, Value};
use std::ops::Range;

/// The volumes of the task, as services come upon them.
pub(super) struct Volumes<'a> {
    /// Where relative paths begin.
    directory: Option<&'a str>,
    /// Name, path of the host, and place.
    found: Vec<(String, Option<String>, Range<usize>)>,
}

impl<'a> Volumes<'a> {
    pub(super) fn new(directory: Option<&'a str>) -> Self {
        Self { directory, found: Vec::new() }
    }

    /// The top level's `volumes`.
    pub(super) fn declare(&mut self, node: &Node, findings: &Findings) {
        for member in node.object().unwrap_or_default() {
            let says_nothing = match &member.value.value {
                Value::Object(members) => members.is_empty(),
                value => *value == Value::Null,
            };
            if !says_nothing {
                let message =
                    format!("volume `{}`: the ECS CLI takes no settings of volumes here", member.key);
                let help = "put it under `task_definition: docker_volumes` in `ecs-params.yml`";
                findings.push(
                    Diagnostic::error(UNREADABLE, message).at(member.value.span.clone(), "").help(help),
                );
            }
            self.found.push((member.key.clone(), None, member.key_span.clone()));
        }
    }

    /// A mount of a service: `[SOURCE:]TARGET[:ro|rw]` or the long form.
    pub(super) fn mount(
        &mut self,
        node: &Node,
        keys: &Keys<'_>,
        named: &[String],
        findings: &Findings,
    ) -> Option<Node> {
        let (source, target, read_only) = match &node.value {
            Value::Object(_) => {
                let mut long = Keys::of(node, "a volume of a service", findings)?;
                let kind =
                    long.take("type").and_then(|m| scalar(&m.value)).unwrap_or_else(|| "volume".to_owned());
                let source = long.take("source").and_then(|m| scalar(&m.value));
                let target = long.take("target").and_then(|m| scalar(&m.value));
                let read_only = long.take("read_only").is_some_and(|m| m.value.value == Value::Bool(true));
                long.without_effect(&["bind", "volume", "tmpfs", "consistency"], "the ECS CLI leaves it out");
                long.finish(true);
                if !matches!(kind.as_str(), "volume" | "bind") {
                    keys.unreadable(&node.span, &format!("a mount of the type `{kind}` is none that the ECS CLI knows; there are `volume` and `bind`"));
                    return None;
                }
                (source, target, read_only)
            }
            _ => {
                let written = scalar(node)?;
                let parts: Vec<&str> = written.split(':').collect();
                let owned = |part: &&str| (*part).to_owned();
                let mode = parts.last().copied().filter(|m| parts.len() > 1 && !m.starts_with('/'));
                let read_only = match mode {
                    None | Some("rw") => false,
                    Some("ro") => true,
                    Some(_) => {
                        keys.unreadable(&node.span, &format!("`{written}` is not [SOURCE:]TARGET[:ro|rw]"));
                        return None;
                    }
                };
                match parts.get(..parts.len() - usize::from(mode.is_some())) {
                    Some([target]) => (None, Some(owned(target)), read_only),
                    Some([source, target]) => (Some(owned(source)), Some(owned(target)), read_only),
                    _ => {
                        keys.unreadable(&node.span, &format!("`{written}` is not [SOURCE:]TARGET[:ro|rw]"));
                        return None;
                    }
                }
            }
        };
        let Some(target) = target else {
            keys.unreadable(&node.span, "a volume has no `target`");
            return None;
        };
        let name = self.name(source.as_deref(), &node.span, keys, named)?;
        let span = &node.span;
        Some(object(
            span,
            vec![
                ("sourceVolume", text(name, span)),
                ("containerPath", text(target, span)),
                ("readOnly", flag(read_only, span)),
            ],
        ))
    }

    /// The name of the volume with a source; paths and absent sources get one.
    fn name(
        &mut self,
        source: Option<&str>,
        span: &Range<usize>,
        keys: &Keys<'_>,
        named: &[String],
    ) -> Option<String> {
        let numbered = format!("volume-{}", self.found.len());
        let Some(source) = source else {
            self.found.push((numbered.clone(), None, span.clone()));
            return Some(numbered);
        };
        if !source.starts_with(['/', '.', '~']) {
            let declared = self.found.iter().any(|(name, path, _)| name == source && path.is_none());
            if !declared && !named.iter().any(|name| name == source) {
                keys.unreadable(
                    span,
                    &format!("the volume `{source}` is not declared in the section `volumes`"),
                );
            }
            return Some(source.to_owned());
        }
        let path = match (source.strip_prefix('.'), self.directory) {
            (None, _) if source.starts_with('/') => source.to_owned(),
            (Some(_), Some(directory)) => format!("{directory}/{source}"),
            _ => {
                keys.unreadable(
                    span,
                    &format!("it is not known where `{source}` is; write an absolute path"),
                );
                return None;
            }
        };
        let path = plain(&path);
        if let Some((name, ..)) = self.found.iter().find(|(_, host, _)| host.as_ref() == Some(&path)) {
            return Some(name.clone());
        }
        self.found.push((numbered.clone(), Some(path), span.clone()));
        Some(numbered)
    }

    /// `volumes` of the API: these, and those of `ecs-params.yml`, which go before declarations of the same name.
    pub(super) fn into_nodes(self, params: Vec<(String, Node)>) -> Vec<Node> {
        let own = self.found.into_iter().filter(|(name, ..)| !params.iter().any(|(other, _)| other == name));
        let own = own.map(|(name, path, span)| {
            let mut members = vec![("name", text(name, &span))];
            members.extend(path.map(|path| ("host", object(&span, vec![("sourcePath", text(path, &span))]))));
            object(&span, members)
        });
        own.collect::<Vec<_>>().into_iter().chain(params.into_iter().map(|(_, node)| node)).collect()
    }
}

/// A path without `.` and `..`.
fn plain(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}
