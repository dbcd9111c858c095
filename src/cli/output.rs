//! Terminal output. Results go to standard output, everything else to standard
//! error. A closed pipe ends the output quietly.

use std::io::Write;

/// Prints one line of result.
pub(crate) fn say(text: impl std::fmt::Display) {
    // A reader that has gone away (`| head`) is no failure of the command.
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// Prints one line for the person at the terminal.
pub(crate) fn tell(text: impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Prints why a command failed. Texts that are rendered diagnostics already begin with `error`.
pub(crate) fn fail(text: &str) {
    let prefix = if text.starts_with("error") || text.is_empty() { "" } else { "error: " };
    let _ = writeln!(std::io::stderr().lock(), "{prefix}{text}");
}
