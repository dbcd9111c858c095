//! What one client may cost: connections, bytes and time.

use std::time::Duration;

/// Limits of the listeners.
///
/// A request that has been read whole is not cut off: what it does may be on record already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections served at a time by each listener; the others wait in the kernel's queue.
    /// Listeners share none, so that a flood at one does not close another.
    pub connections: usize,
    /// Longest time between the beginning of a connection, or its last answer, and the next complete
    /// request header. It ends slow clients, silent ones and idle ones.
    pub header_time: Duration,
    /// Largest request header in bytes. HTTP/1 cannot go below 8 KiB.
    pub header_bytes: u32,
    /// Largest request body in bytes.
    pub body_bytes: usize,
    /// Memory of each listener for bodies that are being read or answered, in bytes. Short bodies
    /// do not count; others wait for room within [`Limits::body_time`].
    pub body_memory: usize,
    /// Longest time between a request's header and the end of its body.
    pub body_time: Duration,
    /// Longest TLS handshake.
    pub handshake_time: Duration,
    /// Requests at a time on one HTTP/2 connection. Clients may count on 100 before they know
    /// (RFC 9113, section 6.5.2).
    pub streams: u32,
    /// Longest wait for the requests in progress when the broker stops, and for a client that does not
    /// take its answer.
    pub drain_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            header_time: Duration::from_secs(30),
            header_bytes: 64 * 1024,
            body_bytes: 1024 * 1024,
            body_memory: 64 * 1024 * 1024,
            body_time: Duration::from_secs(15),
            handshake_time: Duration::from_secs(10),
            streams: 100,
            drain_time: Duration::from_secs(10),
        }
    }
}
