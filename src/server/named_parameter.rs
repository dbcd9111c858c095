//! Parameters as requests name them, and as answers and errors show them; shared by
//! the files of Parameter Store's operations.

use super::exchange::{Exchange, Failure};
use crate::arn::Arn;
use crate::protocol::ApiError;
use crate::protocol::ssm::{self as wire, Parameter, ParameterName, ParameterTier, ParameterType};
use crate::vault::{
    ParameterError, ParameterFailure, ParameterKind, ParameterRecord, ParameterValue, Row, Scope, Selector,
    Tier, parameter_arn,
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
    pub(super) fn new(exchange: &Exchange<'_>, text: String) -> Result<Self, ApiError> {
        let name = ParameterName::parse(&text)?;
        let scope = match &name.arn {
            Some(Arn { account, region, .. }) => Scope::new(account.as_str(), region.as_str()),
            None => exchange.scope.clone(),
        };
        let here = scope.region == exchange.scope.region;
        let found = if here {
            exchange.broker.vault().parameters().find(&scope, &name.name, name.arn.is_some())
        } else {
            None
        };
        let arn = found.as_ref().map_or_else(|| parameter_arn(&scope, &name.name), |row| row.record.arn());
        Ok(Self { text, name, arn, found })
    }

    /// The parameter as a whole: operations on that take no selector.
    pub(super) fn whole(&self) -> Option<&Arc<Row<ParameterRecord>>> {
        self.found.as_ref().filter(|_| self.name.selector.is_none())
    }

    /// As [`Named::whole`], which has to be there.
    pub(super) fn require(&self) -> Result<&Arc<Row<ParameterRecord>>, ApiError> {
        self.whole().ok_or_else(|| wire::parameter_not_found(format!("Parameter {} not found.", self.text)))
    }

    /// The version that the name asks for.
    pub(super) fn selector(&self) -> Selector {
        match &self.name.selector {
            None => Selector::Latest,
            Some(wire::Selector::Version(version)) => Selector::Version(*version),
            Some(wire::Selector::Label(label)) => Selector::Label(label.clone()),
        }
    }
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
        data_type: read.version.data_type,
    }
}

/// The answer to a refusal of the vault.
pub(super) fn refused(failure: ParameterFailure) -> Failure {
    let error = match failure {
        ParameterFailure::Refused(error) => error,
        ParameterFailure::Vault(error) => return super::internal(&error).into(),
    };
    let text = error.to_string();
    Failure::Unrecorded(match error {
        ParameterError::NotFound(_) => wire::parameter_not_found(text),
        ParameterError::NoSuchVersion { name, selector } => {
            wire::parameter_version_not_found(&name, &selector)
        }
        ParameterError::Exists => wire::parameter_already_exists(),
        ParameterError::OldestIsLabelled { name, version } => {
            wire::parameter_max_version_limit_exceeded(&name, version)
        }
        ParameterError::TooManyLabels => wire::parameter_version_label_limit_exceeded(text),
        ParameterError::TooManyTags => wire::too_many_tags(text),
        ParameterError::TypeMissing
        | ParameterError::TagsWithOverwrite
        | ParameterError::KeyWithoutSecureString
        | ParameterError::TooLongForStandard
        | ParameterError::TooLongForAdvanced
        | ParameterError::Downgrade => ApiError::validation(text),
    })
}
