"""Credentials and metadata of containers, by the task endpoint: real SDKs in real containers, and the ECS agent's answers."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import boto3
import botocore.exceptions
import pytest

import broker as brokers
import conftest
from broker import ACCOUNT, REGION
from test_launch import docker, family, image  # noqa: F401  (fixtures)

EXECUTION = f"arn:aws:iam::{ACCOUNT}:role/launch-execution"
APP = f"arn:aws:iam::{ACCOUNT}:role/app"
LINK_LOCAL = "http://169.254.170.2"
WAIT = "trap 'exit 0' TERM; while :; do sleep 0.1; done"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give this host the address of ECS")


def role(name, service, *statements):
    return {
        "Path": "/", "RoleName": name, "Arn": f"arn:aws:iam::{ACCOUNT}:role/{name}",
        "AssumeRolePolicyDocument": {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}],
        },
        "RolePolicyList": [
            {"PolicyName": "Own", "PolicyDocument": {"Version": "2012-10-17", "Statement": list(statements)}}
        ],
    }  # fmt: skip


def reads(name):
    return {
        "Effect": "Allow", "Action": "secretsmanager:GetSecretValue",
        "Resource": f"arn:aws:secretsmanager:*:{ACCOUNT}:secret:{name}-*",
    }  # fmt: skip


POLICIES = json.dumps(
    {
        "UserDetailList": [
            {
                "UserName": "writer", "Arn": f"arn:aws:iam::{ACCOUNT}:user/writer",
                "UserPolicyList": [
                    {
                        "PolicyName": "Write",
                        "PolicyDocument": {
                            "Version": "2012-10-17",
                            "Statement": [{"Effect": "Allow", "Action": ["secretsmanager:*", "ssm:*"], "Resource": "*"}],
                        },
                    }
                ],
            }
        ],
        "RoleDetailList": [
            role("launch-execution", "ecs-tasks.amazonaws.com", reads("injected")),
            role("app", "ecs-tasks.amazonaws.com", reads("own")),
            role("for-lambda", "lambda.amazonaws.com", reads("own")),
        ],
    }
)  # fmt: skip

# What runs in a container: it prints no credentials, only what they are good for.
SDK = """
import boto3, botocore.exceptions
session = boto3.session.Session()
secrets = session.client("secretsmanager")
print("own", secrets.get_secret_value(SecretId="own")["SecretString"])
for name in ("other", "injected"):
    try:
        secrets.get_secret_value(SecretId=name)
        print(name, "read")
    except botocore.exceptions.ClientError as error:
        print(name, error.response["Error"]["Code"])
print("method", session.get_credentials().method)
print("arn", session.client("sts").get_caller_identity()["Arn"])
"""


class Endpoint(brokers.Broker):
    """A task endpoint in front of a broker."""

    def __init__(self, broker, directory, *arguments):
        super().__init__(["task", "endpoint", "--socket", broker.socket, *arguments], directory)
        self.url = self.wait_until(
            lambda text: next((line.split()[2] for line in text.splitlines() if line.startswith("listening on ")), None)
        ).removesuffix(":80")


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    """A broker that containers on Docker's bridge reach over TLS."""
    directory = tmp_path_factory.mktemp("credentials") / "data"
    gateway = docker("network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}").strip()
    gateway = gateway or "172.17.0.1"
    made = brokers.sealdock(
        "init", "--data", directory, "--account", ACCOUNT, "--region", REGION, "--server-name", gateway
    )
    assert made.returncode == 0, made.stderr
    (directory / "policies" / "test.json").write_text(POLICIES)
    broker = brokers.Broker(
        ["serve", "--data", directory, "--tls", f"{gateway}:0", "--listen", "127.0.0.1:0"], directory
    )
    broker.socket, broker.ca = directory / "sealdock.sock", directory / "tls" / "ca.pem"

    def listeners(text):
        found = {line.split("://")[0].split()[-1]: line.split()[-1] for line in text.splitlines() if "listening" in line}
        return broker.socket.exists() and "https" in found and "http" in found and found

    found = broker.wait_until(listeners)
    broker.tls, broker.plain = found["https"], found["http"]
    key = brokers.access_key(broker, "writer")
    secrets = conftest.client("secretsmanager", broker.plain, key)
    for name in ("own", "other", "injected"):
        secrets.create_secret(Name=name, SecretString=f"{conftest.CANARY}-{name}")
    yield broker
    assert broker.stop() == 0
    assert conftest.find_canary(broker) == []


