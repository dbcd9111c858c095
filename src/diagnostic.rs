//! [`Diagnostic`]: one error, warning or note about a user's own file, with the place
//! it is about, shown in the manner of a compiler.
//!
//! ```text
//! error[IAM0107]: unknown condition operator `StringEqual`
//!  --> policies/payments.json:8:22
//!   |
//! 8 |       "Condition": { "StringEqual": { "aws:PrincipalTag/team": "payments" } },
//!   |                      ^^^^^^^^^^^^^ not an IAM condition operator
//!   = help: a similar operator exists: `StringEquals`
//! ```
//!
//! Parsers collect diagnostics and report all of one input together. The text
//! never contains a secret: files that may hold one are not rendered.

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use std::ops::Range;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The input is refused.
    Error,
    /// The input is accepted; the user should know.
    Warning,
    /// Nothing is wrong; how the input was understood.
    Note,
}

impl Severity {
    /// The word in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// A text about a range of bytes of the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Byte range in the source text.
    pub span: Range<usize>,
    /// What is there; may be empty.
    pub text: String,
}

/// One finding about one input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Error, warning or note.
    pub severity: Severity,
    /// A stable code to look up and to test for, such as `IAM0107`.
    pub code: &'static str,
    /// One lowercase sentence without a full stop, user input in backticks.
    pub message: String,
    /// The place it is about, if there is one.
    pub primary: Option<Label>,
    /// Further places that explain it.
    pub related: Vec<Label>,
    /// What to do about it.
    pub help: Option<String>,
}

impl Diagnostic {
    /// An error without a place yet.
    pub fn error(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            code,
            message: message.into(),
            primary: None,
            related: Vec::new(),
            help: None,
        }
    }

    /// A warning without a place yet.
    pub fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, message) }
    }

    /// A note without a place yet.
    pub fn note(code: &'static str, message: impl Into<String>) -> Self {
        Self { severity: Severity::Note, ..Self::error(code, message) }
    }

    /// Sets the place.
    #[must_use]
    pub fn at(mut self, span: Range<usize>, text: impl Into<String>) -> Self {
        self.primary = Some(Label { span, text: text.into() });
        self
    }

    /// Adds a second place.
    #[must_use]
    pub fn with(mut self, span: Range<usize>, text: impl Into<String>) -> Self {
        self.related.push(Label { span, text: text.into() });
        self
    }

    /// Sets the remedy.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(text.into());
        self
    }

    /// The same with its places moved towards the end of the text.
    #[must_use]
    pub fn moved(mut self, by: usize) -> Self {
        for label in self.primary.iter_mut().chain(&mut self.related) {
            label.span = label.span.start + by..label.span.end + by;
        }
        self
    }

    /// The same with its places moved towards the beginning; nothing if it has no place behind `by`.
    #[must_use]
    pub fn moved_back(&self, by: usize) -> Option<Self> {
        let moved = |label: &Label| {
            let start = label.span.start.checked_sub(by)?;
            Some(Label {
                span: start..label.span.end.saturating_sub(by).max(start),
                text: label.text.clone(),
            })
        };
        let primary = Some(moved(self.primary.as_ref()?)?);
        Some(Self { primary, related: self.related.iter().filter_map(moved).collect(), ..self.clone() })
    }

    /// Renders it against the text of the file that it is about.
    pub fn render(&self, path: &str, source: &str) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
            Severity::Note => Level::NOTE,
        };
        let title = level.primary_title(self.message.as_str()).id(self.code);
        let mut group = match &self.primary {
            None => title.element(annotate_snippets::Origin::path(path)),
            Some(primary) => {
                let mut snippet = Snippet::source(source).path(path).annotation(
                    AnnotationKind::Primary.span(clamp(&primary.span, source)).label(primary.text.as_str()),
                );
                for label in &self.related {
                    snippet = snippet.annotation(
                        AnnotationKind::Context.span(clamp(&label.span, source)).label(label.text.as_str()),
                    );
                }
                title.element(snippet)
            }
        };
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        Renderer::plain().render(&[group]).to_string()
    }
}

/// Renders several diagnostics of one file, blank line between.
pub fn render_all(diagnostics: &[Diagnostic], path: &str, source: &str) -> String {
    let parts: Vec<String> = diagnostics.iter().map(|d| d.render(path, source)).collect();
    parts.join("\n\n")
}

/// 1-based line and column (in characters) of a byte offset.
pub fn line_column(source: &str, offset: usize) -> (usize, usize) {
    let before = source.get(..floor(source, offset)).unwrap_or(source);
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|&c| c != '\n').count() + 1;
    (line, column)
}

/// The nearest of `candidates` to `word`, if it is near enough to be a slip.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|c| (distance(&word.to_lowercase(), &c.to_lowercase()), c))
        .filter(|&(d, c)| d <= (c.len() / 3).max(1))
        .min_by_key(|&(d, _)| d)
        .map(|(_, c)| c)
}

/// Levenshtein distance in characters.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut next = vec![i + 1];
        for (j, cb) in b.iter().enumerate() {
            let at = |k: usize| row.get(k).copied().unwrap_or(usize::MAX - 1);
            let left = next.last().copied().unwrap_or(usize::MAX - 1);
            next.push((at(j) + usize::from(ca != *cb)).min(at(j + 1) + 1).min(left + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

fn floor(source: &str, offset: usize) -> usize {
    (0..=offset.min(source.len())).rev().find(|&i| source.is_char_boundary(i)).unwrap_or(0)
}

fn clamp(span: &Range<usize>, source: &str) -> Range<usize> {
    let start = floor(source, span.start);
    start..floor(source, span.end).max(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_place_and_remedy() {
        let source = "{\n  \"Efect\": \"Allow\"\n}";
        let text = Diagnostic::error("IAM0002", "unknown field `Efect`")
            .at(4..11, "not a field of a statement")
            .help("a similar field exists: `Effect`")
            .render("p.json", source);
        assert!(text.starts_with("error[IAM0002]: unknown field `Efect`"), "{text}");
        assert!(text.contains("p.json:2:3"), "{text}");
        assert!(text.contains("help: a similar field exists: `Effect`"), "{text}");
    }

    #[test]
    fn survives_spans_outside_the_text() {
        let text = Diagnostic::error("X", "cut").at(90..99, "here").with(1..50, "é").render("p", "é");
        assert!(text.contains("error[X]: cut"));
    }

    #[test]
    fn suggests_only_near_words() {
        assert_eq!(nearest("efect", ["Effect", "Action"]), Some("Effect"));
        assert_eq!(nearest("Banana", ["Effect", "Action"]), None);
    }
}
