//! Request bodies: read whole, bounded in size and time, wiped after use.

use super::limits::Limits;
use super::listener::Refusal;
use http::{HeaderMap, header};
use hyper::body::{Body, Incoming};
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use tokio::time::timeout;
use zeroize::Zeroizing;

/// Reads the body.
///
/// # Errors
/// [`Refusal`]: too large, too slow, or broken.
pub(super) async fn collect(
    mut body: Incoming,
    headers: &HeaderMap,
    limits: &Limits,
) -> Result<Zeroizing<Vec<u8>>, Refusal> {
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
    let whole = {
        let mut filling = pin!(fill(&mut body, &mut bytes, limit));
        // Most bodies came with their header and are whole at once: they need no timer.
        match poll_fn(|context| Poll::Ready(filling.as_mut().poll(context))).await {
            Poll::Ready(whole) => whole,
            Poll::Pending => timeout(limits.body_time, filling).await.unwrap_or(Err(Refusal::BodyTimeout)),
        }
    };
    if whole == Err(Refusal::BodyTooLarge) {
        let _ = timeout(limits.body_time, discard(&mut body, limit)).await;
    }
    whole.map(|()| bytes)
}

/// Memory that a client gets on the promise of a body, in bytes; for more it has to send.
const TRUSTED: usize = 16 * 1024;

async fn fill(body: &mut Incoming, bytes: &mut Zeroizing<Vec<u8>>, limit: usize) -> Result<(), Refusal> {
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
            let mut larger = Zeroizing::new(Vec::with_capacity(length.saturating_mul(2).min(limit)));
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
