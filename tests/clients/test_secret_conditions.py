"""Condition keys of Secrets Manager through the API: a user for each key, a request that meets it and one that does not.

The keys are those of the Service Authorization Reference for the operations served here.
"""

import pytest

import broker as brokers
from broker import ACCOUNT, REGION
from conftest import client, make_key
from expect import Matching, refused
from policies import export, statement, user

FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:rotate"


def only(action, condition):
    """May do everything but one thing under one condition. A negated operator holds for a missing key, too."""
    return [statement("Allow", "*"), statement("Deny", f"secretsmanager:{action}", condition)]


USERS = {
    "name": only("CreateSecret", {"StringNotLike": {"secretsmanager:Name": "team/*"}}),
    "described": only("CreateSecret", {"Null": {"secretsmanager:Description": "true"}}),
    "keyed": only("CreateSecret", {"StringNotEquals": {"secretsmanager:KmsKeyId": "alias/conditions"}}),
    "keyarn": only("CreateSecret", {"ArnNotLike": {"secretsmanager:KmsKeyArn": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/*"}}),
    "rekeyed": only("UpdateSecret", {"ArnNotLike": {"secretsmanager:KmsKeyArn": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/*"}}),
    "regions": only("CreateSecret", {"ForAnyValue:StringNotEquals": {"secretsmanager:AddReplicaRegions": ["eu-west-1"]}}),
    "overwrite": only("ReplicateSecretToRegions", {"Bool": {"secretsmanager:ForceOverwriteReplicaSecret": "true"}}),
    "tags": only("CreateSecret", {"StringNotEquals": {"aws:RequestTag/team": "shop"}}),
    "tagkeys": only("TagResource", {"ForAnyValue:StringNotEquals": {"aws:TagKeys": ["team"]}}),
    "tagged": only("GetSecretValue", {"StringNotEquals": {"secretsmanager:ResourceTag/team": "shop"}}),
    "stage": only("GetSecretValue", {"StringNotEquals": {"secretsmanager:VersionStage": "AWSCURRENT"}}),
    "version": only("GetSecretValue", {"Null": {"secretsmanager:VersionId": "true"}}),
    "id": only("GetSecretValue", {"ArnNotLike": {"secretsmanager:SecretId": f"arn:aws:secretsmanager:*:{ACCOUNT}:secret:team/*"}}),
    "window": only("DeleteSecret", {"NumericLessThan": {"secretsmanager:RecoveryWindowInDays": "14"}}),
    "force": only("DeleteSecret", {"Bool": {"secretsmanager:ForceDeleteWithoutRecovery": "true"}}),
    "public": only("PutResourcePolicy", {"Bool": {"secretsmanager:BlockPublicPolicy": "false"}}),
    "function": only("RotateSecret", {"ArnNotEquals": {"secretsmanager:RotationLambdaARN": FUNCTION}}),
    "rules": only("RotateSecret", {"Bool": {"secretsmanager:ModifyRotationRules": "true"}}),
    "now": only("RotateSecret", {"Bool": {"secretsmanager:RotateImmediately": "true"}}),
    "admin": [statement("Allow", "*")],
}


def denied(action):
    text = f"User: .* is not authorized to perform: {action} .*with an explicit deny in an identity-based policy"
    return refused("AccessDeniedException", Matching(text))


@pytest.fixture(scope="module")
def vault(tmp_path_factory):
    document = export([user(name, *statements) for name, statements in USERS.items()])
    broker = brokers.served(tmp_path_factory.mktemp("conditions") / "data", document)
    yield broker
    assert broker.stop() == 0


@pytest.fixture(scope="module")
def keys(vault):
    return {name: brokers.access_key(vault, name) for name in USERS}


@pytest.fixture(scope="module")
def as_user(vault, keys):
    made = {name: client("secretsmanager", vault.tls, key, verify=vault.ca) for name, key in keys.items()}
    return made.__getitem__


@pytest.fixture(scope="module")
def key(vault, keys):
    return make_key(client("kms", vault.tls, keys["admin"], verify=vault.ca), "alias/conditions")


@pytest.fixture
def team(as_user, name, value):
    """A secret under team/ with the tag team=shop; its name."""
    full = f"team/{name}"
    as_user("admin").create_secret(Name=full, SecretString=value, Tags=[{"Key": "team", "Value": "shop"}])
    return full


@pytest.mark.parametrize(
    "who, met, unmet",
    [
        ("name", {"Name": "team/"}, {}),
        ("described", {"Description": "x"}, {}),
        ("keyed", {"KmsKeyId": "alias/conditions"}, {}),
        ("keyarn", {"KmsKeyId": "alias/conditions"}, {"KmsKeyId": "alias/none"}),
        ("regions", {"AddReplicaRegions": [{"Region": "eu-west-1"}]}, {"AddReplicaRegions": [{"Region": "eu-west-2"}]}),
        ("tags", {"Tags": [{"Key": "team", "Value": "shop"}]}, {"Tags": [{"Key": "team", "Value": "other"}]}),
    ],
)
def test_of_a_new_secret(as_user, key, name, value, who, met, unmet):
    request = {"Name": name, "SecretString": value}
    with denied("secretsmanager:CreateSecret"):
        as_user(who).create_secret(**request | unmet)
    met = met | {"Name": met["Name"] + name} if "Name" in met else met
    assert as_user(who).create_secret(**request | met)["VersionId"]


@pytest.mark.parametrize(
    "who, operation, met, unmet",
    [
        ("rekeyed", "update_secret", {"KmsKeyId": "alias/conditions"}, {"Description": "x"}),
        ("tagkeys", "tag_resource", {"Tags": [{"Key": "team", "Value": "a"}]}, {"Tags": [{"Key": "other", "Value": "a"}]}),
        ("stage", "get_secret_value", {"VersionStage": "AWSCURRENT"}, {"VersionStage": "AWSPENDING"}),
        ("stage", "get_secret_value", {}, {"VersionStage": "AWSPREVIOUS"}),
        ("window", "delete_secret", {"RecoveryWindowInDays": 14}, {"RecoveryWindowInDays": 13}),
        ("force", "delete_secret", {}, {"ForceDeleteWithoutRecovery": True}),
    ],
)
def test_of_a_request(as_user, key, team, who, operation, met, unmet):
    call = getattr(as_user(who), operation)
    with denied("secretsmanager:" + "".join(word.title() for word in operation.split("_"))):
        call(SecretId=team, **unmet)
    assert call(SecretId=team, **met)["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_of_the_secret(as_user, team, name, value):
    as_user("admin").create_secret(Name=name, SecretString=value)
    for who in ("tagged", "id"):
        assert as_user(who).get_secret_value(SecretId=team)["Name"] == team
        with denied("secretsmanager:GetSecretValue"):
            as_user(who).get_secret_value(SecretId=name)


def test_of_a_version(as_user, team):
    version = as_user("admin").describe_secret(SecretId=team)["VersionIdsToStages"]
    with denied("secretsmanager:GetSecretValue"):
        as_user("version").get_secret_value(SecretId=team)
    assert as_user("version").get_secret_value(SecretId=team, VersionId=next(iter(version)))


def test_of_replicas(as_user, team):
    request = {"SecretId": team, "AddReplicaRegions": [{"Region": "eu-west-1"}]}
    with denied("secretsmanager:ReplicateSecretToRegions"):
        as_user("overwrite").replicate_secret_to_regions(**request, ForceOverwriteReplicaSecret=True)
    assert as_user("overwrite").replicate_secret_to_regions(**request)["ReplicationStatus"]


def test_of_policies(as_user, team):
    text = '{"Version":"2012-10-17","Statement":{"Effect":"Deny","Principal":"*","Action":"secretsmanager:RestoreSecret","Resource":"*"}}'
    with denied("secretsmanager:PutResourcePolicy"):
        as_user("public").put_resource_policy(SecretId=team, ResourcePolicy=text)
    assert as_user("public").put_resource_policy(SecretId=team, ResourcePolicy=text, BlockPublicPolicy=True)


def test_of_rotation(as_user, team):
    """A refusal comes before the answer that no such function is known."""
    rules = {"AutomaticallyAfterDays": 30}
    for who, met, unmet in (
        ("function", {"RotationLambdaARN": FUNCTION}, {"RotationLambdaARN": FUNCTION + "2"}),
        ("rules", {"RotationLambdaARN": FUNCTION}, {"RotationLambdaARN": FUNCTION, "RotationRules": rules}),
        ("now", {"RotationLambdaARN": FUNCTION, "RotateImmediately": False}, {"RotationLambdaARN": FUNCTION}),
    ):
        with denied("secretsmanager:RotateSecret"):
            as_user(who).rotate_secret(SecretId=team, **unmet)
        with pytest.raises(as_user(who).exceptions.ClientError, match="cannot invoke the specified Lambda function"):
            as_user(who).rotate_secret(SecretId=team, **met)
