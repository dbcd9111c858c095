//! [`Injection`]: the values of a launch, all of them.
//!
//! It has no other constructor than [`Injection::resolve`], which takes the whole
//! plan and gives either every value or every reason why not. So a container
//! with an empty or missing secret cannot come about by an oversight. A secret
//! that really is empty is a value like any other.

use super::fetched::{FetchError, Fetched};
use super::gojson::Shape;
use super::plan::{ParameterRead, SecretRead, TaskPlan};
use super::render::{RenderError, render};
use super::{definition::SecretBinding, valuefrom::ValueFrom};
use crate::diagnostic::Diagnostic;
use crate::secret::SecretValue;
use std::fmt;
use std::ops::Range;

/// Every value of a launch, by container in start order.
pub struct Injection {
    containers: Vec<ContainerInjection>,
}

/// The values of one container.
pub struct ContainerInjection {
    /// Its name within the task.
    pub container: String,
    /// Values of `secrets`, in order.
    pub environment: Vec<(String, SecretValue)>,
    /// Values of `secretOptions`, in order.
    pub log_options: Vec<(String, SecretValue)>,
    /// What to record about each of them.
    pub releases: Vec<Release>,
}

/// Where a value goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// An environment variable.
    Environment,
    /// A log option.
    LogOption,
}

/// A released value, without the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// Variable or option.
    pub name: String,
    /// Which of both.
    pub target: Target,
    /// The reference as written.
    pub value_from: String,
    /// ARN of the secret or parameter.
    pub arn: String,
    /// Version id of the secret, or version number of the parameter.
    pub version_id: String,
    /// Set when the JSON value was not a string.
    pub shape: Option<Shape>,
    /// Place of the reference in the task definition.
    pub span: Range<usize>,
}

/// A value and where it came from.
#[derive(Debug)]
pub struct Resolved {
    /// The value.
    pub value: SecretValue,
    /// ARN of the secret or parameter.
    pub arn: String,
    /// Version id of the secret, or version number of the parameter.
    pub version_id: String,
    /// Set when the JSON value was not a string.
    pub shape: Option<Shape>,
}

/// Why a reference has no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// The call failed.
    #[error("{text}")]
    Fetch {
        /// The agent's text.
        text: String,
        /// The service's error code, if it answered.
        code: Option<String>,
    },
    /// The secret has no text.
    #[error("secret {secret_id} holds binary data, which has no text form")]
    Binary {
        /// The secret.
        secret_id: String,
    },
    /// The secret does not give what the reference asks for.
    #[error("secret {secret_id}: {error}")]
    Render {
        /// The secret.
        secret_id: String,
        /// The agent's text.
        error: RenderError,
    },
    /// The value cannot be handed to a process.
    #[error("the value contains a NUL byte, at which the container would see it end")]
    Nul,
    /// The value cannot be handed to Docker.
    #[error("the value is not UTF-8 text")]
    NotText,
    /// The plan's calls were not all made.
    #[error("the reference was not looked up")]
    NotRead,
}

/// A reference without a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("container `{container}`: {} `{name}`: `{value_from}`: {reason}", target_text(*target))]
pub struct Unresolved {
    /// The container.
    pub container: String,
    /// Variable or option.
    pub name: String,
    /// Which of both.
    pub target: Target,
    /// The reference as written.
    pub value_from: String,
    /// Why.
    pub reason: Reason,
    /// Place of the reference in the task definition.
    pub span: Range<usize>,
}

impl Injection {
    /// Gives every reference of the plan its value.
    ///
    /// # Errors
    /// Every reference that has none, in start order of the containers.
    pub fn resolve(plan: &TaskPlan, fetched: &Fetched) -> Result<Self, Vec<Unresolved>> {
        let mut containers = Vec::new();
        let mut unresolved = Vec::new();
        for container in &plan.containers {
            let mut injection = ContainerInjection {
                container: container.name.clone(),
                environment: Vec::new(),
                log_options: Vec::new(),
                releases: Vec::new(),
            };
            let options = container.log.iter().flat_map(|log| &log.secret_options);
            let bindings = (container.secrets.iter().map(|b| (Target::Environment, b)))
                .chain(options.map(|b| (Target::LogOption, b)));
            for (target, binding) in bindings {
                match resolve(&binding.value_from, fetched) {
                    Ok(resolved) => injection.add(target, binding, resolved),
                    Err(reason) => unresolved.push(Unresolved {
                        container: container.name.clone(),
                        name: binding.name.clone(),
                        target,
                        value_from: binding.text.clone(),
                        reason,
                        span: binding.span.clone(),
                    }),
                }
            }
            containers.push(injection);
        }
        if unresolved.is_empty() { Ok(Self { containers }) } else { Err(unresolved) }
    }

