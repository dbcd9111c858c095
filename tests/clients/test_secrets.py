"""CreateSecret, GetSecretValue, DescribeSecret, UpdateSecret: whole answers, whole refusals."""

import uuid

import pytest

from expect import (
    BAD_SECRET_NAME,
    NO_SECRET,
    RECENTLY,
    TODAY,
    UUID,
    Matching,
    body,
    constraint,
    refused,
    secret_arn,
)


def test_create_and_read_back(secrets, name, value):
    created = secrets.create_secret(Name=name, SecretString=value)
    assert body(created) == {"ARN": secret_arn(name), "Name": name, "VersionId": UUID}

    read = secrets.get_secret_value(SecretId=name)
    assert body(read) == {
        "ARN": created["ARN"],
        "Name": name,
        "VersionId": created["VersionId"],
        "SecretString": value,
        "VersionStages": ["AWSCURRENT"],
        "CreatedDate": RECENTLY,
    }


def test_describe(secrets, name, value):
    tags = [{"Key": "team", "Value": "shop"}, {"Key": "empty", "Value": ""}]
    created = secrets.create_secret(Name=name, SecretString=value, Description="for the shop", Tags=tags)
    described = secrets.describe_secret(SecretId=name)
    assert sorted(described.pop("Tags"), key=lambda tag: tag["Key"]) == sorted(tags, key=lambda tag: tag["Key"])
    assert body(described) == {
        "ARN": created["ARN"],
        "Name": name,
        "Description": "for the shop",
        "CreatedDate": RECENTLY,
        "LastChangedDate": RECENTLY,
        "VersionIdsToStages": {created["VersionId"]: ["AWSCURRENT"]},
    }
    secrets.get_secret_value(SecretId=name)
    assert secrets.describe_secret(SecretId=name)["LastAccessedDate"] == TODAY


def test_create_without_a_value(secrets, name, value):
    created = secrets.create_secret(Name=name)
    assert body(created) == {"ARN": secret_arn(name), "Name": name}
    assert body(secrets.describe_secret(SecretId=name)) == {
        "ARN": created["ARN"],
        "Name": name,
        "CreatedDate": RECENTLY,
        "LastChangedDate": RECENTLY,
    }
    with refused(
        "ResourceNotFoundException",
        "Secrets Manager can't find the specified secret value for staging label: AWSCURRENT",
    ):
        secrets.get_secret_value(SecretId=name)
    put = secrets.put_secret_value(SecretId=name, SecretString=value)
    assert put["VersionStages"] == ["AWSCURRENT"]
    assert secrets.get_secret_value(SecretId=name)["SecretString"] == value


def test_binary_value(secrets, name):
    data = b"canary-8f1d\x00\xff\xfe" + bytes(range(256))
    created = secrets.create_secret(Name=name, SecretBinary=data)
    assert body(secrets.get_secret_value(SecretId=name)) == {
        "ARN": created["ARN"],
        "Name": name,
        "VersionId": created["VersionId"],
        "SecretBinary": data,
        "VersionStages": ["AWSCURRENT"],
        "CreatedDate": RECENTLY,
    }


@pytest.mark.parametrize(
    "text",
    [" ", "\n", "line\r\nline\t", "Grüße, 世界 🗝️", '{"a": "\\u0000"}', "'\"\\/<>&%$`", "\u2028\u2029\ufeff", "e\u0301 é"],
    ids=["blank", "newline", "lines", "unicode", "json", "punctuation", "separators", "not normalised"],
)
def test_text_comes_back_as_it_went(secrets, name, text):
    secrets.create_secret(Name=name, SecretString=text)
    assert secrets.get_secret_value(SecretId=name)["SecretString"] == text


