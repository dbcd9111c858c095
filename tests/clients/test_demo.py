"""`docker/quickstart/demo.sh`: its promise besides what it shows, which is that it leaves nothing behind."""

import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

import broker as brokers

DEMO = brokers.ROOT / "docker" / "quickstart" / "demo.sh"


def surroundings():
    """What a demo could leave: containers, images, scratch directories."""
    ask = lambda *words: sorted(subprocess.check_output(["docker", *words], text=True).split())  # noqa: E731
    return (
        ask("ps", "--all", "--quiet", "--filter", "label=com.amazonaws.ecs.task-definition-family=sealdock-quickstart"),
        ask("image", "ls", "--quiet", "sealdock-demo/busybox"),
        sorted(map(str, Path(tempfile.gettempdir()).glob("sealdock-demo.*"))),
    )


def start(**environment):
    return subprocess.Popen(
        [DEMO],
        # A user whose own AWS set-up points somewhere else.
        env={
            **os.environ, "AWS_PROFILE": "nobody", "AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_REGION": "mars-1",
            "AWS_CA_BUNDLE": "/nonexistent", "HTTPS_PROXY": "http://127.0.0.1:9", **environment,
        },
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        # Whoever runs the tests in the background may have them ignore it, and a shell cannot undo that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip


@pytest.mark.timeout(240)
def test_from_beginning_to_end():
    before = surroundings()
    demo = start()
    output, _ = demo.communicate(timeout=200)
    assert demo.returncode == 0, output
    for promised in ("SHOP_DB_PASSWORD=autumn", "token splunk-0815: event", "PAYROLL_KEY", "intact"):
        assert promised in output
    assert surroundings() == before


@pytest.mark.timeout(120)
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("seconds", [1, 6])
def test_interrupted(how, seconds):
    before = surroundings()
    demo = start()
    time.sleep(seconds)
    os.killpg(demo.pid, how)
    demo.communicate(timeout=60)
    assert demo.returncode in (128 + how, -how)
    assert surroundings() == before


def test_without_docker():
    before = surroundings()
    demo = start(DOCKER_HOST="unix:///nonexistent.sock")
    output, _ = demo.communicate(timeout=60)
    assert demo.returncode == 1 and "Docker does not answer" in output
    assert surroundings() == before
