//! Keys and aliases as requests name them, and as answers and errors show them; shared by
//! the files of KMS's operations.

use super::exchange::{Exchange, Failure};
use crate::audit::Permit;
use crate::broker::{Ask, Caller};
use crate::policy::{ConditionKeys, PolicyKind, ResourcePolicy};
use crate::protocol::kms::{self as wire, KeyManager, KeyMetadata};
use crate::protocol::{ApiError, Operation};
use crate::vault::{FoundKey, KeyError, KeyRecord, KeyState, Kms, KmsFailure, OwnKey, Row, Scope};
use std::sync::Arc;

/// A key that a request names: the key, if there is one, and the ARN to authorise.
pub(super) struct Named {
    pub(super) arn: String,
    pub(super) found: Result<FoundKey, KeyError>,
    alias: Option<String>,
}

impl Named {
    /// By key id or key ARN, or by the name or ARN of an alias.
    pub(super) fn new(exchange: &Exchange<'_>, text: &str) -> Self {
        let found = exchange.broker.vault().kms().find(&exchange.scope, text);
        let arn = found.as_ref().map_or_else(|_| Kms::hypothetical_arn(&exchange.scope, text), FoundKey::arn);
        let name = text.rsplit_once(':').map_or(text, |(_, name)| name);
        let alias = name.starts_with("alias/").then(|| name.to_owned());
        Self { arn, found, alias }
    }

    /// By key id or key ARN: where a change could hit another key than meant, AWS takes no alias.
    pub(super) fn without_alias(exchange: &Exchange<'_>, text: &str) -> Self {
        let named = Self::new(exchange, text);
        match named.alias {
            Some(_) => Self {
                arn: Kms::hypothetical_arn(&exchange.scope, text),
                found: Err(KeyError::NotAKeyId(text.to_owned())),
                alias: None,
            },
            None => named,
        }
    }

    /// Passes the gate with the key's policy and the condition keys that follow from the key.
    pub(super) async fn authorize(
        &self,
        exchange: &Exchange<'_>,
        operation: Operation,
    ) -> Result<Permit, Failure> {
        self.authorize_with(exchange, operation, ConditionKeys::new()).await
    }

    /// As [`Named::authorize`], with the condition keys that follow from the request.
    pub(super) async fn authorize_with(
        &self,
        exchange: &Exchange<'_>,
        operation: Operation,
        mut keys: ConditionKeys,
    ) -> Result<Permit, Failure> {
        caller_account(exchange, &mut keys);
        keys.set_some("kms:RequestAlias", self.alias.as_deref());
        let policy = match &self.found {
            Ok(FoundKey::Customer(row)) => {
                of_key(exchange, &mut keys, &row.record);
                policy(exchange, &row.record, operation.name())?
            }
            Ok(FoundKey::Own(key)) => Some(compiled(exchange, &self.arn, &own_policy(key))?),
            Err(_) => None,
        };
        let action = operation.action();
        let ask = Ask { keys, policy: policy.as_deref(), ..Ask::new(&action, &self.arn) };
        exchange.ask(ask, &self.arn).await
    }

    /// The key, whosever it is.
    pub(super) fn existing(self) -> Result<FoundKey, Failure> {
        self.found.map_err(|error| refused(error.into()))
    }

    /// A key that a user made: the services' own keys cannot be changed.
    pub(super) fn customer(self) -> Result<Arc<Row<KeyRecord>>, Failure> {
        match self.existing()? {
            FoundKey::Customer(row) => Ok(row),
            FoundKey::Own(key) => Err(not_allowed(key.name)),
        }
    }
}

