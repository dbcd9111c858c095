"""Whatever rule of the service model a request breaks, the answer is a modelled error: no success, no 5xx, no hang."""

import json
import uuid

import pytest

import broker
import model
from broker import ACCOUNT, REGION
from conftest import client, dev_key, make_key
from expect import parameter_arn

# Ends the name of the replica.
REPLICA = "-replica"

# A policy that denies nobody of the tests anything.
POLICY = json.dumps(
    {"Version": "2012-10-17", "Statement": [
        {"Effect": "Deny", "Principal": {"AWS": "999988887777"}, "Action": "secretsmanager:*", "Resource": "*"}
    ]}
)  # fmt: skip

# A key policy that leaves everything to the identity policies of the account.
KEY_POLICY = json.dumps(
    {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "kms:*", "Resource": "*"}
    ]}
)  # fmt: skip

# What RotateSecret names; nothing listens where the broker looks for it.
FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:none"
# The version of the secret that the requests are about.
VERSION = str(uuid.uuid4())


@pytest.fixture(scope="module")
def existing(dev, secrets, parameters):
    """A secret, a replica and a parameter for the requests that are about one; returns the name that they share."""
    name = f"model/{uuid.uuid4().hex[:8]}"
    elsewhere = client("secretsmanager", dev.variables["AWS_ENDPOINT_URL"], dev_key(dev), region="eu-west-1")
    elsewhere.create_secret(Name=name + REPLICA, AddReplicaRegions=[{"Region": REGION}])
    secrets.create_secret(Name=name, SecretString="canary-8f1d", ClientRequestToken=VERSION)
    parameters.put_parameter(Name="/" + name, Value="v", Type="String", Tier="Advanced")
    return name


@pytest.fixture(scope="module")
def key(kms):
    """A KMS key with an alias: the key id and the alias."""
    alias = f"alias/model-{uuid.uuid4().hex[:8]}"
    return make_key(kms, alias).rsplit("/", 1)[1], alias


@pytest.fixture(scope="module")
def right(existing, key):
    """`right(service, operation)`: a request that is right."""

    def request(service, operation):
        return key_request(operation, *key) if service == "kms" else right_request(operation, existing, service)

    return request


@pytest.fixture(scope="module")
def senders(raw_secrets, raw_parameters, raw_kms):
    """What sends a request to each service."""
    return {"secretsmanager": raw_secrets, "ssm": raw_parameters, "kms": raw_kms}


def right_request(operation, existing, service="secretsmanager"):
    if service == "ssm" and operation.endswith(("ResourcePolicy", "ResourcePolicies")):
        return sharing_request(operation, parameter_arn("/" + existing))
    fresh = f"model/{uuid.uuid4().hex}"
    token = str(uuid.uuid4())
    match operation:
        case "CreateSecret":
            return {"Name": fresh, "ClientRequestToken": token}
        case "PutSecretValue":
            return {"SecretId": existing, "SecretString": "canary-8f1d", "ClientRequestToken": token}
        case "UpdateSecret":
            return {"SecretId": existing, "Description": "d", "ClientRequestToken": token}
        case "GetSecretValue" | "DescribeSecret" | "ListSecretVersionIds" | "RestoreSecret":
            return {"SecretId": existing}
        case "GetResourcePolicy" | "ListResourcePolicies":
            return {"SecretId": existing}
        case "ReplicateSecretToRegions":
            return {"SecretId": existing, "AddReplicaRegions": [{"Region": "eu-west-1"}]}
        case "RemoveRegionsFromReplication":
            return {"SecretId": existing, "RemoveReplicaRegions": ["eu-west-1"]}
        case "StopReplicationToReplica":
            return {"SecretId": existing + REPLICA}
        case "DeleteResourcePolicy":
            return {"SecretId": existing}
        case "PutResourcePolicy" | "ValidateResourcePolicy":
            return {"SecretId": existing, "ResourcePolicy": POLICY}
        case "ListSecrets" | "GetRandomPassword":
            return {}
        case "TagResource":
            return {"SecretId": existing, "Tags": [{"Key": "k", "Value": "v"}]}
        case "UntagResource":
            return {"SecretId": existing, "TagKeys": ["k"]}
        case "UpdateSecretVersionStage":
            return {"SecretId": existing, "VersionStage": "mine", "MoveToVersionId": VERSION}
        case "BatchGetSecretValue":
            return {"SecretIdList": [existing]}
        case "RotateSecret":
            return {"SecretId": existing, "ClientRequestToken": token, "RotationLambdaARN": FUNCTION}
        case "DeleteSecret" | "CancelRotateSecret":
            return {"SecretId": existing}
        case "PutParameter":
            return {"Name": "/" + fresh, "Value": "v", "Type": "String"}
        case "GetParameter":
            return {"Name": "/" + existing}
        case "GetParameters" | "DeleteParameters":
            return {"Names": ["/" + existing]}
        case "GetParametersByPath":
            return {"Path": "/" + existing}
        case "DescribeParameters":
            return {}
        case "LabelParameterVersion" | "UnlabelParameterVersion":
            return {"Name": "/" + existing, "ParameterVersion": 1, "Labels": ["label"]}
        case "AddTagsToResource":
            return {"ResourceType": "Parameter", "ResourceId": "/" + existing, "Tags": [{"Key": "k", "Value": "v"}]}
        case "RemoveTagsFromResource":
            return {"ResourceType": "Parameter", "ResourceId": "/" + existing, "TagKeys": ["k"]}
        case "ListTagsForResource":
            return {"ResourceType": "Parameter", "ResourceId": "/" + existing}
        case "DeleteParameter" | "GetParameterHistory":
            return {"Name": "/" + existing}
    raise AssertionError(operation)


