//! Parameter policies: what becomes of an advanced parameter as time passes.
//!
//! ```json
//! [{"Type": "Expiration", "Version": "1.0", "Attributes": {"Timestamp": "2027-01-31T00:00:00.000Z"}},
//!  {"Type": "ExpirationNotification", "Version": "1.0", "Attributes": {"Before": "15", "Unit": "Days"}},
//!  {"Type": "NoChangeNotification", "Version": "1.0", "Attributes": {"After": "20", "Unit": "Days"}}]
//! ```
//!
//! They belong to a version. A new version takes over those of the last one unless it brings
//! its own; `[{}]` brings none. Then the wait for a change begins anew, and what has been
//! notified of an expiration stays notified.
//!
//! Source: Systems Manager User Guide, "Assigning parameter policies in Parameter Store".

use super::parameter_error::ParameterError;
use super::parameter_record::ParameterVersion;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Most policies of one parameter.
const MAX_POLICIES: usize = 10;

/// One policy of a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InlinePolicy {
    /// What it asks for.
    pub rule: InlineRule,
    /// The policy as JSON, as answers show it.
    pub text: String,
    /// Whether it has been applied.
    pub finished: bool,
}

/// What a policy asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum InlineRule {
    /// The parameter is deleted then.
    Expiration {
        /// When.
        at: Timestamp,
    },
    /// A notification so long before the expiration.
    ExpirationNotification {
        /// Seconds before it.
        before: i64,
    },
    /// A notification if the parameter does not change for so long.
    NoChangeNotification {
        /// Seconds after the last change.
        after: i64,
    },
}

impl InlineRule {
    /// The API's name of it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Expiration { .. } => "Expiration",
            Self::ExpirationNotification { .. } => "ExpirationNotification",
            Self::NoChangeNotification { .. } => "NoChangeNotification",
        }
    }
}

impl InlinePolicy {
    /// Reads the `Policies` member of a request.
    ///
    /// # Errors
    /// The first rule that is broken, in AWS's words.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, ParameterError> {
        let unreadable = || ParameterError::PoliciesUnreadable(text.to_owned());
        let list: Vec<Map<String, Value>> = serde_json::from_str(text).map_err(|_| unreadable())?;
        if list.iter().all(Map::is_empty) {
            return Ok(Vec::new());
        }
        if list.len() > MAX_POLICIES {
            return Err(ParameterError::TooManyPolicies);
        }
        let policies = list.iter().map(Self::parse).collect::<Result<Vec<_>, _>>()?;
        let count = |name: &str| policies.iter().filter(|policy| policy.rule.name() == name).count();
        if count("Expiration") > 1 {
            return Err(ParameterError::PoliciesConflict("There can be only one expiration policy"));
        }
        if count("ExpirationNotification") > 0 && count("Expiration") == 0 {
            return Err(ParameterError::PoliciesConflict(
                "Expiration notification policies are missing expiration policy",
            ));
        }
        Ok(policies)
    }

    fn parse(policy: &Map<String, Value>) -> Result<Self, ParameterError> {
        let kind = text_of(policy.get("Type"));
        if !["Expiration", "ExpirationNotification", "NoChangeNotification"].contains(&kind.as_str()) {
            return Err(ParameterError::PolicyType(kind));
        }
        if text_of(policy.get("Version")) != "1.0" {
            return Err(attribute("Unsupported policy version."));
        }
        let Some(Value::Object(attributes)) = policy.get("Attributes") else {
            return Err(missing("Attributes"));
        };
        let (rule, shown) = match kind.as_str() {
            "Expiration" => expiration(attributes)?,
            "ExpirationNotification" => {
                let (before, shown) = period(attributes, "Before")?;
                (InlineRule::ExpirationNotification { before }, shown)
            }
            _ => {
                let (after, shown) = period(attributes, "After")?;
                (InlineRule::NoChangeNotification { after }, shown)
            }
        };
        let text = format!(r#"{{"Type":"{kind}","Version":"1.0","Attributes":{shown}}}"#);
        Ok(Self { rule, text, finished: false })
    }

    /// The policies that a new version takes over from the last one.
    pub(crate) fn carried(policies: &[Self]) -> Vec<Self> {
        let carried = policies.iter().cloned().map(|mut policy| {
            if matches!(policy.rule, InlineRule::NoChangeNotification { .. }) {
                policy.finished = false;
            }
            policy
        });
        carried.collect()
    }
}

impl ParameterVersion {
    /// When a policy of this version is due.
    pub(crate) fn due(&self, policy: &InlinePolicy) -> Timestamp {
        match policy.rule {
            InlineRule::Expiration { at } => at,
            InlineRule::ExpirationNotification { before } => {
                let at = self.expires().unwrap_or(Timestamp::MAX);
                at.checked_sub(SignedDuration::from_secs(before)).unwrap_or(Timestamp::MIN)
            }
            InlineRule::NoChangeNotification { after } => {
                let after = SignedDuration::from_secs(after);
                self.modified.checked_add(after).unwrap_or(Timestamp::MAX)
            }
        }
    }

    /// When the parameter is deleted, as long as this is its newest version.
    pub(crate) fn expires(&self) -> Option<Timestamp> {
        self.policies.iter().find_map(|policy| match policy.rule {
            InlineRule::Expiration { at } => Some(at),
            _ => None,
        })
    }
}

