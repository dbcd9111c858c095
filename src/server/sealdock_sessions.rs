//! Sealdock's own operations on sessions that exist: ending them, and who ended which.

use super::exchange::{Answer, Exchange, blocking};
use crate::protocol::Operation;
use crate::protocol::sealdock::{
    ListRevocationsRequest, ListRevocationsResponse, Revocation, RevokeSessionsRequest,
    RevokeSessionsResponse, Revoked, not_found,
};
use crate::vault::Subject;
use serde_json::json;

pub(super) async fn revoke(exchange: &mut Exchange<'_>) -> Answer {
    let request = RevokeSessionsRequest::decode(exchange.body)?;
    let (name, subject) = match request.revoked {
        Revoked::Principal(arn) => ("principalArn", Subject::Principal(arn)),
        Revoked::Task(id) => ("taskId", Subject::Task(id)),
        Revoked::AccessKey(id) => ("accessKeyId", Subject::AccessKey(id)),
    };
    exchange.context.parameters = Some(json!({ name: subject.name() }));
    let resource = match &subject {
        Subject::Principal(arn) => arn.clone(),
        // Whose they are is in the token, which is not here.
        Subject::Task(_) | Subject::AccessKey(_) => "*".to_owned(),
    };
    let _permit = exchange.authorize(&Operation::RevokeSessions.action(), &resource, &resource).await?;
    if let Subject::Principal(arn) = &subject
        && !exchange.broker.knows(arn)
    {
        return Err(not_found(format!(
            "No policy file defines {arn}, so it has no sessions. The ARN of a role or user has its path, which that of \
             a session does not show."
        ))
        .into());
    }
    let by = exchange.context.caller.as_ref().map_or("", |caller| &*caller.arn);
    blocking(|| exchange.broker.vault().revocations().revoke(subject, by))
        .map_err(|e| super::internal(&e))?;
    exchange.answer(&RevokeSessionsResponse)
}

pub(super) async fn list(exchange: &mut Exchange<'_>) -> Answer {
    ListRevocationsRequest::decode(exchange.body)?;
    let _permit = exchange.authorize(&Operation::ListRevocations.action(), "*", "*").await?;
    let rows = exchange.broker.vault().revocations().list();
    let revocations = rows.iter().map(|row| Revocation {
        revoked: match &row.record.subject {
            Subject::Principal(arn) => Revoked::Principal(arn.clone()),
            Subject::Task(id) => Revoked::Task(id.clone()),
            Subject::AccessKey(id) => Revoked::AccessKey(id.clone()),
        },
        revoked_date: row.record.revoked,
        revoked_by: row.record.by.clone(),
    });
    exchange.answer(&ListRevocationsResponse { revocations: revocations.collect() })
}
