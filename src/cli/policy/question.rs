//! [`Question`]: a request to try against policies, as the command line or a file of
//! cases describes it.

use crate::arn::Arn;
use crate::clock::{Clock, SystemClock};
use crate::policy::{
    Circumstances, ConditionKeys, Explanation, FileFindings, Identity, IdentityKind, PolicyKind, PolicySet,
    Request, ResourcePolicy, Session, Source, evaluate, explain,
};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A request to try.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Question {
    /// ARN of a user, a role, a session of a role or an account root; or the name of an
    /// AWS service.
    pub(super) principal: String,
    pub(super) action: String,
    #[serde(default = "any")]
    pub(super) resource: String,
    /// Condition keys: texts, numbers, booleans, or lists of them.
    #[serde(default)]
    pub(super) context: BTreeMap<String, Value>,
    #[serde(default)]
    pub(super) resource_tags: BTreeMap<String, String>,
    /// The policy of the resource. A role has its own in the files.
    #[serde(default, deserialize_with = "inline_resource_policy")]
    pub(super) resource_policy: Option<Source>,
    /// A policy that the session is limited to.
    #[serde(default, deserialize_with = "inline_session_policy")]
    pub(super) session_policy: Option<Source>,
}

fn inline_resource_policy<'d, D: Deserializer<'d>>(from: D) -> Result<Option<Source>, D::Error> {
    inline("resource policy", from)
}

fn inline_session_policy<'d, D: Deserializer<'d>>(from: D) -> Result<Option<Source>, D::Error> {
    inline("session policy", from)
}

fn inline<'d, D: Deserializer<'d>>(name: &str, from: D) -> Result<Option<Source>, D::Error> {
    let value = Option::<Value>::deserialize(from)?;
    Ok(value.map(|value| Source { path: name.to_owned(), text: format!("{value:#}") }))
}

fn any() -> String {
    "*".into()
}

impl Question {
    /// Decides and explains.
    ///
    /// # Errors
    /// What is wrong with the question, for people.
    pub(super) fn answer(&self, set: &PolicySet) -> Result<Explanation, String> {
        self.put(set, |request| explain(set, request))
    }

    /// How long one decision takes, on average of so many.
    ///
    /// # Errors
    /// What is wrong with the question, for people.
    pub(super) fn time(&self, set: &PolicySet, rounds: u32) -> Result<Duration, String> {
        self.put(set, |request| {
            let begun = Instant::now();
            for _ in 0..rounds {
                let _ = std::hint::black_box(evaluate(set, std::hint::black_box(request)));
            }
            begun.elapsed() / rounds.max(1)
        })
    }

    /// Makes the request and hands it over.
    fn put<T>(&self, set: &PolicySet, to: impl FnOnce(&Request<'_>) -> T) -> Result<T, String> {
        let (principal, session) = asker(set, &self.principal)?;
        let keys = self.keys()?;
        let tags: Vec<(String, String)> = self.resource_tags.clone().into_iter().collect();
        let given = match &self.resource_policy {
            None => None,
            Some(policy) => Some(self.compiled(policy)?),
        };
        let arn: Option<Arn> = self.resource.parse().ok();
        let nobody = ResourcePolicy::of_nobody(PolicyKind::Trust);
        let assumes = self.action.to_ascii_lowercase().starts_with("sts:");
        let of_role =
            arn.as_ref().is_some_and(|arn| arn.service == "iam" && arn.resource.starts_with("role/"));
        let trust = (assumes && of_role)
            .then(|| set.identity(&self.resource).and_then(Identity::trust_policy).unwrap_or(&nobody));
        let policy = given.as_ref().or(trust);
        let limits = match &self.session_policy {
            None => None,
            Some(Source { path, text }) => set
                .session_policies(Some(text), &[])
                .map_err(|findings| FileFindings { path: path.clone(), ..findings }.to_string())?,
        };
        if limits.is_some() && session.is_none() {
            return Err(format!(
                "a session policy belongs to a session, and `{}` is none: name one, as in \
                 `arn:aws:sts::111122223333:assumed-role/ROLE/SESSION`",
                self.principal
            ));
        }
        let session = session.as_ref().map(|(arn, name)| Session {
            arn,
            name,
            policies: limits.as_ref(),
            ..Session::default()
        });
        let region = arn.as_ref().map(|arn| arn.region.as_str()).filter(|region| !region.is_empty());
        let circumstances =
            Circumstances { time: Some(SystemClock.now()), region, ..Circumstances::default() };
        let request = Request {
            session: session.as_ref(),
            keys: &keys,
            resource_tags: &tags,
            policy,
            circumstances,
            ..Request::new(&principal, &self.action, &self.resource)
        };
        Ok(to(&request))
    }

    fn keys(&self) -> Result<ConditionKeys, String> {
        let mut keys = ConditionKeys::new();
        for (key, value) in &self.context {
            match value {
                Value::Array(values) => {
                    for value in values {
                        keys.add(key.clone(), text(key, value)?);
                    }
                }
                value => keys.set(key.clone(), text(key, value)?),
            }
        }
        Ok(keys)
    }

    fn compiled(&self, policy: &Source) -> Result<ResourcePolicy, String> {
        let service = self.resource.split(':').nth(2).unwrap_or_default();
        let kind = match service {
            "secretsmanager" => PolicyKind::SecretsManager,
            "ssm" => PolicyKind::ParameterStore,
            "kms" => PolicyKind::Kms,
            "iam" => PolicyKind::Trust,
            _ => return Err(format!("`{}` is no resource that has a policy", self.resource)),
        };
        ResourcePolicy::parse(&policy.path, &policy.text, kind).map_err(|e| e.to_string())
    }
}

fn text(key: &str, value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(value) => Ok(value.to_string()),
        _ => Err(format!("the context key `{key}` is a text, a number, a boolean or a list of them")),
    }
}

/// ARN and name of a session.
type Named = (String, String);

/// Who asks, and the session, if it is one.
fn asker(set: &PolicySet, text: &str) -> Result<(Arn, Option<Named>), String> {
    if !text.starts_with("arn:") && text.contains('.') {
        return Ok((Arn::new("iam", "", "aws", format!("service-principal/{text}")), None));
    }
    let arn: Arn = text.parse().map_err(|error| format!("`{text}` is not a principal: {error}"))?;
    let Some(rest) = arn.resource.strip_prefix("assumed-role/").filter(|_| arn.service == "sts") else {
        return Ok((arn, None));
    };
    let (role, name) = rest.split_once('/').unwrap_or((rest, ""));
    let found = set
        .identities()
        .find(|i| i.kind == IdentityKind::Role && i.name == role && i.arn.account == arn.account)
        .ok_or_else(|| format!("no file defines the role `{role}` of account {}", arn.account))?;
    Ok((Arn::clone(&found.arn), Some((text.to_owned(), name.to_owned()))))
}
