//! Ctrl-C and SIGTERM as [`Interrupt`]s.

use super::task::Interrupt;
use std::io;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

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
