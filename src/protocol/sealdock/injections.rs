//! `RecordInjections`, `ListBindings`: which version of which secret went into
//! which variable of which container. Never a value.

use super::{ARN, LABEL, empty_response};
use crate::protocol::error::ApiError;
use crate::protocol::fields::Fields;
use crate::protocol::rules::{Text, spelled};
use crate::protocol::writer::{Encode, Object, Sink};

/// Longest list in one request.
const MAX_INJECTIONS: usize = 1000;

spelled! {
    /// How values reach the container.
    Delivery {
        /// In Docker's create call.
        Env = "env",
        /// By the runtime hook, when the process is made.
        Runtime = "runtime",
    }
}

spelled! {
    /// What the value went into.
    InjectionTarget {
        /// An environment variable.
        Environment = "ENVIRONMENT",
        /// A file, whose path is the value of the variable.
        File = "FILE",
        /// An option of the log driver.
        LogOption = "LOG_OPTION",
    }
}

/// One value that went into a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Injection {
    /// The variable or log option.
    pub name: String,
    /// Which of the two.
    pub target: InjectionTarget,
    /// The reference in the task definition.
    pub value_from: String,
    /// The secret or parameter.
    pub arn: String,
    /// The secret's version id, or the parameter's version number.
    pub version_id: String,
}

impl Injection {
    fn take(fields: &mut Fields) -> Result<Self, ApiError> {
        Ok(Self {
            name: fields.required_text("Name", LABEL)?,
            target: fields.required_choice(
                "Target",
                InjectionTarget::SPELLINGS,
                InjectionTarget::from_spelling,
                InjectionTarget::Environment,
            )?,
            value_from: fields.required_text("ValueFrom", Text::length(1, 4096))?,
            arn: fields.required_text("Arn", ARN)?,
            version_id: fields.required_text("VersionId", Text::length(1, 64))?,
        })
    }
}

impl Encode for Injection {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.text("Name", &self.name);
        object.text("Target", self.target.as_str());
        object.text("ValueFrom", &self.value_from);
        object.text("Arn", &self.arn);
        object.text("VersionId", &self.version_id);
    }
}

/// Records the injections of one container, before it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordInjectionsRequest {
    /// The task.
    pub task_id: String,
    /// The task definition's family.
    pub family: String,
    /// The container's name in the task definition.
    pub container_name: String,
    /// Docker's id; with it, bindings are kept.
    pub container_id: Option<String>,
    /// Docker's name for the container.
    pub docker_name: Option<String>,
    /// How.
    pub delivery: Delivery,
    /// What.
    pub injections: Vec<Injection>,
}

impl RecordInjectionsRequest {
    /// Reads the request body.
    ///
    /// # Errors
    /// `SerializationException`, `ValidationException`.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse(body)?;
        let injections = fields.structures("Injections", (0, MAX_INJECTIONS), Injection::take)?;
        let request = Self {
            task_id: fields.required_text("TaskId", LABEL)?,
            family: fields.required_text("Family", LABEL)?,
            container_name: fields.required_text("ContainerName", LABEL)?,
            container_id: fields.text("ContainerId", LABEL)?,
            docker_name: fields.text("DockerName", LABEL)?,
            delivery: fields.required_choice(
                "Delivery",
                Delivery::SPELLINGS,
                Delivery::from_spelling,
                Delivery::Env,
            )?,
            injections: fields.required("Injections", injections).unwrap_or_default(),
        };
        fields.finish(request)
    }
}

impl Encode for RecordInjectionsRequest {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.text("TaskId", &self.task_id);
        object.text("Family", &self.family);
        object.text("ContainerName", &self.container_name);
        object.optional_text("ContainerId", self.container_id.as_deref());
        object.optional_text("DockerName", self.docker_name.as_deref());
        object.text("Delivery", self.delivery.as_str());
        object.structures("Injections", &self.injections);
    }
}

empty_response! {
    /// The injections are on record.
    RecordInjectionsResponse
}

/// Asks for bindings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListBindingsRequest {
    /// Of one container; of all if absent.
    pub container_id: Option<String>,
}

impl ListBindingsRequest {
    /// Reads the request body.
    ///
    /// # Errors
    /// `SerializationException`, `ValidationException`.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse(body)?;
        let request = Self { container_id: fields.text("ContainerId", LABEL)? };
        fields.finish(request)
    }
}

impl Encode for ListBindingsRequest {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.optional_text("ContainerId", self.container_id.as_deref());
    }
}

/// One variable of one container and the version that it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The task.
    pub task_id: String,
    /// The container's name in the task definition.
    pub container_name: String,
    /// Docker's id.
    pub container_id: String,
    /// The variable.
    pub name: String,
    /// The reference in the task definition.
    pub value_from: String,
    /// The secret or parameter.
    pub arn: String,
    /// The version.
    pub version_id: String,
    /// The version that the reference would get now; absent if the secret or parameter is gone.
    pub current_version_id: Option<String>,
}

