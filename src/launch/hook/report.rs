//! How a refusal of the hook reaches the user: as the last error in runc's log.
//!
//! containerd reads the file named by `--log` after a failure and shows the `msg`
//! of the last line whose level is `error`; `docker start` prints it. Standard
//! error has it as well, for callers that look there.

use super::arguments::RuncLine;
use jiff::Timestamp;
use std::fs::OpenOptions;
use std::io::Write;

/// Says it in both places. A place that cannot be written is left out: the
/// refusal itself does not depend on it.
pub(super) fn report(message: &str, line: &RuncLine) {
    let message = &printable(message);
    let _ = writeln!(std::io::stderr(), "{message}");
    let Some(path) = line.log() else { return };
    let time = Timestamp::now();
    let entry = if line.log_is_json() {
        serde_json::json!({"level": "error", "msg": message, "time": time.to_string()}).to_string()
    } else {
        format!("time=\"{time}\" level=error msg={message:?}")
    };
    if let Ok(mut file) = OpenOptions::new().create(true).append(true).open(path) {
        let _ = writeln!(file, "{entry}");
    }
}

/// References are repeated in messages and may come from an image: they must not move the
/// cursor of a terminal, nor look like a line of a log.
fn printable(message: &str) -> String {
    let mut text = String::with_capacity(message.len());
    for c in message.chars() {
        if c.is_control() { text.extend(c.escape_default()) } else { text.push(c) }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsString;

    fn reported(format: &str) -> String {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("log.json");
        let words = format!("--log {} --log-format {format} create id", log.display());
        let words = ["--"].into_iter().chain(words.split(' ')).map(OsString::from).collect::<Vec<_>>();
        let (_, line) = super::super::arguments::parse(words);
        std::fs::write(&log, "earlier\n").unwrap();
        report("a \"quoted\" reason", &line);
        std::fs::read_to_string(log).unwrap()
    }

    #[test]
    fn containerd_finds_the_reason() {
        let text = reported("json");
        let last: serde_json::Value = serde_json::from_str(text.lines().nth(1).unwrap()).unwrap();
        assert_eq!(
            (last["level"].as_str(), last["msg"].as_str()),
            (Some("error"), Some("a \"quoted\" reason"))
        );
        assert_eq!(printable("a\u{1b}[2J\nb é"), r"a\u{1b}[2J\nb é");
        assert!(reported("text").contains(r#"level=error msg="a \"quoted\" reason""#));
    }
}
