"""What the runtime hook adds to the start of a container with ten references, and a storm of starts.

    paired     a container under runc with ten plain variables, and one under the hook with ten references (five keys of
               five secrets, five parameters); each is made beforehand and started once, in alternating order, over
               Docker's API. The figure is the median of the differences within the pairs, with the interval that holds
               the true one in 19 of 20 such runs. A start waits for much that has nothing to do with the hook, so the
               processor time is told as well: of the processes that the container's shim has started, and of the broker.
    storm      100 containers with ten references, started at once

On a Docker daemon and a broker of its own, both in a scratch directory; it needs root. `--rounds N` sets the pairs.
`SEALDOCK_BINARY` measures another binary than target/release/sealdock.
"""

import argparse
import concurrent.futures
import http.client
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "clients"))

import broker as brokers  # noqa: E402
from bench import Session  # noqa: E402

REFERENCES = 10
STORM = 100
ROLE = f"arn:aws:iam::{brokers.ACCOUNT}:role/ecsTaskExecutionRole"


class Docker:
    """A daemon whose network namespace, directories and runtimes are its own."""

    def __init__(self, directory, broker_socket):
        self.directory = Path(directory)
        self.socket = str(self.directory / "docker.sock")
        # As `sealdock install docker` registers it.
        program = self.directory / "sealdock-runc"
        written = brokers.sealdock("install", "wrapper", program, "--socket", broker_socket, "--region", brokers.REGION,
                                   "--execution-role", ROLE)  # fmt: skip
        assert written.returncode == 0, written.stderr
        (self.directory / "daemon.json").write_text(json.dumps({
            "data-root": str(self.directory / "data"), "exec-root": str(self.directory / "exec"),
            "pidfile": str(self.directory / "pid"), "hosts": [f"unix://{self.socket}"],
            "bridge": "none", "iptables": False, "ip-masq": False,
            "runtimes": {"sealdock": {"path": str(program)}},
        }))  # fmt: skip
        log = (self.directory / "log").open("w")
        command = ["unshare", "--net", "dockerd", "--config-file", str(self.directory / "daemon.json")]
        self.process = subprocess.Popen(command, stdout=log, stderr=log)
        for _ in range(300):
            if os.path.exists(self.socket) and self.run("version", check=False).returncode == 0:
                break
            time.sleep(0.1)
        else:
            sys.exit((self.directory / "log").read_text()[-2000:])
        image = self.directory / "image"
        (image / "bin").mkdir(parents=True)
        for tool in ("sleep", "sh"):
            shutil.copy(shutil.which("busybox"), image / "bin" / tool)
        subprocess.run(["tar", "-cf", self.directory / "image.tar", "-C", image, "bin"], check=True)
        self.run("import", str(self.directory / "image.tar"), "bench:1")

    def run(self, *words, check=True):
        return subprocess.run(["docker", "-H", f"unix://{self.socket}", *words], check=check, capture_output=True, text=True)

    def call(self, method, path, body=None):
        connection = http.client.HTTPConnection("docker")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(self.socket)
        headers = {"Content-Type": "application/json"} if body is not None else {}
        connection.request(method, path, body=json.dumps(body) if body is not None else None, headers=headers)
        response = connection.getresponse()
        text = response.read()
        connection.close()
        if response.status >= 400:
            raise RuntimeError(text.decode())
        return json.loads(text) if text else None

    def create(self, runtime, environment):
        return self.call("POST", "/containers/create", {
            "Image": "bench:1", "Cmd": ["/bin/sleep", "600"], "Env": environment,
            "HostConfig": {"Runtime": runtime, "NetworkMode": "none"},
        })["Id"]  # fmt: skip

    def start(self, container):
        """Milliseconds that Docker takes to answer."""
        begun = time.perf_counter()
        self.call("POST", f"/containers/{container}/start")
        return (time.perf_counter() - begun) * 1000

    def processor_time(self, container):
        """Milliseconds of the processes that the shim of a container has started and waited for."""
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if container.encode() in (process / "cmdline").read_bytes().split(b"\0"):
                    return ticks(process, 16, 17)
            except FileNotFoundError:
                continue
        raise RuntimeError(f"{container} has no shim")

    def remove(self, container):
        self.call("DELETE", f"/containers/{container}?force=1")

    def stop(self):
        for container in self.run("ps", "-aq").stdout.split():
            self.remove(container)
        self.process.terminate()
        self.process.wait()
        subprocess.run(["umount", "-R", "-q", self.directory / "exec" / "netns" / "default"], check=False)


