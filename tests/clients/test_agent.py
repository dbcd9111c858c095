"""The agent beside a process: the requests, answers and refusals of AWS's local agents, and a record of every read."""

import http.client
import json
import os
import socket
import subprocess
import time
import urllib.parse
from datetime import datetime

import pytest

import broker as brokers
import conftest
from broker import ACCOUNT, REGION
from test_task_credentials import WAIT, Endpoint, definition, docker, role  # noqa: F401
from test_task_credentials import family, image  # noqa: F401  (fixtures)

TOKEN = "0123456789abcdef0123456789abcdef"
APP = f"arn:aws:iam::{ACCOUNT}:role/app"

ALLOWED = [
    {
        "Effect": "Allow", "Action": ["secretsmanager:GetSecretValue", "ssm:GetParameter"],
        "Resource": [f"arn:aws:secretsmanager:*:{ACCOUNT}:secret:app/*", f"arn:aws:ssm:*:{ACCOUNT}:parameter/app/*"],
    }
]  # fmt: skip


def account(*statements):
    writer = {
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
    }  # fmt: skip
    app = role("app", "ecs-tasks.amazonaws.com", *statements)
    return json.dumps({"UserDetailList": [writer], "RoleDetailList": [app]})


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    broker = brokers.served(tmp_path_factory.mktemp("agent") / "data", account(*ALLOWED))
    yield broker
    assert broker.stop() == 0
    assert conftest.find_canary(broker) == []


@pytest.fixture(scope="module")
def writer(broker):
    key = brokers.access_key(broker, "writer")
    return {service: conftest.client(service, broker.plain, key) for service in ("secretsmanager", "ssm")}


class Agent(brokers.Broker):
    """An agent that reads as the role `app`."""

    def __init__(self, broker, directory, *arguments, **variables):
        directory.parent.mkdir(parents=True, exist_ok=True)
        self.variables = {"AWS_TOKEN": TOKEN, **variables}
        super().__init__(["agent", "--socket", broker.socket, "--role", APP, "--port", "0", *arguments], directory)
        self.url = self.wait_until(
            lambda text: next((line.split()[2] for line in text.splitlines() if line.startswith("listening on ")), None)
        )

    def start(self):
        before = {name: os.environ.get(name) for name in self.variables}
        kept, brokers.environment = brokers.environment, lambda **extra: kept(**extra, **self.variables)
        try:
            super().start()
        finally:
            brokers.environment = kept
        assert before == {name: os.environ.get(name) for name in self.variables}

    def ask(self, path, method="GET", token=TOKEN, header="X-Aws-Parameters-Secrets-Token", **headers):
        """Status and body of an answer."""
        place = urllib.parse.urlsplit(self.url)
        connection = http.client.HTTPConnection(place.hostname, place.port, timeout=20)
        if token is not None:
            headers[header] = token
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        body = answer.read().decode()
        connection.close()
        return answer.status, body


@pytest.fixture(scope="module")
def agent(broker, tmp_path_factory):
    agent = Agent(broker, tmp_path_factory.mktemp("agents") / "agent")
    yield agent
    assert agent.stop() == 0
    assert conftest.CANARY not in agent.output.read_text() and TOKEN not in agent.output.read_text()


def reads(broker, name):
    """The reads of a secret or parameter that are on record: event name, and the version that was kept."""
    found = brokers.sealdock("audit", "search", "--data", broker.directory, "--json", "--limit", "10000", "--event", "GetSecretValue").stdout
    found += brokers.sealdock("audit", "search", "--data", broker.directory, "--json", "--limit", "10000", "--event", "GetParameter").stdout
    events = [json.loads(line) for line in found.splitlines()]
    asked = [event for event in events if name in json.dumps(event.get("requestParameters"))]
    for event in asked:
        assert event["userIdentity"]["arn"].endswith(":assumed-role/app/sealdock-agent"), event
    return asked


def kept(event):
    return event["requestParameters"].get("cachedVersionId") or event["requestParameters"].get("cachedVersion")