/// The condition keys that follow from a customer key and the caller.
pub(super) fn of_key(exchange: &Exchange<'_>, keys: &mut ConditionKeys, key: &KeyRecord) {
    caller_account(exchange, keys);
    keys.set("kms:KeyOrigin", "AWS_KMS");
    keys.set("kms:KeySpec", "SYMMETRIC_DEFAULT");
    keys.set("kms:KeyUsage", "ENCRYPT_DECRYPT");
    keys.set("kms:MultiRegion", "false");
    for name in exchange.broker.vault().kms().alias_names(key) {
        keys.add("kms:ResourceAliases", name);
    }
    for (name, value) in key.customer.iter().flat_map(|customer| &customer.tags) {
        keys.set(format!("aws:ResourceTag/{name}"), value.clone());
    }
}

fn caller_account(exchange: &Exchange<'_>, keys: &mut ConditionKeys) {
    keys.set_some("kms:CallerAccount", exchange.context.caller.as_ref().map(Caller::account));
}

/// The condition keys that follow from tags in the request.
pub(super) fn of_tags(keys: &mut ConditionKeys, tags: &[(String, String)]) {
    for (key, value) in tags {
        keys.set(format!("aws:RequestTag/{key}"), value.clone());
        keys.add("aws:TagKeys", key.clone());
    }
}

/// The policy of a customer key. One that cannot be enforced allows nobody anything, except that
/// the root of its account may replace it.
pub(super) fn policy(
    exchange: &Exchange<'_>,
    key: &KeyRecord,
    operation: &str,
) -> Result<Option<Arc<ResourcePolicy>>, Failure> {
    let text = key.customer.as_ref().map(|customer| customer.policy.as_str()).unwrap_or_default();
    let root = exchange
        .context
        .caller
        .as_ref()
        .is_some_and(|caller| caller.is_root() && caller.account() == key.scope.account);
    match compiled(exchange, &key.arn(), text) {
        Ok(policy) => Ok(Some(policy)),
        Err(_) if root && matches!(operation, "PutKeyPolicy" | "GetKeyPolicy") => Ok(None),
        Err(failure) => Err(failure),
    }
}

fn compiled(exchange: &Exchange<'_>, arn: &str, text: &str) -> Result<Arc<ResourcePolicy>, Failure> {
    exchange.broker.resource_policy(arn, text, PolicyKind::Kms).map_err(|_| {
        ApiError::access_denied_text(
            "The policy of the key cannot be enforced, so every request for the key is refused: the root of its account \
             can replace it with PutKeyPolicy.",
        )
        .into()
    })
}

/// The policy that a key gets when nobody gives it one: identity policies of the account decide.
pub(super) fn default_policy(account: &str) -> String {
    format!(
        r#"{{
  "Version" : "2012-10-17",
  "Id" : "key-default-1",
  "Statement" : [ {{
    "Sid" : "Enable IAM User Permissions",
    "Effect" : "Allow",
    "Principal" : {{
      "AWS" : "arn:aws:iam::{account}:root"
    }},
    "Action" : "kms:*",
    "Resource" : "*"
  }} ]
}}"#
    )
}

/// The policy of a service's own key.
pub(super) fn own_policy(key: &OwnKey) -> String {
    let Scope { account, region } = &key.scope;
    let service = key.name.rsplit('/').next().unwrap_or_default();
    format!(
        r#"{{
  "Version" : "2012-10-17",
  "Id" : "auto-{service}-1",
  "Statement" : [ {{
    "Sid" : "Allow access through the service for all principals in the account that are authorized to use it",
    "Effect" : "Allow",
    "Principal" : {{
      "AWS" : "*"
    }},
    "Action" : [ "kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:CreateGrant", "kms:DescribeKey" ],
    "Resource" : "*",
    "Condition" : {{
      "StringEquals" : {{
        "kms:ViaService" : "{service}.{region}.amazonaws.com",
        "kms:CallerAccount" : "{account}"
      }}
    }}
  }}, {{
    "Sid" : "Allow direct access to key metadata to the account",
    "Effect" : "Allow",
    "Principal" : {{
      "AWS" : "arn:aws:iam::{account}:root"
    }},
    "Action" : [ "kms:Describe*", "kms:Get*", "kms:List*", "kms:RevokeGrant" ],
    "Resource" : "*"
  }} ]
}}"#
    )
}

