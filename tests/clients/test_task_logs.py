"""What containers write comes to whoever reads it: every line, once, whether or not it ends."""

import json
import subprocess
import time

import pytest

import broker as brokers
from test_detached import described, detached, eventually, stop
from test_launch import broker, containers, docker, family, image, shop, task  # noqa: F401  (fixtures)
from test_task_runs import container, definition, lines_of, nothing_is_left  # noqa: F401  (fixture)

LONG = "x" * 40_000
"""More than Docker takes in one piece (16 KiB)."""


def after(*names):
    return [{"containerName": name, "condition": "COMPLETE"} for name in names]


class TestLastLines:
    @pytest.mark.parametrize("run", range(4))
    def test_of_containers_that_end_at_once(self, task, image, family, run):
        """Docker writes a line without an end when the container is closed, and ends a follow at the same time."""
        quick = [container(f"c{n}", image, f"echo first {n}; printf 'last {n}'", essential=False) for n in range(9)]
        app = container("app", image, "printf 'last of all'", dependsOn=after(*(one["name"] for one in quick)))
        run = task("run", definition(family, *quick, app, networkMode="none"))
        assert run.returncode == 0, run.stderr
        for n in range(9):
            assert lines_of(run, f"c{n}") == [f"first {n}", f"last {n}"]
        assert lines_of(run, "app") == ["last of all"]

    def test_of_both_streams(self, task, image, family):
        script = "for i in 1 2 3; do echo same; echo err >&2; done; printf out; printf wrong >&2"
        run = task("run", definition(family, container("app", image, script), networkMode="none"))
        assert run.returncode == 0, run.stderr
        lines = [line for line in (run.stdout + run.stderr).splitlines() if line.startswith("app | ")]
        assert sorted(line.removeprefix("app | ") for line in lines) == sorted(["same", "err"] * 3 + ["out", "wrong"])

    def test_long_ones(self, task, image, family):
        """Docker parts a long line into pieces, which all have one time."""
        script = f"x={LONG}; echo $x$x$x; sleep 0.5; printf $x; sleep 0.5; printf $x; echo err >&2; printf end"
        run = task("run", definition(family, container("app", image, script), networkMode="none"))
        assert run.returncode == 0, run.stderr
        text = "".join(line for line in lines_of(run, "app") if "err" not in line)
        assert text == LONG * 5 + "end"

    def test_of_a_terminal(self, task, image, family):
        script = f"for i in 1 2 3; do echo same; sleep 0.2; done; printf {LONG}; printf end"
        run = task("run", definition(family, container("app", image, script, pseudoTerminal=True), networkMode="none"))
        assert run.returncode == 0, run.stderr
        assert lines_of(run, "app") == ["same"] * 3 + [LONG + "end"]

    def test_after_many_lines(self, task, image, family):
        """The log is far longer than what is remembered of it, and than what one reading gives at a time."""
        run = task("run", definition(family, container("app", image, "seq 1 60000; printf end"), networkMode="none"))
        assert run.returncode == 0, run.stderr
        assert lines_of(run, "app") == [*map(str, range(1, 60_001)), "end"]

    def test_of_a_log_that_is_cut_off_meanwhile(self, task, image, family):
        """Docker keeps only the last 64 KiB: what has been read counts, and the last line comes."""
        log = {"logDriver": "json-file", "options": {"max-size": "64k", "max-file": "1"}}
        script = "for i in $(seq 1 400); do for j in 0 1 2 3 4 5 6 7 8 9; do echo $i.$j; done; sleep 0.01; done; printf end"
        run = task("run", definition(family, container("app", image, script, logConfiguration=log), networkMode="none"))
        assert run.returncode == 0, run.stderr
        lines = lines_of(run, "app")
        # Where one file follows another, Docker itself may lose lines, or say one twice.
        assert lines[0] == "1.0" and lines[-1] == "end" and lines.count("end") == 1
        assert len(set(lines)) > 3000 and len(lines) - len(set(lines)) < 20

    def test_where_docker_sends_them_elsewhere(self, task, image, family):
        """Docker keeps a copy of what it sends away. What that holds comes; Docker loses some of it."""
        log = {"logDriver": "gelf", "options": {"gelf-address": "udp://127.0.0.1:9"}}
        app = container("app", image, "echo one; sleep 1; echo two; echo three", logConfiguration=log)
        run = task("run", definition(family, app, networkMode="none"))
        assert run.returncode == 0, run.stderr
        lines = lines_of(run, "app")
        assert lines[0] == "one" and lines == [line for line in ("one", "two", "three") if line in lines]

    def test_a_log_that_cannot_be_read(self, task, image, family):
        log = {"logDriver": "gelf", "options": {"gelf-address": "udp://127.0.0.1:9", "cache-disabled": "true"}}
        app = container("app", image, "echo one; sleep 2; printf end", logConfiguration=log)
        run = task("run", definition(family, app, networkMode="none"))
        assert run.returncode == 0, run.stderr
        assert lines_of(run, "app") == []


class TestCommands:
    def test_logs_of_a_task(self, task, image, family):
        script = "echo one; sleep 2; printf end"
        task_id = detached(task, definition(family, container("app", image, script), networkMode="none"))
        begun = time.monotonic()
        followed = brokers.sealdock("task", "logs", "--follow", task_id)
        assert followed.returncode == 0, followed.stderr
        assert lines_of(followed, "app") == ["one", "end"] and time.monotonic() - begun < 20
        eventually(lambda: described(task_id)["lastStatus"] == "STOPPED")
        for more in ([], ["--follow"]):
            read = brokers.sealdock("task", "logs", task_id, *more)
            assert lines_of(read, "app") == ["one", "end"], read.stderr
        stop(task_id)

    def test_logs_of_a_running_container_are_what_there_is(self, task, image, family):
        script = "echo one; printf unfinished; sleep 60"
        task_id = detached(task, definition(family, container("app", image, script), networkMode="none"))
        read = eventually(lambda: lines_of(brokers.sealdock("task", "logs", task_id), "app"))
        # Docker has the rest when the line ends.
        assert read == ["one"]
        stop(task_id)

    def test_lines_of_a_service(self, broker, image, family, tmp_path):
        file = tmp_path / "service.json"
        app = container("app", image, "echo one; sleep 1; printf end")
        file.write_text(json.dumps(definition(family, app, networkMode="none")))
        words = [brokers.BINARY, "service", "run", file, "--name", family, "--count", "1"]
        with subprocess.Popen(
            words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            env=brokers.environment(SEALDOCK_ENDPOINT=f"unix:{broker.socket}"),
        ) as service:  # fmt: skip
            lines = [service.stdout.readline().rstrip().rsplit("| ", 1)[-1] for _ in range(4)]
            service.terminate()
        assert lines == ["one", "end", "one", "end"]
