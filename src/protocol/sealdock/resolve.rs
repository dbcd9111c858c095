//! `ResolveInjections`: the values of one container's references, in one request.
//!
//! It stands for `CreateTaskSession`, a read of each secret and parameter in that
//! session, and a look at the container's bindings; each of the reads is decided
//! and recorded as if it had come by itself.

use super::{ARN, LABEL};
use crate::protocol::error::ApiError;
use crate::protocol::fields::Fields;
use crate::protocol::rules::{ROLE, SESSION_NAME, Text};
use crate::protocol::writer::{Encode, Object, Sink};
use crate::secret::SecretValue;

/// References in one request.
const MAX_REFERENCES: usize = 1000;
/// As in task definitions.
const REFERENCE: Text = Text::length(1, 4096);

/// A variable and what it refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedReference {
    /// The variable.
    pub name: String,
    /// The reference, as a task definition writes it.
    pub value_from: String,
}

impl NamedReference {
    fn take(fields: &mut Fields) -> Result<Self, ApiError> {
        Ok(Self {
            name: fields.required_text("Name", LABEL)?,
            value_from: fields.required_text("ValueFrom", REFERENCE)?,
        })
    }
}

impl Encode for NamedReference {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.text("Name", &self.name);
        object.text("ValueFrom", &self.value_from);
    }
}

/// Asks for the values of a container's references. The caller needs `iam:PassRole`
/// on the role, the role must trust `ecs-tasks.amazonaws.com` and may read them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolveInjectionsRequest {
    /// The role that reads.
    pub role_arn: String,
    /// The task id, and the name of the session.
    pub task_id: String,
    /// The task definition's family, for the audit trail.
    pub family: String,
    /// Docker's id. What is bound to it is read in the bound version.
    pub container_id: String,
    /// Of references that name none; empty for the broker's own.
    pub region: Option<String>,
    /// The references.
    pub references: Vec<NamedReference>,
}

impl ResolveInjectionsRequest {
    /// Reads the request body.
    ///
    /// # Errors
    /// `SerializationException`, `ValidationException`.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse(body)?;
        let references = fields.structures("References", (1, MAX_REFERENCES), NamedReference::take)?;
        let request = Self {
            role_arn: fields.required_text("RoleArn", Text::length(20, 2048).matching(&ROLE))?,
            task_id: fields.required_text("TaskId", Text::length(2, 64).matching(&SESSION_NAME))?,
            family: fields.required_text("Family", LABEL)?,
            container_id: fields.required_text("ContainerId", LABEL)?,
            region: fields.text("Region", LABEL)?,
            references: fields.required("References", references).unwrap_or_default(),
        };
        fields.finish(request)
    }
}

impl Encode for ResolveInjectionsRequest {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.text("RoleArn", &self.role_arn);
        object.text("TaskId", &self.task_id);
        object.text("Family", &self.family);
        object.text("ContainerId", &self.container_id);
        object.optional_text("Region", self.region.as_deref());
        object.structures("References", &self.references);
    }
}

/// The value of a reference.
#[derive(Debug)]
pub struct ResolvedInjection {
    /// The value.
    pub value: SecretValue,
    /// The secret or parameter.
    pub arn: String,
    /// The secret's version id, or the parameter's version number.
    pub version_id: String,
}

impl ResolvedInjection {
    fn take(fields: &mut Fields) -> Result<Self, ApiError> {
        Ok(Self {
            value: fields.required_secret("Value")?,
            arn: fields.required_text("Arn", ARN)?,
            version_id: fields.required_text("VersionId", LABEL)?,
        })
    }
}

impl Encode for ResolvedInjection {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.secret_text("Value", &self.value);
        object.text("Arn", &self.arn);
        object.text("VersionId", &self.version_id);
    }
}

/// A reference without a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnresolvedInjection {
    /// The variable.
    pub name: String,
    /// Why; the ECS agent's words.
    pub reason: String,
}

impl UnresolvedInjection {
    fn take(fields: &mut Fields) -> Result<Self, ApiError> {
        Ok(Self {
            name: fields.required_text("Name", LABEL)?,
            reason: fields.required_text("Reason", Text::any())?,
        })
    }
}

impl Encode for UnresolvedInjection {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.text("Name", &self.name);
        object.text("Reason", &self.reason);
    }
}

/// All values, or every reference that has none.
#[derive(Debug, Default)]
pub struct ResolveInjectionsResponse {
    /// In the order of the request; empty if any failed.
    pub values: Vec<ResolvedInjection>,
    /// In the order of the request.
    pub failures: Vec<UnresolvedInjection>,
}

impl ResolveInjectionsResponse {
    /// Reads the answer's body.
    ///
    /// # Errors
    /// If a member is missing or of the wrong type.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse_answer(body)?;
        let values = fields.structures("Values", (0, MAX_REFERENCES), ResolvedInjection::take)?;
        let failures = fields.structures("Failures", (0, MAX_REFERENCES), UnresolvedInjection::take)?;
        let answer = Self {
            values: fields.required("Values", values).unwrap_or_default(),
            failures: fields.required("Failures", failures).unwrap_or_default(),
        };
        fields.finish(answer)
    }
}

impl Encode for ResolveInjectionsResponse {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.structures("Values", &self.values);
        object.structures("Failures", &self.failures);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_go_both_ways() {
        let request = ResolveInjectionsRequest {
            role_arn: "arn:aws:iam::111122223333:role/exec".into(),
            task_id: "t1".into(),
            family: "web".into(),
            container_id: "c0ffee".into(),
            region: None,
            references: vec![NamedReference { name: "DB".into(), value_from: "/p".into() }],
        };
        assert_eq!(ResolveInjectionsRequest::decode(&request.encode()).unwrap(), request);
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the test compares what arrives")]
    fn answers_go_both_ways() {
        let answer = ResolveInjectionsResponse {
            values: vec![ResolvedInjection {
                value: SecretValue::from("a\"b\n".to_owned()),
                arn: "arn:aws:ssm:us-east-1:1:parameter/p".into(),
                version_id: "3".into(),
            }],
            failures: vec![UnresolvedInjection { name: "DB".into(), reason: "gone".into() }],
        };
        let again = ResolveInjectionsResponse::decode(&answer.encode()).unwrap();
        assert_eq!(again.failures, answer.failures);
        let [value] = again.values.as_slice() else { panic!() };
        assert_eq!((value.value.expose(), value.version_id.as_str()), (&b"a\"b\n"[..], "3"));
    }
}
