//! Values, references and images that mean harm.

use crate::docker_kit::{IMAGE, ROLE};
use crate::hook_kit::{FIRST, Setting, TOKEN, errors, refusal};
use std::os::unix::fs::{PermissionsExt, symlink};

#[test]
fn values_arrive_as_they_are_or_not_at_all() {
    let set = Setting::new(&["--execution-role", ROLE]);
    // As long as a secret can be, with everything that JSON and shells care about.
    let odd = "a\"b\\c\n\r\t'$(id)`é\u{1f600}\u{7f}=sealdock:/app/token\n";
    let long = format!("{odd}{}", "x".repeat(65_536 - odd.len()));
    let nul = "before\0after";
    let references: Vec<String> = [("odd", odd), ("long", &long), ("nul", nul), ("empty", " ")]
        .iter()
        .map(|(name, value)| format!("{}=sealdock:{}", name.to_uppercase(), set.broker().secret(name, value)))
        .collect();
    let started =
        set.sleeper("one", &["-e", &references[0], "-e", &references[1], "-e", &references[3]], IMAGE);
    assert!(started.status.success(), "{}", errors(&started));
    let environment = set.daemon.environment("one");
    for entry in [format!("ODD={odd}"), format!("LONG={long}"), "EMPTY= ".to_owned()] {
        assert!(environment.contains(&entry), "{}", entry.chars().take(80).collect::<String>());
    }
    let text = refusal(&set.sleeper("two", &["-e", &references[2]], IMAGE));
    assert!(text.contains("`NUL`") && text.contains("NUL byte") && !text.contains("before"), "{text}");
    // As files they all fit, NUL excepted; more than the kernel takes for a process does not.
    let many: Vec<String> =
        (0..110).map(|number| references[1].replace("LONG", &format!("LONG{number}"))).collect();
    let words: Vec<&str> = many.iter().flat_map(|word| ["-e", word]).collect();
    set.sleeper("three", &words, IMAGE);
    // runc finds out when Docker has its answer already.
    assert_ne!(set.daemon.docker(&["wait", "three"]), "0");
    let logged = set.daemon.try_docker(&["logs", "three"]);
    assert!(errors(&logged).contains("argument list too long"), "{}", errors(&logged));
    let files: Vec<String> = many.iter().map(|word| word.replace("=sealdock:", "=sealdock-file:")).collect();
    let words: Vec<&str> = files.iter().flat_map(|word| ["-e", word]).collect();
    let started = set.sleeper("four", &words, IMAGE);
    assert!(started.status.success(), "{}", errors(&started));
    let size = set.daemon.docker(&["exec", "four", "busybox", "stat", "-c", "%s", "/run/secrets/LONG109"]);
    assert_eq!(size, "65536");
}

#[test]
fn references_that_are_none_or_that_lie() {
    let set = Setting::new(&["--execution-role", ROLE]);
    let token = "T=sealdock:/app/token";
    for (number, (word, reason)) in [
        ("A=sealdock:", "`A`"),
        ("A=sealdock:\u{1b}[2J\nlevel=error", r"\u{1b}[2J\nlevel=error"),
        ("A=sealdock:arn:aws:s3:::bucket", "`A`"),
        ("A=sealdock-file(path=/x/y,mode=0777", "not closed"),
        ("A=sealdock-file(path=/run/secrets/../../etc/passwd):/app/token", "must not go up"),
        ("A=sealdock-file(path=/run/secrets/T2):/app/token", "is the file of another variable"),
        ("SEALDOCK_EXECUTION_ROLE=not a role", "execution role"),
        ("SEALDOCK_REGION=mars", "`mars` is not the name of a Region"),
    ]
    .into_iter()
    .enumerate()
    {
        let words = ["-e", token, "-e", word, "-e", "T2=sealdock-file:/app/token"];
        let text = refusal(&set.sleeper(&format!("c{number}"), &words, IMAGE));
        assert!(
            text.contains(reason) || (reason == "execution role" && text.contains("roleArn")),
            "{word:?}: {text}"
        );
        assert!(!text.contains('\u{1b}'), "{word:?}: {text}");
    }
    // More than a request can name, and a reference longer than there can be one.
    let long = format!("A=sealdock:/{}", "x".repeat(5000));
    let text = refusal(&set.sleeper("long", &["-e", &long], IMAGE));
    assert!(text.contains("sealdock"), "{text}");
    let many: Vec<String> = (0..1001).map(|number| format!("A{number}=sealdock:/app/token")).collect();
    let words: Vec<&str> = many.iter().flat_map(|word| ["-e", word]).collect();
    let text = refusal(&set.sleeper("many", &words, IMAGE));
    assert!(text.contains("sealdock"), "{text}");
    // Large and plain is none of our business.
    let plain = format!("A={}", "y".repeat(120_000));
    let started = set.sleeper("plain", &["-e", &plain, "-e", token], IMAGE);
    assert!(started.status.success(), "{}", errors(&started));
    assert!(set.has("plain", &plain) && set.has("plain", &format!("T={TOKEN}")));
    assert_eq!(set.daemon.docker(&["ps", "-q"]).lines().count(), 1);
}

#[test]
fn links_in_an_image_lead_nowhere() {
    let set = Setting::new(&["--execution-role", ROLE]);
    let outside = set.directory.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::set_permissions(&outside, PermissionsExt::from_mode(0o777)).unwrap();
    let file = format!("DB=sealdock-file:{}", set.reference());
    for (name, link, target) in [
        ("absolute:1", "run/secrets", outside.display().to_string()),
        ("upwards:1", "run/secrets", format!("../../../../../../..{}", outside.display())),
        ("parent:1", "run", outside.display().to_string()),
        ("process:1", "run/secrets", "/proc/self/root".to_owned()),
        ("file:1", "run/secrets/DB", outside.join("DB").display().to_string()),
    ] {
        set.daemon.import(name, &[], |root| {
            std::fs::create_dir_all(root.join(link).parent().unwrap()).unwrap();
            symlink(&target, root.join(link)).unwrap();
        });
        let container = name.split(':').next().unwrap();
        let output = set.sleeper(container, &["-e", &file], name);
        // It starts with a file of its own, or not at all.
        if output.status.success() {
            assert_eq!(set.daemon.docker(&["exec", container, "cat", "/run/secrets/DB"]), FIRST, "{name}");
        } else {
            assert!(!errors(&output).contains(FIRST), "{name}");
        }
        assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0, "{name} writes outside");
        assert!(set.daemon.files_with(FIRST).is_empty(), "{name}: {:?}", set.daemon.files_with(FIRST));
    }
}