impl Binding {
    /// Whether a replacement of the container would get another version, or none.
    pub fn is_stale(&self) -> bool {
        self.current_version_id.as_ref() != Some(&self.version_id)
    }

    fn take(fields: &mut Fields) -> Result<Self, ApiError> {
        Ok(Self {
            task_id: fields.required_text("TaskId", Text::any())?,
            container_name: fields.required_text("ContainerName", Text::any())?,
            container_id: fields.required_text("ContainerId", Text::any())?,
            name: fields.required_text("Name", Text::any())?,
            value_from: fields.required_text("ValueFrom", Text::any())?,
            arn: fields.required_text("Arn", Text::any())?,
            version_id: fields.required_text("VersionId", Text::any())?,
            current_version_id: fields.text("CurrentVersionId", Text::any())?,
        })
    }
}

impl Encode for Binding {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.text("TaskId", &self.task_id);
        object.text("ContainerName", &self.container_name);
        object.text("ContainerId", &self.container_id);
        object.text("Name", &self.name);
        object.text("ValueFrom", &self.value_from);
        object.text("Arn", &self.arn);
        object.text("VersionId", &self.version_id);
        object.optional_text("CurrentVersionId", self.current_version_id.as_deref());
    }
}

/// Bindings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListBindingsResponse {
    /// In the order of container and variable.
    pub bindings: Vec<Binding>,
}

impl ListBindingsResponse {
    /// Reads the answer's body.
    ///
    /// # Errors
    /// If a member is missing or of the wrong type.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse_answer(body)?;
        let bindings = fields.structures("Bindings", (0, usize::MAX), Binding::take)?;
        let bindings = fields.required("Bindings", bindings).unwrap_or_default();
        fields.finish(Self { bindings })
    }
}

impl Encode for ListBindingsResponse {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.structures("Bindings", &self.bindings);
    }
}

/// Drops the bindings of containers that are gone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ForgetBindingsRequest {
    /// The containers, as `ListBindings` names them.
    pub container_ids: Vec<String>,
}

impl ForgetBindingsRequest {
    /// Reads the request body.
    ///
    /// # Errors
    /// `SerializationException`, `ValidationException`.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse(body)?;
        let ids = fields.texts("ContainerIds", (1, MAX_INJECTIONS), LABEL)?;
        let container_ids = fields.required("ContainerIds", ids).unwrap_or_default();
        fields.finish(Self { container_ids })
    }
}

impl Encode for ForgetBindingsRequest {
    fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
        object.texts("ContainerIds", &self.container_ids);
    }
}

empty_response! {
    /// They are gone.
    ForgetBindingsResponse
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn injections_go_both_ways() {
        let request = RecordInjectionsRequest {
            task_id: "t".into(),
            family: "web".into(),
            container_name: "app".into(),
            container_id: Some("c0ffee".into()),
            docker_name: None,
            delivery: Delivery::Runtime,
            injections: vec![Injection {
                name: "DB".into(),
                target: InjectionTarget::LogOption,
                value_from: "arn:aws:secretsmanager:us-east-1:1:secret:db:pw::".into(),
                arn: "arn:aws:secretsmanager:us-east-1:1:secret:db-AbCdEf".into(),
                version_id: "3".into(),
            }],
        };
        assert_eq!(RecordInjectionsRequest::decode(&request.encode()).unwrap(), request);
    }

    #[test]
    fn bindings_go_both_ways() {
        let binding = Binding {
            task_id: "t".into(),
            container_name: "app".into(),
            container_id: "c0ffee".into(),
            name: "DB".into(),
            value_from: "/p".into(),
            arn: "arn".into(),
            version_id: "1".into(),
            current_version_id: Some("2".into()),
        };
        let response = ListBindingsResponse { bindings: vec![binding.clone(), binding] };
        assert_eq!(ListBindingsResponse::decode(&response.encode()).unwrap(), response);
        let request = ListBindingsRequest { container_id: Some("c".into()) };
        assert_eq!(ListBindingsRequest::decode(&request.encode()).unwrap(), request);
    }

    #[test]
    fn names_what_is_wrong() {
        let body = br#"{"TaskId": "t", "Family": "f", "ContainerName": "c", "Delivery": "mail",
                        "Injections": [{"Name": "A"}]}"#;
        let text = RecordInjectionsRequest::decode(body).unwrap_err().message;
        assert!(text.starts_with("5 validation errors detected: "), "{text}");
        assert!(text.contains("'injections.1.member.target'"), "{text}");
    }
}
