"""BatchGetSecretValue: the values that may be read, an entry in Errors for each other secret, and the record of each."""

import json
import uuid

import pytest

import broker as brokers
from broker import ACCOUNT
from expect import MARKED, NO_SECRET, RECENTLY, body, refused


@pytest.fixture(scope="module")
def shelf(secrets):
    """Five secrets with a prefix of their own, oldest first; returns (prefix, names)."""
    prefix = f"batch{uuid.uuid4().hex[:8]}"
    names = [f"{prefix}/{number}" for number in range(5)]
    for name in names:
        secrets.create_secret(Name=name, SecretString=f"canary-8f1d {name}")
    return prefix, names


def named(prefix):
    return [{"Key": "name", "Values": [prefix]}]


def names_of(answer):
    return [value["Name"] for value in answer["SecretValues"]]


def test_a_list(secrets, shelf, name):
    _, (first, second, *_) = shelf
    made = secrets.create_secret(Name=name, SecretBinary=b"canary-8f1d \x00")
    answer = body(secrets.batch_get_secret_value(SecretIdList=[second, made["ARN"], first]))
    assert [value["Name"] for value in answer["SecretValues"]] == [second, name, first]
    assert answer["SecretValues"][1] == {
        "ARN": made["ARN"],
        "Name": name,
        "VersionId": made["VersionId"],
        "SecretBinary": b"canary-8f1d \x00",
        "VersionStages": ["AWSCURRENT"],
        "CreatedDate": RECENTLY,
    }
    assert answer["Errors"] == [] and "NextToken" not in answer


def test_some_fail(secrets, shelf, name, value):
    _, (first, *_) = shelf
    marked, empty, nothing = (f"{name}/{tail}" for tail in ("marked", "empty", "nothing"))
    secrets.create_secret(Name=marked, SecretString=value)
    secrets.delete_secret(SecretId=marked)
    secrets.create_secret(Name=empty)
    answer = secrets.batch_get_secret_value(SecretIdList=[marked, first, nothing, empty, first])
    assert names_of(answer) == [first]
    assert answer["Errors"] == [
        {"SecretId": marked, "ErrorCode": "InvalidRequestException", "Message": MARKED},
        {"SecretId": nothing, "ErrorCode": "ResourceNotFoundException", "Message": NO_SECRET},
        {
            "SecretId": empty,
            "ErrorCode": "ResourceNotFoundException",
            "Message": "Secrets Manager can't find the specified secret value for staging label: AWSCURRENT",
        },
    ]


def test_filters_and_pages(secrets, shelf):
    prefix, names = shelf
    assert names_of(secrets.batch_get_secret_value(Filters=named(prefix))) == names
    found, token = [], {}
    while True:
        page = secrets.batch_get_secret_value(Filters=named(prefix), MaxResults=2, **token)
        found.append(names_of(page))
        if "NextToken" not in page:
            break
        token = {"NextToken": page["NextToken"]}
    assert found == [names[:2], names[2:4], names[4:]]
    assert body(secrets.batch_get_secret_value(Filters=named("no such prefix"))) == {"SecretValues": [], "Errors": []}


def test_filters_and_a_secret_without_a_value(secrets, name):
    arn = secrets.create_secret(Name=name)["ARN"]
    answer = secrets.batch_get_secret_value(Filters=named(name))
    assert [(error["SecretId"], error["ErrorCode"]) for error in answer["Errors"]] == [
        (arn, "ResourceNotFoundException")
    ]
    secrets.delete_secret(SecretId=name)
    assert secrets.batch_get_secret_value(Filters=named(name))["Errors"] == []


def test_what_is_refused(secrets, shelf):
    prefix, (first, *_) = shelf
    either = "Either 'SecretIdList' or 'Filters' must be provided, but not both."
    for request in ({}, {"SecretIdList": [first], "Filters": named(prefix)}, {"Filters": []}):
        with refused("InvalidParameterException", either):
            secrets.batch_get_secret_value(**request)
    with refused(
        "InvalidParameterException",
        "'Filters' not specified. 'Filters' must also be specified when 'MaxResults' is provided.",
    ):
        secrets.batch_get_secret_value(SecretIdList=[first], MaxResults=1)
    of_list = secrets.list_secrets(MaxResults=1)["NextToken"]
    of_batch = secrets.batch_get_secret_value(Filters=named(prefix), MaxResults=1)["NextToken"]
    for request in (
        {"Filters": named(prefix), "NextToken": "x"},
        {"Filters": named(prefix), "NextToken": of_list},
        {"SecretIdList": [first], "NextToken": of_batch},
    ):
        with refused("InvalidNextTokenException", "The NextToken value is invalid."):
            secrets.batch_get_secret_value(**request)
    with refused("InvalidNextTokenException", "The NextToken value is invalid."):
        secrets.list_secrets(NextToken=of_batch)


class TestPermissions:
    @pytest.fixture
    def names(self, secrets_as):
        names = [f"{prefix}/{uuid.uuid4().hex}" for prefix in ("allowed", "denied")]
        for name in names:
            secrets_as("admin").create_secret(Name=name, SecretString="canary-8f1d")
        return names

    def test_the_batch_needs_its_own(self, secrets_as, names):
        action = "secretsmanager:BatchGetSecretValue"
        with refused(
            "AccessDeniedException",
            f"User: arn:aws:iam::{ACCOUNT}:user/reader is not authorized to perform: {action} because no "
            f"identity-based policy allows the {action} action",
        ):
            secrets_as("reader").batch_get_secret_value(SecretIdList=names)

    def test_each_secret_needs_its_own(self, served, secrets_as, names):
        allowed, denied = names
        answer = secrets_as("careful").batch_get_secret_value(SecretIdList=[denied, allowed])
        assert names_of(answer) == [allowed]
        assert answer["Errors"] == [
            {
                "SecretId": denied,
                "ErrorCode": "AccessDeniedException",
                "Message": f"User: arn:aws:iam::{ACCOUNT}:user/careful is not authorized to perform: "
                f"secretsmanager:GetSecretValue on resource: {denied} with an explicit deny in an identity-based policy",
            }
        ]
        request = answer["ResponseMetadata"]["RequestId"]
        found = brokers.sealdock("audit", "search", "--data", served.directory, "--limit", "200", "--json")
        events = [json.loads(line) for line in found.stdout.splitlines()]
        of_request = [
            (event["eventName"], event["requestParameters"], event.get("errorCode"))
            for event in events
            if event.get("requestID") == request
        ]
        assert sorted(of_request, key=str) == sorted(
            [
                ("BatchGetSecretValue", {"secretIdList": [denied, allowed]}, None),
                ("GetSecretValue", {"secretId": denied}, "AccessDenied"),
                ("GetSecretValue", {"secretId": allowed}, None),
            ],
            key=str,
        )

    def test_filters_find_what_may_not_be_read(self, secrets_as, names):
        allowed, denied = names
        answer = secrets_as("careful").batch_get_secret_value(Filters=[{"Key": "name", "Values": names}])
        assert names_of(answer) == [allowed]
        assert [error["ErrorCode"] for error in answer["Errors"]] == ["AccessDeniedException"]
