//! Crashes and failing disks: what was acknowledged is there, what is not there was never
//! acknowledged, and a log that cannot be trusted takes no records.

use crate::audit_kit::*;
use sealdock::audit::{AuditError, AuditLog, FindingKind, Options, Refused};
use std::os::unix::fs::FileExt;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{env, fs, thread};

/// How many whole lines the first `length` bytes hold, and how many bytes come after those.
fn whole(bytes: &[u8], length: usize) -> (u64, u64) {
    let lines = bytes[..length].iter().filter(|byte| **byte == b'\n').count() as u64;
    let end = bytes[..length].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    (lines, (length - end) as u64)
}

#[test]
fn a_log_cut_at_any_byte_opens_with_every_whole_record() {
    let dir = scratch();
    let log = open(dir.path());
    fill(&log, 1, 4);
    let crashed = copy(dir.path());
    let path = first_segment(crashed.path());
    let bytes = fs::read(&path).unwrap();
    for length in 0..=bytes.len() {
        let image = copy(crashed.path());
        let path = first_segment(image.path());
        fs::write(&path, &bytes[..length]).unwrap();
        let (records, unfinished) = whole(&bytes, length);
        let before = intact(image.path());
        assert_eq!((before.records, before.unfinished), (records, unfinished), "cut at {length}");

        let log =
            AuditLog::open(options(image.path())).unwrap_or_else(|error| panic!("cut at {length}: {error}"));
        let noted = u64::from(unfinished > 0);
        assert_eq!(log.head().0, records + noted, "cut at {length}");
        fill(&log, 100, 1);
        log.close();
        let after = intact(image.path());
        let expected = records + noted + 1;
        assert_eq!(
            (after.records, after.covered, after.unfinished),
            (expected, expected, 0),
            "cut at {length}"
        );
        assert!(
            fs::read(&path).unwrap().starts_with(&bytes[..length - usize::try_from(unfinished).unwrap()])
        );
        assert_eq!(recorded(image.path()).len() as u64, records + 1);
    }
}

#[test]
fn what_was_cut_off_is_noted() {
    let dir = scratch();
    let log = open(dir.path());
    fill(&log, 1, 2);
    let image = copy(dir.path());
    let path = first_segment(image.path());
    let length = fs::metadata(&path).unwrap().len();
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(length - 10).unwrap();
    open(image.path()).close();
    let last: serde_json::Value = serde_json::from_slice(&lines(&path)[1]).unwrap();
    assert_eq!(
        (last["eventName"].as_str(), last["sealdock"]["sequence"].as_u64()),
        (Some("RecoverAuditLog"), Some(2))
    );
    assert!(last["additionalEventData"]["unfinishedBytes"].as_u64().unwrap() > 100);
}

/// A record that a checkpoint vouches for was durable: no crash takes it away.
#[test]
fn a_log_cut_below_its_checkpoint_is_refused() {
    let dir = scratch();
    let log = open(dir.path());
    fill(&log, 1, 2);
    log.close();
    let covered = fs::metadata(first_segment(dir.path())).unwrap().len();
    let log = open(dir.path());
    fill(&log, 3, 2);
    let crashed = copy(dir.path());
    let bytes = fs::read(first_segment(crashed.path())).unwrap();
    for length in 0..=bytes.len() {
        fs::write(first_segment(crashed.path()), &bytes[..length]).unwrap();
        let (records, unfinished) = whole(&bytes, length);
        if length as u64 >= covered {
            let verdict = intact(crashed.path());
            assert_eq!((verdict.records, verdict.covered, verdict.unfinished), (records, 2, unfinished));
            continue;
        }
        let found = findings(crashed.path());
        assert_eq!(found.len(), 1, "cut at {length}: {found:?}");
        assert_eq!(
            (found[0].sequence, found[0].kind),
            (records + 1, FindingKind::Truncated),
            "cut at {length}"
        );
        assert_eq!(
            (found[0].offset, found[0].line),
            (length as u64 - unfinished, records + 1),
            "cut at {length}"
        );
        if length % 37 == 0 || unfinished == 0 {
            let refused = AuditLog::open(options(crashed.path()));
            let Err(AuditError::Broken { finding, .. }) = &refused else {
                panic!("cut at {length}: {refused:?}")
            };
            assert!(finding.starts_with(&format!("record {} ", records + 1)), "{finding}");
            assert_eq!(
                fs::read(first_segment(crashed.path())).unwrap(),
                &bytes[..length],
                "evidence is kept"
            );
        }
    }
}

