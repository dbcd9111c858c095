"""The operations of Secrets Manager through the stock AWS CLI, with what only a command line does: values from files and
standard input, its own paginator, and `--query`."""

import json
import subprocess

import pytest

import broker as brokers
from test_aws_cli import AWS, answered, aws, variables  # noqa: F401


@pytest.fixture
def cli(variables):  # noqa: F811
    return lambda *arguments: answered(variables, "secretsmanager", *arguments)


def test_a_value_from_a_file_and_one_from_standard_input(variables, cli, name, value, tmp_path):  # noqa: F811
    # The last line break of a file is part of the value.
    (tmp_path / "value.txt").write_text(f"{value}\n")
    created = cli("create-secret", "--name", name, "--secret-string", f"file://{tmp_path}/value.txt")
    assert cli("get-secret-value", "--secret-id", name, "--query", "SecretString") == f"{value}\n"
    run = subprocess.run(
        [AWS, "secretsmanager", "put-secret-value", "--secret-id", name, "--secret-string", "file:///dev/stdin",
         "--version-stages", "AWSPENDING"],
        env=brokers.environment(**variables), input=value + "2", capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    put = json.loads(run.stdout)
    assert put["VersionStages"] == ["AWSPENDING"]
    cli(
        "update-secret-version-stage", "--secret-id", name, "--version-stage", "AWSCURRENT",
        "--move-to-version-id", put["VersionId"], "--remove-from-version-id", created["VersionId"],
    )  # fmt: skip
    query = "[SecretString, VersionStages]"
    assert cli("get-secret-value", "--secret-id", name, "--query", query) == [value + "2", ["AWSCURRENT", "AWSPENDING"]]


def test_the_paginators(cli, name, value):
    for number in range(3):
        cli("create-secret", "--name", f"{name}/{number}", "--secret-string", value)
    chosen = ("--filters", f"Key=name,Values={name}", "--page-size", "1", "--query")
    named = cli("list-secrets", *chosen, "SecretList[].Name", "--sort-by", "name", "--sort-order", "desc")
    assert named == [f"{name}/{number}" for number in (2, 1, 0)]
    assert len(cli("batch-get-secret-value", "--filters", f"Key=name,Values={name}")["SecretValues"]) == 3
    cli("put-secret-value", "--secret-id", f"{name}/0", "--secret-string", value + "2")
    cli("put-secret-value", "--secret-id", f"{name}/0", "--secret-string", value + "3")
    # The CLI has no paginator for versions.
    listed = ("list-secret-version-ids", "--secret-id", f"{name}/0", "--max-results", "1")
    first = cli(*listed)
    second = cli(*listed, "--next-token", first["NextToken"])
    assert [page["Versions"][0]["VersionStages"] for page in (first, second)] == [["AWSPREVIOUS"], ["AWSCURRENT"]]
    assert "NextToken" not in second
    deprecated = cli("list-secret-version-ids", "--secret-id", f"{name}/0", "--include-deprecated")
    assert len(deprecated["Versions"]) == 3


def test_metadata_and_deletion(variables, cli, name, value):  # noqa: F811
    cli("create-secret", "--name", name, "--secret-string", value, "--description", "", "--tags", "Key=a,Value=1")
    cli("tag-resource", "--secret-id", name, "--tags", "Key=b,Value=2", "Key=a,Value=3")
    cli("untag-resource", "--secret-id", name, "--tag-keys", "b")
    described = cli("describe-secret", "--secret-id", name)
    assert described["Tags"] == [{"Key": "a", "Value": "3"}] and "Description" not in described
    cli("untag-resource", "--secret-id", name, "--tag-keys", "a")
    cli("update-secret", "--secret-id", name, "--description", "d")
    described = cli("describe-secret", "--secret-id", name)
    assert (described["Tags"], described["Description"]) == ([], "d")
    cli("delete-secret", "--secret-id", name, "--recovery-window-in-days", "7")
    assert cli("list-secrets", "--filters", f"Key=name,Values={name}")["SecretList"] == []
    planned = cli("list-secrets", "--filters", f"Key=name,Values={name}", "--include-planned-deletion")
    assert [entry["Name"] for entry in planned["SecretList"]] == [name]
    cli("restore-secret", "--secret-id", name)
    assert cli("get-secret-value", "--secret-id", name, "--query", "SecretString") == value
    run = aws(variables, "secretsmanager", "put-secret-value", "--secret-id", name)
    assert "(InvalidRequestException)" in run.stderr and "either SecretString or SecretBinary" in run.stderr


def test_a_password(cli):
    password = cli(
        "get-random-password", "--password-length", "4096", "--exclude-punctuation", "--exclude-characters", "abc",
        "--query", "RandomPassword",
    )  # fmt: skip
    assert len(password) == 4096 and password.isalnum() and not set(password) & set("abc")
