"""Task definitions on this machine's Docker: what containers get, and what stops a launch before anything is created."""

import json
import shutil
import subprocess
import uuid

import pytest

import broker as brokers
import conftest
from broker import ACCOUNT, REGION

ROLE = f"arn:aws:iam::{ACCOUNT}:role/launch-execution"

POLICIES = json.dumps(
    {
        "UserDetailList": [
            {
                "Path": "/", "UserName": "writer", "Arn": f"arn:aws:iam::{ACCOUNT}:user/writer",
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
            {
                "Path": "/", "RoleName": name, "Arn": f"arn:aws:iam::{ACCOUNT}:role/{name}",
                "AssumeRolePolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [
                        {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
                    ],
                },
                "RolePolicyList": [
                    {
                        "PolicyName": "Read",
                        "PolicyDocument": {
                            "Version": "2012-10-17",
                            "Statement": [
                                {
                                    "Effect": "Allow", "Action": ["secretsmanager:GetSecretValue", "ssm:GetParameters"],
                                    "Resource": [
                                        f"arn:aws:secretsmanager:*:{ACCOUNT}:secret:launch/*",
                                        f"arn:aws:ssm:*:{ACCOUNT}:parameter/launch/*",
                                    ],
                                }
                            ],
                        },
                    }
                ],
            }
            for name, service in (("launch-execution", "ecs-tasks.amazonaws.com"), ("for-lambda", "lambda.amazonaws.com"))
        ],
    },
    indent=1,
)  # fmt: skip


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """An image with a shell in it, from this machine's static busybox; no registry is asked."""
    root = tmp_path_factory.mktemp("image")
    (root / "bin").mkdir()
    busybox = shutil.which("busybox")
    assert busybox, "busybox is missing: `make setup` installs it"
    shutil.copy(busybox, root / "bin" / "busybox")
    for applet in subprocess.check_output([busybox, "--list"], text=True).split():
        if applet != "busybox":
            (root / "bin" / applet).symlink_to("busybox")
    name = f"sealdock-test/busybox:{uuid.uuid4().hex[:8]}"
    archive = subprocess.run(["tar", "-C", root, "-c", "."], stdout=subprocess.PIPE, check=True).stdout
    subprocess.run(
        ["docker", "import", "--change", "ENV PATH=/bin", "-", name], input=archive, check=True, capture_output=True
    )
    yield name
    left = docker("ps", "--all", "--quiet", "--filter", f"ancestor={name}").split()
    if left:
        docker("rm", "--force", "--volumes", *left)
    docker("image", "rm", "--force", name)
    assert left == [], "a test left containers behind"


def docker(*arguments):
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True, timeout=60).stdout


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    broker = brokers.served(tmp_path_factory.mktemp("launch") / "data", POLICIES)
    yield broker
    assert broker.stop() == 0
    assert conftest.find_canary(broker) == []


@pytest.fixture(scope="module")
def shop(broker):
    """The secrets and parameters that the definitions below refer to: what to put into `valueFrom`, by name."""
    key = brokers.access_key(broker, "writer")
    secrets = conftest.client("secretsmanager", broker.plain, key)
    parameters = conftest.client("ssm", broker.plain, key)

    def create(name, **value):
        return secrets.create_secret(Name=name, **value)

    login = create("launch/login", SecretString='{"user":"app","password":"canary-8f1d-1","port":12345678}')
    secrets.put_secret_value(
        SecretId="launch/login", SecretString='{"user":"app","password":"canary-8f1d-2","port":12345678}'
    )
    parameters.put_parameter(Name="/launch/level", Value="info", Type="String")
    parameters.put_parameter(Name="/launch/mail", Value="canary-8f1d-mail", Type="SecureString")
    return {
        "client": secrets,
        "login": login["ARN"],
        "first": login["VersionId"],
        "token": create("launch/token", SecretString="canary-8f1d-token")["ARN"],
        "binary": create("launch/binary", SecretBinary=b"canary-8f1d\xff")["ARN"],
        "payroll": create("payroll/key", SecretString="canary-8f1d-payroll")["ARN"],
    }


@pytest.fixture
def family():
    return f"launch-{uuid.uuid4().hex[:8]}"


def definition(family, image, secrets, command="env | grep ^X_ | sort", role=ROLE, **more):
    return {
        "family": family,
        "executionRoleArn": role,
        "containerDefinitions": [
            {
                "name": "app",
                "image": image,
                "memory": 32,
                "essential": True,
                "stopTimeout": 2,
                "command": ["sh", "-c", command],
                "secrets": [{"name": name, "valueFrom": value} for name, value in secrets.items()],
                **more,
            }
        ],
    }


