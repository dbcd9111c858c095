//! Parameters as requests name them, and as answers and errors show them; shared by
//! the files of Parameter Store's operations.
//!
//! A name is one of the caller's own account. A full ARN may be one of another account,
//! whose parameter is then read if its resource policy allows it too.

use super::exchange::{Exchange, Failure};
use super::parameter_kms;
use crate::arn::Arn;
use crate::audit::Permit;
use crate::broker::Ask;
use crate::policy::{ConditionKeys, PolicyKind, ResourcePolicy};
use crate::protocol::ssm::{self as wire, Parameter, ParameterName, ParameterTier, ParameterType};
use crate::protocol::{ApiError, Operation};
use crate::vault::{
    ParameterError, ParameterFailure, ParameterKind, ParameterRecord, ParameterValue, Row, Scope, Selector,
    Tier, VaultError, parameter_arn,
};
use std::sync::Arc;

/// A parameter that a request names.
pub(super) struct Named {
    pub(super) text: String,
    pub(super) name: ParameterName,
    /// The ARN to authorise.
    pub(super) arn: String,
    pub(super) found: Option<Arc<Row<ParameterRecord>>>,
}

impl Named {
    /// The parameter of a name or an ARN.
    pub(super) fn new(exchange: &Exchange<'_>, text: String) -> Result<Self, ApiError> {
        let name = ParameterName::parse(&text)?;
        let scope = match &name.arn {
            Some(Arn { account, region, .. }) => Scope::new(account.as_str(), region.as_str()),
            None => exchange.scope.clone(),
        };
        let here = scope.region == exchange.scope.region;
        let parameters = exchange.broker.vault().parameters();
        let found = if here { parameters.find(&scope, &name.name) } else { None };
        let arn = found.as_ref().map_or_else(|| parameter_arn(&scope, &name.name), |row| row.record.arn());
        Ok(Self { text, name, arn, found })
    }

    /// The parameter of a name, for operations that take no ARN.
    pub(super) fn by_name(exchange: &Exchange<'_>, text: String) -> Result<Self, ApiError> {
        match Self::new(exchange, text)? {
            Self { name: ParameterName { arn: Some(_), .. }, .. } => Err(ApiError::validation(
                "You can't enter the Amazon Resource Name (ARN) for a parameter, only the parameter name itself.",
            )),
            named => Ok(named),
        }
    }

    /// Passes the gate for an operation on the parameter.
    pub(super) async fn authorize(
        &self,
        exchange: &Exchange<'_>,
        operation: Operation,
    ) -> Result<Permit, Failure> {
        self.ask(exchange, &operation.action(), ConditionKeys::new()).await
    }

    /// As [`Named::authorize`], with condition keys of the request.
    pub(super) async fn ask(
        &self,
        exchange: &Exchange<'_>,
        action: &str,
        keys: ConditionKeys,
    ) -> Result<Permit, Failure> {
        let record = self.found.as_ref().map(|row| &row.record);
        let policy = record.map(|record| resource_policy(exchange, record)).transpose()?.flatten();
        let keys = record.map_or(keys.clone(), |record| with_resource_tags(keys, record));
        let ask = Ask { keys, policy: policy.as_deref(), ..Ask::new(action, &self.arn) };
        exchange.ask(ask, &self.arn).await
    }

    /// The parameter as a whole: operations on that take no selector.
    pub(super) fn whole(&self) -> Option<&Arc<Row<ParameterRecord>>> {
        self.found.as_ref().filter(|_| self.name.selector.is_none())
    }

    /// As [`Named::whole`], which has to be there.
    pub(super) fn require(&self) -> Result<&Arc<Row<ParameterRecord>>, ApiError> {
        self.whole().ok_or_else(|| self.not_found())
    }

    /// The value that the name asks for, for whoever has the permit for it.
    pub(super) async fn read(
        &self,
        exchange: &Exchange<'_>,
        permit: &Permit,
        decrypt: bool,
    ) -> Result<Parameter, Failure> {
        let parameters = exchange.broker.vault().parameters();
        let selector = match &self.name.selector {
            None => Selector::Latest,
            Some(wire::Selector::Version(version)) => Selector::Version(*version),
            Some(wire::Selector::Label(label)) => Selector::Label(label.clone()),
        };
        let mut found = Arc::clone(self.found.as_ref().ok_or_else(|| self.not_found())?);
        let mut again = true;
        let value = loop {
            let version = found.record.select(&selector).ok().filter(|_| decrypt);
            let keys = parameter_kms::to_read(exchange, &found.record, version).await?;
            match parameters.get(permit, &keys, &found, &selector, decrypt) {
                // It may have been made anew under another key since it was found.
                Err(ParameterFailure::Vault(VaultError::NotPermitted)) if again => {
                    let scope = &found.record.scope;
                    found = parameters.find(scope, &self.name.name).ok_or_else(|| self.not_found())?;
                    again = false;
                }
                read => break read.map_err(refused)?,
            }
        };
        // `a` and `/a` are one parameter, and the answer repeats the spelling of the request.
        let spelled = self.name.arn.is_none().then(|| self.name.name.clone());
        let mut shown = shown(value);
        shown.name = spelled.unwrap_or(shown.name);
        Ok(shown)
    }

