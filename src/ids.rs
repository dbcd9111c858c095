//! Ids of requests and events: version 4 UUIDs (RFC 9562, section 5.4).
//!
//! They have to be unique and nothing more. Asking the kernel for each would be two
//! system calls a request, so a thread asks for many at once.

use std::cell::RefCell;
use uuid::Uuid;

const ID: usize = 16;
const AT_ONCE: usize = 64;

/// Random bytes that are not used yet.
struct Supply {
    bytes: [u8; ID * AT_ONCE],
    used: usize,
}

thread_local! {
    static SUPPLY: RefCell<Supply> = const { RefCell::new(Supply { bytes: [0; ID * AT_ONCE], used: ID * AT_ONCE }) };
}

/// A new id.
pub fn unique() -> Uuid {
    SUPPLY.with_borrow_mut(|supply| {
        if supply.used == supply.bytes.len() {
            if getrandom::fill(&mut supply.bytes).is_err() {
                return Uuid::new_v4();
            }
            supply.used = 0;
        }
        let bytes = supply.bytes.get(supply.used..).and_then(|rest| rest.first_chunk::<ID>());
        supply.used += ID;
        bytes.map_or_else(Uuid::new_v4, |bytes| uuid::Builder::from_random_bytes(*bytes).into_uuid())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn ids_differ_across_threads_and_supplies() {
        let some = || (0..3 * AT_ONCE).map(|_| unique()).collect::<Vec<_>>();
        let other = std::thread::spawn(some);
        let ids: HashSet<Uuid> = some().into_iter().chain(other.join().unwrap()).collect();
        assert_eq!(ids.len(), 6 * AT_ONCE);
        assert!(ids.iter().all(|id| id.get_version_num() == 4 && !id.is_nil()));
    }
}
