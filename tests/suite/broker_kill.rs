//! Brokers that are killed under concurrent writers, again and again on the same vault.
//!
//! Each writer keeps a model of what was acknowledged, and knows its one request that was not
//! answered. After every restart the vault holds exactly the model, with the request in doubt
//! wholly done or not at all; the audit log verifies and has a record of every acknowledged
//! request. In the end no blob is left that no version names.

use crate::kit::{Broker, Caller, Kit, allow, code, user};
use sealdock::client::ClientError;
use sealdock::protocol::Operation;
use sealdock::store::{EmbeddedStore, Store};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use std::time::Duration;

const WRITERS: usize = 4;

/// One request of a writer.
#[derive(Clone, Debug)]
enum Write {
    Create { name: String, token: String, value: String },
    Put { name: String, token: String, value: String },
    Delete { name: String },
    Parameter { name: String, value: String },
    DeleteParameter { name: String },
}

impl Write {
    fn request(&self) -> (Operation, Value) {
        match self {
            Self::Create { name, token, value } => (
                Operation::CreateSecret,
                json!({ "Name": name, "ClientRequestToken": token, "SecretString": value }),
            ),
            Self::Put { name, token, value } => (
                Operation::PutSecretValue,
                json!({ "SecretId": name, "ClientRequestToken": token, "SecretString": value }),
            ),
            Self::Delete { name } => {
                (Operation::DeleteSecret, json!({ "SecretId": name, "ForceDeleteWithoutRecovery": true }))
            }
            Self::Parameter { name, value } => (
                Operation::PutParameter,
                json!({ "Name": name, "Value": value, "Type": "SecureString", "Overwrite": true }),
            ),
            Self::DeleteParameter { name } => (Operation::DeleteParameter, json!({ "Name": name })),
        }
    }

    /// What its audit record says: operation, and the one parameter that tells it apart.
    fn trace(&self) -> (String, String) {
        let (operation, request) = self.request();
        let member = ["ClientRequestToken", "SecretId", "Name"].iter().find_map(|m| request.get(m)).unwrap();
        (operation.name().to_owned(), member.as_str().unwrap().to_owned())
    }
}

/// What the vault holds: versions of secrets as token and value, values of parameters.
#[derive(Clone, Debug, Default, PartialEq)]
struct Model {
    secrets: BTreeMap<String, Vec<(String, String)>>,
    parameters: BTreeMap<String, Vec<String>>,
}

impl Model {
    fn apply(&mut self, write: &Write) {
        match write.clone() {
            Write::Create { name, token, value } | Write::Put { name, token, value } => {
                self.secrets.entry(name).or_default().push((token, value));
            }
            Write::Delete { name } => drop(self.secrets.remove(&name)),
            Write::Parameter { name, value } => self.parameters.entry(name).or_default().push(value),
            Write::DeleteParameter { name } => drop(self.parameters.remove(&name)),
        }
    }
}

/// What one writer knows at the end of its round.
#[derive(Debug, Default)]
struct Writer {
    model: Model,
    acknowledged: Vec<Write>,
    doubt: Option<Write>,
}

/// The request number `step` of a writer; its names begin with `prefix`.
fn plan(prefix: &str, shared: &str, canary: &str, step: usize) -> Write {
    let number = step / 10;
    let name = |kind: &str| format!("{prefix}/{kind}{number}");
    let parameter = |kind: &str| format!("/{prefix}/{kind}{number}");
    let token = format!("{prefix}-{step}-token-that-is-long-enough").replace('/', "-");
    // Some values are larger than a page of the store.
    let length = [0, 100, if matches!(step % 10, 2 | 5 | 6) { 3000 } else { 9000 }][step % 3];
    let value = format!("{canary}:{prefix}:{step}:{}", "x".repeat(length));
    let put = |name: String| Write::Put { name, token: token.clone(), value: value.clone() };
    match step % 10 {
        0 => Write::Create { name: name("kept"), token, value },
        1 => Write::Create { name: name("gone"), token, value },
        2 => Write::Parameter { name: parameter("kept"), value },
        3 => put(name("kept")),
        4 => put(shared.to_owned()),
        5 => Write::Parameter { name: parameter("kept"), value },
        6 => Write::Parameter { name: parameter("gone"), value },
        7 => Write::Delete { name: name("gone") },
        8 => put(name("kept")),
        _ => Write::DeleteParameter { name: parameter("gone") },
    }
}

