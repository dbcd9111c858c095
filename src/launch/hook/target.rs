//! What a container says about itself to the hook, and whether it may.
//!
//! | setting | variable | label or annotation |
//! |---|---|---|
//! | the role that reads | `SEALDOCK_EXECUTION_ROLE` | `sealdock.execution-role` |
//! | the Region of references without one | `SEALDOCK_REGION` | `sealdock.region` |
//! | the variables that may be references | `SEALDOCK_VARIABLES` | `sealdock.variables` |
//! | the task, for the audit log | `SEALDOCK_TASK_ID`, `SEALDOCK_FAMILY`, `SEALDOCK_CONTAINER_NAME` | `sealdock.task-id`, ... |
//!
//! The variable goes before the label, the label before the annotation, and all of
//! them before the hook's own options. None of them counts if the image sets it:
//! neither a setting nor a reference. With a list of variables, the list alone says
//! what may be a reference, whoever set it.

use super::HookError;
use super::arguments::Options;
use super::provenance::{Origin, Provenance};
use super::reference::Variable;
use super::spec::Spec;

/// What the hook knows about the container.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) container_id: String,
    pub(super) task_id: String,
    pub(super) family: String,
    pub(super) container_name: String,
    pub(super) role: String,
    /// Of references without one; empty if none is set.
    pub(super) region: String,
    pub(super) variables: Option<String>,
}

/// A setting's names: variable, and label or annotation.
type Names = (&'static str, &'static str);

const ROLE: Names = ("SEALDOCK_EXECUTION_ROLE", "sealdock.execution-role");
const REGION: Names = ("SEALDOCK_REGION", "sealdock.region");
const VARIABLES: Names = ("SEALDOCK_VARIABLES", "sealdock.variables");
const TASK: Names = ("SEALDOCK_TASK_ID", "sealdock.task-id");
const FAMILY: Names = ("SEALDOCK_FAMILY", "sealdock.family");
const CONTAINER: Names = ("SEALDOCK_CONTAINER_NAME", "sealdock.container-name");

impl Target {
    /// Reads the settings.
    ///
    /// # Errors
    /// A setting of the image, or no execution role.
    pub(super) fn new(
        spec: &Spec,
        provenance: &Provenance,
        id: &str,
        options: &Options,
    ) -> Result<Self, HookError> {
        let setting = |names| setting(spec, provenance, names);
        let role = setting(ROLE)?.or_else(|| options.execution_role.clone());
        let short_id: String = id.chars().take(12).collect();
        Ok(Self {
            container_id: id.to_owned(),
            task_id: setting(TASK)?.unwrap_or_else(|| id.to_owned()),
            family: setting(FAMILY)?.unwrap_or_else(|| "standalone".to_owned()),
            container_name: setting(CONTAINER)?
                .or_else(|| spec.hostname().map(str::to_owned))
                .unwrap_or(short_id),
            role: role.ok_or(HookError::NoRole)?,
            region: setting(REGION)?.or_else(|| options.region.clone()).unwrap_or_default(),
            variables: setting(VARIABLES)?,
        })
    }

    /// Checks that each of the references is meant for the container.
    ///
    /// # Errors
    /// One that is not in the list, if there is a list; otherwise one that the image sets.
    pub(super) fn check(
        &self,
        spec: &Spec,
        provenance: &Provenance,
        variables: &[Variable],
    ) -> Result<(), HookError> {
        if let Some(list) = &self.variables {
            let is_listed = |v: &&Variable| list.split(',').any(|listed| listed.trim() == v.name);
            return match variables.iter().find(|v| !is_listed(v)) {
                Some(stranger) => Err(HookError::NotListed(stranger.name.clone())),
                None => Ok(()),
            };
        }
        for Variable { name, .. } in variables {
            match provenance.of_variable(name, spec.control(name).unwrap_or_default()) {
                Origin::Starter => {}
                Origin::Image => return Err(HookError::ImageReference(name.clone())),
                Origin::Unknown(reason) => {
                    return Err(HookError::UnknownOrigin(format!("environment variable `{name}`"), reason));
                }
            }
        }
        Ok(())
    }
}

