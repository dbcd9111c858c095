//! [`Operation`]: what a request asks for, named by its `X-Amz-Target` header:
//! `prefix.Name`, such as `AmazonSSM.GetParameter`.
//!
//! Two tables: the operations that are served, each with the fact whether it only
//! reads, and every operation of the models of Secrets Manager, Parameter Store, KMS
//! and STS, so that what is missing can be told apart from what does not exist
//! ([`Operation::coverage`]).

use super::error::ApiError;

/// A service behind the endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Service {
    /// AWS Secrets Manager, model 2017-10-17.
    SecretsManager,
    /// The Parameter Store part of AWS Systems Manager, model 2014-11-06.
    Ssm,
    /// AWS Key Management Service, model 2014-11-01: the management of keys.
    Kms,
    /// AWS Security Token Service, model 2011-06-15.
    Sts,
    /// Sealdock's own operations.
    Sealdock,
}

impl Service {
    /// Every service.
    pub const ALL: [Self; 5] = [Self::SecretsManager, Self::Ssm, Self::Kms, Self::Sts, Self::Sealdock];

    /// The part of `X-Amz-Target` before the dot.
    pub fn target_prefix(self) -> &'static str {
        match self {
            Self::SecretsManager => "secretsmanager",
            Self::Ssm => "AmazonSSM",
            Self::Kms => "TrentService",
            Self::Sts => "AWSSecurityTokenServiceV20110615",
            Self::Sealdock => "Sealdock_20261124",
        }
    }

    /// The service name in credential scopes, IAM actions and ARNs.
    pub fn signing_name(self) -> &'static str {
        match self {
            Self::SecretsManager => "secretsmanager",
            Self::Ssm => "ssm",
            Self::Kms => "kms",
            Self::Sts => "sts",
            Self::Sealdock => "sealdock",
        }
    }

    /// `eventSource` of audit events.
    pub fn event_source(self) -> &'static str {
        match self {
            Self::SecretsManager => "secretsmanager.amazonaws.com",
            Self::Ssm => "ssm.amazonaws.com",
            Self::Kms => "kms.amazonaws.com",
            Self::Sts => "sts.amazonaws.com",
            Self::Sealdock => "sealdock",
        }
    }

    fn from_prefix(prefix: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.target_prefix() == prefix)
    }
}

