//! [`Exchange`]: one request on its way through the API, and the two ways to fail.
//!
//! Every request leaves at least one audit record. A decision's record is made by
//! the gate; any other failure is recorded by [`crate::server::api`], unless it is
//! on record already ([`Failure::Recorded`]).

use crate::audit::{AuditError, Permit};
use crate::broker::{Ask, Broker, Context, Deny};
use crate::policy::Decision;
use crate::protocol::ApiError;
use crate::protocol::writer::Encode;
use crate::vault::Scope;
use zeroize::Zeroizing;

/// One authenticated request.
#[derive(Debug)]
pub(super) struct Exchange<'a> {
    pub(super) broker: &'a Broker,
    pub(super) context: Context,
    pub(super) scope: Scope,
    pub(super) body: &'a [u8],
}

/// Why a request is not served.
#[derive(Debug)]
pub(super) enum Failure {
    /// Not on record yet.
    Unrecorded(ApiError),
    /// On record as a denial.
    Recorded(ApiError),
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        Self::Unrecorded(error)
    }
}

/// A JSON body, wiped once it is sent.
pub(super) type Answer = Result<Zeroizing<Vec<u8>>, Failure>;

impl Exchange<'_> {
    /// Passes the gate for an action on a resource. `shown` is how the client named
    /// the resource: a refusal repeats that, and not an ARN that would tell whether
    /// the thing exists.
    pub(super) async fn authorize(
        &self,
        action: &str,
        resource: &str,
        shown: &str,
    ) -> Result<Permit, Failure> {
        self.ask(Ask::new(action, resource), shown).await
    }

    /// As [`Exchange::authorize`], with condition keys and the policy of the resource.
    pub(super) async fn ask(&self, ask: Ask<'_>, shown: &str) -> Result<Permit, Failure> {
        // The log answers in time, whatever its disk does.
        self.broker.authorize(&self.context, &ask).await.map_err(|deny| self.denied(deny, shown))
    }

    /// The error for a closed gate.
    pub(super) fn denied(&self, deny: Deny, shown: &str) -> Failure {
        match deny {
            Deny::Refused(decision) => {
                Failure::Recorded(ApiError::access_denied_text(self.refusal(&decision, shown)))
            }
            Deny::Unrecorded(AuditError::TooLong(_)) => Failure::Unrecorded(ApiError::validation(
                "the request is too long to be recorded in the audit log",
            )),
            Deny::Unrecorded(error) => {
                tracing::error!(%error, request_id = %self.context.request_id, "request refused: no audit record");
                Failure::Recorded(unavailable())
            }
        }
    }

    /// A refusal in AWS's words.
    pub(super) fn refusal(&self, decision: &Decision, shown: &str) -> String {
        let who = self.context.caller.as_ref().map_or("unknown", |c| &*c.arn);
        let (action, reason) = (decision.action(), decision.reason());
        // An action without a resource is refused without naming one.
        let on = if shown == "*" { String::new() } else { format!(" on resource: {shown}") };
        format!("User: {who} is not authorized to perform: {action}{on} {reason}")
    }

    /// Encodes an answer.
    pub(super) fn answer(&self, response: &impl Encode) -> Answer {
        Ok(response.encode())
    }
}

/// Puts a failure on record, unless it is, and turns it into the error that is answered.
pub(super) async fn on_record(broker: &Broker, context: &Context, failure: Failure) -> ApiError {
    let error = match failure {
        Failure::Recorded(error) => return error,
        Failure::Unrecorded(error) => error,
    };
    match broker.note_failure(context, error.code, &error.message).await {
        Ok(()) => error,
        Err(cause) => {
            tracing::error!(error = %cause, request_id = %context.request_id, "failure not recorded");
            unavailable()
        }
    }
}

/// The log does not take a record: nothing is released.
pub(super) fn unavailable() -> ApiError {
    ApiError::service_unavailable(
        "the audit log cannot be written, so the request was refused; see the broker's own log",
    )
}

/// Runs work that waits for the disk without holding up other connections.
pub(super) fn blocking<T>(work: impl FnOnce() -> T) -> T {
    tokio::task::block_in_place(work)
}
