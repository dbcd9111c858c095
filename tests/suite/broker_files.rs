//! Data directories that are not as they should be: a clear text, the exit code of the
//! command line's table, and nothing lost or changed.

use crate::kit::{Ended, Kit, code};
use sealdock::protocol::Operation;
use serde_json::json;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// The refusal of a broker that must not start.
#[track_caller]
fn refused(kit: &Kit) -> Ended {
    match kit.serve(&[]) {
        Err(ended) => ended,
        Ok(_) => panic!("the broker started"),
    }
}

/// A vault with some secrets, of a broker that was stopped; their names and values.
fn filled(kit: &Kit) -> Vec<(String, String)> {
    let broker = kit.start();
    let root = broker.root();
    let secrets: Vec<_> =
        (0..12).map(|n| (format!("flip/{n}"), kit.canary(&"v".repeat(1 + n * 40)))).collect();
    for (name, value) in &secrets {
        root.create(name, value);
    }
    assert!(broker.stop().success());
    secrets
}

/// A start on a vault that may be damaged: `true` if it was noticed, otherwise everything is there.
#[track_caller]
fn noticed(kit: &Kit, secrets: &[(String, String)], what: &str) -> bool {
    match kit.serve(&[]) {
        Err(ended) => {
            ended.refused(3, &["vault.redb", "damaged"]);
            true
        }
        Ok(broker) => {
            for (name, value) in secrets {
                assert_eq!(broker.root().value(name), *value, "{what}: {name}");
            }
            false
        }
    }
}

#[test]
fn a_vault_that_was_cut_is_refused_and_left_as_it_is() {
    let kit = Kit::new();
    let secrets = filled(&kit);
    let whole = fs::read(kit.vault()).unwrap();
    let lengths =
        [0, 1, 63, 320, 4095, 4096, whole.len() / 3, whole.len() / 2, whole.len() - 4096, whole.len() - 1];
    for length in lengths {
        fs::write(kit.vault(), &whole[..length]).unwrap();
        assert!(noticed(&kit, &secrets, &format!("cut at {length}")), "cut at {length}");
        assert_eq!(fs::read(kit.vault()).unwrap(), whole[..length], "cut at {length}: it was changed");
    }
    fs::write(kit.vault(), &whole).unwrap();
    assert!(!noticed(&kit, &secrets, "whole"));
    kit.audit_intact();
}

#[test]
fn a_flipped_bit_of_the_vault_is_noticed_or_does_not_matter() {
    let kit = Kit::new();
    let secrets = filled(&kit);
    let whole = fs::read(kit.vault()).unwrap();
    let header = (0..320).step_by(23);
    let rest = (321..whole.len()).step_by((whole.len() / 40) | 1);
    let mut count = 0;
    for place in header.chain(rest) {
        let mut flipped = whole.clone();
        flipped[place] ^= 1 << (place % 8);
        fs::write(kit.vault(), &flipped).unwrap();
        count += usize::from(noticed(&kit, &secrets, &format!("flipped {place}")));
    }
    assert!(count > 0, "no flip was noticed");
    fs::write(kit.vault(), &whole).unwrap();
    assert!(!noticed(&kit, &secrets, "whole"));
    kit.audit_intact();
}

#[test]
fn without_its_own_key_file_a_vault_stays_closed() {
    let kit = Kit::new();
    let secrets = filled(&kit);
    let path = kit.data.join("root.key");
    let key = fs::read(&path).unwrap();
    let private = |text: &[u8]| {
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    };

    private(format!("{}\n", "ab".repeat(32)).as_bytes());
    refused(&kit).refused(3, &["the key or passphrase does not open this vault"]);
    private(b"beef\n");
    refused(&kit).refused(2, &["root.key", "64 hexadecimal digits"]);
    fs::remove_file(&path).unwrap();
    refused(&kit).refused(2, &["root.key", "No such file"]);
    private(&key);
    for mode in [0o644, 0o640, 0o604, 0o660] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        refused(&kit).refused(2, &["root.key", &format!("mode {mode:04o}"), "chmod 600"]);
    }
    private(&key);
    kit.edit_config(|text| text.replace("key-file = \"root.key\"", "passphrase-file = \"root.key\""));
    refused(&kit).refused(2, &["unlocked by a key file, but a passphrase was given"]);
    kit.edit_config(|text| text.replace("passphrase-file = \"root.key\"", "key-file = \"root.key\""));
    assert!(!noticed(&kit, &secrets, "the right key"));
}