def ticks(process, *fields):
    """Milliseconds in these fields of /proc/PID/stat, by their numbers in proc(5)."""
    found = (process / "stat").read_text().rpartition(")")[2].split()
    return sum(int(found[field - 3]) for field in fields) * 1000 / os.sysconf("SC_CLK_TCK")


def references(broker):
    session, made = Session(broker), []
    for number in range(REFERENCES // 2):
        value = json.dumps({"password": f"password-{number}", "user": "app"})
        secret = session.call("CreateSecret", {"Name": f"bench/s{number}", "SecretString": value,
                                               "ClientRequestToken": f"bench-{number:032}"})  # fmt: skip
        parameter = {"Name": f"/bench/p{number}", "Type": "SecureString", "Value": f"value-{number}"}
        session.call("PutParameter", parameter, "ssm", "AmazonSSM")
        made += [f"SECRET_{number}=sealdock:{secret['ARN']}:password::", f"PARAMETER_{number}=sealdock:/bench/p{number}"]
    return made


def paired(docker, broker, environment, rounds):
    plain = [entry.split("=")[0] + "=" + "x" * 16 for entry in environment]
    differences, times, work = [], {"runc": [], "sealdock": []}, {"runc": 0, "sealdock": 0}
    for number in range(rounds + 3):
        # The first ones fill caches.
        if number == 3:
            begun = ticks(Path("/proc") / str(broker.process.pid), 14, 15)
        pair = {"runc": docker.create("runc", plain), "sealdock": docker.create("sealdock", environment)}
        order = ["runc", "sealdock"] if number % 2 else ["sealdock", "runc"]
        took = {runtime: docker.start(pair[runtime]) for runtime in order}
        spent = {runtime: docker.processor_time(pair[runtime]) for runtime in order}
        for container in pair.values():
            docker.remove(container)
        if number >= 3:
            differences.append(took["sealdock"] - took["runc"])
            for runtime in order:
                times[runtime].append(took[runtime])
                work[runtime] += spent[runtime]
    answered = (ticks(Path("/proc") / str(broker.process.pid), 14, 15) - begun) / rounds
    low, middle, high = statistics.quantiles(differences, n=4)
    differences.sort()
    reach = 0.98 * rounds**0.5
    least, most = differences[max(int(rounds / 2 - reach), 0)], differences[min(int(rounds / 2 + reach), rounds - 1)]
    print(f"hook         {middle:6.1f} ms added to a start with {REFERENCES} references (median of {rounds} pairs, "
          f"between {least:.1f} and {most:.1f} in 19 of 20 runs; quartiles {low:.1f} and {high:.1f}; a start takes "
          f"{statistics.median(times['runc']):.0f} ms with runc and {statistics.median(times['sealdock']):.0f} ms with "
          f"the hook)")  # fmt: skip
    added = (work["sealdock"] - work["runc"]) / rounds
    print(f"processor    {added:6.1f} ms more for what the shim starts (with runc {work['runc'] / rounds:.0f} ms), and "
          f"{answered:.1f} ms for the broker")  # fmt: skip


def storm(docker, environment):
    containers = [docker.create("sealdock", environment) for _ in range(STORM)]
    begun = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(STORM) as pool:
        starts = [pool.submit(docker.start, container) for container in containers]
        failures = [str(start.exception()) for start in starts if start.exception()]
    taken = time.perf_counter() - begun
    running = len(docker.run("ps", "-q").stdout.split())
    print(f"storm        {STORM} starts at once: {len(failures)} failed, {running} run after {taken:.1f} s")
    for failure in failures[:3]:
        print(f"             {failure}")
    return not failures


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--no-storm", action="store_true")
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        print("hook         left out: it starts a Docker daemon of its own and needs root")
        return
    # The broker not under /tmp: where that is memory, a durable write costs nothing and means nothing. The daemon with
    # a short path, since its sockets have one.
    with (
        tempfile.TemporaryDirectory(prefix="bench-", dir=ROOT / "target") as vault,
        tempfile.TemporaryDirectory(prefix="sd") as scratch,
    ):
        broker = brokers.dev(Path(vault) / "data")
        docker = Docker(scratch, Path(vault) / "data" / "sealdock.sock")
        try:
            environment = references(broker)
            paired(docker, broker, environment, arguments.rounds)
            whole = arguments.no_storm or storm(docker, environment)
        finally:
            docker.stop()
            broker.stop()
    sys.exit(0 if whole else 1)


if __name__ == "__main__":
    main()