@pytest.fixture(scope="module")
def endpoint(broker, tmp_path_factory):
    endpoint = Endpoint(broker, tmp_path_factory.mktemp("endpoint") / "endpoint")
    assert endpoint.url == LINK_LOCAL
    yield endpoint
    assert endpoint.stop() == 0
    assert conftest.CANARY not in endpoint.output.read_text()
    assert "169.254.170.2" not in subprocess.check_output(["ip", "address", "show", "dev", "lo"], text=True)


@pytest.fixture
def task(broker, tmp_path):
    def run(command, definition, *arguments):
        path = tmp_path / "task.json"
        path.write_text(json.dumps(definition))
        return brokers.sealdock("task", command, path, "--socket", broker.socket, *arguments, timeout=120)

    return run


@pytest.fixture(autouse=True)
def nothing_is_left(family):
    yield
    label = f"label=com.amazonaws.ecs.task-definition-family={family}"
    left = docker("ps", "--all", "--quiet", "--filter", label).split()
    if left:
        docker("rm", "--force", "--volumes", *left)
    assert [volume for volume in docker("volume", "ls", "--quiet").split() if family in volume] == []


def definition(family, image, command, **more):
    container = {
        "name": "app", "image": image, "memory": 64, "stopTimeout": 2, "essential": True,
        "command": ["sh", "-c", command], **more.pop("container", {}),
    }  # fmt: skip
    return {"family": family, "taskRoleArn": APP, "containerDefinitions": [container], **more}


def with_sdk(broker, family, image, address, **more):
    """A task whose container runs this machine's Python with boto3."""
    packages = Path(boto3.__file__).parents[1]
    places = {"usr": "/usr", "lib": "/lib", "lib64": "/lib64", "packages": str(packages), "ca": str(broker.ca.parent)}
    places = {name: place for name, place in places.items() if Path(place).exists()}
    variables = {
        "AWS_ENDPOINT_URL": address, "AWS_CA_BUNDLE": str(broker.ca), "PYTHONPATH": str(packages),
        "PYTHONDONTWRITEBYTECODE": "1",
    }  # fmt: skip
    container = {
        "command": [os.path.realpath(sys.executable), "-c", SDK], "memory": 256,
        "environment": [{"name": name, "value": value} for name, value in variables.items()],
        "mountPoints": [{"sourceVolume": n, "containerPath": p, "readOnly": True} for n, p in places.items()],
    }  # fmt: skip
    volumes = [{"name": name, "host": {"sourcePath": place}} for name, place in places.items()]
    return definition(family, image, "", volumes=volumes, container=container, **more)


def said(run):
    lines = [line.removeprefix("app | ") for line in run.stdout.splitlines() if line.startswith("app | ")]
    return dict(line.split(" ", 1) for line in lines)


def get(url, method="GET", **headers):
    """Status, headers and body of an answer."""
    request = urllib.request.Request(url, method=method, headers=headers)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=20) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read().decode()


def environment_of(task_id):
    (container,) = docker("ps", "--quiet", "--filter", f"label=sealdock.task-id={task_id}", "--filter",
                          "label=com.amazonaws.ecs.container-name=app").split()  # fmt: skip
    entries = json.loads(docker("inspect", "--format", "{{json .Config.Env}}", container))
    return container, dict(entry.split("=", 1) for entry in entries)


@pytest.fixture
def running(task, endpoint, family, image):
    """A task that waits: its id, its container and the container's variables."""
    run = task("run", definition(family, image, WAIT), "--detach")
    assert run.returncode == 0, run.stderr
    task_id = run.stdout.strip()
    return (task_id, *environment_of(task_id))


