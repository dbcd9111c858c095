"""Task metadata, versions 4 and 3: the members that tools look for, and no secret among them."""

import json

import pytest

import conftest
from broker import ACCOUNT
from test_task_credentials import WAIT, broker, definition, docker, endpoint, environment_of, get, nothing_is_left, task  # noqa: F401
from test_task_credentials import EXECUTION, LINK_LOCAL, pytestmark  # noqa: F401
from test_task_credentials import family, image  # noqa: F401  (fixtures)


@pytest.fixture
def running(broker, task, endpoint, family, image, request):  # noqa: F811
    """A task with secrets in variables and log options: its id, its container and where its metadata are."""
    network = getattr(request, "param", "bridge")
    arn = f"arn:aws:secretsmanager:eu-central-1:{ACCOUNT}:secret:injected"
    container = {
        "secrets": [{"name": "INJECTED", "valueFrom": arn}], "environment": [{"name": "PLAIN", "value": "in-the-environment"}],
        "dockerLabels": {"team": "x"}, "cpu": 64, "memory": 32,
        "healthCheck": {"command": ["CMD-SHELL", "echo $INJECTED"], "interval": 5},
        "logConfiguration": {
            "logDriver": "json-file", "options": {"max-file": "2", "labels": "team"},
            "secretOptions": [{"name": "tag", "valueFrom": arn}],
        },
        "portMappings": [{"containerPort": 8080}],
    }  # fmt: skip
    document = definition(
        family, image, WAIT, container=container, executionRoleArn=EXECUTION, cpu="256", memory="128", networkMode=network
    )
    run = task("run", document, "--detach")
    assert run.returncode == 0, run.stderr
    task_id = run.stdout.strip()
    container, variables = environment_of(task_id)
    assert variables["INJECTED"] == f"{conftest.CANARY}-injected"
    return task_id, container, variables["ECS_CONTAINER_METADATA_URI_V4"]


def metadata(url):
    status, headers, body = get(url)
    assert (status, headers["Content-Type"]) == (200, "application/json"), body
    for secret in (conftest.CANARY, "in-the-environment", "secret:injected", "/v2/credentials", "sealdock."):
        assert secret not in body, secret
    return json.loads(body)


def test_the_container_and_its_task(running, family, broker):  # noqa: F811
    task_id, container, url = running
    assert url.startswith(f"{LINK_LOCAL}/v4/")
    own = metadata(url)
    assert own["DockerId"].startswith(container) and own["Name"] == "app" and family in own["DockerName"]
    assert own["DesiredStatus"] == own["KnownStatus"] == "RUNNING" and own["Type"] == "NORMAL"
    assert own["Limits"] == {"CPU": 64, "Memory": 32} and own["ImageID"].startswith("sha256:")
    assert own["Labels"]["team"] == "x" and own["Labels"]["com.amazonaws.ecs.task-arn"].endswith(task_id)
    assert own["LogDriver"] == "json-file" and own["LogOptions"] == {"max-file": "2", "labels": "team"}
    (network,) = own["Networks"]
    assert network["NetworkMode"] == "bridge" and network["IPv4Addresses"][0].count(".") == 3
    assert any(port["ContainerPort"] == 8080 and port["HostPort"] for port in own["Ports"])
    assert own["ContainerARN"].startswith(f"arn:aws:ecs:") and f":container/default/{task_id}/" in own["ContainerARN"]
    assert own["Health"]["status"] in ("HEALTHY", "UNKNOWN") and "output" not in own["Health"]
    assert "ExitCode" not in own and "FinishedAt" not in own
    whole = metadata(f"{url}/task")
    assert whole["TaskARN"].endswith(f"task/default/{task_id}") and whole["Cluster"] == "default"
    assert (whole["Family"], whole["Revision"]) == (family, "0")
    assert whole["KnownStatus"] == whole["DesiredStatus"] == "RUNNING"
    assert whole["Limits"] == {"CPU": 0.25, "Memory": 128} and whole["FaultInjectionEnabled"] is False
    assert [one["DockerId"] for one in whole["Containers"]] == [own["DockerId"]]
    assert metadata(f"{url}/taskWithTags")["TaskARN"] == whole["TaskARN"]


def test_version_3_says_less_in_the_same_shapes(running):
    task_id, _, url = running
    _, variables = environment_of(task_id)
    older = variables["ECS_CONTAINER_METADATA_URI"]
    assert older == url.replace("/v4/", "/v3/")
    own, before = metadata(url), metadata(older)
    assert set(own) - set(before) == {"LogDriver", "LogOptions", "ContainerARN"} and set(before) <= set(own)
    assert before["Networks"] == [{name: own["Networks"][0][name] for name in ("NetworkMode", "IPv4Addresses")}]
    assert all("HostIp" not in port for port in before["Ports"]) and len(before["Ports"]) == len(own["Ports"])
    whole = metadata(f"{older}/task")
    assert set(metadata(f"{url}/task")) - set(whole) == {"LaunchType", "FaultInjectionEnabled"}
    assert [one["DockerId"] for one in whole["Containers"]] == [own["DockerId"]]
    assert "network_rate_stats" not in metadata(f"{older}/stats")
    (one,) = metadata(f"{older}/task/stats").values()
    assert one["memory_stats"]["usage"] > 0 and "network_rate_stats" not in one
    for rest, status in (("", 500), ("/task", 500), ("/taskWithTags", 500), ("/stats", 400), ("/task/stats", 400)):
        answer = get(f"{LINK_LOCAL}/v3/bad{rest}")
        assert answer[0] == status and json.loads(answer[2]).startswith("V3 ") and answer[2].endswith('endpoint ID: bad"')


