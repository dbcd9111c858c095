//! What an image may not choose, and what labels of a container say.

use crate::docker_kit::{IMAGE, ROLE};
use crate::hook_kit::{FIRST, Setting, TOKEN, errors, refusal};

const EXTRA: &str = "ENV EXTRA=sealdock:/app/token";

#[test]
fn an_image_cannot_choose_secrets() {
    let set = Setting::new(&["--execution-role", ROLE]);
    set.daemon.import("greedy:1", &[EXTRA], |_| {});
    let reference = format!("DB=sealdock:{}", set.reference());
    // It is refused by itself, beside references of the user's, and with a role from wherever.
    for (name, words) in [
        ("alone", vec![]),
        ("beside", vec!["-e", &*reference]),
        ("again", vec!["-e", "EXTRA=sealdock:/app/token"]),
    ] {
        let text = refusal(&set.sleeper(name, &words, "greedy:1"));
        assert!(text.contains("`EXTRA` is a reference that the image sets"), "{name}: {text}");
        assert!(text.contains("sealdock.variables"), "{text}");
    }
    assert!(set.bindings(&["--all"]).1.lines().count() < 2, "something was released");

    // Whoever starts it can take it away, set something else, or agree.
    let started = set.sleeper("emptied", &["-e", "EXTRA=", "-e", &reference], "greedy:1");
    assert!(started.status.success(), "{}", errors(&started));
    assert!(set.has("emptied", "EXTRA=") && set.has("emptied", &format!("DB={FIRST}")));
    let other = format!("EXTRA=sealdock:{}", set.reference());
    let started = set.sleeper("other", &["-e", &other], "greedy:1");
    assert!(started.status.success() && set.has("other", &format!("EXTRA={FIRST}")), "{}", errors(&started));
    let agreed = ["--label", "sealdock.variables=EXTRA,DB", "-e", &*reference];
    let started = set.sleeper("agreed", &agreed, "greedy:1");
    assert!(started.status.success(), "{}", errors(&started));
    assert!(set.has("agreed", &format!("EXTRA={TOKEN}")) && set.has("agreed", &format!("DB={FIRST}")));
    let text = refusal(&set.sleeper("partly", &["--label", "sealdock.variables=DB"], "greedy:1"));
    assert!(text.contains("`EXTRA`") && text.contains("not in its list"), "{text}");
    set.assert_value_is_nowhere("agreed");

    // An image that agrees with itself, and one that brings a role along.
    set.daemon.import("listed:1", &[EXTRA, "ENV SEALDOCK_VARIABLES=EXTRA"], |_| {});
    let text = refusal(&set.sleeper("listed", &[], "listed:1"));
    assert!(text.contains("`SEALDOCK_VARIABLES` is set by the image"), "{text}");
    set.daemon.import("labelled:1", &[EXTRA, "LABEL sealdock.variables=EXTRA"], |_| {});
    let text = refusal(&set.sleeper("labelled", &[], "labelled:1"));
    assert!(text.contains("label `sealdock.variables` is set by the image"), "{text}");
    set.daemon.import("crowned:1", &[&format!("ENV SEALDOCK_EXECUTION_ROLE={ROLE}")], |_| {});
    let text = refusal(&set.sleeper("crowned", &["-e", &reference], "crowned:1"));
    assert!(text.contains("`SEALDOCK_EXECUTION_ROLE` is set by the image"), "{text}");
    let own = format!("SEALDOCK_EXECUTION_ROLE={ROLE}x");
    let text = refusal(&set.sleeper("own", &["-e", &reference, "-e", &own], "crowned:1"));
    assert!(text.contains(&format!("the execution role `{ROLE}x`")), "the user's own role counts: {text}");
    // An image without references runs whatever else it sets.
    let started = set.sleeper("harmless", &[], "crowned:1");
    assert!(started.status.success(), "{}", errors(&started));

    // Another network's files are not the container's own.
    let joined = ["run", "--rm", "--network", "container:agreed", "--runtime", "sealdock", "greedy:1", "env"];
    let text = refusal(&set.daemon.try_docker(&joined));
    assert!(text.contains("`EXTRA` is a reference that the image sets"), "{text}");
}

#[test]
fn images_may_choose_where_they_are_allowed_to() {
    let set = Setting::new(&["--image-references", "allow"]);
    set.daemon.import("own:1", &[EXTRA, &format!("ENV SEALDOCK_EXECUTION_ROLE={ROLE}")], |_| {});
    let started = set.sleeper("own", &[], "own:1");
    assert!(started.status.success(), "{}", errors(&started));
    assert!(set.has("own", &format!("EXTRA={TOKEN}")));
    let label = ["--label", "sealdock.variables=OTHER"];
    let text = refusal(&set.sleeper("listed", &label, "own:1"));
    assert!(text.contains("not in its list"), "labels count here as well: {text}");
}

#[test]
fn labels_name_the_role_and_the_region() {
    let set = Setting::new(&[]);
    let (role, reference) =
        (format!("sealdock.execution-role={ROLE}"), format!("DB=sealdock:{}", set.reference()));
    let words = ["--label", &role, "-e", &reference, "-e", "T=sealdock:/app/token"];
    let started = set.sleeper("one", &words, IMAGE);
    assert!(started.status.success(), "{}", errors(&started));
    assert!(set.has("one", &format!("DB={FIRST}")) && set.has("one", &format!("T={TOKEN}")));
    let elsewhere = ["--label", "sealdock.region=eu-west-1", "--label", &role, "-e", "T=sealdock:/app/token"];
    let text = refusal(&set.sleeper("two", &elsewhere, IMAGE));
    assert!(text.contains("`T`") && text.contains("eu-west-1"), "{text}");
    // A variable goes before the label.
    let nobody = format!("SEALDOCK_EXECUTION_ROLE={ROLE}x");
    let text = refusal(&set.sleeper("three", &["-e", &nobody, "--label", &role, "-e", &reference], IMAGE));
    assert!(text.contains(&format!("`{ROLE}x`")), "{text}");
}
