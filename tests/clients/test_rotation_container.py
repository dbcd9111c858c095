"""The example of a rotation function as a container, behind the Lambda invoke protocol: a real rotation of a real PostgreSQL.

The image is built from docker/rotation on a Debian that is made from its packages; no registry is asked. The base stays with
Docker under the name `BASE`, so that only the first run takes its time.
"""

import json
import os
import shutil
import socket
import subprocess
import uuid

import pytest

import broker as brokers
import conftest
import postgres
from broker import ACCOUNT, REGION, ROOT
from functions import eventually
from test_rotation import events, rotated

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can give this host the address of the task endpoint"),
    pytest.mark.timeout(900),  # the first run builds the base
]

BASE = "sealdock-test/debian:bookworm"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/rotationTaskRole"
FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:rotate"
OTHER = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:other"

# What the function can do with its credentials beside its work, asked from inside its container.
PROBE = """
import boto3, json, os, sys
client = boto3.client("secretsmanager", endpoint_url=os.environ["AWS_ENDPOINT_URL"])

def outcome(call, **arguments):
    try:
        call(**arguments)
        return "ok"
    except Exception as error:
        return getattr(error, "response", {}).get("Error", {}).get("Code", repr(error))

own, others, other, neither = json.loads(sys.argv[1])
print(json.dumps({
    "read own": outcome(client.get_secret_value, SecretId=own),
    "password": outcome(client.get_random_password),
    "read one of another function": outcome(client.get_secret_value, SecretId=others),
    "write one of another function": outcome(client.put_secret_value, SecretId=others, SecretString="x"),
    "read one that does not rotate": outcome(client.get_secret_value, SecretId=other),
    "describe one that does not rotate": outcome(client.describe_secret, SecretId=other),
    "read one outside app/": outcome(client.get_secret_value, SecretId=neither),
    "delete own": outcome(client.delete_secret, SecretId=own),
    "rotate another": outcome(client.rotate_secret, SecretId=other, RotationLambdaARN=sys.argv[2]),
    "list": outcome(client.list_secrets),
}))
"""


@pytest.fixture(scope="module")
def image():
    if docker("image", "inspect", BASE).returncode != 0:
        assert shutil.which("mmdebstrap"), "mmdebstrap is missing: `make setup` installs it"
        with subprocess.Popen(["mmdebstrap", "--quiet", "--variant=minbase", "bookworm", "-"], stdout=subprocess.PIPE) as made:
            imported = subprocess.run(["docker", "import", "-", BASE], stdin=made.stdout, capture_output=True, text=True, timeout=600)
        assert made.returncode == 0 and imported.returncode == 0, imported.stderr
    name = f"sealdock-test/rotate-postgres:{uuid.uuid4().hex[:8]}"
    built = docker("build", "--build-arg", f"BASE={BASE}", "--tag", name, ROOT / "docker" / "rotation", timeout=600)
    assert built.returncode == 0, built.stderr
    yield name
    docker("rmi", "--no-prune", name)


def docker(*arguments, timeout=60):
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=timeout)


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    with postgres.running(tmp_path_factory.mktemp("postgres")) as port:
        yield port


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    """A broker with the shipped roles, for which the function `rotate` is on a port of its own."""
    directory = tmp_path_factory.mktemp("container") / "data"
    made = brokers.sealdock("init", "--data", directory, "--account", ACCOUNT, "--region", REGION)
    assert made.returncode == 0, made.stderr
    shipped = (ROOT / "policies" / "rotation-function.json").read_text()
    shipped = shipped.replace("111122223333", ACCOUNT).replace("us-east-1", REGION)
    roles = json.loads(shipped)["RoleDetailList"]
    (role,) = [role for role in roles if role["Arn"] == ROLE]
    everything = {"Effect": "Allow", "Action": ["secretsmanager:*", "lambda:InvokeFunction", "iam:PassRole"], "Resource": "*"}
    admin = {
        "UserName": "admin", "Path": "/", "Arn": f"arn:aws:iam::{ACCOUNT}:user/admin",
        "UserPolicyList": [{"PolicyName": "all", "PolicyDocument": {"Version": "2012-10-17", "Statement": [everything]}}],
    }  # fmt: skip
    (directory / "policies" / "container.json").write_text(json.dumps({"UserDetailList": [admin], "RoleDetailList": [role]}))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with open(directory / "sealdock.toml", "a") as file:
        for arn in (FUNCTION, OTHER):
            file.write(f'\n[[function]]\narn = "{arn}"\nurl = "http://127.0.0.1:{port}"\nlog = "functions.log"\n')
    broker = brokers.serve(directory)
    broker.function, broker.key = port, brokers.access_key(broker, "admin")
    yield broker
    assert broker.stop() == 0
    assert conftest.find_canary(broker) == []


@pytest.fixture(scope="module")
def secrets(broker):
    return conftest.client("secretsmanager", broker.tls, broker.key, verify=broker.ca)