class TestSdk:
    @pytest.mark.parametrize("network", ["bridge", "awsvpc", "host"])
    def test_boto3_in_a_container_reads_the_secret_of_its_role_and_nothing_else(
        self, broker, endpoint, task, family, image, network
    ):
        run = task("run", with_sdk(broker, family, image, broker.tls, networkMode=network), "--json")
        assert run.returncode == 0, run.stdout + run.stderr
        *_, outcome = run.stdout.strip().splitlines()
        task_id = json.loads(outcome)["taskId"]
        assert said(run) == {
            "own": f"{conftest.CANARY}-own", "other": "AccessDeniedException", "injected": "AccessDeniedException",
            "method": "container-role", "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/app/{task_id}",
        }  # fmt: skip
        found = brokers.sealdock("audit", "search", "--data", broker.directory, "--task", task_id, "--json", "--limit", "1000")
        assert found.returncode == 0, found.stderr
        names = [json.loads(line)["eventName"] for line in found.stdout.splitlines()]
        for name in ("AssumeRole", "GrantTaskRole", "GetTaskCredentials", "GetSecretValue", "EndTask"):
            assert name in names, names

    def test_where_the_address_has_no_route_the_sdk_gets_a_full_uri_and_a_token_file(
        self, broker, task, family, image, tmp_path
    ):
        loopback = Endpoint(broker, tmp_path / "loopback", "--listen", "127.0.0.1:0")
        try:
            definition = with_sdk(broker, family, image, broker.plain, networkMode="host")
            definition["containerDefinitions"][0]["readonlyRootFilesystem"] = True
            run = task("run", definition, "--task-endpoint", loopback.url)
            assert run.returncode == 0, run.stdout + run.stderr
            assert said(run)["own"] == f"{conftest.CANARY}-own" and said(run)["other"] == "AccessDeniedException"
            status, _, body = get(f"{loopback.url}/v2/credentials", Authorization="nonsense")
            assert (status, json.loads(body)["code"]) == (400, "InvalidIdInRequest")
        finally:
            assert loopback.stop() == 0


