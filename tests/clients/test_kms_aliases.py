"""Aliases of KMS keys through boto3, and the whole life of a key through the AWS CLI."""

import json
import uuid

import pytest

from broker import ACCOUNT, REGION
from conftest import make_key
from expect import RECENTLY, body, constraint, refused
from test_aws_cli import answered, aws, variables  # noqa: F401

PREFIX = (
    'Alias must start with the prefix "alias/". Please see '
    "https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html"
)


def arn_of(alias):
    return f"arn:aws:kms:{REGION}:{ACCOUNT}:{alias}"


@pytest.fixture
def alias():
    return f"alias/test/{uuid.uuid4().hex[:12]}"


@pytest.fixture
def key(kms):
    return make_key(kms)


def aliases_of(kms, key):
    return kms.list_aliases(KeyId=key)["Aliases"]


def test_made_moved_and_removed(kms, alias, key):
    key_id = key.rsplit("/", 1)[1]
    assert body(kms.create_alias(AliasName=alias, TargetKeyId=key_id)) == {}
    entry = {
        "AliasName": alias, "AliasArn": arn_of(alias), "TargetKeyId": key_id,
        "CreationDate": RECENTLY, "LastUpdatedDate": RECENTLY,
    }  # fmt: skip
    for named in (key, key_id, alias, arn_of(alias)):
        assert body(kms.list_aliases(KeyId=named)) == {"Aliases": [entry], "Truncated": False}
    other = make_key(kms)
    assert body(kms.update_alias(AliasName=alias, TargetKeyId=other)) == {}
    (moved,) = aliases_of(kms, other)
    assert moved == entry | {"TargetKeyId": other.rsplit("/", 1)[1]}
    assert moved["LastUpdatedDate"] >= moved["CreationDate"]
    assert aliases_of(kms, key) == []
    assert kms.describe_key(KeyId=alias)["KeyMetadata"]["Arn"] == other
    assert body(kms.delete_alias(AliasName=alias)) == {}
    for call in (
        lambda: kms.describe_key(KeyId=alias),
        lambda: kms.delete_alias(AliasName=alias),
        lambda: kms.update_alias(AliasName=alias, TargetKeyId=key),
    ):
        with refused("NotFoundException", f"Alias {arn_of(alias)} is not found."):
            call()


def test_a_name_is_taken_once(kms, alias, key):
    kms.create_alias(AliasName=alias, TargetKeyId=key)
    for target in (key, make_key(kms)):
        with refused("AlreadyExistsException", f"An alias with the name {arn_of(alias)} already exists"):
            kms.create_alias(AliasName=alias, TargetKeyId=target)
    kms.delete_alias(AliasName=alias)
    kms.create_alias(AliasName=alias, TargetKeyId=key)


@pytest.mark.parametrize("operation", ["create_alias", "update_alias", "delete_alias"])
def test_names_that_are_none(kms, key, operation):
    target = {} if operation == "delete_alias" else {"TargetKeyId": key}

    def call(name):
        return getattr(kms, operation)(AliasName=name, **target)

    with refused("ValidationException", PREFIX):
        call("name")
    for name in ("alias/aws/mine", "alias/aws/secretsmanager"):
        text = f"{name} cannot be changed: aliases that begin with alias/aws/ belong to the services"
        with refused("NotAuthorizedException", text):
            call(name)
    for name in ("alias/", "alias/a:b"):
        with refused("ValidationException", f"{name} contains invalid characters for an alias"):
            call(name)
    with refused("ValidationException", constraint("aliasName", r"satisfy regular expression pattern: \^\[a-zA-Z0-9:/_-\]\+\$")):
        call("alias/ä")
    with refused("ValidationException", constraint("aliasName", "have length less than or equal to 256")):
        call("alias/" + "a" * 251)


@pytest.mark.parametrize("operation", ["create_alias", "update_alias"])
def test_targets_that_are_none(kms, alias, key, operation):
    taken = alias + "-taken"
    kms.create_alias(AliasName=taken, TargetKeyId=key)
    name = taken if operation == "update_alias" else alias

    def call(target):
        return getattr(kms, operation)(AliasName=name, TargetKeyId=target)

    absent = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/00000000-0000-0000-0000-000000000000"
    with refused("NotFoundException", f"Key '{absent}' does not exist"):
        call(absent)
    for target in (taken, arn_of(taken)):
        with refused("ValidationException", "Aliases must refer to keys. Not aliases"):
            call(target)
    going = make_key(kms)
    kms.schedule_key_deletion(KeyId=going)
    with refused("KMSInvalidStateException", f"{going} is pending deletion."):
        call(going)


