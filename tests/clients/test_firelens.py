"""FireLens on this machine's Docker: a router that reads its configuration gets what the others of its task write, by Docker's own driver.

The router is not Fluent Bit and not Fluentd, which no registry of the tests has, but a program that reads the configuration of
either where they would, refuses what it does not know in it, and shows what each output would get: see firelens/router.py.
"""

import json
import shutil
import subprocess
import sys
import sysconfig
import uuid
from pathlib import Path

import pytest

from test_launch import broker, containers, docker, family, image, shop, task  # noqa: F401  (fixtures)
from test_task_runs import container, definition, free_port, lines_of, nothing_is_left  # noqa: F401  (fixture)

ROUTER = Path(__file__).parent / "firelens" / "router.py"
LEFT_OUT = ["site-packages", "test", "tests", "idlelib", "tkinter", "turtledemo", "ensurepip", "lib2to3", "config-*", "__pycache__"]
EXTRA_FLUENT_BIT = """\
[FILTER]
    Name record_modifier
    Match *
    Record from_file yes

[OUTPUT]
    Name file
    Match *
"""
EXTRA_FLUENTD = """\
<filter **>
  @type record_transformer
  <record>
    from_bucket yes
  </record>
</filter>
"""


@pytest.fixture(scope="module")
def router_image(image, tmp_path_factory):  # noqa: F811
    """The image of the other tests with this machine's Python, the router, and a configuration of its own."""
    root = tmp_path_factory.mktemp("router")
    interpreter = Path(sys.executable).resolve()
    linked = subprocess.check_output(["ldd", interpreter], text=True).split()
    stdlib = Path(sysconfig.get_path("stdlib", vars={"installed_base": sys.base_prefix}))
    for file in [str(interpreter), *(word for word in linked if word.startswith("/"))]:
        place = root / file.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, place)
    shutil.copytree(stdlib, root / str(stdlib).lstrip("/"), ignore=shutil.ignore_patterns(*LEFT_OUT))
    shutil.copy(ROUTER, root / "router.py")
    (root / "extra.conf").write_text(EXTRA_FLUENT_BIT)
    (root / "Dockerfile").write_text(f'FROM {image}\nCOPY . /\nENV PYTHON={interpreter}\n')
    name = f"sealdock-test/router:{uuid.uuid4().hex[:8]}"
    subprocess.run(["docker", "build", "--quiet", "--tag", name, root], check=True, capture_output=True, timeout=300)
    yield name
    docker("image", "rm", "--force", name)


def router(image, kind, options=None, **more):  # noqa: F811
    configuration = {"type": kind, **({"options": options} if options else {})}
    script = f"exec $PYTHON -u /router.py {kind}"
    return container("router", image, script, memory=64, firelensConfiguration=configuration, **more)


def routed(name, image, script, options, secrets=(), **more):  # noqa: F811
    log = {"logDriver": "awsfirelens", "options": options}
    if secrets:
        log["secretOptions"] = [{"name": option, "valueFrom": value} for option, value in secrets]
    return container(name, image, script, memory=64, logConfiguration=log, **more)


def told(run):
    """What the router said: its start, what outputs got, and the rest, in order."""
    assert run.returncode == 0, run.stderr
    start, *rest = [json.loads(line) for line in lines_of(run, "router")]
    return start, [line for line in rest if "output" in line], rest


def texts(records):
    return [record["record"]["log"] for record in records]


# Docker's driver throws away what it has not sent yet when a container ends, here as on ECS: containers stay a moment.
LAST = "trap 'echo last words; sleep 1; exit 0' TERM; while :; do sleep 0.1; done"


