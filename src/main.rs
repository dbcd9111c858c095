//! The `sealdock` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    sealdock::cli::main()
}
