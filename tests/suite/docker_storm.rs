//! Many containers at once.

use crate::docker_kit::{IMAGE, ROLE};
use crate::hook_kit::{FIRST, Setting, TOKEN, errors};
use std::process::Output;

const CONTAINERS: usize = 100;

#[test]
fn a_hundred_starts_at_once_all_succeed() {
    let set = Setting::new(&["--execution-role", ROLE]);
    let db = format!("DB=sealdock:{}", set.reference());
    let names: Vec<String> = (0..CONTAINERS).map(|number| format!("c{number}")).collect();
    for name in &names {
        let words = ["create", "--name", name, "--network", "none", "--runtime", "sealdock", "-e", &db, "-e"];
        let words = words.into_iter().chain(["T=sealdock:/app/token", IMAGE, "sleep", "600"]);
        set.daemon.docker(&words.collect::<Vec<_>>());
    }
    let outputs: Vec<Output> = std::thread::scope(|scope| {
        let starts =
            names.iter().map(|name| scope.spawn(|| set.daemon.try_docker(&["start", name.as_str()])));
        let starts: Vec<_> = starts.collect();
        starts.into_iter().map(|start| start.join().unwrap()).collect()
    });
    let failed: Vec<String> = outputs.iter().filter(|o| !o.status.success()).map(errors).collect();
    assert!(failed.is_empty(), "{} of {CONTAINERS} failed: {failed:?}", failed.len());
    let running = set.daemon.docker(&["ps", "-q"]);
    assert_eq!(running.lines().count(), CONTAINERS);
    for name in names.iter().step_by(10) {
        assert!(set.has(name, &format!("DB={FIRST}")) && set.has(name, &format!("T={TOKEN}")), "{name}");
    }
    let (code, text) = set.bindings(&["--stale", "--json"]);
    assert_eq!((code, text.contains("\"bindings\":[]")), (Some(0), true), "{text}");
    assert_eq!(set.bindings(&[]).1.lines().count(), 1 + 2 * CONTAINERS);
    set.assert_value_is_nowhere("c0");
}
