"""The stock AWS CLI, changed in nothing but its endpoint: over plain HTTP with `dev`, over TLS with `serve`."""

import base64
import json
import subprocess
import sys
from pathlib import Path

import pytest

import broker as brokers
import conftest

AWS = Path(sys.executable).parent / "aws"


@pytest.fixture(scope="module")
def variables(dev):
    return {**dev.variables, "AWS_DEFAULT_OUTPUT": "json"}


def aws(variables, *arguments):
    return subprocess.run(
        [AWS, *arguments],
        env=brokers.environment(**variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


def answered(variables, *arguments):
    run = aws(variables, *arguments)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout) if run.stdout.strip() else None


def test_the_life_of_a_secret(variables, name, value):
    created = answered(variables, "secretsmanager", "create-secret", "--name", name, "--secret-string", value)
    assert created["Name"] == name
    put = answered(
        variables, "secretsmanager", "put-secret-value", "--secret-id", name, "--secret-string", value + "2"
    )
    assert put["VersionStages"] == ["AWSCURRENT"]
    for stage, expected in (("AWSCURRENT", value + "2"), ("AWSPREVIOUS", value)):
        read = answered(
            variables, "secretsmanager", "get-secret-value", "--secret-id", created["ARN"], "--version-stage", stage
        )
        assert read["SecretString"] == expected
    listed = answered(variables, "secretsmanager", "list-secrets", "--filters", f"Key=name,Values={name}")
    assert [entry["ARN"] for entry in listed["SecretList"]] == [created["ARN"]]
    described = answered(variables, "secretsmanager", "describe-secret", "--secret-id", name)
    assert set(described["VersionIdsToStages"]) == {created["VersionId"], put["VersionId"]}
    gone = answered(
        variables, "secretsmanager", "delete-secret", "--secret-id", name, "--force-delete-without-recovery"
    )
    assert gone["ARN"] == created["ARN"]
    run = aws(variables, "secretsmanager", "get-secret-value", "--secret-id", name)
    assert run.returncode in (254, 255)
    assert run.stderr.strip().removeprefix("aws: [ERROR]: ") == (
        "An error occurred (ResourceNotFoundException) when calling the GetSecretValue operation: "
        "Secrets Manager can't find the specified secret."
    )


def test_a_file_as_a_secret(variables, name, tmp_path):
    data = b"canary-8f1d" + bytes(range(256))
    (tmp_path / "key.bin").write_bytes(data)
    answered(
        variables, "secretsmanager", "create-secret", "--name", name, "--secret-binary", f"fileb://{tmp_path}/key.bin"
    )
    read = answered(variables, "secretsmanager", "get-secret-value", "--secret-id", name)
    assert base64.b64decode(read["SecretBinary"]) == data


def test_pages_are_joined_by_the_client(variables, name):
    for number in range(5):
        answered(variables, "secretsmanager", "create-secret", "--name", f"{name}/{number}")
    listed = answered(
        variables, "secretsmanager", "list-secrets", "--page-size", "2", "--filters", f"Key=name,Values={name}"
    )
    assert len(listed["SecretList"]) == 5


def test_the_life_of_a_parameter(variables, name, value):
    path = "/" + name
    put = answered(
        variables, "ssm", "put-parameter", "--name", path, "--type", "SecureString", "--value", value
    )
    assert put == {"Version": 1, "Tier": "Standard"}
    clear = answered(variables, "ssm", "get-parameter", "--name", path, "--with-decryption")
    assert clear["Parameter"]["Value"] == value
    sealed = answered(variables, "ssm", "get-parameter", "--name", path)
    assert value not in sealed["Parameter"]["Value"]
    several = answered(variables, "ssm", "get-parameters", "--names", path, path + "x", "--with-decryption")
    assert [entry["Value"] for entry in several["Parameters"]] == [value]
    assert several["InvalidParameters"] == [path + "x"]
    assert answered(variables, "ssm", "delete-parameter", "--name", path) in (None, {})
    assert "(ParameterNotFound)" in aws(variables, "ssm", "get-parameter", "--name", path).stderr


def test_over_tls(served, users, name, value):
    variables = {
        "AWS_ENDPOINT_URL": served.tls,
        "AWS_CA_BUNDLE": served.ca,
        "AWS_ACCESS_KEY_ID": users["admin"][0],
        "AWS_SECRET_ACCESS_KEY": users["admin"][1],
        "AWS_DEFAULT_REGION": brokers.REGION,
        "AWS_DEFAULT_OUTPUT": "json",
    }
    answered(variables, "secretsmanager", "create-secret", "--name", name, "--secret-string", value)
    read = answered(variables, "secretsmanager", "get-secret-value", "--secret-id", name)
    assert read["SecretString"] == value
    # The broker's certificate comes from its own authority: whoever does not trust that one does not talk to it.
    del variables["AWS_CA_BUNDLE"]
    run = aws(variables, "secretsmanager", "get-secret-value", "--secret-id", name)
    assert run.returncode != 0 and "SSL" in run.stderr and value not in run.stdout


def test_another_region_is_another_place(variables, name, value):
    """A request signed for a region that the broker does not serve is refused, and not answered from another one."""
    answered(variables, "secretsmanager", "create-secret", "--name", name, "--secret-string", value)
    run = aws({**variables, "AWS_DEFAULT_REGION": "ap-south-1"}, "secretsmanager", "get-secret-value", "--secret-id", name)
    assert run.returncode != 0 and value not in run.stdout


def test_the_variables_are_what_dev_prints(dev):
    assert dev.variables["AWS_ENDPOINT_URL"].startswith("http://127.0.0.1:")
    assert dev.variables["AWS_DEFAULT_REGION"] == brokers.REGION
    assert conftest.dev_key(dev)[0].startswith("AKIA")
