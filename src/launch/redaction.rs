//! [`Redaction`]: error texts of Docker without the values that they may repeat.
//!
//! A refused option is often quoted (`invalid size: 'VALUE'`), and a log option may
//! be a secret. Variables can be quoted when a container is made; log options
//! until it has started, because drivers read them then.

use super::error::LaunchError;
use super::runtime::RuntimeError;
use crate::ecs::injection::ContainerInjection;
use crate::secret::SecretValue;
use zeroize::Zeroizing;

/// The values to look for.
#[derive(Default)]
pub(super) struct Redaction {
    environment: Vec<Zeroizing<String>>,
    log_options: Vec<Zeroizing<String>>,
}

impl Redaction {
    /// Looks for the values of one more container.
    pub(super) fn add(&mut self, injection: &ContainerInjection) {
        self.environment.extend(injection.environment.iter().filter_map(|(_, value)| text(value)));
        self.log_options.extend(injection.log_options.iter().filter_map(|(_, value)| text(value)));
    }

    /// Every container is made.
    pub(super) fn forget_environment(&mut self) {
        self.environment.clear();
    }

    /// The error without the values.
    pub(super) fn apply(&self, error: LaunchError) -> LaunchError {
        match error {
            LaunchError::Runtime(RuntimeError::Create { container, cause }) => {
                RuntimeError::Create { container, cause: self.hide(cause) }.into()
            }
            LaunchError::Runtime(RuntimeError::Start { cause }) => {
                RuntimeError::Start { cause: self.hide(cause) }.into()
            }
            other => other,
        }
    }

    fn hide(&self, text: String) -> String {
        let values = self.environment.iter().chain(&self.log_options);
        values.fold(text, |text, value| text.replace(value.as_str(), "(secret)"))
    }
}

#[expect(clippy::disallowed_methods, reason = "error texts of Docker are searched for the values")]
fn text(value: &SecretValue) -> Option<Zeroizing<String>> {
    let text = std::str::from_utf8(value.expose()).ok()?;
    (!text.is_empty()).then(|| Zeroizing::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_value_is_hidden() {
        let value = |text: &str| SecretValue::from(text.to_owned());
        let mut redaction = Redaction::default();
        redaction.add(&ContainerInjection {
            container: "a".into(),
            environment: vec![("E".into(), value("hunter2"))],
            log_options: vec![("max-size".into(), value("canary")), ("empty".into(), value(""))],
            releases: Vec::new(),
        });
        let start = |cause: &str| LaunchError::from(RuntimeError::Start { cause: cause.into() });
        let shown = redaction.apply(start("invalid size: 'canary' hunter2")).to_string();
        assert_eq!(shown, "CannotStartContainerError: invalid size: '(secret)' (secret)");
        redaction.forget_environment();
        let shown = redaction.apply(start("canary hunter2")).to_string();
        assert_eq!(shown, "CannotStartContainerError: (secret) hunter2");
    }
}
