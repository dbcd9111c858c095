"""A real broker for a test: the release binary, started on a port that the system picks, stopped at the end.

Two ways to start one:

    dev(directory)       `sealdock dev`: plain HTTP on loopback, one principal that may do everything
    served(directory)    `sealdock init` and `sealdock serve`: TLS, a Unix socket, the users of `policies.py`

Everything that the process prints goes to a file, so that the suite can look for planted values in it.
"""

import os
import re
import shlex
import signal
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BINARY = os.environ.get("SEALDOCK_BINARY", str(ROOT / "target" / "release" / "sealdock"))
ACCOUNT = "123456789012"
REGION = "eu-central-1"
START_SECONDS = 20

_EXPORT = re.compile(r"^export ([A-Z_]+)=(.*)$")
_LISTENING = re.compile(r"^listening on (\S+)")


def environment(**extra):
    """What a child process gets: nothing of the user's AWS or Sealdock set-up, and no proxy."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "SEALDOCK_")) and not name.lower().endswith("_proxy")
    }
    kept.update(
        AWS_CONFIG_FILE="/dev/null",
        AWS_SHARED_CREDENTIALS_FILE="/dev/null",
        AWS_EC2_METADATA_DISABLED="true",
        AWS_PAGER="",
    )
    kept.update({name: str(value) for name, value in extra.items()})
    return kept


def sealdock(*arguments, timeout=60, stdin=subprocess.DEVNULL, **extra):
    """One run of the binary to its end; the result has `returncode`, `stdout` and `stderr`."""
    return subprocess.run(
        [BINARY, *map(str, arguments)],
        env=environment(**extra),
        stdin=stdin,
        capture_output=True,
        text=True,
        timeout=timeout,
    )


def exports(text):
    """The variables of `export NAME=VALUE` lines."""
    found = {}
    for line in text.splitlines():
        if match := _EXPORT.match(line):
            found[match[1]] = "".join(shlex.split(match[2]))
    return found


class Broker:
    """A running broker process: where it listens, its data directory, and what it has printed so far."""

    def __init__(self, arguments, directory):
        self.directory = Path(directory)
        self.output = self.directory.parent / f"{self.directory.name}.output"
        self.arguments = [str(argument) for argument in arguments]
        self.process = None
        self.start()

    def start(self):
        with open(self.output, "ab") as file:
            self._printed_before = file.tell()
            self.process = subprocess.Popen(
                [BINARY, *self.arguments],
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
            )

    def printed(self):
        """What this start of the process has printed."""
        return self.output.read_bytes()[self._printed_before :].decode("utf-8", "replace")

    def wait_until(self, ready):
        """Waits until `ready(printed)` gives something true, and returns that."""
        limit = time.monotonic() + START_SECONDS
        while time.monotonic() < limit:
            if found := ready(self.printed()):
                return found
            if self.process.poll() is not None:
                raise RuntimeError(f"the broker ended with {self.process.returncode}:\n{self.printed()}")
            time.sleep(0.01)
        self.kill()
        raise RuntimeError(f"the broker was not ready within {START_SECONDS} seconds:\n{self.printed()}")

    def stop(self):
        """Asks the broker to end, and returns its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.kill()
            raise RuntimeError("the broker did not end within 20 seconds of SIGTERM") from None

    def kill(self):
        """Ends the process as a crash would."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


def dev(directory, *arguments):
    """A broker started by `sealdock dev`, with `variables` as it exported them."""
    broker = Broker(
        ["dev", "--listen", "127.0.0.1:0", "--account", ACCOUNT, "--region", REGION, "--data", directory, *arguments],
        directory,
    )
    wanted = {"AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"}
    broker.variables = broker.wait_until(lambda text: (e := exports(text)) and wanted <= set(e) and e)
    return broker


def served(directory, policies=None):
    """A broker with TLS, plain HTTP and a Unix socket; `tls`, `plain` and `socket` say where, `ca` is its CA file."""
    made = sealdock("init", "--data", directory, "--account", ACCOUNT, "--region", REGION)
    assert made.returncode == 0, made.stderr
    directory = Path(directory)
    if policies is not None:
        (directory / "policies" / "test.json").write_text(policies)
    return serve(directory)


def serve(directory):
    """Starts a broker on a data directory that exists."""
    broker = Broker(
        ["serve", "--data", directory, "--tls", "127.0.0.1:0", "--listen", "127.0.0.1:0"], directory
    )
    broker.socket = Path(directory) / "sealdock.sock"
    broker.ca = Path(directory) / "tls" / "ca.pem"

    def listeners(text):
        found = [match[1] for line in text.splitlines() if (match := _LISTENING.match(line))]
        tls = [url for url in found if url.startswith("https://")]
        plain = [url for url in found if url.startswith("http://")]
        return tls and plain and broker.socket.exists() and (tls[0], plain[0])

    broker.tls, broker.plain = broker.wait_until(listeners)
    return broker


def access_key(broker, user):
    """A new access key for a user of the broker's policies: (id, secret)."""
    made = sealdock("key", "create", "--socket", broker.socket, "--user", user, "--format", "env")
    assert made.returncode == 0, made.stderr
    variables = exports(made.stdout) or dict(
        line.split("=", 1) for line in made.stdout.splitlines() if "=" in line
    )
    return variables["AWS_ACCESS_KEY_ID"], variables["AWS_SECRET_ACCESS_KEY"]
