//! Managed policies of AWS that need not stand in the files: the few whose
//! documents are short, stable, and free of conditions. An export of a real
//! account holds the documents of all attached policies, and they go first.
//!
//! Source: AWS Managed Policy Reference Guide.

use crate::arn::Arn;

/// ARN resources and documents.
const BUILT_IN: [(&str, &str); 3] = [
    ("policy/AdministratorAccess", include_str!("managed/AdministratorAccess.json")),
    ("policy/AmazonSSMReadOnlyAccess", include_str!("managed/AmazonSSMReadOnlyAccess.json")),
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
