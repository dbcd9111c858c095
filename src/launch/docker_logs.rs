//! Reading containers' logs from Docker Engine.

use super::docker::Docker;
use super::runtime::{LogRequest, Output, OutputStream, RuntimeError};
use bollard::container::LogOutput;
use bollard::query_parameters::LogsOptionsBuilder;
use bytes::{Buf, Bytes};
use futures_util::{Stream, StreamExt, future};
use jiff::Timestamp;

impl Docker {
    pub(super) fn read_log(
        &self,
        id: &str,
        request: LogRequest,
    ) -> impl Stream<Item = Result<Output, RuntimeError>> + Send {
        let LogRequest { since, follow, terminal } = request;
        let options = LogsOptionsBuilder::default().follow(follow).since(since).timestamps(!terminal);
        let pieces = self.client.logs(id, Some(options.stdout(true).stderr(true).build()));
        pieces.filter_map(move |piece| {
            let output = match piece {
                Ok(LogOutput::StdOut { message }) => {
                    Some(Ok(output(OutputStream::Stdout, message, terminal)))
                }
                Ok(LogOutput::StdErr { message }) => {
                    Some(Ok(output(OutputStream::Stderr, message, terminal)))
                }
                Ok(LogOutput::Console { message }) => Some(Ok(output(OutputStream::Stdout, message, true))),
                Ok(LogOutput::StdIn { .. }) => None,
                Err(error) => Some(Err(self.failure(&error, |cause| RuntimeError::Inspect { cause }))),
            };
            future::ready(output)
        })
    }
}

fn output(stream: OutputStream, mut bytes: Bytes, terminal: bool) -> Output {
    let at = if terminal { None } else { moment(&bytes) };
    if let Some((_, length)) = at {
        bytes.advance(length);
    }
    Output { stream, at: at.map(|(at, _)| at), bytes }
}

/// The moment at the beginning of a piece, and how long it is with the space behind it.
fn moment(bytes: &[u8]) -> Option<(Timestamp, usize)> {
    let end = bytes.iter().take(64).position(|&byte| byte == b' ')?;
    let text = std::str::from_utf8(bytes.get(..end)?).ok()?;
    Some((text.parse().ok()?, end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_is_parted_from_its_moment() {
        let at = "2026-11-26T17:55:50.886775529Z".parse().unwrap();
        let line =
            |text: &'static str| output(OutputStream::Stderr, Bytes::from_static(text.as_bytes()), false);
        let expected =
            |at, text: &'static str| Output { stream: OutputStream::Stderr, at, bytes: text.into() };
        assert_eq!(line("2026-11-26T17:55:50.886775529Z a b\n"), expected(Some(at), "a b\n"));
        assert_eq!(line("2026-11-26T18:55:50.886775529+01:00 "), expected(Some(at), ""));
        assert_eq!(line("no moment\n"), expected(None, "no moment\n"));
        assert_eq!(line(""), expected(None, ""));
    }
}
