"""Rotation functions that are commands: the PostgreSQL example against a real database, and what bounds a command."""

import json
import sys
from pathlib import Path

import pytest

import broker as brokers
import conftest
import postgres
from broker import ACCOUNT, REGION, ROOT
from functions import eventually
from postgres import made_user, signs_in, sql
from test_rotation import events, rotated

EXAMPLE = ROOT / "docker" / "rotation" / "rotate_postgres.py"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/rotationFunctionRole"
WITHOUT_KMS = f"arn:aws:iam::{ACCOUNT}:role/withoutKeys"

# What a command can do with its credentials and sees of its surroundings, written to the file that it is given.
PROBE = """
import json, os, sys
import boto3
event = json.load(sys.stdin)
client = boto3.client("secretsmanager")

def outcome(call, **arguments):
    try:
        call(**arguments)
        return "ok"
    except Exception as error:
        return getattr(error, "response", {}).get("Error", {}).get("Code", repr(error))

own, other = event["SecretId"], sys.argv[2]
found = {
    "environment": sorted(os.environ),
    "argv": sys.argv[1:],
    "describe own": outcome(client.describe_secret, SecretId=own),
    "read own": outcome(client.get_secret_value, SecretId=own),
    "password": outcome(client.get_random_password),
    "read other": outcome(client.get_secret_value, SecretId=other),
    "describe other": outcome(client.describe_secret, SecretId=other),
    "tag own": outcome(client.tag_resource, SecretId=own, Tags=[{"Key": "k", "Value": "v"}]),
    "delete own": outcome(client.delete_secret, SecretId=own),
    "list": outcome(client.list_secrets),
    "assume": outcome(boto3.client("sts").assume_role, RoleArn=sys.argv[3], RoleSessionName="more"),
    "who": boto3.client("sts").get_caller_identity()["Arn"],
}
open(sys.argv[1], "w").write(json.dumps(found))
sys.exit(3)
"""


def arn(name):
    return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """The port of a PostgreSQL."""
    with postgres.running(tmp_path_factory.mktemp("postgres")) as port:
        yield port


@pytest.fixture(scope="module")
def probe(tmp_path_factory):
    place = tmp_path_factory.mktemp("probe")
    (place / "probe.py").write_text(PROBE)
    return place


def started(directory):
    broker = brokers.Broker(["serve", "--data", directory, "--tls", "127.0.0.1:0"], directory)
    broker.socket, broker.ca = directory / "sealdock.sock", directory / "tls" / "ca.pem"
    find = lambda text: [line.split()[-1] for line in text.splitlines() if line.startswith("listening on https")]
    (broker.tls,) = broker.wait_until(lambda text: broker.socket.exists() and find(text))
    return broker


@pytest.fixture(scope="module")
def broker(tmp_path_factory, probe, database):
    """A broker with TLS only beside its socket, and commands in its configuration."""
    directory = tmp_path_factory.mktemp("commands") / "data"
    made = brokers.sealdock("init", "--data", directory, "--account", ACCOUNT, "--region", REGION)
    assert made.returncode == 0, made.stderr

    def function(name, command, *settings):
        lines = ["[[function]]", f'arn = "{arn(name)}"', f'role = "{ROLE}"', f"command = {json.dumps(command)}", *settings]
        return "\n".join(lines) + "\n"

    with open(directory / "sealdock.toml", "a") as file:
        file.write("\n")
        file.write(function("postgres", [sys.executable, str(EXAMPLE)], 'log = "functions.log"'))
        file.write(
            function("probe", [sys.executable, str(probe / "probe.py"), str(probe / "found.json"), "probe/other", ROLE], 'log = "functions.log"')
        )
        slow = f"sleep 1000 & echo $! > {probe}/child; sleep 1000"
        file.write(function("slow", ["/bin/sh", "-c", slow], "timeout-seconds = 1"))
        file.write(function("untrusted", ["/bin/true"]).replace(ROLE, f"arn:aws:iam::{ACCOUNT}:role/ecsTaskExecutionRole"))
        file.write(function("missing", ["/no/such/program"]))
        keyless = function("keyless", [sys.executable, str(EXAMPLE)], 'log = "functions.log"')
        file.write(keyless.replace(ROLE, WITHOUT_KMS))
    # `reads` takes whole ARNs, so the superuser's secret is made first.
    broker = started(directory)
    keeper = {"host": "127.0.0.1", "port": database, **postgres.KEEPER}
    operator = conftest.client("secretsmanager", broker.tls, brokers.access_key(broker, "operator"), verify=broker.ca)
    made = operator.create_secret(Name="app/superuser", SecretString=json.dumps(keeper))
    assert broker.stop() == 0
    with open(directory / "sealdock.toml", "a") as file:
        reads = f'reads = ["{made["ARN"]}"]'
        file.write(function("alternating", [sys.executable, str(EXAMPLE)], 'log = "functions.log"', reads))
    broker = started(directory)
    yield broker
    assert broker.stop() == 0
    assert conftest.find_canary(broker) == []


