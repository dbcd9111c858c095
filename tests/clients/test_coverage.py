"""The table of operations says what the installed service model has, and the broker answers as the table says."""

import pytest

import broker as brokers
from expect import NO_SECRET, Matching, body, refused

NOT_SERVED = {
    "AssociateCrossAccountReplica": {"CrossAccountReplicaARN": "arn:aws:secretsmanager:eu-central-1:444455556666:secret:a-b1C2d3"},
    "DisassociateCrossAccountReplica": {"CrossAccountReplicaARN": "arn:aws:secretsmanager:eu-central-1:444455556666:secret:a-b1C2d3"},
}


def table(service):
    """operation -> whether it is served"""
    printed = brokers.sealdock("coverage")
    assert printed.returncode == 0, printed.stderr
    rows = [line.split() for line in printed.stdout.splitlines() if line.startswith(service)]
    return {operation: answer == "yes" for *_, operation, answer in rows}


def test_the_table_is_the_model(secrets):
    rows = table("Secrets Manager")
    assert set(rows) == set(secrets.meta.service_model.operation_names)
    assert {operation for operation, served in rows.items() if not served} == set(NOT_SERVED)


@pytest.mark.parametrize("operation", NOT_SERVED)
def test_what_is_not_served_is_unknown(raw_secrets, operation):
    answer = raw_secrets(operation, {"SecretId": "a", **NOT_SERVED[operation]})
    assert (answer.status, answer.code) == (400, "UnknownOperationException")


def test_the_policies_of_a_secret(secrets, name, value):
    arn = secrets.create_secret(Name=name, SecretString=value)["ARN"]
    assert body(secrets.list_resource_policies(SecretId=name)) == {"ResourcePolicies": []}
    statement = {"Effect": "Deny", "Principal": {"AWS": "999988887777"}, "Action": "secretsmanager:*", "Resource": "*"}
    secrets.put_resource_policy(SecretId=name, ResourcePolicy=str({"Version": "2012-10-17", "Statement": statement}).replace("'", '"'))
    for more in ({}, {"MaxResults": 1}):
        assert body(secrets.list_resource_policies(SecretId=arn, **more)) == {"ResourcePolicies": [{"PolicyName": "default"}]}
    with refused("InvalidNextTokenException", Matching(".+")):
        secrets.list_resource_policies(SecretId=name, NextToken="more")
    secrets.delete_resource_policy(SecretId=name)
    assert body(secrets.list_resource_policies(SecretId=name)) == {"ResourcePolicies": []}
    with refused("ResourceNotFoundException", NO_SECRET):
        secrets.list_resource_policies(SecretId=name + "x")


def test_listing_policies_needs_its_permission(secrets_as):
    with pytest.raises(secrets_as("nobody").exceptions.ClientError, match="AccessDenied.*secretsmanager:ListResourcePolicies"):
        secrets_as("nobody").list_resource_policies(SecretId="a")
