"""Services on this machine's Docker: tasks that are kept running and replaced while clients go on."""

import json
import os
import signal
import socket
import subprocess
import threading
import time

import pytest

import broker as brokers
from test_detached import eventually, gone
from test_launch import broker, containers, docker, family, image, shop, task  # noqa: F401  (fixtures)
from test_task_runs import container, definition, free_port, nothing_is_left  # noqa: F401  (fixture)

SERVE = "mkdir /w; echo $X_VALUE > /w/index.html; exec httpd -f -p 80 -h /w"


@pytest.fixture
def service(broker, tmp_path, family):
    """`service(verb, ...)`: one run of `sealdock service`; a service that is left is stopped."""

    def run(verb, *words, **environment):
        words = list(words)
        if verb == "run":
            file = tmp_path / "service.json"
            file.write_text(json.dumps(words[0]))
            words = [file, "--name", family, *words[1:]]
        environment.setdefault("SEALDOCK_ENDPOINT", f"unix:{broker.socket}")
        return brokers.sealdock("service", verb, *words, **environment)

    yield run
    run("stop", family)


def web(image, port, script=SERVE, **more):
    return container("web", image, script, portMappings=[{"containerPort": 80, "hostPort": port}], **more)


def checked(command="wget -q -O - http://127.0.0.1/", **more):
    return {"healthCheck": {"command": ["CMD-SHELL", command], "interval": 5, "retries": 1, "timeout": 2, **more}}


def started(service, document, *options):
    run = service("run", document, "--detach", *options)
    assert run.returncode == 0, run.stderr
    return run


def found(service, family):
    answer = service("list", "--json")
    assert answer.returncode == 0, answer.stderr
    (one,) = [one for one in json.loads(answer.stdout) if one["service"] == family] or [None]
    return one


def get(port):
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        answer = connection.makefile("rb").read()
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.0 200") or head.startswith(b"HTTP/1.1 200"), answer
    return body.decode().strip()


class Clients:
    """Threads that ask without a pause, and what they got."""

    def __init__(self, port, threads=3):
        self.port, self.answers, self.failures, self.over = port, [], [], False
        self.threads = [threading.Thread(target=self.run) for _ in range(threads)]

    def run(self):
        while not self.over:
            try:
                self.answers.append((time.monotonic(), get(self.port)))
            except (OSError, AssertionError) as failure:
                self.failures.append(repr(failure))

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over = True
        for thread in self.threads:
            thread.join()


def secret(shop, family, value="canary-8f1d-old"):
    return shop["client"].create_secret(Name=f"launch/{family}", SecretString=value)["ARN"]