class TestLife:
    def test_credentials_die_with_the_task(self, broker, endpoint, task, running):
        task_id, _, variables = running
        url = LINK_LOCAL + variables["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"]
        status, headers, body = get(url)
        assert (status, headers["Content-Type"]) == (200, "application/json")
        found = json.loads(body)
        assert list(found) == ["RoleArn", "AccessKeyId", "SecretAccessKey", "Token", "Expiration"]
        assert found["RoleArn"] == APP and found["Expiration"].endswith("Z") and "." not in found["Expiration"]
        assert json.loads(get(url)[2]) == found, "the same until it is renewed"
        assert get(url, "POST")[0] == 200, "any method"
        v1 = f"{LINK_LOCAL}/v1/credentials?id={url.rsplit('/', 1)[1]}"
        assert json.loads(get(v1)[2]) == found
        secrets = boto3.session.Session().client(
            "secretsmanager", endpoint_url=broker.plain, region_name=REGION, config=conftest.ONCE,
            aws_access_key_id=found["AccessKeyId"], aws_secret_access_key=found["SecretAccessKey"],
            aws_session_token=found["Token"],
        )  # fmt: skip
        assert secrets.get_secret_value(SecretId="own")["SecretString"].endswith("own")
        stopped = brokers.sealdock("task", "stop", task_id, "--socket", broker.socket)
        assert stopped.returncode == 0 and stopped.stderr == "", stopped.stderr
        status, _, body = get(url)
        assert (status, json.loads(body)["code"]) == (400, "InvalidIdInRequest")
        with pytest.raises(botocore.exceptions.ClientError, match="ExpiredToken"):
            secrets.get_secret_value(SecretId="own")

    def test_a_task_that_ends_by_itself_loses_them_too(self, broker, endpoint, running):
        task_id, container, variables = running
        url = LINK_LOCAL + variables["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"]
        assert get(url)[0] == 200
        docker("stop", container)
        assert get(url)[0] == 400, "at once, for there is nobody to have them"
        limit = time.monotonic() + 30
        while True:
            events = brokers.sealdock("audit", "search", "--data", broker.directory, "--task", task_id, "--json", "--limit", "1000").stdout
            if "EndTask" in events:
                break
            assert time.monotonic() < limit, events
            time.sleep(0.5)

    def test_containers_that_vanish_while_nobody_looks_are_noticed_by_the_next_endpoint(
        self, broker, endpoint, task, family, image, tmp_path
    ):
        """Launcher killed, endpoint down, container removed: all that is left is the broker's grant."""
        run = task("run", definition(family, image, WAIT), "--detach")
        kept = task("run", definition(family, image, WAIT), "--detach")
        assert run.returncode == kept.returncode == 0, run.stderr + kept.stderr
        lost, kept = run.stdout.strip(), kept.stdout.strip()
        container, variables = environment_of(lost)
        found = json.loads(get(LINK_LOCAL + variables["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"])[2])
        still = LINK_LOCAL + environment_of(kept)[1]["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"]
        listed = json.loads(brokers.sealdock("task", "ps", "--json").stdout)
        (supervisor,) = [row["supervisorPid"] for row in listed if row["taskId"] == lost]
        os.kill(supervisor, signal.SIGKILL)
        assert endpoint.stop() == 0
        docker("rm", "--force", container)
        secrets = boto3.session.Session().client(
            "secretsmanager", endpoint_url=broker.plain, region_name=REGION, config=conftest.ONCE,
            aws_access_key_id=found["AccessKeyId"], aws_secret_access_key=found["SecretAccessKey"],
            aws_session_token=found["Token"],
        )  # fmt: skip
        secrets.get_secret_value(SecretId="own")

        def ended():
            events = brokers.sealdock("audit", "search", "--data", broker.directory, "--task", lost, "--json", "--limit", "1000").stdout
            return "EndTask" in events

        patient = Endpoint(broker, tmp_path / "patient")
        time.sleep(5)
        assert not ended(), "it might be a launch"
        assert patient.stop() == 0
        second = Endpoint(broker, tmp_path / "second", "--launch-seconds", "1")
        limit = time.monotonic() + 20
        while not ended():
            assert time.monotonic() < limit
            time.sleep(0.3)
        with pytest.raises(botocore.exceptions.ClientError, match="ExpiredToken"):
            secrets.get_secret_value(SecretId="own")
        assert get(still)[0] == 200, "what is here lives on"
        assert brokers.sealdock("task", "stop", kept, "--socket", broker.socket).returncode == 0
        assert second.stop() == 0
        endpoint.start()
        endpoint.wait_until(lambda text: text.count("listening on ") >= 1)

    def test_a_broker_that_is_away_is_told_from_an_unknown_id(self, broker, endpoint, running):
        url = LINK_LOCAL + running[2]["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"]
        before = json.loads(get(url)[2])
        tls, plain = broker.tls, broker.plain
        assert broker.stop() == 0
        status, _, body = get(url)
        expected = {"code": "CredentialsUninitialized", "HTTPErrorCode": 503,
                    "message": "CredentialsV2Request: Credentials uninitialized for ID"}  # fmt: skip
        assert (status, json.loads(body)) == (503, expected)
        at = {"--tls": tls.split("//")[1], "--listen": plain.split("//")[1]}
        broker.arguments = ["serve", "--data", str(broker.directory), *(word for pair in at.items() for word in pair)]
        broker.start()
        broker.wait_until(lambda text: text.count("listening on") == 3)
        after = json.loads(get(url)[2])
        assert after["RoleArn"] == APP and after["AccessKeyId"] != before["AccessKeyId"]


