//! The README's table of operations is the one that the program prints.

use std::path::Path;
use std::process::Command;

#[test]
fn the_readme_says_what_is_served() {
    let output = Command::new(env!("CARGO_BIN_EXE_sealdock"))
        .args(["coverage", "--format", "markdown"])
        .output()
        .unwrap();
    assert!(output.status.success());
    let printed = String::from_utf8(output.stdout).unwrap();
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let from = readme.split_once("<!-- coverage:").and_then(|(_, rest)| rest.split_once("-->\n")).unwrap().1;
    let table = from.split_once("<!-- end of coverage").unwrap().0;
    assert!(table == printed, "README.md does not show what is served: run `make coverage`");
}
