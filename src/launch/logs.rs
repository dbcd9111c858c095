//! What the containers of a task write, line by line.
//!
//! It runs beside the supervision, so that a reader who is slow to take lines
//! delays no decision about containers. Drivers that cannot be read back give
//! nothing.

use super::events::{Event, say};
use super::runtime::{ContainerRuntime, OutputStream};
use futures_util::stream::SelectAll;
use futures_util::{Stream, StreamExt};
use std::collections::HashMap;
use std::pin::Pin;
use tokio::sync::mpsc;

/// A line that does not end is passed on in pieces of this size.
const LONGEST_LINE: usize = 64 * 1024;

/// A container whose output is wanted: its name within the task, its id, and the
/// second of Unix time from which on.
pub(super) type Followed<'a> = (&'a str, &'a str, i32);

/// Passes lines on until `started` is closed and every container has ended.
pub(super) async fn follow<'a, R: ContainerRuntime>(
    runtime: &'a R,
    started: mpsc::UnboundedReceiver<Followed<'a>>,
    events: &mpsc::Sender<Event>,
) {
    pass_on(runtime, started, true, events).await;
}

/// Passes on what containers (name and id) wrote; with `follow`, until they end.
pub(super) async fn follow_all<R: ContainerRuntime>(
    runtime: &R,
    containers: &[(&str, &str)],
    follow: bool,
    events: &mpsc::Sender<Event>,
) {
    let (sender, receiver) = mpsc::unbounded_channel();
    for (name, id) in containers {
        // The receiver lives.
        let _ = sender.send((*name, *id, 0));
    }
    drop(sender);
    pass_on(runtime, receiver, follow, events).await;
}

async fn pass_on<'a, R: ContainerRuntime>(
    runtime: &'a R,
    mut started: mpsc::UnboundedReceiver<Followed<'a>>,
    follow: bool,
    events: &mpsc::Sender<Event>,
) {
    type Pieces<'a> = Pin<Box<dyn Stream<Item = (&'a str, OutputStream, Option<bytes::Bytes>)> + Send + 'a>>;
    let mut outputs: SelectAll<Pieces<'a>> = SelectAll::new();
    let mut lines: HashMap<(&str, bool), Lines> = HashMap::new();
    let mut open = true;
    while open || !outputs.is_empty() {
        tokio::select! {
            next = started.recv(), if open => match next {
                Some((name, id, since)) => {
                    let pieces = runtime.logs(id, since, follow).filter_map(move |piece| async move {
                        let piece = piece.ok()?;
                        Some((name, piece.stream, Some(piece.bytes)))
                    });
                    // A last line without an end is a line too.
                    let ends = [(name, OutputStream::Stdout, None), (name, OutputStream::Stderr, None)];
                    outputs.push(Box::pin(pieces.chain(futures_util::stream::iter(ends))));
                }
                None => open = false,
            },
            next = outputs.next(), if !outputs.is_empty() => {
                // The last output may just have ended.
                let Some((name, stream, piece)) = next else { continue };
                let buffer = lines.entry((name, stream == OutputStream::Stderr)).or_default();
                let complete = match piece {
                    Some(bytes) => buffer.add(&bytes),
                    None => buffer.finish().into_iter().collect(),
                };
                for line in complete {
                    say(events, Event::Log { container: name.to_owned(), stream, line }).await;
                }
            }
        }
    }
}

/// Puts lines together from pieces.
#[derive(Debug, Default)]
struct Lines(Vec<u8>);

impl Lines {
    fn add(&mut self, piece: &[u8]) -> Vec<Vec<u8>> {
        let mut complete = Vec::new();
        for part in piece.split_inclusive(|&byte| byte == b'\n') {
            self.0.extend_from_slice(part);
            if part.ends_with(b"\n") || self.0.len() >= LONGEST_LINE {
                complete.extend(self.finish());
            }
        }
        complete
    }

    fn finish(&mut self) -> Option<Vec<u8>> {
        let mut line = std::mem::take(&mut self.0);
        if line.is_empty() {
            return None;
        }
        for end in [b'\n', b'\r'] {
            if line.last() == Some(&end) {
                line.pop();
            }
        }
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_put_together() {
        let mut lines = Lines::default();
        assert!(lines.add(b"one").is_empty());
        assert_eq!(lines.add(b"\ntwo\r\n\nthr"), [b"one".to_vec(), b"two".to_vec(), b"".to_vec()]);
        assert_eq!(lines.finish(), Some(b"thr".to_vec()));
        assert_eq!(lines.finish(), None);
    }

    #[test]
    fn an_endless_line_does_not_fill_the_memory() {
        let mut lines = Lines::default();
        let pieces: usize = (0..100).map(|_| lines.add(&[b'x'; 1024]).len()).sum();
        assert_eq!(pieces, 1);
    }
}