def test_an_alias_leaves_a_key_that_is_pending_deletion(kms, alias, key):
    """Documented: only the key that the alias gets has to be in another state."""
    kms.create_alias(AliasName=alias, TargetKeyId=key)
    kms.schedule_key_deletion(KeyId=key)
    assert kms.describe_key(KeyId=alias)["KeyMetadata"]["KeyState"] == "PendingDeletion"
    other = make_key(kms)
    kms.update_alias(AliasName=alias, TargetKeyId=other)
    assert kms.describe_key(KeyId=alias)["KeyMetadata"]["Arn"] == other


def test_at_most_fifty_for_a_key(kms, alias, key):
    names = [f"{alias}-{number:02}" for number in range(50)]
    for name in names:
        kms.create_alias(AliasName=name, TargetKeyId=key)
    with refused("LimitExceededException", f"{key} has 50 aliases, and a key can have no more"):
        kms.create_alias(AliasName=alias, TargetKeyId=key)
    pages = list(kms.get_paginator("list_aliases").paginate(KeyId=key, PaginationConfig={"PageSize": 20}))
    assert [page["Truncated"] for page in pages] == [True, True, False]
    assert [entry["AliasName"] for page in pages for entry in page["Aliases"]] == names
    marker = pages[0]["NextMarker"]
    with refused("InvalidMarkerException", "The marker is not valid."):
        kms.list_aliases(Marker=marker)


def test_every_operation_through_the_command_line(variables, alias):  # noqa: F811
    def cli(*arguments):
        return answered(variables, "kms", *arguments)

    tag = {"TagKey": "team", "TagValue": "x"}
    key = cli("create-key", "--description", "d", "--tags", "TagKey=team,TagValue=x")["KeyMetadata"]["Arn"]
    key_id = key.rsplit("/", 1)[1]
    on_key = ("--key-id", key)
    cli("create-alias", "--alias-name", alias, "--target-key-id", key_id)
    assert cli("describe-key", "--key-id", alias, "--query", "KeyMetadata.[Arn, Description]") == [key, "d"]
    assert cli("list-keys", "--query", f"Keys[?KeyId=='{key_id}'].KeyArn") == [key]
    assert cli("list-aliases", *on_key, "--query", "Aliases[].AliasArn") == [arn_of(alias)]
    cli("update-key-description", *on_key, "--description", "e")
    cli("tag-resource", *on_key, "--tags", "TagKey=more,TagValue=")
    cli("untag-resource", *on_key, "--tag-keys", "more")
    assert cli("list-resource-tags", *on_key) == {"Tags": [tag]}
    policy = json.loads(cli("get-key-policy", *on_key)["Policy"])
    assert policy["Statement"][0]["Principal"] == {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    cli("put-key-policy", *on_key, "--policy-name", "default", "--policy", json.dumps(policy))
    assert cli("list-key-policies", *on_key)["PolicyNames"] == ["default"]
    cli("enable-key-rotation", *on_key, "--rotation-period-in-days", "100")
    assert cli("get-key-rotation-status", *on_key, "--query", "RotationPeriodInDays") == 100
    assert cli("rotate-key-on-demand", *on_key) == {"KeyId": key_id}
    assert cli("list-key-rotations", *on_key, "--query", "Rotations[].RotationType") == ["ON_DEMAND"]
    cli("disable-key-rotation", *on_key)
    cli("disable-key", *on_key)
    cli("enable-key", *on_key)
    other = cli("create-key")["KeyMetadata"]["KeyId"]
    cli("update-alias", "--alias-name", alias, "--target-key-id", other)
    assert cli("describe-key", "--key-id", alias, "--query", "KeyMetadata.KeyId") == other
    cli("delete-alias", "--alias-name", alias)
    scheduled = cli("schedule-key-deletion", *on_key, "--pending-window-in-days", "7")
    assert (scheduled["KeyState"], scheduled["PendingWindowInDays"]) == ("PendingDeletion", 7)
    assert cli("cancel-key-deletion", *on_key) == {"KeyId": key}
    state = cli("describe-key", *on_key, "--query", "KeyMetadata.[KeyState, Description]")
    assert state == ["Disabled", "e"]
    run = aws(variables, "kms", "describe-key", "--key-id", alias)
    assert f"(NotFoundException) when calling the DescribeKey operation: Alias {arn_of(alias)} is not found." in run.stderr
    run = aws(variables, "kms", "encrypt", "--key-id", key, "--plaintext", "eA==")
    assert run.returncode in (254, 255) and "Encrypt" in run.stderr
