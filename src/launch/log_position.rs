//! [`Position`]: how far the log of one container has been read.
//!
//! A log is read in passes: Docker ends a follow with the container, but may write its
//! unfinished last line only after that, and the engine may be restarted meanwhile. Each
//! pass begins a little before the last one ended, and what has been seen is left out:
//!
//! ```text
//! pass 1   |-- a -- b -- c -|
//! pass 2               |- c -- d -|     since: some seconds before `c`
//!                         known  new
//! ```
//!
//! A piece is known by its stream and the moment at which Docker took it. Several pieces of a stream may
//! have one moment (Docker gives all pieces of a long line the same), so they are counted. Within a stream the
//! order is that of writing; between streams moments may be out of order.
//!
//! Terminals have no frames that a moment could stand in: of their output the bytes are counted, and
//! each pass is from the beginning.

use super::runtime::{Output, OutputStream};
use bytes::{Buf, Bytes};
use jiff::Timestamp;
use std::collections::{HashMap, VecDeque};

/// How many seconds before the last known moment a pass begins: streams are not in step, and
/// clocks are set back.
const MARGIN: i64 = 10;
/// Moments of a stream that are remembered. Between those that are not, everything counts as seen.
const REMEMBERED: usize = 4096;

/// How far a log has been read.
#[derive(Debug, Default)]
pub(super) struct Position {
    stdout: Seen,
    stderr: Seen,
    /// Moment of the piece that came last.
    last: Option<Timestamp>,
}

#[derive(Debug, Default)]
struct Seen {
    /// Moments and how many pieces had them, in the order of writing.
    recent: VecDeque<(Timestamp, u32)>,
    /// The earliest and the latest of the moments that are not remembered any more.
    forgotten: Option<(Timestamp, Timestamp)>,
    /// The moment of a line that has not ended: its next piece has the same.
    unfinished: Option<Timestamp>,
    /// Bytes of pieces without a moment.
    untimed: u64,
}

/// What a pass leaves out.
#[derive(Debug)]
pub(super) struct Pass {
    stdout: Known,
    stderr: Known,
}

#[derive(Debug)]
struct Known {
    pieces: HashMap<Timestamp, u32>,
    forgotten: Option<(Timestamp, Timestamp)>,
    untimed: u64,
}

impl Position {
    /// The second of Unix time from which the next pass reads.
    pub(super) fn since(&self) -> i32 {
        let untimed = self.stdout.untimed + self.stderr.untimed > 0;
        let Some(last) = self.last.filter(|_| !untimed) else { return 0 };
        let unfinished = self.stdout.unfinished.into_iter().chain(self.stderr.unfinished);
        let earliest = unfinished.map(Timestamp::as_second).fold(last.as_second() - MARGIN, i64::min);
        i32::try_from(earliest).unwrap_or(0).max(0)
    }

    /// Begins a pass.
    pub(super) fn pass(&self) -> Pass {
        Pass { stdout: self.stdout.known(), stderr: self.stderr.known() }
    }

    /// What is new of a piece, which counts as seen from now on.
    pub(super) fn take(&mut self, pass: &mut Pass, piece: Output) -> Option<Bytes> {
        let Output { stream, at, mut bytes } = piece;
        let (seen, known) = match stream {
            OutputStream::Stdout => (&mut self.stdout, &mut pass.stdout),
            OutputStream::Stderr => (&mut self.stderr, &mut pass.stderr),
        };
        let Some(at) = at else {
            let old = usize::try_from(known.untimed).unwrap_or(usize::MAX).min(bytes.len());
            bytes.advance(old);
            known.untimed -= old as u64;
            seen.untimed += bytes.len() as u64;
            return Some(bytes).filter(|new| !new.is_empty());
        };
        if known.has(at) || seen.goes_back_to(at) {
            return None;
        }
        seen.add(at, bytes.ends_with(b"\n"));
        self.last = Some(at);
        Some(bytes)
    }

    /// No line goes on: the container has ended.
    pub(super) fn end_lines(&mut self) {
        self.stdout.unfinished = None;
        self.stderr.unfinished = None;
    }
}

impl Seen {
    /// Docker repeats pieces when it begins a new file of a log that is followed.
    fn goes_back_to(&self, at: Timestamp) -> bool {
        self.recent.back().is_some_and(|(last, _)| at < *last)
            && self.recent.iter().any(|(one, _)| *one == at)
    }

    fn add(&mut self, at: Timestamp, ends: bool) {
        match self.recent.back_mut() {
            Some((last, count)) if *last == at => *count += 1,
            _ => self.recent.push_back((at, 1)),
        }
        if self.recent.len() > REMEMBERED
            && let Some((at, _)) = self.recent.pop_front()
        {
            let (first, last) = self.forgotten.unwrap_or((at, at));
            self.forgotten = Some((first.min(at), last.max(at)));
        }
        self.unfinished = (!ends).then_some(at);
    }

    fn known(&self) -> Known {
        let mut pieces = HashMap::new();
        for (at, count) in &self.recent {
            *pieces.entry(*at).or_default() += count;
        }
        Known { pieces, forgotten: self.forgotten, untimed: self.untimed }
    }
}