class TestRedeploy:
    def test_no_client_is_refused(self, service, shop, image, family):
        """Clients in a tight loop get the old value, then the new one, and never an error."""
        port, arn = free_port(), secret(shop, family)
        app = web(image, port, secrets=[{"name": "X_VALUE", "valueFrom": arn}], **checked())
        started(service, definition(family, app), "--count", "2")
        assert found(service, family)["state"] == "READY" and found(service, family)["readyCount"] == 2
        before = containers(family)
        fresh = service("redeploy", family, "--when-stale", "--json")
        assert fresh.returncode == 0 and json.loads(fresh.stdout)["redeployed"] is False, fresh.stderr
        assert containers(family) == before
        with Clients(port) as clients:
            time.sleep(0.5)
            shop["client"].put_secret_value(SecretId=arn, SecretString="canary-8f1d-new")
            run = service("redeploy", family, "--when-stale", "--json")
            assert run.returncode == 0, run.stderr
            assert "X_VALUE" in run.stderr and json.loads(run.stdout)["redeployed"] is True
            done = time.monotonic()
            time.sleep(1)
        assert clients.failures == [] and len(clients.answers) > 50
        values = [value for _, value in sorted(clients.answers)]
        assert set(values) == {"canary-8f1d-old", "canary-8f1d-new"}
        assert values[0] == "canary-8f1d-old" and {v for at, v in clients.answers if at > done} == {"canary-8f1d-new"}
        after = containers(family)
        assert len(after) == 2 and not set(after) & set(before)

    def test_open_connections_end_in_their_own_time(self, service, shop, image, family):
        """A transfer that is under way when its task is replaced comes to its end."""
        port = free_port()
        slow = "mkdir -p /w/cgi-bin; printf '#!/bin/sh\\necho; sleep 4; echo whole' > /w/cgi-bin/slow; chmod +x /w/cgi-bin/slow; echo x > /w/index.html; exec httpd -f -p 80 -h /w"
        started(service, definition(family, web(image, port, slow)))
        with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
            connection.sendall(b"GET /cgi-bin/slow HTTP/1.0\r\n\r\n")
            assert service("redeploy", family).returncode == 0
            assert connection.makefile("rb").read().endswith(b"whole\n")

    def test_a_replacement_that_is_not_healthy_is_rolled_back(self, service, shop, image, family):
        port, arn = free_port(), secret(shop, family, "canary-8f1d-good")
        app = web(
            image, port, secrets=[{"name": "X_VALUE", "valueFrom": arn}],
            **checked("wget -q -O - http://127.0.0.1/ | grep good"),
        )  # fmt: skip
        started(service, definition(family, app))
        before = containers(family)
        shop["client"].put_secret_value(SecretId=arn, SecretString="canary-8f1d-bad")
        with Clients(port) as clients:
            run = service("redeploy", family)
        assert run.returncode == 118 and "rolled back" in run.stderr, run.stderr
        assert "Task failed container health checks: container `web` is unhealthy" in run.stderr
        assert "canary-8f1d" not in run.stderr
        assert clients.failures == [] and {value for _, value in clients.answers} == {"canary-8f1d-good"}
        eventually(lambda: containers(family) == before)
        assert found(service, family)["state"] == "READY" and "unhealthy" in found(service, family)["lastFailure"]

    def test_references_that_do_not_resolve_any_more(self, service, shop, image, family):
        port, arn = free_port(), secret(shop, family)
        started(service, definition(family, web(image, port, secrets=[{"name": "X_VALUE", "valueFrom": arn}])))
        before = containers(family)
        shop["client"].delete_secret(SecretId=arn, ForceDeleteWithoutRecovery=True)
        run = service("redeploy", family)
        assert run.returncode == 118 and "X_VALUE" in run.stderr and "rolled back" in run.stderr, run.stderr
        assert containers(family) == before and get(port) == "canary-8f1d-old"


