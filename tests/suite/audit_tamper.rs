//! Somebody with write access to the log: what a checkpoint covers cannot be changed unnoticed,
//! and the verdict names the right record.

use crate::audit_kit::*;
use sealdock::audit::{AuditError, AuditLog, FindingKind, Options, PublicKey, Verdict, verify};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// A closed log of `records` records in one segment, all covered by the final checkpoint.
fn closed(records: usize) -> tempfile::TempDir {
    let dir = scratch();
    let log = open(dir.path());
    fill(&log, 1, records);
    log.close();
    dir
}

fn write(dir: &Path, lines: &[Vec<u8>]) {
    fs::write(first_segment(dir), lines.concat()).unwrap();
}

/// The sequence numbers and kinds that were found.
fn found(dir: &Path) -> Vec<(u64, FindingKind)> {
    findings(dir).iter().map(|finding| (finding.sequence, finding.kind)).collect()
}

fn assert_refused(dir: &Path) {
    let refused = AuditLog::open(options(dir));
    assert!(matches!(refused, Err(AuditError::Broken { .. })), "{refused:?}");
    assert!(refused.unwrap_err().to_string().contains("move it aside"));
}

#[test]
fn every_flipped_byte_is_found_in_its_record() {
    let dir = closed(5);
    let path = first_segment(dir.path());
    let whole = fs::read(&path).unwrap();
    let (mut sequence, mut start, mut exact) = (1, 0, 0);
    for place in 0..whole.len() {
        for bit in [place % 8, 5] {
            let mut flipped = whole.clone();
            flipped[place] ^= 1 << bit;
            fs::write(&path, &flipped).unwrap();
            let found = findings(dir.path());
            let first = &found[0];
            assert_eq!(first.sequence, sequence, "byte {place}, bit {bit}: {found:?}");
            // The last record has no successor to say whether it or its number was changed.
            let kinds = [
                FindingKind::Altered,
                FindingKind::Unreadable,
                FindingKind::CheckpointMismatch,
                FindingKind::Truncated,
            ];
            assert!(kinds.contains(&first.kind), "byte {place}, bit {bit}: {found:?}");
            if first.kind != FindingKind::Truncated {
                assert_eq!(
                    (first.offset, first.line),
                    (start, sequence),
                    "byte {place}, bit {bit}: {found:?}"
                );
            }
            exact += usize::from(found.len() == 1);
        }
        if whole[place] == b'\n' {
            (sequence, start) = (sequence + 1, place as u64 + 1);
        } else if place % 97 == 0 {
            assert_refused(dir.path());
        }
    }
    assert!(exact * 100 > whole.len() * 2 * 98, "{exact} of {} flips gave one finding", whole.len() * 2);
}

/// Without a checkpoint over them the links alone tell, for all records but the last.
#[test]
fn the_chain_alone_finds_every_flipped_byte_before_the_last_record() {
    let dir = scratch();
    let log = open(dir.path());
    fill(&log, 1, 4);
    let crashed = copy(dir.path());
    let path = first_segment(crashed.path());
    let whole = fs::read(&path).unwrap();
    let last: usize = lines(&path)[..3].iter().map(Vec::len).sum();
    let mut sequence = 1;
    for place in 0..last {
        let mut flipped = whole.clone();
        flipped[place] ^= 1 << (place % 7);
        fs::write(&path, &flipped).unwrap();
        if flipped[place] != 0 {
            let found = findings(crashed.path());
            assert_eq!(found[0].sequence, sequence, "byte {place}: {found:?}");
        }
        sequence += u64::from(whole[place] == b'\n');
    }
}

#[test]
fn every_flipped_byte_of_a_checkpoint_is_found() {
    let dir = closed(3);
    open(dir.path()).close();
    let path = dir.path().join("checkpoints.jsonl");
    let whole = fs::read(&path).unwrap();
    for place in 0..whole.len() - 1 {
        for bit in [place % 8, 5] {
            let mut flipped = whole.clone();
            flipped[place] ^= 1 << bit;
            if flipped[place] == 0 {
                continue;
            }
            fs::write(&path, &flipped).unwrap();
            let found = findings(dir.path());
            let kinds = [FindingKind::BadSignature, FindingKind::Unreadable];
            assert!(kinds.contains(&found[0].kind), "byte {place}, bit {bit}: {found:?}");
            assert_eq!(found[0].file, "checkpoints.jsonl");
        }
    }
}

#[test]
fn a_record_taken_out_is_missing() {
    for sequence in 1..=4 {
        let dir = closed(5);
        let mut lines = lines(&first_segment(dir.path()));
        lines.remove(sequence - 1);
        write(dir.path(), &lines);
        assert_eq!(found(dir.path()), [(sequence as u64, FindingKind::Missing)]);
        assert_refused(dir.path());
    }
}

