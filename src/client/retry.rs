//! When to try again, and after how long: three attempts with growing, random
//! pauses, as the AWS SDKs' standard mode.
//!
//! | failed because | nothing was done | may have been done |
//! |---|---|---|
//! | no connection, throttled | every operation | |
//! | connection broke, timeout, 500, 502, 503, 504 | | operations that can be repeated |

use super::error::ClientError;
use crate::protocol::Operation;
use std::time::Duration;

/// At most this many attempts.
pub(super) const ATTEMPTS: u32 = 3;

const BASE: Duration = Duration::from_millis(100);

const THROTTLES: [&str; 4] =
    ["ThrottlingException", "Throttling", "TooManyRequestsException", "RequestLimitExceeded"];

/// Whether another attempt can help and does no harm.
pub(super) fn worth_it(operation: Operation, error: &ClientError) -> bool {
    match error {
        ClientError::Unreachable { .. } => true,
        ClientError::Broken { .. } | ClientError::Timeout { .. } => repeatable(operation),
        ClientError::Api { code, .. } if THROTTLES.contains(&code.as_str()) => true,
        ClientError::Api { status: 500 | 502 | 503 | 504, .. } => repeatable(operation),
        ClientError::Api { .. } | ClientError::Tls { .. } | ClientError::Protocol(_) => false,
    }
}

/// Reads; and writes that leave the same state when they are done twice. A second
/// audit record of an injection over-reports, which is allowed.
fn repeatable(operation: Operation) -> bool {
    operation.read_only()
        || matches!(
            operation,
            Operation::CreateTaskSession
                | Operation::EndTask
                | Operation::RecordInjections
                | Operation::UpdateAccessKey
        )
}

/// A random pause of up to 100 ms after the first attempt, twice that after the
/// second.
pub(super) fn pause(attempt: u32) -> Duration {
    let longest = BASE * 2_u32.saturating_pow(attempt.saturating_sub(1)).min(16);
    // Without randomness clients only come back together.
    let part = getrandom::u32().unwrap_or(u32::MAX);
    longest.mul_f64(f64::from(part) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn api(status: u16, code: &str) -> ClientError {
        ClientError::Api { status, code: code.into(), message: String::new(), request_id: None }
    }

    #[test]
    fn writes_are_not_repeated_blindly() {
        let broken = ClientError::Broken { endpoint: String::new(), reason: String::new() };
        assert!(worth_it(Operation::GetSecretValue, &broken));
        assert!(!worth_it(Operation::CreateSecret, &broken));
        assert!(worth_it(Operation::GetParameters, &api(503, "ServiceUnavailableException")));
        assert!(!worth_it(Operation::CreateAccessKey, &api(500, "InternalFailure")));
        assert!(worth_it(Operation::CreateAccessKey, &api(400, "ThrottlingException")));
        assert!(!worth_it(Operation::GetSecretValue, &api(400, "AccessDeniedException")));
    }

    #[test]
    fn pauses_are_bounded() {
        for attempt in 0..100 {
            assert!(pause(attempt) <= BASE * 16);
        }
    }
}
