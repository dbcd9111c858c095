//! References of one container -> values, through the broker's Unix socket.
//!
//! The peer's user id says to the broker who is asking; the reads are made as the
//! execution role that the container names. The first start of a container reads
//! the current versions and binds them to its id. A later start of the same
//! container reads the bound versions again: a restart changes no secret, a
//! replacement does. All values or an error, in one request; and a second one that
//! puts on record what the container gets.

use super::HookError;
use super::arguments::Options;
use super::reference::Variable;
use super::target::Target;
use crate::client::{ClientError, LocalClient, Sent};
use crate::ecs::valuefrom::ValueFrom;
use crate::protocol::Operation;
use crate::protocol::sealdock::{
    Delivery, Injection, InjectionTarget, NamedReference, RecordInjectionsRequest, ResolveInjectionsRequest,
    ResolveInjectionsResponse, ResolvedInjection,
};
use crate::secret::SecretValue;
use std::time::Duration;

/// A connection to the broker, for the requests of one container.
#[derive(Debug)]
pub(super) struct Connection {
    client: LocalClient,
    patience: Duration,
}

/// What still has to be put on record.
#[derive(Debug)]
#[must_use = "no process may run before it is on record"]
pub(super) struct Unrecorded(RecordInjectionsRequest);

impl Connection {
    /// Nothing is connected yet.
    pub(super) fn new(options: &Options) -> Self {
        let patience = Duration::from_secs(options.timeout);
        Self { client: LocalClient::new(options.socket.clone(), patience), patience }
    }

    /// Asks for the values of the variables, and does not wait for them.
    ///
    /// # Errors
    /// References that can have no value.
    pub(super) fn ask(&mut self, variables: &[Variable], target: &Target) -> Result<Sent, HookError> {
        Ok(self.client.send(Operation::ResolveInjections, &request(variables, target)?))
    }

    /// The values of the variables, in their order.
    ///
    /// # Errors
    /// All references without a value, or the first thing that failed around them.
    pub(super) fn values(
        &mut self,
        asked: Sent,
        variables: &[Variable],
        target: &Target,
    ) -> Result<(Vec<SecretValue>, Unrecorded), HookError> {
        let answer = self.client.finish(asked, ResolveInjectionsResponse::decode);
        let ResolveInjectionsResponse { values, failures } = answer.map_err(|cause| match &cause {
            ClientError::Timeout { .. } => self.too_slow(),
            // The one decision that the broker makes about the request as a whole.
            ClientError::Api { code, .. } if code == "AccessDeniedException" => {
                HookError::Session(target.role.clone(), cause)
            }
            _ => cause.into(),
        })?;
        if !failures.is_empty() {
            let named = |name: &str| variables.iter().find(|v| v.name == name);
            let failures = failures.iter().map(|failed| match named(&failed.name) {
                Some(variable) => failure(variable, &failed.reason),
                None => failed.reason.clone(),
            });
            return Err(HookError::Unresolved(failures.collect::<Vec<_>>().join("; ")));
        }
        if values.len() != variables.len() {
            return Err(HookError::Incomplete);
        }
        let unrecorded = Unrecorded(record(variables, &values, target));
        Ok((values.into_iter().map(|found| found.value).collect(), unrecorded))
    }

    /// Puts on record what the container gets, and binds the versions to it.
    ///
    /// # Errors
    /// It is not on record; the container must not run.
    pub(super) fn record(&mut self, Unrecorded(request): Unrecorded) -> Result<(), HookError> {
        let sent = self.client.send(Operation::RecordInjections, &request);
        self.client.finish(sent, |_| Ok(())).map_err(|cause| match cause {
            ClientError::Timeout { .. } => self.too_slow(),
            _ => HookError::NotRecorded(cause),
        })
    }

    fn too_slow(&self) -> HookError {
        HookError::TooSlow(self.patience.as_secs())
    }
}

