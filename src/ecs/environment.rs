//! Who wins when several sources set one environment variable or log option.
//!
//! Environment, strongest first: `secrets` > variables of the launcher >
//! `environment` > environment files, the first before the second > injected Region > the image's `ENV`. Of two entries of one
//! source the later wins. The Region is injected as `AWS_REGION` and
//! `AWS_DEFAULT_REGION`, both or none, and only if neither name is set anywhere,
//! the image included. The image's own variables are left to Docker.
//!
//! Log options: secret options over plain ones, except that an empty secret
//! leaves the plain option standing (or the option absent).
//!
//! Both functions are generic over what stands for a secret, so that a launch can
//! merge values and a plan can merge references by the same rules.

use super::plan::LogPlan;
use crate::secret::SecretValue;

/// The value of a variable or option.
#[derive(Debug)]
pub enum Setting<S> {
    /// From the task definition or the launcher.
    Plain(String),
    /// From a reference.
    Secret(S),
}

/// What can tell whether it is empty.
pub trait Emptiness {
    /// Whether there is no text.
    fn is_empty(&self) -> bool;
}

impl Emptiness for SecretValue {
    fn is_empty(&self) -> bool {
        SecretValue::is_empty(self)
    }
}

/// Merges the environment of a container. `image_env` has entries `NAME=VALUE`.
pub fn merge_environment<S>(
    environment: &[(String, String)],
    launcher: &[(String, String)],
    secrets: Vec<(String, S)>,
    files: &[Vec<(String, String)>],
    image_env: &[String],
    region: Option<&str>,
) -> Vec<(String, Setting<S>)> {
    let mut merged = Vec::new();
    for (name, value) in environment.iter().chain(launcher) {
        set(&mut merged, name.clone(), Setting::Plain(value.clone()));
    }
    for (name, value) in secrets {
        set(&mut merged, name, Setting::Secret(value));
    }
    for (name, value) in files.iter().flatten() {
        if !merged.iter().any(|(existing, _)| existing == name) {
            merged.push((name.clone(), Setting::Plain(value.clone())));
        }
    }
    const REGION_NAMES: [&str; 2] = ["AWS_REGION", "AWS_DEFAULT_REGION"];
    let in_image = |name: &str| image_env.iter().any(|entry| entry.split('=').next() == Some(name));
    let taken = REGION_NAMES.iter().any(|r| in_image(r) || merged.iter().any(|(name, _)| name == r));
    if let Some(region) = region.filter(|r| !r.is_empty() && !taken) {
        merged.extend(REGION_NAMES.map(|name| (name.to_owned(), Setting::Plain(region.to_owned()))));
    }
    merged
}

/// Merges the log options of a container.
///
/// Two options exist only on ECS's side and are translated as ECS does:
/// `awslogs-stream-prefix` becomes `awslogs-stream`, and a non-blocking driver
/// without a buffer size gets 10 MiB. Both happen before the secrets are laid
/// over, so a secret `mode` changes no buffer size.
pub fn merge_log_options<S: Emptiness>(
    log: &LogPlan,
    secrets: Vec<(String, S)>,
    container: &str,
    task_id: &str,
) -> Vec<(String, Setting<S>)> {
    let mut merged = Vec::new();
    for (name, value) in &log.options {
        if log.driver == "awslogs" && name == "awslogs-stream-prefix" {
            let stream = format!("{value}/{container}/{task_id}");
            set(&mut merged, "awslogs-stream".to_owned(), Setting::Plain(stream));
        } else {
            set(&mut merged, name.clone(), Setting::Plain(value.clone()));
        }
    }
    let plain = |wanted: &str| log.options.iter().rev().find(|(name, _)| name == wanted);
    if plain("mode").is_some_and(|(_, mode)| mode == "non-blocking") && plain("max-buffer-size").is_none() {
        set(&mut merged, "max-buffer-size".to_owned(), Setting::Plain("10m".to_owned()));
    }
    for (name, value) in secrets {
        if !name.is_empty() && !value.is_empty() {
            set(&mut merged, name, Setting::Secret(value));
        }
    }
    merged
}

/// Sets in place, so that the order is that of first mention.
fn set<S>(merged: &mut Vec<(String, Setting<S>)>, name: String, value: Setting<S>) {
    match merged.iter_mut().find(|(existing, _)| *existing == name) {
        Some((_, slot)) => *slot = value,
        None => merged.push((name, value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect()
    }

    fn shown(merged: Vec<(String, Setting<String>)>) -> Vec<String> {
        let text = |setting| match setting {
            Setting::Plain(value) => value,
            Setting::Secret(value) => format!("secret {value}"),
        };
        merged.into_iter().map(|(name, setting)| format!("{name}={}", text(setting))).collect()
    }

    impl Emptiness for String {
        fn is_empty(&self) -> bool {
            self.as_str().is_empty()
        }
    }

    #[test]
    fn secrets_win_over_the_launcher_and_the_definition() {
        let merged = merge_environment(
            &pairs(&[("A", "1"), ("B", "1"), ("C", "1"), ("A", "2")]),
            &pairs(&[("B", "2"), ("C", "2")]),
            pairs(&[("C", "3"), ("D", "3"), ("D", "4")]),
            &[],
            &["AWS_REGION=from-image".into()],
            Some("us-east-1"),
        );
        assert_eq!(shown(merged), ["A=2", "B=2", "C=secret 3", "D=secret 4"]);
    }

    #[test]
    fn region_is_injected_twice_or_not_at_all() {
        let merge = |env: &[(&str, &str)], region| {
            shown(merge_environment::<String>(
                &pairs(env),
                &[],
                Vec::new(),
                &[],
                &["PATH=/bin".into()],
                region,
            ))
        };
        assert_eq!(merge(&[], Some("eu-west-1")), ["AWS_REGION=eu-west-1", "AWS_DEFAULT_REGION=eu-west-1"]);
        assert_eq!(merge(&[("AWS_DEFAULT_REGION", "")], Some("eu-west-1")), ["AWS_DEFAULT_REGION="]);
        assert_eq!(merge(&[], Some("")), [""; 0]);
        assert_eq!(merge(&[], None), [""; 0]);
    }

    #[test]
    fn options_that_only_ecs_knows_are_translated() {
        let log = LogPlan {
            driver: "awslogs".into(),
            options: pairs(&[("awslogs-stream-prefix", "ecs"), ("mode", "non-blocking")]),
            secret_options: Vec::new(),
            routed_options: Vec::new(),
        };
        let merged = merge_log_options(&log, pairs(&[("x", ""), ("mode", "blocking")]), "web", "t1");
        assert_eq!(
            shown(merged),
            ["awslogs-stream=ecs/web/t1", "mode=secret blocking", "max-buffer-size=10m"]
        );
    }
}