    fn not_found(&self) -> ApiError {
        wire::parameter_not_found(format!("Parameter {} not found.", self.text))
    }
}

/// The compiled resource policy of a parameter, if it has one.
pub(super) fn resource_policy(
    exchange: &Exchange<'_>,
    record: &ParameterRecord,
) -> Result<Option<Arc<ResourcePolicy>>, Failure> {
    let Some(sharing) = &record.sharing else { return Ok(None) };
    let compiled = exchange.broker.resource_policy(&record.arn(), &sharing.text, PolicyKind::ParameterStore);
    compiled.map(Some).map_err(|findings| {
        tracing::error!(arn = record.arn(), %findings, "a resource policy cannot be read");
        ApiError::internal_failure().into()
    })
}

/// The tags of a parameter as condition keys, under both names that they have.
pub(super) fn with_resource_tags(mut keys: ConditionKeys, record: &ParameterRecord) -> ConditionKeys {
    for (key, value) in &record.tags {
        keys.set(format!("aws:ResourceTag/{key}"), value);
        keys.set(format!("ssm:resourceTag/{key}"), value);
    }
    keys
}

/// The tags of a request as condition keys.
pub(super) fn request_tags<'t>(tags: impl Iterator<Item = (&'t str, Option<&'t str>)>) -> ConditionKeys {
    let mut keys = ConditionKeys::new();
    for (key, value) in tags {
        keys.set_some(format!("aws:RequestTag/{key}"), value);
        keys.add("aws:TagKeys", key);
    }
    keys
}

/// A tier, as the API has it.
pub(super) fn shown_tier(tier: Tier) -> ParameterTier {
    match tier {
        Tier::Standard => ParameterTier::Standard,
        Tier::Advanced => ParameterTier::Advanced,
    }
}

/// A type, as the API has it.
pub(super) fn shown_type(kind: ParameterKind) -> ParameterType {
    match kind {
        ParameterKind::String => ParameterType::String,
        ParameterKind::StringList => ParameterType::StringList,
        ParameterKind::SecureString => ParameterType::SecureString,
    }
}

/// A value, as the API has it.
pub(super) fn shown(read: ParameterValue) -> Parameter {
    let record = &read.parameter.record;
    Parameter {
        name: record.name.clone(),
        parameter_type: shown_type(read.version.kind),
        value: read.value,
        version: read.version.version,
        selector: read.selector,
        source_result: None,
        last_modified_date: read.version.modified,
        arn: record.arn(),
        data_type: Some(read.version.data_type),
    }
}

/// The answer to a refusal of the vault.
pub(super) fn refused(failure: ParameterFailure) -> Failure {
    let error = match failure {
        ParameterFailure::Refused(error) => error,
        ParameterFailure::Vault(error) => return super::internal(&error).into(),
    };
    Failure::Unrecorded(answered(error))
}

/// The error that stands for a refusal of the vault.
pub(super) fn answered(error: ParameterError) -> ApiError {
    let text = error.to_string();
    match error {
        ParameterError::NotFound(_) => wire::parameter_not_found(text),
        ParameterError::NoSuchVersion { name, selector } => {
            wire::parameter_version_not_found(&name, &selector)
        }
        ParameterError::Exists => wire::parameter_already_exists(),
        ParameterError::OldestIsLabelled { name, version } => {
            wire::parameter_max_version_limit_exceeded(&name, version)
        }
        ParameterError::Key(error) => parameter_kms::unusable(&error),
        ParameterError::Concurrent => wire::too_many_updates(),
        ParameterError::TooManyLabels => wire::parameter_version_label_limit_exceeded(text),
        ParameterError::TooManyTags => wire::too_many_tags(text),
        ParameterError::TooManyPolicies => wire::policies_limit_exceeded(text),
        ParameterError::PolicyType(_) => wire::invalid_policy_type(text),
        ParameterError::PolicyAttribute(_) => wire::invalid_policy_attribute(text),
        ParameterError::PoliciesConflict(_) => wire::incompatible_policy(text),
        ParameterError::NoPattern | ParameterError::PatternTooSlow => wire::invalid_allowed_pattern(text),
        ParameterError::PatternMismatch(pattern) => wire::parameter_pattern_mismatch(&pattern),
        ParameterError::SharingNeedsAdvanced => {
            wire::resource_policy_invalid_parameter(&["ResourceArn"], text)
        }
        ParameterError::SharedAlready => {
            wire::resource_policy_limit_exceeded(1, "ResourcePoliciesPerResource", text)
        }
        ParameterError::NoSuchSharing => wire::resource_policy_not_found(text),
        ParameterError::SharingChanged => wire::resource_policy_conflict(text),
        ParameterError::TypeMissing
        | ParameterError::TagsWithOverwrite
        | ParameterError::KeyWithoutSecureString
        | ParameterError::ValueNests
        | ParameterError::TooLongForStandard
        | ParameterError::TooLongForAdvanced
        | ParameterError::Downgrade
        | ParameterError::PoliciesNeedAdvanced
        | ParameterError::PoliciesUnreadable(_)
        | ParameterError::DataTypeUnknown(_)
        | ParameterError::DataTypeFixed { .. }
        | ParameterError::DataTypeNeedsAdvanced(_)
        | ParameterError::DataTypeOfString
        | ParameterError::DataTypeMismatch(_) => ApiError::validation(text),
    }
}