class TestReads:
    def test_a_secret_by_query_and_by_path(self, agent, writer, broker, value):
        made = writer["secretsmanager"].create_secret(Name="app/a+b", SecretString=value)
        status, body = agent.ask("/secretsmanager/get?secretId=app%2Fa%2Bb")
        found = json.loads(body)
        assert status == 200 and found["SecretString"] == value and found["ARN"] == made["ARN"]
        assert found["VersionId"] == made["VersionId"] and found["VersionStages"] == ["AWSCURRENT"]
        for path in ("/v1/app/a+b", f"/v1/{made['ARN']}", f"/secretsmanager/get?secretId={urllib.parse.quote(made['ARN'])}"):
            assert json.loads(agent.ask(path)[1])["SecretString"] == value, path
        assert agent.ask("/v1/app/a+b", header="X-Vault-Token")[0] == 200

    def test_answers_have_the_shape_of_the_agent_whose_path_it_is(self, agent, writer, value):
        made = writer["secretsmanager"].create_secret(Name="app/shape", SecretString=f'"{value}"\u00e9\n')
        created = writer["secretsmanager"].describe_secret(SecretId="app/shape")["CreatedDate"]
        found = json.loads(agent.ask("/secretsmanager/get?secretId=app/shape")[1])
        date = found.pop("CreatedDate")
        assert list(found.items()) == [
            ("ARN", made["ARN"]), ("Name", "app/shape"), ("SecretBinary", None), ("SecretString", f'"{value}"\u00e9\n'),
            ("VersionId", made["VersionId"]), ("VersionStages", ["AWSCURRENT"]), ("ResultMetadata", {}),
        ]  # fmt: skip
        assert date.endswith("Z") and abs((datetime.fromisoformat(date.replace("Z", "+00:00")) - created).total_seconds()) < 2
        kept = json.loads(agent.ask("/secretsmanager/get/?secretId=app/shape")[1])
        assert kept == {**found, "CreatedDate": date}
        by_path = json.loads(agent.ask("/v1/app/shape")[1])
        assert list(by_path) == ["ARN", "Name", "VersionId", "SecretString", "VersionStages", "CreatedDate"]
        assert isinstance(by_path["CreatedDate"], str) and abs(float(by_path["CreatedDate"]) - created.timestamp()) < 2
        writer["secretsmanager"].create_secret(Name="app/binary", SecretBinary=b"\x00\xff")
        binary = json.loads(agent.ask("/secretsmanager/get?secretId=app/binary")[1])
        assert (binary["SecretBinary"], binary["SecretString"]) == ("AP8=", None)
        binary = json.loads(agent.ask("/v1/app/binary")[1])
        assert binary["SecretBinary"] == "AP8=" and "SecretString" not in binary

    def test_a_parameter_has_the_shape_of_the_extensions(self, agent, writer, value):
        writer["ssm"].put_parameter(Name="/app/shape", Value=value, Type="String")
        (made,) = writer["ssm"].get_parameters(Names=["/app/shape"])["Parameters"]
        for path in ("/systemsmanager/parameters/get", "/systemsmanager/parameters/get/"):
            answer = json.loads(agent.ask(f"{path}?name=%2Fapp%2Fshape&version=1")[1])
            assert list(answer) == ["Parameter", "ResultMetadata"] and answer["ResultMetadata"] == {}
            found = answer["Parameter"]
            date = datetime.fromisoformat(found.pop("LastModifiedDate").replace("Z", "+00:00"))
            assert abs((date - made["LastModifiedDate"]).total_seconds()) < 0.01
            assert list(found.items()) == [
                ("ARN", made["ARN"]), ("DataType", "text"), ("Name", "/app/shape"), ("Selector", ":1"),
                ("SourceResult", None), ("Type", "String"), ("Value", value), ("Version", 1),
            ]  # fmt: skip

    def test_a_kept_value_is_handed_out_until_it_is_refreshed_and_each_hand_out_is_on_record(
        self, agent, writer, broker, value
    ):
        first = writer["secretsmanager"].create_secret(Name="app/kept", SecretString=value)["VersionId"]
        path = "/secretsmanager/get?secretId=app/kept"
        assert json.loads(agent.ask(path)[1])["VersionId"] == first
        second = writer["secretsmanager"].put_secret_value(SecretId="app/kept", SecretString=f"{value}-2")["VersionId"]
        assert [json.loads(agent.ask(path)[1])["VersionId"] for _ in range(2)] == [first, first]
        assert json.loads(agent.ask(f"{path}&versionStage=AWSPREVIOUS")[1])["VersionId"] == first
        assert json.loads(agent.ask(f"{path}&versionId={second}")[1])["VersionId"] == second
        assert json.loads(agent.ask(f"{path}&refreshNow=true")[1])["SecretString"] == f"{value}-2"
        assert json.loads(agent.ask(path)[1])["VersionId"] == second
        events = reads(broker, "app/kept")
        assert len(events) == 7
        assert sorted(filter(None, map(kept, events))) == sorted([first, first, second])
        assert {event["eventSource"] for event in events} == {"secretsmanager.amazonaws.com"}

    def test_parameters_by_version_and_label(self, agent, writer, broker, value):
        for number in (1, 2):
            writer["ssm"].put_parameter(Name="/app/p", Value=f"{value}-{number}", Type="SecureString", Overwrite=True)
        writer["ssm"].label_parameter_version(Name="/app/p", ParameterVersion=1, Labels=["old"])
        path = "/systemsmanager/parameters/get?name=%2Fapp%2Fp&withDecryption=true"
        found = json.loads(agent.ask(path)[1])["Parameter"]
        assert found["Value"] == f"{value}-2" and found["Version"] == 2 and found["Type"] == "SecureString"
        assert json.loads(agent.ask(f"{path}&version=1")[1])["Parameter"]["Value"] == f"{value}-1"
        assert json.loads(agent.ask(f"{path}&label=old")[1])["Parameter"]["Value"] == f"{value}-1"
        sealed = json.loads(agent.ask("/systemsmanager/parameters/get?name=%2Fapp%2Fp")[1])["Parameter"]["Value"]
        assert value not in sealed
        assert json.loads(agent.ask(path)[1])["Parameter"]["Value"] == f"{value}-2"
        assert [kept(event) for event in reads(broker, "/app/p") if kept(event)] == ["2"]

    def test_errors_are_the_services(self, agent, writer):
        writer["secretsmanager"].create_secret(Name="other", SecretString="x")
        status, body = agent.ask("/secretsmanager/get?secretId=other")
        assert (status, json.loads(body)["__type"]) == (400, "AccessDeniedException")
        status, body = agent.ask("/secretsmanager/get?secretId=app/none")
        assert (status, json.loads(body)["__type"]) == (400, "ResourceNotFoundException")
        assert json.loads(body)["message"] == "Secrets Manager can't find the specified secret."

    def test_a_permission_that_is_taken_away_counts_for_kept_values_too(self, agent, writer, broker, value):
        writer["secretsmanager"].create_secret(Name="app/revoked", SecretString=value)
        path = "/v1/app/revoked"
        assert [agent.ask(path)[0] for _ in range(2)] == [200, 200]
        policy = broker.directory / "policies" / "test.json"
        policy.write_text(account({"Effect": "Allow", "Action": "secretsmanager:ListSecrets", "Resource": "*"}))
        try:
            wait_until(lambda: agent.ask(path)[0] == 400)
            assert json.loads(agent.ask(path)[1])["__type"] == "AccessDeniedException"
        finally:
            policy.write_text(account(*ALLOWED))
        wait_until(lambda: agent.ask(path)[0] == 200)
        writer["secretsmanager"].delete_secret(SecretId="app/revoked")
        assert agent.ask(path)[0] == 400, "a value that is deleted is not handed out either"

    def test_without_a_broker_there_is_no_value(self, value, tmp_path):
        broker = brokers.served(tmp_path / "data", account(*ALLOWED))
        key = brokers.access_key(broker, "writer")
        conftest.client("secretsmanager", broker.plain, key).create_secret(Name="app/away", SecretString=value)
        agent = Agent(broker, tmp_path / "agent")
        path = "/v1/app/away"
        assert [agent.ask(path)[0] for _ in range(2)] == [200, 200]
        assert broker.stop() == 0
        status, body = agent.ask(path)
        assert (status, json.loads(body)["__type"]) == (502, "ConnectionError") and value not in body
        broker.start()
        broker.wait_until(lambda text: text.count("listening on") == 3)
        assert agent.ask(path)[0] == 200, "the session outlives the broker"
        assert agent.stop() == 0 and broker.stop() == 0