def sharing_request(operation, arn):
    """The operations on resource policies of parameters, which share their names with those of secrets."""
    statement = {"Effect": "Allow", "Principal": {"AWS": "444455556666"}, "Action": "ssm:GetParameter", "Resource": arn}
    match operation:
        case "PutResourcePolicy":
            return {"ResourceArn": arn, "Policy": json.dumps({"Version": "2012-10-17", "Statement": [statement]})}
        case "GetResourcePolicies":
            return {"ResourceArn": arn}
        case "DeleteResourcePolicy":
            return {"ResourceArn": arn, "PolicyId": "id", "PolicyHash": "hash"}
    raise AssertionError(operation)


def key_request(operation, key_id, alias):
    match operation:
        case "CreateKey" | "ListKeys" | "ListAliases":
            return {}
        case "CreateAlias":
            return {"AliasName": f"alias/{uuid.uuid4().hex}", "TargetKeyId": key_id}
        case "UpdateAlias":
            return {"AliasName": alias, "TargetKeyId": key_id}
        case "DeleteAlias":
            return {"AliasName": alias}
        case "UpdateKeyDescription":
            return {"KeyId": key_id, "Description": "d"}
        case "TagResource":
            return {"KeyId": key_id, "Tags": [{"TagKey": "k", "TagValue": "v"}]}
        case "UntagResource":
            return {"KeyId": key_id, "TagKeys": ["k"]}
        case "PutKeyPolicy":
            return {"KeyId": key_id, "Policy": KEY_POLICY}
    return {"KeyId": key_id}


def check_refusal(answer, service, operation):
    assert answer.status == 400, answer.body
    assert answer.headers["content-type"] == "application/x-amz-json-1.1"
    assert answer.code in model.errors_of(service, operation)
    assert answer.message or answer.code in {"ParameterNotFound", "SerializationException"}
    assert "x-amzn-requestid" in answer.headers


# Deleting comes last, so that what it is tried on is there for the others; the right DeleteSecret is not sent at all.
@pytest.mark.parametrize(
    "service, operation",
    [
        (service, operation)
        for service, operations in model.OPERATIONS.items()
        for operation in operations
        if not operation.startswith("Delete")
    ],
)
def test_the_right_request(senders, right, service, operation):
    answer = senders[service](operation, right(service, operation))
    assert answer.status == 200, answer.body


@pytest.mark.parametrize("case", model.cases(), ids=str)
def test_one_fault(senders, right, case):
    request = case.broken(right(case.service, case.operation))
    answer = senders[case.service](case.operation, request)
    check_refusal(answer, case.service, case.operation)
    if case.rule in {"missing", "too-short", "too-long", "enum", "pattern", "too-small", "too-large", "too-few", "too-many"}:
        assert answer.code not in {"SerializationException"}
    if case.rule == "unknown-member" and len(case.path) == 1:
        assert (answer.code, "NoSuchMember" in answer.message) == ("ValidationException", True)
    if case.rule.startswith("is-"):
        assert answer.code in {"SerializationException", "ValidationException"}


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"5", b'"text"', b"nul", b"\xff\xfe", b'{"a": 1,}', b"{}{}", b"[" * 100_000, b'{"a":' * 10_000],
    ids=["empty", "cut", "array", "number", "text", "word", "not utf-8", "comma", "two", "deep array", "deep object"],
)
@pytest.mark.parametrize(
    "service, operation", [("secretsmanager", "GetSecretValue"), ("ssm", "PutParameter"), ("kms", "DescribeKey")]
)
def test_a_body_that_is_no_request(senders, service, operation, body):
    check_refusal(senders[service](operation, body), service, operation)


@pytest.mark.parametrize(
    "service, operation, required, optional",
    [
        ("secretsmanager", "GetSecretValue", "SecretId", "VersionStage"),
        ("ssm", "PutParameter", "Name", "Description"),
        ("kms", "ListKeyRotations", "KeyId", "Limit"),
    ],
)
def test_null_is_as_good_as_missing(senders, right, service, operation, required, optional):
    send, request = senders[service], right(service, operation)
    assert send(operation, {**request, optional: None}).status == 200
    check_refusal(send(operation, {**request, required: None}), service, operation)


def test_every_operation_that_is_served_is_here():
    """What `sealdock coverage` lists as served, of the services whose requests are generated."""
    titles = {"Secrets Manager": "secretsmanager", "SSM Parameter Store": "ssm", "KMS": "kms"}
    table = broker.sealdock("coverage", "--format", "markdown").stdout.splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
    served = {titles[row[0]]: set(row[2].split(", ")) for row in rows if row[0] in titles}
    assert served == {service: set(operations) for service, operations in model.OPERATIONS.items()}