/// Rows read `Variant: Service access;`. Where two services have an operation of the same
/// name, one variant gets a name of its own: `Variant = "Name": Service access;`.
macro_rules! operations {
    ($($(#[$doc:meta])* $variant:ident $(= $name:literal)?: $service:ident $access:ident;)*) => {
        /// An operation that is served.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Operation {
            $($(#[$doc])* $variant,)*
        }

        impl Operation {
            /// Every operation that is served.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The name, as in the service model and in IAM actions.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => operations!(@name $variant $($name)?),)* }
            }

            /// The service that it belongs to.
            pub fn service(self) -> Service {
                match self { $(Self::$variant => Service::$service,)* }
            }

            /// Whether it changes nothing (`readOnly` of audit events).
            pub fn read_only(self) -> bool {
                match self { $(Self::$variant => operations!(@access $access),)* }
            }
        }
    };
    (@name $variant:ident) => { stringify!($variant) };
    (@name $variant:ident $name:literal) => { $name };
    (@access reads) => { true };
    (@access writes) => { false };
}

operations! {
    /// The values of up to 20 secrets.
    BatchGetSecretValue: SecretsManager reads;
    /// Ends rotation of a secret.
    CancelRotateSecret: SecretsManager writes;
    /// Makes a secret, with or without a first version.
    CreateSecret: SecretsManager writes;
    /// Takes the policy away from a secret.
    DeleteResourcePolicy: SecretsManager writes;
    /// Deletes a secret, at once or after a recovery window.
    DeleteSecret: SecretsManager writes;
    /// Metadata of one secret.
    DescribeSecret: SecretsManager reads;
    /// A password that is kept nowhere.
    GetRandomPassword: SecretsManager reads;
    /// The policy that is attached to a secret.
    GetResourcePolicy: SecretsManager reads;
    /// The value of one version.
    GetSecretValue: SecretsManager reads;
    /// The names of the policies that are attached to a secret.
    ListResourcePolicies: SecretsManager reads;
    /// The versions of one secret, in pages.
    ListSecretVersionIds: SecretsManager reads;
    /// Metadata of secrets that match filters, in pages.
    ListSecrets: SecretsManager reads;
    /// Attaches a policy to a secret.
    PutResourcePolicy: SecretsManager writes;
    /// Makes a new version.
    PutSecretValue: SecretsManager writes;
    /// Deletes replicas of a secret.
    RemoveRegionsFromReplication: SecretsManager writes;
    /// Makes replicas of a secret in other Regions.
    ReplicateSecretToRegions: SecretsManager writes;
    /// Takes a scheduled deletion back.
    RestoreSecret: SecretsManager writes;
    /// Sets rotation of a secret up, and starts it.
    RotateSecret: SecretsManager writes;
    /// Makes a replica a secret of its own.
    StopReplicationToReplica: SecretsManager writes;
    /// Adds tags to a secret.
    TagResource: SecretsManager writes;
    /// Removes tags from a secret.
    UntagResource: SecretsManager writes;
    /// Changes metadata and, with a value, makes a new version.
    UpdateSecret: SecretsManager writes;
    /// Moves a staging label.
    UpdateSecretVersionStage: SecretsManager writes;
    /// Checks a policy that is meant for a secret.
    ValidateResourcePolicy: SecretsManager reads;
    /// Adds and overwrites tags of a parameter.
    AddTagsToResource: Ssm writes;
    /// Deletes a parameter.
    DeleteParameter: Ssm writes;
    /// Deletes up to ten parameters.
    DeleteParameters: Ssm writes;
    /// Ends the sharing of a parameter.
    DeleteParameterResourcePolicy = "DeleteResourcePolicy": Ssm writes;
    /// Metadata of parameters that match filters, in pages.
    DescribeParameters: Ssm reads;
    /// One parameter.
    GetParameter: Ssm reads;
    /// The versions of one parameter, in pages.
    GetParameterHistory: Ssm reads;
    /// Up to ten parameters.
    GetParameters: Ssm reads;
    /// The parameters under a path, in pages.
    GetParametersByPath: Ssm reads;
    /// The policy that a parameter is shared by.
    GetResourcePolicies: Ssm reads;
    /// Puts labels on a version.
    LabelParameterVersion: Ssm writes;
    /// The tags of a parameter.
    ListTagsForResource: Ssm reads;
    /// Makes a parameter or a new version of one.
    PutParameter: Ssm writes;
    /// Shares a parameter with other accounts.
    PutParameterResourcePolicy = "PutResourcePolicy": Ssm writes;
    /// Removes tags of a parameter.
    RemoveTagsFromResource: Ssm writes;
    /// Takes labels off a version.
    UnlabelParameterVersion: Ssm writes;
    /// Takes a scheduled deletion of a key back.
    CancelKeyDeletion: Kms writes;
    /// Makes an alias.
    CreateAlias: Kms writes;
    /// Makes a key.
    CreateKey: Kms writes;
    /// Removes an alias.
    DeleteAlias: Kms writes;
    /// Metadata of one key.
    DescribeKey: Kms reads;
    /// Makes a key unusable until it is enabled.
    DisableKey: Kms writes;
    /// Stops the rotation of a key.
    DisableKeyRotation: Kms writes;
    /// Makes a disabled key usable.
    EnableKey: Kms writes;
    /// Lets a key's material be replaced at intervals.
    EnableKeyRotation: Kms writes;
    /// The policy of a key.
    GetKeyPolicy: Kms reads;
    /// Whether and when a key is rotated.
    GetKeyRotationStatus: Kms reads;
    /// Aliases, of one key or all.
    ListAliases: Kms reads;
    /// The names of a key's policies.
    ListKeyPolicies: Kms reads;
    /// The rotations of a key that have taken place.
    ListKeyRotations: Kms reads;
    /// All keys.
    ListKeys: Kms reads;
    /// The tags of a key.
    ListResourceTags: Kms reads;
    /// Replaces the policy of a key.
    PutKeyPolicy: Kms writes;
    /// Replaces a key's material now.
    RotateKeyOnDemand: Kms writes;
    /// Deletes a key after a waiting period.
    ScheduleKeyDeletion: Kms writes;
    /// Adds tags to a key.
    KmsTagResource = "TagResource": Kms writes;
    /// Removes tags from a key.
    KmsUntagResource = "UntagResource": Kms writes;
    /// Points an alias to another key.
    UpdateAlias: Kms writes;
    /// Changes the description of a key.
    UpdateKeyDescription: Kms writes;
    /// A session of a role.
    AssumeRole: Sts reads;
    /// What an encoded refusal says.
    DecodeAuthorizationMessage: Sts reads;
    /// The account of an access key.
    GetAccessKeyInfo: Sts reads;
    /// Who the caller is.
    GetCallerIdentity: Sts reads;
    /// Temporary credentials of the caller's own.
    GetSessionToken: Sts reads;
    /// Credentials of a role for one task.
    CreateTaskSession: Sealdock writes;
    /// Lets the containers of a task have credentials of a role.
    GrantTaskRole: Sealdock writes;
    /// Those credentials.
    GetTaskCredentials: Sealdock reads;
    /// Takes the roles of a task away and ends its sessions.
    EndTask: Sealdock writes;
    /// Decides and records a read of a value that an agent has kept.
    RecordCachedRead: Sealdock reads;
    /// The values of a container's references, read as its role.
    ResolveInjections: Sealdock reads;
    /// Records which values went into which container.
    RecordInjections: Sealdock writes;
    /// What was recorded, for one container or all.
    ListBindings: Sealdock reads;
    /// Drops what was recorded of containers that are gone.
    ForgetBindings: Sealdock writes;
    /// Makes an access key.
    CreateAccessKey: Sealdock writes;
    /// Access keys without their secrets.
    ListAccessKeys: Sealdock reads;
    /// Activates or deactivates an access key.
    UpdateAccessKey: Sealdock writes;
    /// Deletes an access key.
    DeleteAccessKey: Sealdock writes;
    /// Ends sessions at once.
    RevokeSessions: Sealdock writes;
    /// Which sessions were ended.
    ListRevocations: Sealdock reads;
    /// Who the caller is.
    WhoAmI: Sealdock reads;
}

/// Every operation of AWS Secrets Manager.
const SECRETS_MANAGER: [&str; 26] = [
    "AssociateCrossAccountReplica",
    "BatchGetSecretValue",
    "CancelRotateSecret",
    "CreateSecret",
    "DeleteResourcePolicy",
    "DeleteSecret",
    "DescribeSecret",
    "DisassociateCrossAccountReplica",
    "GetRandomPassword",
    "GetResourcePolicy",
    "GetSecretValue",
    "ListResourcePolicies",
    "ListSecretVersionIds",
    "ListSecrets",
    "PutResourcePolicy",
    "PutSecretValue",
    "RemoveRegionsFromReplication",
    "ReplicateSecretToRegions",
    "RestoreSecret",
    "RotateSecret",
    "StopReplicationToReplica",
    "TagResource",
    "UntagResource",
    "UpdateSecret",
    "UpdateSecretVersionStage",
    "ValidateResourcePolicy",
];

/// Every operation of Parameter Store.
const PARAMETER_STORE: [&str; 16] = [
    "AddTagsToResource",
    "DeleteParameter",
    "DeleteParameters",
    "DeleteResourcePolicy",
    "DescribeParameters",
    "GetParameter",
    "GetParameterHistory",
    "GetParameters",
    "GetParametersByPath",
    "GetResourcePolicies",
    "LabelParameterVersion",
    "ListTagsForResource",
    "PutParameter",
    "PutResourcePolicy",
    "RemoveTagsFromResource",
    "UnlabelParameterVersion",
];

/// Every operation of KMS.
const KMS: [&str; 56] = [
    "CancelKeyDeletion",
    "ConnectCustomKeyStore",
    "CreateAlias",
    "CreateCustomKeyStore",
    "CreateGrant",
    "CreateKey",
    "Decapsulate",
    "Decrypt",
    "DeleteAlias",
    "DeleteCustomKeyStore",
    "DeleteImportedKeyMaterial",
    "DeriveSharedSecret",
    "DescribeCustomKeyStores",
    "DescribeKey",
    "DisableKey",
    "DisableKeyRotation",
    "DisconnectCustomKeyStore",
    "EnableKey",
    "EnableKeyRotation",
    "Encapsulate",
    "Encrypt",
    "GenerateDataKey",
    "GenerateDataKeyPair",
    "GenerateDataKeyPairWithoutPlaintext",
    "GenerateDataKeyWithoutPlaintext",
    "GenerateMac",
    "GenerateRandom",
    "GetKeyLastUsage",
    "GetKeyPolicy",
    "GetKeyRotationStatus",
    "GetParametersForImport",
    "GetPublicKey",
    "ImportKeyMaterial",
    "ListAliases",
    "ListGrants",
    "ListKeyPolicies",
    "ListKeyRotations",
    "ListKeys",
    "ListResourceTags",
    "ListRetirableGrants",
    "PutKeyPolicy",
    "ReEncrypt",
    "ReplicateKey",
    "RetireGrant",
    "RevokeGrant",
    "RotateKeyOnDemand",
    "ScheduleKeyDeletion",
    "Sign",
    "TagResource",
    "UntagResource",
    "UpdateAlias",
    "UpdateCustomKeyStore",
    "UpdateKeyDescription",
    "UpdatePrimaryRegion",
    "Verify",
    "VerifyMac",
];

/// Every operation of STS.
const TOKEN_SERVICE: [&str; 11] = [
    "AssumeRole",
    "AssumeRoleWithSAML",
    "AssumeRoleWithWebIdentity",
    "AssumeRoot",
    "DecodeAuthorizationMessage",
    "GetAccessKeyInfo",
    "GetCallerIdentity",
    "GetDelegatedAccessToken",
    "GetFederationToken",
    "GetSessionToken",
    "GetWebIdentityToken",
];

/// One row of the API coverage table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coverage {
    /// The AWS service.
    pub service: Service,
    /// The operation's name in the service model.
    pub name: &'static str,
    /// Whether it is served.
    pub implemented: bool,
}

impl Operation {
    /// The operation that an `X-Amz-Target` value names, if it is served.
    pub fn from_target(target: &str) -> Option<Self> {
        let (prefix, name) = target.split_once('.')?;
        // STS takes forms only, as on AWS.
        let service = Service::from_prefix(prefix).filter(|service| *service != Service::Sts)?;
        Self::find(service, name)
    }

    /// As [`Operation::from_target`], with the error to answer otherwise.
    ///
    /// # Errors
    /// `UnknownOperationException`; the text says whether AWS has the operation.
    pub fn require(target: Option<&str>) -> Result<Self, ApiError> {
        let Some(target) = target else {
            return Err(ApiError::unknown_operation("the request has no X-Amz-Target header"));
        };
        Self::from_target(target).ok_or_else(|| {
            let of_aws = target.split_once('.').is_some_and(|(prefix, name)| {
                Service::from_prefix(prefix)
                    .is_some_and(|s| Self::coverage().any(|row| row.service == s && row.name == name))
            });
            if of_aws {
                ApiError::unknown_operation(format!("Sealdock does not implement {target}"))
            } else {
                let shown: String = target.chars().take(128).collect();
                ApiError::unknown_operation(format!("there is no operation `{shown}`"))
            }
        })
    }

    /// The `X-Amz-Target` value.
    pub fn target(self) -> String {
        format!("{}.{}", self.service().target_prefix(), self.name())
    }

    /// The IAM action, such as `secretsmanager:GetSecretValue`.
    pub fn action(self) -> String {
        [self.service().signing_name(), ":", self.name()].concat()
    }

    /// `eventSource` of audit events.
    pub fn event_source(self) -> &'static str {
        self.service().event_source()
    }

    /// Every operation of the AWS services, and whether it is served.
    pub fn coverage() -> impl Iterator<Item = Coverage> {
        let rows = |service, names: &'static [&'static str]| {
            names.iter().map(move |&name| Coverage {
                service,
                name,
                implemented: Self::find(service, name).is_some(),
            })
        };
        rows(Service::SecretsManager, &SECRETS_MANAGER)
            .chain(rows(Service::Ssm, &PARAMETER_STORE))
            .chain(rows(Service::Kms, &KMS))
            .chain(rows(Service::Sts, &TOKEN_SERVICE))
    }

    pub(super) fn find(service: Service, name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|op| op.service() == service && op.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_round_trip() {
        for &operation in Operation::ALL.iter().filter(|op| op.service() != Service::Sts) {
            assert_eq!(Operation::from_target(&operation.target()), Some(operation));
        }
        assert_eq!(Operation::GetParameter.target(), "AmazonSSM.GetParameter");
        assert_eq!(Operation::GetSecretValue.action(), "secretsmanager:GetSecretValue");
    }

    #[test]
    fn a_target_names_its_own_service() {
        for wrong in [
            "",
            "GetSecretValue",
            "secretsmanager.",
            "secretsmanager.getsecretvalue",
            "AmazonSSM.GetSecretValue",
        ] {
            assert_eq!(Operation::from_target(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn tells_missing_from_nonsense() {
        let text = |target| Operation::require(target).unwrap_err().message;
        assert_eq!(
            text(Some("TrentService.GenerateMac")),
            "Sealdock does not implement TrentService.GenerateMac"
        );
        assert_eq!(text(Some("secretsmanager.Fly")), "there is no operation `secretsmanager.Fly`");
        assert_eq!(text(None), "the request has no X-Amz-Target header");
    }

    /// The table in the README shows the numbers; here, that nothing is left out or listed twice.
    #[test]
    fn the_models_have_every_operation_that_is_served() {
        let mut listed: Vec<_> = Operation::coverage().map(|row| (row.service, row.name)).collect();
        for &operation in Operation::ALL.iter().filter(|op| op.service() != Service::Sealdock) {
            assert!(listed.contains(&(operation.service(), operation.name())), "{operation:?}");
        }
        let count = listed.len();
        listed.sort_by_key(|&(service, name)| (service.target_prefix(), name));
        listed.dedup();
        assert_eq!(listed.len(), count);
    }
}
