//! [`Rates`]: how often one client may ask for one path, as a token bucket.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Buckets that are kept. A client that asks for ever new paths makes others start afresh.
const BUCKETS: usize = 8192;

/// The buckets, by client and path.
#[derive(Debug)]
pub(super) struct Rates {
    /// Tokens that come in a second.
    pub(super) per_second: f64,
    /// Tokens of a full bucket.
    burst: f64,
    buckets: Mutex<HashMap<(IpAddr, String), (f64, Instant)>>,
}

impl Rates {
    pub(super) fn new(per_second: f64, burst: f64) -> Self {
        Self { per_second, burst, buckets: Mutex::default() }
    }

    /// Takes a token; whether there was one.
    pub(super) fn take(&self, client: IpAddr, path: &str, now: Instant) -> bool {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let filled = |tokens: f64, since: Instant| {
            (tokens + now.saturating_duration_since(since).as_secs_f64() * self.per_second).min(self.burst)
        };
        if buckets.len() >= BUCKETS {
            buckets.retain(|_, (tokens, since)| filled(*tokens, *since) < self.burst);
            if buckets.len() >= BUCKETS {
                buckets.clear();
            }
        }
        let bucket = buckets.entry((client, path.to_owned())).or_insert((self.burst, now));
        let tokens = filled(bucket.0, bucket.1);
        let allowed = tokens >= 1.0;
        *bucket = (if allowed { tokens - 1.0 } else { tokens }, now);
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;
    use std::time::Duration;

    const ONE: IpAddr = IpAddr::V4(Ipv4Addr::new(172, 17, 0, 2));

    #[test]
    fn a_burst_passes_and_then_as_many_as_come_in_a_second() {
        let rates = Rates::new(40.0, 60.0);
        let start = Instant::now();
        let passed = |path: &str, at: Duration, count: usize| {
            (0..count).filter(|_| rates.take(ONE, path, start + at)).count()
        };
        assert_eq!(passed("/a", Duration::ZERO, 100), 60);
        assert_eq!(passed("/b", Duration::ZERO, 1), 1, "each path has its own");
        assert!(rates.take(IpAddr::V4(Ipv4Addr::LOCALHOST), "/a", start), "and each client");
        assert_eq!(passed("/a", Duration::from_millis(500), 100), 20);
        assert_eq!(passed("/a", Duration::from_secs(60), 100), 60, "no more than a burst");
    }

    #[test]
    fn ever_new_paths_take_no_more_memory() {
        let rates = Rates::new(40.0, 60.0);
        let now = Instant::now();
        for n in 0..3 * BUCKETS {
            assert!(rates.take(ONE, &n.to_string(), now));
        }
        assert!(rates.buckets.lock().unwrap().len() <= BUCKETS);
    }
}