/// Writes until the broker is gone.
fn write(caller: &Caller, prefix: &str, shared: &str, canary: &str) -> Writer {
    let mut writer = Writer::default();
    for step in 0.. {
        let write = plan(prefix, shared, canary, step);
        let (operation, request) = write.request();
        match caller.call(operation, &request) {
            Ok(answer) => {
                if let Write::Parameter { name, .. } = &write {
                    let version = writer.model.parameters.get(name).map_or(1, |v| v.len() + 1);
                    assert_eq!(answer["Version"], version, "{name}");
                }
                writer.model.apply(&write);
                writer.acknowledged.push(write);
            }
            // Nothing was sent.
            Err(ClientError::Unreachable { .. }) => return writer,
            Err(ClientError::Broken { .. } | ClientError::Timeout { .. }) => {
                writer.doubt = Some(write);
                return writer;
            }
            Err(other) => panic!("{:?}: {other}", write.trace()),
        }
    }
    unreachable!()
}

/// Reads from the broker what `expected` and `doubt` speak of, without the shared secret.
fn observe(root: &Caller, expected: &Model, doubt: Option<&Write>) -> Model {
    let mut possible = expected.clone();
    if let Some(doubt) = doubt.filter(|d| !matches!(d, Write::Delete { .. } | Write::DeleteParameter { .. }))
    {
        possible.apply(doubt);
    }
    let mut found = Model::default();
    for (name, versions) in &possible.secrets {
        if code(&root.call(Operation::DescribeSecret, &json!({ "SecretId": name }))) == "ok" {
            found.secrets.insert(name.clone(), versions_of(root, name, versions.iter()));
        }
    }
    for (name, values) in &possible.parameters {
        let mut read = Vec::new();
        for version in 1..=values.len() + 1 {
            let selected = json!({ "Name": format!("{name}:{version}"), "WithDecryption": true });
            match root.call(Operation::GetParameter, &selected) {
                Ok(answer) => read.push(answer["Parameter"]["Value"].as_str().unwrap().to_owned()),
                refused => assert!(code(&refused).ends_with("NotFound"), "{refused:?}"),
            }
        }
        if !read.is_empty() {
            found.parameters.insert(name.clone(), read);
        }
    }
    found
}

/// The versions of a secret among `possible` that can be read. The last one is current, the
/// one before it is previous.
fn versions_of<'a>(
    root: &Caller,
    name: &str,
    possible: impl Iterator<Item = &'a (String, String)>,
) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (token, _) in possible {
        match root.call(Operation::GetSecretValue, &json!({ "SecretId": name, "VersionId": token })) {
            Ok(answer) => found.push((token.clone(), answer["SecretString"].as_str().unwrap().to_owned())),
            refused => assert_eq!(code(&refused), "ResourceNotFoundException", "{refused:?}"),
        }
    }
    let described = root.call(Operation::DescribeSecret, &json!({ "SecretId": name })).unwrap();
    let stages = described["VersionIdsToStages"].as_object().unwrap();
    let expected = [(1, "AWSCURRENT"), (2, "AWSPREVIOUS")];
    let expected = expected.iter().filter(|(back, _)| *back <= found.len());
    // The shared secret has versions of several writers, whose order only the broker knows.
    if !name.starts_with("shared") {
        let expected: BTreeMap<_, _> =
            expected.map(|(back, stage)| (found[found.len() - back].0.clone(), json!([stage]))).collect();
        assert_eq!(stages.clone().into_iter().collect::<BTreeMap<_, _>>(), expected, "{name}");
    }
    found
}

