//! Ctrl-C and SIGTERM as [`Interrupt`]s.

use std::io;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

/// A request to stop. The second one stops at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interrupt {
    /// Ctrl-C.
    Interrupt,
    /// SIGTERM
    Terminate,
    /// `sealdock task stop`, or another request like it.
    Stop,
}

/// From now on the two signals do not end the process but arrive here.
///
/// # Errors
/// If the operating system does not let us listen.
pub fn interrupts() -> io::Result<mpsc::Receiver<Interrupt>> {
    let (sender, receiver) = mpsc::channel(4);
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::spawn(async move {
        loop {
            let next = tokio::select! {
                Some(()) = interrupt.recv() => Interrupt::Interrupt,
                Some(()) = terminate.recv() => Interrupt::Terminate,
                else => return,
            };
            if sender.send(next).await.is_err() {
                return;
            }
        }
    });
    Ok(receiver)
}