impl Known {
    fn has(&mut self, at: Timestamp) -> bool {
        match self.pieces.get_mut(&at) {
            Some(left) if *left > 0 => {
                *left -= 1;
                true
            }
            _ => self.forgotten.is_some_and(|(first, last)| first <= at && at <= last),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn piece(stream: OutputStream, at: Option<i64>, text: &str) -> Output {
        let at = at.map(|nanos| Timestamp::from_nanosecond(nanos.into()).unwrap());
        Output { stream, at, bytes: Bytes::copy_from_slice(text.as_bytes()) }
    }

    /// What a pass over a log gives, if Docker does what it was asked.
    fn read(position: &mut Position, log: &[Output]) -> Vec<Bytes> {
        let since = i64::from(position.since());
        let mut pass = position.pass();
        let asked = log.iter().filter(|piece| piece.at.is_none_or(|at| at.as_second() >= since));
        asked.filter_map(|piece| position.take(&mut pass, piece.clone())).collect()
    }

    proptest! {
        /// Wherever passes are cut off, each piece comes once, in order.
        #[test]
        fn nothing_is_lost_and_nothing_comes_twice(
            steps in prop::collection::vec((any::<bool>(), 0i64..3, any::<bool>(), 0u32..4), 1..200),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
            terminal: bool,
        ) {
            let mut now = 1_000_000_000_000_000_000;
            let mut log = Vec::new();
            // Moments of lines that go on.
            let mut open = [None, None];
            for (number, (stderr, elapsed, ends, scale)) in steps.into_iter().enumerate() {
                now += elapsed * 1000_i64.pow(scale);
                let stream = if stderr && !terminal { OutputStream::Stderr } else { OutputStream::Stdout };
                let slot = &mut open[usize::from(stream == OutputStream::Stderr)];
                let at = slot.unwrap_or(now);
                *slot = (!ends).then_some(at);
                let end = if ends { "\n" } else { "" };
                log.push(piece(stream, (!terminal).then_some(at), &format!("{number};{end}")));
            }
            let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(log.len() + 1)).collect();
            ends.sort_unstable();
            ends.push(log.len());
            let mut position = Position::default();
            let all: Vec<Bytes> = ends.into_iter().flat_map(|end| read(&mut position, &log[..end])).collect();
            let written: Vec<Bytes> = log.iter().map(|piece| piece.bytes.clone()).collect();
            prop_assert_eq!(all.concat(), written.concat());
            prop_assert_eq!(all.len(), written.len());
        }
    }

    #[test]
    fn of_a_long_log_only_the_end_is_remembered_and_read_again() {
        let mut position = Position::default();
        let lines = i64::try_from(REMEMBERED).unwrap() * 3;
        let line = |number: i64| piece(OutputStream::Stdout, Some(number * 1_000_000_000 / 100), "line\n");
        let log: Vec<Output> = (0..lines).map(line).collect();
        assert_eq!(read(&mut position, &log).len(), log.len());
        assert_eq!(position.stdout.recent.len(), REMEMBERED);
        assert_eq!(i64::from(position.since()), (lines - 1) / 100 - MARGIN);
        assert!(read(&mut position, &log).is_empty());
        let last = piece(OutputStream::Stderr, Some((lines - 5) * 1_000_000_000 / 100), "unfinished");
        let whole: Vec<Output> = log.into_iter().chain([last]).collect();
        assert_eq!(read(&mut position, &whole), ["unfinished"]);
    }

    #[test]
    fn a_line_that_goes_on_is_read_from_its_beginning() {
        let mut position = Position::default();
        let second = 1_000_000_000;
        let mut log = vec![
            piece(OutputStream::Stdout, Some(100 * second), "long"),
            piece(OutputStream::Stderr, Some(5000 * second), "between\n"),
        ];
        assert_eq!(read(&mut position, &log).len(), 2);
        assert_eq!(position.since(), 100);
        log.push(piece(OutputStream::Stdout, Some(100 * second), "er\n"));
        assert_eq!(read(&mut position, &log), ["er\n"]);
        assert_eq!(position.since(), 90);
        position.end_lines();
        log.push(piece(OutputStream::Stderr, Some(6000 * second), "x\n"));
        assert_eq!(read(&mut position, &log), ["x\n"]);
        assert_eq!(position.since(), 5990);
    }

    #[test]
    fn a_clock_that_is_set_back_loses_nothing_within_the_margin() {
        let mut position = Position::default();
        let mut log: Vec<Output> = (0..10_000)
            .map(|number| piece(OutputStream::Stdout, Some(1_000_000_000_000 + number), "line\n"))
            .collect();
        log.push(piece(OutputStream::Stdout, Some(995_000_000_000), "set back\n"));
        assert_eq!(read(&mut position, &log).len(), log.len());
        log.push(piece(OutputStream::Stdout, Some(995_000_000_001), "end"));
        assert_eq!(read(&mut position, &log), ["end"]);
    }

    #[test]
    fn what_docker_repeats_within_a_pass_is_left_out() {
        let line = |number: i64| piece(OutputStream::Stdout, Some(number), &number.to_string());
        let log: Vec<Output> = [1, 2, 3, 3, 4, 2, 3, 4, 5].into_iter().map(line).collect();
        let mut position = Position::default();
        // The second 4 may be a line of its own.
        assert_eq!(read(&mut position, &log), ["1", "2", "3", "3", "4", "4", "5"]);
    }
}