@pytest.fixture(scope="module")
def secrets(broker):
    (broker.directory / "policies" / "admin.json").write_text(
        json.dumps({"UserDetailList": [{
            "UserName": "admin", "Path": "/", "Arn": f"arn:aws:iam::{ACCOUNT}:user/admin",
            "UserPolicyList": [{"PolicyName": "all", "PolicyDocument": {"Version": "2012-10-17", "Statement": [
                {"Effect": "Allow", "Action": ["secretsmanager:*", "lambda:InvokeFunction", "kms:*"], "Resource": "*"}]}}],
        }], "RoleDetailList": [without_kms()]})
    )  # fmt: skip
    broker.key = eventually(lambda: _key(broker))
    return conftest.client("secretsmanager", broker.tls, broker.key, verify=broker.ca)


def without_kms():
    """A role of a rotation function that may do everything with secrets and nothing with keys."""
    return {
        "RoleName": "withoutKeys", "Path": "/", "Arn": WITHOUT_KMS,
        "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]},
        "RolePolicyList": [{"PolicyName": "secrets", "PolicyDocument": {"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": "secretsmanager:*", "Resource": "*"}]}}],
    }  # fmt: skip


def _key(broker):
    try:
        return brokers.access_key(broker, "admin")
    except AssertionError:
        return None  # The policies have not been reloaded yet.


def failure(broker, secret):
    return eventually(lambda: [data for name, data in events(broker, secret["ARN"]) if name == "RotationFailed"])[0]["failure"]


def test_the_example_rotates_the_password_of_a_postgresql_user(broker, secrets, database):
    value = made_user(database, "app")
    secret = secrets.create_secret(Name="app/postgres", SecretString=json.dumps(value))
    assert signs_in(database, value)
    token = secrets.rotate_secret(
        SecretId="app/postgres",
        RotationLambdaARN=arn("postgres"),
        RotationRules={"ScheduleExpression": "cron(0 3 ? * SUN *)", "Duration": "2h"},
    )["VersionId"]
    rotated(secrets, "app/postgres", token)
    current = json.loads(secrets.get_secret_value(SecretId="app/postgres")["SecretString"])
    assert current == {**value, "password": current["password"]} and len(current["password"]) == 32
    assert signs_in(database, current) and not signs_in(database, value)
    previous = json.loads(secrets.get_secret_value(SecretId="app/postgres", VersionStage="AWSPREVIOUS")["SecretString"])
    assert previous == value
    second = secrets.rotate_secret(SecretId="app/postgres")["VersionId"]
    eventually(lambda: "AWSCURRENT" in secrets.describe_secret(SecretId="app/postgres")["VersionIdsToStages"][second])
    assert not signs_in(database, current)
    names = [name for name, _ in events(broker, secret["ARN"])]
    assert names[:2] == ["RotationStarted", "RotationSucceeded"] and "RotationFailed" not in names
    # Whatever the function did, it did as its role, in a session of its own.
    found = brokers.sealdock("audit", "search", "--data", broker.directory, "--json", "--name", "PutSecretValue")
    if found.returncode == 0:
        assert f"arn:aws:sts::{ACCOUNT}:assumed-role/rotationFunctionRole/postgres" in found.stdout


def test_a_failing_database_leaves_pending(broker, secrets, database):
    value = {"host": "127.0.0.1", "port": database, "username": "app", "password": "wrong"}
    secret = secrets.create_secret(Name="app/broken", SecretString=json.dumps(value))
    token = secrets.rotate_secret(SecretId="app/broken", RotationLambdaARN=arn("postgres"))["VersionId"]
    assert failure(broker, secret) == "setSecret: the command ended with exit status 1"
    stages = secrets.describe_secret(SecretId="app/broken")["VersionIdsToStages"]
    assert stages == {secret["VersionId"]: ["AWSCURRENT"], token: ["AWSPENDING"]}
    said = (broker.directory / "functions.log").read_text()
    assert "postgres setSecret: " in said and "CalledProcessError" in said and "wrong" not in said
    secrets.cancel_rotate_secret(SecretId="app/broken")