#[test]
fn several_records_taken_out_are_one_finding_each_run() {
    let dir = closed(9);
    let mut lines = lines(&first_segment(dir.path()));
    lines.drain(5..7);
    lines.drain(1..4);
    write(dir.path(), &lines);
    assert_eq!(found(dir.path()), [(2, FindingKind::Missing), (6, FindingKind::Missing)]);
    assert!(findings(dir.path())[0].detail.contains("2 to 4"));
}

#[test]
fn swapped_and_repeated_records_are_out_of_order() {
    for sequence in 1..=3 {
        let dir = closed(5);
        let whole = lines(&first_segment(dir.path()));
        let mut swapped = whole.clone();
        swapped.swap(sequence - 1, sequence);
        write(dir.path(), &swapped);
        assert_eq!(found(dir.path()), [(sequence as u64, FindingKind::OutOfOrder)]);
        assert_refused(dir.path());

        let mut repeated = whole.clone();
        repeated.insert(sequence, whole[sequence - 1].clone());
        write(dir.path(), &repeated);
        assert_eq!(found(dir.path()), [(sequence as u64, FindingKind::OutOfOrder)]);

        let mut moved = whole;
        let record = moved.remove(sequence - 1);
        moved.push(record);
        write(dir.path(), &moved);
        assert_eq!(found(dir.path()), [(sequence as u64, FindingKind::OutOfOrder)]);
    }
}

#[test]
fn records_cut_from_the_end_are_missed_if_a_checkpoint_covers_them() {
    let dir = closed(3);
    let log = open(dir.path());
    fill(&log, 4, 3);
    let crashed = copy(dir.path());
    let whole = lines(&first_segment(crashed.path()));
    for kept in (0..=6).rev() {
        write(crashed.path(), &whole[..kept]);
        if kept >= 3 {
            let verdict = intact(crashed.path());
            assert_eq!((verdict.records, verdict.covered), (kept as u64, 3));
        } else {
            assert_eq!(found(crashed.path()), [(kept as u64 + 1, FindingKind::Truncated)]);
            assert_refused(crashed.path());
        }
    }
}

/// Changes record `sequence` and computes the chain anew from there to the end.
fn rewrite(dir: &Path, sequence: usize) {
    let mut lines = lines(&first_segment(dir));
    let mut previous = None;
    for (index, line) in lines.iter_mut().enumerate().skip(sequence - 1) {
        let mut text = String::from_utf8(line.clone()).unwrap();
        if index + 1 == sequence {
            text = text.replace("user/ann", "user/bob");
        }
        if let Some(previous) = previous {
            let at = text.len() - 68;
            text.replace_range(at..at + 64, &hex::encode(previous));
        }
        *line = text.into_bytes();
        previous = Some(Sha256::digest(&*line));
    }
    write(dir, &lines);
}

#[test]
fn a_tail_that_was_edited_and_chained_anew_contradicts_the_checkpoint() {
    for sequence in 1..=4 {
        let dir = closed(5);
        rewrite(dir.path(), sequence);
        assert_eq!(
            found(dir.path()),
            [(5, FindingKind::CheckpointMismatch)],
            "record {sequence} was rewritten"
        );
        assert_refused(dir.path());
    }
    let dir = closed(2);
    let log = open(dir.path());
    fill(&log, 3, 3);
    log.close();
    rewrite(dir.path(), 4);
    let finding = findings(dir.path()).remove(0);
    assert_eq!((finding.sequence, finding.kind), (5, FindingKind::CheckpointMismatch));
    assert!(finding.detail.contains("from 3 on"), "{finding}");
}

/// Who has not the key can sign only with another one.
#[test]
fn a_log_signed_anew_does_not_verify_with_the_right_key() {
    let dir = scratch();
    let log = AuditLog::open(Options::new(dir.path(), [9; 32])).unwrap();
    fill(&log, 1, 3);
    log.close();
    assert!(matches!(verify(dir.path(), None).unwrap(), Verdict::Intact(_)), "it is consistent in itself");
    let key = PublicKey::of_seed(&SEED).unwrap();
    let Verdict::Broken(found) = verify(dir.path(), Some(&key)).unwrap() else { panic!() };
    assert!(found.iter().all(|finding| finding.kind == FindingKind::BadSignature), "{found:?}");
    let refused = AuditLog::open(options(dir.path()));
    assert!(matches!(refused, Err(AuditError::Key(_))), "{refused:?}");
    fs::write(dir.path().join("checkpoint.pub"), format!("{key}\n")).unwrap();
    assert_refused(dir.path());
}

