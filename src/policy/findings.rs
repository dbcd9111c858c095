//! What is wrong, or only suspicious, in the files: diagnostics kept with the
//! text that they are about.

use super::Source;
use crate::diagnostic::{Diagnostic, Severity, render_all};
use std::fmt;

/// The diagnostics of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileFindings {
    /// The file.
    pub path: String,
    /// Its text, for rendering.
    pub text: String,
    /// In order of place.
    pub diagnostics: Vec<Diagnostic>,
}

impl fmt::Display for FileFindings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&render_all(&self.diagnostics, &self.path, &self.text))
    }
}

impl std::error::Error for FileFindings {}

impl FileFindings {
    /// The first finding in one line, without its place: for an answer of the API.
    pub fn first(&self) -> &str {
        self.diagnostics.first().map_or("", |finding| finding.message.as_str())
    }
}

/// Why a set of files was refused: every error of every file, as a compiler
/// would show them.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}", joined(.files))]
pub struct LoadErrors {
    files: Vec<FileFindings>,
}

impl LoadErrors {
    /// The files that have errors, with all errors of each.
    pub fn files(&self) -> &[FileFindings] {
        &self.files
    }

    /// How many errors there are in all.
    pub fn count(&self) -> usize {
        self.files.iter().map(|file| file.diagnostics.len()).sum()
    }
}

pub(super) fn joined(files: &[FileFindings]) -> String {
    files.iter().map(FileFindings::to_string).collect::<Vec<_>>().join("\n\n")
}

/// Collected diagnostics, one list per source.
#[derive(Debug)]
pub(super) struct Findings {
    per_file: Vec<Vec<Diagnostic>>,
}

impl Findings {
    pub(super) fn new(files: usize) -> Self {
        Self { per_file: vec![Vec::new(); files] }
    }

    pub(super) fn push(&mut self, file: usize, diagnostic: Diagnostic) {
        if let Some(list) = self.per_file.get_mut(file) {
            list.push(diagnostic);
        }
    }

    pub(super) fn extend(&mut self, file: usize, diagnostics: Vec<Diagnostic>) {
        if let Some(list) = self.per_file.get_mut(file) {
            list.extend(diagnostics);
        }
    }

    /// The warnings, if there is no error.
    pub(super) fn finish(self, sources: &[Source]) -> Result<Vec<FileFindings>, LoadErrors> {
        let mut errors = Vec::new();
        let mut warnings = Vec::new();
        for (source, mut all) in sources.iter().zip(self.per_file) {
            all.sort_by_key(|d| d.primary.as_ref().map_or(0, |label| label.span.start));
            let (bad, odd) = all.into_iter().partition(|d: &Diagnostic| d.severity == Severity::Error);
            for (list, diagnostics) in [(&mut errors, bad), (&mut warnings, odd)] {
                let diagnostics: Vec<Diagnostic> = diagnostics;
                if !diagnostics.is_empty() {
                    list.push(FileFindings {
                        path: source.path.clone(),
                        text: source.text.clone(),
                        diagnostics,
                    });
                }
            }
        }
        if errors.is_empty() { Ok(warnings) } else { Err(LoadErrors { files: errors }) }
    }
}
