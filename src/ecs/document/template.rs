//! Placeholders of templates: found, and filled from [`Values`].
//!
//! ```text
//! ${NAME}  ${NAME:-default}  {{ NAME }}  {{ must_env `NAME` }}  {{ env `NAME` `default` }}
//! ${{ secrets.NAME }}  <%= NAME %>  #{NAME}  <NAME>  %NAME%  __NAME__  @NAME@  $NAME  $$$NAME$$$
//! [[NAME]], and NAME where JSON has a value
//! ```
//!
//! This works on the text, because a placeholder may stand where JSON allows none
//! (`"cpu": ${cpu}`). In a string the value is escaped, elsewhere it is inserted as
//! it is. A placeholder outside strings that nobody filled is an error; reading
//! goes on with `null` in its place. One inside a string stays, and
//! [`super::leftover`] decides whether it may.

use super::Values;
use crate::diagnostic::{Diagnostic, Label};
use crate::ecs::definition::Findings;
use crate::json::{Member, Node, Value, end_of_string};
use regex::Regex;
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::LazyLock;

/// A text with its placeholders filled.
pub(super) struct Filled {
    pub(super) text: String,
    /// Names of values that were used.
    pub(super) used: BTreeSet<String>,
    /// Where pieces of another length stand: in `text`, and in the file.
    replaced: Vec<(Range<usize>, Range<usize>)>,
}

/// A placeholder in some text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Placeholder<'a> {
    /// As it is written.
    pub(super) text: &'a str,
    /// What to call it when it is to be filled.
    pub(super) name: String,
    /// What stands between its marks.
    inner: &'a str,
    /// What it stands for when nothing is said.
    default: Option<String>,
}

/// Alternatives in the order in which they are tried at one place.
const FORMS: &str = r#"(?x)
      \$?\{\{ (?P<double> [^\n]*? ) \}\}
    | \$\$+ (?P<dollars> [A-Za-z_]\w*? ) \$\$+
    | \[\[ (?P<brackets> [A-Z][A-Z0-9_]* ) \]\]
    | \$?\$\{ (?P<dollar> [^{}\n]* ) \}
    | <% =? (?P<erb> [^\n]*? ) %>
    | \#\{ (?P<hash> [^{}\n]* ) \}
    | < (?P<angle> [A-Za-z] [A-Za-z0-9_.:\x20-]* ) >
    | %\( (?P<python> \w+ ) \)s
    | % (?P<percent> [A-Za-z_]\w* ) %
    | __ (?P<under> [A-Za-z] [A-Za-z0-9]* (?: _ [A-Za-z0-9]+ )* ) __
    | @ (?P<at> [A-Z] [A-Z0-9_]* ) @
    | \$\(? (?P<shell> [A-Za-z_]\w* ) \)?
    | %[sd] (?P<printf>)
"#;

static PLACEHOLDER: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(FORMS).ok());

/// The first placeholder at or after a place, with where it stands.
pub(super) fn find(text: &str, from: usize) -> Option<(Range<usize>, Placeholder<'_>)> {
    let found = PLACEHOLDER.as_ref()?.captures_at(text, from)?;
    let whole = found.get(0)?;
    let inner = (1..found.len()).find_map(|group| found.get(group))?.as_str().trim();
    if whole.as_str().starts_with("$${") {
        // Terraform's way to write a `${` that is none.
        return find(text, whole.end());
    }
    let (name, default) = named(inner);
    let name = if name.is_empty() { whole.as_str().to_owned() } else { name };
    Some((whole.range(), Placeholder { text: whole.as_str(), name, inner, default }))
}

const QUOTES: [char; 3] = ['`', '"', '\''];

/// The name in a placeholder, and its default.
fn named(inner: &str) -> (String, Option<String>) {
    if let Some((name, default)) = inner.split_once(":-") {
        return (name.trim().to_owned(), Some(default.to_owned()));
    }
    // A function of a template language: its first argument is the name. Another kind of quote
    // within it is a part of it.
    if let Some((function, quote)) = inner.find(QUOTES).map(|at| inner.split_at(at)) {
        let mark = quote.chars().next().unwrap_or_default();
        let quoted: Vec<&str> = quote.split(mark).skip(1).step_by(2).collect();
        let function = function.trim();
        if let Some(name) = quoted.first().filter(|_| !function.is_empty() && function.bytes().all(is_word)) {
            let default = quoted.get(1).filter(|_| function == "env").map(|text| (*text).to_owned());
            return ((*name).to_owned(), default);
        }
    }
    let name = inner.split('|').next().unwrap_or(inner).trim();
    (name.trim_start_matches('.').to_owned(), None)
}