fn segmented() -> tempfile::TempDir {
    let dir = scratch();
    let log = AuditLog::open(Options { segment_bytes: 1500, ..options(dir.path()) }).unwrap();
    fill(&log, 1, 12);
    log.close();
    dir
}

#[test]
fn segments_taken_out_renamed_or_cut_are_found() {
    let dir = segmented();
    let paths = segments(dir.path());
    assert!(paths.len() >= 4);
    let firsts: Vec<u64> = paths
        .iter()
        .map(|path| path.file_stem().unwrap().to_str().unwrap().trim_start_matches("audit-").parse().unwrap())
        .collect();
    for (index, path) in paths.iter().enumerate() {
        let hidden = path.with_extension("hidden");
        fs::rename(path, &hidden).unwrap();
        let last = index + 1 == paths.len();
        let kind = if last { FindingKind::Truncated } else { FindingKind::Missing };
        assert_eq!(found(dir.path()), [(firsts[index], kind)]);
        if index + 2 >= paths.len() {
            assert_refused(dir.path());
        }
        fs::rename(&hidden, path).unwrap();

        let bytes = fs::read(path).unwrap();
        fs::write(path, &bytes[..bytes.len() - 5]).unwrap();
        let next = firsts.get(index + 1).copied().unwrap_or(13);
        assert_eq!(found(dir.path())[0].0, next - 1, "segment {index} lost its last bytes");
        fs::write(path, &bytes).unwrap();
    }
    let renamed = dir.path().join("audit-00000000000000000002.jsonl");
    fs::rename(&paths[0], &renamed).unwrap();
    assert_eq!(found(dir.path()), [(1, FindingKind::OutOfOrder)]);
    fs::rename(&renamed, &paths[0]).unwrap();
    assert_eq!(intact(dir.path()).records, 12);
}

#[test]
fn a_flip_in_any_segment_is_found_in_its_record() {
    let dir = segmented();
    let mut sequence = 1;
    for path in segments(dir.path()) {
        let whole = fs::read(&path).unwrap();
        for place in 0..whole.len() {
            let end = whole[place] == b'\n';
            if end || place % 41 == 0 {
                let mut flipped = whole.clone();
                flipped[place] ^= 1;
                fs::write(&path, &flipped).unwrap();
                let finding = findings(dir.path()).remove(0);
                assert_eq!(finding.sequence, sequence, "{}: {place}: {finding}", path.display());
            }
            sequence += u64::from(end);
        }
        fs::write(&path, &whole).unwrap();
    }
}

#[test]
fn checkpoints_and_key_taken_out_are_found() {
    for name in ["checkpoints.jsonl", "checkpoint.pub"] {
        let dir = segmented();
        fs::remove_file(dir.path().join(name)).unwrap();
        let found = findings(dir.path());
        assert_eq!((found[0].kind, found[0].file.as_str()), (FindingKind::Missing, name), "{found:?}");
        assert!(matches!(verify(dir.path(), None).unwrap(), Verdict::Broken(_)));
        assert_refused(dir.path());
    }
    let dir = segmented();
    fs::write(dir.path().join("checkpoints.jsonl"), "").unwrap();
    let found = findings(dir.path());
    assert_eq!((found[0].kind, found[0].file.as_str()), (FindingKind::Missing, "checkpoints.jsonl"));
}

/// An anchor kept elsewhere finds what was cut together with its checkpoints.
#[test]
fn an_expected_head_finds_what_the_log_alone_cannot() {
    let dir = segmented();
    let intact = intact(dir.path());
    let with =
        |head: (u64, String)| AuditLog::open(Options { expected_head: Some(head), ..options(dir.path()) });
    with((12, intact.head.clone())).unwrap().close();
    let early = hex::encode(Sha256::digest(&lines(&first_segment(dir.path()))[0]));
    with((1, early.clone())).unwrap().close();
    for head in
        [(12, early.clone()), (2, early), (13, intact.head.clone()), (1, intact.head), (12, "?".into())]
    {
        let refused = with(head.clone());
        assert!(matches!(refused, Err(AuditError::Broken { .. })), "{head:?}: {refused:?}");
    }
    let empty = scratch();
    let refused =
        AuditLog::open(Options { expected_head: Some((1, "00".repeat(32))), ..options(empty.path()) });
    assert!(matches!(refused, Err(AuditError::Broken { .. })), "{refused:?}");
}

#[test]
fn a_log_that_is_wrong_throughout_has_a_bounded_list() {
    let dir = closed(5);
    fs::write(first_segment(dir.path()), "no record\n".repeat(5000)).unwrap();
    let found = findings(dir.path());
    assert_eq!(found.len(), 1000);
    let sequences: BTreeSet<u64> = found.iter().map(|finding| finding.sequence).collect();
    assert_eq!(sequences.first(), Some(&1));
}
