//! References of one container -> values, through the broker's Unix socket.
//!
//! The peer's user id says to the broker who is asking; the reads are made as the
//! execution role that the container names. The first start of a container reads
//! the current versions and binds them to its id. A later start of the same
//! container reads the bound versions again: a restart changes no secret, a
//! replacement does. All values or an error; and no value without its record.

use super::HookError;
use super::arguments::Options;
use super::reference::Variable;
use super::spec::Spec;
use crate::client::{Client, Endpoint};
use crate::ecs::injection::{Resolved, resolve};
use crate::ecs::plan::Reads;
use crate::ecs::valuefrom::{ParameterReference, SecretReference, ValueFrom};
use crate::launch::fetch;
use crate::protocol::sealdock::{Binding, Delivery, Injection, InjectionTarget, RecordInjectionsRequest};
use crate::secret::SecretValue;
use std::time::Duration;

/// Docker gives a start minutes; a broker that needs longer than this is stuck.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the hook knows about the container.
#[derive(Debug)]
pub(super) struct Target {
    container_id: String,
    task_id: String,
    family: String,
    container_name: String,
    role: String,
    region: String,
}

impl Target {
    /// Out of the container's control variables, its annotations, and the hook's own options, in this order.
    ///
    /// # Errors
    /// No execution role.
    pub(super) fn new(spec: &Spec, id: &str, options: &Options) -> Result<Self, HookError> {
        let control = |variable: &str, annotation: &str| {
            spec.control(variable).or_else(|| spec.annotation(annotation)).map(str::to_owned)
        };
        let role = control("SEALDOCK_EXECUTION_ROLE", "sealdock.execution-role")
            .or_else(|| options.execution_role.clone());
        let short_id: String = id.chars().take(12).collect();
        Ok(Self {
            container_id: id.to_owned(),
            task_id: control("SEALDOCK_TASK_ID", "sealdock.task-id").unwrap_or_else(|| id.to_owned()),
            family: control("SEALDOCK_FAMILY", "sealdock.family").unwrap_or_else(|| "standalone".to_owned()),
            container_name: control("SEALDOCK_CONTAINER_NAME", "sealdock.container-name")
                .or_else(|| spec.hostname().map(str::to_owned))
                .unwrap_or(short_id),
            role: role.ok_or(HookError::NoRole)?,
            region: control("SEALDOCK_REGION", "sealdock.region")
                .or_else(|| options.region.clone())
                .unwrap_or_default(),
        })
    }
}

/// Checks that no variable is a reference that the launcher did not write. An
/// image can set variables too, and must not choose secrets for itself.
///
/// # Errors
/// One that is not in the launcher's list, if there is a list.
pub(super) fn check_listed(spec: &Spec, variables: &[Variable]) -> Result<(), HookError> {
    let Some(list) = spec.control("SEALDOCK_VARIABLES") else { return Ok(()) };
    match variables.iter().find(|v| !list.split(',').any(|listed| listed == v.name)) {
        Some(stranger) => Err(HookError::NotListed(stranger.name.clone())),
        None => Ok(()),
    }
}

/// The values of the variables, in their order.
///
/// # Errors
/// All references without a value, or the first thing that failed around them.
pub(super) async fn inject(
    variables: &[Variable],
    target: &Target,
    options: &Options,
) -> Result<Vec<SecretValue>, HookError> {
    let work = resolve_and_record(variables, target, options);
    tokio::time::timeout(PATIENCE, work).await.map_err(|_| HookError::TooSlow(PATIENCE.as_secs()))?
}

