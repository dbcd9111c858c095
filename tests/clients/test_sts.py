"""STS with boto3 and the AWS CLI: who may become whom, for how long, and how sessions end."""

import json
import re
import subprocess
import sys
import time
import urllib.request
import uuid
from datetime import datetime, timedelta, timezone
from pathlib import Path

import boto3
import botocore.config
import botocore.exceptions
import pytest

import broker as brokers
import conftest
import raw
from broker import ACCOUNT, REGION

OTHER = "210987654321"


def _role(name, trust, *statements, account=ACCOUNT, **more):
    document = {"Version": "2012-10-17", "Statement": list(statements)}
    return {
        "Path": "/", "RoleName": name, "Arn": f"arn:aws:iam::{account}:role/{name}",
        "RoleId": "AROATEST" + name.upper().replace("-", "").ljust(13, "X")[:13],
        "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": trust},
        "RolePolicyList": [{"PolicyName": "Test", "PolicyDocument": document}] if statements else [],
        **more,
    }  # fmt: skip


def _user(name, *statements):
    return {
        "Path": "/", "UserName": name, "UserId": "AIDATEST" + name.upper().ljust(13, "X"),
        "Arn": f"arn:aws:iam::{ACCOUNT}:user/{name}",
        "UserPolicyList": [
            {"PolicyName": "Test", "PolicyDocument": {"Version": "2012-10-17", "Statement": list(statements)}}
        ] if statements else [],
    }  # fmt: skip


def _allow(actions, resources="*"):
    return {"Effect": "Allow", "Action": actions, "Resource": resources}


def _trusts(principal, actions=("sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity")):
    return {"Effect": "Allow", "Principal": principal, "Action": list(actions)}


def arn(role, account=ACCOUNT):
    return f"arn:aws:iam::{account}:role/{role}"


ROOT = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
READ = _allow(["secretsmanager:GetSecretValue"], f"arn:aws:secretsmanager:*:{ACCOUNT}:secret:app/*")
DOCUMENT = json.dumps(
    {
        "UserDetailList": [
            _user("admin", _allow(["secretsmanager:*", "ssm:*", "sts:*"])),
            _user("barred", {"Effect": "Deny", "Action": "*", "Resource": "*"}),
            _user("named"),
            _user("outsider"),
        ],
        "RoleDetailList": [
            _role("app", [_trusts(ROOT)], READ, _allow("sts:*")),
            _role("next", [_trusts(ROOT)], READ),
            _role("direct", [_trusts({"AWS": f"arn:aws:iam::{ACCOUNT}:user/named"}, ["sts:AssumeRole"])], READ),
            _role("service", [_trusts({"Service": "ecs-tasks.amazonaws.com"})], READ),
            _role("abroad", [_trusts(ROOT)], _allow("sts:*"), account=OTHER),
            _role("closed", [_trusts({"AWS": OTHER})], _allow("sts:*"), account=OTHER),
        ],
    },
    indent=1,
)


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    broker = brokers.served(tmp_path_factory.mktemp("sts") / "data", DOCUMENT)
    yield broker
    assert broker.stop() == 0
    assert conftest.find_canary(broker) == []


@pytest.fixture(scope="module")
def keys(broker):
    return {user: brokers.access_key(broker, user) for user in ("admin", "barred", "named", "outsider")}


@pytest.fixture(scope="module")
def sts_as(broker, keys):
    def client(user, unchecked=False):
        key = keys[user]
        return boto3.session.Session().client(
            "sts", endpoint_url=broker.plain, region_name=REGION, aws_access_key_id=key[0], aws_secret_access_key=key[1],
            config=conftest.ONCE.merge(botocore.config.Config(parameter_validation=not unchecked)),
        )  # fmt: skip

    return client


def with_session(broker, service, credentials, **more):
    return boto3.session.Session().client(
        service, endpoint_url=broker.plain, region_name=REGION, config=conftest.ONCE,
        aws_access_key_id=credentials["AccessKeyId"], aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"], **more,
    )  # fmt: skip


