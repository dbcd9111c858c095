//! Use of KMS keys by the other services: the gate of the key, passed on the caller's behalf.
//!
//! A service's own key needs no permission of its own: its policy lets everybody in the
//! account use it through the service. A customer key is decided as on AWS: its
//! policy and the caller's, with the encryption context and the service in between as
//! condition keys, and each decision is on record as an event of KMS.
//!
//! Source: KMS Developer Guide, "How AWS Secrets Manager uses AWS KMS", "How AWS Systems
//! Manager Parameter Store uses AWS KMS", "AWS KMS condition keys".

use super::exchange::{Exchange, Failure};
use super::kms_named;
use crate::audit::Permit;
use crate::broker::{Ask, Deny};
use crate::policy::ConditionKeys;
use crate::protocol::Service;
use crate::vault::KeyRecord;
use serde_json::json;

/// Why a key is not to be used.
#[derive(Debug)]
pub(super) enum KeyDenied {
    /// The policies refuse, in AWS's words; it is on record as an event of KMS, and not yet as one of the
    /// service.
    Refused(String),
    /// The gate itself failed.
    Failed(Failure),
}

/// One use of a key.
#[derive(Debug)]
pub(super) struct Use<'a> {
    /// The service that uses it.
    pub(super) service: Service,
    /// `Decrypt`, `Encrypt` or `GenerateDataKey`.
    pub(super) operation: &'static str,
    /// The encryption context.
    pub(super) context: &'a [(&'static str, &'a str)],
    /// The alias that the caller named the key by, if it was one.
    pub(super) alias: Option<&'a str>,
}

/// Passes the gate of a customer key.
pub(super) async fn permit(
    exchange: &Exchange<'_>,
    key: &KeyRecord,
    using: &Use<'_>,
) -> Result<Permit, KeyDenied> {
    let arn = key.arn();
    let action = format!("kms:{}", using.operation);
    let mut keys = ConditionKeys::new();
    kms_named::of_key(exchange, &mut keys, key);
    keys.set(
        "kms:ViaService",
        format!("{}.{}.amazonaws.com", using.service.signing_name(), key.scope.region),
    );
    keys.set("kms:EncryptionAlgorithm", "SYMMETRIC_DEFAULT");
    for (name, value) in using.context {
        keys.set(format!("kms:EncryptionContext:{name}"), *value);
        keys.add("kms:EncryptionContextKeys", *name);
    }
    keys.set_some("kms:RequestAlias", using.alias);
    let policy = match kms_named::policy(exchange, key, using.operation) {
        Ok(policy) => policy,
        Err(failure) => return Err(KeyDenied::Failed(failure)),
    };
    let mut context = exchange.context.clone();
    context.event_source = Service::Kms.event_source();
    context.event_name = using.operation;
    context.read_only = true;
    let shown: serde_json::Map<String, serde_json::Value> =
        using.context.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
    context.parameters = Some(json!({ "keyId": arn, "encryptionContext": shown }));
    context.response = None;
    let ask = Ask {
        keys,
        policy: policy.as_deref(),
        via: Some(using.service.event_source()),
        ..Ask::new(&action, &arn)
    };
    exchange.broker.authorize(&context, &ask).await.map_err(|deny| match deny {
        Deny::Refused(decision) => KeyDenied::Refused(exchange.refusal(&decision, &arn)),
        deny @ Deny::Unrecorded(_) => KeyDenied::Failed(exchange.denied(deny, &arn)),
    })
}

/// The alias that a key was named by, if it was one.
pub(super) fn alias_of(named: &str) -> Option<&str> {
    let name = named.rsplit(':').next()?;
    name.starts_with("alias/").then_some(name)
}