@pytest.fixture
def task(broker, tmp_path):
    """`task(verb, definition, ...)`: one run of `sealdock task`."""

    def run(verb, document, *more, **environment):
        file = tmp_path / "task.json"
        file.write_text(document if isinstance(document, str) else json.dumps(document, indent=2))
        environment.setdefault("SEALDOCK_ENDPOINT", f"unix:{broker.socket}")
        return brokers.sealdock("task", verb, file, *more, **environment)

    return run


def containers(family):
    return docker(
        "ps", "--all", "--quiet", "--no-trunc", "--filter", f"label=com.amazonaws.ecs.task-definition-family={family}"
    ).split()


def nothing_started(run, family, code):
    assert run.returncode == code, run.stdout + run.stderr
    assert containers(family) == []
    assert "canary-8f1d" not in run.stdout + run.stderr
    assert "panicked" not in run.stderr


class TestValues:
    def test_every_kind_of_reference(self, task, shop, image, family):
        secrets = {
            "X_WHOLE": shop["token"],
            "X_KEY": f"{shop['login']}:password::",
            "X_PREVIOUS": f"{shop['login']}:password:AWSPREVIOUS:",
            "X_ID": f"{shop['login']}:::{shop['first']}",
            "X_NUMBER": f"{shop['login']}:port::",
            "X_PARTIAL": shop["token"].rsplit("-", 1)[0],
            "X_STRING": "/launch/level",
            "X_SECURE": f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/launch/mail",
        }
        run = task("run", definition(family, image, secrets, environment=[{"name": "X_PLAIN", "value": "plain"}]))
        assert run.returncode == 0, run.stderr
        for line in (
            "X_WHOLE=canary-8f1d-token",
            "X_KEY=canary-8f1d-2",
            "X_PREVIOUS=canary-8f1d-1",
            'X_ID={"user":"app","password":"canary-8f1d-1","port":12345678}',
            "X_NUMBER=1.2345678e+07",
            "X_PARTIAL=canary-8f1d-token",
            "X_STRING=info",
            "X_SECURE=canary-8f1d-mail",
            "X_PLAIN=plain",
        ):
            assert line in run.stdout

    def test_the_exit_status_is_the_containers(self, task, shop, image, family):
        run = task("run", definition(family, image, {"X_A": shop["token"]}, command="exit 7"))
        assert run.returncode == 7

    def test_a_rotation_reaches_the_next_container(self, broker, task, shop, image, family):
        wait = "trap 'exit 0' TERM; while :; do sleep 1; done"
        secret = f"launch/rotating-{family}"
        arn = shop["client"].create_secret(Name=secret, SecretString="canary-8f1d-old")["ARN"]
        document = definition(family, image, {"X_VALUE": arn}, command=wait)

        def value_in(container):
            environment = docker("exec", container, "cat", "/proc/1/environ").split("\0")
            return [entry for entry in environment if entry.startswith("X_VALUE=")]

        assert task("run", document, "--detach").returncode == 0
        (first,) = containers(family)
        shop["client"].put_secret_value(SecretId=secret, SecretString="canary-8f1d-new")
        assert value_in(first) == ["X_VALUE=canary-8f1d-old"]
        task_id = docker("inspect", "--format", '{{index .Config.Labels "com.amazonaws.ecs.task-arn"}}', first).strip()
        stopped = brokers.sealdock(
            "task", "stop", task_id.rsplit("/", 1)[-1], SEALDOCK_ENDPOINT=f"unix:{broker.socket}"
        )
        assert stopped.returncode == 0, stopped.stderr

        assert task("run", document, "--detach").returncode == 0
        (second,) = [one for one in containers(family) if one != first]
        assert value_in(second) == ["X_VALUE=canary-8f1d-new"]
        docker("rm", "--force", second, *[one for one in containers(family) if one == first])

    def test_a_plan_shows_no_value(self, task, shop, image, family):
        run = task("plan", definition(family, image, {"X_A": f"{shop['login']}:port::", "X_B": "/launch/mail"}))
        assert run.returncode == 0, run.stderr
        assert "X_A" in run.stdout and "X_B" in run.stdout
        assert "canary-8f1d" not in run.stdout + run.stderr
        assert containers(family) == []