#[test]
fn a_passphrase_opens_only_its_own_vault() {
    let kit = Kit::empty();
    let file = kit.beside("passphrase");
    let passphrase = kit.canary("passphrase");
    let arguments = ["init", "--data", kit.data(), "--passphrase-file", file.to_str().unwrap()];

    kit.run(&arguments).refused(2, &["cannot read the passphrase", "No such file"]);
    fs::write(&file, "too short\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    kit.run(&arguments).refused(2, &["passphrase", "mode 0640", "chmod 600"]);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    kit.run(&arguments).refused(2, &["the passphrase is too short: at least 12 characters"]);
    assert_eq!(fs::read_dir(&kit.data).unwrap().count(), 0, "a refused init leaves nothing");
    fs::write(&file, format!("{passphrase}\n")).unwrap();
    assert_eq!(kit.run(&arguments).code, Some(0));
    kit.edit_config(|text| text.replace("tls = \"127.0.0.1:8443\"\n", ""));
    let value = kit.canary("value");
    let broker = kit.start();
    broker.root().create("name", &value);
    assert!(broker.stop().success());

    fs::write(&file, format!("{passphrase}x\n")).unwrap();
    refused(&kit).refused(3, &["the key or passphrase does not open this vault"]);
    fs::write(&file, "").unwrap();
    refused(&kit).refused(3, &["the key or passphrase does not open this vault"]);
    fs::remove_file(&file).unwrap();
    refused(&kit).refused(2, &["cannot read the passphrase"]);
    fs::write(&file, format!("{passphrase}\r\n")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(kit.start().root().value("name"), value);
}

#[test]
fn a_second_broker_is_refused_and_the_first_is_unharmed() {
    let kit = Kit::new();
    let mut broker = kit.start();
    let root = broker.root();
    let value = kit.canary("first");
    root.create("first", &value);
    for _ in 0..2 {
        refused(&kit).refused(3, &["vault.redb", "in use by another process"]);
    }
    let dev = ["dev", "--data", kit.data(), "--listen", "127.0.0.1:0"];
    kit.run(&dev).refused(3, &["in use by another process"]);
    assert!(broker.is_alive());
    assert_eq!(root.value("first"), value);
    assert_eq!(broker.root().value("first"), value, "the socket is still the first one's");
    assert!(broker.stop().success());
    kit.audit_intact();
}

/// Every file below a directory with its bytes.
fn contents(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(contents(&path));
        } else {
            found.push((path.display().to_string(), fs::read(&path).unwrap()));
        }
    }
    found.sort();
    found
}

#[test]
fn init_never_touches_what_is_there() {
    let kit = Kit::new();
    let before = contents(&kit.data);
    kit.run(&["init", "--data", kit.data()]).refused(3, &["there is a vault here already", "left as it is"]);
    assert_eq!(contents(&kit.data), before);
    // A vault that lost its configuration is still not overwritten.
    fs::remove_file(kit.data.join("sealdock.toml")).unwrap();
    kit.run(&["init", "--data", kit.data()]).refused(3, &["the directory is not empty"]);
    assert!(kit.vault().exists());

    let other = kit.beside("other");
    let key = kit.beside("other.key");
    let other = other.to_str().unwrap();
    fs::write(&key, "mine").unwrap();
    kit.run(&["init", "--data", other, "--key-file", key.to_str().unwrap()])
        .refused(2, &["other.key", "exists"]);
    assert_eq!(fs::read(&key).unwrap(), b"mine");
    fs::remove_file(&key).unwrap();
    // What a failed attempt made is gone, so that the next one succeeds.
    let arguments = ["init", "--data", other, "--key-file", key.to_str().unwrap()];
    let wrong = kit.run(&[&arguments[..], &["--server-name", "not a name"]].concat());
    wrong.refused(2, &["not a name"]);
    let ended = kit.run(&arguments);
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    for (directory, mode) in [(".", 0o700), ("policies", 0o700), ("audit", 0o700), ("vault.redb", 0o600)] {
        let path = Path::new(other).join(directory);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, mode, "{directory}");
    }
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn what_is_missing_is_named_and_not_made() {
    let kit = Kit::empty();
    refused(&kit).refused(2, &["sealdock.toml", "run `sealdock init --data"]);
    kit.run(&["audit", "verify", "--data", kit.data()]).refused(2, &["sealdock init"]);
    assert!(!kit.data.exists());

    let kit = Kit::new();
    fs::remove_file(kit.vault()).unwrap();
    refused(&kit).refused(3, &["vault.redb", "No such file"]);
    assert!(!kit.vault().exists());

    let kit = Kit::new();
    fs::remove_dir_all(kit.data.join("policies")).unwrap();
    refused(&kit).refused(2, &["cannot read policies", "No such file"]);
    assert!(!kit.data.join("policies").exists());
}