@pytest.fixture(scope="module")
def secret(broker, keys):
    client = conftest.client("secretsmanager", broker.plain, keys["admin"])
    client.create_secret(Name="app/one", SecretString="canary-8f1d-one")
    client.create_secret(Name="other/two", SecretString="canary-8f1d-two")
    return "app/one"


def refused(code, call, *words, status=None, **arguments):
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**arguments)
    error = caught.value.response
    assert error["Error"]["Code"] == code, error
    for word in words:
        assert word in error["Error"]["Message"], error
    if status:
        assert error["ResponseMetadata"]["HTTPStatusCode"] == status
    return error


class TestAssumeRole:
    def test_a_session_is_the_role(self, broker, sts_as, secret):
        answer = sts_as("admin").assume_role(RoleArn=arn("app"), RoleSessionName="one")
        assert answer["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/app/one"
        assert answer["AssumedRoleUser"]["AssumedRoleId"].endswith(":one")
        credentials = answer["Credentials"]
        assert credentials["AccessKeyId"].startswith("ASIA") and len(credentials["AccessKeyId"]) == 20
        left = credentials["Expiration"] - datetime.now(timezone.utc)
        assert timedelta(minutes=59) < left <= timedelta(hours=1)
        assert "PackedPolicySize" not in answer
        client = with_session(broker, "secretsmanager", credentials)
        assert client.get_secret_value(SecretId=secret)["SecretString"] == "canary-8f1d-one"
        refused("AccessDeniedException", client.get_secret_value, "assumed-role/app/one", SecretId="other/two")
        identity = with_session(broker, "sts", credentials).get_caller_identity()
        assert identity["Arn"] == answer["AssumedRoleUser"]["Arn"]
        assert identity["UserId"] == answer["AssumedRoleUser"]["AssumedRoleId"]

    @pytest.mark.parametrize("role", ["service", "absent", "direct"])
    def test_roles_that_do_not_trust_the_caller(self, sts_as, role):
        refused(
            "AccessDenied", sts_as("admin").assume_role, f"user/admin is not authorized to perform: sts:AssumeRole",
            f"on resource: {arn(role)}", status=403, RoleArn=arn(role), RoleSessionName="one",
        )  # fmt: skip

    def test_trusting_the_account_leaves_the_choice_to_identity_policies(self, sts_as):
        refused("AccessDenied", sts_as("outsider").assume_role, RoleArn=arn("app"), RoleSessionName="one")
        refused("AccessDenied", sts_as("barred").assume_role, "explicit deny", RoleArn=arn("app"), RoleSessionName="a1")

    def test_trusting_a_user_is_enough_within_the_account(self, sts_as):
        sts_as("named").assume_role(RoleArn=arn("direct"), RoleSessionName="one")
        refused(
            "AccessDenied", sts_as("named").assume_role, "sts:TagSession",
            RoleArn=arn("direct"), RoleSessionName="one", Tags=[{"Key": "team", "Value": "x"}],
        )  # fmt: skip

    def test_across_accounts_both_sides_allow(self, broker, sts_as):
        answer = sts_as("admin").assume_role(RoleArn=arn("abroad", OTHER), RoleSessionName="one")
        identity = with_session(broker, "sts", answer["Credentials"]).get_caller_identity()
        assert identity["Account"] == OTHER
        refused("AccessDenied", sts_as("admin").assume_role, RoleArn=arn("closed", OTHER), RoleSessionName="one")
        refused("AccessDenied", sts_as("named").assume_role, RoleArn=arn("abroad", OTHER), RoleSessionName="one")

    def test_durations(self, broker, sts_as):
        assume = sts_as("admin").assume_role
        answer = assume(RoleArn=arn("app"), RoleSessionName="one", DurationSeconds=900)
        assert answer["Credentials"]["Expiration"] - datetime.now(timezone.utc) <= timedelta(minutes=15)
        refused(
            "ValidationError", assume, "The requested DurationSeconds exceeds the MaxSessionDuration set for this role",
            status=400, RoleArn=arn("app"), RoleSessionName="one", DurationSeconds=7200,
        )  # fmt: skip
        for wrong in (899, 43201):
            refused(
                "ValidationError", sts_as("admin", unchecked=True).assume_role,
                f"Value '{wrong}' at 'durationSeconds' failed to satisfy constraint",
                RoleArn=arn("app"), RoleSessionName="one", DurationSeconds=wrong,
            )  # fmt: skip

    def test_chaining_is_for_an_hour_and_hands_down(self, broker, sts_as):
        answer = sts_as("admin").assume_role(
            RoleArn=arn("app"), RoleSessionName="one", SourceIdentity="ann",
            Tags=[{"Key": "Team", "Value": "x"}, {"Key": "stage", "Value": "prod"}], TransitiveTagKeys=["Team"],
        )  # fmt: skip
        assert answer["SourceIdentity"] == "ann" and answer["PackedPolicySize"] >= 1
        chained = with_session(broker, "sts", answer["Credentials"])
        second = chained.assume_role(RoleArn=arn("next"), RoleSessionName="two")
        assert second["SourceIdentity"] == "ann"
        refused(
            "ValidationError", chained.assume_role, "1 hour session limit for roles assumed by role chaining.",
            RoleArn=arn("next"), RoleSessionName="two", DurationSeconds=3601,
        )  # fmt: skip
        refused(
            "InvalidParameterValue", chained.assume_role, "conflicts with a transitive tag key from the calling session",
            RoleArn=arn("next"), RoleSessionName="two", Tags=[{"Key": "team", "Value": "y"}],
        )  # fmt: skip
        refused(
            "AccessDenied", chained.assume_role, "source identity",
            RoleArn=arn("next"), RoleSessionName="two", SourceIdentity="bob",
        )  # fmt: skip

    def test_tags_that_contradict_each_other(self, sts_as):
        tag = lambda key: {"Key": key, "Value": "v"}
        assume = sts_as("admin").assume_role
        for tags, transitive in (([tag("a"), tag("A")], []), ([tag("a")], ["b"]), ([tag("aws:x")], [])):
            refused(
                "InvalidParameterValue", assume,
                RoleArn=arn("app"), RoleSessionName="one", Tags=tags, TransitiveTagKeys=transitive,
            )  # fmt: skip

    def test_too_many_tags_for_a_token(self, sts_as):
        tags = [{"Key": f"{i:0>128}", "Value": "v" * 256} for i in range(50)]
        refused(
            "PackedPolicyTooLarge", sts_as("admin").assume_role, "Packed size of session tags consumes",
            RoleArn=arn("app"), RoleSessionName="one", Tags=tags,
        )  # fmt: skip

    def test_there_is_no_second_factor(self, sts_as):
        refused(
            "AccessDenied", sts_as("admin").assume_role, "MultiFactorAuthentication failed", RoleArn=arn("app"),
            RoleSessionName="one", SerialNumber=f"arn:aws:iam::{ACCOUNT}:mfa/admin", TokenCode="123456",
        )  # fmt: skip

    def test_all_broken_constraints_at_once(self, sts_as):
        refused(
            "ValidationError", sts_as("admin").assume_role, "2 validation errors detected", "'roleSessionName'",
            RoleArn="a" * 2049, RoleSessionName="a/b",
        )  # fmt: skip

    def test_a_deleted_role_ends_its_sessions(self, broker, sts_as):
        answer = sts_as("admin").assume_role(RoleArn=arn("next"), RoleSessionName="one")
        who = with_session(broker, "sts", answer["Credentials"]).get_caller_identity
        assert who()["Arn"].endswith("/next/one")
        file = broker.directory / "policies" / "test.json"
        document = json.loads(file.read_text())

        def with_id(role_id):
            for role in document["RoleDetailList"]:
                if role["RoleName"] == "next":
                    role["RoleId"] = role_id
            file.write_text(json.dumps(document, indent=1))

        before = next(r["RoleId"] for r in document["RoleDetailList"] if r["RoleName"] == "next")
        with_id("AROATESTMADEAGAIN0001")
        limit = time.monotonic() + 10
        while True:
            try:
                who()
            except botocore.exceptions.ClientError as error:
                assert error.response["Error"]["Code"] == "InvalidClientTokenId"
                break
            assert time.monotonic() < limit, "the session outlived its role"
            time.sleep(0.1)
        with_id(before)
        limit = time.monotonic() + 10
        while time.monotonic() < limit:
            try:
                sts_as("admin").assume_role(RoleArn=arn("next"), RoleSessionName="one")
                who()
                break
            except botocore.exceptions.ClientError:
                time.sleep(0.1)


class TestOthers:
    def test_everyone_may_know_who_they_are(self, sts_as):
        for user in ("admin", "barred", "outsider"):
            identity = sts_as(user).get_caller_identity()
            assert identity["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/{user}"
            assert identity["Account"] == ACCOUNT and identity["UserId"].startswith("AIDATEST")

    def test_a_session_of_ones_own(self, broker, sts_as, secret):
        credentials = sts_as("admin").get_session_token(DurationSeconds=900)["Credentials"]
        assert with_session(broker, "sts", credentials).get_caller_identity()["Arn"].endswith(":user/admin")
        reads = with_session(broker, "secretsmanager", credentials)
        assert reads.get_secret_value(SecretId=secret)["SecretString"] == "canary-8f1d-one"
        refused(
            "AccessDenied", with_session(broker, "sts", credentials).get_session_token,
            "Cannot call GetSessionToken with session credentials", status=403,
        )  # fmt: skip
        # Nothing that outlives it is made with it, whatever its user may do.
        refused(
            "AccessDenied", with_session(broker, "sts", credentials).get_access_key_info,
            "Cannot call GetAccessKeyInfo with session credentials", status=403, AccessKeyId=credentials["AccessKeyId"],
        )  # fmt: skip
        environment = {
            "AWS_ACCESS_KEY_ID": credentials["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": credentials["SecretAccessKey"],
            "AWS_SESSION_TOKEN": credentials["SessionToken"], "SEALDOCK_ENDPOINT": broker.plain,
        }  # fmt: skip
        for words in (["create", "--user", "admin"], ["list"]):
            run = brokers.sealdock("key", *words, **environment)
            assert run.returncode == 4 and "with session credentials" in run.stderr, run.stderr
        with_session(broker, "sts", credentials).assume_role(RoleArn=arn("app"), RoleSessionName="one")
        day = sts_as("admin").get_session_token()["Credentials"]["Expiration"] - datetime.now(timezone.utc)
        assert timedelta(hours=11) < day <= timedelta(hours=12)

    def test_the_account_of_a_key(self, sts_as, keys):
        info = sts_as("admin").get_access_key_info
        assert info(AccessKeyId=keys["outsider"][0])["Account"] == ACCOUNT
        assert info(AccessKeyId="ASIAY34FZKBOKMUTVV7A")["Account"] == "609629065308"
        refused("ValidationError", info, AccessKeyId="AKIA0000000000000000")
        refused("AccessDenied", sts_as("outsider").get_access_key_info, AccessKeyId=keys["outsider"][0])

    def test_nothing_was_ever_encoded(self, sts_as):
        refused(
            "InvalidAuthorizationMessageException", sts_as("admin").decode_authorization_message, EncodedMessage="abc"
        )

    def test_what_is_not_served(self, sts_as):
        refused(
            "InvalidAction", sts_as("admin").get_federation_token, "Sealdock does not implement sts:GetFederationToken",
            status=400, Name="someone",
        )  # fmt: skip

    def test_a_presigned_url_says_who_signed_it(self, sts_as):
        url = sts_as("admin").generate_presigned_url("get_caller_identity", ExpiresIn=60, HttpMethod="GET")
        text = urllib.request.urlopen(url, timeout=10).read().decode()
        assert f"<Arn>arn:aws:iam::{ACCOUNT}:user/admin</Arn>" in text
        assert text.startswith('<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">')

    def test_a_role_that_is_no_arn(self, sts_as):
        for wrong in ("nothing-valid-in-here", "arn:a:::something/test-role", "arn:a:a::aaaaaaaaaa:", "<a>&'\"" + "x" * 20):
            answer = refused("ValidationError", sts_as("admin").assume_role, status=400, RoleArn=wrong, RoleSessionName="one")
            assert answer["Error"]["Message"] == f"{wrong} is invalid"

    def test_proofs_that_prove_nobody(self, broker, keys):
        def call(key, **more):
            return conftest.client("sts", broker.plain, key, **more).get_caller_identity

        refused("SignatureDoesNotMatch", call((keys["admin"][0], "x" * 40)), status=403)
        refused("InvalidClientTokenId", call(("AKIAIOSFODNN7EXAMPLE", "x" * 40)), status=403)
        form = b"Action=GetCallerIdentity&Version=2011-06-15"
        media = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = raw.transmit(broker.plain, media, form)
        assert answer.status == 403 and b"<Code>MissingAuthenticationToken</Code>" in answer.body
        assert answer.headers["content-type"] == "text/xml"
        for form in (b"", b"\xff\xfe", b"Action=", b"Action=GetCallerIdentity", b"a.b=1&a=2", b"&&&=", b"Action=A&Action=B"):
            answer = raw.transmit(broker.plain, media, form)
            assert answer.status in (400, 403) and answer.body.startswith(b"<ErrorResponse"), form


class TestRevocation:
    def session(self, sts_as, role="app"):
        return sts_as("admin").assume_role(RoleArn=arn(role), RoleSessionName="revoked")["Credentials"]

    def revoke(self, broker, subject):
        run = brokers.sealdock("session", "revoke", "--socket", broker.socket, subject)
        assert run.returncode == 0, run.stderr

    def ended(self, broker, credentials):
        refused("ExpiredToken", with_session(broker, "sts", credentials).get_caller_identity, status=403)
        refused("ExpiredTokenException", with_session(broker, "secretsmanager", credentials).list_secrets)

    def test_by_role(self, broker, sts_as):
        before = self.session(sts_as)
        other = self.session(sts_as, "next")
        self.revoke(broker, arn("app"))
        self.ended(broker, before)
        with_session(broker, "sts", other).get_caller_identity()
        with_session(broker, "sts", self.session(sts_as)).get_caller_identity()

    def test_by_key_with_what_was_made_with_it(self, broker, sts_as):
        first, second = self.session(sts_as), self.session(sts_as)
        child = with_session(broker, "sts", first).assume_role(RoleArn=arn("next"), RoleSessionName="child")
        self.revoke(broker, first["AccessKeyId"])
        self.ended(broker, first)
        self.ended(broker, child["Credentials"])
        with_session(broker, "sts", second).get_caller_identity()

    def test_by_key_with_what_was_made_with_that_in_turn(self, broker, sts_as):
        def assume(credentials, role):
            sts = with_session(broker, "sts", credentials)
            return sts.assume_role(RoleArn=arn(role), RoleSessionName="one")["Credentials"]

        own = sts_as("admin").get_session_token()["Credentials"]
        first = assume(own, "app")
        second = assume(first, "app")
        third = assume(second, "next")
        with_session(broker, "sts", third).get_caller_identity()
        self.revoke(broker, first["AccessKeyId"])
        for credentials in (first, second, third):
            self.ended(broker, credentials)
        other = assume(own, "app")
        self.revoke(broker, own["AccessKeyId"])
        for credentials in (own, other):
            self.ended(broker, credentials)

    def test_nothing_is_revoked_that_is_not_there(self, broker):
        for subject, reason in ((arn("nope"), "No policy file defines"), ("AKIANOPE", "is no access key id")):
            run = brokers.sealdock("session", "revoke", "--socket", broker.socket, subject)
            assert run.returncode != 0 and reason in run.stderr, run.stderr

    def test_it_lasts_and_is_on_record(self, broker, sts_as):
        kept, ended = self.session(sts_as), self.session(sts_as)
        self.revoke(broker, ended["AccessKeyId"])
        broker.kill()
        again = brokers.serve(broker.directory)
        vars(broker).update(vars(again))
        self.ended(broker, ended)
        with_session(broker, "sts", kept).get_caller_identity()
        run = brokers.sealdock("session", "revoked", "--socket", broker.socket, "--json")
        assert ended["AccessKeyId"] in [row.get("AccessKeyId") for row in json.loads(run.stdout)]
        run = brokers.sealdock("audit", "search", "--data", broker.directory, "--limit", "500", "--json")
        events = [json.loads(line) for line in run.stdout.splitlines()]
        assert any(e["eventName"] == "RevokeSessions" and ended["AccessKeyId"] in json.dumps(e) for e in events)
        made = [e for e in events if e["eventName"] == "AssumeRole" and e["eventSource"] == "sts.amazonaws.com"]
        assert any(e["responseElements"]["credentials"]["accessKeyId"] == kept["AccessKeyId"] for e in made if e["responseElements"])

    def test_it_needs_permission(self, broker, keys):
        environment = {
            "AWS_ACCESS_KEY_ID": keys["admin"][0], "AWS_SECRET_ACCESS_KEY": keys["admin"][1],
            "SEALDOCK_ENDPOINT": broker.plain,
        }  # fmt: skip
        run = brokers.sealdock("session", "revoke", "sometask", **environment)
        assert run.returncode == 4 and "sealdock:RevokeSessions" in run.stderr


class TestProfiles:
    """`role_arn` and `source_profile`, as in everybody's ~/.aws/config."""

    @pytest.fixture
    def environment(self, broker, keys, tmp_path):
        config = tmp_path / "config"
        config.write_text(
            f"[profile base]\nregion = {REGION}\n"
            f"aws_access_key_id = {keys['admin'][0]}\naws_secret_access_key = {keys['admin'][1]}\n"
            f"[profile app]\nregion = {REGION}\nrole_arn = {arn('app')}\nsource_profile = base\nrole_session_name = cli\n"
            f"[profile chained]\nregion = {REGION}\nrole_arn = {arn('next')}\nsource_profile = app\n"
        )
        return brokers.environment(AWS_CONFIG_FILE=config, AWS_ENDPOINT_URL=broker.plain, HOME=tmp_path)

    def cli(self, environment, *arguments):
        aws = Path(sys.executable).parent / "aws"
        run = subprocess.run([aws, *arguments], env=environment, capture_output=True, text=True, timeout=60)
        assert run.returncode == 0, run.stderr
        return json.loads(run.stdout)

    def test_the_cli(self, environment, secret):
        identity = self.cli(environment, "sts", "get-caller-identity", "--profile", "app")
        assert identity["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/app/cli"
        read = self.cli(environment, "secretsmanager", "get-secret-value", "--secret-id", secret, "--profile", "app")
        assert read["SecretString"] == "canary-8f1d-one"
        chained = self.cli(environment, "sts", "get-caller-identity", "--profile", "chained")
        assert re.match(f"arn:aws:sts::{ACCOUNT}:assumed-role/next/", chained["Arn"])

    def test_boto3(self, environment):
        script = "import boto3; print(boto3.Session(profile_name='app').client('sts').get_caller_identity()['Arn'])"
        run = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=60)
        assert run.stdout.strip() == f"arn:aws:sts::{ACCOUNT}:assumed-role/app/cli", run.stderr
