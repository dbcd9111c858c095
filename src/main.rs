//! The `sealdock` command.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: sealdock::memory::WipingAllocator = sealdock::memory::WipingAllocator;

fn main() -> ExitCode {
    sealdock::cli::main()
}
