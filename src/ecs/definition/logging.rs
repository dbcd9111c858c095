//! `secrets`, `logConfiguration` and its `secretOptions`.

use super::Spanned;
use crate::ecs::valuefrom::ValueFrom;
use std::ops::Range;

/// One entry of `secrets` or `secretOptions`.
#[derive(Clone, Debug)]
pub struct SecretBinding {
    /// The environment variable or log option.
    pub name: String,
    /// The place of the name.
    pub name_span: Range<usize>,
    /// The reference.
    pub value_from: ValueFrom,
    /// The reference as written.
    pub text: String,
    /// The place of the reference.
    pub span: Range<usize>,
}

/// `logConfiguration`.
#[derive(Clone, Debug)]
pub struct LogConfiguration {
    /// `logDriver`.
    pub driver: Spanned<String>,
    /// `options`, in order.
    pub options: Vec<(Spanned<String>, String)>,
    /// `secretOptions`, in order.
    pub secret_options: Vec<SecretBinding>,
}