class TestFluentBit:
    def test_on_the_bridge(self, task, shop, router_image, family):
        check = {"command": ["CMD-SHELL", """echo '{"health": "check"}' | nc 127.0.0.1 8877 || exit 1"""], "interval": 5, "retries": 1}
        script = (
            "echo fail one; echo fine; echo fail two >&2; echo fail but expected; "
            "$PYTHON /router.py send app-firelens-own 'fail three'; sleep 1"
        )
        app = routed(
            "app", router_image, script,
            {
                "provider": "ecs", "Name": "datadog", "include-pattern": "^fail", "exclude-pattern": "expected",
                "log-driver-buffer-limit": "2097152",
            },
            [("apikey", shop["token"])], dependsOn=[{"containerName": "router", "condition": "HEALTHY"}],
        )  # fmt: skip
        other = routed("other", router_image, LAST, {"Name": "s3", "region": "eu-west-1"}, essential=False)
        run = task("run", definition(family, app, other, router(router_image, "fluentbit", healthCheck=check)))
        start, records, rest = told(run)
        assert start["ready"] == ["/var/run/fluent.sock", "0.0.0.0:24224", "127.0.0.1:8877"]
        assert "canary" not in start["config"] and "apikey ${apikey_0}\n" in start["config"]

        first = records[texts(records).index("fail one")]
        task_arn = first["record"]["ecs_task_arn"]
        assert first["tag"] == f"app-firelens-{task_arn.rsplit('/', 1)[1]}"
        assert first["options"] == {
            "Name": "datadog", "Match": "app-firelens*", "apikey": "canary-8f1d-token", "provider": "ecs",
        }  # fmt: skip
        record = first["record"]
        assert record["ecs_cluster"] == "default" and record["ecs_task_definition"] == f"{family}:0"
        assert ":task/default/" in task_arn and "app" in record["container_name"] and record["source"] == "stdout"
        assert {"container_id", "container_name", "source", "log"} <= record.keys()

        of_app = [one for one in records if one["output"] == "datadog"]
        assert sorted(texts(of_app)) == ["fail one", "fail three", "fail two"]
        (two,) = [one for one in of_app if one["record"]["log"] == "fail two"]
        assert two["record"]["source"] == "stderr"
        (own,) = [one for one in of_app if one["record"]["log"] == "fail three"]
        assert own["tag"] == "app-firelens-own" and own["record"]["ecs_task_arn"] == task_arn
        # It is healthy before the app starts, and what the check sends goes nowhere else.
        checks = [one for one in records if one["output"] == "null"]
        assert checks and records.index(checks[0]) < records.index(first)
        assert all(one["tag"] == "firelens-healthcheck" for one in checks)
        # The router stops last: it has the last words of a container that is stopped with the task.
        (last,) = [one for one in records if one["output"] == "s3"]
        assert last["record"]["log"] == "last words" and last["options"]["region"] == "eu-west-1"
        assert rest[-1] == {"stopped": True} and None not in [one["output"] for one in records]
        assert run.stderr.index("router: started") < run.stderr.index("app: started")
        assert run.stderr.index("router: started") < run.stderr.index("other: started")

    def test_in_a_network_of_the_tasks_own(self, task, router_image, family):
        """The output is in a file of the image; nothing is added to the records."""
        script = "echo plain; echo left out; $PYTHON /router.py send own by-port; sleep 2"
        options = {"enable-ecs-log-metadata": "false", "config-file-type": "file", "config-file-value": "/extra.conf"}
        app = routed("app", router_image, script, {"exclude-pattern": "left"})
        run = task("run", definition(family, router(router_image, "fluentbit", options), app, networkMode="awsvpc"))
        start, records, _ = told(run)
        assert start["ready"] == ["/var/run/fluent.sock", "127.0.0.1:24224", "127.0.0.1:8877"]
        assert sorted(texts(records)) == ["by-port", "plain"]
        for one in records:
            assert one["output"] == "file" and one["record"]["from_file"] == "yes" and "ecs_cluster" not in one["record"]

    @pytest.mark.parametrize("mode", ["host", "none"])
    def test_without_a_network_of_its_own(self, task, router_image, family, mode):
        """Docker reaches it by the socket; there is no port."""
        app = routed("app", router_image, "echo by socket; echo ${FLUENT_HOST-no host}; sleep 3", {"Name": "stdout"})
        run = task("run", definition(family, router(router_image, "fluentbit"), app, networkMode=mode))
        start, records, _ = told(run)
        assert start["ready"] == ["/var/run/fluent.sock"] and texts(records) == ["by socket", "no host"]


class TestFluentd:
    @pytest.mark.parametrize("mode, listens", [("bridge", "0.0.0.0"), ("awsvpc", "127.0.0.1")])
    def test_with_a_configuration_from_s3(self, task, shop, router_image, family, tmp_path, mode, listens):
        (tmp_path / "bucket").mkdir()
        (tmp_path / "bucket" / "fluent.conf").write_text(EXTRA_FLUENTD)
        options = {"config-file-type": "s3", "config-file-value": "arn:aws:s3:::config/fluent.conf"}
        script = "echo good; echo bad; $PYTHON /router.py send app-firelens-own 'good port'; sleep 2"
        app = routed(
            "app", router_image, script, {"@type": "http", "endpoint": "http://logs", "include-pattern": "good"},
            [("token", shop["token"]), ("level", "/launch/level")],
        )  # fmt: skip
        document = definition(family, app, router(router_image, "fluentd", options), networkMode=mode)
        start, records, rest = told(task("run", document, "--s3", f"arn:aws:s3:::config/={tmp_path}/bucket"))
        assert start["ready"] == ["/var/run/fluent.sock", f"{listens}:24224"] and start["uid"] == "0"
        assert "canary" not in start["config"]
        assert sorted(texts(records)) == ["good", "good port"]
        for one in records:
            assert one["options"] == {
                "@type": "http", "endpoint": "http://logs", "level": "info", "token": "canary-8f1d-token",
            }  # fmt: skip
            assert one["record"]["ecs_task_definition"] == f"{family}:0" and one["record"]["from_bucket"] == "yes"
        assert rest[-1] == {"stopped": True}