/// Holds one writer's model against the vault.
fn assert_kept(root: &Caller, writer: &Writer, shared: &str) -> Model {
    let without_shared = |mut model: Model| {
        model.secrets.remove(shared);
        model
    };
    let doubt = writer.doubt.as_ref();
    let acknowledged = without_shared(writer.model.clone());
    let found = without_shared(observe(root, &acknowledged, doubt));
    let mut other = acknowledged.clone();
    if let Some(doubt) = doubt {
        other.apply(doubt);
    }
    let other = without_shared(other);
    assert!(
        found == acknowledged || found == other,
        "{doubt:?}\nfound {found:#?}\nexpected {acknowledged:#?}"
    );
    found
}

/// Holds what all writers put into the shared secret against the vault.
fn assert_shared_kept(root: &Caller, writers: &[Writer], shared: &str, first: &(String, String)) -> usize {
    let puts = |write: &Write| match write {
        Write::Put { name, token, value } if name == shared => Some((token.clone(), value.clone())),
        _ => None,
    };
    let mut acknowledged: BTreeSet<_> =
        writers.iter().flat_map(|w| w.acknowledged.iter().filter_map(puts)).collect();
    acknowledged.insert(first.clone());
    let doubts: BTreeSet<_> = writers.iter().filter_map(|w| w.doubt.as_ref().and_then(puts)).collect();
    let found: BTreeSet<_> =
        versions_of(root, shared, acknowledged.iter().chain(&doubts)).into_iter().collect();
    assert!(found.is_superset(&acknowledged), "{:?}", acknowledged.difference(&found));
    assert!(found.is_subset(&acknowledged.union(&doubts).cloned().collect()), "a value is another one");
    let current = root.get(shared).unwrap();
    let current = (current["VersionId"].as_str().unwrap(), current["SecretString"].as_str().unwrap());
    assert!(found.contains(&(current.0.to_owned(), current.1.to_owned())));
    found.len()
}

/// Names of all secrets.
fn listed(root: &Caller) -> BTreeSet<String> {
    let (mut names, mut next) = (BTreeSet::new(), Value::Null);
    loop {
        let mut request = json!({ "MaxResults": 100 });
        if next.is_string() {
            request["NextToken"] = next;
        }
        let mut page = root.call(Operation::ListSecrets, &request).unwrap();
        names.extend(
            page["SecretList"].as_array().unwrap().iter().map(|s| s["Name"].as_str().unwrap().to_owned()),
        );
        next = page["NextToken"].take();
        if next.is_null() {
            return names;
        }
    }
}

/// Every acknowledged request has its own record, which says that it was served.
fn assert_recorded(records: &[Value], writers: &[Writer]) {
    let mut served: BTreeMap<(String, String), usize> = BTreeMap::new();
    for record in records.iter().filter(|r| r.get("errorCode").is_none()) {
        let parameters = &record["requestParameters"];
        let member = ["clientRequestToken", "secretId", "name"].iter().find_map(|m| parameters.get(m));
        if let (Some(name), Some(member)) = (record["eventName"].as_str(), member.and_then(Value::as_str)) {
            *served.entry((name.to_owned(), member.to_owned())).or_default() += 1;
        }
    }
    for write in writers.iter().flat_map(|w| &w.acknowledged) {
        let count = served.get_mut(&write.trace()).filter(|count| **count > 0);
        *count.unwrap_or_else(|| panic!("no record of {:?}", write.trace())) -= 1;
    }
}

