//! The services of AWS by the prefix that their actions and condition keys have, so that
//! a slip in the prefix is noticed, and a key of another service is known to be one.
//!
//! New services appear, so a prefix that is missing here is a warning at most.
//!
//! Source: Service Authorization Reference.

use crate::diagnostic::nearest;
use std::sync::LazyLock;

/// The services whose requests are decided here.
pub(super) const SERVED: [&str; 7] = ["cloudtrail", "iam", "kms", "sealdock", "secretsmanager", "ssm", "sts"];

static KNOWN: LazyLock<Vec<&str>> = LazyLock::new(|| {
    let mut all: Vec<&str> = include_str!("services.txt").split_ascii_whitespace().collect();
    all.sort_unstable();
    all
});

/// Whether there is a service with this prefix; case does not matter.
pub(super) fn is_known(prefix: &str) -> bool {
    KNOWN.binary_search(&prefix.to_ascii_lowercase().as_str()).is_ok()
}

/// The nearest prefix that exists. Those that are served here go first.
pub(super) fn similar(prefix: &str) -> Option<&'static str> {
    nearest(prefix, SERVED).or_else(|| nearest(prefix, KNOWN.iter().copied()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_services_and_what_is_near_them() {
        assert!(["s3", "EC2", "execute-api", "sealdock"].into_iter().all(is_known));
        assert!(SERVED.into_iter().all(is_known));
        assert!(!is_known("secretmanager") && !is_known(""));
        assert_eq!(similar("secretmanager"), Some("secretsmanager"));
        assert_eq!(similar("dynamodbb"), Some("dynamodb"));
        assert_eq!(similar("my-own-thing"), None);
    }
}