def wait_until(condition):
    limit = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.1)


class TestRefusals:
    @pytest.mark.parametrize(
        "request_, expected",
        [
            ({"path": "/v1/x", "token": None}, (403, "Bad Token")),
            ({"path": "/v1/x", "token": TOKEN[:-1]}, (403, "Bad Token")),
            ({"path": "/v1/x", "token": TOKEN, "header": "X-Other"}, (403, "Bad Token")),
            ({"path": "/v1/x", "X-Forwarded-For": "10.0.0.1"}, (400, "Forwarded")),
            ({"path": "/v1/x", "method": "POST"}, (405, "Not allowed")),
            ({"path": "/v1/x", "method": "POST", "token": None}, (403, "Bad Token")),
            ({"path": "/ping", "token": None}, (200, "healthy")),
            ({"path": "/ping", "token": None, "X-Forwarded-For": "10.0.0.1"}, (200, "healthy")),
            ({"path": "/ping", "token": None, "method": "POST"}, (405, "Not allowed")),
            ({"path": "/v1/x", "X-FORWARDED-for": ""}, (400, "Forwarded")),
            ({"path": "/v1/x", "x-forwarded-for": "10.0.0.1", "token": None}, (400, "Forwarded")),
            ({"path": "/secretsmanager/get?secretId="}, (400, "missing parameter secretId")),
            ({"path": "/secretsmanager/get?secretId=x&refreshNow="}, (400, "invalid refreshNow value")),
            ({"path": "/systemsmanager/parameters/get?name=x&name=y"}, (400, "name is there twice")),
            ({"path": "/"}, (404, "Not found")),
            ({"path": "/secretsmanager/get"}, (400, "missing parameter secretId")),
            ({"path": "/secretsmanager/get?secretId=x&y=1"}, (400, "unknown parameter: y")),
            ({"path": "/systemsmanager/parameters/get"}, (400, "missing parameter name")),
        ],
    )
    def test_what_is_not_a_proper_read(self, agent, request_, expected):
        assert agent.ask(**request_) == expected

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can look at packets")
    def test_answers_go_no_further_than_this_host(self, agent):
        port = urllib.parse.urlsplit(agent.url).port
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP) as packets:
            packets.settimeout(10)
            assert agent.ask("/ping") == (200, "healthy")
            limits = set()
            while True:
                packet = packets.recv(65535)
                header = (packet[0] & 15) * 4
                data = packet[header + (packet[header + 12] >> 4) * 4 :]
                if int.from_bytes(packet[header : header + 2], "big") == port and data:
                    limits.add(packet[8])
                    if b"healthy" in data:
                        break
        assert limits == {1}

    def test_it_listens_on_loopback_only(self, agent):
        port = urllib.parse.urlsplit(agent.url).port
        listening = subprocess.check_output(["ss", "-Hltn", f"sport = :{port}"], text=True).split()
        assert [word for word in listening if word.endswith(f":{port}")] == [f"127.0.0.1:{port}"]

    def test_connections_are_bounded(self, broker, tmp_path):
        agent = Agent(broker, tmp_path / "agent", "--max-conn", "2")
        place = urllib.parse.urlsplit(agent.url)
        held = [socket.create_connection((place.hostname, place.port)) for _ in range(2)]
        try:
            wait_until(lambda: agent.ask("/v1/x") == (429, "Connection limit exceeded"))
            assert agent.ask("/ping") == (200, "healthy")
        finally:
            for connection in held:
                connection.close()
        wait_until(lambda: agent.ask("/v1/x")[0] == 400)
        assert agent.stop() == 0