@pytest.mark.parametrize("unit", ["x", "é", "🗝"], ids=["1 byte", "2 bytes", "4 bytes"])
def test_largest_value_is_counted_in_bytes(secrets, name, unit):
    fits = unit * (65536 // len(unit.encode()))
    secrets.create_secret(Name=name, SecretString=fits)
    assert secrets.get_secret_value(SecretId=name)["SecretString"] == fits
    with refused(Matching("ValidationException|InvalidParameterException"), Matching("(?s).+")):
        secrets.put_secret_value(SecretId=name, SecretString=fits + unit)
    with refused(Matching("ValidationException|InvalidParameterException"), Matching("(?s).+")):
        secrets.create_secret(Name=name + "/more", SecretString=fits + unit)


def test_largest_binary_value(secrets, name):
    secrets.create_secret(Name=name, SecretBinary=b"\x80" * 65536)
    assert secrets.get_secret_value(SecretId=name)["SecretBinary"] == b"\x80" * 65536
    with refused(
        "ValidationException",
        constraint("secretBinary", "have length less than or equal to 65536"),
    ):
        secrets.put_secret_value(SecretId=name, SecretBinary=b"\x80" * 65537)


def test_text_and_binary_together(secrets, name, value):
    both = "You can't specify both a binary secret value and a string secret value in the same secret."
    with refused("InvalidParameterException", both):
        secrets.create_secret(Name=name, SecretString=value, SecretBinary=b"b")
    secrets.create_secret(Name=name, SecretString=value)
    with refused("InvalidParameterException", both):
        secrets.put_secret_value(SecretId=name, SecretString=value, SecretBinary=b"b")
    with refused("InvalidParameterException", both):
        secrets.update_secret(SecretId=name, SecretString=value, SecretBinary=b"b")


def test_a_name_is_taken_once(secrets, name, value):
    secrets.create_secret(Name=name, SecretString=value)
    with refused("ResourceExistsException", f"The operation failed because the secret {name} already exists."):
        secrets.create_secret(Name=name, SecretString=value)


@pytest.mark.parametrize("bad", ["Inv Name", " Inv", "Inv*Name?", "naïve", "a:b", "a\\b", "a\nb", "(a)"])
def test_names_that_are_refused(secrets, value, bad):
    with refused("ValidationException", BAD_SECRET_NAME):
        secrets.create_secret(Name=bad, SecretString=value)


def test_every_character_of_a_name(secrets, name, value):
    long = f"{name}/_+=.@!-AZaz09"
    created = secrets.create_secret(Name=long, SecretString=value)
    assert created["ARN"] == secret_arn(long)
    for identifier in (long, created["ARN"]):
        assert secrets.get_secret_value(SecretId=identifier)["SecretString"] == value


def test_the_longest_name(secrets, name, value):
    long = name.ljust(512, "x")
    created = secrets.create_secret(Name=long, SecretString=value)
    assert created["Name"] == long
    assert secrets.get_secret_value(SecretId=created["ARN"])["Name"] == long


@pytest.mark.parametrize("count, fits", [(50, True), (51, False)])
def test_how_many_tags(secrets, name, value, count, fits):
    tags = [{"Key": f"key{number}", "Value": "v"} for number in range(count)]
    if fits:
        secrets.create_secret(Name=name, SecretString=value, Tags=tags)
        assert len(secrets.describe_secret(SecretId=name)["Tags"]) == count
    else:
        with refused(Matching("InvalidParameterException|LimitExceededException|ValidationException"), Matching(".+")):
            secrets.create_secret(Name=name, SecretString=value, Tags=tags)


def test_tag_keys_that_are_refused(secrets, name, value):
    with refused(Matching("InvalidParameterException|ValidationException"), Matching(".+")):
        secrets.create_secret(Name=name, SecretString=value, Tags=[{"Key": "aws:mine", "Value": "v"}])
    with refused(Matching("InvalidParameterException|ValidationException"), Matching(".+")):
        secrets.create_secret(Name=name, SecretString=value, Tags=[{"Key": "k", "Value": "1"}, {"Key": "k", "Value": "2"}])


@pytest.mark.parametrize(
    "operation",
    ["get_secret_value", "describe_secret", "delete_secret", "put_secret_value", "update_secret"],
)
def test_a_secret_that_is_not_there(secrets, name, value, operation):
    more = {"SecretString": value} if operation in ("put_secret_value", "update_secret") else {}
    for identifier in (name, f"arn:aws:secretsmanager:eu-central-1:123456789012:secret:{name}-AbCdEf"):
        if operation == "delete_secret" and identifier == name:
            more = {"RecoveryWindowInDays": 7}
        with refused("ResourceNotFoundException", NO_SECRET):
            getattr(secrets, operation)(SecretId=identifier, **more)


def test_update_description_only(secrets, name, value):
    created = secrets.create_secret(Name=name, SecretString=value)
    updated = secrets.update_secret(SecretId=name, Description="MyDescription")
    assert body(updated) == {"ARN": created["ARN"], "Name": name}
    described = secrets.describe_secret(SecretId=name)
    assert described["Description"] == "MyDescription"
    assert described["VersionIdsToStages"] == {created["VersionId"]: ["AWSCURRENT"]}


def test_update_value(secrets, name, value):
    created = secrets.create_secret(Name=name, SecretString="canary-8f1d-old")
    token = str(uuid.uuid4())
    updated = secrets.update_secret(SecretId=name, SecretString=value, Description="new", ClientRequestToken=token)
    assert body(updated) == {"ARN": created["ARN"], "Name": name, "VersionId": token}
    described = secrets.describe_secret(SecretId=name)
    assert described["Description"] == "new"
    assert described["VersionIdsToStages"] == {created["VersionId"]: ["AWSPREVIOUS"], token: ["AWSCURRENT"]}
    assert secrets.get_secret_value(SecretId=name)["SecretString"] == value


def test_from_text_to_binary_and_back(secrets, name, value):
    secrets.create_secret(Name=name, SecretString=value)
    secrets.put_secret_value(SecretId=name, SecretBinary=b"\x01")
    read = secrets.get_secret_value(SecretId=name)
    assert read["SecretBinary"] == b"\x01" and "SecretString" not in read
    previous = secrets.get_secret_value(SecretId=name, VersionStage="AWSPREVIOUS")
    assert previous["SecretString"] == value and "SecretBinary" not in previous


def test_a_put_needs_a_value(secrets, name):
    secrets.create_secret(Name=name)
    with refused("InvalidRequestException", "You must provide either SecretString or SecretBinary."):
        secrets.put_secret_value(SecretId=name)
