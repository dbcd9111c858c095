//! A secret whose stored policy does not compile is closed to everyone, and its account's root
//! can open it again.

use crate::kit::{ACCOUNT, Answer, Kit, REGION};
use crate::vault_kit::House;
use sealdock::client::ClientError;
use sealdock::clock::SystemClock;
use sealdock::protocol::Operation;
use sealdock::store::EmbeddedStore;
use sealdock::vault::{AttachedPolicy, Scope, Unlock, Vault};
use serde_json::json;
use std::sync::Arc;

const BROKEN: &str = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principl": "*"}]}"#;

#[track_caller]
fn closed(answer: Answer) {
    match answer {
        Err(ClientError::Api { code, message, .. }) => {
            assert_eq!(code, "AccessDeniedException");
            assert!(message.contains("cannot be enforced"), "{message}");
        }
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn a_policy_that_cannot_be_read_closes_its_secret() {
    let kit = Kit::new();
    let value = kit.canary("policy");
    let mut broker = kit.start();
    let root = broker.root();
    root.create("db", &value);
    root.create("other", &value);
    assert!(broker.stop().success());

    // As a later version of the program may leave it, with elements that this one does not know.
    let store = Arc::new(EmbeddedStore::open(&kit.vault()).unwrap());
    let unlock = Unlock::KeyFile(kit.data.join("root.key"));
    let vault = Vault::open(store, &unlock, Arc::new(SystemClock)).unwrap();
    let row = vault.secrets().find(&Scope::new(ACCOUNT, REGION), "db").unwrap();
    let permit = House::new().permit("secretsmanager:PutResourcePolicy", &row.record.arn());
    vault.secrets().put_policy(&permit, &row, AttachedPolicy::from(BROKEN.to_owned())).unwrap();
    drop((row, vault));

    broker = kit.start();
    let root = broker.root();
    let operator = broker.signed(root.key("operator"));
    let secret = json!({ "SecretId": "db" });
    for caller in [&root, &operator] {
        closed(caller.get("db"));
        closed(caller.call(Operation::DescribeSecret, &secret));
        closed(caller.call(Operation::DeleteSecret, &secret));
    }
    closed(operator.call(Operation::GetResourcePolicy, &secret));
    closed(operator.call(Operation::DeleteResourcePolicy, &secret));
    assert_eq!(root.value("other"), value, "others are not concerned");

    let shown = root.call(Operation::GetResourcePolicy, &secret).unwrap();
    assert_eq!(shown["ResourcePolicy"], BROKEN);
    root.call(Operation::DeleteResourcePolicy, &secret).unwrap();
    assert_eq!(root.value("db"), value);
}
