//! JSON as Go's `encoding/json` reads it and `fmt` prints it: the same verdicts and
//! results in the same words.
//!
//! The ECS agent hands a secret to these packages and passes their error texts on
//! to users, so they are part of the behaviour to reproduce. Like the original
//! this is two passes: [`check`] finds the first syntax error of the whole text,
//! and only a text that passes is walked with a [`Cursor`].
//!
//! Nothing here recurses, so a text of any depth needs no stack.
//!
//! Reference: <https://pkg.go.dev/encoding/json>, <https://pkg.go.dev/fmt>

mod cursor;
mod print;
mod scanner;

pub use cursor::{Cursor, Token, unescape};
pub use print::{NumberTooLarge, Shape};
pub(in crate::ecs) use print::{Printer, skip};
pub use scanner::{SyntaxError, check};