#[test]
fn checkpoints_cut_at_any_byte_are_no_obstacle() {
    let dir = scratch();
    for round in 0..3 {
        let log = open(dir.path());
        fill(&log, round, 1);
        log.close();
    }
    let name = "checkpoints.jsonl";
    let bytes = fs::read(dir.path().join(name)).unwrap();
    for length in 0..=bytes.len() {
        let image = copy(dir.path());
        fs::write(image.path().join(name), &bytes[..length]).unwrap();
        assert_eq!(intact(image.path()).checkpoints, whole(&bytes, length).0, "cut at {length}");
        open(image.path()).close();
        assert_eq!(intact(image.path()).covered, 3, "cut at {length}");
    }
}

/// Blocks that the file system never wrote read as zeros, and what came after them may be there.
#[test]
fn a_hole_in_what_was_never_acknowledged_is_cut_off() {
    let dir = scratch();
    let log = open(dir.path());
    fill(&log, 1, 4);
    let crashed = copy(dir.path());
    let path = first_segment(crashed.path());
    let start: usize = lines(&path)[..2].iter().map(Vec::len).sum();
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.write_all_at(&[0; 512], start as u64 + 40).unwrap();
    let verdict = intact(crashed.path());
    let length = fs::metadata(&path).unwrap().len();
    assert_eq!((verdict.records, verdict.unfinished), (2, length - start as u64));
    let recovered = open(crashed.path());
    assert_eq!(recovered.head().0, 3, "two records and the note");
    recovered.close();
    assert_eq!(intact(crashed.path()).records, 3);

    // The same hole where a checkpoint vouches for the records is damage.
    log.close();
    let path = first_segment(dir.path());
    fs::OpenOptions::new()
        .write(true)
        .open(&path)
        .unwrap()
        .write_all_at(&[0; 512], start as u64 + 40)
        .unwrap();
    assert_eq!(findings(dir.path())[0].sequence, 3);
    assert!(matches!(AuditLog::open(options(dir.path())), Err(AuditError::Broken { .. })));
}

#[test]
fn a_crash_while_a_segment_begins_leaves_an_empty_one() {
    let dir = scratch();
    let log = AuditLog::open(Options { segment_bytes: 1, ..options(dir.path()) }).unwrap();
    fill(&log, 1, 3);
    let crashed = copy(dir.path());
    let last = segments(crashed.path()).pop().unwrap();
    fs::write(&last, b"").unwrap();
    assert_eq!(intact(crashed.path()).records, 2);
    let log = open(crashed.path());
    fill(&log, 3, 1);
    log.close();
    assert_eq!((intact(crashed.path()).records, segments(crashed.path()).len()), (3, 3));
}

#[test]
fn a_sync_that_fails_closes_the_log_and_loses_nothing_acknowledged() {
    for sync in 2..12 {
        let dir = scratch();
        let disk = FaultyDisk::failing_at(sync);
        let log = AuditLog::open(Options { disk: disk.clone(), ..options(dir.path()) }).unwrap();
        let mut acknowledged = 0;
        let refused = loop {
            match log.record(event(acknowledged), allowed()).wait() {
                Ok(_) => acknowledged += 1,
                Err(refused) => break refused,
            }
        };
        assert!(
            matches!(&refused, Refused::Unavailable(AuditError::Closed(reason)) if reason.contains("the disk is gone")),
            "{refused:?}"
        );
        assert_eq!(acknowledged, sync - 2, "one sync at open, one for each record");
        let later = log.record(event(99), allowed()).wait();
        assert!(matches!(later, Err(Refused::Unavailable(AuditError::Closed(_)))), "{later:?}");
        assert!(matches!(log.note(event(99)).wait(), Err(AuditError::Closed(_))));
        assert!(log.failure().is_some());
        drop(log);
        let log = open(dir.path());
        assert!(log.head().0 >= acknowledged as u64);
        log.close();
        assert!(recorded(dir.path()).len() >= acknowledged);
    }
}

