"""Session policies, session tags and conditions with boto3: what a session was made with takes away."""

import json

import boto3
import botocore.exceptions
import pytest

import broker as brokers
import conftest
from broker import ACCOUNT, REGION

CANARY = "canary-5c02"
APP = f"arn:aws:iam::{ACCOUNT}:role/app"
BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/limit"


def _policy(*statements):
    return {"Version": "2012-10-17", "Statement": list(statements)}


def _allow(actions, resources="*", **more):
    return {"Effect": "Allow", "Action": actions, "Resource": resources, **more}


DOCUMENT = json.dumps(
    {
        "UserDetailList": [
            {
                "UserName": "admin",
                "Arn": f"arn:aws:iam::{ACCOUNT}:user/admin",
                "UserPolicyList": [{"PolicyName": "p", "PolicyDocument": _policy(_allow("*"))}],
            },
            {
                "UserName": "bounded",
                "Arn": f"arn:aws:iam::{ACCOUNT}:user/bounded",
                "UserPolicyList": [{"PolicyName": "p", "PolicyDocument": _policy(_allow("*"))}],
                "PermissionsBoundary": {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": BOUNDARY},
            },
        ],
        "RoleDetailList": [
            {
                "RoleName": "app",
                "Arn": APP,
                "AssumeRolePolicyDocument": _policy(
                    {
                        "Effect": "Allow",
                        "Principal": {"AWS": ACCOUNT},
                        "Action": ["sts:AssumeRole", "sts:TagSession"],
                        "Condition": {"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}},
                    }
                ),
                "RolePolicyList": [
                    {
                        "PolicyName": "p",
                        "PolicyDocument": _policy(
                            _allow("secretsmanager:DescribeSecret"),
                            _allow(
                                "secretsmanager:GetSecretValue",
                                Condition={
                                    "StringEquals": {"secretsmanager:ResourceTag/team": "${aws:PrincipalTag/team}"}
                                },
                            ),
                        ),
                    }
                ],
            }
        ],
        "Policies": [
            {
                "PolicyName": "limit",
                "Arn": BOUNDARY,
                "PolicyVersionList": [
                    {"VersionId": "v1", "IsDefaultVersion": True, "Document": _policy(_allow("secretsmanager:Describe*"))}
                ],
            }
        ],
    },
    indent=1,
)


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    broker = brokers.served(tmp_path_factory.mktemp("session_policies") / "data", DOCUMENT)
    yield broker
    assert broker.stop() == 0
    assert conftest.find_canary(broker) == []


@pytest.fixture(scope="module")
def admin(broker):
    return brokers.access_key(broker, "admin")


@pytest.fixture(scope="module")
def secret(broker, admin):
    client = conftest.client("secretsmanager", broker.plain, admin)
    return client.create_secret(Name="pay/db", SecretString=CANARY, Tags=[{"Key": "team", "Value": "pay"}])["ARN"]


def session(broker, admin, **more):
    sts = conftest.client("sts", broker.plain, admin)
    made = sts.assume_role(RoleArn=APP, RoleSessionName="one", **more)["Credentials"]
    return boto3.session.Session().client(
        "secretsmanager", endpoint_url=broker.plain, region_name=REGION, config=conftest.ONCE,
        aws_access_key_id=made["AccessKeyId"], aws_secret_access_key=made["SecretAccessKey"],
        aws_session_token=made["SessionToken"],
    )  # fmt: skip


def refused(words, call, **arguments):
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**arguments)
    error = caught.value.response["Error"]
    assert error["Code"] == "AccessDeniedException" and words in error["Message"], error


def test_a_session_tag_opens_what_has_the_same_tag(broker, admin, secret):
    tagged = session(broker, admin, Tags=[{"Key": "team", "Value": "pay"}])
    assert tagged.get_secret_value(SecretId=secret)["SecretString"] == CANARY
    for other in (session(broker, admin), session(broker, admin, Tags=[{"Key": "team", "Value": "other"}])):
        refused("because no identity-based policy allows", other.get_secret_value, SecretId=secret)


def test_a_session_policy_takes_away(broker, admin, secret):
    tags = [{"Key": "team", "Value": "pay"}]
    less = session(broker, admin, Tags=tags, Policy=json.dumps(_policy(_allow("secretsmanager:DescribeSecret"))))
    assert less.describe_secret(SecretId=secret)["Name"] == "pay/db"
    refused(
        "because no session policy allows the secretsmanager:GetSecretValue action", less.get_secret_value, SecretId=secret
    )
    # It adds nothing to the role.
    more = session(broker, admin, Tags=tags, Policy=json.dumps(_policy(_allow("*"))))
    refused("because no identity-based policy allows", more.delete_secret, SecretId=secret)
    managed = session(broker, admin, Tags=tags, PolicyArns=[{"arn": BOUNDARY}])
    assert managed.describe_secret(SecretId=secret)["Name"] == "pay/db"
    refused("because no session policy allows", managed.get_secret_value, SecretId=secret)


def test_a_session_policy_that_is_none(broker, admin):
    sts = conftest.client("sts", broker.plain, admin)
    for wrong in ({"Policy": '{"Statement": {"Efect": "Allow"}}'}, {"PolicyArns": [{"arn": BOUNDARY + "x"}]}):
        with pytest.raises(botocore.exceptions.ClientError) as caught:
            sts.assume_role(RoleArn=APP, RoleSessionName="one", **wrong)
        assert caught.value.response["Error"]["Code"] == "MalformedPolicyDocument", caught.value.response


def test_a_boundary_limits_an_administrator(broker, secret):
    client = conftest.client("secretsmanager", broker.plain, brokers.access_key(broker, "bounded"))
    assert client.describe_secret(SecretId=secret)["Name"] == "pay/db"
    refused("because no permissions boundary allows", client.get_secret_value, SecretId=secret)


def test_the_record_names_file_and_line(broker, admin, secret):
    session(broker, admin, Tags=[{"Key": "team", "Value": "pay"}]).get_secret_value(SecretId=secret)
    records = [json.loads(line) for path in sorted((broker.directory / "audit").glob("*.jsonl")) for line in path.open()]
    read = [r for r in records if r.get("eventName") == "GetSecretValue" and "errorCode" not in r][-1]
    matched = read["sealdock"]["policy"]["matched"][0]
    assert matched["policyType"] == "identity" and matched["file"].endswith(".json") and matched["line"] > 1, matched
