//! Request bodies: read whole, bounded in size, time and memory, wiped after use.
//!
//! A client that leaves its bodies unfinished keeps what it has sent in memory, and
//! HTTP/2 lets one connection do that many times over. So the bodies of a listener
//! draw on one [`Room`]. The first [`TRUSTED`] bytes of each are free: a flood
//! of large bodies must not hold up reads, whose requests are short.

use super::limits::Limits;
use super::listener::Refusal;
use http::{HeaderMap, header};
use hyper::body::{Body, Incoming};
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;
use zeroize::Zeroizing;

/// Reads the body.
///
/// # Errors
/// [`Refusal`]: too large, too slow, or broken.
pub(super) async fn collect<'a>(
    mut body: Incoming,
    headers: &HeaderMap,
    limits: &Limits,
    room: &'a Room,
) -> Result<(Zeroizing<Vec<u8>>, Share<'a>), Refusal> {
    let limit = limits.body_bytes;
    let declared = body.size_hint();
    if usize::try_from(declared.lower()).map_or(true, |least| least > limit) {
        // A client that asks first has sent nothing yet.
        if !headers.contains_key(header::EXPECT) {
            let _ = timeout(limits.body_time, discard(&mut body, limit)).await;
        }
        return Err(Refusal::BodyTooLarge);
    }
    let capacity = usize::try_from(declared.lower()).map_or(TRUSTED, |least| least.min(TRUSTED));
    let mut bytes = Zeroizing::new(Vec::with_capacity(capacity));
    let mut share = Share { room, held: None };
    let whole = {
        let mut filling = pin!(fill(&mut body, &mut bytes, &mut share, limit));
        // Most bodies came with their header and are whole at once: they need no timer.
        match poll_fn(|context| Poll::Ready(filling.as_mut().poll(context))).await {
            Poll::Ready(whole) => whole,
            Poll::Pending => timeout(limits.body_time, filling).await.unwrap_or(Err(Refusal::BodyTimeout)),
        }
    };
    if whole == Err(Refusal::BodyTooLarge) {
        let _ = timeout(limits.body_time, discard(&mut body, limit)).await;
    }
    whole.map(|()| (bytes, share))
}

/// Memory for the bodies of a listener: one permit a byte.
pub(super) struct Room(Semaphore);

impl Room {
    pub(super) fn new(limits: &Limits) -> Self {
        // INVARIANT: the largest body fits, or it would wait for ever.
        let bytes = limits.body_memory.max(limits.body_bytes);
        Self(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS)))
    }
}

/// What one body has taken of the [`Room`], given back on drop.
pub(super) struct Share<'a> {
    room: &'a Room,
    held: Option<SemaphorePermit<'a>>,
}

impl Share<'_> {
    /// Waits until `more` bytes are there. Bodies that wait for each other end by their time limit.
    async fn grow(&mut self, more: usize) -> Result<(), Refusal> {
        // Free bytes pass those who wait.
        if more == 0 {
            return Ok(());
        }
        let more = u32::try_from(more).map_err(|_| Refusal::BodyTooLarge)?;
        let taken = self.room.0.acquire_many(more).await.map_err(|_| Refusal::Broken)?;
        match &mut self.held {
            Some(held) => held.merge(taken),
            None => self.held = Some(taken),
        }
        Ok(())
    }
}

/// Memory that a client gets on the promise of a body, in bytes; for more it has to send, and
/// there has to be room.
const TRUSTED: usize = 16 * 1024;

async fn fill(
    body: &mut Incoming,
    bytes: &mut Zeroizing<Vec<u8>>,
    share: &mut Share<'_>,
    limit: usize,
) -> Result<(), Refusal> {
    while !body.is_end_stream() {
        let Some(frame) = poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await else { break };
        let frame = frame.map_err(|_| Refusal::Broken)?;
        let Some(data) = frame.data_ref() else { continue };
        let length = bytes.len().saturating_add(data.len());
        if length > limit {
            return Err(Refusal::BodyTooLarge);
        }
        if length > bytes.capacity() {
            // Growing in place would free the old buffer unwiped.
            let capacity = length.saturating_mul(2).min(limit);
            share.grow(capacity - bytes.capacity().max(TRUSTED).min(capacity)).await?;
            let mut larger = Zeroizing::new(Vec::with_capacity(capacity));
            larger.extend_from_slice(bytes);
            *bytes = larger;
        }
        bytes.extend_from_slice(data);
    }
    Ok(())
}

/// How many times the limit is read and thrown away, so that an ordinary client that
/// writes before it reads gets to see the answer instead of a reset connection.
const DISCARDED: usize = 16;

async fn discard(body: &mut Incoming, limit: usize) {
    let mut left = limit.saturating_mul(DISCARDED);
    while let Some(Ok(frame)) = poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await {
        let length = frame.data_ref().map_or(0, bytes::Bytes::len);
        let Some(rest) = left.checked_sub(length) else { return };
        left = rest;
    }
}