class TestSettings:
    def test_a_configuration_file_of_awss_agent(self, broker, writer, tmp_path, value):
        made = writer["secretsmanager"].create_secret(Name="app/config", SecretString=value)["VersionId"]
        config, token = tmp_path / "config.toml", tmp_path / "token"
        token.write_text(f"{TOKEN[::-1]}\n")
        config.write_text(
            'log_level = "info"\nttl_seconds = "0"\nmax_conn = 10\nhttp_address = "127.0.0.1"\nvalidate_credentials = true\npath_prefix = "/s/"\nregion = "%s"\n'
            'ssrf_headers = ["X-Mine"]\nssrf_env_variables = ["MINE"]\n' % REGION
        )
        agent = Agent(broker, tmp_path / "agent", "--config", config, MINE=f"file://{token}")
        asked = {"token": TOKEN[::-1], "header": "X-Mine"}
        assert json.loads(agent.ask("/s/app/config", **asked)[1])["VersionId"] == made
        as_agent = json.loads(agent.ask("/secretsmanager/get?secretId=app/config", **asked)[1])
        assert "ResultMetadata" not in as_agent and float(as_agent["CreatedDate"]) > 0
        new = writer["secretsmanager"].put_secret_value(SecretId="app/config", SecretString=f"{value}-2")["VersionId"]
        assert json.loads(agent.ask("/s/app/config", **asked)[1])["VersionId"] == new, "nothing is kept"
        assert agent.ask("/s/app/config") == (403, "Bad Token")
        assert agent.stop() == 0

    @pytest.mark.parametrize(
        "arguments, variables, text",
        [
            (["--answer-as", "lambda"], {"AWS_TOKEN": TOKEN}, "possible values: extension, agent"),
            (["--ttl-seconds", "3601"], {"AWS_TOKEN": TOKEN}, "has to be from 0 to 3600"),
            ([], {}, "there is no token"),
            ([], {"AWS_TOKEN": "short"}, "shorter than 16"),
            ([], {"AWS_TOKEN": "file:///nowhere/token"}, "cannot read the token"),
        ],
    )
    def test_what_is_wrong_is_named(self, broker, arguments, variables, text):
        ended = brokers.sealdock("agent", "--socket", broker.socket, "--port", "0", *arguments, **variables)
        assert ended.returncode == 2 and text in ended.stderr, ended.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give this host the address of ECS")
