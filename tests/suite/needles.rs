//! What must not be found: planted values anywhere, planted names in the vault's file.
//!
//! A text is searched for as it is, in hexadecimal, and in base64 at each of the three
//! places that it can have in a longer text.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use std::fs;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Planted values and names.
#[derive(Debug, Default)]
pub(crate) struct Needles {
    values: Mutex<Vec<String>>,
    names: Mutex<Vec<String>>,
}

impl Needles {
    /// A value that must stand nowhere.
    pub(crate) fn plant(&self, value: &str) {
        self.values.lock().unwrap_or_else(PoisonError::into_inner).push(value.to_owned());
    }

    /// A name that must not stand in the vault's file.
    pub(crate) fn plant_name(&self, name: &str) {
        self.names.lock().unwrap_or_else(PoisonError::into_inner).push(name.to_owned());
    }

    /// Fails if a value stands in `text`.
    pub(crate) fn check(&self, text: &str, place: &str) {
        for value in self.values.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            for form in forms(value) {
                assert!(!text.contains(&form), "the secret value `{value}` stands in {place}, as `{form}`");
            }
        }
    }

    /// Fails if a value stands in a file of the directory or in the name of one.
    pub(crate) fn search(&self, directory: &Path) {
        let Ok(entries) = fs::read_dir(directory) else { return };
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                self.search(&path);
            } else if path.is_file() {
                self.check(&text(&path), &path.display().to_string());
            }
            self.check(&path.display().to_string(), "the name of a file");
        }
    }

    /// Fails if a name stands in the file.
    pub(crate) fn search_names(&self, path: &Path) {
        if !path.exists() {
            return;
        }
        let text = text(path);
        for name in self.names.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            for form in forms(name) {
                assert!(!text.contains(&form), "the name `{name}` stands in {}", path.display());
            }
        }
    }
}

/// The file as a text of its ASCII characters, so that it can be searched quickly.
fn text(path: &Path) -> String {
    let bytes = fs::read(path).unwrap();
    bytes.into_iter().map(|byte| if byte.is_ascii() { char::from(byte) } else { '\u{7f}' }).collect()
}

fn forms(needle: &str) -> Vec<String> {
    let mut forms = vec![needle.to_owned(), hex::encode(needle), hex::encode_upper(needle)];
    for before in 0..3 {
        let shifted = [&b"\0\0"[..before], needle.as_bytes()].concat();
        // Characters that hold bits of what stands before or after are left out.
        let (from, to) = ([0, 2, 3][before], shifted.len() * 8 / 6);
        forms.push(STANDARD_NO_PAD.encode(&shifted)[from..to].to_owned());
        forms.push(URL_SAFE_NO_PAD.encode(&shifted)[from..to].to_owned());
    }
    forms
}

#[test]
fn finds_every_form() {
    let dir = tempfile::tempdir().unwrap();
    let needles = Needles::default();
    needles.plant("canary-x-123");
    needles.search(dir.path());
    let forms = [
        "canary-x-123".to_owned(),
        hex::encode("canary-x-123"),
        STANDARD_NO_PAD.encode("canary-x-123"),
        STANDARD_NO_PAD.encode("{canary-x-123}"),
        URL_SAFE_NO_PAD.encode("ab canary-x-123?"),
    ];
    for form in forms {
        fs::write(dir.path().join("log"), format!("\u{ff}{form}..").as_bytes()).unwrap();
        let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| needles.search(dir.path())));
        assert!(found.is_err(), "{form} was not found");
    }
}