    /// The values, container by container in start order.
    pub fn into_containers(self) -> Vec<ContainerInjection> {
        self.containers
    }

    /// One warning for each value that is not a string in its secret. It tells
    /// the shape of the text and nothing of the value.
    pub fn warnings(&self) -> Vec<Diagnostic> {
        let releases = self.containers.iter().flat_map(|c| c.releases.iter().map(move |r| (c, r)));
        releases
            .filter_map(|(container, release)| {
                let shape = release.shape?;
                let message = format!("container `{}`: `{}` is {shape}", container.container, release.name);
                let warning = Diagnostic::warning("ECS0302", message)
                    .at(release.span.clone(), "this key does not hold a string")
                    .help("store the value as a JSON string to have it injected as it is");
                Some(warning)
            })
            .collect()
    }
}

impl ContainerInjection {
    fn add(&mut self, target: Target, binding: &SecretBinding, resolved: Resolved) {
        self.releases.push(Release {
            name: binding.name.clone(),
            target,
            value_from: binding.text.clone(),
            arn: resolved.arn,
            version_id: resolved.version_id,
            shape: resolved.shape,
            span: binding.span.clone(),
        });
        let values = match target {
            Target::Environment => &mut self.environment,
            Target::LogOption => &mut self.log_options,
        };
        values.push((binding.name.clone(), resolved.value));
    }
}

/// The value of one reference, out of the answers.
///
/// # Errors
/// See [`Reason`].
#[expect(
    clippy::disallowed_methods,
    reason = "the text for the container is made from the fetched plaintext here, and nowhere else"
)]
pub fn resolve(reference: &ValueFrom, fetched: &Fetched) -> Result<Resolved, Reason> {
    let resolved = match reference {
        ValueFrom::Secret(secret) => {
            let read = SecretRead::of(secret);
            let secret_id = || read.secret_id.clone();
            let found = fetched.find_secret(&read).ok_or(Reason::NotRead)?;
            let found = found.as_ref().map_err(|e| failed(Fetched::secret_failure(&read, e), e))?;
            let text = found.text.as_ref().ok_or_else(|| Reason::Binary { secret_id: secret_id() })?;
            let text = std::str::from_utf8(text.expose()).map_err(|_| Reason::NotText)?;
            let rendered = render(text, secret.json_key.as_deref())
                .map_err(|error| Reason::Render { secret_id: secret_id(), error })?;
            Resolved {
                value: rendered.value,
                arn: found.arn.clone(),
                version_id: found.version_id.clone(),
                shape: rendered.warning,
            }
        }
        ValueFrom::Parameter(parameter) => {
            let read = ParameterRead::of(parameter);
            let found = fetched.find_parameter(&read).ok_or(Reason::NotRead)?;
            let found = found.as_ref().map_err(|e| failed(fetched.parameter_failure(&read, e), e))?;
            std::str::from_utf8(found.value.expose()).map_err(|_| Reason::NotText)?;
            Resolved {
                value: SecretValue::new(found.value.expose().to_vec()),
                arn: found.arn.clone(),
                version_id: found.version.clone(),
                shape: None,
            }
        }
    };
    if resolved.value.expose().contains(&0) { Err(Reason::Nul) } else { Ok(resolved) }
}

fn failed(text: String, error: &FetchError) -> Reason {
    let code = match error {
        FetchError::Service { code, .. } => Some(code.clone()),
        _ => None,
    };
    Reason::Fetch { text, code }
}

impl Unresolved {
    /// The same, pointing into the task definition.
    pub fn diagnostic(&self) -> Diagnostic {
        let Self { container, name, value_from, reason, .. } = self;
        let what = target_text(self.target);
        let message = format!("container `{container}`: {what} `{name}` has no value: {reason}");
        let diagnostic =
            Diagnostic::error("ECS0301", message).at(self.span.clone(), format!("`{value_from}`"));
        match self.help() {
            Some(help) => diagnostic.help(help),
            None => diagnostic,
        }
    }

    fn help(&self) -> Option<&'static str> {
        match &self.reason {
            Reason::Fetch { code: Some(code), .. } if code.starts_with("AccessDenied") => {
                Some("the execution role needs secretsmanager:GetSecretValue or ssm:GetParameters on it")
            }
            Reason::Fetch { code: Some(code), .. } if code == "ResourceNotFoundException" => {
                Some("check the name, the Region, the stage and the version id of the reference")
            }
            Reason::Binary { .. } => Some("store the value as SecretString"),
            Reason::Render { error: RenderError::MissingKey { .. }, .. } => {
                Some("keys are case-sensitive and looked up at the top level of the JSON object only")
            }
            Reason::Render { .. } => Some(
                "a reference with a JSON key needs a secret that is a JSON object; without the key the \
                 whole secret is injected",
            ),
            _ => None,
        }
    }
}