fn expiration(attributes: &Map<String, Value>) -> Result<(InlineRule, Value), ParameterError> {
    let Some(stated) = attributes.get("Timestamp") else {
        return Err(attribute("A valid Expiration policy must have an attribute of Timestamp."));
    };
    let text = text_of(Some(stated));
    let at: Timestamp = text.parse().map_err(|_| attribute("Invalid timestamp format"))?;
    Ok((InlineRule::Expiration { at }, serde_json::json!({ "Timestamp": text })))
}

/// The seconds of `name` and `Unit`, and both as they are shown.
fn period(attributes: &Map<String, Value>, name: &'static str) -> Result<(i64, Value), ParameterError> {
    let stated = attributes.get(name).ok_or_else(|| missing(name))?;
    let unit = attributes.get("Unit").ok_or_else(|| missing("Unit"))?;
    let (count, unit) = (text_of(Some(stated)), text_of(Some(unit)));
    let number = count.parse::<u32>().ok().filter(|number| *number > 0);
    let number = number.ok_or_else(|| attribute(format!("Attribute {name} must be a positive integer.")))?;
    let seconds = match unit.to_ascii_lowercase().as_str() {
        "days" => 24 * 60 * 60,
        "hours" => 60 * 60,
        _ => return Err(attribute("Supported time units: DAYS HOURS")),
    };
    Ok((i64::from(number) * seconds, serde_json::json!({ name: count, "Unit": unit })))
}

/// A text, or a number as text; anything else is nothing.
fn text_of(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    }
}

fn missing(name: &str) -> ParameterError {
    attribute(format!("Mandatory policy attribute {name} is missing."))
}

fn attribute(text: impl Into<String>) -> ParameterError {
    ParameterError::PolicyAttribute(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parsed(list: &Value) -> Result<Vec<InlinePolicy>, String> {
        InlinePolicy::parse_list(&list.to_string()).map_err(|error| error.to_string())
    }

    fn policy(kind: &str, attributes: &Value) -> Value {
        json!({ "Type": kind, "Version": "1.0", "Attributes": attributes })
    }

    #[test]
    fn reads_the_three_kinds() {
        let list = json!([
            policy("Expiration", &json!({ "Timestamp": "2018-12-02T21:34:33.000Z" })),
            policy("ExpirationNotification", &json!({ "Before": "15", "Unit": "Days" })),
            policy("NoChangeNotification", &json!({ "After": 20, "Unit": "hours" })),
        ]);
        let found = parsed(&list).unwrap();
        let rules: Vec<InlineRule> = found.iter().map(|policy| policy.rule).collect();
        let at = "2018-12-02T21:34:33Z".parse().unwrap();
        assert_eq!(
            rules,
            [
                InlineRule::Expiration { at },
                InlineRule::ExpirationNotification { before: 15 * 86_400 },
                InlineRule::NoChangeNotification { after: 20 * 3600 },
            ]
        );
        assert_eq!(
            found.first().unwrap().text,
            r#"{"Type":"Expiration","Version":"1.0","Attributes":{"Timestamp":"2018-12-02T21:34:33.000Z"}}"#
        );
        assert_eq!(parsed(&json!([{}])), Ok(Vec::new()));
        assert_eq!(parsed(&json!([])), Ok(Vec::new()));
    }

    #[test]
    fn an_offset_may_have_seconds() {
        let at = |text: &str| parsed(&json!([policy("Expiration", &json!({ "Timestamp": text }))]));
        let found = at("2019-11-01T22:13:48.87+10:30:00").unwrap();
        let expected = InlineRule::Expiration { at: "2019-11-01T11:43:48.87Z".parse().unwrap() };
        assert_eq!(found.first().unwrap().rule, expected);
        for bad in ["", "tomorrow", "2019-11-01", "2019-11-01T22:13:48"] {
            assert_eq!(at(bad), Err("Invalid timestamp format".to_owned()), "{bad}");
        }
    }

    #[test]
    fn refuses_in_the_words_of_aws() {
        let expiration = policy("Expiration", &json!({ "Timestamp": "2018-12-02T21:34:33Z" }));
        let before = |before: Value, unit: &str| {
            json!([expiration, policy("ExpirationNotification", &json!({ "Before": before, "Unit": unit }))])
        };
        let cases = [
            (json!({ "Type": "Expiration" }), r#"Invalid policies input: {"Type":"Expiration"}."#),
            (json!(vec![&expiration; 11]), "Number of policies attached to a parameter cannot exceed 10"),
            (json!([policy("expiration", &json!({}))]), "Policy type expiration is not supported."),
            (json!([{ "Type": "Expiration", "Version": "2.0" }]), "Unsupported policy version."),
            (
                json!([{ "Type": "Expiration", "Version": "1.0" }]),
                "Mandatory policy attribute Attributes is missing.",
            ),
            (
                json!([policy("Expiration", &json!({}))]),
                "A valid Expiration policy must have an attribute of Timestamp.",
            ),
            (json!([expiration, expiration]), "There can be only one expiration policy"),
            (
                json!([policy("ExpirationNotification", &json!({ "Before": "1", "Unit": "Days" }))]),
                "Expiration notification policies are missing expiration policy",
            ),
            (
                json!([policy("NoChangeNotification", &json!({ "After": "1" }))]),
                "Mandatory policy attribute Unit is missing.",
            ),
            (before(json!("0"), "Days"), "Attribute Before must be a positive integer."),
            (before(json!("-1"), "Days"), "Attribute Before must be a positive integer."),
            (before(json!(1.5), "Days"), "Attribute Before must be a positive integer."),
            (before(json!("1"), "Weeks"), "Supported time units: DAYS HOURS"),
        ];
        for (list, text) in cases {
            assert_eq!(parsed(&list), Err(text.to_owned()), "{list}");
        }
    }
}
