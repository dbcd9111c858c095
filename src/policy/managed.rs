//! Managed policies of AWS that need not stand in the files: those that matter for
//! secrets and parameters, each whole, in its version of autumn 2026. An export of a real
//! account holds the documents of all attached policies, and they go first.
//!
//! Source: AWS Managed Policy Reference Guide.

use crate::arn::Arn;

/// ARN resources and documents.
const BUILT_IN: [(&str, &str); 9] = [
    ("policy/AdministratorAccess", include_str!("managed/AdministratorAccess.json")),
    ("policy/AmazonSSMFullAccess", include_str!("managed/AmazonSSMFullAccess.json")),
    ("policy/AmazonSSMManagedInstanceCore", include_str!("managed/AmazonSSMManagedInstanceCore.json")),
    ("policy/AmazonSSMReadOnlyAccess", include_str!("managed/AmazonSSMReadOnlyAccess.json")),
    (
        "policy/AWSKeyManagementServicePowerUser",
        include_str!("managed/AWSKeyManagementServicePowerUser.json"),
    ),
    ("policy/IAMUserChangePassword", include_str!("managed/IAMUserChangePassword.json")),
    ("policy/PowerUserAccess", include_str!("managed/PowerUserAccess.json")),
    ("policy/SecretsManagerReadWrite", include_str!("managed/SecretsManagerReadWrite.json")),
    (
        "policy/service-role/AmazonECSTaskExecutionRolePolicy",
        include_str!("managed/AmazonECSTaskExecutionRolePolicy.json"),
    ),
];

/// The document of a built-in policy.
pub(super) fn document(arn: &str) -> Option<&'static str> {
    let arn: Arn = arn.parse().ok().filter(is_managed_by_aws)?;
    BUILT_IN.into_iter().find(|(resource, _)| *resource == arn.resource).map(|(_, document)| document)
}

/// The built-in policies, for messages.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    BUILT_IN.into_iter().map(|(resource, _)| resource.rsplit('/').next().unwrap_or(resource))
}

/// Whether AWS and not an account owns the policy: its ARN is then the same in all.
pub(super) fn is_managed_by_aws(arn: &Arn) -> bool {
    arn.service == "iam" && arn.account == "aws"
}

#[cfg(test)]
mod tests {
    use super::super::document::Kind;
    use super::super::parse::{self, File, Origin};
    use super::*;

    #[test]
    fn built_in_policies_have_neither_errors_nor_warnings() {
        for (name, text) in BUILT_IN {
            let (file, mut found) = (File::new(name, text), Vec::new());
            let origin = Origin { policy: name.into(), file: &file };
            let node = crate::json::parse(text).unwrap();
            let statements = parse::document(&node, Kind::Identity, &origin, &mut found);
            assert!(!statements.is_empty() && found.is_empty(), "{name}: {found:?}");
        }
    }
}
