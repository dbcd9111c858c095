//! What the tests of the audit log share: events, decisions, scratch directories, a disk with faults.

use sealdock::arn::Arn;
use sealdock::audit::{
    AuditLog, Disk, Event, Finding, IdentityType, Intact, Options, PublicKey, RealDisk, UserIdentity,
    Verdict, verify,
};
use sealdock::policy::{Decision, PolicySet, Request, evaluate};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

pub(crate) const SEED: [u8; 32] = [7; 32];
pub(crate) const ACTION: &str = "secretsmanager:GetSecretValue";
pub(crate) const RESOURCE: &str = "arn:aws:secretsmanager:us-east-1:111122223333:secret:db-a1B2c3";

/// A directory in memory where there is one: thousands of syncs cost nothing there.
pub(crate) fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

pub(crate) fn options(dir: &Path) -> Options {
    // Checkpoints at open, rotation and close only, so that tests know where they are.
    Options { checkpoint_every: Duration::from_secs(3600), ..Options::new(dir, SEED) }
}

pub(crate) fn open(dir: &Path) -> AuditLog {
    AuditLog::open(options(dir)).unwrap()
}

pub(crate) fn event(number: usize) -> Event<'static> {
    let identity = UserIdentity {
        kind: IdentityType::IamUser,
        arn: Some("arn:aws:iam::111122223333:user/ann".into()),
        access_key_id: Some("AKIAIOSFODNN7EXAMPLE".into()),
        ..UserIdentity::default()
    };
    let mut event = Event::new("secretsmanager.amazonaws.com", "GetSecretValue", identity);
    event.request_id = format!("request-{number}").into();
    event.read_only = true;
    event
}

fn decide(principal: &str) -> Decision {
    let principal: Arn = principal.parse().unwrap();
    evaluate(&PolicySet::empty(), &Request::new(&principal, ACTION, RESOURCE))
}

pub(crate) fn allowed() -> Decision {
    decide("arn:aws:iam::111122223333:root")
}

pub(crate) fn denied() -> Decision {
    decide("arn:aws:iam::111122223333:user/ann")
}

/// Records `count` events, numbered on from `first`.
pub(crate) fn fill(log: &AuditLog, first: usize, count: usize) {
    for number in first..first + count {
        drop(log.record(event(number), allowed()).wait().unwrap());
    }
}

pub(crate) fn segments(dir: &Path) -> Vec<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.file_name().unwrap().to_str().unwrap().starts_with("audit-"));
    found.sort();
    found
}

pub(crate) fn first_segment(dir: &Path) -> PathBuf {
    dir.join("audit-00000000000000000001.jsonl")
}

/// The lines of a file, with their line feeds.
pub(crate) fn lines(path: &Path) -> Vec<Vec<u8>> {
    fs::read(path).unwrap().split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
}

/// A copy of a log, as a crash would leave it.
pub(crate) fn copy(from: &Path) -> tempfile::TempDir {
    let to = scratch();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, to.path().join(path.file_name().unwrap())).unwrap();
    }
    to
}

pub(crate) fn check(dir: &Path) -> Verdict {
    verify(dir, Some(&PublicKey::of_seed(&SEED).unwrap())).unwrap()
}

pub(crate) fn intact(dir: &Path) -> Intact {
    match check(dir) {
        Verdict::Intact(intact) => intact,
        Verdict::Broken(findings) => panic!("not intact: {findings:#?}"),
    }
}

pub(crate) fn findings(dir: &Path) -> Vec<Finding> {
    match check(dir) {
        Verdict::Broken(findings) => findings,
        Verdict::Intact(intact) => panic!("intact: {intact:?}"),
    }
}

/// The request ids on record.
pub(crate) fn recorded(dir: &Path) -> Vec<String> {
    let lines = segments(dir).iter().flat_map(|path| lines(path)).collect::<Vec<_>>();
    lines
        .iter()
        .filter_map(|line| serde_json::from_slice::<serde_json::Value>(line).ok())
        .filter_map(|event| event["requestID"].as_str().map(str::to_owned))
        .collect()
}

/// The real disk, with a count of its syncs, a sync that fails and a gate that stalls it.
#[derive(Debug, Default)]
pub(crate) struct FaultyDisk {
    pub(crate) syncs: AtomicUsize,
    pub(crate) fail_at: AtomicUsize,
    pub(crate) stalled: Mutex<bool>,
    pub(crate) released: Condvar,
    pub(crate) slow: AtomicBool,
    pub(crate) checkpoints_stalled: AtomicBool,
}

impl FaultyDisk {
    pub(crate) fn failing_at(sync: usize) -> Arc<Self> {
        Arc::new(Self { fail_at: AtomicUsize::new(sync), ..Self::default() })
    }

    pub(crate) fn stall_checkpoints(&self, stalled: bool) {
        self.checkpoints_stalled.store(stalled, Ordering::SeqCst);
    }

    pub(crate) fn stall(&self, stalled: bool) {
        *self.stalled.lock().unwrap() = stalled;
        self.released.notify_all();
    }
}

impl Disk for FaultyDisk {
    fn append(&self, file: &File, bytes: &[u8]) -> io::Result<()> {
        while bytes.starts_with(b"{\"sequence\"") && self.checkpoints_stalled.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(1));
        }
        RealDisk.append(file, bytes)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        let mut stalled = self.stalled.lock().unwrap();
        while *stalled {
            stalled = self.released.wait(stalled).unwrap();
        }
        drop(stalled);
        if self.slow.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(2));
        }
        let number = self.syncs.fetch_add(1, Ordering::SeqCst) + 1;
        if number == self.fail_at.load(Ordering::SeqCst) {
            return Err(io::Error::other("the disk is gone"));
        }
        RealDisk.sync(file)
    }
}
