//! [`Permit`], the proof that a request was allowed and that this is on disk.
//!
//! A permit comes into being in one place: when the log has made the record of an
//! allowed decision durable. The vault releases a plaintext against a permit only, so
//! "nothing is read without a decision and a record" is a fact of compilation. It
//! cannot be made by hand:
//!
//! ```compile_fail,E0451
//! # use sealdock::{audit::Permit, policy::Decision};
//! fn forge(decision: Box<Decision>) -> Permit {
//!     Permit { decision, sequence: 1 }
//! }
//! ```
//!
//! nor kept for a second use:
//!
//! ```compile_fail,E0599
//! # use sealdock::audit::Permit;
//! fn twice(permit: Permit) -> [Permit; 2] {
//!     [permit.clone(), permit]
//! }
//! ```

use super::writer::Durable;
use crate::arn::Arn;
use crate::policy::Decision;

/// One allowed and durably recorded action on one resource.
#[derive(Debug)]
#[must_use = "a permit is the only key to the action that was recorded"]
pub struct Permit {
    decision: Box<Decision>,
    sequence: u64,
}

impl Permit {
    /// The permit of an allowed decision whose record is durable; the decision back if it was a denial.
    pub(super) fn grant(decision: Box<Decision>, record: Durable) -> Result<Self, Box<Decision>> {
        if decision.is_allowed() { Ok(Self { decision, sequence: record.sequence() }) } else { Err(decision) }
    }

    /// Whether this permit is for `action` on `resource`. Actions compare without regard to case, as
    /// IAM's do; resources exactly.
    pub fn covers(&self, action: &str, resource: &str) -> bool {
        self.action().eq_ignore_ascii_case(action) && self.resource() == resource
    }

    /// Who may.
    pub fn principal(&self) -> &Arn {
        self.decision.principal()
    }

    /// What may be done, such as `secretsmanager:GetSecretValue`.
    pub fn action(&self) -> &str {
        self.decision.action()
    }

    /// The ARN that it may be done to.
    pub fn resource(&self) -> &str {
        self.decision.resource()
    }

    /// The sequence number of the record in the audit log.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }
}
