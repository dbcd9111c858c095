"""How a SecretId finds its secret: name, full ARN, partial ARN, and names that look like an ARN's end."""

import uuid

import pytest

from expect import NO_SECRET, refused, secret_arn


def without_suffix(arn):
    return arn.rsplit("-", 1)[0]


def test_name_full_and_partial_arn(secrets, name, value):
    arn = secrets.create_secret(Name=name, SecretString=value)["ARN"]
    for identifier in (name, arn, without_suffix(arn)):
        read = secrets.get_secret_value(SecretId=identifier)
        assert (read["ARN"], read["Name"], read["SecretString"]) == (arn, name, value)
        assert secrets.describe_secret(SecretId=identifier)["ARN"] == arn


@pytest.mark.parametrize("tail", ["-AbCdEf", "-a1b2", "-a1b2c3-", "-", "--AbCdEf"])
def test_names_that_end_like_an_arn(secrets, name, value, tail):
    odd = name + tail
    created = secrets.create_secret(Name=odd, SecretString=value)
    assert created["ARN"] == secret_arn(odd)
    assert secrets.get_secret_value(SecretId=odd)["SecretString"] == value
    assert secrets.get_secret_value(SecretId=created["ARN"])["SecretString"] == value


def test_the_shorter_name_and_the_longer_one_do_not_mix(secrets, name):
    """`db` and `db-AbCdEf` are two secrets, whatever is asked for."""
    short = secrets.create_secret(Name=name, SecretString="canary-8f1d short")["ARN"]
    long = secrets.create_secret(Name=name + "-AbCdEf", SecretString="canary-8f1d long")["ARN"]
    for identifier, expected in [
        (name, "canary-8f1d short"),
        (short, "canary-8f1d short"),
        (name + "-AbCdEf", "canary-8f1d long"),
        (long, "canary-8f1d long"),
    ]:
        assert secrets.get_secret_value(SecretId=identifier)["SecretString"] == expected


def test_the_suffix_has_to_be_right(secrets, name, value):
    arn = secrets.create_secret(Name=name, SecretString=value)["ARN"]
    suffix = arn.rsplit("-", 1)[1]
    other = suffix.swapcase() if suffix.swapcase() != suffix else "AAAAAA"
    with refused("ResourceNotFoundException", NO_SECRET):
        secrets.get_secret_value(SecretId=f"{without_suffix(arn)}-{other}")
    with refused("ResourceNotFoundException", NO_SECRET):
        secrets.get_secret_value(SecretId=f"{name}-{suffix}")


def test_names_are_case_sensitive(secrets, name, value):
    secrets.create_secret(Name=name, SecretString=value)
    with refused("ResourceNotFoundException", NO_SECRET):
        secrets.get_secret_value(SecretId=name.upper())


def test_a_name_that_comes_back_has_a_new_arn(secrets, name):
    first = secrets.create_secret(Name=name, SecretString="canary-8f1d first")["ARN"]
    secrets.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)
    second = secrets.create_secret(Name=name, SecretString="canary-8f1d second")["ARN"]
    assert first != second
    assert secrets.get_secret_value(SecretId=name)["SecretString"] == "canary-8f1d second"
    with refused("ResourceNotFoundException", NO_SECRET):
        secrets.get_secret_value(SecretId=first)


@pytest.mark.parametrize(
    "identifier",
    [
        "arn:aws:secretsmanager:eu-central-1:123456789012:secret:",
        "arn:aws:secretsmanager:eu-central-1:123456789012:other:thing",
        "arn:aws:secretsmanager:eu-central-1",
        "arn:",
        "%00",
        "../../etc/passwd",
        "☃",
        "a" * 2048,
    ],
)
def test_identifiers_of_no_secret_are_refused(secrets, identifier):
    with pytest.raises(secrets.exceptions.ClientError) as caught:
        secrets.get_secret_value(SecretId=identifier)
    error = caught.value.response
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert error["Error"]["Code"] in {
        "ResourceNotFoundException", "ValidationException", "InvalidParameterException", "AccessDeniedException",
    }


@pytest.mark.parametrize("part", ["region", "account", "partition"])
def test_the_arn_of_another_place(secrets, name, value, part):
    arn = secrets.create_secret(Name=name, SecretString=value)["ARN"].split(":")
    if part == "region":
        arn[3] = "ap-south-1"
    elif part == "account":
        arn[4] = "999999999999"
    else:
        arn[1] = "aws-cn"
    with pytest.raises(secrets.exceptions.ClientError) as caught:
        secrets.get_secret_value(SecretId=":".join(arn))
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_many_secrets_under_one_prefix(secrets, name):
    prefix = f"{name}/{uuid.uuid4().hex}"
    arns = {
        prefix + tail: secrets.create_secret(Name=prefix + tail, SecretString="canary-8f1d" + tail)["ARN"]
        for tail in ("", "/a", "/a-", "/a-b", "-a", "a")
    }
    for full, arn in arns.items():
        assert secrets.get_secret_value(SecretId=arn)["Name"] == full
        assert secrets.get_secret_value(SecretId=without_suffix(arn))["Name"] == full
