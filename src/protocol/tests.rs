//! Every decoder against every kind of wrong member.

use super::{ApiError, Operation, kms, sealdock, secretsmanager as sm, ssm, sts};
use serde_json::{Map, Value, json};

type Decoder = fn(&[u8]) -> Result<(), ApiError>;

/// Operation, decoder, a good request with every member of the model.
fn decoders() -> Vec<(Operation, Decoder, Value)> {
    let arn = "arn:aws:iam::111122223333:role/exec";
    let shared = "arn:aws:ssm:us-east-1:111122223333:parameter/a";
    let token = "0123456789abcdef0123456789abcdef0123";
    let key = "AKIAIOSFODNN7EXAMPLE";
    let injection =
        json!({"Name": "A", "Target": "ENVIRONMENT", "ValueFrom": "/a", "Arn": "a", "VersionId": "1"});
    macro_rules! row {
        ($operation:ident, $module:ident :: $request:ident, $good:tt) => {
            (Operation::$operation, (|b| $module::$request::decode(b).map(drop)) as Decoder, json!($good))
        };
    }
    vec![
        row!(BatchGetSecretValue, sm::BatchChoice, {
            "Filters": [{"Key": "all", "Values": ["a"]}], "MaxResults": 1, "NextToken": "t"
        }),
        row!(CreateSecret, sm::CreateSecretRequest, {
            "Name": "a", "ClientRequestToken": token, "Description": "d", "KmsKeyId": "k", "SecretString": "s",
            "Tags": [{"Key": "k", "Value": "v"}], "AddReplicaRegions": [{"Region": "eu-west-1", "KmsKeyId": "k"}],
            "ForceOverwriteReplicaSecret": false, "Type": "t",
            "CrossAccountPrimaryARN": "arn:aws:secretsmanager:eu-west-1:111122223333:secret:a-b1C2d3"
        }),
        row!(DeleteSecret, sm::DeleteSecretRequest, {"SecretId": "a", "RecoveryWindowInDays": 7, "ForceDeleteWithoutRecovery": false}),
        row!(RotateSecret, sm::RotateSecretRequest, {"SecretId": "a"}),
        row!(CancelRotateSecret, sm::CancelRotateSecretRequest, {"SecretId": "a"}),
        row!(DescribeSecret, sm::DescribeSecretRequest, {"SecretId": "a"}),
        row!(GetRandomPassword, sm::GetRandomPasswordRequest, {
            "PasswordLength": 1, "ExcludeCharacters": "a", "ExcludeNumbers": true, "ExcludePunctuation": true,
            "ExcludeUppercase": true, "ExcludeLowercase": true, "IncludeSpace": true, "RequireEachIncludedType": false
        }),
        row!(DeleteResourcePolicy, sm::DeleteResourcePolicyRequest, {"SecretId": "a", "PolicyName": "default"}),
        row!(GetResourcePolicy, sm::GetResourcePolicyRequest, {"SecretId": "a", "PolicyName": "default"}),
        row!(GetSecretValue, sm::GetSecretValueRequest, {"SecretId": "a", "VersionId": token, "VersionStage": "s"}),
        row!(ListSecretVersionIds, sm::ListSecretVersionIdsRequest, {
            "SecretId": "a", "MaxResults": 1, "NextToken": "t", "IncludeDeprecated": true
        }),
        row!(ListSecrets, sm::ListSecretsRequest, {
            "IncludePlannedDeletion": true, "MaxResults": 1, "NextToken": "t", "SortOrder": "desc", "SortBy": "name",
            "Filters": [{"Key": "all", "Values": ["a"]}]
        }),
        row!(ListResourcePolicies, sm::ListResourcePoliciesRequest, {"SecretId": "a", "MaxResults": 1, "NextToken": "t"}),
        row!(PutResourcePolicy, sm::PutResourcePolicyRequest, {
            "SecretId": "a", "ResourcePolicy": "{}", "PolicyName": "default", "BlockPublicPolicy": true
        }),
        row!(ValidateResourcePolicy, sm::ValidateResourcePolicyRequest, {"SecretId": "a", "ResourcePolicy": "{}"}),
        row!(PutSecretValue, sm::PutSecretValueRequest, {
            "SecretId": "a", "ClientRequestToken": token, "SecretBinary": "AA==", "VersionStages": ["s"],
            "RotationToken": token
        }),
        row!(RemoveRegionsFromReplication, sm::RemoveRegionsFromReplicationRequest, {
            "SecretId": "a", "RemoveReplicaRegions": ["eu-west-1"]
        }),
        row!(ReplicateSecretToRegions, sm::ReplicateSecretToRegionsRequest, {
            "SecretId": "a", "AddReplicaRegions": [{"Region": "eu-west-1", "KmsKeyId": "k"}],
            "ForceOverwriteReplicaSecret": true
        }),
        row!(StopReplicationToReplica, sm::StopReplicationToReplicaRequest, {"SecretId": "a"}),
        row!(RestoreSecret, sm::RestoreSecretRequest, {"SecretId": "a"}),
        row!(TagResource, sm::TagResourceRequest, {"SecretId": "a", "Tags": [{"Key": "k", "Value": "v"}]}),
        row!(UntagResource, sm::UntagResourceRequest, {"SecretId": "a", "TagKeys": ["k"]}),
        row!(UpdateSecretVersionStage, sm::UpdateSecretVersionStageRequest, {
            "SecretId": "a", "VersionStage": "s", "RemoveFromVersionId": token, "MoveToVersionId": token
        }),
        row!(UpdateSecret, sm::UpdateSecretRequest, {
            "SecretId": "a", "ClientRequestToken": token, "Description": "d", "KmsKeyId": "k", "SecretString": "s",
            "Type": "t"
        }),
        row!(AddTagsToResource, ssm::AddTagsToResourceRequest, {
            "ResourceType": "Parameter", "ResourceId": "a", "Tags": [{"Key": "k", "Value": "v"}]
        }),
        row!(DeleteParameter, ssm::DeleteParameterRequest, {"Name": "a"}),
        row!(DeleteParameters, ssm::DeleteParametersRequest, {"Names": ["a"]}),
        row!(DeleteParameterResourcePolicy, ssm::DeleteResourcePolicyRequest, {
            "ResourceArn": shared, "PolicyId": "i", "PolicyHash": "h", "DeletionMode": "RemoveSharing"
        }),
        row!(GetResourcePolicies, ssm::GetResourcePoliciesRequest, {
            "ResourceArn": shared, "NextToken": "t", "MaxResults": 1
        }),
        row!(PutParameterResourcePolicy, ssm::PutResourcePolicyRequest, {
            "ResourceArn": shared, "Policy": "{}", "PolicyId": "i", "PolicyHash": "h"
        }),
        row!(DescribeParameters, ssm::DescribeParametersRequest, {
            "Filters": [{"Key": "Name", "Values": ["a"]}],
            "ParameterFilters": [{"Key": "Name", "Option": "Equals", "Values": ["a"]}],
            "MaxResults": 1, "NextToken": "t", "Shared": false
        }),
        row!(GetParameter, ssm::GetParameterRequest, {"Name": "a", "WithDecryption": true}),
        row!(GetParameterHistory, ssm::GetParameterHistoryRequest, {
            "Name": "a", "WithDecryption": true, "MaxResults": 1, "NextToken": "t"
        }),
        row!(GetParameters, ssm::GetParametersRequest, {"Names": ["a"], "WithDecryption": true}),
        row!(GetParametersByPath, ssm::GetParametersByPathRequest, {
            "Path": "/a", "Recursive": true, "ParameterFilters": [{"Key": "Type", "Option": "Equals", "Values": ["String"]}],
            "WithDecryption": true, "MaxResults": 1, "NextToken": "t"
        }),
        row!(LabelParameterVersion, ssm::LabelParameterVersionRequest, {"Name": "a", "ParameterVersion": 1, "Labels": ["l"]}),
        row!(ListTagsForResource, ssm::ListTagsForResourceRequest, {"ResourceType": "Parameter", "ResourceId": "a"}),
        row!(PutParameter, ssm::PutParameterRequest, {
            "Name": "a", "Description": "d", "Value": "v", "Type": "String", "KeyId": "k", "Overwrite": true,
            "AllowedPattern": "v", "Tags": [{"Key": "k", "Value": "v"}], "Tier": "Standard", "Policies": "[]",
            "DataType": "text"
        }),
        row!(RemoveTagsFromResource, ssm::RemoveTagsFromResourceRequest, {
            "ResourceType": "Parameter", "ResourceId": "a", "TagKeys": ["k"]
        }),
        row!(UnlabelParameterVersion, ssm::UnlabelParameterVersionRequest, {"Name": "a", "ParameterVersion": 1, "Labels": ["l"]}),
        row!(CancelKeyDeletion, kms::KeyRequest, {"KeyId": "k"}),
        row!(CreateAlias, kms::AliasTargetRequest, {"AliasName": "alias/a", "TargetKeyId": "k"}),
        row!(CreateKey, kms::CreateKeyRequest, {
            "Policy": "{}", "Description": "d", "KeyUsage": "ENCRYPT_DECRYPT", "CustomerMasterKeySpec": "SYMMETRIC_DEFAULT",
            "KeySpec": "SYMMETRIC_DEFAULT", "Origin": "AWS_KMS", "CustomKeyStoreId": "s", "XksKeyId": "x",
            "BypassPolicyLockoutSafetyCheck": true, "Tags": [{"TagKey": "k", "TagValue": "v"}], "MultiRegion": true
        }),
        row!(DeleteAlias, kms::DeleteAliasRequest, {"AliasName": "alias/a"}),
        row!(DescribeKey, kms::DescribeKeyRequest, {"KeyId": "k", "GrantTokens": ["t"]}),
        row!(DisableKey, kms::KeyRequest, {"KeyId": "k"}),
        row!(DisableKeyRotation, kms::KeyRequest, {"KeyId": "k"}),
        row!(EnableKey, kms::KeyRequest, {"KeyId": "k"}),
        row!(EnableKeyRotation, kms::EnableKeyRotationRequest, {"KeyId": "k", "RotationPeriodInDays": 90}),
        row!(GetKeyPolicy, kms::GetKeyPolicyRequest, {"KeyId": "k", "PolicyName": "default"}),
        row!(GetKeyRotationStatus, kms::KeyRequest, {"KeyId": "k"}),
        row!(ListAliases, kms::ListAliasesRequest, {"KeyId": "k", "Limit": 1, "Marker": "m"}),
        row!(ListKeyPolicies, kms::KeyPageRequest, {"KeyId": "k", "Limit": 1, "Marker": "m"}),
        row!(ListKeyRotations, kms::ListKeyRotationsRequest, {
            "KeyId": "k", "IncludeKeyMaterial": "ROTATIONS_ONLY", "Limit": 1, "Marker": "m"
        }),
        row!(ListKeys, kms::ListKeysRequest, {"Limit": 1, "Marker": "m", "ResourceOwners": ["SELF"]}),
        row!(ListResourceTags, kms::KeyPageRequest, {"KeyId": "k", "Limit": 1, "Marker": "m"}),
        row!(PutKeyPolicy, kms::PutKeyPolicyRequest, {
            "KeyId": "k", "PolicyName": "default", "Policy": "{}", "BypassPolicyLockoutSafetyCheck": true
        }),
        row!(RotateKeyOnDemand, kms::KeyRequest, {"KeyId": "k"}),
        row!(ScheduleKeyDeletion, kms::ScheduleKeyDeletionRequest, {"KeyId": "k", "PendingWindowInDays": 7}),
        row!(KmsTagResource, kms::TagResourceRequest, {"KeyId": "k", "Tags": [{"TagKey": "k", "TagValue": "v"}]}),
        row!(KmsUntagResource, kms::UntagResourceRequest, {"KeyId": "k", "TagKeys": ["k"]}),
        row!(UpdateAlias, kms::AliasTargetRequest, {"AliasName": "alias/a", "TargetKeyId": "k"}),
        row!(UpdateKeyDescription, kms::UpdateKeyDescriptionRequest, {"KeyId": "k", "Description": "d"}),
        row!(CreateTaskSession, sealdock::CreateTaskSessionRequest, {"RoleArn": arn, "SessionName": "0a", "TaskDefinition": "web"}),
        row!(GrantTaskRole, sealdock::GrantTaskRoleRequest, {"TaskId": "0a", "RoleArn": arn, "TaskDefinition": "web"}),
        row!(GetTaskCredentials, sealdock::GetTaskCredentialsRequest, {"CredentialsId": "c"}),
        row!(EndTask, sealdock::EndTaskRequest, {"TaskId": "0a"}),
        row!(RecordCachedRead, sealdock::RecordCachedReadRequest, {
            "Service": "secretsmanager", "Name": "n", "VersionId": "v", "VersionStage": "AWSCURRENT", "WithDecryption": true,
            "CachedVersion": "v"
        }),
        row!(ResolveInjections, sealdock::ResolveInjectionsRequest, {
            "RoleArn": arn, "TaskId": "0a", "Family": "web", "ContainerId": "i", "Region": "us-east-1",
            "References": [{"Name": "DB", "ValueFrom": "/p"}]
        }),
        row!(RecordInjections, sealdock::RecordInjectionsRequest, {
            "TaskId": "t", "Family": "f", "ContainerName": "c", "ContainerId": "i", "DockerName": "n",
            "Delivery": "env", "Injections": [injection]
        }),
        row!(ForgetBindings, sealdock::ForgetBindingsRequest, {"ContainerIds": ["i"]}),
        row!(ListBindings, sealdock::ListBindingsRequest, {"ContainerId": "i"}),
        row!(CreateAccessKey, sealdock::CreateAccessKeyRequest, {"PrincipalArn": arn}),
        row!(ListAccessKeys, sealdock::ListAccessKeysRequest, {"PrincipalArn": arn}),
        row!(UpdateAccessKey, sealdock::UpdateAccessKeyRequest, {"AccessKeyId": key, "Status": "Active"}),
        row!(DeleteAccessKey, sealdock::DeleteAccessKeyRequest, {"AccessKeyId": key}),
        row!(RevokeSessions, sealdock::RevokeSessionsRequest, {"PrincipalArn": arn}),
        row!(ListRevocations, sealdock::ListRevocationsRequest, {}),
        row!(WhoAmI, sealdock::WhoAmIRequest, {}),
        row!(AssumeRole, sts::AssumeRoleRequest, {
            "RoleArn": arn, "RoleSessionName": "0a", "Policy": "{}", "PolicyArns": [{"arn": arn}], "DurationSeconds": 900,
            "Tags": [{"Key": "k", "Value": "v"}], "TransitiveTagKeys": ["k"], "ExternalId": "id", "SerialNumber": arn,
            "TokenCode": "123456", "SourceIdentity": "ann"
        }),
        row!(GetCallerIdentity, sts::GetCallerIdentityRequest, {}),
        row!(GetSessionToken, sts::GetSessionTokenRequest, {
            "DurationSeconds": 900, "SerialNumber": arn, "TokenCode": "123456"
        }),
        row!(GetAccessKeyInfo, sts::GetAccessKeyInfoRequest, {"AccessKeyId": key}),
        row!(DecodeAuthorizationMessage, sts::DecodeAuthorizationMessageRequest, {"EncodedMessage": "m"}),
    ]
}

