use super::*;
use crate::ecs::{TaskDefinition, Values, definition};
use std::collections::BTreeMap;

fn reading(params: Option<&str>) -> Reading {
    let files = BTreeMap::from([
        ("web.env".to_owned(), Ok("A=file\nB=file\n".to_owned())),
        ("gone.env".to_owned(), Err("cannot be read: no such file".to_owned())),
    ]);
    Reading {
        ecs_params: params.map(str::to_owned),
        directory: Some("/srv/shop".to_owned()),
        project: Some("shop".to_owned()),
        files,
        ..Reading::default()
    }
}

fn read(text: &str, params: Option<&str>) -> TaskDefinition {
    definition::read(text, &reading(params)).unwrap_or_else(|found| panic!("{found:#?}"))
}

/// Code, the text at the place, and the message of each error.
fn refused(text: &str, params: Option<&str>) -> Vec<(&'static str, String, String)> {
    let found = definition::read(text, &reading(params)).unwrap_err();
    let both = format!("{text}\n{}", params.unwrap_or_default());
    let errors = found.iter().filter(|d| d.severity == crate::diagnostic::Severity::Error);
    let shown = errors.map(|d| {
        let span = d.primary.as_ref().unwrap().span.clone();
        (d.code, both[span].to_owned(), d.message.clone())
    });
    shown.collect()
}

const SHOP: &str = r#"
version: "3"
services:
  web:
    image: nginx:1
    command: serve --name 'a b' "c\"d" $$HOME
    entrypoint: [/entry]
    env_file: web.env
    environment:
      - B=own
      - PORT=80
    labels: {team: x}
    ports: ["8080:80", "443", "127.0.0.1:9000:90/udp", {target: 70, published: 7000, protocol: tcp}]
    volumes: ["data:/d:ro", "./conf/../etc:/etc/app", "/cache", {type: bind, source: /var/x, target: /x, read_only: true}]
    links: [db]
    depends_on: {db: {condition: service_healthy}}
    logging: {driver: splunk, options: {splunk-url: "http://127.0.0.1:1"}}
    cap_drop: [ALL]
    devices: ["/dev/a:/dev/b:rw"]
    shm_size: 64m
    tmpfs: /run:size=16m,noexec
    ulimits: {nofile: {soft: 10, hard: 20}, core: 0}
    extra_hosts: ["h:10.0.0.1"]
    dns: 10.0.0.2
    user: "7"
    read_only: true
    restart: always
  db:
    image: postgres:16
    mem_limit: 256m
    healthcheck: {test: pg_isready, interval: 1m30s, retries: 2}
volumes:
  data:
"#;

const PARAMS: &str = r#"
version: 1
task_definition:
  ecs_network_mode: bridge
  task_execution_role: arn:aws:iam::111122223333:role/exec
  task_size: {cpu_limit: 512, mem_limit: 2GB}
  services:
    web:
      cpu_shares: 10
      mem_limit: 1073741824
      mem_reservation: 0.5gb
      init_process_enabled: true
      secrets:
        - {value_from: /app/db, name: DB}
      logging:
        secret_options: [{value_from: /app/token, name: splunk-token}]
    db:
      essential: false
      repository_credentials: {credentials_parameter: registry}
      healthcheck: {command: [CMD, pg_isready], start_period: 20}
  docker_volumes:
    - {name: shared, scope: shared, autoprovision: true, driver: local, driver_opts: {a: b}}
run_params:
  network_configuration: {awsvpc_configuration: {subnets: [s]}}
"#;