class TestKept:
    def test_a_task_that_dies_is_replaced(self, service, shop, image, family):
        port = free_port()
        started(service, definition(family, web(image, port)), "--count", "2")
        first = containers(family)
        docker("kill", first[0])
        eventually(lambda: first[0] not in containers(family) and found(service, family)["state"] == "READY")
        assert len(containers(family)) == 2 and first[1] in containers(family)
        assert "Essential container in task exited" in found(service, family)["lastFailure"]
        get(port)

    def test_a_task_whose_health_check_fails_is_replaced(self, service, shop, image, family):
        port = free_port()
        started(service, definition(family, web(image, port, **checked("test ! -e /sick"))))
        (first,) = containers(family)
        docker("exec", first, "touch", "/sick")
        eventually(lambda: first not in containers(family) and found(service, family)["state"] == "READY")
        assert "unhealthy" in found(service, family)["lastFailure"]

    def test_task_stop_gives_way_to_another(self, service, shop, image, family):
        started(service, definition(family, web(image, free_port())))
        (one,) = found(service, family)["taskIds"]
        stopped = brokers.sealdock("task", "stop", one)
        assert stopped.returncode == 0, stopped.stderr
        eventually(lambda: (s := found(service, family))["state"] == "READY" and s["taskIds"] and one not in s["taskIds"])

    def test_stop_leaves_nothing(self, service, shop, image, family):
        port = free_port()
        started(service, definition(family, web(image, port)), "--count", "2")
        pid = found(service, family)["supervisorPid"]
        listed = service("ps", family, "--json")
        assert [one["status"] for one in json.loads(listed.stdout)] == ["READY", "READY"]
        stop = service("stop", family)
        assert stop.returncode == 0 and containers(family) == [], stop.stderr
        eventually(lambda: gone(pid))
        assert found(service, family) is None
        with pytest.raises(ConnectionRefusedError):
            get(port)
        assert service("stop", family).returncode == 119 and service("redeploy", family).returncode == 119

    def test_ctrl_c_in_the_foreground(self, broker, shop, image, family, tmp_path):
        file, port = tmp_path / "foreground.json", free_port()
        file.write_text(json.dumps(definition(family, web(image, port))))
        process = subprocess.Popen(
            [brokers.BINARY, "service", "run", str(file)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=brokers.environment(SEALDOCK_ENDPOINT=f"unix:{broker.socket}"),
        )  # fmt: skip
        lines = []
        for line in process.stderr:
            lines.append(line)
            if "is ready" in line:
                break
        get(port)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0, "".join(lines) + process.stderr.read()
        assert containers(family) == []


class TestFailures:
    def test_what_does_not_start(self, service, shop, image, family):
        dying = service("run", definition(family, web(image, free_port(), "exit 3")), "--detach")
        assert dying.returncode == 118 and "did not start" in dying.stderr and "exit code 3" in dying.stderr
        absent = container("web", image, "exit 0", secrets=[{"name": "X", "valueFrom": "/launch/absent"}])
        run = service("run", definition(family, absent), "--detach")
        assert run.returncode == 120 and "/launch/absent" in run.stderr, run.stderr
        closed = service("run", definition(family, web(image, free_port(), "sleep 60")), "--detach", "--ready-within", "3")
        assert closed.returncode == 118 and "not all new tasks were ready within 3 seconds" in closed.stderr
        udp = container("dns", image, "sleep 60", portMappings=[{"containerPort": 53, "hostPort": 53, "protocol": "udp"}])
        run = service("run", definition(family, udp), "--detach")
        assert run.returncode == 2 and "TCP ports only" in run.stderr and "service.json:" in run.stderr
        with socket.socket() as taken:
            taken.bind(("0.0.0.0", 0))
            taken.listen()
            run = service("run", definition(family, web(image, taken.getsockname()[1])), "--detach")
        assert run.returncode == 124 and "cannot listen on port" in run.stderr
        assert containers(family) == [] and found(service, family) is None

    def test_a_name_can_be_had_once(self, service, shop, image, family):
        document = definition(family, web(image, free_port()))
        started(service, document)
        again = service("run", document)
        assert again.returncode == 2 and "has a supervisor already" in again.stderr


class TestKilled:
    def test_the_next_command_finds_everything(self, service, shop, image, family):
        started(service, definition(family, web(image, free_port())), "--count", "2")
        os.kill(found(service, family)["supervisorPid"], signal.SIGKILL)
        eventually(lambda: found(service, family)["state"] == "LOST")
        assert len(found(service, family)["taskIds"]) == 2
        told = service("list")
        assert "was killed" in told.stderr and f"sealdock service stop {family}" in told.stderr
        assert "runs without a supervisor" in brokers.sealdock("task", "ps").stderr
        assert service("stop", family).returncode == 0 and containers(family) == []

    def test_another_one_takes_over(self, service, shop, image, family):
        """What is left serves until the new tasks are ready, and goes then."""
        port, arn = free_port(), secret(shop, family)
        document = definition(family, web(image, port, secrets=[{"name": "X_VALUE", "valueFrom": arn}], **checked()))
        started(service, document)
        before = containers(family)
        os.kill(found(service, family)["supervisorPid"], signal.SIGKILL)
        eventually(lambda: found(service, family)["state"] == "LOST")
        shop["client"].put_secret_value(SecretId=arn, SecretString="canary-8f1d-new")
        starting = threading.Thread(target=started, args=(service, document))
        starting.start()
        values = set()

        def asked():
            try:
                values.add(get(port))
            except ConnectionRefusedError:
                return False
            return "canary-8f1d-new" in values

        eventually(asked)
        starting.join()
        assert values == {"canary-8f1d-old", "canary-8f1d-new"}
        eventually(lambda: len(containers(family)) == 1 and not set(before) & set(containers(family)))