fn target_text(target: Target) -> &'static str {
    match target {
        Target::Environment => "environment variable",
        Target::LogOption => "log option",
    }
}

impl fmt::Debug for Injection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Injection(..)")
    }
}

impl fmt::Debug for ContainerInjection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ContainerInjection({}, ..)", self.container)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ecs::fetched::{FetchedParameter, FetchedSecret};
    use std::collections::HashMap;

    const DB: &str = "arn:aws:secretsmanager:us-east-1:1:secret:db-AbCdEf";

    fn plan() -> TaskPlan {
        let text = format!(
            r#"{{"family": "f", "executionRoleArn": "arn:aws:iam::1:role/e", "containerDefinitions": [
                {{"name": "app", "image": "i", "memory": 64,
                  "dependsOn": [{{"containerName": "side", "condition": "START"}}],
                  "secrets": [{{"name": "A", "valueFrom": "{DB}:n::"}}, {{"name": "P", "valueFrom": "p"}}]}},
                {{"name": "side", "image": "i", "memory": 64,
                  "logConfiguration": {{"logDriver": "splunk", "options": {{"splunk-url": "u"}},
                    "secretOptions": [{{"name": "splunk-token", "valueFrom": "{DB}:t:AWSCURRENT:"}}]}}}}]}}"#
        );
        crate::ecs::parse(&text).unwrap().plan().unwrap()
    }

    fn fetched(plan: &TaskPlan, text: &str, parameter: &str) -> Fetched {
        let mut fetched = Fetched::new("us-east-1");
        for read in &plan.reads.secrets {
            let text = Some(SecretValue::from(text.to_owned()));
            let secret = FetchedSecret { arn: DB.into(), version_id: "v1".into(), text };
            fetched.secret(read.clone(), Ok(secret));
        }
        for batch in &plan.reads.parameters {
            let value = SecretValue::from(parameter.to_owned());
            let parameter = FetchedParameter { arn: "arn:p".into(), version: "3".into(), value };
            fetched.parameters(batch, Ok(HashMap::from([("p".to_owned(), parameter)])));
        }
        fetched
    }

    #[test]
    fn values_come_with_what_is_to_be_recorded() {
        let plan = plan();
        assert_eq!((plan.reads.secrets.len(), plan.reads.parameters.len()), (1, 1));
        let injection = Injection::resolve(&plan, &fetched(&plan, r#"{"n":5,"t":"tok"}"#, "")).unwrap();
        assert_eq!(injection.warnings().len(), 1);
        assert_eq!(format!("{injection:?}"), "Injection(..)");
        let containers = injection.into_containers();
        let [side, app] = containers.as_slice() else { panic!("two containers") };
        assert_eq!((side.container.as_str(), app.container.as_str()), ("side", "app"));
        assert_eq!((side.log_options.len(), side.environment.len()), (1, 0));
        assert_eq!((app.environment[1].0.as_str(), app.environment[1].1.is_empty()), ("P", true));
        let release = &side.releases[0];
        assert_eq!((release.target, release.arn.as_str()), (Target::LogOption, DB));
        assert_eq!((app.releases[1].version_id.as_str(), app.releases[1].shape), ("3", None));
        assert!(!format!("{containers:?}").contains("tok"));
    }

    #[test]
    fn nothing_is_injected_unless_everything_is_there() {
        let plan = plan();
        let half = fetched(&plan, r#"{"n":"canary\u0000x","t":"tok"}"#, "canary");
        let unresolved = Injection::resolve(&plan, &half).unwrap_err();
        assert_eq!(unresolved.len(), 1);
        assert_eq!((&unresolved[0].reason, unresolved[0].container.as_str()), (&Reason::Nul, "app"));

        let unresolved = Injection::resolve(&plan, &Fetched::new("us-east-1")).unwrap_err();
        let names: Vec<&str> = unresolved.iter().map(|u| u.name.as_str()).collect();
        assert_eq!(names, ["splunk-token", "A", "P"]);
        assert!(unresolved.iter().all(|u| u.reason == Reason::NotRead));
    }

    #[test]
    fn a_failure_names_everything_and_shows_nothing() {
        let plan = plan();
        let unresolved =
            Injection::resolve(&plan, &fetched(&plan, r#"{"t":"canary"}"#, "canary")).unwrap_err();
        let diagnostic = unresolved[0].diagnostic();
        assert_eq!(
            diagnostic.message,
            format!(
                "container `app`: environment variable `A` has no value: secret {DB}: retrieved secret from \
                 Secrets Manager did not contain json key n"
            )
        );
        assert!(!format!("{unresolved:?} {diagnostic:?}").contains("canary"));
    }
}