#[test]
fn both_files_become_a_task_definition() {
    let task = read(SHOP, Some(PARAMS));
    assert_eq!(task.family.value, "shop");
    assert_eq!(
        task.execution_role.as_ref().unwrap().value.to_string(),
        "arn:aws:iam::111122223333:role/exec"
    );
    assert_eq!((task.cpu, task.memory_mib), (Some(512), Some(2048)));
    let [web, db] = task.containers.as_slice() else { panic!("{:?}", task.containers) };
    let settings = &web.settings;
    assert_eq!(settings.command.as_ref().unwrap(), &["serve", "--name", "a b", "c\"d", "$HOME"]);
    assert_eq!(settings.entry_point.as_ref().unwrap(), &["/entry"]);
    let plan = task.plan().unwrap();
    let planned = plan.containers.iter().find(|c| c.name == "web").unwrap();
    let own = |name: &str| planned.environment.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
    assert_eq!((own("A"), own("B"), own("PORT")), (Some("file"), Some("own"), Some("80")));
    let ports: Vec<_> =
        settings.ports.iter().map(|p| (p.ports.first, p.host_port, p.protocol.to_string())).collect();
    let port = |container, host, protocol: &str| (container, host, protocol.to_owned());
    assert_eq!(
        ports,
        [
            port(80, Some(8080), "tcp"),
            port(443, None, "tcp"),
            port(90, Some(9000), "udp"),
            port(70, Some(7000), "tcp")
        ]
    );
    let mounts: Vec<_> = web
        .mount_points
        .iter()
        .map(|m| (m.volume.value.as_str(), m.container_path.as_str(), m.read_only))
        .collect();
    assert_eq!(
        mounts,
        [
            ("data", "/d", true),
            ("volume-1", "/etc/app", false),
            ("volume-2", "/cache", false),
            ("volume-3", "/x", true)
        ]
    );
    let host = |name: &str| {
        let volume = task.volumes.iter().find(|v| v.name.value == name).unwrap();
        match &volume.source {
            definition::VolumeSource::Host(path) => Some(path.clone()),
            _ => None,
        }
    };
    assert_eq!((host("volume-1").as_deref(), host("data")), (Some("/srv/shop/etc"), None));
    assert!(task.volumes.iter().any(|v| v.name.value == "shared"));
    assert_eq!(
        (settings.memory_mib, settings.memory_reservation_mib, settings.cpu),
        (Some(1024), Some(512), Some(10))
    );
    assert_eq!((settings.linux.init, settings.linux.shared_memory_mib), (Some(true), Some(64)));
    assert_eq!(settings.linux.tmpfs[0].size_mib, 16);
    assert_eq!(settings.linux.drop_capabilities, ["ALL"]);
    assert_eq!(settings.ulimits.iter().map(|u| (u.soft, u.hard)).collect::<Vec<_>>(), [(10, 20), (0, 0)]);
    assert_eq!(web.secrets[0].text, "/app/db");
    let log = web.log.as_ref().unwrap();
    assert_eq!((log.driver.value.as_str(), log.options.len(), log.secret_options.len()), ("splunk", 1, 1));
    assert!(web.essential && !db.essential);
    let check = db.settings.health_check.as_ref().unwrap();
    assert_eq!(
        (check.command.as_slice(), check.start_period_seconds),
        (["CMD".into(), "pg_isready".into()].as_slice(), Some(20))
    );
    assert_eq!(
        (db.settings.memory_mib, db.repository_credentials.as_ref().unwrap().value.as_str()),
        (Some(256), "registry")
    );
    let notes: Vec<&str> = task.warnings.iter().map(|d| d.message.as_str()).collect();
    for words in [
        "`restart` has no effect",
        "address in `127.0.0.1:9000:90/udp`",
        "`network_configuration` has no effect",
    ] {
        assert!(notes.iter().any(|note| note.contains(words)), "{words}: {notes:#?}");
    }
}

#[test]
fn alone_and_in_format_1() {
    let task = read(
        "services:\n  web: {image: nginx, healthcheck: {test: [CMD, curl, localhost], interval: 90s}}\n",
        None,
    );
    assert_eq!(task.containers[0].settings.memory_mib, Some(512));
    let first = read(
        "web:\n  image: nginx\n  log_driver: syslog\n  log_opt: {tag: x}\n  volumes_from: [db:ro]\ndb:\n  build: .\n  image: b\n",
        None,
    );
    assert_eq!(first.containers.len(), 2);
    assert_eq!(first.containers[0].log.as_ref().unwrap().driver.value, "syslog");
    assert!(first.containers[0].volumes_from[0].read_only);
}