def test_beside_a_container_of_a_task_it_reads_as_the_role_of_the_task(
    broker, writer, image, family, value, tmp_path
):
    """Program and libraries of this machine in a sidecar; the application asks at its own localhost."""
    writer["secretsmanager"].create_secret(Name="app/sidecar", SecretString=value)
    gateway = docker("network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}").strip()
    directory = tmp_path / "data"
    made = brokers.sealdock(
        "init", "--data", directory, "--account", ACCOUNT, "--region", REGION, "--server-name", gateway or "172.17.0.1"
    )
    assert made.returncode == 0, made.stderr
    (directory / "policies" / "test.json").write_text(account(*ALLOWED))
    own = brokers.Broker(["serve", "--data", directory, "--tls", f"{gateway or '172.17.0.1'}:0"], directory)
    own.socket = directory / "sealdock.sock"
    tls = own.wait_until(lambda text: next((w for w in text.split() if w.startswith("https://")), None))
    own.wait_until(lambda text: own.socket.exists())
    key = brokers.access_key(own, "writer")
    secrets = conftest.client("secretsmanager", tls, key, verify=directory / "tls" / "ca.pem")
    secrets.create_secret(Name="app/sidecar", SecretString=value)
    endpoint = Endpoint(own, tmp_path / "endpoint")
    places = {"lib": "/lib", "lib64": "/lib64", "usr": "/usr", "ca": str(directory / "tls"), "bin": os.path.dirname(os.path.realpath(brokers.BINARY))}
    variables = {"AWS_TOKEN": TOKEN, "SEALDOCK_ENDPOINT": tls, "SEALDOCK_CA": str(directory / "tls" / "ca.pem")}
    sidecar = {
        "name": "agent", "image": image, "memory": 128, "essential": False, "stopTimeout": 2,
        "command": [os.path.realpath(brokers.BINARY), "agent"],
        "environment": [{"name": name, "value": text} for name, text in variables.items()],
        "mountPoints": [{"sourceVolume": name, "containerPath": path, "readOnly": True} for name, path in places.items()],
        "healthCheck": {"command": ["CMD", "wget", "-q", "-O", "-", "http://127.0.0.1:2773/ping"], "interval": 5},
    }  # fmt: skip
    ask = f"wget -q -O - --header 'X-Aws-Parameters-Secrets-Token: {TOKEN}' 'http://127.0.0.1:2773/secretsmanager/get?secretId=app/sidecar'"
    task = definition(family, image, f"for i in $(seq 40); do {ask} && break; sleep 1; done", networkMode="awsvpc")
    task["containerDefinitions"].append(sidecar)
    task["volumes"] = [{"name": name, "host": {"sourcePath": path}} for name, path in places.items()]
    path = tmp_path / "task.json"
    path.write_text(json.dumps(task))
    try:
        run = brokers.sealdock("task", "run", path, "--socket", own.socket, "--json", timeout=120)
        assert run.returncode == 0, run.stdout + run.stderr
        line = next((line for line in run.stdout.splitlines() if line.startswith("app | {")), run.stdout + run.stderr)
        assert json.loads(line.removeprefix("app | "))["SecretString"] == value
        task_id = json.loads(run.stdout.strip().splitlines()[-1])["taskId"]
        found = brokers.sealdock("audit", "search", "--data", directory, "--task", task_id, "--json", "--limit", "1000").stdout
        reads = [json.loads(line) for line in found.splitlines() if '"GetSecretValue"' in line]
        assert reads and reads[0]["userIdentity"]["arn"].endswith(f":assumed-role/app/{task_id}")
    finally:
        assert endpoint.stop() == 0
        assert own.stop() == 0