async fn resolve_and_record(
    variables: &[Variable],
    target: &Target,
    options: &Options,
) -> Result<Vec<SecretValue>, HookError> {
    let parsed = parse(variables)?;
    let region = region(&parsed, target)?;
    let client = Client::new(Endpoint::Unix(options.socket.clone()), None, &region)?;
    let bindings = client.list_bindings(Some(&target.container_id));
    let session = fetch::act_as(&client, &target.role, &target.task_id, &target.family);
    let (bindings, reader) = tokio::join!(bindings, session);
    let (bindings, reader) = (bindings?, reader.map_err(|e| HookError::Session(target.role.clone(), e))?);

    let bound = variables.iter().zip(parsed).map(|(variable, parsed)| bind(variable, parsed, &bindings));
    let bound: Vec<ValueFrom> = bound.collect();
    let fetched = fetch::fetch(&reader, &Reads::of(&bound)).await;
    let mut resolved = Vec::new();
    let mut failures = Vec::new();
    for (variable, reference) in variables.iter().zip(&bound) {
        match resolve(reference, &fetched) {
            Ok(found) => resolved.push((variable, found)),
            Err(reason) => failures.push(failure(variable, &reason.to_string())),
        }
    }
    if !failures.is_empty() {
        return Err(HookError::Unresolved(failures.join("; ")));
    }
    client.record_injections(&record(&resolved, target)).await.map_err(HookError::NotRecorded)?;
    Ok(resolved.into_iter().map(|(_, found)| found.value).collect())
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

/// The reference narrowed to the version that the container holds, if it holds one.
fn bind(variable: &Variable, reference: ValueFrom, bindings: &[Binding]) -> ValueFrom {
    let is_same = |b: &&Binding| b.name == variable.name && b.value_from == variable.reference;
    let Some(binding) = bindings.iter().find(is_same) else { return reference };
    match reference {
        ValueFrom::Secret(secret) => ValueFrom::Secret(SecretReference {
            // A secret that was deleted and made again under its name is another secret.
            secret_id: binding.arn.clone(),
            version_stage: None,
            version_id: Some(binding.version_id.clone()),
            ..secret
        }),
        ValueFrom::Parameter(parameter) => ValueFrom::Parameter(ParameterReference {
            name: format!("{}:{}", parameter.name, binding.version_id),
            ..parameter
        }),
    }
}

fn record(resolved: &[(&Variable, Resolved)], target: &Target) -> RecordInjectionsRequest {
    let injections = resolved.iter().map(|(variable, found)| Injection {
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
    use super::*;

    const SECRET: &str = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:db:pw:AWSCURRENT:";

    fn variable(name: &str, reference: &str) -> Variable {
        Variable { name: name.into(), reference: reference.into(), file: None }
    }

    fn binding(name: &str, value_from: &str, arn: &str, version_id: &str) -> Binding {
        Binding {
            task_id: "t".into(),
            container_name: "app".into(),
            container_id: "c".into(),
            name: name.into(),
            value_from: value_from.into(),
            arn: arn.into(),
            version_id: version_id.into(),
            current_version_id: None,
        }
    }

    fn target(spec: &str, options: &Options) -> Result<Target, HookError> {
        Target::new(&Spec::bundle(spec.to_owned()).unwrap(), "0123456789abcdef", options)
    }

    #[test]
    fn a_bound_secret_is_read_by_version_and_arn() {
        let bindings = [binding("DB", SECRET, "arn:of:it-AbCdEf", "v7"), binding("P", "/p", "arn:p", "3")];
        let ValueFrom::Secret(secret) =
            bind(&variable("DB", SECRET), ValueFrom::parse(SECRET).unwrap(), &bindings)
        else {
            panic!()
        };
        assert_eq!(
            (secret.secret_id.as_str(), secret.version_id.as_deref()),
            ("arn:of:it-AbCdEf", Some("v7"))
        );
        assert_eq!((secret.version_stage, secret.json_key.as_deref()), (None, Some("pw")));
        let ValueFrom::Parameter(parameter) =
            bind(&variable("P", "/p"), ValueFrom::parse("/p").unwrap(), &bindings)
        else {
            panic!()
        };
        assert_eq!(parameter.name, "/p:3");
    }

    #[test]
    fn another_reference_under_the_same_name_is_not_bound() {
        let bindings = [binding("P", "/old", "arn:p", "3")];
        let fresh = bind(&variable("P", "/p"), ValueFrom::parse("/p").unwrap(), &bindings);
        assert_eq!(fresh, ValueFrom::parse("/p").unwrap());
    }

    #[test]
    fn the_container_says_its_role_or_the_hook_does() {
        let with_role = r#"{"hostname":"h","process":{"env":["SEALDOCK_EXECUTION_ROLE=r1"]}}"#;
        let options = Options { execution_role: Some("r0".into()), ..Options::default() };
        let found = target(with_role, &options).unwrap();
        assert_eq!((found.role.as_str(), found.container_name.as_str()), ("r1", "h"));
        assert_eq!(target("{}", &options).unwrap().role, "r0");
        assert_eq!(target("{}", &options).unwrap().container_name, "0123456789ab");
        assert!(matches!(target("{}", &Options::default()), Err(HookError::NoRole)));
    }

    #[test]
    fn a_bare_name_needs_a_region() {
        let plain =
            target("{}", &Options { execution_role: Some("r".into()), ..Options::default() }).unwrap();
        let bare = ValueFrom::parse("/p").unwrap();
        let secret = ValueFrom::parse(SECRET).unwrap();
        assert!(matches!(region(std::slice::from_ref(&bare), &plain), Err(HookError::NoRegion)));
        assert_eq!(region(std::slice::from_ref(&secret), &plain).unwrap(), "eu-west-1");
        let set = Target { region: "us-east-1".into(), ..plain };
        assert_eq!(region(&[bare, secret], &set).unwrap(), "us-east-1");
    }

    #[test]
    fn an_image_cannot_add_references_to_a_task() {
        let spec = r#"{"process":{"env":["SEALDOCK_VARIABLES=A,B","A=sealdock:/a","C=sealdock:/c"]}}"#;
        let spec = Spec::bundle(spec.to_owned()).unwrap();
        let error = check_listed(&spec, &spec.variables()).unwrap_err();
        assert!(error.to_string().contains("`C`"), "{error}");
        assert!(check_listed(&spec, &[variable("A", "/a")]).is_ok());
        let open = Spec::bundle("{}".to_owned()).unwrap();
        assert!(check_listed(&open, &[variable("A", "/a")]).is_ok());
    }

    #[test]
    fn all_bad_references_are_named() {
        let error = parse(&[variable("A", "arn:x"), variable("OK", "/p"), variable("B", "")]).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("`A`") && text.contains("`B`") && !text.contains("`OK`"), "{text}");
    }
}
