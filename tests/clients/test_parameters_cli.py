"""The stock AWS CLI on Parameter Store: all sixteen operations, whole answers, and errors as they are printed."""

import json
import time

import pytest

import broker as brokers
from broker import ACCOUNT
from expect import parameter_arn
from test_aws_cli import answered, aws

DEV = f"arn:aws:iam::{ACCOUNT}:user/dev"


class Now:
    """Equal to every point in time of the last minute, in seconds since 1970, as the CLI prints what the service sends."""

    def __eq__(self, other):
        return isinstance(other, float) and abs(time.time() - other) < 60


TIME = Now()


@pytest.fixture(scope="module")
def ssm(dev):
    variables = {**dev.variables, "AWS_DEFAULT_OUTPUT": "json"}

    def call(operation, *arguments):
        return answered(variables, "ssm", operation, *arguments)

    call.variables = variables
    return call


@pytest.fixture
def path(name):
    return "/" + name


def error(ssm, operation, *arguments):
    run = aws(ssm.variables, "ssm", operation, *arguments)
    assert run.returncode in (254, 255) and run.stdout == ""
    return run.stderr.strip().removeprefix("aws: [ERROR]: ")


def test_all_operations(ssm, path, value):
    arn = parameter_arn(path)
    put = ("--name", path, "--type", "SecureString", "--tier", "Advanced", "--description", "d", "--tags", "Key=a,Value=1")
    assert ssm("put-parameter", *put, "--value", value) == {"Version": 1, "Tier": "Advanced"}
    assert ssm("put-parameter", "--name", path, "--value", value + "2", "--overwrite") == {
        "Version": 2,
        "Tier": "Advanced",
    }
    shown = {"Name": path, "Type": "SecureString", "LastModifiedDate": TIME, "ARN": arn, "DataType": "text"}
    newest = shown | {"Value": value + "2", "Version": 2}
    assert ssm("get-parameter", "--name", path, "--with-decryption") == {"Parameter": newest}
    assert ssm("label-parameter-version", "--name", path, "--parameter-version", "1", "--labels", "old", "1st") == {
        "InvalidLabels": ["1st"],
        "ParameterVersion": 1,
    }
    first = shown | {"Value": value, "Version": 1, "Selector": ":old"}
    assert ssm("get-parameter", "--name", f"{path}:old", "--with-decryption") == {"Parameter": first}
    assert ssm("get-parameters", "--names", f"{arn}:1", path + "/x", path, "--with-decryption") == {
        "Parameters": [newest, first | {"Selector": ":1"}],
        "InvalidParameters": [path + "/x"],
    }
    parent = path.rsplit("/", 1)[0]
    by_label = ("--parameter-filters", "Key=Label,Values=old", "--with-decryption")
    under = ssm("get-parameters-by-path", "--path", parent, *by_label)["Parameters"]
    assert shown | {"Value": value, "Version": 1} in under
    made = {
        "Name": path, "Type": "SecureString", "KeyId": "alias/aws/ssm", "LastModifiedDate": TIME, "LastModifiedUser": DEV,
        "Description": "d", "Tier": "Advanced", "Policies": [], "DataType": "text",
    }  # fmt: skip
    assert ssm("get-parameter-history", "--name", path, "--with-decryption", "--page-size", "1") == {
        "Parameters": [
            made | {"Value": value, "Version": 1, "Labels": ["old"]},
            made | {"Value": value + "2", "Version": 2, "Labels": []},
        ]
    }
    by_name = ("--parameter-filters", f"Key=Name,Values={path}")
    assert ssm("describe-parameters", *by_name) == {"Parameters": [made | {"ARN": arn, "Version": 2}]}
    assert ssm("unlabel-parameter-version", "--name", path, "--parameter-version", "1", "--labels", "old", "none") == {
        "RemovedLabels": ["old"],
        "InvalidLabels": ["none"],
    }
    resource = ("--resource-type", "Parameter", "--resource-id", path)
    assert ssm("add-tags-to-resource", *resource, "--tags", "Key=b,Value=2") in (None, {})
    assert ssm("remove-tags-from-resource", *resource, "--tag-keys", "a") in (None, {})
    assert ssm("list-tags-for-resource", *resource) == {"TagList": [{"Key": "b", "Value": "2"}]}
    statement = {"Effect": "Allow", "Principal": {"AWS": "444455556666"}, "Action": "ssm:GetParameter", "Resource": arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    sharing = ssm("put-resource-policy", "--resource-arn", arn, "--policy", policy)
    assert set(sharing) == {"PolicyId", "PolicyHash"}
    assert ssm("get-resource-policies", "--resource-arn", arn) == {"Policies": [sharing | {"Policy": policy}]}
    seen = ("--policy-id", sharing["PolicyId"], "--policy-hash", sharing["PolicyHash"])
    assert ssm("delete-resource-policy", "--resource-arn", arn, *seen) in (None, {})
    assert ssm("delete-parameter", "--name", path) in (None, {})
    assert ssm("delete-parameters", "--names", path, path + "/x") == {
        "DeletedParameters": [],
        "InvalidParameters": [path, path + "/x"],
    }


def test_errors_as_they_are_printed(ssm, path):
    def text(code, operation, message):
        return f"An error occurred ({code}) when calling the {operation} operation: {message}"

    missing = f"Parameter {path} not found."
    assert error(ssm, "get-parameter", "--name", path) == text("ParameterNotFound", "GetParameter", missing)
    assert error(ssm, "delete-parameter", "--name", path) == text("ParameterNotFound", "DeleteParameter", missing)
    assert error(ssm, "delete-parameter", "--name", "aws-mine") == text(
        "AccessDeniedException", "DeleteParameter", "No access to reserved parameter name: aws-mine."
    )
    assert error(ssm, "describe-parameters", "--starting-token", "x", "--no-paginate") != ""
    assert error(ssm, "get-parameters-by-path", "--path", "/a", "--next-token", "x") == text(
        "InvalidNextToken", "GetParametersByPath", "The specified token isn't valid."
    )
    assert error(ssm, "put-parameter", "--name", path, "--value", "v", "--type", "SecureString", "--key-id", "alias/x") == text(
        "InvalidKeyId",
        "PutParameter",
        f"Alias arn:aws:kms:{brokers.REGION}:{ACCOUNT}:alias/x is not found. "
        "(Service: AWSKMS; Status Code: 400; Error Code: NotFoundException)",
    )
    assert error(ssm, "list-tags-for-resource", "--resource-type", "Parameter", "--resource-id", path).startswith(
        "An error occurred (InvalidResourceId) when calling the ListTagsForResource operation"
    )


def test_pages_are_joined_by_the_client(ssm, path):
    names = [f"{path}/{number:02}" for number in range(12)]
    for number, name in enumerate(names):
        ssm("put-parameter", "--name", name, "--type", "String", "--value", "v", "--tags", f"Key={path},Value=v{number}")
    under = ssm("get-parameters-by-path", "--path", path, "--page-size", "5")
    assert [parameter["Name"] for parameter in under["Parameters"]] == names
    for filters in (f"Key=Name,Option=BeginsWith,Values={path}", f"Key=tag:{path},Option=BeginsWith,Values=v"):
        listed = ssm("describe-parameters", "--page-size", "5", "--parameter-filters", filters)
        assert sorted(parameter["Name"] for parameter in listed["Parameters"]) == names
