//! Environment files, line by line as the ECS agent reads them.
//!
//! A line that begins with `#` is a comment, and one without `=` is skipped. What
//! stands before the first `=` is the name and what stands after it the value: no
//! blanks are trimmed, quotes stay, nothing is replaced, there is no `export`. Of two
//! lines with one name the later counts. A line of more than 64 KiB is an error.
//!
//! Source: `agent/taskresource/envFiles/envfile.go`.

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
    for (index, line) in text.split('\n').enumerate() {
        let line = line.strip_suffix('\r').unwrap_or(line);
        if line.len() >= LONGEST_LINE {
            return Err(LineTooLong { line: index + 1 });
        }
        let Some((name, value)) = line.split_once('=').filter(|_| !line.starts_with('#')) else { continue };
        if name.is_empty() {
            continue;
        }
        match variables.iter_mut().find(|(existing, _)| existing == name) {
            Some((_, slot)) => value.clone_into(slot),
            None => variables.push((name.to_owned(), value.to_owned())),
        }
    }
    Ok(variables)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_may_be_long_and_not_longer() {
        let line = |length: usize| format!("A=1\nB={}\r\n", "x".repeat(length - 2));
        assert_eq!(parse(&line(LONGEST_LINE - 1)).unwrap().len(), 2);
        assert_eq!(parse(&line(LONGEST_LINE)), Err(LineTooLong { line: 2 }));
    }
}
