"""Start-up, memory and throughput of the release binary, measured on this machine.

    start-up      from the start of the process to the first signed answer, with 1,000 secrets in the vault
    memory        resident, after 1,000 secrets were written and each was read
    throughput    signed GetSecretValue, as a ratio to a ceiling: a server that verifies, decides, decrypts and records
                  durably as well, and does nothing else. Absolute numbers move with whatever else the machine does;
                  the ratio of two servers measured seconds apart hardly moves.

The throughput part needs the load generator `broker-bench`; `BROKER_BENCH` names the directory of its binaries
(`loadgen`, `ceiling`, `ratio`). Without it, that part is left out and says so.
"""

import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "clients"))

import broker as brokers  # noqa: E402
import raw  # noqa: E402

SECRETS = 1000
STARTS = 15


def key_of(broker):
    return broker.variables["AWS_ACCESS_KEY_ID"], broker.variables["AWS_SECRET_ACCESS_KEY"]


class Session:
    """One connection that sends signed requests one after another."""

    def __init__(self, broker):
        self.endpoint = broker.variables["AWS_ENDPOINT_URL"]
        self.key = key_of(broker)
        self.connection = http.client.HTTPConnection(urlsplit(self.endpoint).netloc, timeout=30)

    def call(self, operation, request, service="secretsmanager", prefix="secretsmanager"):
        body = json.dumps(request).encode()
        headers = raw.signed_headers(self.endpoint, self.key, service, f"{prefix}.{operation}", body)
        self.connection.request("POST", "/", body=body, headers=headers)
        response = self.connection.getresponse()
        answer = response.read()
        assert response.status == 200, answer
        return json.loads(answer)


def fill(broker):
    session = Session(broker)
    for number in range(SECRETS):
        session.call("CreateSecret", {
            "Name": f"bench/s{number:06}", "SecretString": "x" * 1024, "ClientRequestToken": f"bench-{number:032}",
        })  # fmt: skip
    for number in range(SECRETS):
        session.call("GetSecretValue", {"SecretId": f"bench/s{number:06}"})


def resident_kib(process):
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])


def start_up(directory):
    """Milliseconds from the start of the process to its first signed answer."""
    begun = time.perf_counter()
    broker = brokers.dev(directory)
    Session(broker).call("GetSecretValue", {"SecretId": "bench/s000000"})
    taken = (time.perf_counter() - begun) * 1000
    broker.stop()
    return taken


def throughput(broker, tools, key=None):
    """The ratio program's lines, one per number of connections; `key` may have a session token as its third part."""
    server, client = (0, 1) if (os.cpu_count() or 1) > 1 else (0, 0)
    environment = brokers.environment(
        ENDPOINT=broker.variables["AWS_ENDPOINT_URL"], AWS_ACCESS_KEY_ID=(key or key_of(broker))[0],
        AWS_SECRET_ACCESS_KEY=(key or key_of(broker))[1], AWS_SESSION_TOKEN=key[2] if key else "",
        AWS_REGION=brokers.REGION,
    )  # fmt: skip
    with tempfile.TemporaryDirectory(dir=broker.directory.parent) as scratch:
        command = [
            Path(tools) / "ratio", "--op", "gsv-name", "--mode", "durable", "--log", f"{scratch}/ceiling.log",
            "--conns", "8,64", "--rounds", "5", "--secs", "2", "--server-pid", broker.process.pid,
            "--server-cpu", server, "--client-cpu", client,
        ]  # fmt: skip
        run = subprocess.run(list(map(str, command)), env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]


def main():
    # Not under /tmp: where that is memory, a durable write costs nothing and means nothing.
    with tempfile.TemporaryDirectory(prefix="bench-", dir=ROOT / "target") as scratch:
        directory = Path(scratch) / "data"
        broker = brokers.dev(directory)
        begun = resident_kib(broker.process)
        fill(broker)
        print(f"memory       {resident_kib(broker.process) / 1024:6.1f} MiB resident with {SECRETS} secrets, "
              f"each written and read ({begun / 1024:.1f} MiB at the start)")  # fmt: skip
        broker.stop()
        times = sorted(start_up(directory) for _ in range(STARTS))
        print(f"start-up     {statistics.median(times):6.1f} ms to the first signed answer "
              f"(median of {STARTS}; slowest {times[-1]:.1f})")  # fmt: skip
        tools = os.environ.get("BROKER_BENCH")
        if not tools:
            print("throughput   left out: BROKER_BENCH does not name the directory of broker-bench")
            return
        broker = brokers.dev(directory)
        for line in throughput(broker, tools):
            ratio = line["ratio_to_ceiling"]["candidate"]
            print(f"throughput   {ratio['rps']['median']:6.2f} of the ceiling `durable` at {line['conns']} connections "
                  f"(p99 {ratio['p99']['median']:.2f} x, CPU {ratio['cpu']['median']:.2f} x; "
                  f"{line['candidate']['rps']:.0f} requests/s here)")  # fmt: skip
        broker.stop()


if __name__ == "__main__":
    main()