#[test]
fn a_stalled_disk_means_a_refusal_in_time() {
    let dir = scratch();
    let disk = Arc::new(FaultyDisk::default());
    let wait = Duration::from_millis(80);
    let log = AuditLog::open(Options { disk: disk.clone(), wait, ..options(dir.path()) }).unwrap();
    fill(&log, 1, 1);
    disk.stall(true);
    let started = Instant::now();
    thread::scope(|scope| {
        for number in 2..6 {
            let log = &log;
            scope.spawn(move || {
                let refused = log.record(event(number), allowed()).wait();
                assert!(matches!(refused, Err(Refused::Unavailable(AuditError::Stalled))), "{refused:?}");
            });
        }
    });
    assert!(started.elapsed() < wait * 20, "{:?}", started.elapsed());

    // The watchdog answers those who poll, too, and new records are then refused at once.
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let started = Instant::now();
        let refused = log.note(event(7)).wait();
        assert!(matches!(refused, Err(AuditError::Stalled)), "{refused:?}");
        if started.elapsed() < wait / 2 {
            break;
        }
        assert!(Instant::now() < deadline);
    }
    disk.stall(false);
    while log.note(event(8)).wait().is_err() {
        assert!(Instant::now() < deadline, "the log recovers when the disk does");
        thread::sleep(Duration::from_millis(5));
    }
    log.close();
    let recorded = recorded(dir.path());
    assert!(recorded.contains(&"request-1".into()) && recorded.contains(&"request-8".into()));
    intact(dir.path());
}

/// The writer may hang where no record is in its hands; it must come back all the same.
#[test]
fn a_stalled_checkpoint_is_survived() {
    let dir = scratch();
    let disk = Arc::new(FaultyDisk::default());
    let wait = Duration::from_millis(60);
    let every = Duration::from_millis(1);
    let faulty = Options { disk: disk.clone(), wait, checkpoint_every: every, ..options(dir.path()) };
    let log = AuditLog::open(faulty).unwrap();
    disk.stall_checkpoints(true);
    let deadline = Instant::now() + Duration::from_secs(30);
    while log.note(event(1)).wait().is_ok() {
        assert!(Instant::now() < deadline);
    }
    disk.stall_checkpoints(false);
    while log.note(event(2)).wait().is_err() {
        assert!(Instant::now() < deadline, "the log recovers when the disk does");
        thread::sleep(Duration::from_millis(5));
    }
    log.close();
    intact(dir.path());
}

#[test]
fn a_key_that_a_crash_left_half_written_is_written_again() {
    let dir = scratch();
    for left in ["", "ab", "00"] {
        fs::write(dir.path().join("checkpoint.pub"), left).unwrap();
        fs::write(dir.path().join("checkpoints.jsonl"), "").unwrap();
        let log = open(dir.path());
        fill(&log, 1, 1);
        log.close();
        intact(dir.path());
        fs::remove_file(first_segment(dir.path())).unwrap();
    }
}

#[test]
fn a_stalled_disk_does_not_hold_up_the_end() {
    let dir = scratch();
    let disk = Arc::new(FaultyDisk::default());
    let wait = Duration::from_millis(50);
    let log = AuditLog::open(Options { disk: disk.clone(), wait, ..options(dir.path()) }).unwrap();
    disk.stall(true);
    drop(log.note(event(1)));
    let started = Instant::now();
    log.close();
    assert!(started.elapsed() < wait * 40);
    disk.stall(false);
}

