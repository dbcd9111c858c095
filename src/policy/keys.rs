//! [`ConditionKeys`]: what conditions and policy variables can ask about one request.
//!
//! ```text
//! secretsmanager:VersionStage -> AWSCURRENT
//! aws:TagKeys                 -> team, stage        a multivalued key
//! ```
//!
//! A key that is not here is absent, which is not the same as empty: negated
//! operators and `Null` see the difference. Case does not matter in the name of a key.
//!
//! Source: IAM User Guide, "IAM JSON policy elements: Condition" and "Single-valued vs.
//! multivalued context keys".

use std::borrow::Cow;

/// Condition keys of one request. Handlers set the keys of their service; those that
/// every request has (`aws:SourceIp`, `aws:PrincipalArn`, ...) are known without being set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConditionKeys {
    entries: Vec<(Cow<'static, str>, Values)>,
}

/// Most keys have one value.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Values {
    One(String),
    Many(Vec<String>),
}

impl ConditionKeys {
    /// No keys.
    pub const fn new() -> Self {
        Self { entries: Vec::new() }
    }

    /// Sets a single-valued key, whatever it was.
    pub fn set(&mut self, key: impl Into<Cow<'static, str>>, value: impl Into<String>) {
        self.put(key.into(), Values::One(value.into()));
    }

    /// As [`ConditionKeys::set`], if there is a value.
    pub fn set_some(&mut self, key: impl Into<Cow<'static, str>>, value: Option<impl Into<String>>) {
        if let Some(value) = value {
            self.set(key, value);
        }
    }

    /// Adds a value to a multivalued key, such as `aws:TagKeys`.
    pub fn add(&mut self, key: impl Into<Cow<'static, str>>, value: impl Into<String>) {
        let (key, value) = (key.into(), value.into());
        match self.find(&key) {
            None => self.entries.push((key, Values::Many(vec![value]))),
            Some((_, Values::Many(values))) => values.push(value),
            Some((_, values)) => {
                let Values::One(first) = std::mem::replace(values, Values::Many(Vec::new())) else { return };
                *values = Values::Many(vec![first, value]);
            }
        }
    }

    /// As [`ConditionKeys::set`], for building in one expression.
    #[must_use]
    pub fn with(mut self, key: impl Into<Cow<'static, str>>, value: impl Into<String>) -> Self {
        self.set(key, value);
        self
    }

    /// The values of a key, or `None` if the request does not have it.
    pub fn get(&self, key: &str) -> Option<&[String]> {
        let (_, values) = self.entries.iter().find(|(name, _)| name.eq_ignore_ascii_case(key))?;
        Some(match values {
            Values::One(value) => std::slice::from_ref(value),
            Values::Many(values) => values,
        })
    }

    /// The names of the keys.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|(name, _)| &**name)
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn put(&mut self, key: Cow<'static, str>, values: Values) {
        match self.find(&key) {
            Some((_, known)) => *known = values,
            None => self.entries.push((key, values)),
        }
    }

    fn find(&mut self, key: &str) -> Option<&mut (Cow<'static, str>, Values)> {
        self.entries.iter_mut().find(|(name, _)| name.eq_ignore_ascii_case(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_ignore_case_and_values_add_up() {
        let mut keys = ConditionKeys::new().with("aws:TagKeys", "a").with("ssm:Overwrite", "true");
        keys.add("aws:tagkeys", "b");
        keys.set("SSM:overwrite", "false");
        keys.set_some("ssm:Recursive", None::<String>);
        assert_eq!(keys.get("AWS:TagKeys"), Some(["a".to_owned(), "b".to_owned()].as_slice()));
        assert_eq!(keys.get("ssm:Overwrite"), Some(["false".to_owned()].as_slice()));
        assert_eq!(keys.get("ssm:Recursive"), None);
    }
}
