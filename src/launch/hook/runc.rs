//! The OCI runtime that the hook hands over to.

use super::arguments::Options;
use super::{HookError, no_runc};
use std::ffi::OsString;
use std::process::{Child, Command, ExitStatus};

/// A run of runc. Unless it may [`go`](Runc::go), it does not outlive this value.
#[derive(Debug)]
pub(super) struct Runc<'o> {
    options: &'o Options,
    words: Vec<OsString>,
    child: Option<Child>,
}

/// A run of runc that is left to end by itself.
#[derive(Debug)]
#[must_use = "it has to be waited for"]
pub(super) struct Going<'o>(&'o Options, Child);

impl<'o> Runc<'o> {
    /// Nothing runs yet.
    pub(super) fn new(options: &'o Options, words: Vec<OsString>) -> Self {
        Self { options, words, child: None }
    }

    /// Starts it, to be ended if something fails before it may go.
    ///
    /// # Errors
    /// There is no such program.
    pub(super) fn start(&mut self) -> Result<(), HookError> {
        self.child = Some(self.spawn()?);
        Ok(())
    }

    /// Lets it go, and starts it if it has not been.
    ///
    /// # Errors
    /// There is no such program.
    pub(super) fn go(mut self) -> Result<Going<'o>, HookError> {
        let child = self.child.take().map_or_else(|| self.spawn(), Ok)?;
        Ok(Going(self.options, child))
    }

    fn spawn(&self) -> Result<Child, HookError> {
        let started = Command::new(&self.options.runc).args(&self.words).spawn();
        started.map_err(|cause| no_runc(self.options, cause))
    }
}

impl Drop for Runc<'_> {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // It has ended by itself if it cannot be killed.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Going<'_> {
    /// Waits for its end.
    ///
    /// # Errors
    /// The operating system does not tell.
    pub(super) fn end(mut self) -> Result<ExitStatus, HookError> {
        self.1.wait().map_err(|cause| no_runc(self.0, cause))
    }
}