class TestAnswers:
    @pytest.mark.parametrize(
        "path, code, message",
        [
            ("/v2/credentials/", "NoIdInRequest", "CredentialsV2Request: No Credential ID in the request"),
            ("/v2/credentials/bogus", "InvalidIdInRequest", "CredentialsV2Request: Credentials not found"),
            ("/v1/credentials", "NoIdInRequest", "CredentialsV1Request: No Credential ID in the request"),
            ("/v1/credentials?id=bogus", "InvalidIdInRequest", "CredentialsV1Request: Credentials not found"),
        ],
    )
    def test_errors_are_the_agents(self, endpoint, path, code, message):
        status, headers, body = get(LINK_LOCAL + path)
        assert (status, headers["Content-Type"]) == (400, "application/json")
        assert body == json.dumps({"code": code, "message": message, "HTTPErrorCode": 400}, separators=(",", ":"))

    def test_paths_and_ids_are_only_what_they_say(self, endpoint, running):
        """Guesses and tricks around a path that exists, and around another task's."""
        _, _, variables = running
        path = variables["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"]
        id_ = path.rsplit("/", 1)[1]
        assert get(LINK_LOCAL + path)[0] == 200
        for other in (
            path[:-1], path + "0", path.upper(), path + "%00", path + "/", path + "/..", path + "%2F", f"/v2/credentials//{id_}/x",
            f"/v2/credentials/..%2F{id_}", f"/v2/credentials/{id_}%20", f"/v2/credentials/{id_}*", "/v2/credentials/*", "/v2/credentials/%25",
            "/v1/credentials?ID=" + id_, f"/v1/credentials?id={id_}x", f"/v1/credentials?id=&id={id_}", f"/v1/credentials?id=x&id={id_}",
            f"/v2/credentials/{'a' * 9000}", f"/v2/credentials?id={id_}", f"/v3/credentials/{id_}", f"/v4/{id_}", f"/v4/{id_}/task",
        ):  # fmt: skip
            status, _, body = get(LINK_LOCAL + other)
            assert status in (400, 404, 414, 431) and "SecretAccessKey" not in body, other
        for header in ("", "Basic " + id_, f"{id_},{id_}", id_[:-1], "*"):
            status, _, body = get(f"{LINK_LOCAL}/v2/credentials", Authorization=header)
            assert status in (400, 404) and "SecretAccessKey" not in body, header

    def test_slow_and_broken_clients_do_not_hold_up_others(self, endpoint, running):
        url = LINK_LOCAL + running[2]["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"]
        held = [socket.create_connection(("169.254.170.2", 80)) for _ in range(300)]
        for connection in held[::2]:
            connection.sendall(b"GET /v2/credentials/x HTTP/1.1\r\nX: ")
        for sent in (b"\x16\x03\x01", b"GET\r\n\r\n", b"GET / HTTP/1.1\r\n" + b"X: a\r\n" * 500 + b"\r\n"):
            with socket.create_connection(("169.254.170.2", 80)) as broken:
                broken.sendall(sent)
        begun = time.monotonic()
        assert get(url)[0] == 200 and time.monotonic() - begun < 5
        for connection in held:
            connection.settimeout(15)
            try:
                while connection.recv(4096):
                    pass
            except ConnectionError:
                pass
            connection.close()
        assert get(url)[0] == 200

    def test_other_paths_are_not_found(self, endpoint):
        for path in ("/", "/v2/credentials", "/metrics", "/v2"):
            assert get(LINK_LOCAL + path)[0] == 404, path

    def test_requests_above_the_burst_are_refused(self, endpoint):
        answers = []

        def ask():
            answers.extend(get(f"{LINK_LOCAL}/nothing") for _ in range(25))

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        limited = [answer for answer in answers if answer[0] == 429]
        assert 60 <= len(answers) - len(limited) < 200 and limited
        _, headers, body = limited[0]
        assert body == "You have reached maximum request limit."
        assert headers["X-Rate-Limit-Limit"] == "40.00" and headers["X-Rate-Limit-Duration"] == "1"
        assert headers["Content-Type"].startswith("text/plain")
        assert get(f"{LINK_LOCAL}/v2/credentials/")[0] == 400, "other paths are not affected"


class TestLaunch:
    def test_a_role_that_does_not_trust_ecs_prevents_the_launch(self, endpoint, task, family, image):
        run = task("run", {**definition(family, image, "true"), "taskRoleArn": f"arn:aws:iam::{ACCOUNT}:role/for-lambda"})
        assert run.returncode == 120
        assert "ECS was unable to assume the role" in run.stderr and "for-lambda" in run.stderr

    def test_a_name_is_a_role_of_the_account(self, broker, endpoint, task, family, image):
        run = task("run", {**definition(family, image, WAIT), "taskRoleArn": "app"}, "--detach")
        assert run.returncode == 0, run.stderr
        _, variables = environment_of(run.stdout.strip())
        assert json.loads(get(LINK_LOCAL + variables["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"])[2])["RoleArn"] == APP
        brokers.sealdock("task", "stop", run.stdout.strip(), "--socket", broker.socket)

    def test_without_an_endpoint_the_containers_are_told_nothing_and_the_user_why(self, task, family, image):
        run = task("run", definition(family, image, "env | grep -c -e ^AWS_CONTAINER -e ^ECS_CONTAINER; true"),
                   "--task-endpoint", "http://127.0.0.1:9")  # fmt: skip
        assert run.returncode == 0, run.stderr
        assert "app | 0" in run.stdout
        assert "the containers get no credentials of `taskRoleArn`" in run.stderr