#[test]
fn more_records_than_the_queue_takes_are_refused_at_once() {
    let dir = scratch();
    let disk = Arc::new(FaultyDisk::default());
    let log = AuditLog::open(Options { disk: disk.clone(), queue: 3, ..options(dir.path()) }).unwrap();
    disk.stall(true);
    let mut waiting = Vec::new();
    let mut refused = 0;
    for number in 0..20 {
        waiting.push(log.note(event(number)));
        thread::sleep(Duration::from_millis(2));
    }
    disk.stall(false);
    for noting in waiting {
        match noting.wait() {
            Ok(()) => {}
            Err(AuditError::Overloaded) => refused += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert!((13..=17).contains(&refused), "{refused}");
    fill(&log, 50, 1);
}

/// What somebody does to the segment while the log is open.
type Tamper = fn(&std::path::Path);

#[test]
fn a_segment_removed_replaced_or_cut_closes_the_log() {
    let tampers: [(&str, Tamper); 5] = [
        ("removed", |path| fs::remove_file(path).unwrap()),
        ("moved", |path| fs::rename(path, path.with_extension("old")).unwrap()),
        ("replaced", |path| {
            let copy = path.with_extension("copy");
            fs::copy(path, &copy).unwrap();
            fs::rename(copy, path).unwrap();
        }),
        ("cut", |path| {
            let length = fs::metadata(path).unwrap().len();
            fs::OpenOptions::new().write(true).open(path).unwrap().set_len(length / 2).unwrap();
        }),
        ("written to", |path| {
            let mut bytes = fs::read(path).unwrap();
            bytes.push(b'\n');
            fs::write(path, bytes).unwrap();
        }),
    ];
    thread::scope(|scope| {
        for (name, tamper) in tampers {
            scope.spawn(move || assert_noticed(name, tamper));
        }
    });
}

fn assert_noticed(name: &str, tamper: Tamper) {
    let dir = scratch();
    let log = open(dir.path());
    fill(&log, 1, 2);
    tamper(&first_segment(dir.path()));
    let refused = log.record(event(3), allowed()).wait();
    assert!(matches!(refused, Err(Refused::Unavailable(AuditError::Closed(_)))), "{name}: {refused:?}");

    // Without any request, it is noticed within about a second.
    let dir = scratch();
    let log = open(dir.path());
    fill(&log, 1, 2);
    tamper(&first_segment(dir.path()));
    let deadline = Instant::now() + Duration::from_secs(30);
    while log.failure().is_none() {
        assert!(Instant::now() < deadline, "{name}: not noticed");
        thread::sleep(Duration::from_millis(20));
    }
}

const FULL: &str = "SEALDOCK_TEST_FULL_DISK";

/// The child of the test below: records until the file size limit, and says how many were acknowledged.
#[test]
fn full_disk_child() {
    let Ok(dir) = env::var(FULL) else { return };
    let log = AuditLog::open(options(dir.as_ref())).unwrap();
    let mut acknowledged = 0;
    let refused = loop {
        match log.record(event(acknowledged), allowed()).wait() {
            Ok(_) => acknowledged += 1,
            Err(refused) => break refused,
        }
    };
    assert!(matches!(refused, Refused::Unavailable(AuditError::Closed(_))), "{refused:?}");
    assert!(log.note(event(0)).wait().is_err());
    println!("acknowledged={acknowledged}");
}

/// A write that the kernel takes only in part: a limit on file size does what a full disk does.
#[test]
fn a_full_disk_closes_the_log_and_loses_nothing_acknowledged() {
    let dir = scratch();
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 40; exec \"$@\"", "sh"])
        .arg(env::current_exe().unwrap())
        .args(["--exact", "audit_crash::full_disk_child", "--nocapture"])
        .env(FULL, dir.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let count = text.split("acknowledged=").nth(1).and_then(|rest| rest.lines().next()).unwrap();
    let acknowledged: usize = count.trim().parse().unwrap();
    assert!(acknowledged > 5, "{acknowledged}");
    let verdict = intact(dir.path());
    assert!(verdict.records >= acknowledged as u64 && verdict.unfinished > 0, "{verdict:?}");
    let log = open(dir.path());
    fill(&log, 1000, 1);
    log.close();
    assert!(recorded(dir.path()).len() > acknowledged);
    intact(dir.path());
}
