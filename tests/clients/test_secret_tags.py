"""TagResource and UntagResource."""

import pytest

from expect import MARKED, NO_SECRET, body, refused


def tags(**pairs):
    return [{"Key": key, "Value": value} for key, value in pairs.items()]


@pytest.fixture
def secret(secrets, name, value):
    secrets.create_secret(Name=name, SecretString=value, Tags=tags(team="red", stage="prod"))
    return name


def found(secrets, name):
    return secrets.describe_secret(SecretId=name).get("Tags", [])


def test_tags_come_change_and_go(secrets, secret):
    assert body(secrets.tag_resource(SecretId=secret, Tags=tags(team="blue", owner="me"))) == {}
    assert found(secrets, secret) == tags(team="blue", stage="prod", owner="me")
    assert body(secrets.untag_resource(SecretId=secret, TagKeys=["stage", "nothing"])) == {}
    assert found(secrets, secret) == tags(team="blue", owner="me")
    secrets.untag_resource(SecretId=secret, TagKeys=["team", "owner"])
    assert secrets.describe_secret(SecretId=secret)["Tags"] == []


def test_nothing_to_do(secrets, secret):
    before = secrets.describe_secret(SecretId=secret)
    secrets.tag_resource(SecretId=secret, Tags=[])
    secrets.tag_resource(SecretId=secret, Tags=tags(team="red"))
    secrets.untag_resource(SecretId=secret, TagKeys=[])
    assert body(secrets.describe_secret(SecretId=secret)) == body(before)


def test_by_arn(secrets, secret):
    arn = secrets.describe_secret(SecretId=secret)["ARN"]
    secrets.tag_resource(SecretId=arn, Tags=tags(a="1"))
    secrets.untag_resource(SecretId=arn.rsplit("-", 1)[0], TagKeys=["team", "stage"])
    assert found(secrets, secret) == tags(a="1")


def test_fifty_and_no_more(secrets, secret):
    secrets.tag_resource(SecretId=secret, Tags=tags(**{f"k{number}": "" for number in range(48)}))
    for more in (1, 51):
        with refused("InvalidParameterException", "You can't have more than 50 tags on a secret."):
            secrets.tag_resource(SecretId=secret, Tags=tags(**{f"more{number}": "" for number in range(more)}))
    secrets.tag_resource(SecretId=secret, Tags=tags(team="changed"))
    assert len(found(secrets, secret)) == 50


def test_what_is_refused(secrets, secret):
    reserved = 'Tag keys that begin with "aws:" are reserved for AWS use.'
    with refused("InvalidParameterException", reserved):
        secrets.tag_resource(SecretId=secret, Tags=tags(**{"aws:x": "1"}))
    with refused("InvalidParameterException", reserved):
        secrets.untag_resource(SecretId=secret, TagKeys=["AWS:x"])
    with refused("InvalidParameterException", "Duplicate tag key: a"):
        secrets.tag_resource(SecretId=secret, Tags=tags(a="1") + tags(a="2"))
    for identifier in (secret + "x", f"arn:aws:secretsmanager:eu-central-1:123456789012:secret:{secret}x-abcdef"):
        with refused("ResourceNotFoundException", NO_SECRET):
            secrets.tag_resource(SecretId=identifier, Tags=tags(a="1"))
        with refused("ResourceNotFoundException", NO_SECRET):
            secrets.untag_resource(SecretId=identifier, TagKeys=["a"])


def test_a_secret_marked_for_deletion(secrets, secret):
    secrets.delete_secret(SecretId=secret)
    with refused("InvalidRequestException", MARKED):
        secrets.tag_resource(SecretId=secret, Tags=tags(a="1"))
    with refused("InvalidRequestException", MARKED):
        secrets.untag_resource(SecretId=secret, TagKeys=["team"])