def test_a_command_can_do_its_job_and_no_more(broker, secrets, probe, value):
    secrets.create_secret(Name="probe/other", SecretString=value)
    secret = secrets.create_secret(Name="probe/own", SecretString=value)
    secrets.rotate_secret(SecretId="probe/own", RotationLambdaARN=arn("probe"))
    assert failure(broker, secret) == "createSecret: the command ended with exit status 3"
    found = json.loads((probe / "found.json").read_text())
    assert {name: found[name] for name in found if name not in ("environment", "argv", "who")} == {
        "describe own": "ok",
        "read own": "ok",
        "password": "ok",
        "read other": "AccessDeniedException",
        "describe other": "AccessDeniedException",
        "tag own": "AccessDeniedException",
        "delete own": "AccessDeniedException",
        "list": "AccessDeniedException",
        "assume": "AccessDenied",
    }
    assert found["who"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/rotationFunctionRole/probe"
    allowed = {"PATH", "HOME", "LANG", "PWD", "SHLVL", "_", "SEALDOCK_ENDPOINT", "SECRETS_MANAGER_ENDPOINT", "LC_CTYPE"}
    assert {name for name in found["environment"] if not name.startswith("AWS_")} <= allowed
    secrets.cancel_rotate_secret(SecretId="probe/own")


def test_a_command_is_ended_with_all_that_it_started(broker, secrets, probe, value):
    secret = secrets.create_secret(Name="slow", SecretString=value)
    secrets.rotate_secret(SecretId="slow", RotationLambdaARN=arn("slow"))
    assert failure(broker, secret) == "createSecret: the function took longer than 1 seconds"
    child = int((probe / "child").read_text())

    def gone():
        try:
            return Path(f"/proc/{child}/stat").read_text().split()[2] == "Z"
        except FileNotFoundError:
            return True

    eventually(gone)
    secrets.cancel_rotate_secret(SecretId="slow")


def test_a_role_has_to_trust_lambda(broker, secrets, value):
    secret = secrets.create_secret(Name="untrusted", SecretString=value)
    secrets.rotate_secret(SecretId="untrusted", RotationLambdaARN=arn("untrusted"))
    role = f"arn:aws:iam::{ACCOUNT}:role/ecsTaskExecutionRole"
    assert failure(broker, secret) == f"createSecret: the role {role} does not trust lambda.amazonaws.com"
    secrets.cancel_rotate_secret(SecretId="untrusted")


def test_a_program_that_is_not_there(broker, secrets, value):
    secret = secrets.create_secret(Name="missing", SecretString=value)
    secrets.rotate_secret(SecretId="missing", RotationLambdaARN=arn("missing"))
    assert failure(broker, secret) == "createSecret: the command cannot be started"
    secrets.cancel_rotate_secret(SecretId="missing")


@pytest.fixture
def own_key(broker, secrets):
    """A KMS client, and a customer key."""
    kms = conftest.client("kms", broker.tls, broker.key, verify=broker.ca)
    return kms, conftest.make_key(kms)


def test_a_secret_under_a_customer_key(broker, secrets, database, own_key):
    """The function's role needs kms:Decrypt and kms:GenerateDataKey, as on AWS; both uses are on record as its own."""
    kms, key = own_key
    value = made_user(database, "sealed")
    secrets.create_secret(Name="app/sealed", SecretString=json.dumps(value), KmsKeyId=key)
    token = secrets.rotate_secret(SecretId="app/sealed", RotationLambdaARN=arn("postgres"))["VersionId"]
    rotated(secrets, "app/sealed", token)
    assert signs_in(database, json.loads(secrets.get_secret_value(SecretId="app/sealed")["SecretString"]))
    (version,) = [v for v in secrets.list_secret_version_ids(SecretId="app/sealed")["Versions"] if v["VersionId"] == token]
    assert version["KmsKeyIds"] == [key]
    uses = used(broker, key)
    by_function = {event["eventName"] for event in uses if event["userIdentity"]["arn"].endswith("rotationFunctionRole/postgres")}
    assert by_function == {"Decrypt", "GenerateDataKey"}
    assert not [event for event in uses if "errorCode" in event]


def test_a_role_without_the_key(broker, secrets, database, own_key):
    kms, key = own_key
    secret = secrets.create_secret(Name="app/keyless", SecretString=json.dumps(made_user(database, "keyless")), KmsKeyId=key)
    token = secrets.rotate_secret(SecretId="app/keyless", RotationLambdaARN=arn("keyless"))["VersionId"]
    assert failure(broker, secret) == "createSecret: the command ended with exit status 1"
    stages = secrets.describe_secret(SecretId="app/keyless")["VersionIdsToStages"]
    assert stages == {secret["VersionId"]: ["AWSCURRENT"], token: ["AWSPENDING"]}
    said = (broker.directory / "functions.log").read_text()
    assert "keyless createSecret: " in said and "Access to KMS is not allowed" in said
    who = {event["userIdentity"]["arn"].rsplit(":", 1)[1] for event in used(broker, key) if "errorCode" in event}
    assert who == {"assumed-role/withoutKeys/keyless"}
    secrets.cancel_rotate_secret(SecretId="app/keyless")


def test_a_disabled_key_stops_a_rotation_until_it_is_enabled(broker, secrets, database, own_key):
    kms, key = own_key
    secret = secrets.create_secret(Name="app/disabled", SecretString=json.dumps(made_user(database, "disabled")), KmsKeyId=key)
    kms.disable_key(KeyId=key)
    token = secrets.rotate_secret(SecretId="app/disabled", RotationLambdaARN=arn("postgres"))["VersionId"]
    assert failure(broker, secret) == "createSecret: the command ended with exit status 1"
    assert "DecryptionFailure" in (broker.directory / "functions.log").read_text()
    kms.enable_key(KeyId=key)
    # The refusal makes the attempt that it speaks of.
    with pytest.raises(secrets.exceptions.InvalidRequestException, match="A previous rotation isn't complete"):
        secrets.rotate_secret(SecretId="app/disabled")
    rotated(secrets, "app/disabled", token)
    assert signs_in(database, json.loads(secrets.get_secret_value(SecretId="app/disabled")["SecretString"]))


def used(broker, key):
    """The recorded uses of a KMS key."""
    lines = [line for path in sorted((broker.directory / "audit").glob("*.jsonl")) for line in path.read_text().splitlines()]
    records = [record.get("event", record) for record in map(json.loads, lines)]
    return [
        event
        for event in records
        if event.get("eventSource") == "kms.amazonaws.com"
        and event["eventName"] in ("Decrypt", "GenerateDataKey", "Encrypt")
        and (event.get("requestParameters") or {}).get("keyId") == key
    ]


class TestAlternatingUsers:
    """Two users take turns, with a superuser's secret that the configuration lets the function read."""

    @pytest.fixture
    def application(self, broker, secrets, database):
        value = made_user(database, "shop")
        sql(database, "CREATE TABLE orders (id int); ALTER TABLE orders OWNER TO shop")
        master = secrets.describe_secret(SecretId="app/superuser")["ARN"]
        secrets.create_secret(Name="app/shop", SecretString=json.dumps({**value, "masterarn": master}))
        return value

    def rotate(self, secrets):
        token = secrets.rotate_secret(SecretId="app/shop", RotationLambdaARN=arn("alternating"))["VersionId"]
        eventually(lambda: "AWSCURRENT" in secrets.describe_secret(SecretId="app/shop")["VersionIdsToStages"][token])
        return json.loads(secrets.get_secret_value(SecretId="app/shop")["SecretString"])

    def test_both_users_can_sign_in(self, secrets, database, application):
        second = self.rotate(secrets)
        assert second["username"] == "shop_clone"
        assert signs_in(database, second) and signs_in(database, application)
        # What the first user owns, the second one can use.
        sql(database, "INSERT INTO orders VALUES (1)", second)
        third = self.rotate(secrets)
        assert third["username"] == "shop" and third["password"] != application["password"]
        assert signs_in(database, third) and signs_in(database, second) and not signs_in(database, application)
        fourth = self.rotate(secrets)
        assert fourth["username"] == "shop_clone" and not signs_in(database, second)
        assert sql(database, "SELECT count(*) FROM orders", fourth) == "1"

    def test_a_secret_that_is_not_in_reads_is_not_read(self, broker, secrets, database):
        value = made_user(database, "nosy")
        other = secrets.create_secret(Name="app/not-listed", SecretString=json.dumps({**value, **postgres.KEEPER}))
        secret = secrets.create_secret(Name="app/nosy", SecretString=json.dumps({**value, "masterarn": other["ARN"]}))
        secrets.rotate_secret(SecretId="app/nosy", RotationLambdaARN=arn("alternating"))
        assert failure(broker, secret) == "setSecret: the command ended with exit status 1"
        assert signs_in(database, value)
        assert sql(database, "SELECT count(*) FROM pg_roles WHERE rolname = 'nosy_clone'") == "0"
        secrets.cancel_rotate_secret(SecretId="app/nosy")
