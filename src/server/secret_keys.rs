//! Condition keys of Secrets Manager: what policies can ask about a secret, and about a
//! request that carries tags.
//!
//! Source: Service Authorization Reference, "Condition keys for AWS Secrets Manager".

use super::exchange::Exchange;
use crate::policy::ConditionKeys;
use crate::vault::SecretRecord;

/// The keys that follow from the secret itself; its ARN and its tags are known without.
pub(super) fn of_secret(keys: &mut ConditionKeys, secret: &SecretRecord) {
    let function = secret.rotation.as_ref().map(|rotation| rotation.function.as_str());
    keys.set_some("secretsmanager:resource/AllowRotationLambdaArn", function);
    let primary = secret.primary_region.as_deref().unwrap_or(&secret.scope.region);
    keys.set("secretsmanager:SecretPrimaryRegion", primary);
}

/// The keys that follow from the KMS key that the request names: as it is named, and the ARN of
/// the key that this is. A key that does not exist has no ARN.
pub(super) fn of_key(keys: &mut ConditionKeys, exchange: &Exchange<'_>, named: Option<&str>) {
    let Some(named) = named else { return };
    keys.set("secretsmanager:KmsKeyId", named);
    let found = exchange.broker.vault().kms().find(&exchange.scope, named);
    keys.set_some("secretsmanager:KmsKeyArn", found.ok().map(|key| key.arn()).as_deref());
}

/// The keys that follow from tags in the request.
pub(super) fn of_tags(keys: &mut ConditionKeys, tags: &[(String, String)]) {
    for (key, value) in tags {
        keys.set(format!("aws:RequestTag/{key}"), value.clone());
        keys.add("aws:TagKeys", key.clone());
    }
}
