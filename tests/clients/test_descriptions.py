"""`task describe --json` against the shape that botocore has of DescribeTasks, while a task runs, when it ended, and when it was stopped."""

import datetime
import json

import boto3
import pytest

import broker as brokers
from test_detached import detached, described, eventually, stop
from test_launch import broker, image, shop  # noqa: F401
from test_task_runs import container, definition, family, task  # noqa: F401

WAIT = "trap 'exit 0' TERM; while :; do sleep 0.1; done"


@pytest.fixture(scope="module")
def shape():
    client = boto3.client("ecs", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
    return client.meta.service_model.operation_model("DescribeTasks").output_shape


def differences(value, shape, path=""):
    """What of a value the shape does not have, by place."""
    kinds = {"structure": dict, "map": dict, "list": list, "string": str, "integer": int, "long": int, "boolean": bool, "timestamp": str}
    if not isinstance(value, kinds[shape.type_name]) or (shape.type_name in ("integer", "long") and isinstance(value, bool)):
        return [f"{path}: {value!r} is no {shape.type_name}"]
    if shape.type_name == "structure":
        unknown = [f"{path}.{name}: no such member" for name in value if name not in shape.members]
        known = [(name, one) for name, one in value.items() if name in shape.members]
        return unknown + [d for name, one in known for d in differences(one, shape.members[name], f"{path}.{name}")]
    if shape.type_name == "list":
        return [d for place, one in enumerate(value) for d in differences(one, shape.member, f"{path}[{place}]")]
    if shape.type_name == "timestamp":
        datetime.datetime.fromisoformat(value)
    return [] if not getattr(shape, "enum", None) or value in shape.enum else [f"{path}: {value!r} is not one of {shape.enum}"]


def answered(task_id, shape):
    answer = json.loads(brokers.sealdock("task", "describe", "--json", task_id).stdout)
    assert differences(answer, shape) == []
    return answer["tasks"][0]


class TestShape:
    def test_every_member_is_of_the_api(self, task, image, family, shape):
        main = container("main", image, "sleep 2; exit 7", portMappings=[{"containerPort": 80}, {"containerPort": 53, "protocol": "udp"}],
                         healthCheck={"command": ["CMD", "true"], "interval": 5})  # fmt: skip
        side = container("side", image, "exit 3", essential=False)
        task_id = detached(task, definition(family, main, side))
        running = answered(task_id, shape)
        assert running["lastStatus"] == "RUNNING" and "stoppedAt" not in running and "stopCode" not in running
        assert {c["name"] for c in running["overrides"]["containerOverrides"]} == {"main", "side"}
        assert all(c["containerArn"].startswith(running["taskArn"].replace(":task/", ":container/")) for c in running["containers"])
        eventually(lambda: described(task_id).get("stoppedReason"))
        ended = answered(task_id, shape)
        assert (ended["stopCode"], ended["stoppedReason"]) == ("EssentialContainerExited", "Essential container in task exited")
        assert {c["name"]: c["exitCode"] for c in ended["containers"]} == {"main": 7, "side": 3}
        moments = [datetime.datetime.fromisoformat(ended[name]) for name in ("createdAt", "startedAt", "executionStoppedAt", "stoppedAt")]
        assert moments == sorted(moments)
        stop(task_id)