@pytest.mark.parametrize("running", ["awsvpc"], indirect=True)
def test_a_network_in_common_is_that_of_the_pause_container(running):
    _, _, url = running
    (network,) = metadata(url)["Networks"]
    assert network["NetworkMode"] == "awsvpc" and network["AttachmentIndex"] == 0
    assert network["IPv4SubnetCIDRBlock"].endswith("/16") and network["SubnetGatewayIpv4Address"].count(".") == 3
    containers = {one["Name"]: one for one in metadata(f"{url}/task")["Containers"]}
    assert containers["~internal~ecs~pause"]["Type"] == "CNI_PAUSE"
    assert containers["~internal~ecs~pause"]["KnownStatus"] == "RESOURCES_PROVISIONED"
    stats = metadata(f"{url}/stats")
    assert stats["networks"] and stats["network_rate_stats"]["rx_bytes_per_sec"] >= 0


def test_measurements(running):
    _, container, url = running
    stats = metadata(f"{url}/stats")
    assert stats["memory_stats"]["usage"] > 0 and stats["cpu_stats"]["cpu_usage"]["total_usage"] > 0
    assert set(stats["network_rate_stats"]) == {"rx_bytes_per_sec", "tx_bytes_per_sec"}
    (one,) = metadata(f"{url}/task/stats").items()
    assert one[0].startswith(container) and one[1]["memory_stats"]["usage"] > 0


def test_a_container_that_has_ended_beside_one_that_runs(broker, task, endpoint, family, image):  # noqa: F811
    document = definition(family, image, WAIT)
    ended = {"name": "ended", "image": image, "memory": 32, "essential": False, "command": ["sh", "-c", "sleep 1; exit 7"]}
    document["containerDefinitions"].append(ended)
    run = task("run", document, "--detach")
    assert run.returncode == 0, run.stderr
    task_id = run.stdout.strip()
    running, variables = environment_of(task_id)
    (other,) = docker("ps", "--all", "--quiet", "--no-trunc", "--filter", f"label=sealdock.task-id={task_id}", "--filter",
                      "label=com.amazonaws.ecs.container-name=ended").split()  # fmt: skip
    docker("wait", other)
    entries = json.loads(docker("inspect", "--format", "{{json .Config.Env}}", other))
    url = dict(entry.split("=", 1) for entry in entries)["ECS_CONTAINER_METADATA_URI_V4"]
    assert url != variables["ECS_CONTAINER_METADATA_URI_V4"]
    own = metadata(url)
    assert (own["KnownStatus"], own["ExitCode"], own["DockerId"]) == ("STOPPED", 7, other) and own["FinishedAt"] > own["StartedAt"]
    whole = metadata(f"{url}/task")
    assert whole["KnownStatus"] == "RUNNING" and {one["Name"]: one["KnownStatus"] for one in whole["Containers"]} == {
        "app": "RUNNING", "ended": "STOPPED",
    }  # fmt: skip
    status, _, body = get(f"{url}/stats")
    assert (status, json.loads(body)) == (500, f"Unable to get container stats for: {other}")
    assert get(f"{url.replace('/v4/', '/v3/')}/stats")[0] == 400
    measured = metadata(f"{url}/task/stats")
    assert measured.pop(other) is None and [one["memory_stats"]["usage"] > 0 for one in measured.values()] == [True]


@pytest.mark.parametrize(
    "rest, text",
    [
        ("", "V4 container metadata handler: unable to get container ID from request: unable to get docker ID"),
        ("/task", "V4 task metadata handler: unable to get task arn from request: unable to get task Arn"),
        ("/stats", "V4 container stats handler: unable to get container ID from request: unable to get docker ID"),
        ("/task/stats", "V4 task stats handler: unable to get task arn from request: unable to get task Arn"),
    ],
)
def test_an_unknown_id_is_answered_in_the_agents_words(endpoint, rest, text):  # noqa: F811
    for id_ in ("bad", "00000000-0000-4000-8000-000000000000", "bad=x,y"):
        status, headers, body = get(f"{LINK_LOCAL}/v4/{id_}{rest}")
        assert (status, headers["Content-Type"]) == (404, "application/json")
        assert json.loads(body) == f"{text} from v3 endpoint ID: {id_}"


def test_a_task_without_a_role_has_metadata_and_no_credentials(endpoint, task, family, image):  # noqa: F811
    document = definition(family, image, "env | grep -e ^AWS_CONTAINER; wget -q -O - $ECS_CONTAINER_METADATA_URI_V4/task")
    del document["taskRoleArn"]
    run = task("run", document)
    assert run.returncode == 0, run.stderr
    lines = [line.removeprefix("app | ") for line in run.stdout.splitlines()]
    assert len(lines) == 1 and json.loads(lines[0])["Family"] == family