#[test]
fn a_wrong_configuration_is_shown_at_its_place() {
    let kit = Kit::new();
    let path = kit.data.join("sealdock.toml");
    let right = fs::read_to_string(&path).unwrap();
    let place = |line: &str| {
        let number = right.lines().position(|l| l.starts_with(line)).unwrap() + 1;
        format!("sealdock.toml:{number}:")
    };
    let cases = [
        (right.replace("region = ", "regoin = "), place("region"), "unknown field `regoin`"),
        (right.replace("account = \"111122223333\"", "account = 1"), place("account"), "invalid type"),
        (
            right.replace("account = \"111122223333\"", "account = \"12\""),
            place("account"),
            "`12` is not a 12-digit",
        ),
        (
            right.replace("region = \"us-east-1\"", "region = \"mars\""),
            place("region"),
            "`mars` is not a Region",
        ),
        (right.replace("127.0.0.1:0", "0.0.0.0:8080"), place("http"), "would put secrets on a network"),
        (right.replace("127.0.0.1:0", "127.0.0.1"), place("http"), "socket address"),
        (right.replace("[listen]", "[listen"), place("[listen]"), "unclosed table"),
        (
            right.replace("key-file = ", "passphrase-file = \"p\"\nkey-file = "),
            place("key-file"),
            "exclude each other",
        ),
    ];
    for (text, place, message) in cases {
        fs::write(&path, &text).unwrap();
        refused(&kit).refused(2, &[&place, message]);
    }
    let none = right.replace("http = \"127.0.0.1:0\"\n", "").replace("socket = \"sealdock.sock\"\n", "");
    fs::write(&path, none).unwrap();
    refused(&kit).refused(2, &["no listener is configured"]);
    fs::write(&path, right).unwrap();
    assert!(kit.start().stop().success());
}

#[test]
fn an_audit_log_that_cannot_be_trusted_keeps_the_broker_from_starting() {
    let kit = Kit::new();
    let audit = kit.data.join("audit");
    filled(&kit);
    let segment = crate::audit_kit::first_segment(&audit);
    let whole = fs::read_to_string(&segment).unwrap();

    fs::write(&segment, whole.replacen("CreateSecret", "DeleteSecret", 1)).unwrap();
    refused(&kit).refused(3, &["the audit log does not verify", "was altered", "record 2"]);
    let verdict = kit.run(&["audit", "verify", "--data", kit.data()]);
    assert_eq!(verdict.code, Some(1), "{verdict:#?}");
    assert!(verdict.out.contains("record 2 was altered"), "{verdict:#?}");

    let last = whole.trim_end().rfind('\n').unwrap();
    fs::write(&segment, &whole[..=last]).unwrap();
    refused(&kit).refused(3, &["the audit log does not verify", "cut off"]);
    fs::write(&segment, &whole).unwrap();
    assert!(kit.start().stop().success());

    // Something else in its place.
    fs::rename(&audit, kit.beside("moved")).unwrap();
    fs::write(&audit, "a file").unwrap();
    refused(&kit).refused(3, &["audit"]);
    fs::remove_file(&audit).unwrap();
    // The vault remembers how far the log had come: a log that is gone does not pass for a new one.
    refused(&kit).refused(3, &["the audit log does not verify", "--new-audit-log"]);
    let _ = fs::remove_dir_all(&audit);
    assert!(kit.serve(&["--new-audit-log"]).unwrap().stop().success());
    let first = &kit.audit(0)[0];
    assert_eq!(first["eventName"], "StartBroker");
    assert!(first["additionalEventData"]["earlierLog"]["lastKnownSequence"].as_u64() > Some(1), "{first}");
    kit.audit_intact();
    assert!(kit.start().stop().success());

    // Cut at the end together with the checkpoints that cover it.
    let kept: Vec<(std::path::PathBuf, Vec<u8>)> = fs::read_dir(&audit)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    assert!(kit.start().stop().success());
    for (path, bytes) in kept {
        fs::write(path, bytes).unwrap();
    }
    assert_eq!(
        kit.run(&["audit", "verify", "--data", kit.data()]).code,
        Some(0),
        "the files alone look whole"
    );
    refused(&kit).refused(3, &["the audit log does not verify"]);

    // A log of another vault.
    let other = Kit::new();
    assert!(other.start().stop().success());
    fs::remove_dir_all(&audit).unwrap();
    fs::rename(other.data.join("audit"), &audit).unwrap();
    refused(&kit).refused(3, &["signed with another key"]);
}

#[test]
fn without_its_audit_log_a_running_broker_releases_nothing() {
    let kit = Kit::new();
    let broker = kit.start();
    let root = broker.root();
    let value = kit.canary("log");
    root.create("logged", &value);
    let segment = crate::audit_kit::first_segment(&kit.data.join("audit"));
    fs::rename(&segment, kit.beside("taken")).unwrap();
    for _ in 0..2 {
        assert_eq!(code(&root.get("logged")), "ServiceUnavailableException");
        let made = root.call(Operation::CreateSecret, &json!({ "Name": "x", "SecretString": value }));
        assert_eq!(code(&made), "ServiceUnavailableException");
    }
    assert!(!broker.stop().success(), "the end could not be recorded");
    fs::rename(kit.beside("taken"), &segment).unwrap();
    let broker = kit.start();
    assert_eq!(broker.root().value("logged"), value);
    assert_eq!(code(&broker.root().get("x")), "ResourceNotFoundException");
}