#[test]
fn mistakes_have_a_place_in_their_file() {
    let two = "services:\n  web: {image: nginx, mem_limt: 1m}\n";
    assert_eq!(
        refused(two, None),
        [("ECS0002", "mem_limt".into(), "service `web`: unknown key `mem_limt`".into())]
    );
    let web = "services:\n  web: {image: nginx}\n";
    let params = "version: 1\ntask_definition:\n  ecs_network_mod: host\n  services:\n    wbe:\n      secrets: [{value_from: /a, nam: A}]\n";
    let found = refused(web, Some(params));
    let places: Vec<&str> = found.iter().map(|(_, place, _)| place.as_str()).collect();
    assert!(["ecs_network_mod", "wbe", "nam"].iter().all(|p| places.contains(p)), "{found:?}");
    let secret = "task_definition:\n  services:\n    web:\n      secrets: [{value_from: 'arn:aws:secretsmanager:eu-west-1:1:secret:x:y', name: A}]\n";
    assert!(refused(web, Some(secret)).iter().any(|(_, place, _)| place.contains("arn:aws:secretsmanager")));
    for (text, words) in [
        ("services:\n  web: {image: nginx, env_file: gone.env}\n", "no such file"),
        ("services:\n  web: {image: nginx, environment: [TOKEN]}\n", "`TOKEN` has no value"),
        ("services:\n  web: {image: nginx, ports: ['80-90:80']}\n", "ranges"),
        ("services:\n  web: {image: nginx, volumes: ['nowhere:/x']}\n", "not declared"),
        ("services:\n  web: {image: nginx, mem_limit: lots}\n", "`mem_limit` is no size"),
        ("services:\n  web: {image: nginx, tmpfs: /run}\n", "size of at least"),
        ("services:\n  web: {image: nginx, command: \"a 'b\"}\n", "not closed"),
        ("services:\n  web: {build: .}\n", "no `image`"),
        ("services:\n  web: {image: nginx}\nvolumes:\n  d: {driver: local}\n", "no settings of volumes"),
        ("services:\n  web: {image: nginx, depends_on: {web2: {condition: up}}}\n", "no condition"),
    ] {
        let found = refused(text, None);
        assert!(found.iter().any(|(_, _, message)| message.contains(words)), "{words}: {found:?}");
    }
    let alone = refused(r#"{"family": "f", "containerDefinitions": []}"#, Some("version: 1\n"));
    assert!(alone[0].2.contains("goes with a Compose file"), "{alone:?}");
}

#[test]
fn values_fill_both_files() {
    let mut values = Values::default();
    for pair in ["TAG=9", "ENVIRONMENT=prod", "TOKEN=t", "AWS::AccountId=111122223333"] {
        values.set(pair).unwrap();
    }
    let text = "services:\n  web:\n    image: nginx:${TAG}\n    environment: [TOKEN]\n";
    let params = "task_definition:\n  task_execution_role: exec\n  services:\n    web:\n      secrets: [{value_from: '/${ENVIRONMENT}/db', name: DB}]\n";
    let task = definition::read(text, &Reading { values, ..reading(Some(params)) }).unwrap();
    assert_eq!(task.execution_role.unwrap().value.to_string(), "arn:aws:iam::111122223333:role/exec");
    let web = &task.containers[0];
    assert_eq!((web.settings.image.as_str(), web.secrets[0].text.as_str()), ("nginx:9", "/prod/db"));
    assert_eq!(web.environment[0].1, "t");
}

#[test]
fn sizes_and_durations() {
    let text = |text: &str| string(text, 0..1);
    let bytes = |t: &str| values::bytes(&text(t));
    assert_eq!(
        (bytes("128m"), bytes("1.5g"), bytes("64KiB"), bytes("7")),
        (Some(128 << 20), Some(3 << 29), Some(65536), Some(7))
    );
    assert_eq!((bytes("2t"), bytes("x"), bytes("1q"), bytes("-1")), (Some(2 << 40), None, None, None));
    let seconds = |t: &str| values::seconds(&text(t)).map(|node| node.value);
    let number = |n: u64| Some(Value::Number(n.to_string()));
    assert_eq!(
        (seconds("30"), seconds("1m30s"), seconds("2h"), seconds("1500ms")),
        (number(30), number(90), number(7200), number(1))
    );
    assert_eq!((seconds(""), seconds("5x"), seconds("s")), (None, None, None));
}

proptest::proptest! {
    #[test]
    fn no_text_makes_it_panic(value in r#"(\PC|[:,/"'{}\[\]\\ 0-9]){0,24}"#, key in "[a-z_]{1,12}") {
        let text = format!("services:\n  web:\n    image: i\n    {key}: {value}\n");
        let _ = definition::read(&text, &reading(Some(&format!("task_definition: {value}\n"))));
    }
}