fn setting(
    spec: &Spec,
    provenance: &Provenance,
    (variable, label): Names,
) -> Result<Option<String>, HookError> {
    let variable_value = spec.control(variable);
    let annotation = spec.annotation(label);
    let allowed = |what: String, value: &str, origin| match origin {
        Origin::Starter => Ok(Some(value.to_owned())),
        Origin::Image => Err(HookError::ImageSetting(what)),
        Origin::Unknown(reason) => Err(HookError::UnknownOrigin(what, reason)),
    };
    if let Some(value) = variable_value {
        let origin = provenance.of_variable(variable, value);
        return allowed(format!("environment variable `{variable}`"), value, origin);
    }
    if let Some((value, origin)) = provenance.label(label) {
        return allowed(format!("label `{label}`"), value, origin);
    }
    match annotation {
        Some(value) => {
            allowed(format!("annotation `{label}`"), value, provenance.of_annotation(label, value))
        }
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(role: Option<&str>) -> Options {
        Options { execution_role: role.map(str::to_owned), ..Options::default() }
    }

    fn trusting(spec: &Spec) -> Provenance {
        Provenance::find(spec, "/b".as_ref(), "c", true)
    }

    fn target(spec: &str, options: &Options) -> Result<Target, HookError> {
        let (spec, id) = (Spec::bundle(spec.to_owned()).unwrap(), "0123456789abcdef");
        Target::new(&spec, &trusting(&spec), id, options)
    }

    #[test]
    fn the_container_says_its_role_or_the_hook_does() {
        let with_role = r#"{"hostname":"h","process":{"env":["SEALDOCK_EXECUTION_ROLE=r1"]}}"#;
        let found = target(with_role, &options(Some("r0"))).unwrap();
        assert_eq!((found.role.as_str(), found.container_name.as_str()), ("r1", "h"));
        assert_eq!(target("{}", &options(Some("r0"))).unwrap().role, "r0");
        assert_eq!(target("{}", &options(Some("r0"))).unwrap().container_name, "0123456789ab");
        assert!(matches!(target("{}", &options(None)), Err(HookError::NoRole)));
    }

    #[test]
    fn an_image_cannot_add_references_to_a_task() {
        let spec = r#"{"process":{"env":["SEALDOCK_VARIABLES=A, B","A=sealdock:/a","C=sealdock:/c"]}}"#;
        let found = target(spec, &options(Some("r"))).unwrap();
        let spec = Spec::bundle(spec.to_owned()).unwrap();
        let error = found.check(&spec, &trusting(&spec), &spec.variables()).unwrap_err();
        assert!(error.to_string().contains("`C`"), "{error}");
        assert!(found.check(&spec, &trusting(&spec), &spec.variables()[..1]).is_ok());
    }

    #[test]
    fn without_a_known_origin_only_annotations_count() {
        let find = |text: &str| {
            let spec = Spec::bundle(text.to_owned()).unwrap();
            let provenance = Provenance::find(&spec, "/b".as_ref(), "c", false);
            let target = Target::new(&spec, &provenance, "c", &options(None))?;
            target.check(&spec, &provenance, &spec.variables())
        };
        let role = r#""annotations":{"sealdock.execution-role":"r""#;
        let listed =
            format!(r#"{{{role},"sealdock.variables":"A"}},"process":{{"env":["A=sealdock:/a"]}}}}"#);
        find(&listed).unwrap();
        let unlisted = format!(r#"{{{role}}},"process":{{"env":["A=sealdock:/a"]}}}}"#);
        let text = find(&unlisted).unwrap_err().to_string();
        assert!(text.contains("`A`") && text.contains("sealdock.variables"), "{text}");
        let by_variable = r#"{"process":{"env":["A=sealdock:/a","SEALDOCK_EXECUTION_ROLE=r"]}}"#;
        assert!(matches!(find(by_variable), Err(HookError::UnknownOrigin(..))));
    }
}
