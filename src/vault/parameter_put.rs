//! `PutParameter`: a new parameter, or a new version of one.
//!
//! What the version will be is decided twice by one function: before, so that the permit for its
//! key can be asked for, and under the record's lock, where nobody changes what it follows from.
//! If the two differ in the key or the tier, nothing is written, and the caller asks again.

use super::kms::{ChosenKey, OWN_KEYS};
use super::kms_permits::KeyPermits;
use super::parameter_error::ParameterError;
use super::parameter_policies::InlinePolicy;
use super::parameter_record::{
    ParameterKind, ParameterRecord, ParameterVersion, Tier, TierNeeds, WantedTier, choose_tier,
};
use super::parameter_value::{TEXT, check_data_type, check_pattern, check_value};
use super::parameters::{DEFAULT_KEY, ParameterFailure, Parameters};
use super::scope::Scope;
use super::secrets::permitted;
use super::table::Change;
use crate::audit::Permit;
use crate::secret::SecretValue;
use std::sync::PoisonError;

/// A version to write, as `PutParameter` describes it.
#[derive(Debug)]
pub struct NewParameter {
    /// Name.
    pub name: String,
    /// The plaintext.
    pub value: SecretValue,
    /// Type; may be left out when overwriting.
    pub kind: Option<ParameterKind>,
    /// KMS key of a SecureString.
    pub key_id: Option<String>,
    /// Free text.
    pub description: Option<String>,
    /// Whether an existing parameter gets a new version.
    pub overwrite: bool,
    /// Regular expression; that of the last version if there is none, and an empty one ends that.
    pub allowed_pattern: Option<String>,
    /// Tags, only for a new parameter.
    pub tags: Vec<(String, String)>,
    /// Tier asked for.
    pub tier: Option<WantedTier>,
    /// Parameter policies; those of the last version if there are none.
    pub policies: Option<Vec<InlinePolicy>>,
    /// Data type; that of the last version if there is none.
    pub data_type: Option<String>,
    /// ARN of the writer.
    pub user: String,
}

/// What a new version is, apart from its value.
struct Decided {
    kind: ParameterKind,
    tier: Tier,
    data_type: String,
    pattern: Option<String>,
    policies: Vec<InlinePolicy>,
    /// The key as it is named; none for what is not a SecureString.
    key_id: Option<String>,
    description: Option<String>,
    version: i64,
}

/// How the value of a new version is sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealing {
    /// Under which key.
    pub key: ChosenKey,
    /// In which tier: the standard one takes `kms:Encrypt`, the advanced one `kms:GenerateDataKey`.
    pub tier: Tier,
}

impl NewParameter {
    /// What this becomes on top of the parameter as it stands, and what of it breaks a rule.
    fn decide(&self, current: Option<&ParameterRecord>) -> Result<Decided, ParameterError> {
        if self.overwrite && !self.tags.is_empty() {
            return Err(ParameterError::TagsWithOverwrite);
        }
        let latest = current.and_then(ParameterRecord::latest);
        if latest.is_some() && !self.overwrite {
            return Err(ParameterError::Exists);
        }
        let kind = self.kind.or(latest.map(|v| v.kind)).ok_or(ParameterError::TypeMissing)?;
        if self.key_id.is_some() && kind != ParameterKind::SecureString {
            return Err(ParameterError::KeyWithoutSecureString);
        }
        let carried = || latest.map(|v| InlinePolicy::carried(&v.policies)).unwrap_or_default();
        let policies = self.policies.clone().unwrap_or_else(carried);
        let current_type = latest.map(|v| v.data_type.as_str());
        let data_type = self.data_type.as_deref().or(current_type).unwrap_or(TEXT).to_owned();
        let needs = TierNeeds {
            current: latest.map(|v| v.tier),
            bytes: self.value.len(),
            policies: !policies.is_empty(),
            data_type: &data_type,
        };
        let tier = choose_tier(self.tier, needs)?;
        let pattern = self.allowed_pattern.clone().or_else(|| latest.and_then(|v| v.allowed_pattern.clone()));
        let pattern = pattern.filter(|pattern| !pattern.is_empty());
        check_value(&self.value)?;
        check_pattern(pattern.as_deref().unwrap_or_default(), &self.value)?;
        check_data_type(&data_type, current_type, (kind, tier), &self.value)?;
        let last_key = || latest.and_then(|v| v.key_id.clone());
        let key_id = match kind {
            ParameterKind::SecureString => {
                self.key_id.clone().or_else(last_key).or_else(|| Some(DEFAULT_KEY.to_owned()))
            }
            ParameterKind::String | ParameterKind::StringList => None,
        };
        let description = self.description.clone().or_else(|| latest.and_then(|v| v.description.clone()));
        let version = latest.map_or(0, |v| v.version) + 1;
        Ok(Decided { kind, tier, data_type, pattern, policies, key_id, description, version })
    }
}