/// Lets every user write, and kills the broker after a while.
fn crowd(broker: &Broker, users: &[Caller], round: usize, shared: &str, canary: &str) -> Vec<Writer> {
    thread::scope(|scope| {
        let threads: Vec<_> = users
            .iter()
            .enumerate()
            .map(|(number, caller)| {
                scope.spawn(move || write(caller, &format!("r{round}w{number}"), shared, canary))
            })
            .collect();
        thread::sleep(Duration::from_millis([30, 70, 120, 200, 300, 50, 400, 90, 250, 500][round % 10]));
        broker.signal(rustix::process::Signal::KILL);
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn what_was_acknowledged_survives_kills_under_concurrent_writers() {
    let kit = Kit::new();
    // Small segments, so that some kills meet a rotation of the log.
    kit.edit_config(|text| text + "\n[audit]\nsegment-bytes = 200000\n");
    kit.account(&[user("writer", json!([allow("*", "*")]))], &[]);
    let canary = kit.canary("kill");

    let mut broker = kit.start();
    let mut models = Vec::new();
    let (mut total, mut in_doubt, mut records_seen) = (0, 0, 0);
    let (mut names, mut versions) = (BTreeSet::new(), 0);
    for round in 0..10 {
        let shared = format!("shared{round}");
        let first = (format!("first-token-of-the-shared-secret-{round}"), format!("{canary}:{round}"));
        let root = broker.root();
        let request = json!({ "Name": shared, "ClientRequestToken": first.0, "SecretString": first.1 });
        root.call(Operation::CreateSecret, &request).unwrap();
        let key = root.key("writer");
        let id = key.access_key_id.clone();
        let signed = broker.signed(key);
        let users: Vec<Caller> =
            (0..WRITERS).map(|n| if n % 2 == 0 { signed.clone() } else { broker.root() }).collect();

        let writers = crowd(&broker, &users, round, &shared, &canary);
        broker.kill();
        total += writers.iter().map(|w| w.acknowledged.len()).sum::<usize>();
        in_doubt += writers.iter().filter(|w| w.doubt.is_some()).count();

        kit.audit_intact();
        broker = kit.start();
        let records = kit.audit(records_seen);
        records_seen += records.len();
        assert_recorded(&records, &writers);

        let root = broker.root();
        names.insert(shared.clone());
        for writer in &writers {
            let found = assert_kept(&root, writer, &shared);
            names.extend(found.secrets.keys().cloned());
            versions += found.secrets.values().map(Vec::len).sum::<usize>();
            versions += found.parameters.values().map(Vec::len).sum::<usize>();
            models.push(found);
        }
        versions += assert_shared_kept(&root, &writers, &shared, &first);
        assert_eq!(listed(&root), names, "round {round}");
        root.call(Operation::DeleteAccessKey, &json!({ "AccessKeyId": id })).unwrap();
    }
    assert!(total > 100, "only {total} requests were acknowledged");
    assert!(in_doubt > 0, "no kill met a request");

    // What earlier rounds wrote has survived the later kills.
    let root = broker.root();
    for model in models.iter().step_by(5) {
        assert_eq!(observe(&root, model, None), *model);
    }
    assert!(broker.stop().success());
    kit.audit_intact();
    // A start sweeps what a kill left behind; nothing else is in the store.
    assert!(kit.start().stop().success());
    let store = EmbeddedStore::open(&kit.vault()).unwrap();
    assert_eq!(store.scan(b"V", None, usize::MAX).unwrap().len(), versions);
}

#[test]
fn a_kill_while_the_broker_starts_or_stops_loses_nothing() {
    let kit = Kit::new();
    let value = kit.canary("start");
    let broker = kit.start();
    broker.root().create("kept", &value);
    broker.kill();
    for delay in [0, 5, 10, 20, 40, 80, 120] {
        let broker = kit.launch();
        thread::sleep(Duration::from_millis(delay));
        broker.kill();
        kit.audit_intact();
    }
    for delay in [0, 1, 3, 10] {
        let broker = kit.start();
        assert_eq!(broker.root().value("kept"), value);
        broker.signal(rustix::process::Signal::TERM);
        thread::sleep(Duration::from_millis(delay));
        broker.kill();
        kit.audit_intact();
    }
    let broker = kit.start();
    assert_eq!(broker.root().value("kept"), value);
    assert!(broker.stop().success());
    kit.audit_intact();
}
