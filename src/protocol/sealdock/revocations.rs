//! `RevokeSessions` and `ListRevocations`.

use super::{ARN, LABEL, empty_response};
use crate::protocol::error::ApiError;
use crate::protocol::fields::Fields;
use crate::protocol::rules::{ACCESS_KEY_ID, PRINCIPAL, Text};
use crate::protocol::writer::{Encode, Object, Sink};
use jiff::Timestamp;

/// Whose sessions end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revoked {
    /// Those of a role, user or account root, by ARN.
    Principal(String),
    /// Those of a task, by its id.
    Task(String),
    /// The session with this access key id, and those that were made with it.
    AccessKey(String),
}

impl Revoked {
    fn take(fields: &mut Fields) -> Result<Option<Self>, ApiError> {
        let principal = fields.text("PrincipalArn", Text::length(20, 2048).matching(&PRINCIPAL))?;
        let task = fields.text("TaskId", LABEL)?;
        let key = fields.text("AccessKeyId", Text::length(16, 128).matching(&ACCESS_KEY_ID))?;
        Ok(match (principal, task, key) {
            (Some(arn), None, None) => Some(Self::Principal(arn)),
            (None, Some(id), None) => Some(Self::Task(id)),
            (None, None, Some(id)) => Some(Self::AccessKey(id)),
            _ => None,
        })
    }

    fn write<S: Sink>(&self, object: &mut Object<'_, S>) {
        match self {
            Self::Principal(arn) => object.text("PrincipalArn", arn),
            Self::Task(id) => object.text("TaskId", id),
            Self::AccessKey(id) => object.text("AccessKeyId", id),
        }
    }
}

fn one_of_three() -> ApiError {
    ApiError::validation("Give one of PrincipalArn, TaskId and AccessKeyId.")
}

/// Ends sessions at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevokeSessionsRequest {
    /// Whose.
    pub revoked: Revoked,
}

impl RevokeSessionsRequest {
    /// Reads the request body.
    ///
    /// # Errors
    /// `SerializationException`, `ValidationException`.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse(body)?;
        let revoked = Revoked::take(&mut fields)?;
        fields.finish(())?;
        Ok(Self { revoked: revoked.ok_or_else(one_of_three)? })
    }
}

impl Encode for RevokeSessionsRequest {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        self.revoked.write(object);
    }
}

empty_response! {
    /// They have ended, durably.
    RevokeSessionsResponse
}

/// Asks for the revocations that may still end a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListRevocationsRequest;

impl ListRevocationsRequest {
    /// Reads the request body.
    ///
    /// # Errors
    /// `SerializationException`, `ValidationException`.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        Fields::parse(body)?.finish(Self)
    }
}

impl Encode for ListRevocationsRequest {
    fn members<S: Sink>(&self, _: &mut Object<'_, S>) {}
}

/// One revocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// Whose sessions ended.
    pub revoked: Revoked,
    /// When it was done.
    pub revoked_date: Timestamp,
    /// ARN of who did it.
    pub revoked_by: String,
}

impl Encode for Revocation {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        self.revoked.write(object);
        object.timestamp("RevokedDate", self.revoked_date);
        object.text("RevokedBy", &self.revoked_by);
    }
}

/// The revocations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListRevocationsResponse {
    /// In order of kind and name.
    pub revocations: Vec<Revocation>,
}

impl ListRevocationsResponse {
    /// Reads the answer's body.
    ///
    /// # Errors
    /// If a member is missing or of the wrong type.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse_answer(body)?;
        let revocations = fields.structures("Revocations", (0, usize::MAX), |fields| {
            Ok(Revocation {
                revoked: Revoked::take(fields)?.ok_or_else(one_of_three)?,
                revoked_date: fields.required_timestamp("RevokedDate")?,
                revoked_by: fields.required_text("RevokedBy", ARN)?,
            })
        })?;
        let revocations = fields.required("Revocations", revocations).unwrap_or_default();
        fields.finish(Self { revocations })
    }
}

impl Encode for ListRevocationsResponse {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.structures("Revocations", &self.revocations);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_go_both_ways() {
        let subjects = [
            Revoked::Principal("arn:aws:iam::111122223333:role/app".into()),
            Revoked::Task("0af3".into()),
            Revoked::AccessKey("ASIAIOSFODNN7EXAMPLE".into()),
        ];
        for revoked in subjects {
            let request = RevokeSessionsRequest { revoked: revoked.clone() };
            assert_eq!(RevokeSessionsRequest::decode(&request.encode()).unwrap(), request);
            let revoked_date = Timestamp::from_second(1_732_412_345).unwrap();
            let revocations = vec![Revocation { revoked, revoked_date, revoked_by: "arn".into() }];
            let response = ListRevocationsResponse { revocations };
            assert_eq!(ListRevocationsResponse::decode(&response.encode()).unwrap(), response);
        }
        for bad in ["{}", r#"{"TaskId": "a", "AccessKeyId": "ASIAIOSFODNN7EXAMPLE"}"#] {
            assert_eq!(
                RevokeSessionsRequest::decode(bad.as_bytes()).unwrap_err().code,
                "ValidationException"
            );
        }
    }
}
