//! Finding events, newest first.
//!
//! Segments are read from their ends, and each link that the search crosses is checked: a
//! search does not silently return what was tampered with. It ends with its
//! limit, or an hour (a clock may have been set back) before the earliest time that is wanted.
//! An unfinished last line is passed over; it is no record.

use super::AuditError;
use super::chain::Place;
use super::reader::Backward;
use super::record::{self, GENESIS, Link};
use super::segment;
use super::verify::{Finding, FindingKind};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::path::Path;

/// How far times in the log may run backwards.
const SLACK: SignedDuration = SignedDuration::from_hours(1);

/// Which events are wanted; every condition that is set must hold.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// `eventName` is this.
    pub event_name: Option<String>,
    /// `eventSource` is this.
    pub event_source: Option<String>,
    /// The caller's ARN, its role's ARN or the principal of the decision contains this.
    pub principal: Option<String>,
    /// `userIdentity.accessKeyId` is this.
    pub access_key_id: Option<String>,
    /// One of `resources` has this ARN, or the decision was about it.
    pub resource: Option<String>,
    /// `errorCode` is this.
    pub error_code: Option<String>,
    /// `requestID` is this.
    pub request_id: Option<String>,
    /// `readOnly` is this.
    pub read_only: Option<bool>,
    /// The name of the caller's session, or a `taskId` or `roleSessionName` among the request's parameters, is this.
    pub task: Option<String>,
    /// The line contains this text.
    pub text: Option<String>,
    /// Not earlier than this.
    pub since: Option<Timestamp>,
    /// Not later than this.
    pub until: Option<Timestamp>,
}

impl Filter {
    /// Whether a record is wanted.
    pub fn matches(&self, event: &Value) -> bool {
        let at = |pointer: &str| event.pointer(pointer).and_then(Value::as_str);
        let is = |wanted: &Option<String>, pointer| {
            wanted.as_deref().is_none_or(|wanted| at(pointer) == Some(wanted))
        };
        let time = || at("/eventTime").and_then(|time| time.parse::<Timestamp>().ok());
        is(&self.event_name, "/eventName")
            && is(&self.event_source, "/eventSource")
            && is(&self.access_key_id, "/userIdentity/accessKeyId")
            && is(&self.error_code, "/errorCode")
            && is(&self.request_id, "/requestID")
            && self.read_only.is_none_or(|wanted| event.get("readOnly") == Some(&Value::Bool(wanted)))
            && self.principal.as_deref().is_none_or(|wanted| {
                PRINCIPALS.iter().any(|pointer| at(pointer).is_some_and(|arn| arn.contains(wanted)))
            })
            && self.resource.as_deref().is_none_or(|wanted| {
                let listed = event.get("resources").and_then(Value::as_array).is_some_and(|resources| {
                    resources
                        .iter()
                        .any(|resource| resource.get("ARN").and_then(Value::as_str) == Some(wanted))
                });
                listed || at("/sealdock/policy/resource") == Some(wanted)
            })
            && self.task.as_deref().is_none_or(|wanted| {
                let session = at("/userIdentity/arn")
                    .filter(|arn| arn.contains(":assumed-role/"))
                    .and_then(|arn| arn.rsplit('/').next());
                session == Some(wanted) || TASKS.iter().any(|pointer| at(pointer) == Some(wanted))
            })
            && self.since.is_none_or(|since| time().is_some_and(|time| time >= since))
            && self.until.is_none_or(|until| time().is_some_and(|time| time <= until))
    }
}

/// Where the ARN of a principal stands.
const PRINCIPALS: [&str; 3] =
    ["/userIdentity/arn", "/userIdentity/sessionContext/sessionIssuer/arn", "/sealdock/policy/principal"];
/// Where the id of a task stands: what launches a task names it there.
const TASKS: [&str; 2] = ["/requestParameters/taskId", "/requestParameters/roleSessionName"];

/// One event that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Its sequence number.
    pub sequence: u64,
    /// The whole record.
    pub event: Value,
    /// The line as it stands in the file, without its line feed.
    pub line: String,
}

/// What a search found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Results {
    /// The events, newest first.
    pub events: Vec<Found>,
    /// What is wrong with the records that were crossed; `audit verify` says more.
    pub broken: Option<Finding>,
}

/// Up to `limit` events that match, newest first. Stops at the first record that does not verify.
pub fn search(dir: &Path, filter: &Filter, limit: usize) -> Result<Results, AuditError> {
    let mut results = Results::default();
    let mut after: Option<Link> = None;
    for segment in segment::list(dir)?.into_iter().rev() {
        let mut lines = Backward::open(&segment.path)?;
        while let Some(line) = lines.next()? {
            if results.events.len() >= limit {
                return Ok(results);
            }
            let newest = after.is_none();
            if newest && !line.ends_with(b"\n") {
                continue;
            }
            let broken = |sequence, kind, detail: &str| {
                let place = Place { file: segment.name(), offset: lines.offset(), line: 0 };
                Some(place.finding(sequence, kind, detail))
            };
            let expected = after.map_or(0, |after| after.sequence.saturating_sub(1));
            let (Some(link), Ok(event)) = (Link::of(&line), serde_json::from_slice::<Value>(&line)) else {
                results.broken = broken(expected, FindingKind::Unreadable, "the line is not a record");
                return Ok(results);
            };
            if after.is_some_and(|after| link.sequence != expected || record::hash(&line) != after.previous) {
                let detail = "the next record names another sequence number or hash";
                results.broken = broken(expected, FindingKind::Altered, detail);
                return Ok(results);
            }
            after = Some(link);
            let text = String::from_utf8_lossy(line.strip_suffix(b"\n").unwrap_or(&line));
            if filter.text.as_deref().is_none_or(|wanted| text.contains(wanted)) && filter.matches(&event) {
                results.events.push(Found { sequence: link.sequence, line: text.into_owned(), event });
            } else if filter.since.is_some_and(|since| long_before(&event, since)) {
                return Ok(results);
            }
        }
    }
    if let Some(first) = after.filter(|first| first.sequence != 1 || first.previous != GENESIS) {
        let place = Place::default();
        let sequence = first.sequence.saturating_sub(1);
        results.broken = Some(place.finding(sequence, FindingKind::Missing, "the log begins after it"));
    }
    Ok(results)
}

fn long_before(event: &Value, since: Timestamp) -> bool {
    let time = event.get("eventTime").and_then(Value::as_str).and_then(|time| time.parse::<Timestamp>().ok());
    time.is_some_and(|time| since.duration_since(time) > SLACK)
}