fn decode(decoder: Decoder, members: &Map<String, Value>) -> Result<(), ApiError> {
    decoder(Value::Object(members.clone()).to_string().as_bytes())
}

fn members(value: &Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

#[test]
fn every_operation_has_a_decoder() {
    let decoders = decoders();
    assert!(Operation::ALL.iter().all(|op| decoders.iter().any(|(row, ..)| row == op)));
    for (operation, decoder, good) in decoders {
        assert_eq!(decode(decoder, &members(&good)), Ok(()), "{operation:?}");
    }
}

#[test]
fn every_wrong_type_is_a_serialization_error() {
    for (operation, decoder, good) in decoders() {
        for (name, value) in members(&good) {
            for wrong in
                [json!(1.5), json!("x"), json!(true), json!([1]), json!([]), json!([[]]), json!({"x": 1})]
            {
                // The right type, or an empty list, which breaks a constraint or nothing.
                let same = std::mem::discriminant(&wrong) == std::mem::discriminant(&value);
                if same && !(wrong.is_array() && wrong != json!([])) && !wrong.is_number() {
                    continue;
                }
                let mut bad = members(&good);
                bad.insert(name.clone(), wrong.clone());
                let error = decode(decoder, &bad).unwrap_err();
                assert_eq!(error.code, "SerializationException", "{operation:?} {name} {wrong}: {error}");
            }
        }
    }
}

#[test]
fn every_unknown_member_is_named() {
    for (operation, decoder, good) in decoders() {
        let mut bad = members(&good);
        bad.insert("Neww".into(), json!("hunter2"));
        assert_eq!(
            decode(decoder, &bad).unwrap_err().to_string(),
            "ValidationException: 1 validation error detected: 'Neww' is not a member of this operation's input",
            "{operation:?}"
        );
    }
}

#[test]
fn a_missing_member_is_optional_or_named() {
    for (operation, decoder, good) in decoders() {
        for name in members(&good).keys() {
            let mut bad = members(&good);
            bad.remove(name);
            if let Err(error) = decode(decoder, &bad) {
                let null = format!("Value null at '{}{}'", name[..1].to_lowercase(), &name[1..]);
                let codes = ["InvalidParameterException", "InvalidRequestException", "ValidationException"];
                let modelled = error.message.contains(&null) || codes.contains(&error.code);
                assert!(modelled, "{operation:?} {name}: {error}");
            }
            // `null` is the same as absent.
            let mut null = members(&good);
            null.insert(name.clone(), Value::Null);
            assert_eq!(decode(decoder, &null), decode(decoder, &bad), "{operation:?} {name}");
        }
    }
}