@pytest.fixture(scope="module")
def function(tmp_path_factory, broker, image):
    """The id of the container: docker/rotation/function.json as a task, with credentials of its role from the task endpoint."""
    endpoint = brokers.Broker(["task", "endpoint", "--socket", broker.socket], tmp_path_factory.mktemp("endpoint") / "endpoint")
    endpoint.wait_until(lambda text: "listening on http://169.254.170.2" in text)
    ca = tmp_path_factory.mktemp("ca") / "ca.pem"
    shutil.copy(broker.ca, ca)
    values = {
        "IMAGE": image, "ROLE": ROLE, "ADDRESS": f"127.0.0.1:{broker.function}", "ENDPOINT": broker.tls, "REGION": REGION, "CA": ca,
    }  # fmt: skip
    settings = [word for name, value in values.items() for word in ("--set", f"{name}={value}")]
    definition = ROOT / "docker" / "rotation" / "function.json"
    run = brokers.sealdock("task", "run", "--detach", "--socket", broker.socket, *settings, definition, timeout=120)
    assert run.returncode == 0, run.stderr
    broker.task = run.stdout.strip()
    (container,) = docker("ps", "--quiet", "--filter", f"label=sealdock.task-id={broker.task}").stdout.split()
    eventually(lambda: listens(broker.function))
    yield container
    docker("rm", "--force", "--volumes", container)
    assert endpoint.stop() == 0


def listens(port):
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def test_a_real_rotation(broker, secrets, function, database):
    value = postgres.made_user(database, "app")
    secret = secrets.create_secret(Name="app/db", SecretString=json.dumps(value))
    rules = {"ScheduleExpression": "cron(0 3 ? * SUN *)", "Duration": "2h"}
    token = secrets.rotate_secret(SecretId="app/db", RotationLambdaARN=FUNCTION, RotationRules=rules)["VersionId"]
    rotated(secrets, "app/db", token)
    current = json.loads(secrets.get_secret_value(SecretId="app/db")["SecretString"])
    assert current == {**value, "password": current["password"]} and current["password"] != value["password"]
    assert postgres.signs_in(database, current) and not postgres.signs_in(database, value)
    previous = secrets.get_secret_value(SecretId="app/db", VersionStage="AWSPREVIOUS")["SecretString"]
    assert json.loads(previous) == value
    done = [(name, data["attempt"]) for name, data in events(broker, secret["ARN"])]
    assert done == [("RotationStarted", 1), ("RotationSucceeded", 1)]
    search = brokers.sealdock("audit", "search", "--data", broker.directory, "--event", "PutSecretValue", "--json")
    (put,) = [json.loads(line) for line in search.stdout.splitlines()]
    assert put["userIdentity"]["arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/rotationTaskRole/{broker.task}"


def test_its_credentials_do_its_job_and_no_more(broker, secrets, function, value):
    own = secrets.describe_secret(SecretId="app/db")["ARN"]
    secrets.create_secret(Name="app/still", SecretString=value)
    secrets.create_secret(Name="elsewhere", SecretString=value)
    others = secrets.create_secret(Name="app/others", SecretString=value)
    secrets.rotate_secret(SecretId="app/others", RotationLambdaARN=OTHER)
    eventually(lambda: [name for name, _ in events(broker, others["ARN"]) if name == "RotationFailed"])
    secrets.cancel_rotate_secret(SecretId="app/others")
    asked = docker("exec", function, "python3", "-c", PROBE, json.dumps([own, "app/others", "app/still", "elsewhere"]), FUNCTION)
    assert asked.returncode == 0, asked.stderr
    # Neither is a key in its configuration.
    variables = docker("inspect", "--format", "{{json .Config.Env}}", function).stdout
    assert "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI" in variables and "SECRET_ACCESS_KEY" not in variables
    found = json.loads(asked.stdout)
    assert {what for what, outcome in found.items() if outcome == "ok"} == {"read own", "password"}
    assert {outcome for outcome in found.values() if outcome != "ok"} == {"AccessDeniedException"}


def test_what_fails_in_the_container_is_told_and_tried_again(broker, secrets, function, database):
    value = postgres.made_user(database, "late", "right")
    wrong = json.dumps({**value, "password": "wrong"})
    secret = secrets.create_secret(Name="app/late", SecretString=wrong)
    token = secrets.rotate_secret(SecretId="app/late", RotationLambdaARN=FUNCTION)["VersionId"]
    failed = eventually(lambda: [data for name, data in events(broker, secret["ARN"]) if name == "RotationFailed"])
    assert failed[0]["failure"] == "setSecret: the function raised an error"
    said = (broker.directory / "functions.log").read_text()
    assert "rotate setSecret: " in said and "CalledProcessError" in said and "wrong" not in said
    stages = secrets.describe_secret(SecretId="app/late")["VersionIdsToStages"]
    assert stages == {secret["VersionId"]: ["AWSCURRENT"], token: ["AWSPENDING"]}
    postgres.sql(database, "ALTER ROLE late PASSWORD 'wrong'")
    with pytest.raises(secrets.exceptions.InvalidRequestException, match="That rotation will be reattempted"):
        secrets.rotate_secret(SecretId="app/late")
    rotated(secrets, "app/late", token)
    assert postgres.signs_in(database, json.loads(secrets.get_secret_value(SecretId="app/late")["SecretString"]))


def test_a_container_that_is_not_there(broker, secrets, function, database):
    value = postgres.made_user(database, "gone")
    secret = secrets.create_secret(Name="app/gone", SecretString=json.dumps(value))
    assert docker("stop", "--time", "1", function).returncode == 0
    token = secrets.rotate_secret(SecretId="app/gone", RotationLambdaARN=FUNCTION)["VersionId"]
    failed = eventually(lambda: [data for name, data in events(broker, secret["ARN"]) if name == "RotationFailed"])
    assert failed[0]["failure"] == "createSecret: the function's endpoint gave no answer"
    stages = secrets.describe_secret(SecretId="app/gone")["VersionIdsToStages"]
    assert stages == {secret["VersionId"]: ["AWSCURRENT"], token: ["AWSPENDING"]}
    secrets.cancel_rotate_secret(SecretId="app/gone")