impl Parameters<'_> {
    /// How the value of `new` is to be sealed, as the parameter stands now.
    ///
    /// # Errors
    /// What of the request breaks a rule, before anybody is asked for a permit.
    pub fn sealing(&self, scope: &Scope, new: &NewParameter) -> Result<Sealing, ParameterFailure> {
        let known = self.stored(scope, &new.name);
        let decided = new.decide(known.as_ref().map(|row| &row.record))?;
        Ok(self.seals(scope, &decided)?)
    }

    fn seals(&self, scope: &Scope, decided: &Decided) -> Result<Sealing, ParameterError> {
        let key = self.0.kms().choose(scope, OWN_KEYS[1], decided.key_id.as_deref())?;
        Ok(Sealing { key, tier: decided.tier })
    }

    /// Writes the version that `new` asks for; returns its number and its tier. A customer key needs a
    /// permit for the parameter's ARN, which is `resource`.
    ///
    /// # Errors
    /// [`ParameterError::Concurrent`] if the parameter has changed so that `sealing` is another one
    /// now; nothing is written then.
    pub fn put(
        &self,
        permit: &Permit,
        keys: &KeyPermits,
        resource: &str,
        scope: &Scope,
        new: &NewParameter,
        sealing: &Sealing,
    ) -> Result<(i64, Tier), ParameterFailure> {
        permitted(permit, &["ssm:PutParameter"], resource)?;
        // INVARIANT: `a` and `/a` are not both made, whoever else makes one of them now.
        let one_level = !new.name.strip_prefix('/').unwrap_or(&new.name).contains('/');
        let mut known = self.stored(scope, &new.name);
        let mut alone = None;
        if one_level && known.is_none() {
            alone = Some(self.0.one_level_names.lock().unwrap_or_else(PoisonError::into_inner));
            known = self.stored(scope, &new.name);
        }
        let name = known.map_or_else(|| new.name.clone(), |row| row.record.name.clone());
        let mut staged = None;
        // INVARIANT: all that depends on the latest version is decided under the record's lock, so that
        // of two writers at once the later one sees the type, tier and key of the earlier.
        let outcome = self.0.parameters.change(&scope.id(&name), |current| {
            let decided = new.decide(current)?;
            if self.seals(scope, &decided)? != *sealing {
                return Err(ParameterFailure::Refused(ParameterError::Concurrent));
            }
            let kek = self.0.keyring.to_seal(scope, sealing.key.key(DEFAULT_KEY), resource, keys)?;
            let blob = self.0.blobs.put(&kek, &new.value)?;
            staged = Some(blob.clone());
            let version = ParameterVersion {
                version: decided.version,
                kind: decided.kind,
                key_id: decided.key_id.map(|named| match sealing.key.customer() {
                    Some(_) => named,
                    None => DEFAULT_KEY.to_owned(),
                }),
                customer_key: sealing.key.customer().map(str::to_owned),
                modified: self.0.now(),
                user: new.user.clone(),
                description: decided.description,
                allowed_pattern: decided.pattern,
                tier: decided.tier,
                data_type: decided.data_type,
                labels: Vec::new(),
                policies: decided.policies,
                blob,
            };
            let (number, tier) = (version.version, version.tier);
            let (record, dropped) = match current {
                Some(current) => {
                    let mut record = current.clone();
                    let dropped = record.add_version(version)?;
                    (record, dropped)
                }
                None => {
                    let (scope, tags, versions) = (scope.clone(), new.tags.clone(), vec![version]);
                    (ParameterRecord { scope, name, tags, versions, sharing: None }, None)
                }
            };
            Ok((Change::Write(record), (number, tier, dropped)))
        });
        drop(alone);
        let unused = match &outcome {
            Ok((_, _, dropped)) => dropped.clone(),
            Err(_) => staged,
        };
        if let Some(blob) = unused {
            self.0.blobs.delete(&blob)?;
        }
        outcome.map(|(number, tier, _)| (number, tier))
    }
}