fn request(variables: &[Variable], target: &Target) -> Result<ResolveInjectionsRequest, HookError> {
    let region = region(&parse(variables)?, target)?;
    let references = variables.iter().map(|variable| NamedReference {
        name: variable.name.clone(),
        value_from: variable.reference.clone(),
    });
    Ok(ResolveInjectionsRequest {
        role_arn: target.role.clone(),
        task_id: target.task_id.clone(),
        family: target.family.clone(),
        container_id: target.container_id.clone(),
        region: Some(region).filter(|region| !region.is_empty()),
        references: references.collect(),
    })
}

fn parse(variables: &[Variable]) -> Result<Vec<ValueFrom>, HookError> {
    let results =
        variables.iter().map(|v| ValueFrom::parse(&v.reference).map_err(|e| failure(v, &e.to_string())));
    let (parsed, failed): (Vec<_>, Vec<_>) = results.partition(Result::is_ok);
    if failed.is_empty() {
        return Ok(parsed.into_iter().flatten().collect());
    }
    let failures: Vec<String> = failed.into_iter().filter_map(Result::err).collect();
    Err(HookError::Unresolved(failures.join("; ")))
}

fn failure(variable: &Variable, reason: &str) -> String {
    format!("environment variable `{}`: `{}`: {reason}", variable.name, variable.reference)
}

/// The Region of references without one: the container's, or that of the others.
fn region(references: &[ValueFrom], target: &Target) -> Result<String, HookError> {
    let named = references.iter().filter_map(|reference| match reference {
        ValueFrom::Secret(secret) => Some(secret.arn.region.clone()),
        ValueFrom::Parameter(parameter) => parameter.region.clone(),
    });
    let without = |r: &ValueFrom| matches!(r, ValueFrom::Parameter(p) if p.region.is_none());
    match target.region.as_str() {
        "" if references.iter().any(without) => Err(HookError::NoRegion),
        "" => Ok(named.into_iter().next().unwrap_or_default()),
        region => Ok(region.to_owned()),
    }
}

fn record(variables: &[Variable], values: &[ResolvedInjection], target: &Target) -> RecordInjectionsRequest {
    let injections = variables.iter().zip(values).map(|(variable, found)| Injection {
        name: variable.name.clone(),
        target: match &variable.file {
            None => InjectionTarget::Environment,
            Some(_) => InjectionTarget::File,
        },
        value_from: variable.reference.clone(),
        arn: found.arn.clone(),
        version_id: found.version_id.clone(),
    });
    RecordInjectionsRequest {
        task_id: target.task_id.clone(),
        family: target.family.clone(),
        container_name: target.container_name.clone(),
        container_id: Some(target.container_id.clone()),
        docker_name: None,
        delivery: Delivery::Runtime,
        injections: injections.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::provenance::Provenance;
    use super::super::spec::Spec;
    use super::*;

    const SECRET: &str = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:db:pw:AWSCURRENT:";

    fn variable(name: &str, reference: &str) -> Variable {
        Variable { name: name.into(), reference: reference.into(), file: None }
    }

    #[test]
    fn a_bare_name_needs_a_region() {
        let options = Options { execution_role: Some("r".into()), ..Options::default() };
        let spec = Spec::bundle("{}".to_owned()).unwrap();
        let plain =
            Target::new(&spec, &Provenance::find(&spec, "/b".as_ref(), "c", true), "c", &options).unwrap();
        let bare = ValueFrom::parse("/p").unwrap();
        let secret = ValueFrom::parse(SECRET).unwrap();
        assert!(matches!(region(std::slice::from_ref(&bare), &plain), Err(HookError::NoRegion)));
        assert_eq!(region(std::slice::from_ref(&secret), &plain).unwrap(), "eu-west-1");
        let set = Target { region: "us-east-1".into(), ..plain };
        assert_eq!(region(&[bare, secret], &set).unwrap(), "us-east-1");
    }

    #[test]
    fn all_bad_references_are_named() {
        let error = parse(&[variable("A", "arn:x"), variable("OK", "/p"), variable("B", "")]).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("`A`") && text.contains("`B`") && !text.contains("`OK`"), "{text}");
    }
}