class TestRefusals:
    """Every failure is named with container, variable and reference, and nothing is created."""

    def test_what_the_role_may_not_read(self, task, shop, image, family):
        run = task("run", definition(family, image, {"X_OK": shop["token"], "X_PAY": shop["payroll"]}))
        nothing_started(run, family, 120)
        for word in ("app", "X_PAY", shop["payroll"], "AccessDeniedException", "task.json"):
            assert word in run.stderr
        assert "X_OK" not in run.stderr

    def test_all_failures_at_once(self, task, shop, image, family):
        broken = {
            "X_DENIED": shop["payroll"],
            "X_ABSENT": shop["token"].replace("launch/token", "launch/absent"),
            "X_KEY": f"{shop['login']}:nokey::",
            "X_STAGE": f"{shop['login']}::NOSTAGE:",
            "X_NOT_JSON": f"{shop['token']}:key::",
            "X_BINARY": shop["binary"],
            "X_BINARY_KEY": f"{shop['binary']}:key::",
            "X_PARAMETER": "/launch/absent",
        }
        run = task("run", definition(family, image, {**broken, "X_OK": shop["token"]}))
        nothing_started(run, family, 120)
        for variable in broken:
            assert variable in run.stderr
        assert "retrieved secret from Secrets Manager did not contain json key nokey" in run.stderr

    def test_a_role_that_tasks_may_not_use(self, task, shop, image, family):
        role = f"arn:aws:iam::{ACCOUNT}:role/for-lambda"
        run = task("run", definition(family, image, {"X_A": shop["token"]}, role=role))
        nothing_started(run, family, 120)
        assert "for-lambda" in run.stderr

    def test_a_role_that_is_not_there(self, task, shop, image, family):
        role = f"arn:aws:iam::{ACCOUNT}:role/absent"
        run = task("run", definition(family, image, {"X_A": shop["token"]}, role=role))
        nothing_started(run, family, 120)

    def test_an_image_that_is_not_there(self, task, shop, family):
        run = task("run", definition(family, "127.0.0.1:1/absent:none", {"X_A": shop["token"]}))
        nothing_started(run, family, 123)
        assert "127.0.0.1:1/absent:none" in run.stderr

    def test_without_docker(self, task, shop, image, family):
        run = task("run", definition(family, image, {"X_A": shop["token"]}), DOCKER_HOST="unix:///nonexistent.sock")
        nothing_started(run, family, 122)
        assert "Docker" in run.stderr

    def test_without_a_broker(self, task, shop, image, family, tmp_path):
        run = task(
            "run", definition(family, image, {"X_A": shop["token"]}), SEALDOCK_ENDPOINT=f"unix:{tmp_path}/none.sock"
        )
        nothing_started(run, family, 121)

    def test_a_definition_with_errors(self, task, image, family):
        document = definition(family, image, {"X_A": "arn:aws:secretsmanager:eu-central-1:123456789012:secret:n:"})
        document["containerDefinitions"][0]["secrets"].append({"name": "X_A", "valueFrom": "/launch/level"})
        for verb in ("plan", "run"):
            run = task(verb, document)
            nothing_started(run, family, 2)
            assert "an invalid ARN format for the AWS Secrets Manager secret was specified" in run.stderr
            assert "Duplicate secret names found: X_A" in run.stderr
            assert "task.json:" in run.stderr

    @pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"family": 5}', "\x00", "{}" * 2])
    def test_a_file_that_is_no_definition(self, task, text):
        run = task("run", text)
        assert run.returncode == 2 and run.stderr.strip() and "panicked" not in run.stderr

    def test_a_file_that_is_not_there(self, broker, tmp_path):
        run = brokers.sealdock(
            "task", "run", tmp_path / "absent.json", SEALDOCK_ENDPOINT=f"unix:{broker.socket}"
        )
        assert run.returncode == 2 and "absent.json" in run.stderr


def test_a_launch_can_be_traced(broker, task, shop, image, family):
    assert task("run", definition(family, image, {"X_VALUE": f"{shop['login']}:password::"})).returncode == 0
    run = brokers.sealdock("audit", "search", "--data", broker.directory, "--limit", "500", "--json")
    events = [json.loads(line) for line in run.stdout.splitlines()]
    injected = [
        event for event in events if event["eventName"] == "RecordInjections" and family in json.dumps(event)
    ]
    assert injected
    text = json.dumps(injected[0])
    for word in ("app", "X_VALUE", shop["login"]):
        assert word in text
    assert "canary-8f1d" not in run.stdout
    reads = [event for event in events if event["eventName"] == "GetSecretValue"]
    assert any(
        event["userIdentity"]["arn"].startswith(f"arn:aws:sts::{ACCOUNT}:assumed-role/launch-execution/")
        for event in reads
    )
