//! Credentials of tasks over time, with a clock that the test moves: renewal before expiry, a
//! restart of the broker, the end of the task, revocations.

use jiff::{SignedDuration, Timestamp};
use sealdock::audit::Permit;
use sealdock::broker::{Ask, Broker, Caller, Context, SessionError, Settings, TaskCredentials};
use sealdock::clock::{Clock, ManualClock};
use sealdock::secret::SecretValue;
use sealdock::store::EmbeddedStore;
use sealdock::vault::{NewTaskRole, Subject, TaskRoleRecord, Unlock, Vault, create_key_file};
use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

use crate::kit::{ACCOUNT, REGION, block_on};

const ROLE: &str = "arn:aws:iam::111122223333:role/app";

struct House {
    directory: TempDir,
    clock: Arc<ManualClock>,
}

impl House {
    fn new() -> Self {
        let directory = crate::audit_kit::scratch();
        let house =
            Self { directory, clock: Arc::new(ManualClock::new("2026-11-24T10:00:00Z".parse().unwrap())) };
        create_key_file(&house.path().join("root.key")).unwrap();
        let store = EmbeddedStore::create(&house.path().join("vault")).unwrap();
        Vault::create(&store, &house.unlock()).unwrap();
        std::fs::create_dir(house.path().join("policies")).unwrap();
        house.trust("ecs-tasks.amazonaws.com");
        house
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn unlock(&self) -> Unlock {
        Unlock::KeyFile(self.path().join("root.key"))
    }

    /// Makes the role one that this service may use.
    fn trust(&self, service: &str) {
        let trust = json!({ "Version": "2012-10-17", "Statement": [
            { "Effect": "Allow", "Principal": { "Service": service }, "Action": "sts:AssumeRole" }] });
        let role = json!({ "RoleName": "app", "RoleId": "AROAAPPAPPAPPAPPAPPAP", "Arn": ROLE,
            "AssumeRolePolicyDocument": trust });
        let text = json!({ "RoleDetailList": [role] }).to_string();
        std::fs::write(self.path().join("policies/account.json"), text).unwrap();
    }

    fn open(&self) -> Broker {
        let store = Arc::new(EmbeddedStore::open(&self.path().join("vault")).unwrap());
        let vault = Vault::open(store, &self.unlock(), Arc::clone(&self.clock) as Arc<dyn Clock>).unwrap();
        let settings = Settings {
            account: ACCOUNT.into(),
            region: REGION.into(),
            peers: Vec::new(),
            policies: self.path().join("policies"),
            audit: self.path().join("audit"),
            functions: Vec::new(),
            audit_wait: Duration::from_secs(5),
            audit_segment_bytes: 1 << 20,
            other_principals: false,
            new_audit_log: false,
        };
        Broker::open(settings, vault, Arc::clone(&self.clock) as Arc<dyn Clock>).unwrap()
    }
}

/// The account root, over the Unix socket.
fn context(broker: &Broker) -> Context {
    let caller: Caller = broker.peer(rustix::process::geteuid().as_raw()).unwrap();
    Context {
        caller: Some(caller),
        event_source: "sealdock",
        event_name: "Test",
        region: REGION.into(),
        read_only: false,
        request_id: "test".into(),
        source: "unix".into(),
        secure: true,
        user_agent: None,
        parameters: None,
        response: None,
    }
}

fn permit(broker: &Broker, action: &str, resource: &str) -> Permit {
    block_on(broker.authorize(&context(broker), &Ask::new(action, resource))).unwrap()
}

fn grant(broker: &Broker, task_id: &str, made_with: Option<&str>) -> Result<SecretValue, SessionError> {
    let passed = block_on(broker.pass_task_role(&context(broker), ROLE, task_id))?;
    let new = NewTaskRole {
        task_id,
        role: ROLE,
        task_definition: None,
        host: Some("engine"),
        by: "arn",
        made_with,
    };
    Ok(broker.grant_task_role(passed, new).unwrap())
}

fn get(broker: &Broker, granted: &TaskRoleRecord) -> Result<TaskCredentials, SessionError> {
    let permit = permit(broker, "sealdock:GetTaskCredentials", ROLE);
    block_on(broker.task_credentials(&context(broker), &permit, granted))
}

fn key(broker: &Broker, id: &SecretValue) -> (String, Timestamp) {
    let granted = broker.task_role(id).expect("the id is known");
    let claims = get(broker, &granted).unwrap().claims;
    (claims.access_key_id, claims.expires)
}

fn is_good(broker: &Broker, session: &TaskCredentials) -> bool {
    broker.claimed(&session.claims.access_key_id, Some(&session.token)).is_ok()
}

const HOUR: SignedDuration = SignedDuration::from_hours(1);

#[test]
fn a_session_is_renewed_an_hour_before_it_ends_and_survives_no_restart() {
    let house = House::new();
    let broker = house.open();
    let id = grant(&broker, "task", None).unwrap();
    let first = key(&broker, &id);
    assert_eq!(first.1, house.clock.now() + HOUR * 6);
    house.clock.advance(HOUR * 5 - SignedDuration::from_secs(1));
    assert_eq!(key(&broker, &id), first, "the same, its expiration unchanged");
    let granted = broker.task_role(&id).unwrap();
    let old = get(&broker, &granted).unwrap();
    house.clock.advance(SignedDuration::from_secs(1));
    let second = key(&broker, &id);
    assert_ne!(second.0, first.0);
    assert_eq!(second.1, house.clock.now() + HOUR * 6);
    assert!(is_good(&broker, &old), "whoever holds the old one has an hour left");
    broker.close().unwrap();
    drop(broker);

    let broker = house.open();
    let third = key(&broker, &id);
    assert_ne!(third.0, second.0, "a session is kept in memory only");
    let other = grant(&broker, "other", None).unwrap();
    assert_ne!(key(&broker, &other).0, third.0);
}

#[test]
fn the_end_of_a_task_ends_its_credentials_for_good() {
    let house = House::new();
    let broker = house.open();
    let (id, other) = (grant(&broker, "task", None).unwrap(), grant(&broker, "other", None).unwrap());
    let granted = broker.task_role(&id).unwrap();
    let session = get(&broker, &granted).unwrap();
    assert!(is_good(&broker, &session));
    let end = permit(&broker, "sealdock:EndTask", "*");
    broker.end_task(&end, "task", "arn").unwrap();
    broker.end_task(&end, "task", "arn").unwrap();
    assert!(broker.task_role(&id).is_none());
    assert!(!is_good(&broker, &session));
    // A request that had found the grant before the end gets what is over already.
    assert!(!is_good(&broker, &get(&broker, &granted).unwrap()));
    key(&broker, &other);
    broker.close().unwrap();
    drop(broker);

    let broker = house.open();
    assert!(broker.task_role(&id).is_none() && !is_good(&broker, &session), "also after a restart");
    key(&broker, &other);
    let wrong = permit(&broker, "sealdock:ListBindings", "*");
    assert!(broker.end_task(&wrong, "other", "arn").is_err());
    let wrong = permit(&broker, "sealdock:GetTaskCredentials", "arn:aws:iam::111122223333:role/else");
    let granted = broker.task_role(&other).unwrap();
    assert!(block_on(broker.task_credentials(&context(&broker), &wrong, &granted)).is_err());
}

#[test]
fn what_an_engine_has_lost_is_told_from_launches_and_from_other_engines() {
    let house = House::new();
    let broker = house.open();
    for task in ["lost", "here", "lost"] {
        grant(&broker, task, None).unwrap();
    }
    let minutes = SignedDuration::from_mins;
    let lost = |host: &str, here: &[&str]| {
        let here: Vec<String> = here.iter().map(|task| (*task).to_owned()).collect();
        broker.lost_tasks(host, &here, minutes(5))
    };
    assert!(lost("engine", &[]).is_empty(), "all of them may be launches");
    house.clock.advance(minutes(6));
    grant(&broker, "launched", None).unwrap();
    assert_eq!(lost("engine", &["here", "unknown"]), ["lost"]);
    assert!(lost("another", &[]).is_empty());
    house.clock.advance(-minutes(60));
    assert!(lost("engine", &[]).is_empty(), "a clock that was set back ends nothing");
    house.clock.advance(minutes(60));
    let end = permit(&broker, "sealdock:EndTask", "*");
    broker.end_task(&end, "lost", "arn").unwrap();
    assert!(lost("engine", &["here"]).is_empty());
}

#[test]
fn revoked_sessions_are_not_handed_out_again() {
    let house = House::new();
    let broker = house.open();
    let id = grant(&broker, "task", Some("ASIALAUNCHERLAUNCHER")).unwrap();
    let first = key(&broker, &id);
    house.clock.advance(HOUR);
    broker.vault().revocations().revoke(Subject::Principal(ROLE.into()), "arn").unwrap();
    house.clock.advance(SignedDuration::from_secs(1));
    assert_ne!(key(&broker, &id).0, first.0, "a new session of the role may be had");
    broker.vault().revocations().revoke(Subject::AccessKey("ASIALAUNCHERLAUNCHER".into()), "arn").unwrap();
    assert!(broker.task_role(&id).is_none(), "what was granted with revoked credentials is over");
}

#[test]
fn a_session_that_is_revoked_is_over_also_when_the_clock_is_set_back() {
    let house = House::new();
    let broker = house.open();
    let id = grant(&broker, "task", None).unwrap();
    let session = get(&broker, &broker.task_role(&id).unwrap()).unwrap();
    house.clock.advance(-SignedDuration::from_mins(5));
    assert!(is_good(&broker, &session));
    let subject = Subject::AccessKey(session.claims.access_key_id.clone());
    broker.vault().revocations().revoke(subject, "arn").unwrap();
    assert!(!is_good(&broker, &session));
    assert_ne!(key(&broker, &id).0, session.claims.access_key_id, "nor is it handed out again");
}

#[test]
fn a_role_that_trusts_somebody_else_is_neither_granted_nor_renewed() {
    let house = House::new();
    let broker = house.open();
    let id = grant(&broker, "task", None).unwrap();
    let granted = broker.task_role(&id).unwrap();
    house.trust("lambda.amazonaws.com");
    broker.reload_policies();
    assert!(matches!(grant(&broker, "other", None), Err(SessionError::Untrusted { .. })));
    key(&broker, &id);
    house.clock.advance(HOUR * 5);
    assert!(matches!(get(&broker, &granted), Err(SessionError::Untrusted { .. })));
}