/// A key, as answers show it.
pub(super) fn metadata(exchange: &Exchange<'_>, key: &FoundKey) -> KeyMetadata {
    let customer = match key {
        FoundKey::Customer(row) => row.record.customer.as_ref(),
        FoundKey::Own(_) => None,
    };
    let (state, deletion) = match customer.map(|customer| customer.state) {
        Some(KeyState::Disabled) => (wire::KeyState::Disabled, None),
        Some(KeyState::PendingDeletion { due }) => (wire::KeyState::PendingDeletion, Some(due)),
        Some(KeyState::Enabled) | None => (wire::KeyState::Enabled, None),
    };
    let own_text = || match key {
        FoundKey::Own(key) if key.name.ends_with("/ssm") => {
            "Default key that protects my SSM parameters when no other key is defined"
        }
        _ => "Default key that protects my Secrets Manager data when no other key is defined",
    };
    KeyMetadata {
        account: key.scope().account.clone(),
        key_id: key.key_id().to_owned(),
        arn: key.arn(),
        created: customer.map(|customer| customer.created),
        description: customer.map_or_else(|| own_text().to_owned(), |customer| customer.description.clone()),
        state,
        deletion,
        manager: if customer.is_some() { KeyManager::Customer } else { KeyManager::Aws },
        material: exchange.broker.vault().kms().current_material(key),
    }
}

/// The error for what nobody may do to a service's own key.
fn not_allowed(what: &str) -> Failure {
    ApiError::access_denied_text(format!("{what} is managed by AWS: it cannot be changed or deleted")).into()
}

/// The error that the client gets.
pub(super) fn refused(failure: KmsFailure) -> Failure {
    let error = match failure {
        KmsFailure::Refused(error) => error,
        KmsFailure::Vault(error) => return super::internal(&error).into(),
    };
    let text = error.to_string();
    Failure::Unrecorded(match error {
        KeyError::NoSuchKey(_)
        | KeyError::NoSuchAlias(_)
        | KeyError::NotAKeyId(_)
        | KeyError::OtherRegion(_)
        | KeyError::OfAnotherService(_) => wire::not_found(text),
        KeyError::NotAKeyArn(_) => wire::invalid_arn(text),
        KeyError::Disabled(_) => wire::disabled(text),
        KeyError::PendingDeletion(_) | KeyError::NotPendingDeletion(_) => wire::invalid_state(text),
        KeyError::AliasExists(_) => wire::already_exists(text),
        KeyError::TooManyAliases(_) | KeyError::TooManyTags(_) | KeyError::TooManyRotations(_) => {
            wire::limit_exceeded(text)
        }
    })
}

/// Fixed marker of a list of a thing that has all on one page.
pub(super) fn no_marker(marker: Option<&str>) -> Result<(), ApiError> {
    if marker.is_some() { Err(wire::invalid_marker()) } else { Ok(()) }
}

/// The Marker of the page after `after`, sealed together with the list that it belongs to.
pub(super) fn seal_marker(exchange: &Exchange<'_>, list: &str, after: &str) -> String {
    let text = format!("{}\n{}\n{list}\n{after}", exchange.scope.account, exchange.scope.region);
    exchange.broker.vault().seal_cursor(text.as_bytes())
}

/// Where the page before ended.
pub(super) fn open_marker(
    exchange: &Exchange<'_>,
    list: &str,
    marker: Option<&str>,
) -> Result<Option<String>, ApiError> {
    let Some(marker) = marker else { return Ok(None) };
    let opened = exchange.broker.vault().open_cursor(marker);
    let text = opened.and_then(|bytes| String::from_utf8(bytes.to_vec()).ok());
    let prefix = format!("{}\n{}\n{list}\n", exchange.scope.account, exchange.scope.region);
    let after = text.and_then(|text| text.strip_prefix(&prefix).map(str::to_owned));
    after.map(Some).ok_or_else(wire::invalid_marker)
}
