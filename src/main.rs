//! The `sealdock` command.

fn main() {}
