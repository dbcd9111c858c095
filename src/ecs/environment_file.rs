//! Environment files, line by line as the ECS agent reads them.
//!
//! A line that begins with `#` is a comment, and one without `=` is skipped. What
//! stands before the first `=` is the name and what stands after it the value: no
//! blanks are trimmed, quotes stay, nothing is replaced, there is no `export`. Of two
//! lines with one name the later counts. A line of 64 KiB, with its end, is an error.
//!
//! Source: `agent/taskresource/envFiles/envfile.go`.

use std::collections::HashMap;

const LONGEST_LINE: usize = 64 * 1024;

/// Why a file cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} is longer than 64 KiB")]
pub struct LineTooLong {
    /// 1-based.
    pub line: usize,
}

/// The variables of a file, each once.
///
/// # Errors
/// At the first line that is too long.
pub fn parse(text: &str) -> Result<Vec<(String, String)>, LineTooLong> {
    let mut variables: Vec<(String, String)> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    for (index, line) in text.split('\n').enumerate() {
        if line.len() >= LONGEST_LINE {
            return Err(LineTooLong { line: index + 1 });
        }
        let line = line.strip_suffix('\r').unwrap_or(line);
        let Some((name, value)) = line.split_once('=').filter(|_| !line.starts_with('#')) else { continue };
        if name.is_empty() {
            continue;
        }
        match places.get(name).and_then(|place| variables.get_mut(*place)) {
            Some((_, slot)) => value.clone_into(slot),
            None => {
                places.insert(name, variables.len());
                variables.push((name.to_owned(), value.to_owned()));
            }
        }
    }
    Ok(variables)
}

/// What is in a file and was hardly meant, with the line: what the agent does not know
/// and other readers of such files do.
pub fn doubts(text: &str) -> Vec<(usize, String)> {
    let mut doubts = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let mut doubt = |what: String| doubts.push((index + 1, what));
        if line.starts_with('#') || line.trim().is_empty() {
            continue;
        }
        let Some((name, value)) = line.split_once('=') else {
            doubt("has no `=` and is left out".to_owned());
            continue;
        };
        let shown = name.escape_default();
        if name.is_empty() {
            doubt("has no name and is left out".to_owned());
        } else if name.starts_with('\u{feff}') {
            doubt(format!("begins with a byte order mark, which becomes part of the name `{shown}`"));
        } else if name.starts_with("export ") {
            doubt(format!("sets a variable of the name `{shown}`: there is no `export`"));
        } else if name.trim() != name {
            doubt(format!("sets a variable of the name `{shown}`, with the blanks"));
        } else if is_quoted(value) {
            doubt(format!("keeps the quotes around the value of `{shown}`"));
        }
    }
    doubts
}

fn is_quoted(value: &str) -> bool {
    value.len() > 1 && ['"', '\''].iter().any(|quote| value.starts_with(*quote) && value.ends_with(*quote))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_may_be_long_and_not_longer() {
        let line = |length: usize, end: &str| format!("A=1\nB={}{end}", "x".repeat(length - 2));
        assert_eq!(parse(&line(LONGEST_LINE - 1, "\n")).unwrap().len(), 2);
        assert_eq!(parse(&line(LONGEST_LINE - 2, "\r\n")).unwrap().len(), 2);
        for (length, end) in [(LONGEST_LINE, "\n"), (LONGEST_LINE - 1, "\r\n"), (LONGEST_LINE, "")] {
            assert_eq!(parse(&line(length, end)), Err(LineTooLong { line: 2 }), "{length} {end:?}");
        }
    }

    #[test]
    fn a_file_with_many_variables_takes_no_longer_for_each() {
        let text: String =
            (0..100_000).map(|n| format!("V{n}={n}\n")).chain(["V7=last\n".to_owned()]).collect();
        let begin = std::time::Instant::now();
        let variables = parse(&text).unwrap();
        assert_eq!((variables.len(), variables[7].1.as_str()), (100_000, "last"));
        assert!(begin.elapsed().as_secs() < 5, "{:?}", begin.elapsed());
    }

    #[test]
    fn what_other_readers_take_otherwise_is_remarked_on() {
        let text = "\u{feff}A=1\nexport B=2\n C =3\nD=\"4\"\nE='5'\nnothing\n=6\n# C\n\nF=7\nG=\"half\nH=\n";
        let found: Vec<String> =
            doubts(text).into_iter().map(|(line, what)| format!("{line} {what}")).collect();
        let expected =
            ["1 begins", "2 sets", "3 sets", "4 keeps", "5 keeps", "6 has no `=`", "7 has no name"];
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.starts_with(expected), "{found}");
        }
        assert_eq!(parse("A=1\nexport B=2").unwrap()[1].0, "export B");
    }
}
