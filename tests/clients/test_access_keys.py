"""Access keys over their life, and how long sessions may last."""

import concurrent.futures
import json
import time

import botocore.exceptions
import pytest

import broker as brokers
import conftest
from broker import ACCOUNT, REGION

ROLES = json.dumps(
    {
        "UserDetailList": [
            {
                "UserName": "ann", "Arn": f"arn:aws:iam::{ACCOUNT}:user/ann",
                "UserPolicyList": [
                    {
                        "PolicyName": "All",
                        "PolicyDocument": {
                            "Version": "2012-10-17",
                            "Statement": [{"Effect": "Allow", "Action": ["secretsmanager:*", "sts:AssumeRole"], "Resource": "*"}],
                        },
                    }
                ],
            }
        ],
        "RoleDetailList": [
            {
                "RoleName": name, "Arn": f"arn:aws:iam::{ACCOUNT}:role/{name}", **more,
                "AssumeRolePolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [
                        {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "sts:AssumeRole"}
                    ],
                },
            }
            for name, more in (("short", {}), ("long", {"MaxSessionDuration": 7200}))
        ],
    }
)  # fmt: skip


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    broker = brokers.served(tmp_path_factory.mktemp("keys") / "data", ROLES)
    yield broker
    assert broker.stop() == 0


def key(broker, *arguments):
    return brokers.sealdock("key", *arguments, "--socket", broker.socket)


def keys(broker):
    return {k["AccessKeyId"]: k for k in json.loads(key(broker, "list", "--json").stdout)}


def test_the_limit_of_two_holds_against_requests_at_once(broker):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: key(broker, "create", "--user", "ann", "--format", "json"), range(8)))
    good = [json.loads(one.stdout) for one in made if one.returncode == 0]
    assert len(good) == 2 and len(keys(broker)) == 2
    refused = [one.stderr for one in made if one.returncode]
    assert all("LimitExceededException" in text and "AccessKeysPerUser: 2" in text for text in refused)
    listed = key(broker, "list", "--json").stdout + key(broker, "list").stdout
    assert not any(one["SecretAccessKey"] in listed for one in good), "a secret is shown once"
    for one in good:
        assert key(broker, "delete", one["AccessKeyId"]).returncode == 0


def test_the_last_use_is_shown_and_survives_a_restart(broker):
    id_, secret = brokers.access_key(broker, "ann")
    assert keys(broker)[id_]["AccessKeyLastUsed"] is None
    assert "never" in key(broker, "list").stdout
    conftest.client("secretsmanager", broker.plain, (id_, secret)).list_secrets()
    used = keys(broker)[id_]["AccessKeyLastUsed"]
    assert (used["ServiceName"], used["Region"]) == ("secretsmanager", REGION)
    conftest.client("sts", broker.plain, (id_, secret), region="eu-west-1").get_caller_identity()
    later = keys(broker)[id_]["AccessKeyLastUsed"]
    assert (later["ServiceName"], later["Region"]) == ("sts", "eu-west-1")
    wrong = conftest.client("sts", broker.plain, (id_, secret[::-1]), region="eu-west-2")
    with pytest.raises(botocore.exceptions.ClientError):
        wrong.get_caller_identity()
    assert keys(broker)[id_]["AccessKeyLastUsed"] == later, "a wrong signature is no use"
    assert broker.stop() == 0
    broker.start()
    broker.wait_until(lambda text: text.count("listening on") == 3)
    again = keys(broker)[id_]["AccessKeyLastUsed"]
    assert (again["ServiceName"], again["LastUsedDate"]) == ("sts", later["LastUsedDate"])
    broker.plain = next(w for w in broker.printed().split() if w.startswith("http://"))
    assert key(broker, "disable", id_).returncode == 0 and key(broker, "delete", id_).returncode == 0


def test_a_session_lasts_as_long_as_its_role_allows(broker):
    sts = conftest.client("sts", broker.plain, brokers.access_key(broker, "ann"))

    def life(role, **more):
        answer = sts.assume_role(RoleArn=f"arn:aws:iam::{ACCOUNT}:role/{role}", RoleSessionName="session", **more)
        return answer["Credentials"]["Expiration"].timestamp() - time.time()

    assert abs(life("long", DurationSeconds=7200) - 7200) < 60
    assert abs(life("long") - 3600) < 60
    for role, seconds in (("long", 7201), ("short", 3601)):
        with pytest.raises(botocore.exceptions.ClientError, match="MaxSessionDuration"):
            life(role, DurationSeconds=seconds)


def test_a_duration_that_no_role_can_have_is_refused_with_its_place(broker, tmp_path):
    (tmp_path / "bad.json").write_text(ROLES.replace("7200", "60"))
    checked = brokers.sealdock("policy", "check", tmp_path)
    assert checked.returncode == 1 and "MaxSessionDuration" in checked.stdout + checked.stderr
