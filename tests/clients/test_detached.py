"""Detached tasks: a process of their own looks after them, and what happens when it is killed."""

import json
import os
import signal
import time

import broker as brokers
from test_launch import broker, containers, docker, family, image, shop, task  # noqa: F401  (fixtures)
from test_task_runs import WAIT, cgroup, container, definition, lines_of, nothing_is_left  # noqa: F401  (fixture)


def detached(task, document, *options):
    run = task("run", document, "--detach", *options)
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


def described(task_id):
    answer = brokers.sealdock("task", "describe", task_id, "--json")
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout)["tasks"][0]


def listed(task_id):
    answer = brokers.sealdock("task", "ps", "--json")
    assert answer.returncode == 0, answer.stderr
    (one,) = [one for one in json.loads(answer.stdout) if one["taskId"] == task_id]
    return one


def stop(task_id):
    stopped = brokers.sealdock("task", "stop", task_id)
    assert stopped.returncode == 0, stopped.stderr


def eventually(check, seconds=30):
    limit = time.monotonic() + seconds
    while not (found := check()):
        assert time.monotonic() < limit, "it did not happen in time"
        time.sleep(0.1)
    return found


def gone(pid):
    """Whether a process has ended; what nobody has waited for counts as ended."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(") ", 1)[1].startswith("Z")
    except FileNotFoundError:
        return True


class TestSupervised:
    def test_an_essential_container_ends_the_task(self, task, image, family):
        """What is left is stopped in order, and stays to be looked at until it is removed."""
        main = container("main", image, "sleep 2; echo last words; exit 7", dependsOn=[{"containerName": "side", "condition": "START"}])
        side = container("side", image, "trap 'echo side stopped; exit 0' TERM; while :; do sleep 0.1; done", essential=False)
        task_id = detached(task, definition(family, main, side, networkMode="none"))
        assert listed(task_id)["supervisor"] == "ALIVE"
        pid = listed(task_id)["supervisorPid"]
        answer = eventually(lambda: (one := described(task_id)).get("stoppedReason") and one)
        assert answer["stoppedReason"] == "Essential container in task exited"
        assert answer["stopCode"] == "EssentialContainerExited"
        assert answer["lastStatus"] == answer["desiredStatus"] == "STOPPED"
        assert {one["name"]: one["exitCode"] for one in answer["containers"]} == {"main": 7, "side": 0}
        logs = brokers.sealdock("task", "logs", task_id)
        assert lines_of(logs, "main") == ["last words"] and lines_of(logs, "side") == ["side stopped"]
        stop(task_id)
        eventually(lambda: gone(pid))
        assert containers(family) == []

    def test_later_steps_of_depends_on(self, task, image, family):
        """`--detach` answers when every container has started: the one that waits for a success as well."""
        first = container("first", image, "sleep 1; exit 0", essential=False)
        then = container("then", image, WAIT, dependsOn=[{"containerName": "first", "condition": "SUCCESS"}])
        task_id = detached(task, definition(family, first, then, networkMode="none"))
        status = {one["name"]: one["lastStatus"] for one in described(task_id)["containers"]}
        assert status == {"first": "STOPPED", "then": "RUNNING"}
        stop(task_id)

    def test_a_stop_is_the_supervisors(self, task, image, family):
        """In stop order, with the containers' stop timeouts, and without a restart in between."""
        base = container("base", image, WAIT, essential=False, restartPolicy={"enabled": True, "restartAttemptPeriod": 60})
        top = container("top", image, WAIT, dependsOn=[{"containerName": "base", "condition": "START"}])
        task_id = detached(task, definition(family, base, top, networkMode="none"))
        pid = listed(task_id)["supervisorPid"]
        assert not gone(pid)
        stop(task_id)
        eventually(lambda: gone(pid))
        assert containers(family) == []
        assert brokers.sealdock("task", "stop", task_id).returncode == 119

    def test_the_supervisor_goes_with_the_containers(self, task, image, family):
        task_id = detached(task, definition(family, container("app", image, WAIT), networkMode="none", memory="64"))
        pid = listed(task_id)["supervisorPid"]
        assert cgroup(task_id, "memory", "cgroup.procs") is not None
        docker("rm", "--force", *containers(family))
        eventually(lambda: gone(pid))
        assert cgroup(task_id, "memory", "cgroup.procs") is None

    def test_what_fails_before_it_runs_is_told(self, task, image, family):
        app = container("app", image, WAIT, secrets=[{"name": "X", "valueFrom": "/launch/absent"}])
        run = task("run", definition(family, app, networkMode="none"), "--detach")
        assert run.returncode == 120 and "/launch/absent" in run.stderr and run.stdout == ""
        failing = task("run", definition(family, container("app", image, "exit 0", entryPoint=["/absent"])), "--detach")
        assert failing.returncode == 124 and "/absent" in failing.stderr and failing.stdout == ""
        assert containers(family) == []


class TestKilled:
    def test_the_next_command_finds_it(self, task, image, family):
        task_id = detached(task, definition(family, container("app", image, WAIT), networkMode="none"))
        os.kill(listed(task_id)["supervisorPid"], signal.SIGKILL)
        eventually(lambda: listed(task_id)["supervisor"] == "LOST")
        told = brokers.sealdock("task", "ps")
        assert f"task {task_id} runs without a supervisor" in told.stderr and f"sealdock task stop {task_id}" in told.stderr
        assert "supervisor lost" in brokers.sealdock("task", "describe", task_id).stdout
        stop(task_id)
        assert containers(family) == []