impl Placeholder<'_> {
    /// What it stands for, and by which name.
    fn value<'v>(&'v self, values: &'v Values) -> Option<(&'v str, Option<String>)> {
        let short = ["var.", "local.", "vars.", "secrets.", "env.", "Values."]
            .iter()
            .find_map(|prefix| self.name.strip_prefix(prefix));
        let by_name = |name: &str| Some((values.get(name)?, Some(name.to_owned())));
        by_name(self.inner)
            .or_else(|| by_name(&self.name))
            .or_else(|| by_name(short?))
            .or_else(|| Some((self.default.as_deref()?, None)))
    }
}

/// The complaint about a placeholder.
pub(super) fn unfilled(placeholder: &Placeholder<'_>, span: Range<usize>) -> Diagnostic {
    let name = &placeholder.name;
    let quote = if name.contains('\'') { '"' } else { '\'' };
    let message = format!("`{}` is a placeholder that has not been filled", placeholder.text);
    Diagnostic::error("ECS0020", message).at(span, "").help(format!(
        "this is a template: render it first, or give the value with `--set {quote}{name}=VALUE{quote}` or in a file with `--vars`"
    ))
}

/// Fills what can be filled.
pub(super) fn fill(text: &str, values: &Values, findings: &Findings) -> Filled {
    let mut filled =
        Filled { text: String::with_capacity(text.len()), used: BTreeSet::new(), replaced: Vec::new() };
    let bytes = text.as_bytes();
    let json = text.trim_start_matches('\u{feff}').trim_start().starts_with(['{', '[', '/']);
    // A byte order mark is layout here.
    let mut place = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    filled.text.extend(std::iter::repeat_n(' ', place));
    let mut in_string = false;
    let mut next = find(text, place);
    while let Some(byte) = bytes.get(place) {
        if next.as_ref().is_some_and(|(span, _)| span.start < place) {
            next = find(text, place);
        }
        if let Some((span, placeholder)) = next.as_ref().filter(|(span, _)| span.start == place) {
            filled.replace(span, placeholder, values, in_string || !json, findings);
            place = span.end;
            continue;
        }
        let end = match byte {
            b'\\' if in_string => place + 2,
            b'"' if json => {
                in_string = !in_string;
                place + 1
            }
            b'/' if json && !in_string => comment(text, place).unwrap_or(place + 1),
            byte if json && !in_string && is_word(*byte) => {
                let word = word(text, place);
                if is_stand_in(text, &word) {
                    let name = text.get(word.clone()).unwrap_or_default();
                    let bare = Placeholder { text: name, name: name.to_owned(), inner: name, default: None };
                    filled.replace(&word, &bare, values, false, findings);
                    place = word.end;
                    continue;
                }
                word.end
            }
            _ => place + 1,
        };
        let end = (end..=text.len()).find(|&at| text.is_char_boundary(at)).unwrap_or(text.len());
        filled.text.push_str(text.get(place..end).unwrap_or_default());
        place = end;
    }
    filled.fill_words(values);
    filled
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The word that begins at a place.
fn word(text: &str, place: usize) -> Range<usize> {
    let length = text.bytes().skip(place).take_while(|byte| is_word(*byte)).count();
    place..place + length
}

/// Whether a word outside strings is written in capitals and is no key: `"environment": [ENVIRONMENT]`.
fn is_stand_in(text: &str, word: &Range<usize>) -> bool {
    let (name, after) = (text.get(word.clone()), text.get(word.end..));
    let capitals = |name: &str| {
        name.len() > 2
            && name.starts_with(|c: char| c.is_ascii_uppercase())
            && !name.contains(|c: char| c.is_ascii_lowercase())
    };
    name.is_some_and(capitals) && after.is_some_and(|after| after.trim_start().starts_with([',', ']', '}']))
}

fn comment(text: &str, place: usize) -> Option<usize> {
    let rest = text.get(place..)?;
    if rest.starts_with("//") {
        Some(rest.find('\n').map_or(text.len(), |n| place + n))
    } else if rest.starts_with("/*") {
        Some(rest.find("*/").map_or(text.len(), |n| place + n + 2))
    } else {
        None
    }
}

impl Filled {
    fn replace(
        &mut self,
        span: &Range<usize>,
        placeholder: &Placeholder<'_>,
        values: &Values,
        in_string: bool,
        findings: &Findings,
    ) {
        let start = self.text.len();
        match placeholder.value(values) {
            Some((value, name)) => {
                let escaped = serde_json::to_string(value).unwrap_or_default();
                let inside = escaped.strip_prefix('"').and_then(|e| e.strip_suffix('"')).unwrap_or(value);
                self.text.push_str(if in_string { inside } else { value });
                self.replaced.push((start..self.text.len(), span.clone()));
                self.used.extend(name);
            }
            // `<`, `%`, `$`, ... outside a string are no JSON, and the parser says so.
            None if in_string => self.text.push_str(&placeholder.text.replace('"', "'")),
            None => {
                findings.push(unfilled(placeholder, span.clone()));
                let length = placeholder.text.len();
                let stand_in = if length >= 4 { "null" } else { "0" };
                self.text.push_str(&format!("{stand_in:<length$}"));
            }
        }
    }

    /// A name that no placeholder has stands for itself: `--set XXXXXXXXXXXX=111122223333`.
    fn fill_words(&mut self, values: &Values) {
        for name in values.names().into_iter().filter(|n| n.len() > 2 && !n.contains("::")) {
            if self.used.contains(name) {
                continue;
            }
            let Some(value) = values.get(name) else { continue };
            let word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
            let mut from = 0;
            while let Some(found) = self.text.get(from..).and_then(|rest| rest.find(name)) {
                let (start, end) = (from + found, from + found + name.len());
                let before = self.text.get(..start).and_then(|t| t.chars().next_back());
                let after = self.text.get(end..).and_then(|t| t.chars().next());
                // A key of an object is followed by its colon; it is never a placeholder.
                let key = self.text.get(end..).is_some_and(|t| t.starts_with("\":") || t.starts_with("\" :"));
                if word(before) || word(after) || key || !self.in_arn_or_image(start) {
                    from = end;
                    continue;
                }
                let origin = self.origin(start)..self.origin(end);
                self.text.replace_range(start..end, value);
                self.shift(end, value.len(), name.len());
                self.replaced.push((start..start + value.len(), origin));
                self.replaced.sort_by_key(|(new, _)| new.start);
                self.used.insert(name.to_owned());
                from = start + value.len();
            }
        }
    }

    /// Whether a place is within a string that names something of AWS.
    fn in_arn_or_image(&self, place: usize) -> bool {
        let before = self.text.get(..place).unwrap_or_default();
        let start = before.rfind(['"', '\n', ' ']).map_or(0, |at| at + 1);
        let bytes = self.text.as_bytes();
        let quote = bytes.get(start.wrapping_sub(1)) == Some(&b'"');
        let end = if quote { end_of_string(bytes, start - 1) } else { self.text.len() };
        let whole = self.text.get(start..end).and_then(|t| t.lines().next()).unwrap_or_default();
        whole.starts_with("arn:") || whole.contains(".amazonaws.com")
    }

    fn shift(&mut self, from: usize, new: usize, old: usize) {
        for (span, _) in self.replaced.iter_mut().filter(|(span, _)| span.start >= from) {
            *span = (span.start + new - old)..(span.end + new - old);
        }
    }

    /// The place in the file of a place in the text.
    fn origin(&self, place: usize) -> usize {
        let mut shift = (0, 0);
        for (new, old) in self.replaced.iter().filter(|(new, _)| new.start <= place) {
            if place < new.end {
                return old.start;
            }
            shift = (new.end, old.end);
        }
        place - shift.0 + shift.1
    }

    fn origin_span(&self, span: &Range<usize>) -> Range<usize> {
        let start = self.origin(span.start);
        let inside = |(new, _): &&(Range<usize>, Range<usize>)| new.start < span.end && span.end <= new.end;
        let end = self.replaced.iter().find(inside).map(|(_, old)| old.end);
        start..end.unwrap_or_else(|| self.origin(span.end)).max(start)
    }

    /// The same finding, pointing into the file.
    pub(super) fn place(&self, mut finding: Diagnostic) -> Diagnostic {
        let label = |label: &mut Label| label.span = self.origin_span(&label.span);
        finding.primary.iter_mut().for_each(label);
        finding.related.iter_mut().for_each(label);
        finding
    }

    /// The same node, pointing into the file.
    pub(super) fn place_node(&self, node: &mut Node) {
        if self.replaced.is_empty() {
            return;
        }
        node.span = self.origin_span(&node.span);
        match &mut node.value {
            Value::Array(elements) => elements.iter_mut().for_each(|e| self.place_node(e)),
            Value::Object(members) => members.iter_mut().for_each(|Member { key_span, value, .. }| {
                *key_span = self.origin_span(key_span);
                self.place_node(value);
            }),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str, pairs: &[&str]) -> (Filled, Vec<Diagnostic>) {
        let mut values = Values::default();
        pairs.iter().for_each(|pair| values.set(pair).unwrap());
        let findings = Findings::default();
        let filled = fill(text, &values, &findings);
        (filled, findings.into_inner())
    }

    #[test]
    fn every_form_is_filled() {
        for text in [
            "${N}",
            "${N:-x}",
            "{{N}}",
            "{{ .N }}",
            "{{ must_env `N` }}",
            "{{ env `N` `d` }}",
            "${{ secrets.N }}",
            "<%= N %>",
            "#{N}",
            "<N>",
            "%N%",
            "__N__",
            "@N@",
            "$N",
            "${var.N}",
            "{{ N | upper }}",
            "$(N)",
            "%(N)s",
            "$$$N$$$",
            "[[N]]",
            "{{ tfstate `N` }}",
            "{{ any_function `N` | quote }}",
        ] {
            let (filled, found) = filled(&format!("{{\"a\": \"x/{text}/y\"}}"), &["N=a\"b"]);
            assert_eq!(filled.text, r#"{"a": "x/a\"b/y"}"#, "{text}");
            assert!(found.is_empty());
        }
    }

    #[test]
    fn outside_strings_values_are_json_and_leftovers_are_errors() {
        let text = "{\"a\": ${list}, \"b\": ${none}, // ${comment}\n \"c\": \"${kept}\"}";
        let (filled, found) = filled(text, &["list=[1, 2]"]);
        assert_eq!(filled.text, "{\"a\": [1, 2], \"b\": null   , // ${comment}\n \"c\": \"${kept}\"}");
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].primary.as_ref().unwrap().span, 20..27);
        assert!(found[0].help.as_ref().unwrap().contains("--set 'none=VALUE'"));
    }

    #[test]
    fn places_are_those_of_the_file() {
        let text = r#"["${A}", "é", ${B}, "end"]"#;
        let (filled, _) = filled(text, &["A=much longer", "B=1"]);
        let mut root = crate::json::parse(&filled.text).unwrap();
        filled.place_node(&mut root);
        let shown: Vec<&str> = root.array().unwrap().iter().map(|n| &text[n.span.clone()]).collect();
        assert_eq!(shown, ["\"${A}\"", "\"é\"", "${B}", "\"end\""]);
        assert_eq!(root.span, 0..text.len());
    }

    #[test]
    fn a_word_in_capitals_stands_for_a_value() {
        let text = r#"{"environment": [ENVIRONMENT], "a": TRUE_, "b": 1E5, "c": NAME.x, KEY: 1, "d": Up}"#;
        let (unfilled, found) = filled(text, &["ENVIRONMENT=1", "TRUE_=[2]"]);
        assert_eq!(
            unfilled.text,
            r#"{"environment": [1], "a": [2], "b": 1E5, "c": NAME.x, KEY: 1, "d": Up}"#
        );
        assert!(found.is_empty());
        assert!(filled("[VALUE]", &[]).1[0].help.as_ref().unwrap().contains("--set 'VALUE=VALUE'"));
        let (_, rest) = filled(r#"{"a": {{ tfstate `x["y"].z` }}, "b": $$B$$}"#, &[]);
        assert!(rest[0].help.as_ref().unwrap().contains(r#"--set 'x["y"].z=VALUE'"#));
        assert!(rest[1].message.contains("`$$B$$`"));
    }

    #[test]
    fn defaults_and_words() {
        assert_eq!(filled(r#"["{{ env `TAG` `latest` }}", "${X:-}"]"#, &[]).0.text, r#"["latest", ""]"#);
        let text = r#"{"XXXX": "arn:aws:iam::XXXX:role/XXXX1", "image": "XXXX.dkr.ecr.us-east-1.amazonaws.com/a", "c": "XXXX"}"#;
        let (filled, _) = filled(text, &["XXXX=111122223333"]);
        assert!(
            filled.text.starts_with(r#"{"XXXX": "arn:aws:iam::111122223333:role/XXXX1""#),
            "{}",
            filled.text
        );
        assert!(filled.text.contains(r#""111122223333.dkr.ecr"#) && filled.text.ends_with(r#""c": "XXXX"}"#));
        assert!(filled.used.contains("XXXX"));
        assert_eq!(&text[filled.origin_span(&(0..filled.text.len()))], text);
    }

    #[test]
    fn what_is_not_filled_in_a_string_stays() {
        let text = "{\"a\": \"$${x} ${y} {{ f \"z\" }}\", \"b\": \"é$\"}";
        let (filled, found) = filled(text, &[]);
        assert_eq!(filled.text, "{\"a\": \"$${x} ${y} {{ f 'z' }}\", \"b\": \"é$\"}");
        assert!(found.is_empty());
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in r#"(\PC|["\\{}$<>%#/*`é]|\$\{A\}|\{\{A\}\}){0,40}"#, value in r"\PC{0,5}") {
            let (filled, _) = filled(&text, &[&format!("A={value}"), "null=é"]);
            let _ = filled.origin_span(&(0..filled.text.len()));
        }
    }
}
